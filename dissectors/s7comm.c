/* s7comm.c - S7 communication of S7-300/400, also spoken by 1200/1500, LOGO! and drives: header,
 * jobs and their acknowledgements. Userdata, items, blocks and status lists have files of their
 * own. */
#include "dissectors/s7comm.h"

enum { MAGIC = 0x32, HEADER = 10 };

static const char *const job_names[256] = {
	[S7_CPU_SERVICES] = "cpu_services",
	[S7_READ] = "read_var",
	[S7_WRITE] = "write_var",
	[S7_REQUEST_DOWNLOAD] = "request_download",
	[S7_DOWNLOAD_BLOCK] = "download_block",
	[S7_DOWNLOAD_ENDED] = "download_ended",
	[S7_START_UPLOAD] = "start_upload",
	[S7_UPLOAD] = "upload",
	[S7_END_UPLOAD] = "end_upload",
	[S7_PI] = "pi_service",
	[S7_STOP] = "plc_stop",
	[S7_SETUP] = "setup_communication",
};

static uint64_t loose_key(uint16_t reference)
{
	return UINT64_C(1) << 49 | reference;
}

static APART void setup(struct s7 *m)
{
	rd_skip(&m->param, 1);
	uint16_t calling = rd_be16(&m->param);
	uint16_t called = rd_be16(&m->param);
	uint16_t size = rd_be16(&m->param);
	if (m->param.overrun) {
		pdu_damaged(m->out, "parameters too short for the function");
		return;
	}
	pdu_uint(m->out, S7_MAX_AMQ_CALLING, calling);
	pdu_uint(m->out, S7_MAX_AMQ_CALLED, called);
	pdu_uint(m->out, S7_PDU_SIZE, size);
}

static void show_function(struct s7 *m, uint8_t function)
{
	const char *name = job_names[function];
	m->out->code = function;
	m->out->name = name == NULL ? "unknown_function" : name;
	m->out->tx_key = (uint64_t)m->reference << 16 | function;
	pdu_uint(m->out, S7_FUNCTION, function);
}

static void read_job(struct s7 *m)
{
	m->out->dir = PDU_REQ;
	if (m->param.left == 0) {
		m->out->name = "job";
		pdu_damaged(m->out, "job without a function");
		return;
	}
	uint8_t function = rd_u8(&m->param);
	show_function(m, function);
	m->out->tx = TX_REQUEST;
	m->out->tx_loose = loose_key(m->reference);
	if (function == S7_READ)
		s7_read_request(m);
	else if (function == S7_WRITE)
		s7_write_request(m);
	else if (function == S7_PI)
		s7_pi_request(m);
	else if (function == S7_STOP)
		s7_stop_request(m);
	else if (function == S7_SETUP)
		setup(m);
	else if (function >= S7_REQUEST_DOWNLOAD && function <= S7_END_UPLOAD)
		s7_block_request(m, function);
}

/* Class and code of an acknowledgement. */
static void read_error(struct s7 *m, uint8_t class, uint8_t code)
{
	pdu_uint(m->out, S7_ERROR_CLASS, class);
	pdu_uint(m->out, S7_ERROR_CODE, code);
	if (class == 0 && code == 0)
		return;
	m->out->rejected = true;
	m->out->status = class << 8 | code;
	m->out->status_name = s7_error_name((uint16_t)m->out->status);
	if (m->out->status_name == NULL)
		m->out->status_name = s7_error_class_name(class);
}

/* An Ack, and an Ack_Data that is an error alone, name no function: the reference must do. */
static void read_ack(struct s7 *m, uint8_t rosctr)
{
	m->out->dir = PDU_RSP;
	m->out->tx = TX_REPLY;
	if (m->param.left == 0) {
		m->out->name = rosctr == S7_ACK ? "ack" : "ack_data";
		m->out->tx_key = m->out->tx_loose = loose_key(m->reference);
		return;
	}
	uint8_t function = rd_u8(&m->param);
	show_function(m, function);
	if (function == S7_SETUP)
		setup(m);
	else if (m->out->rejected && m->data.left == 0)
		return;
	else if (function == S7_READ)
		s7_read_reply(m);
	else if (function == S7_WRITE)
		s7_write_reply(m);
	else
		s7_block_reply(m, function);
}

static bool is_rosctr(uint8_t v)
{
	return v == S7_JOB || v == S7_ACK || v == S7_ACK_DATA || v == S7_USERDATA;
}

static size_t header_size(uint8_t rosctr)
{
	return rosctr == S7_ACK || rosctr == S7_ACK_DATA ? HEADER + 2 : HEADER;
}

/* Reads and their answers mean what stands behind the reference. ROSCTR follows from the direction
 * of the PDU. */
static void set_same(uint8_t rosctr, const struct reader *behind, struct pdu *out)
{
	bool read = (rosctr == S7_JOB || rosctr == S7_ACK_DATA) && out->code == S7_READ;
	if (read && out->malformed == NULL && !out->rejected)
		rd_set(&out->same, behind);
}

