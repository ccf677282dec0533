/* command.h - what follows the options: run, status, left, enroll … */
#ifndef AGGREGATOR_COMMAND_H
#define AGGREGATOR_COMMAND_H

#include "aggregator/config.h"

/* For --help: each command with one line. */
void command_list(FILE *out);
/* `COMMAND --help` needs no configuration: true if that was asked, and answered. */
bool command_help(int argc, char **argv);
/* Without any: run. An exit status (run.h). */
int command_act(const struct agg_config *c, bool quiet, int argc, char **argv);

#endif
