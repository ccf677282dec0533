/* pack.c - rule packs and indicator sets: pieces come down, are put together, judged by the
 * publishers' signatures, version and expiry, and offered to the site. Nothing is ever forced: the
 * site's policy decides, and a version that was once trusted is never gone back behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/digest.h"
#include "aggregator/notice_private.h"

enum { PIECE = 44 * 1024 };

/* --- publishing -------------------------------------------------------------------------- */

static json_t *piece_members(const char *id, const char *name, int64_t version, int64_t expires,
	const char *sha256, size_t size, size_t part, size_t parts, const void *bytes, size_t n,
	const json_t *sigs)
{
	char *text = malloc(base64_room(n));
	if (text == NULL)
		return NULL;
	base64_write(text, base64_room(n), bytes, n);
	json_t *j = json_pack("{s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:s, s:O}", "case", id,
		"name", name, "version", (json_int_t)version, "expires", (json_int_t)expires,
		"sha256", sha256, "size", (json_int_t)size, "part", (json_int_t)part, "parts",
		(json_int_t)parts, "data", text, "sigs", sigs);
	free(text);
	return j;
}

bool pack_publish(struct node *n, const char *name, int64_t version, int64_t expires,
	const void *bytes, size_t size, const json_t *sigs, const struct key *key, struct now now,
	struct err *err)
{
	uint8_t hash[HASH];
	char sha256[HASH_HEX], id[65];
	size_t parts = (size + PIECE - 1) / PIECE;
	hash_of(bytes, size, hash);
	hash_hex(hash, sha256);
	snprintf(id, sizeof id, "P%.8s-%.32s-%lld", n->org, name, (long long)version);
	pthread_mutex_lock(&n->lock);
	store_begin(n->store);
	for (size_t i = 0; i < parts && !err->set; i++) {
		size_t at = i * PIECE, len = size - at < PIECE ? size - at : PIECE;
		char *line = NULL;
		json_t *j = piece_members(id, name, version, expires, sha256, size, i + 1, parts,
			(const char *)bytes + at, len, sigs);
		if (j == NULL)
			err_set(err, "out of memory");
		else
			down_make(n, FRAME_PACK, "*", "*", j, key, &line, now, err);
		json_decref(j);
		free(line);
	}
	if (err->set)
		store_rollback(n->store);
	if (!store_commit(n->store))
		err_set(err, "%s", store_why(n->store));
	pthread_mutex_unlock(&n->lock);
	return !err->set;
}

/* --- taking ------------------------------------------------------------------------------ */

/* The highest version that was ever trusted here. */
static int64_t trusted_version(struct node *n, const char *name)
{
	struct query *q = store_query(n->store, "SELECT max(version) FROM pack WHERE name = ?1");
	bind_text(q, name);
	int64_t v = query_row(q) ? row_int(q, 0) : 0;
	query_done(q);
	return v;
}

/* An indicator set has no pieces: its items are what is hashed. */
static char *items_of(const struct frame *f, size_t *len, char sha256[HASH_HEX])
{
	uint8_t hash[HASH];
	char *text = json_write(json_object_get(f->json, "items"), len);
	hash_of(text, *len, hash);
	hash_hex(hash, sha256);
	return text;
}

static bool judge(
	struct node *n, const struct frame *f, const char *sha256, struct now now, struct err *err)
{
	char text[512];
	const char *name = json_text_of(f->json, "name");
	int64_t version = json_int_of(f->json, "version", 0);
	int64_t expires = json_int_of(f->json, "expires", 0);
	size_t len = pack_signed_text(text, sizeof text, name, version, expires, sha256);
	if (len == 0 || !pack_name_good(name))
		return err_set(err, "%.64s: no name of a pack", name);
	if (expires <= now.wall_ms / 1000)
		return err_set(err, "%s %lld has expired", name, (long long)version);
	if (version <= trusted_version(n, name))
		return err_set(err, "%s %lld: version %lld is trusted already", name,
			(long long)version, (long long)trusted_version(n, name));
	unsigned good =
		pack_signatures(&n->config->pack_keys, json_object_get(f->json, "sigs"), text, len);
	if (good < n->config->pack_threshold)
		return err_set(err, "%s %lld: %u of %llu signatures of publishers", name,
			(long long)version, good, (unsigned long long)n->config->pack_threshold);
	return true;
}

