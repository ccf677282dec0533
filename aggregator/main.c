/* main.c - bongsu-aggregator(8). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregator/command.h"
#include "aggregator/frame.h"
#include "common/keys.h"
#include "aggregator/run.h"

#define DEFAULT_CONFIG "/etc/bongsu/aggregator.yaml"

static const char usage[] =
	"Usage: bongsu-aggregator [-c FILE] [--set KEY=VALUE]… [-q] COMMAND …\n"
	"One tier of a chain of monitoring centres: enterprise, park, group, province, nation.\n"
	"\n";
static const char usage_options[] =
	"\n"
	"  -c, --config FILE     default " DEFAULT_CONFIG "\n"
	"      --set KEY=VALUE   a setting over the file\n"
	"  -T, --test            check the configuration and exit\n"
	"      --dump-config     write the settings in force and exit\n"
	"      --fields          the members that frames may hold, as a table\n"
	"  -q, --quiet           say warnings alone\n"
	"  -V, --version         -h, --help\n"
	"\n"
	"COMMAND --help explains a command. The manual page is bongsu-aggregator(8).\n";

enum { OPT_SET = 256, OPT_DUMP, OPT_FIELDS };

struct options {
	char *config;
	struct text_list sets;
	bool quiet, test, dump, fields;
};

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
			command_list(stdout);
			fputs(usage_options, stdout);
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
	if (path == NULL && access(DEFAULT_CONFIG, F_OK) == 0)
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

int main(int argc, char **argv)
{
	static struct agg_config config;
	struct options o = { 0 };
	int status;
	if (parse(&o, argc, argv, &status) && !command_help(argc - optind, argv + optind)) {
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
			status = command_act(&config, o.quiet, argc - optind, argv + optind);
		agg_config_free(&config);
	}
	text_list_free(&o.sets);
	return fflush(stdout) == 0 ? status : STATUS_FAILED;
}
