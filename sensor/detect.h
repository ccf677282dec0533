/* detect.h - which protocol a flow speaks: by its ports and by the shape of its first bytes. */
#ifndef SENSOR_DETECT_H
#define SENSOR_DETECT_H

#include "sensor/stream.h"

/* A flow starts: which protocols claim its ports, and who is likely to be the server. */
void detect_start(struct transport *t, struct flow_slot *s);
/* Bytes in order of an undecided TCP flow. May decide, and then reads what it held back. */
void detect_stream(struct transport *t, struct stream *st, unsigned from, const struct piece *in);
/* A datagram of an undecided flow; true if it was taken care of here. */
bool detect_datagram(
	struct transport *t, struct flow_slot *s, unsigned from, const struct piece *in);
/* A payload of a flow that is not ours: now and then it is looked at again.
 * True if the flow is undecided or ours from here on. */
bool detect_again(struct transport *t, struct flow_slot *s, unsigned from, const struct piece *in);
/* Bytes of an undecided flow are lost: what was held back cannot be joined to what follows. */
void detect_lost(struct transport *t, struct stream *st);
/* A decided flow makes no sense for long: @in may show what it really speaks. */
void detect_astray(struct transport *t, struct stream *st, unsigned from, const struct piece *in);
/* A datagram of a flow that was decided for a protocol other than its port's: is it the port's
 * after all? The first datagram may have been forged. */
void detect_strange(
	struct transport *t, struct flow_slot *s, unsigned from, const struct piece *in);
/* Frees what is held back. */
void detect_forget(struct transport *t, struct stream *st);

#endif
