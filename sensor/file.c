/* file.c - what files pass by: size and SHA-256 of each that is seen from its first byte to its
 * last, in order, over HTTP, SMB (what is written) and TFTP. */
#include "sensor/watch.h"

#include <stdlib.h>

#include "common/keys.h"
#include "dissectors/office.h"

#define SECOND_NS INT64_C(1000000000)

enum { PROTOCOL, NAME, SIZE, SHA256, CONTENT, FIELDS };

// clang-format off
static const struct field fields[FIELDS] = {
	[PROTOCOL] = { "file.protocol", FIELD_TEXT, NULL, "what carried it: http, smb, tftp", NULL },
	[NAME]     = { "file.name", FIELD_TEXT, NULL, "what it was called there, or its end; TFTP names no file where it carries it", NULL },
	[SIZE]     = { "file.size", FIELD_UINT, "bytes", "all of it", NULL },
	[SHA256]   = { "file.sha256", FIELD_TEXT, NULL, "SHA-256 over all its bytes, in lower-case hex", NULL },
	[CONTENT]  = { "file.content", FIELD_UINT, NULL, "what it is by its first bytes", content_names },
};
// clang-format on

const struct dissector file_service = {
	.name = "file",
	.observed = true,
	.fields = fields,
	.field_count = FIELDS,
};

struct file {
	const struct flow *flow; /* NULL: free */
	uint64_t key, size;
	int64_t last_ns;
	unsigned from;
	enum content_kind content;
	struct kept_text name;
	struct hash_run hash;
};

struct files {
	const struct watch *watch;
	struct file *file;
	size_t cap, open;
	uint64_t most;    /* bytes of a file, and of all in a second */
	uint64_t hashed;  /* in the second that began at */
	int64_t since_ns; /* this */
};

static void *file_open(const struct watch *w, struct err *err)
{
	if (w->config->file_mib == 0)
		return NULL;
	struct files *s = calloc(1, sizeof *s);
	if (s != NULL)
		s->file = calloc(w->config->file_open, sizeof *s->file);
	if (s == NULL || s->file == NULL) {
		free(s);
		err_set(err, "no memory to follow files");
		return NULL;
	}
	s->watch = w;
	s->cap = w->config->file_open;
	s->most = w->config->file_mib << 20;
	return s;
}

static void file_close(void *self)
{
	struct files *s = self;
	free(s->file);
	free(s);
}

static void drop(struct files *s, struct file *f)
{
	f->flow = NULL;
	s->open--;
}

static bool is_it(const struct file *f, const struct flow *flow, unsigned from, uint64_t key)
{
	return f->flow == flow && f->from == from && f->key == key;
}

/* A flow's note is the place of its latest file, plus 1. */
static struct file *find(struct files *s, const struct flow *flow, unsigned from, uint64_t key)
{
	uint32_t note = flow->note[s->watch->index];
	if (note == 0)
		return NULL;
	if (is_it(&s->file[note - 1], flow, from, key))
		return &s->file[note - 1];
	for (size_t i = 0; s->open > 0 && i < s->cap; i++) {
		struct file *f = &s->file[i];
		if (is_it(f, flow, from, key))
			return f;
	}
	return NULL;
}

/* A free place, else that of the one that rested longest. */
static struct file *place(struct files *s)
{
	struct file *oldest = &s->file[0];
	for (size_t i = 0; i < s->cap; i++) {
		if (s->file[i].flow == NULL)
			return &s->file[i];
		if (s->file[i].last_ns < oldest->last_ns)
			oldest = &s->file[i];
	}
	s->watch->counters->files_dropped++;
	drop(s, oldest);
	return oldest;
}

static struct file *start(
	struct files *s, struct flow *flow, unsigned from, const struct content *c)
{
	struct file *f = place(s);
	*f = (struct file){ .flow = flow, .key = c->key, .from = from };
	f->content = content_kind(c->at, c->len);
	keep_text(&f->name, c->name, c->name_len);
	hash_start(&f->hash);
	flow->note[s->watch->index] = (uint32_t)(f - s->file) + 1;
	s->open++;
	return f;
}

static void end(struct files *s, struct file *f, struct stamp at)
{
	struct pdu p;
	uint8_t hash[HASH];
	char hex[HASH_HEX];
	hash_end(&f->hash, hash);
	hash_hex(hash, hex);
	observation(&p, &file_service, "file");
	pdu_cstr(&p, PROTOCOL, f->flow->dissector->name);
	show_text(&p, NAME, &f->name);
	pdu_uint(&p, SIZE, f->size);
	pdu_copy(&p, SHA256, hex, HASH_HEX - 1);
	pdu_uint(&p, CONTENT, f->content);
	s->watch->counters->files++;
	watch_observe(s->watch, f->flow, f->from, at, &p, NULL);
	drop(s, f);
}

/* May @n more bytes be hashed? So that nobody keeps the sensor busy with files alone. */
static bool affordable(struct files *s, const struct file *f, uint32_t n, struct stamp at)
{
	int64_t since = at.ts_ns - s->since_ns;
	if (since >= SECOND_NS || since < 0) {
		s->since_ns = at.ts_ns;
		s->hashed = 0;
	}
	s->hashed += n;
	return s->hashed <= s->most && f->size + n <= s->most;
}

static void file_content(
	void *self, struct flow *flow, unsigned from, struct stamp at, const struct content *c)
{
	struct files *s = self;
	struct file *f = find(s, flow, from, c->key);
	if (f != NULL && c->len > 0 && c->offset != f->size) {
		if (c->offset != 0)
			s->watch->counters->files_dropped++;
		drop(s, f);
		f = NULL;
	}
	if (f == NULL && c->offset == 0 && c->len > 0)
		f = start(s, flow, from, c);
	if (f == NULL)
		return;
	if (!affordable(s, f, c->len, at)) {
		s->watch->counters->files_dropped++;
		drop(s, f);
		return;
	}
	if (c->len > 0)
		hash_add(&f->hash, c->at, c->len);
	f->size += c->len;
	f->last_ns = at.ts_ns;
	if (c->last)
		end(s, f, at);
}

extern const struct dissector http_dissector, smb_dissector, tftp_dissector;
/* Those that set pdu.content. */
static const struct dissector *const reads[] = { &http_dissector, &smb_dissector, &tftp_dissector,
	NULL };

static void file_pdu(void *self, const struct event *e)
{
	const struct content *c = &e->pdu->content;
	if (c->len > 0 || c->last)
		file_content(self, (struct flow *)(uintptr_t)e->flow, e->from, e->at, c);
}

/* An answer without a length ends with its connection. */
static void file_flow(
	void *self, struct flow *flow, enum flow_change change, unsigned from, struct stamp at)
{
	struct files *s = self;
	(void)from;
	if (change != FLOW_ENDED || flow->note[s->watch->index] == 0)
		return;
	for (size_t i = 0; i < s->cap; i++)
		if (s->file[i].flow == flow)
			end(s, &s->file[i], at);
}

const struct watcher file_watcher = {
	.name = "file",
	.open = file_open,
	.close = file_close,
	.flow = file_flow,
	.reads = reads,
	.pdu = file_pdu,
	.content = file_content,
};
