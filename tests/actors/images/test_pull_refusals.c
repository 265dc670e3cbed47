/* test_pull_refusals — images that are not as they should be: a clear error, and nothing left. */
#include "tests/actors/images/pull_fixture.h"

/* Serves the image of the plan with these defects; the pull must fail, and say `says`. */
static void refuse(struct image_plan plan, enum error_code code, const char *says)
{
    enum error_code got;

    if (plan.layers == NULL) {
        plan.layers = small_layer();
        plan.layer_count = 1;
    }
    got = pull_plan(&plan);
    if (got != code)
        fail_msg("%s instead of %s: %s", error_code_name(got), error_code_name(code),
                 answer.message);
    assert_says(reference());
    assert_says(says);
    assert_nothing_left(0);
}

static void refuse_defect(unsigned defects, enum error_code code, const char *says)
{
    refuse((struct image_plan){ .defects = defects }, code, says);
}

static void refuse_layer(struct layer_plan layer, enum error_code code, const char *says)
{
    refuse((struct image_plan){ .layers = &layer, .layer_count = 1 }, code, says);
}

/* ---- documents ------------------------------------------------------------------------------- */

static void cve_2023_25153_a_manifest_over_4_mib_is_refused(void **state)
{
    (void)state;
    refuse_defect(IMAGE_OVER_4_MIB, ERROR_RESOURCE_EXHAUSTED, "4 MiB");
    refuse((struct image_plan){ .defects = IMAGE_OVER_4_MIB, .no_index = true },
           ERROR_RESOURCE_EXHAUSTED, "4 MiB");
}

static void a_manifest_with_other_bytes_than_its_digest_is_refused(void **state)
{
    (void)state;
    refuse_defect(IMAGE_MANIFEST_DIGEST, ERROR_DATA_LOSS, "sha256:");
}

static void a_manifest_that_is_no_json_is_refused(void **state)
{
    (void)state;
    refuse_defect(IMAGE_MANIFEST_NO_JSON, ERROR_DATA_LOSS, "manifest");
    refuse((struct image_plan){ .defects = IMAGE_MANIFEST_NO_JSON, .no_index = true },
           ERROR_DATA_LOSS, "manifest");
}

static void img_4_ghsa_5j5w_g665_5m35_a_manifest_that_is_an_index_as_well_is_refused(void **state)
{
    (void)state;
    refuse_defect(IMAGE_BOTH_KINDS, ERROR_DATA_LOSS, "ambiguous");
    refuse((struct image_plan){ .defects = IMAGE_BOTH_KINDS, .no_index = true }, ERROR_DATA_LOSS,
           "ambiguous");
}

static void img_4_a_manifest_that_calls_itself_something_else_is_refused(void **state)
{
    (void)state;
    refuse_defect(IMAGE_TYPE_LIES, ERROR_DATA_LOSS, "index");
}

static void img_4_schema_1_is_refused(void **state)
{
    (void)state;
    refuse((struct image_plan){ .defects = IMAGE_SCHEMA_1, .no_index = true }, ERROR_UNIMPLEMENTED,
           "schema");
}

static void a_config_that_is_no_json_is_refused(void **state)
{
    (void)state;
    refuse_defect(IMAGE_CONFIG_NO_JSON, ERROR_DATA_LOSS, "config");
}

static void img_14_a_config_whose_rootfs_is_no_layers_is_refused(void **state)
{
    (void)state;
    refuse_defect(IMAGE_ROOTFS_TYPE, ERROR_DATA_LOSS, "rootfs");
}

static void img_14_a_config_with_fewer_diff_ids_than_layers_is_refused(void **state)
{
    (void)state;
    refuse_defect(IMAGE_FEWER_DIFF_IDS, ERROR_DATA_LOSS, "diff");
}

static void a_missing_tag_is_named(void **state)
{
    (void)state;
    assert_int_equal(pull(), ERROR_NOT_FOUND);
    assert_says(reference());
    assert_nothing_left(0);
}

static void a_missing_manifest_is_named(void **state)
{
    (void)state;
    refuse_defect(IMAGE_NO_MANIFEST, ERROR_NOT_FOUND, "sha256:");
}

