/* eve_alert.c - alerts, and the verdicts that follow them. */
#include "sensor/correlate.h"
#include "sensor/eve_json.h"
#include "sensor/quiet.h"

enum { MATCHED_MAX = 48 };

/* EVE: 1 critical, 2 high, 3 medium, 4 low and what is below. */
static unsigned severity(enum rule_level level)
{
	return level >= LEVEL_LOW ? 4 - (unsigned)(level - LEVEL_LOW) : 4;
}

static void write_end(struct buf *b, const struct flow *f, const struct endpoint *end)
{
	buf_lit(b, "{\"ip\":");
	eve_addr(b, &end->ip);
	if (f->l4 != 0)
		eve_key_uint(b, "port", end->port);
	buf_char(b, '}');
}

/* ics.target names one end; the other, if there is one, is the source. */
static void write_target(struct buf *b, const struct rule *r, const struct event *e)
{
	const struct flow *f = e->flow;
	unsigned target = r->target == 1 ? e->from : !e->from;
	if (r->target == 0)
		return;
	if (eve_is_there(f, !target)) {
		eve_key(b, "source");
		write_end(b, f, &f->end[!target]);
	}
	if (eve_is_there(f, target)) {
		eve_key(b, "target");
		write_end(b, f, &f->end[target]);
	}
}

static void write_alert(struct buf *b, const struct alert *a)
{
	const struct rule *r = a->rule;
	const struct event *e = a->event;
	eve_key(b, "alert");
	buf_lit(b, "{\"action\":\"allowed\"");
	eve_key_uint(b, "gid", r->gid);
	eve_key_uint(b, "signature_id", r->sid);
	eve_key_uint(b, "rev", r->rev);
	eve_key_text(b, "signature", r->title);
	eve_key_text(b, "category", r->classtype == NULL ? "" : r->classtype);
	eve_key_uint(b, "severity", severity(a->level));
	write_target(b, r, e);
	if (r->metadata_json != NULL) {
		size_t mark = eve_try(b);
		eve_key(b, "metadata");
		buf_str(b, r->metadata_json);
		eve_keep(b, mark, EVE_RESERVE);
	}
	buf_char(b, '}');
}

static void write_label(struct buf *b, const char *key, const char *const *labels, uint16_t index)
{
	if (labels == NULL || index == 0 || labels[index] == NULL)
		return;
	eve_name(b, key);
	buf_json_string(b, labels[index], strlen(labels[index]), EVE_LABEL);
}

static void write_site(struct buf *b, const struct eve *eve, const struct event *e)
{
	const struct flow *f = e->flow;
	unsigned src = e->from, dst = !e->from;
	write_label(b, "src_role", eve->roles, f->role[src]);
	write_label(b, "dst_role", eve->roles, f->role[dst]);
	write_label(b, "src_name", eve->names, f->name[src]);
	write_label(b, "dst_name", eve->names, f->name[dst]);
	write_label(b, "src_zone", eve->zones, f->zone[src]);
	write_label(b, "dst_zone", eve->zones, f->zone[dst]);
	uint16_t device = f->name[!f->client];
	if (eve->criticality != NULL && device != 0)
		eve_key_uint(b, "criticality", eve->criticality[device]);
}

/* How sure it is that the message was what it seems, 0–100: each doubt takes some away. */
static unsigned confidence(const struct event *e)
{
	unsigned doubt = 5; /* a mirror can always be lied to */
	if (!e->flow->client_sure)
		doubt += 10;
	if (e->pdu->malformed != NULL)
		doubt += 30;
	if (e->pdu->flags & PDU_OVERLAP)
		doubt += 25;
	if (e->pdu->flags & PDU_RESYNCED)
		doubt += 15;
	if (e->verdict.outcome == VERDICT_ORPHAN_REPLY)
		doubt += 10;
	return 100 - doubt;
}

