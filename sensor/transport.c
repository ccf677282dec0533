/* transport.c - a packet finds its flow, and the flow its bytes. */
#include "sensor/transport_state.h"

#include <stdlib.h>

#include "sensor/detect.h"
#include "sensor/stream.h"

#define SECOND INT64_C(1000000000)

enum {
	CLOSED_S = 10,    /* an ended connection is remembered for what comes late */
	EMPTY_S = 300,    /* one that never said anything */
	FOREIGN_S = 3600, /* one that is not ours */
	LATE_MAX = 3,     /* payloads after the end until it is taken back */
	FAR_OFF = 1 << 20 /* bytes from what comes next that no window of a plant reaches */
};

static void fill_defaults(struct transport_options *o)
{
	if (o->max_flows == 0)
		o->max_flows = TRANSPORT_MAX_FLOWS;
	if (o->pool_bytes == 0)
		o->pool_bytes = (size_t)TRANSPORT_POOL_BYTES;
	if (o->tcp_idle_s == 0)
		o->tcp_idle_s = TRANSPORT_TCP_IDLE_S;
	if (o->udp_idle_s == 0)
		o->udp_idle_s = TRANSPORT_UDP_IDLE_S;
	if (o->gap_ms == 0)
		o->gap_ms = TRANSPORT_GAP_MS;
	if (o->gap_bytes == 0)
		o->gap_bytes = TRANSPORT_GAP_BYTES;
	if (o->dissectors == NULL)
		o->dissectors = dissectors;
}

struct transport *transport_new(const struct transport_options *o)
{
	struct transport *t = calloc(1, sizeof *t);
	if (t == NULL)
		return NULL;
	t->o = *o;
	fill_defaults(&t->o);
	t->counters = o->counters;
	t->inspector = o->inspector;
	t->pool.cap = t->o.pool_bytes;
	t->flows = flow_table_new(t->o.max_flows, o->hash_seed);
	t->seen = duplicates_new();
	if (t->flows == NULL || t->seen == NULL) {
		transport_free(t);
		return NULL;
	}
	return t;
}

void transport_tell(struct transport *t, enum anomaly_kind kind, const struct flow_slot *s,
	unsigned from, struct stamp at, uint64_t count, const char *detail)
{
	struct anomaly a = { .kind = kind,
		.at = at,
		.flow = s != NULL ? &s->flow : NULL,
		.from = from,
		.count = count,
		.detail = detail };
	t->inspector->anomaly(t->inspector->ctx, &a);
}

/* Told at 1, 2, 4, 8 … occurrences, each time with those not told before. */
static void tell_doubling(struct transport *t, struct doubling *d, enum anomaly_kind kind,
	const struct flow_slot *s, unsigned from, struct stamp at)
{
	d->count++;
	if (d->count < d->next)
		return;
	transport_tell(t, kind, s, from, at, d->count - d->told, NULL);
	d->told = d->count;
	d->next = d->count * 2;
}

void transport_pool_full(
	struct transport *t, const struct flow_slot *s, unsigned from, struct stamp at)
{
	t->counters->pool_refused += t->pool.refused - t->pool_refused;
	t->pool_refused = t->pool.refused;
	tell_doubling(t, &t->pool_full, ANOMALY_POOL_FULL, s, from, at);
}

void transport_relist(struct transport *t, struct flow_slot *s)
{
	enum flow_list list;
	if (s->closed)
		list = FLOWS_CLOSED;
	else if ((s->mode == FLOW_OURS || s->mode == FLOW_ENCRYPTED) && !s->flow.dissector->office)
		list = s->flow.l4 == L4_TCP ? FLOWS_OURS_TCP : FLOWS_OURS_UDP;
	else if (s->flow.l4 == L4_UDP)
		list = FLOWS_DATAGRAM;
	else
		list = s->flow.stream == NULL && s->mode == FLOW_UNDECIDED ? FLOWS_EMPTY
									   : FLOWS_FOREIGN;
	flow_table_move(t->flows, s, list);
}

static void measure(struct transport *t)
{
	t->counters->flows_active = flow_table_count(t->flows);
	t->counters->flow_memory = flow_table_memory(t->flows) + t->pool.used;
}

static void flow_stop(struct transport *t, struct flow_slot *s, const char *why)
{
	struct flow *f = &s->flow;
	if (f->stream != NULL && f->l4 == L4_TCP)
		stream_flush(t, f->stream);
	t->inspector->flow_end(t->inspector->ctx, f, why);
	stream_free(t, s);
	if (f->state != NULL) {
		if (f->dissector->release != NULL)
			f->dissector->release(f->state, &t->pool);
		pool_give(&t->pool, f->state, f->dissector->state_size);
	}
	flow_table_remove(t->flows, s);
}

