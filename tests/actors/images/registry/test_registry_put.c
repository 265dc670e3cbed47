/* REG-15: documents that are sent. */
#include "tests/actors/images/registry/upload_fixture.h"

/* ---- documents ------------------------------------------------------------------------------ */

static int put_document(struct registry *registry, const char *name, bool only_missing,
                        bool *subject, struct error *err)
{
    struct registry_put put = { .name = name,
                                .digest = digest,
                                .media_type = MANIFEST,
                                .size = SIZE,
                                .file = file,
                                .only_missing = only_missing };

    memset(err, 0, sizeof(*err));
    return registry_put(registry, NULL, &put, subject, err);
}

static void reg_15_a_document_goes_as_it_is(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct error err;
    char headers[300];
    bool subject;

    (void)state;
    snprintf(headers, sizeof(headers), "Docker-Content-Digest: %s\r\nOCI-Subject: sha256:abc\r\n",
             digest);
    reply(server, MANIFESTS "latest", 201, headers);
    assert_int_equal(put_document(registry, "latest", false, &subject, &err), 0);
    assert_request(server, MANIFESTS "latest", 0, "PUT", 0, SIZE);
    assert_string_equal(server_seen(server, MANIFESTS "latest", 0, "content-type"), MANIFEST);
    assert_true(subject);
}

static void reg_15_a_document_that_is_there_is_not_sent(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct error err;
    char at[200];
    bool subject;

    (void)state;
    snprintf(at, sizeof(at), MANIFESTS "%s", digest);
    reply(server, at, 200, NULL);
    assert_int_equal(put_document(registry, digest, true, &subject, &err), 0);
    assert_int_equal(server_count(server, NULL), 1);
    assert_string_equal(server_seen(server, at, 0, "method"), "HEAD");
}

static void reg_2_a_registry_that_knows_no_head_is_sent_the_document(void **state)
{
    static const int statuses[] = { 405, 404, 400, 501 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct error err;
        char at[200];
        bool subject;

        snprintf(at, sizeof(at), MANIFESTS "%s", digest);
        reply(server, at, statuses[i], NULL);
        reply(server, at, 201, NULL);
        if (put_document(registry, digest, true, &subject, &err) < 0)
            fail_msg("%s", err.text);
        assert_string_equal(server_seen(server, at, 0, "method"), "HEAD");
        assert_request(server, at, 1, "PUT", 0, SIZE);
        assert_false(subject);
    }
}

static void reg_15_a_document_that_is_refused_is_told_in_the_registrys_words(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct error err;
    bool subject;

    (void)state;
    refuse(server, MANIFESTS "latest", 400,
           "{\"errors\":[{\"code\":\"MANIFEST_BLOB_UNKNOWN\",\"message\":\"blob unknown\"}]}");
    assert_int_equal(put_document(registry, "latest", false, &subject, &err), -1);
    assert_says(err.text, "MANIFEST_BLOB_UNKNOWN: blob unknown");
    assert_says(err.text, "app:latest");
    assert_int_equal(server_count(server, NULL), 1);
}

static void reg_15_a_registry_that_makes_something_else_of_it_is_not_believed(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    char other[136], headers[300];
    struct error err;
    bool subject;

    (void)state;
    snprintf(headers, sizeof(headers), "Docker-Content-Digest: %s\r\n",
             digest_text("other", 5, other));
    reply(server, MANIFESTS "latest", 201, headers);
    assert_int_equal(put_document(registry, "latest", false, &subject, &err), -1);
    assert_code(&err, ERROR_DATA_LOSS);
    assert_says(err.text, other);
}

static void reg_12_a_busy_registry_is_given_it_again_when_it_says(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    int64_t begun = clock_monotonic();
    struct error err;
    bool subject;

    (void)state;
    reply(server, MANIFESTS "latest", 429, "Retry-After: 1\r\n");
    reply(server, MANIFESTS "latest", 201, NULL);
    assert_int_equal(put_document(registry, "latest", false, &subject, &err), 0);
    assert_true(clock_monotonic() - begun >= INT64_C(1000000000));
    assert_request(server, MANIFESTS "latest", 1, "PUT", 0, SIZE);
}

static void a_document_that_is_too_large_or_has_no_room_is_refused_at_once(void **state)
{
    static const int statuses[] = { 413, 507 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct error err;
        bool subject;

        refuse(server, MANIFESTS "latest", statuses[i], "no room for it");
        assert_int_equal(put_document(registry, "latest", false, &subject, &err), -1);
        assert_says(err.text, "no room for it");
        assert_int_equal(server_count(server, NULL), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reg_15_a_document_goes_as_it_is),
        cmocka_unit_test(reg_15_a_document_that_is_there_is_not_sent),
        cmocka_unit_test(reg_2_a_registry_that_knows_no_head_is_sent_the_document),
        cmocka_unit_test(reg_15_a_document_that_is_refused_is_told_in_the_registrys_words),
        cmocka_unit_test(reg_15_a_registry_that_makes_something_else_of_it_is_not_believed),
        cmocka_unit_test(reg_12_a_busy_registry_is_given_it_again_when_it_says),
        cmocka_unit_test(a_document_that_is_too_large_or_has_no_room_is_refused_at_once),
    };

    return cmocka_run_group_tests(tests, make_content, NULL);
}
