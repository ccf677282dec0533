/* report.h - `bongsu-aggregator status`: how this tier stands, from its store. */
#ifndef AGGREGATOR_REPORT_H
#define AGGREGATOR_REPORT_H

#include <stdio.h>

#include "aggregator/node.h"

bool report_print(struct node *n, struct now now, bool json, FILE *out);

#endif
