/* scan.c - the watcher `scan`: turns flows, ICMP, ARP and stray packets into contacts. */
#include "sensor/scan.h"

#include <stdlib.h>

#include "sensor/asks.h"
#include "sensor/icmp.h"

#define MS INT64_C(1000000)

enum { ETHERTYPE_ARP = 0x806, ARP_REQUEST = 1, ARP_REPLY = 2 };

static void scan_close(void *self)
{
	struct scan *s = self;
	contacts_close(s);
	tallies_close(s);
	free(s);
}

static void *scan_open(const struct watch *w, struct err *err)
{
	const struct config *c = w->config;
	struct scan *s = calloc(1, sizeof *s);
	if (s == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	s->watch = w;
	s->answer_ns = (int64_t)c->scan_answer_ms * MS;
	s->window_ns = (int64_t)c->scan_window_s * 1000 * MS;
	s->verify = c->checksums && !w->options->no_checksums;
	s->trw = trw_of((double)c->scan_theta0 / 100, (double)c->scan_theta1 / 100,
		1 / (double)c->scan_alpha, (double)c->scan_beta / 100);
	if (c->scan_theta1 >= c->scan_theta0)
		err_set(err, "scan.theta1 must be below scan.theta0");
	else if (!contacts_open(s) || !tallies_open(s))
		err_set(err, "out of memory");
	if (!err->set)
		return s;
	scan_close(s);
	return NULL;
}

static void time_is(struct scan *s, struct stamp at)
{
	s->now_ns = at.ts_ns;
	contacts_expire(s, at);
}

/* --- flows ------------------------------------------------------------------------------------ */

static enum scan_how how_of(const struct flow *f)
{
	return f->l4 == L4_TCP ? BY_TCP : BY_UDP;
}

/* They know each other's hardware address from now on, so to ask for it is nothing new. */
static void know_each_other(struct scan *s, const struct endpoint *a, const struct endpoint *b)
{
	struct endpoint x = *a, y = *b;
	x.port = y.port = 0;
	contact_known(s, &x, &y, BY_ARP);
	contact_known(s, &y, &x, BY_ARP);
}

/* What flow->note says of a flow. */
enum { NOTE_ATTEMPT = 1, NOTE_ANSWERED };

static void started(struct scan *s, struct flow *f, struct stamp at)
{
	if (!flow_to_one(f))
		return;
	if (!flow_asks(f)) {
		contact_known(s, &f->end[f->client], &f->end[!f->client], how_of(f));
		know_each_other(s, &f->end[0], &f->end[1]);
	} else if (contact_made(s, &f->end[0], &f->end[1], how_of(f), false, at)) {
		f->note[s->watch->index] = NOTE_ATTEMPT;
	}
}

static void answered(struct scan *s, struct flow *f, bool refused, struct stamp at)
{
	uint32_t *note = &f->note[s->watch->index];
	s->two_way[0] = true;
	contact_settled(s, &f->end[0], &f->end[1], how_of(f),
		refused ? OUTCOME_REFUSED : OUTCOME_ANSWERED, at);
	if (refused)
		return;
	know_each_other(s, &f->end[0], &f->end[1]);
	if (*note == NOTE_ATTEMPT)
		*note = NOTE_ANSWERED;
}

/* A device that is there answers a scanner; but who has business with it says something, if not
 * now then soon after. */
static void ended(struct scan *s, const struct flow *f)
{
	enum { HANDSHAKE_AND_END = 5 };
	if (f->l4 != L4_TCP || f->note[s->watch->index] != NOTE_ANSWERED || !f->ended ||
		(f->said & 1) || f->packets[0] > HANDSHAKE_AND_END ||
		contact_is_spoken(s, &f->end[0], &f->end[1], BY_TCP))
		return;
	struct scan_attempt a = {
		.at_ns = f->first_ns, .src = f->end[0], .dst = f->end[1], .how = BY_TCP
	};
	tally_outcome(s, &a, OUTCOME_UNUSED, (struct stamp){ .ts_ns = s->now_ns });
}

static void scan_flow(
	void *self, struct flow *f, enum flow_change change, unsigned from, struct stamp at)
{
	struct scan *s = self;
	if (change == FLOW_ENDED) {
		ended(s, f);
		return;
	}
	time_is(s, at);
	if (change == FLOW_STARTED)
		started(s, f, at);
	else if (from == 1)
		answered(s, f, change == FLOW_REFUSED, at);
}

static void scan_first_bytes(
	void *self, struct flow *f, unsigned from, struct stamp at, struct reader bytes)
{
	struct scan *s = self;
	(void)bytes;
	if (f->l4 != L4_TCP || from != 0)
		return;
	contact_spoken(s, &f->end[0], &f->end[1], BY_TCP);
	/* Who goes on to speak has been answered, where we do not see it. */
	if (f->packets[1] == 0 && f->packets[0] > 1)
		contact_settled(s, &f->end[0], &f->end[1], BY_TCP, OUTCOME_UNKNOWN, at);
}

/* --- what is no flow -------------------------------------------------------------------------- */

static struct endpoint end_of(const struct packet *p, bool src, uint16_t port)
{
	struct endpoint e = { .ip = src ? p->src : p->dst, .port = port, .has_mac = p->has_mac };
	memcpy(e.mac, src ? p->src_mac : p->dst_mac, sizeof e.mac);
	return e;
}

static void scan_stray(void *self, const struct packet *p)
{
	struct scan *s = self;
	struct scan_attempt a = { .at_ns = p->at.ts_ns,
		.frame = p->at.frame,
		.src = end_of(p, true, p->sport),
		.dst = end_of(p, false, p->dport),
		.how = BY_TCP };
	time_is(s, p->at);
	tally_tried(s, &a, p->at);
	tally_outcome(s, &a, OUTCOME_STRAY, p->at);
}

/* A port, or a host, that is not there: RFC 1122, 3.2.2.1 wants this said of datagrams. */
static void unreachable(struct scan *s, const struct icmp *m, struct stamp at)
{
	struct endpoint src = { .ip = m->original.src }, dst = { .ip = m->original.dst };
	enum scan_how how = m->original.l4 == L4_TCP ? BY_TCP : BY_UDP;
	dst.port = m->original.dport;
	if (!m->original.has_ports)
		how = BY_ICMP;
	contact_settled(s, &src, &dst, how, OUTCOME_REFUSED, at);
}

static void icmp(struct scan *s, const struct aside *a)
{
	struct icmp m;
	const struct packet *p = a->packet;
	if (!icmp_read(&m, a, s->verify))
		return;
	struct endpoint src = end_of(p, true, 0), dst = end_of(p, false, 0);
	if (m.request && !is_group(&dst) && !is_unset(&src))
		contact_made(s, &src, &dst, BY_ICMP, m.payload.left == 0, p->at);
	if (m.reply || m.refused)
		s->two_way[0] = true;
	if (m.reply)
		contact_settled(s, &dst, &src, BY_ICMP, OUTCOME_ANSWERED, p->at);
	if (m.refused && m.original.known &&
		memcmp(&m.original.src.bytes, p->dst.bytes, sizeof p->dst.bytes) == 0)
		unreachable(s, &m, p->at);
}

static struct endpoint arp_end(struct reader *in)
{
	struct endpoint e = { .ip.family = 4, .has_mac = true };
	const uint8_t *mac = rd_bytes(in, 6), *ip = rd_bytes(in, 4);
	if (mac != NULL && ip != NULL) {
		memcpy(e.mac, mac, 6);
		e.ip.bytes[10] = e.ip.bytes[11] = 0xff;
		memcpy(e.ip.bytes + 12, ip, 4);
	}
	return e;
}

/* RFC 826, of IPv4 over Ethernet. */
static void arp(struct scan *s, const struct aside *a)
{
	static const uint8_t kind[6] = { 0, 1, 8, 0, 6, 4 };
	struct reader in = a->bytes;
	const uint8_t *head = rd_bytes(&in, sizeof kind);
	uint16_t order = rd_be16(&in);
	struct endpoint sender = arp_end(&in), target = arp_end(&in);
	if (in.overrun || memcmp(head, kind, sizeof kind) != 0 || is_unset(&sender) ||
		memcmp(sender.ip.bytes, target.ip.bytes, sizeof target.ip.bytes) == 0)
		return;
	if (order == ARP_REQUEST)
		contact_made(s, &sender, &target, BY_ARP, false, a->packet->at);
	if (order != ARP_REPLY)
		return;
	s->two_way[1] = true;
	contact_settled(s, &target, &sender, BY_ARP, OUTCOME_ANSWERED, a->packet->at);
}

static void scan_aside(void *self, const struct aside *a)
{
	struct scan *s = self;
	bool is_icmp = a->is_ip && (a->type == IP_ICMP || a->type == IP_ICMP6);
	bool is_arp = !a->is_ip && a->type == ETHERTYPE_ARP;
	if (!is_icmp && !is_arp)
		return;
	time_is(s, a->packet->at);
	if (is_icmp)
		icmp(s, a);
	else
		arp(s, a);
}

/* --- the mirror, time --------------------------------------------------------------------------
 */

static void scan_anomaly(void *self, const struct anomaly *a)
{
	struct scan *s = self;
	if (a->kind == ANOMALY_ONE_WAY)
		s->two_way[0] = false;
}

static void scan_tick(void *self, struct stamp now)
{
	time_is(self, now);
}

/* What has no answer yet will not be seen to get one. */
static void scan_finish(void *self, struct stamp now)
{
	struct scan *s = self;
	contacts_expire(s, now);
	for (; s->first != s->next; s->first++)
		s->ring[s->first % s->ring_size].contact = 0;
}

const struct watcher scan_watcher = {
	.name = "scan",
	.open = scan_open,
	.close = scan_close,
	.flow = scan_flow,
	.aside = scan_aside,
	.first_bytes = scan_first_bytes,
	.stray = scan_stray,
	.anomaly = scan_anomaly,
	.tick = scan_tick,
	.finish = scan_finish,
};
