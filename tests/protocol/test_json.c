/* Records as JSON, and times as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/json.h"
#include "protocol/schema.h"

static void time_is(const char *text, int64_t expected)
{
    int64_t ns = 7;

    if (time_parse(text, &ns) < 0)
        fail_msg("%s is refused", text);
    assert_true(ns == expected);
}

static void times_are_read_as_people_write_them(void **state)
{
    (void)state;
    time_is("1970-01-01T00:00:00Z", 0);
    time_is("1969-12-31T23:59:59.5Z", -500000000);
    time_is("2026-01-02T03:04:05.000000006Z", 1767323045000000006);
    time_is("2026-01-02 03:04:05z", 1767323045000000000);
    time_is("2026-01-02t03:04:05.1234567891234Z", 1767323045123456789);
    time_is("2026-01-02T05:34:05+02:30", 1767323045000000000);
    time_is("2026-01-01T22:04:05-05:00", 1767323045000000000);
    time_is("2024-02-29T00:00:00Z", 1709164800000000000);
    time_is("1767323045", 1767323045000000000);
    time_is("1767323045.5", 1767323045500000000);
    time_is("-1.5", -1500000000);
    time_is("0", 0);
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "now",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05x",
        "2026-01-02T03:04:05Zx",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:00+25:00",
        "2026-01-01T00:00:00+1",
        "9999-01-01T00:00:00Z",
        "99999999999999999999",
        "1.5x",
        "1e9",
    };
    int64_t ns;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        if (time_parse(wrong[i], &ns) == 0)
            fail_msg("%s passes", wrong[i]);
}

static void times_are_written_with_all_nanoseconds(void **state)
{
    static const int64_t moments[] = { 0, 1, -1, 1767323045000000006, 999999999, -1000000000 };
    char text[TIME_TEXT_SIZE];
    int64_t ns;

    (void)state;
    assert_string_equal(time_text(0, text), "1970-01-01T00:00:00.000000000Z");
    assert_string_equal(time_text(-1, text), "1969-12-31T23:59:59.999999999Z");
    assert_string_equal(time_text(INT64_MAX, text), "2262-04-11T23:47:16.854775807Z");
    assert_string_equal(time_text(INT64_MIN, text), "1677-09-21T00:12:43.145224192Z");
    for (size_t i = 0; i < sizeof(moments) / sizeof(*moments); i++) {
        assert_int_equal(time_parse(time_text(moments[i], text), &ns), 0);
        assert_true(ns == moments[i]);
    }
}

static void is_shown(const struct record *record, const void *in, const char *expected)
{
    json_t *json = record_json(record, in);
    char *text = json_dumps(json, JSON_COMPACT);

    assert_string_equal(text, expected);
    free(text);
    json_decref(json);
}

static void only_what_is_set_is_shown(void **state)
{
    const char *args[] = { "a", "\xff\xc3\xa4\xe2\x82" };
    const struct container_options options = { .args = { 2, args },
                                               .cwd = "/\xfe",
                                               SET(tty, false),
                                               SET(cpus, 0.5),
                                               SET(memory, UINT64_MAX) };
    const struct shim_data data = { .stream = "x", .bytes = { "ab", 2 } };
    const struct content_info blob = { .digest = "d", .size = 0, SET(created, 0) };

    (void)state;
    is_shown(container_options_record(), &options,
             "{\"args\":[\"a\",\"\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\"],"
             "\"cwd\":\"/\xef\xbf\xbd\",\"tty\":false,\"mounts\":[],\"rlimits\":[],"
             "\"memory\":1.8446744073709552e19,\"cpus\":0.5}");
    is_shown(shim_data_record(), &data, "{\"stream\":\"x\",\"bytes\":\"YWI=\"}");
    is_shown(content_info_record(), &blob,
             "{\"digest\":\"d\",\"size\":0,\"created\":\"1970-01-01T00:00:00.000000000Z\"}");
    is_shown(nothing_record(), &(struct nothing){ 0 }, "{}");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_as_people_write_them),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(times_are_written_with_all_nanoseconds),
        cmocka_unit_test(only_what_is_set_is_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
