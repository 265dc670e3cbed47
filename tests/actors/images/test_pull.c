/* test_pull — images that are as they should be, in every form there is. */
#include "tests/actors/images/pull_fixture.h"

static const struct layer_entry ground[] = {
    { .path = "etc", .type = ENTRY_FOLDER },
    { .path = "etc/motd", .text = "hello\n" },
    { .path = "etc/old", .text = "old\n" },
};
static const struct layer_entry above[] = {
    { .path = "etc", .type = ENTRY_FOLDER, .mode = 0750 },
    { .path = "etc/.wh.old" },
    { .path = "etc/new", .text = "new\n" },
};

static void img_13_an_image_comes_with_its_name_and_snapshot(void **state)
{
    struct image_plan plan = { .layers = small_layer(), .layer_count = 1 };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    const struct images_pull_reply *reply;

    (void)state;
    image_serve(server, "app", "latest", image);
    reply = must_pull();
    assert_string_equal(reply->image->name, reference());
    assert_string_equal(reply->image->target->digest, image->index.digest);
    assert_int_equal(reply->image->target->size, image->index.size);
    assert_string_equal(reply->image->target->media_type, image->index_type);
    assert_string_equal(reply->image->id, image->config.digest);
    assert_true(reply->changed);
    assert_int_equal(reply->downloaded, image->index.size + image->manifest.size +
                                            image->config.size + image->layers[0].packed.size);
    assert_string_equal(reply->chain_id, image->layers[0].tar.digest);
    assert_file(layer_path(reply->chain_id, "etc/motd"), "hello\n");
    assert_nothing_half_done();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_blob"), 4);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_ingest"), 0);
}

/* ---- forms -------------------------------------------------------------------------------- */

static void pull_form(struct image_plan plan, enum layer_packing packing)
{
    struct layer_plan layers[] = {
        { .entries = ground, .entry_count = COUNT_OF(ground), .packing = packing },
        { .entries = above, .entry_count = COUNT_OF(above), .packing = packing },
    };
    const struct images_pull_reply *reply;
    const char *top;

    plan.layers = layers;
    plan.layer_count = COUNT_OF(layers);
    must(pull_plan(&plan));
    reply = answer.body;
    top = reply->chain_id;
    assert_file(layer_path(top, "etc/new"), "new\n");
    assert_nothing_half_done();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_snapshot"), 2);
}

static void img_2_oci_types_come_as_gzip(void **state)
{
    (void)state;
    pull_form((struct image_plan){ 0 }, LAYER_GZIP);
}

static void img_2_oci_types_come_as_zstd(void **state)
{
    (void)state;
    pull_form((struct image_plan){ 0 }, LAYER_ZSTD);
}

static void img_2_oci_types_come_plain(void **state)
{
    (void)state;
    pull_form((struct image_plan){ 0 }, LAYER_PLAIN);
}

static void img_2_docker_types_come_as_gzip(void **state)
{
    (void)state;
    pull_form((struct image_plan){ .docker = true }, LAYER_GZIP);
}

static void img_2_docker_types_come_plain(void **state)
{
    (void)state;
    pull_form((struct image_plan){ .docker = true }, LAYER_PLAIN);
}

static void img_2_docker_types_come_as_zstd(void **state)
{
    (void)state;
    pull_form((struct image_plan){ .docker = true }, LAYER_ZSTD);
}

/* The registry has them all the same. */
static void img_2_layers_that_registries_need_not_have_are_layers(void **state)
{
    (void)state;
    for (int packing = LAYER_GZIP; packing <= LAYER_PLAIN; packing++) {
        pull_form((struct image_plan){ .foreign = true }, (enum layer_packing)packing);
        pull_form((struct image_plan){ .foreign = true, .docker = true },
                  (enum layer_packing)packing);
    }
}

static void a_manifest_needs_no_index(void **state)
{
    (void)state;
    pull_form((struct image_plan){ .no_index = true }, LAYER_GZIP);
    pull_form((struct image_plan){ .no_index = true, .docker = true }, LAYER_GZIP);
}

static void img_10_an_index_may_hold_another(void **state)
{
    (void)state;
    pull_form((struct image_plan){ .nested = true }, LAYER_GZIP);
}

static void plt_4_an_entry_without_platform_is_looked_at(void **state)
{
    (void)state;
    pull_form((struct image_plan){ .no_platform = true }, LAYER_GZIP);
}

