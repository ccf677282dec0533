/* filtered.c - runs a program with no system calls but those named, as a systemd unit's
 * SystemCallFilter= does. Whatever else it calls ends it, so that a test sees it.
 * usage: filtered NAME … -- PROGRAM ARGUMENT … */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int i, status = ctx == NULL ? -ENOMEM : 0;
	for (i = 1; i < argc && strcmp(argv[i], "--") != 0 && status == 0; i++) {
		int number = seccomp_syscall_resolve_name(argv[i]);
		if (number != __NR_SCMP_ERROR)
			status = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0);
		if (status == -EDOM || status == -EACCES)
			status = 0; /* not of this machine */
	}
	/* the program has still to make its own */
	if (status == 0 && i + 1 < argc)
		status = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 1);
	if (status == 0)
		status = seccomp_load(ctx);
	seccomp_release(ctx);
	if (status != 0 || i + 1 >= argc) {
		fprintf(stderr, "filtered: %s\n",
			status != 0 ? strerror(-status) : "NAME … -- PROGRAM");
		return 125;
	}
	execv(argv[i + 1], argv + i + 1);
	perror(argv[i + 1]);
	return 126;
}
