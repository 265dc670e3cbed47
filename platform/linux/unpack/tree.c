/* tree — beginning, ending, counting and removing; see tree.h. */
#include "platform/linux/unpack/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "platform/linux/unpack/attributes.h"
#include "platform/linux/unpack/folders.h"
#include "platform/linux/unpack/protocol.h"

#define BLOCK 4096 /* what file systems give at least */

int tree_open(struct tree *tree, int root, int lower, bool base, struct error *err)
{
    struct stat st;

    *tree = (struct tree){ .lower = lower, .base = base };
    for (size_t i = 0; i < FOLDERS; i++)
        tree->folders[i].fd = -1;
    tree->top = (struct folder){ .path = strdup(""), .fd = root, .id = ++tree->ids };
    if (tree->top.path == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    if (fstat(root, &st) < 0)
        return error_sys(err, errno, "stat the root");
    tree->top.mtime = st.st_mtim;
    return 0;
}

int tree_close(struct tree *tree, struct error *err)
{
    for (size_t i = 0; i < FOLDERS; i++)
        if (folder_release(&tree->folders[i], err) < 0)
            return -1;
    return folder_release(&tree->top, err);
}

int tree_doubt(struct tree *tree, struct error *err, const char *fmt, ...)
{
    char text[300];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    tree->doubt = true;
    return error_set(err, ERROR_INVALID_ARGUMENT, "%s", text);
}

/* ---- counting ------------------------------------------------------------------- */

static uint64_t size_on_disk(mode_t type, uint64_t size)
{
    if (S_ISDIR(type))
        return BLOCK;
    return S_ISREG(type) ? (size + BLOCK - 1) / BLOCK * BLOCK : 0;
}

int tree_count(struct tree *tree, mode_t type, uint64_t size, struct error *err)
{
    tree->inodes++;
    tree->made++;
    tree->size += size_on_disk(type, size);
    if (tree->max_inodes != 0 && tree->made > tree->max_inodes)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "layer: more than %llu files and folders",
                         (unsigned long long)tree->max_inodes);
    return 0;
}

void tree_discount(struct tree *tree, const struct stat *st)
{
    uint64_t size = size_on_disk(st->st_mode, (uint64_t)st->st_size);

    if (!S_ISDIR(st->st_mode) && st->st_nlink > 1)
        return;
    tree->inodes -= tree->inodes > 0;
    tree->size -= size < tree->size ? size : tree->size;
}

/* ---- removing ------------------------------------------------------------------- */

/*
 * Removes all that is in a folder, however deep, with one descriptor and no recursion: where a
 * folder in it is not empty, the place in the listing is noted and the folder entered; when that
 * is empty, the way back is "..", and the listing goes on at the noted place, which is the folder
 * again, empty now.  Not so in an overlay, whose listing is in another order once a folder has been
 * copied up: so one that was gone on with is listed once more from its beginning, until nothing is
 * found.
 */
struct removal {
    struct tree *tree;
    int at;
    bool has_gone_on; /* the listing of `at` */
    long *places;     /* in the folders above */
    size_t depth, room;
};

static int place_push(struct removal *removal, long place, struct error *err)
{
    if (removal->depth == removal->room) {
        size_t room = removal->room * 2 + 16;
        long *places = realloc(removal->places, room * sizeof(*places));

        if (places == NULL)
            return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
        removal->places = places;
        removal->room = room;
    }
    removal->places[removal->depth++] = place;
    return 0;
}

static int move_to(struct removal *removal, int fd, struct error *err)
{
    if (fd < 0)
        return error_sys(err, errno, "open a folder to remove");
    close(removal->at);
    removal->at = fd;
    return 0;
}

