/* yaml.c - a tree with positions from libyaml's events. What libyaml lets pass and a person would
 * not have meant (duplicate keys, alias bombs, odd tags) is a fault here. */
#include "common/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/arena.h"

enum {
	DEPTH_MAX = 32,
	NODES_MAX = 2000000,
	ANCHORS_MAX = 1000,
	DOCUMENTS_MAX = 100000,
	RESTARTS_MAX = 1000,
	SMALL_MAP = 24
};
enum { FILE_MAX = 16 * 1024 * 1024 };

struct anchor {
	const char *name;
	const struct yaml *node; /* NULL while it is being read */
	size_t nodes;            /* in its whole tree, aliases counted in full */
	unsigned height;
};

/* What yaml_load() hands out is the first member. */
struct owner {
	struct yaml_file file;
	struct arena arena;
};

struct loader {
	struct owner *owner;
	struct text_list *faults;
	yaml_parser_t parser;
	size_t lines_before; /* of the file, where this parser started */
	size_t nodes;        /* of the file so far */
	size_t anchor_count;
	struct anchor *anchors; /* room for ANCHORS_MAX once there is one */
	struct yaml **open;     /* children of lists and maps that are not yet closed */
	size_t open_count, open_cap;
	size_t document_cap; /* of owner->file.document: grows by doubling */
};

/* What a node weighs, once read. */
struct weight {
	size_t nodes;
	unsigned height;
};

static void fault_at(struct loader *l, yaml_mark_t mark, const char *what, const char *detail)
{
	text_list_add(l->faults, "%s:%zu:%zu: %s%s", l->owner->file.path,
		l->lines_before + mark.line + 1, mark.column + 1, what, detail);
}

static bool next(struct loader *l, yaml_event_t *event)
{
	if (yaml_parser_parse(&l->parser, event))
		return true;
	const yaml_parser_t *p = &l->parser;
	yaml_mark_t mark = p->problem_mark;
	if (p->error == YAML_READER_ERROR) { /* no mark, but an offset */
		text_list_add(l->faults, "%s: byte %zu: %s", l->owner->file.path, p->problem_offset,
			p->problem != NULL ? p->problem : "not text");
		return false;
	}
	if (p->error == YAML_MEMORY_ERROR) {
		fputs("bongsu: out of memory\n", stderr);
		exit(1);
	}
	text_list_add(l->faults, "%s:%zu:%zu: %s%s%s", l->owner->file.path,
		l->lines_before + mark.line + 1, mark.column + 1,
		p->problem != NULL ? p->problem : "not YAML", p->context != NULL ? ", " : "",
		p->context != NULL ? p->context : "");
	return false;
}

static struct yaml *node_at(struct loader *l, enum yaml_kind kind, yaml_mark_t mark)
{
	struct yaml *node = arena_alloc(&l->owner->arena, sizeof *node);
	node->kind = kind;
	node->line = (uint32_t)(l->lines_before + mark.line + 1);
	node->column = (uint32_t)(mark.column + 1);
	node->text = "";
	return node;
}

/* Only tags that say what is so anyway, and !!str. */
static bool tag_is_fine(
	struct loader *l, const yaml_event_t *e, const yaml_char_t *tag, const char *own)
{
	const char *name = (const char *)tag;
	if (tag == NULL || strcmp(name, own) == 0 || strcmp(name, "!") == 0)
		return true;
	fault_at(l, e->start_mark, "tags are not supported: ", name);
	return false;
}

static struct anchor *anchor_add(struct loader *l, const yaml_event_t *e, const yaml_char_t *name)
{
	if (name == NULL)
		return NULL;
	if (l->anchor_count == ANCHORS_MAX) {
		fault_at(l, e->start_mark, "too many anchors", "");
		return NULL;
	}
	if (l->anchors == NULL)
		l->anchors = arena_array(&l->owner->arena, ANCHORS_MAX, sizeof *l->anchors);
	struct anchor *a = &l->anchors[l->anchor_count++];
	*a = (struct anchor){ .name = arena_text(&l->owner->arena, (const char *)name,
				      strlen((const char *)name)) };
	return a;
}

