/* test_push — what a push asks of a registry and in which order, and what its accidents leave. */
#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include "tests/actors/images/pull_fixture.h"
#include "tests/helpers/real_registry.h"

#define UPLOADS "/v2/sent/blobs/uploads/"
#define SESSION UPLOADS "one"

static struct registry_server *target; /* takes what is sent, as far as a test says so */
static struct built_image *image;
static struct layer_entry noise;

static int set_up_push(void **state)
{
    struct layer_plan layers[2] = { *small_layer(), noise_layer("noise", 3000000, &noise) };

    set_up(state);
    image = image_build(&(struct image_plan){ .layers = layers, .layer_count = 2 });
    image_serve(server, "app", "latest", image);
    must_pull();
    target = server_start(SERVER_HTTP);
    return 0;
}

static int tear_down_push(void **state)
{
    server_stop(&target);
    image_drop(&image);
    free((void *)(uintptr_t)noise.text);
    return tear_down(state);
}

#define PUSH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_push, tear_down_push)

/* ---- the other side --------------------------------------------------------------------- */

static void on(const char *path, int status, const char *headers)
{
    server_add(target, path, &(struct server_reply){ .status = status, .headers = headers });
}

static const char *document_path(const struct built_blob *blob)
{
    static char paths[4][200];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof(paths[0]), "/v2/sent/manifests/%s", blob->digest);
    return path;
}

static void take_documents(void)
{
    on(document_path(&image->manifest), 404, NULL); /* HEAD */
    on(document_path(&image->manifest), 201, NULL);
    on("/v2/sent/manifests/1", 201, NULL);
}

static void take_all(void)
{
    on(UPLOADS, 202, "Location: one\r\n");
    on(SESSION, 201, NULL);
    take_documents();
}

static bool is_document(const char *path)
{
    return strncmp(path, "/v2/sent/manifests/", 19) == 0;
}

/* Documents that were sent; 0: nobody sees anything of the image there. */
static size_t documents_sent(void)
{
    size_t count = 0;

    for (size_t i = 0; i < server_count(target, NULL); i++)
        count += strcmp(server_seen(target, NULL, i, "method"), "PUT") == 0 &&
                 is_document(server_seen(target, NULL, i, "target"));
    return count;
}

/* ---- pushing -------------------------------------------------------------------------------- */

static struct images_push_request to_host(const char *host)
{
    static char text[100];

    snprintf(text, sizeof(text), "%s/sent:1", host);
    return (struct images_push_request){ .name = reference(), .reference = text };
}

static enum error_code push_to(const char *host)
{
    const struct images_push_request want = to_host(host);

    return peer_ask(&store.images, &op_images_push, &want, &answer);
}

static uint64_t begin_push(void)
{
    const struct images_push_request want = to_host(server_host(target));

    return peer_send(&store.images, &op_images_push, &want);
}

static enum error_code end_push(void)
{
    return peer_finish(&store.images, &op_images_push, &answer);
}

static const char *state_of(const char *host)
{
    char key[120];

    snprintf(key, sizeof(key), "http://%s", host);
    store.images.inside = true;
    must(peer_ask(&store.images, &op_images_host_health,
                  &(struct images_host_health_request){ .key = key }, &answer));
    store.images.inside = false;
    return ((const struct images_host_health_reply *)answer.body)->state;
}

/* ---- helpers that run ----------------------------------------------------------------------- */

static bool is_our_helper(const char *pid)
{
    char path[300], line[300] = "";
    FILE *file;
    int parent = 0;
    char *name;

    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fgets(line, sizeof(line), file) == NULL)
        line[0] = '\0';
    fclose(file);
    name = strrchr(line, ')');
    return strstr(line, "(gantry-fetch)") != NULL && name != NULL &&
           sscanf(name, ") %*c %d", &parent) == 1 && parent == getpid();
}

