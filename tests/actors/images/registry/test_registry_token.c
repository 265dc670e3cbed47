/* test_registry_token — what a token service is told, by whom it is refused, and how long a token
   serves (REG-7, REG-8). */
#include "tests/actors/images/registry/registry_fixture.h"

#include <pthread.h>

#define TOKEN     "{\"token\":\"t.0-k_en\",\"expires_in\":300}"
#define BASIC     "Basic dXNlcjpzJmVjcmV0" /* user:s&ecret */
#define FORM_HEAD "grant_type=password&username=user&password=s%26ecret&client_id=gantry"
#define FORM_TAIL "&service=the%20registry&scope=repository%3Aapp%3Apull"

struct pair {
    struct registry_server *server, *service;
    struct registry *registry;
};

static void pair_drop(struct pair *pair)
{
    registry_close(&pair->registry);
    server_stop(&pair->service);
    server_stop(&pair->server);
}

/* A registry that wants `t.0-k_en` for `name`, got from the other server. */
static void add_wanting(struct pair *pair, const char *name, const char *scope)
{
    char challenge[300], path[100];

    snprintf(challenge, sizeof(challenge),
             "Bearer realm=\"http://%s/token\",service=\"the registry\"%s%s%s",
             server_host(pair->service), scope != NULL ? ",scope=\"" : "",
             scope != NULL ? scope : "", scope != NULL ? "\"" : "");
    snprintf(path, sizeof(path), MANIFESTS "%s", name);
    server_add(pair->server, path,
               &(struct server_reply){ DOCUMENT_REPLY, .wants = "Bearer t.0-k_en",
                                       .challenge = challenge });
}

static void add_answer(struct pair *pair, int status, const char *body)
{
    server_add(pair->service, "/token",
               &(struct server_reply){ .status = status, .body = body, .size = strlen(body) });
}

static struct pair pair_start(const struct registry_options *with)
{
    struct pair pair = { server_start(SERVER_HTTP), server_start(SERVER_HTTP), NULL };
    struct registry_options options = fast_options(pair.server);

    options.username = with->username;
    options.password = with->password;
    options.identity_token = with->identity_token;
    options.registry_token = with->registry_token;
    pair.registry = open_with(&options);
    add_wanting(&pair, "latest", "repository:app:pull");
    return pair;
}

#define TEST_PAIR(...) \
    CLEANUP(pair_drop) struct pair pair = pair_start(&(struct registry_options){ __VA_ARGS__ })
#define USER .username = "user", .password = "s&ecret"

static const char *posted(struct pair *pair, size_t k)
{
    return server_seen(pair->service, "/token", k, "body");
}

/* ---- REG-8: asking ------------------------------------------------------------------------- */

static void reg_8_a_password_goes_to_the_token_service_as_a_form(void **state)
{
    TEST_PAIR(USER);

    (void)state;
    add_answer(&pair, 200, TOKEN);
    must_get(pair.registry, "latest");
    must_get(pair.registry, "latest");
    assert_int_equal(server_count(pair.service, NULL), 1);
    assert_string_equal(server_seen(pair.service, "/token", 0, "method"), "POST");
    assert_string_equal(server_seen(pair.service, "/token", 0, "content-type"),
                        "application/x-www-form-urlencoded");
    assert_string_equal(posted(&pair, 0), FORM_HEAD FORM_TAIL);
    assert_int_equal(server_count_with(pair.service, "authorization"), 0);
    /* and the registry sees the token alone */
    assert_int_equal(server_count_with(pair.server, "authorization"), 2);
    assert_string_equal(server_seen(pair.server, NULL, 1, "authorization"), "Bearer t.0-k_en");
}

static void reg_8_a_service_without_post_is_asked_by_get(void **state)
{
    static const int no_post[] = { 404, 405, 401, 501, 301, 302, 303, 307, 308 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(no_post); i++) {
        TEST_PAIR(USER);

        add_answer(&pair, no_post[i], "<html>no</html>");
        add_answer(&pair, 200, TOKEN);
        must_get(pair.registry, "latest");
        assert_int_equal(server_count(pair.service, NULL), 2);
        assert_string_equal(server_seen(pair.service, "/token", 1, "method"), "GET");
        assert_string_equal(server_seen(pair.service, "/token", 1, "authorization"), BASIC);
        assert_says(server_seen(pair.service, "/token", 1, "target"),
                    "/token?service=the+registry&scope=repository%3aapp%3apull");
    }
}

