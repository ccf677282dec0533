/* view.h - is what the operators are shown true? Replies and times that contradict what was seen.
 */
#ifndef SENSOR_VIEW_H
#define SENSOR_VIEW_H

#include "sensor/watch.h"

enum view_kind {
	VIEW_SECOND_REPLY,   /* to a request that has been answered, and another */
	VIEW_REPEATED_REPLY, /* the same */
	VIEW_UNASKED_REPLY,
	VIEW_ECHO,
	VIEW_OVERLAP,
	VIEW_RESET,
	VIEW_TIME,
	VIEW_INDICATION,
};

struct view;

extern const struct dissector view_service;

struct view_note {
	enum view_kind kind;
	const struct flow *flow;
	unsigned from;
	struct stamp at;
	const char *protocol; /* static */
	const char *detail;   /* static, or NULL */
	int32_t code;         /* of the message, or PDU_NO_CODE */
	bool has_unit;
	uint64_t unit;
	bool has_seconds; /* between the two that contradict each other, or how far they differ */
	double seconds;
};

void view_observe(const struct watch *w, const struct view_note *n);

/* view_dnp3.c */
extern const struct dissector dnp3_dissector;
/* What a control says, and its echo has to say: all but the status. 0: it is no control. Of
 * messages of DNP3. */
uint64_t dnp3_control_digest(const struct pdu *p);

#endif