static int64_t idle_limit(const struct transport *t, enum flow_list list)
{
	uint32_t tcp = t->o.tcp_idle_s, s = tcp;
	if (list == FLOWS_CLOSED)
		s = CLOSED_S;
	else if (list == FLOWS_EMPTY)
		s = tcp < EMPTY_S ? tcp : EMPTY_S;
	else if (list == FLOWS_FOREIGN)
		s = tcp < FOREIGN_S ? tcp : FOREIGN_S;
	else if (list == FLOWS_DATAGRAM || list == FLOWS_OURS_UDP)
		s = t->o.udp_idle_s;
	return (int64_t)s * SECOND;
}

static APART void expire(struct transport *t, int64_t now_ns)
{
	for (unsigned list = 0; list < FLOW_LISTS; list++) {
		int64_t limit = idle_limit(t, (enum flow_list)list);
		struct flow_slot *s;
		while ((s = flow_table_oldest(t->flows, (enum flow_list)list)) != NULL) {
			int64_t idle = ns_between(s->listed_ns, now_ns);
			if (idle < -SECOND) { /* time went back: it counts from here */
				flow_table_touch(t->flows, s, now_ns);
				continue;
			}
			if (idle <= limit || ns_between(s->flow.last_ns, now_ns) <= limit)
				break;
			flow_stop(t, s, list == FLOWS_CLOSED ? "closed" : "timeout");
		}
	}
	measure(t);
}

/* A second has gone by, or time went back. */
static bool expiry_due(const struct transport *t, int64_t now_ns)
{
	return (uint64_t)ns_between(t->expire_ns, now_ns) >= SECOND;
}

static bool tick_due(const struct transport *t, int64_t now_ns)
{
	return t->waiting.first != NULL || expiry_due(t, now_ns);
}

void transport_tick(struct transport *t, int64_t now_ns)
{
	if (t->waiting.first != NULL)
		stream_expire(t, now_ns);
	if (expiry_due(t, now_ns)) {
		t->expire_ns = now_ns;
		expire(t, now_ns);
	}
}

/* The table is full: the least recently used of the least useful goes. */
static void evict(struct transport *t, struct stamp at)
{
	struct flow_slot *s = NULL;
	for (unsigned list = 0; list < FLOW_LISTS && s == NULL; list++)
		s = flow_table_oldest(t->flows, (enum flow_list)list);
	if (s == NULL)
		return;
	flow_stop(t, s, s->closed ? "closed" : "evicted");
	t->counters->flows_evicted++;
	tell_doubling(t, &t->flows_full, ANOMALY_FLOWS_FULL, NULL, 0, at);
}

static void take_syn(struct flow_slot *s, unsigned from, const struct packet *p)
{
	s->syn[from] = true;
	s->start[from] = p->seq + 1;
	s->flow.client = p->tcp_flags & TCP_ACK ? (uint8_t)!from : (uint8_t)from;
	s->flow.client_sure = true;
	if (s->flow.stream != NULL)
		stream_syn(s->flow.stream, from, p->seq + 1);
	/* Of several SYNs the answered one counts. */
	if (!(p->tcp_flags & TCP_ACK))
		return;
	s->syn[!from] = true;
	s->start[!from] = p->ack;
	if (s->flow.stream != NULL)
		stream_syn(s->flow.stream, !from, p->ack);
}

/* A reset's text is for people. */
static bool has_payload(const struct packet *p)
{
	return p->payload_wire_len > 0 && !(p->tcp_flags & TCP_RST);
}

static bool is_syn(const struct packet *p)
{
	return (p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)) == TCP_SYN;
}

static struct flow_slot *flow_begin(struct transport *t, const struct packet *p, uint64_t hash)
{
	if (flow_table_full(t->flows))
		evict(t, p->at);
	struct flow_slot *s =
		flow_table_add(t->flows, p, hash, p->l4 == L4_TCP ? FLOWS_EMPTY : FLOWS_DATAGRAM);
	if (s == NULL)
		return NULL;
	t->counters->flows++;
	if (is_syn(p))
		take_syn(s, 0, p);
	detect_start(t, s);
	t->inspector->flow_start(t->inspector->ctx, &s->flow, p->at);
	return s;
}

/* A SYN of another connection between the same ends and ports. */
static bool starts_anew(const struct flow_slot *s, unsigned from, const struct packet *p)
{
	if (s->syn[from])
		return s->start[from] != p->seq + 1;
	if (s->closed)
		return true;
	if (p->tcp_flags & TCP_ACK)
		return s->flow.stream != NULL && s->flow.stream->half[from].started;
	return s->flow.stream != NULL || s->mode != FLOW_UNDECIDED;
}