void eve_verdict_object(struct buf *b, const struct verdict *v)
{
	const char *name = verdict_name(v->outcome);
	if (name == NULL)
		return;
	eve_key(b, "verdict");
	buf_char(b, '{');
	eve_key_word(b, "outcome", name);
	if (v->has_code) {
		eve_key(b, "code");
		buf_int(b, v->code);
	}
	if (v->text != NULL)
		eve_key_text(b, "text", v->text);
	if (v->latency_ns >= 0 && v->reply.frame != 0) {
		eve_key(b, "latency_ms");
		eve_ms(b, v->latency_ns);
	}
	buf_char(b, '}');
}

struct matched {
	struct buf *b;
	unsigned count;
	const char *name[MATCHED_MAX];
};

/* A rule may name a field several times: it is told once. */
static void put_matched(void *ctx, const char *name, enum field_type type, struct value v)
{
	struct matched *m = ctx;
	for (unsigned i = 0; i < m->count; i++)
		if (m->name[i] == name || strcmp(m->name[i], name) == 0)
			return;
	if (m->count == MATCHED_MAX)
		return;
	size_t mark = eve_try(m->b);
	eve_name(m->b, name);
	eve_value(m->b, type, v, EVE_VALUE);
	if (eve_keep(m->b, mark, EVE_END * 2))
		m->name[m->count++] = name;
}

static void write_matched(struct buf *b, const struct alert *a)
{
	struct matched m = { .b = b };
	eve_key(b, "matched");
	buf_char(b, '{');
	if (a->chain != NULL)
		correlation_matched(a->rule, a->chain, a->event, a->item, put_matched, &m);
	else
		rule_matched(a->rule, a->event, a->item, put_matched, &m);
	buf_char(b, '}');
}

static void write_change(struct buf *b, const struct change *c)
{
	if (c == NULL)
		return;
	if (c->has_old) {
		eve_key(b, "old_value");
		eve_value(b, c->type, c->old_value, EVE_VALUE);
	}
	if (c->has_new) {
		eve_key(b, "new_value");
		eve_value(b, c->type, c->new_value, EVE_VALUE);
	}
	if (c->unit != NULL)
		eve_key_text(b, "unit", c->unit);
	if (c->point != NULL)
		eve_key_text(b, "point", c->point);
}

static void write_counts(struct buf *b, const struct alert *a)
{
	eve_key_uint(b, "count", a->count);
	if (a->total != 0)
		eve_key_uint(b, "total", a->total);
	if (a->open != 0)
		eve_key_uint(b, "open", a->open);
	if (a->suppressed != 0)
		eve_key_uint(b, "suppressed", a->suppressed);
	if (a->first_ns != 0) {
		eve_key(b, "first");
		eve_time(b, a->first_ns);
	}
	if (a->last_ns != 0) {
		eve_key(b, "last");
		eve_time(b, a->last_ns);
	}
}

static void write_chain(struct buf *b, const struct rule *r, const struct chain *chain)
{
	if (chain == NULL)
		return;
	eve_key(b, "correlation");
	buf_lit(b, "{\"type\":");
	buf_json_string(b, correlation_type(r), strlen(correlation_type(r)), EVE_LABEL);
	eve_key_uint(b, "count", chain->count);
	if (chain->has_value) {
		eve_key(b, "value");
		eve_value(b, FIELD_REAL, (struct value){ .r = chain->value }, EVE_VALUE);
	}
	eve_key(b, "first");
	eve_time(b, chain->first_ns);
	eve_key(b, "last");
	eve_time(b, chain->last_ns);
	buf_char(b, '}');
}

static unsigned add_frame(uint64_t frame[ALERT_FRAMES], unsigned n, uint64_t one)
{
	for (unsigned i = 0; i < n; i++)
		if (frame[i] == one)
			return n;
	if (one != 0) /* else it was time that told */
		frame[n++] = one;
	return n;
}

unsigned alert_frames(const struct alert *a, uint64_t frame[ALERT_FRAMES])
{
	const struct event *e = a->event;
	unsigned n = 0;
	for (uint32_t i = 0; a->chain != NULL && i < a->chain->frames; i++)
		if (a->chain->frame[i] != e->at.frame)
			n = add_frame(frame, n, a->chain->frame[i]);
	for (unsigned i = 0; e->before != NULL && i < EVENT_FRAMES; i++)
		if (e->before[i] != e->at.frame)
			n = add_frame(frame, n, e->before[i]);
	n = add_frame(frame, n, a->shown_frame);
	n = add_frame(frame, n, e->at.frame);
	return add_frame(frame, n, e->verdict.reply.frame);
}

