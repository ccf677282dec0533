/* spool.c - events on disk until they are delivered, and some time beyond. */
#include "sensor/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sensor/spool_impl.h"

enum { RETRY_MS = 1000 }; /* after a full disk */

void spool_say(const struct spool *s, const char *format, ...)
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

void spool_close_fd(int *fd)
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
bool spool_add_segment(struct spool *s, uint64_t number)
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
void spool_forget(struct spool *s, size_t i)
{
	memmove(&s->segments[i], &s->segments[i + 1], (s->count - i - 1) * sizeof *s->segments);
	s->count--;
	if (s->at > i)
		s->at--;
	else if (s->at == i)
		s->offset = 0;
}

void spool_drop_segment(struct spool *s, size_t i)
{
	char name[SEGMENT_NAME];
	segment_name(name, s->segments[i].number, "seg");
	unlinkat(s->dir_fd, name, 0);
	spool_forget(s, i);
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
	spool_close_fd(&s->fd);
	return spool_add_segment(s, active(s)->number + 1);
}

void spool_tell_mended(const struct spool *s, uint64_t number, const struct mended *m)
{
	unsigned long long n = number;
	if (m->cut_bytes > 0)
		spool_say(s, "segment %llx: cut %llu bytes of an event that was not finished", n,
			(unsigned long long)m->cut_bytes);
	if (m->damaged)
		spool_say(s,
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
		spool_say(s, "%s: %s; events are kept in memory until they do not fit", s->dir,
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
				spool_say(s, "%s: %s", s->dir, strerror(errno));
			return false;
		}
		done += (size_t)k;
	}
	if (s->failing)
		spool_say(s, "%s: works again", s->dir);
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
	spool_say(s, "%s: the oldest %llu events are lost", why, (unsigned long long)n);
}

/* The disk is full and so is the tail: its older half goes. */
static void drop_tail(struct spool *s)
{
	struct segment *seg = active(s);
	struct spool_record r;
	size_t size, end = 0;
	uint64_t lost = 0;
	while (end < SPOOL_TAIL / 2 &&
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
		spool_drop_segment(s, 0);
		lose(s, lost, "spool full");
	}
}

bool spool_has_room(const struct spool *s)
{
	if (s->failing && s->tail_len > SPOOL_TAIL / 2)
		return false;
	return total_bytes(s) + SPOOL_TAIL < s->o.max_bytes || unacked(s, &s->segments[0]) == 0;
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
	if (s->tail_len + size > SPOOL_TAIL && !flush(s))
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
		spool_close_fd(&s->read_fd);
		segment_name(name, seg->number, "seg");
		s->read_fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC);
		s->read_number = seg->number;
	}
	uint64_t left = seg->size - s->offset;
	size_t take = left < SPOOL_WINDOW ? (size_t)left : SPOOL_WINDOW;
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
	spool_close_fd(&s->read_fd);
	s->window_len = 0;
	if (!segment_mend(s->dir_fd, seg, false, &m, &err)) {
		spool_say(s, "%s; %llu events lost", err.text, (unsigned long long)before);
		seg->records = seg->size = 0;
	} else {
		m.lost = before - seg->records;
		spool_tell_mended(s, number, &m);
	}
	bool changed = seg->records != before;
	s->totals.damaged += before - seg->records;
	start_at(s, i);
	if (seg->records == 0)
		spool_drop_segment(s, i);
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
		spool_drop_segment(s, 0);
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

void spool_release(struct spool *s)
{
	spool_close_fd(&s->fd);
	spool_close_fd(&s->read_fd);
	spool_close_fd(&s->lock_fd);
	spool_close_fd(&s->dir_fd);
	free(s->segments);
	free(s->tail);
	free(s->window);
	free(s->dir);
	free(s);
}

void spool_close(struct spool *s, int64_t now_ms)
{
	if (s == NULL)
		return;
	flush(s);
	sync_now(s, now_ms);
	expire(s, now_ms);
	spool_release(s);
}

void spool_remove(struct spool *s)
{
	char dir[4096];
	if (s == NULL)
		return;
	spool_close_fd(&s->fd);
	for (size_t i = 0; i < s->count; i++) {
		char name[SEGMENT_NAME];
		segment_name(name, s->segments[i].number, "seg");
		unlinkat(s->dir_fd, name, 0);
	}
	unlinkat(s->dir_fd, "lock", 0);
	snprintf(dir, sizeof dir, "%s", s->dir);
	spool_release(s);
	rmdir(dir);
}
