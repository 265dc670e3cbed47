/* test_registry_auth — who gets credentials, who does not, and what a certificate is worth. */
#include "tests/actors/images/registry/registry_fixture.h"

#define SECRET_BASIC "Basic dXNlcjpzZWNyZXQ=" /* user:secret */

static struct registry *open_as_user(const struct registry_server *server)
{
    struct registry_options options = fast_options(server);

    options.username = "user";
    options.password = "secret";
    return open_with(&options);
}

#define TEST_USER(kind)                                                       \
    CLEANUP(server_stop) struct registry_server *server = server_start(kind); \
    CLEANUP(registry_close) struct registry *registry = open_as_user(server)

/* ---- Basic ------------------------------------------------------------------------------ */

static void reg_9_a_password_is_sent_only_after_a_challenge(void **state)
{
    TEST_USER(SERVER_HTTP);

    (void)state;
    server_add(server, MANIFESTS "open", &(struct server_reply){ DOCUMENT_REPLY });
    server_add(server, MANIFESTS "closed",
               &(struct server_reply){ DOCUMENT_REPLY, .wants = SECRET_BASIC,
                                       .challenge = "Basic realm=\"a registry\"" });
    must_get(registry, "open");
    assert_int_equal(server_count_with(server, "authorization"), 0);
    must_get(registry, "closed");
    assert_int_equal(server_count(server, MANIFESTS "closed"), 2);
    assert_string_equal(server_seen(server, MANIFESTS "closed", 0, "authorization"), "");
    assert_string_equal(server_seen(server, MANIFESTS "closed", 1, "authorization"), SECRET_BASIC);
    must_get(registry, "closed"); /* now it is known */
    assert_int_equal(server_count(server, MANIFESTS "closed"), 3);
}

static void reg_7_a_wrong_password_is_refused_and_not_sent_for_ever(void **state)
{
    TEST_USER(SERVER_HTTP);
    struct error err;

    (void)state;
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ DOCUMENT_REPLY, .wants = "Basic b3RoZXI6b3RoZXI=",
                                       .challenge = "Basic realm=\"x\", error=\"bad\"" });
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_says(err.text, "refuses these credentials");
    assert_does_not_say(err.text, "secret");
    assert_int_equal(server_count(server, NULL), 2);
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_int_equal(server_count(server, NULL), 3);
}

static void without_a_password_the_challenge_reaches_the_user(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct error err;

    (void)state;
    server_add(server, MANIFESTS "basic",
               &(struct server_reply){ .wants = SECRET_BASIC, .challenge = "Basic realm=\"x\"" });
    server_add(server, MANIFESTS "other",
               &(struct server_reply){ .wants = "x", .challenge = "Negotiate abc==" });
    server_add(server, MANIFESTS "none", &(struct server_reply){ .status = 401 });
    err = refused_document(registry, "basic");
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_says(err.text, "wants a user name and password");
    assert_says(err.hint, "127.0.0.1");
    err = refused_document(registry, "other");
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_says(err.text, "by negotiate");
    err = refused_document(registry, "none");
    assert_code(&err, ERROR_UNAUTHENTICATED);
}

static void reg_7_odd_challenges_are_understood(void **state)
{
    static const char *const challenges[] = {
        "BASIC",
        "basic realm=\"one, two \\\"three\\\" Bearer realm=x\"",
        "Negotiate, Basic realm=\"x\"",
        "Negotiate YII=, NTLM TlRM==, Basic realm=x",
        "Digest realm=\"a\", qop=\"auth,auth-int\", nonce=\"x,=\" , BaSiC realm = \"x\"",
        "Digest realm=\"open\nBasic realm=\"x\"",
        ",, ,\tBasic realm=\"x\",,",
        "Bearer realm=\"not a url\",service=\"x\", Basic realm=\"x\"",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(challenges); i++) {
        TEST_USER(SERVER_HTTP);

        server_add(server, MANIFESTS "latest",
                   &(struct server_reply){ DOCUMENT_REPLY, .wants = SECRET_BASIC,
                                           .challenge = challenges[i] });
        must_get(registry, "latest");
    }
}

