/* Sizes, times, ids, names and keys as people write and read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/gantry/keys.h"
#include "tools/gantry/names.h"
#include "tools/gantry/text.h"

#define SECOND 1000000000ll
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static uint64_t size_of(const char *text)
{
    uint64_t size = 0;

    assert_int_equal(size_parse(text, &size), 0);
    return size;
}

static void sizes_are_read_as_docker_writes_them(void **state)
{
    (void)state;
    assert_int_equal(size_of("0"), 0);
    assert_int_equal(size_of("512"), 512);
    assert_int_equal(size_of("512b"), 512);
    assert_int_equal(size_of("64k"), 64 << 10);
    assert_int_equal(size_of("64M"), 64 << 20);
    assert_int_equal(size_of("64mb"), 64 << 20);
    assert_int_equal(size_of("64MiB"), 64 << 20);
    assert_int_equal(size_of("1.5g"), 3ull << 29);
    assert_int_equal(size_of("2T"), 2ull << 40);
}

static void what_is_no_size_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",     "m", "-1", "1x", "1mm", "1 m", "1.", "64ib", "1bb", "0x10", "9999999999999999999",
        "9e18p"
    };
    uint64_t size;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        if (size_parse(wrong[i], &size) == 0)
            fail_msg("'%s' was taken for a size", wrong[i]);
}

static void sizes_are_shown_with_three_digits(void **state)
{
    char out[16];

    (void)state;
    assert_string_equal(size_text(0, out), "0 B");
    assert_string_equal(size_text(999, out), "999 B");
    assert_string_equal(size_text(1000, out), "1.00 kB");
    assert_string_equal(size_text(1234567, out), "1.23 MB");
    assert_string_equal(size_text(45600000, out), "45.6 MB");
    assert_string_equal(size_text(999999, out), "1.00 MB");
    assert_string_equal(size_text(UINT64_MAX, out), "18.4 EB");
}

static int64_t duration_of(const char *text)
{
    int64_t ns = -1;

    assert_int_equal(duration_parse(text, &ns), 0);
    return ns;
}

static void durations_are_read(void **state)
{
    int64_t ns;

    (void)state;
    assert_int_equal(duration_of("10s"), 10 * SECOND);
    assert_int_equal(duration_of("1m30s"), 90 * SECOND);
    assert_int_equal(duration_of("1.5h"), 90 * MINUTE);
    assert_int_equal(duration_of("2d"), 2 * DAY);
    assert_int_equal(duration_of("500ms"), SECOND / 2);
    assert_int_equal(duration_parse("", &ns), -1);
    assert_int_equal(duration_parse("10", &ns), -1);
    assert_int_equal(duration_parse("s", &ns), -1);
    assert_int_equal(duration_parse("99999999999999999d", &ns), -1);
}

static void moments_are_times_or_durations_ago(void **state)
{
    int64_t ns;

    (void)state;
    assert_int_equal(moment_parse("10m", 20 * MINUTE, &ns), 0);
    assert_int_equal(ns, 10 * MINUTE);
    assert_int_equal(moment_parse("1970-01-01T00:01:00Z", 0, &ns), 0);
    assert_int_equal(ns, MINUTE);
    assert_int_equal(moment_parse("60", 0, &ns), 0);
    assert_int_equal(ns, MINUTE);
    assert_int_equal(moment_parse("yesterday", 0, &ns), -1);
}

static void durations_are_shown_in_one_word_and_number(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        { 0, "Less than a second" },  { SECOND, "1 second" },      { 59 * SECOND, "59 seconds" },
        { MINUTE, "About a minute" }, { 5 * MINUTE, "5 minutes" }, { HOUR, "About an hour" },
        { 3 * HOUR, "3 hours" },      { 47 * HOUR, "47 hours" },   { 2 * DAY, "2 days" },
        { 14 * DAY, "2 weeks" },      { 60 * DAY, "2 months" },    { 800 * DAY, "2 years" },
    };
    char out[32], ago[40];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_string_equal(duration_text(cases[i].ns, out), cases[i].text);
    assert_string_equal(ago_text(MINUTE, 6 * MINUTE, ago), "5 minutes ago");
    assert_string_equal(ago_text(0, 6 * MINUTE, ago), "");
}

static void ids_and_references_are_shortened(void **state)
{
    struct arena *arena = arena_new();
    struct reference_parts parts;

    (void)state;
    assert_string_equal(id_short("sha256:0123456789abcdef", arena), "0123456789ab");
    assert_string_equal(id_short("0123456789abcdef", arena), "0123456789ab");
    assert_string_equal(id_short("short", arena), "short");
    assert_string_equal(id_short(NULL, arena), "");
    assert_string_equal(reference_short("docker.io/library/busybox:latest"), "busybox:latest");
    assert_string_equal(reference_short("docker.io/a/b:1"), "a/b:1");
    assert_string_equal(reference_short("reg:5000/a:1"), "reg:5000/a:1");
    parts = reference_split("reg:5000/a/b", arena);
    assert_string_equal(parts.repository, "reg:5000/a/b");
    assert_string_equal(parts.tag, "");
    parts = reference_split("docker.io/library/redis:7@sha256:ab", arena);
    assert_string_equal(parts.repository, "redis");
    assert_string_equal(parts.tag, "7");
    assert_string_equal(parts.digest, "sha256:ab");
    arena_free(arena);
}

/* What containers.create takes for a name. */
static bool is_name(const char *name)
{
    size_t length = strlen(name);

    return length > 3 && length <= 76 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789") == length &&
           strchr("_", name[0]) == NULL && strstr(name, "__") == NULL && name[length - 1] != '_';
}

