/* folder.c - owners of the node's folder. */
#include "aggregator/folder.h"

#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sandbox.h"

enum { OPEN_FOLDERS = 16 };

bool folder_become_owner(const char *folder, struct err *err)
{
	struct stat st;
	if (geteuid() != 0 || stat(folder, &st) != 0 || st.st_uid == 0)
		return true;
	if (setgroups(0, NULL) == 0 && setresgid(st.st_gid, st.st_gid, st.st_gid) == 0 &&
		setresuid(st.st_uid, st.st_uid, st.st_uid) == 0)
		return true;
	return err_set(err, "%s: its owner cannot be become: %s", folder, strerror(errno));
}

/* nftw() has no context. */
static uid_t give_uid;
static gid_t give_gid;

static int give(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)kind;
	(void)at;
	return st->st_uid == give_uid && st->st_gid == give_gid ? 0
								: lchown(path, give_uid, give_gid);
}

bool folder_give(const char *folder, const char *user, const char *group, struct err *err)
{
	if (geteuid() != 0 || (user == NULL && group == NULL))
		return true;
	if (!sandbox_identity(user, group, &give_uid, &give_gid, err))
		return false;
	return nftw(folder, give, OPEN_FOLDERS, FTW_PHYS | FTW_MOUNT) == 0 ||
	       err_set(err, "%s: cannot be given to its user: %s", folder, strerror(errno));
}