static void write_frames(struct buf *b, const struct alert *a)
{
	uint64_t frame[ALERT_FRAMES];
	unsigned n = alert_frames(a, frame);
	eve_key(b, "frames");
	buf_char(b, '[');
	for (unsigned i = 0; i < n; i++) {
		eve_comma(b);
		buf_uint(b, frame[i]);
	}
	buf_char(b, ']');
}

static void write_slice(struct buf *b, const struct alert *a)
{
	eve_key_text(b, "slice", a->slice);
	eve_key(b, "slice_frames");
	buf_char(b, '[');
	for (unsigned i = 0; i < a->slice_count; i++) {
		eve_comma(b);
		buf_uint(b, a->slice_frames[i]);
	}
	buf_char(b, ']');
}

static void write_evidence(struct buf *b, const struct eve *eve, const struct alert *a)
{
	eve_key(b, "evidence");
	buf_char(b, '{');
	if (eve->pcap_filename != NULL)
		eve_key_text(b, "pcap", eve->pcap_filename);
	write_frames(b, a);
	if (a->slice != NULL)
		write_slice(b, a);
	buf_char(b, '}');
}

static void write_rule(struct buf *b, const struct rule *r)
{
	eve_key_text(b, "rule", r->id);
	eve_key_uint(b, "rule_rev", r->rev);
	if (r->verb != NULL)
		eve_key_text(b, "verb", r->verb);
	eve_key_bool(b, "changes_state", r->changes_state);
}

void eve_alert(struct buf *out, const struct eve *eve, const struct alert *a)
{
	const struct event *e = a->event;
	const struct eve_head head = { "alert", e->at.ts_ns, e->at.frame, e->flow, e->from, e };
	eve_head(out, eve, &head);
	write_alert(out, a);
	eve_message(out, e);
	eve_bongsu(out, eve, a->n, e->at.ts_ns);
	write_rule(out, a->rule);
	if (a->window != NULL)
		eve_key_text(out, "maintenance", a->window->name);
	write_site(out, eve, e);
	eve_key_uint(out, "confidence", confidence(e));
	eve_verdict_object(out, &e->verdict);
	write_change(out, a->change);
	write_counts(out, a);
	write_chain(out, a->rule, a->chain);
	write_evidence(out, eve, a);
	if (a->rule->attck_v18_json != NULL) {
		size_t mark = eve_try(out);
		eve_key(out, "attck_v18");
		buf_str(out, a->rule->attck_v18_json);
		eve_keep(out, mark, EVE_END);
	}
	write_matched(out, a);
	buf_lit(out, "}}");
}

/* When the verdict was known: with the reply, else when the time for one was over. */
static struct stamp verdict_stamp(const struct alert *of)
{
	const struct event *e = of->event;
	struct stamp at = e->verdict.reply.frame != 0 ? e->verdict.reply : e->at;
	if (of->told_ns != 0)
		at.ts_ns = of->told_ns;
	return at;
}

void eve_verdict(struct buf *out, const struct eve *eve, uint64_t n, const struct alert *of)
{
	const struct event *e = of->event;
	struct stamp at = verdict_stamp(of);
	const struct eve_head head = { "verdict", at.ts_ns, at.frame, e->flow, e->from, e };
	eve_head(out, eve, &head);
	eve_bongsu(out, eve, n, at.ts_ns);
	eve_key(out, "of");
	buf_lit(out, "{\"epoch\":");
	buf_uint(out, eve->epoch);
	eve_key_uint(out, "n", of->n);
	buf_char(out, '}');
	write_rule(out, of->rule);
	eve_key_text(out, "title", of->rule->title);
	eve_key_uint(out, "severity", severity(of->level));
	eve_verdict_object(out, &e->verdict);
	buf_lit(out, "}}");
}
