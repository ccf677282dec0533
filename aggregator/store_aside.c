/* store_aside.c - a damaged store is kept for whoever may read it, and is out of the way. */
#include "aggregator/store_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_ROOM = 4300 };

static const char *const parts[] = { "", "-wal", "-shm" };

/* Its size in bytes; -1: it is not there. */
static long long size_of(const char *path, const char *part)
{
	char name[PATH_ROOM];
	struct stat st;
	snprintf(name, sizeof name, "%s%s", path, part);
	return stat(name, &st) == 0 ? (long long)st.st_size : -1;
}

long long store_size(const char *path)
{
	return size_of(path, "");
}

void store_mark(const char *path, const char *why)
{
	char name[PATH_ROOM];
	snprintf(name, sizeof name, "%s.condemned", path);
	FILE *f = fopen(name, "w");
	if (f == NULL)
		return; /* the next start has its own check */
	fprintf(f, "%s\n", why);
	fclose(f);
}

bool store_unmarked(const char *path, struct err *err)
{
	char name[PATH_ROOM], why[256] = "";
	snprintf(name, sizeof name, "%s.condemned", path);
	FILE *f = fopen(name, "r");
	if (f != NULL) {
		if (fgets(why, sizeof why, f) == NULL)
			why[0] = '\0';
		fclose(f);
		why[strcspn(why, "\n")] = '\0';
		return err_set(err, "%s: found damaged before: %s", path, why);
	}
	if (size_of(path, "") == 0)
		return err_set(err, "%s: it is empty", path);
	if (size_of(path, "") < 0 && size_of(path, "-wal") > 0)
		return err_set(err, "%s: it is gone, and its log is there", path);
	return true;
}

bool store_set_aside(const char *path, const char *why, struct err *err)
{
	char from[PATH_ROOM], to[PATH_ROOM + 64], mark[PATH_ROOM], suffix[40];
	long long at = (long long)time(NULL);
	store_mark(path, why);
	do
		snprintf(suffix, sizeof suffix, ".damaged-%lld", at++);
	while (size_of(path, suffix) >= 0);
	for (unsigned i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		snprintf(from, sizeof from, "%s%s", path, parts[i]);
		snprintf(to, sizeof to, "%s%s%s", path, suffix, parts[i]);
		if (rename(from, to) != 0 && errno != ENOENT)
			return err_set(err, "%s: %s", from, strerror(errno));
	}
	snprintf(mark, sizeof mark, "%s.condemned", path);
	unlink(mark);
	return true;
}
