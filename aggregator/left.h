/* left.h - `bongsu-aggregator left` and `verify`: what left this node, for a person to read. */
#ifndef AGGREGATOR_LEFT_H
#define AGGREGATOR_LEFT_H

#include <stdio.h>

#include "aggregator/node.h"

/* "24h", "7d", "90m", "2026-11-23" or "2026-11-23T02:00" (UTC) as unix seconds; false and @err. */
bool left_since(const char *text, int64_t now_s, int64_t *since_s, struct err *err);
/* `left --since`; false and @err: @since is wrong or the store cannot be read. */
bool left_print(
	struct store *s, const char *since, int64_t now_s, bool json, FILE *out, struct err *err);
/* `left --dry-run`: what would leave now, line by line, link by link. Writes nothing. */
bool left_dry_run(struct node *n, struct now now, bool json, FILE *out);
/* `verify`: walks the ledger and says what it found. False: something is altered or missing. */
bool left_verify(struct store *s, const char *folder, FILE *out);

#endif
