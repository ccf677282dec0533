/* ledger.h - the release ledger: every byte that left, to whom, and the signed receipt for it.
 * Lines are hash-chained; verify finds any altered or missing one. */
#ifndef AGGREGATOR_LEDGER_H
#define AGGREGATOR_LEDGER_H

#include <stdio.h>

#include "aggregator/node.h"

extern const char ledger_tables[];

/* Appends; in the caller's transaction. @kind: "left", "receipt", "level", "release", "lost" … */
void ledger_add(struct node *n, struct now now, const char *kind, const char *to,
	const json_t *what, const char *bytes, size_t len);
/* Walks the chain. False and @err: the first line that is altered, missing or out of order. */
bool ledger_verify(struct store *s, int64_t *lines, struct err *err);
/* `left`: in plain words or as JSON lines. @since_s: unix seconds. */
bool ledger_print(struct store *s, int64_t since_s, bool json, FILE *out);

#endif
