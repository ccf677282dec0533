/* rule_matched.c - what a rule looked at, for bongsu.matched of an alert. */
#include "sensor/rule_impl.h"

void rule_matched(
	const struct rule *rule, const struct event *e, int32_t item, rule_field_fn *put, void *ctx)
{
	const struct compiled *c = compiled_of(rule);
	struct item one;
	struct look look = { .e = e, .item = c->root->items ? event_item(e, item, &one) : NULL };
	for (uint32_t i = 0; i < c->named_count; i++) {
		const struct field_ref *ref = c->named[i];
		struct value made[ENVELOPE_VALUES];
		const struct value *v;
		if (look_values(&look, ref, made, &v) > 0)
			put_shown(c, ref, v[0], put, ctx);
	}
}
