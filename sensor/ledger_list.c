/* ledger_list.c - bongsu-sensor ledger: which programs went where, as a table or as JSON. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/shown.h"
#include "sensor/command.h"
#include "sensor/envelope.h"
#include "sensor/eve_json.h"
#include "sensor/ledger.h"

enum { OPT_JSON = COMMAND_OPTION, OPT_FILE };

static const struct option longs[] = { { "json", no_argument, NULL, OPT_JSON },
	{ "file", required_argument, NULL, OPT_FILE }, { NULL, 0, NULL, 0 } };

static struct {
	bool json;
	const char *file;
} asked;

static bool take(int option, const char *value)
{
	if (option == OPT_JSON)
		asked.json = true;
	else
		asked.file = value;
	return true;
}

static void text_of(char *out, size_t cap, const char *text)
{
	struct buf b = buf_over(out, cap - 1);
	shown_add(&b, text, strlen(text));
	out[b.len] = '\0';
}

static void addr_text(char *out, size_t cap, const struct addr *a)
{
	struct buf b = buf_over(out, cap - 1);
	envelope_addr_text(&b, a->bytes);
	out[b.len] = '\0';
}

static void device_text(char *out, size_t cap, const struct program_key *key)
{
	addr_text(out, cap, &key->device);
	size_t n = strlen(out);
	if (key->kind != PROGRAM_S7_BLOCK)
		snprintf(out + n, cap - n, "/%u", key->unit);
}

static void time_text(char *out, size_t cap, int64_t ns)
{
	struct buf b = buf_over(out, cap - 1);
	eve_time(&b, ns); /* "2026-03-02T08:00:00.000000+0000", quoted */
	out[b.len] = '\0';
	if (b.len > 20)
		memmove(out, out + 1, 19);
	out[19] = '\0';
}

static const char *note_of(enum program_change change)
{
	return change == PROGRAM_DIFFERS ? "is not what was downloaded"
					 : program_change_name(change);
}

static void row(const struct transferred *t)
{
	char when[64], device[80], name[PROGRAM_NAME * 6], by[64], hex[HASH_HEX];
	time_text(when, sizeof when, t->copy.at_ns);
	device_text(device, sizeof device, &t->key);
	text_of(name, sizeof name, t->key.name);
	addr_text(by, sizeof by, &t->copy.by);
	hash_hex(t->copy.hash, hex);
	printf("%-19s  %-18s %-16s %-8s %8" PRIu64 "  %.16s…  %-16s %s\n", when, device, name,
		t->up ? "upload" : "download", t->copy.bytes, hex, by, note_of(t->change));
}

static void json_row(const struct transferred *t)
{
	char line[2048];
	struct buf b = buf_over(line, sizeof line);
	ledger_line(&b, &t->key, t->up, &t->copy, program_change_name(t->change));
	printf("%.*s\n", (int)b.len, line);
}

static enum status list(const struct history *h)
{
	size_t first = h->count > h->cap ? h->count - h->cap : 0;
	if (!asked.json)
		printf("%-19s  %-18s %-16s %-8s %8s  %-17s  %-16s %s\n", "TIME (UTC)", "DEVICE",
			"PROGRAM", "WAY", "BYTES", "SHA-256", "BY", "CHANGE");
	for (size_t i = first; i < h->count; i++)
		(asked.json ? json_row : row)(&h->one[i % h->cap]);
	if (first > 0)
		fprintf(stderr, "bongsu-sensor: %zu older ones are left out (ledger.programs)\n",
			first);
	return fflush(stdout) == 0 ? STATUS_OK : STATUS_FAILED;
}

static enum status answer(struct run *r)
{
	const struct ledger *l = watchers_state(r->watchers, "ledger");
	return list(&l->history);
}

/* The file of a sensor that runs, or ran. */
static enum status from_file(const struct config *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	const char *path = asked.file != NULL       ? asked.file
			   : c->ledger_file != NULL ? c->ledger_file
						    : "/var/lib/bongsu/spool/programs.jsonl";
	struct book *b = book_new(c->ledger_programs, 0);
	struct history h = { .cap = c->ledger_programs };
	struct err err = { 0 };
	uint64_t damaged = 0;
	enum status status = STATUS_FAILED;
	h.one = calloc(h.cap, sizeof *h.one);
	if (b == NULL || h.one == NULL) {
		book_free(b);
		free(h.one);
		return STATUS_FAILED;
	}
	if (access(path, R_OK) != 0)
		err_set(&err, "%s: %s", path, strerror(errno));
	if (!err.set && ledger_file_read(b, &h, path, &damaged, &err))
		status = list(&h);
	else
		fprintf(stderr, "bongsu-sensor: %s\n", err.text);
	if (damaged > 0)
		fprintf(stderr, "bongsu-sensor: %s: %" PRIu64 " damaged lines\n", path, damaged);
	book_free(b);
	free(h.one);
	return status == STATUS_OK && damaged > 0 ? STATUS_DAMAGED : status;
}

static const char usage[] =
	"usage: bongsu-sensor ledger -r FILE|DIR [options]     programs transferred in captures\n"
	"       bongsu-sensor ledger [-c FILE] [--file PATH]   those that a live sensor has seen\n"
	"\n"
	"  --json       one JSON object a line, with the whole hashes\n"
	"  --file PATH  the ledger of a live sensor (default: ledger.file of the configuration,\n"
	"               else /var/lib/bongsu/spool/programs.jsonl)\n"
	"  -r -i -c -F -k --set --quiet   as without a command\n"
	"\n"
	"A program is a block of an S7 controller, a Modbus file, a Schneider program or a file of "
	"a\n"
	"DNP3 outstation. What is listed was seen whole; the SHA-256 is over all its bytes. CHANGE "
	"is\n"
	"against the last one of its device and name, whichever way that went.\n";

const struct command ledger_command = {
	.name = "ledger",
	.sentence = "programs that went to controllers and came from them, by hash",
	.usage = usage,
	.longs = longs,
	.option = take,
	.answer = answer,
	.instead = from_file,
};
