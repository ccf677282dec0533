/* fuzz_control.c - lines at the control socket: refused with words, or a silence or window that is
 * written and read back to the same. */
#include <stdlib.h>
#include <string.h>

#include "sensor/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
	if (!holds)
		abort();
}

static char *dump(const struct quiet *q, size_t *len)
{
	char *out = NULL;
	FILE *f = open_memstream(&out, len);
	demand(f != NULL);
	quiet_dump(q, true, f);
	fclose(f);
	return out;
}

/* As the file that outlives the sensor is read. */
static void read_back(struct quiet *q, const char *text, size_t len)
{
	struct text_list faults = { 0 };
	struct yaml_file *file = yaml_parse("quiet.yaml", text, len, &faults);
	demand(file != NULL && faults.count == 0);
	quiet_silences(q, "q", yaml_get(file->document[0], "silences"), true, &faults);
	quiet_windows(q, "q", yaml_get(file->document[0], "maintenance"), true, &faults);
	demand(faults.count == 0);
	yaml_file_free(file);
	text_list_free(&faults);
}

static void round_trip(const struct quiet *q)
{
	size_t first_len, second_len;
	struct quiet again = { 0 };
	char *first = dump(q, &first_len);
	read_back(&again, first, first_len);
	char *second = dump(&again, &second_len);
	demand(first_len == second_len && memcmp(first, second, first_len) == 0);
	quiet_free(&again);
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text_list faults = { 0 };
	struct control_ask ask;
	struct quiet q = { 0 };
	bool good = control_parse(&ask, (const char *)data, size, &faults);
	demand(good == (faults.count == 0));
	if (good)
		demand(ask.command != NULL && *ask.command != '\0');
	if (good && ask.arguments != NULL) {
		bool window = strncmp(ask.command, "maint", 5) == 0;
		good = (window ? quiet_window : quiet_silence)(
			&q, "line", ask.arguments, true, &faults);
		demand(good == (faults.count == 0) && q.silences + q.windows == good);
		quiet_ready(&q, NULL, "line", &faults);
		round_trip(&q);
	}
	quiet_free(&q);
	control_ask_free(&ask);
	text_list_free(&faults);
	return 0;
}
