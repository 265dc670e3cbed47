/* gantry-pack: what a layer of differences looks like, and what cannot be in one. */
#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/platform/pack_fixture.h"

static void make_file(const char *path, const char *text)
{
    put_file(path, text, strlen(text));
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){ { 1000, 0 }, { 1000, 0 } }, 0),
                     0);
}

static void time_set(const char *path)
{
    const struct timespec times[] = { { 1000, 0 }, { 1000, 0 } };

    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void two_folders(struct place *place)
{
    mkdir(in(place, "a"), 0755);
    mkdir(in(place, "b"), 0755);
}

static void both(struct place *place, const char *name, const char *text)
{
    make_file(in(place, "a/%s", name), text);
    make_file(in(place, "b/%s", name), text);
}

static int pack_two(struct place *place, struct packing_layer want, struct packing_news *news)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct list a = bind_of(arena, in(place, "a")), b = bind_of(arena, in(place, "b"));

    time_set(in(place, "a"));
    time_set(in(place, "b"));
    want.trees.before = &a;
    want.trees.after = &b;
    return pack_layer(place, "layer", &want, news);
}

/* The names in the layer, as tar lists them. */
static void expect_names(struct place *place, const char *names)
{
    char command[512], text[4096] = "";
    FILE *tar;
    size_t got;

    snprintf(command, sizeof(command), "tar tf %s | tr '\\n' ' '", in(place, "layer"));
    tar = popen(command, "r");
    assert_non_null(tar);
    got = fread(text, 1, sizeof(text) - 1, tar);
    text[got] = '\0';
    assert_int_equal(pclose(tar), 0);
    assert_string_equal(text, names);
}

#define PACK(place, ...) pack_two(place, (struct packing_layer){ __VA_ARGS__ }, &news)

static void only_what_differs_is_in_the_layer_and_the_folders_above(void **state)
{
    struct place *place = *state;
    struct packing_news news;

    two_folders(place);
    both(place, "same", "text");
    both(place, "other", "text");
    make_file(in(place, "b/other"), "tex2");
    for (const char *tree = "a"; *tree <= 'b'; tree = *tree == 'a' ? "b" : "c") {
        mkdir(in(place, "%s/d", tree), 0750);
        mkdir(in(place, "%s/d/e", tree), 0750);
        make_file(in(place, "%s/d/same", tree), "text");
    }
    make_file(in(place, "b/d/e/new"), "text");
    for (const char *tree = "a"; *tree <= 'b'; tree = *tree == 'a' ? "b" : "c") {
        time_set(in(place, "%s/d/e", tree));
        time_set(in(place, "%s/d", tree));
    }
    assert_int_equal(PACK(place), 0);
    expect_names(place, "d/ d/e/ d/e/new other ");
    assert_int_equal(news.entries, 4);
    assert_int_equal(news.packed, news.unpacked);
    assert_string_equal(news.digest, news.diff_id);
}

static void what_is_removed_comes_first(void **state)
{
    struct place *place = *state;
    struct packing_news news;

    two_folders(place);
    make_file(in(place, "a/z"), "text");
    make_file(in(place, "a/y"), "text");
    both(place, "x", "text");
    make_file(in(place, "b/a"), "text");
    assert_int_equal(PACK(place), 0);
    expect_names(place, ".wh.y .wh.z a ");
}

static void a_folder_of_many_names_is_sorted_too(void **state)
{
    struct place *place = *state;
    struct packing_news one, two;

    two_folders(place);
    for (int i = 0; i < 2000; i++)
        make_file(in(place, "b/%d", i), "");
    assert_int_equal(pack_two(place, (struct packing_layer){ 0 }, &one), 0);
    assert_int_equal(one.entries, 2000);
    for (int i = 1999; i >= 0; i--) {
        assert_int_equal(unlink(in(place, "b/%d", i)), 0);
        make_file(in(place, "b/%d", i), "");
    }
    assert_int_equal(pack_two(place, (struct packing_layer){ 0 }, &two), 0);
    assert_string_equal(one.diff_id, two.diff_id);
}

