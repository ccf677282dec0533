/* api_token.c - who may ask: only hashes of tokens lie in the file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "aggregator/api_private.h"
#include "aggregator/now.h"

enum { LINE = 256, SECRET = 24, USERS_MOST = 1000 };

static const char *const roles[API_ROLES] = { "viewer", "analyst", "auditor", "owner" };

const char *api_role_name(enum api_role r)
{
	return r < API_ROLES ? roles[r] : "?";
}

static bool role_from(const char *name, enum api_role *r)
{
	for (unsigned i = 0; i < API_ROLES; i++) {
		if (strcmp(roles[i], name) == 0) {
			*r = (enum api_role)i;
			return true;
		}
	}
	return false;
}

static bool is_org(const char *t)
{
	return strlen(t) == 32 && strspn(t, "0123456789abcdef") == 32;
}

static bool read_line(char *line, struct api_user *u)
{
	char hash[80], role[16], org[40] = "-", until[24] = "0", more[2];
	int n = sscanf(line, "%79s %15s %64s %39s %23s %1s", hash, role, u->name, org, until, more);
	size_t digits = strspn(until, "0123456789");
	if (n < 3 || n > 5 || digits == 0 || digits > 12 || until[digits] != '\0' ||
		!hex_read(hash, strlen(hash), u->hash, HASH) || !role_from(role, &u->role))
		return false;
	if ((u->role == ROLE_OWNER) != is_org(org))
		return false;
	if (u->role != ROLE_OWNER && strcmp(org, "-") != 0)
		return false;
	if (u->role == ROLE_OWNER)
		memcpy(u->org, org, sizeof u->org - 1);
	u->until_s = strtoll(until, NULL, 10);
	return true;
}

/* Who can write it, or read it among strangers, could be anybody. */
static bool is_private(FILE *f, const char *path, struct err *err)
{
	struct stat st;
	if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode))
		return err_set(err, "%s: no file", path);
	return (st.st_mode & (S_IWGRP | S_IRWXO)) == 0 ||
	       err_set(err, "%s: others may read or write it: chmod 640 is the most", path);
}

bool api_reload(struct api *a, struct err *err)
{
	const char *path = a->config->api_tokens;
	char line[LINE];
	unsigned at = 0;
	size_t count = 0;
	struct api_user *all = calloc(USERS_MOST, sizeof *all);
	FILE *f = path == NULL ? NULL : fopen(path, "r");
	if (all == NULL || (path != NULL && f == NULL && errno != ENOENT)) {
		free(all);
		return err_set(err, "%s: %s", path, strerror(errno));
	}
	if (f != NULL && !is_private(f, path, err)) {
		fclose(f);
		free(all);
		return false;
	}
	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		at++;
		if (line[0] == '#' || line[strspn(line, " \t\r\n")] == '\0')
			continue;
		if (count == USERS_MOST || !read_line(line, &all[count++])) {
			fclose(f);
			free(all);
			return err_set(
				err, "%s:%u: expected SHA256 ROLE NAME [ORG|- [UNTIL]]", path, at);
		}
	}
	if (f != NULL)
		fclose(f);
	pthread_rwlock_wrlock(&a->lock);
	free(a->user);
	a->user = all;
	a->users = count;
	pthread_rwlock_unlock(&a->lock);
	return true;
}

bool api_who(struct api *a, const struct http_request *r, struct api_user *out)
{
	static const char scheme[] = "Bearer ";
	const char *token = http_header(r, "Authorization");
	uint8_t hash[HASH];
	bool found = false;
	if (token == NULL || strncmp(token, scheme, sizeof scheme - 1) != 0)
		return false;
	token += sizeof scheme - 1;
	hash_of(token, strlen(token), hash);
	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->users && !found; i++) {
		found = memcmp(a->user[i].hash, hash, HASH) == 0 &&
			(a->user[i].until_s == 0 || now().wall_ms / 1000 < a->user[i].until_s);
		if (found)
			*out = a->user[i];
	}
	pthread_rwlock_unlock(&a->lock);
	return found;
}

bool api_token_new(const char *path, const char *role, const char *name, const char *org,
	int64_t until_s, FILE *out, struct err *err)
{
	uint8_t secret[SECRET], hash[HASH];
	char text[2 * SECRET + 1], hex[HASH_HEX];
	enum api_role r;
	if (path == NULL)
		return err_set(err, "api.tokens: no file is configured");
	if (!role_from(role, &r))
		return err_set(err, "--role: viewer, analyst, auditor or owner");
	if ((r == ROLE_OWNER) != (org != NULL && is_org(org)))
		return err_set(err, "--org ID belongs to the role owner");
	if (name[0] == '\0' || strlen(name) > 64 || strpbrk(name, " \t\r\n#") != NULL)
		return err_set(err, "--name: one word");
	random_bytes(secret, sizeof secret);
	hex_write(text, secret, sizeof secret);
	hash_of(text, strlen(text), hash);
	hash_hex(hash, hex);
	mode_t mask = umask(077);
	FILE *f = fopen(path, "a");
	umask(mask);
	if (f == NULL)
		return err_set(err, "%s: %s", path, strerror(errno));
	bool good = fprintf(f, "%s %s %s %s %lld\n", hex, role, name, org == NULL ? "-" : org,
			    (long long)until_s) > 0;
	if (fclose(f) != 0 || !good)
		return err_set(err, "%s: %s", path, strerror(errno));
	return fprintf(out, "%s\n", text) > 0;
}
