/* link_answer.c - what a parent's answer changes. It is as hostile as any input: a wrong member is
 * ignored, an absurd one makes us ask for the head. */
#include "aggregator/link_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/fault.h"
#include "aggregator/ledger.h"
#include "aggregator/room.h"

enum { BACKOFF_MAX_MS = 600000, RETRY_AFTER_MAX_S = 86400, CLOCK_STEP_MS = 2000 };

/* --- waiting after a failure ------------------------------------------------------------- */

/* Full jitter over at least one report interval, doubled with each failure. */
static void back_off(struct link *l, struct now now)
{
	int64_t span = (int64_t)l->n->config->beat_s * 1000;
	int64_t most = span > BACKOFF_MAX_MS ? span : BACKOFF_MAX_MS;
	for (unsigned i = 0; i < l->failures && span < most; i++)
		span *= 2;
	if (span > most)
		span = most;
	l->failures++;
	l->not_before = now.mono_ms + 1 + link_random(l, span);
}

/* The frames of the last POST are to be sent again, as they are. */
static void send_again(struct link *l)
{
	const struct link_flight *f = &l->flight;
	if (f->first.sq > 0) {
		struct frame_id before = { f->first.ep, f->first.sq - 1 };
		if (frame_id_compare(before, l->s.sent) < 0)
			l->s.sent = before;
		l->windows_at = INT64_MIN / 2;
	}
	l->tombs_at = INT64_MIN / 2;
	struct query *q = store_query(
		l->n->store, "UPDATE link_hurry SET again = 0 WHERE link = ?1 AND again > 0");
	bind_int(q, l->s.row);
	query_run(q);
}

/* --- the clock --------------------------------------------------------------------------- */

static int by_rtt(const void *a, const void *b)
{
	int64_t x = ((const int64_t *)a)[1], y = ((const int64_t *)b)[1];
	return (x > y) - (x < y);
}

static int by_offset(const void *a, const void *b)
{
	int64_t x = ((const int64_t *)a)[0], y = ((const int64_t *)b)[0];
	return (x > y) - (x < y);
}

/* Median offset of the quicker half: a slow reply says little about the middle of its way. */
static int64_t estimate(const struct link *l)
{
	int64_t pairs[LINK_SAMPLES][2];
	unsigned n = l->samples < LINK_SAMPLES ? l->samples : LINK_SAMPLES;
	for (unsigned i = 0; i < n; i++) {
		pairs[i][0] = l->sample[i].offset_ms;
		pairs[i][1] = l->sample[i].rtt_ms;
	}
	qsort(pairs, n, sizeof pairs[0], by_rtt);
	qsort(pairs, n / 2, sizeof pairs[0], by_offset);
	return pairs[n / 4][0];
}

static void take_clock(struct link *l, struct now now, int64_t parent_ms)
{
	const struct now *at = &l->flight.at;
	int64_t rtt = now.mono_ms - at->mono_ms, base = now.wall_ms - now.mono_ms;
	if (parent_ms <= 0 || parent_ms > (int64_t)1 << 53 || rtt < 0)
		return;
	int64_t moved = base - l->clock_base;
	if (l->samples > 0 && (moved > CLOCK_STEP_MS || moved < -CLOCK_STEP_MS))
		l->samples = 0; /* our own clock was set */
	l->clock_base = base;
	unsigned slot = l->samples % LINK_SAMPLES;
	l->sample[slot].offset_ms = parent_ms - (now.wall_ms - rtt / 2);
	l->sample[slot].rtt_ms = rtt;
	l->samples++;
	if (l->samples > 2 * LINK_SAMPLES)
		l->samples -= LINK_SAMPLES;
	if (l->samples >= LINK_SAMPLES_MIN)
		l->skew_ms = estimate(l);
}

/* --- dur and up -------------------------------------------------------------------------- */

