/* dnp3.c - DNP3 over TCP and UDP: link frames and the joining of transport segments.
 * Spec: [1815] 9 data link layer, 8 transport function, 13 IP networking. */
#include "dissectors/dnp3.h"

enum {
	START1 = 0x05,
	START2 = 0x64,
	HEADER = 10, /* octets, its CRC included */
	LENGTH_MIN = 5,
	BLOCK = 16,
};

enum { LINK_DIR = 0x80, LINK_PRM = 0x40, LINK_FUNCTION = 0x0f };
enum { LINK_CONFIRMED_DATA = 3, LINK_UNCONFIRMED_DATA = 4 };
enum { SEGMENT_FIN = 0x80, SEGMENT_FIR = 0x40, SEGMENT_SEQ = 0x3f };
enum { CONTROL_FLAGS = 0xf0 }; /* of the application layer */

static bool crc_fits(const uint8_t *bytes, size_t n)
{
	uint16_t crc = dnp3_crc(bytes, n);
	return bytes[n] == (crc & 255) && bytes[n + 1] == crc >> 8;
}

/* ---- transport ---- */

static struct dnp3_join *join_find(struct dnp3_state *s, const struct pdu *p, enum dir dir)
{
	if (s->joining == 0)
		return NULL;
	for (struct dnp3_join *j = s->joins; j < s->joins + DNP3_JOINS; j++)
		if (j->active && j->source == p->value[DNP3_SOURCE].u &&
			j->destination == p->value[DNP3_DESTINATION].u && j->dir == dir)
			return j;
	return NULL;
}

static void join_end(struct dnp3_state *s, struct dnp3_join *j)
{
	s->joining -= j->active;
	j->active = false;
}

/* An idle slot, else the one that waited longest. */
static struct dnp3_join *join_start(struct dnp3_state *s, const struct pdu *p, enum dir dir)
{
	struct dnp3_join *pick = &s->joins[0];
	for (struct dnp3_join *j = s->joins; j < s->joins + DNP3_JOINS; j++)
		if (!j->active || (pick->active && j->used < pick->used))
			pick = j;
	joiner_reset(&pick->bytes);
	pick->source = (uint16_t)p->value[DNP3_SOURCE].u;
	pick->destination = (uint16_t)p->value[DNP3_DESTINATION].u;
	pick->dir = (uint8_t)dir;
	s->joining += !pick->active;
	pick->active = true;
	return pick;
}

static bool is_repeat(const struct dnp3_join *j, uint8_t sequence, const struct reader *segment)
{
	return j->last > 0 && j->sequence == sequence && j->last == segment->left &&
	       memcmp(j->bytes.bytes + j->bytes.len - j->last, segment->at, j->last) == 0;
}

static const char *join_add(
	struct dnp3_join *j, struct dissect *d, uint8_t sequence, const struct reader *segment)
{
	struct dnp3_state *state = d->state;
	if (j->bytes.len + segment->left > DNP3_FRAGMENT_MAX)
		return "fragment is longer than any device takes";
	if (!joiner_add(&j->bytes, d->pool, segment->at, segment->left, DNP3_FRAGMENT_MAX))
		return "no memory left to join segments";
	j->sequence = sequence;
	j->last = (uint16_t)segment->left;
	j->used = ++state->clock;
	return NULL;
}

/* A frame whose segment leads nowhere. */
static void put_stray(struct pdu *out, const char *why)
{
	out->dissector = &dnp3_dissector;
	pdu_damaged(out, why);
}

/* A segment that goes on with what is not there. Where its start may have been before the capture
 * or among lost bytes, that is nobody's fault. */
static void put_headless(struct pdu *out, uint8_t control, const uint64_t *opened)
{
	uint32_t bit = dnp3_pair_bit(out->value[DNP3_SOURCE].u, out->value[DNP3_DESTINATION].u);
	if (!(control & SEGMENT_FIN))
		return;
	out->dissector = &dnp3_dissector;
	if (dnp3_pair_has(opened, bit))
		pdu_damaged(out, "transport segment without its start");
}

/* One segment of several: joined to what waits. */
static APART void take_segment(
	struct reader segment, uint8_t control, struct dissect *d, struct pdu *out)
{
	struct dnp3_state *state = d->state;
	uint8_t sequence = control & SEGMENT_SEQ;
	struct dnp3_join *j = join_find(state, out, d->dir);
	if (control & SEGMENT_FIR) {
		if (j != NULL)
			join_end(state, j);
		j = join_start(state, out, d->dir);
	} else if (j == NULL) {
		put_headless(out, control, state->opened[d->dir]);
		return;
	} else if (is_repeat(j, sequence, &segment)) {
		return;
	} else if (sequence != ((j->sequence + 1) & SEGMENT_SEQ)) {
		join_end(state, j);
		put_stray(out, "transport sequence is broken");
		return;
	}

