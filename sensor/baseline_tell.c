/* baseline_tell.c - the service "baseline": deviations, for rules to judge. */
#include <arpa/inet.h>

#include "sensor/baseline_watch.h"

enum {
	KIND,
	NAME,
	PROTOCOL,
	UNIT,
	VERB,
	FUNCTION,
	GRAVE,
	CHANGES,
	PLACE,
	NUMBER,
	FIRST,
	LAST,
	RATE,
	LIMIT,
	EXPECTED,
	UNTIL,
	FIELDS
};

enum { EXPECTED_TEXT = 240 };

#define TEXT(name, doc)                                                                            \
	{                                                                                          \
		"baseline." name, FIELD_TEXT, NULL, doc, NULL                                      \
	}
#define UINT(name, unit, doc)                                                                      \
	{                                                                                          \
		"baseline." name, FIELD_UINT, unit, doc, NULL                                      \
	}

// clang-format off
static const char *const kind_names[DEVIATIONS] = { "new_pair", "new_unit", "new_protocol", "role_reversal", "new_verb",
	"new_function", "new_range", "rate", "forbidden", "locked", "switched", "expired" };

static const struct field fields[FIELDS] = {
	[KIND]     = TEXT("kind", "what is beyond the baseline: new_pair new_unit new_protocol role_reversal new_verb new_function new_range rate forbidden; or what becomes of it: locked switched expired"),
	[NAME]     = TEXT("name", "of the baseline that holds; absent where none does"),
	[PROTOCOL] = TEXT("protocol", "of the message"),
	[UNIT]     = UINT("unit", NULL, "the device behind the address, where the protocol has such"),
	[VERB]     = TEXT("verb", "what is done, as ics.verb of rules; absent for what only keeps a conversation going"),
	[FUNCTION] = TEXT("function", "the function or sub-function, as the baseline writes it"),
	[GRAVE]    = UINT("grave", NULL, "1: stops, starts, restarts, loads, activates, deletes, forces, sets a clock or uses a password"),
	[CHANGES]  = UINT("changes", NULL, "1: the verb changes the device"),
	[PLACE]    = TEXT("place", "where in the device, as the baseline writes it: 100-119, DB10 0-15, group12 3"),
	[NUMBER]   = UINT("number", NULL, "of the data block, file, object group or list in place"),
	[FIRST]    = UINT("first", NULL, "first register, coil, byte, point or record"),
	[LAST]     = UINT("last", NULL, "the last one"),
	[RATE]     = UINT("rate", "requests", "so far in this minute"),
	[LIMIT]    = UINT("limit", "requests", "that the baseline allows in a minute"),
	[EXPECTED] = TEXT("expected", "what the baseline holds in its place, cut where long; at the 1st, 2nd, 4th, 8th … time"),
	[UNTIL]    = TEXT("until", "when the baseline ends"),
};
// clang-format on

const struct dissector baseline_service = {
	.name = "baseline",
	.fields = fields,
	.field_count = FIELDS,
	.observed = true,
	.unit_field = UNIT + 1,
};

/* --- what was expected ------------------------------------------------------------------- */

struct list {
	char text[EXPECTED_TEXT];
	size_t len;
};

/* False: no more fits. */
static bool list_add(struct list *l, const char *word)
{
	int n = snprintf(
		l->text + l->len, sizeof l->text - l->len, "%s%s", l->len == 0 ? "" : ", ", word);
	if (n < 0 || (size_t)n >= sizeof l->text - l->len) {
		l->text[l->len] = '\0';
		return false;
	}
	l->len += (size_t)n;
	return true;
}

static bool in_list(const struct list *l, const char *word)
{
	return strstr(l->text, word) != NULL;
}

/* Who else talks to this device. */
static void list_clients(const struct baseline *b, const struct contact_key *key, struct list *l)
{
	char text[INET6_ADDRSTRLEN];
	for (uint32_t i = 0; i < b->talks; i++) {
		if (memcmp(b->talk[i].key.device.bytes, key->device.bytes, 16) != 0)
			continue;
		addr_print(&b->talk[i].key.client, text, sizeof text);
		if (!in_list(l, text) && !list_add(l, text))
			return;
	}
}

/* Units or protocols of the pair. */
static void list_pair(
	const struct baseline *b, const struct contact_key *key, bool units, struct list *l)
{
	char text[24];
	for (uint32_t i = 0; i < b->talks; i++) {
		const struct contact_key *k = &b->talk[i].key;
		if (memcmp(k->device.bytes, key->device.bytes, 16) != 0 ||
			memcmp(k->client.bytes, key->client.bytes, 16) != 0 ||
			(units && k->protocol != key->protocol))
			continue;
		snprintf(text, sizeof text, "%llu", (unsigned long long)k->unit);
		const char *word = units ? text : k->protocol->name;
		if ((units || !in_list(l, word)) && !list_add(l, word))
			return;
	}
}