/* The rest of the message: another one, or bytes that should not be there. */
static void read_rest(struct reader *in, struct pdu *out)
{
	if (in->left == 0)
		return;
	if (in->left >= HEADER && rd_peek(in, 0) == MAGIC && is_rosctr(rd_peek(in, 1))) {
		out->more = true;
		return;
	}
	pdu_damaged(out, "bytes after the message");
	rd_skip(in, in->left);
}

/**
 * One S7comm message; @in is a joined TSDU. Ten bytes of header (twelve in acknowledgements),
 * parameters, data. Lengths that do not fit are named and what is there is read all the same.
 */
static enum outcome s7comm_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	uint8_t magic = rd_peek(in, 0);
	uint8_t rosctr = rd_peek(in, 1);
	out->dissector = &s7comm_dissector;
	out->name = "damaged";
	out->dir = d->dir == DIR_TO_SERVER ? PDU_REQ : PDU_RSP;
	if (magic != MAGIC)
		return pdu_bad(out, "not the S7comm protocol id");
	if (!is_rosctr(rosctr))
		return pdu_bad(out, "unknown ROSCTR");
	pdu_uint(out, S7_ROSCTR, rosctr);
	size_t header = header_size(rosctr);
	if (in->left < header)
		return pdu_bad(out, "message ends inside its header");

	const uint8_t *h = in->at;
	struct reader r = rd_over(h + header, in->left - header);
	if ((size_t)be16(h + 6) + be16(h + 8) > r.left)
		pdu_damaged(out, "parameter and data lengths run past the message");
	struct s7 m;
	m.param = rd_upto(&r, be16(h + 6));
	m.data = rd_upto(&r, be16(h + 8));
	m.state = d->state;
	m.d = d;
	m.reference = be16(h + 4);
	m.out = out;
	pdu_uint(out, S7_PDU_REFERENCE, m.reference);
	if (rosctr == S7_JOB) {
		read_job(&m);
	} else if (rosctr == S7_USERDATA) {
		s7_userdata(&m);
	} else {
		read_error(&m, h[10], h[11]);
		read_ack(&m, rosctr);
	}
	struct reader behind = rd_over(h + 6, in->left - 6 - r.left);
	read_rest(&r, out);
	set_same(rosctr, &behind, out);
	rd_set(in, &r);
	return DISSECT_OK;
}

/* Who sends this: jobs 1B and 1C come from the PLC, their answers go to it. */
static enum dir way(uint8_t rosctr, uint8_t function, uint8_t kind)
{
	bool swapped = function == S7_DOWNLOAD_BLOCK || function == S7_DOWNLOAD_ENDED;
	if (rosctr == S7_JOB)
		return swapped ? DIR_TO_CLIENT : DIR_TO_SERVER;
	if (rosctr == S7_ACK || rosctr == S7_ACK_DATA)
		return swapped ? DIR_TO_SERVER : DIR_TO_CLIENT;
	return kind == 4 || kind == 6 || kind == 7 ? DIR_TO_SERVER : DIR_TO_CLIENT;
}

static enum probe s7comm_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	(void)l4;
	if (in.left == 0)
		return PROBE_MORE;
	if (rd_peek(&in, 0) != MAGIC || (in.left > 1 && !is_rosctr(rd_peek(&in, 1))))
		return PROBE_NO;
	uint8_t rosctr = rd_peek(&in, 1);
	size_t header = header_size(rosctr);
	if (in.left < header)
		return PROBE_MORE;
	size_t param = (size_t)in.at[6] << 8 | in.at[7];
	size_t data = (size_t)in.at[8] << 8 | in.at[9];
	hint->knows_dir = true;
	hint->dir =
		way(rosctr, param > 0 ? rd_peek(&in, header) : 0, rd_peek(&in, header + 5) >> 4);
	return header + param + data == in.left && in.at[2] == 0 && in.at[3] == 0 ? PROBE_SURE
										  : PROBE_WEAK;
}

static void s7comm_lost(struct dissect *d)
{
	struct s7_state *st = d->state;
	joiner_free(&st->join[d->dir].data, d->pool);
	st->join[d->dir] = (struct s7_join){ 0 };
}

static void s7comm_release(void *state, struct pool *pool)
{
	struct s7_state *st = state;
	joiner_free(&st->join[0].data, pool);
	joiner_free(&st->join[1].data, pool);
}

const struct dissector s7comm_dissector = {
	.name = "s7comm",
	.fields = s7_fields,
	.item_fields = s7_item_fields,
	.field_count = S7_FIELDS,
	.item_field_count = S7_ITEM_FIELDS,
	.state_size = sizeof(struct s7_state),
	.numbers = UINT64_C(1) << S7_PDU_REFERENCE,
	.reply_ms = 2000,
	.keep = { S7_AREA + 1, S7_BLOCK_TYPE + 1, S7_BLOCK_NUMBER + 1, S7_DB + 1 },
	.carrier = &cotp_dissector,
	.first_byte = MAGIC,
	.probe = s7comm_probe,
	.dissect = s7comm_dissect,
	.lost = s7comm_lost,
	.next_item = s7_next_item,
	.release = s7comm_release,
};