/* *entered: `name` is a folder that is not empty. */
static int remove_name(struct removal *removal, const char *name, bool *entered, struct error *err)
{
    struct stat st;

    *entered = false;
    if (fstatat(removal->at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "stat what is removed");
    if (unlinkat(removal->at, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0) {
        tree_discount(removal->tree, &st);
        return 0;
    }
    if (errno != ENOTEMPTY)
        return error_sys(err, errno, "remove %s", name);
    *entered = true;
    removal->has_gone_on = false;
    return move_to(removal, open_inside(removal->at, name, O_RDONLY | O_DIRECTORY), err);
}

struct listed { /* the kernel's own: struct linux_dirent64 */
    uint64_t inode;
    int64_t next;
    unsigned short length;
    unsigned char type;
    char name[];
};

/* One batch of names; *more: there is more to do in this or an entered folder. */
static int remove_batch(struct removal *removal, bool *more, struct error *err)
{
    _Alignas(8) char batch[4096];
    long before = lseek(removal->at, 0, SEEK_CUR);
    long size = syscall(SYS_getdents64, removal->at, batch, sizeof(batch));
    bool entered = false;

    if (size < 0 || before < 0)
        return error_sys(err, errno, "list a folder to remove");
    *more = size > 0;
    for (long at = 0; at < size && !entered;) {
        const struct listed *listed = (const void *)(batch + at);

        at += listed->length;
        if (strcmp(listed->name, ".") != 0 && strcmp(listed->name, "..") != 0) {
            if (remove_name(removal, listed->name, &entered, err) < 0)
                return -1;
            if (entered && place_push(removal, before, err) < 0)
                return -1;
        }
        before = listed->next;
    }
    return 0;
}

static int go_up(struct removal *removal, struct error *err)
{
    if (move_to(removal, openat(removal->at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err) < 0)
        return -1;
    if (lseek(removal->at, removal->places[--removal->depth], SEEK_SET) < 0)
        return error_sys(err, errno, "list a folder to remove");
    removal->has_gone_on = true;
    return 0;
}

static int list_again(struct removal *removal, struct error *err)
{
    removal->has_gone_on = false;
    return lseek(removal->at, 0, SEEK_SET) < 0 ? error_sys(err, errno, "list a folder to remove")
                                               : 0;
}

/* Empties the folder behind `fd`, which it closes. */
static int empty(struct tree *tree, int fd, struct error *err)
{
    struct removal removal = { .tree = tree, .at = fd };
    bool more = true;
    int status = 0;

    while (status == 0 && (more || removal.has_gone_on || removal.depth > 0)) {
        if (!more)
            status = removal.has_gone_on ? list_again(&removal, err) : go_up(&removal, err);
        if (status == 0)
            status = remove_batch(&removal, &more, err);
    }
    close(removal.at);
    free(removal.places);
    return status;
}

int tree_remove(struct tree *tree, struct folder *parent, const char *name, struct error *err)
{
    char path[PATH_MAX];
    struct stat st;
    int fd;

    if (fstatat(parent->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "stat %s", name);
    parent->touched = true;
    tree->last.id = 0;
    if (S_ISDIR(st.st_mode) && tree->merging)
        return error_set(err, ERROR_FAILED_PRECONDITION, "%.200s is a folder, which stays", name);
    if (S_ISDIR(st.st_mode)) {
        if (folder_path(parent, name, path, err) < 0)
            return -1;
        folders_forget_below(tree, path);
        fd = open_inside(parent->fd, name, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
            return error_sys(err, errno, "open folder %s", name);
        if (empty(tree, fd, err) < 0)
            return -1;
    }
    if (unlinkat(parent->fd, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0)
        return error_sys(err, errno, "remove %s", name);
    tree_discount(tree, &st);
    return 0;
}

int tree_folder_empty(struct tree *tree, struct folder *folder, struct error *err)
{
    char path[PATH_MAX];
    int fd = open_inside(folder->fd, ".", O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        return error_sys(err, errno, "open folder %s", folder->path);
    folder->touched = true;
    memcpy(path, folder->path, folder->length + 1);
    folders_forget_inside(tree, path);
    return empty(tree, fd, err);
}

int tree_empty(struct tree *tree, struct error *err)
{
    int fd = open_inside(tree->top.fd, ".", O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        return error_sys(err, errno, "open the root");
    if (empty(tree, fd, err) < 0 || attributes_clear(tree->top.fd, err) < 0)
        return -1;
    if (fchown(tree->top.fd, 0, 0) < 0 || fchmod(tree->top.fd, 0755) < 0)
        return error_sys(err, errno, "set attributes of the root");
    return 0;
}
