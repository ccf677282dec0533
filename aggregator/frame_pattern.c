/* frame_pattern.c - what a text in a frame may look like. At levels 0 and 1 no pattern has room for
 * an address, a name or a number that was measured. */
#include <stdlib.h>
#include <string.h>

#include "aggregator/frame_table.h"

static bool among(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool hex(const char *t, size_t n, size_t wanted)
{
	if (n != wanted)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!among(t[i], "0123456789abcdef"))
			return false;
	return true;
}

static bool hex16(const char *t, size_t n)
{
	return hex(t, n, 16);
}

static bool hex32(const char *t, size_t n)
{
	return hex(t, n, 32);
}

static bool hex64(const char *t, size_t n)
{
	return hex(t, n, 64);
}

static bool org_or_all(const char *t, size_t n)
{
	return (n == 1 && t[0] == '*') || hex(t, n, 32);
}

static bool base64(const char *t, size_t n)
{
	size_t pad = 0;
	if (n % 4 != 0 || n > (size_t)ENVELOPE_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool good = digit(t[i]) || (t[i] >= 'A' && t[i] <= 'Z') ||
			    (t[i] >= 'a' && t[i] <= 'z') || among(t[i], "+/");
		if (t[i] == '=' && i + 2 >= n)
			pad++;
		else if (!good || pad > 0)
			return false;
	}
	return true;
}

static bool sig(const char *t, size_t n)
{
	return n == 88 && base64(t, n);
}

/* Administrative division: 6 digits, or none. */
static bool region(const char *t, size_t n)
{
	if (n == 0 || (n == 1 && t[0] == '*'))
		return true;
	for (size_t i = 0; i < n; i++)
		if (!digit(t[i]))
			return false;
	return n == 6;
}

static bool region_prefix(const char *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!digit(t[i]))
			return false;
	return n <= 6;
}

/* GB/T 4754: a letter and up to two digits. */
static bool industry(const char *t, size_t n)
{
	if (n == 0 || (n == 1 && t[0] == '*'))
		return true;
	return n <= 3 && t[0] >= 'A' && t[0] <= 'T' && (n < 2 || digit(t[1])) &&
	       (n < 3 || digit(t[2]));
}

/* Three numbers of at most four digits: no room for an IPv4 address, nor for a measured number. */
static bool version(const char *t, size_t n)
{
	unsigned parts = 1, digits = 0;
	for (size_t i = 0; i < n; i++) {
		if (digit(t[i]) && digits < 4) {
			digits++;
		} else if (t[i] == '.' && digits > 0 && parts < 3) {
			parts++;
			digits = 0;
		} else {
			return false;
		}
	}
	return digits > 0 && parts == 3;
}

/* How many rules, and a digest of which. */
static bool rules_version(const char *t, size_t n)
{
	if ((n == 5 && memcmp(t, "mixed", 5) == 0) || (n == 4 && memcmp(t, "none", 4) == 0))
		return true;
	size_t at = 0;
	while (at < n && at < 6 && digit(t[at]))
		at++;
	return at > 0 && at < n && t[at] == '-' && hex(t + at + 1, n - at - 1, 16);
}

static bool matrix(const char *t, size_t n)
{
	return n >= 5 && n <= 6 && memcmp(t, "ics/", 4) == 0 && digit(t[4]) &&
	       (n == 5 || digit(t[5]));
}

static bool technique(const char *t, size_t n)
{
	if (n == 0)
		return true;
	if ((n != 5 && n != 9) || t[0] != 'T' || (n == 9 && t[5] != '.'))
		return false;
	for (size_t i = 1; i < n; i++)
		if (i != 5 && !digit(t[i]))
			return false;
	return true;
}

/* A UUID, or "local". */
static bool rule(const char *t, size_t n)
{
	if (n == 5)
		return memcmp(t, "local", 5) == 0;
	for (size_t i = 0; i < n; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? t[i] != '-' : !among(t[i], "0123456789abcdef"))
			return false;
	}
	return n == 36;
}

static bool one_of(const char *t, size_t n, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strlen(*words) == n && memcmp(t, *words, n) == 0)
			return true;
	return false;
}

/* "engineering>plc": both of a fixed list, whatever the site calls them. */
static bool roles(const char *t, size_t n)
{
	static const char *const words[] = { "engineering", "hmi", "scada", "master", "historian",
		"server", "plc", "rtu", "ied", "gateway", "remote", "external", "other", NULL };
	const char *mark = memchr(t, '>', n);
	if (mark == NULL)
		return false;
	size_t left = (size_t)(mark - t);
	return one_of(t, left, words) && one_of(mark + 1, n - left - 1, words);
}

