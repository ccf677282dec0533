/* point_value.h - the bytes of a point and what they say in the unit of the site. */
#ifndef SENSOR_POINT_VALUE_H
#define SENSOR_POINT_VALUE_H

#include "sensor/points.h"

/* What makes a value doubtful; bits. */
enum point_quality {
	QUALITY_OFFLINE = 1 << 0, /* DNP3: the source is not active */
	QUALITY_RESTART = 1 << 1, /* not updated since the device restarted */
	QUALITY_COMM_LOST = 1 << 2,
	QUALITY_REMOTE_FORCED = 1 << 3,
	QUALITY_LOCAL_FORCED = 1 << 4,
	QUALITY_CHATTER = 1 << 5,
	QUALITY_DISCONTINUITY = 1 << 6,
	QUALITY_OVER_RANGE = 1 << 7,
	QUALITY_REFERENCE = 1 << 8,
	QUALITY_NAN = 1 << 9,
	QUALITY_INFINITE = 1 << 10,
	QUALITY_NOT_BCD = 1 << 11,
	QUALITY_REFUSED = 1 << 12, /* the device gave an error in its place */
};
enum { QUALITIES = 13 };

/* "local_forced,over_range" of the bits; at most @cap bytes, no NUL. Returns their number. */
size_t quality_text(unsigned quality, char *out, size_t cap);
/* Of the flag octet that a DNP3 object of @table carries. */
unsigned quality_dnp3(enum point_table table, uint8_t flags);

/* Bytes of the value, most significant first as they stand on the wire: of a register its two. */
static inline unsigned point_bytes(const struct point *p)
{
	if (p->width != 1)
		return p->width / 8U;
	return p->table == POINT_HOLDING || p->table == POINT_INPUT_REGISTER ? 2 : 1;
}
/* The value in engineering units; NaN, and the reason in *quality, where the bytes are none. @raw
 * has point_bytes(); a single bit of a byte or register is taken out of it. */
double point_decode(const struct point *p, const uint8_t raw[POINT_BYTES], unsigned *quality);
/* The same of a value that the protocol has decoded (DNP3). */
double point_scale(const struct point *p, double v, unsigned *quality);

#endif
