/* trw.c - the walk of trw.h. */
#include "sensor/trw.h"

#include <math.h>

struct trw trw_of(double theta0, double theta1, double alpha, double beta)
{
	return (struct trw){
		.up = log((1 - theta1) / (1 - theta0)),
		.down = log(theta1 / theta0),
		.scan = log(beta / alpha),
		.benign = log((1 - beta) / (1 - alpha)),
	};
}

bool trw_step(const struct trw *t, double *walk, bool failed)
{
	*walk += failed ? t->up : t->down;
	if (*walk < t->benign)
		*walk = t->benign;
	if (*walk > t->scan)
		*walk = t->scan;
	return *walk >= t->scan;
}
