/* test_registry_refusals — what a registry says and where it sends us, in words for the user. */
#include "tests/actors/images/registry/registry_fixture.h"

#define ERRORS(code, message) "{\"errors\":[{\"code\":\"" code "\",\"message\":\"" message "\"}]}"

static void reg_11_a_refusal_says_what_was_wanted_and_what_the_registry_said(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum error_code code;
        const char *says[3];
    } cases[] = {
        { 404,
          ERRORS("MANIFEST_UNKNOWN", "manifest unknown"),
          ERROR_NOT_FOUND,
          { "not found at 127.0.0.1", "(MANIFEST_UNKNOWN: manifest unknown)",
            "/manifests/latest" } },
        { 403, ERRORS("DENIED", "pay first"), ERROR_PERMISSION_DENIED, { "denies", "pay first" } },
        { 400, ERRORS("NAME_INVALID", "no such name"), ERROR_INVALID_ARGUMENT, { "400" } },
        { 405, ERRORS("UNSUPPORTED", "no"), ERROR_UNIMPLEMENTED, { "UNSUPPORTED" } },
        { 418, "short and stout", ERROR_UNKNOWN, { "418", "short and stout" } },
        { 404,
          "<html>\n\n  <b>gone</b></html>",
          ERROR_NOT_FOUND,
          { "(<html> <b>gone</b></html>)" } },
        { 404, "\x1b[2J\xff\x01 clear", ERROR_NOT_FOUND, { "(?[2J?? clear)" } },
        { 404, "{\"errors\":[]}", ERROR_NOT_FOUND, { "not found" } },
        { 404, "{\"errors\":[[[{}]]]}", ERROR_NOT_FOUND, { "not found" } },
        { 404, "{\"errors\":{\"code\":7}}", ERROR_NOT_FOUND, { "not found" } },
        { 404, "", ERROR_NOT_FOUND, { "not found" } },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct error err;

        server_add(server, MANIFESTS "latest",
                   &(struct server_reply){ .status = cases[i].status,
                                           .body = cases[i].body,
                                           .size = strlen(cases[i].body) });
        err = refused_document(registry, "latest");
        assert_code(&err, cases[i].code);
        assert_says(err.text, "image 127.0.0.1");
        assert_says(err.text, "/app:latest: ");
        for (size_t k = 0; k < 3 && cases[i].says[k] != NULL; k++)
            assert_says(err.text, cases[i].says[k]);
        assert_int_equal(server_count(server, NULL), 1); /* no other try */
    }
}

static void reg_11_each_of_the_fourteen_codes_reaches_the_user(void **state)
{
    static const struct {
        const char *word;
        int status;
        enum error_code code;
    } codes[] = {
        { "BLOB_UNKNOWN", 404, ERROR_NOT_FOUND },
        { "BLOB_UPLOAD_INVALID", 400, ERROR_INVALID_ARGUMENT },
        { "BLOB_UPLOAD_UNKNOWN", 404, ERROR_NOT_FOUND },
        { "DIGEST_INVALID", 400, ERROR_INVALID_ARGUMENT },
        { "MANIFEST_BLOB_UNKNOWN", 400, ERROR_NOT_FOUND },
        { "MANIFEST_INVALID", 400, ERROR_INVALID_ARGUMENT },
        { "MANIFEST_UNKNOWN", 404, ERROR_NOT_FOUND },
        { "NAME_INVALID", 400, ERROR_INVALID_ARGUMENT },
        { "NAME_UNKNOWN", 404, ERROR_NOT_FOUND },
        { "SIZE_INVALID", 400, ERROR_INVALID_ARGUMENT },
        { "UNAUTHORIZED", 401, ERROR_UNAUTHENTICATED },
        { "DENIED", 403, ERROR_PERMISSION_DENIED },
        { "UNSUPPORTED", 415, ERROR_UNIMPLEMENTED },
        { "TOOMANYREQUESTS", 429, ERROR_RESOURCE_EXHAUSTED },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct error err;
        char body[200], says[100];

        snprintf(body, sizeof(body),
                 "{\"errors\":[{\"code\":\"%s\",\"message\":\"so it is\",\"detail\":{\"a\":[1]}}]}",
                 codes[i].word);
        snprintf(says, sizeof(says), "(%s: so it is)", codes[i].word);
        server_add(server, MANIFESTS "latest",
                   &(struct server_reply){ .status = codes[i].status,
                                           .headers = "Retry-After: 3600\r\n",
                                           .body = body,
                                           .size = strlen(body) });
        err = refused_document(registry, "latest");
        assert_code(&err, codes[i].code);
        assert_says(err.text, says);
        assert_says(err.text, "127.0.0.1");
        assert_says(err.text, "(GET http://127.0.0.1");
        assert_says(err.text, MANIFESTS "latest");
        assert_int_equal(server_count(server, NULL), 1);
    }
}

static void reg_11_a_refusal_of_any_length_is_cut_to_size(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    size_t size = 10 << 20;
    char *body = malloc(size);
    struct error err;

    (void)state;
    memset(body, 'x', size);
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ .status = 404, .body = body, .size = size });
    free(body);
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_NOT_FOUND);
    assert_says(err.text, "xxxx");
    assert_says(err.text, "(GET http://");
}

