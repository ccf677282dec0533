/* registry.c - every dissector of protocols.def. */
#include "dissectors/dissector.h"

#define PROTOCOL(name) extern const struct dissector name##_dissector;
#include "dissectors/protocols.def"
#undef PROTOCOL

const struct dissector *const dissectors[] = {
#define PROTOCOL(name) &name##_dissector,
#include "dissectors/protocols.def"
#undef PROTOCOL
	NULL
};

int dissector_index(const struct dissector *d)
{
	for (int i = 0; dissectors[i] != NULL; i++)
		if (dissectors[i] == d)
			return i;
	return -1;
}

const struct dissector *dissector_named(const char *name)
{
	for (int i = 0; dissectors[i] != NULL; i++)
		if (strcmp(dissectors[i]->name, name) == 0)
			return dissectors[i];
	return NULL;
}
