/* modbus.h - what the pieces of the Modbus dissector share; nobody else includes it.
 * Specs: [MB] Modbus Application Protocol V1.1b3, [TCP] Messaging on TCP/IP V1.0b, [SL] Serial
 * Line V1.02. UMAS has no public specification; what is known of it comes from captures. */
#ifndef DISSECTORS_MODBUS_H
#define DISSECTORS_MODBUS_H

#include "dissectors/dissector.h"

/* Header fields, indexes into modbus_fields. */
enum modbus_field {
	MODBUS_TRANSACTION,
	MODBUS_PROTOCOL,
	MODBUS_LENGTH,
	MODBUS_UNIT,
	MODBUS_FUNCTION,
	MODBUS_EXCEPTION,
	MODBUS_ADDRESS,
	MODBUS_QUANTITY,
	MODBUS_WRITE_ADDRESS,
	MODBUS_WRITE_QUANTITY,
	MODBUS_BYTE_COUNT,
	MODBUS_VALUE,
	MODBUS_AND_MASK,
	MODBUS_OR_MASK,
	MODBUS_SUBFUNCTION,
	MODBUS_DIAGNOSTIC_DATA,
	MODBUS_EXCEPTION_STATUS,
	MODBUS_COMM_STATUS,
	MODBUS_EVENT_COUNT,
	MODBUS_MESSAGE_COUNT,
	MODBUS_SERVER_ID,
	MODBUS_SERVER_TEXT,
	MODBUS_FILE,
	MODBUS_RECORD,
	MODBUS_RECORD_LENGTH,
	MODBUS_MEI_TYPE,
	MODBUS_DEVICE_ID_CODE,
	MODBUS_OBJECT_ID,
	MODBUS_CONFORMITY,
	MODBUS_MORE_FOLLOWS,
	MODBUS_NEXT_OBJECT,
	MODBUS_OBJECT_COUNT,
	MODBUS_VENDOR_NAME, /* the seven named objects, in the order of their ids */
	MODBUS_PRODUCT_CODE,
	MODBUS_REVISION,
	MODBUS_VENDOR_URL,
	MODBUS_PRODUCT_NAME,
	MODBUS_MODEL_NAME,
	MODBUS_APPLICATION_NAME,
	MODBUS_UMAS_SESSION,
	MODBUS_UMAS_FUNCTION,
	MODBUS_UMAS_RESPONSE,
	MODBUS_UMAS_ERROR,
	MODBUS_UMAS_BLOCK,
	MODBUS_UMAS_OFFSET,
	MODBUS_UMAS_LENGTH,
	MODBUS_UMAS_CLIENT,
	MODBUS_FRAMING,
	MODBUS_DATA,
	MODBUS_FIELDS
};

enum modbus_item_field {
	MODBUS_ITEM_ADDRESS,
	MODBUS_ITEM_VALUE,
	MODBUS_ITEM_FILE,
	MODBUS_ITEM_RECORD,
	MODBUS_ITEM_LENGTH,
	MODBUS_ITEM_DATA,
	MODBUS_ITEM_OBJECT,
	MODBUS_ITEM_TEXT,
	MODBUS_ITEM_FIELDS
};

/* What a message carries after its function code. */
enum modbus_layout {
	MODBUS_OPAQUE, /* anything: not specified, or not public */
	MODBUS_NOTHING,
	MODBUS_READ,       /* address, quantity */
	MODBUS_WRITE_COIL, /* address, FF00 or 0000; the reply echoes it */
	MODBUS_WRITE_REGISTER,
	MODBUS_WRITE_BITS, /* address, quantity, byte count, bits */
	MODBUS_WRITE_WORDS,
	MODBUS_WRITTEN, /* address, quantity: the reply to the two before */
	MODBUS_MASK,
	MODBUS_READ_WRITE,
	MODBUS_BITS,  /* byte count, bits */
	MODBUS_WORDS, /* byte count, registers */
	MODBUS_FIFO_ADDRESS,
	MODBUS_FIFO,
	MODBUS_STATUS,
	MODBUS_COUNTER,
	MODBUS_LOG,
	MODBUS_SERVER,
	MODBUS_DIAGNOSTIC,
	MODBUS_FILE_READ,
	MODBUS_FILE_DATA,
	MODBUS_FILE_WRITE,
	MODBUS_MEI,
	MODBUS_MEI_REPLY,
	MODBUS_UMAS,
	MODBUS_UMAS_REPLY,
	MODBUS_ERROR, /* exception code */
	MODBUS_LAYOUTS
};

