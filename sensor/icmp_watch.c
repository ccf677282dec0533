/* icmp_watch.c - the watcher and service `icmp`: every message, and echoes that carry more than an
 * echo does. A reply returns what the request held (RFC 792), and a host that pings pads with the
 * same bytes each time behind its clock; what goes through a tunnel does neither. */
#include <math.h>
#include <stdlib.h>

#include "sensor/envelope.h"
#include "sensor/icmp.h"
#include "sensor/keep.h"
#include "sensor/limiter.h"
#include "sensor/sketch.h"
#include "sensor/watch.h"

enum {
	WORDS = 4,
	ASKED = 8,      /* latest requests of a pair, to compare replies with */
	CLOCK = 24,     /* bytes at the start of an echo that may hold the time */
	PATTERN = 64,   /* bytes behind it that are compared */
	MISMATCHES = 3, /* replies that return something else: no accident */
	WINDOW_S = 600,
	TYPES = 256,
};
#define SECOND INT64_C(1000000000)

enum field_index {
	VERSION,
	TYPE,
	CODE,
	LENGTH,
	ID,
	SEQUENCE,
	ASSIGNED,
	ORIGINAL_SRC,
	ORIGINAL_DST,
	ORIGINAL_PROTO,
	ORIGINAL_SPORT,
	ORIGINAL_DPORT,
	REQUESTS,
	REPLIES,
	CHANGED,
	VARIED,
	BYTES,
	LARGEST,
	ENTROPY,
	FIELDS
};

// clang-format off
static const struct field fields[] = {
	[VERSION]        = { "icmp.version",        FIELD_UINT, NULL,    "4 or 6, as IP's", NULL },
	[TYPE]           = { "icmp.type",           FIELD_UINT, NULL,    "type; pdu.name has its name", NULL },
	[CODE]           = { "icmp.code",           FIELD_UINT, NULL,    "code", NULL },
	[LENGTH]         = { "icmp.payload_length", FIELD_UINT, "bytes", "behind the header of eight bytes, as far as captured", NULL },
	[ID]             = { "icmp.id",             FIELD_UINT, NULL,    "of an echo", NULL },
	[SEQUENCE]       = { "icmp.sequence",       FIELD_UINT, NULL,    "of an echo", NULL },
	[ASSIGNED]       = { "icmp.assigned",       FIELD_UINT, NULL,    "1 if IANA has given the type a meaning", NULL },
	[ORIGINAL_SRC]   = { "icmp.original_src",   FIELD_TEXT, NULL,    "errors: who sent the packet that is complained of", NULL },
	[ORIGINAL_DST]   = { "icmp.original_dst",   FIELD_TEXT, NULL,    "errors: to whom", NULL },
	[ORIGINAL_PROTO] = { "icmp.original_proto", FIELD_UINT, NULL,    "errors: its IP protocol", NULL },
	[ORIGINAL_SPORT] = { "icmp.original_sport", FIELD_UINT, NULL,    "errors: its source port", NULL },
	[ORIGINAL_DPORT] = { "icmp.original_dport", FIELD_UINT, NULL,    "errors: its destination port", NULL },
	[REQUESTS]       = { "icmp.requests",       FIELD_UINT, NULL,    "tunnel: echo requests of the pair in ten minutes", NULL },
	[REPLIES]        = { "icmp.replies",        FIELD_UINT, NULL,    "tunnel: echo replies", NULL },
	[CHANGED]        = { "icmp.changed",        FIELD_UINT, NULL,    "tunnel: replies that did not return what was asked, or came before it was asked", NULL },
	[VARIED]         = { "icmp.varied",         FIELD_UINT, NULL,    "tunnel: different contents behind where a clock may stand, estimated", NULL },
	[BYTES]          = { "icmp.bytes",          FIELD_UINT, "bytes", "tunnel: payload of both directions", NULL },
	[LARGEST]        = { "icmp.largest",        FIELD_UINT, "bytes", "tunnel: the largest payload", NULL },
	[ENTROPY]        = { "icmp.entropy",        FIELD_REAL, "bits",  "tunnel: of each byte of the latest payload; 8 at most", NULL },
};