static void a_missing_config_is_named(void **state)
{
    (void)state;
    refuse_defect(IMAGE_NO_CONFIG_BLOB, ERROR_NOT_FOUND, "sha256:");
}

static void a_missing_layer_blob_is_named(void **state)
{
    (void)state;
    refuse_defect(IMAGE_NO_LAYER_BLOB, ERROR_NOT_FOUND, "sha256:");
}

/* ---- platforms ------------------------------------------------------------------------------ */

static void plt_6_no_platform_that_fits_lists_what_there_is_and_asks_for_no_layer(void **state)
{
    (void)state;
    refuse_defect(IMAGE_OTHER_PLATFORM, ERROR_NOT_FOUND, "plan9/mips");
    assert_says("linux/nios2");
    assert_says("no variant for linux/");
    assert_int_equal(server_count(server, NULL), 1);
}

static void plt_6_a_manifest_for_another_platform_says_which_and_asks_for_no_layer(void **state)
{
    (void)state;
    refuse((struct image_plan){ .defects = IMAGE_OTHER_PLATFORM, .no_index = true },
           ERROR_NOT_FOUND, "plan9/mips");
    assert_int_equal(server_count(server, NULL), 2); /* the manifest and its config */
}

static void plt_4_an_unsure_entry_that_turns_out_wrong_is_no_reason_to_take_it(void **state)
{
    (void)state;
    refuse((struct image_plan){ .defects = IMAGE_OTHER_PLATFORM, .no_platform = true },
           ERROR_NOT_FOUND, "plan9/mips");
}

static void img_10_indexes_are_not_followed_without_end(void **state)
{
    struct image_plan plan = { .layers = small_layer(), .layer_count = 1 };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    char json[6][400], digests[6][72], headers[200];

    (void)state;
    image_serve(server, "app", "inner", image);
    snprintf(digests[0], sizeof(digests[0]), "%s", image->index.digest);
    snprintf(headers, sizeof(headers), "Content-Type: %s\r\n", image->index_type);
    for (int i = 1; i < 6; i++) {
        snprintf(json[i], sizeof(json[i]),
                 "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"manifests\":[{\"mediaType\":\"%s\","
                 "\"digest\":\"%s\",\"size\":%zu}]}",
                 image->index_type, image->index_type, digests[i - 1],
                 i == 1 ? image->index.size : strlen(json[i - 1]));
        blob_digest(json[i], strlen(json[i]), digests[i]);
        server_add(
            server, manifest_path(digests[i]),
            &(struct server_reply){ .headers = headers, .body = json[i], .size = strlen(json[i]) });
    }
    server_add(
        server, manifest_path("latest"),
        &(struct server_reply){ .headers = headers, .body = json[5], .size = strlen(json[5]) });
    assert_int_equal(pull(), ERROR_DATA_LOSS);
    assert_says("nested");
    assert_nothing_left(0);
}

/* ---- types ---------------------------------------------------------------------------------- */

static void img_3_a_layer_of_unknown_type_is_named_and_nothing_is_downloaded(void **state)
{
    (void)state;
    refuse_defect(IMAGE_UNKNOWN_LAYER, ERROR_UNIMPLEMENTED,
                  "application/vnd.example.layer.v1.bzip2");
    assert_int_equal(server_count(server, NULL), 3); /* index, manifest, config */
}

static void img_3_a_layer_of_unknown_type_can_be_stored(void **state)
{
    struct image_plan plan = { .layers = small_layer(),
                               .layer_count = 1,
                               .defects = IMAGE_UNKNOWN_LAYER };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);

    (void)state;
    image_serve(server, "app", "latest", image);
    must(pull(.no_unpack = true, .has_no_unpack = true));
    assert_nothing_half_done();
    assert_true(has_blob(image->layers[0].packed.digest));
    assert_int_equal(peer_ask(&store.images, &op_images_unpack,
                              &(struct images_inspect_request){ .name = reference() }, &answer),
                     ERROR_UNIMPLEMENTED);
    assert_says("application/vnd.example.layer.v1.bzip2");
    assert_nothing_half_done();
}

/* ---- blobs ---------------------------------------------------------------------------------- */

static void reg_6_a_layer_of_another_digest_is_refused(void **state)
{
    (void)state;
    refuse_defect(IMAGE_WRONG_DIGEST, ERROR_DATA_LOSS, "layer sha256:");
}

