/* fuzz_savefile.c - capture files: pcap in both byte orders and precisions, pcapng. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sensor/savefile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	int fd = memfd_create("capture", 0);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	struct err err = { 0 };
	struct savefile *s = savefile_open(path, &err);
	size_t frames = 0;
	unsigned sum = 0;
	struct frame f;
	int got = 0;
	while (s != NULL && (got = savefile_next(s, &f, &err)) == 1) {
		for (uint32_t i = 0; i < f.caplen; i++)
			sum += f.bytes[i];
		if (++frames > size || f.caplen > size || savefile_position(s) > size)
			abort(); /* more than there is */
	}
	if ((s == NULL || got < 0) && err.text[0] == '\0')
		abort(); /* without a word */
	savefile_close(s);
	close(fd);
	return sum == 1 && frames == 0 ? 1 : 0;
}
