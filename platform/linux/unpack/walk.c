/*
 * walk — where a path of the layer leads.
 *
 * Links are followed as text, from the root of the tree, where `..` at the root
 * stays there.  A folder that is missing on the way is looked for in the parents,
 * when they are known: a link there is followed too, a folder there means that
 * its attributes are wanted (deferred.h).  What is nowhere is made, 0755 root.
 *
 * A path costs what its text costs: its steps and links are limited.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "platform/linux/unpack/attributes.h"
#include "platform/linux/unpack/deferred.h"
#include "platform/linux/unpack/folders.h"
#include "platform/linux/unpack/protocol.h"
#include "platform/linux/unpack/tree.h"
#include "platform/scope.h"

#define LINKS 40   /* as the kernel */
#define STEPS 4096 /* names looked at for one path */

struct walk {
    struct tree *tree;
    struct folder *at;
    bool make;
    unsigned links, steps;
    char todo[PATH_MAX];   /* what is left of the path */
    char target[PATH_MAX]; /* of the link that was met, "" else */
};

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* The first name of a clean path; says what is behind it. */
static const char *name_next(const char *path, char name[NAME_MAX + 1])
{
    size_t length = strcspn(path, "/");

    snprintf(name, NAME_MAX + 1, "%.*s", (int)length, path);
    return path + length + (path[length] == '/');
}

bool is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

