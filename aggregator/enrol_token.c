/* enrol_token.c - tokens: the secret is with who got it, here lies its hash and what it grants. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "aggregator/enrol.h"
#include "aggregator/pki.h"

enum { SECRET = 16, PIN = 16, FILE_MOST = 4096, PATH_MOST = 4400 };

static void token_path(const char *folder, const char *secret, char out[PATH_MOST])
{
	uint8_t hash[HASH];
	char hex[HASH_HEX];
	hash_of(secret, strlen(secret), hash);
	hash_hex(hash, hex);
	snprintf(out, PATH_MOST, "%s/tokens/%s.json", folder, hex);
}

bool token_make(const char *folder, const char *org, const struct pki_grant *g, int hours,
	char out[TOKEN_TEXT], struct err *err)
{
	uint8_t secret[SECRET], pin[HASH];
	char text[2 * SECRET + 1], pin_text[2 * PIN + 1], path[PATH_MOST];
	if (!pki_authority_hash(folder, pin, err))
		return false;
	random_bytes(secret, sizeof secret);
	hex_write(text, secret, sizeof secret);
	hex_write(pin_text, pin, PIN);
	snprintf(path, sizeof path, "%s/tokens", folder);
	mkdir(path, 0700);
	token_path(folder, text, path);
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:I}", "org", org, "tier",
		tier_name(g->tier), "region", g->region, "industry", g->industry, "days", g->days,
		"hosts", g->host_names == NULL ? "" : g->host_names, "until",
		(json_int_t)time(NULL) + (json_int_t)hours * 3600);
	bool good =
		j != NULL && json_dump_file(j, path, JSON_COMPACT) == 0 && chmod(path, 0600) == 0;
	json_decref(j);
	if (!good)
		return err_set(err, "%s: cannot be written", path);
	snprintf(out, TOKEN_TEXT, "%s-%s", text, pin_text);
	return true;
}

/* Takes the file away: whoever comes second finds none. */
static json_t *claim(const char *folder, const char *token, struct err *err)
{
	char secret[2 * SECRET + 1], path[PATH_MOST], used[PATH_MOST + 8];
	uint8_t bytes[SECRET];
	json_t *j = NULL;
	if (strlen(token) != sizeof secret + 2 * PIN || token[2 * SECRET] != '-' ||
		!hex_read(token, 2 * SECRET, bytes, SECRET)) {
		err_set(err, "this is no token");
		return NULL;
	}
	snprintf(secret, sizeof secret, "%.*s", 2 * SECRET, token);
	token_path(folder, secret, path);
	snprintf(used, sizeof used, "%s.used", path);
	if (rename(path, used) == 0) {
		j = json_load_file(used, 0, NULL);
		unlink(used);
	}
	if (j == NULL)
		err_set(err, "the token is not known here, or was used");
	else if (json_int_of(j, "until", 0) < (int64_t)time(NULL))
		err_set(err, "the token has expired");
	if (err->set) {
		json_decref(j);
		j = NULL;
	}
	return j;
}

static bool known_here(const char *folder, const char *org)
{
	char **names = NULL;
	size_t count = pki_issued(folder, org, &names);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return count > 0;
}

static bool may_be(const char *folder, const json_t *j, const char *org, struct err *err)
{
	const char *meant = json_text_of(j, "org");
	if (meant != NULL && *meant != '\0')
		return strcmp(meant, org) == 0 ||
		       err_set(err, "the token is for another organisation");
	return !known_here(folder, org) ||
	       err_set(err, "this organisation is known here: its token has to name it");
}

char *token_use(const char *folder, const char *token, const char *request, struct peer *who,
	struct err *err)
{
	char org[ORG_TEXT], *text = NULL;
	size_t len = 0;
	struct pki_grant g = { 0 };
	/* a broken request costs nobody his token */
	if (!pki_request_org(request, org, err))
		return NULL;
	json_t *j = claim(folder, token, err);
	if (j == NULL)
		return NULL;
	const char *tier = json_text_of(j, "tier"), *region = json_text_of(j, "region");
	const char *industry = json_text_of(j, "industry");
	bool good = may_be(folder, j, org, err);
	good = good &&
	       ((tier != NULL && region != NULL && industry != NULL && tier_from(tier, &g.tier)) ||
		       err_set(err, "the token's file is damaged"));
	FILE *out = good ? open_memstream(&text, &len) : NULL;
	if (out != NULL) {
		snprintf(g.region, sizeof g.region, "%s", region);
		snprintf(g.industry, sizeof g.industry, "%s", industry);
		g.days = (int)json_int_of(j, "days", 365);
		g.host_names = json_text_of(j, "hosts");
		good = pki_sign(folder, request, &g, out, who, err);
		fclose(out);
		if (!good) {
			free(text);
			text = NULL;
		}
	}
	json_decref(j);
	return text;
}
