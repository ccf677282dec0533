/* canary.h - a harmless tagged frame that is put in behind the capture, to prove that the way from
 * wire to sink is alive. It never touches the network. */
#ifndef SENSOR_CANARY_H
#define SENSOR_CANARY_H

#include "sensor/tell.h"

enum { CANARY_TAG = 16, CANARY_FRAME = 76 };

/* A random tag for this run: nobody on the wire can know it. */
bool canary_tag(uint8_t tag[CANARY_TAG]);
/* Writes an Ethernet frame: Modbus/UDP "return query data" between two TEST-NET-1 addresses (RFC
 * 5737) that carries the tag and @now_ns. */
void canary_frame(uint8_t frame[CANARY_FRAME], const uint8_t tag[CANARY_TAG], int64_t now_ns);
/* Between our addresses? */
bool canary_flow(const struct flow *f);
/* Is this PDU ours? */
bool canary_is(const uint8_t tag[CANARY_TAG], const struct flow *f, const struct pdu *pdu);
/* Tells the canary event; latency is from the time in the frame to @now_ns. */
void canary_arrived(struct tell *t, struct stamp at, const struct pdu *pdu, int64_t now_ns);

#endif