	const char *why = join_add(j, d, sequence, &segment);
	if (why != NULL || control & SEGMENT_FIN)
		join_end(state, j);
	if (why != NULL) {
		put_stray(out, why);
	} else if (control & SEGMENT_FIN) {
		out->dissector = &dnp3_dissector;
		dnp3_fragment(rd_over(j->bytes.bytes, j->bytes.len), state, out);
	}
}

/* What else decides goes before the function, over the octets that number segment and fragment: the
 * control octets without their counts, the addresses. */
static void set_same(const uint8_t *frame, struct reader fragment, struct pdu *out, uint8_t *to)
{
	to[0] = frame[3] & (LINK_DIR | LINK_PRM | LINK_FUNCTION);
	memcpy(to + 1, frame + 4, 4);
	to[5] = fragment.at[0] & CONTROL_FLAGS;
	out->same = rd_over(to, DNP3_LINK + 1 + fragment.left);
}

/* @user is the user data of a frame without its CRCs. A device drops a frame with a bad CRC, so
 * such a one is shown but must not disturb what is being joined. */
static void take_user_data(
	const uint8_t *frame, struct reader user, struct dissect *d, struct pdu *out)
{
	struct dnp3_state *state = d->state;
	uint8_t control = rd_u8(&user);
	if (control & SEGMENT_FIR && out->malformed == NULL)
		dnp3_pair_add(state->opened[d->dir],
			dnp3_pair_bit(out->value[DNP3_SOURCE].u, out->value[DNP3_DESTINATION].u));
	bool whole = (control & (SEGMENT_FIR | SEGMENT_FIN)) == (SEGMENT_FIR | SEGMENT_FIN);
	if (!whole && out->malformed == NULL) {
		take_segment(user, control, d, out);
		return;
	}
	out->dissector = &dnp3_dissector;
	if (!whole)
		return;
	struct dnp3_join *j = join_find(state, out, d->dir);
	if (j != NULL && out->malformed == NULL)
		join_end(state, j);
	if (dnp3_fragment(user, state, out))
		set_same(frame, user, out, state->user_data);
}

/* ---- link ---- */

static inline void put_link(struct pdu *out, const uint8_t *frame)
{
	uint8_t control = frame[3];
	out->dir = control & LINK_DIR ? PDU_REQ : PDU_RSP;
	pdu_uint(out, DNP3_SOURCE, (unsigned)(frame[6] | frame[7] << 8));
	pdu_uint(out, DNP3_DESTINATION, (unsigned)(frame[4] | frame[5] << 8));
	pdu_uint(out, DNP3_UNSOLICITED, 0);
	pdu_uint(out, DNP3_LINK_DIR, (control & LINK_DIR) != 0);
	pdu_uint(out, DNP3_PRM, (control & LINK_PRM) != 0);
	pdu_uint(out, control & LINK_PRM ? DNP3_LINK_FUNCTION : DNP3_LINK_REPLY,
		control & LINK_FUNCTION);
}

static APART void put_link_only(struct pdu *out, const uint8_t *frame, size_t user)
{
	bool prm = frame[3] & LINK_PRM;
	unsigned field = prm ? DNP3_LINK_FUNCTION : DNP3_LINK_REPLY;
	const char *name = dnp3_code_name(dnp3_fields[field].codes, frame[3] & LINK_FUNCTION);
	out->dissector = &dnp3_dissector;
	out->name = name == NULL ? "reserved" : name;
	if (name == NULL)
		pdu_damaged(out, "reserved link function");
	else if (user > 0)
		pdu_damaged(out, "data on a link function that has none");
}

/* Copies the user data without its CRCs; false if one of those is bad. */
static bool gather(uint8_t *to, const uint8_t *blocks, size_t n)
{
	bool good = true;
	for (; n >= BLOCK; n -= BLOCK) {
		good &= crc_fits(blocks, BLOCK);
		memcpy(to, blocks, BLOCK);
		to += BLOCK;
		blocks += BLOCK + 2;
	}
	if (n == 0)
		return good;
	memcpy(to, blocks, n);
	return crc_fits(blocks, n) && good;
}

