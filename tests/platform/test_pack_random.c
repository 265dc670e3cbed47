/*
 * Random trees: the layer of what two of them differ in, unpacked on the first, is the second one.
 *
 * The second is the first after random changes in an overlay, so that both ways are tried: from the
 * folder of changes alone, and from the whole of both trees.  And the same trees give the same
 * bytes.
 */
#include <dirent.h>
#include <sys/syscall.h>

#include "tests/platform/pack_fixture.h"
#include "tests/platform/random_fixture.h"

/* ---- random changes ------------------------------------------------------------------------- */

static void any_path(char path[32])
{
    unsigned depth = 1 + any(3);

    path[0] = '\0';
    for (unsigned i = 0; i < depth; i++)
        snprintf(path + strlen(path), 32 - strlen(path), "%s%c", i > 0 ? "/" : "", "abcde"[any(5)]);
}

/* The folder that a random path lies in, and the name there; -1: there is no such folder. */
static int any_place(int root, char path[32], const char **name)
{
    const struct {
        uint64_t flags, mode, resolve;
    } how = { O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0x0c /* beneath, no links */ };
    char folder[32];

    any_path(path);
    *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    snprintf(folder, sizeof(folder), "./%.*s", (int)(*name - path), path);
    return (int)syscall(SYS_openat2, root, folder, &how, sizeof(how));
}

static struct timespec any_time(void)
{
    return (struct timespec){ (time_t)(1000000 + any(3)), any(2) ? 0 : (long)any(1000000000) };
}

static void remove_any(int folder, const char *name)
{
    char link[32], path[256];
    struct error err;
    ssize_t length;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", folder);
    length = readlink(link, path, sizeof(path) - 34);
    assert_true(length > 0);
    snprintf(path + length, sizeof(path) - (size_t)length, "/%s", name);
    if (fs_remove_tree(path, &err) < 0)
        fail_msg("%s", err.text);
}

static void write_any(int folder, const char *name)
{
    int fd = openat(folder, name,
                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    char text[16];

    if (fd < 0)
        return;
    snprintf(text, sizeof(text), "%u", any(4));
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void make_any(int folder, const char *name)
{
    static const char *const targets[] = { "a", "../b", "/etc/passwd", "a/b/c" };

    switch (any(6)) {
    case 0:
    case 1:
        mkdirat(folder, name, 0700);
        break;
    case 2:
        if (symlinkat(targets[any(4)], folder, name) < 0)
            return;
        break;
    case 3:
        mknodat(folder, name, any(2) ? S_IFIFO | 0600 : S_IFCHR | 0600, makedev(1, 3 + any(5)));
        break;
    default:
        write_any(folder, name);
    }
}

static void attributes_any(int folder, const char *name, const struct stat *st)
{
    static const unsigned modes[] = { 0700, 0755, 01777, 02755, 04711, 0600 };
    static const char *const keys[] = { "user.k", "user.another", "trusted.k" };
    const char *key = keys[any(3)];

    if (any(2) == 0)
        assert_int_equal(fchownat(folder, name, any(3), any(3), AT_SYMLINK_NOFOLLOW), 0);
    if (any(2) == 0 && !S_ISLNK(st->st_mode))
        fchmodat(folder, name, modes[any(6)], 0);
    if (any(3) == 0 && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode))) {
        CLEANUP(close_fd) int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        if (any(2) == 0)
            fremovexattr(fd, key);
        else
            assert_int_equal(fsetxattr(fd, key, "value\0value", any(12), 0), 0);
    }
}

static void link_any(int root, int folder, const char *name)
{
    CLEANUP(close_fd) int from = -1;
    const char *from_name;
    char path[32];

    from = any_place(root, path, &from_name);
    if (from >= 0 && linkat(from, from_name, folder, name, 0) == 0)
        return;
}

static void rename_any(int root, int folder, const char *name)
{
    CLEANUP(close_fd) int to = -1;
    const char *to_name;
    char path[32];

    to = any_place(root, path, &to_name);
    if (to >= 0)
        renameat(folder, name, to, to_name); /* overlayfs refuses some */
}

/* Written anew, and all looks as before: where that shows in nothing but the bytes, they are
   compared if the time is in whole seconds. */
static void write_hidden(int folder, const char *name, const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return;
    write_any(folder, name);
    if (st->st_mtim.tv_nsec == 0)
        utimensat(folder, name, (struct timespec[]){ st->st_atim, st->st_mtim },
                  AT_SYMLINK_NOFOLLOW);
}

