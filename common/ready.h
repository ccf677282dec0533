/* ready.h - sd_notify(3) in a few lines: tells the service manager how far we are. */
#ifndef COMMON_READY_H
#define COMMON_READY_H

#include <stdbool.h>

/* "READY=1", "STOPPING=1" …; false where nobody asks to be told or it cannot be said. */
bool ready_tell(const char *state);

#endif
