/* toy.h - a protocol that exists only in tests, and events of it written as text. */
#ifndef TESTS_UNIT_TOY_H
#define TESTS_UNIT_TOY_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sensor/rule.h"

enum {
	TOY_NUMBER,
	TOY_CODE,
	TOY_SIGNED,
	TOY_REAL,
	TOY_TEXT,
	TOY_OTHER,
	TOY_BYTES,
	TOY_WHEN,
	TOY_FIELDS
};
enum { TOY_INDEX, TOY_VALUE, TOY_LABEL, TOY_ITEM_FIELDS };

static const struct code_name toy_codes[] = { { 1, "read_coils" }, { 5, "write_coil" },
	{ 16, "write_many" }, { 0, NULL } };

static const struct field toy_fields[] = {
	{ "toy.number", FIELD_UINT, NULL, "a number", NULL },
	{ "toy.code", FIELD_UINT, NULL, "a number with names", toy_codes },
	{ "toy.signed", FIELD_INT, NULL, "a signed number", NULL },
	{ "toy.real", FIELD_REAL, "V", "a real number", NULL },
	{ "toy.text", FIELD_TEXT, NULL, "a text", NULL },
	{ "toy.other", FIELD_TEXT, NULL, "another text", NULL },
	{ "toy.bytes", FIELD_BYTES, NULL, "bytes", NULL },
	{ "toy.when", FIELD_UINT, "ms since 1970", "a time", NULL },
};
static const struct field toy_item_fields[] = {
	{ "toy.item.index", FIELD_UINT, NULL, "which", NULL },
	{ "toy.item.value", FIELD_REAL, NULL, "how much", NULL },
	{ "toy.item.label", FIELD_TEXT, NULL, "what it is called", NULL },
};

enum { TOY_ITEMS = 64, TOY_PULLED_AT = 0 };
static size_t toy_pulled; /* items given out so far */

struct toy_items {
	struct item item[TOY_ITEMS];
	size_t count;
};

static bool toy_next_item(struct item_cursor *c, struct item *out)
{
	const struct toy_items *items = (const void *)c->bytes.at;
	if (c->scratch[TOY_PULLED_AT] == items->count)
		return false;
	*out = items->item[c->scratch[TOY_PULLED_AT]++];
	toy_pulled++;
	return true;
}

static const struct dissector toy_dissector = {
	.name = "toy",
	.fields = toy_fields,
	.item_fields = toy_item_fields,
	.field_count = TOY_FIELDS,
	.item_field_count = TOY_ITEM_FIELDS,
	.next_item = toy_next_item,
	.numbers = UINT64_C(1) << TOY_WHEN,
};
static const struct field alien_fields[] = { { "alien.number", FIELD_UINT, NULL, "a number",
	NULL } };
static const struct dissector alien_dissector = {
	.name = "alien", .fields = alien_fields, .field_count = 1
};
static const struct dissector *const toy_dissectors[] = { &toy_dissector, &alien_dissector, NULL };

static const char *const toy_roles[] = { NULL, "engineering", "hmi", "master" };
static const char *const toy_zones[] = { NULL, "cell_1", "cell_2", "office" };
static const char *const toy_names[] = { NULL, "Boiler PLC", "Pump" };

struct toy_event {
	struct event e;
	struct flow flow;
	struct pdu pdu;
	struct toy_items items;
	char text[1024]; /* what texts borrow */
};

static inline void toy_addr(struct addr *a, const char *text)
{
	memset(a, 0, sizeof *a);
	if (inet_pton(AF_INET, text, a->bytes + 12) == 1) {
		a->bytes[10] = a->bytes[11] = 0xff;
		a->family = 4;
	} else if (inet_pton(AF_INET6, text, a->bytes) == 1)
		a->family = 6;
	else
		abort();
}

static inline void toy_header(struct toy_event *t, unsigned field, char *value)
{
	switch (toy_fields[field].type) {
	case FIELD_UINT:
		pdu_uint(&t->pdu, field, strtoull(value, NULL, 10));
		break;
	case FIELD_INT:
		pdu_int(&t->pdu, field, strtoll(value, NULL, 10));
		break;
	case FIELD_REAL:
		pdu_real(&t->pdu, field, strtod(value, NULL));
		break;
	case FIELD_TEXT:
		pdu_borrow(&t->pdu, field, value, strlen(value));
		break;
	default:
		for (size_t i = 0; value[i] != '\0'; i += 2) { /* hex, made bytes in place */
			char two[3] = { value[i], value[i + 1], '\0' };
			value[i / 2] = (char)strtoul(two, NULL, 16);
			pdu_borrow(&t->pdu, field, value, i / 2 + 1);
		}
	}
}

