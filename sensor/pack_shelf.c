/* pack_shelf.c - see pack_shelf.h. A file a name: the value of bongsu:packs as it was, so that the
 * signatures are seen again at each start, and its version is the trusted one. */
#include "sensor/pack_shelf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ITEMS_DEPTH = 2, KINDS = 3, LIST_NAME = 64, ITEMS_MOST = 1000000 };

static const char ending[] = ".pack";

void pack_held_free(struct pack_held *h)
{
	signed_pack_free(&h->pack);
	free(h->text);
	*h = (struct pack_held){ 0 };
}

bool pack_held_read(struct pack_held *h, const char *text, size_t len, struct err *err)
{
	*h = (struct pack_held){ .text = malloc(len + 1), .len = len };
	if (h->text == NULL)
		return err_set(err, "out of memory");
	memcpy(h->text, text, len);
	h->text[len] = '\0';
	if (signed_pack_read(&h->pack, h->text, len, err))
		return true;
	pack_held_free(h);
	return false;
}

struct pack_held *shelf_find(struct pack_shelf *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->held[i].pack.name, name) == 0)
			return &s->held[i];
	return NULL;
}

size_t shelf_in_use(const struct pack_shelf *s)
{
	size_t count = 0;
	for (size_t i = 0; i < s->count; i++)
		count += s->held[i].pack.kind != PACK_WITHDRAWN && !s->held[i].aside;
	return count;
}

/* --- judging ----------------------------------------------------------------------------- */

static bool is_same(const struct signed_pack *a, const struct signed_pack *b)
{
	return a->kind == b->kind && a->version == b->version && strcmp(a->sha256, b->sha256) == 0;
}

/* A set becomes lists of its name: %NAME-sha256% must be one. */
static bool fits_kind(const struct signed_pack *p, struct err *err)
{
	return p->kind != PACK_INDICATORS || strlen(p->name) + strlen("-sha256") <= LIST_NAME ||
	       err_set(err, "%s: too long a name for lists", p->name);
}

static bool is_no_step_back(
	const struct pack_held *held, const struct signed_pack *p, struct err *err)
{
	const struct signed_pack *old = &held->pack;
	if (p->version < old->version)
		return err_set(err, "%s %lld: version %lld is trusted already", p->name,
			(long long)p->version, (long long)old->version);
	/* taking back and giving again keep the number */
	if (p->version == old->version && p->kind != PACK_WITHDRAWN &&
		old->kind != PACK_WITHDRAWN && strcmp(p->sha256, old->sha256) != 0)
		return err_set(err, "%s %lld: other bytes bear a version that is trusted", p->name,
			(long long)p->version);
	return true;
}

enum pack_verdict shelf_judge(struct pack_shelf *s, const char *name, const struct signed_pack *p,
	int64_t now_s, struct err *err)
{
	const struct pack_held *held = shelf_find(s, name);
	if (strcmp(p->name, name) != 0) {
		err_set(err, "%.64s: what lies there is %s", name, p->name);
		return PACK_REFUSED;
	}
	if (held != NULL && is_same(&held->pack, p))
		return PACK_SAME;
	if (p->kind == PACK_WITHDRAWN && held == NULL)
		return PACK_SAME; /* nothing is held of it */
	if (held != NULL && !is_no_step_back(held, p, err))
		return PACK_REFUSED;
	if (p->kind == PACK_WITHDRAWN)
		return PACK_NEWER;
	if (!signed_pack_trusted(p, s->keys, s->threshold, err) || !fits_kind(p, err))
		return PACK_REFUSED;
	if (p->expires <= now_s) {
		err_set(err, "%s %lld has expired", p->name, (long long)p->version);
		return PACK_REFUSED;
	}
	return PACK_NEWER;
}

/* --- at rest ----------------------------------------------------------------------------- */

static bool path_of(
	const struct pack_shelf *s, const char *name, const char *end, char out[PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s/%s%s", s->folder, name, end);
	return n > 0 && n < PATH_MAX;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

static void sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

bool shelf_keep(const struct pack_shelf *s, const struct pack_held *h, struct err *err)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	if (s->folder == NULL)
		return true;
	if (!path_of(s, h->pack.name, ending, path) || !path_of(s, h->pack.name, ".new", fresh))
		return err_set(err, "%s: path too long", s->folder);
	if (mkdir(s->folder, 0750) != 0 && errno != EEXIST)
		return err_set(err, "%s: %s", s->folder, strerror(errno));
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return err_set(err, "%s: %s", fresh, strerror(errno));
	bool good = write_all(fd, h->text, h->len) && fsync(fd) == 0;
	good = close(fd) == 0 && good && rename(fresh, path) == 0;
	sync_folder(s->folder);
	return good || err_set(err, "%s: %s", path, strerror(errno));
}

static char *read_file(const char *path, size_t *len)
{
	enum { ROOM = PACK_HEAD + PACK_MOST + 1 };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *text = fd < 0 ? NULL : malloc(ROOM);
	ssize_t n = 1;
	for (*len = 0; text != NULL && n > 0 && *len<ROOM; *len += n> 0 ? (size_t)n : 0)
		n = read(fd, text + *len, ROOM - *len);
	if (fd >= 0)
		close(fd);
	return text;
}

static void load_one(struct pack_shelf *s, const char *file, struct text_list *faults)
{
	char name[PACK_NAME], path[PATH_MAX];
	size_t len, n = strlen(file) - strlen(ending);
	struct err err = { 0 };
	struct pack_held *h = &s->held[s->count];
	snprintf(name, sizeof name, "%.*s", (int)n, file);
	char *text = path_of(s, name, ending, path) ? read_file(path, &len) : NULL;
	bool good = text == NULL ? err_set(&err, "%s", strerror(errno))
				 : pack_held_read(h, text, len, &err);
	good = good && (strcmp(h->pack.name, name) == 0 ||
			       err_set(&err, "what lies there is %s", h->pack.name));
	if (good && h->pack.kind != PACK_WITHDRAWN)
		good = signed_pack_trusted(&h->pack, s->keys, s->threshold, &err);
	if (good) {
		s->count++;
	} else {
		text_list_add(faults, "%s: %s", path, err.text);
		pack_held_free(h);
	}
	free(text);
}

void shelf_load(struct pack_shelf *s, struct text_list *faults)
{
	DIR *d = s->folder == NULL ? NULL : opendir(s->folder);
	for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		size_t n = strlen(e->d_name), m = strlen(ending);
		if (n > m && n < PACK_NAME + m && strcmp(e->d_name + n - m, ending) == 0 &&
			s->count < PACK_NAMES)
			load_one(s, e->d_name, faults);
	}
	if (d != NULL)
		closedir(d);
}