bool link_read_id(const json_t *answer, const char *name, struct frame_id *id)
{
	const json_t *a = json_object_get(answer, name);
	const json_t *ep = json_array_get(a, 0), *sq = json_array_get(a, 1);
	if (json_array_size(a) != 2 || !json_is_integer(ep) || !json_is_integer(sq) ||
		json_integer_value(ep) < 0 || json_integer_value(sq) < 0)
		return false;
	*id = (struct frame_id){ (uint64_t)json_integer_value(ep),
		(uint64_t)json_integer_value(sq) };
	return true;
}

static bool flashes_wait(struct link *l)
{
	struct query *q = store_query(
		l->n->store, "SELECT 1 FROM link_hurry WHERE link = ?1 AND t = ?2 LIMIT 1");
	bind_int(q, l->s.row);
	bind_int(q, FRAME_FLASH);
	bool wait = query_row(q);
	query_done(q);
	return wait;
}

/* Flashes whose events the parent now holds in a digest need not be told again. */
static void settle_flashes(struct link *l, const json_t *cov)
{
	int64_t gone[256];
	unsigned n = 0;
	struct query *q = store_query(l->n->store,
		"SELECT id, sensor, epoch, n FROM link_hurry WHERE link = ?1 AND t = ?2");
	bind_int(q, l->s.row);
	bind_int(q, FRAME_FLASH);
	while (n < 256 && query_row(q)) {
		uint64_t covers[3] = { (uint64_t)row_int(q, 1), (uint64_t)row_int(q, 2),
			(uint64_t)row_int(q, 3) };
		if (link_cov_has(cov, covers))
			gone[n++] = row_int(q, 0);
	}
	query_done(q);
	for (unsigned i = 0; i < n; i++) {
		q = store_query(l->n->store, "DELETE FROM link_hurry WHERE id = ?1");
		bind_int(q, gone[i]);
		query_run(q);
	}
}

/* The coverage of the digests in (from, to], as one list. */
static json_t *covered(struct link *l, struct frame_id from, struct frame_id to)
{
	json_t *cov = json_array();
	struct query *q = store_query(l->n->store,
		"SELECT b.line FROM link_sent s JOIN link_body b ON b.id = s.body"
		" WHERE s.link = ?1 AND (s.ep, s.sq) > (?2, ?3) AND (s.ep, s.sq) <= (?4, ?5)"
		" AND s.t = ?6 AND s.code = 0 LIMIT 512");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)from.ep);
	bind_int(q, (int64_t)from.sq);
	bind_int(q, (int64_t)to.ep);
	bind_int(q, (int64_t)to.sq);
	bind_int(q, FRAME_DIGEST);
	while (query_row(q)) {
		struct err err = { 0 };
		size_t len;
		const char *line = row_blob(q, 0, &len);
		json_t *frame = json_read(line, len, FRAME_DEPTH, &err);
		link_add_cov(cov, json_object_get(frame, "cov"));
		json_decref(frame);
	}
	query_done(q);
	return cov;
}

static void dur_forward(struct link *l, struct now now, struct frame_id dur)
{
	if (flashes_wait(l)) {
		json_t *cov = covered(l, l->s.dur, dur);
		settle_flashes(l, cov);
		json_decref(cov);
	}
	l->s.dur = dur;
	l->dur_at = now.mono_ms;
	l->refusals = 0;
	if (frame_id_compare(l->s.sent, dur) < 0)
		l->s.sent = dur;
}

static void take_dur(struct link *l, struct now now, struct frame_id dur)
{
	int way = frame_id_compare(dur, l->s.dur);
	if (frame_id_compare(dur, l->s.last) > 0) {
		link_head_wanted(l, "it holds more than we sent");
		return;
	}
	if (way > 0)
		dur_forward(l, now, dur);
	if (way >= 0)
		return;
	node_alarm(l->n, now, "dur-back", l->parent,
		"it held frames up to %llu/%llu and now up to %llu/%llu: the rest is sent again",
		(unsigned long long)l->s.dur.ep, (unsigned long long)l->s.dur.sq,
		(unsigned long long)dur.ep, (unsigned long long)dur.sq);
	l->s.dur = dur;
	l->dur_at = now.mono_ms;
	if (frame_id_compare(l->s.sent, dur) > 0)
		l->s.sent = dur;
	/* what was not sent because it held it is to be judged anew, too */
	link_head_wanted(l, "it went back");
}

