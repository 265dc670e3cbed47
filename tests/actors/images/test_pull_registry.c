/* test_pull_registry — registries that cut, refuse, redirect, trickle and begin anew. */
#include "tests/actors/images/pull_fixture.h"

#define NOISE 300000

static struct server_reply reply_of(const struct built_blob *blob)
{
    return (struct server_reply){ .body = blob->data, .size = blob->size, .ranges = true };
}

/* ---- connections ---------------------------------------------------------------------------- */

static void reg_4_a_cut_connection_is_taken_up_where_it_broke(void **state)
{
    CLEANUP(image_drop) struct built_image *image = noisy_image(NOISE);
    const struct built_blob *layer = &image->layers[0].packed;
    struct server_reply cut = reply_of(layer), rest = reply_of(layer);
    const struct images_pull_reply *reply;

    (void)state;
    cut.cut = true;
    cut.cut_after = 100000;
    serve_blob(layer, &cut);
    server_add(server, blob_path(layer), &rest);
    reply = must_pull();
    assert_int_equal(server_count(server, blob_path(layer)), 2);
    assert_string_equal(server_seen(server, blob_path(layer), 1, "range"), "bytes=100000-");
    assert_int_equal(reply->downloaded,
                     image->index.size + image->manifest.size + image->config.size + layer->size);
    assert_nothing_half_done();
}

static void reg_4_a_registry_that_ignores_ranges_sends_it_again(void **state)
{
    CLEANUP(image_drop) struct built_image *image = noisy_image(NOISE);
    const struct built_blob *layer = &image->layers[0].packed;
    struct server_reply cut = reply_of(layer), whole = reply_of(layer);

    (void)state;
    cut.cut = true;
    cut.cut_after = 100000;
    whole.ranges = false;
    serve_blob(layer, &cut);
    server_add(server, blob_path(layer), &whole);
    must_pull();
    assert_nothing_half_done();
}

/* 416: it knows fewer bytes than we have; what the unpacker has seen is void. */
static void reg_4_a_registry_that_begins_anew_is_followed(void **state)
{
    CLEANUP(image_drop) struct built_image *image = noisy_image(NOISE);
    const struct built_blob *layer = &image->layers[0].packed;
    struct server_reply cut = reply_of(layer), whole = reply_of(layer);
    const struct images_pull_reply *reply;

    (void)state;
    cut.cut = true;
    cut.cut_after = 100000;
    serve_blob(layer, &cut);
    server_add(server, blob_path(layer), &(struct server_reply){ .status = 416 });
    server_add(server, blob_path(layer), &whole);
    reply = must_pull();
    assert_true(fs_exists(layer_path(reply->chain_id, "noise")));
    assert_nothing_half_done();
}

static void a_registry_that_never_delivers_is_given_up_and_the_bytes_are_kept(void **state)
{
    CLEANUP(image_drop) struct built_image *image = noisy_image(NOISE);
    const struct built_blob *layer = &image->layers[0].packed;
    struct server_reply cut = reply_of(layer), rest = reply_of(layer);

    (void)state;
    cut.cut = true;
    cut.cut_after = 100000;
    serve_blob(layer, &cut);
    server_add(server, blob_path(layer), &(struct server_reply){ .status = 503 });
    assert_int_equal(pull(), ERROR_UNAVAILABLE);
    assert_says("503");
    collect();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_ingest"), 1);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 0);
    assert_sound();

    serve_blob(layer, &rest);
    must_pull();
    assert_string_equal(
        server_seen(server, blob_path(layer), server_count(server, blob_path(layer)) - 1, "range"),
        "bytes=100000-");
    assert_nothing_half_done();
}

static void reg_6_kept_bytes_that_are_damaged_are_not_trusted(void **state)
{
    CLEANUP(image_drop) struct built_image *image = noisy_image(NOISE);
    const struct built_blob *layer = &image->layers[0].packed;
    struct server_reply cut = reply_of(layer), rest = reply_of(layer);
    char command[500];

    (void)state;
    cut.cut = true;
    cut.cut_after = 100000;
    serve_blob(layer, &cut);
    server_add(server, blob_path(layer), &(struct server_reply){ .status = 503 });
    assert_int_equal(pull(), ERROR_UNAVAILABLE);
    serve_blob(layer, &rest);
    store_stop(&store);
    snprintf(command, sizeof(command),
             "printf x | dd of=$(ls %s/ingests/*) bs=1 seek=50000 conv=notrunc status=none",
             store.root);
    assert_int_equal(system(command), 0);
    store_start(&store);
    must_pull(); /* it is begun anew */
    assert_string_not_equal(
        server_seen(server, blob_path(layer), server_count(server, blob_path(layer)) - 1, "range"),
        "bytes=100000-");
    assert_nothing_half_done();
}

