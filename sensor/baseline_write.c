/* baseline_write.c - a baseline as YAML for people, and what a day adds to one. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/settings.h"
#include "sensor/baseline.h"
#include "sensor/site.h"

void addr_print(const struct addr *a, char *out, size_t cap)
{
	bool four = a->family == 4;
	if (inet_ntop(four ? AF_INET : AF_INET6, a->bytes + (four ? 12 : 0), out, (socklen_t)cap) ==
		NULL)
		snprintf(out, cap, "?");
}

/* --- order ------------------------------------------------------------------------------- */

static int by_talk(const void *a, const void *b)
{
	const struct contact *x = *(const struct contact *const *)a,
			     *y = *(const struct contact *const *)b;
	int d = memcmp(x->key.device.bytes, y->key.device.bytes, 16);
	if (d == 0)
		d = dissector_index(x->key.protocol) - dissector_index(y->key.protocol);
	if (d == 0)
		d = (x->key.unit > y->key.unit) - (x->key.unit < y->key.unit);
	return d != 0 ? d : memcmp(x->key.client.bytes, y->key.client.bytes, 16);
}

static int by_act(const void *a, const void *b)
{
	const struct deed *x = *(const struct deed *const *)a, *y = *(const struct deed *const *)b;
	return (x->act > y->act) - (x->act < y->act);
}

/* The caller frees; NULL without memory. */
static const struct contact **sorted_talks(const struct baseline *b)
{
	const struct contact **t = calloc((size_t)b->talks + 1, sizeof *t);
	for (uint32_t i = 0; t != NULL && i < b->talks; i++)
		t[i] = &b->talk[i];
	if (t != NULL)
		qsort(t, b->talks, sizeof *t, by_talk);
	return t;
}

static const struct deed **sorted_deeds(
	const struct baseline *b, const struct contact *t, size_t *count)
{
	size_t n = 0;
	for (uint32_t i = t->first_deed; i != BASELINE_NOBODY; i = b->deed[i].next)
		n++;
	const struct deed **d = calloc(n + 1, sizeof *d);
	*count = d == NULL ? 0 : n;
	n = 0;
	for (uint32_t i = t->first_deed; d != NULL && i != BASELINE_NOBODY; i = b->deed[i].next)
		d[n++] = &b->deed[i];
	if (d != NULL)
		qsort(d, n, sizeof *d, by_act);
	return d;
}

/* --- deeds ------------------------------------------------------------------------------- */

static bool is_grave(const struct deed *d)
{
	return d->decision != DECISION_NONE;
}

static void write_places(const struct deed *d, FILE *out)
{
	char text[PLACE_TEXT];
	if (d->anywhere) {
		fputs("any", out);
		return;
	}
	fputc('[', out);
	for (unsigned i = 0; i < d->places; i++) {
		place_print(&d->place[i], text);
		fprintf(out, "%s%s", i == 0 ? "" : ", ", text);
	}
	fputc(']', out);
}

static void write_seen(const struct deed *d, FILE *out)
{
	const char *word = verb_word(act_verb(d->act));
	fprintf(out, "   # %s%s%" PRIu64 " times", word == NULL ? "" : word,
		word == NULL ? "" : ", ", d->seen);
	if (is_grave(d)) {
		char when[WHEN_TEXT];
		when_print(d->last_ns, when);
		fprintf(out, ", last %s", when);
	}
	if (d->widened)
		fprintf(out, "; more than %d ranges, so they were joined: narrow it", DEED_PLACES);
}

static void write_deed(const struct deed *d, unsigned indent, bool seen, FILE *out)
{
	static const char *const answers[] = {
		[DECISION_ASK] = "ask", [DECISION_NO] = "no", [DECISION_YES] = "yes"
	};
	char name[ACT_TEXT];
	act_print(d->act, name);
	fprintf(out, "%*s%s: ", (int)indent, "", name);
	if (is_grave(d))
		fprintf(out, "{allow: %s}", answers[d->decision]);
	else
		write_places(d, out);
	if (seen)
		write_seen(d, out);
	fputc('\n', out);
}

static size_t write_deeds(const struct baseline *b, const struct contact *t, bool grave,
	unsigned indent, bool seen, FILE *out)
{
	size_t count, done = 0;
	const struct deed **d = sorted_deeds(b, t, &count);
	for (size_t i = 0; i < count; i++) {
		if (is_grave(d[i]) != grave)
			continue;
		if (done++ == 0)
			fprintf(out, "%*s%s:\n", (int)indent, "", grave ? "decide" : "allow");
		write_deed(d[i], indent + 2, seen, out);
	}
	free(d);
	return done;
}