/* ---- other hosts ------------------------------------------------------------------------- */

static void reg_3_a_redirect_to_another_host_takes_no_credentials_along(void **state)
{
    TEST_USER(SERVER_HTTP);
    CLEANUP(server_stop) struct registry_server *other = server_start(SERVER_HTTP);
    char headers[200], back[200];

    (void)state;
    snprintf(headers, sizeof(headers), "Location: http://%s/blob\r\n", server_host(other));
    snprintf(back, sizeof(back), "Location: http://%s/home\r\n", server_host(server));
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ .status = 307,
                                       .headers = headers,
                                       .wants = SECRET_BASIC,
                                       .challenge = "Basic realm=\"x\"" });
    server_add(other, "/blob", &(struct server_reply){ .status = 302, .headers = back });
    server_add(server, "/home", &(struct server_reply){ DOCUMENT_REPLY });
    must_get(registry, "latest");
    assert_int_equal(server_count(other, NULL), 1);
    assert_int_equal(server_count_with(other, "authorization"), 0);
    /* and not on the way back either: the other host chose that address */
    assert_string_equal(server_seen(server, "/home", 0, "authorization"), "");
    assert_int_equal(server_count_with(server, "authorization"), 1);
}

static void reg_3_another_host_name_for_the_same_place_is_another_host(void **state)
{
    TEST_USER(SERVER_HTTP);
    char headers[200];

    (void)state;
    snprintf(headers, sizeof(headers), "Location: http://localhost%s/moved\r\n",
             strchr(server_host(server), ':'));
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ .status = 307,
                                       .headers = headers,
                                       .wants = SECRET_BASIC,
                                       .challenge = "Basic realm=\"x\"" });
    server_add(server, "/moved", &(struct server_reply){ DOCUMENT_REPLY });
    must_get(registry, "latest");
    assert_string_equal(server_seen(server, "/moved", 0, "authorization"), "");
}

/* CVE-2020-15157 */
static void cve_2020_15157_a_challenge_of_another_host_is_not_answered(void **state)
{
    static const char *const challenges[] = {
        "Basic realm=\"x\"", "Bearer realm=\"http://127.0.0.1:1/\",service=\"x\""
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(challenges); i++) {
        TEST_USER(SERVER_HTTP);
        CLEANUP(server_stop) struct registry_server *other = server_start(SERVER_HTTP);
        struct error err;
        char headers[200];

        snprintf(headers, sizeof(headers), "Location: http://%s/blob\r\n", server_host(other));
        server_add(server, MANIFESTS "latest",
                   &(struct server_reply){ .status = 307, .headers = headers });
        server_add(other, "/blob",
                   &(struct server_reply){ .wants = SECRET_BASIC, .challenge = challenges[i] });
        err = refused_document(registry, "latest");
        assert_code(&err, ERROR_UNAUTHENTICATED);
        assert_says(err.text, server_host(other));
        assert_int_equal(server_count(other, NULL), 1);
        assert_int_equal(server_count_with(other, "authorization"), 0);
        assert_int_equal(server_count_with(server, "authorization"), 0);
    }
}

/* ---- tokens --------------------------------------------------------------------------------- */

/* A registry that wants `token`, and the service that gives it away. */
static void add_token_service(struct registry_server *server, struct registry_server *service,
                              const char *answer)
{
    char challenge[300];

    snprintf(challenge, sizeof(challenge),
             "Bearer realm=\"http://%s/token?keep=1\",service=\"the registry\","
             "scope=\"repository:app:pull repository:base:pull\"",
             server_host(service));
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ DOCUMENT_REPLY, .wants = "Bearer t.0-k_en",
                                       .challenge = challenge });
    server_add(service, "/token", &(struct server_reply){ .body = answer, .size = strlen(answer) });
}

#define TEST_TOKEN(answer)                                                            \
    TEST_CLIENT(SERVER_HTTP);                                                         \
    CLEANUP(server_stop) struct registry_server *service = server_start(SERVER_HTTP); \
    add_token_service(server, service, answer)