static enum outcome take_frame(
	const uint8_t *frame, size_t user, struct dissect *d, struct pdu *out)
{
	struct dnp3_state *state = d->state;
	unsigned function = frame[3] & (LINK_PRM | LINK_FUNCTION);
	put_link(out, frame);
	out->name = "user_data";
	uint8_t *data = state->user_data + DNP3_LINK;
	if (!gather(data, frame + HEADER, user)) {
		pdu_uint(out, DNP3_CRC_ERROR, 1);
		pdu_damaged(out, "bad CRC in a data block");
	}
	if (function != (LINK_PRM | LINK_CONFIRMED_DATA) &&
		function != (LINK_PRM | LINK_UNCONFIRMED_DATA))
		put_link_only(out, frame, user);
	else if (user == 0)
		put_stray(out, "user data frame without data");
	else
		take_user_data(frame, rd_over(data, user), d, out);
	return DISSECT_OK;
}

static enum outcome dnp3_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	const uint8_t *frame = in->at;
	if (in->left > 0 && (frame[0] != START1 || (in->left > 1 && frame[1] != START2)))
		return pdu_bad(out, "does not begin with 05 64");
	d->need = HEADER;
	if (in->left < HEADER)
		return DISSECT_MORE;
	if (!crc_fits(frame, HEADER - 2))
		return pdu_bad(out, "bad CRC in the link header");
	if (frame[2] < LENGTH_MIN) {
		put_link(out, frame);
		put_link_only(out, frame, 0);
		rd_skip(in, HEADER);
		return pdu_damaged(out, "link length below 5");
	}

	size_t user = frame[2] - (size_t)LENGTH_MIN;
	d->need = HEADER + user + (user + BLOCK - 1) / BLOCK * 2;
	if (in->left < d->need)
		return DISSECT_MORE;
	rd_skip(in, d->need);
	return take_frame(frame, user, d, out);
}

/* ---- detection ---- */

/* Where a header with a good CRC stands, or might go on past the end; n: nowhere. */
static size_t find_header(const uint8_t *bytes, size_t n, size_t from)
{
	for (size_t i = from; i < n; i++) {
		const uint8_t *start = memchr(bytes + i, START1, n - i);
		if (start == NULL)
			return n;
		i = (size_t)(start - bytes);
		if (n - i >= 2 && start[1] != START2)
			continue;
		if (n - i < HEADER || crc_fits(start, HEADER - 2))
			return i;
	}
	return n;
}

/* A greeting or the rest of a frame may stand before the first header: some evade monitors so. */
static enum probe dnp3_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	(void)l4;
	size_t at = find_header(in.at, in.left, 0);
	if (in.left - at < HEADER)
		return at == 0 ? PROBE_MORE : PROBE_NO;
	hint->knows_dir = true;
	hint->dir = in.at[at + 3] & LINK_DIR ? DIR_TO_SERVER : DIR_TO_CLIENT;
	return PROBE_SURE;
}

static size_t dnp3_resync(const uint8_t *bytes, size_t n, enum dir dir)
{
	(void)dir;
	return find_header(bytes, n, 1);
}

static void dnp3_lost(struct dissect *d)
{
	struct dnp3_state *state = d->state;
	for (struct dnp3_join *j = state->joins; j < state->joins + DNP3_JOINS; j++)
		if (j->dir == d->dir)
			join_end(state, j);
	memset(state->opened[d->dir], 0, sizeof state->opened[d->dir]);
}

static void dnp3_release(void *slot, struct pool *pool)
{
	struct dnp3_state *state = slot;
	for (struct dnp3_join *j = state->joins; j < state->joins + DNP3_JOINS; j++)
		joiner_free(&j->bytes, pool);
}

static const struct port_hint ports[] = { { L4_TCP, 20000 }, { L4_UDP, 20000 }, { 0, 0 } };

const struct dissector dnp3_dissector = {
	.name = "dnp3",
	.fields = dnp3_fields,
	.item_fields = dnp3_item_fields,
	.field_count = DNP3_FIELDS,
	.item_field_count = DNP3_ITEM_FIELDS,
	.ports = ports,
	.state_size = sizeof(struct dnp3_state),
	.unit_field = DNP3_DESTINATION + 1,
	.unit_reply = DNP3_SOURCE + 1,
	.numbers = UINT64_C(1) << DNP3_SEQUENCE,
	.reply_ms = 5000,
	.probe = dnp3_probe,
	.dissect = dnp3_dissect,
	.resync = dnp3_resync,
	.lost = dnp3_lost,
	.next_item = dnp3_next_item,
	.release = dnp3_release,
};
