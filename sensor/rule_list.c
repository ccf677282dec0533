/* rule_list.c - the lists behind %name%: of the configuration, else rules/lists/NAME.txt. */
#include "sensor/rule_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_MAX_LEN = 64, LINES_MAX = 1000000, LINE_MAX_LEN = 1024 };

static struct word_list *list_add(struct loader *l, const char *name, size_t len)
{
	if (l->list_count == l->list_cap) {
		size_t cap = l->list_cap == 0 ? 8 : l->list_cap * 2;
		struct word_list **grown = realloc(l->lists, cap * sizeof *grown);
		if (grown == NULL)
			abort();
		l->lists = grown;
		l->list_cap = cap;
	}
	struct word_list *list = arena_alloc(&l->rules->arena, sizeof *list);
	list->name = arena_text(&l->rules->arena, name, len);
	l->lists[l->list_count++] = list;
	return list;
}

static void value_add(struct loader *l, struct word_list *list, size_t *cap, const char *text,
	size_t len, uint32_t line)
{
	if (list->count == *cap) {
		size_t more = *cap == 0 ? 64 : *cap * 2;
		const struct yaml **grown = arena_array(&l->rules->arena, more, sizeof *grown);
		if (list->count > 0)
			memcpy(grown, list->value, list->count * sizeof *grown);
		list->value = grown;
		*cap = more;
	}
	struct yaml *y = arena_alloc(&l->rules->arena, sizeof *y);
	y->kind = YAML_TEXT;
	y->line = line;
	y->column = 1;
	y->text = arena_text(&l->rules->arena, text, len);
	y->len = len;
	list->value[list->count++] = y;
}

/* A '#' at the start or behind a blank begins a comment. */
static size_t without_comment(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t'))
			len = i;
	while (len > 0 && strchr(" \t\r\n", line[len - 1]) != NULL)
		len--;
	return len;
}

/* False: no such file. */
static bool read_lines(struct loader *l, struct word_list *list)
{
	FILE *in = fopen(list->path, "re");
	if (in == NULL)
		return false;
	char *line = NULL;
	size_t room = 0, cap = 0;
	uint32_t number = 0;
	for (ssize_t n; (n = getline(&line, &room, in)) > 0;) {
		number++;
		size_t start = strspn(line, " \t");
		size_t len = without_comment(line + start, (size_t)n - start);
		if (memchr(line, '\0', (size_t)n) != NULL || len > LINE_MAX_LEN ||
			list->count == LINES_MAX) {
			text_list_add(l->faults, "%s:%u:1: %s", list->path, number,
				list->count == LINES_MAX ? "too many lines" : "not a line of text");
			break;
		}
		if (len > 0)
			value_add(l, list, &cap, line + start, len, number);
	}
	if (ferror(in))
		text_list_add(l->faults, "%s: %s", list->path, strerror(errno));
	free(line);
	fclose(in);
	return true;
}

static bool from_configuration(struct loader *l, struct word_list *list)
{
	size_t cap = 0;
	for (size_t i = 0; i < l->from->list_count; i++) {
		const struct rule_list *given = &l->from->lists[i];
		if (strcmp(given->name, list->name) != 0)
			continue;
		list->path =
			arena_printf(&l->rules->arena, "list %s of the configuration", list->name);
		for (size_t k = 0; k < given->count; k++)
			value_add(l, list, &cap, given->values[k], strlen(given->values[k]),
				(uint32_t)k + 1);
		return true;
	}
	return false;
}

struct word_list *list_named(struct loader *l, const struct yaml *at, const char *name, size_t len)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	for (size_t i = 0; i < l->list_count; i++)
		if (strlen(l->lists[i]->name) == len && memcmp(l->lists[i]->name, name, len) == 0)
			return l->lists[i];
	if (len == 0 || len > NAME_MAX_LEN || strspn(name, letters) < len) {
		fault(l, at, "not the name of a list: %%%.*s%%", (int)(len > 64 ? 64 : len), name);
		return NULL;
	}
	struct word_list *list = list_add(l, name, len);
	if (from_configuration(l, list))
		return list;
	if (l->from->list_folder != NULL) {
		list->path = arena_printf(
			&l->rules->arena, "%s/%s.txt", l->from->list_folder, list->name);
		if (read_lines(l, list))
			return list;
	}
	fault(l, at, "no list %%%s%%: give it in the configuration or as %s/%s.txt", list->name,
		l->from->list_folder != NULL ? l->from->list_folder : "lists", list->name);
	l->list_count--;
	return NULL;
}

const struct ipset *list_addrs(struct loader *l, struct word_list *list)
{
	if (list->addrs != NULL || list->addrs_bad)
		return list->addrs;
	struct ipset *set = ipset_new();
	for (size_t i = 0; i < list->count; i++) {
		uint8_t bytes[16];
		unsigned bits;
		if (ipset_parse(list->value[i]->text, bytes, &bits)) {
			ipset_add(set, bytes, bits);
			continue;
		}
		text_list_add(l->faults, "%s:%u:1: not an address or prefix: %s", list->path,
			list->value[i]->line, list->value[i]->text);
		list->addrs_bad = true;
	}
	ipset_ready(set);
	rules_keep_ipset(l->rules, set);
	if (!list->addrs_bad)
		list->addrs = set;
	return list->addrs;
}
