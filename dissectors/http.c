/* http.c - requests and answers of HTTP/1, and what kind of file their bodies are; bodies pass by,
 * nothing of them is kept. Specs: [HTTP] RFC 9112. */
#include "dissectors/office.h"

enum { HEAD_MAX = 16384, LINE_MAX = 1024 };

// clang-format off
enum { METHOD, URI, HOST, AGENT, STATUS, SERVER, CONTENT_TYPE, CONTENT_LENGTH, FILE_NAME, AUTHORIZATION,
	CONTENT, N_FIELDS };

static const struct field fields[] = {
	[METHOD]         = { "http.method", FIELD_TEXT, NULL, "GET, POST …", NULL },
	[URI]            = { "http.uri", FIELD_TEXT, NULL, "what is asked for; in answers and contents that of the latest request, its first 95 bytes", NULL },
	[HOST]           = { "http.host", FIELD_TEXT, NULL, "the host asked, without a port; in answers and contents that of the latest request", NULL },
	[AGENT]          = { "http.user_agent", FIELD_TEXT, NULL, "what the client calls itself", NULL },
	[STATUS]         = { "http.status", FIELD_UINT, NULL, "answers: 200, 404 …", NULL },
	[SERVER]         = { "http.server", FIELD_TEXT, NULL, "what the server calls itself", NULL },
	[CONTENT_TYPE]   = { "http.content_type", FIELD_TEXT, NULL, "what the body is said to be", NULL },
	[CONTENT_LENGTH] = { "http.content_length", FIELD_UINT, "bytes", "how long the body is said to be", NULL },
	[FILE_NAME]      = { "http.file_name", FIELD_TEXT, NULL, "the name under which the body is to be kept", NULL },
	[AUTHORIZATION]  = { "http.authorization", FIELD_TEXT, NULL, "how the client proves who it is: Basic, Bearer …", NULL },
	[CONTENT]        = { "http.content", FIELD_UINT, NULL, "what the body is by its first bytes", content_names },
};

static const struct method {
	const char *word, *name;
} methods[] = {
	{ "get ", "get" }, { "post ", "post" }, { "put ", "put" }, { "head ", "head" }, { "delete ", "delete" },
	{ "options ", "options" }, { "patch ", "patch" }, { "connect ", "connect" }, { "trace ", "trace" },
	{ "propfind ", "propfind" }, { "mkcol ", "mkcol" }, { "move ", "move" }, { "copy ", "copy" }, { NULL, NULL },
};
// clang-format on

extern const struct dissector http_dissector;

enum phase { HEAD, BODY, UNTIL_CLOSE, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };

struct side {
	uint64_t left;   /* of the body or chunk */
	uint64_t offset; /* in the body */
	uint8_t phase;   /* enum phase */
};

struct http_state {
	struct side side[2];
	struct kept_text uri, host;
	bool bodiless; /* the latest request was HEAD */
	bool tunnel;   /* or CONNECT */
};

/* What the lines of a head say of the body. */
struct head {
	uint64_t length;
	bool has_length, chunked, upgrade;
};

static const struct method *method_of(const struct reader *r)
{
	for (const struct method *m = methods; m->word != NULL; m++)
		if (office_starts(r, m->word))
			return m;
	return NULL;
}

static void put(struct pdu *out, unsigned field, const struct reader *r)
{
	pdu_borrow(out, field, r->at, r->left < LINE_MAX ? r->left : LINE_MAX);
}

static struct reader trimmed(struct reader r)
{
	while (r.left > 0 && (r.at[0] == ' ' || r.at[0] == '\t'))
		rd_skip(&r, 1);
	while (r.left > 0 && (r.at[r.left - 1] == ' ' || r.at[r.left - 1] == '\t'))
		r.left--;
	return r;
}

/* "10.0.0.1:80", "[fe80::1]:80", "example.org": without the port. */
static struct reader without_port(struct reader r)
{
	size_t n = r.left;
	while (n > 0 && r.at[n - 1] >= '0' && r.at[n - 1] <= '9')
		n--;
	if (n > 0 && n < r.left && r.at[n - 1] == ':')
		r.left = n - 1;
	return r;
}

static uint64_t number_of(const struct reader *r, unsigned base, bool *good)
{
	uint64_t v = 0;
	size_t i = 0;
	for (; i < r->left; i++) {
		unsigned c = r->at[i] | 0x20u;
		unsigned digit = c >= '0' && c <= '9'   ? c - '0'
				 : c >= 'a' && c <= 'f' ? c - 'a' + 10
							: 99;
		if (r->at[i] < '0' || digit >= base || v >> 56 != 0)
			break;
		v = v * base + digit;
	}
	*good = i > 0;
	return v;
}