static void reg_8_other_refusals_of_a_post_are_final(void **state)
{
    static const int statuses[] = { 400, 403, 410 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(statuses); i++) {
        TEST_PAIR(USER);
        struct error err;

        add_answer(&pair, statuses[i],
                   "{\"error\":\"invalid_grant\",\"error_description\":\"wrong password\"}");
        err = refused_document(pair.registry, "latest");
        assert_says(err.text, "wrong password");
        assert_says(err.text, "(POST http://127.0.0.1");
        assert_does_not_say(err.text, "ecret");
        assert_int_equal(server_count(pair.service, NULL), 1);
    }
}

static void reg_8_a_password_that_is_refused_both_ways_is_not_sent_again(void **state)
{
    TEST_PAIR(USER);
    struct error err;

    (void)state;
    add_answer(&pair, 401, "{\"details\":\"who are you\"}");
    err = refused_document(pair.registry, "latest");
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_says(err.text, "refuses these credentials");
    assert_says(err.text, server_host(pair.service));
    assert_int_equal(server_count(pair.service, NULL), 2);
    assert_int_equal(server_count_with(pair.server, "authorization"), 0);
}

static void reg_8_an_identity_token_is_refreshed(void **state)
{
    TEST_PAIR(.username = "user", .password = "s&ecret", .identity_token = "r/efresh");

    (void)state;
    add_answer(&pair, 200, "{\"access_token\":\"t.0-k_en\",\"refresh_token\":\"another\"}");
    must_get(pair.registry, "latest");
    assert_string_equal(
        posted(&pair, 0),
        "grant_type=refresh_token&refresh_token=r%2Fefresh&client_id=gantry" FORM_TAIL);
}

static void reg_8_an_identity_token_has_no_other_way(void **state)
{
    TEST_PAIR(.identity_token = "refresh");
    struct error err;

    (void)state;
    add_answer(&pair, 405, "");
    err = refused_document(pair.registry, "latest");
    assert_says(err.text, "status 405");
    assert_int_equal(server_count(pair.service, NULL), 1);
    assert_int_equal(server_count_with(pair.server, "authorization"), 0);
}

static void an_identity_token_is_nothing_for_basic(void **state)
{
    TEST_PAIR(.identity_token = "refresh");
    struct error err;

    (void)state;
    server_add(pair.server, MANIFESTS "basic",
               &(struct server_reply){ .wants = "x", .challenge = "Basic realm=\"x\"" });
    err = refused_document(pair.registry, "basic");
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_says(err.text, "wants a user name and password");
    assert_says(err.text, "only a token");
    assert_int_equal(server_count_with(pair.server, "authorization"), 0);
}

static void a_token_of_the_users_own_is_sent_as_it_is(void **state)
{
    TEST_PAIR(.registry_token = "t.0-k_en");
    struct error err;

    (void)state;
    must_get(pair.registry, "latest");
    must_get(pair.registry, "latest");
    assert_int_equal(server_count(pair.service, NULL), 0);
    assert_int_equal(server_count(pair.server, NULL), 3);
    server_forget(pair.server, MANIFESTS "latest");
    server_add(pair.server, MANIFESTS "latest",
               &(struct server_reply){ .wants = "x", .challenge = "Bearer realm=\"x\"" });
    err = refused_document(pair.registry, "latest");
    assert_says(err.text, "refuses this token");
}

/* ---- REG-7: which, and how long ------------------------------------------------------------- */

static void reg_7_bearer_comes_before_basic(void **state)
{
    static const char *const orders[] = {
        "Basic realm=\"x\"\nBearer realm=\"http://%s/token\",service=\"the registry\"",
        "BASIC realm=\"a, Bearer realm=b\", bEARER REALM=\"http://%s/token\",Service=\"the "
        "registry\"",
        "Negotiate YII=\nUnknown a=\"b, c\\\"d\", e=f\n"
        "Bearer realm=\"http://%s/token\",service=\"the registry\",error=\"invalid_token\"\n"
        "Basic realm=\"x\"",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        TEST_PAIR(USER);
        char challenge[400];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(challenge, sizeof(challenge), orders[i], server_host(pair.service));
#pragma GCC diagnostic pop
        server_add(pair.server, MANIFESTS "both",
                   &(struct server_reply){ DOCUMENT_REPLY, .wants = "Bearer t.0-k_en",
                                           .challenge = challenge });
        add_answer(&pair, 200, TOKEN);
        must_get(pair.registry, "both");
        assert_string_equal(posted(&pair, 0), FORM_HEAD FORM_TAIL); /* the scope is our own */
        assert_int_equal(server_count_with(pair.server, "authorization"), 1);
    }
}

