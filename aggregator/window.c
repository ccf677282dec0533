/* window.c - counting into a document, and adding documents. */
#include "aggregator/window.h"

#include <stdlib.h>
#include <string.h>

#include "common/keys.h"

static const char *const totals[] = { "pkts", "drops", "events", "other", "alerts", "items",
	"suppressed", "sampled", "withheld" };
enum { TOTALS = sizeof totals / sizeof totals[0] };

json_t *window_new(int64_t start_s)
{
	json_t *in = json_object();
	for (unsigned i = 0; i < TOTALS; i++)
		json_object_set_new(in, totals[i], json_integer(0));
	json_object_set_new(in, "lost", json_object());
	json_t *w = json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:[], s:{}, s:{}}", "start",
		(json_int_t)start_s, "end", (json_int_t)start_s, "mono_ms", (json_int_t)0, "late",
		(json_int_t)0, "coarse_s", (json_int_t)300, "in", in, "cov", "items", "fixes");
	if (w == NULL)
		abort(); /* out of memory */
	return w;
}

static void add_to(json_t *o, const char *name, int64_t by)
{
	json_t *v = json_object_get(o, name);
	if (json_is_integer(v))
		json_integer_set(v, json_integer_value(v) + by);
	else
		json_object_set_new(o, name, json_integer(by));
}

void window_count(json_t *w, const char *name, int64_t by)
{
	add_to(json_object_get(w, "in"), name, by);
}

void window_lose(json_t *w, const char *reason, int64_t by)
{
	add_to(json_object_get(json_object_get(w, "in"), "lost"), reason, by);
}

static int64_t place(const json_t *row, size_t i)
{
	return (int64_t)json_integer_value(json_array_get(row, i));
}

/* Events come in order, so the last range of their sensor is where they belong; a few are looked
 * at. */
bool window_cover(json_t *w, int64_t sensor, int64_t epoch, int64_t from, int64_t to)
{
	json_t *cov = json_object_get(w, "cov");
	size_t n = json_array_size(cov);
	for (size_t i = n; i > 0; i--) {
		json_t *row = json_array_get(cov, i - 1);
		if (place(row, 0) != sensor || place(row, 1) != epoch)
			continue;
		if (place(row, 3) + 1 == from) {
			json_integer_set(json_array_get(row, 3), to);
			return true;
		}
		if (to + 1 == place(row, 2)) {
			json_integer_set(json_array_get(row, 2), from);
			return true;
		}
	}
	if (n >= WINDOW_COV)
		return false;
	json_array_append_new(cov, json_pack("[I,I,I,I]", (json_int_t)sensor, (json_int_t)epoch,
					   (json_int_t)from, (json_int_t)to));
	return true;
}

/* --- items ------------------------------------------------------------------------------- */

static uint32_t print_of(const char *text)
{
	uint8_t h[HASH];
	hash_of(text, strlen(text), h);
	return (uint32_t)h[0] | (uint32_t)h[1] << 8 | (uint32_t)h[2] << 16 | (uint32_t)h[3] << 24;
}

/* A bounded set of addresses: prints of all up to a bound, names of the first few. */
static void note_print(json_t *set, json_int_t print)
{
	json_t *all = json_object_get(set, "p");
	size_t n = json_array_size(all);
	for (size_t i = 0; i < n; i++)
		if (json_integer_value(json_array_get(all, i)) == print)
			return;
	if (n < WINDOW_SEEN)
		json_array_append_new(all, json_integer(print));
}

static void note_name(json_t *set, const char *name)
{
	json_t *all = json_object_get(set, "a");
	size_t n = json_array_size(all);
	for (size_t i = 0; i < n; i++)
		if (strcmp(json_string_value(json_array_get(all, i)), name) == 0)
			return;
	if (n < WINDOW_NAMED)
		json_array_append_new(all, json_string(name));
}

static void note_address(json_t *item, const char *which, const char *address)
{
	json_t *set = json_object_get(item, which);
	if (set == NULL || address == NULL || *address == '\0')
		return;
	note_print(set, (json_int_t)print_of(address));
	note_name(set, address);
}

static void note_label(json_t *item, const char *which, const char *label)
{
	json_t *all = json_object_get(item, which);
	size_t n = json_array_size(all);
	for (size_t i = 0; i < n; i++)
		if (strcmp(json_string_value(json_array_get(all, i)), label) == 0)
			return;
	if (n < WINDOW_LABELS && *label != '\0')
		json_array_append_new(all, json_string(label));
}

