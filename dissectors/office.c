/* office.c - texts on the wire, kinds of files. */
#include "dissectors/office.h"

// clang-format off
const struct code_name content_names[] = {
	{ CONTENT_UNKNOWN, "unknown" }, { CONTENT_PE, "pe_executable" }, { CONTENT_ELF, "elf_executable" },
	{ CONTENT_MACH_O, "mach_o_executable" }, { CONTENT_SCRIPT, "script" }, { CONTENT_ARCHIVE, "archive" },
	{ CONTENT_GZIP, "gzip" },
	{ CONTENT_OLE, "ole_document" }, { CONTENT_PDF, "pdf" }, { CONTENT_HEX_IMAGE, "hex_image" }, { 0, NULL },
};

static const struct magic {
	uint8_t len, kind;
	const char *bytes;
} magics[] = {
	{ 2, CONTENT_PE, "MZ" },
	{ 4, CONTENT_ELF, "\177ELF" },
	{ 4, CONTENT_MACH_O, "\xcf\xfa\xed\xfe" },
	{ 4, CONTENT_MACH_O, "\xce\xfa\xed\xfe" },
	{ 3, CONTENT_SCRIPT, "#!/" },
	{ 4, CONTENT_ARCHIVE, "PK\3\4" },
	{ 6, CONTENT_ARCHIVE, "7z\xbc\xaf\x27\x1c" },
	{ 3, CONTENT_GZIP, "\x1f\x8b\x08" },
	{ 6, CONTENT_ARCHIVE, "Rar!\x1a\x07" },
	{ 4, CONTENT_ARCHIVE, "MSCF" },
	{ 8, CONTENT_OLE, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" },
	{ 5, CONTENT_PDF, "%PDF-" },
};
// clang-format on

static bool is_hex(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!((bytes[i] >= '0' && bytes[i] <= '9') || (bytes[i] >= 'A' && bytes[i] <= 'F')))
			return false;
	return true;
}

enum content_kind content_kind(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++)
		if (n >= magics[i].len && memcmp(bytes, magics[i].bytes, magics[i].len) == 0)
			return magics[i].kind;
	if (n < CONTENT_MAGIC)
		return CONTENT_UNKNOWN;
	/* ":10000000": a length of at most 32, and "S0" with its length: nothing else begins so. */
	bool intel = bytes[0] == ':' && bytes[1] <= '2' && is_hex(bytes + 1, 7);
	bool motorola = bytes[0] == 'S' && bytes[1] == '0' && is_hex(bytes + 2, 6);
	return intel || motorola ? CONTENT_HEX_IMAGE : CONTENT_UNKNOWN;
}

bool office_line(struct reader *in, struct reader *line)
{
	const uint8_t *end = in->left == 0 ? NULL : memchr(in->at, '\n', in->left);
	if (end == NULL)
		return false;
	size_t n = (size_t)(end - in->at);
	*line = rd_over(in->at, n > 0 && end[-1] == '\r' ? n - 1 : n);
	rd_skip(in, n + 1);
	return true;
}

struct reader office_word(struct reader *line)
{
	while (line->left > 0 && line->at[0] == ' ')
		rd_skip(line, 1);
	size_t n = 0;
	while (n < line->left && line->at[n] != ' ')
		n++;
	return rd_slice(line, n);
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool office_starts(const struct reader *r, const char *word)
{
	size_t i = 0;
	for (; word[i] != '\0'; i++)
		if (i >= r->left || lower(r->at[i]) != (uint8_t)word[i])
			return false;
	return true;
}

bool office_is(const struct reader *r, const char *word)
{
	return r->left == strlen(word) && office_starts(r, word);
}

void keep_text(struct kept_text *to, const void *bytes, size_t n)
{
	to->len = (uint8_t)(n < sizeof to->at ? n : sizeof to->at);
	if (to->len > 0)
		memcpy(to->at, bytes, to->len);
}
