/* uplink.c - libcurl (GnuTLS) towards one parent. TLS 1.3 alone, our certificate, our own
 * authorities; and before a byte of a request goes out the certificate of the other end must be of
 * the organisation that the configuration names: curl calls us between the handshake and the
 * request (CURLOPT_PREREQFUNCTION), and pki_peer() reads the session's certificate. Host names are
 * not asked for: a name in a certificate says less than the organisation in it. */
#include "aggregator/uplink.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregator/fault.h"
#include "aggregator/inflate.h"
#include "aggregator/notice.h"
#include "aggregator/pki.h"
#include "aggregator/now.h"

enum {
	CONNECT_MS = 10000,
	STOP_MS = 300, /* how soon a stop is seen while something is in flight */
	POST_MS = 60000,
	WAIT_S = 25, /* of a long poll */
	DOWN_MS = (WAIT_S + 20) * 1000,
	IDLE_MS = 10000,      /* then a POST's connection is closed */
	DOWN_RETRY_MS = 5000, /* at first; doubled up to */
	DOWN_RETRY_MOST_MS = 300000,
	RENEW_MS = 60000, /* between looks at our certificate */
	ANSWER_MAX = 1024 * 1024,
	OBJECTS_MAX = 32 * 1024 * 1024, /* what comes down: packs in pieces */
};

/* One thread's connection to the parent. */
struct wire {
	struct uplink *u;
	CURL *easy;
	CURLM *multi;
	struct err err;
	char *answer;
	size_t len, cap, most;
	struct peer server;
	bool seen;        /* server is known on this connection */
	bool handed_over; /* some of the body went out: from then on only the parent knows */
	char why[CURL_ERROR_SIZE];
};

struct uplink {
	struct node *n;
	struct link *l;
	struct pki *pki;
	const struct agg_parent *parent;
	struct wire post, down;
	pthread_t post_thread, down_thread;
	bool post_runs, down_runs;
	bool down_failed; /* of the down thread: its last request */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool woken, stop; /* under lock */
};

static bool stopping(struct uplink *u)
{
	pthread_mutex_lock(&u->lock);
	bool stop = u->stop;
	pthread_mutex_unlock(&u->lock);
	return stop;
}

/* Until woken, stopped, or so many ms have passed. False: stopped. */
static bool pause_for(struct uplink *u, int64_t ms, bool wakes)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	if (ms < 0)
		ms = 0;
	until.tv_sec += ms / 1000;
	until.tv_nsec += (ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&u->lock);
	while (!u->stop && !(wakes && u->woken))
		if (pthread_cond_timedwait(&u->cond, &u->lock, &until) != 0)
			break;
	if (wakes)
		u->woken = false;
	bool go_on = !u->stop;
	pthread_mutex_unlock(&u->lock);
	return go_on;
}

/* --- one connection ---------------------------------------------------------------------- */

static size_t take(char *bytes, size_t size, size_t n, void *ctx)
{
	struct wire *w = ctx;
	size_t len = size * n;
	if (len > w->most - w->len)
		return 0; /* too long: curl gives up */
	if (w->len + len + 1 > w->cap) {
		size_t cap = (w->len + len + 1) * 2;
		char *more = realloc(w->answer, cap);
		if (more == NULL)
			return 0;
		w->answer = more;
		w->cap = cap;
	}
	memcpy(w->answer + w->len, bytes, len);
	w->len += len;
	w->answer[w->len] = '\0';
	return len;
}

/* Looks whether to go on. */
static int progress(
	void *ctx, curl_off_t want, curl_off_t got, curl_off_t upload, curl_off_t uploaded)
{
	struct wire *w = ctx;
	(void)want, (void)got, (void)upload, (void)uploaded;
	return stopping(w->u) ? 1 : 0;
}

