/*
 * Layers that were unpacked apart from their parents, and stitched: LAY-10, LAY-12, and that the
 * result is what unpacking one after the other would have given.
 */
#include <sys/syscall.h>

#include "tests/platform/unpack_layer.h"

/* The layers of a test, lowest first; each is <root>/<number>/fs. */
static const char *fs_of(struct place *place, int number)
{
    return keep(place, in(place, "%d/fs", number));
}

static void unpack_layer(struct place *place, int number, struct bytes *tar)
{
    char name[8];

    snprintf(name, sizeof(name), "%d", number);
    tar_end(tar);
    if (UNPACK(place, name, tar, .base = number == 0) < 0)
        fail_msg("layer %d: %s", number, place->err.text);
    bytes_free(tar);
}

/* fs folders of the layers under `number`, highest first. */
static size_t lowers_of(struct place *place, int number, const char *lowers[])
{
    size_t count = 0;

    for (int i = number - 1; i >= 0; i--)
        lowers[count++] = fs_of(place, i);
    return count;
}

static int stitch_layer(struct place *place, int number)
{
    const char *lowers[32];
    size_t count = lowers_of(place, number, lowers);

    place->err = (struct error){ 0 };
    return unpack_stitch(in(place, "%d", number), lowers, count, &place->err);
}

static void expect_stitched(struct place *place, int number)
{
    if (stitch_layer(place, number) < 0)
        fail_msg("stitch layer %d: %s", number, place->err.text);
    assert_false(is_there(in(place, "%d/deferred", number)));
}

static int again_with_parents(struct place *place, int number, const struct bytes *tar)
{
    const char *lowers[32];
    char name[8];

    snprintf(name, sizeof(name), "%d", number);
    return UNPACK(place, name, tar, .lowers = lowers,
                  .lower_count = lowers_of(place, number, lowers));
}

/* The merged view of layers 0 .. number at <root>/view. */
static void view_mount(struct place *place, int number)
{
    char option[4096] = "lowerdir=";

    mkdir(in(place, "view"), 0755);
    for (int i = number; i >= 0; i--)
        snprintf(option + strlen(option), sizeof(option) - strlen(option), "%s/%d/fs%s",
                 place->root, i, i > 0 ? ":" : "");
    if (number == 0)
        assert_int_equal(mount(fs_of(place, 0), in(place, "view"), NULL, MS_BIND, NULL), 0);
    else if (mount("overlay", in(place, "view"), "overlay", MS_RDONLY, option) < 0)
        fail_msg("overlay: %s", strerror(errno));
}

static void view_umount(struct place *place)
{
    assert_int_equal(umount2(in(place, "view"), 0), 0);
}

/* ---- LAY-12: folders that nobody names --------------------------------------------------- */

static void lay_12_an_unnamed_folder_has_the_parents_attributes(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    char value[8];

    TAR(&tar, .type = '5', .name = "./", .mode = 0555, .uid = 3, .mtime = 1234);
    TAR(&tar, .type = '5', .name = "tmp", .mode = 01777, .mtime = 5678);
    pax_one(&tar, "SCHILY.xattr.user.k", "value");
    TAR(&tar, .type = '5', .name = "tmp/d", .mode = 02750, .uid = 7, .gid = 8, .mtime = 99);
    unpack_layer(place, 0, &tar);
    TAR(&tar, .name = "tmp/d/f", .data = "x");
    TAR(&tar, .name = "tmp/d/new/f", .mtime = 4321, .data = "x");
    unpack_layer(place, 1, &tar);
    assert_int_equal(place->news.deferred, 4);
    expect_stitched(place, 1);

    assert_int_equal(stat_of(in(place, "1/fs")).st_mode, S_IFDIR | 0555);
    assert_int_equal(stat_of(in(place, "1/fs")).st_uid, 3);
    assert_int_equal(mtime_ns(in(place, "1/fs")), 1234ll * 1000000000);
    assert_int_equal(stat_of(in(place, "1/fs/tmp")).st_mode, S_IFDIR | 01777);
    assert_int_equal(mtime_ns(in(place, "1/fs/tmp")), 5678ll * 1000000000);
    assert_int_equal(stat_of(in(place, "1/fs/tmp/d")).st_mode, S_IFDIR | 02750);
    assert_int_equal(stat_of(in(place, "1/fs/tmp/d")).st_gid, 8);
    assert_int_equal(mtime_ns(in(place, "1/fs/tmp/d")), 99ll * 1000000000);
    assert_int_equal(lgetxattr(in(place, "1/fs/tmp/d"), "user.k", value, 8), 5);
    assert_int_equal(stat_of(in(place, "1/fs/tmp/d/new")).st_mode, S_IFDIR | 0755);
    assert_int_equal(stat_of(in(place, "1/fs/tmp/d/new")).st_gid, 0);
    assert_int_equal(mtime_ns(in(place, "1/fs/tmp/d/new")), 4321ll * 1000000000);
    assert_int_equal(lgetxattr(in(place, "1/fs/tmp"), "trusted.gantry.implied", value, 8), -1);
    assert_int_equal(lgetxattr(in(place, "1/fs"), "trusted.gantry.implied", value, 8), -1);
}

