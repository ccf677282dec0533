/* memory.h - what detection remembers of groups of events: one table, of a fixed size, for all. */
#ifndef SENSOR_MEMORY_H
#define SENSOR_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Groups and their notes are cells of one size, all allocated at once. When none is free, the
 * owner that holds most of them forgets its group that rested longest: a flood of one owner's
 * groups does not empty the others'. Pointers hold until the next call that may make a cell. */
struct memory;

enum { NOTE_FRAMES = 4, MEMORY_OWNERS = 1024 /* bits that name one: 10 */ };

struct memory_group {
	uint64_t key[2];    /* hashes of the group; the low bits of [1] name its owner */
	int64_t now_ns;     /* of the newest event; never steps back */
	int64_t since_ns;   /* followed since */
	int64_t expires_ns; /* forgotten before, it is a loss, and counted */
	uint32_t chain, older, newer;
	uint32_t first, last, count; /* notes */
};

struct memory_note {
	int64_t at_ns;
	union {
		uint64_t u;
		double r;
		int64_t ns;
	} value;
	uint64_t frame;
	uint32_t next;
	uint32_t what;                /* the owner's */
	uint64_t before[NOTE_FRAMES]; /* frames of what led here */
};

/* @seed hides from the network which keys meet; a replay takes 0. */
struct memory *memory_new(size_t bytes, uint64_t seed);
void memory_free(struct memory *m);
/* Finds the group or makes it (now_ns, since_ns and expires_ns are then @now_ns). */
struct memory_group *memory_group(struct memory *m, const uint64_t key[2], int64_t now_ns);
/* A new last note, empty; NULL if this group has all the memory there is. */
struct memory_note *memory_add(struct memory *m, struct memory_group *g);
struct memory_note *memory_first(const struct memory *m, const struct memory_group *g);
struct memory_note *memory_next(const struct memory *m, const struct memory_note *n);
/* Takes out the note after @before; NULL: the first. */
void memory_drop(struct memory *m, struct memory_group *g, struct memory_note *before);
void memory_clear(struct memory *m, struct memory_group *g);
/* Groups forgotten before their time. */
uint64_t memory_evicted(const struct memory *m);
size_t memory_groups(const struct memory *m);

#endif