/* --- talks ------------------------------------------------------------------------------- */

static const char *called(const struct site *site, const struct addr *a)
{
	struct flow f = { .end[0].ip = *a, .end[1].ip = *a };
	if (site == NULL)
		return NULL;
	site_facts((struct site *)(uintptr_t)site, &f);
	return f.name[0] != 0   ? site->names.label[f.name[0]]
	       : f.role[0] != 0 ? site->roles.label[f.role[0]]
				: NULL;
}

static void write_addr(const char *key, const struct addr *a, const struct site *site, FILE *out)
{
	char text[INET6_ADDRSTRLEN];
	const char *name = called(site, a);
	addr_print(a, text, sizeof text);
	fprintf(out, "%s: \"%s\"", key, text);
	if (name != NULL) {
		fputs("   # ", out);
		settings_dump_text(out, name); /* quoted: no line ends in it */
	}
	fputc('\n', out);
}

/* As YAML, at most three digits and so many noughts: nobody cares for 137. */
static uint64_t rate_of(const struct contact *t)
{
	uint64_t rate = t->busiest * RATE_HEADROOM;
	uint64_t step = rate >= 1000 ? 100 : 10;
	rate = (rate + step - 1) / step * step;
	return rate < RATE_LEAST ? RATE_LEAST : rate;
}

static void write_talk(const struct baseline *b, const struct contact *t, const struct site *site,
	unsigned indent, bool seen, FILE *out)
{
	fprintf(out, "%*s- ", (int)indent, "");
	write_addr("client", &t->key.client, site, out);
	fprintf(out, "%*s  ", (int)indent, "");
	write_addr("device", &t->key.device, site, out);
	fprintf(out, "%*s  protocol: %s\n", (int)indent, "", t->key.protocol->name);
	if (t->key.protocol->unit_field != 0)
		fprintf(out, "%*s  unit: %" PRIu64 "\n", (int)indent, "", t->key.unit);
	uint64_t rate = seen ? rate_of(t) : t->rate;
	if (rate > 0)
		fprintf(out, "%*s  rate: %" PRIu64, (int)indent, "", rate);
	if (seen) {
		fprintf(out, "   # a minute; busiest %" PRIu64 ", %" PRIu64 " in all", t->busiest,
			t->seen);
		if (t->refused > 0)
			fprintf(out, ", %" PRIu64 " of them refused", t->refused);
	}
	if (rate > 0)
		fputc('\n', out);
	size_t n = write_deeds(b, t, false, indent + 2, seen, out);
	n += write_deeds(b, t, true, indent + 2, seen, out);
	if (n == 0)
		fprintf(out, "%*s  allow: {}\n", (int)indent, "");
}

static void write_talks(
	const struct baseline *b, const struct site *site, unsigned indent, bool seen, FILE *out)
{
	const struct contact **t = sorted_talks(b);
	fprintf(out, "%*stalks:%s\n", (int)indent, "", b->talks == 0 || t == NULL ? " []" : "");
	for (uint32_t i = 0; t != NULL && i < b->talks; i++)
		write_talk(b, t[i], site, indent + 2, seen, out);
	free(t);
}

void baseline_dump(const struct baseline *b, unsigned indent, FILE *out)
{
	write_talks(b, NULL, indent, false, out);
}

static uint64_t to_decide(const struct baseline *b)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < b->deeds; i++)
		n += b->deed[i].decision == DECISION_ASK;
	return n;
}

void baseline_write(const struct baseline *b, const struct site *site, FILE *out)
{
	char first[WHEN_TEXT] = "-", last[WHEN_TEXT] = "-";
	if (b->seen > 0) {
		when_print(b->first_ns, first);
		when_print(b->last_ns, last);
	}
	fprintf(out,
		"# What is normal here, as bongsu-sensor learned it from %s to %s:\n"
		"# %" PRIu64 " requests and unasked reports in %" PRIu32 " conversations, %" PRIu64
		" refused by the device.\n"
		"# Read it, strike what should not be, then name this file under baseline: of the\n"
		"# configuration. What was read with at most %d places between is one range; what "
		"was\n"
		"# written is taken exactly. Data blocks of one make, at least %d used at the "
		"same\n"
		"# bytes, are DB10-19 4-8; those read in more than %d places, as pictures are "
		"opened,\n"
		"# are DB10-19.\n",
		first, last, b->seen, b->talks, b->refused, PLACE_GAP, BLOCKS_ALIKE, BLOCKS_ALIKE);
	if (to_decide(b) > 0)
		fprintf(out,
			"# %" PRIu64 " to decide: under decide: write yes or no in place of ask. "
			"Until then this file is refused.\n",
			to_decide(b));
	if (b->lost > 0)
		fprintf(out, "# NOT ALL: %" PRIu64 " requests found no room (limits.talks).\n",
			b->lost);
	fputs("name: ", out);
	settings_dump_text(out, b->name == NULL ? "run" : b->name);
	fputc('\n', out);
	write_talks(b, site, 0, true, out);
}