static void lay_12_a_folder_under_a_whiteout_inherits_nothing(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '5', .name = "a/b", .mode = 0700, .uid = 7);
    TAR(&tar, .type = '5', .name = "c/d", .mode = 0700, .uid = 7);
    TAR(&tar, .type = '5', .name = "e", .mode = 0700, .uid = 7);
    unpack_layer(place, 0, &tar);
    TAR(&tar, .name = "a/b/f", .data = "x");
    TAR(&tar, .name = ".wh.a", .data = "");
    TAR(&tar, .name = "c/d/f", .data = "x");
    TAR(&tar, .name = "c/.wh..wh..opq", .data = "");
    TAR(&tar, .name = "e/.wh..wh..opq", .data = "");
    unpack_layer(place, 1, &tar);
    expect_stitched(place, 1);
    assert_int_equal(stat_of(in(place, "1/fs/a/b")).st_mode, S_IFDIR | 0755);
    assert_int_equal(stat_of(in(place, "1/fs/c/d")).st_mode, S_IFDIR | 0755);
    assert_int_equal(stat_of(in(place, "1/fs/e")).st_mode, S_IFDIR | 0700);
    assert_int_equal(stat_of(in(place, "1/fs/e")).st_uid, 7);
}

static void lay_12_a_name_given_later_counts(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '5', .name = "./");
    TAR(&tar, .type = '5', .name = "a", .mode = 0700, .uid = 7);
    unpack_layer(place, 0, &tar);
    TAR(&tar, .name = "a/f", .data = "x");
    TAR(&tar, .type = '5', .name = "a", .mode = 0711);
    TAR(&tar, .type = '5', .name = "./", .mode = 0750);
    unpack_layer(place, 1, &tar);
    expect_stitched(place, 1);
    assert_int_equal(stat_of(in(place, "1/fs/a")).st_mode, S_IFDIR | 0711);
    assert_int_equal(stat_of(in(place, "1/fs/a")).st_uid, 0);
    assert_int_equal(stat_of(in(place, "1/fs")).st_mode, S_IFDIR | 0750);
}

static void lay_6_an_opaque_root_hides_all_that_the_parents_have(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "gone", .data = "x");
    TAR(&tar, .name = "dir/gone", .data = "x");
    TAR(&tar, .name = "replaced", .data = "old");
    unpack_layer(place, 0, &tar);
    TAR(&tar, .name = "dir/kept", .data = "x");
    TAR(&tar, .name = ".wh..wh..opq", .data = "");
    TAR(&tar, .name = "replaced", .data = "new");
    unpack_layer(place, 1, &tar);
    assert_true(place->news.deferred > 0);
    expect_stitched(place, 1);
    view_mount(place, 1);
    assert_false(is_there(in(place, "view/gone")));
    assert_false(is_there(in(place, "view/dir/gone")));
    assert_true(is_there(in(place, "view/dir/kept")));
    expect_text(in(place, "view/replaced"), "new");
    view_umount(place);
}

/* ---- LAY-10: hard links to the parents' files ------------------------------------------------ */

