/* digest.c - the open window: opened, kept, closed. */
#include "aggregator/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/digest_private.h"
#include "aggregator/fault.h"
#include "aggregator/link.h"
#include "aggregator/notice.h"

enum { AGAIN_MS = 1000 };

const char digest_tables[] =
	/* told: how far its heartbeat says that it is */
	"CREATE TABLE IF NOT EXISTS position(sensor TEXT PRIMARY KEY, epoch INTEGER, n INTEGER,"
	" told_epoch INTEGER, told_n INTEGER) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS window_part(name TEXT PRIMARY KEY, json TEXT) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS withheld(link TEXT PRIMARY KEY, json TEXT) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS seen(k TEXT PRIMARY KEY, at_s INTEGER, sev INTEGER) WITHOUT "
	"ROWID;"
	"CREATE INDEX IF NOT EXISTS seen_at ON seen(at_s);"
	"CREATE TABLE IF NOT EXISTS flashed(rule TEXT, hour INTEGER, times INTEGER, PRIMARY "
	"KEY(rule, hour))"
	" WITHOUT ROWID;";

uint64_t digest_sensor_number(const struct node *n, const char *sensor)
{
	uint8_t h[HASH];
	uint64_t v = 0;
	hmac_of(n->site_key, sensor, strlen(sensor), h);
	for (unsigned i = 0; i < 6; i++)
		v = v << 8 | h[i];
	return v;
}

/* --- sensors ----------------------------------------------------------------------------- */

struct sensor *digest_sensor(struct node *n, const char *name)
{
	struct digest *d = n->digest;
	for (unsigned i = 0; i < d->sensors; i++)
		if (strcmp(d->sensor[i]->name, name) == 0)
			return d->sensor[i];
	if (d->sensors == DIGEST_SENSORS || strlen(name) >= sizeof((struct sensor *)0)->name)
		return NULL;
	struct sensor *s = calloc(1, sizeof *s);
	struct sensor **all = realloc(d->sensor, (d->sensors + 1) * sizeof(struct sensor *));
	if (all != NULL)
		d->sensor = all;
	if (s == NULL || all == NULL) {
		free(s);
		return NULL;
	}
	snprintf(s->name, sizeof s->name, "%s", name);
	s->number = digest_sensor_number(n, name);
	s->beat_ms = INT64_MIN;
	d->sensor[d->sensors++] = s;
	return s;
}

static void read_positions(struct node *n)
{
	struct query *q =
		store_query(n->store, "SELECT sensor, epoch, n, told_epoch, told_n FROM position");
	while (query_row(q)) {
		struct sensor *s = digest_sensor(n, row_text(q, 0));
		if (s == NULL)
			continue;
		s->epoch = (uint64_t)row_int(q, 1);
		s->n = (uint64_t)row_int(q, 2);
		s->told_epoch = (uint64_t)row_int(q, 3);
		s->told_n = (uint64_t)row_int(q, 4);
		s->known = true;
	}
	query_done(q);
}

bool digest_position(struct node *n, const char *sensor, uint64_t *epoch, uint64_t *at)
{
	const struct sensor *s = n->digest == NULL ? NULL : digest_sensor(n, sensor);
	if (s == NULL || !s->known)
		return false;
	*epoch = s->epoch;
	*at = s->n;
	return true;
}

bool digest_sensor_name(const struct node *n, unsigned at, char *out, size_t cap)
{
	if (n->digest == NULL || at >= n->digest->sensors)
		return false;
	const char *name = n->digest->sensor[at]->name;
	snprintf(out, cap, "%s", strlen(name) < cap ? name : "");
	return true;
}

/* --- the open window --------------------------------------------------------------------- */

/* Windows end on the grid of the wall clock as it was when they opened; their length is measured by
 * the monotonic one. */
static int64_t length_ms(const struct node *n, struct now now)
{
	int64_t window = (int64_t)n->config->window_s * 1000, into = now.wall_ms % window;
	return into < 0 ? window : window - into;
}

static void open_window(struct node *n, struct now now)
{
	struct digest *d = n->digest;
	json_decref(d->w);
	d->w = window_new(now.wall_ms < 0 ? 0 : now.wall_ms / 1000);
	json_object_clear(d->dirty);
	d->due_ms = now.mono_ms + length_ms(n, now);
	d->blind = 0;
}

static void read_part(struct node *n, const char *name, const char *text)
{
	struct err err = { 0 };
	struct digest *d = n->digest;
	json_t *part = json_read(text, strlen(text), 16, &err);
	if (part == NULL)
		store_condemn(n->store, "the open window cannot be read");
	else if (strcmp(name, "head") == 0)
		json_object_update(d->w, part);
	else if (strncmp(name, "i:", 2) == 0)
		json_object_set(json_object_get(d->w, "items"), name + 2, part);
	json_decref(part);
}

