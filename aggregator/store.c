/* store.c - SQLite in WAL mode: statements kept, transactions nested, failures remembered until the
 * outermost commit. */
#include "aggregator/store_db.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "aggregator/fault.h"
#include "aggregator/store_private.h"

enum { BUSY_MS = 10000, WAL_PAGES = 4000, TIDY_PAGES = 1000, CHECK_AT_ONCE = 256 * 1024 * 1024 };

static bool damaged(int code)
{
	return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

static void failure(struct store *s, int code, const char *why)
{
	s->full = code == SQLITE_FULL || (code == SQLITE_IOERR && errno == ENOSPC);
	if (!s->failed)
		snprintf(s->why, sizeof s->why, "%s", why);
	s->failed = true;
	enum store_trouble t = s->full ? STORE_RAN_OUT : STORE_FAILS;
	if (s->trouble < t)
		s->trouble = t;
	if (damaged(code))
		store_condemn(s, why);
}

/* --- opening ----------------------------------------------------------------------------- */

static bool pragma(struct store *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* The first line of a check, "ok", or what is wrong. @of: a table; NULL: everything. */
static bool sound(sqlite3 *db, const char *path, const char *of, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	char *sql = of == NULL ? sqlite3_mprintf("PRAGMA quick_check(1)")
			       : sqlite3_mprintf("PRAGMA quick_check(%Q)", of);
	bool good = false;
	const char *says = NULL;
	if (sql != NULL && sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
		sqlite3_step(stmt) == SQLITE_ROW) {
		says = (const char *)sqlite3_column_text(stmt, 0);
		good = says != NULL && strcmp(says, "ok") == 0;
	}
	if (!good)
		err_set(err, "%s: %s", path == NULL ? "store" : path,
			says != NULL ? says : sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
	sqlite3_free(sql);
	return good;
}

bool store_check(const char *path, const atomic_bool *stop, struct err *err)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *tables = NULL;
	bool good = true;
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
			SQLITE_OK &&
		sqlite3_busy_timeout(db, BUSY_MS) == SQLITE_OK &&
		sqlite3_prepare_v2(db, "SELECT name FROM sqlite_schema WHERE type = 'table'", -1,
			&tables, NULL) == SQLITE_OK)
		while (good && !atomic_load(stop) && sqlite3_step(tables) == SQLITE_ROW)
			good = sound(db, path, (const char *)sqlite3_column_text(tables, 0), err);
	sqlite3_finalize(tables);
	sqlite3_close(db);
	if (!good)
		store_mark(path, err->text);
	return good;
}

bool store_is_unchecked(const struct store *s)
{
	return s->path != NULL && store_size(s->path) > CHECK_AT_ONCE;
}

/* Saying it again would write. */
static bool gives_room_back(struct store *s)
{
	sqlite3_stmt *stmt = NULL;
	bool does = sqlite3_prepare_v2(s->db, "PRAGMA auto_vacuum", -1, &stmt, NULL) == SQLITE_OK &&
		    sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0) == 2;
	sqlite3_finalize(stmt);
	return does;
}

static bool settle(struct store *s, const struct store_options *o, struct err *err)
{
	if (o->image != NULL && !store_thaw(s, o->image, o->image_len, err))
		return false;
	sqlite3_busy_timeout(s->db, BUSY_MS);
	sqlite3_extended_result_codes(s->db, 0);
	sqlite3_limit(s->db, SQLITE_LIMIT_ATTACHED, 0);
	/* no plan depends on what is bound: else each binding next to a partial index compiles anew
	 */
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_QPSG, 1, NULL);
	if (o->small)
		pragma(s, "PRAGMA page_size=1024");
	else if (!gives_room_back(s))
		pragma(s, "PRAGMA auto_vacuum=INCREMENTAL");
	bool good = pragma(s, o->path == NULL ? "PRAGMA journal_mode=MEMORY"
					      : "PRAGMA journal_mode=WAL") &&
		    pragma(s, "PRAGMA synchronous=FULL") &&
		    pragma(s, "PRAGMA trusted_schema=OFF") &&
		    pragma(s, o->small ? "PRAGMA cache_size=16" : "PRAGMA cache_size=-16000") &&
		    pragma(s, "PRAGMA temp_store=MEMORY");
	if (o->path != NULL)
		sqlite3_wal_autocheckpoint(s->db, WAL_PAGES);
	if (!good)
		return err_set(
			err, "%s: %s", o->path == NULL ? "store" : o->path, sqlite3_errmsg(s->db));
	return o->small || o->look || store_is_unchecked(s) || sound(s->db, s->path, NULL, err);
}

