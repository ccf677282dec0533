/* ledger_file.c - the book over restarts: one JSON line a transfer, added as it ends. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "sensor/envelope.h"
#include "sensor/eve_json.h"
#include "sensor/ledger.h"

enum { LINE = 2048, DEPTH = 2, FILE_MODE = 0640 };

/* --- writing ----------------------------------------------------------------------------- */

static void put_addr(struct buf *b, const char *name, const struct addr *a)
{
	eve_name(b, name);
	eve_addr(b, a);
}

static void put_hash(struct buf *b, const char *name, const uint8_t hash[HASH])
{
	char hex[HASH_HEX];
	hash_hex(hash, hex);
	eve_name(b, name);
	buf_json_string(b, hex, HASH_HEX - 1, HASH_HEX);
}

void ledger_line(struct buf *b, const struct program_key *key, bool up,
	const struct program_copy *copy, const char *change)
{
	buf_lit(b, "{\"time\":");
	eve_time(b, copy->at_ns);
	eve_key(b, "ns");
	buf_int(b, copy->at_ns);
	put_addr(b, "device", &key->device);
	eve_key_uint(b, "unit", key->unit);
	eve_key_word(b, "kind", program_kind_name(key->kind));
	eve_key_text(b, "name", key->name);
	eve_key_word(b, "direction", up ? "upload" : "download");
	eve_key_uint(b, "bytes", copy->bytes);
	put_hash(b, "sha256", copy->hash);
	put_hash(b, "code_sha256", copy->code);
	put_addr(b, "by", &copy->by);
	if (change != NULL)
		eve_key_word(b, "change", change);
	buf_char(b, '}');
}

static bool put_line(
	FILE *out, const struct program_key *key, bool up, const struct program_copy *copy)
{
	char line[LINE];
	struct buf b = buf_over(line, sizeof line);
	if (!copy->known)
		return true;
	ledger_line(&b, key, up, copy, NULL);
	buf_char(&b, '\n');
	return fwrite(line, 1, b.len, out) == b.len;
}

static bool put_book(FILE *out, const struct book *book)
{
	const struct program **list = book_sorted(book);
	bool ok = list != NULL;
	for (size_t i = 0; ok && i < book_count(book); i++)
		ok = put_line(out, &list[i]->key, false, &list[i]->down) &&
		     put_line(out, &list[i]->key, true, &list[i]->up);
	free(list);
	return ok && fflush(out) == 0 && fsync(fileno(out)) == 0;
}

static bool write_anew(const struct book *book, const char *path, struct err *err)
{
	char fresh[PATH_MAX];
	if (snprintf(fresh, sizeof fresh, "%s.new", path) >= PATH_MAX)
		return err_set(err, "%s: path too long", path);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	if (out == NULL) {
		if (fd >= 0)
			close(fd);
		return err_set(err, "%s: %s", fresh, strerror(errno));
	}
	bool ok = put_book(out, book);
	ok &= fclose(out) == 0;
	return (ok && rename(fresh, path) == 0) || err_set(err, "%s: %s", path, strerror(errno));
}

static bool append(const struct ledger_file *f, struct err *err)
{
	int fd = open(f->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, FILE_MODE);
	bool ok = fd >= 0 && write(fd, f->waiting, f->len) == (ssize_t)f->len;
	int why = errno;
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	return ok || err_set(err, "%s: %s", f->path, strerror(why));
}

bool ledger_file_add(struct ledger_file *f, const struct program_key *key, bool up,
	const struct program_copy *copy)
{
	struct buf b = buf_over(f->waiting + f->len, sizeof f->waiting - f->len);
	ledger_line(&b, key, up, copy, NULL);
	buf_char(&b, '\n');
	if (b.full)
		f->anew = true;
	else
		f->len += b.len;
	return !b.full;
}

bool ledger_file_flush(
	struct ledger_file *f, const struct book *b, int64_t now_ns, bool last, struct err *err)
{
	enum { ANEW_S = 60 };
	struct stat st;
	if (f->path == NULL || (f->len == 0 && !f->anew))
		return true;
	if (stat(f->path, &st) == 0 && (uint64_t)st.st_size + f->len > f->cap)
		f->anew = true;
	if (!f->anew) {
		bool ok = append(f, err);
		f->len = 0;
		return ok;
	}
	f->len = 0; /* the book has it */
	int64_t since = now_ns - f->anew_ns;
	if (!last && f->anew_ns != 0 && since >= 0 && since < ANEW_S * INT64_C(1000000000))
		return true;
	f->anew = false;
	f->anew_ns = now_ns;
	return write_anew(b, f->path, err);
}

/* --- reading ----------------------------------------------------------------------------- */

static bool addr_of(const json_t *line, const char *name, struct addr *to)
{
	const char *text = json_text_of(line, name);
	uint8_t bits;
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	if (text == NULL || !site_prefix_parse(text, to->bytes, &bits) || bits != 128)
		return false;
	to->family = memcmp(to->bytes, mapped, sizeof mapped) == 0 ? 4 : 6;
	return true;
}

static bool hash_of_line(const json_t *line, const char *name, uint8_t out[HASH])
{
	const char *text = json_text_of(line, name);
	return text != NULL && hex_read(text, strlen(text), out, HASH);
}

static bool kind_of(const json_t *line, uint32_t *kind)
{
	const char *text = json_text_of(line, "kind");
	for (*kind = 0; text != NULL && program_kind_name(*kind) != NULL; ++*kind)
		if (strcmp(program_kind_name(*kind), text) == 0)
			return true;
	return false;
}

static bool read_line(struct book *b, struct history *h, const json_t *line)
{
	struct program_key key;
	struct program_copy copy = { .known = true };
	struct program before;
	uint64_t forgotten = 0;
	const char *name = json_text_of(line, "name"), *way = json_text_of(line, "direction");
	int64_t unit = json_int_of(line, "unit", -1), bytes = json_int_of(line, "bytes", -1);
	memset(&key, 0, sizeof key);
	copy.at_ns = json_int_of(line, "ns", INT64_MIN);
	if (name == NULL || way == NULL || unit < 0 || unit > UINT32_MAX || bytes < 0 ||
		copy.at_ns == INT64_MIN || !addr_of(line, "device", &key.device) ||
		!addr_of(line, "by", &copy.by) || !kind_of(line, &key.kind) ||
		!hash_of_line(line, "sha256", copy.hash) ||
		!hash_of_line(line, "code_sha256", copy.code))
		return false;
	key.unit = (uint32_t)unit;
	copy.bytes = (uint64_t)bytes;
	memcpy(key.name, name, strnlen(name, PROGRAM_NAME - 1));
	bool up = strcmp(way, "upload") == 0;
	history_add(h, &key, up, &copy, book_enter(b, &key, up, &copy, &before, &forgotten));
	return true;
}

bool ledger_file_read(
	struct book *b, struct history *h, const char *path, uint64_t *damaged, struct err *err)
{
	char *text = NULL;
	size_t room = 0;
	FILE *in = fopen(path, "re");
	if (in == NULL)
		return errno == ENOENT || err_set(err, "%s: %s", path, strerror(errno));
	for (ssize_t n; (n = getline(&text, &room, in)) > 0;) {
		struct err why = { 0 };
		if (text[n - 1] == '\n')
			n--;
		json_t *line = n < LINE ? json_read(text, (size_t)n, DEPTH, &why) : NULL;
		if (line == NULL || !read_line(b, h, line))
			++*damaged;
		json_decref(line);
	}
	bool ok = ferror(in) == 0;
	free(text);
	fclose(in);
	return ok || err_set(err, "%s: cannot be read", path);
}
