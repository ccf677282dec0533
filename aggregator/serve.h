/* serve.h - what children ask over HTTPS: the paths of chain/1 (chain.md, "Paths"). */
#ifndef AGGREGATOR_SERVE_H
#define AGGREGATOR_SERVE_H

#include "aggregator/http.h"
#include "aggregator/node.h"

/* Handler and gate for http_open(); @ctx is the struct node. */
http_handler serve_chain;
http_gate serve_gate;

/* "7/101-164" into its numbers. */
bool serve_range(const char *text, uint64_t *ep, uint64_t *first, uint64_t *last);

#endif
