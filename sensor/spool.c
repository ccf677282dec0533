/* spool.c - events on disk until they are delivered, and some time beyond. */
#include "sensor/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sensor/spool_segment.h"

enum {
	TAIL = 4 * 1024 * 1024,   /* bytes not yet written out */
	WINDOW = 2 * 1024 * 1024, /* bytes read ahead; more than a record takes */
	SEGMENT_BYTES = 64 * 1024 * 1024,
	SYNC_MS = 200,
	RETRY_MS = 1000, /* after a full disk */
	DAMAGED_KEPT = 8,
};

struct spool {
	struct spool_options o;
	char *dir;
	int dir_fd, lock_fd;

	/* Oldest first; the last is the one written to. */
	struct segment *segments;
	size_t count, cap;
	int fd;        /* of the last; -1 while it cannot be made */
	uint8_t *tail; /* what belongs behind its size */
	size_t tail_len;
	bool dirty, failing;
	int64_t synced_ms, retry_ms;

	/* Cursor: segment, and offset in its file and tail together. */
	size_t at;
	uint64_t offset;
	int read_fd; /* of segment read_number, or -1 */
	uint64_t read_number;
	uint8_t *window;
	uint64_t window_at, window_number;
	size_t window_len;

	struct spool_id passed; /* the last event before the cursor */
	struct spool_id acked;
	struct spool_totals totals;
};

static void say(const struct spool *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct spool *s, const char *format, ...)
{
	char text[256];
	va_list args;
	if (s->o.say == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	s->o.say(s->o.ctx, text);
}

static struct segment *active(const struct spool *s)
{
	return &s->segments[s->count - 1];
}

static uint64_t total_bytes(const struct spool *s)
{
	uint64_t bytes = s->tail_len;
	for (size_t i = 0; i < s->count; i++)
		bytes += s->segments[i].size;
	return bytes;
}

/* Events of a segment that are not acknowledged. Numbers rise by one in an epoch. */
static uint64_t unacked(const struct spool *s, const struct segment *seg)
{
	if (seg->records == 0 || spool_compare(seg->last, s->acked) <= 0)
		return 0;
	if (seg->first.epoch != s->acked.epoch || spool_compare(seg->first, s->acked) > 0)
		return seg->records;
	if (seg->last.epoch != s->acked.epoch)
		return seg->records; /* two epochs in one segment do not occur */
	uint64_t behind = seg->last.n - s->acked.n;
	return behind < seg->records ? behind : seg->records;
}

uint64_t spool_waiting(const struct spool *s)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s->count; i++)
		n += unacked(s, &s->segments[i]);
	return n;
}

/* ---- segments ---- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static bool open_active(struct spool *s)
{
	char name[SEGMENT_NAME];
	if (s->fd >= 0)
		return true;
	segment_name(name, active(s)->number, "seg");
	s->fd = openat(s->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return s->fd >= 0;
}

/* A further segment at the end. False without memory. */
static bool add_segment(struct spool *s, uint64_t number)
{
	if (s->count == s->cap) {
		size_t cap = s->cap == 0 ? 64 : s->cap * 2;
		struct segment *grown = realloc(s->segments, cap * sizeof *grown);
		if (grown == NULL)
			return false;
		s->segments = grown;
		s->cap = cap;
	}
	s->segments[s->count++] = (struct segment){ .number = number };
	return true;
}

/* Forgets segment @i, which is not the active one. */
static void forget(struct spool *s, size_t i)
{
	memmove(&s->segments[i], &s->segments[i + 1], (s->count - i - 1) * sizeof *s->segments);
	s->count--;
	if (s->at > i)
		s->at--;
	else if (s->at == i)
		s->offset = 0;
}

static void drop_segment(struct spool *s, size_t i)
{
	char name[SEGMENT_NAME];
	segment_name(name, s->segments[i].number, "seg");
	unlinkat(s->dir_fd, name, 0);
	forget(s, i);
}

static void sync_now(struct spool *s, int64_t now_ms)
{
	if (s->dirty && s->fd >= 0)
		fdatasync(s->fd);
	s->dirty = false;
	s->synced_ms = now_ms;
}

static bool rotate(struct spool *s)
{
	sync_now(s, s->synced_ms);
	close_fd(&s->fd);
	return add_segment(s, active(s)->number + 1);
}

static void tell_mended(const struct spool *s, uint64_t number, const struct mended *m)
{
	unsigned long long n = number;
	if (m->cut_bytes > 0)
		say(s, "segment %llx: cut %llu bytes of an event that was not finished", n,
			(unsigned long long)m->cut_bytes);
	if (m->damaged)
		say(s,
			"segment %llx is damaged, set aside as %016llx.damaged: %llu events "
			"lost%s%s",
			n, n, (unsigned long long)m->lost,
			m->lost == 0 ? " for sure, more perhaps" : "",
			m->gone ? "" : ", the rest goes on");
}

