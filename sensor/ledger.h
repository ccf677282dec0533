/* ledger.h - programs on their way to controllers and back: what they hash to, who carried them.
 *
 * A transfer is followed piece by piece (ledger_s7.c, ledger_modbus.c, ledger_dnp3.c), its end is
 * held against the book of programs (ledger_book.c) and observed as service `program` (ledger.c).
 */
#ifndef SENSOR_LEDGER_H
#define SENSOR_LEDGER_H

#include "common/buf.h"
#include "common/keys.h"
#include "sensor/watch.h"

enum program_kind { PROGRAM_S7_BLOCK, PROGRAM_MODBUS_FILE, PROGRAM_UMAS, PROGRAM_DNP3_FILE };
enum { PROGRAM_NAME = 64 };

/* Which program of which device. Compared as bytes: clear it before filling it in. */
struct program_key {
	struct addr device;
	uint32_t unit;           /* Modbus unit, DNP3 link address */
	uint32_t kind;           /* enum program_kind */
	char name[PROGRAM_NAME]; /* "DB1", "file 4 record 0", a path; cut to fit */
};

/* One way of a program, as last seen. */
struct program_copy {
	bool known;
	uint8_t hash[HASH], code[HASH]; /* of all bytes; of those that run */
	uint64_t bytes;
	int64_t at_ns;
	struct addr by; /* who carried it */
};

struct program {
	struct program_key key;
	struct program_copy down, up; /* to the device, from it */
	uint32_t downs, ups, changes;
	uint32_t chain, newer, older; /* the book's */
};

/* What an end says beside the book. */
enum program_change {
	PROGRAM_NEW, /* not in the book */
	PROGRAM_SAME,
	PROGRAM_CHANGED, /* other than the last one seen this way */
	PROGRAM_DIFFERS, /* read back, and not what went down last */
};

/* --- ledger_book.c --- */

struct book;
struct book *book_new(size_t programs, uint64_t seed);
void book_free(struct book *b);
/* Enters a copy; *before is what was known (key only, if nothing). Counts what it forgets. */
enum program_change book_enter(struct book *b, const struct program_key *key, bool up,
	const struct program_copy *copy, struct program *before, uint64_t *forgotten);
size_t book_count(const struct book *b);
/* The i-th of those that are in it, in the order of device, unit, kind, name. */
const struct program **book_sorted(
	const struct book *b); /* the caller's to free; NULL: no memory */

/* --- ledger_file.c: one JSON line a transfer, over restarts --- */

/* Everything that was transferred, in the order of its ends, for the list. */
struct transferred {
	struct program_key key;
	struct program_copy copy;
	bool up;
	enum program_change change;
};
struct history {
	struct transferred *one; /* NULL: not wanted; a ring */
	size_t cap, count;       /* ever; the newest cap of them are there */
};
void history_add(struct history *h, const struct program_key *key, bool up,
	const struct program_copy *copy, enum program_change change);

/* Reads what is there into @b, and into @h each line; false: it cannot be read. A damaged line is
 * passed over and counted.
 */
bool ledger_file_read(
	struct book *b, struct history *h, const char *path, uint64_t *damaged, struct err *err);
/* Lines wait here until the second is over: packets are not held up by a file, and a peer cannot
 * make one written for each. */
struct ledger_file {
	char *path;   /* NULL: none */
	uint64_t cap; /* bytes; past it the file is written anew from the book */
	bool anew;    /* or because more came than may wait */
	int64_t anew_ns;
	size_t len;
	char waiting[1 << 16];
};
/* False: no room; the line is lost, what it says is in the book and comes with the next writing
 * anew. */
bool ledger_file_add(struct ledger_file *f, const struct program_key *key, bool up,
	const struct program_copy *copy);
/* Writes what waits; anew at most once a minute, unless this is the @last time. */
bool ledger_file_flush(
	struct ledger_file *f, const struct book *b, int64_t now_ns, bool last, struct err *err);

/* Such a line, without its newline; @change NULL: not told. */
void ledger_line(struct buf *b, const struct program_key *key, bool up,
	const struct program_copy *copy, const char *change);
const char *program_change_name(enum program_change change);

/* --- transfers --- */

struct transfer {
	bool used, up;
	bool begun;     /* its start was seen */
	bool broken;    /* pieces are missing or were refused */
	bool numbered;  /* a piece that is missing shows by its number */
	bool lost;      /* bytes were not seen between pieces */
	bool timed;     /* has no end on the wire: rest ends it */
	uint8_t device; /* index in the flow's end[] */
	struct flow *flow;
	struct program_key key;
	uint64_t handle;   /* the protocol's number for it */
	uint64_t expected; /* bytes announced; 0: not said */
	uint64_t bytes;
	uint64_t next;  /* record or block that should follow */
	uint64_t asked; /* 1 + transaction whose reply is awaited; 0: none */
	int64_t last_ns;
	uint64_t frame;
	struct hash_run hash, code;
	uint64_t code_from, code_to;       /* bytes that run; to 0: all of them */
	uint32_t block_type, block_number; /* S7 */
};

struct ledger {
	const struct watch *watch;
	struct book *book;
	struct transfer *transfer; /* config: ledger.transfers */
	size_t transfers, open;
	struct history history; /* for the command */
	struct ledger_file file;
	bool file_told;
};

/* The open transfer of that flow, way and handle, or NULL. */
struct transfer *transfer_find(struct ledger *l, const struct flow *f, bool up, uint64_t handle);
/* A new one; what it replaces or pushes out ends. */
struct transfer *transfer_start(struct ledger *l, const struct event *e, bool up, unsigned device,
	uint64_t handle, enum program_kind kind, uint32_t unit, const char *name, size_t len);
void transfer_piece(struct transfer *t, const struct event *e, const uint8_t *bytes, size_t n);
/* Complete or not: into the book, observed, forgotten. */
void transfer_end(struct ledger *l, struct transfer *t, struct stamp at);
/* Without a word: it was refused before it began. */
void transfer_drop(struct ledger *l, struct transfer *t);

void ledger_s7(struct ledger *l, const struct event *e);
void ledger_modbus(struct ledger *l, const struct event *e);
void ledger_dnp3(struct ledger *l, const struct event *e);

const char *program_kind_name(uint32_t kind);

#endif
