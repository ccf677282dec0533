/* spool_epoch.c - the number of a live sensor's run, which never goes back. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sensor/spool.h"

static uint64_t stored(int dir_fd)
{
	char text[32] = "";
	int fd = openat(dir_fd, "epoch", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	return n <= 0 ? 0 : strtoull(text, NULL, 10);
}

static bool store(int dir_fd, uint64_t epoch)
{
	int fd = openat(dir_fd, "epoch.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	bool good = dprintf(fd, "%" PRIu64 "\n", epoch) > 0 && fsync(fd) == 0;
	if (close(fd) != 0 || !good || renameat(dir_fd, "epoch.new", dir_fd, "epoch") != 0) {
		unlinkat(dir_fd, "epoch.new", 0);
		return false;
	}
	return fsync(dir_fd) == 0;
}

uint64_t spool_epoch(const char *dir, uint64_t now_s, struct err *err)
{
	if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
		err_set(err, "%s: %s", dir, strerror(errno));
		return 0;
	}
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err_set(err, "%s: %s", dir, strerror(errno));
		return 0;
	}
	uint64_t last = stored(fd);
	uint64_t epoch = last >= now_s ? last + 1 : now_s;
	bool good = store(fd, epoch);
	if (!good)
		err_set(err, "%s/epoch: %s", dir, strerror(errno));
	close(fd);
	return good ? epoch : 0;
}
