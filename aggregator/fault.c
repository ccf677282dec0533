/* fault.c - dying on purpose, for tests. */
#include "aggregator/fault.h"

#ifdef BONGSU_FAULTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

void fault_here(const char *name)
{
	static atomic_long met;
	const char *wanted = getenv("BONGSU_FAULT");
	size_t n = strlen(name);
	if (wanted == NULL || strncmp(wanted, name, n) != 0 ||
		(wanted[n] != '\0' && wanted[n] != ':'))
		return;
	long at = wanted[n] == ':' ? strtol(wanted + n + 1, NULL, 10) : 1;
	if (atomic_fetch_add(&met, 1) + 1 == at)
		raise(SIGKILL);
}

#else

typedef int fault_is_empty; /* ISO C wants a declaration */

#endif
