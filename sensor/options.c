/* options.c - habits of Suricata, tcpdump and jq users. */
#include "sensor/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sensor/build_info.h"
#include "sensor/command.h"

static const char usage[] =
	"usage: bongsu-sensor -r FILE|DIR [-r …] [options] [BPF filter]   replay captures\n"
	"       bongsu-sensor -i IF [-i …] [options] [BPF filter]         watch a mirror port\n"
	"\n"
	"  -r FILE|DIR      replay: pcap or pcapng; - reads stdin\n"
	"  -i IF            live capture; never sends a packet\n"
	"  -c FILE          configuration (default: /etc/bongsu/sensor.yaml if it exists)\n"
	"  -S PATH          only these rules (file or folder); repeatable\n"
	"  -s PATH          these rules as well; repeatable\n"
	"  -o SINK          where events go; repeatable: - (stdout), file:PATH, syslog:,\n"
	"                   "
	"redis://HOST:PORT?key=K&mode=stream|list|channel&user=U&password-file=F,\n"
	"                   redis+unix:///PATH?key=…, rediss://…\n"
	"  -T               check configuration and rules, then exit\n"
	"  -F FILE          BPF filter from a file (or as trailing words)\n"
	"  -k none          ignore checksums\n"
	"  --set key=value  override one setting; repeatable\n"
	"  --pdus PATH|-    one JSON line for every PDU\n"
	"  --events LIST    also these events: flow,stats,modbus,s7comm,dnp3,…\n"
	"  --rule-report    after a replay: which rules fired, how often, at what cost, which are "
	"dead\n"
	"  --speed X|pcap   replay at X times the capture's own speed\n"
	"  --threads N      workers (one, for now)\n"
	"  --user U --group G --pidfile F   for daemons\n"
	"  --list-fields  --list-protocols  --dump-config  --build-info\n"
	"  --quiet  -v  -V  -h\n"
	"\n"
	"exit status: 0 ok, 1 run-time failure, 2 usage, 3 configuration or rules invalid,\n"
	"             4 capture or privilege failure, 5 input damaged (what came before was "
	"processed)\n"
	"signals:     USR2 reloads rules and baselines, HUP reopens files, USR1 prints counters, "
	"TERM drains and "
	"stops\n";

enum long_option {
	OPT_SET = 256,
	OPT_PDUS,
	OPT_EVENTS,
	OPT_RULE_REPORT,
	OPT_SPEED,
	OPT_THREADS,
	OPT_USER,
	OPT_GROUP,
	OPT_PIDFILE,
	OPT_LIST_FIELDS,
	OPT_LIST_PROTOCOLS,
	OPT_DUMP_CONFIG,
	OPT_BUILD_INFO,
	OPT_QUIET,
};

static const struct option long_options[] = {
	{ "set", required_argument, NULL, OPT_SET },
	{ "pdus", required_argument, NULL, OPT_PDUS },
	{ "events", required_argument, NULL, OPT_EVENTS },
	{ "rule-report", no_argument, NULL, OPT_RULE_REPORT },
	{ "speed", required_argument, NULL, OPT_SPEED },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "user", required_argument, NULL, OPT_USER },
	{ "group", required_argument, NULL, OPT_GROUP },
	{ "pidfile", required_argument, NULL, OPT_PIDFILE },
	{ "list-fields", no_argument, NULL, OPT_LIST_FIELDS },
	{ "list-protocols", no_argument, NULL, OPT_LIST_PROTOCOLS },
	{ "dump-config", no_argument, NULL, OPT_DUMP_CONFIG },
	{ "build-info", no_argument, NULL, OPT_BUILD_INFO },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void print_usage(const struct command *of)
{
	if (of != NULL) {
		fputs(of->usage, stdout);
		return;
	}
	fputs(usage, stdout);
	for (size_t i = 0; commands[i] != NULL; i++)
		printf("%s%-12s %s\n", i == 0 ? "commands:    " : "             ",
			commands[i]->name, commands[i]->sentence);
}

static bool refuse(const char *what, const char *value)
{
	fprintf(stderr, "bongsu-sensor: %s%s (try -h)\n", what, value);
	return false;
}