static void other_platforms_are_not_asked_for(void **state)
{
    (void)state;
    pull_form((struct image_plan){ .more_platforms = true }, LAYER_GZIP);
    assert_int_equal(server_count(server, NULL), 5); /* index, manifest, config, two layers */
}

static void plt_6_another_platform_can_be_asked_for(void **state)
{
    const char *other = strcmp(machine_arch(), "arm64") == 0 ? "amd64" : "arm64";
    struct image_plan plan = { .layers = small_layer(), .layer_count = 1, .architecture = other };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    char platform[32];

    (void)state;
    snprintf(platform, sizeof(platform), "linux/%s", other);
    image_serve(server, "app", "latest", image);
    must(pull(.platform = platform));
    assert_true(has_blob(image->config.digest));
}

static void layers_that_are_the_same_come_once(void **state)
{
    struct layer_plan layers[] = { *small_layer(), *small_layer(), *small_layer() };
    struct image_plan plan = { .layers = layers, .layer_count = 3 };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);

    (void)state;
    image_serve(server, "app", "latest", image);
    must_pull();
    assert_int_equal(server_count(server, blob_path(&image->layers[0].packed)), 1);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_snapshot"), 3);
    assert_nothing_half_done();
}

static void an_image_may_have_no_layers(void **state)
{
    const struct images_pull_reply *reply;

    (void)state;
    must(pull_plan(&(struct image_plan){ .no_index = true }));
    reply = answer.body;
    assert_null(reply->chain_id);
    assert_nothing_half_done();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_snapshot"), 0);
}

static void img_9_an_artifact_is_stored_and_not_unpacked(void **state)
{
    struct image_plan plan = { .layers = small_layer(),
                               .layer_count = 1,
                               .no_index = true,
                               .config_type = "application/vnd.example.config.v1+json",
                               .defects = IMAGE_UNKNOWN_LAYER };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    const struct images_pull_reply *reply;

    (void)state;
    image_serve(server, "app", "latest", image);
    reply = must_pull();
    assert_null(reply->chain_id);
    assert_true(has_blob(image->layers[0].packed.digest));
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_snapshot"), 0);
    assert_nothing_half_done();
    assert_true(has_blob(image->layers[0].packed.digest));
}

static void a_digest_is_a_reference(void **state)
{
    struct image_plan plan = { .layers = small_layer(), .layer_count = 1 };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    const struct images_pull_reply *reply;
    char by_digest[300];

    (void)state;
    image_serve(server, "app", "latest", image);
    snprintf(by_digest, sizeof(by_digest), "%s/app@%s", server_host(server), image->index.digest);
    must(pull(.reference = by_digest));
    reply = answer.body;
    assert_string_equal(reply->image->name, by_digest);
    assert_string_equal(server_seen(server, NULL, 0, "target"), manifest_path(image->index.digest));
}

/* ---- not unpacked ---------------------------------------------------------------------------- */

static void only_downloading_makes_no_snapshot(void **state)
{
    const struct images_pull_reply *reply;

    (void)state;
    assert_int_equal(pull_layer(small_layer()), ERROR_NONE);
    collect();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_snapshot"), 1);
    store_use(&store, "other");
    must(pull(.no_unpack = true, .has_no_unpack = true));
    reply = answer.body;
    assert_null(reply->chain_id);
    assert_int_equal(
        store_number(&store, "SELECT count(*) FROM snapshots_snapshot WHERE namespace = 'other'"),
        0);
    assert_nothing_half_done();
}

static void what_was_only_downloaded_can_be_unpacked_and_stays(void **state)
{
    struct image_plan plan = { .layers = small_layer(), .layer_count = 1 };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    const struct images_inspect_reply *reply;
    char name[100];
    size_t requests;

    (void)state;
    image_serve(server, "app", "latest", image);
    must(pull(.no_unpack = true, .has_no_unpack = true));
    requests = server_count(server, NULL);
    snprintf(name, sizeof(name), "%s", reference());
    must(peer_ask(&store.images, &op_images_unpack,
                  &(struct images_inspect_request){ .name = name }, &answer));
    reply = answer.body;
    assert_string_equal(reply->chain_id, image->layers[0].tar.digest);
    assert_nothing_half_done(); /* the collector has run */
    assert_file(layer_path(image->layers[0].tar.digest, "etc/motd"), "hello\n");
    assert_int_equal(server_count(server, NULL), requests);
}

/* ---- labels --------------------------------------------------------------------------------- */

