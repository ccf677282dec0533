/* enrol.c - `bongsu-aggregator enroll`. */
#include "aggregator/enrol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "aggregator/folder.h"
#include "aggregator/notice_cli.h"
#include "aggregator/pki.h"
#include "aggregator/run.h"
#include "aggregator/uplink.h"

enum { REQUEST_MOST = 64 * 1024, PATH_MOST = 4400 };

const char enrol_usage[] =
	"enroll request [--org ID]                 at the child: makes keys, prints a request\n"
	"enroll take [FILE]                        at the child: installs what the parent signed\n"
	"enroll join URL TOKEN [--org ID]          at the child: all of it over the network\n"
	"enroll authority --tier T [--region R] [--sector S] [--host NAMES] [--org ID]\n"
	"                                          at the parent: makes its authority\n"
	"enroll sign --tier T [--region R] [--sector S] [--days N | --seconds N] [FILE]\n"
	"                                          at the parent: signs a request\n"
	"enroll token --tier T [--region R] [--sector S] [--days N] [--hours N] [--org ID]\n"
	"                                          at the parent: a one-time token for join\n"
	"enroll revoke ID                          at the parent: no longer a child\n"
	"enroll list                               at the parent: what was issued\n"
	"enroll know [FILE]                        at any tier: a certificate of a firm further "
	"below,\n"
	"                                          whose originals are verified here from then "
	"on\n";

struct args {
	const char *org, *tier, *region, *sector, *host, *days, *hours, *seconds, *plain[2];
	unsigned plains;
};

static bool read_args(int argc, char **argv, struct args *a, struct err *err)
{
	const struct {
		const char *name;
		const char **to;
	} known[] = { { "--org", &a->org }, { "--tier", &a->tier }, { "--region", &a->region },
		{ "--sector", &a->sector }, { "--host", &a->host }, { "--days", &a->days },
		{ "--hours", &a->hours }, { "--seconds", &a->seconds } };
	for (int i = 1; i < argc; i++) {
		unsigned k = 0, count = sizeof known / sizeof known[0];
		if (strncmp(argv[i], "--", 2) != 0) {
			if (a->plains == 2)
				return cli_wrong(err, "%s: one too many", argv[i]);
			a->plain[a->plains++] = argv[i];
			continue;
		}
		while (k < count && strcmp(known[k].name, argv[i]) != 0)
			k++;
		if (k == count)
			return cli_wrong(err, "%s: no such option of enroll", argv[i]);
		if (i + 1 == argc)
			return cli_wrong(err, "%s: needs a value", argv[i]);
		*known[k].to = argv[++i];
	}
	return true;
}

static bool read_number(
	const char *text, int otherwise, int most, const char *what, int *out, struct err *err)
{
	char *end;
	long v = text == NULL ? otherwise : strtol(text, &end, 10);
	if (text != NULL && (*text == '\0' || *end != '\0' || v < 1 || v > most))
		return cli_wrong(err, "%s: 1 to %d", what, most);
	*out = (int)v;
	return true;
}

/* "" where @name is missing. */
static bool read_code(const char *text, const char *what, size_t most, const char *set, char *out,
	size_t cap, struct err *err)
{
	text = text == NULL ? "" : text;
	if (strlen(text) > most || strspn(text, set) != strlen(text))
		return cli_wrong(err, "%s: %s is none", text, what);
	snprintf(out, cap, "%s", text);
	return true;
}

/* FILE, or standard input. */
static bool read_all(const char *path, char **text, struct err *err)
{
	FILE *in = path == NULL ? stdin : fopen(path, "r");
	if (in == NULL)
		return err_set(err, "%s: %s", path, strerror(errno));
	char *t = calloc(1, REQUEST_MOST + 1);
	size_t n = t == NULL ? 0 : fread(t, 1, REQUEST_MOST, in);
	if (in != stdin)
		fclose(in);
	if (n == 0) {
		free(t);
		return err_set(err, "%s: nothing to read", path == NULL ? "stdin" : path);
	}
	*text = t;
	return true;
}

/* --- who we are: FOLDER/org ---------------------------------------------------------------- */

static bool is_org(const char *text)
{
	return strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
}

/* As it was, else as @asked, else a new one; kept from then on. */
static bool our_org(const char *folder, const char *asked, char org[ORG_TEXT], struct err *err)
{
	char path[PATH_MOST];
	snprintf(path, sizeof path, "%s/org", folder);
	FILE *f = fopen(path, "r");
	if (f != NULL) {
		bool good = fscanf(f, "%32s", org) == 1 && is_org(org);
		fclose(f);
		if (!good)
			return err_set(err, "%s: no organisation id", path);
		if (asked != NULL && strcmp(asked, org) != 0)
			return err_set(err, "%s says %s: this node has its id already", path, org);
		return true;
	}
	if (asked != NULL && !is_org(asked))
		return cli_wrong(err, "--org: an id is 32 hex digits");
	if (asked != NULL) {
		snprintf(org, ORG_TEXT, "%s", asked);
	} else {
		uint8_t bytes[16];
		random_bytes(bytes, sizeof bytes);
		hex_write(org, bytes, sizeof bytes);
	}
	mkdir(folder, 0700);
	f = fopen(path, "w");
	if (f == NULL)
		return err_set(err, "%s: %s", path, strerror(errno));
	bool good = fprintf(f, "%s\n", org) > 0;
	return (fclose(f) == 0 && good) || err_set(err, "%s: cannot be written", path);
}

