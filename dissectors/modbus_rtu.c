/* modbus_rtu.c - serial frames sent over TCP as they are: unit, PDU, CRC, and no length.
 * Spec: [SL] 2.5.1, CRC in 2.5.1.2. The length follows from the layout where it can; where it
 * cannot (echo, encapsulated, private functions) the CRC says where a frame ends. */
#include "dissectors/modbus.h"

enum { RTU_MIN = 4, RTU_MAX = MODBUS_RTU_MAX }; /* bytes of a frame */

/* Reflected polynomial A001, a nibble at a time. */
static const uint16_t crc_table[16] = {
	0x0000,
	0xcc01,
	0xd801,
	0x1400,
	0xf001,
	0x3c00,
	0x2800,
	0xe401, //
	0xa001,
	0x6c00,
	0x7800,
	0xb401,
	0x5000,
	0x9c01,
	0x8801,
	0x4400,
};

static uint16_t crc_add(uint16_t crc, uint8_t byte)
{
	crc = (uint16_t)(crc >> 4 ^ crc_table[(crc ^ byte) & 15]);
	return (uint16_t)(crc >> 4 ^ crc_table[(crc ^ byte >> 4) & 15]);
}

/* A frame with its CRC behind it leaves 0. */
static bool crc_good(const uint8_t *frame, size_t n)
{
	uint16_t crc = 0xffff;
	for (size_t i = 0; i < n; i++)
		crc = crc_add(crc, frame[i]);
	return crc == 0;
}

/* Bytes of the PDU: fixed, plus what a count at an offset says (wide: of two bytes). Not listed:
 * the layout does not tell. */
// clang-format off
static const struct extent {
	uint8_t fixed, count_at;
	bool wide;
} extents[MODBUS_LAYOUTS] = {
	[MODBUS_NOTHING]        = {  1, 0, false },
	[MODBUS_READ]           = {  5, 0, false },
	[MODBUS_WRITE_COIL]     = {  5, 0, false },
	[MODBUS_WRITE_REGISTER] = {  5, 0, false },
	[MODBUS_WRITE_BITS]     = {  6, 5, false },
	[MODBUS_WRITE_WORDS]    = {  6, 5, false },
	[MODBUS_WRITTEN]        = {  5, 0, false },
	[MODBUS_MASK]           = {  7, 0, false },
	[MODBUS_READ_WRITE]     = { 10, 9, false },
	[MODBUS_BITS]           = {  2, 1, false },
	[MODBUS_WORDS]          = {  2, 1, false },
	[MODBUS_FIFO_ADDRESS]   = {  3, 0, false },
	[MODBUS_FIFO]           = {  3, 1, true  },
	[MODBUS_STATUS]         = {  2, 0, false },
	[MODBUS_COUNTER]        = {  5, 0, false },
	[MODBUS_LOG]            = {  2, 1, false },
	[MODBUS_SERVER]         = {  2, 1, false },
	[MODBUS_FILE_READ]      = {  2, 1, false },
	[MODBUS_FILE_DATA]      = {  2, 1, false },
	[MODBUS_FILE_WRITE]     = {  2, 1, false },
	[MODBUS_ERROR]          = {  2, 0, false },
};
// clang-format on

/* The frame's length by its layout; 0: *need more bytes would tell, or none would (*need 0). */
static size_t length_by_layout(const struct reader *in, enum pdu_dir dir, size_t *need)
{
	*need = 2;
	if (in->left < 2)
		return 0;
	uint8_t code = in->at[1];
	enum modbus_layout layout = MODBUS_ERROR;
	if (code < MODBUS_CODES)
		layout = dir == PDU_REQ ? modbus_functions[code].request
					: modbus_functions[code].reply;
	const struct extent *e = &extents[layout];
	*need = 0;
	if (e->fixed == 0)
		return 0;
	size_t length = 1U + e->fixed + 2U;
	if (e->count_at > 0) {
		*need = 2U + e->count_at + (e->wide ? 1U : 0U);
		if (in->left < *need)
			return 0;
		size_t count = in->at[1 + e->count_at];
		if (e->wide)
			count = count << 8 | in->at[2 + e->count_at];
		length += count;
	}
	*need = length <= RTU_MAX ? length : 0;
	return length <= RTU_MAX ? length : 0;
}

size_t modbus_rtu_certain(struct reader in, enum pdu_dir dir, size_t *need)
{
	size_t length = length_by_layout(&in, dir, need);
	if (length == 0 || length > in.left)
		return 0;
	*need = 0;
	return crc_good(in.at, length) ? length : 0;
}

/* The whole segment if its CRC is good, else the shortest frame with a good one. */
static size_t length_by_crc(const struct reader *in)
{
	size_t shortest = 0;
	uint16_t crc = 0xffff;
	for (size_t i = 0; i < in->left && i < RTU_MAX; i++) {
		crc = crc_add(crc, in->at[i]);
		if (crc == 0 && i + 1 == in->left && i + 1 >= RTU_MIN)
			return i + 1;
		if (crc == 0 && shortest == 0 && i + 1 >= RTU_MIN)
			shortest = i + 1;
	}
	return shortest;
}

size_t modbus_rtu_frame(struct reader in, enum pdu_dir dir, size_t *need)
{
	size_t length = length_by_layout(&in, dir, need);
	if (length > 0 || *need > 0)
		return modbus_rtu_certain(in, dir, need);
	length = length_by_crc(&in);
	if (length == 0 && in.left < RTU_MAX)
		*need = in.left + 1;
	return length;
}
