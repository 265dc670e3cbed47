/* test_registry — documents: verified, bounded; refusals in words; redirects; when to try again. */
#include "tests/actors/images/registry_fixture.h"

#include <time.h>

static void a_document_by_tag_comes_with_type_and_digest(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    CLEANUP(registry_document_free) struct registry_document document;
    struct error err;
    char digest[136];

    (void)state;
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ .headers = "Content-Type: Application/vnd.oci.image.index.v1"
                                                  "+json ; charset=utf-8\r\n",
                                       .body = DOCUMENT,
                                       .size = strlen(DOCUMENT) });
    assert_int_equal(get_document(registry, "latest", &document, &err), 0);
    assert_string_equal(document.bytes, DOCUMENT);
    assert_int_equal(document.size, strlen(DOCUMENT));
    assert_string_equal(document.media_type, OCI_INDEX);
    assert_string_equal(document.digest, digest_text(DOCUMENT, strlen(DOCUMENT), digest));
    assert_says(server_seen(server, NULL, 0, "accept"), "manifest.list.v2+json");
    assert_says(server_seen(server, NULL, 0, "accept"), OCI_INDEX);
    assert_says(server_seen(server, NULL, 0, "user-agent"), "gantry/");
    assert_string_equal(server_seen(server, NULL, 0, "authorization"), "");
}

static void a_document_of_unknown_length_is_taken(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    CLEANUP(registry_document_free) struct registry_document document;
    static char body[100000];
    struct error err;

    (void)state;
    memset(body, ' ', sizeof(body));
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ .body = body, .size = sizeof(body), .chunked = true });
    assert_int_equal(get_document(registry, "latest", &document, &err), 0);
    assert_int_equal(document.size, sizeof(body));
    assert_memory_equal(document.bytes, body, sizeof(body));
    assert_string_equal(document.media_type, "");
}

static void a_document_asked_by_digest_must_have_it(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    CLEANUP(registry_document_free) struct registry_document document;
    char digest[136], path[200];
    struct error err;

    (void)state;
    digest_text(DOCUMENT, strlen(DOCUMENT), digest);
    snprintf(path, sizeof(path), MANIFESTS "%s", digest);
    server_add(server, path, &(struct server_reply){ DOCUMENT_REPLY });
    assert_int_equal(get_document(registry, digest, &document, &err), 0);
    assert_string_equal(document.digest, digest);

    server_forget(server, path);
    server_add(server, path, &(struct server_reply){ .body = "{}", .size = 2 });
    err = refused_document(registry, digest);
    assert_code(&err, ERROR_DATA_LOSS);
    assert_says(err.text, digest);
    assert_says(err.text, "another digest");
}

static void a_document_must_have_the_digest_that_the_registry_names(void **state)
{
    static const char *const headers[] = {
        "Docker-Content-Digest: sha256:"
        "0000000000000000000000000000000000000000000000000000000000000000\r\n",
        "Docker-Content-Digest: md5:00000000000000000000000000000000\r\n",
        "Docker-Content-Digest: ../../etc/passwd\r\n",
    };
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        TEST_CLIENT(SERVER_HTTP);

        server_add(server, MANIFESTS "latest",
                   &(struct server_reply){ .headers = headers[i], .body = "{}", .size = 2 });
        err = refused_document(registry, "latest");
        assert_code(&err, ERROR_DATA_LOSS);
    }
}

static void a_sha512_digest_is_verified_too(void **state)
{
    /* of "{}" */
    static const char digest[] =
        "sha512:27c74670adb75075fad058d5ceaf7b20c4e7786c83bae8a32f626f9782af34c9"
        "a33c2046ef60fd2a7878d378e29fec851806bbd9a67878f3a9f1cda4830763fd";
    TEST_CLIENT(SERVER_HTTP);
    CLEANUP(registry_document_free) struct registry_document document;
    struct error err;
    char path[256];

    (void)state;
    snprintf(path, sizeof(path), MANIFESTS "%s", digest);
    server_add(server, path, &(struct server_reply){ .body = "{}", .size = 2 });
    assert_int_equal(get_document(registry, digest, &document, &err), 0);
    assert_string_equal(document.digest, digest);
    server_forget(server, path);
    server_add(server, path, &(struct server_reply){ .body = "[]", .size = 2 });
    err = refused_document(registry, digest);
    assert_code(&err, ERROR_DATA_LOSS);
}

