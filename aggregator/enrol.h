/* enrol.h - how a node gets its place in the chain: a request, a signature, and taking it; with
 * one-time tokens over the enrolment listener; renewal over the link. */
#ifndef AGGREGATOR_ENROL_H
#define AGGREGATOR_ENROL_H

#include "aggregator/http.h"
#include "aggregator/node.h"

struct pki;

/* `bongsu-aggregator enroll …`: @argv[0] is the subcommand. An exit status (run.h). */
int enrol_main(const struct agg_config *c, int argc, char **argv);
extern const char enrol_usage[];

/* --- one-time tokens: FOLDER/tokens/SHA256.json --- */
struct pki_grant;
enum { TOKEN_TEXT = 128 };
/* @org: whom it is for, "": any that is new here. */
bool token_make(const char *folder, const char *org, const struct pki_grant *g, int hours,
	char out[TOKEN_TEXT], struct err *err);
/* Signs @request with what the token grants, and the token is gone. The caller's to free(). */
char *token_use(const char *folder, const char *token, const char *request, struct peer *who,
	struct err *err);

/* The enrolment listener: asks no client certificate, knows GET /chain/1/ca and
 * POST /chain/1/enrol, nothing else. */
http_handler enrol_handle; /* its answers; @ctx is the struct node */
struct http *enrol_listen(struct node *n, struct pki *p, const char *address, struct err *err);
/* POST /chain/1/renew over the link: the same grant again, for the same or a new key. */
void enrol_renew_answer(struct node *n, const struct http_request *r, struct http_reply *out);

#endif
