/* sandbox_calls.c - seccomp(2) by libseccomp.
 * A call that is not listed fails with EPERM rather than ending the process: a sensor killed
 * because a new libc resolves names in another way would be blind, and the caller gets no further
 * with EPERM either. Calls that only an intruder would make end it at once. In tests everything
 * does. */
#include "common/sandbox_calls.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

// clang-format off
static const char *const allowed[] = {
	/* files: outputs and their rotation, spool, rules read again */
	"read", "write", "readv", "writev", "pread64", "pwrite64", "lseek", "_llseek", "open", "openat", "close",
	"close_range", "stat", "stat64", "lstat", "lstat64", "fstat", "fstat64", "newfstatat", "fstatat64", "statx",
	"statfs", "fstatfs", "access", "faccessat", "faccessat2", "fcntl", "fcntl64", "dup", "dup2", "dup3", "pipe",
	"pipe2", "fsync", "fdatasync", "sync_file_range", "ftruncate", "ftruncate64", "fallocate", "fadvise64",
	"rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "getdents", "getdents64",
	"readlink", "readlinkat", "flock", "umask", "getcwd",
	/* memory; mmap and mprotect have conditions */
	"brk", "munmap", "mremap", "madvise", "membarrier",
	/* threads and their ends */
	"futex", "futex_time64", "set_robust_list", "get_robust_list", "rseq", "exit", "exit_group", "sched_yield",
	"sched_getaffinity", "sched_setaffinity", "set_tid_address", "gettid", "getpid", "getppid", "tgkill",
	"restart_syscall", "arch_prctl", "getcpu",
	/* signals */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "rt_sigtimedwait", "sigaltstack", "signalfd4",
	/* waiting: packets, sockets, time */
	"poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "epoll_create1", "epoll_ctl",
	"epoll_wait", "epoll_pwait", "eventfd2", "timerfd_create", "timerfd_settime", "timerfd_gettime",
	"nanosleep", "clock_nanosleep", "clock_nanosleep_time64", "clock_gettime", "clock_gettime64",
	"clock_getres", "gettimeofday", "time", "times",
	/* Redis, syslog, the resolver; socket has a condition */
	"connect", "bind", "sendto", "send", "sendmsg", "sendmmsg", "recvfrom", "recv", "recvmsg", "recvmmsg",
	"shutdown", "getsockopt", "setsockopt", "getsockname", "getpeername", "socketpair",
	/* facts */
	"uname", "sysinfo", "getrandom", "getrlimit", "ugetrlimit", "prlimit64", "getrusage", "getuid", "geteuid",
	"getgid", "getegid", "getuid32", "geteuid32", "getgid32", "getegid32", "getgroups", "capget",
};

/* Besides, of a program that children connect to. */
static const char *const of_server[] = { "listen", "accept", "accept4", "fchmod", "fchown", "utimensat" };

/* No part of our programs makes these: whoever does has broken in. */
static const char *const deadly[] = {
	"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "bpf", "perf_event_open", "mount",
	"umount2", "pivot_root", "chroot", "setns", "unshare", "init_module", "finit_module", "delete_module",
	"kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "keyctl", "add_key", "request_key",
	"userfaultfd", "io_uring_setup", "open_by_handle_at", "iopl", "ioperm",
};
// clang-format on

static int by_name(scmp_filter_ctx ctx, uint32_t action, const char *name)
{
	int number = seccomp_syscall_resolve_name(name);
	if (number == __NR_SCMP_ERROR)
		return 0; /* not of this architecture */
	int status = seccomp_rule_add(ctx, action, number, 0);
	return status == -EDOM ? 0 : status;
}

/* Sockets of these families only; above all no new packet socket. */
static int sockets(scmp_filter_ctx ctx)
{
	static const uint64_t families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
	int status = 0;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		status |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
			SCMP_A0(SCMP_CMP_EQ, families[i], 0));
	return status;
}

/* What the terminal, stdio, libpcap and the resolver ask of descriptors. */
static int ioctls(scmp_filter_ctx ctx)
{
	static const uint64_t requests[] = { TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO,
		0x8910 /* SIOCGIFNAME */, 0x8913 /* SIOCGIFFLAGS */, 0x8915 /* SIOCGIFADDR */,
		0x8921 /* SIOCGIFMTU */, 0x8927 /* SIOCGIFHWADDR */, 0x8933 /* SIOCGIFINDEX */ };
	int status = 0;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		status |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i]));
	return status;
}

/* No memory that is made executable after it was written. PCRE2 then matches without its JIT. */
static int memory(scmp_filter_ctx ctx)
{
	int status = 0;
	status |= seccomp_rule_add(
		ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	status |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC));
	status |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(mmap), 1,
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC | PROT_WRITE));
	status |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	status |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(mprotect), 1,
		SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
	return status;
}

/* Threads, not processes. The flags of clone3 cannot be seen: libc falls back on clone. */
static int threads(scmp_filter_ctx ctx)
{
	int status = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	int clone3 = seccomp_syscall_resolve_name("clone3");
	if (clone3 != __NR_SCMP_ERROR)
		status |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), clone3, 0);
	status |= seccomp_rule_add(
		ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0));
	return status;
}

static int fill(scmp_filter_ctx ctx, bool server, bool kill)
{
	int status = 0;
	for (size_t i = 0; server && i < sizeof(of_server) / sizeof(of_server[0]); i++)
		status |= by_name(ctx, SCMP_ACT_ALLOW, of_server[i]);
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		status |= by_name(ctx, SCMP_ACT_ALLOW, allowed[i]);
	for (size_t i = 0; !kill && i < sizeof(deadly) / sizeof(deadly[0]); i++)
		status |= by_name(ctx, SCMP_ACT_KILL_PROCESS, deadly[i]);
	return status | sockets(ctx) | ioctls(ctx) | memory(ctx) | threads(ctx);
}

const char *sandbox_calls(bool server, bool kill)
{
	scmp_filter_ctx ctx = seccomp_init(kill ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM));
	if (ctx == NULL)
		return "libseccomp does not know this machine";
	/* threads that run already are to obey too; where that cannot be, the others do */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	const char *lack = NULL;
	int status = fill(ctx, server, kill);
	if (status != 0)
		lack = "the filter cannot be built";
	else if ((status = seccomp_load(ctx)) != 0)
		lack = strerror(-status);
	seccomp_release(ctx);
	return lack;
}