static void a_document_over_4_mib_is_refused(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    size_t size = (4 << 20) + 1;
    char *body = calloc(1, size);
    struct error err;

    (void)state;
    server_add(server, MANIFESTS "announced", &(struct server_reply){ .body = body, .size = size });
    server_add(server, MANIFESTS "chunked",
               &(struct server_reply){ .body = body, .size = size, .chunked = true });
    free(body);
    err = refused_document(registry, "announced");
    assert_code(&err, ERROR_RESOURCE_EXHAUSTED);
    assert_says(err.text, "larger than 4 MiB");
    err = refused_document(registry, "chunked");
    assert_code(&err, ERROR_RESOURCE_EXHAUSTED);
    assert_int_equal(server_count(server, NULL), 2); /* and not tried again */
}

static void a_document_that_announces_a_huge_size_costs_no_memory(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct error err;

    (void)state;
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ .raw = "HTTP/1.1 200 OK\r\nContent-Length: "
                                              "9000000000000000000\r\n\r\n{" });
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_RESOURCE_EXHAUSTED);
}

static void a_document_must_have_the_size_of_its_descriptor(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_document document;
    struct error err;

    (void)state;
    server_add(server, MANIFESTS "announced", &(struct server_reply){ DOCUMENT_REPLY });
    server_add(server, MANIFESTS "chunked",
               &(struct server_reply){ DOCUMENT_REPLY, .chunked = true });
    for (size_t i = 0; i < 4; i++) {
        uint64_t size = i % 2 ? strlen(DOCUMENT) - 1 : strlen(DOCUMENT) + 1;

        assert_int_equal(registry_manifest(registry, NULL, i < 2 ? "announced" : "chunked", size,
                                           &document, &err),
                         -1);
        assert_code(&err, ERROR_DATA_LOSS);
    }
    assert_int_equal(
        registry_manifest(registry, NULL, "chunked", strlen(DOCUMENT), &document, &err), 0);
    registry_document_free(&document);
}

static void an_empty_document_is_refused(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct error err;

    (void)state;
    server_add(server, MANIFESTS "latest", &(struct server_reply){ .size = 0 });
    server_add(server, MANIFESTS "nothing", &(struct server_reply){ .status = 204 });
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_DATA_LOSS);
    err = refused_document(registry, "nothing");
    assert_code(&err, ERROR_UNKNOWN);
    assert_says(err.text, "204");
}

static void names_that_are_none_never_reach_the_network(void **state)
{
    static const char *const hosts[] = {
        "", "a/b", "a b", "user@host", "a\r\nb", "a?b", "a#b", NULL
    };
    static const char *const repositories[] = { "",       "/a",  "a/",  "A",    "a//b", "../a",
                                                "a/../b", "a b", "a?b", "a%2f", NULL };
    static const char *const tags[] = {
        "",    ".a",         "-a",
        "a/b", "a b",        "../x",
        "a?b", "sha256:abc", "md5:00000000000000000000000000000000"
    };
    TEST_CLIENT(SERVER_HTTP);
    struct registry_options options = fast_options(server);
    struct registry *none = NULL;
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        options.host = hosts[i];
        assert_int_equal(registry_open(&none, &options, &err), -1);
        assert_code(&err, ERROR_INVALID_ARGUMENT);
    }
    options.host = "localhost";
    for (size_t i = 0; i < COUNT_OF(repositories); i++) {
        options.repository = repositories[i];
        assert_int_equal(registry_open(&none, &options, &err), -1);
        assert_code(&err, ERROR_INVALID_ARGUMENT);
    }
    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        err = refused_document(registry, tags[i]);
        assert_code(&err, ERROR_INVALID_ARGUMENT);
    }
    assert_int_equal(server_count(server, NULL), 0);
}

static void docker_io_is_reached_under_its_other_name(void **state)
{
    struct registry_options options = { .host = "docker.io", .repository = "library/busybox" };
    CLEANUP(registry_close) struct registry *registry = open_with(&options);

    (void)state;
    assert_string_equal(registry_host(registry), "registry-1.docker.io");
}

/* ---- refusals --------------------------------------------------------------------- */

#define ERRORS(code, message) "{\"errors\":[{\"code\":\"" code "\",\"message\":\"" message "\"}]}"

static void a_refusal_says_what_was_wanted_and_what_the_registry_said(void **state)
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

static void a_refusal_of_any_length_is_cut_to_size(void **state)
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

static void a_host_that_never_answered_is_not_tried_again(void **state)
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

static void redirects_of_all_kinds_are_followed(void **state)
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

static void redirects_in_circles_end(void **state)
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

static void redirects_to_nowhere_are_refused(void **state)
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

static void credentials_inside_a_redirect_are_dropped(void **state)
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

/* ---- trying again -------------------------------------------------------------------- */

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

static void what_may_pass_is_tried_again(void **state)
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

static void what_does_not_pass_is_given_up_after_some_tries(void **state)
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

