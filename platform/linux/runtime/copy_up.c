/*
 * copy_up — what lay under a tmpfs, copied into it (tmpcopyup).
 *
 * Both ends are folders that are open already; the walk goes by descriptor, follows no link
 * and leaves nothing but this tree.  What the image's files are is copied: modes, owners, times,
 * links, nodes, extended attributes where the tmpfs takes them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "platform/linux/runtime/rootfs_parts.h"

#define DEPTH_MAX  128 /* folders open at a time; PATH_MAX allows no useful tree deeper */
#define NAMES_SIZE 4096
#define VALUE_SIZE 4096

static int folder_copy(int from, int to, unsigned depth, struct error *err);

/* ---- attributes ------------------------------------------------------------------- */

/* What the target cannot hold (user.* on older kernels, others' namespaces) is gone without. */
static void xattrs_copy(int from, int to)
{
    char names[NAMES_SIZE], value[VALUE_SIZE];
    ssize_t size = flistxattr(from, names, sizeof(names));

    for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1) {
        ssize_t length = fgetxattr(from, names + at, value, sizeof(value));

        if (length >= 0)
            fsetxattr(to, names + at, value, (size_t)length, 0);
    }
}

/* The mode last: a change of owner takes setuid away. */
static int attributes_copy(int from, int to, const struct stat *st)
{
    const struct timespec times[2] = { st->st_atim, st->st_mtim };

    if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
        return -1;
    xattrs_copy(from, to);
    return futimens(to, times);
}

/* ---- kinds ------------------------------------------------------------------------ */

static int bytes_copy(int from, int to)
{
    for (;;) {
        ssize_t size = sendfile(to, from, NULL, 1 << 20);

        if (size <= 0)
            return size < 0 ? -1 : 0;
    }
}

static int file_copy(int from, int to, const char *name, const struct stat *st)
{
    CLEANUP(fd_drop)
    int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    CLEANUP(fd_drop) int out = -1;

    if (in < 0)
        return -1;
    out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0 || bytes_copy(in, out) < 0)
        return -1;
    return attributes_copy(in, out, st);
}

static int link_copy(int from, int to, const char *name, const struct stat *st)
{
    const struct timespec times[2] = { st->st_atim, st->st_mtim };
    char target[PATH_MAX];
    ssize_t size = readlinkat(from, name, target, sizeof(target) - 1);

    if (size < 0)
        return -1;
    target[size] = '\0';
    if (symlinkat(target, to, name) < 0 ||
        fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
}

static int node_copy(int to, const char *name, const struct stat *st)
{
    const struct timespec times[2] = { st->st_atim, st->st_mtim };

    if (mknodat(to, name, st->st_mode, st->st_rdev) < 0 ||
        fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
}

static int subfolder_copy(int from, int to, const char *name, unsigned depth, struct error *err)
{
    CLEANUP(fd_drop) int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    CLEANUP(fd_drop) int out = -1;

    if (in < 0 || mkdirat(to, name, 0700) < 0)
        return error_sys(err, errno, "tmpcopyup of %s", name);
    out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (out < 0)
        return error_sys(err, errno, "tmpcopyup of %s", name);
    return folder_copy(in, out, depth + 1, err);
}

static int entry_copy(int from, int to, const char *name, unsigned depth, struct error *err)
{
    struct stat st;
    int status;

    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "tmpcopyup of %s", name);
    if (S_ISDIR(st.st_mode))
        return subfolder_copy(from, to, name, depth, err);
    if (S_ISREG(st.st_mode))
        status = file_copy(from, to, name, &st);
    else if (S_ISLNK(st.st_mode))
        status = link_copy(from, to, name, &st);
    else
        status = node_copy(to, name, &st);
    return status < 0 ? error_sys(err, errno, "tmpcopyup of %s", name) : 0;
}

/* ---- folders ---------------------------------------------------------------------- */

static int entries_copy(DIR *list, int to, unsigned depth, struct error *err)
{
    for (;;) {
        struct dirent *entry;

        errno = 0;
        entry = readdir(list);
        if (entry == NULL)
            return errno != 0 ? error_sys(err, errno, "tmpcopyup") : 0;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (entry_copy(dirfd(list), to, entry->d_name, depth, err) < 0)
            return -1;
    }
}

/* Times last: what is made in it changes them. */
static int folder_copy(int from, int to, unsigned depth, struct error *err)
{
    int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = again < 0 ? NULL : fdopendir(again);
    struct stat st;
    int status;

    if (list == NULL) {
        error_sys(err, errno, "tmpcopyup");
        fd_drop(&again);
        return -1;
    }
    if (depth > DEPTH_MAX)
        status = error_set(err, ERROR_RESOURCE_EXHAUSTED, "tmpcopyup: more than %d folders deep",
                           DEPTH_MAX);
    else
        status = entries_copy(list, to, depth, err);
    if (status == 0 && (fstat(again, &st) < 0 || attributes_copy(again, to, &st) < 0))
        status = error_sys(err, errno, "tmpcopyup");
    closedir(list);
    return status;
}

int copy_up(int from, int to, struct error *err)
{
    CLEANUP(fd_drop) int out = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return out < 0 ? error_sys(err, errno, "tmpcopyup") : folder_copy(from, out, 0, err);
}
