/* command_assets.c - bongsu-sensor assets: the devices of a capture, as table, JSON or picture. */
#include <stdio.h>

#include "sensor/asset_show.h"
#include "sensor/command.h"

enum { OPT_JSON = COMMAND_OPTION, OPT_DOT, OPT_SVG };

static const struct option longs[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "dot", no_argument, NULL, OPT_DOT },
	{ "svg", no_argument, NULL, OPT_SVG },
	{ 0 },
};

static int form;

static bool option(int o, const char *value)
{
	(void)value;
	if (form != 0 && form != o) {
		fputs("bongsu-sensor: --json, --dot and --svg do not go together\n", stderr);
		return false;
	}
	form = o;
	return true;
}

static enum status answer(struct run *r)
{
	struct assets *s = watchers_state(r->watchers, "asset");
	if (s == NULL) {
		fputs("bongsu-sensor: assets.devices is 0: no device was followed\n", stderr);
		return STATUS_CONFIG;
	}
	if (form == OPT_JSON)
		assets_json(s, stdout);
	else if (form == OPT_DOT)
		assets_dot(s, stdout);
	else if (form == OPT_SVG)
		assets_svg(s, stdout);
	else
		assets_print(s, stdout);
	return fflush(stdout) == 0 ? STATUS_OK : STATUS_FAILED;
}

const struct command assets_command = {
	.name = "assets",
	.sentence = "the devices of a capture, who they are and who speaks to whom",
	.usage = "usage: bongsu-sensor assets -r FILE|DIR [-r …] [--json|--dot|--svg] [options] "
		 "[BPF filter]\n"
		 "       bongsu-sensor assets -i IF [--json|--dot|--svg] [options]      until it "
		 "is stopped\n"
		 "\n"
		 "Prints a table of devices, then who speaks which protocol to whom.\n"
		 "\n"
		 "  --json     one JSON object a device and line\n"
		 "  --dot      a graph for Graphviz: bongsu-sensor assets --dot -r FILE | dot "
		 "-Tsvg\n"
		 "  --svg      a picture by zone and Purdue level\n"
		 "  -c FILE    configuration: names, roles and zones of the site\n"
		 "  --set key=value, -F FILE, -k none, --quiet, -v as without a command\n",
	.longs = longs,
	.option = option,
	.answer = answer,
};