/* --- exchanging -------------------------------------------------------------------------- */

bool shelf_swap(struct pack_shelf *s, struct pack_held *h, struct err *err)
{
	struct pack_held *at = shelf_find(s, h->pack.name);
	if (at == NULL && s->count == PACK_NAMES)
		return err_set(err, "%s: %d packs are held already", h->pack.name, PACK_NAMES);
	if (at == NULL)
		at = &s->held[s->count++];
	struct pack_held old = *at;
	*at = *h;
	*h = old;
	return true;
}

void shelf_swap_back(struct pack_shelf *s, struct pack_held *h)
{
	struct err ignored = { 0 };
	if (h->text != NULL) {
		shelf_swap(s, h, &ignored);
		return;
	}
	*h = s->held[--s->count]; /* it was new, so it is the last */
	s->held[s->count] = (struct pack_held){ 0 };
}

/* --- compiling --------------------------------------------------------------------------- */

/* What a set gives: addresses and prefixes, domains, hashes. */
static const char *const list_of[][2] = { { "ip", "ip" }, { "prefix", "ip" },
	{ "domain", "domain" }, { "sha256", "sha256" } };

struct beside {
	struct rule_text texts[PACK_NAMES];
	char title[PACK_NAMES][PACK_NAME + 32];
	struct rule_list lists[PACK_NAMES * KINDS];
	char list_name[PACK_NAMES * KINDS][LIST_NAME + 1];
	json_t *items[PACK_NAMES]; /* lists borrow their texts */
	struct rules_beside all;
};

static bool is_item(const json_t *item, const char *list)
{
	const char *kind = json_text_of(item, "kind");
	for (size_t i = 0; kind != NULL && i < sizeof list_of / sizeof list_of[0]; i++)
		if (strcmp(list_of[i][0], kind) == 0)
			return strcmp(list_of[i][1], list) == 0;
	return false;
}

static void add_list(
	struct beside *b, const struct signed_pack *p, const json_t *items, const char *kind)
{
	struct rule_list *list = &b->lists[b->all.list_count];
	char *name = b->list_name[b->all.list_count++];
	const char **values = calloc(json_array_size(items) + 1, sizeof *values);
	size_t i;
	const json_t *item;
	snprintf(name, LIST_NAME + 1, "%.56s-%s", p->name, kind);
	*list = (struct rule_list){ .name = name, .values = values };
	json_array_foreach(items, i, item)
	{
		const char *value = json_text_of(item, "value");
		if (values != NULL && value != NULL && is_item(item, kind))
			values[list->count++] = value;
	}
}

static void add_set(struct beside *b, const struct signed_pack *p, struct text_list *faults)
{
	struct err err = { 0 };
	json_t *items = json_read(p->bytes, p->size, ITEMS_DEPTH, &err);
	if (!json_is_array(items) || json_array_size(items) > ITEMS_MOST) {
		text_list_add(faults, "%s %lld: its items are no list: %s", p->name,
			(long long)p->version, err.text);
		json_decref(items);
		return;
	}
	b->items[b->all.list_count / KINDS] = items;
	add_list(b, p, items, "ip");
	add_list(b, p, items, "domain");
	add_list(b, p, items, "sha256");
}

static void add_pack(struct beside *b, const struct signed_pack *p)
{
	char *title = b->title[b->all.text_count];
	snprintf(title, sizeof b->title[0], "pack %s %lld", p->name, (long long)p->version);
	b->texts[b->all.text_count++] = (struct rule_text){ title, p->bytes, p->size };
}

struct rules *shelf_compile(const struct pack_shelf *s, const struct rules_in_use *own,
	const struct config *c, struct text_list *faults)
{
	struct beside *b = calloc(1, sizeof *b);
	if (b == NULL)
		return NULL;
	b->all.texts = b->texts;
	b->all.lists = b->lists;
	for (size_t i = 0; i < s->count; i++) {
		if (s->held[i].aside)
			continue;
		if (s->held[i].pack.kind == PACK_INDICATORS)
			add_set(b, &s->held[i].pack, faults);
		else if (s->held[i].pack.kind == PACK_RULES)
			add_pack(b, &s->held[i].pack);
	}
	struct rules *rules = faults->count > 0 ? NULL : rules_compile(own, c, &b->all, faults);
	for (size_t i = 0; i < b->all.list_count; i++)
		free((void *)(uintptr_t)b->lists[i].values);
	for (size_t i = 0; i < PACK_NAMES; i++)
		json_decref(b->items[i]);
	free(b);
	return rules;
}

void shelf_free(struct pack_shelf *s)
{
	while (s->count > 0)
		pack_held_free(&s->held[--s->count]);
}