/* Accepted but for long not durable: sending it again does no harm. */
static void unstick(struct link *l, struct now now)
{
	if (l->s.dur.sq == 0 || frame_id_compare(l->s.dur, l->s.sent) >= 0 ||
		now.mono_ms - l->dur_at < 3 * l->win.every_ms)
		return;
	l->s.sent = l->s.dur;
	l->dur_at = now.mono_ms;
}

static void take_up(struct link *l, struct frame_id up)
{
	if (frame_id_compare(up, l->s.up) == 0 || frame_id_compare(up, l->s.last) > 0)
		return;
	l->s.up = up;
	rollup_up_moved(l->n, l, up);
}

/* --- the rest of a 200 ------------------------------------------------------------------- */

static void take_flashes(struct link *l, const json_t *ok)
{
	for (size_t i = 0; i < json_array_size(ok) && i < POST_FRAMES; i++) {
		const char *id = json_string_value(json_array_get(ok, i));
		if (id == NULL || *id == '\0')
			continue;
		struct query *q = store_query(l->n->store,
			"DELETE FROM link_hurry WHERE link = ?1 AND flash = ?2 AND flash <> ''");
		bind_int(q, l->s.row);
		bind_text(q, id);
		query_run(q);
	}
}

static void forget_hurried(struct link *l)
{
	for (unsigned i = 0; i < l->flight.hurried; i++) {
		struct query *q = store_query(l->n->store, "DELETE FROM link_hurry WHERE id = ?1");
		bind_int(q, l->flight.hurry[i]);
		query_run(q);
	}
}

static void take_rejects(struct link *l, struct now now, const json_t *rej)
{
	const struct link_flight *f = &l->flight;
	for (size_t i = 0; i < json_array_size(rej) && i < POST_FRAMES; i++) {
		const json_t *r = json_array_get(rej, i);
		int64_t sq = json_int_of(r, "sq", 0);
		enum link_code code = link_code_from(json_text_of(r, "code"));
		if (code == CODE_NONE || f->first.sq == 0 || sq < (int64_t)f->first.sq ||
			sq > (int64_t)f->last.sq)
			continue;
		struct query *q = store_query(l->n->store,
			"UPDATE link_sent SET code = ?4 WHERE link = ?1 AND ep = ?2 AND sq = ?3"
			" AND code = 0");
		bind_int(q, l->s.row);
		bind_int(q, (int64_t)f->first.ep);
		bind_int(q, sq);
		bind_int(q, code);
		query_run(q);
		l->tombs_at = INT64_MIN / 2;
		node_alarm(l->n, now, "frame-rejected", l->parent, "frame %llu/%lld: %s",
			(unsigned long long)f->first.ep, (long long)sq, link_code_name(code));
	}
}

static int64_t within(const json_t *o, const char *name, int64_t otherwise, int64_t most)
{
	int64_t v = json_int_of(o, name, otherwise);
	return v < 1 ? 1 : v > most ? most : v;
}

static void take_win(struct link *l, const json_t *win)
{
	if (!json_is_object(win))
		return;
	unsigned frames = (unsigned)within(win, "frames", 64, POST_FRAMES);
	l->win.frames = l->halve && frames > l->win.frames ? l->win.frames * 2 : frames;
	if (l->win.frames >= frames) {
		l->win.frames = frames;
		l->halve = false;
	}
	/* kib is of what travels; JSON with hex and base64 packs to less than half. */
	l->win.bytes = (size_t)within(win, "kib", 128, POST_PACKED / 1024) * 2 * 1024;
	l->win.every_ms = within(win, "every_s", 300, 3600) * 1000;
}