static void img_7_a_layer_of_another_size_is_refused(void **state)
{
    (void)state;
    refuse_defect(IMAGE_SIZE_TOO_SMALL, ERROR_DATA_LOSS, "bytes");
    refuse_defect(IMAGE_SIZE_TOO_LARGE, ERROR_DATA_LOSS, "bytes");
    refuse_defect(IMAGE_HUGE_SIZE, ERROR_DATA_LOSS, "bytes");
}

static void img_14_a_layer_with_another_diff_id_is_refused(void **state)
{
    (void)state;
    refuse_defect(IMAGE_WRONG_DIFF_ID, ERROR_DATA_LOSS, "unpacks to");
}

static void a_layer_over_the_limit_is_refused(void **state)
{
    struct layer_entry entry;
    struct layer_plan layer;
    char *zeros = calloc(1, 1 << 20);

    (void)state;
    assert_non_null(zeros);
    entry = (struct layer_entry){ .path = "zeros", .text = zeros, .size = 1 << 20 };
    layer = (struct layer_plan){ .entries = &entry, .entry_count = 1 };
    store_stop(&store);
    store.layer_size = 1 << 20;
    store_start(&store);
    assert_int_equal(pull_layer(&layer), ERROR_RESOURCE_EXHAUSTED);
    assert_says("1048576");
    assert_nothing_half_done();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 0);
    free(zeros);
}

static void a_truncated_layer_is_refused(void **state)
{
    struct layer_plan layer = *small_layer();

    (void)state;
    layer.defect = LAYER_CUT_SHORT;
    refuse_layer(layer, ERROR_DATA_LOSS, "layer sha256:");
    layer.packing = LAYER_ZSTD;
    refuse_layer(layer, ERROR_DATA_LOSS, "layer sha256:");
}

static void a_layer_with_garbage_behind_it_is_refused(void **state)
{
    struct layer_plan layer = *small_layer();

    (void)state;
    layer.defect = LAYER_TRAILING_GARBAGE;
    refuse_layer(layer, ERROR_DATA_LOSS, "layer sha256:");
    layer.packing = LAYER_ZSTD;
    refuse_layer(layer, ERROR_DATA_LOSS, "layer sha256:");
}

static void a_layer_with_a_wrong_checksum_is_refused(void **state)
{
    struct layer_plan layer = *small_layer();

    (void)state;
    layer.defect = LAYER_BAD_CHECKSUM;
    refuse_layer(layer, ERROR_DATA_LOSS, "layer sha256:");
    layer.packing = LAYER_ZSTD;
    refuse_layer(layer, ERROR_DATA_LOSS, "layer sha256:");
}

static void a_layer_that_is_no_tar_is_refused(void **state)
{
    struct layer_plan layer = *small_layer();

    (void)state;
    layer.defect = LAYER_NO_TAR;
    refuse_layer(layer, ERROR_DATA_LOSS, "layer sha256:");
    layer.defect = LAYER_CUT_TAR;
    refuse_layer(layer, ERROR_DATA_LOSS, "layer sha256:");
}

/* ---- entries -------------------------------------------------------------------------------- */

static void refuse_entries(const struct layer_entry *entries, size_t count, const char *says)
{
    refuse_layer((struct layer_plan){ .entries = entries, .entry_count = count },
                 ERROR_INVALID_ARGUMENT, says);
    assert_false(fs_exists(store_path(&store, "outside")));
    assert_false(fs_exists("/tmp/outside"));
}

/* Dots lead to the root and no further; the file is in the layer then. */
static void an_entry_cannot_leave_by_dots(void **state)
{
    const struct layer_entry entries[] = { { .path = "../outside", .text = "1" },
                                           { .path = "a/../../../outside", .text = "2" },
                                           { .path = "/../fs/../../outside", .text = "3" } };
    const struct layer_plan layer = { .entries = entries, .entry_count = COUNT_OF(entries) };
    const struct images_pull_reply *reply;

    (void)state;
    must(pull_layer(&layer));
    reply = answer.body;
    assert_file(layer_path(reply->chain_id, "outside"), "3");
    assert_false(fs_exists(layer_path(reply->chain_id, "../outside")));
    assert_false(fs_exists(store_path(&store, "snapshots/outside")));
    assert_false(fs_exists(store_path(&store, "outside")));
}