static void reg_7_a_token_is_kept_by_service_and_set_of_scopes(void **state)
{
    TEST_PAIR(USER);

    (void)state;
    add_wanting(&pair, "two", "repository:base:pull  repository:app:pull");
    add_wanting(&pair, "same", "repository:app:pull repository:base:pull repository:app:pull");
    add_answer(&pair, 200, TOKEN);
    must_get(pair.registry, "latest");
    must_get(pair.registry, "two");
    must_get(pair.registry, "same");
    must_get(pair.registry, "latest");
    assert_int_equal(server_count(pair.service, NULL), 1); /* sent without asking: it serves */

    server_forget(pair.server, MANIFESTS "latest");
    server_add(pair.server, MANIFESTS "latest",
               &(struct server_reply){ DOCUMENT_REPLY, .wants = "Bearer more",
                                       .challenge = "Bearer realm=\"http://127.0.0.1:1/\"" });
    (void)refused_document(pair.registry, "latest");
    assert_int_equal(server_count(pair.service, NULL), 1); /* another service: another token */
}

struct getter {
    pthread_t thread;
    struct registry *registry;
    struct error err;
    int result;
};

static void *get_one(void *arg)
{
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    struct getter *getter = arg;

    getter->result = get_document(getter->registry, "latest", &document, &getter->err);
    return NULL;
}

static void reg_7_many_at_once_ask_for_one_token(void **state)
{
    TEST_PAIR(USER);
    struct getter getters[6] = { 0 };

    (void)state;
    server_add(pair.service, "/token",
               &(struct server_reply){ .body = TOKEN, .size = strlen(TOKEN), .gate = true });
    for (size_t i = 0; i < COUNT_OF(getters); i++) {
        getters[i].registry = pair.registry;
        assert_int_equal(pthread_create(&getters[i].thread, NULL, get_one, &getters[i]), 0);
    }
    server_wait(pair.server, MANIFESTS "latest", COUNT_OF(getters)); /* each got its 401 */
    server_wait(pair.service, "/token", 1);
    server_release(pair.service);
    for (size_t i = 0; i < COUNT_OF(getters); i++) {
        pthread_join(getters[i].thread, NULL);
        if (getters[i].result < 0)
            fail_msg("%s", getters[i].err.text);
    }
    assert_int_equal(server_count(pair.service, NULL), 1);
    assert_int_equal(server_count(pair.server, NULL), 2 * COUNT_OF(getters));
}

static void reg_7_a_refused_token_is_not_taken_from_the_list_again(void **state)
{
    TEST_PAIR(USER);

    (void)state;
    add_answer(&pair, 200, "{\"token\":\"old\",\"expires_in\":300}");
    add_answer(&pair, 200, TOKEN);
    (void)refused_document(pair.registry, "latest");
    must_get(pair.registry, "latest"); /* a second 401 ends a try, the next try asks anew */
    assert_int_equal(server_count(pair.service, NULL), 2);
}

static void reg_7_a_token_that_runs_out_is_fetched_anew(void **state)
{
    TEST_PAIR(USER);
    int64_t end = clock_monotonic() + INT64_C(20000000000);
    size_t fetched;

    (void)state;
    add_answer(&pair, 200, "{\"token\":\"t.0-k_en\",\"expires_in\":1}");
    must_get(pair.registry, "latest");
    assert_int_equal(server_count(pair.service, NULL), 1);
    while (server_count(pair.service, NULL) < 2 && clock_monotonic() < end)
        must_get(pair.registry, "latest");
    fetched = server_count(pair.service, NULL); /* 2, or more where this machine was slow */
    assert_true(fetched >= 2);
    /* what has run out is not sent */
    assert_int_equal(server_count_with(pair.server, "authorization"),
                     server_count(pair.server, NULL) - fetched);
}

/* ---- where what is secret goes -------------------------------------------------------------- */

static void cve_2020_15157_a_redirecting_token_service_loses_the_password(void **state)
{
    TEST_PAIR(USER);
    CLEANUP(server_stop) struct registry_server *thief = server_start(SERVER_HTTP);
    char headers[200];
    struct error err;

    (void)state;
    snprintf(headers, sizeof(headers), "Location: http://%s/token\r\n", server_host(thief));
    server_add(pair.service, "/token", &(struct server_reply){ .status = 307, .headers = headers });
    server_add(thief, "/token", &(struct server_reply){ .body = TOKEN, .size = strlen(TOKEN) });
    err = refused_document(pair.registry, "latest");
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_says(err.text, "credentials do not go");
    assert_says(err.text, server_host(thief));
    assert_int_equal(server_count(thief, NULL), 1);
    assert_string_equal(server_seen(thief, "/token", 0, "method"), "GET");
    assert_int_equal(server_count_with(thief, "authorization"), 0);
    assert_string_equal(server_seen(thief, "/token", 0, "body"), "");
    assert_int_equal(server_count_with(pair.server, "authorization"), 0);
}