static void assert_label(const char *digest, const char *key, const char *value)
{
    const struct content_stat_request want = { .digest = digest };
    const struct content_info *info;
    struct answer found = { 0 };
    const char *text;

    if (peer_ask(&store.content, &op_content_stat, &want, &found) != ERROR_NONE)
        fail_msg("%s", found.message);
    info = found.body;
    text = map_get(&info->labels, key);
    if (text == NULL || strcmp(text, value) != 0)
        fail_msg("%s of %s is %s, not %s", key, digest, text, value);
    answer_free(&found);
}

static void labels_say_what_leads_to_what(void **state)
{
    struct layer_plan layers[] = { *small_layer(),
                                   { .entries = above, .entry_count = COUNT_OF(above) } };
    struct image_plan plan = { .layers = layers, .layer_count = 2, .more_platforms = true };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    const struct images_pull_reply *reply;
    char origin[100], label[100];

    (void)state;
    snprintf(origin, sizeof(origin), "containerd.io/distribution.source.%s", server_host(server));
    image_serve(server, "app", "latest", image);
    reply = must_pull();
    assert_label(image->index.digest, "containerd.io/gc.ref.content.m.3", image->manifest.digest);
    assert_label(image->manifest.digest, "containerd.io/gc.ref.content.config",
                 image->config.digest);
    assert_label(image->manifest.digest, "containerd.io/gc.ref.content.l.0",
                 image->layers[0].packed.digest);
    assert_label(image->manifest.digest, "containerd.io/gc.ref.content.l.1",
                 image->layers[1].packed.digest);
    snprintf(label, sizeof(label), "containerd.io/gc.ref.snapshot.%s", store_driver());
    assert_label(image->config.digest, label, reply->chain_id);
    assert_label(image->index.digest, origin, "app");
    assert_label(image->manifest.digest, origin, "app");
    assert_label(image->config.digest, origin, "app");
    assert_label(image->layers[0].packed.digest, origin, "app");
}

static void what_the_user_labels_is_the_name(void **state)
{
    struct map_entry mine = { "who", "me" };
    const struct images_pull_reply *reply;

    (void)state;
    must(pull_layer(small_layer()));
    must(pull(.labels = { 1, &mine }));
    reply = answer.body;
    assert_string_equal(map_get(&reply->image->labels, "who"), "me");
    must(pull());
    reply = answer.body;
    assert_string_equal(map_get(&reply->image->labels, "who"), "me");
}

/* ---- again ---------------------------------------------------------------------------------- */

static void the_second_time_only_the_name_is_looked_up(void **state)
{
    const struct images_pull_reply *reply;
    int64_t events;

    (void)state;
    must(pull_layer(small_layer()));
    assert_int_equal(server_count(server, NULL), 4);
    events = store_number(&store, "SELECT count(*) FROM events_journal WHERE topic LIKE '/image%'");
    reply = must_pull();
    assert_false(reply->changed);
    assert_int_equal(server_count(server, NULL), 5);
    assert_string_equal(server_seen(server, NULL, 4, "target"), manifest_path("latest"));
    assert_int_equal(
        store_number(&store, "SELECT count(*) FROM events_journal WHERE topic LIKE '/image%'"),
        events);
    assert_nothing_half_done();
}

static void a_name_that_has_moved_brings_what_is_new(void **state)
{
    struct layer_plan layers[] = { *small_layer(),
                                   { .entries = above, .entry_count = COUNT_OF(above) } };
    struct image_plan plan = { .layers = layers, .layer_count = 2 };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    const struct images_pull_reply *reply;

    (void)state;
    must(pull_layer(small_layer()));
    image_serve(server, "app", "latest", image);
    reply = must_pull();
    assert_true(reply->changed);
    assert_string_equal(reply->image->target->digest, image->index.digest);
    assert_int_equal(server_count(server, blob_path(&image->layers[0].packed)), 1);
    assert_nothing_half_done();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_blob"), 5);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM images_image"), 1);
}

static void another_namespace_gets_rows_without_download_and_unpacking(void **state)
{
    struct layer_plan layers[] = { *small_layer(),
                                   { .entries = above, .entry_count = COUNT_OF(above) } };
    struct image_plan plan = { .layers = layers, .layer_count = 2 };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    const struct images_pull_reply *reply;

    (void)state;
    image_serve(server, "app", "latest", image);
    must_pull();
    store_use(&store, "other");
    reply = must_pull();
    assert_true(reply->changed);
    assert_int_equal(server_count(server, blob_path(&image->layers[0].packed)), 1);
    assert_int_equal(server_count(server, blob_path(&image->layers[1].packed)), 1);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 2);
    assert_int_equal(
        store_number(&store, "SELECT count(*) FROM snapshots_snapshot WHERE namespace = 'other'"),
        2);
    assert_nothing_half_done();
    assert_int_equal(files_in("snapshots"), 2);
    assert_int_equal(files_in("blobs/sha256"), 5);
}

