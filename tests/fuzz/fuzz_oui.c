/* fuzz_oui.c - any bytes as the list of makers: what is found is a name within its bounds. */
#include <stdlib.h>
#include <string.h>

#include "sensor/oui.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oui *o = oui_parse((const char *)data, size);
	if (o == NULL || oui_count(o) > OUI_MAX || oui_count(o) * 16 > size)
		abort();
	for (size_t i = 0; i + 6 <= size; i++) {
		const char *name = oui_name(o, data + i);
		if (name != NULL && (strlen(name) == 0 || strlen(name) > OUI_NAME))
			abort();
	}
	oui_free(o);
	return 0;
}
