/* entry — see entry.h. */
#include "platform/linux/pack/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "platform/linux/pack/attributes.h"
#include "platform/scope.h"

#define PIECE 65536

static void fd_drop(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int bytes_put(struct sink *sink, int file, uint64_t size, struct error *err)
{
    static char piece[PIECE];
    uint64_t left = size;
    ssize_t got;

    while (left > 0) {
        got = read(file, piece, left < sizeof(piece) ? (size_t)left : sizeof(piece));
        if (got < 0)
            return error_sys(err, errno, "read");
        if (got == 0)
            break;
        if (sink_bytes(sink, piece, (size_t)got, err) < 0)
            return -1;
        left -= (uint64_t)got;
    }
    return sink_zero(sink, left, err) < 0 ? -1 : tar_pad(sink, size, err);
}

static int file_put(struct sink *sink, const struct entry_place *place, struct tar_entry *entry,
                    struct error *err)
{
    CLEANUP(fd_drop)
    int file = openat(place->folder, place->name,
                      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
    struct stat st;

    if (file < 0 && errno == EPERM) /* a file of somebody who is not in our user namespace */
        file = openat(place->folder, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0 || fstat(file, &st) < 0)
        return error_sys(err, errno, "open");
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_ABORTED, "it has become something else meanwhile");
    entry->size = (uint64_t)st.st_size;
    return tar_header(sink, entry, err) < 0 ? -1 : bytes_put(sink, file, entry->size, err);
}

static int other_put(struct sink *sink, const struct entry_place *place, struct tar_entry *entry,
                     struct error *err)
{
    static char target[PATH_MAX];
    ssize_t length;

    if (S_ISLNK(entry->mode)) {
        length = readlinkat(place->folder, place->name, target, sizeof(target) - 1);
        if (length < 0)
            return error_sys(err, errno, "read the link");
        target[length] = '\0';
        entry->target = target;
    }
    if (S_ISCHR(entry->mode) || S_ISBLK(entry->mode))
        entry->device = place->st->st_rdev;
    return tar_header(sink, entry, err);
}

int entry_put(struct sink *sink, const struct entry_place *place, struct error *err)
{
    static struct attributes attributes;
    char path[PATH_MAX + 2];
    const struct stat *st = place->st;
    struct tar_entry entry = { .path = place->path,
                               .mode = st->st_mode,
                               .uid = st->st_uid,
                               .gid = st->st_gid,
                               .mtime = st->st_mtim };

    if (place->latest != NULL && entry.mtime.tv_sec >= *place->latest)
        entry.mtime = (struct timespec){ *place->latest, 0 };
    if (place->link != NULL) {
        entry.is_link = true;
        entry.target = place->link;
        return tar_header(sink, &entry, err);
    }
    if (attributes_read(place->folder, place->name, &attributes, err) < 0)
        return -1;
    entry.xattrs = attributes.xattrs;
    entry.xattr_count = attributes.count;
    if (S_ISREG(st->st_mode))
        return file_put(sink, place, &entry, err);
    if (S_ISDIR(st->st_mode)) {
        snprintf(path, sizeof(path), "%s/", place->path);
        entry.path = path;
    }
    return other_put(sink, place, &entry, err);
}
