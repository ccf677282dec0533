/* savefile.c - capture files: the classic pcap format, and the buffer under both formats.
 * Spec: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng (savefile_ng.c).
 * An own reader because libpcap refuses a pcapng file whose interfaces differ in link type, copies
 * each packet and costs several times as much; here frames are handed out where read() put them. */
#include "sensor/savefile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sensor/savefile_impl.h"

/* What stands before each packet. */
struct record {
	uint32_t seconds, fraction, caplen, wirelen;
};

enum { PCAP_HEADER = 24, PCAP_RECORD = sizeof(struct record), POLL_MS = 500 };

// clang-format off
static const struct magic {
	uint8_t bytes[8];
	uint8_t len;
	const char *refusal;
} refused[] = {
	{ { 0x1f, 0x8b }, 2, "compressed: gunzip it first" },
	{ { 0x28, 0xb5, 0x2f, 0xfd }, 4, "compressed: unzstd it first" },
	{ { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, "compressed: unxz it first" },
	{ { 'B', 'Z', 'h' }, 3, "compressed: bunzip2 it first" },
	{ { 0x04, 0x22, 0x4d, 0x18 }, 4, "compressed: unlz4 it first" },
	{ { 'P', 'K', 3, 4 }, 4, "an archive: unzip it first" },
	{ { 0xa1, 0xb2, 0xcd, 0x34 }, 4, "the modified pcap format of old Linux kernels is not read: editcap converts it" },
	{ { 0x34, 0xcd, 0xb2, 0xa1 }, 4, "the modified pcap format of old Linux kernels is not read: editcap converts it" },
	{ { 's', 'n', 'o', 'o', 'p', 0, 0, 0 }, 8, "a snoop capture is not read: editcap converts it" },
	{ { 'G', 'M', 'B', 'U' }, 4, "a Network Monitor capture is not read: editcap converts it" },
	{ { 'R', 'T', 'S', 'S' }, 4, "a Network Monitor capture is not read: editcap converts it" },
	{ { 'T', 'R', 'S', 'N', 'I', 'F', 'F', ' ' }, 8, "a Sniffer capture is not read: editcap converts it" },
};
// clang-format on

static bool asked_to_stop(const struct savefile *s)
{
	return s->stop != NULL && *s->stop;
}

/* A signal that comes just before read() would not end it, so a pipe is polled first. */
static bool wait_for_pipe(struct savefile *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	while (!asked_to_stop(s)) {
		int n = poll(&p, 1, POLL_MS);
		if (n > 0 || (n < 0 && errno != EINTR))
			return true;
	}
	return false;
}

/* One read(), or false at the end, on an error (kept) or when asked to stop. */
static bool read_more(struct savefile *s)
{
	if (s->size == 0 && s->stop != NULL && !wait_for_pipe(s)) {
		s->eof = true;
		return false;
	}
	for (;;) {
		ssize_t n = read(s->fd, s->buf + s->end, s->cap - s->end);
		if (n > 0) {
			s->end += (size_t)n;
			return true;
		}
		if (n < 0 && errno == EINTR && !asked_to_stop(s))
			continue;
		s->eof = true;
		if (n < 0 && errno != EINTR)
			s->read_error = errno;
		return false;
	}
}

static bool grow(struct savefile *s, size_t cap)
{
	uint8_t *buf = realloc(s->buf, cap);
	if (buf == NULL)
		return false;
	s->buf = buf;
	s->cap = cap;
	return true;
}

const uint8_t *savefile_refill(struct savefile *s, size_t n)
{
	if (s->eof)
		return NULL;
	memmove(s->buf, s->buf + s->at, s->end - s->at);
	s->base += s->at;
	s->end -= s->at;
	s->at = 0;
	if (n > s->cap && !grow(s, n)) {
		s->eof = true;
		s->read_error = ENOMEM;
		return NULL;
	}
	while (s->end < n) {
		if (!read_more(s))
			return NULL;
	}
	return s->buf;
}

int savefile_damaged(struct savefile *s, struct err *err, const char *how)
{
	err_set(err, "%s: damaged at packet %llu, byte %llu: %s", s->path,
		(unsigned long long)(s->packets + 1), (unsigned long long)savefile_position(s),
		how);
	return -1;
}

int savefile_ended(struct savefile *s, struct err *err)
{
	if (s->read_error != 0) {
		err_set(err, "%s: reading failed at byte %llu: %s", s->path,
			(unsigned long long)(s->base + s->end), strerror(s->read_error));
		return -1;
	}
	if (s->end == s->at || asked_to_stop(s))
		return 0;
	err_set(err, "%s: cut off in packet %llu at byte %llu", s->path,
		(unsigned long long)(s->packets + 1), (unsigned long long)savefile_position(s));
	return -1;
}

static struct record record_at(const struct savefile *s, const uint8_t *at)
{
	struct record r;
	memcpy(&r, at, sizeof(r));
	if (s->swapped)
		r = (struct record){ __builtin_bswap32(r.seconds), __builtin_bswap32(r.fraction),
			__builtin_bswap32(r.caplen), __builtin_bswap32(r.wirelen) };
	return r;
}

static int take_record(struct savefile *s, struct record record, struct frame *f)
{
	f->ts_ns = (int64_t)record.seconds * 1000000000 + (int64_t)record.fraction * s->fraction_ns;
	f->link = s->link;
	f->caplen = record.caplen;
	f->wirelen = record.wirelen < record.caplen ? record.caplen : record.wirelen;
	f->bytes = s->buf + s->at + PCAP_RECORD;
	s->at += PCAP_RECORD + record.caplen;
	s->packets++;
	return 1;
}

/* The next record is not, or not all, in the buffer. */
static int read_record(struct savefile *s, struct frame *f, struct err *err)
{
	const uint8_t *h = savefile_need(s, PCAP_RECORD);
	if (h == NULL)
		return savefile_ended(s, err);
	struct record record = record_at(s, h);
	if (record.caplen > CAPLEN_MAX)
		return savefile_damaged(s, err, "a packet of more than 256 KiB");
	if (savefile_need(s, PCAP_RECORD + record.caplen) == NULL)
		return savefile_ended(s, err);
	return take_record(s, record, f);
}

static int pcap_next(struct savefile *s, struct frame *f, struct err *err)
{
	size_t have = s->end - s->at;
	if (have < PCAP_RECORD)
		return read_record(s, f, err);
	struct record record = record_at(s, s->buf + s->at);
	if (record.caplen > CAPLEN_MAX || record.caplen > have - PCAP_RECORD)
		return read_record(s, f, err);
	return take_record(s, record, f);
}

int savefile_next(struct savefile *s, struct frame *f, struct err *err)
{
	return s->ng ? savefile_ng_next(s, f, err) : pcap_next(s, f, err);
}

static bool pcap_start(struct savefile *s, struct err *err)
{
	static const char not_capture[] = "not a capture file";
	const uint8_t *h = savefile_need(s, PCAP_HEADER);
	if (h == NULL)
		return err_set(err, "%s: cut off in the file header", s->path);
	switch (savefile_u32(s, h)) {
	case 0xa1b2c3d4:
		s->fraction_ns = 1000;
		break;
	case 0xd4c3b2a1:
		s->swapped = true;
		s->fraction_ns = 1000;
		break;
	case 0xa1b23c4d:
		s->fraction_ns = 1;
		break;
	case 0x4d3cb2a1:
		s->swapped = true;
		s->fraction_ns = 1;
		break;
	default:
		return err_set(err, "%s: %s", s->path, not_capture);
	}
	unsigned major = savefile_u16(s, h + 4);
	if (major != 2)
		return err_set(err, "%s: pcap version %u is not read: editcap converts it", s->path,
			major);
	s->link =
		savefile_u32(s, h + 20) & 0x03ffffff; /* above: length of a frame check sequence */
	s->at += PCAP_HEADER;
	return true;
}

/* What kind of file is it? */
static bool start(struct savefile *s, struct err *err)
{
	static const uint8_t section[4] = { 0x0a, 0x0d, 0x0d, 0x0a };
	const uint8_t *h = savefile_need(s, 8);
	size_t have = s->end - s->at;
	if (s->read_error != 0)
		return err_set(err, "%s: %s", s->path, strerror(s->read_error));
	if (have == 0)
		return err_set(err, "%s: not a capture file: it is empty", s->path);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (have >= refused[i].len && memcmp(s->buf, refused[i].bytes, refused[i].len) == 0)
			return err_set(err, "%s: %s", s->path, refused[i].refusal);
	}
	if (h == NULL)
		return err_set(err, "%s: not a capture file", s->path);
	s->ng = memcmp(h, section, sizeof(section)) == 0;
	return s->ng || pcap_start(s, err);
}

