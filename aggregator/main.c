/* main.c - bongsu-aggregator(8). */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregator/api.h"
#include "aggregator/enrol.h"
#include "aggregator/frame.h"
#include "aggregator/left.h"
#include "aggregator/notice_cli.h"
#include "aggregator/now.h"
#include "aggregator/pki.h"
#include "aggregator/report.h"
#include "aggregator/run.h"

#define DEFAULT_CONFIG "/etc/bongsu/aggregator.yaml"

static const char usage[] =
	"Usage: bongsu-aggregator [-c FILE] [--set KEY=VALUE]… [-q] COMMAND …\n"
	"\n"
	"  run                                       runs this tier (also without a command)\n"
	"  left [--since 24h] [--json] [--dry-run]   what left this site, to whom, with receipts\n"
	"  verify                                    whether the release ledger is whole\n"
	"  status [--json]                           links, children, the balance\n"
	"  token --role R --name N [--org ID]        a token for the API\n"
	"  enroll …   notice …   pack …              each explains itself without arguments\n"
	"\n"
	"  -c, --config FILE     default " DEFAULT_CONFIG "\n"
	"      --set KEY=VALUE   a setting over the file\n"
	"  -T, --test            check the configuration and exit\n"
	"      --dump-config     write the settings in force and exit\n"
	"      --fields          the members that frames may hold, as a table\n"
	"  -q, --quiet           say warnings alone\n"
	"  -V, --version         -h, --help\n";

enum { OPT_SET = 256, OPT_DUMP, OPT_FIELDS };

struct options {
	char *config;
	struct text_list sets;
	bool quiet, test, dump, fields;
};

/* --- signals ----------------------------------------------------------------------------- */

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

/* --- options ----------------------------------------------------------------------------- */

