/* audit.c - audit events, with a line in the log. */
#include "sensor/audit.h"

#include <stdlib.h>

/* The caller's; NULL without memory. */
static char *printed(const struct silence *s, const struct window *w)
{
	char *text = NULL;
	size_t len;
	if (s == NULL && w == NULL)
		return NULL;
	FILE *f = open_memstream(&text, &len);
	if (f == NULL)
		return NULL;
	if (s != NULL)
		quiet_print_silence(s, f);
	else
		quiet_print_window(w, f);
	fclose(f);
	return text;
}

void audit_tell(struct run *r, struct stamp at, const char *action, const struct silence *s,
	const struct window *w, const struct audit_who *who)
{
	char *what = printed(s, w);
	struct audit a = { .action = action, .what = what, .until_ns = INT64_MAX };
	if (s != NULL) {
		a.id = s->id;
		a.by = s->by;
		a.reason = s->reason;
		a.until_ns = s->until_ns;
		a.has_count = true;
		a.count = s->hits;
	} else if (w != NULL) {
		a.id = w->name;
		a.by = w->by;
		a.reason = w->reason;
		a.until_ns = w->until_ns;
		a.has_count = true;
		a.count = w->hits;
	}
	if (who != NULL) {
		a.has_uid = true;
		a.uid = who->uid;
		a.by = who->by != NULL ? who->by : a.by;
		a.reason = who->reason != NULL ? who->reason : a.reason;
	}
	tell_audit(r->tell, at, &a);
	if (!r->options->quiet)
		fprintf(stderr, "bongsu-sensor: %s%s%s\n", action, what == NULL ? "" : ": ",
			what == NULL ? "" : what);
	free(what);
}

struct moment {
	struct run *run;
	struct stamp at;
};

static void step(void *ctx, enum quiet_step step, const struct silence *s, const struct window *w)
{
	static const char *const actions[] = { [SILENCE_EXPIRED] = "silence_expired",
		[WINDOW_BEGAN] = "maintenance_began",
		[WINDOW_ENDED] = "maintenance_ended" };
	const struct moment *m = ctx;
	/* Alerts that wait or are held point to the window, which goes. */
	if (step == WINDOW_ENDED && w->live)
		judge_end(m->run->judge);
	audit_tell(m->run, m->at, actions[step], s, w, NULL);
}

void audit_tick(struct run *r, struct stamp at)
{
	struct moment m = { r, at };
	quiet_tick(&r->config->quiet, at.ts_ns, step, &m);
}