bool store_connect(struct store *s, const struct store_options *o, struct err *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	if (sqlite3_open_v2(o->path == NULL ? ":memory:" : o->path, &s->db, flags, NULL) ==
			SQLITE_OK &&
		settle(s, o, err))
		return true;
	if (s->db != NULL)
		err_set(err, "%s: %s", o->path == NULL ? "store" : o->path, sqlite3_errmsg(s->db));
	return false;
}

void store_condemn(struct store *s, const char *why)
{
	if (!s->failed)
		snprintf(s->why, sizeof s->why, "%s", why);
	s->failed = true;
	s->trouble = STORE_DAMAGED;
	if (!s->condemned && s->path != NULL)
		store_mark(s->path, why);
	s->condemned = true;
}

/* Opens what is there. False and *bad: it is damaged, as @err says. */
static bool open_it(struct store *s, const struct store_options *o, bool *bad, struct err *err)
{
	bool old = o->path != NULL && store_size(o->path) >= 0;
	*bad = o->path != NULL && !o->look && !store_unmarked(o->path, err);
	if (*bad)
		return false;
	if (store_connect(s, o, err))
		return true;
	int code = s->db == NULL ? SQLITE_NOMEM : sqlite3_errcode(s->db);
	/* a check that was made and found something leaves no code */
	*bad = old && !o->look && (damaged(code) || code == SQLITE_ROW || code == SQLITE_OK);
	sqlite3_close(s->db);
	s->db = NULL;
	return false;
}

static enum store_open open_or_rebuild(
	struct store *s, const struct store_options *o, struct err *err)
{
	bool bad, old = o->path != NULL && store_size(o->path) >= 0;
	struct err again = { 0 };
	if (open_it(s, o, &bad, err))
		return old ? STORE_GOOD : STORE_NEW;
	if (!bad)
		return STORE_FAILED;
	if (store_set_aside(o->path, err->text, &again) && store_connect(s, o, &again))
		return STORE_REBUILT;
	*err = again;
	return STORE_FAILED;
}

/* Nobody asks how much SQLite holds; counting it takes a lock for every piece of memory. */
static void no_statistics(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum store_open store_open(struct store **out, const struct store_options *o, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, no_statistics);
	struct store *s = calloc(1, sizeof *s);
	*out = NULL;
	if (s == NULL || (o->path != NULL && (s->path = strdup(o->path)) == NULL)) {
		free(s);
		err_set(err, "store: out of memory");
		return STORE_FAILED;
	}
	s->fail_after = -1;
	mode_t mask = umask(077);
	enum store_open how = open_or_rebuild(s, o, err);
	umask(mask);
	if (how != STORE_FAILED && store_schema(s,
					   "CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, "
					   "value) WITHOUT ROWID",
					   err)) {
		*out = s;
		return how;
	}
	store_close(s);
	return STORE_FAILED;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	store_disconnect(s);
	free(s->asleep);
	free(s->path);
	free(s);
}

bool store_schema(struct store *s, const char *sql, struct err *err)
{
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	return err_set(err, "%s: %s", s->path == NULL ? "store" : s->path, sqlite3_errmsg(s->db));
}

/* --- transactions ------------------------------------------------------------------------ */

static void execute(struct store *s, sqlite3_stmt **stmt, const char *sql)
{
	int code = SQLITE_OK;
	if (*stmt == NULL)
		code = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
	if (code == SQLITE_OK) {
		sqlite3_step(*stmt);
		code = sqlite3_reset(*stmt);
	}
	if (code != SQLITE_OK)
		failure(s, code, sqlite3_errmsg(s->db));
}

void store_begin(struct store *s)
{
	if (s->depth++ > 0)
		return;
	store_wake(s);
	s->full = false;
	s->failed = s->condemned;
	if (!s->failed)
		execute(s, &s->begin, "BEGIN IMMEDIATE");
}

bool store_commit(struct store *s)
{
	if (s->depth == 0 || --s->depth > 0)
		return !s->failed;
	if (!s->failed) {
		FAULT("store.before_commit");
		execute(s, &s->commit, "COMMIT");
		FAULT("store.after_commit");
	}
	if (s->failed && sqlite3_get_autocommit(s->db) == 0)
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return !s->failed;
}

void store_rollback(struct store *s)
{
	if (!s->failed)
		snprintf(s->why, sizeof s->why, "undone");
	s->failed = true;
}

bool store_failed(const struct store *s)
{
	return s->failed;
}

const char *store_why(const struct store *s)
{
	return s->why;
}

bool store_is_full(const struct store *s)
{
	return s->full;
}

