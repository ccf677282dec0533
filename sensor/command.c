/* command.c - commands.def as a list. */
#include "sensor/command.h"

#include <string.h>

#define COMMAND(name) extern const struct command name##_command;
#include "sensor/commands.def"
#undef COMMAND

const struct command *const commands[] = {
#define COMMAND(name) &name##_command,
#include "sensor/commands.def"
#undef COMMAND
	NULL
};

const struct command *command_named(const char *name)
{
	for (size_t i = 0; commands[i] != NULL; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}