static void reg_8_a_token_for_everybody_is_fetched_once(void **state)
{
    TEST_TOKEN("{\"token\":\"t.0-k_en\",\"expires_in\":300}");
    const char *target;

    (void)state;
    must_get(registry, "latest");
    must_get(registry, "latest");
    assert_int_equal(server_count(service, NULL), 1);
    assert_int_equal(server_count(server, NULL), 3);
    target = server_seen(service, "/token", 0, "target");
    assert_says(target, "/token?keep=1&service=the");
    assert_says(target, "&scope=repository%3aapp%3apull&scope=repository%3abase%3apull");
    assert_string_equal(server_seen(service, "/token", 0, "authorization"), "");
}

static void reg_8_a_token_by_its_other_name_is_taken_too(void **state)
{
    TEST_TOKEN("{\"access_token\":\"t.0-k_en\"}");

    (void)state;
    must_get(registry, "latest");
}

static void reg_7_a_token_that_is_no_longer_good_is_fetched_anew_once(void **state)
{
    TEST_TOKEN("{\"token\":\"t.0-k_en\",\"expires_in\":300}");
    struct error err;

    (void)state;
    must_get(registry, "latest");
    server_forget(service, "/token");
    server_forget(server, MANIFESTS "latest");
    add_token_service(server, service, "{\"token\":\"worthless\",\"expires_in\":300}");
    must_get(registry, "latest"); /* the one it has is still good */
    assert_int_equal(server_count(service, NULL), 1);

    server_forget(server, MANIFESTS "latest");
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ .wants = "Bearer another",
                                       .challenge = "Bearer realm=\"http://127.0.0.1:1\"" });
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_UNAVAILABLE); /* nobody at port 1 */
    assert_says(err.text, "127.0.0.1:1");
}

static void a_missing_image_behind_tokens_may_also_be_private(void **state)
{
    TEST_TOKEN("{\"token\":\"for nothing much\"}");
    struct error err;

    (void)state;
    server_forget(service, "/token");
    server_add(service, "/token",
               &(struct server_reply){ .body = "{\"token\":\"worthless\"}", .size = 21 });
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_says(err.text, "not found at 127.0.0.1");
    assert_says(err.text, "or private");
    assert_int_equal(server_count(server, NULL), 2);
    assert_int_equal(server_count(service, NULL), 1);
}

static void a_refusing_token_service_is_quoted(void **state)
{
    TEST_TOKEN("{}");
    struct error err;

    (void)state;
    server_forget(service, "/token");
    server_add(service, "/token",
               &(struct server_reply){
                   .status = 403, .body = "{\"details\":\"not for you\"}", .size = 25 });
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_PERMISSION_DENIED);
    assert_says(err.text, server_host(service));
    assert_says(err.text, "not for you");
}

static void a_failing_token_service_is_tried_again(void **state)
{
    TEST_TOKEN("{\"token\":\"t.0-k_en\"}");

    (void)state;
    server_forget(service, "/token");
    server_add(service, "/token", &(struct server_reply){ .status = 503 });
    server_add(service, "/token",
               &(struct server_reply){ .body = "{\"token\":\"t.0-k_en\"}", .size = 20 });
    must_get(registry, "latest");
    assert_int_equal(server_count(service, NULL), 2);
}

static void reg_8_answers_that_hold_no_token_are_refused(void **state)
{
    static const char *const answers[] = {
        "",
        "<html>log in</html>",
        "{}",
        "[]",
        "{\"token\":7}",
        "{\"token\":\"\"}",
        "{\"token\":\"a\\r\\nX-Evil: 1\"}",
        "{\"token\":\"a b\"}",
        "{\"token\":\"\\u00e4\"}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        TEST_TOKEN(answers[i]);
        struct error err = refused_document(registry, "latest");

        assert_code(&err, ERROR_UNAUTHENTICATED);
        assert_says(err.text, "token service");
        assert_int_equal(server_count_with(server, "authorization"), 0);
    }
}

