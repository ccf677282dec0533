/* control_line.c - {"command": "…", "arguments": {…}}: JSON, read as the YAML that it is. */
#include "sensor/control.h"

#include <string.h>

/* JSON has no anchors; with them a short line could unfold to a long one. */
static bool is_json_like(const char *line, size_t len)
{
	bool quoted = false;
	size_t i = 0;
	while (i < len && (line[i] == ' ' || line[i] == '\t'))
		i++;
	if (i == len || line[i] != '{')
		return false;
	for (; i < len; i++) {
		if (quoted && line[i] == '\\')
			i++;
		else if (line[i] == '"')
			quoted = !quoted;
		else if (!quoted && strchr("&*!|>%@`#'", line[i]) != NULL)
			return false;
	}
	return !quoted;
}

static bool refuse(struct text_list *faults, const char *why)
{
	text_list_add(faults, "line:1:1: %s", why);
	return false;
}

bool control_parse(struct control_ask *ask, const char *line, size_t len, struct text_list *faults)
{
	*ask = (struct control_ask){ 0 };
	if (len > CONTROL_LINE || !is_json_like(line, len))
		return refuse(faults, "not a line of JSON");
	ask->file = yaml_parse("line", line, len, faults);
	if (ask->file == NULL || faults->count > 0 || ask->file->count != 1 ||
		ask->file->document[0]->kind != YAML_MAP)
		return faults->count == 0 ? refuse(faults, "not an object") : false;
	const struct yaml *map = ask->file->document[0];
	const struct yaml *command = yaml_get(map, "command"), *version = yaml_get(map, "version");
	ask->arguments = yaml_get(map, "arguments");
	if (command == NULL && version != NULL) { /* the greeting of suricatasc */
		ask->command = "hello";
		return true;
	}
	if (command == NULL || command->kind != YAML_TEXT || command->len == 0)
		return refuse(faults, "no command");
	if (ask->arguments != NULL && ask->arguments->kind != YAML_MAP)
		return refuse(faults, "arguments is an object");
	ask->command = command->text;
	return true;
}

void control_ask_free(struct control_ask *ask)
{
	yaml_file_free(ask->file);
	*ask = (struct control_ask){ 0 };
}