static void lay_10_a_hard_link_to_a_parents_file_shares_it_in_the_view(void **state)
{
    static const uint8_t capability[20] = { 1, 0, 0, 2, 0, 0x20 };
    struct place *place = *state;
    struct bytes tar = { 0 }, records = { 0 };
    uint8_t value[64];

    TAR(&tar, .type = '5', .name = "bin", .mode = 0751, .mtime = 777);
    pax_add(&records, "SCHILY.xattr.security.capability", capability, sizeof(capability));
    pax_end(&tar, &records);
    TAR(&tar, .name = "bin/f", .mode = 04755, .uid = 3, .gid = 4, .mtime = 5555, .data = "lower");
    TAR(&tar, .type = '2', .name = "bin/s", .uid = 9, .link = "target", .mtime = 6666);
    unpack_layer(place, 0, &tar);
    TAR(&tar, .type = '1', .name = "a/x", .link = "bin/f");
    TAR(&tar, .type = '1', .name = "y", .link = "a/x");
    TAR(&tar, .type = '1', .name = "z", .link = "/bin/../bin/f");
    TAR(&tar, .type = '1', .name = "s", .link = "bin/s");
    unpack_layer(place, 1, &tar);
    expect_stitched(place, 1);
    view_mount(place, 1);
    for (int i = 0; i < 4; i++) {
        const char *path = in(place, "view/%s", (const char *[]){ "bin/f", "a/x", "y", "z" }[i]);

        expect_text(path, "lower");
        assert_int_equal(stat_of(path).st_ino, stat_of(in(place, "view/bin/f")).st_ino);
        assert_int_equal(stat_of(path).st_nlink, 4);
        assert_int_equal(stat_of(path).st_mode, S_IFREG | 04755);
        assert_int_equal(stat_of(path).st_uid, 3);
        assert_int_equal(mtime_ns(path), 5555ll * 1000000000);
        assert_int_equal(lgetxattr(path, "security.capability", value, 64), 20);
        assert_int_equal(lgetxattr(path, "trusted.gantry.link", value, 64), -1);
    }
    expect_link(in(place, "view/s"), "target");
    assert_int_equal(stat_of(in(place, "view/s")).st_uid, 9);
    assert_int_equal(stat_of(in(place, "view/bin")).st_mode, S_IFDIR | 0751);
    assert_int_equal(mtime_ns(in(place, "view/bin")), 777ll * 1000000000);
    view_umount(place);
}

/* Apart, nothing can be said against it; with the parents in sight it is refused. */
static void expect_refused_in_the_end(struct place *place, struct bytes *tar, const char *why)
{
    tar_end(tar);
    if (UNPACK(place, "1", tar) < 0)
        fail_msg("%s", place->err.text);
    assert_int_equal(stitch_layer(place, 1), -1);
    assert_int_equal(place->err.code, ERROR_ABORTED);
    assert_int_equal(again_with_parents(place, 1, tar), -1);
    assert_int_equal(place->err.code, ERROR_INVALID_ARGUMENT);
    if (strstr(place->err.text, why) == NULL)
        fail_msg("refused for another reason: %s", place->err.text);
    bytes_free(tar);
}

static void lay_10_a_hard_link_to_nothing_or_to_what_is_removed_is_refused(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "f", .data = "x");
    TAR(&tar, .name = "d/f", .data = "x");
    unpack_layer(place, 0, &tar);
    TAR(&tar, .type = '1', .name = "x", .link = "nowhere/f");
    expect_refused_in_the_end(place, &tar, "nowhere/f, which is not there");
    TAR(&tar, .name = "d/.wh..wh..opq", .data = "");
    TAR(&tar, .type = '1', .name = "x", .link = "d/f");
    expect_refused_in_the_end(place, &tar, "d/f, which is not there");
    TAR(&tar, .name = ".wh.f", .data = "");
    TAR(&tar, .type = '1', .name = "x", .link = "f");
    expect_refused_in_the_end(place, &tar, "f, which the layer removes");
    TAR(&tar, .type = '1', .name = "x", .link = "d");
    expect_refused_in_the_end(place, &tar, "d, which is not a file");
    TAR(&tar, .name = "f/g", .data = "x");
    expect_refused_in_the_end(place, &tar, "f is not a folder");
}

static void lay_14_what_replaces_a_deferred_link_stays(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "f", .data = "lower");
    TAR(&tar, .name = "g", .data = "other");
    unpack_layer(place, 0, &tar);
    TAR(&tar, .type = '1', .name = "x", .link = "f");
    TAR(&tar, .name = "x", .data = "own");
    TAR(&tar, .type = '1', .name = "d/y", .link = "f");
    TAR(&tar, .type = '2', .name = "d", .link = "elsewhere");
    TAR(&tar, .type = '1', .name = "z", .link = "f");
    TAR(&tar, .type = '1', .name = "z", .link = "g");
    unpack_layer(place, 1, &tar);
    expect_stitched(place, 1);
    expect_text(in(place, "1/fs/x"), "own");
    expect_link(in(place, "1/fs/d"), "elsewhere");
    expect_text(in(place, "1/fs/z"), "other");
}

