/* ssh.c - who greets whom, and that a session goes on: what is said in it is encrypted, also
 * whether a password was right. Spec: [SSH] RFC 4253 4.2. */
#include "dissectors/office.h"

enum {
	LINE_MAX = 255, /* [SSH] 4.2; a server may say more lines before */
	LINES_MAX = 64,
	SESSION_BYTES = 8192 /* from the server after its greeting: more than an exchange of keys
				and six refused passwords take */
};

// clang-format off
enum { PROTOCOL, SOFTWARE, N_FIELDS };

static const struct field fields[] = {
	[PROTOCOL] = { "ssh.protocol", FIELD_TEXT, NULL, "version spoken: 2.0, 1.99, 1.5", NULL },
	[SOFTWARE] = { "ssh.software", FIELD_TEXT, NULL, "what the program calls itself", NULL },
};
// clang-format on

extern const struct dissector ssh_dissector;

struct ssh_state {
	bool greeted[2];
	uint8_t lines[2];
	uint32_t bytes; /* of the server after its greeting */
};

static void tell(struct dissect *d, const char *name, struct pdu *out)
{
	out->dissector = &ssh_dissector;
	out->dir = office_dir(d->dir);
	out->name = name;
}

/* "SSH-2.0-OpenSSH_9.2p1 Debian-2" */
static void read_banner(struct reader line, struct dissect *d, struct pdu *out)
{
	tell(d, d->dir == DIR_TO_SERVER ? "client_banner" : "server_banner", out);
	rd_skip(&line, 4);
	const uint8_t *dash = line.left == 0 ? NULL : memchr(line.at, '-', line.left);
	if (dash == NULL) {
		pdu_damaged(out, "greeting without a version");
		return;
	}
	struct reader version = rd_slice(&line, (size_t)(dash - line.at));
	rd_skip(&line, 1);
	pdu_borrow(out, PROTOCOL, version.at, version.left);
	pdu_borrow(out, SOFTWARE, line.at, line.left);
}

static enum outcome greet(struct reader *in, struct dissect *d, struct pdu *out)
{
	struct ssh_state *st = d->state;
	struct reader r = *in, line;
	bool whole = office_line(&r, &line);
	if (!whole && in->left <= LINE_MAX)
		return DISSECT_MORE;
	if (!whole || st->lines[d->dir]++ == LINES_MAX) {
		tell(d, "damaged", out);
		return pdu_bad(out, "no greeting");
	}
	if (office_starts(&line, "ssh-")) {
		st->greeted[d->dir] = true;
		read_banner(line, d, out);
	}
	*in = r;
	return DISSECT_OK;
}

static enum outcome ssh_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	struct ssh_state *st = d->state;
	d->need = 0;
	if (!st->greeted[d->dir])
		return greet(in, d, out);
	size_t n = in->left;
	if (d->dir == DIR_TO_CLIENT) {
		size_t left = SESSION_BYTES - st->bytes;
		n = n < left ? n : left;
		st->bytes += (uint32_t)n;
	}
	rd_skip(in, n);
	if (st->bytes == SESSION_BYTES) {
		tell(d, "session", out);
		out->final = true;
	}
	return DISSECT_OK;
}

static enum probe ssh_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	(void)hint;
	if (l4 != L4_TCP)
		return PROBE_NO;
	if (in.left < 6)
		return in.left == 0 || rd_peek(&in, 0) == 'S' ? PROBE_MORE : PROBE_NO;
	bool version = in.at[4] == '1' || in.at[4] == '2';
	return memcmp(in.at, "SSH-", 4) == 0 && version && in.at[5] == '.' ? PROBE_SURE : PROBE_NO;
}

static const struct port_hint ports[] = { { L4_TCP, 22 }, { 0, 0 } };

const struct dissector ssh_dissector = {
	.name = "ssh",
	.fields = fields,
	.field_count = N_FIELDS,
	.ports = ports,
	.state_size = sizeof(struct ssh_state),
	.office = true,
	.probe = ssh_probe,
	.dissect = ssh_dissect,
};