static void an_endless_token_answer_is_cut_off(void **state)
{
    TEST_TOKEN("{}");
    size_t size = 1 << 20;
    char *body = malloc(size);
    struct error err;

    (void)state;
    memset(body, ' ', size);
    server_forget(service, "/token");
    server_add(service, "/token", &(struct server_reply){ .body = body, .size = size });
    free(body);
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_says(err.text, "does not end");
}

static void realms_that_lead_nowhere_are_refused(void **state)
{
    static const char *const realms[] = { "", "file:///etc/passwd", "gopher://127.0.0.1:1/",
                                          "token", "http://" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(realms); i++) {
        TEST_CLIENT(SERVER_HTTP);
        struct error err;
        char challenge[100];

        snprintf(challenge, sizeof(challenge), "Bearer realm=\"%s\"", realms[i]);
        server_add(server, MANIFESTS "latest",
                   &(struct server_reply){ .wants = "x", .challenge = challenge });
        err = refused_document(registry, "latest");
        assert_code(&err, ERROR_UNAUTHENTICATED);
        assert_says(err.text, "names no token service");
    }
}

/* ---- TLS ------------------------------------------------------------------------------------ */

static struct registry *open_tls(const struct registry_server *server, const char *ca_file,
                                 bool skip_verify)
{
    struct registry_options options = fast_options(server);

    options.plain_http = false;
    options.ca_file = ca_file;
    options.skip_verify = skip_verify;
    options.username = "user";
    options.password = "secret";
    return open_with(&options);
}

static void reg_9_an_authority_of_ones_own_is_believed(void **state)
{
    CLEANUP(server_stop) struct registry_server *server = server_start(SERVER_TLS);
    CLEANUP(registry_close)
    struct registry *registry = open_tls(server, server_ca_file(server), false);

    (void)state;
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ DOCUMENT_REPLY, .wants = SECRET_BASIC,
                                       .challenge = "Basic realm=\"x\"" });
    must_get(registry, "latest");
}

static void reg_9_a_certificate_that_cannot_be_believed_is_refused(void **state)
{
    static const enum server_kind kinds[] = { SERVER_TLS, SERVER_TLS_WRONG_NAME,
                                              SERVER_TLS_EXPIRED };
    static const char *const reasons[] = { "self-signed", "127.0.0.1", "expired" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        CLEANUP(server_stop) struct registry_server *server = server_start(kinds[i]);
        CLEANUP(registry_close)
        struct registry *registry =
            open_tls(server, kinds[i] == SERVER_TLS ? NULL : server_ca_file(server), false);
        CLEANUP(registry_close) struct registry *careless = open_tls(server, NULL, true);
        struct error err;

        server_add(server, MANIFESTS "latest", &(struct server_reply){ DOCUMENT_REPLY });
        err = refused_document(registry, "latest");
        assert_code(&err, ERROR_UNAVAILABLE);
        assert_says(err.text, "no secure connection");
        assert_says(err.text, reasons[i]);
        assert_says(err.hint, "trust");
        assert_int_equal(server_count(server, NULL), 0);
        must_get(careless, "latest");
    }
}

static void reg_9_https_to_a_plain_registry_says_which_key_to_set(void **state)
{
    CLEANUP(server_stop) struct registry_server *server = server_start(SERVER_HTTP);
    CLEANUP(registry_close) struct registry *registry = open_tls(server, NULL, false);
    struct error err;

    (void)state;
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_UNAVAILABLE);
    assert_says(err.text, "no secure connection to 127.0.0.1");
    assert_says(err.hint, "plain http");
    assert_says(err.hint, "registries.plain_http");
    assert_int_equal(server_count(server, NULL), 0);
}

static void a_handshake_that_does_not_end_is_cut_off(void **state)
{
    CLEANUP(server_stop) struct registry_server *server = server_start(SERVER_SILENT);
    struct registry_options options = fast_options(server);
    CLEANUP(registry_close) struct registry *registry = NULL;
    struct error err;

    (void)state;
    options.plain_http = false;
    options.connect_ms = 100;
    registry = open_with(&options);
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_UNAVAILABLE);
    assert_says(err.text, "cannot reach 127.0.0.1");
    assert_says(err.hint, "plain http");
    assert_int_equal(server_connections(server), 1);
}

