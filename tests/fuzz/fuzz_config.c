/* fuzz_config.c - sensor.yaml: refused with words, or dumped and read back to the same. */
#include <stdlib.h>
#include <string.h>

#include "sensor/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The dump of what @text says, or NULL where it is refused; then there are faults. */
static char *dump(const char *text, size_t len, size_t *out_len)
{
	struct text_list faults = { 0 };
	struct config c;
	char *out = NULL;
	config_init(&c);
	bool good = config_parse(&c, "sensor.yaml", text, len, &faults);
	if (good != (faults.count == 0))
		abort();
	if (good) {
		FILE *f = open_memstream(&out, out_len);
		if (f == NULL)
			abort();
		config_dump(&c, f);
		fclose(f);
	}
	config_free(&c);
	text_list_free(&faults);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t first_len, second_len;
	char *first = dump((const char *)data, size, &first_len);
	if (first == NULL)
		return 0;
	char *second = dump(first, first_len, &second_len);
	if (second == NULL || second_len != first_len || memcmp(first, second, first_len) != 0)
		abort();
	free(first);
	free(second);
	return 0;
}
