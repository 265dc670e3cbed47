/* REG-13, REG-14: what is sent at once, mounted, led elsewhere, refused. */
#include "tests/actors/images/registry/upload_fixture.h"

/* ---- the usual way -------------------------------------------------------------------- */

static void reg_13_a_blob_that_is_there_is_not_sent(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_upload upload = upload_of();

    (void)state;
    reply(server, path, 200, NULL);
    must_send(registry, &upload, SENT_NOTHING);
    assert_string_equal(server_seen(server, path, 0, "method"), "HEAD");
    assert_int_equal(server_count(server, NULL), 1);
}

static void reg_13_a_store_that_knows_no_head_says_nothing(void **state)
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
    begins(server, 1);
    reply(server, SESSION, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_string_equal(server_seen(store, "/x", 0, "method"), "HEAD");
}

static void reg_13_a_blob_goes_in_one_put_to_where_the_answer_leads(void **state)
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

static void reg_13_a_whole_address_is_followed_and_keeps_its_query(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_upload upload = upload_of();
    char location[200], target[300];

    (void)state;
    snprintf(location, sizeof(location), "Location: http://%s" SESSION "?_state=x%%3D\r\n",
             server_host(server));
    reply(server, UPLOADS, 202, location);
    reply(server, SESSION, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    snprintf(target, sizeof(target), SESSION "?_state=x%%3D&digest=%s", digest);
    assert_string_equal(server_seen(server, SESSION, 0, "target"), target);
}

static void an_empty_blob_can_be_sent(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    char empty[136];
    const struct registry_upload upload = { .digest = digest_text("", 0, empty), .file = file };

    (void)state;
    begins(server, 1);
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
    begins(server, 1);
    reply(server, SESSION, 503, "Retry-After: 1\r\n"); /* there is a wait, in which it is told */
    reply(server, SESSION, 404, NULL);
    reply(server, SESSION, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_int_equal(told, SIZE);
}

/* ---- along with the first request --------------------------------------------------------- */

#define SMALL 1000

static struct registry_upload small_upload(char out[136])
{
    return (struct registry_upload){ .digest = digest_text(content, SMALL, out),
                                     .size = SMALL,
                                     .file = file };
}

static void reg_14_a_small_blob_goes_along_with_the_post(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    char name[136], target[300];
    const struct registry_upload upload = small_upload(name);

    (void)state;
    reply(server, UPLOADS, 201, "Location: /v2/app/blobs/x\r\n");
    for (size_t i = 0; i < 2; i++) {
        must_send(registry, &upload, SENT_BYTES);
        assert_request(server, UPLOADS, i, "POST", 0, SMALL);
        snprintf(target, sizeof(target), UPLOADS "?digest=%s", name);
        assert_string_equal(server_seen(server, UPLOADS, i, "target"), target);
        assert_string_equal(server_seen(server, UPLOADS, i, "content-type"),
                            "application/octet-stream");
        assert_string_equal(server_seen(server, UPLOADS, i, "expect"),
                            ""); /* a second of waiting */
    }
    assert_int_equal(server_count(server, NULL), 4); /* with a HEAD for each */
}

static void
reg_14_a_registry_that_only_opens_a_session_is_sent_it_there_and_not_tried_again(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    char name[136];
    const struct registry_upload upload = small_upload(name);

    (void)state;
    begins(server, 1);
    reply(server, SESSION, 201, NULL);
    for (size_t i = 0; i < 2; i++) {
        must_send(registry, &upload, SENT_BYTES);
        assert_request(server, UPLOADS, i, "POST", 0, i == 0 ? SMALL : 0);
        assert_request(server, SESSION, i, "PUT", 0, SMALL);
    }
    assert_string_equal(server_seen(server, UPLOADS, 1, "target"), UPLOADS);
    assert_int_equal(server_count(server, NULL), 6); /* as many as without it */
}

static void reg_14_a_registry_that_refuses_such_a_post_is_asked_for_a_session(void **state)
{
    static const int statuses[] = { 400, 403, 404, 405, 411, 413, 415, 501, 503 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        TEST_CLIENT(SERVER_HTTP);
        char name[136];
        const struct registry_upload upload = small_upload(name);

        reply(server, UPLOADS, statuses[i], NULL);
        begins(server, 1);
        reply(server, SESSION, 201, NULL);
        must_send(registry, &upload, SENT_BYTES);
        must_send(registry, &upload, SENT_BYTES);
        assert_request(server, UPLOADS, 0, "POST", 0, SMALL);
        assert_request(server, UPLOADS, 1, "POST", 0, 0);
        assert_int_equal(server_count(server, UPLOADS), 3);
    }
}

static void reg_14_what_may_be_mounted_is_not_sent_before_that_is_known(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    char name[136];
    struct registry_upload upload = small_upload(name);

    (void)state;
    upload.mount = "library/other";
    reply(server, UPLOADS, 404, NULL);
    reply(server, UPLOADS, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_says(server_seen(server, UPLOADS, 0, "target"), "?mount=");
    assert_request(server, UPLOADS, 0, "POST", 0, 0);
    assert_says(server_seen(server, UPLOADS, 1, "target"), "?digest=");
    assert_request(server, UPLOADS, 1, "POST", 0, SMALL);
}

static void reg_14_nothing_goes_along_where_there_are_no_bytes_to_send(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    char name[136];
    struct registry_upload upload = small_upload(name);

    (void)state;
    upload.mount = "library/other";
    upload.file = -1;
    reply(server, UPLOADS, 404, NULL);
    begins(server, 1);
    must_send(registry, &upload, SENT_WANTED);
    assert_string_equal(server_seen(server, UPLOADS, 1, "target"), UPLOADS);
}

/* ---- from another repository ------------------------------------------------------------- */

static void reg_13_a_blob_of_another_repository_is_mounted(void **state)
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

static void reg_13_a_mount_that_is_not_done_becomes_an_upload(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct registry_upload upload = upload_of();

    (void)state;
    upload.mount = "other";
    begins(server, 1);
    reply(server, SESSION, 201, NULL);
    must_send(registry, &upload, SENT_BYTES);
    assert_request(server, SESSION, 0, "PUT", 0, SIZE);
    assert_int_equal(server_count(server, UPLOADS), 1);
}

/* Some registries say 404 of a repository that nobody may mount from. */
static void reg_13_a_mount_that_is_refused_becomes_an_upload(void **state)
{
    static const int statuses[] = { 400, 403, 404, 405 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct registry_upload upload = upload_of();

        upload.mount = "other";
        reply(server, UPLOADS, statuses[i], NULL);
        begins(server, 1);
        reply(server, SESSION, 201, NULL);
        must_send(registry, &upload, SENT_BYTES);
        assert_string_equal(server_seen(server, UPLOADS, 1, "target"), UPLOADS);
    }
}

static void reg_13_a_repository_to_mount_from_must_be_one(void **state)
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

static void cve_2020_15157_credentials_do_not_follow_to_another_host(void **state)
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

/* As most registries answer. */
static void reg_13_a_full_address_of_the_same_host_is_home(void **state)
{
    CLEANUP(server_stop) struct registry_server *server = server_start(SERVER_HTTP);
    struct registry_options options = fast_options(server);
    const struct registry_upload upload = upload_of();
    char location[200], target[400];

    (void)state;
    options.username = "user";
    options.password = "pass";
    CLEANUP(registry_close) struct registry *registry = open_with(&options);
    snprintf(location, sizeof(location), "Location: http://%s" SESSION "?_state=a%%3D%%3D\r\n",
             server_host(server));
    reply(server, UPLOADS, 202, location);
    server_add(
        server, SESSION,
        &(struct server_reply){ .status = 201, .wants = SECRET, .challenge = "Basic realm=x" });
    must_send(registry, &upload, SENT_BYTES);
    assert_string_equal(server_seen(server, SESSION, 1, "authorization"), SECRET);
    snprintf(target, sizeof(target), SESSION "?_state=a%%3D%%3D&digest=%s", digest);
    assert_string_equal(server_seen(server, SESSION, 1, "target"), target);
    assert_request(server, SESSION, 1, "PUT", 0, SIZE);
}

static void cve_2020_15157_another_hosts_401_is_not_answered(void **state)
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

static void reg_13_a_location_that_is_none_is_an_error(void **state)
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
    begins(server, 1);
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
    begins(server, 1);
    server_add(
        server, SESSION,
        &(struct server_reply){ .status = 201, .wants = SECRET, .challenge = "Basic realm=x" });
    must_send(registry, &upload, SENT_BYTES);
    assert_request(server, SESSION, 1, "PUT", 0, SIZE);
    assert_int_equal(server_count(server, UPLOADS), 1);
}

/* ---- refused ------------------------------------------------------------------------------- */

static void reg_11_a_refusal_is_told_in_the_registrys_words(void **state)
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

        begins(server, 1);
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
    begins(server, 1);
    server_add(server, SESSION,
               &(struct server_reply){
                   .status = 403, .body = body, .size = sizeof(body) - 1, .early = true });
    err = must_fail(registry, &upload);
    assert_code(&err, ERROR_PERMISSION_DENIED);
    assert_says(err.text, "quota exceeded");
}

static void reg_14_a_session_that_nobody_goes_on_with_is_given_up(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    const struct registry_upload upload = upload_of();

    (void)state;
    begins(server, 1);
    refuse(server, SESSION, 400, "{\"errors\":[{\"code\":\"DIGEST_INVALID\"}]}");
    reply(server, SESSION, 204, NULL);
    must_fail(registry, &upload);
    assert_string_equal(server_seen(server, SESSION, 1, "method"), "DELETE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reg_13_a_blob_that_is_there_is_not_sent),
        cmocka_unit_test(reg_13_a_store_that_knows_no_head_says_nothing),
        cmocka_unit_test(reg_13_a_blob_goes_in_one_put_to_where_the_answer_leads),
        cmocka_unit_test(reg_13_a_whole_address_is_followed_and_keeps_its_query),
        cmocka_unit_test(an_empty_blob_can_be_sent),
        cmocka_unit_test(how_much_was_sent_is_told),
        cmocka_unit_test(reg_14_a_small_blob_goes_along_with_the_post),
        cmocka_unit_test(
            reg_14_a_registry_that_only_opens_a_session_is_sent_it_there_and_not_tried_again),
        cmocka_unit_test(reg_14_a_registry_that_refuses_such_a_post_is_asked_for_a_session),
        cmocka_unit_test(reg_14_what_may_be_mounted_is_not_sent_before_that_is_known),
        cmocka_unit_test(reg_14_nothing_goes_along_where_there_are_no_bytes_to_send),
        cmocka_unit_test(reg_13_a_blob_of_another_repository_is_mounted),
        cmocka_unit_test(reg_13_a_mount_that_is_not_done_becomes_an_upload),
        cmocka_unit_test(reg_13_a_mount_that_is_refused_becomes_an_upload),
        cmocka_unit_test(reg_13_a_repository_to_mount_from_must_be_one),
        cmocka_unit_test(without_a_file_it_is_only_seen_what_goes_without),
        cmocka_unit_test(reg_13_a_full_address_of_the_same_host_is_home),
        cmocka_unit_test(cve_2020_15157_credentials_do_not_follow_to_another_host),
        cmocka_unit_test(cve_2020_15157_another_hosts_401_is_not_answered),
        cmocka_unit_test(reg_13_a_location_that_is_none_is_an_error),
        cmocka_unit_test(a_put_that_is_redirected_goes_on_with_its_bytes),
        cmocka_unit_test(a_password_asked_for_in_the_middle_is_given),
        cmocka_unit_test(reg_11_a_refusal_is_told_in_the_registrys_words),
        cmocka_unit_test(a_refusal_before_all_is_sent_is_heard),
        cmocka_unit_test(reg_14_a_session_that_nobody_goes_on_with_is_given_up),
    };

    return cmocka_run_group_tests(tests, make_content, NULL);
}
