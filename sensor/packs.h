/* packs.h - takes up the rule packs and indicator sets that the site accepted (Redis hash
 * bongsu:packs): a thread looks, judges and compiles; whoever runs the rules takes the set over. */
#ifndef SENSOR_PACKS_H
#define SENSOR_PACKS_H

#include "common/err.h"
#include "sensor/rules_in_use.h"

struct packs;

struct packs_options {
	const struct config *config;
	const struct rules_in_use *own; /* where our own rules are; read by the thread */
	const char *redis;              /* URL, or NULL: what is kept is used, nothing new comes */
	const char *folder;             /* NULL: not kept */
	bool quiet;
};

/* Are the settings sound? */
bool packs_check(const struct config *c, struct err *err);
/* Reads what is kept, and compiles: *rules is ours and theirs, the caller's, NULL where nothing is
 * kept. @look: Redis is asked once, too. */
struct packs *packs_open(
	const struct packs_options *o, bool look, struct rules **rules, struct err *err);
bool packs_start(struct packs *p, struct err *err); /* the thread */
/* Look now; @reread: our own rules have changed as well. */
void packs_look(struct packs *p, bool reread);
/* A set to go over to, the caller's; NULL: none is new. */
struct rules *packs_ready(struct packs *p);
size_t packs_in_use(struct packs *p);
/* The next refusal that has not been told; false: none. */
bool packs_refusal(struct packs *p, char out[256]);
void packs_close(struct packs *p); /* NULL is fine */

#endif
