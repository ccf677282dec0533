/* spool_segment.c - one file of a spool: how a record lies in it, and mending it. */
#include "sensor/spool_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crc32c.h"

/* Offsets in a record; numbers are little endian. The CRC is over all that follows it. */
enum { MAGIC = 0, CRC = 4, LENGTH = 8, TYPE_LENGTH = 12, EPOCH = 16, NUMBER = 24 };
static const uint8_t magic[4] = { 'B', 'S', 'R', 1 };

static void put(uint8_t *at, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		at[i] = (uint8_t)(v >> 8 * i);
}

static uint64_t get(const uint8_t *at, unsigned n)
{
	uint64_t v = 0;
	for (unsigned i = n; i > 0; i--)
		v = v << 8 | at[i - 1];
	return v;
}

size_t record_size(size_t type_len, size_t len)
{
	return SPOOL_HEAD + type_len + len;
}

void record_write(uint8_t *at, struct spool_id id, const char *type, size_t type_len,
	const char *line, size_t len)
{
	memcpy(at + MAGIC, magic, sizeof magic);
	put(at + LENGTH, type_len + len, 4);
	put(at + TYPE_LENGTH, type_len, 4);
	put(at + EPOCH, id.epoch, 8);
	put(at + NUMBER, id.n, 8);
	memcpy(at + SPOOL_HEAD, type, type_len);
	memcpy(at + SPOOL_HEAD + type_len, line, len);
	put(at + CRC, crc32c(0, at + LENGTH, record_size(type_len, len) - LENGTH), 4);
}

enum record_state record_read(const uint8_t *at, size_t n, struct spool_record *out, size_t *size)
{
	*size = SPOOL_HEAD;
	if (n < SPOOL_HEAD)
		return memcmp(at, magic, n < sizeof magic ? n : sizeof magic) == 0 ? RECORD_MORE
										   : RECORD_BAD;
	uint64_t length = get(at + LENGTH, 4), type_length = get(at + TYPE_LENGTH, 4);
	if (memcmp(at, magic, sizeof magic) != 0 || length > SPOOL_RECORD_MAX ||
		type_length > length || type_length > SPOOL_TYPE_MAX)
		return RECORD_BAD;
	*size = SPOOL_HEAD + (size_t)length;
	if (n < *size)
		return RECORD_MORE;
	if (crc32c(0, at + LENGTH, *size - LENGTH) != get(at + CRC, 4))
		return RECORD_BAD;
	out->id = (struct spool_id){ get(at + EPOCH, 8), get(at + NUMBER, 8) };
	out->type = (const char *)at + SPOOL_HEAD;
	out->type_len = (size_t)type_length;
	out->line = out->type + type_length;
	out->len = (size_t)(length - type_length);
	return RECORD_GOOD;
}

void segment_name(char name[SEGMENT_NAME], uint64_t number, const char *suffix)
{
	snprintf(name, SEGMENT_NAME, "%016llx.%s", (unsigned long long)number, suffix);
}

/* ---- mending ---- */

struct scan {
	struct segment *seg;
	struct mended *out;
	const uint8_t *bytes;
	size_t n;
	uint8_t *good; /* the good records, moved together */
	size_t good_len;
	size_t clean; /* bytes before the first bad one */
	bool bad;     /* bytes that are no record lay between good ones */
};

static void keep(struct scan *s, const uint8_t *at, size_t size, struct spool_id id)
{
	struct segment *seg = s->seg;
	if (seg->records == 0)
		seg->first = id;
	else if (s->bad && id.epoch == seg->last.epoch && id.n > seg->last.n + 1)
		s->out->lost += id.n - seg->last.n - 1;
	seg->last = id;
	seg->records++;
	memmove(s->good + s->good_len, at, size);
	s->good_len += size;
}

/* Offset of the next good record past @from, or n. A record that claims to go on past the end
 * is not good. */