/* The same comes by several upstreams. */
static bool is_held(struct node *n, const char *name, int64_t version, const char *sha256)
{
	struct query *q = store_query(
		n->store, "SELECT 1 FROM pack WHERE name = ?1 AND version = ?2 AND sha256 = ?3");
	bind_text(q, name);
	bind_int(q, version);
	bind_text(q, sha256);
	bool held = query_row(q);
	query_done(q);
	return held;
}

static int64_t rows_of(struct node *n, const char *sql)
{
	struct query *q = store_query(n->store, sql);
	int64_t v = query_row(q) ? row_int(q, 0) : 0;
	query_done(q);
	return v;
}

/* By the site's policy. */
static const char *first_state(const struct node *n)
{
	if (strcmp(n->config->packs, "accept") == 0)
		return "accepted";
	return strcmp(n->config->packs, "refuse") == 0 ? "refused" : "offered";
}

static void offer(struct node *n, const struct frame *f, const char *sha256, const void *bytes,
	size_t size, struct now now)
{
	size_t len;
	const char *name = json_text_of(f->json, "name");
	char *sigs = json_write(json_object_get(f->json, "sigs"), &len);
	struct query *q = store_query(n->store, "INSERT OR REPLACE INTO pack VALUES(?1, ?2, ?3, "
						"?4, ?5, ?6, ?7, ?8, ?9, 0, ?10, ?11)");
	bind_text(q, name);
	bind_int(q, json_int_of(f->json, "version", 0));
	bind_int(q, f->type);
	bind_text(q, sha256);
	bind_int(q, (int64_t)size);
	bind_int(q, json_int_of(f->json, "parts", 1));
	bind_int(q, json_int_of(f->json, "expires", 0));
	bind_text(q, sigs);
	bind_text(q, first_state(n));
	bind_int(q, now.wall_ms);
	bind_blob(q, bytes, size);
	query_run(q);
	free(sigs);
	/* older versions go, their numbers stay with the newest */
	q = store_query(n->store, "DELETE FROM pack WHERE name = ?1 AND version < ?2");
	bind_text(q, name);
	bind_int(q, json_int_of(f->json, "version", 0));
	query_run(q);
	node_say(n, 5, "%s %s version %lld: %s", frame_type_name(f->type), name,
		(long long)json_int_of(f->json, "version", 0), first_state(n));
}

static void *join_pieces(struct node *n, const char *name, int64_t version, size_t *size)
{
	char *all = NULL;
	size_t len = 0, part;
	struct query *q = store_query(n->store,
		"SELECT bytes FROM pack_part WHERE name = ?1 AND version = ?2 ORDER BY part");
	bind_text(q, name);
	bind_int(q, version);
	while (query_row(q)) {
		const void *bytes = row_blob(q, 0, &part);
		char *more = realloc(all, len + part + 1);
		if (more == NULL)
			break;
		all = more;
		memcpy(all + len, bytes, part);
		len += part;
	}
	query_done(q);
	*size = len;
	return all;
}

static void drop_pieces(struct node *n, const char *name, int64_t version)
{
	struct query *q =
		store_query(n->store, "DELETE FROM pack_part WHERE name = ?1 AND version <= ?2");
	bind_text(q, name);
	bind_int(q, version);
	query_run(q);
}

static void keep_piece(struct node *n, const struct frame *f, int64_t version)
{
	char bytes[FRAME_MAX];
	size_t size;
	const char *data = json_text_of(f->json, "data");
	if (!base64_read(data, strlen(data), bytes, sizeof bytes, &size))
		return;
	struct query *q =
		store_query(n->store, "INSERT OR REPLACE INTO pack_part VALUES(?1, ?2, ?3, ?4)");
	bind_text(q, json_text_of(f->json, "name"));
	bind_int(q, version);
	bind_int(q, json_int_of(f->json, "part", 0));
	bind_blob(q, bytes, size);
	query_run(q);
}

static int64_t pieces_held(struct node *n, const char *name, int64_t version)
{
	struct query *q = store_query(
		n->store, "SELECT count(*) FROM pack_part WHERE name = ?1 AND version = ?2");
	bind_text(q, name);
	bind_int(q, version);
	int64_t held = query_row(q) ? row_int(q, 0) : 0;
	query_done(q);
	return held;
}