/* The parent's word, by its own key. */
static bool receipt_is_theirs(const struct link *l, const struct frame *f)
{
	return f->type == FRAME_SIGNED_RECEIPT && strcmp(f->org, l->parent) == 0 &&
	       strcmp(f->to, l->n->org) == 0 && l->knows_key && frame_verify(f, &l->key);
}

/* That it holds exactly our line. */
static bool receipt_is_ours(struct link *l, const struct frame *f)
{
	uint8_t hash[HASH];
	size_t n;
	const char *hex = json_text_of(f->json, "hash");
	if (hex == NULL || !hex_read(hex, strlen(hex), hash, HASH))
		return false;
	struct query *q = store_query(
		l->n->store, "SELECT hash FROM link_sent WHERE link = ?1 AND ep = ?2 AND sq = ?3");
	bind_int(q, l->s.row);
	bind_int(q, json_int_of(f->json, "ep", 0));
	bind_int(q, json_int_of(f->json, "last", 0));
	bool same = false;
	if (query_row(q)) {
		const void *ours = row_blob(q, 0, &n);
		same = n == HASH && memcmp(ours, hash, HASH) == 0;
	}
	query_done(q);
	return same;
}

static void keep_receipt(struct link *l, struct now now, const struct frame *f)
{
	int64_t ep = json_int_of(f->json, "ep", 0), first = json_int_of(f->json, "first", 0);
	int64_t last = json_int_of(f->json, "last", 0), at = json_int_of(f->json, "at", 0);
	struct query *q = store_query(
		l->n->store, "INSERT OR IGNORE INTO link_rc VALUES(?1, ?2, ?3, ?4, ?5, ?6)");
	bind_int(q, l->s.row);
	bind_int(q, ep);
	bind_int(q, last);
	bind_int(q, first);
	bind_int(q, now.wall_ms);
	bind_line(q, f->line, f->len);
	query_run(q);
	if (store_changes(l->n->store) == 0)
		return; /* had it */
	json_t *what = json_pack("{s:[I, I, I], s:I, s:s}", "range", (json_int_t)ep,
		(json_int_t)first, (json_int_t)last, "at", (json_int_t)at, "kid", f->kid);
	ledger_add(l->n, now, "receipt", l->parent, what, f->line, f->len);
	json_decref(what);
}

static void take_receipt(struct link *l, struct now now, const char *line)
{
	struct frame f;
	struct err err = { 0 };
	size_t len = line == NULL ? 0 : strlen(line);
	if (len == 0)
		return;
	bool theirs = frame_read(&f, line, len, &err) == FRAME_GOOD && receipt_is_theirs(l, &f);
	if (theirs && receipt_is_ours(l, &f)) {
		keep_receipt(l, now, &f);
	} else if (l->knows_key) {
		node_alarm(l->n, now, "receipt-false", l->parent, "a receipt does not verify: %s",
			err.set  ? err.text
			: theirs ? "not our line"
				 : "not by the parent's key");
		if (theirs)
			link_head_wanted(l, "it holds another line than ours");
	}
	frame_free(&f);
}

static void accepted(struct link *l, struct now now, const json_t *a)
{
	struct frame_id id;
	l->failures = 0;
	l->not_before = 0;
	take_clock(l, now, json_int_of(a, "now", 0));
	take_win(l, json_object_get(a, "win"));
	forget_hurried(l);
	take_flashes(l, json_object_get(a, "ok"));
	take_rejects(l, now, json_object_get(a, "rej"));
	if (link_read_id(a, "dur", &id))
		take_dur(l, now, id);
	if (link_read_id(a, "up", &id))
		take_up(l, id);
	take_receipt(l, now, json_text_of(a, "rc"));
	unstick(l, now);
}

/* --- by status --------------------------------------------------------------------------- */