/* A gantry-fetch of this process; 0: none. */
static int helper(void)
{
    DIR *folder = opendir("/proc");
    int found = 0;

    assert_non_null(folder);
    for (struct dirent *entry; found == 0 && (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_our_helper(entry->d_name))
            found = atoi(entry->d_name);
    closedir(folder);
    return found;
}

static void assert_nothing_stays(void)
{
    EVENTUALLY(&store.images, helper() == 0);
    assert_nothing_half_done();
    assert_int_equal(files_in("ingests"), 0);
}

/* ---- the order --------------------------------------------------------------------------------
 */

static void reg_15_blobs_go_first_and_the_tag_goes_last(void **state)
{
    const struct images_push_reply *reply;
    bool documents = false;
    size_t count;

    (void)state;
    take_all();
    must(push_to(server_host(target)));
    reply = answer.body;
    assert_string_equal(reply->target->digest, image->target->digest);
    assert_int_equal(reply->present + reply->mounted, 0);
    assert_null(reply->host);
    count = server_count(target, NULL);
    for (size_t i = 0; i < count; i++) {
        if (is_document(server_seen(target, NULL, i, "target")))
            documents = true;
        else
            assert_false(documents);
    }
    assert_int_equal(server_count(target, SESSION), 3); /* config and two layers */
    assert_int_equal(documents_sent(), 2);
    assert_string_equal(server_seen(target, NULL, count - 1, "target"), "/v2/sent/manifests/1");
    assert_string_equal(state_of(server_host(target)), "well");
    assert_nothing_stays();
}

static void a_blob_that_is_refused_leaves_no_document(void **state)
{
    static const struct {
        int status;
        const char *words;
    } refusals[] = { { 403, "quota exceeded" },
                     { 413, "too large for us" },
                     { 500, "it is broken" },
                     { 507, "the disk is full" } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        server_stop(&target);
        target = server_start(SERVER_HTTP);
        on(UPLOADS, 202, "Location: one\r\n");
        server_add(target, SESSION,
                   &(struct server_reply){ .status = refusals[i].status,
                                           .body = refusals[i].words,
                                           .size = strlen(refusals[i].words) });
        take_documents();
        assert_int_not_equal(push_to(server_host(target)), ERROR_NONE);
        assert_says(refusals[i].words);
        assert_says("push ");
        assert_says(server_host(target));
        assert_int_equal(documents_sent(), 0);
        assert_nothing_stays();
    }
}

static void a_document_that_is_refused_leaves_no_tag(void **state)
{
    (void)state;
    on(UPLOADS, 202, "Location: one\r\n");
    on(SESSION, 201, NULL);
    on(document_path(&image->manifest), 404, NULL);
    on(document_path(&image->manifest), 400, NULL);
    on("/v2/sent/manifests/1", 201, NULL);
    assert_int_not_equal(push_to(server_host(target)), ERROR_NONE);
    assert_int_equal(server_count(target, "/v2/sent/manifests/1"), 0);
}

/* ---- what is not here as it should be ------------------------------------------------------- */

static const char *layer_file(void)
{
    return store_path(&store, "blobs/sha256/%s", image->layers[1].packed.digest + 7);
}

static void a_layer_that_is_not_here_is_named(void **state)
{
    (void)state;
    take_all();
    assert_int_equal(unlink(layer_file()), 0);
    assert_int_equal(push_to(server_host(target)), ERROR_FAILED_PRECONDITION);
    assert_says("is not here");
    assert_string_equal(answer.hint, "pull the image again");
    assert_int_equal(documents_sent(), 0);
}

/* It is about our disk: the host is well. */
static void a_layer_that_is_cut_short_is_not_sent(void **state)
{
    (void)state;
    take_all();
    assert_int_equal(truncate(layer_file(), 1000), 0);
    assert_int_equal(push_to(server_host(target)), ERROR_DATA_LOSS);
    assert_says("shorter than it should be");
    assert_int_equal(documents_sent(), 0);
    assert_string_equal(state_of(server_host(target)), "well");
}

/* ---- ends in the middle --------------------------------------------------------------------- */

/* One upload is under way, and its answer does not come. */
static uint64_t push_half(void)
{
    uint64_t id;

    on(UPLOADS, 202, "Location: one\r\n");
    server_add(target, SESSION, &(struct server_reply){ .status = 201, .gate = true });
    take_documents();
    id = begin_push();
    server_wait(target, SESSION, 1);
    return id;
}

static void push_again(void)
{
    server_release(target);
    must(push_to(server_host(target)));
    assert_int_equal(documents_sent(), 2);
    assert_nothing_stays();
}

static void a_push_that_is_cancelled_leaves_nothing_and_can_be_repeated(void **state)
{
    (void)state;
    peer_cancel(&store.images, push_half());
    assert_int_equal(end_push(), ERROR_CANCELLED);
    assert_int_equal(documents_sent(), 0);
    assert_nothing_stays();
    assert_string_not_equal(state_of(server_host(target)), "failed");
    push_again();
}

static void a_gantry_fetch_that_dies_is_told_and_is_no_hosts_fault(void **state)
{
    int pid;

    (void)state;
    push_half();
    pid = helper();
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(end_push(), ERROR_UNAVAILABLE);
    assert_says("gantry-fetch, which asks registries, was killed by signal 9");
    assert_says("push ");
    assert_int_equal(documents_sent(), 0);
    assert_nothing_stays();
    assert_string_equal(state_of(server_host(target)), "unknown");
    push_again();
}

static void a_push_that_has_no_time_left_ends(void **state)
{
    (void)state;
    store.images.ttl_ms = 300;
    push_half();
    assert_int_equal(end_push(), ERROR_DEADLINE_EXCEEDED);
    store.images.ttl_ms = 0;
    assert_int_equal(documents_sent(), 0);
    assert_nothing_stays();
    push_again();
}

/* ---- several tags ------------------------------------------------------------------------------
 */

static enum error_code push_tags(struct strs tags)
{
    struct images_push_request want = to_host(server_host(target));

    want.tags = tags;
    return peer_ask(&store.images, &op_images_push, &want, &answer);
}

static void take_tags(const char *confirmed)
{
    on(UPLOADS, 202, "Location: one\r\n");
    on(SESSION, 201, NULL);
    take_documents();
    on(document_path(&image->index), 201, confirmed);
    on("/v2/sent/manifests/b", 201, NULL);
    on("/v2/sent/manifests/c", 201, NULL);
}

static void reg_15_several_tags_go_at_once_and_only_those_not_confirmed_one_by_one(void **state)
{
    static const struct {
        const char *confirmed;
        size_t counts[3]; /* of requests for 1, b and c */
    } answers[] = {
        { "OCI-Tag: 1\r\nOCI-Tag: b\r\nOCI-Tag: c\r\n", { 0, 0, 0 } },
        { "OCI-Tag: c\r\n", { 1, 1, 0 } },
        { NULL, { 1, 1, 1 } },
    };
    const char *names[] = { "b", "c", "1", "b" };
    char last[300];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        size_t seen;

        server_stop(&target);
        target = server_start(SERVER_HTTP);
        take_tags(answers[i].confirmed);
        must(push_tags((struct strs){ COUNT_OF(names), names }));
        assert_int_equal(server_count(target, "/v2/sent/manifests/1"), answers[i].counts[0]);
        assert_int_equal(server_count(target, "/v2/sent/manifests/b"), answers[i].counts[1]);
        assert_int_equal(server_count(target, "/v2/sent/manifests/c"), answers[i].counts[2]);
        seen = server_count(target, NULL) - answers[i].counts[0] - answers[i].counts[1] -
               answers[i].counts[2];
        snprintf(last, sizeof(last), "%s?tag=1&tag=b&tag=c", document_path(&image->index));
        assert_string_equal(server_seen(target, NULL, seen - 1, "target"), last);
    }
}

