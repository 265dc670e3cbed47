/* test_registry_upload — REG-13, REG-14, REG-15: what is sent whole, mounted, in chunks, cut, led
 * elsewhere, refused. */
#include "tests/actors/images/registry/registry_fixture.h"

#include <sys/mman.h>
#include <unistd.h>

#define SIZE     3000000
#define UPLOADS  BLOBS "uploads/"
#define SESSION  UPLOADS "one"
#define SECOND   UPLOADS "two"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"

static char content[SIZE]; /* of the blob, the same in every test */
static char digest[136], path[200];
static int file = -1;

static int make_content(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (char)(i * 7 + i / 251);
    digest_text(content, SIZE, digest);
    snprintf(path, sizeof(path), BLOBS "%s", digest);
    file = memfd_create("blob", MFD_CLOEXEC);
    return write(file, content, SIZE) == SIZE ? 0 : -1;
}

struct result {
    enum registry_sent sent;
    struct error err;
};

static struct registry_upload upload_of(void)
{
    return (struct registry_upload){ .digest = digest, .size = SIZE, .file = file };
}

static int send_with(struct registry *registry, const struct registry_upload *upload,
                     struct result *result)
{
    memset(result, 0, sizeof(*result));
    return registry_upload(registry, NULL, upload, &result->sent, &result->err);
}

static void must_send(struct registry *registry, const struct registry_upload *upload,
                      enum registry_sent sent)
{
    struct result result;

    if (send_with(registry, upload, &result) < 0)
        fail_msg("%s", result.err.text);
    assert_int_equal(result.sent, sent);
}

static struct error must_fail(struct registry *registry, const struct registry_upload *upload)
{
    struct result result;

    if (send_with(registry, upload, &result) == 0)
        fail_msg("it was not refused");
    return result.err;
}

static void reply(struct registry_server *server, const char *at, int status, const char *headers)
{
    server_add(server, at, &(struct server_reply){ .status = status, .headers = headers });
}

/* A refusal in the words of the specification. */
static void refuse(struct registry_server *server, const char *at, int status, const char *body)
{
    server_add(server, at,
               &(struct server_reply){ .status = status, .body = body, .size = strlen(body) });
}

static void assert_request(struct registry_server *server, const char *at, size_t k,
                           const char *method, uint64_t from, uint64_t size)
{
    const void *body;
    size_t got = 0;

    assert_string_equal(server_seen(server, at, k, "method"), method);
    body = server_body(server, at, k, &got);
    assert_int_equal(got, size);
    if (size > 0)
        assert_memory_equal(body, content + from, size);
}

/* ---- the usual way -------------------------------------------------------------------- */

static void a_blob_that_is_there_is_not_sent(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_upload upload = upload_of();

    (void)state;
    reply(server, path, 200, NULL);
    must_send(registry, &upload, SENT_NOTHING);
    assert_string_equal(server_seen(server, path, 0, "method"), "HEAD");
    assert_int_equal(server_count(server, NULL), 1);
}