/* --- difference -------------------------------------------------------------------------- */

static void print_talk(const char *mark, const struct contact *t, FILE *out)
{
	char client[INET6_ADDRSTRLEN], device[INET6_ADDRSTRLEN];
	addr_print(&t->key.client, client, sizeof client);
	addr_print(&t->key.device, device, sizeof device);
	fprintf(out, "%s %s -> %s %s", mark, client, device, t->key.protocol->name);
	if (t->key.protocol->unit_field != 0)
		fprintf(out, " unit %" PRIu64, t->key.unit);
	fputs(": ", out);
}

static void print_deed(const char *mark, const struct contact *t, const struct deed *d, FILE *out)
{
	const char *word = verb_word(act_verb(d->act));
	char name[ACT_TEXT];
	act_print(d->act, name);
	print_talk(mark, t, out);
	fprintf(out, "%s%s%s%s", name, word == NULL ? "" : " (", word == NULL ? "" : word,
		word == NULL ? "" : ")");
	if (is_grave(d)) {
		fputs(" to decide", out);
	} else if (d->places > 0 || d->anywhere) {
		fputc(' ', out);
		write_places(d, out);
	}
}

/* Places of @d that @known does not reach. */
static size_t diff_places(
	const struct contact *t, const struct deed *known, const struct deed *d, FILE *out)
{
	size_t n = 0;
	char name[ACT_TEXT], text[PLACE_TEXT];
	act_print(d->act, name);
	for (unsigned i = 0; i < d->places; i++) {
		if (deed_reaches(known, &d->place[i]))
			continue;
		place_print(&d->place[i], text);
		print_talk("+", t, out);
		fprintf(out, "%s at %s\n", name, text);
		n++;
	}
	if (d->anywhere && !known->anywhere) {
		print_talk("+", t, out);
		fprintf(out, "%s anywhere\n", name);
		n++;
	}
	return n;
}

static size_t diff_deeds(const struct baseline *b, const struct baseline *day, uint32_t known,
	const struct contact *t, FILE *out)
{
	size_t count, n = 0;
	const struct deed **d = sorted_deeds(day, t, &count);
	for (size_t i = 0; i < count; i++) {
		uint32_t found = known == BASELINE_NOBODY ? BASELINE_NOBODY
							  : baseline_deed(b, known, d[i]->act);
		if (found != BASELINE_NOBODY) {
			const struct deed *of = &b->deed[found];
			if (of->decision == DECISION_NO) {
				print_deed("+", t, d[i], out);
				fprintf(out, ", decided no, %" PRIu64 " times\n", d[i]->seen);
				n++;
			} else {
				n += is_grave(d[i]) ? 0 : diff_places(t, of, d[i], out);
			}
			continue;
		}
		print_deed("+", t, d[i], out);
		fprintf(out, ", %" PRIu64 " times\n", d[i]->seen);
		n++;
	}
	free(d);
	return n;
}

static size_t diff_talk(
	const struct baseline *b, const struct baseline *day, const struct contact *t, FILE *out)
{
	uint32_t known = baseline_talk(b, &t->key);
	size_t n = diff_deeds(b, day, known, t, out);
	if (known != BASELINE_NOBODY && b->talk[known].rate > 0 &&
		t->busiest > b->talk[known].rate) {
		print_talk("+", t, out);
		fprintf(out, "%" PRIu64 " in a minute, beyond %" PRIu64 "\n", t->busiest,
			b->talk[known].rate);
		n++;
	}
	return n;
}

size_t baseline_diff(const struct baseline *b, const struct baseline *day, FILE *out)
{
	size_t n = 0;
	const struct contact **t = sorted_talks(day);
	for (uint32_t i = 0; t != NULL && i < day->talks; i++)
		n += diff_talk(b, day, t[i], out);
	free(t);
	t = sorted_talks(b);
	for (uint32_t i = 0; t != NULL && i < b->talks; i++)
		if (baseline_talk(day, &t[i]->key) == BASELINE_NOBODY) {
			print_talk("-", t[i], out);
			fputs("not seen\n", out);
		}
	free(t);
	return n;
}