static void retry_after_is_honoured_in_seconds_and_as_a_date(void **state)
{
    char date[64];
    time_t then = time(NULL) + 2;
    struct tm parts;

    (void)state;
    assert_in_range(waited_ms("1"), 1000, 5000);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&then, &parts));
    assert_in_range(waited_ms(date), 900, 6000);
    assert_in_range(waited_ms("never"), 0, 900);
}

static void a_retry_after_beyond_our_patience_is_handed_to_the_caller(void **state)
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

static void a_warning_is_told_once(void **state)
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
        TEST_CLIENT(SERVER_HTTP);
        struct listener listener = { .checks_left = 5 };
        struct registry_caller caller = { .check = on_check, .ctx = &listener };
        struct registry_document document;
        int64_t start = clock_monotonic();
        struct error err;

        server_add(server, MANIFESTS "latest", &replies[i]);
        assert_int_equal(registry_manifest(registry, &caller, "latest", 0, &document, &err), -1);
        assert_code(&err, ERROR_CANCELLED);
        assert_string_equal(err.text, "the test has had enough");
        assert_in_range((clock_monotonic() - start) / 1000000, 0, 900);
        assert_int_equal(server_count(server, NULL), 1);
    }
}

static void a_connection_is_kept_for_the_next_call(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_document document;
    struct error err;

    (void)state;
    server_add(server, MANIFESTS "latest", &(struct server_reply){ DOCUMENT_REPLY });
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(get_document(registry, "latest", &document, &err), 0);
        registry_document_free(&document);
        err = refused_document(registry, "missing");
        assert_code(&err, ERROR_NOT_FOUND);
    }
    assert_int_equal(server_connections(server), 1);
}

static void a_proxy_of_the_environment_is_asked(void **state)
{
    CLEANUP(server_stop) struct registry_server *proxy = server_start(SERVER_HTTP);
    struct registry_options options = fast_options(proxy);
    CLEANUP(registry_close) struct registry *registry = NULL;
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    struct error err;

    (void)state;
    options.host = "registry.test:5000";
    registry = open_with(&options);
    server_add(proxy, "http://registry.test:5000" MANIFESTS "latest",
               &(struct server_reply){ DOCUMENT_REPLY });
    setenv("http_proxy", server_host(proxy), 1);
    setenv("no_proxy", "", 1);
    if (get_document(registry, "latest", &document, &err) < 0)
        fail_msg("%s", err.text);
    unsetenv("http_proxy");
    unsetenv("no_proxy");
    assert_string_equal(document.bytes, DOCUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_by_tag_comes_with_type_and_digest),
        cmocka_unit_test(a_document_of_unknown_length_is_taken),
        cmocka_unit_test(a_document_asked_by_digest_must_have_it),
        cmocka_unit_test(a_document_must_have_the_digest_that_the_registry_names),
        cmocka_unit_test(a_sha512_digest_is_verified_too),
        cmocka_unit_test(a_document_over_4_mib_is_refused),
        cmocka_unit_test(a_document_that_announces_a_huge_size_costs_no_memory),
        cmocka_unit_test(a_document_must_have_the_size_of_its_descriptor),
        cmocka_unit_test(an_empty_document_is_refused),
        cmocka_unit_test(names_that_are_none_never_reach_the_network),
        cmocka_unit_test(docker_io_is_reached_under_its_other_name),
        cmocka_unit_test(a_refusal_says_what_was_wanted_and_what_the_registry_said),
        cmocka_unit_test(a_refusal_of_any_length_is_cut_to_size),
        cmocka_unit_test(bytes_that_are_no_http_are_told_as_such),
        cmocka_unit_test(endless_headers_are_cut_off),
        cmocka_unit_test(a_host_that_never_answered_is_not_tried_again),
        cmocka_unit_test(redirects_of_all_kinds_are_followed),
        cmocka_unit_test(redirects_in_circles_end),
        cmocka_unit_test(redirects_to_nowhere_are_refused),
        cmocka_unit_test(credentials_inside_a_redirect_are_dropped),
        cmocka_unit_test(what_may_pass_is_tried_again),
        cmocka_unit_test(what_does_not_pass_is_given_up_after_some_tries),
        cmocka_unit_test(retry_after_is_honoured_in_seconds_and_as_a_date),
        cmocka_unit_test(a_retry_after_beyond_our_patience_is_handed_to_the_caller),
        cmocka_unit_test(a_warning_is_told_once),
        cmocka_unit_test(a_cancelled_call_ends_at_once),
        cmocka_unit_test(a_connection_is_kept_for_the_next_call),
        cmocka_unit_test(a_proxy_of_the_environment_is_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
