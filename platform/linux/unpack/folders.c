/*
 * folders — the cache of open folders; see tree.h.
 *
 * A slot knows which time its folder shall have; what is made in the folder
 * changes that time on disk, so it is set again when the slot is given up.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "platform/linux/unpack/folders.h"
#include "platform/scope.h"

int open_inside(int fd, const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
    };

    return (int)syscall(SYS_openat2, fd, path, &how, sizeof(how));
}

static int time_set(const struct folder *folder, struct error *err)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, folder->mtime };

    if (folder->touched && futimens(folder->fd, times) < 0)
        return error_sys(err, errno, "set the time of %s", folder->path);
    return 0;
}

int folder_release(struct folder *folder, struct error *err)
{
    if (folder->path == NULL || folder->fd < 0)
        return 0;
    if (time_set(folder, err) < 0)
        return -1;
    folder_forget(folder);
    return 0;
}

void folder_forget(struct folder *folder)
{
    if (folder->fd >= 0)
        close(folder->fd);
    folder->fd = -1;
    folder->id = 0;
}

static struct folder *slot_take(struct tree *tree, struct error *err)
{
    struct folder *oldest = &tree->folders[0];

    for (size_t i = 0; i < FOLDERS; i++) {
        struct folder *slot = &tree->folders[i];

        if (slot->fd < 0)
            return slot;
        if (slot->used < oldest->used)
            oldest = slot;
    }
    return folder_release(oldest, err) < 0 ? NULL : oldest;
}

static int path_keep(struct folder *slot, const char *path, size_t length, struct error *err)
{
    char *room;

    if (slot->room <= length) {
        room = realloc(slot->path, length + 64);
        if (room == NULL)
            return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for a path");
        slot->path = room;
        slot->room = length + 64;
    }
    memcpy(slot->path, path, length + 1);
    slot->length = length;
    return 0;
}

struct folder *folder_cached(struct tree *tree, const char *path, size_t length)
{
    if (length == 0)
        return &tree->top;
    for (size_t i = 0; i < FOLDERS; i++) {
        struct folder *slot = &tree->folders[i];

        if (slot->fd >= 0 && slot->length == length && memcmp(slot->path, path, length) == 0) {
            slot->used = ++tree->clock;
            return slot;
        }
    }
    return NULL;
}

int folder_keep(struct tree *tree, int fd, const char *path, size_t length, struct folder **folder,
                struct error *err)
{
    struct folder *slot = slot_take(tree, err);
    struct stat st;

    if (slot == NULL || path_keep(slot, path, length, err) < 0) {
        close(fd);
        return -1;
    }
    if (fstat(fd, &st) < 0) {
        close(fd);
        return error_sys(err, errno, "stat %s", path);
    }
    slot->fd = fd;
    slot->mtime = tree->merging ? (struct timespec){ .tv_nsec = UTIME_NOW } : st.st_mtim;
    slot->touched = false;
    slot->gives_group = (st.st_mode & S_ISGID) != 0;
    slot->used = ++tree->clock;
    slot->id = ++tree->ids;
    *folder = slot;
    return 0;
}

static bool is_inside(const struct folder *slot, const char *path, size_t length)
{
    return slot->length > length && memcmp(slot->path, path, length) == 0 &&
           (length == 0 || slot->path[length] == '/');
}

void folders_forget_inside(struct tree *tree, const char *path)
{
    size_t length = strlen(path);

    tree->last.id = 0;
    for (size_t i = 0; i < FOLDERS; i++)
        if (tree->folders[i].fd >= 0 && is_inside(&tree->folders[i], path, length))
            folder_forget(&tree->folders[i]);
}

void folders_forget_below(struct tree *tree, const char *path)
{
    struct folder *slot = folder_cached(tree, path, strlen(path));

    folders_forget_inside(tree, path);
    if (slot != NULL && slot != &tree->top)
        folder_forget(slot);
}

int tree_folder(struct tree *tree, const char *path, struct folder **folder, struct error *err)
{
    size_t length = strlen(path);
    int fd;

    *folder = folder_cached(tree, path, length);
    if (*folder != NULL)
        return 0;
    fd = open_inside(tree->top.fd, path, O_RDONLY | O_DIRECTORY);
    if (fd >= 0)
        return folder_keep(tree, fd, path, length, folder, err);
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
        return error_set(err, ERROR_NOT_FOUND, "no folder %s", path);
    return error_sys(err, errno, "open folder %s", path);
}

int tree_folder_enter(struct tree *tree, struct folder *parent, const char *name,
                      struct folder **folder, struct error *err)
{
    char path[PATH_MAX];
    int fd;

    if (folder_path(parent, name, path, err) < 0)
        return -1;
    fd = open_inside(parent->fd, name, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return error_sys(err, errno, "open folder %s", path);
    return folder_keep(tree, fd, path, strlen(path), folder, err);
}

int folder_path(const struct folder *folder, const char *name, char path[PATH_MAX],
                struct error *err)
{
    size_t length = strlen(name);

    if (folder->length + 1 + length >= PATH_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.60s...: the path is longer than %d bytes",
                         folder->path, PATH_MAX - 1);
    memcpy(path, folder->path, folder->length);
    if (folder->length > 0)
        path[folder->length] = '/';
    memcpy(path + folder->length + (folder->length > 0), name, length + 1);
    return 0;
}

int fd_is_opaque(int fd, bool *opaque, struct error *err)
{
    char value;

    *opaque = false;
    if (fgetxattr(fd, layer_marks()->opaque, &value, 1) == 1)
        *opaque = value == 'y';
    else if (errno != ENODATA && errno != EOPNOTSUPP)
        return error_sys(err, errno, "read attribute %s", layer_marks()->opaque);
    return 0;
}
