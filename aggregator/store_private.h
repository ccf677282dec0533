/* store_private.h - the files of a store: found, marked as damaged, set aside. */
#ifndef AGGREGATOR_STORE_PRIVATE_H
#define AGGREGATOR_STORE_PRIVATE_H

#include "common/err.h"

long long store_size(const char *path); /* bytes; -1: it is not there */
/* A file beside it says that it is damaged, and why, until it has been set aside. */
void store_mark(const char *path, const char *why);
/* False and @err with the reason: it is marked, or what is there is no database: an empty file, or
 * a log without its database. */
bool store_unmarked(const char *path, struct err *err);
/* Moves all that is there to PATH.damaged-SECONDS. A crash within it is taken up by the mark. */
bool store_set_aside(const char *path, const char *why, struct err *err);

#endif
