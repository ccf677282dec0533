/* overlap.h - two segments that say different things of one place: both are read. */
#ifndef SENSOR_OVERLAP_H
#define SENSOR_OVERLAP_H

#include "sensor/stream.h"

/* Compares @past, bytes before half->next that come again as the start of @whole, with what was
 * delivered. True if nothing differs as far as it is remembered; otherwise it is told, counted,
 * and the other reading is inspected. */
bool overlap_check(struct transport *t, struct stream *st, unsigned from, const struct piece *past,
	const struct piece *whole);
/* Bytes in order that go on after both readings. */
void overlap_more(struct transport *t, struct stream *st, unsigned from, const struct piece *in);
void overlap_forget(struct transport *t, struct half *h);

#endif
