/* tail.c - bongsu-tail: alerts as they come, one line each, from Redis or a file. */
#include "common/shown.h"
#include "console/tail.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* " read write …" */
#define VERB(word, changes) " " #word
static const char verbs[] =
#include "common/verbs.def"
	;
#undef VERB

enum { OK = 0, FAILED = 1, USAGE = 2 };

volatile sig_atomic_t tail_stopped;

static const char help[] =
	"usage: bongsu-tail [options] [FILE | - | redis://HOST[:PORT] | rediss://… | "
	"redis+unix:///PATH]\n"
	"\n"
	"Follows the alerts of sensors: one line each with time, level, verb, who → which device,\n"
	"whether the device accepted it, and the rule. Without a source: redis://127.0.0.1:6379, "
	"or\n"
	"$BONGSU_REDIS. ?key= in the URL names one stream; ?user= and ?password-file= log in.\n"
	"\n"
	"  -n N              begin with the last N (default 10)\n"
	"  --since TIME      begin there: 90s 10m 2h 1d ago, 2026-11-22, 2026-11-22T20:10, 20:10\n"
	"  --once            show what there is and exit\n"
	"  --level LEVEL     only at least low, medium, high or critical\n"
	"  --device PATTERN  only where an address or name of either end fits (* and ?)\n"
	"  --verb VERB[,…]   only these: write,stop,download …\n"
	"  --rule TEXT       only rules with this in their title, or this sid or UUID\n"
	"  --anomalies       anomalies as well, and what people did to a sensor\n"
	"  --sensor NAME     only this sensor; repeatable (default: all that Redis knows)\n"
	"  --json            print events as JSON, one a line\n"
	"  --utc             times in UTC instead of local time\n"
	"  --color WHEN      auto (default), always, never; NO_COLOR is respected\n"
	"  -V, --version     -h, --help\n"
	"\n"
	"exit status: 0 ended as asked (also by a signal or a closed pipe), 1 the source failed, 2 "
	"usage\n";

void tail_say(const char *format, ...)
{
	va_list args;
	char text[512], safe[2048];
	struct buf b = buf_over(safe, sizeof safe);
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	shown_add(&b, text, strlen(text));
	fprintf(stderr, "bongsu-tail: %.*s\n", (int)b.len, safe);
}

static void print(const char *text, size_t n)
{
	if (fwrite(text, 1, n, stdout) != n || putchar('\n') == EOF)
		tail_stopped = 1;
}

static void hold(struct tail *t, const char *text, size_t n)
{
	if (t->last == 0)
		return;
	char *copy = malloc(n + 1);
	if (copy == NULL)
		return;
	memcpy(copy, text, n);
	copy[n] = '\0';
	free(t->held[t->held_next]);
	t->held[t->held_next] = copy;
	t->held_next = (t->held_next + 1) % t->last;
	if (t->held_count < t->last)
		t->held_count++;
}

static void give(struct tail *t, const char *text, size_t n)
{
	if (t->holding)
		hold(t, text, n);
	else
		print(text, n);
}

static void show_json(struct tail *t, const char *line, size_t len)
{
	size_t cap = len * 6 + 1;
	char *memory = malloc(cap);
	if (memory == NULL)
		return;
	struct buf b = buf_over(memory, cap);
	shown_add_json(&b, line, len);
	give(t, memory, b.len);
	free(memory);
}

void tail_show(struct tail *t, const char *line, size_t len)
{
	static bool told;
	struct line_event e;
	if (!line_parse(&e, line, len)) {
		if (!told)
			tail_say("left out a line that is no event: %.60s", line);
		told = true;
	} else if (line_wanted(&t->filter, &e)) {
		struct buf b = buf_over(t->text, sizeof t->text);
		if (t->json) {
			show_json(t, line, len);
		} else {
			line_write(&b, &e, &t->style);
			give(t, t->text, b.len);
		}
	}
	line_free(&e);
	if (!t->holding)
		fflush(stdout);
}

void tail_hold(struct tail *t)
{
	t->holding = true;
}

void tail_release(struct tail *t)
{
	size_t first = t->held_count < t->last ? 0 : t->held_next;
	t->holding = false;
	for (size_t i = 0; i < t->held_count; i++) {
		size_t at = (first + i) % t->last;
		print(t->held[at], strlen(t->held[at]));
		free(t->held[at]);
		t->held[at] = NULL;
	}
	t->held_count = t->held_next = 0;
	fflush(stdout);
}

/* ---- options ---- */

enum {
	LONG_SINCE = 256,
	LONG_ONCE,
	LONG_LEVEL,
	LONG_DEVICE,
	LONG_VERB,
	LONG_RULE,
	LONG_ANOMALIES,
	LONG_SENSOR,
	LONG_JSON,
	LONG_UTC,
	LONG_COLOR,
};

