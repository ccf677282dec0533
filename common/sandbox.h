/* sandbox.h - gives up what a daemon does not need once it has what it needs. */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/types.h>

#include "common/err.h"

struct sandbox_options {
	const char *user, *group; /* names or numbers; NULL: stay who we are */
	/* Files and folders, NULL-terminated. What is read again later (rules, configuration), and
	 * where outputs and the spool are; for a file that does not exist yet its folder is opened
	 * up. */
	const char *const *readable, *const *writable;
	bool no_seccomp, no_landlock;
	bool server; /* takes connections: listen(2), accept(2) */
	bool kill;   /* a forbidden system call ends the process instead of failing: for tests */
	void (*log)(void *ctx,
		const char *line); /* each step, and what the kernel lacks; may be NULL */
	void *ctx;
};

/* Call when interfaces are open and before any thread is started: threads inherit, but those that
 * run already keep what they have (that is logged). False and @err where something asked for could
 * not be had (exit 4); what the kernel merely lacks is logged. */
bool sandbox_enter(const struct sandbox_options *o, struct err *err);
/* Who @user and @group (names or numbers; NULL: as now, a user's own group) are. */
bool sandbox_identity(const char *user, const char *group, uid_t *uid, gid_t *gid, struct err *err);

#endif
