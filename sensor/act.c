/* act.c - acts by number and by name, and what they do. */
#include "sensor/act.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "dissectors/dnp3.h"
#include "dissectors/modbus.h"
#include "dissectors/s7comm.h"
#include "dissectors/s7comm_plus.h"

/* --- verbs ------------------------------------------------------------------------------- */

static const struct {
	const char *word;
	bool changes;
} verbs[VERBS + 1] = {
#define VERB(word, changes) { #word, changes },
#include "common/verbs.def"
#undef VERB
	{ NULL, false },
};

const char *verb_word(enum verb verb)
{
	return verbs[verb].word;
}

bool verb_changes(enum verb verb)
{
	return verbs[verb].changes;
}

bool verb_is_grave(enum verb verb)
{
	static const enum verb grave[] = { VERB_stop, VERB_start, VERB_restart, VERB_download,
		VERB_delete, VERB_activate, VERB_set_clock, VERB_password, VERB_force };
	for (size_t i = 0; i < sizeof grave / sizeof grave[0]; i++)
		if (grave[i] == verb)
			return true;
	return false;
}

static const struct verb_of {
	enum act_class class;
	uint32_t first, last;
	enum verb verb;
} table[] = {
#define UNKNOWN_OF(class, word)
#define VERB_OF(class, first, last, word) { ACT_##class, first, last, VERB_##word },
#include "sensor/act_verbs.def"
#undef UNKNOWN_OF
#undef VERB_OF
};

static const enum verb unknown[ACT_CLASSES] = {
#define UNKNOWN_OF(class, word) [ACT_##class] = VERB_##word,
#define VERB_OF(class, first, last, word)
#include "sensor/act_verbs.def"
#undef UNKNOWN_OF
#undef VERB_OF
};

static enum act_class class_of(act_id id)
{
	return (enum act_class)((id >> 24) - 1);
}

static uint32_t code_of(act_id id)
{
	return id & 0xffffff;
}

enum verb act_verb(act_id id)
{
	uint32_t code = code_of(id);
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (table[i].class == class_of(id) && table[i].first <= code &&
			code <= table[i].last)
			return table[i].verb;
	return unknown[class_of(id)];
}

/* --- names ------------------------------------------------------------------------------- */

/* Codes of a class have the names of a field: of messages or of items. What has none is its number
 * behind the prefix. */
static const struct naming {
	const struct dissector *dissector; /* NULL: any other */
	const char *prefix;                /* of names */
	const char *bare;                  /* of numbers */
	const struct field *field;
} namings[ACT_CLASSES] = {
	[ACT_MODBUS] = { &modbus_dissector, "", "function.", &modbus_fields[MODBUS_FUNCTION] },
	[ACT_DIAGNOSTIC] = { &modbus_dissector, "diagnostics.", "diagnostics.",
		&modbus_fields[MODBUS_SUBFUNCTION] },
	[ACT_MEI] = { &modbus_dissector, "encapsulated.", "encapsulated.",
		&modbus_fields[MODBUS_MEI_TYPE] },
	[ACT_UMAS] = { &modbus_dissector, "umas.", "umas.", &modbus_fields[MODBUS_UMAS_FUNCTION] },
	[ACT_S7] = { &s7comm_dissector, "", "function.", &s7_fields[S7_FUNCTION] },
	[ACT_S7_WRITE] = { &s7comm_dissector, "write_var.", "write_var.",
		&s7_item_fields[S7I_AREA] },
	[ACT_S7_PI] = { &s7comm_dissector, "pi_service.", "pi_service.",
		&s7_fields[S7_PI_OPERATION] },
	[ACT_S7_MODE] = { &s7comm_dissector, "mode_transition.", "mode_transition.", NULL },
	[ACT_S7_PLUS] = { &s7comm_plus_dissector, "", "function.", &s7p_fields[S7P_FUNCTION] },
	[ACT_S7_PLUS_OPERATION] = { &s7comm_plus_dissector, "operation.", "operation.",
		&s7p_fields[S7P_OPERATION] },
	[ACT_DNP3] = { &dnp3_dissector, "", "function.", &dnp3_fields[DNP3_FUNCTION] },
	[ACT_DNP3_READ] = { &dnp3_dissector, "read.", "read.", &dnp3_item_fields[DNP3_ITEM_GROUP] },
	[ACT_DNP3_WRITE] = { &dnp3_dissector, "write.", "write.",
		&dnp3_item_fields[DNP3_ITEM_GROUP] },
	[ACT_DNP3_OPEN] = { &dnp3_dissector, "open_file.", "open_file.",
		&dnp3_fields[DNP3_FILE_MODE] },
	[ACT_DNP3_LINK] = { &dnp3_dissector, "link.", "link.", &dnp3_fields[DNP3_LINK_FUNCTION] },
	[ACT_OTHER] = { NULL, "function.", "function.", NULL },
};

static const char *name_of(const struct naming *n, uint32_t code)
{
	const struct code_name *c = n->field == NULL ? NULL : n->field->codes;
	for (; c != NULL && c->name != NULL; c++)
		if (c->code == code)
			return c->name;
	return NULL;
}

void act_print(act_id id, char out[ACT_TEXT])
{
	const struct naming *n = &namings[class_of(id)];
	const char *name = name_of(n, code_of(id));
	if (name != NULL)
		snprintf(out, ACT_TEXT, "%s%s", n->prefix, name);
	else
		snprintf(out, ACT_TEXT, "%s%" PRIu32, n->bare, code_of(id));
}

static bool is_other(const struct dissector *d)
{
	for (unsigned i = 0; i < ACT_CLASSES; i++)
		if (namings[i].dissector == d)
			return false;
	return true;
}

/* Digits and nothing else, of 24 bits. */
static bool parse_number(const char *text, uint32_t *out)
{
	char *end;
	if (*text < '0' || *text > '9')
		return false;
	unsigned long n = strtoul(text, &end, 10);
	*out = (uint32_t)n;
	return *end == '\0' && n <= 0xffffff;
}

static bool code_named(const struct naming *n, const char *text, uint32_t *code)
{
	const struct code_name *c = n->field == NULL ? NULL : n->field->codes;
	size_t len = strlen(n->prefix), bare = strlen(n->bare);
	if (strncmp(text, n->prefix, len) == 0)
		for (; c != NULL && c->name != NULL; c++)
			if (strcmp(c->name, text + len) == 0) {
				*code = c->code;
				return true;
			}
	return strncmp(text, n->bare, bare) == 0 && parse_number(text + bare, code) &&
	       name_of(n, *code) == NULL;
}

act_id act_parse(const struct dissector *d, const char *text)
{
	uint32_t code;
	for (unsigned i = 0; i < ACT_CLASSES; i++) {
		const struct naming *n = &namings[i];
		if ((n->dissector == d || (n->dissector == NULL && is_other(d))) &&
			code_named(n, text, &code))
			return ACT_ID(i, code);
	}
	return 0;
}
