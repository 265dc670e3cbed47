/* test_registry_retry — what may pass is tried again, within bounds; cancelling ends everything. */
#include "tests/actors/images/registry/registry_fixture.h"

#include <time.h>

#define ERRORS(code, message) "{\"errors\":[{\"code\":\"" code "\",\"message\":\"" message "\"}]}"

struct listener {
    char notes[4096];
    size_t count;
    int checks_left; /* then the call is cancelled */
};

static void on_note(void *ctx, const char *text)
{
    struct listener *listener = ctx;
    size_t used = strlen(listener->notes);

    snprintf(listener->notes + used, sizeof(listener->notes) - used, "%s\n", text);
    listener->count++;
}

static int on_check(void *ctx, struct error *err)
{
    struct listener *listener = ctx;

    if (listener->checks_left-- > 0)
        return 0;
    return error_set(err, ERROR_CANCELLED, "the test has had enough");
}

static void reg_12_what_may_pass_is_tried_again(void **state)
{
    static const struct server_reply failures[] = {
        { .status = 408 },
        { .status = 429 },
        { .status = 500 },
        { .status = 502 },
        { .status = 503 },
        { .status = 504 },
        { .body = "{\"cut\"", .size = 6, .cut = true, .cut_after = 3 },
        { .body = "{\"cut\"", .size = 6, .cut = true, .cut_after = 3, .reset = true },
        { .body = "{\"cut\"", .size = 6, .cut = true, .cut_after = 3, .chunked = true },
        { .raw = "", .raw_size = 0 }, /* closed without a word */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(failures); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct listener listener = { .checks_left = 1 << 20 };
        struct registry_caller caller = { .note = on_note, .check = on_check, .ctx = &listener };
        CLEANUP(registry_document_free) struct registry_document document = { 0 };
        struct error err;

        server_add(server, MANIFESTS "latest", &failures[i]);
        server_add(server, MANIFESTS "latest", &failures[i]);
        server_add(server, MANIFESTS "latest", &(struct server_reply){ DOCUMENT_REPLY });
        if (registry_manifest(registry, &caller, "latest", 0, &document, &err) < 0)
            fail_msg("failure %zu: %s", i, err.text);
        assert_string_equal(document.bytes, DOCUMENT);
        assert_int_equal(server_count(server, NULL), 3);
        assert_int_equal(listener.count, 2);
        assert_says(listener.notes, "try 1 of 5: image 127.0.0.1");
        assert_says(listener.notes, "try 2 of 5: ");
    }
}

static void reg_12_what_does_not_pass_is_given_up_after_some_tries(void **state)
{
    static const struct {
        int status;
        enum error_code code;
    } cases[] = { { 500, ERROR_UNAVAILABLE },
                  { 429, ERROR_RESOURCE_EXHAUSTED },
                  { 408, ERROR_UNAVAILABLE } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct error err;

        server_add(server, MANIFESTS "latest", &(struct server_reply){ .status = cases[i].status });
        err = refused_document(registry, "latest");
        assert_code(&err, cases[i].code);
        assert_int_equal(server_count(server, NULL), 5);
        assert_true(err.hint[0] != '\0');
    }
}

/* The wait that the server asks for, in ms, as it came to be. */
static int64_t waited_ms(const char *retry_after)
{
    TEST_CLIENT(SERVER_HTTP);
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    int64_t start = clock_monotonic();
    struct error err;
    char headers[100];

    snprintf(headers, sizeof(headers), "Retry-After: %s\r\n", retry_after);
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ .status = 429, .headers = headers });
    server_add(server, MANIFESTS "latest", &(struct server_reply){ DOCUMENT_REPLY });
    assert_int_equal(get_document(registry, "latest", &document, &err), 0);
    return (clock_monotonic() - start) / 1000000;
}

static void reg_12_retry_after_is_honoured_in_seconds_and_as_a_date(void **state)
{
    char date[64];
    struct tm parts;
    time_t then;

    (void)state;
    assert_in_range(waited_ms("1"), 1000, 20000);
    then = time(NULL) + 2;
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&then, &parts));
    assert_in_range(waited_ms(date), 0, 20000);
    assert_true(time(NULL) >= then);
    assert_in_range(waited_ms("never"), 0, 20000);
}

static void reg_12_a_retry_after_beyond_our_patience_is_handed_to_the_caller(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct error err;

    (void)state;
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ .status = 429,
                                       .headers = "Retry-After: 3600\r\n",
                                       .body = ERRORS("TOOMANYREQUESTS", "slow down"),
                                       .size = strlen(ERRORS("TOOMANYREQUESTS", "slow down")) });
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_RESOURCE_EXHAUSTED);
    assert_int_equal(err.retry_ms, 3600000);
    assert_says(err.text, "slow down");
    assert_int_equal(server_count(server, NULL), 1);
}

static void reg_19_a_warning_is_told_once(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct listener listener = { .count = 0 };
    struct registry_caller caller = { .note = on_note, .ctx = &listener };
    struct registry_document document = { 0 };
    struct error err;

    (void)state;
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){
                   .headers = "Warning: 299 - \"closing\x07 down\"\r\n", .body = "{}", .size = 2 });
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(registry_manifest(registry, &caller, "latest", 0, &document, &err), 0);
        registry_document_free(&document);
    }
    assert_int_equal(listener.count, 1);
    assert_says(listener.notes, "warns: 299 - \"closing? down\"");
}

/* ---- cancelling -------------------------------------------------------------------------- */

static void a_cancelled_call_ends_at_once(void **state)
{
    static const struct server_reply replies[] = {
        { .body = "{}", .size = 2, .cut = true, .cut_after = 0, .hold = true }, /* silent */
        { .status = 503, .headers = "Retry-After: 30\r\n" },                    /* waiting */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(replies); i++) {
        CLEANUP(server_stop) struct registry_server *server = server_start(SERVER_HTTP);
        struct registry_options options = fast_options(server);
        CLEANUP(registry_close) struct registry *registry = NULL;
        struct listener listener = { .checks_left = 5 };
        struct registry_caller caller = { .check = on_check, .ctx = &listener };
        struct registry_document document;
        int64_t start = clock_monotonic();
        struct error err;

        options.slow_s = 60;
        registry = open_with(&options);
        server_add(server, MANIFESTS "latest", &replies[i]);
        assert_int_equal(registry_manifest(registry, &caller, "latest", 0, &document, &err), -1);
        assert_code(&err, ERROR_CANCELLED);
        assert_string_equal(err.text, "the test has had enough");
        assert_in_range((clock_monotonic() - start) / 1000000, 0, 10000);
        assert_int_equal(server_count(server, NULL), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reg_12_what_may_pass_is_tried_again),
        cmocka_unit_test(reg_12_what_does_not_pass_is_given_up_after_some_tries),
        cmocka_unit_test(reg_12_retry_after_is_honoured_in_seconds_and_as_a_date),
        cmocka_unit_test(reg_12_a_retry_after_beyond_our_patience_is_handed_to_the_caller),
        cmocka_unit_test(reg_19_a_warning_is_told_once),
        cmocka_unit_test(a_cancelled_call_ends_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