static inline enum outcome_of toy_outcome(const char *name)
{
	static const char *const names[] = { "pending", "accepted", "rejected", "unanswered",
		"no_reply_by_spec", "unobserved", "orphan_reply", "none" };
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], name) == 0)
			return (enum outcome_of)i;
	abort();
}

static inline void toy_envelope(struct toy_event *t, const char *name, char *value)
{
	struct flow *f = &t->flow;
	uint16_t n = (uint16_t)strtoul(value, NULL, 10);
	if (strcmp(name, "src") == 0)
		toy_addr(&f->end[0].ip, value);
	else if (strcmp(name, "dst") == 0)
		toy_addr(&f->end[1].ip, value);
	else if (strcmp(name, "sport") == 0)
		f->end[0].port = n;
	else if (strcmp(name, "dport") == 0)
		f->end[1].port = n;
	else if (strcmp(name, "mac") == 0) {
		f->end[0].has_mac = true;
		for (int i = 0; i < 6; i++)
			f->end[0].mac[i] = (uint8_t)strtoul(value + i * 3, NULL, 16);
	} else if (strcmp(name, "vlan") == 0)
		f->vlan[f->vlans++] = n;
	else if (strcmp(name, "srole") == 0)
		f->role[0] = n;
	else if (strcmp(name, "szone") == 0)
		f->zone[0] = n;
	else if (strcmp(name, "dzone") == 0)
		f->zone[1] = n;
	else if (strcmp(name, "dname") == 0)
		f->name[1] = n;
	else if (strcmp(name, "client") == 0)
		f->client = (uint8_t)n;
	else if (strcmp(name, "dir") == 0)
		t->pdu.dir = n;
	else if (strcmp(name, "pcode") == 0)
		t->pdu.code = n;
	else if (strcmp(name, "flags") == 0)
		t->pdu.flags = n;
	else if (strcmp(name, "malformed") == 0)
		t->pdu.malformed = value;
	else if (strcmp(name, "ms") == 0)
		t->e.at.ts_ns = strtoll(value, NULL, 10) * 1000000;
	else if (strcmp(name, "verdict") == 0)
		t->e.verdict.outcome = toy_outcome(value);
	else if (strcmp(name, "vcode") == 0) {
		t->e.verdict.has_code = true;
		t->e.verdict.code = n;
	} else if (strcmp(name, "vtext") == 0)
		t->e.verdict.text = value;
	else if (strcmp(name, "vms") == 0)
		t->e.verdict.latency_ns = strtoll(value, NULL, 10) * 1000000;
	else
		abort();
}

static inline void toy_word(struct toy_event *t, char *word)
{
	char *value = strchr(word, '=');
	if (value == NULL) {
		if (strcmp(word, "|") != 0)
			abort();
		t->items.item[t->items.count++].present = 0;
		return;
	}
	*value++ = '\0';
	for (unsigned i = 0; i < TOY_FIELDS; i++)
		if (strcmp(toy_fields[i].name + strlen("toy."), word) == 0) {
			toy_header(t, i, value);
			return;
		}
	for (unsigned i = 0; i < TOY_ITEM_FIELDS; i++)
		if (strcmp(toy_item_fields[i].name + strlen("toy.item."), word) == 0) {
			struct item *it = &t->items.item[t->items.count - 1];
			if (i == TOY_INDEX)
				item_uint(it, i, strtoull(value, NULL, 10));
			else if (i == TOY_VALUE)
				item_real(it, i, strtod(value, NULL));
			else
				item_borrow(it, i, value, strlen(value));
			return;
		}
	toy_envelope(t, word, value);
}

static inline void toy_ready(struct toy_event *t)
{
	memset(t, 0, sizeof *t);
	pdu_init(&t->pdu);
	t->pdu.dissector = &toy_dissector;
	t->pdu.name = "toy_message";
	t->flow.l4 = L4_TCP;
	toy_addr(&t->flow.end[0].ip, "10.0.0.5");
	toy_addr(&t->flow.end[1].ip, "10.0.0.10");
	t->flow.end[0].port = 40000;
	t->flow.end[1].port = 502;
	t->e = (struct event){ .flow = &t->flow,
		.pdu = &t->pdu,
		.verdict = { .outcome = VERDICT_NONE, .latency_ns = -1 } };
	t->pdu.items.dissector = &toy_dissector;
	t->pdu.items.pdu = &t->pdu;
	t->pdu.items.bytes = rd_over((const uint8_t *)&t->items, sizeof t->items);
}

/* "number=5 text=abc src=10.0.0.5 | index=1 value=2 | index=2": header and envelope, then items.
 * '_' in a text stands for a blank. */
static inline void toy_make(struct toy_event *t, const char *spec)
{
	toy_ready(t);
	snprintf(t->text, sizeof t->text, "%s", spec);
	char *save = NULL;
	for (char *w = strtok_r(t->text, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		toy_word(t, w);
}

#endif
