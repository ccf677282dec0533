/* options.c - habits of Suricata, tcpdump and jq users. */
#include "sensor/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sensor/build_info.h"

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
	"signals:     USR2 reloads rules, HUP reopens files, USR1 prints counters, TERM drains and "
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

static void read_events(struct options *o, const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, ",");
		if (n > 0)
			text_list_add(&o->events, "%.*s", (int)n, text);
		text += n + (text[n] == ',');
	}
}

static bool one(struct options *o, int option, const char *value, int *status)
{
	switch (option) {
	case 'r':
		text_list_keep(&o->inputs, value);
		return true;
	case 'i':
		text_list_keep(&o->interfaces, value);
		return true;
	case 'c':
		keep_text(&o->config, value);
		return true;
	case 'S':
		text_list_keep(&o->rules_only, value);
		return true;
	case 's':
		text_list_keep(&o->rules_also, value);
		return true;
	case 'o':
		text_list_keep(&o->outputs, value);
		return true;
	case 'T':
		o->action = ACTION_TEST;
		return true;
	case 'F':
		return read_filter(o, value);
	case 'k':
		o->no_checksums = strcmp(value, "none") == 0;
		return o->no_checksums || strcmp(value, "all") == 0 ||
		       refuse("-k takes none or all, not ", value);
	case 'v':
		o->verbose = true;
		return true;
	case OPT_SET:
		text_list_keep(&o->sets, value);
		return true;
	case OPT_PDUS:
		keep_text(&o->pdus, value);
		return true;
	case OPT_EVENTS:
		read_events(o, value);
		return true;
	case OPT_RULE_REPORT:
		o->rule_report = true;
		return true;
	case OPT_SPEED:
		return read_speed(o, value);
	case OPT_THREADS:
		return read_threads(o, value);
	case OPT_USER:
		keep_text(&o->user, value);
		return true;
	case OPT_GROUP:
		keep_text(&o->group, value);
		return true;
	case OPT_PIDFILE:
		keep_text(&o->pidfile, value);
		return true;
	case OPT_LIST_FIELDS:
		o->action = ACTION_LIST_FIELDS;
		return true;
	case OPT_LIST_PROTOCOLS:
		o->action = ACTION_LIST_PROTOCOLS;
		return true;
	case OPT_DUMP_CONFIG:
		o->action = ACTION_DUMP_CONFIG;
		return true;
	case OPT_QUIET:
		o->quiet = true;
		return true;
	case 'h':
		fputs(usage, stdout);
		break;
	case 'V':
		build_version(stdout);
		break;
	case OPT_BUILD_INFO:
		build_info(stdout);
		break;
	default:
		fputs("try bongsu-sensor -h\n", stderr);
		return false;
	}
	*status = STATUS_OK;
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

/* Words that are commands of their own, not a filter; their issue brings them. */
static bool is_later(const char *word)
{
	static const char *const later[] = { "learn", "assets", "ledger" };
	for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
		if (strcmp(word, later[i]) == 0)
			return true;
	return false;
}

bool options_parse(struct options *o, int argc, char **argv, int *status)
{
	int option;
	*o = (struct options){ .threads = 1 };
	*status = STATUS_USAGE;
	if (argc > 1 && is_later(argv[1]))
		return refuse("this version does not have the command ", argv[1]);
	while ((option = getopt_long(argc, argv, "+r:i:c:S:s:o:TF:k:vVh", long_options, NULL)) !=
		-1)
		if (!one(o, option, optarg, status))
			return false;
	if (!trailing_filter(o, argc, argv))
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
