/* accept_loose.c - what hurries and is never added up: beats, flashes, envelopes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/accept_private.h"
#include "aggregator/link.h"
#include "aggregator/notice.h"
#include "aggregator/room.h"

/* Of a child's certificate, once a step. */
static void warn_of_end(struct taking *t, const json_t *hl)
{
	int64_t days = json_int_of(hl, "cert_d", INT16_MAX);
	int step = node_warn_at(days);
	if (step != 0 && step != t->child->warned_at)
		node_alarm(t->n, t->now, "certificate-ends", t->child->org,
			step < 0 ? "its certificate has ended"
				 : "its certificate ends within %d days",
			step);
	t->child->warned_at = step;
}

/* One machine that starts again is another run each time, and even one that was put back from a
 * backup, with a beat that waited in it, comes back to an old run once. */
static void watch_runs(struct taking *t, const char *run)
{
	struct child *c = t->child;
	if (run == NULL || strcmp(run, c->run[0]) == 0)
		return;
	if (c->run[2][0] != '\0' && strcmp(run, c->run[1]) == 0 &&
		strcmp(c->run[0], c->run[2]) == 0)
		node_alarm(t->n, t->now, "equivocation", c->org,
			"two machines run as one: beats of the runs %s and %s come in turn", run,
			c->run[0]);
	memmove(c->run[1], c->run[0], sizeof c->run - sizeof c->run[0]);
	snprintf(c->run[0], sizeof c->run[0], "%s", run);
}

void accept_beat(struct taking *t, const struct frame *f)
{
	static const char *const names[4] = { "known", "reporting", "late", "silent" };
	struct child *c = t->child;
	const json_t *kids = json_object_get(f->json, "kids");
	size_t len;
	c->beat_ms = t->now.mono_ms;
	c->beat_wall_ms = t->now.wall_ms;
	for (unsigned i = 0; i < 4; i++)
		c->kids[i] = (uint32_t)json_int_of(kids, names[i], 0);
	char *text = json_write(f->json, &len);
	struct query *q =
		store_query(t->n->store, "UPDATE child SET beat_ms = ?1, beat = ?2 WHERE org = ?3");
	bind_int(q, t->now.wall_ms);
	bind_text(q, text);
	bind_text(q, c->org);
	query_run(q);
	node_feed(t->n, FEED_HEALTH, c->org, text, len);
	free(text);
	warn_of_end(t, json_object_get(f->json, "hl"));
	watch_runs(t, json_text_of(f->json, "run"));
	int64_t off = json_int_of(f->json, "at", t->now.wall_ms) - t->now.wall_ms;
	int64_t most = (int64_t)t->n->config->max_skew_s * 1000;
	if (off > most || off < -most)
		node_alarm(t->n, t->now, "clock-suspect", c->org, "its clock is off by %lld s",
			(long long)(off / 1000));
	int64_t disk = json_int_of(json_object_get(f->json, "hl"), "disk_pct", 0);
	if (disk >= ROOM_SHORT)
		node_alarm(t->n, t->now, "child-full", c->org,
			"its store takes %lld %% of its room", (long long)disk);
}

/* True if it is new here. */
static bool keep_flash(struct taking *t, const char *id, const char *org, const char *line,
	size_t len, bool verified)
{
	struct query *q = store_query(
		t->n->store, "INSERT OR IGNORE INTO flash VALUES(?1, ?2, ?3, ?4, ?5, ?6)");
	bind_text(q, id);
	bind_text(q, org);
	bind_int(q, t->now.wall_ms);
	bind_int(q, t->now.wall_ms / 86400000);
	bind_int(q, verified);
	bind_line(q, line, len);
	query_run(q);
	return store_changes(t->n->store) > 0;
}

static json_t *longer_path(const struct node *n, const json_t *path)
{
	json_t *all = path == NULL ? json_array() : json_deep_copy(path);
	json_array_append_new(all, json_string(n->org));
	return all;
}

