/* frame.c - lines of chain/1: taken apart and judged, made and signed. */
#include "aggregator/frame.h"

#include <stdlib.h>
#include <string.h>

#include "aggregator/frame_table.h"

static const char *const types[FRAME_TYPES] = { "digest", "rollup", "receipt", "answer", "evidence",
	"beat", "flash", "tomb", "envelope", "warning", "notice", "indicators", "pack", "step",
	"rc" };

static const char *const faults[] = { "good", "schema", "level", "size", "sig", "cov", "revoked" };

/* ,"sig":"…"} at the end: 64 bytes in base64 are 88 characters. */
enum { SIG_TEXT = 88, SIG_KEY = 8, SIG_TAIL = SIG_KEY + SIG_TEXT + 2 };
static const char sig_key[] = ",\"sig\":\"";

#define COUNT_MAX INT64_C(9007199254740991)

bool frame_is_sequenced(enum frame_type t)
{
	return t <= FRAME_EVIDENCE;
}

const char *frame_type_name(enum frame_type t)
{
	return t < FRAME_TYPES ? types[t] : "?";
}

bool frame_type_from(const char *name, enum frame_type *t)
{
	for (unsigned i = 0; name != NULL && i < FRAME_TYPES; i++) {
		if (strcmp(types[i], name) == 0) {
			*t = (enum frame_type)i;
			return true;
		}
	}
	return false;
}

const char *frame_fault_name(enum frame_fault f)
{
	return f <= FRAME_REVOKED ? faults[f] : "?";
}

/* --- reading ----------------------------------------------------------------------------- */

static enum frame_fault refuse(enum frame_fault f, struct err *err, const char *why)
{
	err_set(err, "%s", why);
	return f;
}

/* What can be said of a frame even if the rest of it is wrong. */
static void read_names(struct frame *f)
{
	f->org = json_text_of(f->json, "org");
	f->to = json_text_of(f->json, "to");
	f->kid = json_text_of(f->json, "kid");
	int64_t ep = json_int_of(f->json, "ep", -1), sq = json_int_of(f->json, "sq", 0);
	if (ep >= 0 && sq > 0 && ep <= COUNT_MAX && sq <= COUNT_MAX)
		f->id = (struct frame_id){ (uint64_t)ep, (uint64_t)sq };
	const char *link = json_text_of(f->json, "link");
	f->count = link != NULL && strcmp(link, "count") == 0;
	f->says_link = f->count || (link != NULL && strcmp(link, "view") == 0);
	const char *pv = json_text_of(f->json, "pv");
	if (pv != NULL && !hex_read(pv, strlen(pv), f->pv, HASH))
		memset(f->pv, 0, HASH);
}

static bool too_long(const struct frame *f, struct err *err)
{
	size_t most = f->type == FRAME_ENVELOPE ? ENVELOPE_MAX : FRAME_MAX - 1;
	return f->len > most && !err_set(err, "the line is too long");
}

static bool ends_in_sig(const char *line, size_t len)
{
	return len > SIG_TAIL && memcmp(line + len - SIG_TAIL, sig_key, SIG_KEY) == 0 &&
	       memcmp(line + len - 2, "\"}", 2) == 0;
}

static bool read_sig(const char *line, size_t len, uint8_t sig[KEY_SIG])
{
	size_t n;
	return base64_read(line + len - 2 - SIG_TEXT, SIG_TEXT, sig, KEY_SIG, &n) && n == KEY_SIG;
}

static enum frame_fault split(struct frame *f, struct err *err)
{
	const char *line = f->line;
	if (f->len > ENVELOPE_MAX)
		return refuse(FRAME_SIZE, err, "the line is too long");
	if (!ends_in_sig(line, f->len))
		return refuse(FRAME_SCHEMA, err, "sig is not the last member");
	f->signed_len = f->len - SIG_TAIL;
	hash_of(line, f->signed_len, f->hash);
	if (!read_sig(line, f->len, f->sig))
		return refuse(FRAME_SCHEMA, err, "sig is no signature");
	f->json = json_read(line, f->len, FRAME_DEPTH, err);
	if (f->json == NULL)
		return FRAME_SCHEMA;
	if (!json_is_object(f->json))
		return refuse(FRAME_SCHEMA, err, "a frame is an object");
	read_names(f);
	if (!frame_type_from(json_text_of(f->json, "t"), &f->type))
		return refuse(FRAME_SCHEMA, err, "t: no such type");
	return too_long(f, err) ? FRAME_SIZE : FRAME_GOOD;
}