static void keep_text(char **to, const char *text)
{
	free(*to);
	*to = strdup(text);
}

static bool read_filter(struct options *o, const char *path)
{
	FILE *f = fopen(path, "r");
	char text[8192];
	if (f == NULL)
		return refuse("cannot read the filter file ", path);
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	if (n == sizeof text - 1)
		return refuse("filter file too long: ", path);
	text[n] = '\0';
	keep_text(&o->filter, text);
	return true;
}

static bool read_speed(struct options *o, const char *text)
{
	char *end;
	o->speed = strcmp(text, "pcap") == 0 ? 1 : strtod(text, &end);
	if (strcmp(text, "pcap") != 0 && (*end != '\0' || !(o->speed > 0) || o->speed > 1e6))
		return refuse("--speed is a number above 0 or pcap, not ", text);
	return true;
}

static bool read_threads(struct options *o, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || n < 1 || n > 64)
		return refuse("--threads is 1 to 64, not ", text);
	o->threads = (unsigned)n;
	return true;
}

static bool read_events(struct options *o, const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, ",");
		if (n > 0)
			text_list_add(&o->events, "%.*s", (int)n, text);
		text += n + (text[n] == ',');
	}
	return true;
}

static bool read_checksums(struct options *o, const char *text)
{
	o->no_checksums = strcmp(text, "none") == 0;
	return o->no_checksums || strcmp(text, "all") == 0 ||
	       refuse("-k takes none or all, not ", text);
}

/* What an option does to struct options. */
static const struct word {
	int option;
	enum { ADDS, REPLACES, SWITCHES, ACTS, READ } how;
	size_t at; /* of the list, text or switch */
	enum action action;
	bool (*read)(struct options *o, const char *text);
} words[] = {
	// clang-format off
	{ 'r', ADDS, .at = offsetof(struct options, inputs) },
	{ 'i', ADDS, .at = offsetof(struct options, interfaces) },
	{ 'S', ADDS, .at = offsetof(struct options, rules_only) },
	{ 's', ADDS, .at = offsetof(struct options, rules_also) },
	{ 'o', ADDS, .at = offsetof(struct options, outputs) },
	{ OPT_SET, ADDS, .at = offsetof(struct options, sets) },
	{ 'c', REPLACES, .at = offsetof(struct options, config) },
	{ OPT_PDUS, REPLACES, .at = offsetof(struct options, pdus) },
	{ OPT_USER, REPLACES, .at = offsetof(struct options, user) },
	{ OPT_GROUP, REPLACES, .at = offsetof(struct options, group) },
	{ OPT_PIDFILE, REPLACES, .at = offsetof(struct options, pidfile) },
	{ 'v', SWITCHES, .at = offsetof(struct options, verbose) },
	{ OPT_QUIET, SWITCHES, .at = offsetof(struct options, quiet) },
	{ OPT_RULE_REPORT, SWITCHES, .at = offsetof(struct options, rule_report) },
	{ 'T', ACTS, .action = ACTION_TEST },
	{ OPT_LIST_FIELDS, ACTS, .action = ACTION_LIST_FIELDS },
	{ OPT_LIST_PROTOCOLS, ACTS, .action = ACTION_LIST_PROTOCOLS },
	{ OPT_DUMP_CONFIG, ACTS, .action = ACTION_DUMP_CONFIG },
	{ 'F', READ, .read = read_filter },
	{ 'k', READ, .read = read_checksums },
	{ OPT_EVENTS, READ, .read = read_events },
	{ OPT_SPEED, READ, .read = read_speed },
	{ OPT_THREADS, READ, .read = read_threads },
	// clang-format on
};

static bool take(struct options *o, const struct word *w, const char *value)
{
	void *at = (char *)o + w->at;
	switch (w->how) {
	case ADDS:
		text_list_keep(at, value);
		return true;
	case REPLACES:
		keep_text(at, value);
		return true;
	case SWITCHES:
		*(bool *)at = true;
		return true;
	case ACTS:
		o->action = w->action;
		return true;
	case READ:
		break;
	}
	return w->read(o, value);
}

