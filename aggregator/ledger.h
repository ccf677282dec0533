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
/* At the start, before anything is added: lines that FOLDER/ledger.head knows and the store does
 * not are noted in a line of their own, and verification says so for ever. */
bool ledger_open(struct node *n, struct now now, struct err *err);
/* After the commit: writes the chain's head into FOLDER/ledger.head, so that a cut tail is found.
 */
void ledger_sync(struct node *n);
/* Drops the texts of lines older than @before_ms; lines and hashes stay. */
void ledger_trim(struct node *n, int64_t before_ms);
/* Walks the chain. False and @err: the first line that is altered, missing or out of order. */
bool ledger_verify(struct store *s, int64_t *lines, struct err *err);
/* The same, and the end agrees with FOLDER/ledger.head. */
bool ledger_verify_folder(struct store *s, const char *folder, int64_t *lines, struct err *err);
/* `left`: in plain words or as JSON lines. @since_s: unix seconds. */
bool ledger_print(struct store *s, int64_t since_s, bool json, FILE *out);

#endif