static void reg_15_a_tag_that_is_none_is_said_before_anything_is_sent(void **state)
{
    const char *names[] = { "b", "c&tag=d" };
    const char *many[101];

    (void)state;
    assert_int_equal(push_tags((struct strs){ COUNT_OF(names), names }), ERROR_INVALID_ARGUMENT);
    assert_says("\"c&tag=d\" is no tag");
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = "b";
    assert_int_equal(push_tags((struct strs){ COUNT_OF(many), many }), ERROR_INVALID_ARGUMENT);
    assert_says("101 tags");
    assert_int_equal(server_count(target, NULL), 0);
}

/* ---- hosts that are down ----------------------------------------------------------------------
 */

static void a_host_that_is_down_is_named_and_comes_back(void **state)
{
    char host[64];

    (void)state;
    snprintf(host, sizeof(host), "%s", server_host(target));
    server_stop(&target);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(push_to(host), ERROR_UNAVAILABLE);
        assert_says(host);
        assert_string_equal(state_of(host), "left out");
    }
    assert_nothing_stays();
    target = server_start(SERVER_HTTP);
    take_all();
    must(push_to(server_host(target)));
    assert_string_equal(state_of(server_host(target)), "well");
}

/* The first looks, and the others are not sent to find the same. */
static void who_waits_for_a_host_shares_that_nobody_is_there(void **state)
{
    struct peer others[3];
    struct images_push_request want;
    char host[64];

    (void)state;
    snprintf(host, sizeof(host), "%s", server_host(target));
    server_stop(&target);
    assert_int_equal(push_to(host), ERROR_UNAVAILABLE);
    want = to_host(host);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        peer_open(&others[i], "images");
        others[i].namespace = store.images.namespace;
        peer_send(&others[i], &op_images_push, &want);
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        assert_int_equal(peer_finish(&others[i], &op_images_push, &answer), ERROR_UNAVAILABLE);
        assert_says(host);
        peer_close(&others[i]);
    }
    assert_nothing_stays();
}

