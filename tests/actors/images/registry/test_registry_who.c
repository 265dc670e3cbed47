/* test_registry_who — REG-10: who the user is is asked when a host wants to know, once, and of
   nobody else's sake. */
#include "tests/actors/images/registry/registry_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#define ANYBODY "{\"token\":\"any.body\",\"expires_in\":300}"
#define SOMEONE "{\"token\":\"some.one\",\"expires_in\":300}"
#define BASIC   "Basic dXNlcjpzZWNyZXQ=" /* user:secret */
#define OTHER   "Basic dXNlcjpvdGhlcg==" /* user:other */

/* ---- who is asked ----------------------------------------------------------------------- */

struct client {
    atomic_int asked;
    struct registry_known says[3]; /* the first time, the second ... */
    int fails;                    /* that time it fails; 0: never */
    struct registry_question last;
    char host[300], registry[300], repository[300];
};

static int answer(void *ctx, const struct registry_question *question, struct arena *arena,
                  struct registry_known *out, struct error *err)
{
    struct client *client = ctx;
    int times = atomic_fetch_add(&client->asked, 1);
    const struct registry_known *says = &client->says[times < 3 ? times : 2];

    client->last = *question;
    snprintf(client->host, sizeof(client->host), "%s", question->host);
    snprintf(client->registry, sizeof(client->registry), "%s", question->registry);
    snprintf(client->repository, sizeof(client->repository), "%s", question->repository);
    if (times + 1 == client->fails)
        return error_set(err, ERROR_UNKNOWN, "the keyring is locked");
    *out = (struct registry_known){ .username = arena_str(arena, says->username),
                                   .password = arena_str(arena, says->password),
                                   .identity_token = arena_str(arena, says->identity_token),
                                   .registry_token = arena_str(arena, says->registry_token) };
    return says->username != NULL || says->identity_token != NULL || says->registry_token != NULL;
}

struct scene {
    struct registry_server *server, *service;
    struct registry *registry;
    struct client client;
};

static void scene_drop(struct scene *scene)
{
    registry_close(&scene->registry);
    server_stop(&scene->service);
    server_stop(&scene->server);
}

static struct scene scene_start(const struct registry_options *with, const struct client *client)
{
    struct scene scene = { server_start(SERVER_HTTP), server_start(SERVER_HTTP), NULL, *client };
    struct registry_options options = fast_options(scene.server);

    options.askable = with->askable;
    options.username = with->username;
    options.password = with->password;
    options.named = with->named;
    scene.registry = open_with(&options);
    return scene;
}

#define ASKABLE                \
    &(struct registry_options) \
    {                          \
        .askable = true        \
    }
#define SCENE(options, ...) \
    CLEANUP(scene_drop)     \
    struct scene scene = scene_start(options, &(struct client){ __VA_ARGS__ })
#define USER                                     \
    {                                            \
        .username = "user", .password = "secret" \
    }
#define NEXT                                    \
    {                                           \
        .username = "user", .password = "other" \
    }

static void wants_basic(struct scene *scene, const char *name, const char *header)
{
    char path[100];

    snprintf(path, sizeof(path), MANIFESTS "%s", name);
    server_forget(scene->server, path);
    server_add(scene->server, path,
               &(struct server_reply){ DOCUMENT_REPLY, .wants = header,
                                       .challenge = "Basic realm=\"x\"" });
}

static const char *challenge_of(const struct scene *scene)
{
    static _Thread_local char text[300];

    snprintf(text, sizeof(text),
             "Bearer realm=\"http://%s/token\",service=\"s\",scope=\"repository:app:pull\"",
             server_host(scene->service));
    return text;
}

/* A document for somebody's token; anybody's gets that answer. */
static void wants_token(struct scene *scene, const char *name, int status)
{
    char path[100];

    snprintf(path, sizeof(path), MANIFESTS "%s", name);
    server_add(
        scene->server, path,
        &(struct server_reply){ .status = 401, .wants = "x", .challenge = challenge_of(scene) });
    server_add(scene->server, path,
               &(struct server_reply){ .status = status,
                                       .wants = status == 401 ? "x" : "Bearer any.body",
                                       .challenge = challenge_of(scene) });
    server_add(scene->server, path,
               &(struct server_reply){ DOCUMENT_REPLY, .wants = "Bearer some.one",
                                       .challenge = challenge_of(scene) });
}

