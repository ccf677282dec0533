/* community_id.h - the name of a conversation that other tools compute alike (v1). */
#ifndef SENSOR_COMMUNITY_ID_H
#define SENSOR_COMMUNITY_ID_H

#include "common/buf.h"
#include "sensor/flow.h"

/* "1:LQU9qZlK+B5F3KDmev6m5PMibrg=", with its quotes. Remembers recent conversations. */
void community_id(struct buf *b, const struct flow *f);

#endif
