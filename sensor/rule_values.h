/* rule_values.h - what the makers of terms share: numbers, texts and rule_value.c, which sends each
 * value to them. NULL from any of them: faults were told. */
#ifndef SENSOR_RULE_VALUES_H
#define SENSOR_RULE_VALUES_H

#include "sensor/rule_impl.h"

/* The values of one key, with placeholders replaced. */
struct values {
	struct loader *l;
	const struct yaml *key;
	const struct field_ref *ref;
	const struct modifiers *m;
	const struct yaml **value;
	bool *listed; /* came from a %name% list: its type is the field's */
	size_t count, cap;
	bool null;              /* one of them was null */
	bool expanded;          /* a %name% list gave values, or none: it may be empty */
	struct word_list *list; /* the only value is this list as a whole */
};

/* rule_value.c */
struct arena *values_arena(struct values *v);
const char *values_name(const struct values *v);
/* Where to point for a value: lists have their own places. */
void values_fault(struct values *v, size_t i, const char *what);
/* "FIELD WHAT", at the key; always false. */
bool values_refuse(struct values *v, const char *what);
bool values_wild(const struct values *v);
struct term *values_term(struct values *v, enum op op);
struct node *values_node(struct values *v, const struct term *t);

/* rule_number.c */
int values_by_key(const void *a, const void *b); /* for qsort of uint64_t */
/* A term that holds for any of the numbers; those become its own. */
struct node *values_set(struct values *v, union number *n, size_t count);
struct node *values_numbers(struct values *v);
struct node *values_compare(struct values *v);
struct node *values_flags(struct values *v);
struct node *values_macs(struct values *v);

/* rule_texts.c */
struct node *values_patterns(struct values *v);
struct node *values_regex(struct values *v);
struct node *values_addrs(struct values *v, bool prefixes);
struct node *values_labels(struct values *v);
struct node *values_fields(struct values *v);

#endif
