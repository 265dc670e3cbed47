/*
 * random_layer_fixture — random layers, and a reference for what they are on top of each other.
 *
 * The reference unpacks in a mounted view, the way of those who have one: it removes what the
 * whiteouts name, then does what each entry says with ordinary calls, and puts back the times of
 * folders that were not named.  It is written from the rules, and shares nothing with the helper.
 * Layers are random, over few names, so that everything meets everything.
 */
#ifndef TESTS_RANDOM_LAYER_FIXTURE_H
#define TESTS_RANDOM_LAYER_FIXTURE_H

#include <sys/syscall.h>

#include "tests/platform/random_fixture.h"

struct random_layer {
    int root; /* of the reference's mounted view */
    struct bytes whiteouts, tar;
    char parents[16][32]; /* folders that the whiteouts are in */
    unsigned parent_count;
    bool through_link; /* one of them is not what it is called */
    uint64_t own[64];  /* inodes of files that this layer has made or linked */
    unsigned own_count;
    int64_t first; /* time of the first entry */
    bool root_named;
};

static void any_path(char path[32])
{
    unsigned depth = 1 + any(3);

    path[0] = '\0';
    for (unsigned i = 0; i < depth; i++)
        snprintf(path + strlen(path), 32 - strlen(path), "%s%c", i > 0 ? "/" : "", "abcd"[any(4)]);
}

static const char *name_of(const char *path)
{
    return strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
}

#define IN_ROOT     0x10 /* of openat2 */
#define NO_SYMLINKS 0x04

static int open_view(int root, const char *path, uint64_t resolve)
{
    struct {
        uint64_t flags, mode, resolve;
    } how = { O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, resolve };

    return (int)syscall(437, root, *path ? path : ".", &how, sizeof(how));
}

static void time_restore(int fd, const struct stat *before)
{
    assert_int_equal(futimens(fd, (struct timespec[]){ before->st_mtim, before->st_mtim }), 0);
}

enum parent { PARENT_IS, PARENT_IS_MISSING, PARENT_IS_NONE };

/* Is there a folder above `path`?  None: something else is in the way. */
static enum parent parent_look(int root, const char *path)
{
    char part[32], above[32];
    struct stat st;

    for (const char *end = strchr(path, '/'); end != NULL; end = strchr(end + 1, '/')) {
        CLEANUP(close_fd) int parent = -1;
        CLEANUP(close_fd) int fd = -1;

        snprintf(part, sizeof(part), "%.*s", (int)(end - path), path);
        fd = open_view(root, part, IN_ROOT);
        if (fd >= 0)
            continue;
        snprintf(above, sizeof(above), "%.*s", (int)(name_of(part) - part), part);
        parent = open_view(root, above, IN_ROOT);
        if (fstatat(parent, name_of(part), &st, AT_SYMLINK_NOFOLLOW) == 0)
            return PARENT_IS_NONE; /* a file, or a link that leads nowhere */
        return PARENT_IS_MISSING;
    }
    return PARENT_IS;
}

/* The folder above `path`; what is missing is made, as for an entry of that time. */
static int parent_make(int root, const char *path, int64_t mtime)
{
    int fd = open_view(root, "", IN_ROOT), next;
    char part[32];
    struct stat before;

    for (const char *end = strchr(path, '/'); end != NULL; end = strchr(end + 1, '/')) {
        snprintf(part, sizeof(part), "%.*s", (int)(end - path), path);
        next = open_view(root, part, IN_ROOT);
        if (next < 0) {
            fstat(fd, &before);
            assert_int_equal(mkdirat(fd, name_of(part), 0755), 0);
            next = open_view(root, part, IN_ROOT);
            assert_int_equal(fchown(next, 0, 0), 0); /* of a setgid folder it had the group */
            assert_int_equal(fchmod(next, 0755), 0);
            futimens(next, (struct timespec[]){ { mtime, 0 }, { mtime, 0 } });
            time_restore(fd, &before);
        }
        close(fd);
        fd = next;
    }
    return fd;
}