static bool zone(const char *t, size_t n)
{
	if (n == 1)
		return t[0] == '?';
	return n >= 2 && n <= 4 && t[0] == 'L' && t[1] >= '0' && t[1] <= '5' &&
	       (n == 2 || (n == 4 && t[2] == '.' && t[3] == '5'));
}

static bool zones(const char *t, size_t n)
{
	const char *mark = memchr(t, '>', n);
	return mark != NULL && zone(t, (size_t)(mark - t)) &&
	       zone(mark + 1, n - (size_t)(mark - t) - 1);
}

static bool bucket(const char *t, size_t n)
{
	static const char *const words[] = { "0", "1", "2", "3-5", "6-10", "11-20", "21-50",
		"51-100", "101-1000", "1001-10000", "10001-100000", "100001+", NULL };
	return one_of(t, n, words);
}

static bool made_of(const char *t, size_t n, size_t most, const char *set)
{
	for (size_t i = 0; i < n; i++)
		if (!among(t[i], set))
			return false;
	return n <= most;
}

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool name(const char *t, size_t n)
{
	return n > 0 && made_of(t, n, 64, LOWER DIGITS "_-");
}

static bool case_(const char *t, size_t n)
{
	return n > 0 && made_of(t, n, 64, LOWER UPPER DIGITS "._-");
}

/* Numbered by who issues, GB/T 35965.1 style: kind and issuer, day, number. What firms answer to is
 * named so: their answers have no room for a word of their own. */
static bool case_number(const char *t, size_t n)
{
	enum { KIND = 1, ISSUER = 8, DAY = 8 };
	size_t day = KIND + ISSUER + 1, number = day + DAY + 1;
	return n >= number + 4 && n <= number + 10 && among(t[0], "WNIQ") &&
	       hex(t + KIND, ISSUER, ISSUER) && t[day - 1] == '-' &&
	       made_of(t + day, DAY, DAY, DIGITS) && t[number - 1] == '-' &&
	       made_of(t + number, n - number, 10, DIGITS);
}

static bool case_or_empty(const char *t, size_t n)
{
	return n == 0 || case_(t, n);
}

/* Level 2: an external address. */
static bool address(const char *t, size_t n)
{
	return n >= 2 && made_of(t, n, 45, DIGITS "abcdef.:");
}

/* Printable, of one line. */
static bool prose_of(const char *t, size_t n, size_t most, bool lines)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)t[i];
		if ((c < 0x20 && !(lines && c == '\n')) || c == 0x7f)
			return false;
	}
	return n <= most;
}

static bool short_(const char *t, size_t n)
{
	return prose_of(t, n, 256, false);
}

static bool prose(const char *t, size_t n)
{
	return prose_of(t, n, 2048, true);
}

/* --- lines within a line: nothing but frames that the table knows through and through ------- */

static bool is_line(const char *t, size_t n, bool (*wanted)(enum frame_type))
{
	struct frame f;
	struct err ignored = { 0 };
	bool good =
		frame_read(&f, t, n, &ignored) == FRAME_GOOD && f.unknown == 0 && wanted(f.type);
	frame_free(&f);
	return good;
}

static bool is_receipt(enum frame_type t)
{
	return t == FRAME_SIGNED_RECEIPT;
}

static bool receipt_line(const char *t, size_t n)
{
	return n <= 1024 && is_line(t, n, is_receipt);
}

/* What tiers relay as it was signed. */
static bool is_relayed(enum frame_type t)
{
	return t == FRAME_FLASH || t == FRAME_RECEIPT || t == FRAME_EVIDENCE;
}

static bool original(const char *t, size_t n)
{
	size_t len;
	char *line = base64(t, n) ? malloc(n + 1) : NULL;
	bool good =
		line != NULL && base64_read(t, n, line, n, &len) && is_line(line, len, is_relayed);
	free(line);
	return good;
}

frame_pattern *frame_pattern_named(const char *wanted)
{
	static const struct {
		const char *name;
		frame_pattern *fits;
	} all[] = { { "hex16", hex16 }, { "hex32", hex32 }, { "hex64", hex64 }, { "org", hex32 },
		{ "org or *", org_or_all }, { "base64", base64 }, { "signature", sig },
		{ "region", region }, { "region prefix", region_prefix }, { "industry", industry },
		{ "industry prefix", industry }, { "version", version },
		{ "rules version", rules_version }, { "matrix", matrix },
		{ "technique", technique }, { "rule", rule }, { "roles", roles },
		{ "zones", zones }, { "bucket", bucket }, { "name", name }, { "case", case_ },
		{ "case number", case_number }, { "case or empty", case_or_empty },
		{ "address", address }, { "short", short_ }, { "prose", prose },
		{ "receipt line", receipt_line }, { "original line", original } };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (strcmp(all[i].name, wanted) == 0)
			return all[i].fits;
	return NULL;
}
