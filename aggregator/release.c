/* release.c - evidence by ticket: released here, kept there until its time is over. */
#include "aggregator/release.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/ledger.h"
#include "aggregator/link.h"
#include "aggregator/notice_cli.h"
#include "aggregator/now.h"
#include "aggregator/run.h"

enum { FILE_MOST = 45000 /* bytes: in base64 it fits a frame */, FOR_DAYS = 30 };

const char release_tables[] =
	"CREATE TABLE IF NOT EXISTS evidence(org TEXT, ep INTEGER, sq INTEGER, ticket TEXT,"
	" until_s INTEGER, data TEXT, PRIMARY KEY(org, ep, sq)) WITHOUT ROWID;";

const char release_usage[] = "release --ticket CASE --to PARENT --for 72h --by NAME FILE\n"
			     "  Lets this file (45,000 bytes at most) leave for one incident: to a "
			     "parent whose link is\n"
			     "  of level 3, which deletes it when the time is over. The ledger "
			     "keeps who released what.\n";

const char evidence_usage[] =
	"evidence                  what was released to us and is not past its time\n"
	"evidence CASE [--org ID]  writes that to standard output\n";

/* --- at the enterprise --------------------------------------------------------------------- */

static char *read_base64(const char *path, uint8_t sha[HASH], size_t *bytes, struct err *err)
{
	FILE *f = fopen(path, "rb");
	if (f == NULL) {
		err_set(err, "%s: %s", path, strerror(errno));
		return NULL;
	}
	uint8_t *data = malloc(FILE_MOST + 1);
	char *text = NULL;
	*bytes = data == NULL ? 0 : fread(data, 1, FILE_MOST + 1, f);
	fclose(f);
	if (*bytes == 0 || *bytes > FILE_MOST) {
		err_set(err, "%s: a file of 1 to %d bytes can be released", path, FILE_MOST);
	} else if ((text = malloc(base64_room(*bytes))) != NULL) {
		hash_of(data, *bytes, sha);
		base64_write(text, base64_room(*bytes), data, *bytes);
	}
	free(data);
	return text;
}

/* The parent's link as it is configured and as the store has it. */
static bool find_link(
	struct node *n, const char *parent, int64_t *row, int64_t *counts, struct err *err)
{
	const struct agg_parent *p = NULL;
	for (unsigned i = 0; i < n->config->parents; i++)
		if (strcmp(n->config->parent[i].org, parent) == 0)
			p = &n->config->parent[i];
	if (p == NULL)
		return err_set(err, "%s: no parent of this node", parent);
	if (p->level < 3)
		return err_set(err,
			"the link to %s is of level %" PRIu64 ": evidence leaves at level 3 alone",
			parent, p->level);
	struct query *q = store_query(n->store, "SELECT id, counts FROM link WHERE parent = ?1");
	bind_text(q, parent);
	bool found = query_row(q);
	*row = found ? row_int(q, 0) : 0;
	*counts = found ? row_int(q, 1) : 0;
	query_done(q);
	return found || err_set(err, "%s: the link has not been up yet", parent);
}

/* Would this be a frame? Its ticket and time are judged by the table. */
static bool is_frame(const struct node *n, const char *parent, const json_t *body, struct err *err)
{
	static const uint8_t zeros[HASH];
	struct frame_head h = { .type = FRAME_EVIDENCE,
		.org = n->org,
		.to = parent,
		.count = true,
		.id = { 1, 1 },
		.pv = zeros };
	size_t len;
	char *line = frame_make(&h, body, &n->key, &len, NULL, err);
	free(line);
	return line != NULL;
}

/* Beside a running daemon: it takes what waits with its next turn. */
static bool put(struct node *n, int64_t row, int64_t counts, const char *parent, const json_t *body,
	const json_t *what)
{
	size_t len;
	char *text = json_write(body, &len);
	store_begin(n->store);
	struct query *q = store_query(
		n->store, "INSERT INTO link_wait VALUES(NULL, ?1, 0, ?2, 0, 0, 3, ?3, ?4)");
	bind_int(q, row);
	bind_int(q, WAITING_EVIDENCE);
	bind_int(q, counts);
	bind_blob(q, text, len);
	query_run(q);
	ledger_add(n, now(), "released", parent, what, NULL, 0);
	bool good = store_commit(n->store);
	ledger_sync(n);
	free(text);
	return good;
}