/* ---- writing ---- */

static void disk_fails(struct spool *s, int error)
{
	if (!s->failing)
		say(s, "%s: %s; events are kept in memory until they do not fit", s->dir,
			strerror(error));
	s->failing = true;
}

/* All of the tail or nothing, so that the file ends with a whole record. */
static bool flush(struct spool *s)
{
	struct segment *seg = active(s);
	size_t done = 0;
	if (s->tail_len == 0)
		return true;
	if (!open_active(s)) {
		disk_fails(s, errno);
		return false;
	}
	while (done < s->tail_len) {
		ssize_t k = pwrite(
			s->fd, s->tail + done, s->tail_len - done, (off_t)(seg->size + done));
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			disk_fails(s, k < 0 ? errno : ENOSPC);
			if (ftruncate(s->fd, (off_t)seg->size) != 0)
				say(s, "%s: %s", s->dir, strerror(errno));
			return false;
		}
		done += (size_t)k;
	}
	if (s->failing)
		say(s, "%s: works again", s->dir);
	s->failing = false;
	s->dirty = true;
	seg->size += s->tail_len;
	s->tail_len = 0;
	return true;
}

static void lose(struct spool *s, uint64_t n, const char *why)
{
	if (n == 0)
		return;
	s->totals.lost += n;
	say(s, "%s: the oldest %llu events are lost", why, (unsigned long long)n);
}

/* The disk is full and so is the tail: its older half goes. */
static void drop_tail(struct spool *s)
{
	struct segment *seg = active(s);
	struct spool_record r;
	size_t size, end = 0;
	uint64_t lost = 0;
	while (end < TAIL / 2 &&
		record_read(s->tail + end, s->tail_len - end, &r, &size) == RECORD_GOOD) {
		lost += spool_compare(r.id, s->acked) > 0;
		seg->records--;
		end += size;
	}
	memmove(s->tail, s->tail + end, s->tail_len - end);
	s->tail_len -= end;
	if (s->at == s->count - 1 && s->offset > seg->size)
		s->offset = s->offset - seg->size > end ? s->offset - end : seg->size;
	s->window_len = 0;
	lose(s, lost, "disk full");
}

/* Keeps to max_bytes: the oldest segments go. */
static void keep_within(struct spool *s, size_t more)
{
	while (s->count > 1 && total_bytes(s) + more > s->o.max_bytes) {
		uint64_t lost = unacked(s, &s->segments[0]);
		drop_segment(s, 0);
		lose(s, lost, "spool full");
	}
}

bool spool_has_room(const struct spool *s)
{
	if (s->failing && s->tail_len > TAIL / 2)
		return false;
	return total_bytes(s) + TAIL < s->o.max_bytes || unacked(s, &s->segments[0]) == 0;
}

static bool starts_segment(const struct spool *s, struct spool_id id, size_t size)
{
	const struct segment *seg = active(s);
	return seg->records > 0 &&
	       (seg->size + s->tail_len + size > s->o.segment_bytes || seg->last.epoch != id.epoch);
}

bool spool_append(
	struct spool *s, struct spool_id id, const char *type, const char *line, size_t len)
{
	size_t type_len = strlen(type), size = record_size(type_len, len);
	if (type_len + len > SPOOL_RECORD_MAX || type_len > SPOOL_TYPE_MAX) {
		s->totals.lost++;
		return false;
	}
	keep_within(s, size);
	if (s->tail_len + size > TAIL && !flush(s))
		drop_tail(s);
	if (starts_segment(s, id, size) && flush(s))
		rotate(s);
	struct segment *seg = active(s);
	record_write(s->tail + s->tail_len, id, type, type_len, line, len);
	s->tail_len += size;
	if (seg->records++ == 0)
		seg->first = id;
	seg->last = id;
	seg->acked_ms = 0;
	s->totals.appended++;
	return true;
}

/* ---- reading ---- */

/* Bytes at the cursor: from the window over the file, or from the tail. NULL: the end. */
static const uint8_t *look(struct spool *s, size_t want, size_t *n)
{
	const struct segment *seg = &s->segments[s->at];
	if (s->offset >= seg->size) {
		size_t from = (size_t)(s->offset - seg->size);
		*n = s->at == s->count - 1 ? s->tail_len - from : 0;
		return *n == 0 ? NULL : s->tail + from;
	}
	uint64_t skip = s->offset - s->window_at;
	if (s->window_number == seg->number && s->offset >= s->window_at && skip < s->window_len &&
		(s->window_len - skip >= want || s->window_at + s->window_len == seg->size)) {
		*n = s->window_len - (size_t)skip;
		return s->window + skip;
	}
	if (s->read_number != seg->number || s->read_fd < 0) {
		char name[SEGMENT_NAME];
		close_fd(&s->read_fd);
		segment_name(name, seg->number, "seg");
		s->read_fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC);
		s->read_number = seg->number;
	}
	uint64_t left = seg->size - s->offset;
	size_t take = left < WINDOW ? (size_t)left : WINDOW;
	ssize_t k = s->read_fd < 0 ? -1 : pread(s->read_fd, s->window, take, (off_t)s->offset);
	s->window_at = s->offset;
	s->window_number = seg->number;
	s->window_len = *n = k < 0 ? 0 : (size_t)k;
	return s->window;
}

