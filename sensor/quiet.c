/* quiet.c - asks the few silences that may be meant; windows are looked at once a minute. */
#include "sensor/quiet.h"

#include <stdlib.h>
#include <string.h>

#include "sensor/limiter.h"

#define MINUTE INT64_C(60000000000)

enum { GENERAL = QUIET_BUCKETS };

/* --- who --------------------------------------------------------------------------------- */

static bool in_prefix(const struct ends_prefix *p, const uint8_t address[16])
{
	unsigned whole = p->bits / 8, rest = p->bits % 8;
	if (memcmp(p->bytes, address, whole) != 0)
		return false;
	return rest == 0 || (p->bytes[whole] ^ address[whole]) >> (8 - rest) == 0;
}

static bool ends_hold(const struct ends *ends, const struct addr *ip)
{
	for (size_t i = 0; i < ends->count; i++)
		if (in_prefix(&ends->prefix[i], ip->bytes))
			return true;
	return ends->said.count == 0;
}

/* --- silences ---------------------------------------------------------------------------- */

enum { OF_RULE = 1, OF_SID, OF_SRC, OF_DST };

static uint32_t bucket_of(unsigned what, const void *bytes, size_t n)
{
	/* Once more: the last bytes of an address have not spread yet. */
	return (uint32_t)(key_mix(key_mix_bytes(what, bytes, n), n) >> 32) % QUIET_BUCKETS;
}

static bool is_host(const struct ends *ends)
{
	return ends->count == 1 && ends->prefix[0].bits == 128;
}

/* By the most telling thing that an alert must have to be meant. */
static uint32_t filed(const struct silence *s)
{
	if (s->rule != NULL)
		return bucket_of(OF_RULE, s->rule, strlen(s->rule));
	if (s->sid != 0)
		return bucket_of(OF_SID, &s->sid, sizeof s->sid);
	if (is_host(&s->dst))
		return bucket_of(OF_DST, s->dst.prefix[0].bytes, 16);
	if (is_host(&s->src))
		return bucket_of(OF_SRC, s->src.prefix[0].bytes, 16);
	return GENERAL;
}

static void index_silences(struct quiet *q)
{
	memset(q->bucket, 0, sizeof q->bucket);
	for (size_t i = q->silences; i-- > 0;) {
		uint32_t *bucket = &q->bucket[filed(&q->silence[i])];
		q->silence[i].next = *bucket;
		*bucket = (uint32_t)i + 1;
	}
}

static bool same_text(const char *a, const char *b)
{
	return a == NULL || (b != NULL && strcmp(a, b) == 0);
}

/* A critical rule is silenced by its name only. */
static bool silences(const struct silence *s, const struct rule *r, const struct event *e)
{
	bool named = s->rule != NULL || s->sid != 0;
	if (e->at.ts_ns >= s->until_ns || (r->level == LEVEL_CRITICAL && !named))
		return false;
	return same_text(s->rule, r->id) && (s->sid == 0 || s->sid == r->sid) &&
	       same_text(s->verb, r->verb) && same_text(s->service, e->pdu->dissector->name) &&
	       (s->level < 0 || (int)r->level <= s->level) &&
	       (!s->has_unit || s->unit == pdu_unit(e->pdu)) &&
	       ends_hold(&s->src, &e->flow->end[e->from].ip) &&
	       ends_hold(&s->dst, &e->flow->end[!e->from].ip);
}

bool quiet_tells(struct quiet *q, const struct hit *hit, const struct event *e)
{
	const struct rule *r = hit->rule;
	if (q->silences == 0)
		return true;
	const uint32_t ask[] = { bucket_of(OF_RULE, r->id, strlen(r->id)),
		bucket_of(OF_SID, &r->sid, sizeof r->sid),
		bucket_of(OF_DST, e->flow->end[!e->from].ip.bytes, 16),
		bucket_of(OF_SRC, e->flow->end[e->from].ip.bytes, 16), GENERAL };
	for (size_t k = 0; k < sizeof ask / sizeof ask[0]; k++)
		for (uint32_t i = q->bucket[ask[k]]; i != 0; i = q->silence[i - 1].next) {
			struct silence *s = &q->silence[i - 1];
			if (!silences(s, r, e))
				continue;
			s->hits++;
			return false;
		}
	return true;
}

/* --- windows ----------------------------------------------------------------------------- */

static bool is_active(const struct window *w, int64_t now_ns)
{
	return now_ns >= w->from_ns && now_ns < w->until_ns &&
	       (!w->weekly || schedule_holds(&w->hours, now_ns));
}

static uint32_t verb_bit(const char *verb)
{
	static const char *const words[] = {
#define VERB(word, changes) #word,
#include "common/verbs.def"
#undef VERB
	};
	for (unsigned i = 0; verb != NULL && i < sizeof words / sizeof words[0]; i++)
		if (strcmp(words[i], verb) == 0)
			return UINT32_C(1) << i;
	return 0;
}

static bool allows(const struct window *w, uint32_t verb, const struct flow *f)
{
	return (w->verbs & verb) != 0 && ends_hold(&w->who, &f->end[f->client].ip) &&
	       ends_hold(&w->devices, &f->end[!f->client].ip);
}

