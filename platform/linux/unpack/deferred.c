/* deferred — the list and the marks; see deferred.h. */
#include "platform/linux/unpack/deferred.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "platform/linux/unpack/attributes.h"
#include "platform/linux/unpack/protocol.h"
#include "platform/scope.h"

#define WANTED      "y" /* the values of a folder's mark */
#define WAIVED      "n"
#define BUFFER_SIZE (64 * 1024)

struct deferred {
    int layer;
    int file; /* -1: nothing to write yet */
    uint64_t count, links;
    size_t have;
    char buffer[BUFFER_SIZE];
};

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

struct deferred *deferred_new(int layer, struct error *err)
{
    struct deferred *deferred = calloc(1, sizeof(*deferred));

    if (deferred == NULL) {
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
        return NULL;
    }
    deferred->layer = layer;
    deferred->file = -1;
    return deferred;
}

/* ---- writing --------------------------------------------------------------------- */

int deferred_flush(struct deferred *deferred, struct error *err)
{
    ssize_t wrote;

    if (deferred->have == 0)
        return 0;
    if (deferred->file < 0)
        deferred->file = openat(deferred->layer, UNPACK_DEFERRED,
                                O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (deferred->file < 0)
        return error_sys(err, errno, "make the list of deferred things");
    for (size_t at = 0; at < deferred->have; at += (size_t)wrote) {
        wrote = write(deferred->file, deferred->buffer + at, deferred->have - at);
        if (wrote < 0)
            return error_sys(err, errno, "write the list of deferred things");
    }
    deferred->have = 0;
    return 0;
}

static int put(struct deferred *deferred, const char *bytes, size_t size, struct error *err)
{
    if (size > BUFFER_SIZE - deferred->have && deferred_flush(deferred, err) < 0)
        return -1;
    memcpy(deferred->buffer + deferred->have, bytes, size);
    deferred->have += size;
    return 0;
}

int deferred_root(struct deferred *deferred, struct folder *root, struct error *err)
{
    if (fsetxattr(root->fd, layer_marks()->implied, WANTED, 1, 0) < 0)
        return error_sys(err, errno, "mark folder /%s", root->path);
    deferred->count++;
    return 0;
}

int deferred_folder(struct deferred *deferred, struct folder *folder, struct error *err)
{
    if (deferred_root(deferred, folder, err) < 0)
        return -1;
    return put(deferred, "F", 1, err) < 0 ||
                   put(deferred, folder->path, folder->length + 1, err) < 0
               ? -1
               : 0;
}

static int placeholder(struct tree *tree, struct folder *parent, const char *name, uint64_t number,
                       struct error *err)
{
    CLEANUP(fd_close) int fd = -1;
    char text[24];
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

    fd = openat(parent->fd, name, flags, 0);
    if (fd < 0 && errno == EEXIST) {
        if (tree_remove(tree, parent, name, err) < 0)
            return -1;
        fd = openat(parent->fd, name, flags, 0);
    }
    snprintf(text, sizeof(text), "%" PRIu64, number);
    if (fd < 0 || fsetxattr(fd, layer_marks()->link, text, strlen(text), 0) < 0)
        return error_sys(err, errno, "hold the place of a hard link");
    parent->touched = true;
    return tree_count(tree, S_IFREG, 0, err);
}

int deferred_link(struct deferred *deferred, struct tree *tree, struct folder *parent,
                  const char *name, const char *target, struct error *err)
{
    char path[PATH_MAX];

    if (folder_path(parent, name, path, err) < 0 ||
        placeholder(tree, parent, name, deferred->count + 1, err) < 0)
        return -1;
    deferred->count++;
    deferred->links++;
    if (put(deferred, "L", 1, err) < 0 || put(deferred, path, strlen(path) + 1, err) < 0)
        return -1;
    return put(deferred, target, strlen(target) + 1, err);
}

int deferred_doubt(struct deferred *deferred, const char *path, struct error *err)
{
    deferred->count++;
    return put(deferred, "A", 1, err) < 0 || put(deferred, path, strlen(path) + 1, err) < 0 ? -1
                                                                                            : 0;
}

uint64_t deferred_count(const struct deferred *deferred)
{
    return deferred->count;
}

/* ---- the marks --------------------------------------------------------------------- */

static ssize_t link_number(struct folder *folder, const char *name, char text[24])
{
    if (fchdir(folder->fd) < 0)
        return -1;
    return lgetxattr(name, layer_marks()->link, text, 23);
}

bool deferred_is_link(struct deferred *deferred, struct folder *folder, const char *name)
{
    char text[24];

    return deferred != NULL && deferred->links > 0 && link_number(folder, name, text) > 0;
}

bool deferred_has_number(struct folder *folder, const char *name, uint64_t number)
{
    char text[24];
    ssize_t length = link_number(folder, name, text);

    if (length <= 0)
        return false;
    text[length] = '\0';
    return strtoull(text, NULL, 10) == number;
}

/* Only a folder that has a mark gets the other one. */
int deferred_waive(struct folder *folder, struct error *err)
{
    if (fsetxattr(folder->fd, layer_marks()->implied, WAIVED, 1, XATTR_REPLACE) < 0 &&
        errno != ENODATA)
        return error_sys(err, errno, "mark folder %s", folder->path);
    return 0;
}

int deferred_unmark(struct folder *folder, enum mark *mark, struct error *err)
{
    char value = '\0';

    *mark = MARK_NONE;
    if (fgetxattr(folder->fd, layer_marks()->implied, &value, 1) < 0)
        return errno == ENODATA ? 0 : error_sys(err, errno, "read the mark of %s", folder->path);
    *mark = value == WANTED[0] ? MARK_WANTED : MARK_WAIVED;
    if (fremovexattr(folder->fd, layer_marks()->implied) < 0)
        return error_sys(err, errno, "unmark folder %s", folder->path);
    return 0;
}

/* ---- reading ------------------------------------------------------------------------ */

struct reader {
    int file;
    size_t at, size;
    char buffer[BUFFER_SIZE];
};

/* One byte; *end when there is none. */
static int next_byte(struct reader *reader, char *byte, bool *end, struct error *err)
{
    ssize_t got;

    *end = false;
    if (reader->at == reader->size) {
        got = read(reader->file, reader->buffer, BUFFER_SIZE);
        if (got < 0)
            return error_sys(err, errno, "read the list of deferred things");
        *end = got == 0;
        reader->at = 0;
        reader->size = (size_t)got;
    }
    *byte = *end ? '\0' : reader->buffer[reader->at++];
    return 0;
}

static int next_text(struct reader *reader, char text[PATH_MAX], struct error *err)
{
    bool end;

    for (size_t i = 0; i < PATH_MAX; i++) {
        if (next_byte(reader, &text[i], &end, err) < 0)
            return -1;
        if (end)
            break;
        if (text[i] == '\0')
            return 0;
    }
    return error_set(err, ERROR_DATA_LOSS, "the list of deferred things is damaged");
}

static int read_all(struct reader *reader, deferred_fn *each, void *ctx, struct error *err)
{
    char path[PATH_MAX], target[PATH_MAX] = "", kind;
    bool end;

    for (uint64_t number = 1;; number++) {
        if (next_byte(reader, &kind, &end, err) < 0)
            return -1;
        if (end)
            return 0;
        if (kind != 'F' && kind != 'L' && kind != 'A')
            return error_set(err, ERROR_DATA_LOSS, "the list of deferred things is damaged");
        if (next_text(reader, path, err) < 0 || (kind == 'L' && next_text(reader, target, err) < 0))
            return -1;
        if (each(ctx, kind, number, path, target, err) < 0)
            return -1;
    }
}

int deferred_each(int layer, deferred_fn *each, void *ctx, struct error *err)
{
    struct reader *reader = calloc(1, sizeof(*reader));
    int status;

    if (reader == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    reader->file = openat(layer, UNPACK_DEFERRED, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (reader->file < 0)
        status = errno == ENOENT ? 0 : error_sys(err, errno, "open the list of deferred things");
    else
        status = read_all(reader, each, ctx, err);
    fd_close(&reader->file);
    free(reader);
    return status;
}

int deferred_remove(int layer, struct error *err)
{
    if (unlinkat(layer, UNPACK_DEFERRED, 0) < 0 && errno != ENOENT)
        return error_sys(err, errno, "remove the list of deferred things");
    return 0;
}
