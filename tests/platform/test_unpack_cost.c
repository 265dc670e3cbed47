/*
 * test_unpack_cost — what a layer may cost, and how it is counted (LAY-18).
 */
#include "tests/platform/unpack_layer.h"

static void lay_18_limits_stop_bombs(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    simple_tar(&tar);
    assert_int_equal(UNPACK(place, "x", &tar, .max_bytes = tar.size), 0);
    assert_int_equal(UNPACK(place, "x", &tar, .max_bytes = tar.size - 1), -1);
    assert_int_equal(place->err.code, ERROR_RESOURCE_EXHAUSTED);
    assert_int_equal(UNPACK(place, "x", &tar, .max_entries = 2), 0);
    assert_int_equal(UNPACK(place, "x", &tar, .max_entries = 1), -1);
    assert_int_equal(place->err.code, ERROR_RESOURCE_EXHAUSTED);
    bytes_free(&tar);
    TAR(&tar, .name = "a/b/c/d/e/f/g", .data = "x");
    tar_end(&tar);
    assert_int_equal(UNPACK(place, "x", &tar, .max_entries = 6), -1);
    assert_int_equal(place->err.code, ERROR_RESOURCE_EXHAUSTED);
    bytes_free(&tar);
}

/* The same entries twice as often may take little more than twice as long. */
static double seconds_for(struct place *place, void (*fill)(struct bytes *tar, int count),
                          int count)
{
    struct bytes tar = { 0 };
    int64_t start;

    fill(&tar, count);
    tar_end(&tar);
    start = clock_monotonic();
    if (UNPACK(place, "cost", &tar) < 0)
        fail_msg("%s", place->err.text);
    bytes_free(&tar);
    return (double)(clock_monotonic() - start) / 1e9;
}

static void expect_linear(struct place *place, void (*fill)(struct bytes *tar, int count))
{
    double once = seconds_for(place, fill, 2000), more = seconds_for(place, fill, 16000);

    if (more > once * 8 * 3 + 0.5)
        fail_msg("2000 take %.3f s, 16000 take %.3f s", once, more);
}

static void many_opaque_marks(struct bytes *tar, int count)
{
    for (int i = 0; i < count; i++) {
        TAR(tar, .name = "d/.wh..wh..opq", .data = "");
        if (i % 4 == 0) {
            char name[32];

            snprintf(name, sizeof(name), "d/%d", i);
            TAR(tar, .name = name, .data = "");
        }
    }
}

static void many_whiteouts_and_files(struct bytes *tar, int count)
{
    char name[32];

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "d/%s%d", i % 2 ? ".wh." : "", i / 2);
        TAR(tar, .name = name, .data = "");
    }
}

static void many_replacements(struct bytes *tar, int count)
{
    for (int i = 0; i < count; i++)
        if (i % 3 == 0)
            TAR(tar, .type = '5', .name = "d");
        else
            TAR(tar, .name = i % 3 == 1 ? "d/e/f" : "d", .data = "");
}

static void many_folders_in_turns(struct bytes *tar, int count)
{
    char name[64];

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "d%d/%d", i % 100, i);
        TAR(tar, .name = name, .data = "");
    }
}

static void lay_18_bombs_of_opaque_marks_take_linear_time(void **state)
{
    expect_linear(*state, many_opaque_marks);
}

static void lay_18_bombs_of_whiteouts_take_linear_time(void **state)
{
    expect_linear(*state, many_whiteouts_and_files);
}

static void lay_18_bombs_of_replaced_folders_take_linear_time(void **state)
{
    expect_linear(*state, many_replacements);
}

static void lay_18_folders_in_turns_take_linear_time(void **state)
{
    expect_linear(*state, many_folders_in_turns);
}

static void lay_18_a_deep_and_wide_folder_is_removed(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    char name[4096] = "d";

    for (size_t at = 1; at + 3 < 4000; at += 2) {
        strcpy(name + at, "/x");
        if (at % 100 == 1) {
            pax_one(&tar, "path", name);
            TAR(&tar, .type = '5', .name = "short");
        }
    }
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "d/w/%d%s", i, i % 3 ? "" : "/f");
        TAR(&tar, .name = name, .data = "");
    }
    TAR(&tar, .name = "d", .data = "gone");
    expect_layer(place, "x", &tar);
    expect_text(in(place, "x/fs/d"), "gone");
    assert_int_equal(place->news.inodes, 1);
    assert_int_equal(place->news.size, 4096);
}

/* A second attempt in the same folder begins anew. */
static void what_an_earlier_attempt_left_is_removed(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };

    TAR(&tar, .type = '5', .name = "./", .mode = 0700);
    TAR(&tar, .name = "old/f", .data = "x");
    TAR(&tar, .type = '1', .name = "link", .link = "elsewhere");
    expect_layer(place, "x", &tar);
    assert_true(is_there(in(place, "x/deferred")));
    TAR(&tar, .name = "new", .data = "x");
    tar_end(&tar);
    assert_int_equal(UNPACK(place, "x", &tar, .base = true), 0);
    bytes_free(&tar);
    assert_false(is_there(in(place, "x/fs/old")));
    assert_false(is_there(in(place, "x/deferred")));
    assert_int_equal(stat_of(in(place, "x/fs")).st_mode, S_IFDIR | 0755);
    assert_true(is_there(in(place, "x/fs/new")));
}

static void what_is_counted_is_what_is_there(void **state)
{
    struct place *place = *state;
    struct bytes tar = { 0 };
    uint64_t size, inodes;

    TAR(&tar, .name = "a/b/c", .data = "x");
    TAR(&tar, .name = "a/b/d", .data = "y");
    TAR(&tar, .name = "a/b/c", .data = "z");
    TAR(&tar, .type = '2', .name = "a/s", .link = "b");
    TAR(&tar, .type = '6', .name = "a/p");
    TAR(&tar, .name = ".wh.gone", .data = "");
    expect_layer(place, "x", &tar);
    assert_int_equal(fs_usage(in(place, "x/fs"), NULL, &size, &inodes, &place->err), 0);
    assert_int_equal(place->news.inodes, inodes);
    if (stat_of(in(place, "x/fs/a")).st_blocks > 0) /* a folder in memory takes no blocks */
        assert_int_equal(place->news.size, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lay_18_limits_stop_bombs),
        TIMED_TEST(lay_18_bombs_of_opaque_marks_take_linear_time),
        TIMED_TEST(lay_18_bombs_of_whiteouts_take_linear_time),
        TIMED_TEST(lay_18_bombs_of_replaced_folders_take_linear_time),
        TIMED_TEST(lay_18_folders_in_turns_take_linear_time),
        TEST(lay_18_a_deep_and_wide_folder_is_removed),
        TEST(what_an_earlier_attempt_left_is_removed),
        TEST(what_is_counted_is_what_is_there),
    };
    int status = prepare();

    return status != 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
