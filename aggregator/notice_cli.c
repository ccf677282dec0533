/* notice_cli.c - `bongsu-aggregator notice` and `pack`. Both only write rows: a running daemon of
 * the same folder sees them within a second. */
#include "aggregator/notice_cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregator/notice.h"
#include "aggregator/now.h"
#include "aggregator/pki.h"
#include "aggregator/run.h"
#include "common/shown.h"

enum { SETS_MOST = 1000 };

const char notice_usage[] =
	"notice issue --warning COLOUR --text T [--action T] [--category C] [--product P] "
	"[--protocol P]\n"
	"             [--versions V] [--region R,…] [--sector S,…] [--expires 7d] "
	"[--exercise|--test]\n"
	"             [--key FILE]\n"
	"notice issue --to ORG --text T --deadline 4h [--action T] [--about FLASH] [--profile P] "
	"[--via ORG]\n"
	"notice list [--open] [--json]             cases known here\n"
	"notice show CASE [--json]                 one of them, where firms stand, every step\n"
	"notice quality [--json]                   what closed cases say of the rules they were "
	"about\n"
	"notice sign CASE [--by ROLE]              at the firm: signed for (operator, "
	"security-lead,\n"
	"                                          plant-engineer, manager)\n"
	"notice move CASE STATE [--by ROLE] [--action A] [--reason R] [--evidence N]\n"
	"                                          at the firm: triage, in-progress, "
	"not-applicable,\n"
	"                                          disputed, mitigated\n"
	"notice verify|reopen|close|cancel|supersede CASE --firm ORG|--all [--key FILE] "
	"[--delegate]\n"
	"                                          at the issuer\n"
	"notice keygen FILE                        a new key for warnings or packs; prints its "
	"public half\n";
const char pack_usage[] =
	"pack sign FILE --name N --version V --expires 30d --key FILE\n"
	"                                          at a publisher: prints a signature\n"
	"pack publish FILE --name N --version V --expires UNIX --sig KID:SIG …\n"
	"                                          at an issuer: sends it down\n"
	"pack indicators FILE --name N --version V --expires UNIX --sig KID:SIG …\n"
	"                                          lines of \"ip|prefix|domain|sha256 VALUE\"\n"
	"pack list [--json]                        what was offered here\n"
	"pack accept|refuse NAME                   the site's decision\n";

static int64_t now_s(void)
{
	return wall_ns() / 1000000000;
}

static int done(bool good, const struct err *err)
{
	if (good)
		return fflush(stdout) == 0 ? STATUS_OK : STATUS_FAILED;
	fprintf(stderr, "bongsu-aggregator: %s\n", err->text);
	return err->usage ? STATUS_USAGE : STATUS_FAILED;
}