static void every_made_up_name_is_a_name(void **state)
{
    char name[NAME_ROOM], other[NAME_ROOM];

    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        name_make(i * 0x9e3779b97f4a7c15u, i % 2 ? 1 : 9, name);
        if (!is_name(name))
            fail_msg("'%s' is no name", name);
    }
    name_make(12345, 1, name);
    name_make(12345, 1, other);
    assert_string_equal(name, other);
    name_make(7ull << 32 | 12345, 3, other);
    assert_string_not_equal(name, other);
}

static void check_keys(const char *text, const char *typed, const char *through, bool complete)
{
    struct keys keys;
    struct error err = { 0 };
    char passed[64] = { 0 };
    size_t count;

    assert_int_equal(keys_set(&keys, text, &err), 0);
    assert_int_equal(keys_pass(&keys, typed, strlen(typed), passed, &count), complete);
    assert_int_equal(count, strlen(through));
    assert_memory_equal(passed, through, count);
}

static void detach_keys_are_found_in_what_is_typed(void **state)
{
    (void)state;
    check_keys(NULL, "ls\n", "ls\n", false);
    check_keys(NULL, "ab\x10\x11zz", "ab", true);
    check_keys(NULL, "\x10x", "\x10x", false);
    check_keys(NULL, "\x10\x10\x11", "\x10", true);
    check_keys("", "\x10\x11", "\x10\x11", false);
    check_keys("q", "aq", "a", true);
    check_keys("ctrl-a,d",
               "\x01"
               "d",
               "", true);
}

static void detach_keys_are_found_across_reads(void **state)
{
    struct keys keys;
    struct error err = { 0 };
    char passed[64];
    size_t count;

    (void)state;
    assert_int_equal(keys_set(&keys, NULL, &err), 0);
    assert_false(keys_pass(&keys, "a\x10", 2, passed, &count));
    assert_int_equal(count, 1); /* the second is held back */
    assert_false(keys_pass(&keys, "b", 1, passed, &count));
    assert_int_equal(count, 2); /* and goes with the next */
    assert_false(keys_pass(&keys, "\x10", 1, passed, &count));
    assert_int_equal(count, 0);
    assert_true(keys_pass(&keys, "\x11", 1, passed, &count));
}

static void wrong_detach_keys_are_refused(void **state)
{
    static const char *const wrong[] = { ",",       "ctrl-",
                                         "ctrl-1",  "ab",
                                         "a,",      "ctrl-p,,",
                                         "ctrl-pp", "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a" };
    struct keys keys;
    struct error err = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        if (keys_set(&keys, wrong[i], &err) == 0)
            fail_msg("'%s' was taken for keys", wrong[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read_as_docker_writes_them),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(sizes_are_shown_with_three_digits),
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(moments_are_times_or_durations_ago),
        cmocka_unit_test(durations_are_shown_in_one_word_and_number),
        cmocka_unit_test(ids_and_references_are_shortened),
        cmocka_unit_test(every_made_up_name_is_a_name),
        cmocka_unit_test(detach_keys_are_found_in_what_is_typed),
        cmocka_unit_test(detach_keys_are_found_across_reads),
        cmocka_unit_test(wrong_detach_keys_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