static void start_at(struct spool *s, size_t segment)
{
	s->at = segment;
	s->offset = 0;
}

/* The file of the cursor's segment is not what was written: what is good of it goes on. False if
 * nothing could be done about it now. */
static bool mend(struct spool *s)
{
	struct mended m;
	struct err err = { 0 };
	size_t i = s->at;
	if (i == s->count - 1 && (!flush(s) || !rotate(s)))
		return false;
	struct segment *seg = &s->segments[i];
	uint64_t number = seg->number, before = seg->records;
	close_fd(&s->read_fd);
	s->window_len = 0;
	if (!segment_mend(s->dir_fd, seg, false, &m, &err)) {
		say(s, "%s; %llu events lost", err.text, (unsigned long long)before);
		seg->records = seg->size = 0;
	} else {
		m.lost = before - seg->records;
		tell_mended(s, number, &m);
	}
	bool changed = seg->records != before;
	s->totals.damaged += before - seg->records;
	start_at(s, i);
	if (seg->records == 0)
		drop_segment(s, i);
	return changed;
}

enum got { GOT, GOT_END, GOT_BAD };

/* The event at the cursor, which stays. */
static enum got peek(struct spool *s, struct spool_record *out, size_t *size)
{
	size_t n;
	const uint8_t *at;
	while ((at = look(s, SPOOL_HEAD, &n)) == NULL) {
		if (s->at == s->count - 1)
			return GOT_END;
		start_at(s, s->at + 1);
	}
	enum record_state state = record_read(at, n, out, size);
	if (state == RECORD_MORE && (at = look(s, *size, &n)) != NULL)
		state = record_read(at, n, out, size);
	return state == RECORD_GOOD ? GOT : GOT_BAD;
}

bool spool_next(struct spool *s, struct spool_record *out)
{
	size_t size;
	for (;;) {
		enum got got = peek(s, out, &size);
		if (got == GOT_END || (got == GOT_BAD && !mend(s)))
			return false;
		if (got == GOT_BAD)
			continue;
		s->offset += size;
		/* After mending the cursor starts its segment again. */
		if (spool_compare(out->id, s->passed) <= 0)
			continue;
		s->passed = out->id;
		return true;
	}
}

void spool_seek(struct spool *s, struct spool_id id, int64_t now_ms)
{
	size_t first = 0;
	s->passed = s->acked = id;
	for (size_t i = 0; i < s->count; i++) {
		struct segment *seg = &s->segments[i];
		bool behind = seg->records == 0 || spool_compare(seg->last, id) <= 0;
		if (!behind)
			seg->acked_ms = 0;
		else if (seg->acked_ms == 0)
			seg->acked_ms = now_ms;
	}
	while (first < s->count - 1 && (s->segments[first].records == 0 ||
					       spool_compare(s->segments[first].last, id) <= 0))
		first++;
	start_at(s, first);
}

void spool_acked(struct spool *s, struct spool_id id, int64_t now_ms)
{
	if (spool_compare(id, s->acked) <= 0)
		return;
	s->acked = id;
	for (size_t i = 0; i < s->count; i++) {
		struct segment *seg = &s->segments[i];
		if (seg->records > 0 && seg->acked_ms == 0 && spool_compare(seg->last, id) <= 0)
			seg->acked_ms = now_ms;
	}
}

/* ---- time ---- */

static bool expired(const struct spool *s, const struct segment *seg, int64_t now_ms)
{
	return seg->records > 0 && seg->acked_ms != 0 &&
	       now_ms - seg->acked_ms >= (int64_t)s->o.keep_s * 1000;
}

static void expire(struct spool *s, int64_t now_ms)
{
	if (expired(s, active(s), now_ms) && s->tail_len == 0)
		rotate(s);
	while (s->count > 1 && expired(s, &s->segments[0], now_ms))
		drop_segment(s, 0);
}

void spool_tick(struct spool *s, int64_t now_ms)
{
	if (s->failing && now_ms < s->retry_ms)
		return;
	if (!flush(s))
		s->retry_ms = now_ms + RETRY_MS;
	if (s->dirty && now_ms - s->synced_ms >= s->o.sync_ms)
		sync_now(s, now_ms);
	expire(s, now_ms);
}