void cli_print_json(json_t *j)
{
	char *text = json_dumps(j, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	if (text != NULL)
		shown_print_json(stdout, text);
	putchar('\n');
	free(text);
	json_decref(j);
}

/* --- issuing ----------------------------------------------------------------------------- */

static void set_text(json_t *m, const char *name, const char *text)
{
	if (text != NULL)
		json_object_set_new(m, name, json_string(text));
}

/* "370000,37" as a list. */
static void set_list(json_t *m, const char *name, const char *text)
{
	char copy[1024];
	if (text == NULL)
		return;
	snprintf(copy, sizeof copy, "%s", text);
	json_t *list = json_array();
	for (char *save = NULL, *w = strtok_r(copy, ",", &save); w != NULL;
		w = strtok_r(NULL, ",", &save))
		json_array_append_new(list, json_string(w));
	json_object_set_new(m, name, list);
}

static bool set_time(
	json_t *m, const char *name, const char *text, const char *otherwise, struct err *err)
{
	int64_t t;
	if (!cli_time(text == NULL ? otherwise : text, now_s(), &t, err))
		return false;
	if (t <= now_s())
		return cli_wrong(err, "--%s: that is past", name);
	json_object_set_new(m, name, json_integer(t));
	return true;
}

static bool warning_members(const struct cli *c, json_t *m, struct err *err)
{
	const char *status = cli_get(c, "--exercise") != NULL ? "exercise"
			     : cli_get(c, "--test") != NULL   ? "test"
							      : "actual";
	set_text(m, "colour", cli_get(c, "--warning"));
	set_text(m, "status", status);
	set_text(m, "msg", "alert");
	set_text(m, "cat", cli_get(c, "--category"));
	set_text(m, "product", cli_get(c, "--product"));
	set_text(m, "proto", cli_get(c, "--protocol"));
	set_text(m, "versions", cli_get(c, "--versions"));
	set_list(m, "regions", cli_get(c, "--region"));
	set_list(m, "industries", cli_get(c, "--sector"));
	return set_time(m, "expires", cli_get(c, "--expires"), "7d", err);
}

static bool notice_members(struct node *n, const struct cli *c, json_t *m, struct err *err)
{
	const char *profile = cli_get(c, "--profile");
	if (profile != NULL && timer_seconds(n, profile) == 0)
		return err_set(err, "%s: no such profile of timers (PROFILE_CLASS of timers.yaml)",
			profile);
	set_text(m, "about", cli_get(c, "--about"));
	set_text(m, "profile", profile);
	return set_time(m, "deadline", cli_get(c, "--deadline"), "1d", err);
}

/* What no firm would believe is not sent. */
static bool may_warn(
	const struct node *n, const char *colour, const struct key *key, struct err *err)
{
	char hex[2 * KEY_PUBLIC + 1];
	const struct text_list *keys = &n->config->national_keys;
	if (strcmp(colour, "red") != 0 && strcmp(colour, "orange") != 0)
		return true;
	hex_write(hex, key->public_, KEY_PUBLIC);
	for (size_t i = 0; i < keys->count; i++)
		if (strcmp(keys->text[i], hex) == 0)
			return true;
	return err_set(
		err, "%s: only a key of notice.national_keys may say that: --key FILE", colour);
}

static bool issue(struct node *n, int argc, char **argv, struct err *err)
{
	static const char *const known[] = { "--warning=", "--to=", "--text=", "--action=",
		"--category=", "--product=", "--protocol=", "--versions=", "--region=", "--sector=",
		"--expires=", "--exercise", "--test",
		"--key=", "--deadline=", "--about=", "--profile=", "--via=", NULL };
	struct cli c;
	struct key key;
	char id[65];
	if (!cli_read(&c, argc, argv, known, err))
		return false;
	const char *colour = cli_get(&c, "--warning");
	bool warning = colour != NULL;
	if (warning == (cli_get(&c, "--to") != NULL) || cli_get(&c, "--text") == NULL)
		return cli_wrong(err, "either --warning COLOUR or --to ORG, and --text");
	if (!cli_key(n, cli_get(&c, "--key"), &key, err))
		return false;
	if (warning && !may_warn(n, colour, &key, err)) {
		key_wipe(&key);
		return false;
	}
	json_t *m = json_object();
	bool good = warning ? warning_members(&c, m, err) : notice_members(n, &c, m, err);
	set_text(m, "action", cli_get(&c, "--action"));
	set_text(m, "text", cli_get(&c, "--text"));
	json_object_set_new(m, "issued", json_integer(now_s()));
	struct notice_issue i = { .type = warning ? FRAME_WARNING : FRAME_NOTICE,
		.to = warning ? "*" : cli_get(&c, "--to"),
		.via = cli_get(&c, "--via"),
		.members = m,
		.key = &key };
	good = good && notice_issue(n, &i, id, now(), err);
	if (good)
		puts(id);
	json_decref(m);
	key_wipe(&key);
	return good;
}

/* --- moves ------------------------------------------------------------------------------- */

/* -1: it is none. */
static int64_t number_of(const char *text)
{
	size_t n = strlen(text);
	return n > 0 && n < 16 && strspn(text, "0123456789") == n ? strtoll(text, NULL, 10) : -1;
}

static bool answer(struct node *n, int argc, char **argv, struct err *err)
{
	static const char *const known[] = {
		"--by=", "--action=", "--reason=", "--evidence=", NULL
	};
	struct cli c;
	bool sign = strcmp(argv[0], "sign") == 0;
	if (!cli_read(&c, argc, argv, known, err))
		return false;
	if (c.plains != (sign ? 1u : 2u))
		return cli_wrong(err, "%s", sign ? "notice sign CASE" : "notice move CASE STATE");
	const char *by = cli_get(&c, "--by"), *evidence = cli_get(&c, "--evidence");
	struct notice_move m = { .id = c.plain[0],
		.state = sign ? "signed-for" : c.plain[1],
		.by = by == NULL ? "operator" : by,
		.action = cli_get(&c, "--action"),
		.reason = cli_get(&c, "--reason"),
		.evidence = evidence == NULL ? 0 : number_of(evidence) };
	static const char *const roles[] = { "operator", "security-lead", "plant-engineer",
		"manager", NULL };
	unsigned i = 0;
	while (roles[i] != NULL && strcmp(roles[i], m.by) != 0)
		i++;
	if (roles[i] == NULL)
		return cli_wrong(err, "--by: operator, security-lead, plant-engineer or manager");
	return notice_move(n, &m, now(), err);
}

static bool judge(struct node *n, int argc, char **argv, struct err *err)
{
	static const char *const known[] = { "--firm=", "--all", "--key=", "--delegate", NULL };
	static const char *const words[][2] = { { "verify", "verified" }, { "reopen", "reopened" },
		{ "close", "closed" }, { "cancel", "cancelled" }, { "supersede", "superseded" } };
	struct cli c;
	struct key key;
	if (!cli_read(&c, argc, argv, known, err))
		return false;
	bool all = cli_get(&c, "--all") != NULL;
	if (c.plains != 1 || (cli_get(&c, "--firm") != NULL) == all)
		return cli_wrong(err, "notice %s CASE --firm ORG|--all", argv[0]);
	if (!cli_key(n, cli_get(&c, "--key"), &key, err))
		return false;
	struct notice_move m = { .id = c.plain[0],
		.firm = cli_get(&c, "--firm"),
		.by = cli_get(&c, "--delegate") != NULL ? "delegate" : "issuer",
		.key = &key };
	for (unsigned i = 0; i < 5; i++)
		if (strcmp(words[i][0], argv[0]) == 0)
			m.state = words[i][1];
	size_t count = 0;
	bool good =
		all ? notice_move_all(n, &m, &count, now(), err) : notice_move(n, &m, now(), err);
	if (all && good)
		printf("%s: %s at %zu\n", m.id, m.state, count);
	key_wipe(&key);
	return good;
}

/* --- keys -------------------------------------------------------------------------------- */

static bool keygen(int argc, char **argv, struct err *err)
{
	struct key key;
	char hex[2 * KEY_PUBLIC + 1];
	if (argc != 2)
		return cli_wrong(err, "notice keygen FILE");
	if (!pki_new_key(argv[1], &key, err))
		return false;
	hex_write(hex, key.public_, KEY_PUBLIC);
	puts(hex);
	key_wipe(&key);
	return true;
}

int notice_main(struct node *n, int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*run)(struct node *, int, char **, struct err *);
	} commands[] = { { "issue", issue }, { "list", notice_list_command },
		{ "show", notice_show_command }, { "quality", notice_quality_command },
		{ "sign", answer }, { "move", answer }, { "verify", judge }, { "reopen", judge },
		{ "close", judge }, { "cancel", judge }, { "supersede", judge } };
	struct err err = { 0 };
	if (argc > 0 && strcmp(argv[0], "keygen") == 0)
		return done(keygen(argc, argv, &err), &err);
	for (unsigned i = 0; argc > 0 && i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			return done(commands[i].run(n, argc, argv, &err), &err);
	fputs(notice_usage, stderr);
	return STATUS_USAGE;
}

