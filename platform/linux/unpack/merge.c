/*
 * merge — see merge.h.
 *
 * Folder by folder, from a list of paths: no recursion, whatever depth a stranger has made, and two
 * descriptors at a time.  A folder's own entries are all made before it is left, so its attributes and its
 * time are set once.
 */
#include "platform/linux/unpack/merge.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "platform/linux/unpack/attributes.h"
#include "platform/linux/unpack/copied.h"
#include "platform/linux/unpack/copy.h"
#include "platform/linux/unpack/node.h"
#include "platform/linux/unpack/protocol.h"
#include "platform/scope.h"

struct merge {
    struct tree *to;
    int from;
    bool marks;   /* whiteouts and opaque folders are meant */
    bool moves;   /* until a move has shown that they are two file systems */
    char **todo;  /* paths of folders */
    size_t count, room;
    struct copied copied; /* files with several names */
};

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
}

/* ---- what is left to do ----------------------------------------------------------------- */

static int push(struct merge *merge, const char *path, struct error *err)
{
    if (merge->count == merge->room) {
        size_t room = merge->room * 2 + 64;
        char **todo = realloc(merge->todo, room * sizeof(*todo));

        if (todo == NULL)
            return no_memory(err);
        merge->todo = todo;
        merge->room = room;
    }
    merge->todo[merge->count] = strdup(path);
    return merge->todo[merge->count] != NULL ? (merge->count++, 0) : no_memory(err);
}

static void merge_free(struct merge *merge)
{
    while (merge->count > 0)
        free(merge->todo[--merge->count]);
    free(merge->todo);
    copied_free(&merge->copied);
}

/* ---- files with several names ----------------------------------------------------------- */

/* The first name's folder is opened anew: by now it may have left the cache. */
static int link_copied(struct merge *merge, const char *first, struct folder *folder,
                       const char *name, struct error *err)
{
    const char *slash = strrchr(first, '/');
    char parent[PATH_MAX] = "";
    struct folder *from;

    if (slash != NULL)
        memcpy(parent, first, (size_t)(slash - first));
    if (tree_folder(merge->to, parent, &from, err) < 0)
        return -1;
    return node_link_make(merge->to, from, slash != NULL ? slash + 1 : first, folder, name, err);
}

static int copy(struct merge *merge, const struct stat *st, struct folder *folder, const char *name,
                const char *path, struct error *err)
{
    const char *first = st->st_nlink > 1 ? copied_find(&merge->copied, st) : NULL;

    if (first != NULL)
        return link_copied(merge, first, folder, name, err);
    if (copy_thing(merge->to, merge->from, path, st, folder, name, err) < 0)
        return -1;
    return st->st_nlink > 1 ? copied_add(&merge->copied, st, path, err) : 0;
}

/* ---- one thing -------------------------------------------------------------------------- */

static int remove_there(struct merge *merge, struct folder *folder, const char *name,
                        const struct stat *there, struct error *err)
{
    return there->st_mode != 0 ? tree_remove(merge->to, folder, name, err) : 0;
}

static int merge_folder_entry(struct merge *merge, struct folder *folder, const char *name,
                              const char *path, const struct stat *there, struct error *err)
{
    folder->touched = true;
    if (S_ISDIR(there->st_mode))
        return push(merge, path, err);
    if (remove_there(merge, folder, name, there, err) < 0)
        return -1;
    if (mkdirat(folder->fd, name, 0700) < 0)
        return error_sys(err, errno, "make folder %s", path);
    return tree_count(merge->to, S_IFDIR, 0, err) < 0 ? -1 : push(merge, path, err);
}

/* A file replaces a file in one step; a folder has to go first. */
static int merge_file(struct merge *merge, int from, const struct stat *st, struct folder *folder,
                      const char *name, const char *path, const struct stat *there,
                      struct error *err)
{
    struct stat gone = *there;

    if (S_ISDIR(there->st_mode)) {
        if (tree_remove(merge->to, folder, name, err) < 0)
            return -1;
        gone.st_mode = 0;
    }
    folder->touched = true;
    if (merge->moves) {
        if (renameat(from, name, folder->fd, name) == 0)
            return 0;
        if (errno != EXDEV)
            return error_sys(err, errno, "move %s", path);
        merge->moves = false;
    }
    if (remove_there(merge, folder, name, &gone, err) < 0)
        return -1;
    return copy(merge, st, folder, name, path, err);
}

static int merge_entry(struct merge *merge, int from, struct folder *folder, const char *name,
                       struct error *err)
{
    char path[PATH_MAX];
    struct stat st, there = { 0 };

    if (folder_path(folder, name, path, err) < 0)
        return -1;
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "stat %s", path);
    if (fstatat(folder->fd, name, &there, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            return error_sys(err, errno, "stat %s", path);
        there.st_mode = 0;
    }
    if (merge->marks && is_whiteout(&st))
        return remove_there(merge, folder, name, &there, err);
    if (S_ISDIR(st.st_mode))
        return merge_folder_entry(merge, folder, name, path, &there, err);
    return merge_file(merge, from, &st, folder, name, path, &there, err);
}

/* ---- one folder ------------------------------------------------------------------------- */

/* A root that the layer does not name is the parents' root. */
static bool is_implied(int from)
{
    char mark;

    return fgetxattr(from, layer_marks()->implied, &mark, 1) >= 0;
}

static int take_attributes(struct merge *merge, int from, struct folder *folder, struct error *err)
{
    bool opaque = false;
    struct stat st;

    if (merge->marks && fd_is_opaque(from, &opaque, err) < 0)
        return -1;
    if (opaque && tree_folder_empty(merge->to, folder, err) < 0)
        return -1;
    if (merge->marks && is_implied(from))
        return 0;
    if (fstat(from, &st) < 0)
        return error_sys(err, errno, "stat folder %s", folder->path);
    if (attributes_clear(folder->fd, err) < 0)
        return -1;
    return attributes_inherit(merge->to, from, &st, folder, err);
}

static int each_entry(struct merge *merge, DIR *list, const char *path, struct error *err)
{
    const struct dirent *entry;
    struct folder *folder;

    for (errno = 0; (entry = readdir(list)) != NULL; errno = 0) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (tree_folder(merge->to, path, &folder, err) < 0 ||
            merge_entry(merge, dirfd(list), folder, entry->d_name, err) < 0)
            return -1;
    }
    return errno != 0 ? error_sys(err, errno, "list folder %s", path) : 0;
}

static int merge_folder(struct merge *merge, const char *path, struct error *err)
{
    int from = open_inside(merge->from, *path == '\0' ? "." : path, O_RDONLY | O_DIRECTORY);
    struct folder *folder;
    DIR *list;
    int status;

    if (from < 0 || (list = fdopendir(from)) == NULL) {
        error_sys(err, errno, "open folder %s", path);
        fd_close(&from);
        return -1;
    }
    status = tree_folder(merge->to, path, &folder, err);
    if (status == 0)
        status = take_attributes(merge, from, folder, err);
    if (status == 0)
        status = each_entry(merge, list, path, err);
    closedir(list);
    return status;
}

int merge(struct tree *to, int from, enum merge_how how, struct error *err)
{
    struct merge merge = { .to = to,
                           .from = from,
                           .marks = how == MERGE_LAYER,
                           .moves = how == MERGE_LAYER };
    int status = push(&merge, "", err);

    while (status == 0 && merge.count > 0) {
        char *path = merge.todo[--merge.count];

        status = merge_folder(&merge, path, err);
        free(path);
    }
    merge_free(&merge);
    return status;
}
