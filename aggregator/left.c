/* left.c - what left, what would leave now, and whether the ledger is whole. */
#include "aggregator/left.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregator/digest.h"
#include "aggregator/ledger.h"
#include "aggregator/link.h"

/* "24h" and the like; false: it is not of that form. */
static bool ago(const char *text, int64_t now_s, int64_t *since_s)
{
	static const struct {
		char unit;
		int64_t s;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	int64_t n = 0;
	unsigned digits = 0;
	for (; *text >= '0' && *text <= '9' && digits < 9; text++, digits++)
		n = n * 10 + (*text - '0');
	if (digits == 0 || text[0] == '\0' || text[1] != '\0')
		return false;
	for (unsigned i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (units[i].unit == text[0]) {
			*since_s = now_s - n * units[i].s;
			return true;
		}
	}
	return false;
}

static bool date(const char *text, int64_t *since_s)
{
	static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M",
		"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S" };
	for (unsigned i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, forms[i], &tm);
		if (end != NULL && *end == '\0') {
			*since_s = (int64_t)timegm(&tm);
			return true;
		}
	}
	return false;
}

bool left_since(const char *text, int64_t now_s, int64_t *since_s, struct err *err)
{
	return ago(text, now_s, since_s) || date(text, since_s) ||
	       err_set(err, "%s: say 24h, 7d, or a date like 2026-11-23 (UTC)", text);
}

bool left_print(
	struct store *s, const char *since, int64_t now_s, bool json, FILE *out, struct err *err)
{
	int64_t since_s;
	if (!left_since(since, now_s, &since_s, err))
		return false;
	return ledger_print(s, since_s, json, out) ||
	       err_set(err, "the ledger cannot be read: %s", store_why(s));
}

/* One line of what would leave, as it would leave. */
static void print_line(const char *line, size_t len, bool json, FILE *out)
{
	if (json) {
		fprintf(out, "%.*s\n", (int)len, line);
		return;
	}
	struct frame f;
	struct err err = { 0 };
	if (frame_read(&f, line, len, &err) == FRAME_GOOD)
		fprintf(out, "  %s, %zu bytes: %.*s\n", frame_type_name(f.type), len, (int)len,
			line);
	frame_free(&f);
}

/* What waits, the open window included: the store is a copy. */
bool left_dry_run(struct node *n, struct now now, bool json, FILE *out)
{
	if (n->digest != NULL)
		digest_close(n, now, true);
	for (unsigned i = 0; i < n->links; i++) {
		struct link_post post;
		struct link *l = n->link[i];
		bool any = link_preview(l, now, &post);
		if (!json)
			fprintf(out, "to %s (%s link, level %u): %u frames, %zu bytes\n",
				link_parent(l), link_counts(l) ? "count" : "view", link_level(l),
				post.frames, post.len);
		for (size_t at = 0; any && at < post.len;) {
			const char *line = post.body + at;
			size_t len = (size_t)((char *)memchr(line, '\n', post.len - at) - line);
			print_line(line, len, json, out);
			at += len + 1;
		}
		struct link_state s;
		link_state(l, &s);
		if (!json && s.waiting > (int64_t)post.frames)
			fprintf(out, "  (of %" PRId64 " windows that wait)\n", s.waiting);
		link_post_free(&post);
	}
	if (n->links == 0 && !json)
		fprintf(out, "this node has no parent: nothing leaves\n");
	return !ferror(out);
}

bool left_verify(struct store *s, const char *folder, FILE *out)
{
	struct err err = { 0 };
	int64_t lines = 0;
	bool good = ledger_verify_folder(s, folder, &lines, &err);
	if (good)
		fprintf(out,
			"the ledger is whole: %" PRId64 " lines, each the one that was "
			"written, none missing\n",
			lines);
	else
		fprintf(out, "%s\n(the %" PRId64 " lines before are as they were written)\n",
			err.text, lines);
	return good;
}
