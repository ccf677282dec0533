/* command_learn.c - bongsu-sensor learn: proposes a baseline, or says what a day adds to one. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sensor/learn.h"

enum { OPT_FOR = COMMAND_OPTION, OPT_DIFF, OPT_NAME };

static const char usage[] =
	"usage: bongsu-sensor learn -r FILE|DIR … | -i IF [--for 8h]  [-o FILE] [--name NAME]\n"
	"       bongsu-sensor learn -r FILE … --diff BASELINE\n"
	"\n"
	"Writes what was normal as YAML to read, to edit and to name under baseline: of the\n"
	"configuration: who talks to which device, what it does there, where and how often.\n"
	"What stops, loads, deletes, restarts, forces, sets clocks or uses passwords is listed\n"
	"for decision and never taken for granted.\n"
	"\n"
	"  -o FILE     where to (default: stdout); a file that holds something is left alone\n"
	"  --name N    what the baseline is called (run)\n"
	"  --for T     live: how long, such as 90s, 30m, 8h or 7d\n"
	"  --diff B    tells instead what was seen beyond the baseline in the file B, a line\n"
	"              each with +, and what of B was not seen, with -\n"
	"\n"
	"-c -k -F --set --quiet as ever. exit status: as bongsu-sensor's\n";

static const struct option longs[] = { { "for", required_argument, NULL, OPT_FOR },
	{ "diff", required_argument, NULL, OPT_DIFF },
	{ "name", required_argument, NULL, OPT_NAME }, { "output", required_argument, NULL, 'o' },
	{ 0 } };

/* Opened before the sandbox is entered. */
static struct {
	int64_t for_ns;
	const char *name, *path;
	FILE *out; /* NULL: stdout */
	struct baseline *base;
} wish;

int64_t learn_for_ns(void)
{
	return wish.for_ns;
}

static bool refuse(const char *what, const char *detail)
{
	fprintf(stderr, "bongsu-sensor: learn: %s%s\n", what, detail);
	return false;
}

/* "90s", "30m", "8h", "7d" */
static bool read_for(const char *text)
{
	static const char units[] = "smhd";
	static const int64_t seconds[] = { 1, 60, 3600, 86400 };
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	const char *unit = *end == '\0' ? NULL : strchr(units, *end);
	if (*text < '0' || *text > '9' || unit == NULL || end[1] != '\0' || n == 0 || n > 100000)
		return refuse("--for takes a time such as 90s, 30m, 8h or 7d, not ", text);
	wish.for_ns = (int64_t)n * seconds[unit - units] * 1000000000;
	return true;
}

static bool open_out(const char *path)
{
	struct stat st;
	if (strcmp(path, "-") == 0)
		return true;
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || fstat(fd, &st) != 0)
		return refuse(path, strerror(errno));
	if (st.st_size > 0) {
		close(fd);
		return refuse(
			path, " holds something: decisions perhaps. Use --diff, or remove it");
	}
	wish.path = path;
	wish.out = fdopen(fd, "w");
	return wish.out != NULL || refuse(path, ": out of memory");
}

static bool open_diff(const char *path)
{
	struct text_list faults = { 0 };
	wish.base = baseline_load(path, &faults);
	for (size_t i = 0; i < faults.count; i++)
		fprintf(stderr, "%s\n", faults.text[i]);
	text_list_free(&faults);
	return wish.base != NULL;
}

static bool learn_option(int option, const char *value)
{
	switch (option) {
	case OPT_FOR:
		return read_for(value);
	case OPT_DIFF:
		return open_diff(value);
	case OPT_NAME:
		wish.name = value;
		return strlen(value) <= BASELINE_NAME || refuse("--name is too long: ", value);
	default:
		return open_out(value);
	}
}

static enum status learn_answer(struct run *r)
{
	struct baseline *b = baseline_learned(watchers_state(r->watchers, "baseline"));
	FILE *out = wish.out == NULL ? stdout : wish.out;
	if (b == NULL)
		return STATUS_FAILED;
	for (uint32_t i = 0; i < b->deeds; i++)
		deed_settle(&b->deed[i]);
	if (wish.name != NULL) {
		free(b->name);
		b->name = strdup(wish.name);
	}
	if (wish.base != NULL)
		baseline_diff(wish.base, b, out);
	else
		baseline_write(b, &r->config->site, out);
	bool good = fflush(out) == 0 && !ferror(out);
	if (wish.out != NULL)
		good &= fclose(wish.out) == 0;
	baseline_free(wish.base);
	wish.base = NULL;
	if (!good)
		fprintf(stderr, "bongsu-sensor: learn: %s: %s\n",
			wish.path == NULL ? "stdout" : wish.path, strerror(errno));
	return good ? STATUS_OK : STATUS_FAILED;
}

const struct command learn_command = {
	.name = "learn",
	.sentence = "proposes what is normal as YAML, or tells what a day adds to it",
	.usage = usage,
	.shorts = "o:",
	.longs = longs,
	.option = learn_option,
	.answer = learn_answer,
};
