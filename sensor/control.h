/* control.h - a unix socket on which people speak to a running sensor: a line of JSON, a line back.
 * Served between packets, never waited for. */
#ifndef SENSOR_CONTROL_H
#define SENSOR_CONTROL_H

#include "common/buf.h"
#include "sensor/audit.h"

enum { CONTROL_LINE = 16384, CONTROL_REPLY = 1 << 20 };

#define CONTROL_SOCKET "/run/bongsu/sensor.sock"

struct control;

/* Where it is: the setting, the default when live, NULL: none. */
const char *control_path(const struct run *r);
/* Binds the socket, for the user and group that the sensor is going to be. NULL without @err: it is
 * not wanted, or its default place cannot be had (said). */
struct control *control_open(struct run *r, struct err *err);
/* Takes what has come, answers what can be answered. */
void control_serve(struct control *c, int64_t mono_ns);
void control_close(struct control *c);

/* --- control_line.c: what a line asks for --- */
struct control_ask {
	const char *command;
	const struct yaml *arguments; /* a map, or NULL */
	struct yaml_file *file;       /* owns both */
};
/* False: @faults say why. control_ask_free() in any case. */
bool control_parse(struct control_ask *ask, const char *line, size_t len, struct text_list *faults);
void control_ask_free(struct control_ask *ask);

/* --- control_command.c: does it, and writes the answer --- */
void control_answer(struct run *r, uint32_t uid, const char *line, size_t len, struct buf *out);

/* --- quiet_keep.c: live silences and windows outlive the sensor in a file beside the spool --- */
/* What is wrong with the file is logged, and left out. */
void quiet_keep_load(struct run *r);
bool quiet_keep_store(struct run *r, struct err *err);

#endif