/* --- commands ---------------------------------------------------------------------------- */

static bool do_request(const struct agg_config *c, const struct args *a, struct err *err)
{
	struct node_identity id = { 0 };
	if (!our_org(c->folder, a->org, id.org, err) || !pki_request(c->folder, &id, stdout, err))
		return false;
	fprintf(stderr, "organisation %s: have the parent sign this request, then: enroll take\n",
		id.org);
	return true;
}

static bool read_place(const struct args *a, struct node_identity *id, struct err *err)
{
	if (a->tier == NULL || !tier_from(a->tier, &id->tier))
		return cli_wrong(err, "--tier: enterprise, park, group, province or nation");
	return read_code(a->region, "--region", 6, "0123456789", id->region, sizeof id->region,
		       err) &&
	       read_code(a->sector, "--sector", 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
		       id->industry, sizeof id->industry, err);
}

static bool do_authority(const struct agg_config *c, const struct args *a, struct err *err)
{
	struct node_identity id = { 0 };
	if (!read_place(a, &id, err) || !our_org(c->folder, a->org, id.org, err) ||
		!pki_make_authority(c->folder, &id, a->host, err))
		return false;
	printf("%s\n", id.org);
	fprintf(stderr, "organisation %s, a %s: children's requests can be signed\n", id.org,
		tier_name(id.tier));
	return true;
}

static bool read_grant(const struct args *a, struct pki_grant *g, struct err *err)
{
	struct node_identity id = { 0 };
	int seconds = 0;
	if (!read_place(a, &id, err) || !read_number(a->days, 365, 3650, "--days", &g->days, err) ||
		(a->seconds != NULL &&
			!read_number(a->seconds, 0, 86400, "--seconds", &seconds, err)))
		return false;
	if (seconds > 0) {
		g->days = 0;
		g->seconds = seconds;
	}
	g->tier = id.tier;
	g->host_names = a->host;
	memcpy(g->region, id.region, sizeof g->region);
	memcpy(g->industry, id.industry, sizeof g->industry);
	return true;
}

static bool do_sign(const struct agg_config *c, const struct args *a, struct err *err)
{
	struct pki_grant g = { 0 };
	struct peer who;
	char *request = NULL;
	bool good = read_grant(a, &g, err) && read_all(a->plain[0], &request, err) &&
		    pki_sign(c->folder, request, &g, stdout, &who, err);
	if (good)
		fprintf(stderr, "signed: %s %s, key %s, until %s", tier_name(who.tier), who.org,
			who.key.kid, ctime(&(time_t){ (time_t)who.not_after }));
	free(request);
	return good;
}

static bool do_take(const struct agg_config *c, const struct args *a, struct err *err)
{
	char *answer = NULL, parent[ORG_TEXT];
	bool good = read_all(a->plain[0], &answer, err) && pki_take(c->folder, answer, parent, err);
	if (good) {
		printf("%s\n", parent);
		fprintf(stderr, "the parent is %s: name it in parents: of the configuration\n",
			parent);
	}
	free(answer);
	return good;
}

static bool do_token(const struct agg_config *c, const struct args *a, struct err *err)
{
	struct pki_grant g = { 0 };
	char token[TOKEN_TEXT];
	int hours = 24;
	if (a->org != NULL && !is_org(a->org))
		return cli_wrong(err, "--org: an id is 32 hex digits");
	if (!read_grant(a, &g, err) || !read_number(a->hours, 24, 720, "--hours", &hours, err) ||
		!token_make(c->folder, a->org == NULL ? "" : a->org, &g, hours, token, err))
		return false;
	printf("%s\n", token);
	fprintf(stderr, "good once, within %d h: enroll join URL TOKEN\n", hours);
	return true;
}

/* The authority is fetched before it can be trusted, and compared with what the token says of it:
 * only then is the token shown. */
