/* office.h - what the dissectors of office protocols share: texts on the wire, kinds of files. */
#ifndef DISSECTORS_OFFICE_H
#define DISSECTORS_OFFICE_H

#include "dissectors/dissector.h"

/* What a file is by its first bytes. */
enum content_kind {
	CONTENT_UNKNOWN,
	CONTENT_PE,
	CONTENT_ELF,
	CONTENT_MACH_O,
	CONTENT_SCRIPT,
	CONTENT_ARCHIVE,
	CONTENT_GZIP, /* a file, or how any body travels */
	CONTENT_OLE,
	CONTENT_PDF,
	CONTENT_HEX_IMAGE, /* Intel HEX, Motorola S-records: firmware as text */
};
enum { CONTENT_MAGIC = 8 }; /* bytes that content_kind() wants; fewer are fine */

extern const struct code_name content_names[];
enum content_kind content_kind(const uint8_t *bytes, size_t n);

/* The kind of message by who sends it. */
static inline enum pdu_dir office_dir(enum dir dir)
{
	return dir == DIR_TO_SERVER ? PDU_REQ : PDU_RSP;
}

/* The next line without its end; false if it is not there whole. */
bool office_line(struct reader *in, struct reader *line);
/* Up to the next blank or the end; blanks before it are passed over. */
struct reader office_word(struct reader *line);
/* Case does not matter; @word in lower case. */
bool office_starts(const struct reader *r, const char *word);
bool office_is(const struct reader *r, const char *word);

/* A short text kept in the state: what is longer loses its end. */
struct kept_text {
	uint8_t len;
	char at[95];
};
void keep_text(struct kept_text *to, const void *bytes, size_t n);
static inline void show_text(struct pdu *out, unsigned field, const struct kept_text *t)
{
	if (t->len > 0)
		pdu_copy(out, field, t->at, t->len);
}

#endif
