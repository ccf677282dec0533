/* run.c - opens identity, store, listeners and threads in the order that lets powers be given up
 * first; then gives the node its turns. */
#include "aggregator/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregator/api.h"
#include "aggregator/enrol.h"
#include "aggregator/feed.h"
#include "aggregator/folder.h"
#include "aggregator/http.h"
#include "aggregator/intake.h"
#include "aggregator/node.h"
#include "aggregator/notice.h"
#include "aggregator/pki.h"
#include "aggregator/serve.h"
#include "aggregator/uplink.h"
#include "aggregator/now.h"
#include "common/ready.h"
#include "common/sandbox.h"
#include "common/shown.h"

enum { OWN_FILES = 256, TURN_MS = 1000, IDLE_S = 90, API_BODY = 64 * 1024, READABLE = 64 };

struct wishes wishes;

struct run {
	const struct agg_config *config;
	bool quiet, journal; /* lines carry their priority */
	struct node node;
	bool node_is_open;
	struct pki *pki;
	struct http *chain, *enrol, *api;
	struct api *api_state;
	struct uplink *uplink[NODE_PARENTS];
	struct intake *intake;
	struct feed_out *feed;
	int woken; /* eventfd */
	int held;  /* FOLDER/lock */
	uint64_t down_seq;
	int64_t issued_ns, known_ns; /* when issued/ and known/ were changed last */
	int64_t reload_ms;
	unsigned connections; /* of children, at most */
	int warned_at;        /* days: the last step of warnings of our certificate's end */
	pthread_t checker;    /* of a large store, beside the others */
	bool checks;
	atomic_bool stops;
};

/* --- what the node says ------------------------------------------------------------------ */

static void say(void *ctx, int priority, const char *text)
{
	const struct run *r = ctx;
	if (r->quiet && priority > 4)
		return;
	char *line = shown_text(text);
	if (r->journal)
		fprintf(stderr, "<%d>%s\n", priority, line);
	else
		fprintf(stderr, "bongsu-aggregator: %s\n", line);
	free(line);
}

static void feed(void *ctx, enum feed kind, const char *origin, const char *json, size_t len)
{
	struct run *r = ctx;
	if (r->feed != NULL)
		feed_put(r->feed, kind, origin, json, len);
	if (r->api_state != NULL)
		api_event(r->api_state, kind, origin, json, len);
}

/* Under the node's lock. Children that poll are only woken when there is something for them. */
static void wake(void *ctx)
{
	struct run *r = ctx;
	uint64_t one = 1;
	for (unsigned i = 0; i < NODE_PARENTS; i++)
		if (r->uplink[i] != NULL)
			uplink_wake(r->uplink[i]);
	if (r->chain != NULL && r->down_seq != r->node.down_seq)
		http_wake(r->chain);
	r->down_seq = r->node.down_seq;
	if (write(r->woken, &one, sizeof one) < 0)
		return; /* it is full: awake already */
}

static void log_line(void *ctx, const char *line)
{
	say(ctx, 6, line);
}

/* --- opening ----------------------------------------------------------------------------- */

static bool open_node(struct run *r, struct err *err)
{
	const struct agg_config *c = r->config;
	struct node_identity id;
	char path[4200];
	if (!pki_identity(r->pki, &id, err))
		return false;
	snprintf(path, sizeof path, "%s/chain.db", c->folder);
	struct store_options so = { .path = path };
	r->node.say = say;
	r->node.feed = feed;
	r->node.wake = wake;
	r->node.ctx = r;
	r->node_is_open = node_open(&r->node, c, &id, &so, now(), err);
	memset(&id, 0, sizeof id);
	return r->node_is_open;
}

/* One daemon a folder. */
static bool hold_folder(struct run *r, struct err *err)
{
	char path[4200];
	snprintf(path, sizeof path, "%s/lock", r->config->folder);
	r->held = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (r->held < 0)
		return err_set(err, "%s: %s", path, strerror(errno));
	return flock(r->held, LOCK_EX | LOCK_NB) == 0 ||
	       err_set(err, "%s: another aggregator runs on this folder", path);
}