int lower_open(struct tree *tree, const char *path, int *fd, struct stat *st, struct error *err)
{
    *fd = -1;
    if (tree->lower < 0)
        return 0;
    *fd = open_inside(tree->lower, *path == '\0' ? "." : path, O_PATH);
    if (*fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return 0;
    if (*fd < 0 || fstat(*fd, st) < 0)
        return error_sys(err, errno, "look for %s in the parents", path);
    return 0;
}

/* Not by way of the cache: that would close folders that the caller is using. */
int tree_hides(struct tree *tree, const char *path, bool *hides, struct error *err)
{
    CLEANUP(fd_close) int at = dup(tree->top.fd);
    char name[NAME_MAX + 1];
    int next;

    if (at < 0)
        return error_sys(err, errno, "open the root");
    for (;;) {
        if (fd_is_opaque(at, hides, err) < 0)
            return -1;
        if (*hides || *path == '\0')
            return 0;
        path = name_next(path, name);
        next = open_inside(at, name, O_RDONLY | O_DIRECTORY);
        if (next < 0)
            return error_sys(err, errno, "open folder %s", name);
        close(at);
        at = next;
    }
}

/* ---- making what is missing --------------------------------------------------------- */

/* An unnamed folder: 0755 root:root, the time of the entry it is made for. */
static int make_folder(struct walk *walk, const char *name, bool opaque, struct error *err)
{
    struct tree *tree = walk->tree;
    struct folder *parent = walk->at;

    if (mkdirat(parent->fd, name, 0755) < 0)
        return error_sys(err, errno, "make folder %s", name);
    parent->touched = true;
    if (tree_count(tree, S_IFDIR, 0, err) < 0 ||
        tree_folder_enter(tree, parent, name, &walk->at, err) < 0)
        return -1;
    if ((parent->gives_group || tree->default_acl) &&
        (fchown(walk->at->fd, 0, 0) < 0 || attributes_plain(walk->at->fd, 0755, err) < 0))
        return error_sys(err, errno, "set attributes of %s", name);
    walk->at->gives_group = false;
    walk->at->mtime = tree->entry_time;
    walk->at->touched = true;
    if (opaque && fsetxattr(walk->at->fd, layer_marks()->opaque, "y", 1, 0) < 0)
        return error_sys(err, errno, "hide what is under %s", name);
    return 0;
}

/* The parents have a folder here, or may have one. */
static int make_inherited(struct walk *walk, const char *name, int lower, struct error *err)
{
    CLEANUP(fd_close) int from = -1;
    struct stat st;

    if (make_folder(walk, name, false, err) < 0)
        return -1;
    if (!walk->tree->stitching)
        return deferred_folder(walk->tree->deferred, walk->at, err);
    from = open_inside(lower, ".", O_RDONLY | O_DIRECTORY);
    if (from < 0 || fstat(from, &st) < 0)
        return error_sys(err, errno, "open the parents' folder %s", name);
    return attributes_inherit(walk->tree, from, &st, walk->at, err);
}

static int link_read(struct walk *walk, int fd, const char *name, struct error *err)
{
    ssize_t length = readlinkat(fd, name, walk->target, sizeof(walk->target) - 1);

    if (length < 0)
        return error_sys(err, errno, "read link %s", name);
    walk->target[length] = '\0';
    return 0;
}

/* Nothing of that name is in the tree (or only a whiteout that was there). */
static int step_missing(struct walk *walk, const char *name, bool was_hidden, struct error *err)
{
    CLEANUP(fd_close) int lower = -1;
    struct tree *tree = walk->tree;
    char path[PATH_MAX];
    bool hides = was_hidden;
    struct stat st;

    if (!walk->make)
        return error_set(err, ERROR_NOT_FOUND, "no folder %s", name);
    if (tree->base || was_hidden)
        return make_folder(walk, name, was_hidden && !tree->base, err);
    if (tree->lower < 0)
        return make_inherited(walk, name, -1, err);
    if (folder_path(walk->at, name, path, err) < 0 ||
        tree_hides(tree, walk->at->path, &hides, err) < 0 ||
        (!hides && lower_open(tree, path, &lower, &st, err) < 0))
        return -1;
    if (lower < 0)
        return make_folder(walk, name, false, err);
    if (S_ISDIR(st.st_mode))
        return make_inherited(walk, name, lower, err);
    if (S_ISLNK(st.st_mode))
        return link_read(walk, lower, "", err);
    return tree_doubt(tree, err, "%s is not a folder", name);
}

/* ---- one name ------------------------------------------------------------------------ */

static int step_other(struct walk *walk, const char *name, struct error *err)
{
    struct tree *tree = walk->tree;
    struct stat st;

    if (fstatat(walk->at->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_sys(err, errno, "stat %s", name);
    if (S_ISLNK(st.st_mode))
        return link_read(walk, walk->at->fd, name, err);
    if (!walk->make)
        return error_set(err, ERROR_NOT_FOUND, "no folder %s", name);
    if (!is_whiteout(&st))
        return tree_doubt(tree, err, "%s is not a folder", name);
    if (tree_remove(tree, walk->at, name, err) < 0)
        return -1;
    return step_missing(walk, name, true, err);
}

/* From walk->at to `name` in it; or walk->target is set. */
static int step(struct walk *walk, const char *name, struct error *err)
{
    char path[PATH_MAX];
    struct folder *cached;
    int fd;

    if (folder_path(walk->at, name, path, err) < 0)
        return -1;
    cached = folder_cached(walk->tree, path, strlen(path));
    if (cached != NULL) {
        walk->at = cached;
        return 0;
    }
    fd = open_inside(walk->at->fd, name, O_RDONLY | O_DIRECTORY);
    if (fd >= 0)
        return folder_keep(walk->tree, fd, path, strlen(path), &walk->at, err);
    if (errno == ENOENT)
        return step_missing(walk, name, false, err);
    if (errno == ENOTDIR || errno == ELOOP)
        return step_other(walk, name, err);
    return error_sys(err, errno, "open folder %s", path);
}

static int step_up(struct walk *walk, struct error *err)
{
    char path[PATH_MAX], *slash;

    strcpy(path, walk->at->path);
    slash = strrchr(path, '/');
    *(slash != NULL ? slash : path) = '\0';
    return tree_folder(walk->tree, path, &walk->at, err);
}

/* The link's text comes before what was left of the path. */
static int follow(struct walk *walk, const char *rest, struct error *err)
{
    size_t target = strlen(walk->target), left = strlen(rest);

    if (++walk->links > LINKS || target + 1 + left >= sizeof(walk->todo))
        return tree_doubt(walk->tree, err, "too many links, or too long ones");
    memmove(walk->todo + target + 1, rest, left + 1);
    memcpy(walk->todo, walk->target, target);
    walk->todo[target] = '/';
    if (walk->target[0] == '/')
        walk->at = &walk->tree->top;
    walk->target[0] = '\0';
    return 0;
}

static int walk_path(struct walk *walk, struct error *err)
{
    char name[NAME_MAX + 1];
    const char *at = walk->todo;
    size_t length;

    for (at += strspn(at, "/"); *at != '\0'; at += strspn(at, "/")) {
        length = strcspn(at, "/");
        if (length > NAME_MAX || ++walk->steps > STEPS)
            return error_set(err, ERROR_INVALID_ARGUMENT, "%.60s...: too long", at);
        memcpy(name, at, length);
        name[length] = '\0';
        at += length;
        if (strcmp(name, ".") == 0)
            continue;
        if ((strcmp(name, "..") == 0 ? step_up(walk, err) : step(walk, name, err)) < 0)
            return -1;
        if (walk->target[0] == '\0')
            continue;
        if (follow(walk, at, err) < 0)
            return -1;
        at = walk->todo;
    }
    return 0;
}

static int walk_to(struct tree *tree, const char *path, bool make, struct folder **folder,
                   struct error *err)
{
    struct walk walk = { .tree = tree, .at = &tree->top, .make = make };

    strcpy(walk.todo, path); /* a clean path is shorter than PATH_MAX */
    if (walk_path(&walk, err) < 0)
        return -1;
    *folder = walk.at;
    return 0;
}

int tree_folder_find(struct tree *tree, const char *path, struct folder **folder, struct error *err)
{
    return walk_to(tree, path, false, folder, err);
}

int tree_folder_make(struct tree *tree, const char *path, struct folder **folder, struct error *err)
{
    if (tree_folder(tree, path, folder, err) == 0)
        return 0;
    if (err->code != ERROR_NOT_FOUND)
        return -1;
    return walk_to(tree, path, true, folder, err);
}

/* Most entries lie where the one before them lies. */
static int parent_find(struct tree *tree, const char *path, struct folder **folder,
                       struct error *err)
{
    if (tree->last.id != 0 && tree->last.folder->id == tree->last.id &&
        strcmp(tree->last.path, path) == 0) {
        *folder = tree->last.folder;
        (*folder)->used = ++tree->clock;
        return 0;
    }
    if (tree_folder_make(tree, path, folder, err) < 0)
        return -1;
    strcpy(tree->last.path, path);
    tree->last.folder = *folder;
    tree->last.id = (*folder)->id;
    return 0;
}

int tree_parent(struct tree *tree, const char *path, struct folder **parent, const char **name,
                struct error *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash != NULL ? (size_t)(slash - path) : 0;

    memcpy(folder, path, length);
    folder[length] = '\0';
    *name = slash != NULL ? slash + 1 : path;
    return parent_find(tree, folder, parent, err);
}
