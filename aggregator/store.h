/* store.h - what a node remembers: one SQLite database, written in transactions by one thread at a
 * time. The only file that knows SQLite. */
#ifndef AGGREGATOR_STORE_H
#define AGGREGATOR_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct store;
struct query;

struct store_options {
	const char *path;  /* NULL: in memory, for the simulator and units */
	bool small;        /* many stores in one process: small pages and caches */
	const void *image; /* of store_freeze(), @image_len bytes: in memory, as it was */
	size_t image_len;
	bool look; /* beside a daemon that has it open: nothing is checked or set aside */
};

enum store_open { STORE_GOOD, STORE_NEW, STORE_REBUILT, STORE_FAILED };
/* Opens in WAL with synchronous=FULL and checks integrity. A damaged file is moved beside itself
 * (PATH.damaged-SECONDS) with its WAL and an empty one takes its place: STORE_REBUILT with the
 * reason in @err. STORE_FAILED: nothing could be opened. */
enum store_open store_open(struct store **s, const struct store_options *o, struct err *err);
/* Too large to be checked while somebody waits for it: that is for store_check(). */
bool store_is_unchecked(const struct store *s);
/* Checks a file that is in use, by a connection of its own, table by table until *stop. False and
 * @err: it is damaged, and marked so that the next store_open() sets it aside. */
bool store_check(const char *path, const atomic_bool *stop, struct err *err);
void store_close(struct store *s); /* finishes nothing: what is not committed is lost */

/* CREATE TABLE IF NOT EXISTS …, several statements. Each module brings its own. */
bool store_schema(struct store *s, const char *sql, struct err *err);

/* Transactions nest; the outermost commits with an fsync. After a failed statement (full disk, I/O
 * error) everything up to the outermost store_commit() is undone and that returns false. */
void store_begin(struct store *s);
bool store_commit(struct store *s);
void store_rollback(struct store *s); /* the outermost commit will fail */
/* Something failed since the outermost store_begin(). */
bool store_failed(const struct store *s);
/* Why the last statement failed: "database or disk is full". */
const char *store_why(const struct store *s);
bool store_is_full(const struct store *s); /* the last failure was a full disk */
/* The worst that a statement met since this was asked last. */
enum store_trouble { STORE_FINE, STORE_FAILS, STORE_RAN_OUT, STORE_DAMAGED };
enum store_trouble store_trouble(struct store *s);
/* What it holds cannot be what was written: nothing more is committed, and the next store_open()
 * sets the file aside. */
void store_condemn(struct store *s, const char *why);

/* Statements are kept by the address of @sql, so that text must be a literal. */
struct query *store_query(struct store *s, const char *sql);
/* Binds the next parameter. Text and blobs are borrowed until query_done(). */
void bind_int(struct query *q, int64_t v);
void bind_text(struct query *q, const char *text);           /* NULL: NULL */
void bind_line(struct query *q, const char *text, size_t n); /* text without NUL */
void bind_blob(struct query *q, const void *bytes, size_t n);
void bind_null(struct query *q);
/* The next row; false at the end or on failure. */
bool query_row(struct query *q);
/* Columns of the row, from 0, valid until the next query_row() or query_done(). NULL reads as 0,
 * "" and no bytes. */
int64_t row_int(struct query *q, int column);
const char *row_text(struct query *q, int column);
const void *row_blob(struct query *q, int column, size_t *n);
bool row_null(struct query *q, int column);
/* False if a step failed. */
bool query_done(struct query *q);
/* Runs to the end: for statements without rows. */
bool query_run(struct query *q);
/* Rows that the last statement changed. */
int64_t store_changes(const struct store *s);
int64_t store_last_id(const struct store *s);

/* Small facts by name. */
int64_t store_number(struct store *s, const char *name, int64_t otherwise);
void store_set_number(struct store *s, const char *name, int64_t v);
/* Into @out, with NUL; false if there is none or it is too long. */
bool store_text(struct store *s, const char *name, char *out, size_t cap);
void store_set_text(struct store *s, const char *name, const char *v);

/* Bytes on disk, WAL included. */
int64_t store_bytes(const struct store *s);
/* How much of its room is taken (%): of @most bytes, or of what its disk can give where that is
 * less. Pages that wait for use again are room. */
int store_percent(struct store *s, int64_t most);
/* A consistent copy into another file, while in use (backups, tests). */
bool store_copy(struct store *s, const char *path, struct err *err);
/* So many bytes for pages to come, and as many for the WAL, are kept from now on: others on the
 * disk cannot take them. */
void store_claim(struct store *s, int64_t bytes);
/* Moves the WAL into the file, so that it can be written from its beginning. */
void store_settle(struct store *s);
/* The same, and gives back what is beyond the claim. */
void store_tidy(struct store *s);

/* --- for the simulator and tests --- */
/* The whole database as bytes, the caller's to free(). */
void *store_freeze(struct store *s, size_t *n);
/* Between turns: a store in memory is packed and put to sleep; whatever uses it wakes it. */
void store_sleep(struct store *s);
/* After so many rows and runs every next one fails once as on a full disk; < 0: never. */
void store_fail_after(struct store *s, int64_t statements);

#endif
