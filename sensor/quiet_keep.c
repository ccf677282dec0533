/* quiet_keep.c - live silences and windows in a file, replaced as a whole. Not flushed to the disk:
 * that could keep the capture waiting, and what a power cut loses is told of again. */
#include "sensor/control.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static bool place(const struct run *r, char path[PATH_MAX])
{
	const char *folder = r->no_spool ? NULL : run_spool(r);
	return folder != NULL && snprintf(path, PATH_MAX, "%s/quiet.yaml", folder) < PATH_MAX - 5;
}

bool quiet_keep_store(struct run *r, struct err *err)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	if (!place(r, path))
		return err_set(err, "it ends with the sensor: there is no spool.folder");
	snprintf(fresh, sizeof fresh, "%.*s.new", PATH_MAX - 5, path);
	FILE *f = fopen(fresh, "we");
	if (f == NULL)
		return err_set(err, "it ends with the sensor: %s: %s", fresh, strerror(errno));
	quiet_dump(&r->config->quiet, true, f);
	bool ok = ferror(f) == 0;
	ok &= fclose(f) == 0;
	if (ok && rename(fresh, path) == 0)
		return true;
	err_set(err, "it ends with the sensor: %s: %s", path, strerror(errno));
	unlink(fresh);
	return false;
}

/* One that cannot be read, or names a device that is gone, is left out. */
static void keep_good(struct run *r, const char *path, const struct yaml *one, bool silence,
	struct text_list *faults)
{
	struct quiet *q = &r->config->quiet;
	size_t before = faults->count;
	if (!(silence ? quiet_silence : quiet_window)(q, path, one, true, faults))
		return;
	quiet_ready(q, &r->config->site, path, faults);
	if (faults->count == before)
		return;
	if (silence)
		quiet_silence_drop(q, q->silences - 1);
	else
		quiet_window_drop(q, q->windows - 1);
	quiet_ready(q, &r->config->site, path, faults);
}

static void load_list(struct run *r, const char *path, const struct yaml *list, bool silence,
	struct text_list *faults)
{
	for (size_t i = 0; list != NULL && list->kind == YAML_LIST && i < list->count; i++)
		keep_good(r, path, list->child[i], silence, faults);
}

void quiet_keep_load(struct run *r)
{
	char path[PATH_MAX];
	struct text_list faults = { 0 };
	if (!place(r, path) || access(path, F_OK) != 0)
		return;
	struct yaml_file *file = yaml_load(path, &faults);
	if (file != NULL && file->count > 0 && file->document[0]->kind == YAML_MAP) {
		load_list(r, path, yaml_get(file->document[0], "silences"), true, &faults);
		load_list(r, path, yaml_get(file->document[0], "maintenance"), false, &faults);
	}
	for (size_t i = 0; i < faults.count; i++)
		fprintf(stderr, "bongsu-sensor: left out: %s\n", faults.text[i]);
	yaml_file_free(file);
	text_list_free(&faults);
}
