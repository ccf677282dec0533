/* s7comm_userdata.c - ROSCTR 7: programming, status, alarms, clock, cyclic data. */
#include "dissectors/s7comm.h"

enum {
	GROUP_MODE,
	GROUP_TIS,
	GROUP_CYCLIC,
	GROUP_BLOCKS,
	GROUP_CPU,
	GROUP_SECURITY,
	GROUP_PBC,
	GROUP_TIME,
	GROUP_NC = 15
};

/* What the type nibble says of the direction. */
enum { PUSH, REQUEST, RESPONSE, UNKNOWN };
static const uint8_t ways[16] = {
	PUSH,
	UNKNOWN,
	PUSH,
	PUSH,
	REQUEST,
	UNKNOWN,
	REQUEST,
	REQUEST,
	RESPONSE,
	UNKNOWN,
	RESPONSE,
	RESPONSE,
	UNKNOWN,
	UNKNOWN,
	UNKNOWN,
	UNKNOWN,
};

/* For subfunctions without a name. */
static const char *const group_functions[16] = {
	[GROUP_MODE] = "mode_transition",
	[GROUP_TIS] = "programmer_command",
	[GROUP_CYCLIC] = "cyclic_service",
	[GROUP_BLOCKS] = "block_function",
	[GROUP_CPU] = "cpu_function",
	[GROUP_SECURITY] = "security_function",
	[GROUP_PBC] = "pbc_block_transfer",
	[GROUP_TIME] = "time_function",
	[GROUP_NC] = "nc_programming",
};

static const char *name_of(uint8_t kind, uint8_t group, uint16_t code)
{
	if (kind == 2 || kind == 6 || kind == 10)
		return "routing";
	const char *name = group == GROUP_MODE ? NULL : s7_name(s7_function_names, code);
	if (name == NULL)
		name = group_functions[group];
	return name == NULL ? "userdata" : name;
}

/* Requests and replies pair by reference, group and subfunction. A reply in parts is not one
 * transaction: each part answers a request of its own. */
static void pair(struct s7 *m, uint8_t way, uint16_t code)
{
	static const enum pdu_dir dirs[] = { PDU_IND, PDU_REQ, PDU_RSP };
	if (way == UNKNOWN)
		m->out->dir = m->d->dir == DIR_TO_SERVER ? PDU_REQ : PDU_RSP;
	else
		m->out->dir = dirs[way];
	if (way != REQUEST && way != RESPONSE)
		return;
	m->out->tx = way == REQUEST ? TX_REQUEST : TX_REPLY;
	m->out->tx_key = UINT64_C(1) << 48 | (uint64_t)m->reference << 16 | code;
	if (way == REQUEST)
		m->out->tx_loose = UINT64_C(1) << 49 | m->reference;
}

/* The variables of a programmer command. */
static void tis_request(struct s7 *m, uint8_t function, struct reader data)
{
	uint16_t param_size = rd_be16(&data);
	uint16_t data_size = rd_be16(&data);
	struct reader param = rd_slice(&data, param_size);
	struct reader list = rd_slice(&data, data_size);
	if (param.overrun)
		return;
	if (param_size >= 20) {
		rd_skip(&param, 18);
		pdu_uint(m->out, S7_TRIGGER, rd_be16(&param));
	}
	if (list.overrun || (function != 2 && function != 8 && function != 9))
		return;
	uint16_t count = rd_be16(&list);
	struct reader addresses = rd_slice(&list, (size_t)count * 6);
	if (list.overrun) {
		pdu_damaged(m->out, "item count beyond the bytes");
		return;
	}
	pdu_uint(m->out, S7_ITEM_COUNT, count);
	s7_items(m, S7_WALK_TIS, &addresses, count);
	s7_items_take(m, &list);
}

/* Values that a variable status pushes. */
static void tis_push(struct s7 *m, uint8_t function, struct reader data)
{
	uint16_t param_size = rd_be16(&data);
	uint16_t data_size = rd_be16(&data);
	rd_skip(&data, param_size);
	struct reader list = rd_slice(&data, data_size);
	if (list.overrun || function != 2 || list.left < 2)
		return;
	uint16_t count = rd_be16(&list);
	pdu_uint(m->out, S7_ITEM_COUNT, count);
	s7_list_data(m, &list, count);
}

static void tis(struct s7 *m, uint8_t way, uint8_t function, struct reader data)
{
	if (way == REQUEST)
		tis_request(m, function, data);
	else if (way == PUSH)
		tis_push(m, function, data);
}