static void http_to_a_tls_registry_says_which_key_to_unset(void **state)
{
    static const char words[] = "Client sent an HTTP request to an HTTPS server.\n";
    TEST_CLIENT(SERVER_TLS);
    CLEANUP(server_stop) struct registry_server *wordy = server_start(SERVER_HTTP);
    CLEANUP(registry_close) struct registry *second = open_fast(wordy);
    struct error err;

    (void)state;
    server_add(wordy, MANIFESTS "latest",
               &(struct server_reply){ .status = 400, .body = words, .size = strlen(words) });
    err = refused_document(second, "latest");
    assert_says(err.text, "HTTPS server");
    assert_says(err.hint, "registries.plain_http");
    err = refused_document(registry, "latest");
    assert_says(err.text, "127.0.0.1");
}

static void reg_3_a_redirect_from_https_to_http_is_refused(void **state)
{
    CLEANUP(server_stop) struct registry_server *server = server_start(SERVER_TLS);
    CLEANUP(server_stop) struct registry_server *other = server_start(SERVER_HTTP);
    CLEANUP(registry_close)
    struct registry *registry = open_tls(server, server_ca_file(server), false);
    struct error err;
    char headers[200];

    (void)state;
    snprintf(headers, sizeof(headers), "Location: http://%s/blob\r\n", server_host(other));
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ .status = 302, .headers = headers });
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_PERMISSION_DENIED);
    assert_says(err.text, "https to http");
    assert_int_equal(server_count(other, NULL), 0);
}

static void reg_9_a_plain_token_service_of_a_tls_registry_is_refused(void **state)
{
    CLEANUP(server_stop) struct registry_server *server = server_start(SERVER_TLS);
    CLEANUP(server_stop) struct registry_server *service = server_start(SERVER_HTTP);
    CLEANUP(registry_close)
    struct registry *registry = open_tls(server, server_ca_file(server), false);
    struct error err;

    (void)state;
    add_token_service(server, service, "{\"token\":\"t.0-k_en\"}");
    err = refused_document(registry, "latest");
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_int_equal(server_count(service, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reg_9_a_password_is_sent_only_after_a_challenge),
        cmocka_unit_test(reg_7_a_wrong_password_is_refused_and_not_sent_for_ever),
        cmocka_unit_test(without_a_password_the_challenge_reaches_the_user),
        cmocka_unit_test(reg_7_odd_challenges_are_understood),
        cmocka_unit_test(reg_3_a_redirect_to_another_host_takes_no_credentials_along),
        cmocka_unit_test(reg_3_another_host_name_for_the_same_place_is_another_host),
        cmocka_unit_test(cve_2020_15157_a_challenge_of_another_host_is_not_answered),
        cmocka_unit_test(reg_8_a_token_for_everybody_is_fetched_once),
        cmocka_unit_test(reg_8_a_token_by_its_other_name_is_taken_too),
        cmocka_unit_test(reg_7_a_token_that_is_no_longer_good_is_fetched_anew_once),
        cmocka_unit_test(a_missing_image_behind_tokens_may_also_be_private),
        cmocka_unit_test(a_refusing_token_service_is_quoted),
        cmocka_unit_test(a_failing_token_service_is_tried_again),
        cmocka_unit_test(reg_8_answers_that_hold_no_token_are_refused),
        cmocka_unit_test(an_endless_token_answer_is_cut_off),
        cmocka_unit_test(realms_that_lead_nowhere_are_refused),
        cmocka_unit_test(reg_9_an_authority_of_ones_own_is_believed),
        cmocka_unit_test(reg_9_a_certificate_that_cannot_be_believed_is_refused),
        cmocka_unit_test(reg_9_https_to_a_plain_registry_says_which_key_to_set),
        cmocka_unit_test(a_handshake_that_does_not_end_is_cut_off),
        cmocka_unit_test(http_to_a_tls_registry_says_which_key_to_unset),
        cmocka_unit_test(reg_3_a_redirect_from_https_to_http_is_refused),
        cmocka_unit_test(reg_9_a_plain_token_service_of_a_tls_registry_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