static const struct option longs[] = {
	{ "since", required_argument, NULL, LONG_SINCE },
	{ "once", no_argument, NULL, LONG_ONCE },
	{ "level", required_argument, NULL, LONG_LEVEL },
	{ "device", required_argument, NULL, LONG_DEVICE },
	{ "verb", required_argument, NULL, LONG_VERB },
	{ "rule", required_argument, NULL, LONG_RULE },
	{ "anomalies", no_argument, NULL, LONG_ANOMALIES },
	{ "sensor", required_argument, NULL, LONG_SENSOR },
	{ "json", no_argument, NULL, LONG_JSON },
	{ "utc", no_argument, NULL, LONG_UTC },
	{ "color", required_argument, NULL, LONG_COLOR },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct wishes {
	struct tail *tail;
	const char *since;
	bool last_given;
};

static bool wants_colour(const char *when, bool *colour)
{
	const char *no = getenv("NO_COLOR");
	*colour =
		strcmp(when, "always") == 0 ||
		(strcmp(when, "auto") == 0 && isatty(STDOUT_FILENO) && (no == NULL || *no == '\0'));
	return *colour || strcmp(when, "never") == 0 || strcmp(when, "auto") == 0;
}

static bool number(const char *text, size_t max, size_t *out)
{
	char *end;
	unsigned long long v = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || v > max)
		return false;
	*out = (size_t)v;
	return true;
}

static bool bad(const char *what, const char *value, const char *expected)
{
	tail_say("%s %s: expected %s", what, value, expected);
	return false;
}

static bool take(struct wishes *w, int c)
{
	struct tail *t = w->tail;
	switch (c) {
	case 'n':
		w->last_given = true;
		return number(optarg, 100000, &t->last) || bad("-n", optarg, "0 to 100000");
	case LONG_SINCE:
		w->since = optarg;
		return true;
	case LONG_ONCE:
		t->once = true;
		return true;
	case LONG_LEVEL:
		t->filter.severity = line_severity(optarg);
		return t->filter.severity != 0 ||
		       bad("--level", optarg, "low, medium, high or critical");
	case LONG_DEVICE:
		t->filter.device = optarg;
		return true;
	case LONG_VERB:
		t->filter.verbs = optarg;
		return line_knows_verbs(optarg) || bad("--verb", optarg, verbs + 1);
	case LONG_RULE:
		t->filter.rule = optarg;
		return true;
	case LONG_ANOMALIES:
		t->filter.anomalies = true;
		return true;
	case LONG_SENSOR:
		if (t->sensor_count == TAIL_SENSORS)
			return bad("--sensor", optarg, "at most 64 sensors");
		t->sensors[t->sensor_count++] = optarg;
		return true;
	case LONG_JSON:
		t->json = true;
		return true;
	case LONG_UTC:
		t->style.utc = true;
		return true;
	case LONG_COLOR:
		return wants_colour(optarg, &t->style.colour) ||
		       bad("--color", optarg, "auto, always or never");
	default:
		fputs("try bongsu-tail --help\n", stderr);
		return false;
	}
}

/* With --since old events are shown from there, as many as there are, unless -n says fewer. */
static bool settle(struct wishes *w)
{
	struct tail *t = w->tail;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (w->since != NULL) {
		if (!line_since(w->since, (int64_t)now.tv_sec * 1000000000, t->style.utc,
			    &t->filter.since_ns))
			return bad("--since", w->since,
				"90s, 10m, 2h, 1d, 2026-11-22, 2026-11-22T20:10 or 20:10");
		if (!w->last_given)
			t->last = 100000;
	}
	t->held = calloc(t->last == 0 ? 1 : t->last, sizeof *t->held);
	return t->held != NULL;
}

static void on_signal(int signal)
{
	(void)signal;
	tail_stopped = 1;
}

static int run(struct tail *t, const char *source)
{
	struct err err = { 0 };
	struct sigaction stop = { .sa_handler = on_signal }, ignore = { .sa_handler = SIG_IGN };
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	bool redis = strstr(source, "://") != NULL;
	if (redis ? tail_redis(t, source, &err) : tail_file(t, source, &err))
		return OK;
	tail_say("%s", err.text);
	return FAILED;
}

int main(int argc, char **argv)
{
	static struct tail tail = { .last = 10, .filter = { .since_ns = INT64_MIN } };
	struct wishes w = { .tail = &tail };
	int c;
	setlocale(LC_CTYPE, "");
	wants_colour("auto", &tail.style.colour);
	while ((c = getopt_long(argc, argv, "n:Vh", longs, NULL)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			return OK;
		}
		if (c == 'V') {
			puts("bongsu-tail " BONGSU_VERSION);
			return OK;
		}
		if (!take(&w, c))
			return USAGE;
	}
	if (!settle(&w))
		return USAGE;
	if (argc - optind > 1) {
		tail_say("%s: one source only", argv[optind + 1]);
		return USAGE;
	}
	const char *source = argc > optind ? argv[optind] : getenv("BONGSU_REDIS");
	int status = run(&tail, source != NULL ? source : "redis://127.0.0.1:6379");
	free(tail.held);
	return status;
}