/* Cyclic reads: count, time base and factor, addresses; the answers hold count and data. */
static void cyclic(struct s7 *m, uint8_t way, uint8_t function, struct reader data)
{
	static const uint32_t bases[] = { 100, 1000, 10000 }; /* ms */
	if (way == REQUEST && function == 4 && data.left >= 2) {
		rd_skip(&data, 1);
		pdu_uint(m->out, S7_JOB_ID, rd_u8(&data));
		return;
	}
	if (function == 4 || function == 8 || data.left < 2)
		return;
	uint16_t count = rd_be16(&data);
	pdu_uint(m->out, S7_ITEM_COUNT, count);
	if (way != REQUEST) {
		s7_list_data(m, &data, count);
		return;
	}
	uint8_t base = rd_u8(&data);
	uint8_t factor = rd_u8(&data);
	if (base < sizeof bases / sizeof bases[0])
		pdu_uint(m->out, S7_INTERVAL_MS, bases[base] * factor);
	s7_list_addresses(m, &data, count);
}

static void show_fixed(struct s7 *m, unsigned field, const uint8_t *text, size_t n)
{
	while (n > 0 && (text[n - 1] == 0 || text[n - 1] == ' '))
		n--;
	if (n > 0)
		pdu_borrow(m->out, field, text, n);
}

/* What a device says of a block. */
static void block_info(struct s7 *m, struct reader data)
{
	rd_skip(&data, 10);
	uint8_t language = rd_u8(&data);
	uint8_t type = rd_u8(&data);
	uint16_t number = rd_be16(&data);
	uint32_t load = rd_be32(&data);
	uint32_t security = rd_be32(&data);
	rd_skip(&data, 18); /* two times, SSB, ADD and local data lengths */
	uint16_t code = rd_be16(&data);
	const uint8_t *author = rd_bytes(&data, 8);
	rd_skip(&data, 8);
	const uint8_t *name = rd_bytes(&data, 8);
	if (name == NULL)
		return;
	s7_show_block(m->out, &(struct s7_block){ .type = type, .number = number });
	pdu_uint(m->out, S7_BLOCK_LANGUAGE, language);
	pdu_uint(m->out, S7_LOAD_LENGTH, load);
	pdu_uint(m->out, S7_CODE_LENGTH, code);
	pdu_uint(m->out, S7_PROTECTED, security == 3);
	show_fixed(m, S7_AUTHOR, author, 8);
	show_fixed(m, S7_BLOCK_NAME, name, 8);
}

static void block_lists(struct s7 *m, uint8_t way, uint8_t function, struct reader data)
{
	struct s7_block block;
	uint8_t digit = rd_peek(&data, 1);
	if (way == REQUEST && function == 2 && data.left >= 2) {
		pdu_uint(m->out, S7_BLOCK_TYPE, digit <= '9' ? digit & 0x0fU : (digit & 0x0fU) + 9);
	} else if (way == REQUEST && function == 3 && data.left >= 8) {
		if (!s7_block_of(data.at, &block))
			return;
		s7_show_block(m->out, &block);
		pdu_borrow(m->out, S7_FILESYSTEM, data.at + 7, 1);
	} else if (way == RESPONSE && function == 3) {
		block_info(m, data);
	} else if (way == RESPONSE && (function == 1 || function == 2)) {
		unsigned count = (unsigned)(data.left / 4);
		pdu_uint(m->out, S7_BLOCK_COUNT, count);
		s7_items(m, function == 1 ? S7_WALK_COUNTS : S7_WALK_NUMBERS, &data, count);
	}
}

/* Alarms: pushes start with the time, requests do not; then what, how many, the objects. */
static void alarms(struct s7 *m, uint8_t way, struct reader data)
{
	if (way == PUSH)
		rd_skip(&data, 8);
	rd_skip(&data, 1);
	uint8_t count = rd_u8(&data);
	if (data.overrun || rd_peek(&data, 0) != 0x12)
		return;
	struct item first = { 0 };
	s7_items(m, S7_WALK_ALARMS, &data, count);
	struct item_cursor look = m->out->items;
	if (s7_next_item(&look, &first) && item_has(&first, S7I_EVENT_ID))
		pdu_uint(m->out, S7_EVENT_ID, first.value[S7I_EVENT_ID].u);
}

static void cpu(struct s7 *m, uint8_t way, uint8_t function, struct reader data)
{
	if (function == 1 && way == RESPONSE) {
		s7_szl_reply(m, data);
	} else if (function == 1 && data.left >= 4) {
		pdu_uint(m->out, S7_SZL_ID, rd_be16(&data));
		pdu_uint(m->out, S7_SZL_INDEX, rd_be16(&data));
	} else if (function == 2 && way == REQUEST && data.left >= 10) {
		pdu_uint(m->out, S7_SUBSCRIBED, data.at[0]);
		show_fixed(m, S7_USERNAME, data.at + 2, 8);
	} else if (function == 3 && data.left >= 2) {
		pdu_uint(m->out, S7_EVENT_ID, rd_be16(&data));
	} else if (function >= 5 && way != RESPONSE) {
		alarms(m, way, data);
	}
}