const struct window *quiet_window_of(struct quiet *q, const struct hit *hit, const struct event *e)
{
	int64_t now_ns = e->at.ts_ns;
	if (q->windows == 0)
		return NULL;
	bool fresh = now_ns / MINUTE != q->minute;
	uint32_t verb = verb_bit(hit->rule->verb);
	q->minute = now_ns / MINUTE;
	for (size_t i = 0; fresh && i < q->windows; i++)
		q->window[i]->active =
			!q->window[i]->weekly || schedule_holds(&q->window[i]->hours, now_ns);
	for (size_t i = 0; verb != 0 && i < q->windows; i++) {
		struct window *w = q->window[i];
		if (!w->active || now_ns < w->from_ns || now_ns >= w->until_ns ||
			!allows(w, verb, e->flow))
			continue;
		w->hits++;
		return w;
	}
	return NULL;
}

/* --- life -------------------------------------------------------------------------------- */

static void ends_free(struct ends *ends)
{
	text_list_free(&ends->said);
	free(ends->prefix);
}

static void silence_free(struct silence *s)
{
	free(s->id);
	free(s->rule);
	free(s->service);
	free(s->reason);
	free(s->by);
	ends_free(&s->src);
	ends_free(&s->dst);
}

static void window_free(struct window *w)
{
	free(w->name);
	free(w->reason);
	free(w->by);
	when_zone_free(&w->hours.zone);
	ends_free(&w->who);
	ends_free(&w->devices);
	free(w);
}

void quiet_silence_drop(struct quiet *q, size_t i)
{
	silence_free(&q->silence[i]);
	q->silences--;
	memmove(q->silence + i, q->silence + i + 1, (q->silences - i) * sizeof *q->silence);
}

void quiet_window_drop(struct quiet *q, size_t i)
{
	window_free(q->window[i]);
	q->windows--;
	memmove(q->window + i, q->window + i + 1, (q->windows - i) * sizeof(struct window *));
}

bool quiet_silence_remove(struct quiet *q, const char *id)
{
	for (size_t i = 0; i < q->silences; i++) {
		if (!q->silence[i].live || strcmp(q->silence[i].id, id) != 0)
			continue;
		quiet_silence_drop(q, i);
		index_silences(q);
		return true;
	}
	return false;
}

bool quiet_window_remove(struct quiet *q, const char *name)
{
	for (size_t i = 0; i < q->windows; i++) {
		if (!q->window[i]->live || strcmp(q->window[i]->name, name) != 0)
			continue;
		quiet_window_drop(q, i);
		return true;
	}
	return false;
}

static void tick_windows(struct quiet *q, int64_t now_ns, quiet_step_fn *step, void *ctx)
{
	for (size_t i = 0; i < q->windows; i++) {
		struct window *w = q->window[i];
		bool active = is_active(w, now_ns);
		if (active != w->told_active)
			step(ctx, active ? WINDOW_BEGAN : WINDOW_ENDED, NULL, w);
		w->told_active = active;
		if (w->live && now_ns >= w->until_ns)
			quiet_window_drop(q, i--);
	}
}

void quiet_tick(struct quiet *q, int64_t now_ns, quiet_step_fn *step, void *ctx)
{
	bool dropped = false;
	for (size_t i = 0; i < q->silences; i++) {
		struct silence *s = &q->silence[i];
		if (s->expired || now_ns < s->until_ns)
			continue;
		s->expired = true;
		step(ctx, SILENCE_EXPIRED, s, NULL);
		if (!s->live)
			continue;
		quiet_silence_drop(q, i--);
		dropped = true;
	}
	if (dropped)
		index_silences(q);
	tick_windows(q, now_ns, step, ctx);
}

void quiet_free(struct quiet *q)
{
	while (q->silences > 0)
		quiet_silence_drop(q, q->silences - 1);
	while (q->windows > 0)
		quiet_window_drop(q, q->windows - 1);
	free(q->silence);
	free(q->window);
	*q = (struct quiet){ 0 };
}

/* --- who is meant ------------------------------------------------------------------------ */

static void add_prefix(struct ends *ends, const uint8_t bytes[16], uint8_t bits)
{
	struct ends_prefix *grown = realloc(ends->prefix, (ends->count + 1) * sizeof *grown);
	if (grown == NULL)
		abort(); /* a configuration is bounded */
	ends->prefix = grown;
	memcpy(ends->prefix[ends->count].bytes, bytes, 16);
	ends->prefix[ends->count++].bits = bits;
}

static bool resolve_one(struct ends *ends, const struct site *site, const char *text)
{
	uint8_t bytes[16], bits;
	size_t before = ends->count;
	if (site_prefix_parse(text, bytes, &bits)) {
		add_prefix(ends, bytes, bits);
		return true;
	}
	for (size_t i = 0; site != NULL && i < site->names.count; i++) {
		const struct site_prefix *p = &site->names.prefix[i];
		if (strcmp(site->names.label[p->label], text) == 0)
			add_prefix(ends, p->bytes, p->bits);
	}
	return ends->count > before;
}

static void resolve(
	struct ends *ends, const struct site *site, const char *path, struct text_list *faults)
{
	ends->count = 0;
	for (size_t i = 0; i < ends->said.count; i++)
		if (!resolve_one(ends, site, ends->said.text[i]))
			text_list_add(faults,
				"%s:%u:%u: neither an address or prefix nor a device of names: %s",
				path, ends->line, ends->column, ends->said.text[i]);
}

void quiet_ready(
	struct quiet *q, const struct site *site, const char *path, struct text_list *faults)
{
	for (size_t i = 0; i < q->silences; i++) {
		resolve(&q->silence[i].src, site, path, faults);
		resolve(&q->silence[i].dst, site, path, faults);
	}
	for (size_t i = 0; i < q->windows; i++) {
		resolve(&q->window[i]->who, site, path, faults);
		resolve(&q->window[i]->devices, site, path, faults);
	}
	index_silences(q);
	q->minute = INT64_MIN;
}