/* --- packs ------------------------------------------------------------------------------- */

struct pack_args {
	struct cli c;
	const char *name;
	int64_t version, expires;
	char *bytes;
	size_t size;
	char sha256[HASH_HEX];
	json_t *items; /* of an indicator set */
};

static bool read_file(const char *path, char **bytes, size_t *size, struct err *err)
{
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return err_set(err, "%s: %s", path, strerror(errno));
	*bytes = malloc(PACK_MOST + 1);
	*size = *bytes == NULL ? 0 : fread(*bytes, 1, PACK_MOST + 1, f);
	fclose(f);
	if (*size == 0 || *size > PACK_MOST)
		return err_set(err, "%s: a pack has 1 byte to 16 MiB", path);
	(*bytes)[*size == PACK_MOST + 1 ? PACK_MOST : *size] = '\0';
	return true;
}

/* Lines of "KIND VALUE" become the items, and their JSON is what is signed. */
static bool read_items(struct pack_args *a, struct err *err)
{
	a->items = json_array();
	for (char *save = NULL, *l = strtok_r(a->bytes, "\n", &save); l != NULL;
		l = strtok_r(NULL, "\n", &save)) {
		char *space = strchr(l, ' ');
		if (*l == '#' || *l == '\0')
			continue;
		if (space == NULL || json_array_size(a->items) == SETS_MOST)
			return err_set(err, "%s: at most %d lines of \"KIND VALUE\"", a->c.plain[0],
				SETS_MOST);
		*space = '\0';
		json_array_append_new(
			a->items, json_pack("{s:s, s:s}", "kind", l, "value", space + 1));
	}
	free(a->bytes);
	a->bytes = json_write(a->items, &a->size);
	return true;
}