static void reg_4_a_download_goes_on_after_a_restart(void **state)
{
    CLEANUP(image_drop) struct built_image *image = noisy_image(NOISE);
    const struct built_blob *layer = &image->layers[0].packed;
    struct server_reply cut = reply_of(layer), rest = reply_of(layer);

    (void)state;
    cut.cut = cut.hold = true;
    cut.cut_after = 100000;
    serve_blob(layer, &cut);
    begin_pull(&store.images);
    await_stage(&store.images, "download", layer);
    store_stop(&store); /* in the middle of it */
    serve_blob(layer, &rest);
    store_start(&store);
    collect();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM leases_lease"
                                          " WHERE id LIKE 'job-%'"),
                     0);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_ingest"), 1);
    must_pull();
    assert_int_equal(strncmp(server_seen(server, blob_path(layer), 1, "range"), "bytes=", 6), 0);
    assert_nothing_half_done();
}

static void a_registry_that_trickles_is_cut_off(void **state)
{
    CLEANUP(image_drop) struct built_image *image = noisy_image(NOISE);
    const struct built_blob *layer = &image->layers[0].packed;
    struct server_reply slow = reply_of(layer);

    (void)state;
    slow.cut = slow.hold = true;
    slow.cut_after = 70000; /* progress enough to be counted, then silence */
    serve_blob(layer, &slow);
    server_add(server, blob_path(layer),
               &(struct server_reply){ .body = layer->data, .size = layer->size, .ranges = true });
    must_pull();
    assert_int_equal(server_count(server, blob_path(layer)), 2);
    assert_nothing_half_done();
}

/* ---- answers -------------------------------------------------------------------------------- */

static void answers_with(int status, enum error_code code, const char *says)
{
    CLEANUP(image_drop) struct built_image *image = noisy_image(NOISE);
    const struct built_blob *layer = &image->layers[0].packed;
    enum error_code got;

    serve_blob(layer, &(struct server_reply){ .status = status });
    got = pull();
    if (got != code)
        fail_msg("%s instead of %s: %s", error_code_name(got), error_code_name(code),
                 answer.message);
    assert_says(says);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM images_image"), 0);
    collect();
    assert_sound();
}

static void reg_11_what_a_registry_answers_is_told(void **state)
{
    (void)state;
    answers_with(404, ERROR_NOT_FOUND, "sha256:");
    answers_with(401, ERROR_UNAUTHENTICATED, "127.0.0.1");
    answers_with(403, ERROR_PERMISSION_DENIED, "127.0.0.1");
    answers_with(500, ERROR_UNAVAILABLE, "500");
}

static void reg_12_a_registry_that_asks_for_patience_gets_it(void **state)
{
    CLEANUP(image_drop) struct built_image *image = noisy_image(NOISE);
    const struct built_blob *layer = &image->layers[0].packed;
    struct server_reply rest = reply_of(layer);

    (void)state;
    serve_blob(layer, &(struct server_reply){ .status = 429, .headers = "Retry-After: 0\r\n" });
    server_add(server, blob_path(layer), &(struct server_reply){ .status = 500 });
    server_add(server, blob_path(layer), &rest);
    must_pull();
    assert_int_equal(server_count(server, blob_path(layer)), 3);
    assert_nothing_half_done();
}

static void reg_12_a_registry_that_asks_for_too_much_patience_is_quoted(void **state)
{
    CLEANUP(image_drop) struct built_image *image = noisy_image(NOISE);
    const struct built_blob *layer = &image->layers[0].packed;

    (void)state;
    serve_blob(layer, &(struct server_reply){ .status = 429, .headers = "Retry-After: 3600\r\n" });
    assert_int_equal(pull(), ERROR_RESOURCE_EXHAUSTED);
    assert_int_equal(server_count(server, blob_path(layer)), 1);
    collect();
    assert_sound();
}