static void an_entry_cannot_leave_by_a_link(void **state)
{
    const struct layer_entry entries[] = {
        { .path = "way", .type = ENTRY_SYMLINK, .text = "/tmp" },
        { .path = "way/outside", .text = "x" },
    };
    const struct layer_plan layer = { .entries = entries, .entry_count = COUNT_OF(entries) };
    enum error_code code = pull_layer(&layer);

    (void)state;
    assert_false(fs_exists("/tmp/outside"));
    if (code != ERROR_NONE && code != ERROR_INVALID_ARGUMENT)
        fail_msg("%s: %s", error_code_name(code), answer.message);
}

static void a_hard_link_cannot_reach_outside(void **state)
{
    const struct layer_entry up = { .path = "link",
                                    .type = ENTRY_HARDLINK,
                                    .text = "../../etc/passwd" };

    (void)state;
    refuse_entries(&up, 1, "link");
}

static void an_entry_cannot_set_overlay_attributes(void **state)
{
    const struct layer_entry entry = {
        .path = "d", .type = ENTRY_FOLDER, .xattr = "trusted.overlay.opaque", .xattr_value = "y"
    };

    (void)state;
    refuse_entries(&entry, 1, "trusted.overlay.opaque");
}

/* ---- what is kept --------------------------------------------------------------------------- */

/* An image of two layers, the second of which is not given out. */
static struct built_image *half_an_image(void)
{
    struct layer_entry entry;
    struct layer_plan layers[] = { *small_layer(), noise_layer("noise", 100000, &entry) };
    struct image_plan plan = { .layers = layers, .layer_count = 2 };
    struct built_image *image = image_build(&plan);

    free((char *)(uintptr_t)entry.text);
    image_serve(server, "app", "latest", image);
    serve_blob(&image->layers[1].packed, &(struct server_reply){ .status = 403, .gate = true });
    return image;
}

/* The second layer is refused when the first is done. */
static void pull_half(const struct built_image *image)
{
    begin_pull(&store.images);
    await_stage(&store.images, "done", &image->layers[0].packed);
    server_release(server);
    assert_int_equal(end_pull(&store.images), ERROR_PERMISSION_DENIED);
}

static void give_out_the_rest(const struct built_image *image)
{
    serve_blob(&image->layers[1].packed,
               &(struct server_reply){ .body = image->layers[1].packed.data,
                                       .size = image->layers[1].packed.size });
}

static void finished_layers_of_a_failed_pull_are_kept_until_it_succeeds(void **state)
{
    CLEANUP(image_drop) struct built_image *image = half_an_image();
    const struct images_remove_request remove = { .name = reference(), SET(sync, true) };

    (void)state;
    pull_half(image);
    assert_int_equal(pull(), ERROR_PERMISSION_DENIED);
    collect();
    assert_int_equal(server_count(server, blob_path(&image->layers[0].packed)), 1);
    assert_true(has_blob(image->layers[0].packed.digest));
    assert_file(layer_path(image->layers[0].tar.digest, "etc/motd"), "hello\n");
    assert_int_equal(store_number(&store, "SELECT count(*) FROM leases_lease"), 1);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_snapshot"
                                          " WHERE kind <> 'committed'"),
                     0);
    assert_sound();
    give_out_the_rest(image);
    must_pull();
    assert_int_equal(server_count(server, blob_path(&image->layers[0].packed)), 1);
    assert_nothing_half_done();
    must(peer_ask(&store.images, &op_images_remove, &remove, &answer));
    assert_nothing_left(0);
}

static void a_lease_of_the_callers_holds_what_was_finished(void **state)
{
    CLEANUP(image_drop) struct built_image *image = half_an_image();
    const struct leases_create_request lease = { .id = "mine" };
    const struct leases_remove_request end = { .id = "mine", SET(sync, true) };

    (void)state;
    must(peer_ask(&store.leases, &op_leases_create, &lease, &answer));
    store.images.lease = "mine";
    pull_half(image);
    collect();
    assert_true(has_blob(image->layers[0].packed.digest));
    assert_int_equal(store_number(&store, "SELECT count(*) FROM leases_lease"), 1);
    must(peer_ask(&store.leases, &op_leases_remove, &end, &answer));
    assert_nothing_left(0);
}

