/* ipset.h - a set of addresses and prefixes by the 100,000, asked in tens of nanoseconds. */
#ifndef COMMON_IPSET_H
#define COMMON_IPSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ipset;

/* Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d; a prefix length is of all 128 bits. */
struct ipset *ipset_new(void);
/* Host bits of @bytes beyond @bits count as zero. */
void ipset_add(struct ipset *set, const uint8_t bytes[16], unsigned bits);
/* Once, after the last ipset_add() and before the first ipset_has(). */
void ipset_ready(struct ipset *set);
bool ipset_has(const struct ipset *set, const uint8_t bytes[16]);
/* Disjoint ranges it came down to. */
size_t ipset_ranges(const struct ipset *set);
void ipset_free(struct ipset *set);

/* "10.0.0.1", "10.0.0.0/8", "fe80::/10": false if it is neither or has host bits set. *@bits of
 * 128. */
bool ipset_parse(const char *text, uint8_t bytes[16], unsigned *bits);

#endif
