/* cli.c - options of subcommands. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/left.h"
#include "aggregator/notice_cli.h"
#include "aggregator/pki.h"

static const char *match(const char *const *known, const char *arg, bool *takes)
{
	for (; *known != NULL; known++) {
		size_t len = strlen(*known);
		*takes = (*known)[len - 1] == '=';
		if (*takes)
			len--;
		if (strlen(arg) == len && strncmp(*known, arg, len) == 0)
			return *known;
	}
	return NULL;
}

bool cli_wrong(struct err *err, const char *format, ...)
{
	char text[sizeof err->text];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	err->usage = true;
	return err_set(err, "%s", text);
}

bool cli_read(struct cli *c, int argc, char **argv, const char *const *known, struct err *err)
{
	*c = (struct cli){ 0 };
	for (int i = 1; i < argc; i++) {
		bool takes;
		if (strncmp(argv[i], "--", 2) != 0) {
			if (c->plains == 8)
				return cli_wrong(err, "%s: one too many", argv[i]);
			c->plain[c->plains++] = argv[i];
			continue;
		}
		if (match(known, argv[i], &takes) == NULL)
			return cli_wrong(err, "%s: no such option here", argv[i]);
		if (c->options == 32)
			return cli_wrong(err, "too many options");
		if (takes && i + 1 == argc)
			return cli_wrong(err, "%s: needs a value", argv[i]);
		c->name[c->options] = argv[i];
		c->value[c->options++] = takes ? argv[++i] : "";
	}
	return true;
}

const char *cli_get(const struct cli *c, const char *name)
{
	for (unsigned i = 0; i < c->options; i++)
		if (strcmp(c->name[i], name) == 0)
			return c->value[i];
	return NULL;
}

bool cli_time(const char *text, int64_t now_s, int64_t *out, struct err *err)
{
	int64_t ago;
	if (strlen(text) >= 9 && strspn(text, "0123456789") == strlen(text) && strlen(text) < 12) {
		*out = strtoll(text, NULL, 10);
		return true;
	}
	if (!left_since(text, now_s, &ago, err))
		return false;
	/* "4h" is meant forward, a date as it is */
	*out = strchr(text, '-') != NULL ? ago : now_s + (now_s - ago);
	return true;
}

bool cli_key(const struct node *n, const char *path, struct key *out, struct err *err)
{
	if (path != NULL)
		return pki_signing_key(path, out, err);
	*out = n->key;
	return true;
}