static void a_folder_in_which_all_is_gone_is_opaque(void **state)
{
    struct place *place = *state;
    struct packing_news news;

    two_folders(place);
    for (const char *tree = "a"; *tree <= 'b'; tree = *tree == 'a' ? "b" : "c")
        mkdir(in(place, "%s/d", tree), 0755);
    make_file(in(place, "a/d/one"), "");
    make_file(in(place, "a/d/two"), "");
    make_file(in(place, "b/d/three"), "");
    time_set(in(place, "a/d"));
    time_set(in(place, "b/d"));
    assert_int_equal(PACK(place), 0);
    expect_names(place, "d/ d/.wh..wh..opq d/three ");
}

static void a_name_that_means_a_removal_is_refused(void **state)
{
    struct place *place = *state;
    struct packing_news news;

    two_folders(place);
    make_file(in(place, "b/.wh.file"), "");
    assert_int_equal(PACK(place), -1);
    assert_int_equal(place->err.code, ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(place->err.text, ".wh.file"));
}

static void a_socket_is_not_there(void **state)
{
    struct place *place = *state;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct packing_news news;

    two_folders(place);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", in(place, "b/socket"));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    assert_int_equal(PACK(place), 0);
    assert_int_equal(news.entries, 0);
}

static void times_are_no_later_than_is_said(void **state)
{
    struct place *place = *state;
    int64_t latest = 500;
    struct packing_news one, two;

    two_folders(place);
    make_file(in(place, "b/file"), "text");
    assert_int_equal(pack_two(place, (struct packing_layer){ .latest = &latest }, &one), 0);
    utimensat(AT_FDCWD, in(place, "b/file"), (struct timespec[]){ { 700, 5 }, { 700, 5 } }, 0);
    assert_int_equal(pack_two(place, (struct packing_layer){ .latest = &latest }, &two), 0);
    assert_string_equal(one.diff_id, two.diff_id);
}

static void capabilities_and_long_names_are_carried(void **state)
{
    struct place *place = *state;
    const struct {
        uint32_t magic, permitted, inheritable, high[2];
    } capability = { 0x02000000 | 1, 1u << 13, 0, { 0, 0 } };
    char name[256], found[32], path[PATH_SIZE];
    struct packing_news news;

    two_folders(place);
    memset(name, 'n', 255);
    name[255] = '\0';
    make_file(in(place, "b/%s", name), "text");
    assert_int_equal(setxattr(in(place, "b/%s", name), "security.capability", &capability,
                              sizeof(capability), 0),
                     0);
    assert_int_equal(chown(in(place, "b"), 3000000, 5), 0);
    assert_int_equal(PACK(place, .compression = "gzip"), 0);
    mkdir(in(place, "to"), 0700);
    assert_int_equal(unpack_whole(&(struct unpack_options){ .blob = in(place, "layer"),
                                                            .folder = in(place, "to"),
                                                            .compression = "gzip",
                                                            .base = true },
                                  news.packed, &place->news, &place->err),
                     0);
    assert_string_equal(place->news.diff_id, news.diff_id);
    snprintf(path, sizeof(path), "%s", in(place, "to/fs/%s", name));
    assert_int_equal(lgetxattr(path, "security.capability", found, sizeof(found)),
                     sizeof(capability));
    assert_int_equal(stat_of(in(place, "to/fs")).st_uid, 3000000);
}

static void mount_places_that_are_new_and_empty_are_left_out(void **state)
{
    static const char *const paths[] = { "/etc/hosts", "/proc", "/full" };
    const struct strs excluded = { 3, (const char **)(uintptr_t)paths };
    struct place *place = *state;
    struct packing_news news;

    two_folders(place);
    mkdir(in(place, "a/etc"), 0755);
    mkdir(in(place, "b/etc"), 0755);
    make_file(in(place, "b/etc/hosts"), "");
    mkdir(in(place, "b/proc"), 0555);
    mkdir(in(place, "b/full"), 0555);
    make_file(in(place, "b/full/file"), "");
    time_set(in(place, "a/etc"));
    time_set(in(place, "b/etc"));
    assert_int_equal(PACK(place, .trees = { .excluded = &excluded }), 0);
    expect_names(place, "full/ full/file ");
}