/* The top is new, and so is the layer in the middle for this namespace only. */
static void another_namespace_takes_what_is_there_and_makes_the_rest(void **state)
{
    const struct layer_entry last[] = { { .path = "etc/last", .text = "last\n" } };
    struct layer_plan layers[] = { *small_layer(),
                                   { .entries = above, .entry_count = COUNT_OF(above) },
                                   { .entries = last, .entry_count = COUNT_OF(last) } };
    CLEANUP(image_drop)
    struct built_image *image =
        image_build(&(struct image_plan){ .layers = layers, .layer_count = 3 });
    const struct images_pull_reply *reply;

    (void)state;
    must(pull_plan(&(struct image_plan){ .layers = layers, .layer_count = 2 }));
    store_use(&store, "other");
    must(pull_plan(&(struct image_plan){ .layers = layers, .layer_count = 1 }));
    image_serve(server, "app", "latest", image);
    reply = must_pull();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 3);
    assert_int_equal(
        store_number(&store, "SELECT count(*) FROM snapshots_snapshot WHERE namespace = 'other'"),
        3);
    assert_file(layer_path(reply->chain_id, "etc/last"), "last\n");
    assert_int_equal(server_count(server, blob_path(&image->layers[1].packed)), 1);
    assert_nothing_half_done();
}

static void a_lost_snapshot_is_unpacked_again_without_download(void **state)
{
    const struct images_pull_reply *reply;
    char chain[100];

    (void)state;
    must(pull_layer(small_layer()));
    reply = answer.body;
    snprintf(chain, sizeof(chain), "%s", reply->chain_id);
    must(peer_ask(&store.snapshots, &op_snapshots_remove,
                  &(struct snapshots_key_request){ .key = chain }, &answer));
    reply = must_pull();
    assert_file(layer_path(reply->chain_id, "etc/motd"), "hello\n");
    assert_int_equal(server_count(server, NULL), 5);
    assert_nothing_half_done();
}

static void a_removed_image_leaves_nothing(void **state)
{
    const struct images_remove_request want = { .name = reference(), SET(sync, true) };

    (void)state;
    must(pull_layer(small_layer()));
    must(peer_ask(&store.images, &op_images_remove, &want, &answer));
    assert_nothing_left(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PULL_TEST(img_13_an_image_comes_with_its_name_and_snapshot),
        PULL_TEST(img_2_oci_types_come_as_gzip),
        PULL_TEST(img_2_oci_types_come_as_zstd),
        PULL_TEST(img_2_oci_types_come_plain),
        PULL_TEST(img_2_docker_types_come_as_gzip),
        PULL_TEST(img_2_docker_types_come_plain),
        PULL_TEST(img_2_docker_types_come_as_zstd),
        PULL_TEST(img_2_layers_that_registries_need_not_have_are_layers),
        PULL_TEST(a_manifest_needs_no_index),
        PULL_TEST(img_10_an_index_may_hold_another),
        PULL_TEST(plt_4_an_entry_without_platform_is_looked_at),
        PULL_TEST(other_platforms_are_not_asked_for),
        PULL_TEST(plt_6_another_platform_can_be_asked_for),
        PULL_TEST(layers_that_are_the_same_come_once),
        PULL_TEST(an_image_may_have_no_layers),
        PULL_TEST(img_9_an_artifact_is_stored_and_not_unpacked),
        PULL_TEST(a_digest_is_a_reference),
        PULL_TEST(only_downloading_makes_no_snapshot),
        PULL_TEST(what_was_only_downloaded_can_be_unpacked_and_stays),
        PULL_TEST(labels_say_what_leads_to_what),
        PULL_TEST(what_the_user_labels_is_the_name),
        PULL_TEST(the_second_time_only_the_name_is_looked_up),
        PULL_TEST(a_name_that_has_moved_brings_what_is_new),
        PULL_TEST(another_namespace_gets_rows_without_download_and_unpacking),
        PULL_TEST(another_namespace_takes_what_is_there_and_makes_the_rest),
        PULL_TEST(a_lost_snapshot_is_unpacked_again_without_download),
        PULL_TEST(a_removed_image_leaves_nothing),
    };

    return cmocka_run_group_tests_name("pull", tests, NULL, NULL);
}
