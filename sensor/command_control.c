/* command_control.c - bongsu-sensor control: speaks to the sensor that runs. */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "sensor/command.h"
#include "sensor/control.h"

enum { WAIT_MS = 30000, VALUE = 512 };

static const char usage[] =
	"usage: bongsu-sensor control [-c FILE] COMMAND [KEY=VALUE …]\n"
	"\n"
	"Asks the sensor that runs, over its control socket (control.socket). Root, the sensor's\n"
	"user and members of its group may.\n"
	"\n"
	"  version  uptime  stats  ruleset-stats  command-list\n"
	"  silence-add    until=TIME or for=2h, reason=TEXT, and what: rule= sid= verb= service=\n"
	"                 level= src= dst= unit=; lists with commas; by= is you, unless said\n"
	"  silence-list  silence-remove id=ID\n"
	"  maintenance-start  name= who= verbs= until= or for=, reason=, devices= lower_to= by=\n"
	"  maintenance-list  maintenance-end name=NAME\n"
	"  reload-rules  reopen-log-files  canary  shutdown\n"
	"\n"
	"exit status: 0 done, 1 refused (the sensor says why) or not reached, 2 usage\n";

/* --- the question ------------------------------------------------------------------------ */

static bool is_list(const char *key, size_t n)
{
	static const char *const keys[] = { "src", "dst", "who", "devices", "verbs" };
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (strlen(keys[i]) == n && memcmp(keys[i], key, n) == 0)
			return true;
	return false;
}

static void put_value(struct buf *b, const char *text, size_t n)
{
	if (n > 0 && n < 18 && strspn(text, "0123456789") >= n)
		buf_add(b, text, n);
	else
		buf_json_string(b, text, n, VALUE);
}

static void put_list(struct buf *b, const char *text)
{
	buf_char(b, '[');
	for (const char *comma = text; comma != NULL; text = comma + 1) {
		comma = strchr(text, ',');
		size_t n = comma == NULL ? strlen(text) : (size_t)(comma - text);
		buf_json_string(b, text, n, VALUE);
		if (comma != NULL)
			buf_char(b, ',');
	}
	buf_char(b, ']');
}

/* "90s", "30m", "2h", "7d" from now. */
static bool put_until(struct buf *b, const char *text)
{
	static const char units[] = "smhd";
	static const int64_t seconds[] = { 1, 60, 3600, 86400 };
	char *end, when[WHEN_TEXT];
	unsigned long n = strtoul(text, &end, 10);
	const char *unit = *end == '\0' ? NULL : strchr(units, *end);
	if (*text < '0' || *text > '9' || unit == NULL || end[1] != '\0' || n == 0 || n > 100000)
		return false;
	when_print(wall_ns() + (int64_t)n * seconds[unit - units] * 1000000000, when);
	buf_lit(b, "\"until\":");
	buf_json_string(b, when, strlen(when), WHEN_TEXT);
	return true;
}

static bool put_argument(struct buf *b, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t n = equals == NULL ? 0 : (size_t)(equals - word);
	if (n == 0)
		return false;
	if (n == 3 && memcmp(word, "for", 3) == 0)
		return put_until(b, equals + 1);
	buf_json_string(b, word, n, VALUE);
	buf_char(b, ':');
	if (is_list(word, n))
		put_list(b, equals + 1);
	else if (n == 6 && memcmp(word, "reason", 6) == 0)
		buf_json_string(b, equals + 1, strlen(equals + 1), VALUE);
	else
		put_value(b, equals + 1, strlen(equals + 1));
	return true;
}

/* Who sits there, through sudo too. */
static const char *person(void)
{
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *pw = getpwuid(getuid());
	return sudo != NULL ? sudo : pw != NULL ? pw->pw_name : "unknown";
}

static bool asks_who(const char *command)
{
	return strcmp(command, "silence-add") == 0 || strcmp(command, "maintenance-start") == 0;
}

static bool put_question(struct buf *b, int argc, char **argv)
{
	bool by = false;
	buf_lit(b, "{\"command\":");
	buf_json_string(b, argv[0], strlen(argv[0]), VALUE);
	buf_lit(b, ",\"arguments\":{");
	for (int i = 1; i < argc; i++) {
		if (i > 1)
			buf_char(b, ',');
		if (!put_argument(b, argv[i])) {
			fprintf(stderr, "bongsu-sensor: control: not KEY=VALUE: %s\n", argv[i]);
			return false;
		}
		by |= strncmp(argv[i], "by=", 3) == 0;
	}
	if (!by && asks_who(argv[0])) {
		if (argc > 1)
			buf_char(b, ',');
		buf_lit(b, "\"by\":");
		buf_json_string(b, person(), strlen(person()), VALUE);
	}
	buf_lit(b, "}}\n");
	return !b->full;
}

/* --- the answer -------------------------------------------------------------------------- */

static int reach(const char *path, struct err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof at.sun_path) {
		err_set(err, "%s: path too long", path);
		return -1;
	}
	memcpy(at.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof at) == 0)
		return fd;
	err_set(err, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Up to the newline; false: none came. */
static bool read_answer(int fd, struct buf *to)
{
	while (to->len == 0 || to->at[to->len - 1] != '\n') {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (poll(&p, 1, WAIT_MS) <= 0)
			return false;
		ssize_t n = recv(fd, to->at + to->len, to->cap - to->len, 0);
		if (n <= 0)
			return false;
		to->len += (size_t)n;
	}
	return true;
}

static enum status show(const struct buf *answer)
{
	static const char ok[] = "{\"return\":\"OK\",\"message\":";
	static const char not_ok[] = "{\"return\":\"NOK\",\"message\":";
	bool good = answer->len > sizeof ok && memcmp(answer->at, ok, sizeof ok - 1) == 0;
	size_t skip = good ? sizeof ok - 1 : sizeof not_ok - 1;
	if (answer->len < skip + 2)
		return STATUS_FAILED;
	fprintf(good ? stdout : stderr, "%.*s\n", (int)(answer->len - skip - 2), answer->at + skip);
	return good ? STATUS_OK : STATUS_FAILED;
}

static enum status speak(int fd, const struct buf *question)
{
	static char space[CONTROL_REPLY];
	struct buf answer = buf_over(space, sizeof space);
	if (send(fd, question->at, question->len, MSG_NOSIGNAL) != (ssize_t)question->len ||
		!read_answer(fd, &answer)) {
		fputs("bongsu-sensor: control: no answer (may this user ask?)\n", stderr);
		return STATUS_FAILED;
	}
	return show(&answer);
}

static enum status instead(const struct config *c, int argc, char **argv)
{
	char space[CONTROL_LINE];
	struct buf question = buf_over(space, sizeof space);
	struct err err = { 0 };
	if (argc == 0) {
		fputs(usage, stderr);
		return STATUS_USAGE;
	}
	if (!put_question(&question, argc, argv))
		return STATUS_USAGE;
	int fd = reach(c->control == NULL ? CONTROL_SOCKET : c->control, &err);
	if (fd < 0) {
		fprintf(stderr, "bongsu-sensor: control: %s\n", err.text);
		return STATUS_FAILED;
	}
	enum status status = speak(fd, &question);
	close(fd);
	return status;
}

const struct command control_command = {
	.name = "control",
	.sentence = "ask the sensor that runs: silences, maintenance, counters, rules",
	.usage = usage,
	.instead = instead,
};
