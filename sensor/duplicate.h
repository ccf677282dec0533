/* duplicate.h - the same packet twice, from two mirrored ports. */
#ifndef SENSOR_DUPLICATE_H
#define SENSOR_DUPLICATE_H

#include "sensor/packet.h"

struct duplicates;

/* Unseeded: a replay finds the same ones every time. */
struct duplicates *duplicates_new(void);
void duplicates_free(struct duplicates *d);

/* Was a packet with the same addresses, IP id and layer-4 header seen within 5 ms? Remembers @p.
 * @flow_hash stands for the addresses and ports. TCP payload is left to the stream, which knows
 * the bytes. */
bool duplicates_tcp(struct duplicates *d, const struct packet *p, uint64_t flow_hash);
/* Here the payload is compared too, and VLAN, MAC or TTL must differ, for polls repeat. */
bool duplicates_udp(struct duplicates *d, const struct packet *p, uint64_t flow_hash);

#endif
