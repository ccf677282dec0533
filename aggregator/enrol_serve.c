/* enrol_serve.c - the enrolment listener, and renewal over the link. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/accept.h"
#include "aggregator/enrol.h"
#include "aggregator/pki.h"
#include "aggregator/now.h"

enum { REQUEST_MOST = 16 * 1024, CONNECTIONS = 64, PER_ADDRESS = 8, IDLE_S = 15 };

static void say(struct http_reply *out, int status, const char *why)
{
	json_t *j = json_pack("{s:s}", "error", why);
	out->status = status;
	out->body = j == NULL ? NULL : json_write(j, &out->len);
	json_decref(j);
}

static void give(struct http_reply *out, char *text)
{
	out->status = 200;
	out->content_type = "application/x-pem-file";
	out->body = text;
	out->len = strlen(text);
}

/* The organisation is known from now on, and said to be. */
static void welcome(struct node *n, const struct peer *who, const char *how)
{
	pthread_mutex_lock(&n->lock);
	accept_key(n, who, now());
	node_say(n, 5, "%s: %s %s, %s %s", how, tier_name(who->tier), who->org, who->region,
		who->industry);
	pthread_mutex_unlock(&n->lock);
}

static void enrol(struct node *n, const struct http_request *r, struct http_reply *out)
{
	static const char scheme[] = "Bearer ";
	const char *token = http_header(r, "Authorization");
	struct err err = { 0 };
	struct peer who;
	if (token == NULL || strncmp(token, scheme, sizeof scheme - 1) != 0 || r->body == NULL) {
		say(out, 401, "a token and a request are expected");
		return;
	}
	char *answer = token_use(n->config->folder, token + sizeof scheme - 1, r->body, &who, &err);
	if (answer == NULL) {
		node_say(n, 4, "enrolment from %s refused: %s", r->address, err.text);
		say(out, 403, err.text);
		return;
	}
	welcome(n, &who, "enrolled");
	give(out, answer);
}

void enrol_handle(
	void *ctx, const struct http_request *r, bool again, void **slot, struct http_reply *out)
{
	struct node *n = ctx;
	struct err err = { 0 };
	(void)again;
	(void)slot;
	out->retry_after = -1;
	if (strcmp(r->method, "POST") == 0 && strcmp(r->path, "/chain/1/enrol") == 0) {
		enrol(n, r, out);
	} else if (strcmp(r->method, "GET") == 0 && strcmp(r->path, "/chain/1/ca") == 0) {
		char *pem = pki_authority(n->config->folder, &err);
		if (pem != NULL)
			give(out, pem);
		else
			say(out, 500, err.text);
	} else {
		say(out, 404, "this listener enrols, and nothing else");
	}
}

struct http *enrol_listen(struct node *n, struct pki *p, const char *address, struct err *err)
{
	struct http_options o = { .address = address,
		.pki = p,
		.max_body = REQUEST_MOST,
		.max_connections = CONNECTIONS,
		.per_address = PER_ADDRESS,
		.idle_s = IDLE_S,
		.threads = 1,
		.handler = enrol_handle,
		.ctx = n };
	return http_open(&o, err);
}

void enrol_renew_answer(struct node *n, const struct http_request *r, struct http_reply *out)
{
	struct pki_grant g;
	struct err err = { 0 };
	struct peer who;
	char org[ORG_TEXT], *text = NULL;
	size_t len = 0;
	if (r->body == NULL || !pki_request_org(r->body, org, &err) ||
		strcmp(org, r->peer->org) != 0) {
		say(out, 403, err.set ? err.text : "a request of your own is expected");
		return;
	}
	pki_grant_again(r->peer, &g);
	FILE *f = open_memstream(&text, &len);
	bool good = f != NULL && pki_sign(n->config->folder, r->body, &g, f, &who, &err);
	if (f != NULL)
		fclose(f);
	if (!good) {
		free(text);
		say(out, 500, err.set ? err.text : "out of memory");
		return;
	}
	welcome(n, &who, "renewed");
	give(out, text);
}