static void reg_9_a_password_does_not_go_without_tls_to_another_machine(void **state)
{
    TEST_PAIR(USER);
    struct error err;

    (void)state;
    server_add(pair.server, MANIFESTS "evil",
               &(struct server_reply){ .wants = "x",
                                       .challenge = "Bearer realm=\"http://192.0.2.1/token\"" });
    err = refused_document(pair.registry, "evil");
    assert_code(&err, ERROR_PERMISSION_DENIED);
    assert_says(err.text, "192.0.2.1 without TLS");
    assert_says(err.hint, "https");
}

/* Two authorities in one file. */
static void concatenate(const char *one, const char *two, char path[64])
{
    const char *const parts[] = { one, two };
    struct error err;
    int file = -1;

    snprintf(path, 64, "/tmp/gantry-test-authorities-XXXXXX");
    file = mkstemp(path);
    assert_true(file >= 0);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        size_t size;
        char *text = fs_read(parts[i], 1 << 20, &size, &err);

        assert_non_null(text);
        assert_int_equal(file_write(file, text, size, &err), 0);
        free(text);
    }
    file_close(&file);
}

static void reg_9_a_token_service_must_be_believed_before_it_is_told(void **state)
{
    CLEANUP(server_stop) struct registry_server *server = server_start(SERVER_TLS);
    CLEANUP(server_stop) struct registry_server *service = server_start(SERVER_TLS);
    CLEANUP(registry_close) struct registry *doubting = NULL;
    CLEANUP(registry_close) struct registry *believing = NULL;
    struct registry_options options = fast_options(server);
    char challenge[200], both[64];
    struct error err;

    (void)state;
    options.plain_http = false;
    options.username = "user";
    options.password = "s&ecret";
    options.ca_file = server_ca_file(server);
    doubting = open_with(&options);
    concatenate(server_ca_file(server), server_ca_file(service), both);
    options.ca_file = both;
    believing = open_with(&options);
    snprintf(challenge, sizeof(challenge), "Bearer realm=\"https://%s/token\"",
             server_host(service));
    server_add(server, MANIFESTS "latest",
               &(struct server_reply){ DOCUMENT_REPLY, .wants = "Bearer t.0-k_en",
                                       .challenge = challenge });
    server_add(service, "/token", &(struct server_reply){ .body = TOKEN, .size = strlen(TOKEN) });
    err = refused_document(doubting, "latest");
    assert_says(err.text, "no secure connection");
    assert_says(err.text, server_host(service));
    assert_int_equal(server_count(service, NULL), 0);
    must_get(believing, "latest");
    assert_int_equal(server_count(service, NULL), 1);
    fs_remove(both, &err);
}

/* ---- logging in ----------------------------------------------------------------------------- */

#define PING "/v2/"

static void add_login(struct pair *pair, const char *scope)
{
    char challenge[300];

    snprintf(challenge, sizeof(challenge),
             "Bearer realm=\"http://%s/token\",service=\"the registry\",scope=\"%s\"",
             server_host(pair->service), scope);
    server_add(pair->server, PING,
               &(struct server_reply){
                   .body = "{}", .size = 2, .wants = "Bearer t.0-k_en", .challenge = challenge });
}

