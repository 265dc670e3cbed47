/*
 * test_unpack_over — entries that meet something: of the same layer (LAY-4, LAY-14), or of the layers
 * below, which whiteouts hide (LAY-5 to LAY-9).
 */
#include "tests/platform/unpack_layer.h"

/* ---- LAY-4 and LAY-14: something is there already ----------------------------------------- */

static void lay_4_a_folder_over_a_folder_changes_only_attributes(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    char value[8];

    pax_one(&tar, "SCHILY.xattr.user.old", "1");
    TAR(&tar, .type = '5', .name = "d", .mode = 0700, .uid = 1, .mtime = 1111);
    TAR(&tar, .name = "d/f", .data = "x");
    TAR(&tar, .type = '5', .name = "d", .mode = 02750, .gid = 2, .mtime = 2222);
    expect_layer(place, "x", &tar);

    expect_text(in(place, "x/fs/d/f"), "x");
    assert_int_equal(stat_of(in(place, "x/fs/d")).st_mode, S_IFDIR | 02750);
    assert_int_equal(stat_of(in(place, "x/fs/d")).st_uid, 0);
    assert_int_equal(stat_of(in(place, "x/fs/d")).st_gid, 2);
    assert_int_equal(mtime_ns(in(place, "x/fs/d")), 2222ll * 1000000000);
    assert_int_equal(lgetxattr(in(place, "x/fs/d"), "user.old", value, 8), -1);
    assert_false(is_opaque_at(in(place, "x/fs/d")));
}

static void lay_4_a_file_replaces_a_folder_with_all_in_it(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "d/e/f/g", .data = "x");
    TAR(&tar, .type = '5', .name = "d/e/empty");
    TAR(&tar, .type = '2', .name = "d/e/out", .link = "../..");
    TAR(&tar, .name = "keep", .data = "kept");
    TAR(&tar, .name = "d", .data = "file");
    expect_layer(place, "x", &tar);
    expect_text(in(place, "x/fs/d"), "file");
    expect_text(in(place, "x/fs/keep"), "kept");
    assert_int_equal(place->news.inodes, 2);
}

static void lay_4_a_folder_replaces_a_link_and_hides_the_parents_folder(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "real/f", .data = "x");
    TAR(&tar, .type = '2', .name = "l", .link = "real");
    TAR(&tar, .type = '5', .name = "l");
    TAR(&tar, .name = "l/g", .data = "y");
    expect_layer(place, "x", &tar);
    assert_true(S_ISDIR(stat_of(in(place, "x/fs/l")).st_mode));
    assert_true(is_opaque_at(in(place, "x/fs/l")));
    expect_text(in(place, "x/fs/l/g"), "y");
    assert_false(is_there(in(place, "x/fs/real/g")));
}

static void lay_14_of_two_entries_the_last_one_wins(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "f", .mode = 0777, .uid = 7, .data = "first");
    TAR(&tar, .type = '1', .name = "h", .link = "f");
    TAR(&tar, .name = "f", .data = "second, longer");
    TAR(&tar, .type = '2', .name = "s", .link = "f");
    TAR(&tar, .name = "s", .data = "third");
    TAR(&tar, .type = '1', .name = "s", .link = "h");
    TAR(&tar, .type = '1', .name = "h", .link = "h");
    expect_layer(place, "x", &tar);
    expect_text(in(place, "x/fs/f"), "second, longer");
    expect_text(in(place, "x/fs/h"), "first");
    expect_text(in(place, "x/fs/s"), "first");
    assert_int_equal(stat_of(in(place, "x/fs/f")).st_uid, 0);
    assert_int_equal(stat_of(in(place, "x/fs/f")).st_mode, S_IFREG | 0644);
    assert_int_equal(place->news.inodes, 2);
}

/* ---- whiteouts ------------------------------------------------------------------------- */

static void lay_5_a_whiteout_leaves_this_layers_own_file_whatever_the_order(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = "d/.wh.before", .data = "");
    TAR(&tar, .name = "d/before", .data = "1");
    TAR(&tar, .name = "d/after", .data = "2");
    TAR(&tar, .name = "d/.wh.after", .data = "");
    TAR(&tar, .name = "d/.wh.gone", .data = "");
    TAR(&tar, .name = "d/.wh..hidden", .data = "");
    expect_layer(place, "x", &tar);
    expect_text(in(place, "x/fs/d/before"), "1");
    expect_text(in(place, "x/fs/d/after"), "2");
    assert_true(is_whiteout_at(in(place, "x/fs/d/gone")));
    assert_true(is_whiteout_at(in(place, "x/fs/d/.hidden")));
    assert_false(is_there(in(place, "x/fs/d/.wh.gone")));
}

static void lay_5_a_whiteout_of_an_own_folder_hides_the_parents_one(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = ".wh.a", .data = "");
    TAR(&tar, .type = '5', .name = "a", .mode = 0700);
    TAR(&tar, .type = '5', .name = "b", .mode = 0700);
    TAR(&tar, .name = ".wh.b", .data = "");
    TAR(&tar, .name = ".wh.c", .data = "");
    TAR(&tar, .name = "c/f", .data = "x");
    TAR(&tar, .name = "d/f", .data = "x");
    TAR(&tar, .name = ".wh.d", .data = "");
    expect_layer(place, "x", &tar);
    for (char name = 'a'; name <= 'd'; name++)
        assert_true(is_opaque_at(in(place, "x/fs/%c", name)));
    assert_int_equal(stat_of(in(place, "x/fs/a")).st_mode, S_IFDIR | 0700);
    assert_int_equal(stat_of(in(place, "x/fs/c")).st_mode, S_IFDIR | 0755);
}

