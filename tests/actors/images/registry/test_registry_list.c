/* test_registry_list — REG-17, REG-18: tags and referrers in pages, and what is to be removed. */
#include "tests/actors/images/registry/registry_fixture.h"

#define TAGS    "/v2/app/tags/list"
#define MORE    "/v2/app/tags/more"
#define SUBJECT "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void page(struct registry_server *server, const char *at, const char *headers,
                 const char *body)
{
    server_add(server, at,
               &(struct server_reply){ .headers = headers, .body = body, .size = strlen(body) });
}

static int list_with(struct registry *registry, const struct registry_list *list,
                     struct registry_document *out, struct error *err)
{
    memset(err, 0, sizeof(*err));
    return registry_list(registry, NULL, list, out, err);
}

static void must_list(struct registry *registry, const struct registry_list *list,
                      const char *expected)
{
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    struct error err;

    if (list_with(registry, list, &document, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(document.bytes, expected);
}

static struct error must_fail(struct registry *registry)
{
    const struct registry_list list = { 0 };
    struct registry_document document;
    struct error err;

    if (list_with(registry, &list, &document, &err) == 0)
        fail_msg("it was not refused");
    return err;
}

static void reg_18_tags_come_from_all_pages(void **state)
{
    static const char *const links[] = {
        "Link: </v2/app/tags/more?n=2&last=b>; rel=\"next\"\r\n",
        "Link: <more?n=2&last=b>; rel=next\r\n",
        "Link: </v2/app/x>; rel=\"first\", </v2/app/tags/more?n=2&last=b>; rel=\"next\"\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(links); i++) {
        TEST_CLIENT(SERVER_HTTP);
        const struct registry_list list = { 0 };

        page(server, TAGS, links[i], "{\"name\":\"app\",\"tags\":[\"a\",\"b\"]}");
        page(server, MORE, NULL, "{\"name\":\"app\",\"tags\":[\"c\"]}");
        must_list(registry, &list, "{\"tags\":[\"a\",\"b\",\"c\"]}");
        assert_string_equal(server_seen(server, MORE, 0, "target"), MORE "?n=2&last=b");
    }
}

/* The one request that a list is asked with. */
static void assert_asked(struct registry_server *server, const char *query)
{
    assert_string_equal(server_seen(server, TAGS, server_count(server, TAGS) - 1, "target"), query);
}

static void reg_18_tags_are_asked_for_by_the_thousand(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_list list = { 0 };

    (void)state;
    page(server, TAGS, NULL, "{\"tags\":[\"b\",\"a\"]}");
    must_list(registry, &list, "{\"tags\":[\"b\",\"a\"]}");
    assert_asked(server, TAGS "?n=1000");
}

static void reg_18_a_registry_that_takes_no_such_page_chooses_its_own(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_list list = { .after = "a" };

    (void)state;
    server_add(server, TAGS, &(struct server_reply){ .status = 400 });
    page(server, TAGS, "Link: <more>; rel=\"next\"\r\n", "{\"tags\":[\"b\"]}");
    page(server, MORE, NULL, "{\"tags\":[\"c\"]}");
    must_list(registry, &list, "{\"tags\":[\"b\",\"c\"]}");
    assert_asked(server, TAGS "?last=a");
    assert_int_equal(server_count(server, NULL), 3);
}

static void reg_18_a_part_of_the_tags_is_asked_for_and_pages_are_followed_no_further(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_list list = { .after = "a", .limit = 3 };

    (void)state;
    page(server, TAGS, "Link: <more?n=2&last=c>; rel=\"next\"\r\n", "{\"tags\":[\"b\",\"C\"]}");
    page(server, MORE, "Link: <more?n=2&last=e>; rel=\"next\"\r\n", "{\"tags\":[\"d\",\"e\"]}");
    must_list(registry, &list, "{\"tags\":[\"b\",\"C\",\"d\"]}");
    assert_asked(server, TAGS "?n=3&last=a");
    assert_int_equal(server_count(server, NULL), 2);
}

/* As docker-registry 2.8: part by part they are all the tags, each once. */
static void reg_18_a_registry_that_knows_no_pages_is_cut_into_them(void **state)
{
    static const char *const expected[] = { "{\"tags\":[\"A\",\"C\"]}", "{\"tags\":[\"b\",\"d\"]}",
                                            "{\"tags\":[]}" };
    static const char *const last[] = { NULL, "C", "d" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        TEST_CLIENT(SERVER_HTTP);
        const struct registry_list list = { .after = last[i], .limit = 2 };

        page(server, TAGS, NULL, "{\"tags\":[\"d\",\"b\",\"C\",\"A\"]}");
        must_list(registry, &list, expected[i]);
    }
}

static void reg_18_what_is_no_tag_is_not_asked_for(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    static const char *const names[] = { "a&n=1", "", "a/b" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct registry_list list = { .after = names[i] };
        struct registry_document document;
        struct error err;

        assert_int_equal(list_with(registry, &list, &document, &err), -1);
        assert_code(&err, ERROR_INVALID_ARGUMENT);
    }
    assert_int_equal(server_count(server, NULL), 0);
}

static void reg_18_a_repository_may_have_no_tags(void **state)
{
    static const char *const bodies[] = { "{\"tags\":null}", "{\"tags\":[]}", "{}" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        TEST_CLIENT(SERVER_HTTP);
        const struct registry_list list = { 0 };

        page(server, TAGS, NULL, bodies[i]);
        must_list(registry, &list, "{\"tags\":[]}");
    }
}

static void reg_18_what_is_no_list_is_refused(void **state)
{
    static const char *const bodies[] = {
        "", "<html>", "[]", "{\"tags\":\"a\"}", "{\"tags\":{}}", "{\"tags\":[\"a\""
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct error err;

        page(server, TAGS, NULL, bodies[i]);
        err = must_fail(registry);
        assert_code(&err, ERROR_DATA_LOSS);
        assert_says(err.text, "tags of ");
    }
}

static void reg_18_pages_in_circles_end(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    char *body = calloc(1, 600000);
    struct error err;

    (void)state;
    strcpy(body, "{\"tags\":[\"");
    memset(body + strlen(body), 'a', 500000);
    strcat(body, "\"]}");
    page(server, TAGS, "Link: <list>; rel=\"next\"\r\n", body);
    free(body);
    err = must_fail(registry);
    assert_code(&err, ERROR_RESOURCE_EXHAUSTED);
    assert_says(err.text, "larger than 4 MiB");
    assert_true(server_count(server, TAGS) < 12);
}

static void cve_2020_15157_another_hosts_page_sees_no_credentials(void **state)
{
    CLEANUP(server_stop) struct registry_server *server = server_start(SERVER_HTTP);
    CLEANUP(server_stop) struct registry_server *other = server_start(SERVER_HTTP);
    struct registry_options options = fast_options(server);
    const struct registry_list list = { 0 };
    char link[200];

    (void)state;
    options.username = "user";
    options.password = "pass";
    CLEANUP(registry_close) struct registry *registry = open_with(&options);
    snprintf(link, sizeof(link), "Link: <http://%s/more>; rel=\"next\"\r\n", server_host(other));
    server_add(server, TAGS,
               &(struct server_reply){ .headers = link,
                                       .body = "{\"tags\":[\"a\"]}",
                                       .size = 14,
                                       .wants = "Basic dXNlcjpwYXNz",
                                       .challenge = "Basic realm=x" });
    page(other, "/more", NULL, "{\"tags\":[\"b\"]}");
    must_list(registry, &list, "{\"tags\":[\"a\",\"b\"]}");
    assert_int_equal(server_count_with(other, "authorization"), 0);
    assert_int_equal(server_count_with(server, "authorization"), 1);
}

static void reg_17_referrers_come_as_an_index(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_list list = { .subject = SUBJECT, .artifact_type = "application/x.y" };

    (void)state;
    page(server, "/v2/app/referrers/" SUBJECT, NULL,
         "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"x\"}]}");
    must_list(registry, &list,
              "{\"schemaVersion\":2,\"mediaType\":\"" OCI_INDEX
              "\",\"manifests\":[{\"digest\":\"x\"}]}");
    assert_string_equal(server_seen(server, NULL, 0, "target"),
                        "/v2/app/referrers/" SUBJECT "?artifactType=application/x.y");
}

static void reg_17_referrers_come_from_all_pages(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_list list = { .subject = SUBJECT };

    (void)state;
    page(server, "/v2/app/referrers/" SUBJECT, "Link: <more?x=1>; rel=\"next\"\r\n",
         "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"x\"}]}");
    page(server, "/v2/app/referrers/more", NULL, "{\"manifests\":[{\"digest\":\"y\"}]}");
    must_list(registry, &list,
              "{\"schemaVersion\":2,\"mediaType\":\"" OCI_INDEX
              "\",\"manifests\":[{\"digest\":\"x\"},{\"digest\":\"y\"}]}");
}

static void reg_17_a_type_never_becomes_another_parameter(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_list list = { .subject = SUBJECT, .artifact_type = "a&b=c" };

    (void)state;
    page(server, "/v2/app/referrers/" SUBJECT, NULL, "{\"manifests\":[]}");
    must_list(registry, &list,
              "{\"schemaVersion\":2,\"mediaType\":\"" OCI_INDEX "\",\"manifests\":[]}");
    assert_string_equal(server_seen(server, NULL, 0, "target"), "/v2/app/referrers/" SUBJECT);
}

static void reg_17_a_registry_without_referrers_says_not_found(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_list list = { .subject = SUBJECT };
    struct registry_document document;
    struct error err;

    (void)state;
    assert_int_equal(list_with(registry, &list, &document, &err), -1);
    assert_code(&err, ERROR_NOT_FOUND);
}

static void reg_17_a_subject_must_be_a_digest(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_list list = { .subject = "latest" };
    struct registry_document document;
    struct error err;

    (void)state;
    assert_int_equal(list_with(registry, &list, &document, &err), -1);
    assert_code(&err, ERROR_INVALID_ARGUMENT);
    assert_int_equal(server_count(server, NULL), 0);
}

/* ---- removing ---------------------------------------------------------------------------- */

static void reg_18_a_document_is_removed_by_its_name(void **state)
{
    static const char *const names[] = { "latest", SUBJECT };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct error err = { 0 };
        char at[200];

        snprintf(at, sizeof(at), MANIFESTS "%s", names[i]);
        server_add(server, at, &(struct server_reply){ .status = 202 });
        if (registry_delete(registry, NULL, names[i], false, &err) < 0)
            fail_msg("%s", err.text);
        assert_string_equal(server_seen(server, at, 0, "method"), "DELETE");
    }
}

static void reg_18_a_registry_that_removes_nothing_says_so(void **state)
{
    static const struct {
        int status;
        const char *name;
        enum error_code code;
    } refusals[] = {
        { 405, "latest", ERROR_UNIMPLEMENTED },    { 400, "latest", ERROR_UNIMPLEMENTED },
        { 405, SUBJECT, ERROR_UNIMPLEMENTED },     { 404, SUBJECT, ERROR_NOT_FOUND },
        { 403, SUBJECT, ERROR_PERMISSION_DENIED },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct error err = { 0 };
        char at[200];

        snprintf(at, sizeof(at), MANIFESTS "%s", refusals[i].name);
        server_add(server, at, &(struct server_reply){ .status = refusals[i].status });
        assert_int_equal(registry_delete(registry, NULL, refusals[i].name, false, &err), -1);
        assert_code(&err, refusals[i].code);
        assert_int_equal(server_count(server, NULL), 1);
    }
}

static void reg_18_a_blob_is_removed_by_its_digest(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct error err = { 0 };

    (void)state;
    server_add(server, BLOBS SUBJECT, &(struct server_reply){ .status = 202 });
    if (registry_delete(registry, NULL, SUBJECT, true, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(server_seen(server, BLOBS SUBJECT, 0, "method"), "DELETE");
    assert_int_equal(registry_delete(registry, NULL, "latest", true, &err), -1);
    assert_code(&err, ERROR_INVALID_ARGUMENT);
    assert_int_equal(server_count(server, NULL), 1);
}

static void reg_18_a_registry_that_does_not_remove_a_blob_says_why(void **state)
{
    static const struct {
        int status;
        enum error_code code;
    } refusals[] = {
        { 404, ERROR_NOT_FOUND },
        { 405, ERROR_UNIMPLEMENTED },
        { 400, ERROR_UNIMPLEMENTED },
        { 403, ERROR_PERMISSION_DENIED },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct error err = { 0 };

        server_add(server, BLOBS SUBJECT, &(struct server_reply){ .status = refusals[i].status });
        assert_int_equal(registry_delete(registry, NULL, SUBJECT, true, &err), -1);
        assert_code(&err, refusals[i].code);
        assert_says(err.text, "/app@" SUBJECT);
        assert_says(err.text, "blob ");
        assert_int_equal(server_count(server, NULL), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reg_18_tags_come_from_all_pages),
        cmocka_unit_test(reg_18_tags_are_asked_for_by_the_thousand),
        cmocka_unit_test(reg_18_a_registry_that_takes_no_such_page_chooses_its_own),
        cmocka_unit_test(reg_18_a_part_of_the_tags_is_asked_for_and_pages_are_followed_no_further),
        cmocka_unit_test(reg_18_a_registry_that_knows_no_pages_is_cut_into_them),
        cmocka_unit_test(reg_18_what_is_no_tag_is_not_asked_for),
        cmocka_unit_test(reg_18_a_repository_may_have_no_tags),
        cmocka_unit_test(reg_18_what_is_no_list_is_refused),
        cmocka_unit_test(reg_18_pages_in_circles_end),
        cmocka_unit_test(cve_2020_15157_another_hosts_page_sees_no_credentials),
        cmocka_unit_test(reg_17_referrers_come_as_an_index),
        cmocka_unit_test(reg_17_referrers_come_from_all_pages),
        cmocka_unit_test(reg_17_a_type_never_becomes_another_parameter),
        cmocka_unit_test(reg_17_a_registry_without_referrers_says_not_found),
        cmocka_unit_test(reg_17_a_subject_must_be_a_digest),
        cmocka_unit_test(reg_18_a_document_is_removed_by_its_name),
        cmocka_unit_test(reg_18_a_registry_that_removes_nothing_says_so),
        cmocka_unit_test(reg_18_a_blob_is_removed_by_its_digest),
        cmocka_unit_test(reg_18_a_registry_that_does_not_remove_a_blob_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
