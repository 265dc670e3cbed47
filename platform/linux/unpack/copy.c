/* copy — see copy.h. */
#include "platform/linux/unpack/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "platform/linux/unpack/attributes.h"
#include "platform/scope.h"

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* Between different file systems, where not all kernels have copy_file_range(2). */
static int copy_by_hand(int from, int to, off_t at, off_t end, struct error *err)
{
    static char bytes[256 * 1024];
    ssize_t size, wrote;

    for (; at < end; at += size) {
        size = pread(from, bytes,
                     end - at < (off_t)sizeof(bytes) ? (size_t)(end - at) : sizeof(bytes), at);
        if (size <= 0)
            return size < 0 ? error_sys(err, errno, "read a file to copy") : 0;
        for (ssize_t done = 0; done < size; done += wrote)
            if ((wrote = pwrite(to, bytes + done, (size_t)(size - done), at + done)) < 0)
                return error_sys(err, errno, "copy a file");
    }
    return 0;
}

/* Where the file system can, that shares the bytes (btrfs, xfs). */
static int copy_range(int from, int to, off_t at, off_t end, struct error *err)
{
    off_t in = at, out = at;
    ssize_t size = 1;

    while (in < end && size > 0)
        size = copy_file_range(from, &in, to, &out, (size_t)(end - in), 0);
    if (size >= 0)
        return 0;
    if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS)
        return error_sys(err, errno, "copy a file");
    return copy_by_hand(from, to, in, end, err);
}

/* Holes stay holes: terabytes of nothing cost nothing. */
static int copy_bytes(int from, int to, off_t size, struct error *err)
{
    off_t at = 0, data, hole;

    while (at < size && (data = lseek(from, at, SEEK_DATA)) >= 0) {
        hole = lseek(from, data, SEEK_HOLE);
        if (hole < 0)
            hole = size;
        if (copy_range(from, to, data, hole, err) < 0)
            return -1;
        at = hole;
    }
    if (at < size && errno != ENXIO) /* that is: a hole to the end */
        return error_sys(err, errno, "look for data in a file");
    return ftruncate(to, size) < 0 ? error_sys(err, errno, "copy a file") : 0;
}

static int copy_file(struct tree *tree, int root, const char *path, const struct stat *st,
                     struct folder *folder, const char *name, struct error *err)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, st->st_mtim };
    CLEANUP(fd_close) int from = open_inside(root, path, O_RDONLY | O_NONBLOCK);
    CLEANUP(fd_close) int to = -1;

    if (from < 0)
        return error_sys(err, errno, "open %s to copy it", path);
    to = openat(folder->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return error_sys(err, errno, "make %s", path);
    if (copy_bytes(from, to, st->st_size, err) < 0 || attributes_copy(tree, from, st, to, err) < 0)
        return error_wrap(err, "%.200s", path);
    return futimens(to, times) < 0 ? error_sys(err, errno, "set the time of %s", path) : 0;
}

/* A link, a device, a pipe. */
static int copy_other(int root, const char *path, const struct stat *st, struct folder *folder,
                      const char *name, struct error *err)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, st->st_mtim };
    char target[PATH_MAX];
    ssize_t length;

    if (S_ISLNK(st->st_mode)) {
        length = readlinkat(root, path, target, sizeof(target) - 1);
        if (length < 0)
            return error_sys(err, errno, "read link %s", name);
        target[length] = '\0';
        if (symlinkat(target, folder->fd, name) < 0)
            return error_sys(err, errno, "make link %s", name);
    } else if (mknodat(folder->fd, name, st->st_mode, st->st_rdev) < 0) {
        return error_sys(err, errno, "make %s", name);
    }
    if (fchownat(folder->fd, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
        (!S_ISLNK(st->st_mode) && fchmodat(folder->fd, name, st->st_mode & 07777, 0) < 0))
        return error_sys(err, errno, "set attributes of %s", name);
    if (attributes_copy_at(root, path, folder, name, err) < 0)
        return -1;
    if (utimensat(folder->fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "set the time of %s", name);
    return 0;
}

int copy_thing(struct tree *tree, int root, const char *path, const struct stat *st,
               struct folder *folder, const char *name, struct error *err)
{
    folder->touched = true;
    if ((S_ISREG(st->st_mode) ? copy_file(tree, root, path, st, folder, name, err)
                              : copy_other(root, path, st, folder, name, err)) < 0)
        return -1;
    return tree_count(tree, st->st_mode, (uint64_t)st->st_size, err);
}