/* False: exit with *status. */
static bool parse(struct options *o, int argc, char **argv, int *status)
{
	static const struct option longs[] = { { "config", required_argument, NULL, 'c' },
		{ "set", required_argument, NULL, OPT_SET }, { "quiet", no_argument, NULL, 'q' },
		{ "test", no_argument, NULL, 'T' }, { "dump-config", no_argument, NULL, OPT_DUMP },
		{ "fields", no_argument, NULL, OPT_FIELDS }, { "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	int c;
	*status = STATUS_OK;
	/* "+": what follows the command is the command's */
	while ((c = getopt_long(argc, argv, "+c:qTVh", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case OPT_SET:
			text_list_keep(&o->sets, optarg);
			break;
		case 'q':
			o->quiet = true;
			break;
		case 'T':
			o->test = true;
			break;
		case OPT_DUMP:
			o->dump = true;
			break;
		case OPT_FIELDS:
			o->fields = true;
			break;
		case 'V':
			printf("bongsu-aggregator %s\n", BONGSU_VERSION);
			return false;
		case 'h':
			fputs(usage, stdout);
			return false;
		default:
			fputs("Try --help.\n", stderr);
			*status = STATUS_USAGE;
			return false;
		}
	}
	return true;
}

static bool read_config(struct agg_config *c, const struct options *o)
{
	struct text_list faults = { 0 };
	const char *path = o->config;
	agg_config_init(c);
	if (path == NULL && access(DEFAULT_CONFIG, R_OK) == 0)
		path = DEFAULT_CONFIG;
	if (path != NULL)
		agg_config_load(c, path, &faults);
	for (size_t i = 0; i < o->sets.count; i++)
		agg_config_set(c, o->sets.text[i], &faults);
	for (size_t i = 0; i < faults.count; i++)
		fprintf(stderr, "%s\n", faults.text[i]);
	bool good = faults.count == 0;
	text_list_free(&faults);
	return good;
}

/* --- commands on the store ----------------------------------------------------------------- */

static bool open_identity(
	const struct agg_config *c, struct pki **p, struct node_identity *id, struct err *err)
{
	*p = pki_open(c->folder, err);
	return *p != NULL && pki_identity(*p, id, err);
}

static int failed(const struct err *err)
{
	fprintf(stderr, "bongsu-aggregator: %s\n", err->text);
	return STATUS_FAILED;
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

/* Some subcommands need no identity yet. */
static int notice_command(const struct agg_config *c, int argc, char **argv)
{
	if (argc > 0 && strcmp(argv[0], "keygen") == 0)
		return notice_main(NULL, argc, argv);
	if (argc == 0 || strcmp(argv[0], "--help") == 0) {
		fputs(notice_usage, argc == 0 ? stderr : stdout);
		return argc == 0 ? STATUS_USAGE : STATUS_OK;
	}
	return with_node(c, argc, argv, notice_main);
}

static int pack_command(const struct agg_config *c, int argc, char **argv)
{
	if (argc > 0 && strcmp(argv[0], "sign") == 0)
		return pack_main(NULL, argc, argv);
	if (argc == 0 || strcmp(argv[0], "--help") == 0) {
		fputs(pack_usage, argc == 0 ? stderr : stdout);
		return argc == 0 ? STATUS_USAGE : STATUS_OK;
	}
	return with_node(c, argc, argv, pack_main);
}

static int token_command(const struct agg_config *c, int argc, char **argv)
{
	static const char *const known[] = { "--role=", "--name=", "--org=", NULL };
	struct cli a;
	struct err err = { 0 };
	if (!cli_read(&a, argc + 1, argv - 1, known, &err))
		return failed(&err);
	if (cli_get(&a, "--role") == NULL || cli_get(&a, "--name") == NULL) {
		fputs("token --role viewer|analyst|auditor|owner --name N [--org ID]\n", stderr);
		return STATUS_USAGE;
	}
	if (!api_token_new(c->api_tokens, cli_get(&a, "--role"), cli_get(&a, "--name"),
		    cli_get(&a, "--org"), stdout, &err))
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
	if (!cli_read(&left_args, argc + 1, argv - 1, known, &err) || left_args.plains > 0) {
		fprintf(stderr, "bongsu-aggregator: %s\n",
			err.set ? err.text : "left [--since 24h] [--json] [--dry-run]");
		return STATUS_USAGE;
	}
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
	return with_node(c, argc, argv, verify_act);
}

static int status_act(struct node *n, int argc, char **argv)
{
	bool json = argc > 0 && strcmp(argv[0], "--json") == 0;
	return report_print(n, now(), json, stdout) ? STATUS_OK : STATUS_FAILED;
}

static int status_command(const struct agg_config *c, int argc, char **argv)
{
	return with_node(c, argc, argv, status_act);
}

/* ----------------------------------------------------------------------------------------- */

static int act(const struct agg_config *c, const struct options *o, int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct agg_config *, int, char **);
	} commands[] = { { "enroll", enrol_main }, { "notice", notice_command },
		{ "pack", pack_command }, { "token", token_command }, { "left", left_command },
		{ "verify", verify_command }, { "status", status_command } };
	if (argc == 0 || strcmp(argv[0], "run") == 0) {
		catch_signals();
		return (int)run(c, o->quiet);
	}
	for (unsigned i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			return commands[i].run(c, argc - 1, argv + 1);
	fprintf(stderr, "bongsu-aggregator: %s: no such command\nTry --help.\n", argv[0]);
	return STATUS_USAGE;
}

int main(int argc, char **argv)
{
	static struct agg_config config;
	struct options o = { 0 };
	int status;
	if (parse(&o, argc, argv, &status)) {
		if (!keys_init())
			status = STATUS_FAILED;
		else if (o.fields)
			frame_describe(stdout);
		else if (!read_config(&config, &o))
			status = STATUS_CONFIG;
		else if (o.dump)
			agg_config_dump(&config, stdout);
		else if (o.test)
			fputs(o.quiet ? "" : "bongsu-aggregator: the configuration is good\n",
				stderr);
		else
			status = act(&config, &o, argc - optind, argv + optind);
		agg_config_free(&config);
	}
	text_list_free(&o.sets);
	return fflush(stdout) == 0 ? status : STATUS_FAILED;
}