/* Who is at the other end, before anything is said. */
static int check_peer(void *ctx, char *remote, char *local, int remote_port, int local_port)
{
	struct wire *w = ctx;
	struct curl_tlssessioninfo *tls = NULL;
	(void)local;
	(void)remote_port;
	(void)local_port;
	w->seen = false;
	if (curl_easy_getinfo(w->easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || tls == NULL ||
		tls->backend != CURLSSLBACKEND_GNUTLS || tls->internals == NULL ||
		!pki_peer(w->u->pki, tls->internals, &w->server)) {
		err_set(&w->err, "%s shows no certificate of this chain", remote);
		return CURL_PREREQFUNC_ABORT;
	}
	if (strcmp(w->server.org, w->u->parent->org) != 0) {
		err_set(&w->err, "%s is %s and not the parent %s", remote, w->server.org,
			w->u->parent->org);
		return CURL_PREREQFUNC_ABORT;
	}
	w->seen = true;
	if (w == &w->u->down && w->u->down_failed) {
		w->u->down_failed = false;
		link_reached(w->u->l);
	}
	return CURL_PREREQFUNC_OK;
}

static void disconnect(struct wire *w)
{
	if (w->easy != NULL)
		curl_easy_cleanup(w->easy);
	if (w->multi != NULL)
		curl_multi_cleanup(w->multi);
	w->easy = NULL;
	w->multi = NULL;
}

static bool connect_wire(struct wire *w)
{
	if (w->easy == NULL)
		w->easy = curl_easy_init();
	if (w->multi == NULL)
		w->multi = curl_multi_init();
	return w->easy != NULL && w->multi != NULL;
}

static void address(const struct wire *w, const char *path, char *out, size_t cap)
{
	const char *url = w->u->parent->url;
	size_t len = strlen(url);
	while (len > 0 && url[len - 1] == '/')
		len--;
	snprintf(out, cap, "%.*s%s", (int)len, url, path);
}

/* What every request shares. */
static void basics(struct wire *w, const char *url, long timeout_ms)
{
	curl_easy_reset(w->easy);
	curl_easy_setopt(w->easy, CURLOPT_URL, url);
	curl_easy_setopt(w->easy, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(w->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(w->easy, CURLOPT_SSLVERSION,
		(long)(CURL_SSLVERSION_TLSv1_3 | CURL_SSLVERSION_MAX_TLSv1_3));
	curl_easy_setopt(w->easy, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(w->easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(w->easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(w->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(w->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(w->easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(w->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(w->easy, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(w->easy, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(w->easy, CURLOPT_WRITEDATA, w);
	curl_easy_setopt(w->easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(w->easy, CURLOPT_XFERINFOFUNCTION, progress);
	curl_easy_setopt(w->easy, CURLOPT_XFERINFODATA, w);
	curl_easy_setopt(w->easy, CURLOPT_ERRORBUFFER, w->why);
	w->len = 0;
	w->handed_over = w->seen = false;
	w->why[0] = '\0';
	w->err = (struct err){ 0 };
	if (w->answer != NULL)
		w->answer[0] = '\0';
}

/* A request over the link: with our certificate, to our parent and nobody else. */
static void prepare(struct wire *w, const char *path, long timeout_ms)
{
	const struct uplink *u = w->u;
	char url[1024], trust[4400], cert[4400];
	address(w, path, url, sizeof url);
	basics(w, url, timeout_ms);
	pki_trust_path(u->pki, u->parent->org, trust, sizeof trust);
	pki_cert_path(u->pki, u->parent->org, cert, sizeof cert);
	curl_easy_setopt(w->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(w->easy, CURLOPT_CAINFO, trust);
	curl_easy_setopt(w->easy, CURLOPT_SSLCERT, cert);
	curl_easy_setopt(w->easy, CURLOPT_SSLKEY, pki_key_path(u->pki));
	curl_easy_setopt(w->easy, CURLOPT_PREREQFUNCTION, check_peer);
	curl_easy_setopt(w->easy, CURLOPT_PREREQDATA, w);
}

/* The status, or 0: the connection failed and nobody knows. Like curl_easy_perform(), but
 * uplink_close() interrupts it. */
static int perform(struct wire *w, int *retry_after)
{
	int running = 1, left;
	long status = 0;
	CURLcode result = CURLE_ABORTED_BY_CALLBACK;
	curl_off_t after = 0, sent = 0;
	*retry_after = -1;
	if (curl_multi_add_handle(w->multi, w->easy) != CURLM_OK)
		return 0;
	while (running > 0 && !stopping(w->u)) {
		if (curl_multi_perform(w->multi, &running) != CURLM_OK)
			break;
		if (running > 0 && curl_multi_poll(w->multi, NULL, 0, STOP_MS, NULL) != CURLM_OK)
			break;
	}
	const CURLMsg *m = curl_multi_info_read(w->multi, &left);
	if (m != NULL && m->msg == CURLMSG_DONE)
		result = m->data.result;
	if (result == CURLE_OK) {
		curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &status);
		if (curl_easy_getinfo(w->easy, CURLINFO_RETRY_AFTER, &after) == CURLE_OK &&
			after > 0)
			*retry_after = after > 86400 ? 86400 : (int)after;
	} else if (!stopping(w->u)) {
		err_set(&w->err, "%s", w->why[0] != '\0' ? w->why : curl_easy_strerror(result));
	}
	if (curl_easy_getinfo(w->easy, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK && sent > 0)
		w->handed_over = true;
	curl_multi_remove_handle(w->multi, w->easy);
	return (int)status;
}

/* Said once for a row of the same failures. */
static void say_failure(struct wire *w, char said[256])
{
	if (!w->err.set || strncmp(said, w->err.text, 255) == 0)
		return;
	snprintf(said, 256, "%.255s", w->err.text);
	pthread_mutex_lock(&w->u->n->lock);
	node_say(w->u->n, 4, "%s: %s", w->u->parent->url, w->err.text);
	pthread_mutex_unlock(&w->u->n->lock);
}

/* --- POST and head ----------------------------------------------------------------------- */

static struct curl_slist *post_headers(
	const struct link_post *post, const void *packed, size_t packed_len)
{
	char line[256], digest[64];
	uint8_t hash[HASH];
	struct curl_slist *list = NULL;
	hash_of(packed, packed_len, hash);
	base64_write(digest, sizeof digest, hash, HASH);
	snprintf(line, sizeof line, "Content-Digest: sha-256=:%s:", digest);
	list = curl_slist_append(list, line);
	list = curl_slist_append(list, "Content-Encoding: zstd");
	list = curl_slist_append(list, "Content-Type: application/x-ndjson");
	list = curl_slist_append(list, "Expect:");
	if (post->has_range) {
		snprintf(line, sizeof line, "Chain-Range: %llu/%llu-%llu",
			(unsigned long long)post->first.ep, (unsigned long long)post->first.sq,
			(unsigned long long)post->last.sq);
		list = curl_slist_append(list, line);
	}
	return list;
}

static int send_post(struct wire *w, const struct link_post *post, int *retry_after)
{
	size_t packed_len = 0;
	void *packed = pack_zstd(post->body, post->len, &packed_len);
	int status = 0;
	*retry_after = -1;
	if (packed == NULL)
		return 0;
	struct curl_slist *headers = post_headers(post, packed, packed_len);
	prepare(w, "/chain/1/up", POST_MS);
	curl_easy_setopt(w->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(w->easy, CURLOPT_POSTFIELDS, (const char *)packed);
	curl_easy_setopt(w->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)packed_len);
	curl_easy_setopt(w->easy, CURLOPT_HTTPHEADER, headers);
	FAULT("uplink.before_post");
	status = perform(w, retry_after);
	FAULT("uplink.after_post");
	curl_easy_setopt(w->easy, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(w->easy, CURLOPT_POSTFIELDS, NULL);
	curl_slist_free_all(headers);
	free(packed);
	return status;
}

static int ask_head(struct wire *w, int *retry_after)
{
	prepare(w, "/chain/1/head", POST_MS);
	curl_easy_setopt(w->easy, CURLOPT_HTTPGET, 1L);
	return perform(w, retry_after);
}

/* One turn of link_next(): false where it asked for nothing. */
static bool turn(struct uplink *u, char said[256], int64_t *again_ms)
{
	struct wire *w = &u->post;
	struct link_post post;
	int status = 0, retry_after = -1;
	enum link_ask ask = link_next(u->l, now(), &post, again_ms);
	if (ask == ASK_NOTHING)
		return false;
	if (connect_wire(w))
		status = ask == ASK_HEAD ? ask_head(w, &retry_after)
					 : send_post(w, &post, &retry_after);
	if (w->seen)
		link_set_parent_key(u->l, &w->server.key);
	if (ask == ASK_POST && w->handed_over)
		link_left(u->l, now(), &post, status != 0);
	if (status == 200)
		said[0] = '\0';
	say_failure(w, said);
	if (status == 0)
		disconnect(w);
	link_answer(u->l, now(), status, retry_after, status == 0 ? NULL : w->answer, w->len);
	link_post_free(&post);
	return true;
}

static void *post_main(void *ctx)
{
	struct uplink *u = ctx;
	char said[256] = "";
	int64_t idle_since = now().mono_ms;
	while (!stopping(u)) {
		int64_t again = 0;
		if (turn(u, said, &again)) {
			idle_since = now().mono_ms;
			continue;
		}
		/* After ten quiet seconds the connection goes: only the long poll stays. */
		int64_t at = now().mono_ms, close_at = idle_since + IDLE_MS;
		if (u->post.easy != NULL && at >= close_at)
			disconnect(&u->post);
		if (u->post.easy != NULL && close_at < again)
			again = close_at;
		pause_for(u, again - at, true);
	}
	disconnect(&u->post);
	return NULL;
}

/* --- what comes down --------------------------------------------------------------------- */

/* 200: taken, 204: nothing new; else back off. */
static bool ask_down(struct uplink *u, char said[256])
{
	struct wire *w = &u->down;
	char path[96];
	int retry_after;
	pthread_mutex_lock(&u->n->lock);
	uint64_t after = notice_after(u->n, u->l);
	pthread_mutex_unlock(&u->n->lock);
	if (!connect_wire(w))
		return false;
	snprintf(path, sizeof path, "/chain/1/down?after=%llu&wait=%d", (unsigned long long)after,
		(int)WAIT_S);
	prepare(w, path, DOWN_MS);
	curl_easy_setopt(w->easy, CURLOPT_HTTPGET, 1L);
	int status = perform(w, &retry_after);
	if (w->seen)
		link_set_parent_key(u->l, &w->server.key);
	say_failure(w, said);
	if (status == 0)
		disconnect(w);
	if (status == 200 && w->answer != NULL) {
		pthread_mutex_lock(&u->n->lock);
		notice_take(u->n, u->l, now(), w->answer, w->len);
		pthread_mutex_unlock(&u->n->lock);
	}
	if (status == 200 || status == 204)
		said[0] = '\0';
	return status == 200 || status == 204;
}

/* A new certificate before the old one ends: the same key, asked for over the link itself. */
static void renew(struct uplink *u)
{
	struct wire *w = &u->down;
	struct node_identity id = { 0 };
	char *request = NULL, parent[ORG_TEXT];
	size_t len;
	int retry_after;
	if (!pki_renewal_due(u->pki, u->parent->org) || !connect_wire(w))
		return;
	snprintf(id.org, sizeof id.org, "%s", u->n->org);
	prepare(w, "/chain/1/renew", POST_MS);
	FILE *f = open_memstream(&request, &len);
	bool good = f != NULL && pki_request(pki_folder(u->pki), &id, f, &w->err);
	if (f != NULL)
		fclose(f);
	if (good) {
		struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
		curl_easy_setopt(w->easy, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(w->easy, CURLOPT_POSTFIELDS, request);
		int status = perform(w, &retry_after);
		if (status == 200)
			good = pki_take(pki_folder(u->pki), w->answer, parent, &w->err);
		else
			good = err_set(&w->err, "the parent answers %d", status);
		curl_easy_setopt(w->easy, CURLOPT_HTTPHEADER, NULL);
		curl_slist_free_all(headers);
		disconnect(w); /* the next one shows the new certificate */
	}
	free(request);
	pthread_mutex_lock(&u->n->lock);
	node_say(u->n, good ? 5 : 4, "%s: certificate %s%s%s", u->parent->url,
		good ? "renewed" : "cannot be renewed", w->err.set ? ": " : "", w->err.text);
	pthread_mutex_unlock(&u->n->lock);
}

static void *down_main(void *ctx)
{
	struct uplink *u = ctx;
	char said[256] = "";
	int64_t wait = 0, renew_ms = 0;
	while (!stopping(u)) {
		int64_t from = now().mono_ms;
		if (from >= renew_ms) {
			renew_ms = from + RENEW_MS;
			renew(u);
		}
		if (ask_down(u, said)) {
			/* A parent that answers at once with nothing is not asked in a circle. */
			wait = 0;
			if (now().mono_ms - from < 100)
				pause_for(u, 100, false);
			continue;
		}
		uint32_t r;
		random_bytes(&r, sizeof r);
		u->down_failed = true;
		wait = wait == 0 ? DOWN_RETRY_MS : wait * 2;
		if (wait > DOWN_RETRY_MOST_MS)
			wait = DOWN_RETRY_MOST_MS;
		pause_for(u, (int64_t)(r % (uint32_t)wait), false);
	}
	disconnect(&u->down);
	return NULL;
}

/* --- life -------------------------------------------------------------------------------- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void wake_by_link(void *ctx)
{
	uplink_wake(ctx);
}

static void make_signals(struct uplink *u)
{
	pthread_condattr_t kind;
	pthread_condattr_init(&kind);
	pthread_condattr_setclock(&kind, CLOCK_MONOTONIC);
	pthread_cond_init(&u->cond, &kind);
	pthread_condattr_destroy(&kind);
	pthread_mutex_init(&u->lock, NULL);
}

struct uplink *uplink_open(struct node *n, struct link *l, struct pki *p,
	const struct agg_parent *parent, struct err *err)
{
	struct uplink *u = calloc(1, sizeof *u);
	pthread_once(&curl_once, start_curl);
	if (u == NULL) {
		err_set(err, "uplink: out of memory");
		return NULL;
	}
	*u = (struct uplink){ .n = n, .l = l, .pki = p, .parent = parent };
	u->post = (struct wire){ .u = u, .most = ANSWER_MAX };
	u->down = (struct wire){ .u = u, .most = OBJECTS_MAX };
	make_signals(u);
	u->post_runs = pthread_create(&u->post_thread, NULL, post_main, u) == 0;
	u->down_runs = pthread_create(&u->down_thread, NULL, down_main, u) == 0;
	if (!u->post_runs || !u->down_runs) {
		err_set(err, "%s: no thread can be started", parent->url);
		uplink_close(u);
		return NULL;
	}
	link_on_wake(l, wake_by_link, u);
	return u;
}

/* --- one request ------------------------------------------------------------------------- */

int uplink_once(const char *url, const char *path, const char *ca, const char *token,
	const char *body, char **answer, struct err *err)
{
	struct agg_parent parent = { .url = (char *)(uintptr_t)url };
	struct uplink u = { .parent = &parent };
	struct wire w = { .u = &u, .most = ANSWER_MAX };
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	char line[256], place[1024];
	int status = 0, retry_after;
	pthread_once(&curl_once, start_curl);
	make_signals(&u);
	if (token != NULL) {
		snprintf(line, sizeof line, "Authorization: Bearer %s", token);
		headers = curl_slist_append(headers, line);
	}
	if (connect_wire(&w)) {
		address(&w, path, place, sizeof place);
		basics(&w, place, CONNECT_MS * 2);
		curl_easy_setopt(w.easy, CURLOPT_SSL_VERIFYPEER, ca == NULL ? 0L : 1L);
		if (ca != NULL)
			curl_easy_setopt(w.easy, CURLOPT_CAINFO, ca);
		if (body != NULL)
			curl_easy_setopt(w.easy, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(w.easy, CURLOPT_HTTPHEADER, headers);
		status = perform(&w, &retry_after);
	}
	if (w.err.set)
		err_set(err, "%s: %s", url, w.err.text);
	disconnect(&w);
	curl_slist_free_all(headers);
	pthread_cond_destroy(&u.cond);
	pthread_mutex_destroy(&u.lock);
	*answer = w.answer;
	return status;
}

void uplink_wake(struct uplink *u)
{
	pthread_mutex_lock(&u->lock);
	u->woken = true;
	pthread_cond_broadcast(&u->cond);
	pthread_mutex_unlock(&u->lock);
}

void uplink_close(struct uplink *u)
{
	if (u == NULL)
		return;
	link_on_wake(u->l, NULL, NULL);
	pthread_mutex_lock(&u->lock);
	u->stop = true;
	pthread_cond_broadcast(&u->cond);
	pthread_mutex_unlock(&u->lock);
	if (u->post_runs)
		pthread_join(u->post_thread, NULL);
	if (u->down_runs)
		pthread_join(u->down_thread, NULL);
	disconnect(&u->post);
	disconnect(&u->down);
	free(u->post.answer);
	free(u->down.answer);
	pthread_cond_destroy(&u->cond);
	pthread_mutex_destroy(&u->lock);
	free(u);
}