static void gives(struct scene *scene, int status, const char *body)
{
    server_add(scene->service, "/token",
               &(struct server_reply){ .status = status, .body = body, .size = strlen(body) });
}

static int get(struct scene *scene, const char *name, struct error *err)
{
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    const struct registry_caller caller = { .who = answer, .ctx = &scene->client };

    memset(err, 0, sizeof(*err));
    return registry_manifest(scene->registry, &caller, name, 0, &document, err);
}

static void must(struct scene *scene, const char *name)
{
    struct error err;

    if (get(scene, name, &err) < 0)
        fail_msg("%s", err.text);
}

static struct error must_not(struct scene *scene, const char *name)
{
    struct error err;

    if (get(scene, name, &err) == 0)
        fail_msg("%s was not refused", name);
    return err;
}

/* ---- whom it concerns ------------------------------------------------------------------- */

static void reg_10_nobody_is_asked_about_what_everybody_gets(void **state)
{
    SCENE(ASKABLE, .says = { USER });

    (void)state;
    server_add(scene.server, MANIFESTS "open", &(struct server_reply){ DOCUMENT_REPLY });
    server_add(scene.server, MANIFESTS "token",
               &(struct server_reply){ DOCUMENT_REPLY, .wants = "Bearer any.body",
                                       .challenge = challenge_of(&scene) });
    gives(&scene, 200, ANYBODY);
    must(&scene, "open");
    must(&scene, "token");
    assert_int_equal(scene.client.asked, 0);
    assert_int_equal(server_count_with(scene.server, "authorization"), 1);
}

static void reg_10_a_host_that_wants_a_password_gets_it_after_one_question(void **state)
{
    SCENE(ASKABLE, .says = { USER });

    (void)state;
    wants_basic(&scene, "one", BASIC);
    wants_basic(&scene, "two", BASIC);
    must(&scene, "one");
    must(&scene, "two");
    must(&scene, "one");
    assert_int_equal(scene.client.asked, 1);
    assert_string_equal(scene.client.host, server_host(scene.server));
    assert_string_equal(scene.client.registry, server_host(scene.server));
    assert_string_equal(scene.client.repository, "app");
    assert_false(scene.client.last.again);
}

static void a_mirror_is_named_and_so_is_whom_it_stands_for(void **state)
{
    SCENE((&(struct registry_options){ .askable = true, .named = "docker.io" }), .says = { USER });

    (void)state;
    wants_basic(&scene, "one", BASIC);
    must(&scene, "one");
    assert_string_equal(scene.client.host, server_host(scene.server));
    assert_string_equal(scene.client.registry, "docker.io");
}

static void reg_10_anybodys_token_is_tried_before_somebody_is_asked(void **state)
{
    static const int refusals[] = { 401, 403, 404, 429 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        SCENE(ASKABLE, .says = { USER });

        wants_token(&scene, "latest", refusals[i]);
        gives(&scene, 200, ANYBODY);
        gives(&scene, 200, SOMEONE);
        must(&scene, "latest");
        assert_int_equal(scene.client.asked, 1);
        assert_int_equal(server_count(scene.service, NULL), 2);
        assert_string_equal(server_seen(scene.service, "/token", 0, "method"), "GET");
        assert_string_equal(server_seen(scene.service, "/token", 0, "authorization"), "");
        assert_string_equal(server_seen(scene.service, "/token", 1, "method"), "POST");
        assert_says(server_seen(scene.service, "/token", 1, "body"),
                    "username=user&password=secret");
    }
}

static void what_is_missing_where_nobody_is_let_in_is_missing(void **state)
{
    SCENE(ASKABLE, .says = { USER });
    struct error err;

    (void)state;
    server_add(scene.server, MANIFESTS "token",
               &(struct server_reply){ DOCUMENT_REPLY, .wants = "Bearer any.body",
                                       .challenge = challenge_of(&scene) });
    gives(&scene, 200, ANYBODY);
    must(&scene, "token");
    err = must_not(&scene, "nothing");
    assert_code(&err, ERROR_NOT_FOUND);
    assert_int_equal(scene.client.asked, 0);
}