static void list_deeds(const struct baseline *b, uint32_t talk, bool verbs, struct list *l)
{
	for (uint32_t i = b->talk[talk].first_deed; i != BASELINE_NOBODY; i = b->deed[i].next) {
		char name[ACT_TEXT];
		const char *word = verb_word(act_verb(b->deed[i].act));
		if (b->deed[i].decision == DECISION_NO || (verbs && word == NULL))
			continue;
		act_print(b->deed[i].act, name);
		if ((!verbs || !in_list(l, word)) && !list_add(l, verbs ? word : name))
			return;
	}
}

static void list_places(const struct baseline *b, const struct deviation *d, struct list *l)
{
	uint32_t i = baseline_deed(b, d->talk, d->act);
	for (unsigned k = 0; i != BASELINE_NOBODY && k < b->deed[i].places; k++) {
		char text[PLACE_TEXT];
		place_print(&b->deed[i].place[k], text);
		if (!list_add(l, text))
			return;
	}
}

static void put_expected(struct pdu *pdu, const struct deviation *d)
{
	const struct baseline *b = d->use->set;
	struct list l = { .len = 0 };
	if (d->kind == DEVIATION_PAIR)
		list_clients(b, d->key, &l);
	else if (d->kind == DEVIATION_UNIT || d->kind == DEVIATION_PROTOCOL)
		list_pair(b, d->key, d->kind == DEVIATION_UNIT, &l);
	else if (d->kind == DEVIATION_VERB || d->kind == DEVIATION_FUNCTION)
		list_deeds(b, d->talk, d->kind == DEVIATION_VERB, &l);
	else if (d->kind == DEVIATION_RANGE)
		list_places(b, d, &l);
	if (l.len > 0)
		pdu_copy(pdu, EXPECTED, l.text, l.len);
}

/* ----------------------------------------------------------------------------------------- */

static void put_act(struct pdu *pdu, act_id act)
{
	char name[ACT_TEXT];
	enum verb verb = act_verb(act);
	act_print(act, name);
	pdu_copy(pdu, FUNCTION, name, strlen(name));
	if (verb_word(verb) != NULL)
		pdu_cstr(pdu, VERB, verb_word(verb));
	pdu_uint(pdu, GRAVE, verb_is_grave(verb));
	pdu_uint(pdu, CHANGES, verb_changes(verb));
}

static void put_place(struct pdu *pdu, const struct act_place *p)
{
	char text[PLACE_TEXT];
	if (p->kind == 0)
		return;
	place_print(p, text);
	pdu_copy(pdu, PLACE, text, strlen(text));
	pdu_uint(pdu, NUMBER, p->number);
	pdu_uint(pdu, FIRST, p->first);
	pdu_uint(pdu, LAST, p->last);
}

static void begin(struct pdu *pdu, const struct deviation *d)
{
	observation(pdu, &baseline_service, kind_names[d->kind]);
	pdu_cstr(pdu, KIND, kind_names[d->kind]);
	if (d->use != NULL)
		pdu_cstr(pdu, NAME, d->use->name);
}

void baseline_tell(const struct watch *w, const struct deviation *d, const struct event *e)
{
	struct pdu pdu;
	begin(&pdu, d);
	pdu_cstr(&pdu, PROTOCOL, d->key->protocol->name);
	if (d->key->protocol->unit_field != 0)
		pdu_uint(&pdu, UNIT, d->key->unit);
	if (d->act != 0)
		put_act(&pdu, d->act);
	put_place(&pdu, &d->place);
	if (d->kind == DEVIATION_RATE) {
		pdu_uint(&pdu, RATE, d->rate);
		pdu_uint(&pdu, LIMIT, d->use->set->talk[d->talk].rate);
	}
	if (d->expects)
		put_expected(&pdu, d);
	watch_observe_of(w, e, &pdu);
}

void baseline_tell_life(const struct watch *w, const struct deviation *d, struct stamp at)
{
	static const struct endpoint nobody = { .ip.family = 4,
		.ip.bytes = { [10] = 0xff, [11] = 0xff } };
	struct flow ends;
	struct pdu pdu;
	begin(&pdu, d);
	if (d->use != NULL && d->use->until_ns != INT64_MAX) {
		char text[WHEN_TEXT];
		when_print(d->use->until_ns, text);
		pdu_copy(&pdu, UNTIL, text, strlen(text));
	}
	watch_ends(w, &ends, &nobody, NULL, at);
	watch_observe(w, &ends, 0, at, &pdu, NULL);
}
