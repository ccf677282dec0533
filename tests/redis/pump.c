/* pump.c - feeds numbered lines to sinks, so that tests can drive these without a capture.
 * pump [-n LINES] [-f FIRST] [-e EPOCH] [-l] [-d SPOOL] [-b SPOOL_BYTES] [-r PER_SECOND] [-s
 * SENSOR]
 *      [-k KEEP_S] [-w DRAIN_S] [-p PADDING] SINK… */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sensor/sink.h"

static volatile sig_atomic_t stopped, reopen;

static void on_signal(int number)
{
	if (number == SIGHUP)
		reopen = 1;
	else
		stopped = 1;
}

struct pump {
	struct sink_options o;
	uint64_t lines, first, rate;
	size_t padding;
};

static uint64_t number(const char *text)
{
	char *end;
	uint64_t v = strtoull(text, &end, 0);
	if (*text == '\0' || *end != '\0') {
		fprintf(stderr, "pump: %s is no number\n", text);
		exit(2);
	}
	return v;
}

static void option(struct pump *p, int c)
{
	switch (c) {
	case 'n':
		p->lines = number(optarg);
		break;
	case 'f':
		p->first = number(optarg);
		break;
	case 'e':
		p->o.epoch = number(optarg);
		break;
	case 'l':
		p->o.live = true;
		break;
	case 'd':
		p->o.spool_dir = optarg;
		break;
	case 'b':
		p->o.spool_bytes = number(optarg);
		break;
	case 'r':
		p->rate = number(optarg);
		break;
	case 's':
		p->o.sensor = optarg;
		break;
	case 'k':
		p->o.keep_s = (uint32_t)number(optarg);
		break;
	case 'w':
		p->o.drain_s = (uint32_t)number(optarg);
		break;
	case 'p':
		p->padding = (size_t)number(optarg);
		break;
	default:
		exit(2);
	}
}

static void pace(const struct pump *p, uint64_t done)
{
	if (p->rate == 0)
		return;
	if (p->rate <= 1000)
		usleep((useconds_t)(1000000 / p->rate));
	else if (done % (p->rate / 1000) == 0)
		usleep(1000);
}

static void feed(const struct pump *p, struct sinks *sinks)
{
	char *line = malloc(p->padding + 128);
	char *padding = malloc(p->padding + 1);
	if (line == NULL || padding == NULL)
		abort();
	memset(padding, 'x', p->padding);
	padding[p->padding] = '\0';
	for (uint64_t i = 0; i < p->lines && !stopped && !sinks_broken(sinks); i++) {
		int len = snprintf(line, p->padding + 128,
			"{\"event_type\":\"alert\",\"bongsu\":{\"epoch\":%llu,\"n\":%llu,\"rule\":"
			"\"pump\"},\"x\":\"%"
			"s\"}",
			(unsigned long long)p->o.epoch, (unsigned long long)(p->first + i),
			padding);
		sinks_put(sinks, p->first + i, "alert", line, (size_t)len);
		if (reopen) {
			reopen = 0;
			sinks_reopen(sinks);
		}
		pace(p, i + 1);
	}
	free(line);
	free(padding);
}

int main(int argc, char **argv)
{
	struct pump p = {
		.o = { .sensor = "pump", .spool_bytes = 1 << 30, .keep_s = 600, .drain_s = 10 },
		.lines = 1000,
		.first = 1,
		.padding = 400
	};
	int c;
	while ((c = getopt(argc, argv, "n:f:e:ld:b:r:s:k:w:p:")) != -1)
		option(&p, c);
	struct sigaction act = { .sa_handler = on_signal };
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	struct err err = { 0 };
	struct sinks *sinks =
		sinks_open((const char *const *)argv + optind, (size_t)(argc - optind), &p.o, &err);
	if (sinks == NULL) {
		fprintf(stderr, "pump: %s\n", err.text);
		return 1;
	}
	feed(&p, sinks);
	bool good = sinks_close(sinks, &err);
	if (!good)
		fprintf(stderr, "pump: %s\n", err.text);
	return good ? 0 : 1;
}
