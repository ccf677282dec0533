/* link_tomb.c - what stands in place of frames that were refused, or freed and are wanted again:
 * their window, totals and coverage. */
#include "aggregator/link_private.h"

#include <stdlib.h>
#include <string.h>

/* Sums over the frames that one tomb stands for. */
struct sum {
	json_t *in, *cov;
	int64_t start, end, coarse_s;
	uint8_t hash[HASH];
	uint64_t last;
	enum frame_type type;
	enum link_code code;
	unsigned frames;
};

static json_t *zeros(void)
{
	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:{}}", "events", 0, "other", 0,
		"alerts", 0, "items", 0, "suppressed", 0, "sampled", 0, "withheld", 0, "lost");
}

static void add_facts(struct sum *s, const json_t *facts)
{
	const json_t *w = json_object_get(facts, "w"), *cov = json_object_get(facts, "cov");
	json_t *in = json_deep_copy(json_object_get(facts, "in"));
	int64_t start = json_int_of(w, "start", 0), end = json_int_of(w, "end", 0);
	int64_t coarse = json_int_of(w, "coarse_s", json_int_of(facts, "res", 1));
	/* A later part of a roll-up repeats the totals of the first. */
	bool repeats = json_int_of(facts, "part", 1) > 1;
	if (in != NULL) {
		json_object_del(in, "pkts");
		json_object_del(in, "drops");
	}
	if (in != NULL && !repeats)
		link_add_in(s->in, in);
	json_decref(in);
	if (cov != NULL)
		link_add_cov(s->cov, cov);
	if (s->frames == 0 || start < s->start)
		s->start = start;
	if (end > s->end)
		s->end = end;
	if (coarse > s->coarse_s)
		s->coarse_s = coarse;
}

/* A row's facts: stored, or read from its line. New reference, or NULL. */
static json_t *row_facts(struct query *q)
{
	struct err err = { 0 };
	size_t n;
	const char *text = row_text(q, 4);
	if (!row_null(q, 4))
		return json_read(text, strlen(text), FRAME_DEPTH, &err);
	text = row_blob(q, 5, &n);
	return row_null(q, 5) ? NULL : json_read(text, n, FRAME_DEPTH, &err);
}

static bool add_row(struct sum *s, struct query *q, uint64_t expected)
{
	size_t n;
	enum frame_type type = (enum frame_type)row_int(q, 1);
	enum link_code code = (enum link_code)row_int(q, 2);
	if (code == CODE_NONE && row_null(q, 5))
		code = CODE_FREED;
	if ((uint64_t)row_int(q, 0) != expected || code == CODE_NONE ||
		(s->frames > 0 && (type != s->type || code != s->code)))
		return false;
	json_t *facts = row_facts(q);
	const void *hash = row_blob(q, 3, &n);
	if (facts == NULL || n != HASH) {
		json_decref(facts);
		return false;
	}
	add_facts(s, facts);
	json_decref(facts);
	s->type = type;
	s->code = code;
	s->last = expected;
	memcpy(s->hash, hash, HASH);
	s->frames++;
	return s->type == FRAME_DIGEST;
}

/* The receipt that the parent once gave for it, or "". */
static void add_receipt(struct link *l, uint64_t ep, uint64_t sq, json_t *body)
{
	struct query *q = store_query(l->n->store,
		"SELECT line, first FROM link_rc WHERE link = ?1 AND ep = ?2 AND last >= ?3"
		" ORDER BY last LIMIT 1");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)ep);
	bind_int(q, (int64_t)sq);
	if (query_row(q) && (uint64_t)row_int(q, 1) <= sq)
		json_object_set_new(body, "rc", json_string(row_text(q, 0)));
	query_done(q);
}

static char *make(struct link *l, struct now now, uint64_t ep, uint64_t first, const struct sum *s,
	size_t *len)
{
	struct err err = { 0 };
	char hex[HASH_HEX];
	hash_hex(s->hash, hex);
	int64_t coarse = s->end - s->start > s->coarse_s ? s->end - s->start : s->coarse_s;
	json_t *body = json_pack("{s:[I, I, I], s:s, s:s, s:{s:I, s:I, s:I}, s:O, s:O}", "of",
		(json_int_t)ep, (json_int_t)first, (json_int_t)s->last, "hash", hex, "code",
		link_code_name(s->code), "w", "start", (json_int_t)s->start, "end",
		(json_int_t)s->end, "coarse_s", (json_int_t)(coarse > 86400 ? 86400 : coarse), "in",
		s->in, "cov", s->cov);
	struct frame_head h = { .type = FRAME_TOMB, .org = l->n->org, .to = l->parent };
	if (body != NULL && s->code == CODE_FREED)
		add_receipt(l, ep, s->last, body);
	char *line = body == NULL ? NULL : frame_make(&h, body, &l->n->key, len, NULL, &err);
	json_decref(body);
	if (line == NULL)
		node_alarm(l->n, now, "frame-refused", l->parent, "tomb: %s", err.text);
	return line;
}

char *link_tomb(
	struct link *l, struct now now, uint64_t ep, uint64_t first, uint64_t *last, size_t *len)
{
	struct sum s = { .in = zeros(), .cov = json_array() };
	struct query *q = store_query(l->n->store,
		"SELECT s.sq, s.t, s.code, s.hash, s.facts, b.line FROM link_sent s"
		" LEFT JOIN link_body b ON b.id = s.body"
		" WHERE s.link = ?1 AND s.ep = ?2 AND s.sq >= ?3 AND s.sq <= ?4 ORDER BY s.sq");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)ep);
	bind_int(q, (int64_t)first);
	bind_int(q, (int64_t)*last);
	for (uint64_t sq = first; query_row(q) && add_row(&s, q, sq);)
		sq++;
	query_done(q);
	char *line = s.frames == 0 ? NULL : make(l, now, ep, first, &s, len);
	*last = s.last;
	json_decref(s.in);
	json_decref(s.cov);
	return line;
}
