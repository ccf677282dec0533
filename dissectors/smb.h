/* smb.h - what the files of SMB share. smb.c frames and remembers, smb1.c and smb2.c read commands,
 * smb_rpc.c what is called through pipes, smb_fields.c names it all. Only what tells of attacks is
 * read; what files hold passes by. */
#ifndef DISSECTORS_SMB_H
#define DISSECTORS_SMB_H

#include "dissectors/office.h"

// clang-format off
enum { SMB_VERSION, SMB_COMMAND, SMB_STATUS, SMB_TREE, SMB_FILE, SMB_USER, SMB_ACCESS, SMB_DISPOSITION,
	SMB_CONTENT, SMB_SUBCOMMAND, SMB_FID, SMB_MULTIPLEX, SMB_TOTAL_DATA, SMB_MISMATCH, SMB_INTERFACE,
	SMB_OPNUM, SMB_FIELDS };
// clang-format on

enum {
	SMB_WINDOW = 1024, /* bytes of a command that are waited for and looked at */
	SMB_TREES = 4,     /* of a connection that are remembered, the latest */
	SMB_FILES = 6,
	SMB_WAITS = 8,
	SMB_NAME = 79,
};

enum smb_wait_kind { SMB_WAIT_NONE, SMB_WAIT_TREE, SMB_WAIT_FILE, SMB_WAIT_TOLD };

struct smb_name {
	uint8_t len;
	char at[SMB_NAME]; /* the end of a longer one */
};

/* A share or an open file. */
struct smb_entry {
	uint64_t id;
	uint32_t tree;     /* of a file */
	uint8_t interface; /* bound to a pipe; index of smb_interface_names + 1 */
	struct smb_name name;
};

/* A request whose answer is looked at. */
struct smb_wait {
	uint64_t mid;
	uint32_t tree;
	uint8_t kind; /* enum smb_wait_kind */
	struct smb_name name;
};

struct smb_side {
	uint32_t frame_left; /* bytes of the frame that nobody has taken */
	uint32_t skip;       /* those before its next command */
	uint32_t file_in;    /* of these, before a file's bytes */
	uint32_t file_left;  /* and then, of the file */
	uint64_t file_offset, file_key;
};

struct smb_state {
	struct smb_side side[2];
	struct smb_entry tree[SMB_TREES], file[SMB_FILES];
	struct smb_wait wait[SMB_WAITS];
	uint8_t next_tree, next_file, next_wait;
	bool open_nt_trans; /* more of an NT transaction is due */
};

/* One command: @window is what is there of it, from its header on; @size all that it has. */
struct smb {
	struct smb_state *st;
	struct smb_side *side;
	struct pdu *out;
	struct reader window;
	uint32_t size;
	enum dir dir;
	uint64_t mid;
	uint32_t status, tree;
	bool reply;
	/* out: where a file's bytes begin in it, 0: none */
	uint32_t file_at, file_len;
	uint64_t file_offset, file_key;
};

extern const struct dissector smb_dissector;
extern const struct field smb_fields[SMB_FIELDS];
extern const struct code_name smb_status_names[], smb_interface_names[];

/* Each says with m->out->dissector whether there is something to tell. */
void smb1_command(struct smb *m);
void smb2_command(struct smb *m);
/* @data of a write or transaction on a pipe. True if it is a call or a bind. */
bool smb_rpc(struct smb *m, struct reader data, struct smb_entry *pipe);

void smb_tell(struct smb *m, uint8_t version, uint16_t command, const char *name);
/* UTF-16 or bytes as text, into @field; the end of it is remembered in @name unless NULL. */
void smb_text(struct smb *m, struct reader r, bool wide, unsigned field, struct smb_name *name);
void smb_show_tree(struct smb *m);
/* The user of an NTLMSSP message somewhere in @blob. */
void smb_user(struct smb *m, struct reader blob);
struct smb_entry *smb_file_of(struct smb *m, uint64_t id);
enum smb_kind { SMB_KIND_UNKNOWN, SMB_KIND_FILE, SMB_KIND_PIPE };
/* @file NULL: its opening was not seen. */
enum smb_kind smb_kind_of(const struct smb *m, const struct smb_entry *file);
void smb_wait(struct smb *m, enum smb_wait_kind kind, const struct smb_name *name);
/* The request that this answers, taken off the list; NULL: it does not matter. */
const struct smb_wait *smb_answered(struct smb *m);
void smb_keep_tree(struct smb *m, const struct smb_wait *w);
void smb_keep_file(struct smb *m, const struct smb_wait *w, uint64_t id);
/* What is written to a file: its bytes begin @at in the command. */
struct smb_written {
	uint8_t version, command;
	uint64_t file, offset;
	uint32_t at, len;
};
void smb_write(struct smb *m, const struct smb_written *w);

#endif
