/* build_info.h - which Bongsu this is. */
#ifndef SENSOR_BUILD_INFO_H
#define SENSOR_BUILD_INFO_H

#include <stdio.h>

extern const char bongsu_version[];
/* -V: one line. */
void build_version(FILE *out);
/* --build-info: versions of libraries, features, compiler. */
void build_info(FILE *out);

#endif
