/* ledger.c - the release ledger: lines chained by hash, texts beside them. A line's hash covers the
 * one before, so that nothing in the middle changes unseen; the last hash also lies in a small
 * file, so that the end cannot be cut unseen. */
#include "aggregator/ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregator/fault.h"
#include "aggregator/inflate.h"
#include "common/keys.h"

/* text: what left, as zstd; NULL where it was trimmed. */
const char ledger_tables[] =
	"CREATE TABLE IF NOT EXISTS ledger(n INTEGER PRIMARY KEY, at_ms INTEGER, kind TEXT,"
	" peer TEXT, what TEXT, bytes INTEGER, sha BLOB, text BLOB, hash BLOB);"
	"CREATE INDEX IF NOT EXISTS ledger_at ON ledger(at_ms);"
	"CREATE INDEX IF NOT EXISTS ledger_text ON ledger(at_ms) WHERE text IS NOT NULL;";

enum { TEXT_MAX = 16 * 1024 * 1024 };

struct entry {
	int64_t n, at_ms;
	const char *kind, *peer, *what;
	int64_t bytes;
	const uint8_t *sha; /* HASH bytes */
};

/* Each text with its length before it: no two lines have the same bytes. */
static void add_text(struct hash_run *h, const char *text)
{
	uint64_t len = strlen(text);
	char head[32];
	int n = snprintf(head, sizeof head, "%" PRIu64 ":", len);
	hash_add(h, head, (size_t)n);
	hash_add(h, text, len);
}

static void entry_hash(const uint8_t before[HASH], const struct entry *e, uint8_t out[HASH])
{
	struct hash_run h;
	char numbers[96];
	int n = snprintf(numbers, sizeof numbers, "%" PRId64 " %" PRId64 " %" PRId64 " ", e->n,
		e->at_ms, e->bytes);
	hash_start(&h);
	hash_add(&h, before, HASH);
	hash_add(&h, numbers, (size_t)n);
	add_text(&h, e->kind);
	add_text(&h, e->peer);
	add_text(&h, e->what);
	hash_add(&h, e->sha, HASH);
	hash_end(&h, out);
}

/* The number of the last line, 0: none, and its hash. */
static int64_t last_line(struct store *s, uint8_t hash[HASH])
{
	struct query *q = store_query(s, "SELECT n, hash FROM ledger ORDER BY n DESC LIMIT 1");
	int64_t n = 0;
	size_t len;
	memset(hash, 0, HASH);
	if (query_row(q)) {
		n = row_int(q, 0);
		const void *bytes = row_blob(q, 1, &len);
		if (len == HASH)
			memcpy(hash, bytes, HASH);
	}
	query_done(q);
	return n;
}

