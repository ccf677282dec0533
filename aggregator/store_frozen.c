/* store_frozen.c - stores as bytes: many nodes in one process, of which few are at work. */
#include "aggregator/store_db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/inflate.h"

enum { IMAGE_MOST = 1 << 30 };

void store_disconnect(struct store *s)
{
	for (unsigned i = 0; s->query != NULL && i < STATEMENTS; i++)
		sqlite3_finalize(s->query[i].stmt);
	sqlite3_finalize(s->begin);
	sqlite3_finalize(s->commit);
	s->begin = s->commit = NULL;
	free(s->query);
	s->query = NULL;
	s->queries = 0;
	sqlite3_close(s->db);
	s->db = NULL;
}

bool store_thaw(struct store *s, const void *image, size_t n, struct err *err)
{
	unsigned char *own = sqlite3_malloc64(n);
	if (own == NULL)
		return err_set(err, "store: out of memory");
	memcpy(own, image, n);
	if (sqlite3_deserialize(s->db, "main", own, (sqlite3_int64)n, (sqlite3_int64)n,
		    SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) != SQLITE_OK)
		return err_set(err, "store: %s", sqlite3_errmsg(s->db));
	return true;
}

void *store_freeze(struct store *s, size_t *n)
{
	sqlite3_int64 bytes = 0;
	store_wake(s);
	void *image = sqlite3_serialize(s->db, "main", &bytes, 0);
	void *own = image == NULL ? NULL : malloc((size_t)bytes + 1);
	if (own != NULL)
		memcpy(own, image, (size_t)bytes);
	sqlite3_free(image);
	*n = own == NULL ? 0 : (size_t)bytes;
	return own;
}

void store_sleep(struct store *s)
{
	if (s->db == NULL || s->depth > 0 || s->path != NULL)
		return;
	void *image = store_freeze(s, &s->image_len);
	s->asleep = image == NULL ? NULL : pack_zstd(image, s->image_len, &s->asleep_len);
	free(image);
	if (s->asleep != NULL)
		store_disconnect(s);
}

void store_wake(struct store *s)
{
	struct err err = { 0 };
	char *image = NULL;
	size_t len;
	if (s->asleep == NULL)
		return;
	if (unpack("zstd", s->asleep, s->asleep_len, IMAGE_MOST, UINT32_MAX, &image, &len, &err) !=
		INFLATE_GOOD)
		abort(); /* our own bytes */
	struct store_options o = { .small = true, .image = image, .image_len = len };
	free(s->asleep);
	s->asleep = NULL;
	if (!store_connect(s, &o, &err)) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	free(image);
}