static bool fetch_authority(const struct agg_config *c, const char *url, const char *token,
	char path[PATH_MOST], struct err *err)
{
	char *pem = NULL;
	uint8_t hash[HASH];
	char hex[HASH_HEX];
	const char *pin = strchr(token, '-');
	int status = uplink_once(url, "/chain/1/ca", NULL, NULL, NULL, &pem, err);
	if (status != 200) {
		free(pem);
		return err_set(err, "%s: answers %d, is it an enrolment listener?", url, status);
	}
	bool good = pki_pem_hash(pem, hash, err);
	hash_hex(hash, hex);
	if (good && (pin == NULL || strlen(pin) != 33 || strncmp(hex, pin + 1, 32) != 0))
		good = err_set(err, "%s: this is not the authority that the token is of", url);
	snprintf(path, PATH_MOST, "%s/join-ca.pem", c->folder);
	FILE *f = good ? fopen(path, "w") : NULL;
	if (good && (f == NULL || fputs(pem, f) < 0))
		good = err_set(err, "%s: cannot be written", path);
	if (f != NULL && fclose(f) != 0)
		good = err_set(err, "%s: cannot be written", path);
	free(pem);
	return good;
}

static bool do_join(const struct agg_config *c, const struct args *a, struct err *err)
{
	struct node_identity id = { 0 };
	char *request = NULL, *answer = NULL, ca[PATH_MOST] = "", parent[ORG_TEXT];
	size_t len;
	if (a->plains != 2)
		return cli_wrong(err, "enroll join URL TOKEN");
	if (!our_org(c->folder, a->org, id.org, err))
		return false;
	FILE *f = open_memstream(&request, &len);
	bool good = f != NULL && pki_request(c->folder, &id, f, err);
	if (f != NULL)
		fclose(f);
	good = good && fetch_authority(c, a->plain[0], a->plain[1], ca, err);
	if (good) {
		int status = uplink_once(
			a->plain[0], "/chain/1/enrol", ca, a->plain[1], request, &answer, err);
		if (status != 200)
			good = err_set(err, "%s: refused (%d): %s", a->plain[0], status,
				answer == NULL ? "" : answer);
	}
	good = good && pki_take(c->folder, answer, parent, err);
	if (ca[0] != '\0')
		unlink(ca);
	if (good) {
		printf("%s\n", parent);
		fprintf(stderr, "the parent is %s: name it in parents: of the configuration\n",
			parent);
	}
	free(request);
	free(answer);
	return good;
}

static bool do_revoke(const struct agg_config *c, const struct args *a, struct err *err)
{
	if (a->plains != 1 || !is_org(a->plain[0]))
		return cli_wrong(err, "enroll revoke ID");
	if (!pki_revoke(c->folder, a->plain[0], err))
		return false;
	fprintf(stderr, "revoked; a running parent sees it within %d s, or at once on SIGHUP\n",
		(int)c->reload_s);
	return true;
}

static bool do_list(const struct agg_config *c, const struct args *a, struct err *err)
{
	char **names = NULL;
	size_t count = pki_issued(c->folder, a->plains > 0 ? a->plain[0] : "", &names);
	for (size_t i = 0; i < count; i++) {
		struct peer who;
		struct err ignored = { 0 };
		if (pki_issued_read(c->folder, names[i], &who, &ignored))
			printf("%s %-10s %-6s %-6s %s until %lld\n", who.org, tier_name(who.tier),
				who.region[0] == '\0' ? "-" : who.region,
				who.industry[0] == '\0' ? "-" : who.industry, who.key.kid,
				(long long)who.not_after);
		else
			printf("%s: %s\n", names[i], ignored.text);
		free(names[i]);
	}
	free(names);
	(void)err;
	return true;
}

static bool do_know(const struct agg_config *c, const struct args *a, struct err *err)
{
	char *pem = NULL;
	struct peer who;
	bool good = read_all(a->plain[0], &pem, err) && pki_know(c->folder, pem, &who, err);
	if (good)
		fprintf(stderr, "known: %s %s by key %s\n", tier_name(who.tier), who.org,
			who.key.kid);
	free(pem);
	return good;
}

int enrol_main(const struct agg_config *c, int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*run)(const struct agg_config *, const struct args *, struct err *);
	} commands[] = { { "request", do_request }, { "take", do_take }, { "join", do_join },
		{ "authority", do_authority }, { "sign", do_sign }, { "token", do_token },
		{ "revoke", do_revoke }, { "list", do_list }, { "know", do_know } };
	struct args a = { 0 };
	struct err err = { 0 };
	for (unsigned i = 0; argc > 0 && i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(argv[0], commands[i].name) != 0)
			continue;
		if (!read_args(argc, argv, &a, &err)) {
			fprintf(stderr, "bongsu-aggregator: %s\n", err.text);
			return STATUS_USAGE;
		}
		if (folder_become_owner(c->folder, &err) && commands[i].run(c, &a, &err) &&
			fflush(stdout) == 0)
			return STATUS_OK;
		fprintf(stderr, "bongsu-aggregator: %s\n", err.text);
		return err.usage ? STATUS_USAGE : STATUS_FAILED;
	}
	fputs(enrol_usage, stderr);
	return STATUS_USAGE;
}