static void what_a_mirror_does_not_have_is_no_question(void **state)
{
    SCENE((&(struct registry_options){ .askable = true, .named = "docker.io" }), .says = { USER });
    struct error err;

    (void)state;
    wants_token(&scene, "latest", 404);
    gives(&scene, 200, ANYBODY);
    err = must_not(&scene, "latest");
    assert_code(&err, ERROR_NOT_FOUND);
    assert_int_equal(scene.client.asked, 0);
}

static void a_service_that_gives_nobody_a_token_is_told_who_asks(void **state)
{
    static const int refusals[] = { 400, 401, 403, 404 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        SCENE(ASKABLE, .says = { { .identity_token = "again" } });

        server_add(scene.server, MANIFESTS "latest",
                   &(struct server_reply){ DOCUMENT_REPLY, .wants = "Bearer some.one",
                                           .challenge = challenge_of(&scene) });
        gives(&scene, refusals[i], "{}");
        gives(&scene, 200, SOMEONE);
        must(&scene, "latest");
        assert_int_equal(scene.client.asked, 1);
        assert_says(server_seen(scene.service, "/token", 1, "body"), "refresh_token=again");
        assert_int_equal(server_count(scene.server, NULL), 2);
    }
}

static void what_the_request_says_is_used_and_nobody_asked(void **state)
{
    SCENE((&(struct registry_options){ .askable = true, .username = "user", .password = "other" }),
          .says = { USER });
    struct error err;

    (void)state;
    wants_basic(&scene, "latest", OTHER);
    must(&scene, "latest");
    wants_basic(&scene, "closed", "Basic b3RoZXI6b3RoZXI=");
    assert_int_equal(scene.client.asked, 0);
    /* it was good for the first, so perhaps it is only too old: worth one question */
    err = must_not(&scene, "closed");
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_int_equal(scene.client.asked, 1);
    assert_true(scene.client.last.again);
}

static void who_cannot_be_asked_is_not(void **state)
{
    SCENE((&(struct registry_options){ .askable = false }), .says = { USER });
    struct error err;

    (void)state;
    wants_basic(&scene, "latest", BASIC);
    err = must_not(&scene, "latest");
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_says(err.text, "wants a user name and password");
    assert_int_equal(scene.client.asked, 0);
}

static void another_host_that_asks_is_not_told(void **state)
{
    CLEANUP(server_stop) struct registry_server *other = server_start(SERVER_HTTP);
    SCENE(ASKABLE, .says = { USER });
    char headers[200];
    struct error err;

    (void)state;
    snprintf(headers, sizeof(headers), "Location: http://%s/blob\r\n", server_host(other));
    server_add(scene.server, MANIFESTS "latest",
               &(struct server_reply){ .status = 307, .headers = headers });
    server_add(
        other, "/blob",
        &(struct server_reply){ DOCUMENT_REPLY, .wants = BASIC, .challenge = "Basic realm=\"x\"" });
    err = must_not(&scene, "latest");
    assert_says(err.text, "where the registry redirects to, denies access");
    assert_int_equal(scene.client.asked, 0);
}

/* ---- what is answered --------------------------------------------------------------------- */

static void of_nobody_it_is_asked_once(void **state)
{
    SCENE(ASKABLE, .says = { { 0 } });
    struct error err;

    (void)state;
    wants_basic(&scene, "one", BASIC);
    wants_token(&scene, "two", 401);
    gives(&scene, 200, ANYBODY);
    err = must_not(&scene, "one");
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_says(err.hint, "gantry login");
    err = must_not(&scene, "two");
    assert_says(err.text, "or private");
    assert_int_equal(scene.client.asked, 1);
}

static void a_wrong_answer_is_refused_and_not_asked_for_again(void **state)
{
    SCENE(ASKABLE, .says = { NEXT, USER });
    struct error err;

    (void)state;
    wants_basic(&scene, "latest", BASIC);
    err = must_not(&scene, "latest");
    assert_code(&err, ERROR_UNAUTHENTICATED);
    assert_says(err.text, "refuses these credentials");
    must_not(&scene, "latest");
    assert_int_equal(scene.client.asked, 1);
}

