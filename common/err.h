/* err.h - a reason for a person: what failed and where. */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include <stdbool.h>

/* Zeroed is "no error". The first error sticks: later ones on the same struct are ignored. */
struct err {
	bool set;
	bool usage;     /* the command line is what is wrong */
	char text[512]; /* "path:line:column: reason", cut where too long */
};

/* printf into e->text unless set already; always false, so that callers can return it. */
bool err_set(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