/* Both ends have been talking. A SYN inside such a connection is answered with a mere ACK by a
 * living peer (RFC 5961, 4), so it proves nothing; anybody can send one to make the sensor look
 * elsewhere. */
static bool is_live(const struct flow_slot *s)
{
	return !s->closed && s->flow.packets[0] > 0 && s->flow.packets[1] > 0 &&
	       (s->flow.stream != NULL || (s->syn[0] && s->syn[1]));
}

/* True if the old connection goes on: this SYN waits for its answer, or answers none. */
static bool goes_on(struct flow_slot *s, unsigned from, const struct packet *p)
{
	if (!is_live(s))
		return false;
	if (p->tcp_flags & TCP_ACK)
		return !s->wished || s->wisher == from || p->ack != s->wish + 1;
	s->wished = true;
	s->wisher = (uint8_t)from;
	s->wish = p->seq;
	return true;
}

static void tell_change(struct transport *t, struct flow_slot *s, enum flow_change change,
	unsigned from, struct stamp at)
{
	if (t->inspector->flow_change != NULL)
		t->inspector->flow_change(t->inspector->ctx, &s->flow, change, from, at);
}

/* A reset far outside the window: the other end does not believe it (RFC 9293, 3.5.3), so neither
 * do we. Whoever sent it does not see the connection. */
static bool is_blind(const struct flow_slot *s, unsigned from, const struct packet *p)
{
	const struct stream *st = s->flow.stream;
	if (!(p->tcp_flags & TCP_RST) || s->mode != FLOW_OURS || !st->half[from].started)
		return false;
	int32_t off = seq_after(p->seq, st->half[from].next);
	return off > FAR_OFF || off < -FAR_OFF;
}

static APART void take_end(
	struct transport *t, struct flow_slot *s, unsigned from, const struct packet *p)
{
	if (is_blind(s, from, p)) {
		tell_change(t, s, FLOW_BLIND_RESET, from, p->at);
		return;
	}
	if (p->tcp_flags & TCP_FIN)
		s->fin[from] = true;
	if (s->closed || (!(p->tcp_flags & TCP_RST) && !(s->fin[0] && s->fin[1])))
		return;
	s->closed = s->flow.ended = true;
	s->late = 0;
	transport_relist(t, s);
}

/* The other end speaks for the first time. */
static APART void answered(
	struct transport *t, struct flow_slot *s, unsigned from, const struct packet *p)
{
	bool refused = s->flow.l4 == L4_TCP && (p->tcp_flags & TCP_RST) != 0;
	tell_change(t, s, refused ? FLOW_REFUSED : FLOW_ANSWERED, from, p->at);
}

static inline void count_packet(
	struct transport *t, struct flow_slot *s, unsigned from, const struct packet *p)
{
	if (s->flow.packets[from]++ == 0 && s->flow.packets[!from] > 0)
		answered(t, s, from, p);
	s->flow.bytes[from] += p->wirelen;
	s->flow.last_ns = p->at.ts_ns;
	flow_table_touch(t->flows, s, p->at.ts_ns);
}

/* A flow whose payload is not read; true if it is one of ours after all. */
static APART bool looked_again(
	struct transport *t, struct flow_slot *s, unsigned from, const struct packet *p)
{
	struct piece in = { p->payload, p->payload_len, p->seq, p->at };
	if (s->mode == FLOW_OTHER)
		return detect_again(t, s, from, &in);
	t->counters->encrypted += p->payload_wire_len;
	return false;
}

/* False if the packet was a copy. */
static bool take_payload(
	struct transport *t, struct flow_slot *s, unsigned from, const struct packet *p, bool copy)
{
	if (s->mode >= FLOW_OTHER && !looked_again(t, s, from, p))
		return true;
	if (s->closed && ++s->late > LATE_MAX) {
		s->closed = s->flow.ended = s->fin[0] = s->fin[1] = false;
		transport_relist(t, s);
		tell_change(t, s, FLOW_WENT_ON, from, p->at);
	}
	bool fresh = stream_packet(t, s, from, p, copy);
	if (s->list == FLOWS_EMPTY)
		transport_relist(t, s);
	return fresh;
}

/* Where a TCP connection's start was seen, these must be the bytes behind the SYN. */
static APART void first_bytes(
	struct transport *t, struct flow_slot *s, unsigned from, const struct packet *p)
{
	uint32_t seq = p->seq + (p->tcp_flags & TCP_SYN ? 1 : 0);
	if (p->l4 == L4_TCP && (!s->syn[from] || seq != s->start[from]))
		return;
	s->flow.said |= (uint8_t)(1u << from);
	if (t->inspector->first_bytes != NULL)
		t->inspector->first_bytes(t->inspector->ctx, &s->flow, from, p->at,
			rd_over(p->payload, p->payload_len));
}