static void change_any(int root, bool links)
{
    CLEANUP(close_fd) int folder = -1;
    char path[32];
    const char *name;
    struct stat st;
    struct timespec times[2] = { any_time(), any_time() };
    bool is;

    folder = any_place(root, path, &name);
    if (folder < 0)
        return;
    is = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    switch (any(links ? 14 : 11)) {
    case 0:
        if (is)
            remove_any(folder, name);
        break;
    case 1:
        if (is)
            remove_any(folder, name);
        make_any(folder, name);
        break;
    case 2:
        if (is)
            attributes_any(folder, name, &st);
        break;
    case 3:
        if (is)
            write_hidden(folder, name, &st);
        return;
    case 4:
        rename_any(root, folder, name);
        return;
    case 11:
    case 12:
    case 13:
        link_any(root, folder, name);
        return;
    default:
        if (!is)
            make_any(folder, name);
    }
    if (any(3) != 0)
        utimensat(folder, name, times, AT_SYMLINK_NOFOLLOW);
}

static void change_tree(const char *path, unsigned steps, bool links)
{
    CLEANUP(close_fd) int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(root >= 0);
    for (unsigned i = 0; i < steps; i++)
        change_any(root, links);
    if (any(3) == 0)
        assert_int_equal(fchmod(root, 0711), 0);
}

/* ---- comparing --------------------------------------------------------------------------------
 */

struct pairs { /* inodes of one view and what they are in the other */
    uint64_t a[8192], b[8192];
    unsigned count;
};

static void same_inodes(struct pairs *pairs, const struct stat *a, const struct stat *b,
                        const char *path)
{
    for (unsigned i = 0; i < pairs->count; i++)
        if ((pairs->a[i] == a->st_ino) != (pairs->b[i] == b->st_ino))
            fail_msg("%s: shares its file with others in one view only", path);
    assert_true(pairs->count < COUNT_OF(pairs->a));
    pairs->a[pairs->count] = a->st_ino;
    pairs->b[pairs->count++] = b->st_ino;
}

static void same_xattrs(const char *path, const char *one, const char *two)
{
    static const char *const keys[] = { "user.k", "user.another", "trusted.k" };

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        char x[64] = { 0 }, y[64] = { 0 };
        ssize_t n = lgetxattr(one, keys[i], x, 64), m = lgetxattr(two, keys[i], y, 64);

        if (n != m || memcmp(x, y, sizeof(x)) != 0)
            fail_msg("%s: %s has %zd bytes, expected %zd", path, keys[i], n, m);
    }
}

static void same_bytes(const char *path, const char *one, const char *two)
{
    struct bytes x = { 0 }, y = { 0 };

    file_bytes(one, &x);
    file_bytes(two, &y);
    if (x.size != y.size || memcmp(x.at, y.at, x.size) != 0)
        fail_msg("%s: \"%.*s\", expected \"%.*s\"", path, (int)x.size, (char *)x.at, (int)y.size,
                 (char *)y.at);
    bytes_free(&x);
    bytes_free(&y);
}

static void same_stat(const char *path, const char *one, const char *two, struct pairs *pairs)
{
    struct stat a = stat_of(one), b = stat_of(two);
    char x[256] = { 0 }, y[256] = { 0 };

    if (a.st_mode != b.st_mode || a.st_uid != b.st_uid || a.st_gid != b.st_gid)
        fail_msg("%s: %o %u:%u, expected %o %u:%u", path, a.st_mode, a.st_uid, a.st_gid, b.st_mode,
                 b.st_uid, b.st_gid);
    if (a.st_mtim.tv_sec != b.st_mtim.tv_sec || a.st_mtim.tv_nsec != b.st_mtim.tv_nsec)
        fail_msg("%s: time %lld.%09ld, expected %lld.%09ld", path, (long long)a.st_mtim.tv_sec,
                 a.st_mtim.tv_nsec, (long long)b.st_mtim.tv_sec, b.st_mtim.tv_nsec);
    same_xattrs(path, one, two);
    if (!S_ISDIR(a.st_mode))
        same_inodes(pairs, &a, &b, path);
    if (S_ISCHR(a.st_mode) && a.st_rdev != b.st_rdev)
        fail_msg("%s: another device", path);
    if (S_ISLNK(a.st_mode)) {
        assert_true(readlink(one, x, 255) >= 0 && readlink(two, y, 255) >= 0);
        assert_string_equal(x, y);
    }
    if (S_ISREG(a.st_mode))
        same_bytes(path, one, two);
}

static void same_trees(const char *path, const char *one, const char *two, struct pairs *pairs)
{
    char inner[64], a[256], b[256];

    same_stat(path, one, two, pairs);
    if (!S_ISDIR(stat_of(one).st_mode))
        return;
    for (const char *c = "abcde"; *c != '\0'; c++) {
        snprintf(inner, sizeof(inner), "%s/%c", path, *c);
        snprintf(a, sizeof(a), "%s/%c", one, *c);
        snprintf(b, sizeof(b), "%s/%c", two, *c);
        if (is_there(a) != is_there(b))
            fail_msg("%s: is %sthere, expected otherwise", inner, is_there(a) ? "" : "not ");
        if (is_there(a))
            same_trees(inner, a, b, pairs);
    }
}

