/* options.h - the command line. */
#ifndef SENSOR_OPTIONS_H
#define SENSOR_OPTIONS_H

#include <stdbool.h>

#include "common/text_list.h"

/* Exit statuses, as the man page lists them. */
enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1, /* run-time failure: something could not be delivered */
	STATUS_USAGE = 2,
	STATUS_CONFIG = 3,  /* configuration or rules invalid */
	STATUS_CAPTURE = 4, /* no such file or interface, not a capture, no permission */
	STATUS_DAMAGED = 5, /* input damaged; what came before was processed */
};

enum action {
	ACTION_RUN,
	ACTION_TEST,
	ACTION_LIST_FIELDS,
	ACTION_LIST_PROTOCOLS,
	ACTION_DUMP_CONFIG
};

struct command;

struct options {
	const struct command *command; /* or NULL */
	char **words;                  /* what stands behind a command's options */
	int word_count;
	enum action action;
	struct text_list inputs, interfaces, rules_only, rules_also, outputs, events, sets;
	char *config, *filter, *pdus, *pidfile, *user, *group;
	bool no_checksums, rule_report, quiet, verbose;
	unsigned threads;
	double speed; /* 0: as fast as it goes; 1: as captured */
};

/* Parses; on false the caller exits with *status (help and version print and give 0). */
bool options_parse(struct options *o, int argc, char **argv, int *status);
void options_free(struct options *o);

#endif
