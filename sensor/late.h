/* late.h - bytes that come after they were given up, and streams that go on quite elsewhere. */
#ifndef SENSOR_LATE_H
#define SENSOR_LATE_H

#include "sensor/stream.h"

/* A hole was given up at h->next; @n bytes. Keeps what is needed to fill it later. */
void late_hole(struct transport *t, struct half *h, uint32_t n);
/* Bytes passed over while looking for the next message after the hole. */
void late_passed(struct transport *t, struct half *h, const uint8_t *bytes, size_t n);
/* A message was found again at @seq. */
void late_found(struct half *h, uint32_t seq);
/* Does @in, older than h->next, lie in the hole? Then h goes back to where @in fits; @in is cut to
 * the hole. */
bool late_back(struct transport *t, struct stream *st, unsigned from, struct piece *in);
/* After a delivery: past the end of a hole filled late, what was read before is not read again. */
void late_forward(struct transport *t, struct half *h);
/* @in is FAR off. True if it follows another one that was: the stream goes on there. */
bool late_jump(struct transport *t, struct stream *st, unsigned from, const struct piece *in);
void late_forget(struct transport *t, struct half *h);

#endif
