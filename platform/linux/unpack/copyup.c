/* copyup — see copyup.h. */
#include "platform/linux/unpack/copyup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/unpack/attributes.h"
#include "platform/scope.h"

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int copy_bytes(int from, int to, struct error *err)
{
    static char bytes[256 * 1024];
    ssize_t size, wrote;

    while ((size = copy_file_range(from, NULL, to, NULL, 1 << 30, 0)) > 0)
        ;
    if (size == 0)
        return 0;
    if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
        return error_sys(err, errno, "copy a file of the parents");
    while ((size = read(from, bytes, sizeof(bytes))) > 0)
        for (ssize_t at = 0; at < size; at += wrote)
            if ((wrote = write(to, bytes + at, (size_t)(size - at))) < 0)
                return error_sys(err, errno, "copy a file of the parents");
    return size < 0 ? error_sys(err, errno, "read a file of the parents") : 0;
}

static int copy_file(struct tree *tree, struct folder *folder, const char *name, const char *path,
                     const struct stat *st, struct error *err)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, st->st_mtim };
    CLEANUP(fd_close) int from = open_inside(tree->lower, path, O_RDONLY | O_NONBLOCK);
    CLEANUP(fd_close) int to = -1;

    if (from < 0)
        return error_sys(err, errno, "open %s in the parents", path);
    to = openat(folder->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return error_sys(err, errno, "make %s", path);
    if (copy_bytes(from, to, err) < 0 || attributes_copy(tree, from, st, to, err) < 0)
        return -1;
    return futimens(to, times) < 0 ? error_sys(err, errno, "set the time of %s", path) : 0;
}

/* A link, a device, a pipe.  Their extended attributes, which only a security module could have
   set, are not copied. */
static int copy_other(struct folder *folder, const char *name, int from, const struct stat *st,
                      struct error *err)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, st->st_mtim };
    char target[PATH_MAX];
    ssize_t length;

    if (S_ISLNK(st->st_mode)) {
        length = readlinkat(from, "", target, sizeof(target) - 1);
        if (length < 0)
            return error_sys(err, errno, "read link %s", name);
        target[length] = '\0';
        if (symlinkat(target, folder->fd, name) < 0)
            return error_sys(err, errno, "make link %s", name);
    } else if (mknodat(folder->fd, name, st->st_mode, st->st_rdev) < 0) {
        return error_sys(err, errno, "make %s", name);
    }
    if (fchownat(folder->fd, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
        (!S_ISLNK(st->st_mode) && fchmodat(folder->fd, name, st->st_mode & 07777, 0) < 0) ||
        utimensat(folder->fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "set attributes of %s", name);
    return 0;
}

static int copy_into(struct tree *tree, struct folder *folder, const char *name, const char *asked,
                     struct error *err)
{
    CLEANUP(fd_close) int from = -1;
    char path[PATH_MAX];
    bool hides;
    struct stat st;

    if (folder_path(folder, name, path, err) < 0 ||
        tree_hides(tree, folder->path, &hides, err) < 0 ||
        (!hides && lower_open(tree, path, &from, &st, err) < 0))
        return -1;
    if (from < 0 || S_ISDIR(st.st_mode))
        return tree_doubt(tree, err, "hard link to %s, which is not %s", asked,
                          from < 0 ? "there" : "a file");
    folder->touched = true;
    if ((S_ISREG(st.st_mode) ? copy_file(tree, folder, name, path, &st, err)
                             : copy_other(folder, name, from, &st, err)) < 0)
        return -1;
    return tree_count(tree, st.st_mode, (uint64_t)st.st_size, err);
}

int copyup(struct tree *tree, const char *path, char folder[PATH_MAX], const char **name,
           struct error *err)
{
    struct folder *parent;
    struct stat st;

    if (tree_parent(tree, path, &parent, name, err) < 0)
        return -1;
    strcpy(folder, parent->path);
    if (fstatat(parent->fd, *name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (is_whiteout(&st))
            return tree_doubt(tree, err, "hard link to %s, which the layer removes", path);
        return 0; /* it is here, by way of a link of the parents */
    }
    return copy_into(tree, parent, *name, path, err);
}