/* ---- a real one ----------------------------------------------------------------------------- */

static void remove_image(const char *name)
{
    must(peer_ask(&store.images, &op_images_remove, &(struct images_remove_request){ .name = name },
                  &answer));
    collect();
    assert_false(has_blob(image->layers[0].packed.digest));
}

static void what_a_real_registry_gets_comes_back_as_it_was(void **state)
{
    CLEANUP(real_stop)
    struct real_registry *real = real_start(&(struct real_options){ .password = false });
    struct images_push_request again;
    const struct images_push_reply *pushed;
    char sent[100], elsewhere[100];

    (void)state;
    if (real == NULL) {
        print_message("skipped: there is no docker-registry\n");
        skip();
    }
    must(push_to(real_host(real)));
    remove_image(reference());
    snprintf(sent, sizeof(sent), "%s/sent:1", real_host(real));
    must(pull(.reference = sent));
    assert_string_equal(((const struct images_pull_reply *)answer.body)->image->target->digest,
                        image->target->digest);
    assert_sound();
    snprintf(elsewhere, sizeof(elsewhere), "%s/other:1", real_host(real));
    again = (struct images_push_request){ .name = sent, .reference = elsewhere };
    must(peer_ask(&store.images, &op_images_push, &again, &answer));
    pushed = answer.body;
    assert_int_equal(pushed->mounted, 3);
    assert_int_equal(pushed->sent, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PUSH_TEST(reg_15_blobs_go_first_and_the_tag_goes_last),
        PUSH_TEST(a_blob_that_is_refused_leaves_no_document),
        PUSH_TEST(a_document_that_is_refused_leaves_no_tag),
        PUSH_TEST(a_layer_that_is_not_here_is_named),
        PUSH_TEST(a_layer_that_is_cut_short_is_not_sent),
        PUSH_TEST(a_push_that_is_cancelled_leaves_nothing_and_can_be_repeated),
        PUSH_TEST(a_gantry_fetch_that_dies_is_told_and_is_no_hosts_fault),
        PUSH_TEST(a_push_that_has_no_time_left_ends),
        PUSH_TEST(reg_15_several_tags_go_at_once_and_only_those_not_confirmed_one_by_one),
        PUSH_TEST(reg_15_a_tag_that_is_none_is_said_before_anything_is_sent),
        PUSH_TEST(a_host_that_is_down_is_named_and_comes_back),
        PUSH_TEST(who_waits_for_a_host_shares_that_nobody_is_there),
        PUSH_TEST(what_a_real_registry_gets_comes_back_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