static void read_window(struct node *n, struct now now)
{
	struct digest *d = n->digest;
	struct err err = { 0 };
	bool any = false;
	open_window(n, now);
	struct query *q = store_query(n->store, "SELECT name, json FROM window_part ORDER BY name");
	while (query_row(q)) {
		read_part(n, row_text(q, 0), row_text(q, 1));
		any = true;
	}
	query_done(q);
	if (!any)
		return;
	if (!window_is_one(d->w) || !window_holds(d->w, &err)) {
		store_condemn(n->store, "the open window cannot be read");
		open_window(n, now);
		return;
	}
	/* The rest of its time, if the clock is to be believed; else it closes at once. */
	int64_t age = now.wall_ms - json_int_of(d->w, "start", 0) * 1000;
	int64_t window = (int64_t)n->config->window_s * 1000;
	if (age < 0 || age >= window)
		d->due_ms = now.mono_ms;
	else if (d->due_ms > now.mono_ms + window - age)
		d->due_ms = now.mono_ms + window - age;
}

static void forget(struct node *n)
{
	struct digest *d = n->digest;
	for (unsigned i = 0; i < d->sensors; i++)
		free(d->sensor[i]);
	free(d->sensor);
	d->sensor = NULL;
	d->sensors = 0;
}

static void share(void *ctx, const char *name, const char *bytes, size_t size)
{
	shared_rules_add(ctx, name, bytes, size);
}

void digest_share(struct node *n)
{
	const struct text_list *own = &n->config->shared_rules;
	static const char *const shipped[] = { BONGSU_RULES, "rules" };
	struct digest *d = n->digest;
	if (d == NULL)
		return;
	shared_rules_free(d->shared);
	d->shared = own->count > 0 ? shared_rules_load((const char *const *)own->text, own->count)
				   : shared_rules_load(shipped, 2);
	if (d->shared != NULL)
		pack_each_accepted(n, share, d->shared);
}

bool digest_open(struct node *n, struct now now, struct err *err)
{
	struct digest *d = calloc(1, sizeof *d);
	if (d == NULL)
		return err_set(err, "out of memory");
	n->digest = d;
	d->dirty = json_object();
	d->canary_ms = -1;
	d->beat_ms = now.mono_ms;
	d->wall_minus_mono = now.wall_ms - now.mono_ms;
	digest_share(n);
	read_positions(n);
	read_window(n, now);
	return store_trouble(n->store) != STORE_DAMAGED || err_set(err, "%s", store_why(n->store));
}

void digest_free(struct node *n)
{
	struct digest *d = n->digest;
	if (d == NULL)
		return;
	forget(n);
	json_decref(d->w);
	json_decref(d->dirty);
	shared_rules_free(d->shared);
	free(d);
	n->digest = NULL;
}

/* --- keeping ----------------------------------------------------------------------------- */

static void save_part(struct node *n, const char *name, const json_t *part)
{
	size_t len;
	char *text = json_write(part, &len);
	struct query *q =
		store_query(n->store, "INSERT OR REPLACE INTO window_part VALUES(?1, ?2)");
	bind_text(q, name);
	bind_text(q, text);
	query_run(q);
	free(text);
}

static void save_position(struct node *n, const struct sensor *s)
{
	if (s == NULL)
		return;
	struct query *q =
		store_query(n->store, "INSERT OR REPLACE INTO position VALUES(?1, ?2, ?3, ?4, ?5)");
	bind_text(q, s->name);
	bind_int(q, (int64_t)s->epoch);
	bind_int(q, (int64_t)s->n);
	bind_int(q, (int64_t)s->told_epoch);
	bind_int(q, (int64_t)s->told_n);
	query_run(q);
}

void digest_save(struct node *n)
{
	struct digest *d = n->digest;
	const char *key;
	json_t *v;
	if (d == NULL || json_object_size(d->dirty) == 0)
		return;
	json_object_foreach(d->dirty, key, v)
	{
		if (key[0] == 'i') {
			save_part(n, key, json_object_get(json_object_get(d->w, "items"), key + 2));
		} else if (key[0] == 'p') {
			save_position(n, digest_sensor(n, key + 2));
		}
	}
	json_t *head = json_copy(d->w);
	json_object_set_new(head, "items", json_object());
	save_part(n, "head", head);
	json_decref(head);
	json_object_clear(d->dirty);
	FAULT("digest.saved");
}

void digest_undo(struct node *n, struct now now)
{
	struct digest *d = n->digest;
	if (d == NULL)
		return;
	int64_t beat = d->beat_ms;
	for (unsigned i = 0; i < d->sensors; i++) {
		d->sensor[i]->known = false;
		d->sensor[i]->epoch = d->sensor[i]->n = 0;
	}
	read_positions(n);
	read_window(n, now);
	d->beat_ms = beat;
}

