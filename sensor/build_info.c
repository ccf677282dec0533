/* build_info.c - what was built, of what. The Makefile gives VERSION. */
#include "sensor/build_info.h"

#include "dissectors/dissector.h"
#include "sensor/capture.h"

#ifndef BONGSU_VERSION
#define BONGSU_VERSION "0.1.0"
#endif

const char bongsu_version[] = BONGSU_VERSION;

void build_version(FILE *out)
{
	fprintf(out, "bongsu-sensor %s\n", bongsu_version);
}

void build_info(FILE *out)
{
	build_version(out);
	fprintf(out, "compiler    %s\n", __VERSION__);
#ifdef __SANITIZE_ADDRESS__
	fputs("sanitizers  address\n", out);
#endif
	fprintf(out, "capture     %s\n", capture_library());
	fputs("protocols  ", out);
	for (int i = 0; dissectors[i] != NULL; i++)
		fprintf(out, " %s", dissectors[i]->name);
	fputc('\n', out);
}