static bool read_version(const char *text, int64_t *version)
{
	size_t n = strlen(text);
	*version = strtoll(text, NULL, 10);
	return n > 0 && n <= 15 && strspn(text, "0123456789") == n && *version > 0;
}

static bool read_pack(struct pack_args *a, int argc, char **argv, bool indicators, struct err *err)
{
	static const char *const known[] = {
		"--name=", "--version=", "--expires=", "--key=", "--sig=", "--indicators", NULL
	};
	uint8_t hash[HASH];
	if (!cli_read(&a->c, argc, argv, known, err))
		return false;
	const char *version = cli_get(&a->c, "--version"), *expires = cli_get(&a->c, "--expires");
	a->name = cli_get(&a->c, "--name");
	if (a->c.plains != 1 || a->name == NULL || version == NULL || expires == NULL)
		return cli_wrong(err, "FILE, --name, --version and --expires are needed");
	if (!pack_name_good(a->name))
		return cli_wrong(err, "--name: 1 to 64 of a-z, 0-9, '-' and '_'");
	if (!read_version(version, &a->version))
		return cli_wrong(err, "--version: a number from 1; each is higher than the last");
	if (!cli_time(expires, now_s(), &a->expires, err))
		return false;
	if (a->expires <= now_s())
		return cli_wrong(err, "--expires: that is past");
	if (!read_file(a->c.plain[0], &a->bytes, &a->size, err))
		return false;
	if ((indicators || cli_get(&a->c, "--indicators") != NULL) && !read_items(a, err))
		return false;
	hash_of(a->bytes, a->size, hash);
	hash_hex(hash, a->sha256);
	return true;
}

static bool sign_pack(struct node *n, int argc, char **argv, struct err *err)
{
	struct pack_args a = { 0 };
	struct key key;
	char text[512], sig_text[96];
	uint8_t sig[KEY_SIG];
	(void)n;
	bool good = read_pack(&a, argc, argv, false, err);
	if (good && cli_get(&a.c, "--key") == NULL)
		good = cli_wrong(err, "--key FILE: a publisher's");
	good = good && pki_signing_key(cli_get(&a.c, "--key"), &key, err);
	if (good) {
		size_t len =
			pack_signed_text(text, sizeof text, a.name, a.version, a.expires, a.sha256);
		key_sign(&key, text, len, sig);
		base64_write(sig_text, sizeof sig_text, sig, sizeof sig);
		printf("%s:%s\n", key.kid, sig_text);
		fprintf(stderr, "over %s %lld, expires %lld: publish with --expires %lld\n", a.name,
			(long long)a.version, (long long)a.expires, (long long)a.expires);
		key_wipe(&key);
	}
	json_decref(a.items);
	free(a.bytes);
	return good;
}

