/* sandbox_calls.h - the system calls our daemons need. */
#ifndef COMMON_SANDBOX_CALLS_H
#define COMMON_SANDBOX_CALLS_H

#include <stdbool.h>

/* Forbids all others for every thread; a @server may also take connections. NULL, or why it could
 * not be done. */
const char *sandbox_calls(bool server, bool kill);

#endif