static bool release(struct node *n, const struct cli *a, struct err *err)
{
	const char *ticket = cli_get(a, "--ticket"), *parent = cli_get(a, "--to");
	const char *by = cli_get(a, "--by"), *time = cli_get(a, "--for");
	int64_t now_s = now().wall_ms / 1000, until, row = 0, counts = 0;
	uint8_t sha[HASH];
	char hex[HASH_HEX];
	size_t bytes;
	if (!cli_time(time, now_s, &until, err) || !find_link(n, parent, &row, &counts, err))
		return false;
	if (until <= now_s || until > now_s + (int64_t)FOR_DAYS * 86400)
		return err_set(err, "--for: up to %d days from now", FOR_DAYS);
	char *data = read_base64(a->plain[0], sha, &bytes, err);
	if (data == NULL)
		return false;
	hash_hex(sha, hex);
	json_t *body = json_pack("{s:i, s:s, s:I, s:s}", "lvl", 3, "ticket", ticket, "until",
		(json_int_t)until, "data", data);
	json_t *what = json_pack("{s:s, s:s, s:I, s:s, s:I}", "ticket", ticket, "by", by, "until",
		(json_int_t)until, "sha256", hex, "size", (json_int_t)bytes);
	free(data);
	bool good = (body != NULL && what != NULL) || err_set(err, "--by: not text");
	good = good && is_frame(n, parent, body, err) &&
	       (put(n, row, counts, parent, body, what) || err_set(err, "%s", store_why(n->store)));
	json_decref(body);
	json_decref(what);
	return good;
}

static int failed(const struct err *err)
{
	fprintf(stderr, "bongsu-aggregator: %s\n", err->text);
	return err->usage ? STATUS_USAGE : STATUS_FAILED;
}

int release_main(struct node *n, int argc, char **argv)
{
	static const char *const known[] = { "--ticket=", "--to=", "--for=", "--by=", NULL };
	struct cli a;
	struct err err = { 0 };
	if (!cli_read(&a, argc + 1, argv - 1, known, &err))
		return failed(&err);
	if (a.plains != 1 || a.options != 4) {
		cli_wrong(&err, "release: --ticket, --to, --for, --by and a file");
		return failed(&err);
	}
	if (!release(n, &a, &err))
		return failed(&err);
	fputs("released: it leaves with what is sent next\n", stderr);
	return STATUS_OK;
}

/* --- at the parent ------------------------------------------------------------------------- */

void release_keep(struct node *n, const struct frame *f)
{
	struct query *q = store_query(
		n->store, "INSERT OR REPLACE INTO evidence VALUES(?1, ?2, ?3, ?4, ?5, ?6)");
	bind_text(q, f->org);
	bind_int(q, (int64_t)f->id.ep);
	bind_int(q, (int64_t)f->id.sq);
	bind_text(q, json_text_of(f->json, "ticket"));
	bind_int(q, json_int_of(f->json, "until", 0));
	bind_text(q, json_text_of(f->json, "data"));
	query_run(q);
}

void release_tidy(struct node *n, struct now now)
{
	struct query *q = store_query(n->store, "DELETE FROM evidence WHERE until_s < ?1");
	bind_int(q, now.wall_ms / 1000);
	query_run(q);
}

static void print_data(const char *text, FILE *out)
{
	size_t len = strlen(text), n;
	uint8_t *data = malloc(len + 1);
	if (data != NULL && base64_read(text, len, data, len + 1, &n))
		fwrite(data, 1, n, out);
	free(data);
}

int evidence_main(struct node *n, int argc, char **argv)
{
	static const char *const known[] = { "--org=", NULL };
	struct cli a;
	struct err err = { 0 };
	unsigned found = 0;
	if (!cli_read(&a, argc + 1, argv - 1, known, &err))
		return failed(&err);
	if (a.plains > 1) {
		cli_wrong(&err, "evidence: one case at a time");
		return failed(&err);
	}
	const char *org = cli_get(&a, "--org") == NULL ? "" : cli_get(&a, "--org");
	const char *ticket = a.plains == 0 ? "" : a.plain[0];
	struct query *q = store_query(n->store,
		"SELECT org, ticket, until_s, data FROM evidence WHERE until_s >= ?1 AND"
		" (?2 = '' OR ticket = ?2) AND (?3 = '' OR org = ?3) ORDER BY org, ep, sq");
	bind_int(q, now().wall_ms / 1000);
	bind_text(q, ticket);
	bind_text(q, org);
	for (; query_row(q); found++) {
		if (a.plains == 1)
			print_data(row_text(q, 3), stdout);
		else
			printf("%s of %s, until %" PRId64 ", %zu bytes\n", row_text(q, 1),
				row_text(q, 0), row_int(q, 2), strlen(row_text(q, 3)) / 4 * 3);
	}
	query_done(q);
	return found > 0 || a.plains == 0 ? STATUS_OK : STATUS_FAILED;
}