static void take_piece(struct node *n, const struct frame *f, struct now now, struct err *err)
{
	const char *name = json_text_of(f->json, "name");
	const char *sha256 = json_text_of(f->json, "sha256");
	int64_t version = json_int_of(f->json, "version", 0);
	uint8_t hash[HASH];
	char hex[HASH_HEX];
	size_t size;
	if (is_held(n, name, version, sha256))
		return;
	/* signatures first: nobody fills our disk with pieces of nothing */
	if (!judge(n, f, sha256, now, err))
		return;
	if (rows_of(n, "SELECT count(DISTINCT name) FROM pack_part") >= PACK_NAMES) {
		err_set(err, "%s: too many packs are coming at once", name);
		return;
	}
	keep_piece(n, f, version);
	if (pieces_held(n, name, version) < json_int_of(f->json, "parts", 0))
		return;
	void *all = join_pieces(n, name, version, &size);
	hash_of(all == NULL ? "" : all, size, hash);
	hash_hex(hash, hex);
	if (all != NULL && strcmp(hex, sha256) == 0)
		offer(n, f, sha256, all, size, now);
	else
		err_set(err, "%s %lld: its pieces are not what was signed", name,
			(long long)version);
	drop_pieces(n, name, version);
	free(all);
}

void pack_take(struct node *n, const struct frame *f, struct now now)
{
	struct err err = { 0 };
	char sha256[HASH_HEX];
	size_t len;
	if (n->config->redis == NULL)
		return; /* no sensors here: it only passes through */
	if (f->type == FRAME_PACK) {
		take_piece(n, f, now, &err);
	} else {
		char *text = items_of(f, &len, sha256);
		if (!is_held(n, json_text_of(f->json, "name"), json_int_of(f->json, "version", 0),
			    sha256) &&
			judge(n, f, sha256, now, &err))
			offer(n, f, sha256, text, len, now);
		free(text);
	}
	if (err.set)
		node_alarm(n, now, "pack-refused", json_text_of(f->json, "name"), "%s", err.text);
}

/* --- deciding ---------------------------------------------------------------------------- */

/* The state of the newest, and when that ends; false: no such pack. */
static bool newest(struct node *n, const char *name, char state[16], int64_t *expires)
{
	struct query *q = store_query(n->store, "SELECT state, expires_s FROM pack WHERE name = ?1 "
						"ORDER BY version DESC LIMIT 1");
	bind_text(q, name);
	bool found = query_row(q);
	if (found) {
		snprintf(state, 16, "%s", row_text(q, 0));
		*expires = row_int(q, 1);
	}
	query_done(q);
	return found;
}

/* Sensors are told of a refusal only where they had it. */
static const char *decided(const char *state, bool yes)
{
	bool had = strcmp(state, "accepted") == 0 || strcmp(state, "withdrawn") == 0;
	return yes ? "accepted" : had ? "withdrawn" : "refused";
}

static void set_state(struct node *n, const char *name, const char *state)
{
	struct query *q = store_query(n->store,
		"UPDATE pack SET state = ?2, stored = 0 WHERE name = ?1 AND version = (SELECT "
		"max(version) FROM pack WHERE name = ?1)");
	bind_text(q, name);
	bind_text(q, state);
	query_run(q);
}

bool pack_decide(struct node *n, const char *name, bool yes, struct now now, struct err *err)
{
	char state[16];
	int64_t expires = 0;
	pthread_mutex_lock(&n->lock);
	store_begin(n->store);
	if (!newest(n, name, state, &expires))
		err_set(err, "%s: no such pack was offered (pack list shows those that were)",
			name);
	else if (yes && expires <= now.wall_ms / 1000)
		err_set(err, "%s: what was offered has expired", name);
	else if (strcmp(state, decided(state, yes)) != 0)
		set_state(n, name, decided(state, yes));
	if (!store_commit(n->store))
		err_set(err, "%s", store_why(n->store));
	pthread_mutex_unlock(&n->lock);
	return !err->set;
}