static json_t *new_item(const struct sighting *s)
{
	json_t *item = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:{}, "
				 "s:[], s:[], s:b, s:I, "
				 "s:{s:[],s:[]}, s:{s:[],s:[]}}",
		"sk", s->sk, "rule", s->rule, "rev", (json_int_t)s->rev, "cat", s->cat, "tech",
		s->tech, "verb", s->verb, "sev", (json_int_t)s->sev, "conf", (json_int_t)s->conf,
		"n", (json_int_t)0, "first", (json_int_t)s->at_s, "last", (json_int_t)s->at_s,
		"verdicts", "roles", "zones", "chg", 0, "ev", (json_int_t)0, "src", "p", "a", "dst",
		"p", "a");
	if (item == NULL)
		abort(); /* out of memory: every text is a word of ours */
	return item;
}

static void widen(json_t *item, int64_t first, int64_t last)
{
	if (first < json_int_of(item, "first", first))
		json_object_set_new(item, "first", json_integer(first));
	if (last > json_int_of(item, "last", last))
		json_object_set_new(item, "last", json_integer(last));
}

static void graver(json_t *item, int64_t sev, int64_t conf)
{
	if (sev < json_int_of(item, "sev", 4))
		json_object_set_new(item, "sev", json_integer(sev));
	if (conf > json_int_of(item, "conf", 0))
		json_object_set_new(item, "conf", json_integer(conf));
}

bool window_see(json_t *w, const struct sighting *s, size_t most)
{
	json_t *items = json_object_get(w, "items"), *item = json_object_get(items, s->k);
	if (item == NULL) {
		if (json_object_size(items) >= most)
			return false;
		item = new_item(s);
		json_object_set_new(items, s->k, item);
	}
	add_to(item, "n", s->count);
	if (s->verdict != NULL)
		add_to(json_object_get(item, "verdicts"), s->verdict, 1);
	widen(item, s->at_s, s->at_s);
	graver(item, s->sev, s->conf);
	note_label(item, "roles", s->roles);
	note_label(item, "zones", s->zones);
	note_address(item, "src", s->src);
	note_address(item, "dst", s->dst);
	if (s->changes)
		json_object_set(item, "chg", json_true());
	if (s->evidence && json_int_of(item, "ev", 0) < 1000000)
		add_to(item, "ev", 1);
	return true;
}

void window_settle(json_t *w, const char *k, const char *verdict, size_t most)
{
	json_t *item = json_object_get(json_object_get(w, "items"), k);
	json_t *verdicts = json_object_get(item, "verdicts");
	int64_t pending = json_int_of(verdicts, "pending", 0);
	if (pending > 0) {
		if (pending == 1)
			json_object_del(verdicts, "pending");
		else
			add_to(verdicts, "pending", -1);
		add_to(verdicts, verdict, 1);
		return;
	}
	json_t *fixes = json_object_get(w, "fixes"), *fix = json_object_get(fixes, k);
	if (fix == NULL) {
		if (json_object_size(fixes) >= most)
			return;
		fix = json_object();
		json_object_set_new(fixes, k, fix);
	}
	add_to(fix, verdict, 1);
}

/* --- adding ------------------------------------------------------------------------------ */

static void add_numbers(json_t *to, const json_t *from)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)from, key, v)
	{
		if (json_is_integer(v))
			add_to(to, key, (int64_t)json_integer_value(v));
	}
}

static void add_texts(json_t *to, const char *which, const json_t *from)
{
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(from, which), i, v)
	{
		note_label(to, which, json_string_value(v));
	}
}

static void add_set(json_t *to, const char *which, const json_t *from)
{
	const json_t *set = json_object_get(from, which);
	json_t *into = json_object_get(to, which);
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(set, "p"), i, v)
	{
		note_print(into, json_integer_value(v));
	}

	json_array_foreach(json_object_get(set, "a"), i, v)
	{
		note_name(into, json_string_value(v));
	}
}

