/* stitch — see stitch.h. */
#include "platform/linux/unpack/stitch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/unpack/attributes.h"
#include "platform/linux/unpack/copyup.h"
#include "platform/linux/unpack/deferred.h"
#include "platform/linux/unpack/inodes.h"
#include "platform/linux/unpack/node.h"
#include "platform/linux/unpack/whiteout.h"
#include "platform/scope.h"

struct stitch {
    struct tree *tree;
    struct inodes made; /* files that stitching itself put there */
};

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int again(struct error *err, const char *path)
{
    return error_set(err, ERROR_ABORTED,
                     "%.100s depends on the parents: unpack the layer with them in sight", path);
}

static void parent_of(const char *path, char parent[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t length = slash != NULL ? (size_t)(slash - path) : 0;

    memcpy(parent, path, length);
    parent[length] = '\0';
}

/* ---- folders ------------------------------------------------------------------------ */

/* Does this layer hide what the parents have at `path`?  Not when the folder is gone since: what
   was put through it may be elsewhere. */
static int is_hidden(struct tree *tree, const char *path, bool *hidden, struct error *err)
{
    char parent[PATH_MAX];
    struct folder *folder;

    parent_of(path, parent);
    *hidden = false;
    if (tree_folder(tree, parent, &folder, err) < 0)
        return err->code == ERROR_NOT_FOUND ? 0 : -1;
    return tree_hides(tree, parent, hidden, err);
}

static int inherit(struct tree *tree, struct folder *folder, int lower, struct error *err)
{
    CLEANUP(fd_close) int from = open_inside(lower, ".", O_RDONLY | O_DIRECTORY);
    struct stat st;

    if (from < 0 || fstat(from, &st) < 0)
        return error_sys(err, errno, "open the parents' folder %s", folder->path);
    return attributes_inherit(tree, from, &st, folder, err);
}

static int stitch_folder(struct tree *tree, const char *path, struct error *err)
{
    CLEANUP(fd_close) int lower = -1;
    struct folder *folder = NULL;
    enum mark mark = MARK_NONE;
    bool hidden;
    struct stat st;

    if (is_hidden(tree, path, &hidden, err) < 0 ||
        (!hidden && lower_open(tree, path, &lower, &st, err) < 0))
        return -1;
    if (tree_folder(tree, path, &folder, err) < 0) {
        if (err->code != ERROR_NOT_FOUND)
            return -1;
        folder = NULL;
    }
    if (folder != NULL && deferred_unmark(folder, &mark, err) < 0)
        return -1;
    if (lower < 0 || mark == MARK_WAIVED)
        return 0;
    if (!S_ISDIR(st.st_mode)) /* also where the folder was replaced: something went through it */
        return again(err, path);
    return mark == MARK_WANTED ? inherit(tree, folder, lower, err) : 0;
}

/* ---- links ---------------------------------------------------------------------------- */

/* Is the target something that was in the layer when the link came (but not found, so that it
   lies behind a link of the parents), or came later? */
static int target_check(struct stitch *stitch, const char *folder, const char *name,
                        const char *target, bool *there, struct error *err)
{
    struct folder *found;
    struct stat st;

    *there = false;
    if (tree_folder(stitch->tree, folder, &found, err) < 0)
        return -1;
    if (fstatat(found->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_sys(err, errno, "stat %s", target);
    *there = inodes_has(&stitch->made, st.st_ino);
    return *there ? 0 : again(err, target);
}

static int remember(struct stitch *stitch, struct folder *folder, const char *name,
                    struct error *err)
{
    struct stat st;

    if (fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "stat %s", name);
    return inodes_add(&stitch->made, st.st_ino, err);
}

static int target_make(struct stitch *stitch, const char *target, char folder[PATH_MAX],
                       const char **name, struct error *err)
{
    struct folder *found;
    bool there;

    if (tree_parent(stitch->tree, target, &found, name, err) < 0)
        return -1;
    strcpy(folder, found->path);
    if (target_check(stitch, folder, *name, target, &there, err) < 0)
        return -1;
    if (there)
        return 0;
    if (copyup(stitch->tree, target, folder, name, err) < 0 ||
        tree_folder(stitch->tree, folder, &found, err) < 0)
        return -1;
    return remember(stitch, found, *name, err);
}

static int stitch_link(struct stitch *stitch, uint64_t number, const char *path, const char *target,
                       struct error *err)
{
    struct tree *tree = stitch->tree;
    char parent[PATH_MAX], from[PATH_MAX];
    const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    const char *from_name;
    struct folder *to, *folder;

    parent_of(path, parent);
    if (tree_folder(tree, parent, &to, err) < 0)
        return err->code == ERROR_NOT_FOUND ? 0 : -1;
    if (!deferred_has_number(to, name, number))
        return 0; /* a later entry is there */
    if (target_make(stitch, target, from, &from_name, err) < 0 ||
        tree_folder(tree, parent, &to, err) < 0 || tree_folder(tree, from, &folder, err) < 0)
        return -1;
    return node_link_make(tree, folder, from_name, to, name, err);
}

static int stitch_one(void *self, char kind, uint64_t number, const char *path, const char *target,
                      struct error *err)
{
    struct stitch *stitch = self;
    int status;

    stitch->tree->doubt = kind == 'A';
    if (kind == 'F')
        status = stitch_folder(stitch->tree, path, err);
    else
        status = kind == 'L' ? stitch_link(stitch, number, path, target, err) : -1;
    if (status < 0)
        return stitch->tree->doubt ? again(err, path) : error_wrap(err, "%.100s", path);
    return 0;
}

int stitch(struct tree *tree, int layer, struct error *err)
{
    struct stitch self = { .tree = tree };
    bool opaque;
    int status;

    tree->stitching = true;
    if (fd_is_opaque(tree->top.fd, &opaque, err) < 0 || (opaque && whiteout_root(tree, err) < 0))
        return -1;
    status = deferred_each(layer, stitch_one, &self, err);
    inodes_free(&self.made);
    return status;
}
