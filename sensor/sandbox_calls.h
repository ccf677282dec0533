/* sandbox_calls.h - the system calls a running sensor needs. */
#ifndef SENSOR_SANDBOX_CALLS_H
#define SENSOR_SANDBOX_CALLS_H

#include <stdbool.h>

/* Forbids all others for every thread. NULL, or why it could not be done. */
const char *sandbox_calls(bool kill);

#endif
