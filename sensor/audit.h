/* audit.h - what people did to the sensor, and what they told it before, is told as an event. */
#ifndef SENSOR_AUDIT_H
#define SENSOR_AUDIT_H

#include "sensor/run.h"

/* Who asked, over the control socket. */
struct audit_who {
	uint32_t uid;
	const char *by, *reason; /* or NULL */
};

/* @s, @w: what it is about; each, and @who, may be NULL. */
void audit_tell(struct run *r, struct stamp at, const char *action, const struct silence *s,
	const struct window *w, const struct audit_who *who);
/* Silences that expire and windows that begin and end at @at. */
void audit_tick(struct run *r, struct stamp at);

#endif
