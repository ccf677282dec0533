/* command.h - bongsu-sensor COMMAND …: a word before the options that asks one question of a
 * capture or a mirror port, or of a sensor that runs. One constant struct in its own file and a
 * line in commands.def. */
#ifndef SENSOR_COMMAND_H
#define SENSOR_COMMAND_H

#include <getopt.h>

#include "sensor/run.h"

struct command {
	const char *name;
	const char *sentence; /* for the list of commands in -h */
	const char *usage;    /* the whole text of COMMAND -h */
	/* Its own options, as getopt_long() takes them; each value of longs is below 256 or from
	 * COMMAND_OPTION on. They go before those of a run, of which -r -i -c -S -s -F -k -v -h,
	 * --set and --quiet stay. */
	const char *shorts;
	const struct option *longs;
	/* Takes one of them; false: refused and said. */
	bool (*option)(int option, const char *value);
	/* After the capture has been read: the answer. */
	enum status (*answer)(struct run *r);
	/* Where neither -r nor -i is given, with the words behind the options. NULL: one must be.
	 */
	enum status (*instead)(const struct config *c, int argc, char **argv);
};

enum { COMMAND_OPTION = 1000 };

/* Ends with NULL. */
extern const struct command *const commands[];
const struct command *command_named(const char *name);

#endif
