/* Errors: values that say the thing, survive being cut, and never hurt who reads them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/error.h"
#include "protocol/record.h"

static void setting_fails_in_one_line(void **state)
{
    struct error err = { .retry_ms = 7, .os = 3, .hint = "old" };

    (void)state;
    assert_int_equal(error_set(&err, ERROR_NOT_FOUND, "no blob %s", "x"), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_string_equal(err.text, "no blob x");
    assert_int_equal(err.retry_ms, 0);
    assert_int_equal(err.os, 0);
    assert_string_equal(err.hint, "");
    assert_int_equal(error_hint(&err, "try %d", 2), -1);
    assert_string_equal(err.hint, "try 2");
}

static void the_system_s_errors_have_codes(void **state)
{
    static const struct {
        int os;
        enum error_code code;
    } pairs[] = {
        { ENOENT, ERROR_NOT_FOUND },
        { EEXIST, ERROR_ALREADY_EXISTS },
        { EACCES, ERROR_PERMISSION_DENIED },
        { ENOSPC, ERROR_RESOURCE_EXHAUSTED },
        { EINVAL, ERROR_INVALID_ARGUMENT },
        { ECONNREFUSED, ERROR_UNAVAILABLE },
        { EIO, ERROR_INTERNAL },
    };
    struct error err;

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        assert_int_equal(error_sys(&err, pairs[i].os, "open %s", "/x"), -1);
        assert_int_equal(err.code, pairs[i].code);
        assert_int_equal(err.os, pairs[i].os);
        assert_memory_equal(err.text, "open /x: ", 9);
    }
}

static void context_goes_in_front(void **state)
{
    struct error err;

    (void)state;
    error_set(&err, ERROR_UNAVAILABLE, "connection refused");
    err.retry_ms = 5;
    assert_int_equal(error_wrap(&err, "pull %s", "alpine"), -1);
    assert_string_equal(err.text, "pull alpine: connection refused");
    assert_int_equal(err.code, ERROR_UNAVAILABLE);
    assert_int_equal(err.retry_ms, 5);
    for (int i = 0; i < 100; i++)
        error_wrap(&err, "again and again");
    assert_true(strlen(err.text) < sizeof(err.text));
}

static void every_code_has_a_word_and_back(void **state)
{
    (void)state;
    for (int code = ERROR_CANCELLED; code <= ERROR_UNAUTHENTICATED; code++)
        assert_int_equal(error_code_of_name(error_code_name((enum error_code)code)), code);
    assert_string_equal(error_code_name(ERROR_NONE), "none");
    assert_int_equal(error_code_of_name("nonsense"), ERROR_UNKNOWN);
    assert_int_equal(error_code_of_name(NULL), ERROR_UNKNOWN);
}

static void texts_are_always_utf8_and_harmless(void **state)
{
    char endless[2000];
    struct error err;

    (void)state;
    error_set(&err, ERROR_INTERNAL, "open /\xff\xfe/\x1b[31m/\x07\x7f\xc3: \xc3\xa4\n\t");
    assert_string_equal(err.text, "open /\?\?/?[31m/\?\?\?: \xc3\xa4\n\t");
    error_set(&err, ERROR_INTERNAL, "\xc2\x9b" "31m \xc2\xa0");
    assert_string_equal(err.text, "\?\?31m \xc2\xa0");
    for (size_t i = 0; i + 2 < sizeof(endless); i += 2)
        memcpy(endless + i, "\xc3\xa4", 3);
    error_set(&err, ERROR_INTERNAL, "%s", endless);
    assert_true(utf8_is_valid(err.text, strlen(err.text)));
    error_set(&err, ERROR_INTERNAL, "x%s", endless);
    assert_true(utf8_is_valid(err.text, strlen(err.text)));
    error_hint(&err, "%s", endless);
    assert_true(utf8_is_valid(err.hint, strlen(err.hint)));
    error_wrap(&err, "y%s", endless);
    assert_true(utf8_is_valid(err.text, strlen(err.text)));
    error_sys(&err, EIO, "%s", endless);
    assert_true(utf8_is_valid(err.text, strlen(err.text)));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_fails_in_one_line),
        cmocka_unit_test(the_system_s_errors_have_codes),
        cmocka_unit_test(context_goes_in_front),
        cmocka_unit_test(every_code_has_a_word_and_back),
        cmocka_unit_test(texts_are_always_utf8_and_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
