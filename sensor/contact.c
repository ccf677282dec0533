/* contact.c - who turns to whom, once a conversation, whatever is spoken: for lists of addresses.
 * Keeps nothing. */
#include "sensor/watch.h"

#include <stdlib.h>

enum { L4, FIELDS };

static const struct code_name l4_names[] = { { L4_TCP, "tcp" }, { L4_UDP, "udp" }, { 0, NULL } };

static const struct field fields[FIELDS] = {
	[L4] = { "contact.protocol", FIELD_UINT, NULL,
		"of the transport; the ends are those of every event, the source said the first "
		"packet",
		l4_names },
};

const struct dissector contact_service = {
	.name = "contact",
	.observed = true,
	.tacit = true,
	.fields = fields,
	.field_count = FIELDS,
};

struct contact_watch {
	const struct watch *watch;
};

static void *contact_open(const struct watch *w, struct err *err)
{
	struct contact_watch *c = calloc(1, sizeof *c);
	if (c == NULL)
		err_set(err, "no memory");
	else
		c->watch = w;
	return c;
}

static void contact_flow(
	void *self, struct flow *f, enum flow_change change, unsigned from, struct stamp at)
{
	const struct contact_watch *c = self;
	if (change != FLOW_STARTED)
		return;
	struct pdu p;
	observation(&p, &contact_service, "started");
	pdu_uint(&p, L4, f->l4);
	watch_observe(c->watch, f, from, at, &p, NULL);
}

const struct watcher contact_watcher = {
	.name = "contact",
	.open = contact_open,
	.close = free,
	.flow = contact_flow,
};
