/* rule_report.c - which rules fired, how often, at what cost; which are dead. */
#include "sensor/rule_impl.h"

#include <stdio.h>
#include <stdlib.h>

struct line {
	const struct rule *rule;
	const struct tally *tally;
	double ns; /* estimated for all times it was asked, from those timed */
};

static int by_held(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	if (x->tally->held != y->tally->held)
		return x->tally->held < y->tally->held ? 1 : -1;
	return (x->rule->index > y->rule->index) - (x->rule->index < y->rule->index);
}

static struct line *lines_of(const struct rule_run *run)
{
	const struct rules *r = run->rules;
	struct line *lines = calloc(r->count + 1, sizeof *lines);
	if (lines == NULL)
		abort();
	for (size_t i = 0; i < r->count; i++) {
		const struct tally *t = &run->tally[i];
		lines[i] = (struct line){ .rule = &r->rule[i]->rule, .tally = t };
		if (t->timed > 0)
			lines[i].ns = (double)t->timed_ns / (double)t->timed * (double)t->asked;
	}
	qsort(lines, r->count, sizeof *lines, by_held);
	return lines;
}

/* Does it name roles, zones or names while the configuration has none? */
static bool needs_site(const struct rules *r, const struct node *n)
{
	if (n->kind == NODE_TERM)
		return n->term->ref.kind == KIND_LABEL &&
		       r->labels[label_table(n->term->ref.index)].count <= 1;
	bool needs = false;
	for (uint32_t i = 0; n->kind != NODE_QUICK && i < n->count; i++)
		needs |= needs_site(r, n->child[i]);
	return needs;
}

static size_t print_silent(FILE *out, const struct rules *r, const struct line *lines, bool site)
{
	size_t count = 0;
	for (size_t i = 0; i < r->count; i++) {
		const struct line *l = &lines[i];
		if (l->tally->held > 0 || needs_site(r, compiled_of(l->rule)->root) != site)
			continue;
		count++;
		if (out != NULL)
			fprintf(out, "%10s %12llu %10.3f %10u  %s (%s)\n", "-",
				(unsigned long long)l->tally->asked, l->ns / 1e6, l->rule->sid,
				l->rule->title, l->rule->place);
	}
	return count;
}

void rules_report(const struct rule_run *run, void *file)
{
	FILE *out = file;
	const struct rules *r = run->rules;
	struct line *lines = lines_of(run);
	size_t dead = 0;
	fprintf(out, "%10s %12s %10s %10s  %s\n", "fired", "asked", "cost ms", "sid", "rule");
	for (size_t i = 0; i < r->count; i++) {
		const struct line *l = &lines[i];
		if (l->tally->held == 0) {
			dead++;
			continue;
		}
		fprintf(out, "%10llu %12llu %10.3f %10u  %s (%s)\n",
			(unsigned long long)l->tally->held, (unsigned long long)l->tally->asked,
			l->ns / 1e6, l->rule->sid, l->rule->title, l->rule->place);
	}
	fprintf(out, "%zu of %zu rules fired over %llu messages", r->count - dead, r->count,
		(unsigned long long)run->events);
	if (run->hits_cut > 0)
		fprintf(out, "; %llu hits beyond the bound of one message",
			(unsigned long long)run->hits_cut);
	if (run->items_cut > 0)
		fprintf(out, "; %llu messages with more items than are asked",
			(unsigned long long)run->items_cut);
	if (regex_run_given_up(run->regex) > 0)
		fprintf(out, "; %llu searches given up at their bound",
			(unsigned long long)regex_run_given_up(run->regex));
	fprintf(out, "\n%zu dead:\n", print_silent(NULL, r, lines, false));
	print_silent(out, r, lines, false);
	size_t site = print_silent(NULL, r, lines, true);
	if (site > 0) {
		fprintf(out, "%zu wait for roles, zones or names of the configuration:\n", site);
		print_silent(out, r, lines, true);
	}
	free(lines);
}

void rules_report_json(const struct rule_run *run, void *file)
{
	FILE *out = file;
	struct line *lines = lines_of(run);
	char memory[4096];
	fprintf(out,
		"{\"messages\":%llu,\"hits_cut\":%llu,\"items_cut\":%llu,\"searches_given_up\":%"
		"llu,\"rules\":[",
		(unsigned long long)run->events, (unsigned long long)run->hits_cut,
		(unsigned long long)run->items_cut,
		(unsigned long long)regex_run_given_up(run->regex));
	for (size_t i = 0; i < run->rules->count; i++) {
		struct buf b = buf_over(memory, sizeof memory);
		const struct rule *rule = lines[i].rule;
		buf_printf(&b, "%s{\"sid\":%u,\"id\":\"%s\",\"title\":", i == 0 ? "" : ",",
			rule->sid, rule->id);
		buf_json_string(&b, rule->title, strlen(rule->title), 256);
		buf_lit(&b, ",\"place\":");
		buf_json_string(&b, rule->place, strlen(rule->place), 512);
		buf_printf(&b,
			",\"service\":\"%s\",\"fired\":%llu,\"asked\":%llu,\"cost_ns\":%.0f}",
			rule->service, (unsigned long long)lines[i].tally->held,
			(unsigned long long)lines[i].tally->asked, lines[i].ns);
		fwrite(b.at, 1, b.len, out);
	}
	fputs("]}\n", out);
	free(lines);
}