/* As many files as we may have; some stay for the store and what else there is. */
static void raise_files(struct run *r)
{
	struct rlimit files = { .rlim_cur = 1024 };
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		rlim_t was = files.rlim_cur;
		files.rlim_cur = files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) != 0)
			files.rlim_cur = was;
	}
	unsigned wanted = (unsigned)r->config->max_children * 2 + 64;
	unsigned most = files.rlim_cur > 2 * OWN_FILES ? (unsigned)files.rlim_cur - OWN_FILES
						       : (unsigned)files.rlim_cur / 2;
	r->connections = wanted < most ? wanted : most;
}

/* Before any thread runs. */
static bool give_up_powers(struct run *r, struct err *err)
{
	const struct agg_config *c = r->config;
	const char *writable[] = { c->folder, NULL };
	const char *const maybe[] = { BONGSU_RULES, "rules", BONGSU_CHAIN_DATA, "aggregator/data" };
	const char *readable[READABLE] = { NULL };
	size_t n = 0;
	for (size_t i = 0; i < sizeof maybe / sizeof maybe[0]; i++)
		if (access(maybe[i], F_OK) == 0)
			readable[n++] = maybe[i];
	if (c->data != NULL)
		readable[n++] = c->data;
	if (c->api_tokens != NULL)
		readable[n++] = c->api_tokens;
	for (size_t i = 0; i < c->shared_rules.count && n < READABLE - 1; i++)
		readable[n++] = c->shared_rules.text[i];
	struct sandbox_options o = { .user = c->user,
		.group = c->group,
		.readable = readable,
		.writable = writable,
		.server = true,
		.no_seccomp = !c->sandbox,
		.no_landlock = !c->sandbox,
		.log = log_line,
		.ctx = r };
	if (!c->sandbox && c->user == NULL && c->group == NULL)
		return true;
	return folder_give(c->folder, c->user, c->group, err) && sandbox_enter(&o, err);
}

static bool open_listeners(struct run *r, struct err *err)
{
	const struct agg_config *c = r->config;
	if (c->listen != NULL) {
		struct http_options o = { .address = c->listen,
			.pki = r->pki,
			.ask_client = true,
			.max_body = POST_PACKED,
			.max_connections = r->connections,
			.per_address = r->connections,
			.idle_s = IDLE_S,
			.threads = 2,
			.handler = serve_chain,
			.gate = serve_gate,
			.ctx = &r->node };
		r->chain = http_open(&o, err);
		if (r->chain == NULL)
			return false;
		node_say(&r->node, 5, "children connect at port %u", http_port(r->chain));
	}
	if (c->enrol_listen != NULL) {
		r->enrol = enrol_listen(&r->node, r->pki, c->enrol_listen, err);
		if (r->enrol == NULL)
			return false;
		node_say(&r->node, 5, "enrolment at port %u", http_port(r->enrol));
	}
	if (c->api_listen != NULL) {
		r->api_state = api_open(&r->node, c, err);
		if (r->api_state == NULL)
			return false;
		struct http_options o = { .address = c->api_listen,
			.pki = http_is_loopback(c->api_listen) ? NULL : r->pki,
			.max_body = API_BODY,
			.max_connections = 512,
			.per_address = 256,
			.idle_s = IDLE_S,
			.threads =
				4, /* one that waits for the store keeps no probe from its answer */
			.handler = api_handle,
			.ctx = r->api_state };
		r->api = http_open(&o, err);
		if (r->api == NULL)
			return false;
		api_serves(r->api_state, r->api);
		node_say(&r->node, 5, "the API listens at port %u", http_port(r->api));
	}
	return true;
}

/* Was a folder changed since @seen? */
static bool changed(const struct run *r, const char *inner, int64_t *seen)
{
	char path[4200];
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", r->config->folder, inner);
	if (stat(path, &st) != 0)
		return false;
	int64_t at = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	bool is = at != *seen;
	*seen = at;
	return is;
}

static void learn_known(struct run *r)
{
	char **names = NULL;
	if (!changed(r, "known", &r->known_ns))
		return;
	size_t count = pki_known(r->config->folder, &names);
	pthread_mutex_lock(&r->node.lock);
	store_begin(r->node.store);
	for (size_t i = 0; i < count; i++) {
		struct peer who;
		struct err ignored = { 0 };
		if (pki_known_read(r->config->folder, names[i], &who, &ignored))
			accept_vouch(&r->node, &who);
		free(names[i]);
	}
	store_commit(r->node.store);
	pthread_mutex_unlock(&r->node.lock);
	free(names);
}

