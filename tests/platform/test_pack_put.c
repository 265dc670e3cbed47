/* Archives that clients put into a container: what they may do there, and what not. */
#include "tests/platform/pack_fixture.h"

/* Into the folder, in the root at <root>/b. */
static int put(struct place *place, const char *folder, struct bytes *tar)
{
    static const char *options[] = { "rbind", "rw" };
    CLEANUP(packing_drop) struct packing packing = { 0 };
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct packing_news news;
    struct list root;
    int result;

    mkdir(in(place, "b"), 0755);
    root = bind_of(arena, in(place, "b"));
    ((struct mount *)root.items)->options = (struct strs){ 2, options };
    tar_end(tar);
    place->err = (struct error){ 0 };
    result = packing_put(&(struct packing_root){ .mounts = &root }, folder, &packing, &place->err);
    if (result == 0)
        result = packing_say(&packing, tar->at, tar->size, &place->err);
    packing_say_end(&packing);
    if (result == 0)
        result = packing_end(&packing, &news, NULL, &place->err);
    bytes_free(tar);
    return result;
}

static void expect_put(struct place *place, const char *folder, struct bytes *tar)
{
    if (put(place, folder, tar) < 0)
        fail_msg("%s", place->err.text);
}

static void expect_not_put(struct place *place, const char *folder, struct bytes *tar,
                           enum error_code code, const char *why)
{
    assert_int_equal(put(place, folder, tar), -1);
    if (place->err.code != code || strstr(place->err.text, why) == NULL)
        fail_msg("refused for another reason: %s: %s", error_code_name(place->err.code),
                 place->err.text);
}

static void files_go_below_the_folder(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    mkdir(in(place, "b"), 0755);
    mkdir(in(place, "b/to"), 0755);
    TAR(&tar, .type = '5', .name = "d", .mode = 0700);
    TAR(&tar, .name = "d/../../../up", .data = "up");
    TAR(&tar, .name = "/absolute", .data = "absolute", .uid = 12);
    TAR(&tar, .name = "d/.wh.file", .data = "no removal");
    TAR(&tar, .type = '1', .name = "d/second", .link = "absolute");
    expect_put(place, "/to", &tar);
    expect_text(in(place, "b/to/up"), "up");
    expect_text(in(place, "b/to/absolute"), "absolute");
    expect_text(in(place, "b/to/d/.wh.file"), "no removal");
    assert_int_equal(stat_of(in(place, "b/to/d/second")).st_nlink, 2);
    assert_int_equal(stat_of(in(place, "b/to/absolute")).st_uid, 12);
    assert_int_equal(stat_of(in(place, "b/to/d")).st_mode & 07777, 0700);
}

static void links_lead_where_they_lead_for_the_container(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    mkdir(in(place, "b"), 0755);
    mkdir(in(place, "b/tmp"), 0755);
    mkdir(in(place, "b/real"), 0755);
    assert_int_equal(symlink("/real", in(place, "b/way")), 0);
    assert_int_equal(symlink("../../../../../../real", in(place, "b/tmp/up")), 0);
    TAR(&tar, .name = "one", .data = "1");
    expect_put(place, "way", &tar);
    expect_text(in(place, "b/real/one"), "1");
    TAR(&tar, .name = "up/two", .data = "2");
    TAR(&tar, .type = '2', .name = "made", .link = "/tmp/../../../../../..");
    TAR(&tar, .name = "made/three", .data = "3");
    expect_put(place, "tmp", &tar);
    expect_text(in(place, "b/real/two"), "2");
    expect_text(in(place, "b/three"), "3");
}

static void folders_and_other_things_do_not_take_each_others_place(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    mkdir(in(place, "b"), 0755);
    mkdir(in(place, "b/d"), 0751);
    put_file(in(place, "b/d/kept"), "kept", 4);
    put_file(in(place, "b/f"), "old", 3);
    TAR(&tar, .name = "d", .data = "file");
    expect_not_put(place, "/", &tar, ERROR_FAILED_PRECONDITION, "is a folder");
    TAR(&tar, .type = '2', .name = "d", .link = "f");
    expect_not_put(place, "/", &tar, ERROR_FAILED_PRECONDITION, "is a folder");
    TAR(&tar, .type = '5', .name = "f");
    expect_not_put(place, "/", &tar, ERROR_FAILED_PRECONDITION, "is not a folder");
    expect_text(in(place, "b/d/kept"), "kept");
    TAR(&tar, .type = '5', .name = "d", .mode = 0777);
    TAR(&tar, .name = "f", .data = "new");
    expect_put(place, "/", &tar);
    expect_text(in(place, "b/f"), "new");
    assert_int_equal(stat_of(in(place, "b/d")).st_mode & 07777, 0751);
}

static void a_folder_that_got_something_has_a_new_time(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    mkdir(in(place, "b"), 0755);
    mkdir(in(place, "b/d"), 0755);
    utimensat(AT_FDCWD, in(place, "b/d"), (struct timespec[]){ { 1000, 0 }, { 1000, 0 } }, 0);
    TAR(&tar, .name = "f", .data = "new");
    expect_put(place, "/d", &tar);
    assert_true(mtime_ns(in(place, "b/d")) / 1000000000 > 1000);
}

static void what_is_missing_or_no_archive_is_said(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    mkdir(in(place, "b"), 0755);
    put_file(in(place, "b/f"), "file", 4);
    TAR(&tar, .name = "x", .data = "x");
    expect_not_put(place, "/nowhere", &tar, ERROR_NOT_FOUND, "/nowhere");
    TAR(&tar, .name = "x", .data = "x");
    expect_not_put(place, "/f", &tar, ERROR_FAILED_PRECONDITION, "is not a folder");
    bytes_add(&tar, "this is no archive, whatever comes", 34);
    expect_not_put(place, "/", &tar, ERROR_DATA_LOSS, "tar");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_go_below_the_folder),
        TEST(links_lead_where_they_lead_for_the_container),
        TEST(folders_and_other_things_do_not_take_each_others_place),
        TEST(a_folder_that_got_something_has_a_new_time),
        TEST(what_is_missing_or_no_archive_is_said),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