/* Behind "filename=", with or without quotes. */
static void read_disposition(struct reader r, struct pdu *out)
{
	for (; r.left > 9; rd_skip(&r, 1)) {
		if (!office_starts(&r, "filename="))
			continue;
		rd_skip(&r, 9);
		bool quoted = rd_peek(&r, 0) == '"';
		rd_skip(&r, quoted);
		size_t n = 0;
		while (n < r.left && r.at[n] != (quoted ? '"' : ';'))
			n++;
		r.left = n;
		put(out, FILE_NAME, &r);
		return;
	}
}

static void read_header(struct reader line, struct head *h, struct pdu *out)
{
	const uint8_t *colon = line.left == 0 ? NULL : memchr(line.at, ':', line.left);
	if (colon == NULL)
		return;
	struct reader name = rd_slice(&line, (size_t)(colon - line.at));
	rd_skip(&line, 1);
	struct reader value = trimmed(line);
	if (office_is(&name, "host")) {
		value = without_port(value);
		put(out, HOST, &value);
	} else if (office_is(&name, "user-agent")) {
		put(out, AGENT, &value);
	} else if (office_is(&name, "server")) {
		put(out, SERVER, &value);
	} else if (office_is(&name, "content-type")) {
		put(out, CONTENT_TYPE, &value);
	} else if (office_is(&name, "content-length")) {
		h->length = number_of(&value, 10, &h->has_length);
		pdu_uint(out, CONTENT_LENGTH, h->length);
	} else if (office_is(&name, "content-disposition")) {
		read_disposition(value, out);
	} else if (office_is(&name, "authorization")) {
		value = office_word(&value);
		put(out, AUTHORIZATION, &value);
	} else if (office_is(&name, "transfer-encoding")) {
		h->chunked |= office_starts(&value, "chunked");
	} else if (office_is(&name, "upgrade")) {
		h->upgrade = true;
	}
}

static void start_body(struct side *s, const struct head *h, bool to_close)
{
	s->offset = 0;
	s->left = h->length;
	if (h->chunked)
		s->phase = CHUNK_SIZE;
	else if (h->has_length)
		s->phase = h->length > 0 ? BODY : HEAD;
	else
		s->phase = to_close ? UNTIL_CLOSE : HEAD;
}

static void read_request(struct reader first, struct http_state *st, struct pdu *out)
{
	const struct method *m = method_of(&first);
	struct reader word = office_word(&first);
	struct reader uri = office_word(&first);
	out->name = m->name;
	put(out, METHOD, &word);
	put(out, URI, &uri);
	keep_text(&st->uri, uri.at, uri.left);
	st->host.len = 0;
	st->bodiless = strcmp(m->name, "head") == 0;
	st->tunnel = strcmp(m->name, "connect") == 0;
}

static void read_status(struct reader first, const struct http_state *st, struct pdu *out)
{
	bool good;
	office_word(&first);
	struct reader code = office_word(&first);
	uint64_t status = number_of(&code, 10, &good);
	out->name = "response";
	out->code = (int32_t)(status & 0xffff);
	pdu_uint(out, STATUS, status & 0xffff);
	show_text(out, URI, &st->uri);
	show_text(out, HOST, &st->host);
}

/* An answer's body, or none: [HTTP] 6.3. */
static void answer_body(
	struct side *s, const struct http_state *st, const struct head *h, struct pdu *out)
{
	int32_t status = out->code;
	if ((status == 101 && h->upgrade) || (st->tunnel && status / 100 == 2))
		out->final = true;
	if (status / 100 == 1 || status == 204 || status == 304 || st->bodiless)
		s->phase = HEAD;
	else
		start_body(s, h, true);
}

/* @head: whole, up to its empty line. */
static void read_head(struct reader head, struct dissect *d, struct pdu *out)
{
	struct http_state *st = d->state;
	struct head h = { 0 };
	struct reader line;
	bool answer = office_starts(&head, "http/");
	out->dissector = &http_dissector;
	out->dir = answer ? PDU_RSP : PDU_REQ;
	office_line(&head, &line);
	if (answer)
		read_status(line, st, out);
	else
		read_request(line, st, out);
	while (office_line(&head, &line) && line.left > 0)
		read_header(line, &h, out);
	if (answer) {
		answer_body(&st->side[d->dir], st, &h, out);
		return;
	}
	if (pdu_has(out, HOST))
		keep_text(&st->host, out->value[HOST].bytes, out->value[HOST].len);
	start_body(&st->side[d->dir], &h, false);
}

static enum outcome find_head(struct reader *in, struct dissect *d, struct pdu *out)
{
	struct reader r = *in, line;
	while (r.left > 0 && (r.at[0] == '\r' || r.at[0] == '\n'))
		rd_skip(&r, 1);
	struct reader head = r;
	bool told = r.left >= 10 || (head.left > 0 && memchr(head.at, '\n', head.left) != NULL);
	if (told && method_of(&r) == NULL && !office_starts(&r, "http/")) {
		out->dissector = &http_dissector;
		out->name = "damaged";
		return pdu_bad(out, "not HTTP");
	}
	while (office_line(&r, &line)) {
		if (line.left > 0)
			continue;
		head.left -= r.left;
		read_head(head, d, out);
		*in = r;
		return DISSECT_OK;
	}
	if (in->left <= HEAD_MAX)
		return DISSECT_MORE;
	out->dissector = &http_dissector;
	out->name = "damaged";
	return pdu_bad(out, "head without an end");
}