enum { MODBUS_CODES = 128, MODBUS_EXCEPTION_BIT = 0x80, MODBUS_FUNCTION_UMAS = 90 };
enum { MODBUS_DIAGNOSTICS = 8, MODBUS_RESTART_COMMUNICATIONS = 1, MODBUS_LISTEN_ONLY = 4 };
enum { MODBUS_READ_COILS = 1, MODBUS_READ_INPUTS = 4 }; /* with two others between */
enum { MODBUS_CANOPEN = 13, MODBUS_DEVICE_ID = 14 };
enum { MODBUS_UMAS_OK = 0xfe, MODBUS_UMAS_FAILED = 0xfd };
enum { MODBUS_ACKNOWLEDGE = 5 };
enum { MODBUS_MBAP = 1, MODBUS_RTU = 2 };

/* Where dissector.keep puts what a reply needs of its request. */
enum { KEPT_ADDRESS, KEPT_QUANTITY, KEPT_FILE, KEPT_RECORD };

struct modbus_function {
	const char *name;
	uint8_t request, reply;  /* enum modbus_layout */
	uint16_t max, max_write; /* coils or registers in one message; 0: none */
	bool known;              /* public or documented by a vendor: probing trusts its layout */
};

extern const struct dissector modbus_dissector;

/* modbus_umas.c: the bytes of the program block that a download request or an upload reply carries;
 * false if there are none. *last: of an upload, nothing follows. */
bool modbus_umas_piece(const struct pdu *p, struct reader *piece, bool *last);

/* modbus_tables.c */
extern const struct field modbus_fields[MODBUS_FIELDS];
extern const struct field modbus_item_fields[MODBUS_ITEM_FIELDS];
extern const struct modbus_function modbus_functions[MODBUS_CODES];
const char *modbus_exception_name(unsigned code); /* or NULL */

/* modbus_pdu.c: reads a PDU, function code first, and sets everything it says. Damage is noted
 * in out->malformed with the fields before it kept. Tells whether the reader was used up exactly
 * and nothing was wrong. */
bool modbus_pdu(struct reader *pdu, enum pdu_dir dir, struct pdu *out);
/* Reads two bytes into a field; leaves it unset past the end. */
static inline uint16_t modbus_take16(struct reader *r, struct pdu *out, unsigned field)
{
	const uint8_t *b = rd_bytes(r, 2);
	if (b == NULL)
		return 0;
	pdu_uint(out, field, be16(b));
	return be16(b);
}

static inline uint8_t modbus_take8(struct reader *r, struct pdu *out, unsigned field)
{
	const uint8_t *b = rd_bytes(r, 1);
	if (b == NULL)
		return 0;
	pdu_uint(out, field, *b);
	return *b;
}

/* What is left, as opaque bytes. */
void modbus_take_data(struct reader *r, struct pdu *out);

/* modbus_umas.c */
extern const struct code_name modbus_umas_functions[];
extern const struct code_name modbus_umas_responses[];
void modbus_umas_request(struct reader *r, const struct modbus_function *fn, struct pdu *out);
void modbus_umas_reply(struct reader *r, const struct modbus_function *fn, struct pdu *out);

/* modbus_open.c: a ring of requests in the flow's state. */
enum { MODBUS_OPEN = 16 };
struct modbus_open {
	struct modbus_request {
		uint64_t echo; /* of three words */
		uint32_t key;  /* transaction id, unit, function */
		bool waiting;
	} request[MODBUS_OPEN];
	uint32_t next;  /* requests so far */
	uint16_t first; /* transaction id of the first request seen */
	int8_t trust;   /* replies that had a request's id, less those that had not */
};
void modbus_open_request(struct modbus_open *o, const struct pdu *p);
/* Sets tx_loose to 0 where pairing by unit and function alone would guess wrong. */
void modbus_open_reply(struct modbus_open *o, struct pdu *p);

/* modbus_items.c */
void modbus_items(struct pdu *out, enum modbus_layout layout, struct reader bytes);
bool modbus_next_item(struct item_cursor *c, struct item *out);
/* Coils or registers one behind the other, as they stand in the message: bits from the lowest of
 * the first byte on, or words. What items would tell one by one. */
struct modbus_row {
	uint32_t address, count;
	bool bits;
	const uint8_t *bytes;
};
/* False: the message has none, or they have no address. */
bool modbus_row(const struct pdu *pdu, struct modbus_row *row);

enum { MODBUS_RTU_MAX = 256 }; /* bytes of a serial frame, [SER] 2.3 */

/* modbus_rtu.c: frames without a length, [SL] 2.5.1.
 * Bytes of the frame that starts here, unit and CRC included, when its CRC is right;
 * 0: none does, or not yet: *need says how many bytes would tell, 0 if no number of them. */
size_t modbus_rtu_frame(struct reader in, enum pdu_dir dir, size_t *need);
/* The same, for functions only whose length follows from the layout. */
size_t modbus_rtu_certain(struct reader in, enum pdu_dir dir, size_t *need);

#endif
