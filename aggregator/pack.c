/* pack.c - rule packs and indicator sets: pieces come down, are put together, judged by the
 * publishers' signatures, version and expiry, and offered to the site. Nothing is ever forced: the
 * site's policy decides, and a version that was once trusted is never gone back behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/notice_private.h"

enum { PIECE = 44 * 1024, NAMES_MOST = 64 };

size_t pack_signed_text(char *out, size_t cap, const char *name, int64_t version, int64_t expires,
	const char *sha256)
{
	int n = snprintf(out, cap, "bongsu-pack/1\n%s\n%lld\n%lld\n%s\n", name, (long long)version,
		(long long)expires, sha256);
	return n < 0 || (size_t)n >= cap ? 0 : (size_t)n;
}

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

static bool is_named_before(const struct text_list *keys, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (strcmp(keys->text[i], keys->text[at]) == 0)
			return true;
	return false;
}

/* How many of the configured publishers signed it; who is named twice is one. */
static unsigned signatures(const struct node *n, const json_t *sigs, const char *text, size_t len)
{
	unsigned good = 0;
	for (size_t k = 0; k < n->config->pack_keys.count; k++) {
		const char *hex = n->config->pack_keys.text[k];
		if (is_named_before(&n->config->pack_keys, k))
			continue;
		uint8_t public_[KEY_PUBLIC], sig[KEY_SIG];
		struct key key;
		size_t i, size;
		const json_t *s;
		if (!hex_read(hex, strlen(hex), public_, sizeof public_))
			continue;
		key_from_public(&key, public_);
		json_array_foreach(sigs, i, s)
		{
			const char *kid = json_text_of(s, "kid"), *b64 = json_text_of(s, "sig");
			if (kid == NULL || b64 == NULL || strcmp(kid, key.kid) != 0 ||
				!base64_read(b64, strlen(b64), sig, sizeof sig, &size) ||
				size != KEY_SIG || !key_verify(&key, text, len, sig))
				continue;
			good++;
			break;
		}
	}
	return good;
}

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
	if (expires <= now.wall_ms / 1000)
		return err_set(err, "%s %lld has expired", name, (long long)version);
	if (version <= trusted_version(n, name))
		return err_set(err, "%s %lld: version %lld is trusted already", name,
			(long long)version, (long long)trusted_version(n, name));
	unsigned good = signatures(n, json_object_get(f->json, "sigs"), text, len);
	if (good < n->config->pack_threshold)
		return err_set(err, "%s %lld: %u of %llu signatures of publishers", name,
			(long long)version, good, (unsigned long long)n->config->pack_threshold);
	return true;
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
	/* signatures first: nobody fills our disk with pieces of nothing */
	if (!judge(n, f, sha256, now, err))
		return;
	if (rows_of(n, "SELECT count(DISTINCT name) FROM pack_part") >= NAMES_MOST) {
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
		if (judge(n, f, sha256, now, &err))
			offer(n, f, sha256, text, len, now);
		free(text);
	}
	if (err.set)
		node_say(n, 4, "%s", err.text);
}

/* --- deciding ---------------------------------------------------------------------------- */

bool pack_decide(struct node *n, const char *name, bool yes, struct now now, struct err *err)
{
	(void)now;
	pthread_mutex_lock(&n->lock);
	store_begin(n->store);
	struct query *q = store_query(n->store,
		"UPDATE pack SET state = ?2, stored = 0 WHERE name = ?1 AND version = (SELECT "
		"max(version) FROM pack WHERE name = ?1)");
	bind_text(q, name);
	bind_text(q, yes ? "accepted" : "refused");
	query_run(q);
	if (store_changes(n->store) == 0)
		err_set(err, "%s: no such pack was offered", name);
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

/* One line of JSON that says what it is and who signed it, then the bytes as they are. */
bool pack_next(struct node *n, char name[65], char **bytes, size_t *size)
{
	struct err ignored = { 0 };
	bool found = false;
	pthread_mutex_lock(&n->lock);
	struct query *q =
		store_query(n->store, "SELECT name, version, kind, sha256, expires_s, sigs, "
				      "bytes FROM pack WHERE state = 'accepted' AND "
				      "stored = 0 LIMIT 1");
	if (query_row(q)) {
		size_t len, body_len;
		const char *sigs = row_text(q, 5);
		snprintf(name, 65, "%s", row_text(q, 0));
		json_t *head = json_pack("{s:s, s:I, s:s, s:I, s:s, s:o}", "name", row_text(q, 0),
			"version", (json_int_t)row_int(q, 1), "kind",
			frame_type_name((enum frame_type)row_int(q, 2)), "expires",
			(json_int_t)row_int(q, 4), "sha256", row_text(q, 3), "sigs",
			json_read(sigs, strlen(sigs), 4, &ignored));
		char *text = head == NULL ? NULL : json_write(head, &len);
		const void *body = row_blob(q, 6, &body_len);
		*bytes = text == NULL ? NULL : malloc(len + 1 + body_len + 1);
		if (*bytes != NULL) {
			memcpy(*bytes, text, len);
			(*bytes)[len] = '\n';
			memcpy(*bytes + len + 1, body, body_len);
			*size = len + 1 + body_len;
			found = true;
		}
		free(text);
		json_decref(head);
	}
	query_done(q);
	pthread_mutex_unlock(&n->lock);
	return found;
}

void pack_stored(struct node *n, const char *name)
{
	pthread_mutex_lock(&n->lock);
	store_begin(n->store);
	struct query *q = store_query(n->store, "UPDATE pack SET stored = 1 WHERE name = ?1");
	bind_text(q, name);
	query_run(q);
	store_commit(n->store);
	pthread_mutex_unlock(&n->lock);
}
