/* canary.c - Modbus function 8, sub-function 0 ([MB] 6.8: the device echoes the data) over UDP. */
#include "sensor/canary.h"

#include <sys/random.h>

enum { SRC = 66, DST = 99, ETHER = 14, IP = 20, UDP = 8, DATA_AT = ETHER + IP + UDP + 10 };

static const uint8_t test_net[3] = { 192, 0, 2 };

bool canary_tag(uint8_t tag[CANARY_TAG])
{
	return getrandom(tag, CANARY_TAG, 0) == CANARY_TAG;
}

static void put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put_ip(uint8_t *ip, unsigned len)
{
	ip[0] = 0x45;
	put16(ip + 2, len);
	ip[8] = 1; /* TTL */
	ip[9] = L4_UDP;
	memcpy(ip + 12, test_net, 3);
	ip[15] = SRC;
	memcpy(ip + 16, test_net, 3);
	ip[19] = DST;
	unsigned sum = 0;
	for (unsigned i = 0; i < IP; i += 2)
		sum += (unsigned)ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~(sum + (sum >> 16)) & 0xffff);
}

void canary_frame(uint8_t frame[CANARY_FRAME], const uint8_t tag[CANARY_TAG], int64_t now_ns)
{
	memset(frame, 0, CANARY_FRAME);
	frame[0] = frame[6] = 2; /* locally administered */
	frame[5] = DST;
	frame[11] = SRC;
	put16(frame + 12, 0x0800);
	put_ip(frame + ETHER, CANARY_FRAME - ETHER);
	uint8_t *udp = frame + ETHER + IP;
	put16(udp, 49152);
	put16(udp + 2, 502);
	put16(udp + 4, CANARY_FRAME - ETHER - IP); /* checksum 0: none */
	uint8_t *mbap = udp + UDP;
	put16(mbap + 4, CANARY_FRAME - ETHER - IP - UDP - 6);
	mbap[6] = 255;
	mbap[7] = 8;
	memcpy(frame + DATA_AT, tag, CANARY_TAG);
	memcpy(frame + DATA_AT + CANARY_TAG, &now_ns, sizeof now_ns);
}

/* The opaque data of a PDU, NULL if it has none of our size. */
static const uint8_t *data_of(const struct pdu *pdu)
{
	for (unsigned i = 0; i < pdu->dissector->field_count; i++)
		if (pdu_has(pdu, i) && strcmp(pdu->dissector->fields[i].name, "modbus.data") == 0)
			return pdu->value[i].len >= CANARY_TAG + sizeof(int64_t)
				       ? pdu->value[i].bytes
				       : NULL;
	return NULL;
}

bool canary_flow(const struct flow *f)
{
	for (unsigned i = 0; i < 2; i++)
		if (f->l4 == L4_UDP && memcmp(f->end[i].ip.bytes + 12, test_net, 3) == 0)
			return true;
	return false;
}

bool canary_is(const uint8_t tag[CANARY_TAG], const struct flow *f, const struct pdu *pdu)
{
	if (pdu->code != 8 || !canary_flow(f))
		return false;
	const uint8_t *data = data_of(pdu);
	return data != NULL && memcmp(data, tag, CANARY_TAG) == 0;
}

void canary_arrived(struct tell *t, struct stamp at, const struct pdu *pdu, int64_t now_ns)
{
	const uint8_t *data = data_of(pdu);
	int64_t sent_ns;
	memcpy(&sent_ns, data + CANARY_TAG, sizeof sent_ns);
	tell_canary(t, at, now_ns > sent_ns ? (uint64_t)(now_ns - sent_ns) / 1000 : 0);
}