static void logging_in_asks_for_a_token_for_the_next_time(void **state)
{
    TEST_PAIR(USER);
    CLEANUP(registry_login_free) struct registry_login login = { 0 };
    struct error err = { 0 };

    (void)state;
    add_login(&pair, "");
    add_answer(&pair, 200, "{\"access_token\":\"t.0-k_en\",\"refresh_token\":\"again\"}");
    if (registry_login(pair.registry, NULL, &login, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(login.asked);
    assert_string_equal(login.identity_token, "again");
    assert_string_equal(posted(&pair, 0), FORM_HEAD "&service=the%20registry&access_type=offline");
}

static void logging_in_by_get_asks_for_one_too(void **state)
{
    TEST_PAIR(USER);
    CLEANUP(registry_login_free) struct registry_login login = { 0 };
    struct error err = { 0 };

    (void)state;
    add_login(&pair, "");
    add_answer(&pair, 405, "");
    add_answer(&pair, 200, TOKEN);
    if (registry_login(pair.registry, NULL, &login, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(login.asked);
    assert_null(login.identity_token);
    assert_says(server_seen(pair.service, "/token", 1, "target"), "offline_token=true");
}

static void reg_7_the_same_set_of_scopes_is_the_same_token(void **state)
{
    static const char *const scopes[] = { "b:b:b  a:a:a", "a:a:a b:b:b a:a:a" };
    TEST_PAIR(USER);
    CLEANUP(registry_login_free) struct registry_login login = { 0 };
    struct error err = { 0 };

    (void)state;
    add_login(&pair, scopes[0]);
    add_wanting(&pair, "same", scopes[1]);
    add_answer(&pair, 200, TOKEN);
    if (registry_login(pair.registry, NULL, &login, &err) < 0)
        fail_msg("%s", err.text);
    must_get(pair.registry, "same"); /* asked, for it is another request, and found */
    assert_int_equal(server_count(pair.server, MANIFESTS "same"), 2);
    assert_int_equal(server_count(pair.service, NULL), 1);
    assert_says(posted(&pair, 0), "&scope=a%3Aa%3Aa%20b%3Ab%3Ab");
}

static void reg_7_another_set_of_scopes_is_another_token(void **state)
{
    TEST_PAIR(USER);
    CLEANUP(registry_login_free) struct registry_login login = { 0 };
    struct error err = { 0 };

    (void)state;
    add_login(&pair, "a:a:a");
    add_wanting(&pair, "more", "a:a:a b:b:b");
    add_answer(&pair, 200, TOKEN);
    if (registry_login(pair.registry, NULL, &login, &err) < 0)
        fail_msg("%s", err.text);
    must_get(pair.registry, "more");
    assert_int_equal(server_count(pair.service, NULL), 2);
}

static void logging_in_says_what_is_wrong(void **state)
{
    TEST_PAIR(USER);
    CLEANUP(registry_login_free) struct registry_login login = { 0 };
    struct error err = { 0 };

    (void)state;
    assert_int_equal(registry_login(pair.registry, NULL, &login, &err), -1);
    assert_code(&err, ERROR_NOT_FOUND);
    assert_says(err.text, "login to 127.0.0.1");
    server_add(pair.server, PING, &(struct server_reply){ .body = "{}", .size = 2 });
    if (registry_login(pair.registry, NULL, &login, &err) < 0)
        fail_msg("%s", err.text);
    assert_false(login.asked);
    server_forget(pair.server, PING);
    server_add(pair.server, PING,
               &(struct server_reply){ .wants = "x", .challenge = "Basic realm=\"x\"" });
    assert_int_equal(registry_login(pair.registry, NULL, &login, &err), -1);
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_says(err.text, "refuses these credentials");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reg_8_a_password_goes_to_the_token_service_as_a_form),
        cmocka_unit_test(reg_8_a_service_without_post_is_asked_by_get),
        cmocka_unit_test(reg_8_other_refusals_of_a_post_are_final),
        cmocka_unit_test(reg_8_a_password_that_is_refused_both_ways_is_not_sent_again),
        cmocka_unit_test(reg_8_an_identity_token_is_refreshed),
        cmocka_unit_test(reg_8_an_identity_token_has_no_other_way),
        cmocka_unit_test(an_identity_token_is_nothing_for_basic),
        cmocka_unit_test(a_token_of_the_users_own_is_sent_as_it_is),
        cmocka_unit_test(reg_7_bearer_comes_before_basic),
        cmocka_unit_test(reg_7_a_token_is_kept_by_service_and_set_of_scopes),
        cmocka_unit_test(reg_7_many_at_once_ask_for_one_token),
        cmocka_unit_test(reg_7_a_refused_token_is_not_taken_from_the_list_again),
        cmocka_unit_test(reg_7_a_token_that_runs_out_is_fetched_anew),
        cmocka_unit_test(cve_2020_15157_a_redirecting_token_service_loses_the_password),
        cmocka_unit_test(reg_9_a_password_does_not_go_without_tls_to_another_machine),
        cmocka_unit_test(reg_9_a_token_service_must_be_believed_before_it_is_told),
        cmocka_unit_test(logging_in_asks_for_a_token_for_the_next_time),
        cmocka_unit_test(logging_in_by_get_asks_for_one_too),
        cmocka_unit_test(reg_7_the_same_set_of_scopes_is_the_same_token),
        cmocka_unit_test(reg_7_another_set_of_scopes_is_another_token),
        cmocka_unit_test(logging_in_says_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