void spool_totals(const struct spool *s, struct spool_totals *out)
{
	*out = s->totals;
	out->segments = s->count;
	out->bytes = total_bytes(s);
}

/* ---- opening ---- */

static int by_number(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* Every segment of the folder; damaged ones beyond a few are deleted. */
static bool list(struct spool *s, struct err *err)
{
	int fd = dup(s->dir_fd);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	unsigned long long number;
	unsigned damaged = 0;
	char suffix[16];
	if (dir == NULL) {
		close_fd(&fd);
		return err_set(err, "%s: %s", s->dir, strerror(errno));
	}
	bool good = true;
	while (good && (entry = readdir(dir)) != NULL) {
		if (sscanf(entry->d_name, "%16llx.%15s", &number, suffix) != 2)
			continue;
		if (strcmp(suffix, "seg") == 0)
			good = add_segment(s, number) || err_set(err, "out of memory");
		else if (strcmp(suffix, "new") == 0)
			unlinkat(s->dir_fd, entry->d_name, 0);
		else if (strcmp(suffix, "damaged") == 0 && ++damaged > DAMAGED_KEPT)
			unlinkat(s->dir_fd, entry->d_name, 0);
	}
	closedir(dir);
	if (s->count > 0)
		qsort(s->segments, s->count, sizeof *s->segments, by_number);
	return good;
}

/* Reads what an earlier run left; then a new segment to write to. */
static bool load(struct spool *s, struct err *err)
{
	uint64_t next = 1;
	if (!list(s, err))
		return false;
	if (s->count > 0)
		next = active(s)->number + 1;
	for (size_t i = 0; i < s->count;) {
		struct mended m;
		struct err fault = { 0 };
		struct segment *seg = &s->segments[i];
		uint64_t number = seg->number;
		if (!segment_mend(s->dir_fd, seg, i == s->count - 1, &m, &fault)) {
			say(s, "%s: left out", fault.text);
			forget(s, i);
			continue;
		}
		tell_mended(s, number, &m);
		s->totals.damaged += m.lost;
		if (seg->records == 0)
			drop_segment(s, i);
		else
			i++;
	}
	return add_segment(s, next) || err_set(err, "out of memory");
}

static bool make_folders(const char *dir, struct err *err)
{
	char path[4096];
	size_t n = strlen(dir);
	if (n == 0 || n >= sizeof path)
		return err_set(err, "%s: not a folder for a spool", dir);
	memcpy(path, dir, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		path[i] = '\0';
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			return err_set(err, "%s: %s", path, strerror(errno));
		path[i] = i < n ? '/' : '\0';
	}
	return true;
}

static bool open_folder(struct spool *s, struct err *err)
{
	if (!make_folders(s->dir, err))
		return false;
	s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		return err_set(err, "%s: %s", s->dir, strerror(errno));
	s->lock_fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return err_set(err, "%s: %s", s->dir, strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return err_set(err, "%s: in use by another process", s->dir);
	return true;
}

static void release(struct spool *s)
{
	close_fd(&s->fd);
	close_fd(&s->read_fd);
	close_fd(&s->lock_fd);
	close_fd(&s->dir_fd);
	free(s->segments);
	free(s->tail);
	free(s->window);
	free(s->dir);
	free(s);
}

struct spool *spool_open(const struct spool_options *o, struct err *err)
{
	struct spool *s = calloc(1, sizeof *s);
	if (s == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	s->o = *o;
	s->dir_fd = s->lock_fd = s->fd = s->read_fd = -1;
	if (s->o.segment_bytes == 0)
		s->o.segment_bytes = SEGMENT_BYTES;
	if (s->o.segment_bytes > s->o.max_bytes / 4)
		s->o.segment_bytes = s->o.max_bytes / 4;
	if (s->o.sync_ms == 0)
		s->o.sync_ms = SYNC_MS;
	s->dir = strdup(o->dir);
	s->tail = malloc(TAIL);
	s->window = malloc(WINDOW);
	bool memory = s->dir != NULL && s->tail != NULL && s->window != NULL;
	if (memory && open_folder(s, err) && load(s, err))
		return s;
	err_set(err, "out of memory");
	release(s);
	return NULL;
}

void spool_close(struct spool *s, int64_t now_ms)
{
	if (s == NULL)
		return;
	flush(s);
	sync_now(s, now_ms);
	expire(s, now_ms);
	release(s);
}

void spool_remove(struct spool *s)
{
	char dir[4096];
	if (s == NULL)
		return;
	close_fd(&s->fd);
	for (size_t i = 0; i < s->count; i++) {
		char name[SEGMENT_NAME];
		segment_name(name, s->segments[i].number, "seg");
		unlinkat(s->dir_fd, name, 0);
	}
	unlinkat(s->dir_fd, "lock", 0);
	snprintf(dir, sizeof dir, "%s", s->dir);
	release(s);
	rmdir(dir);
}
