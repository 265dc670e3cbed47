/* REG-14: what is sent in chunks, and goes on where it was broken off. */
#include "tests/actors/images/registry/upload_fixture.h"

/* ---- in chunks ------------------------------------------------------------------------------ */

static void reg_14_a_big_blob_goes_in_chunks(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();
    char target[300];

    (void)state;
    upload.big = SIZE - 1;
    upload.chunk = 2000000;
    begins(server, 1);
    reply(server, SESSION, 202, "Location: two?a=b\r\nRange: 0-1999999\r\n");
    reply(server, SECOND, 202, "Location: two?c=d\r\nRange: 0-2999999\r\n");
    reply(server, SECOND, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_request(server, SESSION, 0, "PATCH", 0, 2000000);
    assert_string_equal(server_seen(server, SESSION, 0, "content-range"), "0-1999999");
    assert_request(server, SECOND, 0, "PATCH", 2000000, 1000000);
    assert_string_equal(server_seen(server, SECOND, 0, "content-range"), "2000000-2999999");
    assert_string_equal(server_seen(server, SECOND, 0, "target"), SECOND "?a=b");
    assert_request(server, SECOND, 1, "PUT", 0, 0);
    snprintf(target, sizeof(target), SECOND "?c=d&digest=%s", digest);
    assert_string_equal(server_seen(server, SECOND, 1, "target"), target);
}

static void reg_14_chunks_are_as_large_as_the_registry_wants_them(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();

    (void)state;
    upload.big = 1;
    upload.chunk = 100;
    reply(server, UPLOADS, 202, "Location: one\r\nOCI-Chunk-Min-Length: 1600000\r\n");
    reply(server, SESSION, 202, "Location: one\r\nRange: 0-1599999\r\n");
    reply(server, SESSION, 202, "Location: one\r\nRange: bytes=0-2999999\r\n");
    reply(server, SESSION, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_request(server, SESSION, 1, "PATCH", 1600000, 1400000);
}

static void reg_14_status_416_is_answered_with_a_look_at_how_far_it_is(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();

    (void)state;
    upload.big = 1;
    upload.chunk = 2000000;
    begins(server, 1);
    reply(server, SESSION, 202, "Location: one\r\nRange: 0-1999999\r\n");
    reply(server, SESSION, 416, NULL);
    reply(server, SESSION, 204, "Location: two\r\nRange: 0-1499999\r\n");
    reply(server, SECOND, 202, "Location: two\r\nRange: 0-2999999\r\n");
    reply(server, SECOND, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_string_equal(server_seen(server, SESSION, 2, "method"), "GET");
    assert_request(server, SECOND, 0, "PATCH", 1500000, 1500000);
}

static void reg_14_status_416_for_ever_ends(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();

    (void)state;
    upload.big = 1;
    upload.chunk = 2000000;
    begins(server, 1);
    reply(server, SESSION, 416, NULL);
    must_fail(registry, &upload);
    assert_true(server_count(server, NULL) < 30);
}

static void reg_14_a_registry_that_takes_no_chunks_gets_all_at_once(void **state)
{
    static const int statuses[] = { 400, 405, 415, 501 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct registry_upload upload = upload_of();

        upload.big = 1;
        upload.chunk = 2000000;
        begins(server, 2);
        reply(server, SESSION, statuses[i], NULL);
        reply(server, SECOND, 201, NULL);
        must_send(registry, &upload, SENT_BYTES);
        assert_request(server, SECOND, 0, "PUT", 0, SIZE);
    }
}

static void what_is_too_large_at_once_goes_in_chunks(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();

    (void)state;
    upload.chunk = 2000000;
    begins(server, 2);
    server_add(server, SESSION, &(struct server_reply){ .status = 413, .early = true });
    reply(server, SECOND, 202, "Location: two\r\n");
    reply(server, SECOND, 202, "Location: two\r\n");
    reply(server, SECOND, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_string_equal(server_seen(server, SECOND, 0, "method"), "PATCH");
    assert_string_equal(server_seen(server, SECOND, 2, "method"), "PUT");
}

/* As a proxy does that bounds bodies, and asks nobody. */
static void reg_14_chunks_that_are_too_large_are_halved(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();

    (void)state;
    upload.big = 1;
    upload.chunk = 2800000;
    begins(server, 1);
    server_add(server, SESSION, &(struct server_reply){ .status = 413, .early = true });
    reply(server, SESSION, 204, "Location: one\r\n");
    reply(server, SESSION, 202, "Location: one\r\nRange: 0-1400000\r\n");
    reply(server, SESSION, 202, "Location: one\r\nRange: 0-2800001\r\n");
    reply(server, SESSION, 202, "Location: one\r\nRange: 0-2999999\r\n");
    reply(server, SESSION, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_string_equal(server_seen(server, SESSION, 1, "method"), "GET");
    assert_request(server, SESSION, 2, "PATCH", 0, 1400001);
    assert_request(server, SESSION, 3, "PATCH", 1400001, 1400001);
    assert_request(server, SESSION, 4, "PATCH", 2800002, 199998);
    assert_string_equal(server_seen(server, SESSION, 5, "method"), "PUT");
}

static void a_registry_that_finds_everything_too_large_is_believed(void **state)
{
    static const char words[] =
        "{\"errors\":[{\"code\":\"SIZE_INVALID\",\"message\":\"no room\"}]}";

    (void)state;
    for (int chunked = 0; chunked < 2; chunked++) {
        TEST_CLIENT(SERVER_HTTP);
        struct registry_upload upload = upload_of();
        struct error err;

        upload.big = chunked ? 1 : SIZE;
        begins(server, 1);
        server_add(server, SESSION,
                   &(struct server_reply){
                       .status = 413, .body = words, .size = sizeof(words) - 1, .early = true });
        err = must_fail(registry, &upload);
        assert_says(err.text, "SIZE_INVALID: no room");
        assert_in_range(server_count(server, SESSION), 2, 12);
    }
}

/* The registry says how small they may be. */
static void reg_14_chunks_are_not_halved_below_what_the_registry_wants(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();

    (void)state;
    upload.big = 1;
    upload.chunk = 1000;
    reply(server, UPLOADS, 202, "Location: one\r\nOCI-Chunk-Min-Length: 1600000\r\n");
    server_add(server, SESSION, &(struct server_reply){ .status = 413, .early = true });
    must_fail(registry, &upload);
    assert_string_equal(server_seen(server, SESSION, 0, "method"), "PATCH");
    assert_string_equal(server_seen(server, SESSION, 1, "method"), "DELETE");
}

/* ---- broken off --------------------------------------------------------------------------- */

static void reg_14_a_cut_connection_goes_on_where_the_registry_says(void **state)
{
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        TEST_CLIENT(SERVER_HTTP);
        const struct registry_upload upload = upload_of();

        begins(server, 1);
        server_add(server, SESSION, &(struct server_reply){ .take = 2500000, .reset = reset });
        reply(server, SESSION, 204, "Location: two\r\nRange: 0-2499999\r\n");
        reply(server, SECOND, 202, "Location: two\r\nRange: 0-2999999\r\n");
        reply(server, SECOND, 201, NULL);
        must_send(registry, &upload, SENT_BYTES);
        assert_string_equal(server_seen(server, SESSION, 1, "method"), "GET");
        assert_request(server, SECOND, 0, "PATCH", 2500000, 500000);
        assert_request(server, SECOND, 1, "PUT", 0, 0);
    }
}

static void reg_14_a_forgotten_session_is_begun_anew(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_upload upload = upload_of();

    (void)state;
    begins(server, 2);
    server_add(server, SESSION, &(struct server_reply){ .take = 2500000 });
    refuse(server, SESSION, 404, "{\"errors\":[{\"code\":\"BLOB_UPLOAD_UNKNOWN\"}]}");
    reply(server, SECOND, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_request(server, SECOND, 0, "PUT", 0, SIZE);
}

static void after_a_cut_a_blob_goes_in_chunks(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();

    (void)state;
    upload.chunk = 2000000;
    begins(server, 2);
    server_add(server, SESSION, &(struct server_reply){ .take = 2500000 });
    reply(server, SESSION, 404, NULL);
    reply(server, SECOND, 202, "Location: two\r\n");
    reply(server, SECOND, 202, "Location: two\r\n");
    reply(server, SECOND, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_request(server, SECOND, 0, "PATCH", 0, 2000000);
    assert_request(server, SECOND, 1, "PATCH", 2000000, 1000000);
}

static void cut_connections_end_when_nothing_gets_on(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_upload upload = upload_of();
    struct error err;

    (void)state;
    begins(server, 1);
    server_add(server, SESSION, &(struct server_reply){ .take = 10 });
    err = must_fail(registry, &upload);
    assert_code(&err, ERROR_UNAVAILABLE);
    assert_says(err.text, "blob sha256:");
    assert_true(server_count(server, SESSION) <= 12);
}

static void a_busy_registry_is_asked_again_when_it_says(void **state)
{
    static const char *const waits[] = { "Retry-After: 0\r\n", "Retry-After: 1\r\n" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        TEST_CLIENT(SERVER_HTTP);
        const struct registry_upload upload = upload_of();
        int64_t begun = clock_monotonic();

        reply(server, UPLOADS, 429, waits[i]);
        begins(server, 1);
        reply(server, SESSION, 201, NULL);
        must_send(registry, &upload, SENT_BYTES);
        assert_int_equal(server_count(server, UPLOADS), 2);
        assert_true(i == 0 || clock_monotonic() - begun >= INT64_C(1000000000));
    }
}

/* Of the bytes themselves: where they go in one PUT, by PATCH, and at the end of it. */
static void reg_12_bytes_that_are_too_many_requests_are_sent_again_when_it_says(void **state)
{
    static const int statuses[] = { 429, 503, 429 };

    (void)state;
    for (size_t at = 0; at < COUNT_OF(statuses); at++) {
        TEST_CLIENT(SERVER_HTTP);
        struct registry_upload upload = upload_of();
        int64_t begun = clock_monotonic();

        upload.big = at == 0 ? SIZE : 1;
        begins(server, 1);
        if (at == 2)
            reply(server, SESSION, 202, "Location: one\r\nRange: 0-2999999\r\n");
        reply(server, SESSION, statuses[at], "Retry-After: 1\r\n");
        reply(server, SESSION, 204,
              at == 2 ? "Location: one\r\nRange: 0-2999999\r\n" : "Location: one\r\n");
        if (at == 1)
            reply(server, SESSION, 202, "Location: one\r\nRange: 0-2999999\r\n");
        reply(server, SESSION, 201, NULL);
        must_send(registry, &upload, SENT_BYTES);
        assert_true(clock_monotonic() - begun >= INT64_C(1000000000));
        assert_string_equal(server_seen(server, SESSION, at == 2 ? 2 : 1, "method"), "GET");
        assert_int_equal(server_count(server, UPLOADS), 1);
    }
}

/* A minute is waited for, an hour is not. */
static void reg_12_a_registry_that_wants_to_rest_for_long_is_not_waited_for(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();
    struct error err;

    (void)state;
    upload.big = 1;
    begins(server, 1);
    reply(server, SESSION, 429, "Retry-After: 3600\r\n");
    err = must_fail(registry, &upload);
    assert_code(&err, ERROR_RESOURCE_EXHAUSTED);
    assert_int_equal(err.retry_ms, 3600000);
    assert_says(err.text, "too many requests");
}

/* RFC 4918, 11.5: it must not be asked again by itself. */
static void a_full_registry_is_not_asked_again(void **state)
{
    (void)state;
    for (int chunked = 0; chunked < 2; chunked++) {
        TEST_CLIENT(SERVER_HTTP);
        struct registry_upload upload = upload_of();
        struct error err;

        upload.big = chunked ? 1 : SIZE;
        begins(server, 1);
        refuse(server, SESSION, 507, "the disk is full");
        err = must_fail(registry, &upload);
        assert_code(&err, ERROR_UNAVAILABLE);
        assert_says(err.text, "the disk is full");
        assert_int_equal(server_count(server, SESSION), 2);
        assert_string_equal(server_seen(server, SESSION, 1, "method"), "DELETE");
    }
}

/* docker-registry says this of a full disk. */
static void a_registry_that_fails_for_ever_ends(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();
    struct error err;

    (void)state;
    upload.big = 1;
    begins(server, 1);
    refuse(server, SESSION, 500,
           "{\"errors\":[{\"code\":\"UNKNOWN\",\"message\":\"unknown error\","
           "\"detail\":{\"DriverName\":\"filesystem\",\"Enclosed\":\"no space left\"}}]}");
    err = must_fail(registry, &upload);
    assert_code(&err, ERROR_UNAVAILABLE);
    assert_says(err.text, "unknown error");
    assert_true(server_count(server, NULL) < 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reg_14_a_big_blob_goes_in_chunks),
        cmocka_unit_test(reg_14_chunks_are_as_large_as_the_registry_wants_them),
        cmocka_unit_test(reg_14_status_416_is_answered_with_a_look_at_how_far_it_is),
        cmocka_unit_test(reg_14_status_416_for_ever_ends),
        cmocka_unit_test(reg_14_a_registry_that_takes_no_chunks_gets_all_at_once),
        cmocka_unit_test(what_is_too_large_at_once_goes_in_chunks),
        cmocka_unit_test(reg_14_chunks_that_are_too_large_are_halved),
        cmocka_unit_test(a_registry_that_finds_everything_too_large_is_believed),
        cmocka_unit_test(reg_14_chunks_are_not_halved_below_what_the_registry_wants),
        cmocka_unit_test(reg_14_a_cut_connection_goes_on_where_the_registry_says),
        cmocka_unit_test(reg_14_a_forgotten_session_is_begun_anew),
        cmocka_unit_test(after_a_cut_a_blob_goes_in_chunks),
        cmocka_unit_test(cut_connections_end_when_nothing_gets_on),
        cmocka_unit_test(a_busy_registry_is_asked_again_when_it_says),
        cmocka_unit_test(reg_12_bytes_that_are_too_many_requests_are_sent_again_when_it_says),
        cmocka_unit_test(reg_12_a_registry_that_wants_to_rest_for_long_is_not_waited_for),
        cmocka_unit_test(a_full_registry_is_not_asked_again),
        cmocka_unit_test(a_registry_that_fails_for_ever_ends),
    };

    return cmocka_run_group_tests(tests, make_content, NULL);
}
