/* See files.h. */
#include "platform/linux/runtime/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/platform.h"
#include "platform/scope.h"

int file_put(int folder, const char *name, const void *data, size_t size, struct error *err)
{
    CLEANUP(file_close)
    int file = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    const char *at = data;

    if (file < 0)
        return error_sys(err, errno, "make %s", name);
    while (size > 0) {
        ssize_t done = write(file, at, size);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_sys(err, errno, "write %s", name);
        at += done;
        size -= (size_t)done;
    }
    return 0;
}

int file_set(const char *path, const char *text, struct error *err)
{
    CLEANUP(file_close) int file = open(path, O_WRONLY | O_CLOEXEC);

    if (file < 0)
        return error_sys(err, errno, "open %s", path);
    if (write(file, text, strlen(text)) < 0)
        return error_sys(err, errno, "write %s", path);
    return 0;
}

/* Asked for its size first, as most have one: then it is read in one piece. */
char *file_get(int folder, const char *name, size_t limit, size_t *size, struct error *err)
{
    CLEANUP(file_close) int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
    struct stat info;
    size_t room;
    char *bytes;

    *size = 0;
    if (file < 0 || fstat(file, &info) < 0) {
        error_sys(err, errno, "open %s", name);
        if (errno == ENOENT)
            err->code = ERROR_NOT_FOUND;
        return NULL;
    }
    room = info.st_size > 0 && (uint64_t)info.st_size < limit ? (size_t)info.st_size : limit;
    bytes = malloc(room + 2);
    for (ssize_t got; bytes != NULL && *size <= room; *size += (size_t)got) {
        got = read(file, bytes + *size, room + 1 - *size);
        if (got < 0 && errno == EINTR) {
            got = 0;
            continue;
        }
        if (got < 0) {
            error_sys(err, errno, "read %s", name);
            free(bytes);
            return NULL;
        }
        if (got == 0)
            break;
    }
    if (bytes == NULL || *size > room) {
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s is larger than %zu bytes", name, room);
        free(bytes);
        return NULL;
    }
    bytes[*size] = '\0';
    return bytes;
}

int file_lift(int *file, int least, struct error *err)
{
    int higher;

    if (*file >= least)
        return 0;
    higher = fcntl(*file, F_DUPFD_CLOEXEC, least);
    if (higher < 0)
        return error_sys(err, errno, "move a descriptor");
    close(*file);
    *file = higher;
    return 0;
}