/* --- closing ----------------------------------------------------------------------------- */

static json_t *read_withheld(struct node *n, const char *parent)
{
	json_t *w = NULL;
	struct query *q = store_query(n->store, "SELECT json FROM withheld WHERE link = ?1");
	bind_text(q, parent);
	bool any = query_row(q);
	if (any) {
		const char *text = row_text(q, 0);
		w = digest_read(text, strlen(text));
	}
	query_done(q);
	if (any && w == NULL)
		store_condemn(n->store, "a window that is withheld cannot be read");
	return w;
}

static void write_withheld(struct node *n, const char *parent, const json_t *w)
{
	struct query *q;
	if (w == NULL) {
		q = store_query(n->store, "DELETE FROM withheld WHERE link = ?1");
		bind_text(q, parent);
		query_run(q);
		return;
	}
	size_t len;
	char *text = json_write(w, &len);
	q = store_query(n->store, "INSERT OR REPLACE INTO withheld VALUES(?1, ?2)");
	bind_text(q, parent);
	bind_text(q, text);
	query_run(q);
	free(text);
}

/* At level 0 nothing leaves: the window's totals wait until a level allows the next digest. */
static void hand_over(struct node *n, struct link *l)
{
	json_t *w = json_deep_copy(n->digest->w), *before = read_withheld(n, link_parent(l));
	size_t len;
	if (link_level(l) == 0)
		window_withhold(w);
	if (before != NULL) {
		json_t *start = json_incref(json_object_get(w, "start"));
		json_t *end = json_incref(json_object_get(w, "end"));
		window_add(w, before);
		json_object_set_new(w, "start", start);
		json_object_set_new(w, "end", end);
	}
	if (link_level(l) == 0) {
		write_withheld(n, link_parent(l), w);
	} else {
		char *blob = json_write(w, &len);
		if (before != NULL)
			write_withheld(n, link_parent(l), NULL);
		link_wait(l, WAITING_WINDOW, json_int_of(w, "start", 0), 300, link_level(l), blob,
			len);
		free(blob);
	}
	json_decref(before);
	json_decref(w);
}

static void finish(struct node *n, struct now now)
{
	struct digest *d = n->digest;
	struct err err = { 0 };
	int64_t offset = now.wall_ms - now.mono_ms, jump = offset - d->wall_minus_mono;
	int64_t start = json_int_of(d->w, "start", 0),
		end = now.wall_ms < 0 ? 0 : now.wall_ms / 1000;
	if (jump > 5000 || jump < -5000 || end < start ||
		end > start + 2 * (int64_t)n->config->window_s) {
		json_object_set(d->w, "jump", json_true());
		end = end < start ? start : end;
	}
	d->wall_minus_mono = offset;
	json_object_set_new(d->w, "end", json_integer(end));
	json_object_set_new(d->w, "mono_ms", json_integer(now.mono_ms < 0 ? 0 : now.mono_ms));
	json_object_set_new(d->w, "hl", digest_health(n, 1, now));
	json_object_set_new(d->w, "ver", digest_versions(n));
	if (!window_holds(d->w, &err)) {
		node_say(n, 2, "%s", err.text);
		abort(); /* a number would be wrong for ever: better a restart from the store */
	}
}

void digest_close(struct node *n, struct now now, bool force)
{
	struct digest *d = n->digest;
	if (d == NULL || (!force && now.mono_ms < d->due_ms))
		return;
	bool empty = json_int_of(json_object_get(d->w, "in"), "events", 0) == 0;
	int64_t age = now.wall_ms / 1000 - json_int_of(d->w, "start", 0);
	if (force && empty && age >= 0 && age < 2)
		return; /* it has only just been opened */
	store_begin(n->store);
	finish(n, now);
	for (unsigned i = 0; i < n->links; i++)
		hand_over(n, n->link[i]);
	query_run(store_query(n->store, "DELETE FROM window_part"));
	json_t *dirty = json_object(); /* positions that are not saved yet */
	const char *key;
	json_t *v;
	json_object_foreach(d->dirty, key, v) if (key[0] == 'p') json_object_set(dirty, key, v);
	open_window(n, now);
	json_object_update(d->dirty, dirty);
	json_decref(dirty);
	digest_save(n);
	FAULT("digest.closed");
	if (store_commit(n->store))
		return;
	digest_undo(n, now);
	if (d->due_ms < now.mono_ms + AGAIN_MS)
		d->due_ms = now.mono_ms + AGAIN_MS;
}

int64_t digest_due(const struct node *n, struct now now)
{
	const struct digest *d = n->digest;
	(void)now;
	return d == NULL ? INT64_MAX : d->due_ms;
}
