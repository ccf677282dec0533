/* command.c - the commands of bongsu-aggregator(8), each beside a running daemon or before there is
 * one. */
#include "aggregator/command.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregator/api.h"
#include "aggregator/enrol.h"
#include "aggregator/folder.h"
#include "aggregator/left.h"
#include "aggregator/notice_cli.h"
#include "aggregator/now.h"
#include "aggregator/pki.h"
#include "aggregator/release.h"
#include "aggregator/report.h"
#include "aggregator/run.h"

/* --- on identity and store --------------------------------------------------------------- */

static bool open_identity(
	const struct agg_config *c, struct pki **p, struct node_identity *id, struct err *err)
{
	*p = pki_open(c->folder, err);
	return *p != NULL && pki_identity(*p, id, err);
}

static int failed(const struct err *err)
{
	fprintf(stderr, "bongsu-aggregator: %s\n", err->text);
	return err->usage ? STATUS_USAGE : STATUS_FAILED;
}

static int failed_wrong(struct err *err, const char *why)
{
	cli_wrong(err, "%s", why);
	return failed(err);
}

/* Beside a running daemon. */
static int with_node(
	const struct agg_config *c, int argc, char **argv, int (*act)(struct node *, int, char **))
{
	static struct node n;
	struct node_identity id = { 0 };
	struct pki *p = NULL;
	struct err err = { 0 };
	int status = STATUS_REFUSED;
	n = (struct node){ 0 };
	if (!open_identity(c, &p, &id, &err) || !node_peek(&n, c, &id, now(), &err)) {
		fprintf(stderr, "bongsu-aggregator: %s\n", err.text);
	} else {
		status = act(&n, argc, argv);
		node_close(&n);
	}
	pki_close(p);
	return status;
}

/* Making a key needs no identity yet. */
static int notice_command(const struct agg_config *c, int argc, char **argv)
{
	if (strcmp(argv[0], "keygen") == 0)
		return notice_main(NULL, argc, argv);
	return with_node(c, argc, argv, notice_main);
}

static int pack_command(const struct agg_config *c, int argc, char **argv)
{
	if (strcmp(argv[0], "sign") == 0)
		return pack_main(NULL, argc, argv);
	return with_node(c, argc, argv, pack_main);
}

static int token_command(const struct agg_config *c, int argc, char **argv)
{
	static const char *const known[] = { "--role=", "--name=", "--org=", "--expires=", NULL };
	struct cli a;
	struct err err = { 0 };
	char folder[4200];
	if (!cli_read(&a, argc + 1, argv - 1, known, &err))
		return failed(&err);
	if (a.plains > 0 || cli_get(&a, "--role") == NULL || cli_get(&a, "--name") == NULL)
		return failed_wrong(&err, "token: --role and --name are needed, and no more words");
	const char *expires = cli_get(&a, "--expires");
	int64_t until_s = 0, now_s = now().wall_ms / 1000;
	if (expires != NULL && !cli_time(expires, now_s, &until_s, &err))
		return failed(&err);
	if (expires != NULL && until_s <= now_s)
		return failed_wrong(&err, "--expires: that is past");
	snprintf(folder, sizeof folder, "%s", c->api_tokens == NULL ? "" : c->api_tokens);
	char *slash = strrchr(folder, '/');
	if (slash != NULL && slash != folder)
		*slash = '\0';
	if (!folder_become_owner(folder, &err))
		return failed(&err);
	if (!api_token_new(c->api_tokens, cli_get(&a, "--role"), cli_get(&a, "--name"),
		    cli_get(&a, "--org"), until_s, stdout, &err))
		return failed(&err);
	return STATUS_OK;
}

/* What would leave is found on a copy: the daemon's own store is not touched. */
static int dry_run(const struct agg_config *c, bool json)
{
	static struct node n;
	struct node_identity id = { 0 };
	struct pki *p = NULL;
	struct err err = { 0 };
	struct store *live = NULL;
	char path[4200], copy[4300];
	snprintf(path, sizeof path, "%s/chain.db", c->folder);
	snprintf(copy, sizeof copy, "%s/dry-run.db", c->folder);
	unlink(copy);
	n = (struct node){ 0 };
	struct store_options look = { .path = path, .look = true }, so = { .path = copy };
	bool good = open_identity(c, &p, &id, &err) &&
		    store_open(&live, &look, &err) != STORE_FAILED && store_copy(live, copy, &err);
	store_close(live);
	if (good && node_open(&n, c, &id, &so, now(), &err)) {
		good = left_dry_run(&n, now(), json, stdout);
		node_close(&n);
	} else {
		good = false;
	}
	unlink(copy);
	for (unsigned i = 0; i < 2; i++) {
		char part[4310];
		snprintf(part, sizeof part, "%s%s", copy, i == 0 ? "-wal" : "-shm");
		unlink(part);
	}
	pki_close(p);
	return good ? STATUS_OK : failed(&err);
}

static int release_command(const struct agg_config *c, int argc, char **argv)
{
	return with_node(c, argc, argv, release_main);
}

static int evidence_command(const struct agg_config *c, int argc, char **argv)
{
	return with_node(c, argc, argv, evidence_main);
}

static struct cli left_args;

static int left_act(struct node *n, int argc, char **argv)
{
	struct err err = { 0 };
	const char *since = cli_get(&left_args, "--since");
	(void)argc;
	(void)argv;
	if (left_print(n->store, since == NULL ? "24h" : since, now().wall_ms / 1000,
		    cli_get(&left_args, "--json") != NULL, stdout, &err))
		return STATUS_OK;
	return failed(&err);
}

