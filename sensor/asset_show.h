/* asset_show.h - the devices as text, JSON and pictures. */
#ifndef SENSOR_ASSET_SHOW_H
#define SENSOR_ASSET_SHOW_H

#include <stdio.h>

#include "sensor/asset_table.h"

/* One object; on a line by itself for --json and Redis. */
void asset_json(struct assets *s, const struct asset *a, struct buf *out);
void assets_print(struct assets *s, FILE *out);
void assets_json(struct assets *s, FILE *out);
void assets_dot(struct assets *s, FILE *out);
void assets_svg(struct assets *s, FILE *out);

#endif
