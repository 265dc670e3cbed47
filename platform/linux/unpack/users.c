/* users — see users.h. */
#include "platform/linux/unpack/users.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/scope.h"

#define SIZE_MAX_BYTES (1024 * 1024)

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* *fd = -1: the image has no such file.  Not blocking, should it be a pipe. */
static int image_open(int lower, const char *path, int *fd, struct error *err)
{
    struct open_how how = {
        .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };

    *fd = (int)syscall(SYS_openat2, lower, path, &how, sizeof(how));
    if (*fd >= 0 || errno == ENOENT)
        return 0;
    if (errno == ENOTDIR || errno == ELOOP || errno == ENXIO || errno == EACCES)
        return error_set(err, ERROR_INVALID_ARGUMENT, "the image's /%s is not a file", path);
    return error_sys(err, errno, "open the image's /%s", path);
}

static int copy_bytes(int from, int to, const char *path, struct error *err)
{
    static char bytes[SIZE_MAX_BYTES + 1];
    size_t have = 0;
    ssize_t got, wrote;

    while (have < sizeof(bytes) && (got = read(from, bytes + have, sizeof(bytes) - have)) != 0) {
        if (got < 0)
            return error_sys(err, errno, "read the image's /%s", path);
        have += (size_t)got;
    }
    if (have > SIZE_MAX_BYTES)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "the image's /%s is larger than %d bytes",
                         path, SIZE_MAX_BYTES);
    for (size_t at = 0; at < have; at += (size_t)wrote)
        if ((wrote = write(to, bytes + at, have - at)) < 0)
            return error_sys(err, errno, "write the copy of /%s", path);
    return 0;
}

static int copy(int lower, const char *path, int out, const char *name, struct error *err)
{
    CLEANUP(fd_close) int from = -1;
    CLEANUP(fd_close) int to = -1;
    struct stat st;

    if (unlinkat(out, name, 0) < 0 && errno != ENOENT)
        return error_sys(err, errno, "remove the old %s", name);
    if (image_open(lower, path, &from, err) < 0)
        return -1;
    if (from < 0)
        return 0;
    if (fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
        return error_set(err, ERROR_INVALID_ARGUMENT, "the image's /%s is not a file", path);
    if (st.st_size > SIZE_MAX_BYTES)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "the image's /%s is larger than %d bytes",
                         path, SIZE_MAX_BYTES);
    to = openat(out, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return error_sys(err, errno, "make the copy of /%s", path);
    return copy_bytes(from, to, path, err);
}

int users_copy(int lower, int out, struct error *err)
{
    if (copy(lower, "etc/passwd", out, "passwd", err) < 0)
        return -1;
    return copy(lower, "etc/group", out, "group", err);
}