static void remove_at(int fd, const char *name)
{
    char path[256], link[64];
    struct error err;
    ssize_t length;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof(path) - 34);
    assert_true(length > 0);
    snprintf(path + length, sizeof(path) - (size_t)length, "/%s", name);
    if (fs_remove_tree(path, &err) < 0)
        fail_msg("reference: %s", err.text);
}

/* ---- its whiteouts: before everything else ---- */

static void remove_inside(int parent, const char *name)
{
    CLEANUP(close_fd) int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat before;

    fstat(folder, &before);
    for (char c = 'a'; c <= 'd'; c++)
        remove_at(folder, (char[]){ c, '\0' });
    time_restore(folder, &before);
}

/* No tool writes whiteouts into a folder that it removes. */
static bool holds_whiteouts(const struct random_layer *layer, const char *path)
{
    for (unsigned i = 0; i < layer->parent_count; i++)
        if (strncmp(layer->parents[i], path, strlen(path)) == 0)
            return true;
    return layer->through_link;
}

static void whiteout_is_in(struct random_layer *layer, const char *path, size_t length)
{
    CLEANUP(close_fd) int fd = -1;
    char *parent = layer->parents[layer->parent_count++];

    snprintf(parent, 32, "%.*s", (int)length, path);
    fd = open_view(layer->root, parent, IN_ROOT | NO_SYMLINKS);
    layer->through_link |= fd < 0;
}