static const char *const names4[TYPES] = {
	[0] = "echo_reply", [3] = "destination_unreachable", [4] = "source_quench", [5] = "redirect", [8] = "echo_request",
	[9] = "router_advertisement", [10] = "router_solicitation", [11] = "time_exceeded", [12] = "parameter_problem",
	[13] = "timestamp_request", [14] = "timestamp_reply", [15] = "information_request", [16] = "information_reply",
	[17] = "address_mask_request", [18] = "address_mask_reply", [30] = "traceroute", [40] = "photuris",
	[42] = "extended_echo_request", [43] = "extended_echo_reply",
};
static const char *const names6[TYPES] = {
	[1] = "destination_unreachable", [2] = "packet_too_big", [3] = "time_exceeded", [4] = "parameter_problem",
	[128] = "echo_request", [129] = "echo_reply", [130] = "listener_query", [131] = "listener_report", [132] = "listener_done",
	[133] = "router_solicitation", [134] = "router_advertisement", [135] = "neighbor_solicitation",
	[136] = "neighbor_advertisement", [137] = "redirect", [138] = "router_renumbering", [139] = "node_information_query",
	[140] = "node_information_response", [141] = "inverse_solicitation", [142] = "inverse_advertisement",
	[143] = "listener_report_2", [144] = "home_agent_request", [145] = "home_agent_reply", [146] = "mobile_prefix_solicitation",
	[147] = "mobile_prefix_advertisement", [148] = "certification_path_solicitation",
	[149] = "certification_path_advertisement", [151] = "multicast_router_advertisement",
	[152] = "multicast_router_solicitation", [153] = "multicast_router_termination", [155] = "rpl_control",
	[157] = "duplicate_request", [158] = "duplicate_confirmation", [160] = "extended_echo_request", [161] = "extended_echo_reply",
};
// clang-format on

const struct dissector icmp_service = {
	.name = "icmp",
	.fields = fields,
	.field_count = FIELDS,
	.observed = true,
};

struct asked {
	uint16_t id, sequence;
	bool known;
	uint32_t len;
	uint64_t hash;
};

/* Echoes between who asks and who is asked. */
struct ping {
	struct keep_entry keep;
	int64_t window_ns;
	uint32_t requests, replies, changed, largest, told;
	uint64_t bytes;
	unsigned asks;
	struct asked asked[ASKED];
	uint64_t varied[WORDS];
	unsigned frames;
	uint64_t frame[EVENT_FRAMES];
};

struct icmp_watch {
	const struct watch *watch;
	struct keep *pings;
	bool verify;
};

static void *icmp_open(const struct watch *w, struct err *err)
{
	struct icmp_watch *s = calloc(1, sizeof *s);
	if (s != NULL)
		s->pings = keep_new(w->config->icmp_pairs, sizeof(struct ping));
	if (s == NULL || s->pings == NULL) {
		free(s);
		err_set(err, "out of memory");
		return NULL;
	}
	s->watch = w;
	s->verify = w->config->checksums && !w->options->no_checksums;
	return s;
}

static void icmp_close(void *self)
{
	struct icmp_watch *s = self;
	keep_free(s->pings);
	free(s);
}

/* --- one message -------------------------------------------------------------------------- */

static void ends(const struct icmp_watch *s, struct flow *f, const struct packet *p)
{
	struct endpoint src = { .ip = p->src, .has_mac = p->has_mac };
	struct endpoint dst = { .ip = p->dst, .has_mac = p->has_mac };
	memcpy(src.mac, p->src_mac, sizeof src.mac);
	memcpy(dst.mac, p->dst_mac, sizeof dst.mac);
	watch_ends(s->watch, f, &src, &dst, p->at);
	f->l4 = src.ip.family == 6 ? IP_ICMP6 : IP_ICMP;
}