/* Options that print and are done. */
static bool prints(const struct options *o, int option)
{
	if (option == 'h')
		print_usage(o->command);
	else if (option == 'V')
		build_version(stdout);
	else if (option == OPT_BUILD_INFO)
		build_info(stdout);
	else
		return false;
	return true;
}

static bool one(struct options *o, int option, const char *value, int *status)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (words[i].option == option)
			return take(o, &words[i], value);
	if (prints(o, option))
		*status = STATUS_OK;
	else
		fputs("try bongsu-sensor -h\n", stderr);
	return false;
}

/* What is left of the command line is a filter. */
static bool trailing_filter(struct options *o, int argc, char **argv)
{
	char text[8192] = "";
	size_t len = 0;
	for (int i = optind; i < argc; i++) {
		int n = snprintf(
			text + len, sizeof text - len, "%s%s", len == 0 ? "" : " ", argv[i]);
		if (n < 0 || (size_t)n >= sizeof text - len)
			return refuse("the filter is too long", "");
		len += (size_t)n;
	}
	if (len > 0 && o->filter != NULL)
		return refuse("a filter twice: -F and ", text);
	if (len > 0)
		keep_text(&o->filter, text);
	return true;
}

/* --- commands ---------------------------------------------------------------------------- */

enum { LONGS_MAX = 48 };

static bool is_of(const struct command *c, int option)
{
	if (option > 0 && option < 256)
		return c->shorts != NULL && strchr(c->shorts, option) != NULL;
	return option >= COMMAND_OPTION;
}

/* A command's own options, then those of a run that it keeps. */
static void command_longs(const struct command *c, struct option to[LONGS_MAX])
{
	size_t n = 0;
	for (const struct option *l = c->longs; l != NULL && l->name != NULL; l++)
		to[n++] = *l;
	for (const struct option *l = long_options; l->name != NULL && n < LONGS_MAX - 1; l++)
		if (l->val == OPT_SET || l->val == OPT_QUIET || l->val < 256)
			to[n++] = *l;
	to[n] = (struct option){ 0 };
}

static bool parse_command(struct options *o, int argc, char **argv, int *status)
{
	const struct command *c = o->command;
	struct option longs[LONGS_MAX];
	char shorts[64];
	int option;
	command_longs(c, longs);
	snprintf(shorts, sizeof shorts, "+%sr:i:c:S:s:F:k:vh", c->shorts == NULL ? "" : c->shorts);
	optind = 2;
	while ((option = getopt_long(argc, argv, shorts, longs, NULL)) != -1)
		if (is_of(c, option) ? !c->option(option, optarg) : !one(o, option, optarg, status))
			return false;
	o->words = argv + optind;
	o->word_count = argc - optind;
	if (c->instead != NULL && o->inputs.count == 0 && o->interfaces.count == 0)
		return true;
	return trailing_filter(o, argc, argv);
}

static bool parse_run(struct options *o, int argc, char **argv, int *status)
{
	int option;
	while ((option = getopt_long(argc, argv, "+r:i:c:S:s:o:TF:k:vVh", long_options, NULL)) !=
		-1)
		if (!one(o, option, optarg, status))
			return false;
	return trailing_filter(o, argc, argv);
}

bool options_parse(struct options *o, int argc, char **argv, int *status)
{
	*o = (struct options){ .threads = 1 };
	*status = STATUS_USAGE;
	o->command = argc > 1 ? command_named(argv[1]) : NULL;
	if (!(o->command != NULL ? parse_command : parse_run)(o, argc, argv, status))
		return false;
	if (o->inputs.count > 0 && o->interfaces.count > 0)
		return refuse("-r and -i do not go together", "");
	*status = STATUS_OK;
	return true;
}

void options_free(struct options *o)
{
	struct text_list *lists[] = { &o->inputs, &o->interfaces, &o->rules_only, &o->rules_also,
		&o->outputs, &o->events, &o->sets };
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		text_list_free(lists[i]);
	char *texts[] = { o->config, o->filter, o->pdus, o->pidfile, o->user, o->group };
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		free(texts[i]);
}
