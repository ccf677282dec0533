/* accept_gate.c - may a child send now: asked before a body is read, under a lock of its own, so
 * that nobody who asks waits for a transaction. */
#include "aggregator/accept_private.h"

void accept_spend(struct node *n, struct child *c, size_t frames)
{
	pthread_mutex_lock(&n->accept->door);
	c->tokens -= (double)frames;
	pthread_mutex_unlock(&n->accept->door);
}

/* Whatever it asks costs one; its frames come on top. @tokens: what it has. */
static bool take_one(struct node *n, const char *org, struct now now, double *tokens)
{
	double rate = (double)n->config->child_rate, burst = (double)n->config->child_burst;
	pthread_mutex_lock(&n->accept->door);
	struct child *c = accept_child(n, org);
	*tokens = 1;
	if (c != NULL) {
		c->tokens += (double)(now.mono_ms - c->tokens_ms) / 1000 * rate;
		c->tokens = c->tokens > burst ? burst : c->tokens;
		c->tokens_ms = now.mono_ms;
		*tokens = c->tokens;
		c->tokens -= c->tokens >= 1;
	}
	pthread_mutex_unlock(&n->accept->door);
	return *tokens >= 1;
}

bool accept_allowed(
	struct node *n, const struct peer *p, size_t bytes, struct now now, struct answer *out)
{
	double tokens;
	if (!take_one(n, p->org, now, &tokens)) {
		int wait_s = (int)((1 - tokens) / (double)n->config->child_rate) + 1;
		accept_refuse(out, 429, "too fast", wait_s);
		return false;
	}
	if (bytes > POST_PACKED) {
		accept_refuse(out, 413, "too large", -1);
		return false;
	}
	return true;
}
