/* ftp.c - the commands of FTP and what became of them; files travel on connections of their own.
 * Spec: [FTP] RFC 959 4. */
#include "dissectors/office.h"

enum { LINE_MAX = 1024, TEXT_MAX = 255 };

// clang-format off
enum { COMMAND, ARGUMENT, CODE, TEXT, N_FIELDS };

static const struct field fields[] = {
	[COMMAND]  = { "ftp.command", FIELD_TEXT, NULL, "USER, STOR …", NULL },
	[ARGUMENT] = { "ftp.argument", FIELD_TEXT, NULL, "what stands behind it; not for PASS", NULL },
	[CODE]     = { "ftp.code", FIELD_UINT, NULL, "replies: 230 logged in, 530 not logged in …", NULL },
	[TEXT]     = { "ftp.text", FIELD_TEXT, NULL, "replies: the words behind the code", NULL },
};

static const struct command {
	const char *word, *name;
} commands[] = {
	{ "user", "user" }, { "pass", "pass" }, { "stor", "store" }, { "stou", "store" }, { "appe", "store" },
	{ "retr", "retrieve" }, { "dele", "delete" }, { "rnto", "rename" }, { "list", "list" }, { "nlst", "list" },
	{ "mlsd", "list" }, { "site", "site" }, { "auth", "auth" }, { "port", "port" }, { "quit", "quit" },
	{ NULL, NULL },
};
// clang-format on

extern const struct dissector ftp_dissector;

struct ftp_state {
	bool auth;  /* the client has asked for TLS */
	bool asked; /* some command has been seen: a reply belongs to one */
};

static void put(struct pdu *out, unsigned field, const struct reader *r)
{
	pdu_borrow(out, field, r->at, r->left < TEXT_MAX ? r->left : TEXT_MAX);
}

static void read_command(struct reader line, struct ftp_state *st, struct pdu *out)
{
	struct reader word = office_word(&line);
	rd_skip(&line, line.left > 0);
	out->name = "command";
	for (const struct command *c = commands; c->word != NULL; c++)
		if (office_is(&word, c->word))
			out->name = c->name;
	put(out, COMMAND, &word);
	if (strcmp(out->name, "pass") != 0 && line.left > 0)
		put(out, ARGUMENT, &line);
	st->auth |= strcmp(out->name, "auth") == 0;
	st->asked = true;
	out->tx = TX_REQUEST;
	out->tx_key = 1;
}

static unsigned code_of(const struct reader *line)
{
	unsigned code = 0;
	for (size_t i = 0; i < 3; i++) {
		uint8_t c = rd_peek(line, i);
		if (c < '0' || c > '9')
			return 0;
		code = code * 10 + (c - (unsigned)'0');
	}
	return line->left == 3 || line->at[3] == ' ' ? code : 0;
}

static void read_reply(struct reader line, struct ftp_state *st, struct pdu *out)
{
	unsigned code = code_of(&line);
	if (code == 0) { /* a further line of a reply */
		out->dissector = NULL;
		return;
	}
	rd_skip(&line, line.left > 3 ? 4 : 3);
	out->name = "reply";
	out->code = (int32_t)code;
	out->status = (int32_t)code;
	out->rejected = code >= 400;
	pdu_uint(out, CODE, code);
	put(out, TEXT, &line);
	out->tx = !st->asked ? TX_NONE : code < 200 ? TX_REPLY_PART : TX_REPLY;
	out->tx_key = 1;
	out->final = st->auth && code == 234;
}

static enum outcome ftp_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	struct reader r = *in, line;
	bool whole = office_line(&r, &line);
	d->need = 0;
	if (!whole && in->left <= LINE_MAX)
		return DISSECT_MORE;
	out->dissector = &ftp_dissector;
	out->dir = office_dir(d->dir);
	out->name = "damaged";
	if (!whole)
		return pdu_bad(out, "line without an end");
	if (d->dir == DIR_TO_SERVER)
		read_command(line, d->state, out);
	else
		read_reply(line, d->state, out);
	*in = r;
	return DISSECT_OK;
}

/* Mail greets the same way: only the port tells them apart. */
static enum probe ftp_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	if (l4 != L4_TCP)
		return PROBE_NO;
	if (in.left < 4)
		return PROBE_MORE;
	bool greeting = office_starts(&in, "220") && (in.at[3] == ' ' || in.at[3] == '-');
	bool command = office_starts(&in, "user") || office_starts(&in, "auth");
	hint->knows_dir = greeting || command;
	hint->dir = greeting ? DIR_TO_CLIENT : DIR_TO_SERVER;
	return greeting || command ? PROBE_WEAK : PROBE_NO;
}

static const struct port_hint ports[] = { { L4_TCP, 21 }, { 0, 0 } };

const struct dissector ftp_dissector = {
	.name = "ftp",
	.fields = fields,
	.field_count = N_FIELDS,
	.ports = ports,
	.state_size = sizeof(struct ftp_state),
	.reply_ms = 5000,
	.office = true,
	.probe = ftp_probe,
	.dissect = ftp_dissect,
};