/* Members listed in crit have to be known: those that were not are cut away by now. */
static enum frame_fault check_crit(const struct frame *f, struct err *err)
{
	const json_t *crit = json_object_get(f->json, "crit");
	for (size_t i = 0; i < json_array_size(crit); i++) {
		const char *name = json_string_value(json_array_get(crit, i));
		if (json_object_get(f->json, name) == NULL) {
			err_set(err, "crit: %s is not known", name);
			return FRAME_SCHEMA;
		}
	}
	return FRAME_GOOD;
}

/* --- conservation ------------------------------------------------------------------------ */

struct range {
	int64_t sensor, epoch, from, to;
};

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	if (x->sensor != y->sensor)
		return x->sensor < y->sensor ? -1 : 1;
	if (x->epoch != y->epoch)
		return x->epoch < y->epoch ? -1 : 1;
	return x->from < y->from ? -1 : x->from > y->from;
}

static int64_t at(const json_t *list, size_t i)
{
	return (int64_t)json_integer_value(json_array_get(list, i));
}

/* Σ(last − first + 1), or -1: ranges that are turned round, meet twice or are too much. */
static int64_t covered(const json_t *cov)
{
	size_t n = json_array_size(cov);
	struct range *r = calloc(n + 1, sizeof *r);
	int64_t sum = 0;
	if (r == NULL)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const json_t *one = json_array_get(cov, i);
		r[i] = (struct range){ at(one, 0), at(one, 1), at(one, 2), at(one, 3) };
	}
	qsort(r, n, sizeof *r, compare_ranges);
	for (size_t i = 0; i < n && sum >= 0; i++) {
		bool same = i > 0 && r[i].sensor == r[i - 1].sensor && r[i].epoch == r[i - 1].epoch;
		if (r[i].from > r[i].to || (same && r[i].from <= r[i - 1].to))
			sum = -1;
		else
			sum += r[i].to - r[i].from + 1;
		if (sum > COUNT_MAX)
			sum = -1;
	}
	free(r);
	return sum;
}

static bool add(int64_t *sum, const json_t *in, const char *name)
{
	*sum += json_int_of(in, name, 0);
	return *sum >= 0 && *sum <= COUNT_MAX;
}

static enum frame_fault conserve(const struct frame *f, struct err *err)
{
	const json_t *in = json_object_get(f->json, "in"), *lost = json_object_get(in, "lost");
	const char *key;
	json_t *value;
	int64_t events = 0, alerts = 0;
	bool fine = add(&events, in, "alerts") && add(&events, in, "other");
	json_object_foreach((json_t *)(uintptr_t)lost, key, value) fine =
		fine && add(&events, lost, key);
	fine = fine && add(&alerts, in, "items") && add(&alerts, in, "suppressed") &&
	       add(&alerts, in, "sampled") && add(&alerts, in, "withheld");
	if (!fine || events != json_int_of(in, "events", -1))
		return refuse(FRAME_COV, err, "in: events are not alerts and other and lost");
	if (alerts != json_int_of(in, "alerts", -1))
		return refuse(FRAME_COV, err,
			"in: alerts are not items, suppressed, sampled and withheld");
	if (f->type != FRAME_ROLLUP && covered(json_object_get(f->json, "cov")) != events)
		return refuse(FRAME_COV, err, "in: events are not those of cov");
	return FRAME_GOOD;
}

/* What a table of single members cannot say. */
static enum frame_fault check_sense(const struct frame *f, struct err *err)
{
	const json_t *w = json_object_get(f->json, "w");
	if (w != NULL && json_int_of(w, "end", 0) < json_int_of(w, "start", 0) &&
		!json_is_true(json_object_get(w, "jump")))
		return refuse(FRAME_SCHEMA, err, "w: it ends before it starts");
	if (f->type == FRAME_ROLLUP) {
		int64_t res = json_int_of(f->json, "res", 0), start = json_int_of(w, "start", 0);
		if ((res != 300 && res != 3600 && res != 86400) || start % res != 0 ||
			json_int_of(w, "end", 0) != start + res)
			return refuse(FRAME_SCHEMA, err, "res: no such period");
		if (json_int_of(f->json, "part", 0) > json_int_of(f->json, "parts", 0))
			return refuse(FRAME_SCHEMA, err, "part: of how many");
	}
	if (f->type == FRAME_DIGEST || f->type == FRAME_ROLLUP || f->type == FRAME_TOMB)
		return conserve(f, err);
	return FRAME_GOOD;
}

static enum frame_fault check_level(struct frame *f, const struct table_use *use, struct err *err)
{
	f->level = use->level;
	f->level_path = use->level_path;
	const json_t *lvl = json_object_get(f->json, "lvl");
	if (lvl == NULL)
		return FRAME_GOOD;
	f->level = (unsigned)json_integer_value(lvl);
	if (use->level <= f->level)
		return FRAME_GOOD;
	err_set(err, "%s: not at level %u", use->level_path, f->level);
	return FRAME_LEVEL;
}

