/* services.c - protocols.def and services.def as one list. */
#include "sensor/services.h"

#define PROTOCOL(name) extern const struct dissector name##_dissector;
#include "dissectors/protocols.def"
#undef PROTOCOL
#define SERVICE(name) extern const struct dissector name##_service;
#include "sensor/services.def"
#undef SERVICE

const struct dissector *const services[] = {
#define PROTOCOL(name) &name##_dissector,
#include "dissectors/protocols.def"
#undef PROTOCOL
#define SERVICE(name) &name##_service,
#include "sensor/services.def"
#undef SERVICE
	NULL
};

_Static_assert(sizeof services / sizeof services[0] - 1 <= SERVICES_MAX, "each has its bit");

int service_index(const struct dissector *d)
{
	for (int i = 0; services[i] != NULL; i++)
		if (services[i] == d)
			return i;
	return -1;
}

const struct dissector *service_named(const char *name)
{
	for (int i = 0; services[i] != NULL; i++)
		if (strcmp(services[i]->name, name) == 0)
			return services[i];
	return NULL;
}