static void add_item(json_t *items, const char *k, const json_t *from)
{
	json_t *to = json_object_get(items, k);
	if (to == NULL) {
		json_object_set_new(items, k, json_deep_copy(from));
		return;
	}
	add_to(to, "n", json_int_of(from, "n", 0));
	add_to(to, "ev", json_int_of(from, "ev", 0));
	add_numbers(json_object_get(to, "verdicts"), json_object_get(from, "verdicts"));
	widen(to, json_int_of(from, "first", 0), json_int_of(from, "last", 0));
	graver(to, json_int_of(from, "sev", 4), json_int_of(from, "conf", 0));
	add_texts(to, "roles", from);
	add_texts(to, "zones", from);
	add_set(to, "src", from);
	add_set(to, "dst", from);
	if (json_is_true(json_object_get(from, "chg")))
		json_object_set(to, "chg", json_true());
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void add_span(json_t *to, const json_t *from)
{
	int64_t start = least(json_int_of(to, "start", 0), json_int_of(from, "start", 0));
	int64_t end = most(json_int_of(to, "end", 0), json_int_of(from, "end", 0));
	json_object_set_new(to, "start", json_integer(start));
	json_object_set_new(to, "end", json_integer(end));
	json_object_set_new(to, "mono_ms",
		json_integer(most(json_int_of(to, "mono_ms", 0), json_int_of(from, "mono_ms", 0))));
	json_object_set_new(to, "coarse_s",
		json_integer(most(
			json_int_of(to, "coarse_s", 300), json_int_of(from, "coarse_s", 300))));
	add_to(to, "late", json_int_of(from, "late", 0));
	if (json_is_true(json_object_get(from, "jump")))
		json_object_set(to, "jump", json_true());
}

void window_add(json_t *to, const json_t *from)
{
	const json_t *in = json_object_get(from, "in");
	json_t *into = json_object_get(to, "in");
	const char *key;
	json_t *v;
	size_t i;
	add_span(to, from);
	add_numbers(into, in);
	add_numbers(json_object_get(into, "lost"), json_object_get(in, "lost"));
	json_array_foreach(json_object_get(from, "cov"), i, v)
	{
		if (!window_cover(to, place(v, 0), place(v, 1), place(v, 2), place(v, 3)))
			json_array_append(json_object_get(to, "cov"), v);
	}
	json_object_foreach((json_t *)json_object_get(from, "items"), key, v)
	{
		add_item(json_object_get(to, "items"), key, v);
	}

	json_object_foreach((json_t *)json_object_get(from, "fixes"), key, v)
	{
		json_t *fix = json_object_get(json_object_get(to, "fixes"), key);
		if (fix == NULL)
			json_object_set_new(json_object_get(to, "fixes"), key, json_deep_copy(v));
		else
			add_numbers(fix, v);
	}
	if (json_object_get(to, "hl") == NULL ||
		json_int_of(from, "end", 0) >= json_int_of(to, "end", 0)) {
		json_t *hl = json_object_get(from, "hl");
		if (hl != NULL)
			json_object_set(to, "hl", hl);
	}
}

void window_withhold(json_t *w)
{
	json_t *in = json_object_get(w, "in");
	json_object_set_new(in, "withheld", json_integer(json_int_of(in, "alerts", 0)));
	json_object_set_new(in, "items", json_integer(0));
	json_object_set_new(in, "suppressed", json_integer(0));
	json_object_set_new(in, "sampled", json_integer(0));
	json_object_clear(json_object_get(w, "items"));
	json_object_clear(json_object_get(w, "fixes"));
	json_object_set_new(w, "late", json_integer(0));
}

/* --- the law ----------------------------------------------------------------------------- */

bool window_holds(const json_t *w, struct err *err)
{
	const json_t *in = json_object_get(w, "in");
	int64_t events = 0, lost = 0;
	const char *key;
	json_t *v;
	size_t i;
	json_array_foreach(json_object_get(w, "cov"), i, v)
	{
		events += place(v, 3) - place(v, 2) + 1;
	}

	json_object_foreach((json_t *)json_object_get(in, "lost"), key, v)
	{
		lost += (int64_t)json_integer_value(v);
	}

	int64_t alerts = json_int_of(in, "alerts", 0);
	if (events != json_int_of(in, "events", 0) ||
		events != alerts + json_int_of(in, "other", 0) + lost)
		return err_set(err, "window: %lld events covered, %lld counted", (long long)events,
			(long long)json_int_of(in, "events", 0));
	if (alerts != json_int_of(in, "items", 0) + json_int_of(in, "suppressed", 0) +
			      json_int_of(in, "sampled", 0) + json_int_of(in, "withheld", 0))
		return err_set(err, "window: alerts are not all accounted for");
	return true;
}

const char *window_bucket(int64_t n)
{
	static const struct {
		int64_t to;
		const char *word;
	} steps[] = { { 0, "0" }, { 1, "1" }, { 2, "2" }, { 5, "3-5" }, { 10, "6-10" },
		{ 20, "11-20" }, { 50, "21-50" }, { 100, "51-100" }, { 1000, "101-1000" },
		{ 10000, "1001-10000" }, { 100000, "10001-100000" } };
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
		if (n <= steps[i].to)
			return steps[i].word;
	return "100001+";
}