static void put_addr(struct pdu *pdu, unsigned field, const struct addr *a)
{
	char text[64];
	struct buf b = buf_over(text, sizeof text);
	envelope_addr_text(&b, a->bytes);
	pdu_copy(pdu, field, text, b.len);
}

static void put_original(struct pdu *pdu, const struct icmp *m)
{
	if (!m->original.known)
		return;
	put_addr(pdu, ORIGINAL_SRC, &m->original.src);
	put_addr(pdu, ORIGINAL_DST, &m->original.dst);
	pdu_uint(pdu, ORIGINAL_PROTO, m->original.l4);
	if (!m->original.has_ports)
		return;
	pdu_uint(pdu, ORIGINAL_SPORT, m->original.sport);
	pdu_uint(pdu, ORIGINAL_DPORT, m->original.dport);
}

static void describe(struct pdu *pdu, const struct icmp *m)
{
	pdu_uint(pdu, VERSION, m->v6 ? 6 : 4);
	pdu_uint(pdu, TYPE, m->type);
	pdu_uint(pdu, CODE, m->code);
	pdu_uint(pdu, LENGTH, m->payload.left);
	if (m->request || m->reply) {
		pdu_uint(pdu, ID, m->id);
		pdu_uint(pdu, SEQUENCE, m->sequence);
	}
}

static void tell_message(struct icmp_watch *s, const struct icmp *m, const struct packet *p)
{
	struct flow f;
	struct pdu pdu;
	const char *name = m->v6 ? names6[m->type] : names4[m->type];
	ends(s, &f, p);
	observation(&pdu, &icmp_service, name != NULL ? name : "unassigned");
	describe(&pdu, m);
	pdu_uint(&pdu, ASSIGNED, name != NULL);
	if (m->error)
		put_original(&pdu, m);
	watch_observe(s->watch, &f, 0, p->at, &pdu, NULL);
}

/* --- echoes that are none ------------------------------------------------------------------ */

static double entropy(const struct reader *in)
{
	uint32_t count[256] = { 0 };
	double sum = 0;
	for (size_t i = 0; i < in->left; i++)
		count[in->at[i]]++;
	for (unsigned i = 0; i < 256; i++) {
		double share = in->left > 0 ? (double)count[i] / (double)in->left : 0;
		if (count[i] > 0)
			sum -= share * log2(share);
	}
	return sum;
}

static void tell_tunnel(
	struct icmp_watch *s, const struct icmp *m, const struct packet *p, const struct ping *t)
{
	struct flow f;
	struct pdu pdu;
	uint64_t frames[EVENT_FRAMES];
	unsigned n = t->frames < EVENT_FRAMES ? t->frames : EVENT_FRAMES;
	for (unsigned i = 0; i < n; i++)
		frames[i] = t->frame[(t->frames - n + i) % EVENT_FRAMES];
	ends(s, &f, p);
	observation(&pdu, &icmp_service, "tunnel");
	describe(&pdu, m);
	pdu_uint(&pdu, REQUESTS, t->requests);
	pdu_uint(&pdu, REPLIES, t->replies);
	pdu_uint(&pdu, CHANGED, t->changed);
	pdu_uint(&pdu, VARIED, sketch_count(t->varied, WORDS));
	pdu_uint(&pdu, BYTES, t->bytes);
	pdu_uint(&pdu, LARGEST, t->largest);
	pdu_real(&pdu, ENTROPY, entropy(&m->payload));
	watch_observe_after(s->watch, &f, p->at, &pdu, frames, n);
}

static struct ping *ping_of(struct icmp_watch *s, const struct icmp *m, const struct packet *p)
{
	bool fresh;
	const struct addr *asker = m->request ? &p->src : &p->dst;
	const struct addr *asked = m->request ? &p->dst : &p->src;
	uint64_t key = key_mix_bytes(s->watch->seed + 3, asker->bytes, sizeof asker->bytes);
	key = key_end(key_mix_bytes(key, asked->bytes, sizeof asked->bytes));
	struct ping *t = keep_take(s->pings, key | 1, &fresh);
	int64_t gone = (int64_t)((uint64_t)p->at.ts_ns - (uint64_t)t->window_ns);
	if (fresh || gone > WINDOW_S * SECOND || gone < -WINDOW_S * SECOND) {
		struct keep_entry keep = t->keep;
		*t = (struct ping){ .keep = keep, .window_ns = p->at.ts_ns };
	}
	s->watch->counters->icmp_evicted = keep_evicted(s->pings);
	return t;
}