static void pass_up(
	struct taking *t, const struct frame *f, const char *line, size_t len, const json_t *path)
{
	struct node *n = t->n;
	json_t *through = longer_path(n, path);
	const char *region = json_text_of(f->json, "reg"), *industry = json_text_of(f->json, "ind");
	int64_t sev = json_int_of(f->json, "sev", 1);
	for (unsigned i = 0; i < n->links; i++) {
		struct link *l = n->link[i];
		if (f->type == FRAME_FLASH &&
			(link_level(l) == 0 || sev > (int64_t)link_severity(l) ||
				!link_takes(l, region == NULL ? "" : region,
					industry == NULL ? "" : industry)))
			continue;
		link_pass(l, line, len, through, t->now);
	}
	json_decref(through);
	if (n->links > 0 && n->wake != NULL)
		n->wake(n->ctx);
}

void accept_flash(struct taking *t, const struct frame *f, const char *line, size_t len,
	const json_t *path, bool verified)
{
	const char *id = json_text_of(f->json, "id");
	json_array_append_new(t->ok, json_string(id));
	if (!keep_flash(t, id, f->org, line, len, verified))
		return;
	size_t size;
	char *text = json_write(f->json, &size);
	node_feed(t->n, FEED_FLASH, f->org, text, size);
	free(text);
	pass_up(t, f, line, len, path);
}

enum word { WORD_TAKEN, WORD_VERIFIED, WORD_FALSE };

/* By the keys that we certified or were told of (enroll know). Where there are none for its
 * organisation the tier between is taken at its word, and that is said with the flash. */
static enum word word_of(const struct taking *t, const struct frame *f)
{
	struct query *q = store_query(
		t->n->store, "SELECT public FROM child_key WHERE org = ?1 AND revoked_at = 0");
	enum word w = WORD_TAKEN;
	bind_text(q, f->org);
	while (w != WORD_VERIFIED && query_row(q)) {
		struct key key;
		size_t size;
		const void *bytes = row_blob(q, 0, &size);
		if (size != KEY_PUBLIC)
			continue;
		key_from_public(&key, bytes);
		w = frame_verify(f, &key) ? WORD_VERIFIED : WORD_FALSE;
	}
	query_done(q);
	return w;
}

/* One that is forged is neither kept nor passed on. */
static void take_original(struct taking *t, const struct frame *inner, const char *line, size_t len,
	const json_t *path)
{
	struct err err = { 0 };
	enum word word = word_of(t, inner);
	if (word == WORD_FALSE) {
		node_alarm(t->n, t->now, "forged-original", t->child->org,
			"it passed on a %s of %s that no key of that organisation signed",
			frame_type_name(inner->type), inner->org);
		return;
	}
	notice_learn(t->n, inner->org, t->child->org);
	if (inner->type == FRAME_FLASH)
		accept_flash(t, inner, line, len, path, word == WORD_VERIFIED);
	else if (inner->type == FRAME_RECEIPT && notice_receipt(t->n, t->peer, inner, t->now, &err))
		pass_up(t, inner, line, len, path);
}

void accept_envelope(struct taking *t, const struct frame *f)
{
	const json_t *path = json_object_get(f->json, "path");
	const char *orig = json_text_of(f->json, "orig");
	size_t cap = strlen(orig), len;
	if (accept_strays(t, f))
		return;
	char *line = malloc(cap + 1);
	struct frame inner = { 0 };
	struct err err = { 0 };
	if (line == NULL || !base64_read(orig, cap, line, cap, &len)) {
		free(line);
		return;
	}
	line[len] = '\0';
	if (frame_read(&inner, line, len, &err) == FRAME_GOOD && inner.unknown == 0 &&
		frame_check_level(&inner, (unsigned)t->n->config->accept_level, &err) ==
			FRAME_GOOD) {
		take_original(t, &inner, line, len, path);
	} else {
		node_alarm(t->n, t->now, "envelope", t->child->org, "what is in it is refused: %s",
			err.text);
	}
	frame_free(&inner);
	free(line);
}

void accept_pass_receipt(struct taking *t, const struct frame *f)
{
	struct err err = { 0 };
	if (notice_receipt(t->n, t->peer, f, t->now, &err))
		pass_up(t, f, f->line, f->len, NULL);
	else
		node_alarm(t->n, t->now, "receipt", t->child->org, "%s", err.text);
}
