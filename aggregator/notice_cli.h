/* notice_cli.h - `bongsu-aggregator notice …` and `pack …`. */
#ifndef AGGREGATOR_NOTICE_CLI_H
#define AGGREGATOR_NOTICE_CLI_H

#include "aggregator/node.h"

extern const char notice_usage[], pack_usage[];
/* @argv[0] is the subcommand. An exit status (run.h). */
int notice_main(struct node *n, int argc, char **argv);
int pack_main(struct node *n, int argc, char **argv);
/* Of notice_main(): list, show, quality (notice_show.c). */
bool notice_list_command(struct node *n, int argc, char **argv, struct err *err);
bool notice_show_command(struct node *n, int argc, char **argv, struct err *err);
bool notice_quality_command(struct node *n, int argc, char **argv, struct err *err);
void cli_write_time(char out[32], int64_t s); /* UTC, to the minute */
void cli_print_json(json_t *j);               /* and gives it up */
/* --key FILE, or the node's own; a new one: `notice keygen FILE`. */
bool cli_key(const struct node *n, const char *path, struct key *out, struct err *err);

/* Options of a subcommand: "--name value" and "--flag", the rest in order. */
struct cli {
	const char *name[32], *value[32];
	unsigned options;
	const char *plain[8];
	unsigned plains;
};
/* err_set() for a command line that is wrong: exit status 2. */
bool cli_wrong(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* @known: names with values end in "=", NULL-terminated. */
bool cli_read(struct cli *c, int argc, char **argv, const char *const *known, struct err *err);
const char *cli_get(const struct cli *c, const char *name); /* NULL: not given; "" for a flag */
/* "4h", "2d" or unix seconds, from now on. */
bool cli_time(const char *text, int64_t now_s, int64_t *out, struct err *err);

#endif