/* An alias shares the node; its weight counts again, so that a bomb meets the bound on nodes. */
static struct yaml *alias(struct loader *l, const yaml_event_t *e, unsigned depth, struct weight *w)
{
	const char *name = (const char *)e->data.alias.anchor;
	for (size_t i = l->anchor_count; i-- > 0;) {
		const struct anchor *a = &l->anchors[i];
		if (strcmp(a->name, name) != 0)
			continue;
		if (a->node == NULL)
			fault_at(l, e->start_mark, "an alias inside its own anchor: ", name);
		else if (depth + a->height > DEPTH_MAX)
			fault_at(l, e->start_mark, "nested too deep through the alias ", name);
		else if (a->nodes > NODES_MAX - l->nodes)
			fault_at(l, e->start_mark, "aliases blow the file up too far: ", name);
		else {
			l->nodes += a->nodes;
			*w = (struct weight){ a->nodes, a->height };
			struct yaml *shared = node_at(l, a->node->kind, e->start_mark);
			uint32_t line = shared->line, column = shared->column;
			*shared = *a->node;
			shared->line = line;
			shared->column = column;
			return shared;
		}
		return NULL;
	}
	fault_at(l, e->start_mark, "an alias of no anchor: ", name);
	return NULL;
}

static struct yaml *read_node(struct loader *l, yaml_event_t *e, unsigned depth, struct weight *w);

static void open_add(struct loader *l, struct yaml *node)
{
	if (l->open_count == l->open_cap) {
		size_t cap = l->open_cap == 0 ? 256 : l->open_cap * 2;
		struct yaml **grown = realloc(l->open, cap * sizeof(struct yaml *));
		if (grown == NULL) {
			fputs("bongsu: out of memory\n", stderr);
			exit(1);
		}
		l->open = grown;
		l->open_cap = cap;
	}
	l->open[l->open_count++] = node;
}

/* What was opened from @from on becomes the children of @node: in a map each behind its key. */
static void close_node(struct loader *l, struct yaml *node, size_t from)
{
	size_t step = node->kind == YAML_MAP ? 2 : 1, count = (l->open_count - from) / step;
	struct yaml **parts = arena_array(&l->owner->arena, count * step, sizeof(struct yaml *));
	node->count = count;
	node->child = parts;
	node->key = step == 2 ? parts + count : NULL;
	for (size_t i = 0; i < count; i++) {
		node->child[i] = l->open[from + i * step + step - 1];
		if (step == 2)
			node->key[i] = l->open[from + i * 2];
	}
	l->open_count = from;
}

static int by_text(const void *a, const void *b)
{
	const struct yaml *x = *(struct yaml *const *)a, *y = *(struct yaml *const *)b;
	int order = strcmp(x->text, y->text);
	if (order != 0)
		return order;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return (x->column > y->column) - (x->column < y->column);
}

/* Most maps are small, and their keys differ in length or in the first letter. */
static bool all_differ(const struct yaml *map)
{
	for (size_t i = 1; i < map->count; i++)
		for (size_t k = 0; k < i; k++)
			if (map->key[i]->len == map->key[k]->len &&
				map->key[i]->text[0] == map->key[k]->text[0] &&
				strcmp(map->key[i]->text, map->key[k]->text) == 0)
				return false;
	return true;
}

static void refuse_duplicates(struct loader *l, const struct yaml *map)
{
	if (map->count < 2 || (map->count <= SMALL_MAP && all_differ(map)))
		return;
	struct yaml **sorted = malloc(map->count * sizeof(struct yaml *));
	if (sorted == NULL)
		return;
	memcpy(sorted, map->key, map->count * sizeof(struct yaml *));
	qsort(sorted, map->count, sizeof(struct yaml *), by_text);
	for (size_t i = 1; i < map->count; i++)
		if (strcmp(sorted[i - 1]->text, sorted[i]->text) == 0)
			text_list_add(l->faults, "%s:%u:%u: duplicate key %s (first on line %u)",
				l->owner->file.path, sorted[i]->line, sorted[i]->column,
				sorted[i]->text, sorted[i - 1]->line);
	free(sorted);
}

static bool key_is_fine(struct loader *l, const yaml_event_t *e, const struct yaml *key)
{
	if (key->kind != YAML_TEXT) {
		fault_at(l, e->start_mark, "a key must be plain text", "");
		return false;
	}
	if (!key->quoted && strcmp(key->text, "<<") == 0) {
		fault_at(l, e->start_mark, "merge keys (<<) are not supported", "");
		return false;
	}
	return true;
}

