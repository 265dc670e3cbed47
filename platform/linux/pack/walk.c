/* walk — see walk.h. */
#include "platform/linux/pack/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/pack/names.h"
#include "platform/linux/unpack/report.h"
#include "platform/scope.h"

#define PIECE 65536

struct walking {
    const struct walk *walk;
    char path[PATH_MAX];
    uint64_t seen;
};

static void fd_drop(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* ---- is it the same? ------------------------------------------------------------------------ */

static int same_bytes(int before, int after, const char *name, bool *same, struct error *err)
{
    static char a[PIECE], b[PIECE];
    CLEANUP(fd_drop) int old = openat(before, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    CLEANUP(fd_drop) int new = openat(after, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    ssize_t got, other;

    *same = false;
    if (old < 0 || new < 0)
        return error_sys(err, errno, "open %s", name);
    do {
        got = read(old, a, sizeof(a));
        other = read(new, b, sizeof(b));
        if (got < 0 || other < 0)
            return error_sys(err, errno, "read %s", name);
        if (got != other || memcmp(a, b, (size_t)got) != 0)
            return 0;
    } while (got > 0);
    *same = true;
    return 0;
}

static int same_target(int before, int after, const char *name, bool *same, struct error *err)
{
    static char a[PATH_MAX], b[PATH_MAX];
    ssize_t old = readlinkat(before, name, a, sizeof(a)),
            new = readlinkat(after, name, b, sizeof(b));

    if (old < 0 || new < 0)
        return error_sys(err, errno, "read the link %s", name);
    *same = old == new &&memcmp(a, b, (size_t)old) == 0;
    return 0;
}

static int same_attributes(int before, int after, const char *name, bool *same, struct error *err)
{
    static struct attributes a, b;

    if (attributes_read(before, name, &a, err) < 0 || attributes_read(after, name, &b, err) < 0)
        return -1;
    *same = attributes_same(&a, &b);
    return 0;
}

static bool same_time(const struct stat *a, const struct stat *b)
{
    return a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* What stat(2) says, without the time. */
static bool same_kind(const struct stat *a, const struct stat *b)
{
    if (a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid)
        return false;
    if (S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode))
        return a->st_rdev == b->st_rdev;
    return S_ISDIR(a->st_mode) || a->st_size == b->st_size;
}

/* Of files that look alike.  What overlayfs has copied up is few, and somebody wanted to write it.
 */
static int same_content(int before, int after, const char *name, const struct stat *st,
                        bool is_upper, bool *same, struct error *err)
{
    *same = true;
    if (S_ISLNK(st->st_mode) && same_target(before, after, name, same, err) < 0)
        return -1;
    if (S_ISREG(st->st_mode) && st->st_size > 0 && (st->st_mtim.tv_nsec == 0 || is_upper) &&
        same_bytes(before, after, name, same, err) < 0)
        return -1;
    return *same ? same_attributes(before, after, name, same, err) : 0;
}

/* What overlayfs has copied up for another name of it is one file with that no more. */
static bool links_same(const struct walk *walk, const struct level *in, const struct stat *was,
                       const struct stat *st)
{
    if (S_ISDIR(st->st_mode) || walk->links_same == NULL)
        return true;
    if (in->is_upper && was->st_nlink > 1)
        return false;
    return walk->links_same(walk->ctx, was, st);
}

static int compare(const struct walk *walk, int before, struct spot *spot, struct error *err)
{
    const struct level *in = spot->in;
    bool same;

    spot->change = CHANGE_MODIFIED;
    if (!same_kind(spot->was, spot->st) ||
        (!S_ISDIR(spot->st->st_mode) && !same_time(spot->was, spot->st)))
        return 0;
    if (same_content(before, in != NULL ? in->after : walk->trees.after, spot->name, spot->st,
                     in != NULL && in->is_upper, &same, err) < 0)
        return -1;
    if (!same || (in != NULL && !links_same(walk, in, spot->was, spot->st)))
        return 0;
    spot->only_time = S_ISDIR(spot->st->st_mode) && !same_time(spot->was, spot->st);
    if (!spot->only_time)
        spot->change = CHANGE_NONE;
    return 0;
}

/* ---- one name ---------------------------------------------------------------------------------
 */

/* 1: there, 0: not; nor is a socket, which no archive can hold. */
static int look(int folder, const char *name, const struct ids *ids, struct stat *st,
                struct error *err)
{
    if (folder < 0)
        return 0;
    if (fstatat(folder, name, st, AT_SYMLINK_NOFOLLOW) == 0) {
        ids_inside(ids, st);
        return !S_ISSOCK(st->st_mode);
    }
    return errno == ENOENT ? 0 : error_sys(err, errno, "stat %s", name);
}

static bool is_whiteout(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static bool is_empty(int folder, const char *name, const struct stat *st)
{
    CLEANUP(names_free) struct names names = { 0 };
    CLEANUP(fd_drop) int fd = -1;
    struct error ignored;

    if (!S_ISDIR(st->st_mode))
        return S_ISREG(st->st_mode) && st->st_size == 0;
    fd = open_within(folder, name, O_RDONLY | O_DIRECTORY);
    return fd >= 0 && names_read(fd, &names, &ignored) == 0 && names.count == 0;
}

static bool is_excluded(const struct walking *walking, const struct level *in, const char *name,
                        const struct stat *st)
{
    for (char *const *path = walking->walk->excluded; path != NULL && *path != NULL; path++)
        if (strcmp(*path, walking->path) == 0)
            return is_empty(in->after, name, st);
    return false;
}

/* Appends a name; the path of the folder is `length` bytes. */
static int path_set(struct walking *walking, size_t length, const char *name, struct error *err)
{
    size_t more = strlen(name);

    if (length + 1 + more >= sizeof(walking->path))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "%.60s...: a path of more than %zu bytes cannot be in a layer",
                         walking->path, sizeof(walking->path) - 1);
    if (length > 0)
        walking->path[length++] = '/';
    memcpy(walking->path + length, name, more + 1);
    return 0;
}

static int folder_walk(struct walking *walking, struct level *level, struct error *err);

static int child_open(int folder, const char *name, int *fd, struct error *err)
{
    *fd = open_within(folder, name, O_RDONLY | O_DIRECTORY);
    return *fd < 0 ? error_sys(err, errno, "open folder %s", name) : 0;
}

static int enter(struct walking *walking, struct level *in, struct spot *spot, bool was_folder,
                 struct error *err)
{
    CLEANUP(fd_drop) int before = -1;
    CLEANUP(fd_drop) int after = -1;
    struct level level = { .above = in,
                           .name = spot->name,
                           .length = strlen(walking->path),
                           .st = *spot->st,
                           .is_upper = in->is_upper };
    int opaque = in->is_upper ? attributes_opaque(in->after, spot->name, err) : 0;

    if (opaque < 0 || child_open(in->after, spot->name, &after, err) < 0 ||
        (was_folder && child_open(in->before, spot->name, &before, err) < 0))
        return -1;
    level.before = before;
    level.after = after;
    level.is_upper = in->is_upper && !opaque && was_folder;
    spot->own = &level;
    if (walking->walk->one(walking->walk->ctx, spot, err) < 0)
        return -1;
    return folder_walk(walking, &level, err);
}

/* `st` is in the folder now. */
static int present_walk(struct walking *walking, struct level *in, const char *name,
                        const struct stat *st, struct error *err)
{
    struct stat before;
    struct spot spot = {
        .change = CHANGE_ADDED, .path = walking->path, .name = name, .in = in, .st = st
    };
    int was = look(in->before, name, &walking->walk->trees.before_ids, &before, err);

    if (was < 0)
        return -1;
    if (was == 0 && is_excluded(walking, in, name, st))
        return 0;
    if (was == 1) {
        spot.was = &before;
        if (compare(walking->walk, in->before, &spot, err) < 0)
            return -1;
    }
    if (S_ISDIR(st->st_mode))
        return enter(walking, in, &spot, was == 1 && S_ISDIR(before.st_mode), err);
    return walking->walk->one(walking->walk->ctx, &spot, err);
}

static int name_walk(struct walking *walking, struct level *in, const char *name, struct error *err)
{
    struct stat st;
    int is;

    if (path_set(walking, in->length, name, err) < 0 ||
        (is = look(in->after, name, &walking->walk->trees.after_ids, &st, err)) < 0)
        return -1;
    if (is == 0 || (walking->walk->trees.is_upper && is_whiteout(&st)))
        return 0;
    report_progress(0, ++walking->seen);
    return present_walk(walking, in, name, &st, err);
}

/* ---- what was removed -------------------------------------------------------------------------
 */

/* Names of the folder as it was that are none any more.  An upper folder says so itself. */
static int removed_find(const struct level *level, const struct pair *trees,
                        const struct names *old, const struct names *new, bool *gone, size_t *count,
                        struct error *err)
{
    struct stat st, now;

    *count = 0;
    for (size_t i = 0; i < old->count; i++) {
        int was = look(level->before, old->items[i], &trees->before_ids, &st, err), is;

        if (was < 0)
            return -1;
        is = names_have(new, old->items[i])
                 ? look(level->after, old->items[i], &trees->after_ids, &now, err)
                 : 0;
        if (is < 0)
            return -1;
        if (is == 1 && trees->is_upper && is_whiteout(&now))
            is = 0;
        else if (level->is_upper && !names_have(new, old->items[i]))
            is = 1; /* it is seen through */
        gone[i] = was == 1 && is == 0;
        *count += gone[i];
    }
    return 0;
}

static int removed_tell(struct walking *walking, struct level *level, const struct names *old,
                        const bool *gone, struct error *err)
{
    for (size_t i = 0; i < old->count; i++) {
        struct spot spot = {
            .change = CHANGE_REMOVED, .path = walking->path, .name = old->items[i], .in = level
        };

        if (!gone[i])
            continue;
        if (path_set(walking, level->length, old->items[i], err) < 0 ||
            walking->walk->one(walking->walk->ctx, &spot, err) < 0)
            return -1;
    }
    return 0;
}

static bool has_whiteouts(const struct level *level, const struct names *new)
{
    struct stat st;

    for (size_t i = 0; i < new->count; i++)
        if (fstatat(level->after, new->items[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && is_whiteout(&st))
            return true;
    return false;
}

static int removed_walk(struct walking *walking, struct level *level, const struct names *new,
                        struct error *err)
{
    const struct walk *walk = walking->walk;
    struct spot spot = { .path = walking->path,
                         .name = level->name,
                         .in = level->above,
                         .own = level,
                         .st = &level->st };
    CLEANUP(names_free) struct names old = { 0 };
    size_t count;
    bool *gone;
    int result;

    if (level->before < 0 || (level->is_upper && !has_whiteouts(level, new)))
        return 0;
    if (names_read(level->before, &old, err) < 0)
        return -1;
    gone = calloc(old.count + 1, sizeof(*gone));
    if (gone == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for a folder's names");
    result = removed_find(level, &walk->trees, &old, new, gone, &count, err);
    if (result == 0 && count > 1 && count == old.count && walk->emptied != NULL) {
        walking->path[level->length] = '\0';
        result = walk->emptied(walk->ctx, &spot, err);
    } else if (result == 0) {
        result = removed_tell(walking, level, &old, gone, err);
    }
    free(gone);
    return result;
}

/* ---- folders ----------------------------------------------------------------------------------
 */

static int folder_walk(struct walking *walking, struct level *level, struct error *err)
{
    CLEANUP(names_free) struct names names = { 0 };

    if (names_read(level->after, &names, err) < 0 || removed_walk(walking, level, &names, err) < 0)
        return error_wrap(err, "/%.100s", walking->path);
    for (size_t i = 0; i < names.count; i++)
        if (name_walk(walking, level, names.items[i], err) < 0)
            return level->above == NULL ? error_wrap(err, "/%.100s", walking->path) : -1;
    return 0;
}

static int root_tell(const struct walk *walk, struct level *level, struct error *err)
{
    struct stat was;
    struct spot spot = {
        .change = CHANGE_MODIFIED, .path = "", .name = ".", .own = level, .st = &level->st
    };

    if (fstat(walk->trees.after, &level->st) < 0 ||
        (walk->trees.before >= 0 && fstat(walk->trees.before, &was) < 0))
        return error_sys(err, errno, "stat the root");
    ids_inside(&walk->trees.after_ids, &level->st);
    if (walk->trees.before >= 0) {
        ids_inside(&walk->trees.before_ids, &was);
        spot.was = &was;
        if (compare(walk, walk->trees.before, &spot, err) < 0)
            return -1;
    }
    return walk->one(walk->ctx, &spot, err);
}

int walk_trees(const struct walk *walk, struct error *err)
{
    static struct walking walking;
    struct level root = { .before = walk->trees.before,
                          .after = walk->trees.after,
                          .name = ".",
                          .is_upper = walk->trees.is_upper };

    walking = (struct walking){ .walk = walk };
    if (root_tell(walk, &root, err) < 0)
        return -1;
    return folder_walk(&walking, &root, err);
}
