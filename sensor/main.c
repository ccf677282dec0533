/* main.c - bongsu-sensor(8). */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sensor/command.h"
#include "sensor/fields_list.h"
#include "sensor/run.h"

#define DEFAULT_CONFIG "/etc/bongsu/sensor.yaml"

/* --- signals ----------------------------------------------------------------------------- */

static void on_signal(int number)
{
	if (number == SIGTERM || number == SIGINT)
		wishes.stop = 1;
	else if (number == SIGHUP)
		wishes.reopen = 1;
	else if (number == SIGUSR1)
		wishes.counters = 1;
	else if (number == SIGUSR2)
		wishes.reload = 1;
	else if (number == SIGRTMIN)
		wishes.canary = 1;
}

static void catch_signals(void)
{
	const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGRTMIN };
	struct sigaction action = { .sa_handler = on_signal };
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		sigaction(numbers[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* --- configuration ----------------------------------------------------------------------- */

static void replace_text(char **to, const char *text)
{
	if (text == NULL)
		return;
	free(*to);
	*to = strdup(text);
}

/* The command line goes over the file. */
static void apply_options(struct config *c, const struct options *o)
{
	if (o->interfaces.count > 0) {
		text_list_free(&c->interfaces);
		for (size_t i = 0; i < o->interfaces.count; i++)
			text_list_keep(&c->interfaces, o->interfaces.text[i]);
	}
	replace_text(&c->filter, o->filter);
	replace_text(&c->user, o->user);
	replace_text(&c->group, o->group);
}

/* A replay takes what the machine's own configuration says of the site; it adds nothing to what the
 * sensor there writes. */
static void leave_alone(struct config *c)
{
	char **const places[] = { &c->evidence_dir, &c->asset_file, &c->ledger_file };
	text_list_free(&c->outputs);
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		free(*places[i]);
		*places[i] = NULL;
	}
}

static bool read_config(struct config *c, const struct options *o)
{
	struct text_list faults = { 0 };
	const char *path = o->config;
	config_init(c);
	if (path == NULL && access(DEFAULT_CONFIG, R_OK) == 0)
		path = DEFAULT_CONFIG;
	if (path != NULL)
		config_load(c, path, &faults);
	if (o->config == NULL && o->inputs.count > 0)
		leave_alone(c);
	for (size_t i = 0; i < o->sets.count; i++)
		config_set(c, o->sets.text[i], &faults);
	apply_options(c, o);
	for (size_t i = 0; i < faults.count; i++)
		fprintf(stderr, "%s\n", faults.text[i]);
	bool ok = faults.count == 0;
	text_list_free(&faults);
	return ok;
}

/* --- life -------------------------------------------------------------------------------- */

static bool write_pidfile(const char *path)
{
	FILE *f = path == NULL ? NULL : fopen(path, "w");
	if (f != NULL) {
		fprintf(f, "%ld\n", (long)getpid());
		if (fclose(f) == 0)
			return true;
	} else if (path == NULL) {
		return true;
	}
	fprintf(stderr, "bongsu-sensor: pidfile %s: %s\n", path, strerror(errno));
	return false;
}

static enum status test_only(struct run *r)
{
	const struct points *p = &r->config->points;
	if (!r->options->quiet && p->count > 0)
		fprintf(stderr, "bongsu-sensor: %zu points of %zu devices, %zu interlocks\n",
			p->count, p->devices, p->interlocks);
	if (!r->options->quiet)
		fprintf(stderr, "bongsu-sensor: configuration and %zu rules are good\n",
			rules_count(r->rules.rules));
	return STATUS_OK;
}

/* What a command was asked for; of a damaged capture too, up to there. */
static enum status answer(struct run *r, enum status status)
{
	const struct command *c = r->options->command;
	if (c == NULL || (status != STATUS_OK && status != STATUS_DAMAGED))
		return status;
	run_capture_end(r);
	enum status said = c->answer(r);
	return said == STATUS_OK ? status : said;
}

static enum status run_all(const struct options *o, struct config *c)
{
	static struct run r;
	struct err err = { 0 };
	enum status status;
	if (!run_open(&r, o, c, &status, &err)) {
		fprintf(stderr, "bongsu-sensor: %s\n", err.text);
	} else if (o->action == ACTION_TEST) {
		status = test_only(&r);
	} else if (!write_pidfile(o->pidfile)) {
		status = STATUS_FAILED;
	} else {
		catch_signals();
		status = r.live ? live(&r) : replay(&r);
		status = answer(&r, status);
	}
	status = run_close(&r, status);
	if (o->pidfile != NULL && o->action == ACTION_RUN)
		unlink(o->pidfile);
	return status;
}

static enum status act(const struct options *o, struct config *c)
{
	if (o->command != NULL && o->command->instead != NULL && o->inputs.count == 0 &&
		o->interfaces.count == 0)
		return o->command->instead(c, o->word_count, o->words);
	switch (o->action) {
	case ACTION_LIST_FIELDS:
		fields_list(stdout);
		return STATUS_OK;
	case ACTION_LIST_PROTOCOLS:
		protocols_list(stdout);
		return STATUS_OK;
	case ACTION_DUMP_CONFIG:
		config_dump(c, stdout);
		return STATUS_OK;
	default:
		break;
	}
	if (o->threads > 1)
		fputs("bongsu-sensor: one worker runs; several come in a later version\n", stderr);
	if (o->action == ACTION_RUN && o->inputs.count == 0 && c->interfaces.count == 0) {
		fputs("bongsu-sensor: nothing to watch: give -r FILE or -i INTERFACE (try -h)\n",
			stderr);
		return STATUS_USAGE;
	}
	return run_all(o, c);
}

int main(int argc, char **argv)
{
	struct options o;
	struct config c = { 0 };
	int status;
	if (options_parse(&o, argc, argv, &status))
		status = (int)(read_config(&c, &o) ? act(&o, &c) : STATUS_CONFIG);
	config_free(&c);
	options_free(&o);
	return status;
}