/* ---- layers that reach through links of their parents --------------------------------------- */

static void a_layer_that_writes_through_a_parents_link_is_unpacked_again(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '5', .name = "usr/lib", .mode = 0711);
    TAR(&tar, .type = '2', .name = "lib", .link = "usr/lib");
    TAR(&tar, .name = "usr/lib/old", .data = "old");
    unpack_layer(place, 0, &tar);
    TAR(&tar, .name = "lib/new", .data = "new");
    TAR(&tar, .name = "lib/.wh.old", .data = "");
    TAR(&tar, .type = '1', .name = "x", .link = "lib/new");
    tar_end(&tar);
    assert_int_equal(UNPACK(place, "1", &tar), 0);
    assert_int_equal(stitch_layer(place, 1), -1);
    assert_int_equal(place->err.code, ERROR_ABORTED);
    if (again_with_parents(place, 1, &tar) < 0)
        fail_msg("%s", place->err.text);
    bytes_free(&tar);
    assert_int_equal(place->news.deferred, 0);
    assert_false(is_there(in(place, "1/deferred")));
    view_mount(place, 1);
    expect_link(in(place, "view/lib"), "usr/lib");
    expect_text(in(place, "view/usr/lib/new"), "new");
    expect_text(in(place, "view/x"), "new");
    assert_false(is_there(in(place, "view/usr/lib/old")));
    assert_int_equal(stat_of(in(place, "view/usr/lib")).st_mode, S_IFDIR | 0711);
    view_umount(place);
}

static void a_hard_link_through_a_parents_link_finds_its_file(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "usr/bin/f", .data = "lower");
    TAR(&tar, .type = '2', .name = "bin", .link = "/usr/bin");
    unpack_layer(place, 0, &tar);
    TAR(&tar, .type = '1', .name = "x", .link = "bin/f");
    unpack_layer(place, 1, &tar);
    expect_stitched(place, 1);
    view_mount(place, 1);
    expect_text(in(place, "view/x"), "lower");
    assert_int_equal(stat_of(in(place, "view/x")).st_ino,
                     stat_of(in(place, "view/usr/bin/f")).st_ino);
    expect_link(in(place, "view/bin"), "/usr/bin");
    view_umount(place);

    TAR(&tar, .name = "usr/bin/f", .data = "upper");
    TAR(&tar, .type = '1', .name = "x", .link = "bin/f");
    tar_end(&tar);
    assert_int_equal(UNPACK(place, "1", &tar), 0);
    assert_int_equal(stitch_layer(place, 1), -1);
    assert_int_equal(place->err.code, ERROR_ABORTED);
    assert_int_equal(again_with_parents(place, 1, &tar), 0);
    bytes_free(&tar);
    expect_text(in(place, "1/fs/x"), "upper");
}

static void a_parents_link_cannot_lead_out_either(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    mkdir(in(place, "victim"), 0700);
    TAR(&tar, .type = '2', .name = "out", .link = "../../victim");
    TAR(&tar, .type = '2', .name = "abs", .link = in(place, "victim"));
    unpack_layer(place, 0, &tar);
    TAR(&tar, .name = "out/f", .data = "x");
    TAR(&tar, .name = "abs/g", .data = "x");
    tar_end(&tar);
    assert_int_equal(again_with_parents(place, 1, &tar), 0);
    bytes_free(&tar);
    expect_text(in(place, "1/fs/victim/f"), "x");
    assert_false(is_there(in(place, "victim/f")));
    assert_false(is_there(in(place, "victim/g")));
}

static void stitching_may_be_repeated(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    size_t size;
    char *list;

    TAR(&tar, .type = '5', .name = "d", .mode = 0700);
    TAR(&tar, .name = "f", .data = "lower");
    unpack_layer(place, 0, &tar);
    TAR(&tar, .name = "d/f", .data = "x");
    TAR(&tar, .type = '1', .name = "x", .link = "f");
    unpack_layer(place, 1, &tar);
    list = fs_read(in(place, "1/deferred"), 4096, &size, &place->err);
    assert_non_null(list);
    expect_stitched(place, 1);
    put_file(in(place, "1/deferred"), list, size); /* as if killed before the list was removed */
    expect_stitched(place, 1);
    put_file(in(place, "1/deferred"), list, size - 1);
    assert_int_equal(stitch_layer(place, 1), -1);
    assert_int_equal(place->err.code, ERROR_DATA_LOSS);
    free(list);
    expect_text(in(place, "1/fs/x"), "lower");
    assert_int_equal(stat_of(in(place, "1/fs/d")).st_mode, S_IFDIR | 0700);
}