/* Behind the line whose hash is @before. */
static void append(struct node *n, const uint8_t before[HASH], int64_t number, int64_t at_ms,
	const char *kind, const char *to, const json_t *what, const char *bytes, size_t len)
{
	uint8_t sha[HASH], hash[HASH];
	size_t what_len, packed_len = 0;
	char *words = what == NULL ? NULL : json_write(what, &what_len);
	struct entry e = { .n = number,
		.at_ms = at_ms,
		.kind = kind,
		.peer = to == NULL ? "" : to,
		.what = words == NULL ? "{}" : words,
		.bytes = (int64_t)len,
		.sha = sha };
	hash_of(bytes == NULL ? "" : bytes, bytes == NULL ? 0 : len, sha);
	entry_hash(before, &e, hash);
	void *packed = len > 0 && bytes != NULL ? pack_zstd(bytes, len, &packed_len) : NULL;
	struct query *q = store_query(
		n->store, "INSERT INTO ledger VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
	bind_int(q, e.n);
	bind_int(q, e.at_ms);
	bind_text(q, e.kind);
	bind_text(q, e.peer);
	bind_text(q, e.what);
	bind_int(q, e.bytes);
	bind_blob(q, sha, HASH);
	if (packed == NULL)
		bind_null(q);
	else
		bind_blob(q, packed, packed_len);
	bind_blob(q, hash, HASH);
	query_run(q);
	free(packed);
	free(words);
}

void ledger_add(struct node *n, struct now now, const char *kind, const char *to,
	const json_t *what, const char *bytes, size_t len)
{
	uint8_t before[HASH];
	int64_t last = last_line(n->store, before);
	append(n, before, last + 1, now.wall_ms, kind, to, what, bytes, len);
}

/* --- the end, kept beside the store ------------------------------------------------------- */

static bool head_path(const char *folder, const char *end, char *out, size_t cap)
{
	int n = folder == NULL ? -1 : snprintf(out, cap, "%s/ledger.head%s", folder, end);
	return n > 0 && (size_t)n < cap;
}

enum told { TOLD_NOTHING, TOLD_WRONG, TOLD };

static enum told read_head(const char *folder, int64_t *at, uint8_t hash[HASH])
{
	char path[4200], line[128] = "", hex[HASH_HEX];
	FILE *f = head_path(folder, "", path, sizeof path) ? fopen(path, "r") : NULL;
	if (f == NULL)
		return TOLD_NOTHING;
	bool read = fgets(line, sizeof line, f) != NULL;
	fclose(f);
	bool good = read && sscanf(line, "%" SCNd64 " %64[0-9a-f]", at, hex) == 2 && *at > 0 &&
		    hex_read(hex, strlen(hex), hash, HASH);
	return good ? TOLD : TOLD_WRONG;
}

/* The hash of line @at of the store is @hash. */
static bool line_is(struct store *s, int64_t at, const uint8_t hash[HASH])
{
	struct query *q = store_query(s, "SELECT hash FROM ledger WHERE n = ?1");
	size_t len = 0;
	bind_int(q, at);
	const void *bytes = query_row(q) ? row_blob(q, 0, &len) : NULL;
	bool same = len == HASH && memcmp(bytes, hash, HASH) == 0;
	query_done(q);
	return same;
}

bool ledger_open(struct node *n, struct now now, struct err *err)
{
	uint8_t told[HASH], before[HASH];
	char hex[HASH_HEX];
	int64_t at, last = last_line(n->store, before);
	if (store_bytes(n->store) == 0 || read_head(n->config->folder, &at, told) != TOLD ||
		line_is(n->store, at, told))
		return true;
	int64_t from = last < at ? last + 1 : at, next = last < at ? at + 1 : last + 1;
	hash_hex(told, hex);
	json_t *what = json_pack(
		"{s:I, s:I, s:s}", "from", (json_int_t)from, "to", (json_int_t)at, "hash", hex);
	store_begin(n->store);
	append(n, last < at ? told : before, next, now.wall_ms, "gap", NULL, what, NULL, 0);
	node_alarm(n, now, "ledger-gap", n->org,
		"lines %" PRId64 " to %" PRId64
		" of the ledger are not here: the store was set aside or an older one put back",
		from, at);
	json_decref(what);
	return store_commit(n->store) || err_set(err, "ledger: %s", store_why(n->store));
}

void ledger_sync(struct node *n)
{
	char path[4200], fresh[4200], hex[HASH_HEX];
	uint8_t hash[HASH];
	if (store_bytes(n->store) == 0 || !head_path(n->config->folder, "", path, sizeof path) ||
		!head_path(n->config->folder, ".new", fresh, sizeof fresh))
		return;
	int64_t at = last_line(n->store, hash);
	if (at == 0)
		return;
	hash_hex(hash, hex);
	FILE *f = fopen(fresh, "w");
	if (f == NULL)
		return; /* behind is no fault: see ledger_verify_folder() */
	bool good = fprintf(f, "%" PRId64 " %s\n", at, hex) > 0;
	good = fclose(f) == 0 && good;
	FAULT("ledger.head");
	if (!good || rename(fresh, path) != 0)
		unlink(fresh);
}

void ledger_trim(struct node *n, int64_t before_ms)
{
	struct query *q = store_query(n->store,
		"UPDATE ledger SET text = NULL WHERE n IN (SELECT n FROM ledger"
		" WHERE text IS NOT NULL AND at_ms < ?1 LIMIT 256)");
	bind_int(q, before_ms);
	query_run(q);
}

/* --- verification -------------------------------------------------------------------------- */

static bool text_agrees(struct query *q, const uint8_t sha[HASH], struct err *err)
{
	size_t n, len;
	const void *packed = row_blob(q, 7, &n);
	char *text = NULL;
	uint8_t hash[HASH];
	if (row_null(q, 7))
		return true;
	if (unpack("zstd", packed, n, TEXT_MAX, TEXT_MAX, &text, &len, err) != INFLATE_GOOD)
		return false;
	hash_of(text, len, hash);
	bool same = (int64_t)len == row_int(q, 5) && memcmp(hash, sha, HASH) == 0;
	free(text);
	return same;
}

struct walk {
	int64_t next; /* the number that has to come */
	uint8_t before[HASH];
	int64_t from, to; /* lines that a restored store has not; 0: none */
};

/* Lines that ledger_open() found missing: the chain goes on from the hash that it saved. */
static void cross_gap(struct walk *w, const struct entry *e)
{
	struct err err = { 0 };
	json_t *what = json_read(e->what, strlen(e->what), 4, &err);
	const char *hex = json_text_of(what, "hash");
	int64_t from = json_int_of(what, "from", 0), to = json_int_of(what, "to", 0);
	if (w->from == 0) {
		w->from = from;
		w->to = to;
	}
	if (from == w->next && to + 1 == e->n && hex != NULL &&
		hex_read(hex, strlen(hex), w->before, HASH))
		w->next = e->n;
	json_decref(what);
}

/* One row against the hash of the row before; w->before becomes its own. */
static bool row_agrees(struct query *q, struct walk *w, struct err *err)
{
	size_t sha_len, hash_len;
	struct err ignored = { 0 };
	struct entry e = { .n = row_int(q, 0),
		.at_ms = row_int(q, 1),
		.kind = row_text(q, 2),
		.peer = row_text(q, 3),
		.what = row_text(q, 4),
		.bytes = row_int(q, 5),
		.sha = row_blob(q, 6, &sha_len) };
	const void *stored = row_blob(q, 8, &hash_len);
	uint8_t hash[HASH];
	if (strcmp(e.kind, "gap") == 0)
		cross_gap(w, &e);
	if (e.n != w->next)
		return err_set(err,
			"ledger: line %" PRId64 " is missing, %" PRId64 " comes instead", w->next,
			e.n);
	if (sha_len != HASH || hash_len != HASH)
		return err_set(err, "ledger: line %" PRId64 " is altered: no hash", e.n);
	entry_hash(w->before, &e, hash);
	if (memcmp(hash, stored, HASH) != 0)
		return err_set(err,
			"ledger: line %" PRId64 " is altered, or the line before it was replaced",
			e.n);
	if (!text_agrees(q, e.sha, &ignored))
		return err_set(err, "ledger: the text of line %" PRId64 " is altered", e.n);
	memcpy(w->before, hash, HASH);
	w->next++;
	return true;
}

/* All rows. @watch: the number whose hash is wanted. *last: the number of the last sound one. */
static bool walk(
	struct store *s, int64_t watch, uint8_t watched[HASH], int64_t *last, struct err *err)
{
	struct query *q = store_query(s, "SELECT n, at_ms, kind, peer, what, bytes, sha, text, hash"
					 " FROM ledger ORDER BY n");
	struct walk w = { .next = 1 };
	bool good = true;
	while (good && query_row(q)) {
		good = row_agrees(q, &w, err);
		if (good && w.next == watch + 1)
			memcpy(watched, w.before, HASH);
	}
	*last = w.next - 1;
	if (!query_done(q))
		good = err_set(err, "ledger: cannot be read: %s", store_why(s));
	if (good && w.from > 0)
		good = err_set(err,
			"ledger: lines %" PRId64 " to %" PRId64
			" are not here: the store was set aside or an older one put back; all "
			"others are as they were written",
			w.from, w.to);
	return good;
}

bool ledger_verify(struct store *s, int64_t *lines, struct err *err)
{
	uint8_t ignored[HASH];
	return walk(s, -1, ignored, lines, err);
}

bool ledger_verify_folder(struct store *s, const char *folder, int64_t *lines, struct err *err)
{
	uint8_t wanted[HASH], found[HASH] = { 0 };
	int64_t at = 0;
	enum told told = read_head(folder, &at, wanted);
	if (!walk(s, told == TOLD ? at : -1, found, lines, err))
		return false;
	if (told == TOLD_WRONG)
		return err_set(
			err, "%s/ledger.head: altered: it is not a number and a hash", folder);
	if (told == TOLD_NOTHING)
		return *lines == 0 ||
		       err_set(err,
			       "%s/ledger.head: not there: whether the end is whole cannot be told",
			       folder);
	if (*lines < at)
		return err_set(err,
			"ledger: cut: it ends at line %" PRId64 ", but line %" PRId64
			" was written",
			*lines, at);
	if (memcmp(found, wanted, HASH) != 0)
		return err_set(err, "ledger: line %" PRId64 " is not the one that was written", at);
	return true;
}
