/* test_http_headers — header lines as foreign hosts write them; how long a server asks to wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry/http_headers.h"
#include "actors/images/registry/retry.h"
#include "platform/platform.h"
#include "platform/scope.h"

static void add(struct http_answer *answer, const char *line)
{
    http_headers_add(answer, line, strlen(line));
}

static void the_lines_that_matter_are_kept(void **state)
{
    struct http_answer answer = { 0 };

    (void)state;
    add(&answer, "HTTP/1.1 200 OK\r\n");
    add(&answer, "CONTENT-TYPE:  Application/JSON ; charset=UTF-8\r\n");
    add(&answer, "location: /a?b=c \r\n");
    add(&answer, "Location: /second\r\n");
    add(&answer, "Docker-Content-Digest:sha256:abc\r\n");
    add(&answer, "content-range: bytes 3-4/10\r\n");
    add(&answer, "WWW-Authenticate: Basic\r\n");
    add(&answer, "www-authenticate: Bearer realm=x\r\n");
    add(&answer, "nonsense\r\n");
    add(&answer, ": empty\r\n");
    add(&answer, "\r\n");
    assert_string_equal(answer.type, "application/json");
    assert_string_equal(answer.location, "/a?b=c");
    assert_string_equal(answer.digest, "sha256:abc");
    assert_string_equal(answer.challenges, "Basic\nBearer realm=x\n");
    assert_true(answer.has_range && answer.range_first == 3 && answer.range_last == 4 &&
                answer.range_total == 10);
    add(&answer, "HTTP/2 404\r\n"); /* an answer after an interim one */
    assert_string_equal(answer.type, "");
    assert_string_equal(answer.challenges, "");
    assert_null(answer.location);
    assert_false(answer.has_range);
}

static void values_that_are_too_long_count_as_absent(void **state)
{
    static const char *const names[] = { "content-type", "docker-content-digest", "retry-after",
                                         "warning",      "www-authenticate",      "content-range",
                                         "location" };
    struct http_answer answer = { 0 };
    static char line[20000];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(line, sizeof(line), "%s: %010000d\r\n", names[i], 7);
        add(&answer, line);
    }
    assert_string_equal(answer.type, "");
    assert_string_equal(answer.digest, "");
    assert_string_equal(answer.retry_after, "");
    assert_string_equal(answer.warning, "");
    assert_string_equal(answer.challenges, "");
    assert_false(answer.has_range);
    assert_null(answer.location);
}

static void challenges_do_not_outgrow_their_room(void **state)
{
    struct http_answer answer = { 0 };

    (void)state;
    for (int i = 0; i < 1000; i++)
        add(&answer, "WWW-Authenticate: Custom realm=\"x\"\r\n");
    assert_true(strlen(answer.challenges) < sizeof(answer.challenges));
    assert_int_equal(answer.challenges[strlen(answer.challenges) - 1], '\n');
}

/* What comes of random bytes is up to it, as long as every text ends within its room. */
static void random_lines_do_no_harm(void **state)
{
    static const char *const names[] = {
        "content-type",          "content-range", "retry-after", "location", "www-authenticate",
        "docker-content-digest", "HTTP/1.1",      "warning",     "x"
    };
    struct http_answer answer = { 0 };
    unsigned char bytes[160];
    char line[400];

    (void)state;
    for (int i = 0; i < 20000; i++) {
        size_t used;

        random_bytes(bytes, sizeof(bytes));
        used = (size_t)snprintf(line, sizeof(line), "%s%s", names[bytes[0] % COUNT_OF(names)],
                                bytes[1] % 8 ? ": bytes " : "");
        memcpy(line + used, bytes + 3, bytes[2] % 150);
        http_headers_add(&answer, line, used + bytes[2] % 150);
        assert_non_null(memchr(answer.type, '\0', sizeof(answer.type)));
        assert_non_null(memchr(answer.digest, '\0', sizeof(answer.digest)));
        assert_non_null(memchr(answer.challenges, '\0', sizeof(answer.challenges)));
        assert_true(!answer.has_range || answer.range_first <= answer.range_last);
    }
    free(answer.location);
}

static void reg_4_ranges_are_taken_or_refused(void **state)
{
    static const char *const good[] = { "bytes 0-0/1", "bytes 5-9/10", "Bytes 5-9/*" };
    static const char *const bad[] = {
        "",
        "bytes",
        "bytes ",
        "bytes */10",
        "bytes 9-5/10",
        "bytes 5-10/10",
        "bytes 5-9",
        "bytes 5-9/",
        "bytes 5-9/x",
        "bytes -9/10",
        "bytes 5/10",
        "items 5-9/10",
        "bytes=5-9/10",
        "bytes 5-9/10 ",
        "bytes 99999999999999999999-5/*",
        "bytes +5-9/10",
    };
    uint64_t first, last;
    int64_t total;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_int_equal(content_range_parse(good[i], &first, &last, &total), 0);
    assert_true(first == 5 && last == 9 && total == -1);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (content_range_parse(bad[i], &first, &last, &total) == 0)
            fail_msg("\"%s\" was taken", bad[i]);
}

static void reg_12_retry_after_is_seconds_or_a_date(void **state)
{
    int64_t now = INT64_C(784111777) * 1000000000; /* Sun, 06 Nov 1994 08:49:37 GMT */

    (void)state;
    assert_int_equal(retry_after_ms("7", now), 7000);
    assert_int_equal(retry_after_ms("0", now), 0);
    assert_int_equal(retry_after_ms("99999999999999999999", now), 0);
    assert_int_equal(retry_after_ms("999999999", now), 86400000);
    assert_int_equal(retry_after_ms("Sun, 06 Nov 1994 08:49:47 GMT", now), 10000);
    assert_int_equal(retry_after_ms("Sunday, 06-Nov-94 08:49:47 GMT", now), 10000);
    assert_int_equal(retry_after_ms("Sun, 06 Nov 1994 08:49:27 GMT", now), 0);
    assert_int_equal(retry_after_ms("Sun, 06 Nov 2094 08:49:27 GMT", now), 86400000);
    assert_int_equal(retry_after_ms("", now), 0);
    assert_int_equal(retry_after_ms("-5", now), 0);
    assert_int_equal(retry_after_ms("soon", now), 0);
}

static void reg_12_waits_double_and_have_chance_in_them(void **state)
{
    (void)state;
    assert_int_equal(retry_delay_ms(500, 1, 255), 500);
    assert_int_equal(retry_delay_ms(500, 1, 0), 250);
    assert_int_equal(retry_delay_ms(500, 2, 255), 1000);
    assert_int_equal(retry_delay_ms(500, 4, 255), 4000);
    assert_int_equal(retry_delay_ms(500, 1000000, 255), 30000);
    assert_int_equal(retry_delay_ms(500, 1000000, 0), 15000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lines_that_matter_are_kept),
        cmocka_unit_test(values_that_are_too_long_count_as_absent),
        cmocka_unit_test(challenges_do_not_outgrow_their_room),
        cmocka_unit_test(random_lines_do_no_harm),
        cmocka_unit_test(reg_4_ranges_are_taken_or_refused),
        cmocka_unit_test(reg_12_retry_after_is_seconds_or_a_date),
        cmocka_unit_test(reg_12_waits_double_and_have_chance_in_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