/* What was signed here is a child from then on, whether it has come or not. */
static void learn_issued(struct run *r)
{
	char **names = NULL;
	if (!changed(r, "issued", &r->issued_ns))
		return;
	size_t count = pki_issued(r->config->folder, "", &names);
	pthread_mutex_lock(&r->node.lock);
	store_begin(r->node.store);
	for (size_t i = 0; i < count; i++) {
		struct peer who;
		struct err ignored = { 0 };
		if (pki_issued_read(r->config->folder, names[i], &who, &ignored) &&
			who.not_after > now().wall_ms / 1000 &&
			!accept_child_known(&r->node, who.org))
			accept_key(&r->node, &who, now());
		free(names[i]);
	}
	store_commit(r->node.store);
	pthread_mutex_unlock(&r->node.lock);
	free(names);
}

static void *check_main(void *ctx)
{
	struct run *r = ctx;
	struct err err = { 0 };
	char path[4200];
	snprintf(path, sizeof path, "%s/chain.db", r->config->folder);
	if (store_check(path, &r->stops, &err))
		return NULL;
	pthread_mutex_lock(&r->node.lock);
	node_say(&r->node, 2, "%s", err.text);
	r->node.broken = true;
	wake(r);
	pthread_mutex_unlock(&r->node.lock);
	return NULL;
}

static bool open_threads(struct run *r, struct err *err)
{
	const struct agg_config *c = r->config;
	r->checks = store_is_unchecked(r->node.store) &&
		    pthread_create(&r->checker, NULL, check_main, r) == 0;
	if (c->feed_redis != NULL && (r->feed = feed_open(&r->node, c, err)) == NULL)
		return false;
	if (r->api_state != NULL && r->feed != NULL)
		api_feeds(r->api_state, r->feed);
	for (unsigned i = 0; i < r->node.links; i++) {
		r->uplink[i] = uplink_open(&r->node, r->node.link[i], r->pki, &c->parent[i], err);
		if (r->uplink[i] == NULL)
			return false;
	}
	if (c->redis != NULL && (r->intake = intake_open(&r->node, c, err)) == NULL)
		return false;
	return true;
}

static void close_all(struct run *r)
{
	atomic_store(&r->stops, true);
	if (r->checks)
		pthread_join(r->checker, NULL);
	intake_close(r->intake);
	for (unsigned i = 0; i < NODE_PARENTS; i++)
		uplink_close(r->uplink[i]);
	memset(r->uplink, 0, sizeof r->uplink);
	http_close(r->api);
	http_close(r->enrol);
	http_close(r->chain);
	r->chain = NULL;
	if (r->api_state != NULL)
		api_feeds(r->api_state, NULL);
	struct feed_out *feed_out = r->feed;
	r->feed = NULL;
	feed_close(feed_out);
	api_close(r->api_state);
	r->api_state = NULL;
	if (r->node_is_open)
		node_close(&r->node);
	pki_close(r->pki);
	close(r->woken);
	if (r->held >= 0)
		close(r->held);
}

/* --- turns ------------------------------------------------------------------------------- */

static void revoked(void *ctx, const struct peer *who, int64_t at_s)
{
	struct run *r = ctx;
	pthread_mutex_lock(&r->node.lock);
	bool fresh = accept_revoke(&r->node, who->org, who->key.public_, at_s);
	pthread_mutex_unlock(&r->node.lock);
	unsigned cut = r->chain == NULL || !fresh ? 0 : http_cut(r->chain, who->org);
	if (fresh)
		node_say(&r->node, 4, "%s: key %s revoked, %u connections cut", who->org,
			who->key.kid, cut);
}

