/* uplink.h - HTTPS to one parent over libcurl: the only file that knows it. Two threads: one posts
 * and asks for the head as link.h says, one waits for what comes down. */
#ifndef AGGREGATOR_UPLINK_H
#define AGGREGATOR_UPLINK_H

#include "aggregator/link.h"
#include "aggregator/node.h"

struct pki;
struct uplink;

/* @n, @l, @p and @parent must outlive it. */
struct uplink *uplink_open(struct node *n, struct link *l, struct pki *p,
	const struct agg_parent *parent, struct err *err);
void uplink_wake(struct uplink *u);  /* there may be something to send */
void uplink_close(struct uplink *u); /* within a second, whatever is in flight; NULL is fine */

/* One request without a client certificate, for enrolment. @ca: file of the authority that the
 * other end must be of; NULL: anybody, for what is verified otherwise. @token, @body may be NULL.
 * The status, or 0 and @err. *answer (NULL or the caller's to free()). */
int uplink_once(const char *url, const char *path, const char *ca, const char *token,
	const char *body, char **answer, struct err *err);

#endif
