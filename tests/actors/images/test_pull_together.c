/* test_pull_together — several pulls at once, and pulls that are given up. */
#include "tests/actors/images/pull_fixture.h"

static struct built_image *two_layers(void)
{
    struct layer_entry entry;
    struct layer_plan layers[] = { *small_layer(), noise_layer("noise", 300000, &entry) };
    struct built_image *image =
        image_build(&(struct image_plan){ .layers = layers, .layer_count = 2 });

    free((char *)(uintptr_t)entry.text);
    image_serve(server, "app", "latest", image);
    return image;
}

/* The second layer stops in the middle and says no more. */
static void hold_second(const struct built_image *image)
{
    const struct built_blob *layer = &image->layers[1].packed;

    serve_blob(layer, &(struct server_reply){ .body = layer->data,
                                              .size = layer->size,
                                              .ranges = true,
                                              .cut = true,
                                              .hold = true,
                                              .cut_after = 100000 });
}

static void serve_second(const struct built_image *image)
{
    const struct built_blob *layer = &image->layers[1].packed;

    serve_blob(layer,
               &(struct server_reply){ .body = layer->data, .size = layer->size, .ranges = true });
}

static void two_clients_download_and_unpack_once(const char *other_namespace)
{
    CLEANUP(image_drop) struct built_image *image = two_layers();
    const struct built_blob *layer = &image->layers[1].packed;
    struct peer other;

    peer_open(&other, "images");
    other.namespace = other_namespace;
    serve_blob(layer, &(struct server_reply){
                          .body = layer->data, .size = layer->size, .ranges = true, .gate = true });
    begin_pull(&store.images);
    server_wait(server, blob_path(layer), 1);
    begin_pull(&other);
    server_wait(server, manifest_path("latest"), 2);
    server_release(server);
    must(end_pull(&store.images));
    must(end_pull(&other));
    peer_close(&other);
    assert_int_equal(server_count(server, blob_path(&image->layers[0].packed)), 1);
    assert_int_equal(server_count(server, blob_path(layer)), 1);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 2);
    /* Numbers are given out once for each place to unpack: there were no more than two. */
    assert_int_equal(
        store_number(&store, "SELECT seq FROM sqlite_sequence WHERE name = 'snapshots_layer'"), 2);
    assert_nothing_half_done();
}

static void two_clients_of_one_image_download_and_unpack_it_once(void **state)
{
    (void)state;
    two_clients_download_and_unpack_once(NULL);
}

static void two_namespaces_download_and_unpack_it_once(void **state)
{
    (void)state;
    two_clients_download_and_unpack_once("other");
    assert_int_equal(
        store_number(&store, "SELECT count(*) FROM snapshots_snapshot WHERE namespace = 'other'"),
        2);
}

static void a_pull_goes_on_when_the_one_it_waited_for_is_given_up(void **state)
{
    CLEANUP(image_drop) struct built_image *image = two_layers();
    const struct built_blob *layer = &image->layers[1].packed;
    struct peer other;
    uint64_t first;

    (void)state;
    peer_open(&other, "images");
    hold_second(image);
    server_add(server, blob_path(layer),
               &(struct server_reply){ .body = layer->data, .size = layer->size, .ranges = true });
    first = begin_pull(&store.images);
    await_stage(&store.images, "download", layer);
    begin_pull(&other);
    server_wait(server, manifest_path("latest"), 2);
    peer_cancel(&store.images, first);
    assert_int_equal(end_pull(&store.images), ERROR_CANCELLED);
    must(end_pull(&other));
    peer_close(&other);
    assert_int_equal(server_count(server, blob_path(layer)), 2);
    assert_int_equal(strncmp(server_seen(server, blob_path(layer), 1, "range"), "bytes=", 6), 0);
    assert_nothing_half_done();
}

/* The first layer is finished, the second has begun. */
static void await_the_middle(struct peer *peer, const struct built_image *image)
{
    bool done = false, begun = false;

    while (!(done && begun) && peer_receive(peer, &op_images_pull, &answer)) {
        const struct progress *progress = answer.body;

        assert_string_equal(answer.envelope.kind, "progress");
        if (progress->item == NULL)
            continue;
        done |= strcmp(progress->stage, "done") == 0 &&
                strcmp(progress->item, image->layers[0].packed.digest) == 0;
        begun |= strcmp(progress->stage, "download") == 0 &&
                 strcmp(progress->item, image->layers[1].packed.digest) == 0;
    }
}

