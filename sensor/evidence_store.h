/* evidence_store.h - a folder of captures that never grows beyond its cap. */
#ifndef SENSOR_EVIDENCE_STORE_H
#define SENSOR_EVIDENCE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct evidence_store;

enum { EVIDENCE_NAME = 48 }; /* "EPOCH-N.pcap" */

/* Makes the folder; takes stock of what earlier runs left. */
struct evidence_store *evidence_store_open(const char *folder, uint64_t cap, struct err *err);
void evidence_store_close(struct evidence_store *s);

/* A file appears whole or not at all, readable by its owner only. Deletes the oldest to make room.
 * 0, or errno. @sync: it has reached the disk. */
int evidence_store_put(
	struct evidence_store *s, const char *name, const uint8_t *bytes, size_t n, bool sync);
/* Deletes what was written before @time_ns. */
void evidence_store_age(struct evidence_store *s, int64_t time_ns);
uint64_t evidence_store_bytes(const struct evidence_store *s);
uint64_t evidence_store_deleted(const struct evidence_store *s);

#endif
