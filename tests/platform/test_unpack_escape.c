/*
 * test_unpack_escape — no entry leads out of the root (LAY-11).
 */
#include "tests/platform/unpack_layer.h"

/* A file beside the layer folder that hostile layers aim at. */
static void expect_untouched(struct place *place)
{
    expect_text(in(place, "victim/f"), "untouched");
    assert_int_equal(stat_of(in(place, "victim/f")).st_mode, S_IFREG | 0600);
    assert_int_equal(stat_of(in(place, "victim/f")).st_nlink, 1);
    assert_false(is_there(in(place, "victim/new")));
}

static void victim_make(struct place *place)
{
    mkdir(in(place, "victim"), 0700);
    put_file(in(place, "victim/f"), "untouched", 9);
}

static void lay_11_dots_and_slashes_stay_within_the_root(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    victim_make(place);
    TAR(&tar, .name = "../victim/new", .data = "1");
    TAR(&tar, .name = "/../../victim/f", .data = "2");
    TAR(&tar, .name = "a/../../../victim/g", .data = "3");
    TAR(&tar, .name = "/abs//./x/", .type = '5');
    expect_layer(place, "x", &tar);
    expect_untouched(place);
    expect_text(in(place, "x/fs/victim/new"), "1");
    expect_text(in(place, "x/fs/victim/f"), "2");
    expect_text(in(place, "x/fs/victim/g"), "3");
    assert_true(is_there(in(place, "x/fs/abs/x")));
}

static void lay_11_links_as_parents_stay_within_the_root(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    victim_make(place);
    TAR(&tar, .type = '2', .name = "up", .link = "../../victim");
    TAR(&tar, .name = "up/new", .data = "1");
    TAR(&tar, .type = '2', .name = "abs", .link = in(place, "victim"));
    TAR(&tar, .name = "abs/f", .data = "2");
    TAR(&tar, .type = '2', .name = "magic", .link = "/proc/self/root");
    TAR(&tar, .name = "magic/f", .data = "3");
    TAR(&tar, .type = '2', .name = "chain1", .link = "chain2/../up");
    TAR(&tar, .type = '2', .name = "chain2", .link = "/");
    TAR(&tar, .name = "chain1/chained", .data = "4");
    expect_layer(place, "x", &tar);
    expect_untouched(place);
    expect_text(in(place, "x/fs/victim/new"), "1");
    expect_text(in(place, "x/fs/%s/victim/f", place->root + 1), "2");
    expect_text(in(place, "x/fs/proc/self/root/f"), "3");
    expect_text(in(place, "x/fs/victim/chained"), "4");
}

static void lay_11_writing_over_a_link_replaces_the_link(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    victim_make(place);
    TAR(&tar, .type = '2', .name = "l", .link = in(place, "victim/f"));
    TAR(&tar, .name = "l", .mode = 04777, .uid = 5, .data = "evil");
    TAR(&tar, .type = '2', .name = "m", .link = in(place, "victim"));
    TAR(&tar, .type = '5', .name = "m", .mode = 0777, .uid = 5);
    TAR(&tar, .type = '2', .name = "n", .link = "/dev/null");
    TAR(&tar, .name = "n", .data = "not a device");
    expect_layer(place, "x", &tar);
    expect_untouched(place);
    expect_text(in(place, "x/fs/l"), "evil");
    expect_text(in(place, "x/fs/n"), "not a device");
    assert_int_equal(stat_of(in(place, "victim")).st_mode, S_IFDIR | 0700);
}

static void lay_11_hard_links_to_the_outside_find_nothing(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    victim_make(place);
    TAR(&tar, .type = '1', .name = "x", .link = "../../victim/f");
    tar_end(&tar);
    assert_int_equal(UNPACK(place, "x", &tar, .base = true), -1);
    assert_int_equal(place->err.code, ERROR_INVALID_ARGUMENT);
    bytes_free(&tar);
    TAR(&tar, .type = '2', .name = "l", .link = "../../victim");
    TAR(&tar, .type = '1', .name = "x", .link = "l/f");
    tar_end(&tar);
    assert_int_equal(UNPACK(place, "x", &tar, .base = true), -1);
    assert_int_equal(place->err.code, ERROR_INVALID_ARGUMENT);
    bytes_free(&tar);
    expect_untouched(place);
}

static void lay_11_a_hard_link_to_a_link_does_not_follow_it(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    victim_make(place);
    TAR(&tar, .type = '2', .name = "l", .link = in(place, "victim/f"));
    TAR(&tar, .type = '1', .name = "h", .link = "l");
    TAR(&tar, .name = "h", .data = "new");
    expect_layer(place, "x", &tar);
    expect_untouched(place);
    expect_text(in(place, "x/fs/h"), "new");
    expect_link(in(place, "x/fs/l"), in(place, "victim/f"));
}

static void expect_refused_as_base(struct place *place, struct bytes *tar, const char *why)
{
    tar_end(tar);
    assert_int_equal(UNPACK(place, "refused", tar, .base = true), -1);
    assert_int_equal(place->err.code, ERROR_INVALID_ARGUMENT);
    if (strstr(place->err.text, why) == NULL)
        fail_msg("refused for another reason: %s", place->err.text);
    bytes_free(tar);
}

static void lay_11_paths_that_lead_nowhere_are_refused(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '2', .name = "a", .link = "b");
    TAR(&tar, .type = '2', .name = "b", .link = "a");
    TAR(&tar, .name = "a/f", .data = "x");
    expect_refused_as_base(place, &tar, "links");
    TAR(&tar, .name = "f", .data = "x");
    TAR(&tar, .name = "f/g", .data = "x");
    expect_refused_as_base(place, &tar, "f is not a folder");
    TAR(&tar, .type = '5', .name = "d");
    TAR(&tar, .type = '1', .name = "h", .link = "d");
    expect_refused_as_base(place, &tar, "hard link to the folder");
    TAR(&tar, .name = "a/..", .data = "x");
    expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "the root");
    TAR(&tar, .type = '2', .name = "..", .link = "x");
    expect_refused(place, &tar, ERROR_INVALID_ARGUMENT, "the root");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lay_11_dots_and_slashes_stay_within_the_root),
        TEST(lay_11_links_as_parents_stay_within_the_root),
        TEST(lay_11_writing_over_a_link_replaces_the_link),
        TEST(lay_11_hard_links_to_the_outside_find_nothing),
        TEST(lay_11_a_hard_link_to_a_link_does_not_follow_it),
        TEST(lay_11_paths_that_lead_nowhere_are_refused),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
