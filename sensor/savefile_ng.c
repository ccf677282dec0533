/* savefile_ng.c - pcapng: sections of either byte order, interfaces of any link type and clock.
 * Spec: draft-ietf-opsawg-pcapng. Blocks that hold no packet are passed over. */
#include <stdlib.h>

#include "sensor/savefile_impl.h"

enum {
	BLOCK_SECTION = 0x0a0d0d0a, /* the same in both byte orders */
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 2, /* obsolete, still written */
	BLOCK_SIMPLE = 3,
	BLOCK_ENHANCED = 6,
	OPTION_END = 0,
	OPTION_TSRESOL = 9,
	OPTION_TSOFFSET = 14,
};

// clang-format off
static const uint64_t ten_to[20] = {
	1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u, 1000000000u,
	10000000000u, 100000000000u, 1000000000000u, 10000000000000u, 100000000000000u,
	1000000000000000u, 10000000000000000u, 100000000000000000u, 1000000000000000000u,
	10000000000000000000u,
};
// clang-format on

/* if_tsresol: the top bit says whether the rest is the exponent of 2 or of 10. */
static bool set_resolution(struct interface *in, uint8_t resolution)
{
	in->binary = resolution & 0x80;
	in->shift = resolution & 0x7f;
	in->units_mul = in->units_div = 1;
	if (in->binary)
		return in->shift <= 63;
	if (in->shift <= 9)
		in->units_mul = ten_to[9 - in->shift];
	else if (in->shift <= 19 + 9)
		in->units_div = ten_to[in->shift - 9];
	else
		return false;
	return true;
}

/* Times beyond these (the years 1823 and 2116) are no capture's; kept, what is reckoned with them
 * could overflow. */
#define TIME_MAX ((INT64_C(1) << 62) - 1)

static int64_t clamped(int64_t ns)
{
	return ns > TIME_MAX ? TIME_MAX : ns < -TIME_MAX ? -TIME_MAX : ns;
}

static int64_t to_ns(const struct interface *in, uint64_t units)
{
	unsigned __int128 ns;
	if (in->binary)
		ns = ((unsigned __int128)units * 1000000000) >> in->shift;
	else
		ns = (unsigned __int128)units * in->units_mul / in->units_div;
	int64_t out, offset;
	if (ns > INT64_MAX || __builtin_mul_overflow(in->offset_s, 1000000000, &offset) ||
		__builtin_add_overflow((int64_t)ns, offset, &out))
		return TIME_MAX;
	return clamped(out);
}

static bool read_options(struct savefile *s, const uint8_t *at, size_t left, struct interface *in)
{
	while (left >= 4) {
		uint16_t code = savefile_u16(s, at), len = savefile_u16(s, at + 2);
		size_t padded = 4 + ((len + 3u) & ~3u);
		if (code == OPTION_END)
			break;
		if (padded > left)
			return false;
		if (code == OPTION_TSRESOL && len == 1 && !set_resolution(in, at[4]))
			return false;
		if (code == OPTION_TSOFFSET && len == 8) {
			uint64_t first = savefile_u32(s, at + 4), second = savefile_u32(s, at + 8);
			bool big = s->swapped == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
			in->offset_s = (int64_t)(big ? first << 32 | second : second << 32 | first);
		}
		at += padded;
		left -= padded;
	}
	return true;
}

/* NULL: added; else why not. */
static const char *add_interface(struct savefile *s, const uint8_t *body, size_t len)
{
	if (len < 8)
		return "an interface block too short";
	if (s->interface_count == INTERFACES_MAX)
		return "more than 65536 interfaces";
	if (s->interface_count == s->interface_cap) {
		size_t cap = s->interface_cap == 0 ? 4 : s->interface_cap * 2;
		struct interface *all = realloc(s->interfaces, cap * sizeof(*all));
		if (all == NULL)
			return "out of memory";
		s->interfaces = all;
		s->interface_cap = cap;
	}
	struct interface *in = &s->interfaces[s->interface_count];
	*in = (struct interface){ .link = savefile_u16(s, body),
		.snaplen = savefile_u32(s, body + 4) };
	set_resolution(in, 6);
	if (!read_options(s, body + 8, len - 8, in))
		return "an interface block with impossible options";
	s->interface_count++;
	return NULL;
}

