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

static void row(
	const struct program_key *key, bool up, const struct program_copy *copy, const char *note)
{
	char when[64], device[80], name[PROGRAM_NAME * 6], by[64], hex[HASH_HEX];
	if (!copy->known)
		return;
	time_text(when, sizeof when, copy->at_ns);
	device_text(device, sizeof device, key);
	text_of(name, sizeof name, key->name);
	addr_text(by, sizeof by, &copy->by);
	hash_hex(copy->hash, hex);
	printf("%-19s  %-18s %-16s %-8s %8" PRIu64 "  %.16s…  %-16s %s\n", when, device, name,
		up ? "upload" : "download", copy->bytes, hex, by, note);
}

static void json_row(const struct program_key *key, bool up, const struct program_copy *copy)
{
	char line[2048];
	struct buf b = buf_over(line, sizeof line);
	if (!copy->known)
		return;
	ledger_line(&b, key, up, copy);
	printf("%.*s\n", (int)b.len, line);
}

static void program(const struct program *p)
{
	bool both = p->down.known && p->up.known && p->up.at_ns >= p->down.at_ns;
	bool other = both && memcmp(p->down.code, p->up.code, HASH) != 0;
	if (asked.json) {
		json_row(&p->key, false, &p->down);
		json_row(&p->key, true, &p->up);
		return;
	}
	row(&p->key, false, &p->down, p->changes > 0 && !other ? "changed" : "");
	row(&p->key, true, &p->up, other ? "is not what was downloaded" : "");
}

static enum status list(const struct book *b)
{
	const struct program **programs = book_sorted(b);
	if (programs == NULL)
		return STATUS_FAILED;
	if (!asked.json)
		printf("%-19s  %-18s %-16s %-8s %8s  %-17s  %-16s\n", "TIME (UTC)", "DEVICE",
			"PROGRAM", "WAY", "BYTES", "SHA-256", "BY");
	for (size_t i = 0; i < book_count(b); i++)
		program(programs[i]);
	free(programs);
	return fflush(stdout) == 0 ? STATUS_OK : STATUS_FAILED;
}

static enum status answer(struct run *r)
{
	const struct ledger *l = watchers_state(r->watchers, "ledger");
	return list(l->book);
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
	struct err err = { 0 };
	uint64_t damaged = 0;
	enum status status = STATUS_FAILED;
	if (b == NULL)
		return STATUS_FAILED;
	if (access(path, R_OK) != 0)
		err_set(&err, "%s: %s", path, strerror(errno));
	if (!err.set && ledger_file_read(b, path, &damaged, &err))
		status = list(b);
	else
		fprintf(stderr, "bongsu-sensor: %s\n", err.text);
	if (damaged > 0)
		fprintf(stderr, "bongsu-sensor: %s: %" PRIu64 " damaged lines\n", path, damaged);
	book_free(b);
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
	"DNP3 outstation. What is listed was seen whole; the SHA-256 is over all its bytes.\n";

const struct command ledger_command = {
	.name = "ledger",
	.sentence = "programs that went to controllers and came from them, by hash",
	.usage = usage,
	.longs = longs,
	.option = take,
	.answer = answer,
	.instead = from_file,
};