static void random_whiteout(struct random_layer *layer)
{
    CLEANUP(close_fd) int parent = -1;
    char path[32], name[64];
    struct stat before, st;
    int above;

    any_path(path);
    above = (int)(name_of(path) - path);
    if (parent_look(layer->root, path) != PARENT_IS || holds_whiteouts(layer, path))
        return;
    parent = parent_make(layer->root, path, 0);
    if (fstatat(parent, name_of(path), &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    fstat(parent, &before);
    if (S_ISDIR(st.st_mode) && any(2) == 0) {
        remove_inside(parent, name_of(path));
        snprintf(name, sizeof(name), "%s/.wh..wh..opq", path);
        whiteout_is_in(layer, path, strlen(path));
    } else {
        remove_at(parent, name_of(path));
        snprintf(name, sizeof(name), "%.*s.wh.%s", above, path, name_of(path));
        whiteout_is_in(layer, path, (size_t)above);
    }
    time_restore(parent, &before);
    TAR(&layer->whiteouts, .name = name, .data = "");
}

/* Whiteouts may come last if they mean the same folders then. */
static bool may_be_last(const struct random_layer *layer)
{
    for (unsigned i = 0; i < layer->parent_count; i++) {
        CLEANUP(close_fd) int fd = open_view(layer->root, layer->parents[i], IN_ROOT | NO_SYMLINKS);

        if (fd < 0)
            return false;
    }
    return true;
}

/* ---- its entries ---- */

static void attributes_at(int fd, const char *name, const struct item *item, const char *xattr)
{
    const struct timespec times[2] = { { item->mtime, 0 }, { item->mtime, 0 } };
    int opened;

    assert_int_equal(fchownat(fd, name, item->uid, item->gid, AT_SYMLINK_NOFOLLOW), 0);
    if (item->type != '2')
        assert_int_equal(fchmodat(fd, name, item->mode, 0), 0);
    if (item->type == 0 || item->type == '5') {
        opened = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        fremovexattr(opened, "user.k");
        if (xattr != NULL)
            assert_int_equal(fsetxattr(opened, "user.k", xattr, strlen(xattr), 0), 0);
        close(opened);
    }
    assert_int_equal(utimensat(fd, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void make_in_view(int fd, const char *name, const struct item *item, const char *xattr)
{
    struct stat st;
    bool is = fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    bool stays = is && item->type == '5' && S_ISDIR(st.st_mode);
    int file;

    if (is && !stays)
        remove_at(fd, name);
    if (item->type == '5' && !stays)
        assert_int_equal(mkdirat(fd, name, 0700), 0);
    if (item->type == '2')
        assert_int_equal(symlinkat(item->link, fd, name), 0);
    if (item->type == '6')
        assert_int_equal(mknodat(fd, name, S_IFIFO | 0600, 0), 0);
    if (item->type == 0) {
        file = openat(fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_int_equal(write(file, item->data, strlen(item->data)), strlen(item->data));
        close(file);
    }
    attributes_at(fd, name, item, xattr);
}

/* Of a lower file with several names overlay copies one up, which the others then do not share any
   more, even if the link that it was for is replaced later: a reference for one name only. */
static bool is_own_or_single(const struct random_layer *layer, const struct stat *st)
{
    for (unsigned i = 0; i < layer->own_count; i++)
        if (layer->own[i] == st->st_ino)
            return true;
    return st->st_nlink == 1;
}

/* A link's target has to be a file, and the link may replace neither it nor a folder (which may
   hold it). */
static bool link_is_possible(const struct random_layer *layer, const char *target, const char *path)
{
    int root = layer->root;
    CLEANUP(close_fd) int from = -1;
    CLEANUP(close_fd) int to = -1;
    struct stat st, other;

    if (parent_look(root, target) != PARENT_IS)
        return false;
    from = parent_make(root, target, 0);
    if (fstatat(from, name_of(target), &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode) ||
        !is_own_or_single(layer, &st))
        return false;
    if (parent_look(root, path) != PARENT_IS)
        return true;
    to = parent_make(root, path, 0);
    return fstatat(to, name_of(path), &other, AT_SYMLINK_NOFOLLOW) < 0 ||
           (!S_ISDIR(other.st_mode) && st.st_ino != other.st_ino);
}

static void link_in_view(int root, const char *target, int fd, const char *name)
{
    CLEANUP(close_fd) int from = parent_make(root, target, 0);
    struct stat st, before;

    fstat(from, &before);
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        remove_at(fd, name);
    if (linkat(from, name_of(target), fd, name, 0) < 0)
        fail_msg("reference: link %s: %s", target, strerror(errno));
    time_restore(from, &before);
}

static void random_entry(struct random_layer *layer)
{
    static const char types[] = { '5', '5', 0, 0, 0, '2', '6', '1', '1' };
    static const char *const links[] = { "a", "b", "../c", "/a", "/b/c", "/d", "a/b" };
    static const unsigned modes[] = { 0700, 0755, 01777, 02755, 04711, 0600 };
    CLEANUP(close_fd) int parent = -1;
    char path[32], target[32], text[16];
    struct item item = { .type = types[any(COUNT_OF(types))],
                         .name = path,
                         .mode = modes[any(COUNT_OF(modes))],
                         .uid = any(3),
                         .gid = any(3),
                         .mtime = 1000000 + any(1000000) };
    const char *xattr = any(4) == 0 ? "value" : NULL;
    struct stat before;

    any_path(path);
    any_path(target);
    snprintf(text, sizeof(text), "%u", any(100000));
    item.data = item.type == 0 ? text : NULL;
    item.link = item.type == '1' ? target : item.type == '2' ? links[any(COUNT_OF(links))] : NULL;
    if (parent_look(layer->root, path) == PARENT_IS_NONE ||
        (item.type == '1' && !link_is_possible(layer, target, path)))
        return;
    parent = parent_make(layer->root, path, item.mtime);
    fstat(parent, &before);
    if (item.type == '1')
        link_in_view(layer->root, target, parent, name_of(path));
    else
        make_in_view(parent, name_of(path), &item, xattr);
    time_restore(parent, &before);
    fstatat(parent, name_of(path), &before, AT_SYMLINK_NOFOLLOW);
    layer->own[layer->own_count++] = before.st_ino;
    if (xattr != NULL && (item.type == 0 || item.type == '5'))
        pax_one(&layer->tar, "SCHILY.xattr.user.k", xattr);
    tar_add(&layer->tar, item);
    if (layer->first == 0)
        layer->first = item.mtime;
}

/* Now and then a layer names its root. */
static void random_root(struct random_layer *layer)
{
    struct item item = { .type = '5', .name = "./", .mode = 0711, .uid = any(3), .mtime = 3000000 };

    if (any(3) != 0)
        return;
    layer->first = item.mtime;
    layer->root_named = true;
    attributes_at(layer->root, ".", &item, NULL);
    tar_add(&layer->tar, item);
}

/* ---- its mounts ---- */

static void copy_root(const char *from, const char *to)
{
    struct stat st = stat_of(from);
    char value[64];
    ssize_t size = lgetxattr(from, "user.k", value, sizeof(value));

    assert_int_equal(chown(to, st.st_uid, st.st_gid), 0);
    assert_int_equal(chmod(to, st.st_mode & 07777), 0);
    if (size >= 0)
        lsetxattr(to, "user.k", value, (size_t)size, 0);
    utimensat(AT_FDCWD, to, (struct timespec[]){ st.st_mtim, st.st_mtim }, 0);
}

static void option_lowers(struct place *place, const char *prefix, int number, char option[4096])
{
    for (int i = number; i >= 0; i--)
        snprintf(option + strlen(option), 4096 - strlen(option), "%s%s/%s%d/fs",
                 i < number ? ":" : "", place->root, prefix, i);
}

/* The reference's writable view of layer `number` on the ones below it, at <root>/work. */
static void reference_mount(struct place *place, int number)
{
    char option[4096];

    snprintf(option, sizeof(option), "index=off,%s%s",
             in_user_namespace() ? "" : "metacopy=off,redirect_dir=off,", lowers_word());
    mkdir(in(place, "r%d", number), 0700);
    mkdir(in(place, "r%d/fs", number), 0755);
    mkdir(in(place, "r%d/work", number), 0755);
    mkdir(in(place, "work"), 0755);
    if (number == 0) {
        assert_int_equal(mount(in(place, "r0/fs"), in(place, "work"), NULL, MS_BIND, NULL), 0);
        return;
    }
    copy_root(in(place, "r%d/fs", number - 1), in(place, "r%d/fs", number));
    option_lowers(place, "r", number - 1, option);
    snprintf(option + strlen(option), sizeof(option) - strlen(option), ",upperdir=%s,workdir=%s",
             in(place, "r%d/fs", number), in(place, "r%d/work", number));
    if (mount("overlay", in(place, "work"), "overlay", 0, option) < 0)
        fail_msg("overlay %s: %s", option, strerror(errno));
}

/* ---- a layer ---- */

static void random_layer(struct place *place, int number, struct bytes *tar, bool *whiteouts_last)
{
    struct random_layer layer = { 0 };

    reference_mount(place, number);
    layer.root = open(in(place, "work"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(layer.root >= 0);
    for (unsigned i = number > 0 ? any(6) : 0; i > 0; i--)
        random_whiteout(&layer);
    random_root(&layer);
    for (unsigned i = 3 + any(20); i > 0 || layer.first == 0; i -= i > 0)
        random_entry(&layer);
    if (number == 0 && !layer.root_named && layer.first != 0)
        futimens(layer.root, (struct timespec[]){ { layer.first, 0 }, { layer.first, 0 } });
    *whiteouts_last =
        layer.whiteouts.size > 0 && any(2) == 0 && !layer.through_link && may_be_last(&layer);
    close(layer.root);
    assert_int_equal(umount2(in(place, "work"), 0), 0);
    bytes_add(tar, (*whiteouts_last ? &layer.tar : &layer.whiteouts)->at,
              (*whiteouts_last ? &layer.tar : &layer.whiteouts)->size);
    bytes_add(tar, (*whiteouts_last ? &layer.whiteouts : &layer.tar)->at,
              (*whiteouts_last ? &layer.whiteouts : &layer.tar)->size);
    bytes_free(&layer.tar);
    bytes_free(&layer.whiteouts);
    tar_end(tar);
}

#endif
