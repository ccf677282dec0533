/* s7comm_plus.h - what the files of the S7comm-plus dissector share. */
#ifndef DISSECTORS_S7COMM_PLUS_H
#define DISSECTORS_S7COMM_PLUS_H

#include "dissectors/dissector.h"

enum s7p_field {
	S7P_VERSION,
	S7P_OPCODE,
	S7P_FUNCTION,
	S7P_OPERATION,
	S7P_SEQUENCE,
	S7P_SESSION,
	S7P_INTEGRITY,
	S7P_OBJECT,
	S7P_ATTRIBUTE,
	S7P_VALUE,
	S7P_NEW_OBJECT,
	S7P_CLASS,
	S7P_ITEM_COUNT,
	S7P_RETURN_VALUE,
	S7P_CONTINUED,
	S7P_FIELDS,
};

enum s7p_item {
	S7PI_AREA,
	S7PI_DB,
	S7PI_OBJECT,
	S7PI_ATTRIBUTE,
	S7PI_LID,
	S7PI_CRC,
	S7PI_TYPE,
	S7PI_VALUE,
	S7PI_REAL,
	S7P_ITEM_FIELDS,
};

enum { S7P_REQUEST = 0x31, S7P_RESPONSE = 0x32, S7P_NOTIFICATION = 0x33, S7P_RESPONSE_2 = 0x02 };

enum {
	S7P_EXPLORE = 0x04bb,
	S7P_CREATE_OBJECT = 0x04ca,
	S7P_DELETE_OBJECT = 0x04d4,
	S7P_SET_VARIABLE = 0x04f2,
	S7P_GET_VARIABLE = 0x04fc,
	S7P_GET_LINK = 0x0524,
	S7P_SET_MULTI = 0x0542,
	S7P_GET_MULTI = 0x054c,
	S7P_SET_SUBSTREAMED = 0x057c,
	S7P_GET_SUBSTREAMED = 0x0586,
};

/* What a request does, derived from function, object and value; our own numbers, 0 is none. */
enum s7p_operation {
	S7P_OP_NONE,
	S7P_OP_STOP,
	S7P_OP_RESET_RETENTIVE,
	S7P_OP_START,
	S7P_OP_START_REDUNDANT,
	S7P_OP_OPEN_SESSION,
	S7P_OP_CLOSE_SESSION,
	S7P_OP_SUBSCRIBE,
	S7P_OP_DOWNLOAD_BLOCK,
	S7P_OP_DOWNLOAD_CONFIGURATION,
	S7P_OP_CREATE_OBJECT,
	S7P_OP_DELETE_BLOCK,
	S7P_OP_DELETE_OBJECT,
};

extern const struct dissector s7comm_plus_dissector;
extern const struct field s7p_fields[], s7p_item_fields[];
extern const struct code_name s7p_function_names[];

/* Body of a request after its header. */
void s7p_request(struct reader *body, uint16_t function, uint32_t session, struct pdu *out);
bool s7p_next_item(struct item_cursor *c, struct item *it);

/* Seven bits a byte, the highest first, bit 7 says that more follow; of 64 bits the ninth byte has
 * eight. */
uint32_t s7p_vlq32(struct reader *r);
uint64_t s7p_vlq64(struct reader *r);

#endif