/* ---- the property: apart and stitched is the same as one after the other -------------------- */

/*
 * The reference unpacks in a mounted view, the way of those who have one: it removes what the
 * whiteouts name, then does what each entry says with ordinary calls, and puts back the times of
 * folders that were not named.  It is written from the rules, and shares nothing with the helper.
 * Layers are random, over few names, so that everything meets everything.
 */
static uint64_t seed;

static unsigned any(unsigned below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % below;
}

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

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

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
    char option[4096] = "index=off,metacopy=off,redirect_dir=off,lowerdir=";

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

static void final_mount(struct place *place, const char *prefix, int number, const char *at)
{
    char option[4096] = "lowerdir=";

    mkdir(in(place, "%s", at), 0755);
    option_lowers(place, prefix, number, option);
    if (mount("overlay", in(place, "%s", at), "overlay", MS_RDONLY, option) < 0)
        fail_msg("overlay %s: %s", option, strerror(errno));
}

/* ---- comparing ---- */

struct pairs { /* inodes of one view and what they are in the other */
    uint64_t a[4096], b[4096];
    unsigned count;
};

static void compare_inodes(struct pairs *pairs, const struct stat *a, const struct stat *b,
                           const char *path)
{
    for (unsigned i = 0; i < pairs->count; i++)
        if ((pairs->a[i] == a->st_ino) != (pairs->b[i] == b->st_ino))
            fail_msg("%s: shares its file with others in one view only", path);
    pairs->a[pairs->count] = a->st_ino;
    pairs->b[pairs->count++] = b->st_ino;
}

static void compare_stat(const char *path, const char *one, const char *two, struct pairs *pairs)
{
    struct stat a = stat_of(one), b = stat_of(two);
    char x[256] = { 0 }, y[256] = { 0 };

    if (a.st_mode != b.st_mode || a.st_uid != b.st_uid || a.st_gid != b.st_gid)
        fail_msg("%s: %o %u:%u, reference %o %u:%u", path, a.st_mode, a.st_uid, a.st_gid, b.st_mode,
                 b.st_uid, b.st_gid);
    if (a.st_mtim.tv_sec != b.st_mtim.tv_sec || a.st_mtim.tv_nsec != b.st_mtim.tv_nsec)
        fail_msg("%s: time %lld, reference %lld", path, (long long)a.st_mtim.tv_sec,
                 (long long)b.st_mtim.tv_sec);
    if (S_ISREG(a.st_mode) || S_ISDIR(a.st_mode)) {
        ssize_t i = lgetxattr(one, "user.k", x, 255), j = lgetxattr(two, "user.k", y, 255);

        if (i != j || strcmp(x, y) != 0)
            fail_msg("%s: attribute \"%s\", reference \"%s\"", path, x, y);
    }
    if (S_ISDIR(a.st_mode))
        return;
    compare_inodes(pairs, &a, &b, path);
    if (a.st_nlink != b.st_nlink)
        fail_msg("%s: %d names, reference %d", path, (int)a.st_nlink, (int)b.st_nlink);
    if (S_ISLNK(a.st_mode)) {
        memset(x, 0, sizeof(x));
        memset(y, 0, sizeof(y));
        if (readlink(one, x, 255) < 0 || readlink(two, y, 255) < 0 || strcmp(x, y) != 0)
            fail_msg("%s: leads to %s, reference %s", path, x, y);
    }
    if (S_ISREG(a.st_mode)) {
        struct error err;
        char *text = fs_read(two, 64, NULL, &err);

        expect_text(one, text);
        free(text);
    }
}

