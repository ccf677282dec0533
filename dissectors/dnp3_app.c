/* dnp3_app.c - the application layer of DNP3: functions, indications, pairing, verdict.
 * Spec: [1815] 4 application layer, 4.2.2 fragment layout, 4.4 function codes. */
#include "dissectors/dnp3.h"

enum {
	CONTROL_FIR = 0x80,
	CONTROL_FIN = 0x40,
	CONTROL_CON = 0x20,
	CONTROL_UNS = 0x10,
	CONTROL_SEQ = 0x0f,
};

enum {
	FC_CONFIRM = 0,
	FC_READ = 1,
	FC_SELECT = 3,
	FC_OPERATE = 4,
	FC_DISABLE_UNSOLICITED = 21,
	FC_LAST_REQUEST = 33,
	FC_AUTHENTICATION = 32,
	FC_RESPONSE = 129,
	FC_UNSOLICITED = 130,
	FC_AUTHENTICATION_RESPONSE = 131,
};

enum { SELF_ADDRESS = 0xfffc, BROADCAST_FIRST = 0xfffd };
enum { REFUSALS = 0x07 }; /* IIN2.0 to IIN2.2 */

/* Functions that are never answered ([1815] 4.4): the no-ack variants. */
static bool is_silent(uint8_t function)
{
	return function == 6 || function == 8 || function == 10 || function == 12 || function == 33;
}

static const char *function_name(uint8_t function)
{
	if (function <= FC_LAST_REQUEST)
		return dnp3_function_names[function].name;
	if (function >= FC_RESPONSE && function <= FC_AUTHENTICATION_RESPONSE)
		return dnp3_function_names[FC_LAST_REQUEST + 1 + function - FC_RESPONSE].name;
	return "reserved";
}

static void refuse(struct pdu *out, uint32_t status, const struct code_name *names)
{
	if (out->rejected || status == 0)
		return;
	out->rejected = true;
	out->status = (int32_t)status;
	out->status_name = dnp3_code_name(names, status);
	if (out->status_name == NULL)
		out->status_name = "reserved";
}

/* ---- select before operate ---- */

