/* sandbox.c - capabilities(7), credentials, seccomp(2), landlock(7).
 * What a hostile packet might take over is left with: reading what is captured, writing where
 * alerts go, talking to Redis. No new packet socket can be opened, so nothing can be sent into the
 * plant. */
#include "common/sandbox.h"

#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/sandbox_calls.h"

static void say(const struct sandbox_options *o, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct sandbox_options *o, const char *format, ...)
{
	char line[512];
	va_list args;
	if (o->log == NULL)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	o->log(o->ctx, line);
}

static bool number(const char *text, unsigned *out)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);
	*out = (unsigned)v;
	return *text >= '0' && *text <= '9' && *end == '\0' && v < UINT32_MAX;
}

bool sandbox_identity(const char *user, const char *group, uid_t *uid, gid_t *gid, struct err *err)
{
	unsigned n;
	*uid = getuid();
	*gid = getgid();
	if (user != NULL) {
		const struct passwd *pw = getpwnam(user);
		if (pw == NULL && number(user, &n))
			pw = getpwuid(n);
		if (pw == NULL)
			return err_set(err, "user %s: no such user", user);
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
	}
	if (group != NULL) {
		const struct group *gr = getgrnam(group);
		if (gr == NULL && number(group, &n))
			gr = getgrgid(n);
		if (gr == NULL)
			return err_set(err, "group %s: no such group", group);
		*gid = gr->gr_gid;
	}
	return true;
}

static bool change_identity(const struct sandbox_options *o, struct err *err)
{
	uid_t uid;
	gid_t gid;
	if (!sandbox_identity(o->user, o->group, &uid, &gid, err))
		return false;
	if (o->user == NULL && o->group == NULL) {
		if (getuid() == 0)
			say(o, "sandbox: still user 0, though without its powers: another user "
			       "gives that up too");
		return true;
	}
	if (geteuid() == 0 && setgroups(0, NULL) != 0)
		return err_set(err, "user: setgroups: %s", strerror(errno));
	if (setresgid(gid, gid, gid) != 0)
		return err_set(err, "group: setresgid %u: %s", (unsigned)gid, strerror(errno));
	if (setresuid(uid, uid, uid) != 0)
		return err_set(err, "user: setresuid %u: %s", (unsigned)uid, strerror(errno));
	if (uid != 0 && setuid(0) == 0)
		return err_set(err, "user: root can be had back");
	say(o, "sandbox: user %u, group %u", (unsigned)uid, (unsigned)gid);
	return true;
}

/* The bounding set goes while CAP_SETPCAP is still there, the rest after the change of user. */
static void drop_bounds(const struct sandbox_options *o)
{
	capng_get_caps_process();
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		return;
	capng_clear(CAPNG_SELECT_BOUNDS);
	if (capng_apply(CAPNG_SELECT_BOUNDS) != 0)
		say(o, "sandbox: the capability bounding set stays");
}

static bool drop_capabilities(const struct sandbox_options *o, struct err *err)
{
	capng_get_caps_process();
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_apply(CAPNG_SELECT_CAPS) != 0)
		return err_set(err, "sandbox: capabilities cannot be dropped");
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	capng_get_caps_process();
	if (capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE)
		return err_set(err, "sandbox: capabilities are still there after dropping them");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_set(err, "sandbox: no_new_privs: %s", strerror(errno));
	say(o, "sandbox: no capabilities, no new privileges");
	return true;
}

/* Rights by Landlock's version; the headers of Debian 12 know the first two. */
enum {
	READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	WRITE = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |
		LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
		LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SYM,
	EVERY_1 = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
	REFER = LANDLOCK_ACCESS_FS_REFER,
	TRUNCATE = 1 << 14,
	OF_FILES = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
		   LANDLOCK_ACCESS_FS_EXECUTE | TRUNCATE,
};

/* Where a path is not there yet, its folder stands for it. */
static int open_place(const char *path)
{
	char folder[4096];
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	const char *slash = strrchr(path, '/');
	size_t n = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
	if (n >= sizeof(folder))
		return -1;
	memcpy(folder, path, n);
	folder[n] = '\0';
	return open(n == 0 ? "." : folder, O_PATH | O_CLOEXEC);
}

static bool allow(int ruleset, const char *path, uint64_t rights)
{
	struct stat st;
	int fd = open_place(path);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rights &= OF_FILES;
	struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };
	long status = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
	close(fd);
	return status == 0;
}

static void allow_all(
	const struct sandbox_options *o, int ruleset, const char *const *paths, uint64_t rights)
{
	for (; paths != NULL && *paths != NULL; paths++) {
		if (!allow(ruleset, *paths, rights))
			say(o, "sandbox: %s: will not be reachable: %s", *paths, strerror(errno));
	}
}

static void enter_landlock(const struct sandbox_options *o)
{
	/* names of hosts, time zones, certificates, and what the resolver loads */
	static const char *const system_paths[] = { "/etc", "/usr", "/lib", "/lib64",
		"/run/systemd/resolve", "/dev/urandom", "/proc/self" };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1) {
		say(o,
			"sandbox: this kernel has no Landlock (%s): files are guarded by their "
			"modes only",
			strerror(errno));
		return;
	}
	uint64_t writes = (uint64_t)WRITE | (abi >= 2 ? REFER : 0u) | (abi >= 3 ? TRUNCATE : 0u);
	struct landlock_ruleset_attr attr = { .handled_access_fs = EVERY_1 | writes };
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0) {
		say(o, "sandbox: Landlock: %s: files are guarded by their modes only",
			strerror(errno));
		return;
	}
	for (size_t i = 0; i < sizeof(system_paths) / sizeof(system_paths[0]); i++)
		(void)allow(ruleset, system_paths[i], READ);
	(void)allow(ruleset, "/dev/null", READ | LANDLOCK_ACCESS_FS_WRITE_FILE);
	allow_all(o, ruleset, o->readable, READ);
	allow_all(o, ruleset, o->writable, READ | writes);
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		say(o, "sandbox: Landlock: %s: files are guarded by their modes only",
			strerror(errno));
	else
		say(o, "sandbox: Landlock %ld: only the files of the configuration can be reached",
			abi);
	close(ruleset);
}

static unsigned threads(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/task");
	if (d == NULL)
		return 1;
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

bool sandbox_enter(const struct sandbox_options *o, struct err *err)
{
	unsigned running = threads();
	if (running > 1)
		say(o, "sandbox: %u threads run already and keep capabilities and files",
			running - 1);
	drop_bounds(o);
	if (!change_identity(o, err) || !drop_capabilities(o, err))
		return false;
	if (o->no_landlock)
		say(o, "sandbox: Landlock is switched off");
	else
		enter_landlock(o);
	if (o->no_seccomp) {
		say(o, "sandbox: seccomp is switched off");
		return true;
	}
	const char *lack = sandbox_calls(o->server, o->kill);
	if (lack != NULL)
		say(o, "sandbox: seccomp: %s: every system call stays allowed", lack);
	else
		say(o, "sandbox: seccomp: only the system calls that are needed");
	return true;
}
