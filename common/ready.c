/* ready.c - a datagram to NOTIFY_SOCKET, which may be a path or an abstract name. */
#include "common/ready.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool ready_tell(const char *state)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = name == NULL ? 0 : strlen(name);
	if (n < 2 || n >= sizeof to.sun_path || (name[0] != '/' && name[0] != '@'))
		return false;
	memcpy(to.sun_path, name, n);
	if (name[0] == '@')
		to.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	bool said = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, len) ==
		    (ssize_t)strlen(state);
	close(fd);
	return said;
}