static uint64_t hash_of(const struct reader *r)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	for (size_t i = 0; i < r->left; i++)
		h = (h ^ r->at[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* The slot of the addresses of @p; if they have none, the oldest where it is to be claimed. */
static struct dnp3_select *select_slot(struct dnp3_state *state, const struct pdu *p, bool claim)
{
	uint16_t source = (uint16_t)p->value[DNP3_SOURCE].u;
	uint16_t destination = (uint16_t)p->value[DNP3_DESTINATION].u;
	struct dnp3_select *oldest = &state->selects[0];
	for (struct dnp3_select *s = state->selects; s < state->selects + DNP3_SELECTS; s++) {
		if (s->used != 0 && s->source == source && s->destination == destination)
			return s;
		if (s->used < oldest->used)
			oldest = s;
	}
	if (!claim)
		return NULL;
	oldest->source = source;
	oldest->destination = destination;
	return oldest;
}

/* An operate must repeat the objects of the select and carry the next sequence number; one that
 * comes again with its number is a retry ([1815] 4.4.3). */
static APART void track_select(struct reader objects, struct dnp3_state *state, struct pdu *out)
{
	uint8_t sequence = (uint8_t)out->value[DNP3_SEQUENCE].u;
	struct dnp3_select *s = select_slot(state, out, out->code == FC_SELECT);
	if (out->code == FC_SELECT) {
		s->used = ++state->clock;
		s->sequence = sequence;
		s->hash = hash_of(&objects);
		return;
	}
	bool matched = s != NULL && sequence == ((s->sequence + 1) & CONTROL_SEQ) &&
		       s->hash == hash_of(&objects);
	pdu_uint(out, DNP3_SELECT_MATCHED, matched);
}

/* ---- the start of a session ---- */

/* A master that (re)connects switches unsolicited reporting off before anything else, until it has
 * read what there is; later that is no routine. A reply before the first request belongs to what
 * went before the capture; later nothing explains it. */
static void track_start(struct dnp3_state *state, struct pdu *out)
{
	uint64_t from = out->value[DNP3_SOURCE].u, to = out->value[DNP3_DESTINATION].u;
	if (out->dir == PDU_RSP) {
		pdu_uint(out, DNP3_ASKED, dnp3_pair_has(state->begun, dnp3_pair_bit(to, from)));
		return;
	}
	uint32_t bit = dnp3_pair_bit(from, to);
	bool first = !dnp3_pair_has(state->begun, bit);
	if (first || out->code == FC_DISABLE_UNSOLICITED)
		pdu_uint(out, DNP3_SESSION_START, first);
	dnp3_pair_add(state->begun, bit);
}

/* ---- objects ---- */

static bool is_control(const struct dnp3_walk *w)
{
	return w->data && (w->group == 41 || (w->group == 12 && w->object->form == FORM_FIXED));
}

/* Controls come back with a status in their last octet; the first that is not 0 tells. */
static APART void judge_controls(struct reader points, struct dnp3_walk w, struct pdu *out)
{
	struct reader point;
	uint32_t index;
	while (dnp3_point(&points, &w, &point, &index))
		if (point.left > 0)
			refuse(out, point.at[point.left - 1] & 0x7f, dnp3_control_status_names);
}

static APART void first_point(struct reader points, struct dnp3_walk w, struct pdu *out)
{
	struct reader point;
	uint32_t index;
	if (!dnp3_point(&points, &w, &point, &index))
		return;
	const char *why = dnp3_detail(&w, point, out);
	if (why != NULL)
		pdu_damaged(out, why);
}

/* Tells whether all objects are points without a meaning of their own in the header. */
static bool walk_objects(struct reader r, struct pdu *out)
{
	struct dnp3_walk w = { .function = (uint8_t)out->code };
	uint32_t count = 0;
	bool plain = true;
	while (r.left > 0) {
		const char *why = dnp3_header(&r, &w);
		if (w.known && count++ == 0) {
			pdu_uint(out, DNP3_GROUP, w.group);
			pdu_uint(out, DNP3_VARIATION, w.variation);
			pdu_borrow(out, DNP3_OBJECT, w.object->name, w.object->name_len);
		}
		if (w.left > 0 && dnp3_has_detail(w.group))
			first_point(r, w, out);
		if (out->code == FC_RESPONSE && is_control(&w))
			judge_controls(r, w, out);
		plain = plain && !dnp3_has_detail(w.group) && !is_control(&w);
		if (why != NULL) {
			pdu_damaged(out, why);
			break;
		}
		dnp3_skip_points(&r, &w);
	}
	pdu_uint(out, DNP3_OBJECT_COUNT, count);
	return plain;
}

/* ---- pairing ---- */

enum { KEY_NOT_FIRST = 1, KEY_LOOSE, KEY_SELF, KEY_EXACT };

static uint64_t pair_key(uint64_t master, uint64_t outstation, uint64_t sequence, unsigned kind)
{
	return master << 40 | outstation << 16 | sequence << 4 | kind;
}

static void pair_request(struct pdu *out)
{
	uint64_t master = out->value[DNP3_SOURCE].u;
	uint64_t outstation = out->value[DNP3_DESTINATION].u;
	uint8_t function = (uint8_t)out->code;
	if (function == FC_CONFIRM)
		return;
	/* The answer to a challenge: what was challenged is still the open request. */
	if (function == FC_AUTHENTICATION && pdu_has(out, DNP3_GROUP) &&
		out->value[DNP3_GROUP].u == 120 && out->value[DNP3_VARIATION].u == 2)
		return;
	out->tx = is_silent(function) || outstation >= BROADCAST_FIRST ? TX_REQUEST_SILENT
								       : TX_REQUEST;
	uint64_t sequence = out->value[DNP3_SEQUENCE].u;
	out->tx_key = pair_key(master, outstation, sequence, KEY_EXACT);
	out->tx_loose = outstation == SELF_ADDRESS ? pair_key(master, 0, sequence, KEY_SELF)
						   : pair_key(master, outstation, 0, KEY_LOOSE);
}

/* Fragments after the first count the sequence on, so they go by the addresses alone. Who was
 * asked by the self address answers with its own. */
static void pair_reply(struct pdu *out)
{
	uint64_t master = out->value[DNP3_DESTINATION].u;
	uint64_t outstation = out->value[DNP3_SOURCE].u;
	uint64_t sequence = out->value[DNP3_SEQUENCE].u;
	bool challenge = out->code == FC_AUTHENTICATION_RESPONSE && pdu_has(out, DNP3_GROUP) &&
			 out->value[DNP3_GROUP].u == 120 && out->value[DNP3_VARIATION].u == 1;
	if (out->code == FC_UNSOLICITED)
		return;
	out->tx = out->value[DNP3_FINAL].u == 0 || challenge ? TX_REPLY_PART : TX_REPLY;
	if (out->value[DNP3_FIRST].u != 0) {
		out->tx_key = pair_key(master, outstation, sequence, KEY_EXACT);
		out->tx_loose = pair_key(master, 0, sequence, KEY_SELF);
		return;
	}
	out->tx_key = pair_key(master, outstation, sequence, KEY_NOT_FIRST);
	out->tx_loose = pair_key(master, outstation, 0, KEY_LOOSE);
}

static void judge_reply(struct pdu *out)
{
	static const struct code_name refusals[] = { { 1, "no_function_code" },
		{ 2, "object_unknown" }, { 4, "parameter_error" }, { 0, NULL } };
	if (pdu_has(out, DNP3_FILE_STATUS))
		refuse(out, (uint32_t)out->value[DNP3_FILE_STATUS].u, dnp3_file_status_names);
	if (pdu_has(out, DNP3_AUTH_ERROR))
		refuse(out, (uint32_t)out->value[DNP3_AUTH_ERROR].u, dnp3_auth_error_names);
	uint32_t iin = (uint32_t)out->value[DNP3_IIN].u & REFUSALS;
	refuse(out, iin & (~iin + 1), refusals); /* the lowest bit set */
}

/* ---- fragments ---- */

static void put_iin(struct pdu *out, uint16_t iin)
{
	pdu_uint(out, DNP3_IIN, iin);
	for (unsigned bit = 0; iin >> bit != 0; bit++)
		if (iin >> bit & 1)
			pdu_uint(out, DNP3_IIN_BITS + bit, 1);
}

static void put_header(struct pdu *out, uint8_t control, uint8_t function)
{
	out->code = function;
	out->name = function_name(function);
	out->dir = function >= FC_RESPONSE && function <= FC_AUTHENTICATION_RESPONSE ? PDU_RSP
										     : PDU_REQ;
	pdu_uint(out, DNP3_FUNCTION, function);
	pdu_uint(out, DNP3_SEQUENCE, control & CONTROL_SEQ);
	pdu_uint(out, DNP3_UNSOLICITED, (control & CONTROL_UNS) != 0);
	pdu_uint(out, DNP3_CONFIRM, (control & CONTROL_CON) != 0);
	pdu_uint(out, DNP3_FIRST, (control & CONTROL_FIR) != 0);
	pdu_uint(out, DNP3_FINAL, (control & CONTROL_FIN) != 0);
}

/* An answer to a master who has not asked is one thing, to one who has another; so are the first
 * read and the next. */
static inline bool is_routine(uint8_t control, const struct pdu *out)
{
	enum { OF_ONE = CONTROL_FIR | CONTROL_FIN };
	if ((control & (OF_ONE | CONTROL_UNS)) != OF_ONE || out->malformed != NULL || out->rejected)
		return false;
	if (out->code == FC_READ)
		return !pdu_has(out, DNP3_SESSION_START);
	return out->code == FC_RESPONSE && out->value[DNP3_ASKED].u != 0;
}

bool dnp3_fragment(struct reader r, struct dnp3_state *state, struct pdu *out)
{
	uint8_t control = rd_u8(&r);
	uint8_t function = rd_u8(&r);
	if (r.overrun) {
		pdu_damaged(out, "application header is cut");
		return false;
	}
	put_header(out, control, function);
	if (out->dir == PDU_RSP) {
		uint16_t iin = rd_be16(&r);
		if (r.overrun) {
			pdu_damaged(out, "internal indications are cut");
			return false;
		}
		put_iin(out, iin);
	} else if (function > FC_LAST_REQUEST) {
		pdu_damaged(out, "reserved function code");
		pair_request(out);
		return false;
	}

	bool plain = walk_objects(r, out);
	dnp3_items_over(&out->items, out, r, function);
	if (out->dir == PDU_RSP) {
		pair_reply(out);
		if (out->tx != TX_NONE)
			judge_reply(out);
		track_start(state, out);
		return plain && is_routine(control, out);
	}
	pair_request(out);
	if (out->tx != TX_NONE)
		track_start(state, out);
	if ((function == FC_SELECT || function == FC_OPERATE) && out->malformed == NULL)
		track_select(r, state, out);
	return plain && is_routine(control, out);
}