static void a_full_disk_is_said(void **state)
{
    CLEANUP(packing_drop) struct packing packing = { 0 };
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct place *place = *state;
    struct packing_news news;
    struct list a, b;
    struct packing_layer want = { .file = "/dev/full", .compression = "none" };

    two_folders(place);
    make_file(in(place, "b/file"), "text");
    a = bind_of(arena, in(place, "a"));
    b = bind_of(arena, in(place, "b"));
    want.trees = (struct packing_trees){ &a, &b, NULL };
    assert_int_equal(packing_layer(&want, &packing, &place->err), 0);
    assert_int_equal(packing_end(&packing, &news, NULL, &place->err), -1);
    assert_int_equal(place->err.code, ERROR_RESOURCE_EXHAUSTED);
}

static void a_helper_that_was_killed_is_said(void **state)
{
    CLEANUP(packing_drop) struct packing packing = { 0 };
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct place *place = *state;
    struct packing_news news;
    struct list b;

    two_folders(place);
    make_file(in(place, "b/large"), "");
    assert_int_equal(truncate(in(place, "b/large"), 1 << 30), 0); /* does not fit into the pipe */
    b = bind_of(arena, in(place, "b"));
    assert_int_equal(
        packing_copy(&(struct packing_root){ .mounts = &b }, "/", &packing, &place->err), 0);
    kill(packing.child.pid, SIGKILL);
    assert_int_equal(packing_end(&packing, &news, NULL, &place->err), -1);
    assert_int_equal(place->err.code, ERROR_INTERNAL);
    assert_non_null(strstr(place->err.text, "killed"));
}

static void redirected_folders_are_refused(void **state)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct place *place = *state;
    struct packing_news news;
    struct list a, b;
    struct packing_layer want = { 0 };

    two_folders(place);
    mkdir(in(place, "b/moved"), 0755);
    assert_int_equal(setxattr(in(place, "b/moved"), "trusted.overlay.redirect", "x", 1, 0), 0);
    a = bind_of(arena, in(place, "a"));
    b = overlay_of(arena, in(place, "a"), in(place, "b"), in(place, "w"));
    want.trees = (struct packing_trees){ &a, &b, NULL };
    assert_int_equal(pack_layer(place, "layer", &want, &news), -1);
    assert_int_equal(place->err.code, ERROR_FAILED_PRECONDITION);
}

static void changes_are_listed(void **state)
{
    static const char expected[] = "D/gone\0C/d\0A/d/new\0C/file";
    CLEANUP(packing_drop) struct packing packing = { 0 };
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct place *place = *state;
    struct bytes said = { 0 };
    struct packing_news news;
    struct list a, b;

    two_folders(place);
    both(place, "file", "text");
    make_file(in(place, "b/file"), "changed");
    make_file(in(place, "a/gone"), "");
    mkdir(in(place, "a/d"), 0755);
    mkdir(in(place, "b/d"), 0755);
    make_file(in(place, "b/d/new"), "");
    a = bind_of(arena, in(place, "a"));
    b = bind_of(arena, in(place, "b"));
    assert_int_equal(
        packing_changes(&(struct packing_trees){ &a, &b, NULL }, &packing, &place->err), 0);
    assert_int_equal(packing_end(&packing, &news, &said, &place->err), 0);
    assert_int_equal(said.size, sizeof(expected));
    assert_memory_equal(said.at, expected, sizeof(expected));
    bytes_free(&said);
}

/* ---- out of a root -----------------------------------------------------------------------------
 */

static int look(struct place *place, const char *path, struct packing_news *news,
                struct bytes *said)
{
    CLEANUP(packing_drop) struct packing packing = { 0 };
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct list root = bind_of(arena, in(place, "b"));