static void a_failed_pull_leaves_the_name_as_it_was(void **state)
{
    struct layer_plan bad = *small_layer();
    const struct images_pull_reply *reply;
    char digest[100];

    (void)state;
    must(pull_layer(small_layer()));
    reply = answer.body;
    snprintf(digest, sizeof(digest), "%s", reply->image->target->digest);
    bad.defect = LAYER_NO_TAR;
    assert_int_equal(pull_layer(&bad), ERROR_DATA_LOSS);
    must(peer_ask(&store.images, &op_images_get,
                  &(struct images_get_request){ .name = reference() }, &answer));
    assert_string_equal(((struct image_info *)answer.body)->target->digest, digest);
    assert_nothing_half_done();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_blob"), 4);
}

static void a_reference_that_is_none_is_refused(void **state)
{
    (void)state;
    assert_int_equal(pull(.reference = "Not A Reference"), ERROR_INVALID_ARGUMENT);
    assert_int_equal(pull(.reference = ""), ERROR_INVALID_ARGUMENT);
    assert_int_equal(pull(.platform = "not/a/plat/form"), ERROR_INVALID_ARGUMENT);
    assert_nothing_left(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PULL_TEST(cve_2023_25153_a_manifest_over_4_mib_is_refused),
        PULL_TEST(a_manifest_with_other_bytes_than_its_digest_is_refused),
        PULL_TEST(a_manifest_that_is_no_json_is_refused),
        PULL_TEST(img_4_ghsa_5j5w_g665_5m35_a_manifest_that_is_an_index_as_well_is_refused),
        PULL_TEST(img_4_a_manifest_that_calls_itself_something_else_is_refused),
        PULL_TEST(img_4_schema_1_is_refused),
        PULL_TEST(a_config_that_is_no_json_is_refused),
        PULL_TEST(img_14_a_config_whose_rootfs_is_no_layers_is_refused),
        PULL_TEST(img_14_a_config_with_fewer_diff_ids_than_layers_is_refused),
        PULL_TEST(a_missing_tag_is_named),
        PULL_TEST(a_missing_manifest_is_named),
        PULL_TEST(a_missing_config_is_named),
        PULL_TEST(a_missing_layer_blob_is_named),
        PULL_TEST(plt_6_no_platform_that_fits_lists_what_there_is_and_asks_for_no_layer),
        PULL_TEST(plt_6_a_manifest_for_another_platform_says_which_and_asks_for_no_layer),
        PULL_TEST(plt_4_an_unsure_entry_that_turns_out_wrong_is_no_reason_to_take_it),
        PULL_TEST(img_10_indexes_are_not_followed_without_end),
        PULL_TEST(img_3_a_layer_of_unknown_type_is_named_and_nothing_is_downloaded),
        PULL_TEST(img_3_a_layer_of_unknown_type_can_be_stored),
        PULL_TEST(reg_6_a_layer_of_another_digest_is_refused),
        PULL_TEST(img_7_a_layer_of_another_size_is_refused),
        PULL_TEST(img_14_a_layer_with_another_diff_id_is_refused),
        PULL_TEST(a_layer_over_the_limit_is_refused),
        PULL_TEST(a_truncated_layer_is_refused),
        PULL_TEST(a_layer_with_garbage_behind_it_is_refused),
        PULL_TEST(a_layer_with_a_wrong_checksum_is_refused),
        PULL_TEST(a_layer_that_is_no_tar_is_refused),
        PULL_TEST(an_entry_cannot_leave_by_dots),
        PULL_TEST(an_entry_cannot_leave_by_a_link),
        PULL_TEST(a_hard_link_cannot_reach_outside),
        PULL_TEST(an_entry_cannot_set_overlay_attributes),
        PULL_TEST(finished_layers_of_a_failed_pull_are_kept_until_it_succeeds),
        PULL_TEST(a_lease_of_the_callers_holds_what_was_finished),
        PULL_TEST(a_failed_pull_leaves_the_name_as_it_was),
        PULL_TEST(a_reference_that_is_none_is_refused),
    };

    return cmocka_run_group_tests_name("pull refusals", tests, NULL, NULL);
}