static void bytes_that_are_no_http_are_told_as_such(void **state)
{
    static const struct server_reply replies[] = {
        { .raw = "SSH-2.0-OpenSSH_9.2\r\n" },
        { .raw = "\x15\x03\x01\x00\x02\x02\x46", .raw_size = 7 },
        { .raw = "HTTP/1.1 abc\r\n\r\n" },
        { .raw = "HTTP/9.9 200 OK\r\n\r\n" },
        { .raw = "HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\n" },
        { .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(replies); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct error err;

        server_add(server, MANIFESTS "latest", &replies[i]);
        err = refused_document(registry, "latest");
        assert_true(err.code == ERROR_UNKNOWN || err.code == ERROR_UNAVAILABLE ||
                    err.code == ERROR_DATA_LOSS);
        assert_says(err.text, "image 127.0.0.1");
    }
}

static void endless_headers_are_cut_off(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    size_t size = 1 << 20, used;
    char *raw = malloc(size);
    struct error err;

    (void)state;
    used = (size_t)snprintf(raw, size, "HTTP/1.1 200 OK\r\n");
    while (used + 100 < size)
        used += (size_t)snprintf(raw + used, size - used, "X-More-%zu: %080d\r\n", used, 1);
    server_add(server, MANIFESTS "latest", &(struct server_reply){ .raw = raw, .raw_size = used });
    free(raw);
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_UNKNOWN);
    assert_says(err.text, "is no HTTP");
}

static void reg_12_a_host_that_never_answered_is_not_tried_again(void **state)
{
    struct registry_server *server = server_start(SERVER_HTTP);
    struct registry_options options = fast_options(server);
    CLEANUP(registry_close) struct registry *registry = NULL;
    struct error err;

    (void)state;
    options.tries = 1000000;
    registry = open_with(&options);
    server_stop(&server); /* nobody listens there now */
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_UNAVAILABLE);
    assert_says(err.text, "cannot reach 127.0.0.1");
}

/* ---- redirects ----------------------------------------------------------------------- */

static void add_redirect(struct registry_server *server, const char *path, int status,
                         const char *location)
{
    char headers[600];

    snprintf(headers, sizeof(headers), "Location: %s\r\n", location);
    server_add(server, path, &(struct server_reply){ .status = status, .headers = headers });
}

static void reg_3_redirects_of_all_kinds_are_followed(void **state)
{
    static const int kinds[] = { 301, 302, 303, 307, 308 };
    static const char *const places[] = { "/elsewhere?sig=1", "../../../elsewhere?sig=1", NULL };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds) * COUNT_OF(places); i++) {
        TEST_CLIENT(SERVER_HTTP);
        CLEANUP(registry_document_free) struct registry_document document = { 0 };
        struct error err;
        char full[100];

        snprintf(full, sizeof(full), "http://%s/elsewhere?sig=1", server_host(server));
        add_redirect(server, MANIFESTS "latest", kinds[i / COUNT_OF(places)],
                     places[i % COUNT_OF(places)] ? places[i % COUNT_OF(places)] : full);
        server_add(server, "/elsewhere", &(struct server_reply){ DOCUMENT_REPLY });
        if (get_document(registry, "latest", &document, &err) < 0)
            fail_msg("%s", err.text);
        assert_string_equal(server_seen(server, "/elsewhere", 0, "target"), "/elsewhere?sig=1");
        assert_int_equal(server_connections(server), 1);
    }
}

static void reg_3_redirects_in_circles_end(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct error err;

    (void)state;
    add_redirect(server, MANIFESTS "latest", 307, "latest");
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_UNKNOWN);
    assert_says(err.text, "in circles");
    assert_says(err.text, "image 127.0.0.1");
    assert_int_equal(server_count(server, NULL), 11);
}

static void reg_3_redirects_to_nowhere_are_refused(void **state)
{
    static const char *const places[] = { "file:///etc/passwd", "ftp://127.0.0.1/x",
                                          "gopher://127.0.0.1:1/", "http://", "https://[" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct error err;

        add_redirect(server, MANIFESTS "latest", 302, places[i]);
        server_add(server, MANIFESTS "without", &(struct server_reply){ .status = 302 });
        err = refused_document(registry, "latest");
        assert_code(&err, ERROR_UNKNOWN);
        assert_says(err.text, "redirects");
        err = refused_document(registry, "without");
        assert_code(&err, ERROR_UNKNOWN);
    }
}

static void reg_3_credentials_inside_a_redirect_are_dropped(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    struct error err;
    char location[200];

    (void)state;
    snprintf(location, sizeof(location), "http://eve:secret@%s/elsewhere", server_host(server));
    add_redirect(server, MANIFESTS "latest", 302, location);
    server_add(server, "/elsewhere", &(struct server_reply){ DOCUMENT_REPLY });
    assert_int_equal(get_document(registry, "latest", &document, &err), 0);
    assert_int_equal(server_count_with(server, "authorization"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reg_11_a_refusal_says_what_was_wanted_and_what_the_registry_said),
        cmocka_unit_test(reg_11_each_of_the_fourteen_codes_reaches_the_user),
        cmocka_unit_test(reg_11_a_refusal_of_any_length_is_cut_to_size),
        cmocka_unit_test(bytes_that_are_no_http_are_told_as_such),
        cmocka_unit_test(endless_headers_are_cut_off),
        cmocka_unit_test(reg_12_a_host_that_never_answered_is_not_tried_again),
        cmocka_unit_test(reg_3_redirects_of_all_kinds_are_followed),
        cmocka_unit_test(reg_3_redirects_in_circles_end),
        cmocka_unit_test(reg_3_redirects_to_nowhere_are_refused),
        cmocka_unit_test(reg_3_credentials_inside_a_redirect_are_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
