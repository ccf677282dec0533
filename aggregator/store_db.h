/* store_db.h - what the files of store share that know SQLite. */
#ifndef AGGREGATOR_STORE_DB_H
#define AGGREGATOR_STORE_DB_H

#include <sqlite3.h>

#include "aggregator/store.h"

enum { STATEMENTS = 512 };

struct query {
	struct store *store;
	const char *sql; /* the literal's address is the key */
	sqlite3_stmt *stmt;
	int bound;
	bool busy, failed;
};

struct store {
	sqlite3 *db; /* NULL: asleep */
	char *path;  /* NULL: in memory */
	unsigned depth;
	bool failed, full, condemned;
	enum store_trouble trouble;
	int64_t claimed; /* bytes: of free pages, and of the WAL, that are kept */
	char why[256];
	int64_t fail_after;  /* statements; < 0: never */
	struct query *query; /* open addressing by address; STATEMENTS */
	unsigned queries;
	sqlite3_stmt *begin, *commit;
	void *asleep; /* packed, while there is no db */
	size_t asleep_len, image_len;
};

bool store_connect(struct store *s, const struct store_options *o, struct err *err);
void store_disconnect(struct store *s);
bool store_thaw(struct store *s, const void *image, size_t n, struct err *err);
void store_wake(struct store *s); /* where it is asleep */

#endif
