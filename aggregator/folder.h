/* folder.h - whose the node's folder is, where root acts for the user that the daemon runs as. */
#ifndef AGGREGATOR_FOLDER_H
#define AGGREGATOR_FOLDER_H

#include <stdbool.h>

#include "common/err.h"

/* Root becomes the owner of @folder for good, so that what a command writes there is the daemon's
 * to read. Nothing changes for others, for a folder of root's or one that is not there yet. */
bool folder_become_owner(const char *folder, struct err *err);
/* Root gives @folder and all in it to @user and @group (names or numbers, may be NULL), links
 * themselves and not what they lead to. */
bool folder_give(const char *folder, const char *user, const char *group, struct err *err);

#endif