/* Nothing holds any more what is made, and the collector is quick. */
static void a_pull_whose_lease_lapses_says_so_and_leaves_nothing(void **state)
{
    CLEANUP(image_drop) struct built_image *image = two_layers();
    const struct built_blob *layer = &image->layers[1].packed;
    const struct leases_create_request lease = { .id = "short" };

    (void)state;
    must(peer_ask(&store.leases, &op_leases_create, &lease, &answer));
    store.images.lease = "short";
    serve_blob(layer, &(struct server_reply){
                          .body = layer->data, .size = layer->size, .ranges = true, .gate = true });
    begin_pull(&store.images);
    server_wait(server, blob_path(layer), 1);
    store_sql(&store, "UPDATE leases_lease SET expires = 1 WHERE id = 'short'");
    collect();
    server_release(server);
    assert_int_equal(end_pull(&store.images), ERROR_NOT_FOUND);
    assert_says("lease short: there is none, or it has lapsed");
    store.images.lease = NULL;
    collect();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM images_image"), 0);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_snapshot"), 0);
    serve_second(image);
    must_pull();
    assert_nothing_half_done();
}

static void a_cancelled_pull_leaves_nothing_half_done_and_the_next_goes_on(void **state)
{
    CLEANUP(image_drop) struct built_image *image = two_layers();
    const struct built_blob *layer = &image->layers[1].packed;
    uint64_t id;

    (void)state;
    hold_second(image);
    id = begin_pull(&store.images);
    await_the_middle(&store.images, image);
    peer_cancel(&store.images, id);
    assert_int_equal(end_pull(&store.images), ERROR_CANCELLED);
    collect();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM images_image"), 0);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_ingest"), 1);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_snapshot"
                                          " WHERE kind <> 'committed'"),
                     0);
    assert_sound();
    assert_file(layer_path(image->layers[0].tar.digest, "etc/motd"), "hello\n");
    serve_second(image);
    must_pull();
    assert_int_equal(server_count(server, blob_path(&image->layers[0].packed)), 1);
    assert_int_equal(strncmp(server_seen(server, blob_path(layer), 1, "range"), "bytes=", 6), 0);
    assert_nothing_half_done();
}

static void a_pull_without_time_is_given_up(void **state)
{
    CLEANUP(image_drop) struct built_image *image = two_layers();

    (void)state;
    hold_second(image);
    store.images.ttl_ms = 200;
    assert_int_equal(pull(), ERROR_DEADLINE_EXCEEDED);
    store.images.ttl_ms = 0;
    serve_second(image);
    must_pull();
    assert_nothing_half_done();
}

static void a_pull_that_waits_for_another_can_be_cancelled(void **state)
{
    CLEANUP(image_drop) struct built_image *image = two_layers();
    struct peer other;
    uint64_t id;

    (void)state;
    peer_open(&other, "images");
    hold_second(image);
    begin_pull(&store.images);
    await_stage(&store.images, "download", &image->layers[1].packed);
    id = begin_pull(&other);
    server_wait(server, manifest_path("latest"), 2);
    peer_cancel(&other, id);
    assert_int_equal(end_pull(&other), ERROR_CANCELLED);
    peer_close(&other);
}

/* What is pulled stands on layers whose name is removed at the same time. */
static void removing_an_image_meanwhile_takes_nothing_away(void **state)
{
    CLEANUP(image_drop) struct built_image *image = NULL;
    const struct images_remove_request remove = { .name = reference(), SET(sync, true) };
    struct answer removed = { 0 };
    struct peer other;

    (void)state;
    must(pull_layer(small_layer()));
    image = two_layers();
    serve_blob(&image->layers[1].packed,
               &(struct server_reply){ .body = image->layers[1].packed.data,
                                       .size = image->layers[1].packed.size,
                                       .gate = true });
    peer_open(&other, "images");
    begin_pull(&store.images);
    server_wait(server, blob_path(&image->layers[1].packed), 1);
    if (peer_ask(&other, &op_images_remove, &remove, &removed) != ERROR_NONE)
        fail_msg("%s", removed.message);
    answer_free(&removed);
    peer_close(&other);
    server_release(server);
    must(end_pull(&store.images));
    assert_nothing_half_done();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_snapshot"), 2);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_blob"), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PULL_TEST(a_pull_whose_lease_lapses_says_so_and_leaves_nothing),
        PULL_TEST(two_clients_of_one_image_download_and_unpack_it_once),
        PULL_TEST(two_namespaces_download_and_unpack_it_once),
        PULL_TEST(a_pull_goes_on_when_the_one_it_waited_for_is_given_up),
        PULL_TEST(a_cancelled_pull_leaves_nothing_half_done_and_the_next_goes_on),
        PULL_TEST(a_pull_without_time_is_given_up),
        PULL_TEST(a_pull_that_waits_for_another_can_be_cancelled),
        PULL_TEST(removing_an_image_meanwhile_takes_nothing_away),
    };

    return cmocka_run_group_tests_name("pulls together", tests, NULL, NULL);
}
