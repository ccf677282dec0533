/* bus_url.c - redis:// and its kin, read strictly: a typing error must not send alerts elsewhere.
 */
#include "common/bus.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PORT = 6379 };

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Copies n characters of a URL with %XX undone. */
static bool decode(
	char *to, size_t cap, const char *from, size_t n, const char *what, struct err *err)
{
	size_t len = 0;
	for (size_t i = 0; i < n; i++) {
		char c = from[i];
		if (c == '%') {
			int high = i + 2 < n ? hex_digit(from[i + 1]) : -1;
			int low = i + 2 < n ? hex_digit(from[i + 2]) : -1;
			if (high < 0 || low < 0)
				return err_set(
					err, "%s: %% must be followed by two hex digits", what);
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0')
			return err_set(err, "%s: holds a NUL", what);
		if (len + 1 >= cap)
			return err_set(err, "%s: longer than %zu characters", what, cap - 1);
		to[len++] = c;
	}
	to[len] = '\0';
	return true;
}

static bool read_port(const char *text, size_t n, uint16_t *port)
{
	unsigned long v = 0;
	if (n == 0 || n > 5)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		v = v * 10 + (unsigned long)(text[i] - '0');
	}
	*port = (uint16_t)v;
	return v > 0 && v < 65536;
}

/* HOST, HOST:PORT, [V6]:PORT */
static bool read_host(const char *text, size_t n, struct bus_target *t, struct err *err)
{
	const char *end = text + n, *host = text, *colon;
	size_t host_len;
	if (memchr(text, '@', n) != NULL)
		return err_set(err, "a user or password in a URL is seen by everyone: use "
				    "?user=NAME&password-file=FILE");
	if (n > 0 && text[0] == '[') {
		const char *close = memchr(text, ']', n);
		if (close == NULL)
			return err_set(err, "%.*s: ] is missing", (int)n, text);
		host++;
		host_len = (size_t)(close - host);
		colon = close + 1;
	} else {
		colon = memchr(text, ':', n);
		if (colon == NULL)
			colon = end;
		host_len = (size_t)(colon - host);
	}
	if (host_len == 0)
		return err_set(err, "the host is missing: redis://HOST:PORT");
	t->port = DEFAULT_PORT;
	if (colon < end &&
		(*colon != ':' || !read_port(colon + 1, (size_t)(end - colon - 1), &t->port)))
		return err_set(err, "%.*s: not a port (1 to 65535)", (int)(end - colon), colon);
	return decode(t->host, sizeof t->host, host, host_len, "host", err);
}

static bool read_mode(const char *value, struct bus_target *t, struct err *err)
{
	static const char *const names[] = {
		[BUS_STREAM] = "stream", [BUS_LIST] = "list", [BUS_CHANNEL] = "channel"
	};
	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(value, names[i]) != 0)
			continue;
		t->mode = (enum bus_mode)i;
		return true;
	}
	return err_set(err, "mode=%s: expected stream, list or channel", value);
}

static bool read_option(const char *name, size_t name_len, const char *value, size_t n,
	struct bus_target *t, struct err *err)
{
	char mode[16] = "";
	const struct {
		const char *name;
		char *to;
		size_t cap;
	} options[] = {
		{ "key", t->key, sizeof t->key },
		{ "mode", mode, sizeof mode },
		{ "user", t->user, sizeof t->user },
		{ "password-file", t->password_file, sizeof t->password_file },
		{ "ca-file", t->ca_file, sizeof t->ca_file },
		{ "cert-file", t->cert_file, sizeof t->cert_file },
		{ "key-file", t->key_file, sizeof t->key_file },
	};
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		if (strlen(options[i].name) != name_len ||
			memcmp(options[i].name, name, name_len) != 0)
			continue;
		if (options[i].to[0] != '\0')
			return err_set(err, "%s= is given twice", options[i].name);
		if (n == 0)
			return err_set(err, "%s= is empty", options[i].name);
		if (!decode(options[i].to, options[i].cap, value, n, options[i].name, err))
			return false;
		return options[i].to != mode || read_mode(mode, t, err);
	}
	return err_set(err,
		"unknown option %.*s: expected key, mode, user, password-file, ca-file, "
		"cert-file or key-file",
		(int)name_len, name);
}

static bool read_query(const char *q, struct bus_target *t, struct err *err)
{
	while (*q != '\0') {
		size_t n = strcspn(q, "&");
		const char *equals = memchr(q, '=', n);
		if (equals == NULL)
			return err_set(err, "%.*s: expected NAME=VALUE", (int)n, q);
		if (!read_option(q, (size_t)(equals - q), equals + 1, n - (size_t)(equals + 1 - q),
			    t, err))
			return false;
		q += n;
		q += *q == '&';
	}
	return true;
}

/* What only makes sense together. */
static bool check(const struct bus_target *t, struct err *err)
{
	bool tls_file = t->ca_file[0] != '\0' || t->cert_file[0] != '\0' || t->key_file[0] != '\0';
	if (t->kind != BUS_TLS && tls_file)
		return err_set(err, "ca-file, cert-file and key-file belong to rediss://");
	if ((t->cert_file[0] == '\0') != (t->key_file[0] == '\0'))
		return err_set(err, "cert-file and key-file go together");
	if (t->user[0] != '\0' && t->password_file[0] == '\0')
		return err_set(err, "user=%s without password-file=", t->user);
	return true;
}

static bool starts(const char **text, const char *prefix)
{
	size_t n = strlen(prefix);
	if (strncmp(*text, prefix, n) != 0)
		return false;
	*text += n;
	return true;
}

static bool read_place(const char *rest, size_t n, struct bus_target *t, struct err *err)
{
	if (t->kind != BUS_UNIX) {
		if (n > 0 && rest[n - 1] == '/')
			n--;
		if (memchr(rest, '/', n) != NULL)
			return err_set(
				err, "%.*s: no path or database may follow the port", (int)n, rest);
		return read_host(rest, n, t, err);
	}
	if (n == 0 || rest[0] != '/')
		return err_set(
			err, "the path of the socket is missing: redis+unix:///run/redis.sock");
	return decode(t->path, sizeof t->path, rest, n, "path", err);
}

bool bus_url(const char *url, struct bus_target *t, struct err *err)
{
	const char *rest = url;
	struct err why = { 0 };
	*t = (struct bus_target){ .kind = BUS_TCP };
	if (starts(&rest, "rediss://"))
		t->kind = BUS_TLS;
	else if (starts(&rest, "redis+unix://"))
		t->kind = BUS_UNIX;
	else if (!starts(&rest, "redis://"))
		return err_set(err, "%s: expected redis://, rediss:// or redis+unix://", url);
	size_t n = strcspn(rest, "?");
	const char *query = rest[n] == '?' ? rest + n + 1 : rest + n;
	if (read_place(rest, n, t, &why) && read_query(query, t, &why) && check(t, &why))
		return true;
	return err_set(err, "%s: %s", url, why.text);
}