static void compare(const char *path, const char *one, const char *two, struct pairs *pairs)
{
    static const char names[] = "abcd";
    char inner[64], a[512], b[512];

    compare_stat(path, one, two, pairs);
    for (const char *c = names; S_ISDIR(stat_of(one).st_mode) && *c != '\0'; c++) {
        snprintf(inner, sizeof(inner), "%s/%c", path, *c);
        snprintf(a, sizeof(a), "%s/%c", one, *c);
        snprintf(b, sizeof(b), "%s/%c", two, *c);
        if (is_there(a) != is_there(b))
            fail_msg("%s: is %sthere, reference otherwise", inner, is_there(a) ? "" : "not ");
        if (is_there(a))
            compare(inner, a, b, pairs);
    }
}

/* ---- a stack of layers ---- */

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

struct tally {
    unsigned stitched, again, left_out;
};

/* All layers are unpacked first, from the highest to the lowest, as if they had come that way.
   False: a layer had to be unpacked again whose whiteouts come last, where order counts. */
static bool unpack_stack(struct place *place, struct bytes *tars, const bool *whiteouts_last,
                         int count, struct tally *tally)
{
    char name[16];

    for (int i = count - 1; i >= 0; i--) {
        snprintf(name, sizeof(name), "%d", i);
        if (UNPACK(place, name, &tars[i], .base = i == 0) < 0)
            fail_msg("layer %d: %s", i, place->err.text);
    }
    for (int i = 1; i < count; i++) {
        place->kept_count = 0;
        if (stitch_layer(place, i) == 0) {
            tally->stitched++;
            continue;
        }
        if (place->err.code != ERROR_ABORTED)
            fail_msg("stitch layer %d: %s", i, place->err.text);
        if (whiteouts_last[i])
            return false;
        tally->again++;
        if (again_with_parents(place, i, &tars[i]) < 0)
            fail_msg("layer %d again: %s", i, place->err.text);
    }
    return true;
}

static void one_stack(struct place *place, struct tally *tally)
{
    struct pairs *pairs = calloc(1, sizeof(*pairs));
    struct bytes tars[4] = { 0 };
    bool last[4];
    int count = 2 + (int)any(3);

    for (int i = 0; i < count; i++)
        random_layer(place, i, &tars[i], &last[i]);
    if (unpack_stack(place, tars, last, count, tally)) {
        final_mount(place, "r", count - 1, "reference");
        final_mount(place, "", count - 1, "view");
        compare("", in(place, "view"), in(place, "reference"), pairs);
        umount2(in(place, "view"), 0);
        umount2(in(place, "reference"), 0);
    } else {
        tally->left_out++;
    }
    for (int i = 0; i < 4; i++)
        bytes_free(&tars[i]);
    free(pairs);
}

static void empty_place(struct place *place)
{
    struct error err;

    assert_int_equal(fs_remove_tree(place->root, &err), 0);
    mkdir(place->root, 0700);
    place->kept_count = 0;
}

static void apart_and_stitched_is_the_same_as_one_after_the_other(void **state)
{
    struct place *place = *state;
    const char *given = getenv("GANTRY_TEST_SEED"), *rounds = getenv("GANTRY_TEST_ROUNDS");
    struct tally tally = { 0 };
    uint64_t first;

    random_bytes(&first, sizeof(first));
    if (given != NULL)
        first = strtoull(given, NULL, 10);
    for (unsigned i = 0; i < (rounds ? (unsigned)atoi(rounds) : 60); i++) {
        seed = first + i;
        print_message("GANTRY_TEST_SEED=%" PRIu64 "\r", first + i);
        any(2);
        one_stack(place, &tally);
        empty_place(place);
    }
    print_message("first seed %" PRIu64
                  ": %u layers stitched, %u unpacked again, %u stacks left out\n",
                  first, tally.stitched, tally.again, tally.left_out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lay_6_an_opaque_root_hides_all_that_the_parents_have),
        TEST(lay_10_a_hard_link_to_a_parents_file_shares_it_in_the_view),
        TEST(lay_10_a_hard_link_to_nothing_or_to_what_is_removed_is_refused),
        TEST(lay_12_an_unnamed_folder_has_the_parents_attributes),
        TEST(lay_12_a_folder_under_a_whiteout_inherits_nothing),
        TEST(lay_12_a_name_given_later_counts),
        TEST(lay_14_what_replaces_a_deferred_link_stays),
        TEST(a_layer_that_writes_through_a_parents_link_is_unpacked_again),
        TEST(a_hard_link_through_a_parents_link_finds_its_file),
        TEST(a_parents_link_cannot_lead_out_either),
        TEST(stitching_may_be_repeated),
        TEST(apart_and_stitched_is_the_same_as_one_after_the_other),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
