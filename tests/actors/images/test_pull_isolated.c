/* Pulls of namespaces that must not profit from each other, and of leases that end in between. */
#include "tests/actors/images/pull_fixture.h"

static struct built_image *serve_one(void)
{
    struct built_image *image =
        image_build(&(struct image_plan){ .layers = small_layer(), .layer_count = 1 });

    image_serve(server, "app", "latest", image);
    return image;
}

static void isolate(void)
{
    store_stop(&store);
    store.isolated = true;
    store_start(&store);
}

static void an_isolated_namespace_downloads_and_unpacks_itself(void **state)
{
    CLEANUP(image_drop) struct built_image *image = serve_one();
    const struct built_blob *layer = &image->layers[0].packed;

    (void)state;
    isolate();
    must_pull();
    store_use(&store, "other");
    must_pull();
    assert_int_equal(server_count(server, blob_path(layer)), 2);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 2);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"
                                          " WHERE chain IS NOT NULL"),
                     1);
    assert_nothing_half_done();
}

/* Not even by how long it takes: nobody waits for work of another namespace. */
static void isolated_namespaces_do_not_wait_for_each_other(void **state)
{
    CLEANUP(image_drop) struct built_image *image = serve_one();
    const struct built_blob *layer = &image->layers[0].packed;
    struct peer other;

    (void)state;
    isolate();
    peer_open(&other, "images");
    other.namespace = "other";
    serve_blob(layer, &(struct server_reply){
                          .body = layer->data, .size = layer->size, .ranges = true, .gate = true });
    begin_pull(&store.images);
    server_wait(server, blob_path(layer), 1);
    begin_pull(&other);
    server_wait(server, blob_path(layer), 2); /* it has asked for itself */
    server_release(server);
    must(end_pull(&store.images));
    must(end_pull(&other));
    peer_close(&other);
    assert_nothing_half_done();
}

static void a_shareable_namespace_lends_its_layers(void **state)
{
    CLEANUP(image_drop) struct built_image *image = serve_one();
    const struct built_blob *layer = &image->layers[0].packed;
    struct map_entry label = { "containerd.io/namespace.shareable", "true" };
    const struct namespaces_update_request lend = { .name = "default", .labels = { 1, &label } };

    (void)state;
    isolate();
    must_pull();
    must(peer_ask(&store.namespaces, &op_namespaces_update, &lend, &answer));
    store_use(&store, "other");
    must_pull();
    assert_int_equal(server_count(server, blob_path(layer)), 1);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 1);
}

/* The pull hears it at the next thing it makes, and what it has made goes. */
static void a_pull_ends_with_the_lease_it_hangs_on(void **state)
{
    CLEANUP(image_drop) struct built_image *image = serve_one();
    const struct built_blob *layer = &image->layers[0].packed;
    const struct leases_create_request lease = { .id = "short" };

    (void)state;
    must(peer_ask(&store.leases, &op_leases_create, &lease, &answer));
    store.images.lease = "short";
    serve_blob(layer, &(struct server_reply){
                          .body = layer->data, .size = layer->size, .ranges = true, .gate = true });
    begin_pull(&store.images);
    server_wait(server, blob_path(layer), 1);
    store_sql(&store, "UPDATE leases_lease SET expires = 1 WHERE id = 'short'");
    server_release(server);
    assert_int_equal(end_pull(&store.images), ERROR_NOT_FOUND);
    assert_says("lease short: there is none, or it has lapsed");
    store.images.lease = NULL;
    assert_nothing_half_done();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_blob"), 0);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PULL_TEST(an_isolated_namespace_downloads_and_unpacks_itself),
        PULL_TEST(isolated_namespaces_do_not_wait_for_each_other),
        PULL_TEST(a_shareable_namespace_lends_its_layers),
        PULL_TEST(a_pull_ends_with_the_lease_it_hangs_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