static size_t next_good(const struct scan *s, size_t from)
{
	struct spool_record r;
	size_t size;
	while (from < s->n) {
		const uint8_t *at = memmem(s->bytes + from, s->n - from, magic, sizeof magic);
		if (at == NULL)
			break;
		from = (size_t)(at - s->bytes);
		if (record_read(at, s->n - from, &r, &size) == RECORD_GOOD)
			return from;
		from++;
	}
	return s->n;
}

/* Returns the offset behind the last good record. */
static size_t scan(struct scan *s)
{
	size_t at = 0, end = 0;
	while (at < s->n) {
		struct spool_record r;
		size_t size;
		/* An id that goes back is no order a sender could keep. */
		if (record_read(s->bytes + at, s->n - at, &r, &size) == RECORD_GOOD &&
			(s->seg->records == 0 || spool_compare(r.id, s->seg->last) > 0)) {
			keep(s, s->bytes + at, size, r.id);
			at += size;
			end = at;
			continue;
		}
		size_t next = next_good(s, at + 1);
		if (next < s->n)
			s->bad = true;
		at = next;
	}
	return end;
}

static uint8_t *read_all(int fd, size_t n)
{
	uint8_t *bytes = malloc(n == 0 ? 1 : n);
	size_t done = 0;
	while (bytes != NULL && done < n) {
		ssize_t k = pread(fd, bytes + done, n - done, (off_t)done);
		if (k <= 0) {
			free(bytes);
			return NULL;
		}
		done += (size_t)k;
	}
	return bytes;
}

static bool write_all(int fd, const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, bytes, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		bytes += k;
		n -= (size_t)k;
	}
	return fdatasync(fd) == 0;
}

/* The damaged file is kept for people, its good records take its place. */
static void replace(int dir_fd, struct scan *s)
{
	char name[SEGMENT_NAME], fresh[SEGMENT_NAME], aside[SEGMENT_NAME];
	segment_name(name, s->seg->number, "seg");
	segment_name(fresh, s->seg->number, "new");
	segment_name(aside, s->seg->number, "damaged");
	s->out->damaged = true;
	int fd = openat(dir_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool good = fd >= 0 && s->seg->records > 0 && write_all(fd, s->good, s->good_len);
	if (fd >= 0)
		close(fd);
	renameat(dir_fd, name, dir_fd, aside);
	if (good && renameat(dir_fd, fresh, dir_fd, name) == 0) {
		s->seg->size = s->good_len;
		return;
	}
	unlinkat(dir_fd, fresh, 0);
	s->out->lost += s->seg->records;
	s->out->gone = true;
	s->seg->records = s->seg->size = 0;
}

static void settle(int dir_fd, int fd, struct scan *s, size_t end, bool newest)
{
	if (!s->bad && end == s->n) {
		s->seg->size = s->n;
	} else if (!s->bad && newest && ftruncate(fd, (off_t)end) == 0) {
		s->out->cut_bytes = s->n - end;
		s->seg->size = end;
	} else {
		replace(dir_fd, s);
	}
}

bool segment_mend(int dir_fd, struct segment *seg, bool newest, struct mended *out, struct err *err)
{
	char name[SEGMENT_NAME];
	struct stat st;
	*out = (struct mended){ 0 };
	seg->records = 0;
	segment_name(name, seg->number, "seg");
	int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		if (fd >= 0)
			close(fd);
		return err_set(err, "%s: %s", name, strerror(errno));
	}
	struct scan s = { .seg = seg, .out = out, .n = (size_t)st.st_size };
	uint8_t *bytes = read_all(fd, s.n);
	s.good = malloc(s.n == 0 ? 1 : s.n);
	s.bytes = bytes;
	if (bytes != NULL && s.good != NULL)
		settle(dir_fd, fd, &s, scan(&s), newest);
	bool done = bytes != NULL && s.good != NULL;
	if (!done)
		err_set(err, "%s: cannot be read", name);
	free(bytes);
	free(s.good);
	close(fd);
	return done;
}
