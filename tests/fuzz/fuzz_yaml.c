/* fuzz_yaml.c - any bytes as YAML: a tree within its bounds, every node readable. */
#include <stdlib.h>
#include <string.h>

#include "common/text_list.h"
#include "common/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(const struct yaml *y, unsigned depth)
{
	uint64_t u;
	int64_t i;
	double r;
	bool b;
	size_t nodes = 1;
	if (depth > 32 || y->line == 0 || y->column == 0 || strlen(y->text) != y->len)
		abort();
	if (yaml_uint(y, &u) && !yaml_real(y, &r))
		abort();
	if (yaml_int(y, &i) && yaml_bool(y, &b))
		abort();
	for (size_t k = 0; k < y->count; k++) {
		if (y->kind == YAML_MAP && y->key[k]->kind != YAML_TEXT)
			abort();
		nodes += walk(y->child[k], depth + 1);
	}
	return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text_list faults = { 0 };
	struct yaml_file *file = yaml_parse("fuzz.yaml", (const char *)data, size, &faults);
	size_t nodes = 0;
	for (size_t i = 0; i < file->count; i++)
		nodes += walk(file->document[i], 0);
	if (nodes > 2000000 || faults.count > 1001)
		abort();
	yaml_file_free(file);
	text_list_free(&faults);
	return 0;
}
