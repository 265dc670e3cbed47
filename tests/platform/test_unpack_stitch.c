/*
 * Layers that were unpacked apart from their parents, and stitched, by example: LAY-10, LAY-12, and
 * what reaches through links of the parents.
 */
#include "tests/platform/stitch_fixture.h"

static void unpack_layer(struct place *place, int number, struct bytes *tar)
{
    char name[8];

    snprintf(name, sizeof(name), "%d", number);
    tar_end(tar);
    if (UNPACK(place, name, tar, .base = number == 0) < 0)
        fail_msg("layer %d: %s", number, place->err.text);
    bytes_free(tar);
}

static void expect_stitched(struct place *place, int number)
{
    if (stitch_layer(place, number) < 0)
        fail_msg("stitch layer %d: %s", number, place->err.text);
    assert_false(is_there(in(place, "%d/deferred", number)));
}

/* The merged view of layers 0 .. number at <root>/view. */
static void view_mount(struct place *place, int number)
{
    char option[4096] = "";

    strcpy(option, lowers_word());
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
    assert_int_equal(lgetxattr(in(place, "1/fs/tmp"), layer_marks()->implied, value, 8), -1);
    assert_int_equal(lgetxattr(in(place, "1/fs"), layer_marks()->implied, value, 8), -1);
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
        assert_int_equal(lgetxattr(path, layer_marks()->link, value, 64), -1);
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
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