static void content(struct s7 *m, uint8_t way, uint8_t group, uint8_t function, struct reader data)
{
	switch (group) {
	case GROUP_TIS:
		tis(m, way, function, data);
		break;
	case GROUP_CYCLIC:
		cyclic(m, way, function, data);
		break;
	case GROUP_BLOCKS:
		block_lists(m, way, function, data);
		break;
	case GROUP_CPU:
		cpu(m, way, function, data);
		break;
	case GROUP_PBC:
		if (data.left >= 8 && data.at[0] == 0x12 && data.at[2] == 0x13) {
			rd_skip(&data, 4);
			pdu_uint(m->out, S7_R_ID, rd_be32(&data));
		}
		break;
	case GROUP_TIME:
		if (data.left >= 10)
			s7_clock_text(m, data);
		break;
	default:
		break;
	}
}

/* Puts the parts of a reply together. True: @data is whole now. */
static bool join(struct s7 *m, uint16_t code, uint8_t sequence, bool more, struct reader *data)
{
	if (m->state == NULL)
		return !more;
	struct s7_join *j = &m->state->join[m->d->dir];
	if (j->done)
		joiner_free(&j->data, m->d->pool);
	j->done = false;
	bool goes_on = j->open && j->code == code && j->sequence == sequence;
	if (!goes_on && !more)
		return true;
	if (!goes_on) {
		joiner_reset(&j->data);
		j->code = code;
		j->sequence = sequence;
	}
	j->open = joiner_add(&j->data, m->d->pool, data->at, data->left, S7_JOIN_MAX) && more;
	if (more)
		return false;
	j->done = true;
	*data = rd_over(j->data.bytes, j->data.len);
	return true;
}

/* Is this the first part of several? It still shows what list it belongs to. */
static bool first_part(struct s7 *m, const struct reader *data)
{
	const struct s7_join *j = m->state == NULL ? NULL : &m->state->join[m->d->dir];
	return j != NULL && j->data.len == data->left;
}

static void refuse(struct s7 *m, uint16_t error)
{
	pdu_uint(m->out, S7_PARAMETER_ERROR, error);
	if (error == 0)
		return;
	m->out->rejected = true;
	m->out->status = error;
	m->out->status_name = s7_error_name(error);
}

/* Data: return code, transport size, length, bytes. */
static struct reader read_data(struct s7 *m)
{
	uint8_t code = rd_u8(&m->data);
	uint8_t size = rd_u8(&m->data);
	size_t length = rd_be16(&m->data);
	if (size >= 3 && size <= 5)
		length = (length + 7) / 8;
	if (m->data.overrun)
		return (struct reader){ 0 };
	pdu_uint(m->out, S7_RETURN_CODE, code);
	if (length > m->data.left) {
		pdu_damaged(m->out, "userdata runs past the message");
		length = m->data.left;
	}
	return rd_slice(&m->data, length);
}

/* Parameters: three bytes, length, method, type and group, subfunction, sequence; with length 8 the
 * data unit, whether more follow, the error. */
void s7_userdata(struct s7 *m)
{
	rd_skip(&m->param, 5);
	uint8_t type_group = rd_u8(&m->param);
	uint8_t function = rd_u8(&m->param);
	uint8_t sequence = rd_u8(&m->param);
	uint8_t kind = type_group >> 4;
	uint8_t group = type_group & 0x0f;
	uint8_t way = ways[kind];
	uint16_t code = (uint16_t)(group << 8 | function);
	bool more = false;
	if (m->param.overrun) {
		m->out->name = "userdata";
		m->out->dir = m->d->dir == DIR_TO_SERVER ? PDU_REQ : PDU_RSP;
		pdu_damaged(m->out, "parameters too short for userdata");
		return;
	}
	m->out->code = code;
	m->out->name = name_of(kind, group, code);
	pair(m, way, code);
	pdu_uint(m->out, S7_KIND, kind);
	pdu_uint(m->out, S7_GROUP, group);
	pdu_uint(m->out, S7_SUBFUNCTION, function);
	pdu_uint(m->out, S7_SEQUENCE, sequence);
	if (group != GROUP_MODE)
		pdu_uint(m->out, S7_FUNCTION, code);
	else if (kind == 0)
		pdu_uint(m->out, S7_MODE, function);
	if (m->param.left >= 4) {
		pdu_uint(m->out, S7_DATA_UNIT, rd_u8(&m->param));
		more = rd_u8(&m->param) != 0;
		pdu_uint(m->out, S7_MORE_DATA, more);
		refuse(m, rd_be16(&m->param));
	}
	if (m->data.left == 0)
		return;
	struct reader data = read_data(m);
	if (way == REQUEST || join(m, code, sequence, more, &data))
		content(m, way, group, function, data);
	else if (group == GROUP_CPU && function == 1 && first_part(m, &data))
		cpu(m, REQUEST, function, data);
}