static bool open_input(struct savefile *s, const char *path, struct err *err)
{
	struct stat st;
	bool is_stdin = strcmp(path, "-") == 0;
	s->path = strdup(is_stdin ? "stdin" : path);
	s->buf = malloc(READ_BYTES);
	s->cap = READ_BYTES;
	if (s->path == NULL || s->buf == NULL)
		return err_set(err, "%s: out of memory", path);
	s->fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) != 0)
		return err_set(err, "%s: %s", s->path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return err_set(err, "%s: is a directory", s->path);
	if (S_ISREG(st.st_mode)) {
		s->size = (uint64_t)st.st_size;
		(void)posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	return true;
}

struct savefile *savefile_open(const char *path, struct err *err)
{
	struct savefile *s = calloc(1, sizeof(*s));
	if (s == NULL) {
		err_set(err, "%s: out of memory", path);
		return NULL;
	}
	s->fd = -1;
	if (open_input(s, path, err) && start(s, err))
		return s;
	savefile_close(s);
	return NULL;
}

void savefile_stop_on(struct savefile *s, const volatile sig_atomic_t *flag)
{
	s->stop = flag;
}

uint64_t savefile_position(const struct savefile *s)
{
	return s->base + s->at;
}

uint64_t savefile_size(const struct savefile *s)
{
	return s->size;
}

void savefile_close(struct savefile *s)
{
	if (s == NULL)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->interfaces);
	free(s->buf);
	free(s->path);
	free(s);
}