/* Reads up to the event that closes the list or map. False: the document is lost. */
static bool read_children(struct loader *l, struct yaml *node, unsigned depth, struct weight *w)
{
	size_t from = l->open_count;
	bool map = node->kind == YAML_MAP, ok = false;
	for (;;) {
		yaml_event_t e;
		struct weight one = { 0 };
		if (!next(l, &e))
			break;
		if (e.type == YAML_SEQUENCE_END_EVENT || e.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&e);
			ok = true;
			break;
		}
		struct yaml *child = read_node(l, &e, depth + 1, &one);
		bool wants_key = map && (l->open_count - from) % 2 == 0;
		bool fine = child != NULL && (!wants_key || key_is_fine(l, &e, child));
		yaml_event_delete(&e);
		if (!fine)
			break;
		open_add(l, child);
		w->nodes += one.nodes;
		if (one.height + 1 > w->height)
			w->height = one.height + 1;
	}
	close_node(l, node, from);
	if (ok && map)
		refuse_duplicates(l, node);
	return ok;
}

static struct yaml *scalar(struct loader *l, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	const yaml_char_t *tag = e->data.scalar.tag;
	if (!tag_is_fine(l, e, tag, YAML_STR_TAG))
		return NULL;
	/* an escape alone can make one: the reader refuses it as it is */
	if (e->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE &&
		memchr(text, '\0', len) != NULL) {
		fault_at(l, e->start_mark, "a NUL character in a text", "");
		return NULL;
	}
	struct yaml *node = node_at(l, YAML_TEXT, e->start_mark);
	node->text = arena_text(&l->owner->arena, text, len);
	node->len = len;
	node->quoted = tag != NULL || e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	return node;
}

/* The node that @e starts; NULL when the document is lost, with the fault told. */
static struct yaml *read_node(struct loader *l, yaml_event_t *e, unsigned depth, struct weight *w)
{
	*w = (struct weight){ 1, 1 };
	if (e->type == YAML_ALIAS_EVENT)
		return alias(l, e, depth, w);
	if (depth >= DEPTH_MAX || l->nodes >= NODES_MAX) {
		fault_at(l, e->start_mark,
			depth >= DEPTH_MAX ? "nested too deep" : "too many nodes in one file", "");
		return NULL;
	}
	l->nodes++;
	struct anchor *anchor = NULL;
	struct yaml *node = NULL;
	if (e->type == YAML_SCALAR_EVENT) {
		anchor = anchor_add(l, e, e->data.scalar.anchor);
		node = scalar(l, e);
	} else if (e->type == YAML_SEQUENCE_START_EVENT) {
		anchor = anchor_add(l, e, e->data.sequence_start.anchor);
		if (tag_is_fine(l, e, e->data.sequence_start.tag, YAML_SEQ_TAG))
			node = node_at(l, YAML_LIST, e->start_mark);
	} else if (e->type == YAML_MAPPING_START_EVENT) {
		anchor = anchor_add(l, e, e->data.mapping_start.anchor);
		if (tag_is_fine(l, e, e->data.mapping_start.tag, YAML_MAP_TAG))
			node = node_at(l, YAML_MAP, e->start_mark);
	}
	if (node != NULL && node->kind != YAML_TEXT && !read_children(l, node, depth, w))
		return NULL;
	if (anchor != NULL && node != NULL) {
		anchor->node = node;
		anchor->nodes = w->nodes;
		anchor->height = w->height;
	}
	return node;
}

static void document_add(struct loader *l, struct yaml *root)
{
	struct yaml_file *file = &l->owner->file;
	if (file->count == l->document_cap) {
		size_t cap = l->document_cap == 0 ? 16 : l->document_cap * 2;
		struct yaml **grown = arena_array(&l->owner->arena, cap, sizeof(struct yaml *));
		if (file->count > 0)
			memcpy(grown, file->document, file->count * sizeof(struct yaml *));
		file->document = grown;
		l->document_cap = cap;
	}
	file->document[file->count++] = root;
}

/* Every document from here to the end of the stream. False: this parser is lost. */
static bool read_stream(struct loader *l)
{
	for (;;) {
		yaml_event_t e;
		struct weight w;
		if (!next(l, &e))
			return false;
		yaml_event_type_t type = e.type;
		struct yaml *root = NULL;
		bool node = type >= YAML_ALIAS_EVENT;
		if (type == YAML_DOCUMENT_START_EVENT)
			l->anchor_count = 0;
		if (node)
			root = read_node(l, &e, 0, &w);
		yaml_event_delete(&e);
		if (type == YAML_STREAM_END_EVENT)
			return true;
		if (node && root == NULL)
			return false;
		if (node && (root->kind != YAML_TEXT || root->len > 0)) {
			/* A broken later document does not take this one along, so it counts now;
			 * what follows it up to the next "---" is told by the parser. */
			document_add(l, root);
		}
		if (l->owner->file.count >= DOCUMENTS_MAX) {
			text_list_add(l->faults, "%s: too many documents", l->owner->file.path);
			return true;
		}
	}
}