/* ---- a round ------------------------------------------------------------------------------------
 */

static const char *const compressions[] = { "none", "gzip", "zstd" };

static void work_mount(struct place *place, struct arena *arena)
{
    const char *option = arena_printf(
        arena, "index=off,metacopy=off,redirect_dir=off,lowerdir=%s,upperdir=%s,workdir=%s",
        in(place, "a"), in(place, "upper"), in(place, "work"));

    mkdir(in(place, "upper"), 0755);
    mkdir(in(place, "work"), 0755);
    mkdir(in(place, "b"), 0755);
    if (mount("overlay", in(place, "b"), "overlay", 0, option) < 0)
        fail_msg("overlay %s: %s", option, strerror(errno));
}

/* The layer `name`, unpacked on a, is b. */
static void expect_round_trip(struct place *place, const char *name, const char *compression,
                              const struct packing_news *news, struct arena *arena)
{
    struct pairs *pairs = calloc(1, sizeof(*pairs));
    const char *lowers[] = { arena_str(arena, in(place, "a")) }, *option;
    struct unpack_options options = { .blob = in(place, "%s", name),
                                      .folder = in(place, "%s.layer", name),
                                      .compression = compression,
                                      .lowers = lowers,
                                      .lower_count = 1 };

    mkdir(options.folder, 0700);
    if (unpack_whole(&options, news->packed, &place->news, &place->err) < 0)
        fail_msg("%s: %s", name, place->err.text);
    assert_string_equal(place->news.diff_id, news->diff_id);
    option = arena_printf(arena, "lowerdir=%s:%s", in(place, "%s.layer/fs", name), in(place, "a"));
    mkdir(in(place, "view"), 0755);
    if (mount("overlay", in(place, "view"), "overlay", MS_RDONLY, option) < 0)
        fail_msg("overlay %s: %s", option, strerror(errno));
    same_trees("", in(place, "view"), in(place, "b"), pairs);
    assert_int_equal(umount2(in(place, "view"), 0), 0);
    free(pairs);
}

static void pack(struct place *place, const char *name, const struct list *before,
                 const struct list *after, const char *compression, struct packing_news *news)
{
    const struct packing_layer want = { .trees = { before, after, NULL },
                                        .compression = compression };

    if (pack_layer(place, name, &want, news) < 0)
        fail_msg("%s: %s", name, place->err.text);
}

struct tally {
    bool links;
    unsigned rounds, same;
    uint64_t entries;
};

static void one_round(struct place *place, void *ctx)
{
    struct tally *tally = ctx;
    bool links = tally->links;
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const char *compression = compressions[any(3)];
    struct packing_news whole, again, upper;
    struct list before, after, changed;

    mkdir(in(place, "a"), 0755);
    change_tree(in(place, "a"), 20 + any(400), links);
    work_mount(place, arena);
    change_tree(in(place, "b"), any(200), links);
    before = bind_of(arena, in(place, "a"));
    after = bind_of(arena, in(place, "b"));
    changed = overlay_of(arena, in(place, "a"), in(place, "upper"), in(place, "work"));
    pack(place, "whole", &before, &after, compression, &whole);
    pack(place, "again", &before, &after, compression, &again);
    pack(place, "upper.tar", &before, &changed, compression, &upper);
    assert_string_equal(whole.digest, again.digest);
    assert_string_equal(whole.diff_id, again.diff_id);
    expect_round_trip(place, "whole", compression, &whole, arena);
    expect_round_trip(place, "upper.tar", compression, &upper, arena);
    if (!links) /* what overlayfs has copied up of a file with several names can be told in two ways
                 */
        assert_string_equal(whole.diff_id, upper.diff_id);
    tally->same += strcmp(whole.diff_id, upper.diff_id) == 0;
    tally->entries += whole.entries;
    tally->rounds++;
    assert_int_equal(umount2(in(place, "b"), 0), 0);
}

static void rounds_with(struct place *place, bool links)
{
    struct tally tally = { .links = links };

    random_rounds(place, 40, one_round, &tally);
    print_message("%u rounds, %" PRIu64 " entries, both ways gave the same bytes in %u\n", tally.rounds,
                  tally.entries, tally.same);
}

static void a_layer_of_differences_makes_the_second_tree_of_the_first(void **state)
{
    rounds_with(*state, false);
}

static void so_it_does_with_files_of_several_names(void **state)
{
    rounds_with(*state, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_layer_of_differences_makes_the_second_tree_of_the_first),
        TEST(so_it_does_with_files_of_several_names),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