static json_t *read_sigs(const struct cli *c, struct err *err)
{
	json_t *sigs = json_array();
	for (unsigned i = 0; i < c->options; i++) {
		const char *colon = strchr(c->value[i], ':');
		if (strcmp(c->name[i], "--sig") != 0)
			continue;
		if (colon == NULL || colon - c->value[i] != 16) {
			cli_wrong(err, "--sig: KID:SIGNATURE as pack sign prints it");
			break;
		}
		json_array_append_new(
			sigs, json_pack("{s:s#, s:s}", "kid", c->value[i], 16, "sig", colon + 1));
	}
	if (json_array_size(sigs) == 0)
		cli_wrong(err, "--sig: a pack is signed by its publishers (pack sign)");
	return sigs;
}

static bool send_indicators(
	struct node *n, const struct pack_args *a, json_t *sigs, struct err *err)
{
	char id[65];
	json_t *m = json_pack("{s:s, s:I, s:I, s:O, s:O}", "name", a->name, "version",
		(json_int_t)a->version, "expires", (json_int_t)a->expires, "items", a->items,
		"sigs", sigs);
	struct notice_issue i = {
		.type = FRAME_INDICATORS, .to = "*", .members = m, .key = &n->key
	};
	bool good = m != NULL && notice_issue(n, &i, id, now(), err);
	json_decref(m);
	return good;
}

static bool publish(struct node *n, int argc, char **argv, struct err *err)
{
	struct pack_args a = { 0 };
	bool indicators = strcmp(argv[0], "indicators") == 0;
	bool good = read_pack(&a, argc, argv, indicators, err);
	json_t *sigs = good ? read_sigs(&a.c, err) : NULL;
	good = good && !err->set;
	if (good && indicators)
		good = send_indicators(n, &a, sigs, err);
	else if (good)
		good = pack_publish(n, a.name, a.version, a.expires, a.bytes, a.size, sigs, &n->key,
			now(), err);
	if (good)
		printf("%s %lld %s\n", a.name, (long long)a.version, a.sha256);
	json_decref(sigs);
	json_decref(a.items);
	free(a.bytes);
	return good;
}

static bool decide(struct node *n, int argc, char **argv, struct err *err)
{
	if (argc != 2)
		return cli_wrong(err, "pack %s NAME", argv[0]);
	return pack_decide(n, argv[1], strcmp(argv[0], "accept") == 0, now(), err);
}

static void print_pack(const json_t *j)
{
	char until[32];
	bool here = json_is_true(json_object_get(j, "at_sensors"));
	cli_write_time(until, json_int_of(j, "expires", 0));
	printf("%-24s %-10s %6lld  %-9s  until %s  %7lld bytes  %.16s%s\n", json_text_of(j, "name"),
		json_text_of(j, "kind"), (long long)json_int_of(j, "version", 0),
		json_text_of(j, "state"), until, (long long)json_int_of(j, "size", 0),
		json_text_of(j, "sha256"), here ? "  with the sensors" : "");
}

static bool list_packs(struct node *n, int argc, char **argv, struct err *err)
{
	static const char *const known[] = { "--json", NULL };
	struct cli c;
	size_t i;
	const json_t *j;
	if (!cli_read(&c, argc, argv, known, err))
		return false;
	json_t *all = pack_list(n);
	if (cli_get(&c, "--json") != NULL) {
		cli_print_json(all);
		return true;
	}
	if (json_array_size(all) == 0)
		puts("no packs were offered here");
	json_array_foreach(all, i, j)
	{
		print_pack(j);
	}
	json_decref(all);
	return true;
}

int pack_main(struct node *n, int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*run)(struct node *, int, char **, struct err *);
	} commands[] = { { "sign", sign_pack }, { "publish", publish }, { "indicators", publish },
		{ "list", list_packs }, { "accept", decide }, { "refuse", decide } };
	struct err err = { 0 };
	for (unsigned i = 0; argc > 0 && i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			return done(commands[i].run(n, argc, argv, &err), &err);
	fputs(pack_usage, stderr);
	return STATUS_USAGE;
}
