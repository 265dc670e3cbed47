/* REG-15: documents that are sent. */
#include "tests/actors/images/registry/upload_fixture.h"

/* ---- documents ------------------------------------------------------------------------------ */

static int put_untagged(struct registry *registry, const struct registry_put *put, bool *subject,
                        struct error *err)
{
    struct registry_kept kept = { 0 };
    int result = registry_put(registry, NULL, put, &kept, err);

    assert_int_equal(kept.tags, 0);
    *subject = kept.subject;
    return result;
}

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
    return put_untagged(registry, &put, subject, err);
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

/* ---- with several tags ------------------------------------------------------------------------
 */

static const char *tag_names[12] = { "1.2.3", "1.2", "1", "latest", "d", "e",
                                     "f",     "g",   "h", "i",      "j", "k" };

/* A bit for each tag that the registry says it has. */
static uint64_t must_put_tags(struct registry *registry, size_t count)
{
    const struct registry_put put = { .name = digest,
                                      .digest = digest,
                                      .media_type = MANIFEST,
                                      .size = SIZE,
                                      .file = file,
                                      .tags = { count, tag_names } };
    struct registry_kept kept;
    struct error err;

    if (registry_put(registry, NULL, &put, &kept, &err) < 0)
        fail_msg("%s", err.text);
    return kept.tags;
}

static void reg_15_several_tags_go_with_the_digest_and_those_confirmed_are_told(void **state)
{
    static const struct {
        const char *headers;
        uint64_t tags;
    } answers[] = {
        { "OCI-Tag: 1.2.3\r\nOCI-Tag: 1.2\r\noci-tag: 1\r\nOCI-Tag: latest\r\n", 15 },
        { "OCI-Tag: latest, 1.2\r\n", 10 },
        { "OCI-Tag: lates\r\nOCI-Tag: 1.2.3.4\r\nOCI-Tag: LATEST\r\n", 0 },
        { "OCI-Tag: other\r\nOCI-Tag: 1\r\n", 4 },
        { "OCI-Tag:\r\nOCI-Tag: ,,\r\n", 0 },
        { NULL, 0 },
    };
    char at[200], target[400];

    (void)state;
    snprintf(at, sizeof(at), MANIFESTS "%s", digest);
    snprintf(target, sizeof(target), "%s?tag=1.2.3&tag=1.2&tag=1&tag=latest", at);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        TEST_CLIENT(SERVER_HTTP);

        reply(server, at, 201, answers[i].headers);
        assert_int_equal(must_put_tags(registry, 4), answers[i].tags);
        assert_request(server, at, 0, "PUT", 0, SIZE);
        assert_string_equal(server_seen(server, at, 0, "target"), target);
        assert_int_equal(server_count(server, NULL), 1);
    }
}

static void reg_15_no_more_tags_are_sent_than_registries_take(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    char at[200], headers[2000] = "";
    const char *target;
    size_t count = 0;

    (void)state;
    snprintf(at, sizeof(at), MANIFESTS "%s", digest);
    for (size_t i = 0; i < COUNT_OF(tag_names); i++)
        snprintf(headers + strlen(headers), sizeof(headers) - strlen(headers), "OCI-Tag: %s\r\n",
                 tag_names[i]);
    reply(server, at, 201, headers);
    assert_int_equal(must_put_tags(registry, COUNT_OF(tag_names)), (1 << REGISTRY_TAGS) - 1);
    target = server_seen(server, at, 0, "target");
    for (const char *tag = target; (tag = strstr(tag, "tag=")) != NULL; tag++)
        count++;
    assert_int_equal(count, REGISTRY_TAGS);
}

static void reg_15_a_registry_that_takes_no_tags_along_gets_the_document_alone(void **state)
{
    static const int statuses[] = { 400, 405, 414 };
    char at[200];

    (void)state;
    snprintf(at, sizeof(at), MANIFESTS "%s", digest);
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        TEST_CLIENT(SERVER_HTTP);

        reply(server, at, statuses[i], NULL);
        reply(server, at, 201, NULL);
        assert_int_equal(must_put_tags(registry, 2), 0);
        assert_string_equal(server_seen(server, at, 1, "target"), at);
        assert_int_equal(server_count(server, NULL), 2);
    }
}

static void reg_15_what_is_no_tag_never_becomes_a_part_of_the_address(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    static const char *names[] = { "a&tag=b", "", "a/b", "a b", "-a" };
    struct registry_kept kept;
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct registry_put put = { .name = digest,
                                          .digest = digest,
                                          .media_type = MANIFEST,
                                          .size = SIZE,
                                          .file = file,
                                          .tags = { 1, &names[i] } };

        assert_int_equal(registry_put(registry, NULL, &put, &kept, &err), -1);
        assert_code(&err, ERROR_INVALID_ARGUMENT);
        assert_says(err.text, "is no tag");
    }
    assert_int_equal(server_count(server, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reg_15_a_document_goes_as_it_is),
        cmocka_unit_test(reg_15_a_document_that_is_there_is_not_sent),
        cmocka_unit_test(reg_2_a_registry_that_knows_no_head_is_sent_the_document),
        cmocka_unit_test(reg_15_a_document_that_is_refused_is_told_in_the_registrys_words),
        cmocka_unit_test(reg_15_a_registry_that_makes_something_else_of_it_is_not_believed),
        cmocka_unit_test(reg_15_several_tags_go_with_the_digest_and_those_confirmed_are_told),
        cmocka_unit_test(reg_15_no_more_tags_are_sent_than_registries_take),
        cmocka_unit_test(reg_15_a_registry_that_takes_no_tags_along_gets_the_document_alone),
        cmocka_unit_test(reg_15_what_is_no_tag_never_becomes_a_part_of_the_address),
        cmocka_unit_test(reg_12_a_busy_registry_is_given_it_again_when_it_says),
        cmocka_unit_test(a_document_that_is_too_large_or_has_no_room_is_refused_at_once),
    };

    return cmocka_run_group_tests(tests, make_content, NULL);
}
