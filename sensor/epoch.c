/* epoch.c - a number in a file, replaced atomically. */
#include "sensor/epoch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"

/* What is stored, 0 if nothing readable is. */
static uint64_t stored(const char *path)
{
	uint64_t epoch = 0;
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%" SCNu64, &epoch) != 1)
		epoch = 0;
	fclose(f);
	return epoch;
}

static bool store(const char *path, uint64_t epoch, struct err *err)
{
	char fresh[PATH_MAX];
	if (snprintf(fresh, sizeof fresh, "%s.new", path) >= PATH_MAX)
		return err_set(err, "%s: path too long", path);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_set(err, "%s: %s", fresh, strerror(errno));
	bool ok = dprintf(fd, "%" PRIu64 "\n", epoch) > 0 && fsync(fd) == 0;
	ok &= close(fd) == 0;
	ok = ok && rename(fresh, path) == 0;
	return ok || err_set(err, "%s: %s", path, strerror(errno));
}

bool epoch_choose(const char *folder, bool live, uint64_t *epoch, struct err *err)
{
	char path[PATH_MAX];
	*epoch = 0;
	if (!live)
		return true;
	if (folder == NULL) {
		*epoch = (uint64_t)(wall_ns() / 1000000000);
		return true;
	}
	if (snprintf(path, sizeof path, "%s/epoch", folder) >= PATH_MAX)
		return err_set(err, "%s: path too long", folder);
	uint64_t now = (uint64_t)(wall_ns() / 1000000000), before = stored(path);
	*epoch = before >= now ? before + 1 : now;
	return store(path, *epoch, err);
}