enum store_trouble store_trouble(struct store *s)
{
	enum store_trouble t = s->trouble;
	if (t != STORE_DAMAGED)
		s->trouble = STORE_FINE;
	return t;
}

void store_fail_after(struct store *s, int64_t statements)
{
	s->fail_after = statements;
}

/* --- statements -------------------------------------------------------------------------- */

static unsigned slot_of(const char *sql)
{
	uint64_t h = (uint64_t)(uintptr_t)sql * 0x9e3779b97f4a7c15u;
	return (unsigned)(h >> 55) % STATEMENTS;
}

struct query *store_query(struct store *s, const char *sql)
{
	store_wake(s);
	if (s->query == NULL && (s->query = calloc(STATEMENTS, sizeof *s->query)) == NULL)
		abort(); /* out of memory */
	unsigned at = slot_of(sql);
	while (s->query[at].sql != NULL && (s->query[at].sql != sql || s->query[at].busy))
		at = (at + 1) % STATEMENTS;
	struct query *q = &s->query[at];
	if (q->sql == NULL) {
		if (++s->queries >= STATEMENTS) {
			fprintf(stderr, "<2>store: more than %d statements\n", STATEMENTS);
			abort();
		}
		q->sql = sql;
		q->store = s;
	}
	if (q->stmt == NULL && sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
				       &q->stmt, NULL) != SQLITE_OK) {
		failure(s, sqlite3_errcode(s->db), sqlite3_errmsg(s->db));
		fprintf(stderr, "<3>store: %s in: %s\n", sqlite3_errmsg(s->db), sql);
	}
	q->busy = true;
	q->bound = 0;
	q->failed = q->stmt == NULL;
	return q;
}

void bind_int(struct query *q, int64_t v)
{
	if (q->stmt != NULL)
		sqlite3_bind_int64(q->stmt, ++q->bound, v);
}

void bind_text(struct query *q, const char *text)
{
	if (q->stmt != NULL)
		sqlite3_bind_text(q->stmt, ++q->bound, text, -1, SQLITE_STATIC);
}

void bind_line(struct query *q, const char *text, size_t n)
{
	if (q->stmt != NULL)
		sqlite3_bind_text64(q->stmt, ++q->bound, text, n, SQLITE_STATIC, SQLITE_UTF8);
}

void bind_blob(struct query *q, const void *bytes, size_t n)
{
	if (q->stmt != NULL)
		sqlite3_bind_blob64(
			q->stmt, ++q->bound, bytes == NULL ? "" : bytes, n, SQLITE_STATIC);
}

void bind_null(struct query *q)
{
	if (q->stmt != NULL)
		sqlite3_bind_null(q->stmt, ++q->bound);
}

bool query_row(struct query *q)
{
	struct store *s = q->store;
	if (q->failed)
		return false;
	/* Within a failed transaction nothing more is done: its statements would stand alone. */
	if (s->depth > 0 && s->failed) {
		q->failed = true;
		return false;
	}
	if (s->fail_after >= 0 && s->fail_after-- == 0) {
		failure(s, SQLITE_FULL, "database or disk is full");
		q->failed = true;
		return false;
	}
	int code = sqlite3_step(q->stmt);
	if (code == SQLITE_ROW)
		return true;
	if (code != SQLITE_DONE) {
		failure(s, code, sqlite3_errmsg(s->db));
		q->failed = true;
	}
	return false;
}

int64_t row_int(struct query *q, int column)
{
	return sqlite3_column_int64(q->stmt, column);
}

const char *row_text(struct query *q, int column)
{
	const char *text = (const char *)sqlite3_column_text(q->stmt, column);
	return text == NULL ? "" : text;
}

const void *row_blob(struct query *q, int column, size_t *n)
{
	const void *bytes = sqlite3_column_blob(q->stmt, column);
	*n = (size_t)sqlite3_column_bytes(q->stmt, column);
	return bytes == NULL ? "" : bytes;
}