    place->err = (struct error){ 0 };
    if (packing_stat(&(struct packing_root){ .mounts = &root }, path, &packing, &place->err) < 0)
        return -1;
    return packing_end(&packing, news, said, &place->err);
}

static void expect_place(struct place *place, const char *path, const char *resolved,
                         const char *target)
{
    struct bytes said = { 0 };
    struct packing_news news;

    if (look(place, path, &news, &said) < 0)
        fail_msg("%s: %s", path, place->err.text);
    assert_string_equal((char *)said.at, resolved);
    assert_string_equal((char *)said.at + strlen(resolved) + 1, target);
    bytes_free(&said);
}

static void paths_are_resolved_in_the_root(void **state)
{
    struct place *place = *state;
    struct packing_news news;

    two_folders(place);
    mkdir(in(place, "b/etc"), 0755);
    make_file(in(place, "b/etc/passwd"), "inside");
    assert_int_equal(symlink("/etc", in(place, "b/link")), 0);
    assert_int_equal(symlink("../../../../../etc/passwd", in(place, "b/etc/up")), 0);
    assert_int_equal(symlink("/loop", in(place, "b/loop")), 0);
    expect_place(place, "/link/passwd", "etc/passwd", "");
    expect_place(place, "../../etc/../etc/passwd", "etc/passwd", "");
    expect_place(place, "/link", "link", "/etc");
    expect_place(place, "/link/", "etc", "");
    expect_place(place, "/link/.", "etc", "");
    expect_place(place, "/", "", "");
    expect_place(place, "etc/up", "etc/up", "../../../../../etc/passwd");
    assert_int_equal(look(place, "/nothing/here", &news, NULL), -1);
    assert_int_equal(place->err.code, ERROR_NOT_FOUND);
    assert_int_equal(look(place, "/etc/passwd/", &news, NULL), -1);
    assert_int_equal(place->err.code, ERROR_NOT_FOUND);
    assert_int_equal(look(place, "/loop/x", &news, NULL), -1);
    assert_int_equal(place->err.code, ERROR_INVALID_ARGUMENT);
}

static void a_copy_is_a_tar_that_begins_with_the_last_name(void **state)
{
    CLEANUP(packing_drop) struct packing packing = { 0 };
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct place *place = *state;
    struct bytes tar = { 0 };
    struct packing_news news;
    struct list root;

    two_folders(place);
    mkdir(in(place, "b/d"), 0755);
    make_file(in(place, "b/d/one"), "text");
    assert_int_equal(link(in(place, "b/d/one"), in(place, "b/d/two")), 0);
    assert_int_equal(symlink("/etc/shadow", in(place, "b/d/three")), 0);
    root = bind_of(arena, in(place, "b"));
    assert_int_equal(
        packing_copy(&(struct packing_root){ .mounts = &root }, "/d/", &packing, &place->err), 0);
    assert_int_equal(packing_end(&packing, &news, &tar, &place->err), 0);
    put_file(in(place, "layer"), tar.at, tar.size);
    expect_names(place, "d/ d/one d/three d/two ");
    bytes_free(&tar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_what_differs_is_in_the_layer_and_the_folders_above),
        TEST(what_is_removed_comes_first),
        TEST(a_folder_of_many_names_is_sorted_too),
        TEST(a_folder_in_which_all_is_gone_is_opaque),
        TEST(a_name_that_means_a_removal_is_refused),
        TEST(a_socket_is_not_there),
        TEST(times_are_no_later_than_is_said),
        TEST(capabilities_and_long_names_are_carried),
        TEST(mount_places_that_are_new_and_empty_are_left_out),
        TEST(a_full_disk_is_said),
        TEST(a_helper_that_was_killed_is_said),
        TEST(redirected_folders_are_refused),
        TEST(changes_are_listed),
        TEST(paths_are_resolved_in_the_root),
        TEST(a_copy_is_a_tar_that_begins_with_the_last_name),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