json_t *pack_list(struct node *n)
{
	json_t *list = json_array();
	struct query *q =
		store_query(n->store, "SELECT name, version, kind, sha256, size, expires_s, "
				      "state, stored FROM pack ORDER BY name");
	while (query_row(q))
		json_array_append_new(
			list, json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:s, s:b}", "name",
				      row_text(q, 0), "version", (json_int_t)row_int(q, 1), "kind",
				      frame_type_name((enum frame_type)row_int(q, 2)), "sha256",
				      row_text(q, 3), "size", (json_int_t)row_int(q, 4), "expires",
				      (json_int_t)row_int(q, 5), "state", row_text(q, 6),
				      "at_sensors", (int)row_int(q, 7)));
	query_done(q);
	return list;
}

/* --- to the sensors ---------------------------------------------------------------------- */

static bool write_out(struct query *q, struct pack_out *out)
{
	struct err ignored = { 0 };
	size_t body;
	const char *sigs = row_text(q, 5);
	struct signed_pack p = { .version = row_int(q, 1), .expires = row_int(q, 3) };
	p.bytes = row_blob(q, 6, &body);
	p.size = body;
	p.kind = row_int(q, 2) == FRAME_PACK ? PACK_RULES : PACK_INDICATORS;
	if (strcmp(row_text(q, 7), "withdrawn") == 0) {
		p.kind = PACK_WITHDRAWN;
		p.size = 0;
	}
	snprintf(p.name, sizeof p.name, "%s", row_text(q, 0));
	snprintf(p.sha256, sizeof p.sha256, "%s", row_text(q, 4));
	p.sigs = json_read(sigs, strlen(sigs), 4, &ignored);
	out->bytes = signed_pack_write(&p, &out->size);
	out->version = p.version;
	out->withdrawn = p.kind == PACK_WITHDRAWN;
	snprintf(out->name, sizeof out->name, "%s", p.name);
	signed_pack_free(&p);
	return out->bytes != NULL;
}

bool pack_next(struct node *n, struct pack_out *out)
{
	pthread_mutex_lock(&n->lock);
	struct query *q = store_query(n->store,
		"SELECT name, version, kind, expires_s, sha256, sigs, bytes, "
		"state FROM pack WHERE state IN ('accepted', 'withdrawn') AND "
		"stored = 0 LIMIT 1");
	bool found = query_row(q) && write_out(q, out);
	query_done(q);
	pthread_mutex_unlock(&n->lock);
	return found;
}

bool pack_stored(struct node *n, const struct pack_out *out)
{
	pthread_mutex_lock(&n->lock);
	store_begin(n->store);
	/* unless somebody decided otherwise meanwhile */
	struct query *q = store_query(n->store, "UPDATE pack SET stored = 1 WHERE name = ?1 AND "
						"version = ?2 AND state = ?3");
	bind_text(q, out->name);
	bind_int(q, out->version);
	bind_text(q, out->withdrawn ? "withdrawn" : "accepted");
	query_run(q);
	digest_share(n);
	bool good = store_commit(n->store);
	if (good)
		node_say(n, 5, "pack %s %lld: %s sensors", out->name, (long long)out->version,
			out->withdrawn ? "taken back from" : "given to");
	pthread_mutex_unlock(&n->lock);
	return good;
}

void pack_missing(struct node *n, bool (*held)(const void *ctx, const char *name), const void *ctx)
{
	char lost[PACK_NAMES][PACK_NAME];
	size_t count = 0;
	pthread_mutex_lock(&n->lock);
	store_begin(n->store);
	struct query *q = store_query(
		n->store, "SELECT name FROM pack WHERE state = 'accepted' AND stored = 1");
	while (query_row(q) && count < PACK_NAMES)
		if (!held(ctx, row_text(q, 0)))
			snprintf(lost[count++], PACK_NAME, "%s", row_text(q, 0));
	query_done(q);
	for (size_t i = 0; i < count; i++) {
		q = store_query(n->store, "UPDATE pack SET stored = 0 WHERE name = ?1");
		bind_text(q, lost[i]);
		query_run(q);
	}
	store_commit(n->store);
	pthread_mutex_unlock(&n->lock);
}

void pack_each_accepted(struct node *n,
	void (*each)(void *ctx, const char *name, const char *bytes, size_t size), void *ctx)
{
	struct query *q = store_query(
		n->store, "SELECT name, bytes FROM pack WHERE state = 'accepted' AND kind = ?1");
	bind_int(q, FRAME_PACK);
	while (query_row(q)) {
		size_t size;
		const char *bytes = row_blob(q, 1, &size);
		each(ctx, row_text(q, 0), bytes, size);
	}
	query_done(q);
}
