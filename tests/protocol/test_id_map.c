/* Maps of ids, as words (protocol/id_map.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/id_map.h"
#include "platform/scope.h"

static struct error err;

static void ranges_are_read_and_found(void **state)
{
    struct id_map map = { .count = 0 };
    uint32_t host;

    (void)state;
    assert_int_equal(id_map_add(&map, "x", "0:100000:10,10:5000:1", &err), 0);
    assert_int_equal(id_map_add(&map, "x", "11:4294967294:1", &err), 0);
    assert_int_equal(map.count, 3);
    assert_true(id_map_find(&map, 9, &host));
    assert_int_equal(host, 100009);
    assert_true(id_map_find(&map, 10, &host));
    assert_int_equal(host, 5000);
    assert_true(id_map_find(&map, 11, &host));
    assert_int_equal(host, 4294967294);
    assert_false(id_map_find(&map, 12, &host));
}

static void what_is_no_map_is_refused(void **state)
{
    static const char *const bad[] = {
        "",        ":",         "0",       "0:1",        "0:1:",         "0:1:0",
        "0:1:1,",  ",0:1:1",    "0:1:1:1", "-1:0:1",     "0x1:0:1",      " 0:1:1",
        "0:1:1 ",  "0:a:1",     "1:1:4294967295",        "4294967295:0:1",
        "0:1:18446744073709551617", "99999999999:0:1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct id_map map = { .count = 0 };

        if (id_map_add(&map, "uidmap", bad[i], &err) == 0)
            fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
        assert_non_null(strstr(err.text, "uidmap"));
    }
}

static void ranges_do_not_overlap_on_either_side(void **state)
{
    static const char *const bad[] = { "0:100:10,9:200:1", "0:100:10,20:109:5", "5:0:1,5:1:1" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct id_map map = { .count = 0 };

        assert_int_equal(id_map_add(&map, "uidmap", bad[i], &err), -1);
        assert_non_null(strstr(err.text, "overlap"));
    }
}

static void there_are_as_many_as_the_kernel_takes(void **state)
{
    static struct id_map map;
    char text[64];

    (void)state;
    map.count = 0;
    for (unsigned i = 0; i <= ID_RANGES_MAX; i++) {
        snprintf(text, sizeof(text), "%u:%u:1", i, 1000 + i);
        assert_int_equal(id_map_add(&map, "uidmap", text, &err), i < ID_RANGES_MAX ? 0 : -1);
    }
    assert_non_null(strstr(err.text, "340"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_read_and_found),
        cmocka_unit_test(what_is_no_map_is_refused),
        cmocka_unit_test(ranges_do_not_overlap_on_either_side),
        cmocka_unit_test(there_are_as_many_as_the_kernel_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