static void reg_3_a_redirect_is_followed(void **state)
{
    CLEANUP(server_stop) struct registry_server *elsewhere = server_start(SERVER_HTTP);
    CLEANUP(image_drop) struct built_image *image = noisy_image(NOISE);
    const struct built_blob *layer = &image->layers[0].packed;
    struct server_reply whole = reply_of(layer);
    char headers[200];

    (void)state;
    snprintf(headers, sizeof(headers), "Location: http://%s/data?signed=1\r\n",
             server_host(elsewhere));
    serve_blob(layer, &(struct server_reply){ .status = 307, .headers = headers });
    server_add(elsewhere, "/data", &whole);
    must_pull();
    assert_int_equal(server_count(elsewhere, "/data"), 1);
    assert_nothing_half_done();
}

static void reg_3_a_redirect_without_end_is_given_up(void **state)
{
    CLEANUP(image_drop) struct built_image *image = noisy_image(NOISE);
    const struct built_blob *layer = &image->layers[0].packed;
    char headers[300];

    (void)state;
    snprintf(headers, sizeof(headers), "Location: %s\r\n", blob_path(layer));
    serve_blob(layer, &(struct server_reply){ .status = 307, .headers = headers });
    assert_int_not_equal(pull(), ERROR_NONE);
    assert_says("redirect");
    collect();
    assert_sound();
}

static void a_registry_that_is_not_there_is_named(void **state)
{
    char nowhere[100];

    (void)state;
    snprintf(nowhere, sizeof(nowhere), "%s/app", server_host(server));
    server_stop(&server);
    assert_int_equal(pull(.reference = nowhere), ERROR_UNAVAILABLE);
    assert_says("127.0.0.1");
    assert_nothing_left(0);
    server = server_start(SERVER_HTTP);
}

static void reg_10_a_password_is_sent_where_it_is_asked_for(void **state)
{
    CLEANUP(image_drop) struct built_image *image = noisy_image(NOISE);
    struct server_reply index = { .body = image->index.data,
                                  .size = image->index.size,
                                  .wants = "Basic bWU6c2VjcmV0",
                                  .challenge = "Basic realm=\"here\"" };
    char headers[200];

    (void)state;
    snprintf(headers, sizeof(headers), "Content-Type: %s\r\n", image->index_type);
    index.headers = headers;
    server_forget(server, manifest_path("latest"));
    server_add(server, manifest_path("latest"), &index);
    assert_int_equal(pull(), ERROR_UNAUTHENTICATED);
    assert_int_equal(pull(.username = "me", .password = "wrong"), ERROR_UNAUTHENTICATED);
    must(pull(.username = "me", .password = "secret"));
    assert_nothing_half_done();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM events_journal"
                                          " WHERE instr(fields, 'secret') > 0"),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PULL_TEST(reg_4_a_cut_connection_is_taken_up_where_it_broke),
        PULL_TEST(reg_4_a_registry_that_ignores_ranges_sends_it_again),
        PULL_TEST(reg_4_a_registry_that_begins_anew_is_followed),
        PULL_TEST(a_registry_that_never_delivers_is_given_up_and_the_bytes_are_kept),
        PULL_TEST(reg_6_kept_bytes_that_are_damaged_are_not_trusted),
        PULL_TEST(reg_4_a_download_goes_on_after_a_restart),
        PULL_TEST(a_registry_that_trickles_is_cut_off),
        PULL_TEST(reg_11_what_a_registry_answers_is_told),
        PULL_TEST(reg_12_a_registry_that_asks_for_patience_gets_it),
        PULL_TEST(reg_12_a_registry_that_asks_for_too_much_patience_is_quoted),
        PULL_TEST(reg_3_a_redirect_is_followed),
        PULL_TEST(reg_3_a_redirect_without_end_is_given_up),
        PULL_TEST(a_registry_that_is_not_there_is_named),
        PULL_TEST(reg_10_a_password_is_sent_where_it_is_asked_for),
    };

    return cmocka_run_group_tests_name("pull from bad registries", tests, NULL, NULL);
}