static int left_command(const struct agg_config *c, int argc, char **argv)
{
	static const char *const known[] = { "--since=", "--json", "--dry-run", NULL };
	struct err err = { 0 };
	if (!cli_read(&left_args, argc + 1, argv - 1, known, &err))
		return failed(&err);
	if (left_args.plains > 0)
		return failed_wrong(&err, "left: no words but options");
	if (cli_get(&left_args, "--dry-run") != NULL)
		return dry_run(c, cli_get(&left_args, "--json") != NULL);
	return with_node(c, argc, argv, left_act);
}

static int verify_act(struct node *n, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return left_verify(n->store, n->config->folder, stdout) ? STATUS_OK : STATUS_FAILED;
}

static int verify_command(const struct agg_config *c, int argc, char **argv)
{
	struct err err = { 0 };
	if (argc > 0)
		return failed_wrong(&err, "verify: nothing more is needed");
	return with_node(c, argc, argv, verify_act);
}

static int status_act(struct node *n, int argc, char **argv)
{
	bool json = argc > 0;
	(void)argv;
	return report_print(n, now(), json, stdout) ? STATUS_OK : STATUS_FAILED;
}

static int status_command(const struct agg_config *c, int argc, char **argv)
{
	struct err err = { 0 };
	if (argc > 1 || (argc == 1 && strcmp(argv[0], "--json") != 0))
		return failed_wrong(&err, "status: --json is all that can be said");
	return with_node(c, argc, argv, status_act);
}

/* --- running ----------------------------------------------------------------------------- */

static void on_signal(int number)
{
	if (number == SIGHUP)
		wishes.reload = 1;
	else
		wishes.stop = 1;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* ----------------------------------------------------------------------------------------- */

static const char run_usage[] =
	"run\n"
	"  Runs this tier until SIGTERM or SIGINT; SIGHUP reads certificates, revocations and\n"
	"  tokens again. Without a command it runs too.\n";
static const char left_usage[] =
	"left [--since 24h] [--json] [--dry-run]\n"
	"  Every byte that left this site: when, to whom, what it said, and the parent's signed\n"
	"  receipt. --since takes 30m, 24h, 7d or a date like 2026-11-23 (UTC); --json writes a\n"
	"  line an entry with the text itself; --dry-run shows what would leave now instead.\n";
static const char verify_usage[] =
	"verify\n"
	"  Whether the ledger of what left is whole; exit status 1 where a line was altered or\n"
	"  is missing.\n";
static const char status_usage[] =
	"status [--json]\n"
	"  Sensors, links to parents, children, the balance and the latest alarms.\n";
static const char token_usage[] =
	"token --role viewer|analyst|auditor|owner --name N [--org ID] [--expires 90d]\n"
	"  Prints a token for the HTTP API and puts its hash into the file api.tokens; an owner\n"
	"  is one of the organisation --org. Without --expires it is good until its line goes.\n";

static const struct command {
	const char *name;
	int (*act)(const struct agg_config *, int, char **); /* NULL: run */
	const char *usage, *line;
	bool bare; /* it says something without more words */
} commands[] = {
	{ "run", NULL, run_usage, "runs this tier (also without a command)", true },
	{ "status", status_command, status_usage, "links, children, the balance, alarms", true },
	{ "left", left_command, left_usage, "what left this site, to whom, with receipts", true },
	{ "verify", verify_command, verify_usage, "whether the ledger of that is whole", true },
	{ "release", release_command, release_usage,
		"lets a file leave for one incident, at level 3", false },
	{ "evidence", evidence_command, evidence_usage, "what children released to us", true },
	{ "enroll", enrol_main, enrol_usage, "joins a chain; at a parent: lets children join",
		false },
	{ "notice", notice_command, notice_usage, "warnings and notices, and their answers",
		false },
	{ "pack", pack_command, pack_usage, "rule packs and indicator sets", false },
	{ "token", token_command, token_usage, "a token for the HTTP API", false },
};

static const struct command *find(const char *name)
{
	for (unsigned i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

void command_list(FILE *out)
{
	for (unsigned i = 0; i < sizeof commands / sizeof commands[0]; i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].line);
}

bool command_help(int argc, char **argv)
{
	const struct command *c = argc > 1 ? find(argv[0]) : NULL;
	for (int i = 1; c != NULL && i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(c->usage, stdout);
			return true;
		}
	}
	return false;
}

int command_act(const struct agg_config *c, bool quiet, int argc, char **argv)
{
	const struct command *cmd = find(argc == 0 ? "run" : argv[0]);
	if (cmd == NULL) {
		const char *names[sizeof commands / sizeof commands[0] + 1] = { 0 };
		for (unsigned i = 0; i < sizeof commands / sizeof commands[0]; i++)
			names[i] = commands[i].name;
		const char *near = text_nearest(argv[0], names);
		fprintf(stderr, "bongsu-aggregator: %s: no such command%s%s%s\nTry --help.\n",
			argv[0], near == NULL ? "" : " (did you mean ", near == NULL ? "" : near,
			near == NULL ? "" : "?)");
		return STATUS_USAGE;
	}
	bool words = argc > 1;
	if ((words && cmd->act == NULL) || (!words && !cmd->bare)) {
		fputs(cmd->usage, stderr);
		return STATUS_USAGE;
	}
	if (cmd->act != NULL)
		return cmd->act(c, argc - 1, argv + 1);
	catch_signals();
	return (int)run(c, quiet);
}