/* Once a step, so that it is heard. */
static void warn_of_end(struct run *r, struct now at)
{
	int step = node_warn_at(r->node.cert_days);
	if (step != 0 && step != r->warned_at) {
		pthread_mutex_lock(&r->node.lock);
		store_begin(r->node.store);
		node_alarm(&r->node, at, "certificate-ends", r->node.org,
			step < 0 ? "our certificate has ended: enrol again, with a token of the "
				   "parent's"
				 : "our certificate ends within %d days",
			step);
		store_commit(r->node.store);
		pthread_mutex_unlock(&r->node.lock);
	}
	r->warned_at = step;
}

/* Strangers at the door, and children whose certificate ended or was revoked. */
static void tell_refused(struct run *r, struct now at)
{
	char org[ORG_TEXT];
	const char *why;
	unsigned n = pki_refused(r->pki, org, &why);
	if (n == 0)
		return;
	pthread_mutex_lock(&r->node.lock);
	store_begin(r->node.store);
	node_alarm(&r->node, at, "handshake-refused", org,
		"%u connections were refused in the handshake; the last one's certificate %s", n,
		why);
	store_commit(r->node.store);
	pthread_mutex_unlock(&r->node.lock);
}

static void reload(struct run *r, struct now at)
{
	struct err err = { 0 };
	if (!wishes.reload && at.mono_ms < r->reload_ms)
		return;
	wishes.reload = 0;
	r->reload_ms = at.mono_ms + (int64_t)r->config->reload_s * 1000;
	struct node_identity id;
	if (pki_identity(r->pki, &id, &err)) {
		pthread_mutex_lock(&r->node.lock);
		r->node.cert_days = pki_days_left(r->pki);
		pthread_mutex_unlock(&r->node.lock);
	}
	key_wipe(&id.key);
	warn_of_end(r, at);
	tell_refused(r, at);
	if (r->chain != NULL) {
		learn_issued(r);
		learn_known(r);
	}
	if (r->api_state != NULL)
		api_reload(r->api_state, &err);
	if (pki_reload(r->pki, revoked, r, &err))
		node_say(&r->node, 5, "certificates and revocations read again");
	if (err.set)
		node_say(&r->node, 3, "%s", err.text);
}

static void turns(struct run *r)
{
	while (!wishes.stop && !r->node.broken) {
		struct now at = now();
		reload(r, at);
		int64_t again = node_tick(&r->node, at);
		pthread_mutex_lock(&r->node.lock);
		notice_poll(&r->node, at);
		pthread_mutex_unlock(&r->node.lock);
		int64_t ms = again - now().mono_ms;
		struct pollfd p = { .fd = r->woken, .events = POLLIN };
		uint64_t times;
		if (ms > 0 && poll(&p, 1, (int)(ms > TURN_MS ? TURN_MS : ms)) > 0 &&
			read(r->woken, &times, sizeof times) < 0)
			continue;
	}
}

enum status run(const struct agg_config *c, bool quiet)
{
	static struct run r;
	struct err err = { 0 };
	r = (struct run){
		.config = c, .quiet = quiet, .journal = getenv("JOURNAL_STREAM") != NULL, .held = -1
	};
	r.woken = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	bool good = r.woken >= 0 || err_set(&err, "eventfd: %s", strerror(errno));
	good = good && (keys_init() || err_set(&err, "no random numbers can be had"));
	if (good && (r.pki = pki_open(c->folder, &err)) == NULL)
		good = false;
	raise_files(&r);
	good = good && hold_folder(&r, &err) && give_up_powers(&r, &err) && open_node(&r, &err) &&
	       open_listeners(&r, &err) && open_threads(&r, &err);
	if (!good) {
		fprintf(stderr, "bongsu-aggregator: %s\n", err.text);
	} else {
		node_say(&r.node, 5, "%s %s is up, level of what leaves: %s",
			tier_name(r.node.tier), r.node.org,
			r.node.links == 0 ? "nothing, it has no parent" : "as configured");
		if (r.chain != NULL)
			learn_issued(&r);
		pki_tell_revoked(r.pki, revoked, &r); /* who became so while we were away */
		ready_tell("READY=1");
		turns(&r);
		ready_tell("STOPPING=1");
		good = !r.node.broken;
		node_say(&r.node, good ? 5 : 2,
			good ? "stopping"
			     : "stopping: the store is damaged, and is set aside at the next "
			       "start");
	}
	close_all(&r);
	return good ? STATUS_OK : STATUS_REFUSED;
}