/* Bare ACKs and resets may be the rest of something; these are the probes of scanners. */
static void stray(struct transport *t, const struct packet *p)
{
	if (!(p->tcp_flags & (TCP_ACK | TCP_RST)) && t->inspector->stray != NULL)
		t->inspector->stray(t->inspector->ctx, p);
}

/* The connection @p belongs to, where it is a SYN or belongs to none yet. NULL: no more to do. */
static APART struct flow_slot *tcp_begin(struct transport *t, struct flow_slot *s, unsigned *from,
	const struct packet *p, uint64_t hash)
{
	bool syn = is_syn(p);
	if (s != NULL && starts_anew(s, *from, p)) {
		if (goes_on(s, *from, p)) {
			count_packet(t, s, *from, p);
			return NULL;
		}
		flow_stop(t, s, "closed");
		s = NULL;
	}
	if (s == NULL) {
		if (!syn && !has_payload(p)) {
			stray(t, p);
			return NULL;
		}
		s = flow_begin(t, p, hash);
		*from = 0;
	}
	if (s != NULL && syn)
		take_syn(s, *from, p);
	return s;
}

static void tcp_packet(struct transport *t, const struct packet *p, uint64_t hash)
{
	unsigned from = 0;
	struct flow_slot *s = flow_table_find(t->flows, p, hash, &from);
	bool payload = has_payload(p);
	bool copy = duplicates_tcp(t->seen, p, hash);
	if (copy && !payload) {
		t->counters->duplicates++;
		return;
	}
	if (s == NULL || is_syn(p))
		s = tcp_begin(t, s, &from, p, hash);
	if (s == NULL)
		return;
	if ((p->tcp_flags & TCP_ACK) && s->flow.stream != NULL)
		stream_ack(s->flow.stream, from, p->ack);
	if (payload && !take_payload(t, s, from, p, copy))
		return;
	count_packet(t, s, from, p);
	if (payload && !(s->flow.said >> from & 1))
		first_bytes(t, s, from, p);
	if (p->tcp_flags & (TCP_FIN | TCP_RST))
		take_end(t, s, from, p);
}

static APART void udp_packet(struct transport *t, const struct packet *p, uint64_t hash)
{
	if (duplicates_udp(t->seen, p, hash)) {
		t->counters->duplicates++;
		return;
	}
	unsigned from = 0;
	struct flow_slot *s = flow_table_find(t->flows, p, hash, &from);
	if (s == NULL)
		s = flow_begin(t, p, hash);
	if (s == NULL)
		return;
	count_packet(t, s, from, p);
	if (p->payload_len > 0 && !(s->flow.said >> from & 1))
		first_bytes(t, s, from, p);
	struct piece in = { p->payload, p->payload_len, 0, p->at };
	uint32_t cut = p->payload_wire_len - p->payload_len;
	if (s->mode == FLOW_ENCRYPTED)
		t->counters->encrypted += p->payload_wire_len;
	if (s->mode == FLOW_ENCRYPTED || p->payload_wire_len == 0)
		return;
	if (s->mode == FLOW_OTHER && !detect_again(t, s, from, &in))
		return;
	if (s->mode == FLOW_OURS && s->strange)
		detect_strange(t, s, from, &in);
	if (s->mode != FLOW_UNDECIDED || !detect_datagram(t, s, from, &in))
		datagram_read(t, s, from, &in, cut > 0);
	if (cut > 0)
		datagram_cut(t, s, from, cut, p->at);
}

void transport_packet(struct transport *t, const struct packet *p)
{
	if (tick_due(t, p->at.ts_ns))
		transport_tick(t, p->at.ts_ns);
	uint64_t hash = flow_table_hash(t->flows, p);
	if (p->l4 == L4_TCP)
		tcp_packet(t, p, hash);
	else if (p->l4 == L4_UDP)
		udp_packet(t, p, hash);
}

void transport_finish(struct transport *t)
{
	for (unsigned list = 0; list < FLOW_LISTS; list++) {
		struct flow_slot *s;
		while ((s = flow_table_oldest(t->flows, (enum flow_list)list)) != NULL)
			flow_stop(t, s, s->closed ? "closed" : "end");
	}
	measure(t);
}

void transport_free(struct transport *t)
{
	if (t == NULL)
		return;
	flow_table_free(t->flows);
	duplicates_free(t->seen);
	free(t);
}
