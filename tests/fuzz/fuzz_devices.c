/* fuzz_devices.c - any text as the file of devices: what is taken in stays within its bounds and
 * can be shown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sensor/asset_show.h"
#include "sensor/asset_tell.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const struct watcher asset_watcher;

enum { MAX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	static struct counters counters;
	static struct options options;
	struct err err = { 0 };
	if (config.max_flows == 0) {
		config_init(&config);
		free(config.asset_oui);
		config.asset_oui = NULL;
		config.asset_devices = config.asset_talks = MAX;
	}
	struct watch w = { .config = &config, .options = &options, .counters = &counters };
	struct assets *s = asset_watcher.open(&w, &err);
	char *text = malloc(size + 1);
	if (s == NULL || text == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	assets_read(s, text);
	if (roster_count(s->devices) > MAX)
		abort();
	for (size_t i = 0; i < roster_places(s->devices); i++) {
		struct buf line = buf_over(s->line, sizeof s->line);
		const struct asset *a = roster_at(s->devices, i);
		if (a != NULL)
			asset_json(s, a, &line);
		if (line.full)
			abort();
	}
	free(text);
	asset_watcher.close(s);
	return 0;
}
