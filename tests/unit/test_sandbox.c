/* test_sandbox.c - what is left after sandbox_enter(), tried in child processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/sandbox.h"

static char folder[] = "/tmp/bongsu-sandbox-XXXXXX";
static char inside[64], outside[64], listening[64];
static int listener;

static bool landlocked; /* in the child: the log said so */

static void note(void *ctx, const char *line)
{
	(void)ctx;
	if (strstr(line, "sandbox: Landlock ") != NULL && strstr(line, "only the files") != NULL)
		landlocked = true;
}

/* Exit status of a child that enters the sandbox and then does @what; 128 + signal if it is killed.
 */
static int in_child(int (*what)(void), struct sandbox_options o)
{
	pid_t pid = fork();
	if (pid == 0) {
		const char *const writable[] = { inside, NULL };
		struct err err = { 0 };
		o.writable = writable;
		o.log = note;
		if (!sandbox_enter(&o, &err)) {
			fprintf(stderr, "%s\n", err.text);
			_exit(100);
		}
		_exit(what());
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void *thread(void *arg)
{
	struct timespec nap = { .tv_nsec = 1000000 };
	nanosleep(&nap, NULL);
	return arg;
}

static bool connects(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	strcpy(to.sun_path, listening);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
		  send(fd, "PING", 4, MSG_NOSIGNAL) == 4;
	close(fd);
	return ok;
}

/* All a running sensor does; a number says what failed. */
static int work(void)
{
	char path[128], other[128], text[8];
	snprintf(path, sizeof(path), "%s/eve.json", inside);
	snprintf(other, sizeof(other), "%s/eve.json.1", inside);
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0 || write(fd, "line\n", 5) != 5 || fdatasync(fd) != 0)
		return 1;
	if (ftruncate(fd, 4) != 0 || pread(fd, text, 4, 0) != 4 || close(fd) != 0)
		return 2;
	if (rename(path, other) != 0 || unlink(other) != 0)
		return 3;
	pthread_t t;
	if (pthread_create(&t, NULL, thread, NULL) != 0 || pthread_join(t, NULL) != 0)
		return 4;
	if (!connects())
		return 5;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	if (getaddrinfo("localhost", "6379", &hints, &found) != 0)
		return 6;
	freeaddrinfo(found);
	time_t now = time(NULL);
	if (localtime(&now) == NULL)
		return 7;
	void *block = malloc(64 << 20);
	if (block == NULL)
		return 8;
	free(block);
	return 0;
}

static void leaves_a_sensor_all_it_needs(void **state)
{
	(void)state;
	assert_int_equal(in_child(work, (struct sandbox_options){ .kill = true }), 0);
}

static int read_outside(void)
{
	if (!landlocked)
		return 77;
	return open(outside, O_RDONLY) < 0 && errno == EACCES ? 0 : 1;
}

static void hides_other_files(void **state)
{
	(void)state;
	int status = in_child(read_outside, (struct sandbox_options){ 0 });
	if (status == 77)
		skip(); /* a kernel without Landlock */
	assert_int_equal(status, 0);
}

static int run_program(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return 1;
}

static int new_process(void)
{
	return fork() < 0 && errno == EPERM ? 0 : 1;
}

static int packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM ? 0 : 1;
}

static int writable_code(void)
{
	void *at = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return at == MAP_FAILED && errno == EACCES ? 0 : 1;
}

static int own_uid(void)
{
	return getuid() == 65534 && geteuid() == 65534 && setuid(0) != 0 ? 0 : 1;
}

static void ends_at_once_when_a_program_is_started(void **state)
{
	(void)state;
	assert_int_equal(in_child(run_program, (struct sandbox_options){ 0 }), 128 + SIGSYS);
}

static void refuses_what_sends_or_spawns(void **state)
{
	(void)state;
	assert_int_equal(in_child(new_process, (struct sandbox_options){ 0 }), 0);
	assert_int_equal(in_child(packet_socket, (struct sandbox_options){ 0 }), 0);
	assert_int_equal(in_child(writable_code, (struct sandbox_options){ 0 }), 0);
}

static void kills_where_tests_ask_for_it(void **state)
{
	(void)state;
	assert_int_equal(
		in_child(packet_socket, (struct sandbox_options){ .kill = true }), 128 + SIGSYS);
}

static void becomes_another_user(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(own_uid, (struct sandbox_options){ .user = "nobody" }), 0);
	assert_int_equal(in_child(own_uid, (struct sandbox_options){ .user = "65534" }), 0);
}

static void names_an_unknown_user(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct sandbox_options o = { .user = "no-such-user" };
	pid_t pid = fork();
	if (pid == 0)
		_exit(!sandbox_enter(&o, &err) &&
					strcmp(err.text, "user no-such-user: no such user") == 0
				? 0
				: 1);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int set_up(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(inside, sizeof(inside), "%s/in", folder);
	snprintf(outside, sizeof(outside), "%s/secret", folder);
	snprintf(listening, sizeof(listening), "%s/in/redis.sock", folder);
	chmod(folder, 0755);
	mkdir(inside, 0755);
	close(open(outside, O_CREAT | O_WRONLY, 0644));
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	strcpy(at.sun_path, listening);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	return bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(listener, 4) != 0
		       ? -1
		       : 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(listener);
	unlink(listening);
	unlink(outside);
	rmdir(inside);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_a_sensor_all_it_needs),
		cmocka_unit_test(hides_other_files),
		cmocka_unit_test(ends_at_once_when_a_program_is_started),
		cmocka_unit_test(refuses_what_sends_or_spawns),
		cmocka_unit_test(kills_where_tests_ask_for_it),
		cmocka_unit_test(becomes_another_user),
		cmocka_unit_test(names_an_unknown_user),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
