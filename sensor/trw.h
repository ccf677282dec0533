/* trw.h - threshold random walk: Jung, Paxson, Berger, Balakrishnan, "Fast Portscan Detection Using
 * Sequential Hypothesis Testing", 2004. A benign source's first contacts succeed with probability
 * theta0, a scanner's with theta1; the walk is the logarithm of the likelihood ratio. */
#ifndef SENSOR_TRW_H
#define SENSOR_TRW_H

#include <stdbool.h>

struct trw {
	double up;     /* a failure */
	double down;   /* a success; negative */
	double scan;   /* from here on: a scanner */
	double benign; /* the walk does not go below: who was good for long is not trusted for ever
			*/
};

/* @alpha: false alarms, @beta: detections, each as a share of 1. */
struct trw trw_of(double theta0, double theta1, double alpha, double beta);
/* True: a scanner. */
bool trw_step(const struct trw *t, double *walk, bool failed);

#endif