static void a_store_that_knows_no_head_says_nothing(void **state)
{
    CLEANUP(server_stop) struct registry_server *server = server_start(SERVER_HTTP);
    CLEANUP(server_stop) struct registry_server *store = server_start(SERVER_HTTP);
    CLEANUP(registry_close) struct registry *registry = open_fast(server);
    const struct registry_upload upload = upload_of();
    char location[200];

    (void)state;
    snprintf(location, sizeof(location), "Location: http://%s/x\r\n", server_host(store));
    reply(server, path, 307, location);
    reply(store, "/x", 403, NULL);
    reply(server, UPLOADS, 202, "Location: one\r\n");
    reply(server, SESSION, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_string_equal(server_seen(store, "/x", 0, "method"), "HEAD");
}

static void a_blob_goes_in_one_put_to_where_the_answer_leads(void **state)
{
    static const char *const locations[] = {
        "Location: /v2/app/blobs/uploads/one\r\n",
        "Location: one\r\n",
        "Location: /v2/app/blobs/uploads/one?_state=a%2Fb&x=1\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(locations); i++) {
        TEST_CLIENT(SERVER_HTTP);
        const struct registry_upload upload = upload_of();
        char target[300];

        reply(server, UPLOADS, 202, locations[i]);
        reply(server, SESSION, 201, NULL);
        must_send(registry, &upload, SENT_BYTES);
        assert_string_equal(server_seen(server, UPLOADS, 0, "method"), "POST");
        assert_string_equal(server_seen(server, UPLOADS, 0, "content-length"), "0");
        assert_string_equal(server_seen(server, UPLOADS, 0, "content-type"), "");
        assert_request(server, SESSION, 0, "PUT", 0, SIZE);
        assert_string_equal(server_seen(server, SESSION, 0, "content-type"),
                            "application/octet-stream");
        snprintf(target, sizeof(target), SESSION "?%sdigest=%s", i == 2 ? "_state=a%2Fb&x=1&" : "",
                 digest);
        assert_string_equal(server_seen(server, SESSION, 0, "target"), target);
        assert_int_equal(server_count(server, NULL), 3);
    }
}

static void an_empty_blob_can_be_sent(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    char empty[136];
    const struct registry_upload upload = { .digest = digest_text("", 0, empty), .file = file };

    (void)state;
    reply(server, UPLOADS, 202, "Location: one\r\n");
    reply(server, SESSION, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_string_equal(server_seen(server, SESSION, 0, "content-length"), "0");
}

static void on_progress(void *ctx, uint64_t done)
{
    uint64_t *most = ctx;

    *most = done > *most ? done : *most;
}

static void how_much_was_sent_is_told(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();
    uint64_t told = 0;

    (void)state;
    upload.progress = on_progress;
    upload.ctx = &told;
    reply(server, UPLOADS, 202, "Location: one\r\n");
    reply(server, SESSION, 503, "Retry-After: 1\r\n"); /* there is a wait, in which it is told */
    reply(server, SESSION, 404, NULL);
    reply(server, SESSION, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_int_equal(told, SIZE);
}

/* ---- from another repository ------------------------------------------------------------- */

static void a_blob_of_another_repository_is_mounted(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();
    char target[300];

    (void)state;
    upload.mount = "library/other";
    reply(server, UPLOADS, 201, "Location: /v2/app/blobs/x\r\n");
    must_send(registry, &upload, SENT_MOUNTED);
    snprintf(target, sizeof(target), UPLOADS "?mount=%s&from=library/other", digest);
    assert_string_equal(server_seen(server, UPLOADS, 0, "target"), target);
    assert_int_equal(server_count(server, NULL), 2);
}

static void a_mount_that_is_not_done_becomes_an_upload(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();

    (void)state;
    upload.mount = "other";
    reply(server, UPLOADS, 202, "Location: one\r\n");
    reply(server, SESSION, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_request(server, SESSION, 0, "PUT", 0, SIZE);
    assert_int_equal(server_count(server, UPLOADS), 1);
}

/* Some registries say 404 of a repository that nobody may mount from. */
static void a_mount_that_is_refused_becomes_an_upload(void **state)
{
    static const int statuses[] = { 400, 403, 404, 405 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct registry_upload upload = upload_of();

        upload.mount = "other";
        reply(server, UPLOADS, statuses[i], NULL);
        reply(server, UPLOADS, 202, "Location: one\r\n");
        reply(server, SESSION, 201, NULL);
        must_send(registry, &upload, SENT_BYTES);
        assert_string_equal(server_seen(server, UPLOADS, 1, "target"), UPLOADS);
    }
}

static void a_repository_to_mount_from_must_be_one(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();
    struct error err;

    (void)state;
    upload.mount = "other&x=1";
    err = must_fail(registry, &upload);
    assert_code(&err, ERROR_INVALID_ARGUMENT);
    assert_int_equal(server_count(server, NULL), 0);
}

static void without_a_file_it_is_only_seen_what_goes_without(void **state)
{
    static const struct {
        int head, post;
        const char *mount;
        enum registry_sent sent;
        size_t requests;
    } cases[] = {
        { 200, 0, "other", SENT_NOTHING, 1 },
        { 404, 201, "other", SENT_MOUNTED, 2 },
        { 404, 202, "other", SENT_WANTED, 3 }, /* and the session is given up */
        { 404, 0, NULL, SENT_WANTED, 1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct registry_upload upload = upload_of();

        upload.file = -1;
        upload.mount = cases[i].mount;
        reply(server, path, cases[i].head, NULL);
        reply(server, UPLOADS, cases[i].post, "Location: one\r\n");
        reply(server, SESSION, 204, NULL);
        must_send(registry, &upload, cases[i].sent);
        assert_int_equal(server_count(server, NULL), cases[i].requests);
    }
}

/* ---- where it goes, and as whom ----------------------------------------------------------- */

#define SECRET "Basic dXNlcjpwYXNz" /* user:pass */

static void credentials_do_not_follow_to_another_host(void **state)
{
    CLEANUP(server_stop) struct registry_server *server = server_start(SERVER_HTTP);
    CLEANUP(server_stop) struct registry_server *other = server_start(SERVER_HTTP);
    struct registry_options options = fast_options(server);
    struct registry_upload upload = upload_of();
    char location[200];

    (void)state;
    options.username = "user";
    options.password = "pass";
    CLEANUP(registry_close) struct registry *registry = open_with(&options);
    snprintf(location, sizeof(location), "Location: http://%s/up\r\n", server_host(other));
    server_add(
        server, path,
        &(struct server_reply){ .status = 404, .wants = SECRET, .challenge = "Basic realm=x" });
    server_add(
        server, UPLOADS,
        &(struct server_reply){
            .status = 202, .headers = location, .wants = SECRET, .challenge = "Basic realm=x" });
    snprintf(location, sizeof(location), "Location: http://%s/v2/app/back\r\n",
             server_host(server));
    upload.chunk = 2000000;
    upload.big = 1;
    reply(other, "/up", 202, location);
    /* back home, where they would be welcome: it is another's address all the same */
    reply(server, "/v2/app/back", 202, "Location: back\r\n");
    reply(server, "/v2/app/back", 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_int_equal(server_count_with(other, "authorization"), 0);
    assert_string_equal(server_seen(server, UPLOADS, 0, "authorization"), SECRET);
    assert_string_equal(server_seen(server, "/v2/app/back", 0, "authorization"), "");
    assert_string_equal(server_seen(server, "/v2/app/back", 1, "authorization"), "");
}

static void another_hosts_401_is_not_answered(void **state)
{
    CLEANUP(server_stop) struct registry_server *server = server_start(SERVER_HTTP);
    CLEANUP(server_stop) struct registry_server *other = server_start(SERVER_HTTP);
    struct registry_options options = fast_options(server);
    const struct registry_upload upload = upload_of();
    char location[200];
    struct error err;

    (void)state;
    options.username = "user";
    options.password = "pass";
    CLEANUP(registry_close) struct registry *registry = open_with(&options);
    snprintf(location, sizeof(location), "Location: http://%s/up\r\n", server_host(other));
    reply(server, UPLOADS, 202, location);
    server_add(
        other, "/up",
        &(struct server_reply){ .status = 201, .wants = SECRET, .challenge = "Basic realm=x" });
    err = must_fail(registry, &upload);
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_says(err.text, server_host(other));
    assert_int_equal(server_count_with(other, "authorization"), 0);
}

static void a_location_that_is_none_is_an_error(void **state)
{
    static const char *const locations[] = { NULL, "Location: ftp://x/y\r\n",
                                             "Location: http://[/\r\n" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(locations); i++) {
        TEST_CLIENT(SERVER_HTTP);
        const struct registry_upload upload = upload_of();
        struct error err;

        reply(server, UPLOADS, 202, locations[i]);
        err = must_fail(registry, &upload);
        assert_says(err.text, "it redirects");
        assert_int_equal(server_count(server, UPLOADS), 1);
    }
}

static void a_put_that_is_redirected_goes_on_with_its_bytes(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_upload upload = upload_of();

    (void)state;
    reply(server, UPLOADS, 202, "Location: one\r\n");
    reply(server, SESSION, 307, "Location: /elsewhere\r\n");
    reply(server, "/elsewhere", 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_request(server, "/elsewhere", 0, "PUT", 0, SIZE);
}

static void a_password_asked_for_in_the_middle_is_given(void **state)
{
    CLEANUP(server_stop) struct registry_server *server = server_start(SERVER_HTTP);
    struct registry_options options = fast_options(server);
    const struct registry_upload upload = upload_of();

    (void)state;
    options.username = "user";
    options.password = "pass";
    CLEANUP(registry_close) struct registry *registry = open_with(&options);
    reply(server, UPLOADS, 202, "Location: one\r\n");
    server_add(
        server, SESSION,
        &(struct server_reply){ .status = 201, .wants = SECRET, .challenge = "Basic realm=x" });
    must_send(registry, &upload, SENT_BYTES);
    assert_request(server, SESSION, 1, "PUT", 0, SIZE);
    assert_int_equal(server_count(server, UPLOADS), 1);
}

/* ---- in chunks ------------------------------------------------------------------------------ */

static void a_big_blob_goes_in_chunks(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();
    char target[300];

    (void)state;
    upload.big = SIZE - 1;
    upload.chunk = 2000000;
    reply(server, UPLOADS, 202, "Location: one\r\n");
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

static void chunks_are_as_large_as_the_registry_wants_them(void **state)
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

static void status_416_is_answered_with_a_look_at_how_far_it_is(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();

    (void)state;
    upload.big = 1;
    upload.chunk = 2000000;
    reply(server, UPLOADS, 202, "Location: one\r\n");
    reply(server, SESSION, 202, "Location: one\r\nRange: 0-1999999\r\n");
    reply(server, SESSION, 416, NULL);
    reply(server, SESSION, 204, "Location: two\r\nRange: 0-1499999\r\n");
    reply(server, SECOND, 202, "Location: two\r\nRange: 0-2999999\r\n");
    reply(server, SECOND, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_string_equal(server_seen(server, SESSION, 2, "method"), "GET");
    assert_request(server, SECOND, 0, "PATCH", 1500000, 1500000);
}

static void status_416_for_ever_ends(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();

    (void)state;
    upload.big = 1;
    upload.chunk = 2000000;
    reply(server, UPLOADS, 202, "Location: one\r\n");
    reply(server, SESSION, 416, NULL);
    must_fail(registry, &upload);
    assert_true(server_count(server, NULL) < 30);
}

static void a_registry_that_takes_no_chunks_gets_all_at_once(void **state)
{
    static const int statuses[] = { 400, 405, 415, 501 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct registry_upload upload = upload_of();

        upload.big = 1;
        upload.chunk = 2000000;
        reply(server, UPLOADS, 202, "Location: one\r\n");
        reply(server, UPLOADS, 202, "Location: two\r\n");
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
    reply(server, UPLOADS, 202, "Location: one\r\n");
    reply(server, UPLOADS, 202, "Location: two\r\n");
    server_add(server, SESSION, &(struct server_reply){ .status = 413, .early = true });
    reply(server, SECOND, 202, "Location: two\r\n");
    reply(server, SECOND, 202, "Location: two\r\n");
    reply(server, SECOND, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_string_equal(server_seen(server, SECOND, 0, "method"), "PATCH");
    assert_string_equal(server_seen(server, SECOND, 2, "method"), "PUT");
}

/* ---- broken off --------------------------------------------------------------------------- */

static void a_cut_connection_goes_on_where_the_registry_says(void **state)
{
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        TEST_CLIENT(SERVER_HTTP);
        const struct registry_upload upload = upload_of();

        reply(server, UPLOADS, 202, "Location: one\r\n");
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

static void a_forgotten_session_is_begun_anew(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_upload upload = upload_of();

    (void)state;
    reply(server, UPLOADS, 202, "Location: one\r\n");
    reply(server, UPLOADS, 202, "Location: two\r\n");
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
    reply(server, UPLOADS, 202, "Location: one\r\n");
    reply(server, UPLOADS, 202, "Location: two\r\n");
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
    reply(server, UPLOADS, 202, "Location: one\r\n");
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
        reply(server, UPLOADS, 202, "Location: one\r\n");
        reply(server, SESSION, 201, NULL);
        must_send(registry, &upload, SENT_BYTES);
        assert_int_equal(server_count(server, UPLOADS), 2);
        assert_true(i == 0 || clock_monotonic() - begun >= INT64_C(1000000000));
    }
}

/* ---- refused ------------------------------------------------------------------------------- */

static void a_refusal_is_told_in_the_registrys_words(void **state)
{
    static const struct {
        int status;
        const char *body, *words;
        enum error_code code;
    } refusals[] = {
        { 403, "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"quota exceeded\"}]}",
          "DENIED: quota exceeded", ERROR_PERMISSION_DENIED },
        { 400, "{\"errors\":[{\"code\":\"DIGEST_INVALID\",\"message\":\"not what was sent\"}]}",
          "DIGEST_INVALID: not what was sent", ERROR_INVALID_ARGUMENT },
        { 507, "the disk is full", "the disk is full", ERROR_UNAVAILABLE },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        TEST_CLIENT(SERVER_HTTP);
        const struct registry_upload upload = upload_of();
        struct error err;

        reply(server, UPLOADS, 202, "Location: one\r\n");
        refuse(server, SESSION, refusals[i].status, refusals[i].body);
        err = must_fail(registry, &upload);
        assert_code(&err, refusals[i].code);
        assert_says(err.text, refusals[i].words);
        assert_says(err.text, "blob sha256:");
    }
}

static void a_refusal_before_all_is_sent_is_heard(void **state)
{
    static const char body[] =
        "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"quota exceeded\"}]}";
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_upload upload = upload_of();
    struct error err;

    (void)state;
    reply(server, UPLOADS, 202, "Location: one\r\n");
    server_add(server, SESSION,
               &(struct server_reply){
                   .status = 403, .body = body, .size = sizeof(body) - 1, .early = true });
    err = must_fail(registry, &upload);
    assert_code(&err, ERROR_PERMISSION_DENIED);
    assert_says(err.text, "quota exceeded");
}

static void a_session_that_nobody_goes_on_with_is_given_up(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_upload upload = upload_of();

    (void)state;
    reply(server, UPLOADS, 202, "Location: one\r\n");
    refuse(server, SESSION, 400, "{\"errors\":[{\"code\":\"DIGEST_INVALID\"}]}");
    reply(server, SESSION, 204, NULL);
    must_fail(registry, &upload);
    assert_string_equal(server_seen(server, SESSION, 1, "method"), "DELETE");
}

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

static void a_document_goes_as_it_is(void **state)
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

static void a_document_that_is_there_is_not_sent(void **state)
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

static void a_document_that_is_refused_is_told_in_the_registrys_words(void **state)
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

static void a_registry_that_makes_something_else_of_it_is_not_believed(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blob_that_is_there_is_not_sent),
        cmocka_unit_test(a_store_that_knows_no_head_says_nothing),
        cmocka_unit_test(a_blob_goes_in_one_put_to_where_the_answer_leads),
        cmocka_unit_test(an_empty_blob_can_be_sent),
        cmocka_unit_test(how_much_was_sent_is_told),
        cmocka_unit_test(a_blob_of_another_repository_is_mounted),
        cmocka_unit_test(a_mount_that_is_not_done_becomes_an_upload),
        cmocka_unit_test(a_mount_that_is_refused_becomes_an_upload),
        cmocka_unit_test(a_repository_to_mount_from_must_be_one),
        cmocka_unit_test(without_a_file_it_is_only_seen_what_goes_without),
        cmocka_unit_test(credentials_do_not_follow_to_another_host),
        cmocka_unit_test(another_hosts_401_is_not_answered),
        cmocka_unit_test(a_location_that_is_none_is_an_error),
        cmocka_unit_test(a_put_that_is_redirected_goes_on_with_its_bytes),
        cmocka_unit_test(a_password_asked_for_in_the_middle_is_given),
        cmocka_unit_test(a_big_blob_goes_in_chunks),
        cmocka_unit_test(chunks_are_as_large_as_the_registry_wants_them),
        cmocka_unit_test(status_416_is_answered_with_a_look_at_how_far_it_is),
        cmocka_unit_test(status_416_for_ever_ends),
        cmocka_unit_test(a_registry_that_takes_no_chunks_gets_all_at_once),
        cmocka_unit_test(what_is_too_large_at_once_goes_in_chunks),
        cmocka_unit_test(a_cut_connection_goes_on_where_the_registry_says),
        cmocka_unit_test(a_forgotten_session_is_begun_anew),
        cmocka_unit_test(after_a_cut_a_blob_goes_in_chunks),
        cmocka_unit_test(cut_connections_end_when_nothing_gets_on),
        cmocka_unit_test(a_busy_registry_is_asked_again_when_it_says),
        cmocka_unit_test(a_refusal_is_told_in_the_registrys_words),
        cmocka_unit_test(a_refusal_before_all_is_sent_is_heard),
        cmocka_unit_test(a_session_that_nobody_goes_on_with_is_given_up),
        cmocka_unit_test(a_document_goes_as_it_is),
        cmocka_unit_test(a_document_that_is_there_is_not_sent),
        cmocka_unit_test(a_document_that_is_refused_is_told_in_the_registrys_words),
        cmocka_unit_test(a_registry_that_makes_something_else_of_it_is_not_believed),
    };

    return cmocka_run_group_tests(tests, make_content, NULL);
}
