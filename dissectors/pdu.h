/* pdu.h - one protocol message, as a dissector found it. */
#ifndef DISSECTORS_PDU_H
#define DISSECTORS_PDU_H

#include <string.h>

#include "dissectors/field.h"
#include "dissectors/reader.h"

enum { PDU_FIELDS = 64, ITEM_FIELDS = 24, PDU_TEXT = 512, PDU_NO_CODE = -1 };

struct dissector;
struct pdu;

/* What kind of message it is; not who opened the connection. */
enum pdu_dir { PDU_REQ, PDU_RSP, PDU_IND };

enum pdu_flag {
	PDU_ITEMS_CUT = 1 << 0, /* more items than the bound; set by who lists them */
	PDU_OVERLAP = 1 << 1, /* read from the other side of a conflicting overlap; set by stream */
	PDU_RESYNCED = 1 << 2, /* first after bytes that were not seen; set by stream */
};

/* How the transaction table pairs it. A reply goes to the oldest request of the same flow and the
 * opposite direction with its key, else to the oldest with its loose key (0: none). */
enum tx_role {
	TX_NONE,           /* stands alone */
	TX_REQUEST,        /* a reply is due */
	TX_REQUEST_SILENT, /* no reply by specification */
	TX_REPLY,          /* answers, and ends the transaction */
	TX_REPLY_PART,     /* answers, more to come */
};

/* The first values of a request that its reply needs to be understood (see dissector.keep). */
enum { PDU_KEPT = 4 };
struct kept {
	bool known;
	uint8_t present; /* bit per value */
	uint64_t value[PDU_KEPT];
};

/* One point, variable or register; fields are indexes into the dissector's item_fields. */
struct item {
	uint32_t present; /* bit per field */
	struct value value[ITEM_FIELDS];
};

/* Where to pull the items of a PDU from. The dissector sets it up; copying it restarts nothing:
 * each copy walks on its own. Valid as long as the bytes of the PDU are. */
struct item_cursor {
	const struct dissector *dissector;
	const struct pdu *pdu;
	struct reader bytes;
	struct reader second; /* bytes that go in step with them, such as the data of a list of
				 addresses; empty if there are none */
	uint64_t scratch[8];  /* the dissector's: numbers and offsets; no pointers to what was
				 captured, for a snapshot moves the bytes */
};

/* Bytes of a file that pass by in this message, for who follows files (sensor/file.c). */
struct content {
	const uint8_t *at;
	uint32_t len;
	uint64_t offset; /* of these bytes in the file */
	uint64_t key;    /* tells the files of one direction of a flow apart */
	bool last;       /* the file ends with these bytes */
	uint8_t name_len;
	const char *name; /* what the file is called, or its end; with its first bytes */
};

struct pdu {
	const struct dissector *dissector; /* NULL: bytes consumed, nothing to tell */
	const char *malformed;             /* static reason, or NULL */
	const char *status_name;           /* static name of status, or NULL */
	const char *name; /* of the function: static, "write_multiple_registers", never NULL */
	enum pdu_dir dir;
	enum tx_role tx;
	int32_t status; /* replies: its code, 0 if none */
	uint32_t flags; /* enum pdu_flag */
	uint64_t tx_key, tx_loose;
	uint64_t present; /* bit per header field */

	bool more;     /* another PDU waits in the state: call dissect() again */
	bool final;    /* nothing but opaque bytes follows on this flow (TLS): stop dissecting */
	bool rejected; /* replies: the device refused */
	uint16_t text_len;
	int32_t code;        /* the function, or PDU_NO_CODE */
	struct kept request; /* replies: from the request, set by the transaction table */

	/* Of a read or its answer: bytes that say all of it but its number. Alike in two messages
	 * of a flow and direction, and in the requests they answer: the same fields but for those
	 * in dissector.numbers, the same items. Empty: may mean something else each time. */
	struct reader same;
	struct item_cursor items; /* items.dissector NULL: no items */
	struct content content;   /* len 0 and not last: none */

	/* last: a copy stops behind the last value that is present (snapshot.c) */
	struct value value[PDU_FIELDS];
	char text[PDU_TEXT]; /* for values that are made, not borrowed */
};

static inline void pdu_init(struct pdu *p)
{
	p->dissector = NULL;
	p->malformed = NULL;
	p->status_name = NULL;
	p->name = "";
	p->dir = PDU_REQ;
	p->tx = TX_NONE;
	p->status = 0;
	p->flags = 0;
	p->tx_key = p->tx_loose = 0;
	p->present = 0;
	p->more = p->final = p->rejected = false;
	p->text_len = 0;
	p->code = PDU_NO_CODE;
	p->request.known = false;
	p->same.left = p->items.second.left = 0;
	p->items.dissector = NULL;
	p->content.len = 0;
	p->content.last = false;
	p->content.name_len = 0;
}

static inline bool pdu_has(const struct pdu *p, unsigned field)
{
	return p->present >> field & 1;
}

static inline void pdu_uint(struct pdu *p, unsigned field, uint64_t v)
{
	p->value[field].u = v;
	p->present |= UINT64_C(1) << field;
}

static inline void pdu_int(struct pdu *p, unsigned field, int64_t v)
{
	p->value[field].i = v;
	p->present |= UINT64_C(1) << field;
}

/* A NaN or infinity is left unset: JSON and comparisons have no word for it. */
static inline void pdu_real(struct pdu *p, unsigned field, double v)
{
	if (v - v != 0)
		return;
	p->value[field].r = v;
	p->present |= UINT64_C(1) << field;
}

/* Text or bytes that stay valid as long as the PDU is looked at. */
static inline void pdu_borrow(struct pdu *p, unsigned field, const void *bytes, size_t len)
{
	p->value[field].bytes = bytes;
	p->value[field].len = (uint32_t)len;
	p->present |= UINT64_C(1) << field;
}

/* Copies into the PDU's own text; what does not fit is cut. */
static inline void pdu_copy(struct pdu *p, unsigned field, const void *bytes, size_t len)
{
	size_t room = PDU_TEXT - p->text_len;
	if (len > room)
		len = room;
	if (len > 0)
		memcpy(p->text + p->text_len, bytes, len);
	pdu_borrow(p, field, p->text + p->text_len, len);
	p->text_len = (uint16_t)(p->text_len + len);
}

static inline void pdu_cstr(struct pdu *p, unsigned field, const char *s)
{
	pdu_borrow(p, field, s, strlen(s));
}

static inline bool item_has(const struct item *it, unsigned field)
{
	return it->present >> field & 1;
}

static inline void item_uint(struct item *it, unsigned field, uint64_t v)
{
	it->value[field].u = v;
	it->present |= UINT32_C(1) << field;
}

static inline void item_int(struct item *it, unsigned field, int64_t v)
{
	it->value[field].i = v;
	it->present |= UINT32_C(1) << field;
}

static inline void item_real(struct item *it, unsigned field, double v)
{
	if (v - v != 0)
		return;
	it->value[field].r = v;
	it->present |= UINT32_C(1) << field;
}

static inline void item_borrow(struct item *it, unsigned field, const void *bytes, size_t len)
{
	it->value[field].bytes = bytes;
	it->value[field].len = (uint32_t)len;
	it->present |= UINT32_C(1) << field;
}

#endif
