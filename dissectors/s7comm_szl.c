/* s7comm_szl.c - system status lists: who a module is and how it stands.
 * Spec: Siemens, System Software for S7-300/400, System and Standard Functions, Volume 2. */
#include "dissectors/s7comm.h"

/* The text of a fixed field: up to its first NUL, without blanks at the end. */
static size_t text_length(const uint8_t *text, size_t n)
{
	const uint8_t *end = memchr(text, 0, n);
	if (end != NULL)
		n = (size_t)(end - text);
	while (n > 0 && text[n - 1] == ' ')
		n--;
	return n;
}

static void show_text(struct s7 *m, unsigned field, const uint8_t *text, size_t n)
{
	n = text_length(text, n);
	if (n > 0)
		pdu_borrow(m->out, field, text, n);
}

static size_t put_number(char *to, uint8_t v)
{
	size_t n = 0;
	if (v >= 100)
		to[n++] = (char)('0' + v / 100);
	if (v >= 10)
		to[n++] = (char)('0' + v / 10 % 10);
	to[n++] = (char)('0' + v % 10);
	return n;
}

/* Module identification: index, order number, type, version. */
static void identity(struct s7 *m, struct reader *record)
{
	uint16_t index = rd_be16(record);
	const uint8_t *order = rd_bytes(record, 20);
	rd_skip(record, 2);
	const uint8_t *version = rd_bytes(record, 4);
	if (version == NULL)
		return;
	if (index == 1)
		show_text(m, S7_ORDER_NUMBER, order, 20);
	if (index != 7 || version[0] != 'V')
		return;
	char text[16] = "V";
	size_t n = 1;
	for (unsigned i = 1; i < 4; i++) {
		if (i > 1)
			text[n++] = '.';
		n += put_number(text + n, version[i]);
	}
	pdu_copy(m->out, S7_FIRMWARE, text, n);
}

/* Component identification: index and 32 characters. */
static void component(struct s7 *m, struct reader *record)
{
	static const uint8_t names[] = {
		[1] = S7_PLC_NAME,
		[2] = S7_MODULE_NAME,
		[3] = S7_PLANT,
		[5] = S7_SERIAL,
		[7] = S7_MODULE_TYPE,
		[8] = S7_CARD_SERIAL,
		[11] = S7_LOCATION,
	};
	uint16_t index = rd_be16(record);
	if (index < sizeof names && names[index] != 0 && record->left > 0)
		show_text(m, names[index], record->at, record->left < 32 ? record->left : 32);
}

/* Communication status, index 4: protection levels by key, parameter, in force; mode switch. */
static void protection(struct s7 *m, struct reader *record)
{
	if (rd_be16(record) != 4)
		return;
	rd_skip(record, 4);
	uint16_t level = rd_be16(record);
	uint16_t position = rd_be16(record);
	if (record->overrun)
		return;
	pdu_uint(m->out, S7_PROTECTION_LEVEL, level);
	pdu_uint(m->out, S7_MODE_SWITCH, position);
}

/* Operating modes of the list as those of a mode-transition push; 0xff: none of them. */
static void show_mode(struct s7 *m, unsigned field, unsigned szl_mode)
{
	// clang-format off
	static const uint8_t modes[16] = {
		0xff, 0, 0, 0, 0, 1, 0xff, 3, 2, 0xff, 4, 0xff, 0xff, 13, 0xff, 0xff,
	};
	// clang-format on
	if (modes[szl_mode] != 0xff)
		pdu_uint(m->out, field, modes[szl_mode]);
}

static void mode(struct s7 *m, struct reader *record)
{
	rd_skip(record, 3);
	uint8_t id = rd_u8(record);
	if (record->overrun)
		return;
	show_mode(m, S7_MODE, id & 0x0f);
	show_mode(m, S7_PREVIOUS_MODE, id >> 4);
}

/* List and index, length and number of the records, the records. */
void s7_szl_reply(struct s7 *m, struct reader data)
{
	uint16_t id = rd_be16(&data);
	uint16_t index = rd_be16(&data);
	if (data.overrun)
		return;
	pdu_uint(m->out, S7_SZL_ID, id);
	pdu_uint(m->out, S7_SZL_INDEX, index);
	uint16_t length = rd_be16(&data);
	uint16_t count = rd_be16(&data);
	unsigned list = id & 0xffU;
	if (length == 0 || (list != 0x11 && list != 0x1c && list != 0x32 && list != 0x24))
		return;
	for (unsigned i = 0; i < count && i < 64; i++) {
		struct reader record = rd_slice(&data, length);
		if (record.overrun)
			return;
		if (list == 0x11)
			identity(m, &record);
		else if (list == 0x1c)
			component(m, &record);
		else if (list == 0x32)
			protection(m, &record);
		else if (i == 0)
			mode(m, &record);
	}
}

/* Ten bytes of BCD: 0, century (not used), year, month, day, hour, minute, second, ms and weekday.
 * Written as 2016-02-08T14:51:37.916. */
void s7_clock_text(struct s7 *m, struct reader time)
{
	static const char separators[] = "--T::.";
	char text[24];
	size_t n = 0;
	rd_skip(&time, 2);
	const uint8_t *b = rd_bytes(&time, 8);
	if (b == NULL)
		return;
	for (unsigned i = 0; i < 8; i++)
		if ((b[i] >> 4) > 9 || (i < 7 && (b[i] & 0x0f) > 9))
			return;
	text[n++] = b[0] < 0x90 ? '2' : '1';
	text[n++] = b[0] < 0x90 ? '0' : '9';
	for (unsigned i = 0; i < 7; i++) {
		text[n++] = (char)('0' + (b[i] >> 4));
		text[n++] = (char)('0' + (b[i] & 0x0f));
		if (i < 6)
			text[n++] = separators[i];
	}
	text[n++] = (char)('0' + (b[7] >> 4));
	pdu_copy(m->out, S7_CLOCK, text, n);
}