/* The first bytes of a body that is something. */
static void tell_content(enum content_kind kind, struct dissect *d, struct pdu *out)
{
	const struct http_state *st = d->state;
	out->dissector = &http_dissector;
	out->dir = office_dir(d->dir);
	out->name = "content";
	pdu_uint(out, CONTENT, kind);
	show_text(out, URI, &st->uri);
	show_text(out, HOST, &st->host);
}

static enum outcome read_body(struct reader *in, struct side *s, struct dissect *d, struct pdu *out)
{
	const struct http_state *st = d->state;
	bool bounded = s->phase != UNTIL_CLOSE;
	size_t n = bounded && s->left < in->left ? (size_t)s->left : in->left;
	if (s->offset == 0) {
		size_t want = bounded && s->left < CONTENT_MAGIC ? (size_t)s->left : CONTENT_MAGIC;
		d->need = want;
		if (in->left < want)
			return DISSECT_MORE;
		enum content_kind kind = content_kind(in->at, want);
		n = want;
		if (kind != CONTENT_UNKNOWN)
			tell_content(kind, d, out);
	}
	out->content.at = rd_bytes(in, n);
	out->content.len = (uint32_t)n;
	out->content.offset = s->offset;
	out->content.key = 0;
	out->content.name = st->uri.at;
	out->content.name_len = st->uri.len;
	s->offset += n;
	s->left -= bounded ? n : 0;
	out->content.last = s->phase == BODY && s->left == 0;
	if (bounded && s->left == 0)
		s->phase = s->phase == BODY ? HEAD : CHUNK_END;
	return DISSECT_OK;
}

/* The lines between chunks. [HTTP] 7.1 */
static enum outcome read_chunk_line(struct reader *in, struct side *s, struct pdu *out)
{
	struct reader r = *in, line;
	bool good = true;
	if (!office_line(&r, &line)) {
		if (in->left <= LINE_MAX)
			return DISSECT_MORE;
		good = false;
	} else if (s->phase == CHUNK_SIZE) {
		s->left = number_of(&line, 16, &good);
		s->phase = s->left == 0 ? TRAILER : CHUNK_DATA;
		out->content.offset = s->offset;
		out->content.key = 0;
		out->content.last = good && s->left == 0;
	} else if (s->phase == CHUNK_END) {
		good = line.left == 0;
		s->phase = CHUNK_SIZE;
	} else if (line.left == 0) {
		s->phase = HEAD;
	}
	if (!good) {
		s->phase = HEAD;
		out->dissector = &http_dissector;
		out->name = "damaged";
		out->content.last = false;
		return pdu_bad(out, "not a chunk");
	}
	*in = r;
	return DISSECT_OK;
}

static enum outcome http_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	struct http_state *st = d->state;
	struct side *s = &st->side[d->dir];
	d->need = 0;
	switch ((enum phase)s->phase) {
	case HEAD:
		return find_head(in, d, out);
	case BODY:
	case UNTIL_CLOSE:
	case CHUNK_DATA:
		return in->left == 0 ? DISSECT_MORE : read_body(in, s, d, out);
	default:
		return read_chunk_line(in, s, out);
	}
}

/* A method and something to ask for, or a status line. */
static enum probe http_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	hint->knows_dir = true;
	if (l4 != L4_TCP)
		return PROBE_NO;
	if (office_starts(&in, "http/1.")) {
		hint->dir = DIR_TO_CLIENT;
		return in.left < 9 ? PROBE_MORE : rd_peek(&in, 8) == ' ' ? PROBE_SURE : PROBE_NO;
	}
	const struct method *m = method_of(&in);
	hint->dir = DIR_TO_SERVER;
	if (m == NULL)
		return in.left < 8 ? PROBE_MORE : PROBE_NO;
	rd_skip(&in, strlen(m->word));
	if (in.left == 0)
		return PROBE_MORE;
	bool tunnel = strcmp(m->name, "connect") == 0;
	return in.at[0] == '/' || office_starts(&in, "http") || tunnel || in.at[0] == '*'
		       ? PROBE_SURE
		       : PROBE_NO;
}

static void http_lost(struct dissect *d)
{
	struct http_state *st = d->state;
	st->side[d->dir] = (struct side){ 0 };
}

static const struct port_hint ports[] = { { L4_TCP, 80 }, { L4_TCP, 8080 }, { L4_TCP, 8000 },
	{ L4_TCP, 3128 }, { 0, 0 } };

const struct dissector http_dissector = {
	.name = "http",
	.fields = fields,
	.field_count = N_FIELDS,
	.ports = ports,
	.state_size = sizeof(struct http_state),
	.office = true,
	.probe = http_probe,
	.dissect = http_dissect,
	.lost = http_lost,
};