bool row_null(struct query *q, int column)
{
	return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

bool query_done(struct query *q)
{
	if (q->stmt != NULL) {
		sqlite3_reset(q->stmt);
		sqlite3_clear_bindings(q->stmt);
	}
	q->busy = false;
	return !q->failed;
}

bool query_run(struct query *q)
{
	while (query_row(q))
		;
	return query_done(q);
}

int64_t store_changes(const struct store *s)
{
	return sqlite3_changes64(s->db);
}

int64_t store_last_id(const struct store *s)
{
	return sqlite3_last_insert_rowid(s->db);
}

/* --- small facts ------------------------------------------------------------------------- */

int64_t store_number(struct store *s, const char *name, int64_t otherwise)
{
	struct query *q = store_query(s, "SELECT value FROM meta WHERE name = ?1");
	bind_text(q, name);
	if (query_row(q))
		otherwise = row_int(q, 0);
	query_done(q);
	return otherwise;
}

void store_set_number(struct store *s, const char *name, int64_t v)
{
	struct query *q = store_query(s, "INSERT OR REPLACE INTO meta VALUES(?1, ?2)");
	bind_text(q, name);
	bind_int(q, v);
	query_run(q);
}

bool store_text(struct store *s, const char *name, char *out, size_t cap)
{
	struct query *q = store_query(s, "SELECT value FROM meta WHERE name = ?1");
	bool found = false;
	bind_text(q, name);
	if (query_row(q)) {
		const char *text = row_text(q, 0);
		found = strlen(text) < cap;
		if (found)
			memcpy(out, text, strlen(text) + 1);
	}
	query_done(q);
	return found;
}

void store_set_text(struct store *s, const char *name, const char *v)
{
	struct query *q = store_query(s, "INSERT OR REPLACE INTO meta VALUES(?1, ?2)");
	bind_text(q, name);
	bind_text(q, v);
	query_run(q);
}

/* --- the file ---------------------------------------------------------------------------- */

int64_t store_bytes(const struct store *s)
{
	static const char *const parts[] = { "", "-wal" };
	int64_t bytes = 0;
	for (unsigned i = 0; i < 2 && s->path != NULL; i++) {
		char path[4200];
		struct stat st;
		snprintf(path, sizeof path, "%s%s", s->path, parts[i]);
		if (stat(path, &st) == 0)
			bytes += st.st_size;
	}
	return bytes;
}

static int64_t number_of(struct query *q)
{
	int64_t v = query_row(q) ? row_int(q, 0) : 0;
	query_done(q);
	return v;
}

int store_percent(struct store *s, int64_t most)
{
	int64_t size = number_of(store_query(s, "PRAGMA page_size"));
	int64_t all = number_of(store_query(s, "PRAGMA page_count")) * size;
	int64_t unused = number_of(store_query(s, "PRAGMA freelist_count")) * size;
	int64_t used = all - unused, room = most;
	struct statvfs disk;
	if (s->path != NULL && statvfs(s->path, &disk) == 0)
		room = all + (int64_t)(disk.f_bavail * disk.f_frsize);
	if (room > most)
		room = most;
	return used >= room ? 100 : (int)(used * 100 / room);
}

bool store_copy(struct store *s, const char *path, struct err *err)
{
	sqlite3 *to = NULL;
	bool good = false;
	if (sqlite3_open(path, &to) == SQLITE_OK) {
		sqlite3_backup *b = sqlite3_backup_init(to, "main", s->db, "main");
		good = b != NULL && sqlite3_backup_step(b, -1) == SQLITE_DONE;
		good = sqlite3_backup_finish(b) == SQLITE_OK && good;
	}
	if (!good)
		err_set(err, "%s: %s", path, to == NULL ? "out of memory" : sqlite3_errmsg(to));
	sqlite3_close(to);
	return good;
}

void store_claim(struct store *s, int64_t bytes)
{
	char sql[96];
	if (s->path == NULL || s->depth > 0)
		return;
	s->claimed = bytes;
	/* what is written goes into the WAL, then into the file; and stays theirs when deleted */
	snprintf(sql, sizeof sql, "INSERT INTO claim VALUES(zeroblob(%lld))", (long long)bytes);
	if (pragma(s, "CREATE TABLE IF NOT EXISTS claim(b BLOB)") && pragma(s, sql))
		store_settle(s);
	pragma(s, "DELETE FROM claim");
	store_settle(s);
}

void store_settle(struct store *s)
{
	if (s->path != NULL && s->depth == 0)
		sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
}

void store_tidy(struct store *s)
{
	char sql[64];
	if (s->path == NULL || s->depth > 0)
		return;
	struct query *q = store_query(s,
		"SELECT f.freelist_count - ?1 / s.page_size FROM pragma_freelist_count f,"
		" pragma_page_size s");
	bind_int(q, s->claimed);
	int64_t spare = query_row(q) ? row_int(q, 0) : 0;
	query_done(q);
	snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%d)",
		spare < TIDY_PAGES ? (int)spare : TIDY_PAGES);
	if (spare > 0)
		pragma(s, sql);
	sqlite3_wal_checkpoint_v2(s->db, NULL,
		s->claimed > 0 ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_TRUNCATE, NULL,
		NULL);
}