/* Offset of the line that starts the next document, past @from; @len if there is none. */
static size_t next_document(const char *text, size_t len, size_t from)
{
	for (size_t i = from; i + 4 <= len; i++)
		if (text[i] == '\n' && memcmp(text + i + 1, "---", 3) == 0)
			return i + 1;
	return len;
}

static size_t count_lines(const char *text, size_t len)
{
	size_t lines = 0;
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	return lines;
}

/* Byte offset in @text of where the parser gave up: its marks count characters. */
static size_t lost_at(const yaml_parser_t *p, const char *text, size_t len)
{
	if (p->error == YAML_READER_ERROR)
		return p->problem_offset < len ? p->problem_offset : len;
	size_t characters = p->mark.index, at = 0;
	if (p->problem != NULL && p->problem_mark.index > 0 && p->problem_mark.index < characters)
		characters = p->problem_mark.index;
	for (; at < len && (characters > 0 || ((unsigned char)text[at] & 0xc0) == 0x80); at++)
		if (((unsigned char)text[at] & 0xc0) != 0x80)
			characters--;
	return at;
}

/* One broken document hides no later one: after a fault reading starts again at the next "---". */
static void read_all(struct loader *l, const char *text, size_t len)
{
	size_t start = 0;
	for (int restarts = 0; restarts < RESTARTS_MAX; restarts++) {
		if (!yaml_parser_initialize(&l->parser))
			return;
		yaml_parser_set_encoding(&l->parser, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(
			&l->parser, (const unsigned char *)text + start, len - start);
		l->anchor_count = 0;
		bool whole = read_stream(l);
		size_t at = whole ? len : start + lost_at(&l->parser, text + start, len - start);
		yaml_parser_delete(&l->parser);
		if (whole)
			return;
		size_t again = next_document(text, len, at > start ? at - 1 : start);
		if (again >= len)
			return;
		l->lines_before += count_lines(text + start, again - start);
		start = again;
	}
	text_list_add(l->faults, "%s: too many broken documents", l->owner->file.path);
}

static struct owner *owner_new(const char *path)
{
	struct arena arena = { 0 };
	struct owner *o = arena_alloc(&arena, sizeof *o);
	o->file.path = arena_text(&arena, path, strlen(path));
	o->arena = arena;
	return o;
}

struct yaml_file *yaml_parse(
	const char *path, const char *text, size_t len, struct text_list *faults)
{
	struct owner *o = owner_new(path);
	if (len > FILE_MAX) {
		text_list_add(faults, "%s: larger than %d MiB", path, FILE_MAX >> 20);
		return &o->file;
	}
	struct loader l = { .owner = o, .faults = faults };
	read_all(&l, text, len);
	free(l.open);
	return &o->file;
}

/* The whole file, or NULL. The caller frees it. */
static char *read_file(const char *path, size_t *len, struct text_list *faults)
{
	FILE *in = fopen(path, "rbe");
	if (in == NULL) {
		text_list_add(faults, "%s: %s", path, strerror(errno));
		return NULL;
	}
	size_t cap = 65536, n = 0;
	char *text = malloc(cap);
	while (text != NULL) {
		size_t got = fread(text + n, 1, cap - n, in);
		n += got;
		if (got == 0 || n > FILE_MAX)
			break;
		if (n == cap) {
			char *grown = realloc(text, cap *= 2);
			if (grown == NULL)
				free(text);
			text = grown;
		}
	}
	if (text == NULL || ferror(in)) {
		text_list_add(faults, "%s: %s", path, strerror(errno));
		free(text);
		text = NULL;
	}
	fclose(in);
	*len = n;
	return text;
}

struct yaml_file *yaml_load(const char *path, struct text_list *faults)
{
	size_t len;
	char *text = read_file(path, &len, faults);
	if (text == NULL)
		return NULL;
	struct yaml_file *file = yaml_parse(path, text, len, faults);
	free(text);
	return file;
}

void yaml_file_free(struct yaml_file *file)
{
	if (file == NULL)
		return;
	struct arena arena = ((struct owner *)file)->arena;
	arena_free(&arena);
}
