/* smb_rpc.c - DCE/RPC in named pipes: which service is bound to, and which of its functions called.
 * Spec: [RPC] C706 chapter 12. */
#include "dissectors/smb.h"

enum { REQUEST = 0, BIND = 11, ALTER = 14, UUID = 16 };

/* As on the wire, little-endian; in the order of smb_interface_names from 1. */
static const char uuids[][UUID + 1] = {
	"\x81\xbb\x7a\x36\x44\x98\xf1\x35\xad\x32\x98\xf0\x38\x00\x10\x03", /* svcctl */
	"\x82\x06\xf7\x1f\x51\x0a\xe8\x30\x07\x6d\x74\x0b\xe8\xce\xe9\x8b", /* atsvc */
	"\x49\x59\xd3\x86\xc9\x83\x44\x40\xb4\x24\xdb\x36\x32\x31\xfd\x0c", /* ITaskScheduler… */
	"\x01\xd0\x8c\x33\x44\x22\xf1\x31\xaa\xaa\x90\x00\x38\x00\x10\x03", /* winreg */
	"\xc8\x4f\x32\x4b\x70\x16\xd3\x01\x12\x78\x5a\x47\xbf\x6e\xe1\x88", /* srvsvc */
	"\x78\x57\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xac", /* samr */
	"\x78\x57\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xab", /* lsarpc */
	"\x35\x42\x51\xe3\x06\x4b\xd1\x11\xab\x04\x00\xc0\x4f\xc2\xdc\xd2", /* drsuapi */
	"\x78\x56\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\xcf\xfb", /* netlogon */
	"\x78\x56\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xab", /* spoolss */
	"\x98\xd0\xff\x6b\x12\xa1\x10\x36\x98\x33\x46\xc3\xf8\x7e\x34\x5a", /* wkssvc */
	"\x88\xd4\x81\xc6\x50\xd8\xd0\x11\x8c\x52\x00\xc0\x4f\xd9\x0f\x7e", /* efsrpc */
	"\x55\x1d\x8a\x37\x98\x3b\x9c\x4c\xb1\x4b\x59\x39\x5d\xd8\xa6\x67", /* SASec */
};

static uint8_t interface_of(const uint8_t *uuid)
{
	for (uint8_t i = 0; i < sizeof uuids / sizeof uuids[0]; i++)
		if (uuid != NULL && memcmp(uuid, uuids[i], UUID) == 0)
			return i + 1;
	return 0;
}

static void read_bind(struct smb *m, struct reader *r, struct smb_entry *pipe)
{
	rd_skip(r, 8 + 4 + 4); /* sizes and group; count; context, transfer syntaxes */
	uint8_t known = interface_of(rd_bytes(r, UUID));
	m->out->name = "rpc_bind";
	if (pipe != NULL)
		pipe->interface = known;
	pdu_uint(m->out, SMB_INTERFACE, known);
}

static void read_call(struct smb *m, struct reader *r, const struct smb_entry *pipe)
{
	rd_skip(r, 6);
	uint16_t opnum = rd_le16(r);
	m->out->name = "rpc_request";
	m->out->code = opnum;
	pdu_uint(m->out, SMB_OPNUM, opnum);
	pdu_uint(m->out, SMB_INTERFACE, pipe == NULL ? 0 : pipe->interface);
}

bool smb_rpc(struct smb *m, struct reader data, struct smb_entry *pipe)
{
	uint8_t version = rd_u8(&data);
	rd_skip(&data, 1);
	uint8_t type = rd_u8(&data);
	rd_skip(&data, 1);
	uint8_t order = rd_u8(&data) >> 4;
	rd_skip(&data, 11);
	if (data.overrun || version != 5 || order != 1)
		return false;
	if (type == BIND || type == ALTER)
		read_bind(m, &data, pipe);
	else if (type == REQUEST)
		read_call(m, &data, pipe);
	else
		return false;
	return true;
}