/* All but the signature, of a frame whose members and bytes are there. */
static enum frame_fault judge(struct frame *f, struct err *err)
{
	struct table_use use;
	enum frame_fault fault = frame_table_check(frame_table(f->type), f->json, &use, err);
	if (fault != FRAME_GOOD)
		return fault;
	f->unknown = use.unknown;
	read_names(f);
	fault = check_crit(f, err);
	if (fault == FRAME_GOOD)
		fault = check_level(f, &use, err);
	if (fault == FRAME_GOOD)
		fault = check_sense(f, err);
	return fault;
}

enum frame_fault frame_read(struct frame *f, const char *line, size_t len, struct err *err)
{
	*f = (struct frame){ .line = line, .len = len };
	enum frame_fault fault = split(f, err);
	return fault == FRAME_GOOD ? judge(f, err) : fault;
}

void frame_free(struct frame *f)
{
	json_decref(f->json);
	f->json = NULL;
}

enum frame_fault frame_check_level(const struct frame *f, unsigned level, struct err *err)
{
	if (f->level <= level)
		return FRAME_GOOD;
	err_set(err, "level %u is more than the %u agreed (%s)", f->level, level,
		f->level_path == NULL ? "lvl" : f->level_path);
	return FRAME_LEVEL;
}

bool frame_verify(const struct frame *f, const struct key *k)
{
	return f->kid != NULL && strcmp(f->kid, k->kid) == 0 &&
	       key_verify(k, f->line, f->signed_len, f->sig);
}

bool frame_signed_by(const char *line, size_t len, const struct key *k)
{
	uint8_t sig[KEY_SIG];
	return ends_in_sig(line, len) && read_sig(line, len, sig) &&
	       key_verify(k, line, len - SIG_TAIL, sig);
}

/* --- making ------------------------------------------------------------------------------ */

static json_t *begin(const struct frame_head *h, const struct key *k)
{
	char pv[HASH_HEX];
	json_t *o = json_object();
	json_object_set_new(o, "v", json_integer(1));
	json_object_set_new(o, "alg", json_string("ed25519"));
	json_object_set_new(o, "kid", json_string(k->kid));
	json_object_set_new(o, "t", json_string(frame_type_name(h->type)));
	json_object_set_new(o, "org", json_string(h->org));
	json_object_set_new(o, "to", json_string(h->to));
	bool down = h->type >= FRAME_WARNING && h->type <= FRAME_STEP;
	if (frame_is_sequenced(h->type))
		json_object_set_new(o, "link", json_string(h->count ? "count" : "view"));
	if (frame_is_sequenced(h->type) || down) {
		json_object_set_new(o, "ep", json_integer((json_int_t)h->id.ep));
		json_object_set_new(o, "sq", json_integer((json_int_t)h->id.sq));
	}
	if (frame_is_sequenced(h->type)) {
		hash_hex(h->pv, pv);
		json_object_set_new(o, "pv", json_string(pv));
	}
	return o;
}

/* @o gets its sig, too. */
static char *sign(json_t *o, const struct key *k, size_t *len, uint8_t hash[HASH])
{
	uint8_t sig[KEY_SIG];
	char *text = json_write(o, len), *line = realloc(text, *len + SIG_TAIL + 1);
	if (line == NULL)
		abort();
	size_t n = *len - 1; /* without the closing brace */
	key_sign(k, line, n, sig);
	if (hash != NULL)
		hash_of(line, n, hash);
	memcpy(line + n, sig_key, SIG_KEY);
	base64_write(line + n + SIG_KEY, SIG_TEXT + 1, sig, KEY_SIG);
	json_object_set_new(o, "sig", json_stringn(line + n + SIG_KEY, SIG_TEXT));
	memcpy(line + n + SIG_KEY + SIG_TEXT, "\"}", 3);
	*len = n + SIG_TAIL;
	return line;
}

char *frame_make(const struct frame_head *h, const json_t *body, const struct key *k, size_t *len,
	uint8_t hash[HASH], struct err *err)
{
	struct frame f = { .json = begin(h, k), .type = h->type };
	json_object_update_missing(f.json, (json_t *)(uintptr_t)body);
	char *line = sign(f.json, k, len, hash);
	f.line = line;
	f.len = *len;
	enum frame_fault fault = too_long(&f, err) ? FRAME_SIZE : judge(&f, err);
	if (fault == FRAME_GOOD && f.unknown > 0) {
		err_set(err, "%u members that no table knows", f.unknown);
		fault = FRAME_SCHEMA;
	}
	frame_free(&f);
	if (fault == FRAME_GOOD)
		return line;
	free(line);
	return NULL;
}
