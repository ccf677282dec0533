/* frame_table.h - fields.def as a tree for each type of frame. */
#ifndef AGGREGATOR_FRAME_TABLE_H
#define AGGREGATOR_FRAME_TABLE_H

#include "aggregator/frame.h"

enum member_kind {
	MEMBER_INT,
	MEMBER_TEXT,
	MEMBER_WORD,
	MEMBER_FLAG,
	MEMBER_OBJECT,
	MEMBER_LIST,
	MEMBER_ROW
};

struct member {
	const char *name; /* of a place in a row: its number */
	size_t name_len;
	enum member_kind kind;
	int64_t low, high;
	bool must;
	unsigned level;
	const char *sentence, *detail, *path;
	bool (*fits)(const char *text, size_t len); /* MEMBER_TEXT */
	const char **word;                          /* MEMBER_WORD: NULL-terminated */
	bool any;             /* an object's members are the words of its child */
	struct member *child; /* members, places, or the one kind of element */
	unsigned children;
	unsigned musts; /* children that must be there */
};

/* Built once. */
const struct member *frame_table(enum frame_type t);

/* What a check found, beside its fault. */
struct table_use {
	unsigned level; /* the highest level that a member needs */
	const char *level_path;
	unsigned unknown; /* members cut away */
};
/* Checks @value against the root of a type; unknown members are taken out of it. */
enum frame_fault frame_table_check(
	const struct member *root, json_t *value, struct table_use *use, struct err *err);

/* A pattern by its name, or NULL. */
typedef bool frame_pattern(const char *text, size_t len);
frame_pattern *frame_pattern_named(const char *name);

#endif