static uint64_t content_of(const struct icmp_watch *s, const struct reader *in)
{
	return key_end(key_mix_bytes(s->watch->seed + 4, in->at, in->left));
}

/* Does the reply return what its request held? What is not known is not held against it. */
static bool returns(struct icmp_watch *s, const struct ping *t, const struct icmp *m)
{
	for (unsigned i = 0; i < ASKED; i++) {
		const struct asked *a = &t->asked[i];
		if (a->known && a->id == m->id && a->sequence == m->sequence)
			return m->payload.left == a->len && a->hash == content_of(s, &m->payload);
	}
	return true;
}

/* A reply to what has not been asked yet, where what is asked is seen. */
static bool is_ahead(const struct ping *t, const struct icmp *m)
{
	const struct asked *a = &t->asked[(t->asks - 1) % ASKED];
	return t->asks > 0 && a->id == m->id && (int16_t)(m->sequence - a->sequence) > 0;
}

static void note_asked(struct icmp_watch *s, struct ping *t, const struct icmp *m)
{
	struct asked *a = NULL;
	for (unsigned i = 0; i < ASKED && a == NULL; i++)
		if (t->asked[i].known && t->asked[i].id == m->id &&
			t->asked[i].sequence == m->sequence)
			a = &t->asked[i];
	if (a == NULL)
		a = &t->asked[t->asks++ % ASKED];
	*a = (struct asked){ m->id, m->sequence, !m->cut, (uint32_t)m->payload.left,
		content_of(s, &m->payload) };
}

/* True if these bytes were not seen before at this place. */
static bool varies(struct icmp_watch *s, struct ping *t, const struct icmp *m)
{
	struct reader in = m->payload;
	rd_skip(&in, CLOCK);
	in = rd_slice(&in, PATTERN < in.left ? PATTERN : in.left);
	if (in.overrun || in.left == 0)
		return false;
	return sketch_add(t->varied, WORDS, content_of(s, &in));
}

static void echo(struct icmp_watch *s, const struct icmp *m, const struct packet *p)
{
	struct ping *t = ping_of(s, m, p);
	uint32_t len = (uint32_t)m->payload.left;
	bool strange = varies(s, t, m);
	t->bytes += len;
	t->largest = len > t->largest ? len : t->largest;
	if (m->request) {
		t->requests++;
		note_asked(s, t, m);
	} else {
		t->replies++;
		/* A ping whose requests the mirror lost still says the same. */
		bool changed = !m->cut && (!returns(s, t, m) || (strange && is_ahead(t, m)));
		t->changed += changed;
		strange |= changed;
	}
	if (!strange)
		return;
	keep_credit(&t->keep);
	t->frame[t->frames++ % EVENT_FRAMES] = p->at.frame;
	uint32_t varied = sketch_count(t->varied, WORDS);
	uint32_t n = varied >= s->watch->config->icmp_varied ? varied + t->changed
		     : t->changed >= MISMATCHES              ? t->changed
							     : 0;
	if (n == 0 || (t->told != 0 && n < t->told * 2))
		return;
	t->told = n;
	tell_tunnel(s, m, p, t);
}

static void icmp_aside(void *self, const struct aside *a)
{
	struct icmp_watch *s = self;
	struct icmp m;
	if (!icmp_read(&m, a, s->verify))
		return;
	tell_message(s, &m, a->packet);
	if (m.request || m.reply)
		echo(s, &m, a->packet);
}

const struct watcher icmp_watcher = {
	.name = "icmp",
	.open = icmp_open,
	.close = icmp_close,
	.aside = icmp_aside,
};
