/* settings.h - a program's settings by one table: read from YAML with faults that name their place,
 * set from the command line, written out again. */
#ifndef COMMON_SETTINGS_H
#define COMMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/text_list.h"
#include "common/yaml.h"

enum setting_kind { SETTING_IS_NUMBER, SETTING_IS_SWITCH, SETTING_IS_TEXT, SETTING_IS_TEXTS };

struct setting {
	const char *path; /* section.key */
	enum setting_kind kind;
	size_t offset;             /* of a uint64_t, bool, char * or struct text_list */
	uint64_t value, low, high; /* UINT64_MAX as value: none, written null */
	const char *text;          /* default, or NULL */
	const char *unit, *sentence;
};

// clang-format off
/* Rows of a table from the lines of a .def file. */
#define SETTING_NUMBER(type, member, path_, value_, low_, high_, unit_, sentence_) \
	{ .path = path_, .kind = SETTING_IS_NUMBER, .offset = offsetof(type, member), .value = value_, \
	  .low = low_, .high = high_, .unit = unit_, .sentence = sentence_ }
#define SETTING_SWITCH(type, member, path_, value_, sentence_) \
	{ .path = path_, .kind = SETTING_IS_SWITCH, .offset = offsetof(type, member), .value = value_, \
	  .sentence = sentence_ }
#define SETTING_TEXT(type, member, path_, value_, sentence_) \
	{ .path = path_, .kind = SETTING_IS_TEXT, .offset = offsetof(type, member), .text = value_, \
	  .sentence = sentence_ }
#define SETTING_TEXTS(type, member, path_, sentence_) \
	{ .path = path_, .kind = SETTING_IS_TEXTS, .offset = offsetof(type, member), .sentence = sentence_ }
// clang-format on

/* What is read: for faults. */
struct settings_source {
	const char *path;
	struct text_list *faults;
};
/* "path:line:column: what" and @detail behind it. */
void settings_fault(const struct settings_source *s, const struct yaml *at, const char *what,
	const char *detail);

struct settings {
	const struct setting *all;
	size_t count;
	/* Settings that are no single value: their paths (NULL-terminated, for "did you mean"), and
	 * their reader, false if @path is none of them. May be NULL. */
	const char *const *special;
	bool (*read_special)(const struct settings_source *src, void *object, const char *path,
		const struct yaml *v);
	/* What @text is not, as " is …", or NULL: it is good as the value of @path. Asked of each
	 * text. May be NULL. */
	const char *(*judge)(const char *path, const char *text);
	/* Writes what else belongs to the section that @path begins ("timeouts."). May be NULL. */
	void (*dump_section)(const void *object, const char *path, FILE *out);
};

void settings_init(const struct settings *s, void *object); /* defaults, into zeroed memory */
/* Reads the first document of @file (may be NULL) over what is there, and frees it. */
void settings_read(const struct settings *s, void *object, const char *path, struct yaml_file *file,
	struct text_list *faults);
/* One "key=value"; false if it is none of the table or wrong, which is added to @faults.
 * @other: called first with key and value, true if that was its own; may be NULL. */
bool settings_set(const struct settings *s, void *object, const char *assignment,
	bool (*other)(const struct settings_source *src, void *object, const char *key,
		const struct yaml *value),
	struct text_list *faults);
/* YAML that settings_read() reads back, each setting with its sentence. */
void settings_dump(const struct settings *s, const void *object, FILE *out);
void settings_dump_text(FILE *out, const char *text); /* a quoted scalar */
void settings_dump_texts(FILE *out, const struct text_list *list);
void settings_free(const struct settings *s, void *object);

#endif
