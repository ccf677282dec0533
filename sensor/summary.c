/* summary.c - progress and closing words of a replay. */
#include "sensor/summary.h"

#include <inttypes.h>
#include <string.h>

#include "common/clock.h"
#include "sensor/rule.h"
#include "sensor/services.h"

static const struct {
	const char *path, *sentence;
	size_t offset;
} counters[] = {
#define COUNTER(id, path_, sentence_)                                                              \
	{ .path = path_, .sentence = sentence_, .offset = offsetof(struct counters, id) },
#include "sensor/counters.def"
#undef COUNTER
};
enum { COUNTERS = sizeof counters / sizeof counters[0] };

static uint64_t value(const struct counters *c, unsigned i)
{
	return *(const uint64_t *)((const char *)c + counters[i].offset);
}

void summary_counters(FILE *out, const struct counters *c)
{
	for (unsigned i = 0; i < COUNTERS; i++)
		fprintf(out, "%-32s %" PRIu64 "\n", counters[i].path, value(c, i));
}

bool summary_checksums_bad(const struct counters *c)
{
	uint64_t bad = c->bad_ip_sum + c->bad_l4_sum;
	return bad >= 10 && bad > c->packets / 2;
}

/* 1234567 as "1,234,567". */
static const char *grouped(uint64_t n, char out[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%" PRIu64, n), at = 0;
	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

static void print_pdus(FILE *out, const uint64_t *pdus)
{
	char n[32];
	const char *comma = "";
	fputs("  messages       ", out);
	for (int i = 0; services[i] != NULL; i++) {
		if (pdus[i] == 0 || services[i]->tacit)
			continue;
		fprintf(out, "%s%s %s", comma, services[i]->name, grouped(pdus[i], n));
		comma = ", ";
	}
	fputs(*comma == '\0' ? "none of a protocol spoken here\n" : "\n", out);
}

static void print_alerts(FILE *out, const struct summary *s)
{
	char n[32];
	static const char *const names[] = { "informational", "low", "medium", "high", "critical" };
	fprintf(out, "  alerts         %s", grouped(s->counters->alerts, n));
	const char *before = " (";
	for (int level = LEVEL_CRITICAL; level >= LEVEL_LOW; level--) {
		if (s->levels[level] == 0)
			continue;
		fprintf(out, "%s%s %s", before, grouped(s->levels[level], n), names[level]);
		before = ", ";
	}
	fputs(*before == ',' ? ")" : "", out);
	if (s->counters->suppressed > 0)
		fprintf(out, ", %s repeats counted into them", grouped(s->counters->suppressed, n));
	if (s->counters->silenced > 0)
		fprintf(out, "; silenced %s", grouped(s->counters->silenced, n));
	if (s->counters->maintained > 0)
		fprintf(out, "; lowered by maintenance %s", grouped(s->counters->maintained, n));
	fprintf(out, "; anomalies %s", grouped(s->counters->anomalies, n));
	if (s->counters->anomalies_held > 0)
		fprintf(out, ", %s more counted", grouped(s->counters->anomalies_held, n));
	fputc('\n', out);
}

/* Everything below "skipped." that is not zero. */
static void print_skipped(FILE *out, const struct counters *c)
{
	char n[32];
	bool any = false;
	for (unsigned i = 0; i < COUNTERS; i++) {
		if (strncmp(counters[i].path, "skipped.", 8) != 0 || value(c, i) == 0)
			continue;
		fprintf(out, "  %s %12s  %s\n", any ? "             " : "not inspected",
			grouped(value(c, i), n), counters[i].sentence);
		any = true;
	}
	if (!any)
		fputs("  not inspected  nothing: every byte was\n", out);
}

static void print_sinks(FILE *out, const struct sink_totals *t)
{
	char n[32];
	if (t->dropped > 0)
		fprintf(out, "  NOT DELIVERED  %s events were dropped\n", grouped(t->dropped, n));
	if (t->refused > 0)
		fprintf(out, "  refused        %s events\n", grouped(t->refused, n));
	if (t->spool_damaged > 0)
		fprintf(out, "  spool damaged  %s records lost\n", grouped(t->spool_damaged, n));
}

void summary_print(FILE *out, const struct summary *s)
{
	char n[32], m[32], r[32];
	double seconds = (double)s->elapsed_ns / 1e9;
	fprintf(out, "  packets        %s, %s bytes in %.2f s (%s packets/s)\n",
		grouped(s->counters->packets, n), grouped(s->counters->bytes, m), seconds,
		grouped(seconds > 0 ? (uint64_t)((double)s->counters->packets / seconds) : 0, r));
	print_pdus(out, s->pdus);
	print_alerts(out, s);
	print_skipped(out, s->counters);
	if (s->counters->kernel_drops > 0)
		fprintf(out, "  KERNEL DROPS   %s of %s packets\n",
			grouped(s->counters->kernel_drops, n),
			grouped(s->counters->kernel_packets, m));
	print_sinks(out, s->sinks);
	if (s->checksums_hint)
		fputs("  hint           most checksums are wrong: captured on a host that leaves "
		      "them to its "
		      "network card? Try -k none\n",
			out);
}

void progress_start(struct progress *p, FILE *out)
{
	*p = (struct progress){ .out = out, .start_ns = mono_ns() };
	p->told_ns = p->start_ns;
}

void progress_tell(struct progress *p, const struct counters *c, uint64_t position, uint64_t size)
{
	int64_t now = mono_ns();
	if (p->out == NULL || now - p->told_ns < 200000000)
		return;
	p->told_ns = now;
	p->shown = true;
	double seconds = (double)(now - p->start_ns) / 1e9;
	fprintf(p->out, "\r%" PRIu64 " MB", position / 1000000);
	if (size > 0 && position > 0)
		fprintf(p->out, " of %" PRIu64 ", %.0f s left", size / 1000000,
			seconds * (double)(size - (position < size ? position : size)) /
				(double)position);
	fprintf(p->out, ", %.0f packets/s, %" PRIu64 " alerts\033[K", (double)c->packets / seconds,
		c->alerts);
	fflush(p->out);
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", p->out);
	p->shown = false;
}
