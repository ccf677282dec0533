/* smb_fields.c - the vocabulary of SMB. Statuses: [MS-ERREF] 2.3; interfaces: the UUIDs of the
 * protocols' own specifications ([MS-SCMR], [MS-TSCH], …). */
#include "dissectors/smb.h"

// clang-format off
const struct code_name smb_status_names[] = {
	{ 0, "success" }, { 0x103, "pending" }, { 0xc0000002, "not_implemented" }, { 0xc0000008, "invalid_handle" },
	{ 0xc000000d, "invalid_parameter" }, { 0xc000000f, "no_such_file" }, { 0xc0000016, "more_processing_required" },
	{ 0xc0000022, "access_denied" }, { 0xc0000033, "name_invalid" }, { 0xc0000034, "name_not_found" },
	{ 0xc000003a, "path_not_found" }, { 0xc0000043, "sharing_violation" }, { 0xc0000064, "no_such_user" },
	{ 0xc000006a, "wrong_password" }, { 0xc000006d, "logon_failure" }, { 0xc000006e, "account_restriction" },
	{ 0xc0000071, "password_expired" }, { 0xc0000072, "account_disabled" }, { 0xc00000ac, "pipe_not_available" },
	{ 0xc00000bb, "not_supported" }, { 0xc00000cc, "bad_network_name" }, { 0xc000015b, "logon_type_not_granted" },
	{ 0xc0000193, "account_expired" }, { 0xc0000203, "session_deleted" }, { 0xc0000205, "insufficient_server_resources" },
	{ 0xc0000234, "account_locked_out" }, { 0, NULL },
};

const struct code_name smb_interface_names[] = {
	{ 0, "unknown" }, { 1, "svcctl" }, { 2, "atsvc" }, { 3, "task_scheduler" }, { 4, "winreg" }, { 5, "srvsvc" },
	{ 6, "samr" }, { 7, "lsarpc" }, { 8, "drsuapi" }, { 9, "netlogon" }, { 10, "spoolss" }, { 11, "wkssvc" },
	{ 12, "efsrpc" }, { 13, "sasec" }, { 0, NULL },
};

static const struct code_name mismatch_names[] = { { 0, "no" }, { 1, "yes" }, { 0, NULL } };
static const struct code_name disposition_names[] = {
	{ 0, "supersede" }, { 1, "open" }, { 2, "create" }, { 3, "open_if" }, { 4, "overwrite" }, { 5, "overwrite_if" },
	{ 0, NULL },
};

const struct field smb_fields[SMB_FIELDS] = {
	[SMB_VERSION]     = { "smb.version", FIELD_UINT, NULL, "1, or 2 for SMB 2 and 3", NULL },
	[SMB_COMMAND]     = { "smb.command", FIELD_UINT, NULL, "the command's number in its version", NULL },
	[SMB_STATUS]      = { "smb.status", FIELD_UINT, NULL, "answers: the NT status", smb_status_names },
	[SMB_TREE]        = { "smb.tree", FIELD_TEXT, NULL, "the share: \\\\HOST\\ADMIN$, of a long one the end", NULL },
	[SMB_FILE]        = { "smb.file", FIELD_TEXT, NULL, "the file or pipe, below the share", NULL },
	[SMB_USER]        = { "smb.user", FIELD_TEXT, NULL, "who logs on", NULL },
	[SMB_ACCESS]      = { "smb.access", FIELD_UINT, NULL, "the access mask asked for", NULL },
	[SMB_DISPOSITION] = { "smb.disposition", FIELD_UINT, NULL, "what an open does where the file is or is not there", disposition_names },
	[SMB_CONTENT]     = { "smb.content", FIELD_UINT, NULL, "what the file being written is by its first bytes", content_names },
	[SMB_SUBCOMMAND]  = { "smb.subcommand", FIELD_UINT, NULL, "of a transaction: what it is for", NULL },
	[SMB_FID]         = { "smb.fid", FIELD_UINT, NULL, "SMB1: number of the open file or pipe", NULL },
	[SMB_MULTIPLEX]   = { "smb.multiplex_id", FIELD_UINT, NULL, "SMB1: number of the request, echoed by honest servers", NULL },
	[SMB_TOTAL_DATA]  = { "smb.total_data", FIELD_UINT, "bytes", "what a transaction is to carry in all", NULL },
	[SMB_MISMATCH]    = { "smb.mismatch", FIELD_UINT, NULL, "yes: goes on with a transaction of another kind than was begun", mismatch_names },
	[SMB_INTERFACE]   = { "smb.interface", FIELD_UINT, NULL, "the service called through a pipe", smb_interface_names },
	[SMB_OPNUM]       = { "smb.opnum", FIELD_UINT, NULL, "and which of its functions", NULL },
};
// clang-format on