static void what_was_good_and_is_no_more_is_asked_for_anew(void **state)
{
    SCENE(ASKABLE, .says = { USER, NEXT, { 0 } });
    struct error err;

    (void)state;
    wants_basic(&scene, "latest", BASIC);
    must(&scene, "latest");
    wants_basic(&scene, "latest", OTHER);
    must(&scene, "latest");
    assert_int_equal(scene.client.asked, 2);
    assert_true(scene.client.last.again);
    wants_basic(&scene, "latest", BASIC);
    err = must_not(&scene, "latest"); /* now nobody knows more */
    assert_code(&err, ERROR_UNAUTHENTICATED);
    must_not(&scene, "latest");
    assert_int_equal(scene.client.asked, 3);
}

static void a_token_that_has_run_out_is_asked_for_anew(void **state)
{
    SCENE(ASKABLE, .says = { { .registry_token = "first" }, { .registry_token = "second" } });

    (void)state;
    server_add(
        scene.server, MANIFESTS "latest",
        &(struct server_reply){ .status = 401, .wants = "x", .challenge = challenge_of(&scene) });
    server_add(
        scene.server, MANIFESTS "latest",
        &(struct server_reply){ .status = 401, .wants = "x", .challenge = challenge_of(&scene) });
    server_add(scene.server, MANIFESTS "latest",
               &(struct server_reply){ DOCUMENT_REPLY, .wants = "Bearer first",
                                       .challenge = challenge_of(&scene) });
    server_add(scene.server, MANIFESTS "latest",
               &(struct server_reply){ DOCUMENT_REPLY, .wants = "Bearer second",
                                       .challenge = challenge_of(&scene) });
    gives(&scene, 200, ANYBODY);
    must(&scene, "latest");
    must(&scene, "latest");
    assert_int_equal(scene.client.asked, 2);
    assert_int_equal(server_count(scene.service, NULL), 1); /* for anybody, at first */
}

static void a_client_that_fails_ends_the_request_with_its_words(void **state)
{
    SCENE(ASKABLE, .says = { USER, USER }, .fails = 1);
    struct error err;

    (void)state;
    wants_basic(&scene, "latest", BASIC);
    err = must_not(&scene, "latest");
    assert_code(&err, ERROR_UNKNOWN);
    assert_says(err.text, "the keyring is locked");
    assert_int_equal(server_count(scene.server, NULL), 1);
    must(&scene, "latest"); /* the next is another try */
}

static void an_answer_that_cannot_be_is_refused(void **state)
{
    SCENE(ASKABLE, .says = { { .username = "a:b", .password = "c" } });
    struct error err;

    (void)state;
    wants_basic(&scene, "latest", BASIC);
    err = must_not(&scene, "latest");
    assert_code(&err, ERROR_INVALID_ARGUMENT);
    assert_says(err.text, "a user name holds no colon");
}

/* ---- many at once ------------------------------------------------------------------------- */

static void *get_in_thread(void *arg)
{
    struct scene *scene = arg;
    struct error err;

    return get(scene, "latest", &err) == 0 ? scene : NULL;
}

static void of_many_who_want_it_one_asks(void **state)
{
    SCENE(ASKABLE, .says = { USER, NEXT });
    pthread_t threads[8];

    (void)state;
    wants_basic(&scene, "latest", BASIC);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_in_thread, &scene), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *got;

        pthread_join(threads[i], &got);
        assert_non_null(got);
    }
    assert_int_equal(scene.client.asked, 1);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(reg_10_nobody_is_asked_about_what_everybody_gets),
        T(reg_10_a_host_that_wants_a_password_gets_it_after_one_question),
        T(a_mirror_is_named_and_so_is_whom_it_stands_for),
        T(reg_10_anybodys_token_is_tried_before_somebody_is_asked),
        T(what_is_missing_where_nobody_is_let_in_is_missing),
        T(what_a_mirror_does_not_have_is_no_question),
        T(a_service_that_gives_nobody_a_token_is_told_who_asks),
        T(what_the_request_says_is_used_and_nobody_asked),
        T(who_cannot_be_asked_is_not),
        T(another_host_that_asks_is_not_told),
        T(of_nobody_it_is_asked_once),
        T(a_wrong_answer_is_refused_and_not_asked_for_again),
        T(what_was_good_and_is_no_more_is_asked_for_anew),
        T(a_token_that_has_run_out_is_asked_for_anew),
        T(a_client_that_fails_ends_the_request_with_its_words),
        T(an_answer_that_cannot_be_is_refused),
        T(of_many_who_want_it_one_asks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
