/* ledger_print.c - the ledger for a person, or as JSON lines with the exact text of what left. */
#include "aggregator/ledger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregator/inflate.h"
#include "common/keys.h"

enum { TEXT_MAX = 16 * 1024 * 1024, DEPTH = 6, RECEIPTS_LOOKED = 64 };

struct line {
	int64_t n, at_ms, bytes;
	const char *kind, *peer;
	json_t *what;
};

static const char *when(int64_t s, char out[32])
{
	time_t t = (time_t)s;
	struct tm tm;
	if (gmtime_r(&t, &tm) == NULL || strftime(out, 32, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		snprintf(out, 32, "%" PRId64, s);
	return out;
}

/* 2113 as "2,113". */
static const char *grouped(int64_t v, char out[32])
{
	char digits[24];
	int n = snprintf(digits, sizeof digits, "%" PRId64, v < 0 ? 0 : v);
	char *to = out;
	for (int i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return out;
}

static json_int_t place(const json_t *array, size_t at)
{
	return json_integer_value(json_array_get(array, at));
}

/* --- plain words ------------------------------------------------------------------------- */

static void print_types(const json_t *types, FILE *out)
{
	const char *name, *before = "";
	json_t *n;
	json_object_foreach((json_t *)types, name, n)
	{
		json_int_t many = json_integer_value(n);
		fprintf(out, "%s%" JSON_INTEGER_FORMAT " %s%s", before, many, name,
			many == 1                    ? ""
			: strcmp(name, "flash") == 0 ? "es"
						     : "s");
		before = ", ";
	}
}

/* The receipt for [ep, first, last] that came after line @n. */
static bool receipt_for(struct store *s, const struct line *l, const json_t *range, int64_t *at_ms,
	char kid[KID_TEXT])
{
	struct query *q = store_query(s, "SELECT what FROM ledger WHERE n > ?1 AND kind = 'receipt'"
					 " AND peer = ?2 ORDER BY n LIMIT ?3");
	bool found = false;
	bind_int(q, l->n);
	bind_text(q, l->peer);
	bind_int(q, RECEIPTS_LOOKED);
	while (!found && query_row(q)) {
		struct err err = { 0 };
		const char *text = row_text(q, 0);
		json_t *what = json_read(text, strlen(text), DEPTH, &err);
		const json_t *r = json_object_get(what, "range");
		found = place(r, 0) == place(range, 0) && place(r, 1) <= place(range, 1) &&
			place(r, 2) >= place(range, 2);
		if (found) {
			const char *k = json_text_of(what, "kid");
			*at_ms = json_int_of(what, "at", 0);
			snprintf(kid, KID_TEXT, "%s", k == NULL ? "?" : k);
		}
		json_decref(what);
	}
	query_done(q);
	return found;
}

static void print_left(struct store *s, const struct line *l, FILE *out)
{
	char a[32], b[32], kid[KID_TEXT];
	const json_t *windows = json_object_get(l->what, "windows");
	const json_t *range = json_object_get(l->what, "range");
	int64_t at_ms;
	fprintf(out, "to %s: ", l->peer);
	print_types(json_object_get(l->what, "types"), out);
	if (windows != NULL)
		fprintf(out, " (windows %s to %s)", when(place(windows, 0), a),
			when(place(windows, 1), b));
	if (json_object_get(l->what, "alerts") != NULL)
		fprintf(out, ", %s alerts counted", grouped(json_int_of(l->what, "alerts", 0), a));
	fprintf(out, " at level %" PRId64 ", %s bytes", json_int_of(l->what, "lvl", 0),
		grouped(l->bytes, a));
	if (json_is_true(json_object_get(l->what, "unsure")))
		fprintf(out, "; whether they arrived was not seen");
	if (range == NULL)
		fprintf(out, "\n");
	else if (receipt_for(s, l, range, &at_ms, kid))
		fprintf(out, "; receipt of %s signed by key %s\n", when(at_ms / 1000, a), kid);
	else
		fprintf(out, "; no receipt yet\n");
}

static void print_other(const struct line *l, FILE *out)
{
	char a[32], b[32];
	const json_t *range = json_object_get(l->what, "range");
	int64_t start = json_int_of(l->what, "start", 0), end = json_int_of(l->what, "end", 0);
	if (strcmp(l->kind, "receipt") == 0)
		fprintf(out,
			"from %s: receipt for frames %" PRId64 "/%" PRId64 " to %" PRId64
			", signed at %s\n",
			l->peer, (int64_t)place(range, 0), (int64_t)place(range, 1),
			(int64_t)place(range, 2), when(json_int_of(l->what, "at", 0) / 1000, a));
	else if (strcmp(l->kind, "released") == 0)
		fprintf(out, "to %s: %s released %s bytes for %s until %s (sha256 %.16s…)\n",
			l->peer, json_text_of(l->what, "by"),
			grouped(json_int_of(l->what, "size", 0), a),
			json_text_of(l->what, "ticket"), when(json_int_of(l->what, "until", 0), b),
			json_text_of(l->what, "sha256"));
	else if (strcmp(l->kind, "level") == 0)
		fprintf(out, "to %s: what may leave is level %" PRId64 " from now on\n", l->peer,
			json_int_of(l->what, "to", 0));
	else if (strcmp(l->kind, "coarsened") == 0)
		fprintf(out,
			"for %s: %" PRId64 " waiting windows (%s to %s, %" PRId64
			" events) became one, for want of room; totals stay exact\n",
			l->peer, json_int_of(l->what, "windows", 0), when(start, a), when(end, b),
			json_int_of(l->what, "events", 0));
	else if (strcmp(l->kind, "counted-before") == 0 || strcmp(l->kind, "overlap") == 0)
		fprintf(out,
			"to %s: the window %s to %s was %s by the parent's own head and is not "
			"sent twice\n",
			l->peer, when(start, a), when(end, b),
			l->kind[0] == 'c' ? "covered" : "partly covered");
	else if (strcmp(l->kind, "epoch") == 0)
		fprintf(out, "to %s: epoch %" PRId64 " begins\n", l->peer,
			json_int_of(l->what, "ep", 0));
	else {
		size_t len;
		char *text = json_write(l->what, &len);
		fprintf(out, "%s %s: %s\n", l->kind, l->peer, text);
		free(text);
	}
}

static void print_words(struct store *s, const struct line *l, FILE *out)
{
	char at[32];
	fprintf(out, "%s ", when(l->at_ms / 1000, at));
	if (strcmp(l->kind, "left") == 0)
		print_left(s, l, out);
	else
		print_other(l, out);
}

/* --- JSON -------------------------------------------------------------------------------- */

static void add_hash(json_t *j, const char *name, struct query *q, int column)
{
	size_t n;
	char hex[HASH_HEX];
	const uint8_t *hash = row_blob(q, column, &n);
	if (n != HASH)
		return;
	hash_hex(hash, hex);
	json_object_set_new(j, name, json_string(hex));
}

static void add_text(json_t *j, struct query *q)
{
	size_t n, len;
	char *text = NULL;
	struct err err = { 0 };
	const void *packed = row_blob(q, 7, &n);
	if (!row_null(q, 7) &&
		unpack("zstd", packed, n, TEXT_MAX, TEXT_MAX, &text, &len, &err) == INFLATE_GOOD)
		json_object_set_new(j, "text", json_stringn(text, len));
	free(text);
}

static void print_json(struct query *q, const struct line *l, FILE *out)
{
	size_t len;
	json_t *j = json_pack("{s:I, s:I, s:s, s:s, s:O, s:I}", "n", (json_int_t)l->n, "at_ms",
		(json_int_t)l->at_ms, "kind", l->kind, "to", l->peer, "what", l->what, "bytes",
		(json_int_t)l->bytes);
	if (j == NULL)
		return;
	add_hash(j, "sha256", q, 6);
	add_text(j, q);
	add_hash(j, "hash", q, 8);
	char *text = json_write(j, &len);
	fprintf(out, "%s\n", text);
	free(text);
	json_decref(j);
}

bool ledger_print(struct store *s, int64_t since_s, bool json, FILE *out)
{
	struct query *q = store_query(s, "SELECT n, at_ms, kind, peer, what, bytes, sha, text, hash"
					 " FROM ledger WHERE at_ms >= ?1 ORDER BY n");
	int64_t lines = 0;
	bind_int(q, since_s > INT64_MAX / 1000 ? INT64_MAX : since_s * 1000);
	while (query_row(q)) {
		struct err err = { 0 };
		const char *text = row_text(q, 4);
		struct line l = { .n = row_int(q, 0),
			.at_ms = row_int(q, 1),
			.kind = row_text(q, 2),
			.peer = row_text(q, 3),
			.bytes = row_int(q, 5) };
		l.what = json_read(text, strlen(text), DEPTH, &err);
		if (l.what == NULL)
			l.what = json_object();
		if (json)
			print_json(q, &l, out);
		else
			print_words(s, &l, out);
		json_decref(l.what);
		lines++;
	}
	if (lines == 0 && !json)
		fprintf(out, "nothing left in that time\n");
	return query_done(q) && !ferror(out);
}