static void lay_6_an_opaque_folder_keeps_this_layers_children_whatever_the_order(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '5', .name = "d", .mode = 0711);
    TAR(&tar, .name = "d/before", .data = "1");
    TAR(&tar, .name = "d/.wh..wh..opq", .data = "");
    TAR(&tar, .name = "d/after", .data = "2");
    TAR(&tar, .name = "e/.wh..wh..opq", .data = "");
    TAR(&tar, .type = '5', .name = "e", .mode = 0700);
    expect_layer(place, "x", &tar);
    assert_true(is_opaque_at(in(place, "x/fs/d")));
    assert_true(is_opaque_at(in(place, "x/fs/e")));
    assert_int_equal(stat_of(in(place, "x/fs/d")).st_mode, S_IFDIR | 0711);
    assert_int_equal(stat_of(in(place, "x/fs/e")).st_mode, S_IFDIR | 0700);
    expect_text(in(place, "x/fs/d/before"), "1");
    expect_text(in(place, "x/fs/d/after"), "2");
    assert_false(is_there(in(place, "x/fs/d/.wh..wh..opq")));
}

static void lay_7_whiteouts_of_nothing_and_tricks_are_refused(void **state)
{
    static const char *const names[] = { ".wh.",           "a/.wh.",    ".wh..",   "a/.wh...",
                                         "a/.wh.b/c",      ".wh./a",    ".wh..",   "../.wh.",
                                         ".wh..wh..opq/x", "a/.wh../b", ".wh.../b" };
    struct place *place = *state;
    struct bytes tar = { 0 };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        TAR(&tar, .name = names[i], .data = "");
        expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "whiteout");
    }
}

static void lay_7_notes_of_other_file_systems_are_ignored(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '5', .name = ".wh..wh.plnk", .mode = 0700);
    TAR(&tar, .name = ".wh..wh.plnk/1.2", .data = "x");
    TAR(&tar, .name = ".wh..wh.aufs", .data = "x");
    TAR(&tar, .name = "f", .data = "x");
    expect_layer(place, "x", &tar);
    assert_int_equal(place->news.inodes, 1);
}

static void lay_8_whiteouts_in_a_layer_without_parents_are_dropped(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .name = ".wh.a", .data = "");
    TAR(&tar, .type = '5', .name = "d");
    TAR(&tar, .name = "d/.wh..wh..opq", .data = "");
    TAR(&tar, .name = "d/f", .data = "x");
    TAR(&tar, .name = "implied/f", .data = "x");
    tar_end(&tar);
    assert_int_equal(UNPACK(place, "x", &tar, .base = true), 0);
    bytes_free(&tar);
    assert_false(is_there(in(place, "x/fs/a")));
    assert_false(is_opaque_at(in(place, "x/fs/d")));
    assert_int_equal(place->news.inodes, 4);
    assert_int_equal(place->news.deferred, 0);
    assert_false(is_there(in(place, "x/deferred")));
    assert_int_equal(listxattr(in(place, "x/fs/implied"), NULL, 0), 0);
}

static void lay_9_an_image_cannot_set_overlays_attributes(void **state)
{
    static const char *const keys[] = {
        "SCHILY.xattr.trusted.overlay.opaque",       "SCHILY.xattr.trusted.overlay.redirect",
        "SCHILY.xattr.user.overlay.whiteout",        "LIBARCHIVE.xattr.trusted.overlay.metacopy",
        "LIBARCHIVE.xattr.trusted%2eoverlay.origin", "SCHILY.xattr.trusted.gantry.implied",
        "SCHILY.xattr.user.gantry.implied",
    };
    struct place *place = *state;
    struct bytes tar = { 0 };

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        pax_one(&tar, keys[i], "eQ");
        TAR(&tar, .type = i % 2 ? '5' : '0', .name = "x");
        expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "may not set the attribute");
    }
}

static void lay_9_an_image_cannot_make_a_whiteout_device(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '3', .name = "dev/x");
    expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "0:0");
    pax_one(&tar, "SCHILY.devmajor", "4294967296");
    TAR(&tar, .type = '3', .name = "dev/x");
    expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "0:0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lay_4_a_folder_over_a_folder_changes_only_attributes),
        TEST(lay_4_a_file_replaces_a_folder_with_all_in_it),
        TEST(lay_4_a_folder_replaces_a_link_and_hides_the_parents_folder),
        TEST(lay_5_a_whiteout_leaves_this_layers_own_file_whatever_the_order),
        TEST(lay_5_a_whiteout_of_an_own_folder_hides_the_parents_one),
        TEST(lay_6_an_opaque_folder_keeps_this_layers_children_whatever_the_order),
        TEST(lay_7_whiteouts_of_nothing_and_tricks_are_refused),
        TEST(lay_7_notes_of_other_file_systems_are_ignored),
        TEST(lay_8_whiteouts_in_a_layer_without_parents_are_dropped),
        TEST(lay_9_an_image_cannot_set_overlays_attributes),
        TEST(lay_9_an_image_cannot_make_a_whiteout_device),
        TEST(lay_14_of_two_entries_the_last_one_wins),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