static void conflict(struct link *l, struct now now, const json_t *a)
{
	struct frame_id id, dur = { 0, 0 };
	l->failures = 0;
	send_again(l);
	if (link_read_id(a, "dur", &dur))
		take_dur(l, now, dur);
	if (link_read_id(a, "want", &id))
		link_wanted(l, id, dur);
	else
		link_head_wanted(l, "a conflict without a place");
	if (++l->refusals > 3)
		back_off(l, now);
}

static void stop(struct link *l, struct now now, const json_t *a)
{
	const char *why = json_text_of(a, "why");
	l->stopped = true;
	snprintf(l->why, sizeof l->why, "refused by the parent: %.80s",
		why == NULL ? "no reason given" : why);
	send_again(l);
	node_alarm(l->n, now, "link-stopped", l->parent, "%s", l->why);
}

/* Too large: half as many frames; a single one that is too large is refused for good. */
static void too_large(struct link *l, struct now now)
{
	const struct link_flight *f = &l->flight;
	send_again(l);
	if (f->frames > 1) {
		l->win.frames = f->frames / 2;
		l->halve = true;
		return;
	}
	if (f->first.sq > 0) {
		json_t *rej =
			json_pack("[{s:I, s:s}]", "sq", (json_int_t)f->first.sq, "code", "size");
		take_rejects(l, now, rej);
		json_decref(rej);
	}
	forget_hurried(l);
	back_off(l, now);
}

static void refused(struct link *l, struct now now, int status, int retry_after)
{
	send_again(l);
	if (status == 426)
		node_alarm(l->n, now, "version", l->parent,
			"the parent does not speak this version of the chain");
	else if (status != 429 && status != 503 && status != 502 && status != 504)
		node_alarm(l->n, now, "answer", l->parent, "the parent answers %d", status);
	back_off(l, now);
	if (retry_after < 0)
		return;
	int64_t wait = retry_after > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : retry_after;
	int64_t until = now.mono_ms + wait * 1000 + link_random(l, wait * 100 + 1000);
	l->not_before = until;
	if (status != 503 || l->flight.first.sq == 0)
		return;
	/* No room for digests: beats and flashes still go. */
	l->calm_until = until;
	l->not_before = now.mono_ms + 1 + link_random(l, (int64_t)l->n->config->beat_s * 250);
}

static void by_status(struct link *l, struct now now, int status, int retry_after, const json_t *a)
{
	l->away = status == 0;
	if (l->away) {
		send_again(l);
		back_off(l, now);
	} else if (status == 403) {
		stop(l, now, a);
	} else if (status == 409) {
		conflict(l, now, a);
	} else if (status == 413) {
		too_large(l, now);
	} else if (status != 200 || a == NULL) {
		refused(l, now, status, retry_after);
	} else if (l->flight.asked == ASK_HEAD) {
		l->failures = 0;
		take_clock(l, now, json_int_of(a, "now", 0));
		link_take_head(l, now, a);
	} else {
		accepted(l, now, a);
	}
}

void link_answer(
	struct link *l, struct now now, int status, int retry_after, const char *json, size_t len)
{
	struct link_stand kept;
	struct err err = { 0 };
	json_t *a = json == NULL || len > LINK_ANSWER_MAX ? NULL
							  : json_read(json, len, FRAME_DEPTH, &err);
	if (a != NULL && !json_is_object(a)) {
		json_decref(a);
		a = NULL;
	}
	pthread_mutex_lock(&l->n->lock);
	link_begin(l, &kept);
	if (l->flight.asked != ASK_NOTHING) {
		by_status(l, now, status, retry_after, a);
		link_intent_drop(l);
		link_save(l);
	}
	l->flight.asked = ASK_NOTHING;
	if (!link_commit(l, &kept)) {
		node_say(l->n, 3, "%s: an answer could not be kept: %s", l->parent,
			store_why(l->n->store));
		l->need_head = true; /* where we stand is asked again */
		room_missed(l->n, now);
	}
	FAULT("link.answered");
	ledger_sync(l->n);
	pthread_mutex_unlock(&l->n->lock);
	json_decref(a);
}