/* Learns the byte order of a section from its first block; false if it has none. */
static bool section_order(struct savefile *s, const uint8_t *block)
{
	uint32_t order;
	memcpy(&order, block + 8, sizeof(order));
	if (order != 0x1a2b3c4d && order != 0x4d3c2b1a)
		return false;
	s->swapped = order == 0x4d3c2b1a;
	s->interface_count = 0;
	return true;
}

/* The three kinds of packet block, taken apart alike. */
struct packet_block {
	uint32_t interface, caplen, wirelen;
	bool has_time;
	uint64_t time;
	const uint8_t *bytes;
	size_t room; /* in the block */
};

static bool read_packet_block(struct savefile *s, uint32_t type, const uint8_t *body, size_t len,
	struct packet_block *out)
{
	if (type == BLOCK_SIMPLE) {
		if (len < 4 || s->interface_count == 0)
			return false;
		uint32_t snaplen = s->interfaces[0].snaplen;
		*out = (struct packet_block){ .bytes = body + 4, .room = len - 4 };
		out->wirelen = out->caplen = savefile_u32(s, body);
		if (snaplen != 0 && out->caplen > snaplen)
			out->caplen = snaplen;
		if (out->caplen > out->room)
			out->caplen = (uint32_t)out->room;
		return true;
	}
	if (len < 20)
		return false;
	out->interface = type == BLOCK_PACKET ? savefile_u16(s, body) : savefile_u32(s, body);
	out->time = (uint64_t)savefile_u32(s, body + 4) << 32 | savefile_u32(s, body + 8);
	out->has_time = true;
	out->caplen = savefile_u32(s, body + 12);
	out->wirelen = savefile_u32(s, body + 16);
	out->bytes = body + 20;
	out->room = len - 20;
	return true;
}

/* NULL: @f is filled; else what is wrong. */
static const char *take_packet(struct savefile *s, const struct packet_block *b, struct frame *f)
{
	if (b->interface >= s->interface_count)
		return "a packet of an interface that was not described";
	if (b->caplen > b->room)
		return "a packet longer than its block";
	if (b->caplen > CAPLEN_MAX)
		return "a packet of more than 256 KiB";
	const struct interface *in = &s->interfaces[b->interface];
	if (b->has_time)
		s->last_ns = to_ns(in, b->time);
	f->ts_ns = s->last_ns;
	f->link = in->link;
	f->caplen = b->caplen;
	f->wirelen = b->wirelen < b->caplen ? b->caplen : b->wirelen;
	f->bytes = b->bytes;
	return NULL;
}

/* Its length, 0 at the end of input (@status says which end), with the whole block in the buffer.
 */
static size_t next_block(struct savefile *s, uint32_t *type, int *status, struct err *err)
{
	const uint8_t *h = savefile_need(s, 12);
	if (h == NULL) {
		*status = savefile_ended(s, err);
		return 0;
	}
	*type = savefile_u32(s, h);
	if (*type == BLOCK_SECTION && !section_order(s, h)) {
		*status = savefile_damaged(s, err, "a section of no known byte order");
		return 0;
	}
	size_t len = savefile_u32(s, h + 4);
	if (len < 12 || len % 4 != 0 || len > BLOCK_MAX) {
		*status = savefile_damaged(s, err, "a block of impossible length");
		return 0;
	}
	h = savefile_need(s, len);
	if (h == NULL) {
		*status = savefile_ended(s, err);
		return 0;
	}
	if (savefile_u32(s, h + len - 4) != len) {
		*status = savefile_damaged(s, err, "a block whose two lengths differ");
		return 0;
	}
	return len;
}

int savefile_ng_next(struct savefile *s, struct frame *f, struct err *err)
{
	for (;;) {
		uint32_t type;
		int status;
		const char *fault = NULL;
		size_t len = next_block(s, &type, &status, err);
		if (len == 0)
			return status;
		const uint8_t *body = s->buf + s->at + 8;
		bool packet =
			type == BLOCK_ENHANCED || type == BLOCK_SIMPLE || type == BLOCK_PACKET;
		if (packet) {
			struct packet_block b;
			fault = "a packet block too short";
			if (read_packet_block(s, type, body, len - 12, &b))
				fault = take_packet(s, &b, f);
		} else if (type == BLOCK_INTERFACE) {
			fault = add_interface(s, body, len - 12);
		}
		if (fault != NULL)
			return savefile_damaged(s, err, fault);
		s->at += len;
		if (packet) {
			s->packets++;
			return 1;
		}
	}
}
