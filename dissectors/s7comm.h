/* s7comm.h - what the files of the S7comm dissector share. No public specification: facts from
 * Siemens' system manuals and from other dissectors, checked against captures. */
#ifndef DISSECTORS_S7COMM_H
#define DISSECTORS_S7COMM_H

#include "dissectors/dissector.h"
#include "dissectors/s7comm_fields.h"

enum { S7_JOB = 1, S7_ACK = 2, S7_ACK_DATA = 3, S7_USERDATA = 7 };

/* Functions of Job and Ack_Data. */
enum {
	S7_CPU_SERVICES = 0x00,
	S7_READ = 0x04,
	S7_WRITE = 0x05,
	S7_REQUEST_DOWNLOAD = 0x1a,
	S7_DOWNLOAD_BLOCK = 0x1b,
	S7_DOWNLOAD_ENDED = 0x1c,
	S7_START_UPLOAD = 0x1d,
	S7_UPLOAD = 0x1e,
	S7_END_UPLOAD = 0x1f,
	S7_PI = 0x28,
	S7_STOP = 0x29,
	S7_SETUP = 0xf0,
};

/* What a program invocation does; 0 is none. */
enum s7_operation {
	S7_PI_NONE,
#define OPERATION(id, service, name) S7_PI_##id,
#include "dissectors/s7comm_pi.def"
#undef OPERATION
};

/* A block as its file name says it. */
struct s7_block {
	uint8_t type; /* the ASCII digits as a number: 0x0a is DB */
	uint32_t number;
	char filesystem; /* 'P' passive, 'A' active, 'B' both */
};

enum { S7_UPLOADS = 4, S7_JOIN_MAX = 65536 };

/* Userdata whose data comes in several replies. */
struct s7_join {
	struct joiner data;
	uint16_t code;    /* group << 8 | subfunction */
	uint8_t sequence; /* the one that all parts share */
	bool open, done;  /* open: more to come; done: read by the latest PDU */
};

struct s7_state {
	struct s7_join join[2]; /* by enum dir */
	struct s7_upload {
		uint32_t id;        /* the PLC's number for the upload; 0: not answered yet */
		uint16_t reference; /* of the request */
		bool used;
		struct s7_block block;
	} upload[S7_UPLOADS];
	uint8_t next_upload;
};

/* One message on the way through the files. */
struct s7 {
	struct reader param, data;
	struct s7_state *state; /* NULL: the pool is at its cap */
	struct dissect *d;
	uint16_t reference;
	struct pdu *out;
};

extern const struct dissector cotp_dissector, s7comm_dissector;

extern const struct field s7_fields[], s7_item_fields[];
extern const struct code_name s7_function_names[], s7_return_codes[], s7_block_types[];
/* NULL where the table has none. */
const char *s7_name(const struct code_name *names, uint32_t code);
/* Name of an error in a userdata parameter or an acknowledgement; NULL if not listed. */
const char *s7_error_name(uint16_t error);
const char *s7_error_class_name(uint8_t class);

/* Items. */
void s7_read_request(struct s7 *m);
void s7_write_request(struct s7 *m);
void s7_read_reply(struct s7 *m);
void s7_write_reply(struct s7 *m);
/* Items of a cyclic request in @r: addresses; of its replies: data. */
void s7_list_addresses(struct s7 *m, const struct reader *r, unsigned count);
void s7_list_data(struct s7 *m, const struct reader *r, unsigned count);
enum s7_walk {
	S7_WALK_ADDRESSES,
	S7_WALK_WRITE, /* addresses and data in step */
	S7_WALK_DATA,
	S7_WALK_CODES,   /* return codes of a write */
	S7_WALK_BLOCKS,  /* file names without their leading character */
	S7_WALK_COUNTS,  /* blocks of each type */
	S7_WALK_NUMBERS, /* blocks of one type */
	S7_WALK_TIS,     /* variables of a programmer command, with data where there is */
	S7_WALK_ALARMS,  /* alarm objects */
};
void s7_items(struct s7 *m, enum s7_walk walk, const struct reader *r, unsigned count);
/* The data that the items just set up take in step. */
void s7_items_take(struct s7 *m, const struct reader *data);
bool s7_next_item(struct item_cursor *c, struct item *out);
/* Of the next item of a reply no more than its return code and bytes. False: none follows, or it
 * has no code. */
bool s7_next_code(struct item_cursor *c, uint8_t *code, struct reader *data);

/* Blocks and program invocations. */
void s7_block_request(struct s7 *m, uint8_t function);
void s7_block_reply(struct s7 *m, uint8_t function);
void s7_pi_request(struct s7 *m);
void s7_stop_request(struct s7 *m);
/* Type, number and filesystem out of 8 characters: "0A00001P". */
bool s7_block_of(const uint8_t *name, struct s7_block *block);
void s7_show_block(struct pdu *out, const struct s7_block *block);

/* Userdata. */
void s7_userdata(struct s7 *m);
void s7_szl_reply(struct s7 *m, struct reader data);
void s7_clock_text(struct s7 *m, struct reader time);

#endif
