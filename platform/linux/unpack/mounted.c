/* mounted — see mounted.h. */
#include "platform/linux/unpack/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "platform/linux/mounts_text.h"
#include "platform/linux/runtime/root_mounts.h"
#include "platform/scope.h"

int mounted_make(const char *folder, const char *name, const char *text, struct error *err)
{
    char path[PATH_MAX];
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct mount_attr restricted = { .attr_set =
                                         MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC };
    struct list mounts;

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.60s...: path is too long", folder);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return error_sys(err, errno, "make %s", path);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return error_sys(err, errno, "make a mount namespace");
    if (mounts_from_text(text, &mounts, arena, err) < 0 || root_mounts_make(path, &mounts, err) < 0)
        return -1;
    if (mount_setattr(AT_FDCWD, path, AT_RECURSIVE, &restricted, sizeof(restricted)) < 0)
        return error_sys(err, errno, "restrict %s", path);
    return 0;
}
