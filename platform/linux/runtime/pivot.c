/*
 * pivot — from the runtime's "/" to the container's.
 *
 * pivot_root(".", ".") puts the old root on top of the new one, where one umount2(MNT_DETACH)
 * takes all of the host away; no folder for it is needed in the image (pivot_root(2), "."). On
 * a ramfs, which cannot be pivoted (--no-pivot), the root is moved over "/" instead.  Without a
 * mount namespace of its own a container gets a chroot.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "platform/linux/runtime/rootfs_parts.h"

static int root_pivot(struct error *err)
{
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        return error_sys(err, errno, "pivot_root");
    if (umount2(".", MNT_DETACH) < 0)
        return error_sys(err, errno, "leave the old root");
    return chdir("/") < 0 ? error_sys(err, errno, "chdir to /") : 0;
}

/* ---- moving ----------------------------------------------------------------------- */

/* "36 35 98:0 /root /point ... - type source options", proc_pid_mountinfo(5).  Whole file
   systems only: those are what the kernel looks for before it allows new ones (see below). */
static bool is_full_view(char *line, char **point)
{
    char *save = NULL, *root = NULL, *dash = strstr(line, " - ");

    if (dash == NULL || (strncmp(dash, " - proc ", 8) != 0 && strncmp(dash, " - sysfs ", 9) != 0))
        return false;
    *point = strtok_r(line, " ", &save);
    for (int field = 1; *point != NULL && field < 5; field++) {
        root = *point;
        *point = strtok_r(NULL, " ", &save);
    }
    return root != NULL && *point != NULL && strcmp(root, "/") == 0;
}

/* Blanks and the like are "\040" there. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        unsigned byte;

        if (*from == '\\' && sscanf(from + 1, "%3o", &byte) == 1) {
            *to++ = (char)byte;
            from += 3;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

static bool is_below(const char *path, const char *folder)
{
    size_t length = strlen(folder);

    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static int view_hide(const char *point, struct error *err)
{
    if (umount2(point, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno == ENOENT)
        return 0; /* gone, perhaps together with what it was mounted on */
    if ((errno == EINVAL || errno == EPERM) && mount("none", point, "tmpfs", 0, NULL) == 0)
        return 0;
    return error_sys(err, errno, "take away %s of the host", point);
}

/* After a move the host's mounts lie around still.  A complete procfs or sysfs among them
   allows whoever has a user namespace to mount another one, without the container's masks. */
static int views_hide(const char *root, struct error *err)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char *line = NULL, *point;
    size_t room = 0;
    int status = 0;

    if (file == NULL)
        return error_sys(err, errno, "mountinfo");
    while (status == 0 && getline(&line, &room, file) > 0) {
        if (!is_full_view(line, &point))
            continue;
        unescape(point);
        if (!is_below(point, root))
            status = view_hide(point, err);
    }
    free(line);
    fclose(file);
    return status;
}

static int root_move(const struct rootfs *rootfs, struct error *err)
{
    char path[PATH_MAX]; /* as mountinfo has it */

    if (realpath(rootfs->path, path) == NULL)
        return error_sys(err, errno, "rootfs (%s)", rootfs->path);
    if (views_hide(path, err) < 0)
        return -1;
    if (move_mount(rootfs->root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return error_sys(err, errno, "move the root to /");
    return 0;
}

/* The current folder is the root already. */
static int root_change(struct error *err)
{
    if (chroot(".") < 0)
        return error_sys(err, errno, "chroot");
    return chdir("/") < 0 ? error_sys(err, errno, "chdir to /") : 0;
}

/* ---- entering --------------------------------------------------------------------- */

/* Only now: mounts that are made below a shared root would show up with its peers, and
   pivot_root(2) refuses one. */
static int spread(const struct mount_propagation *wanted, struct error *err)
{
    struct mount_attr attr = { .propagation = wanted->kind };

    if (wanted->kind == 0)
        return 0;
    if (mount_setattr(AT_FDCWD, "/", wanted->recursive ? AT_RECURSIVE : 0u, &attr, sizeof(attr)) <
        0)
        return error_sys(err, errno, "linux.rootfsPropagation");
    return 0;
}

int rootfs_enter(struct rootfs *rootfs, struct error *err)
{
    int status;

    if (fchdir(rootfs->root) < 0)
        return error_sys(err, errno, "root file system");
    if (!rootfs->want.new_mount)
        return root_change(err);
    if (rootfs->want.no_pivot)
        status = root_move(rootfs, err) < 0 ? -1 : root_change(err);
    else
        status = root_pivot(err);
    return status < 0 ? -1 : spread(&rootfs->propagation, err);
}
