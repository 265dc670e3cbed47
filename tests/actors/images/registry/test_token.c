/* test_token — a token service's answer: what is a token, and how long it is good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry/token.h"
#include "platform/scope.h"

/* Seconds that a token is good, from 100 s after some moment on. */
static int64_t seconds_of(const char *json)
{
    const int64_t second = 1000000000;
    struct token token = { 0 };
    struct error err;
    int64_t seconds;

    if (token_parse(json, strlen(json), 100 * second, &token, &err) < 0)
        fail_msg("%s: %s", json, err.text);
    assert_string_equal(token.text, "t");
    seconds = token.expires / second - 100;
    token_free(&token);
    assert_null(token.text);
    return seconds;
}

static void reg_7_a_token_is_good_a_little_shorter_than_said(void **state)
{
    (void)state;
    assert_int_equal(seconds_of("{\"token\":\"t\",\"expires_in\":300}"), 295);
    assert_int_equal(seconds_of("{\"token\":\"t\",\"expires_in\":3}"), 3);
}

static void reg_7_a_token_without_a_sane_time_is_good_for_a_minute(void **state)
{
    (void)state;
    assert_int_equal(seconds_of("{\"token\":\"t\"}"), 55);
    assert_int_equal(seconds_of("{\"token\":\"t\",\"expires_in\":-1}"), 55);
    assert_int_equal(seconds_of("{\"token\":\"t\",\"expires_in\":\"300\"}"), 55);
    assert_int_equal(seconds_of("{\"token\":\"t\",\"expires_in\":null}"), 55);
}

static void no_token_is_kept_for_more_than_an_hour(void **state)
{
    (void)state;
    assert_int_equal(seconds_of("{\"token\":\"t\",\"expires_in\":9000000000000000000}"), 3595);
}

static void reg_8_either_name_of_a_token_will_do(void **state)
{
    (void)state;
    seconds_of("{\"access_token\":\"t\"}");
    seconds_of("{\"token\":\"\",\"access_token\":\"t\"}");
    seconds_of("{\"token\":\"t\",\"access_token\":\"u\"}");
}

static void reg_8_what_is_no_token_is_refused(void **state)
{
    static const char *const answers[] = { "",
                                           "{",
                                           "[\"t\"]",
                                           "{\"token\":{}}",
                                           "{\"token\":\" \"}",
                                           "{\"token\":\"a\\u0000b\"}",
                                           "{\"token\":\"a\\nb\"}" };
    struct token token = { 0 };
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        assert_int_equal(token_parse(answers[i], strlen(answers[i]), 0, &token, &err), -1);
        assert_int_equal(err.code, ERROR_UNAUTHENTICATED);
        assert_null(token.text);
    }
}

/* A parser that builds before it counts needs a hundred times these bytes. */
static void a_bomb_of_brackets_is_refused(void **state)
{
    static char bomb[60000] = "{\"a\":[";
    struct token token = { 0 };
    struct error err;

    (void)state;
    memset(bomb + 6, '[', sizeof(bomb) - 6);
    assert_int_equal(token_parse(bomb, sizeof(bomb), 0, &token, &err), -1);
    assert_int_equal(err.code, ERROR_UNAUTHENTICATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reg_7_a_token_is_good_a_little_shorter_than_said),
        cmocka_unit_test(reg_7_a_token_without_a_sane_time_is_good_for_a_minute),
        cmocka_unit_test(no_token_is_kept_for_more_than_an_hour),
        cmocka_unit_test(reg_8_either_name_of_a_token_will_do),
        cmocka_unit_test(reg_8_what_is_no_token_is_refused),
        cmocka_unit_test(a_bomb_of_brackets_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
