/* test_pull_bombs — images that are small until somebody looks into them. */
#include "tests/actors/images/pull_fixture.h"

#include "protocol/oci/media.h"

static void serve_text(const char *tag_or_digest, const char *type, const char *text, size_t size)
{
    char headers[200];

    snprintf(headers, sizeof(headers), "Content-Type: %s\r\n", type);
    server_forget(server, manifest_path(tag_or_digest));
    server_add(server, manifest_path(tag_or_digest),
               &(struct server_reply){ .headers = headers, .body = text, .size = size });
}

/* ---- indexes -----------------------------------------------------------------------------------
 */

/* An index that names one document `count` times; `padding` bytes of annotations make it larger. */
static char *index_text(const char *digest, size_t size, const char *type, int count, int padding)
{
    size_t room = (size_t)padding + 400 + (size_t)count * 300, used;
    char *text = malloc(room);

    assert_non_null(text);
    used = (size_t)snprintf(text, room,
                            "{\"schemaVersion\":2,\"annotations\":{\"x\":\"%*s\"},\"manifests\":[",
                            padding, "");
    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, room - used,
                                 "%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}",
                                 i > 0 ? "," : "", type, digest, size);
    snprintf(text + used, room - used, "]}");
    return text;
}

/* Three indexes, each of which names the next so often, and an image for another machine. */
static void serve_tree(int count, int padding)
{
    struct image_plan plan = {
        .layers = small_layer(), .layer_count = 1, .no_index = true, .defects = IMAGE_OTHER_PLATFORM
    };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    const char *type = MEDIA_OCI_MANIFEST;
    size_t size = image->manifest.size;
    char digest[72];

    image_serve(server, "app", "unused", image);
    snprintf(digest, sizeof(digest), "%s", image->manifest.digest);
    for (int level = 0; level < 3; level++) {
        char *text = index_text(digest, size, type, count, padding);

        size = strlen(text);
        type = MEDIA_OCI_INDEX;
        blob_digest(text, size, digest);
        serve_text(digest, type, text, size);
        if (level == 2)
            serve_text("latest", type, text, size);
        free(text);
    }
}

static void img_10_an_index_that_names_documents_again_and_again_is_given_up(void **state)
{
    (void)state;
    serve_tree(100, 0); /* a way of a million */
    assert_int_equal(pull(), ERROR_RESOURCE_EXHAUSTED);
    assert_says("leads to more than");
    assert_in_range(server_count(server, NULL), 1, 4000 + 1);
    assert_nothing_left(0);
}

static void img_10_indexes_do_not_fill_memory(void **state)
{
    (void)state;
    serve_tree(10, 3 << 20);
    assert_int_equal(pull(), ERROR_RESOURCE_EXHAUSTED);
    assert_says("32 MiB");
    assert_in_range(server_count(server, NULL), 1, 250);
    assert_nothing_left(0);
    assert_int_equal(pull(.all_platforms = true, .has_all_platforms = true),
                     ERROR_RESOURCE_EXHAUSTED);
    assert_nothing_half_done();
}

/* No document can hold its own digest: a registry that says so sends another one. */
static void img_10_an_index_that_contains_itself_is_found_out(void **state)
{
    char digest[72], other[72], *text, *back;

    (void)state;
    blob_digest("x", 1, digest);
    text = index_text(digest, 0, MEDIA_OCI_INDEX, 1, 0);
    serve_text("latest", MEDIA_OCI_INDEX, text, strlen(text));
    serve_text(digest, MEDIA_OCI_INDEX, text, strlen(text));
    assert_int_equal(pull(), ERROR_DATA_LOSS);
    assert_says("another digest");
    assert_int_equal(pull(.all_platforms = true, .has_all_platforms = true), ERROR_DATA_LOSS);
    assert_nothing_left(0);

    blob_digest(text, strlen(text), other); /* latest -> back -> text, which would lead to back */
    back = index_text(other, strlen(text), MEDIA_OCI_INDEX, 1, 0);
    serve_text("latest", MEDIA_OCI_INDEX, back, strlen(back));
    serve_text(other, MEDIA_OCI_INDEX, text, strlen(text));
    serve_text(digest, MEDIA_OCI_INDEX, back, strlen(back));
    assert_int_equal(pull(), ERROR_DATA_LOSS);
    assert_int_equal(pull(.all_platforms = true, .has_all_platforms = true), ERROR_DATA_LOSS);
    assert_nothing_left(0);
    free(text);
    free(back);
}

/* ---- layers ------------------------------------------------------------------------------------
 */

static void serve_layers(int count)
{
    static const char entry[] =
        "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"size\":1,\"digest\":"
        "\"sha256:1111111111111111111111111111111111111111111111111111111111111111\"}";
    size_t room = (size_t)count * (sizeof(entry) + 1) + 1000, used;
    char *text = malloc(room);

    assert_non_null(text);
    used = (size_t)snprintf(text, room,
                            "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" MEDIA_OCI_CONFIG
                            "\",\"size\":1,\"digest\":\"sha256:"
                            "2222222222222222222222222222222222222222222222222222222222222222\"},"
                            "\"layers\":[");
    for (int i = 0; i < count; i++) {
        memcpy(text + used, entry, sizeof(entry) - 1);
        used += sizeof(entry) - 1;
        text[used++] = i + 1 < count ? ',' : ']';
    }
    text[used++] = '}';
    serve_text("latest", MEDIA_OCI_MANIFEST, text, used);
    free(text);
}

static void a_hundred_thousand_layers_are_refused(void **state)
{
    (void)state;
    serve_layers(100000);
    assert_int_equal(pull(), ERROR_RESOURCE_EXHAUSTED);
    assert_says("larger than 4 MiB");
    assert_nothing_left(0);
    serve_layers(20000);
    assert_int_equal(pull(), ERROR_RESOURCE_EXHAUSTED);
    assert_says("layers has 20000 entries, the limit is 1000");
    assert_int_equal(server_count(server, NULL), 2);
    assert_nothing_left(0);
}

static void img_7_a_layer_of_10_gib_that_is_declared_as_1_kib_is_refused_at_once(void **state)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n";
    struct layer_entry entry;
    struct layer_plan layer = noise_layer("noise", 1024, &entry);
    struct image_plan plan = { .layers = &layer, .layer_count = 1 };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    const struct built_blob *packed = &image->layers[0].packed;
    char *endless = calloc(1, 64 << 20), *raw = malloc(sizeof(head) + packed->size);

    (void)state;
    assert_true(endless != NULL && raw != NULL);
    free((char *)(uintptr_t)entry.text);
    image_serve(server, "app", "latest", image);
    memcpy(raw, head, sizeof(head) - 1);
    memcpy(raw + sizeof(head) - 1, packed->data, packed->size);
    serve_blob(packed,
               &(struct server_reply){ .raw = raw, .raw_size = sizeof(head) - 1 + packed->size });
    assert_int_equal(pull(), ERROR_DATA_LOSS);
    assert_says("the registry has 10737418240 bytes, its descriptor says");
    assert_nothing_left(0);

    memcpy(endless, packed->data, packed->size); /* and it never says how many there will be */
    serve_blob(packed,
               &(struct server_reply){ .body = endless, .size = 64 << 20, .chunked = true });
    assert_int_equal(pull(), ERROR_DATA_LOSS);
    assert_says("the registry sends more than the");
    assert_nothing_left(0);
    free(endless);
    free(raw);
}

/* 64 MiB out of a few KiB, where one is allowed. */
static void refuse_bomb(enum layer_packing packing)
{
    char *zeros = calloc(1, 64 << 20);
    const struct layer_entry entry = { .path = "zeros", .text = zeros, .size = 64 << 20 };
    const struct layer_plan layer = { .entries = &entry, .entry_count = 1, .packing = packing };

    assert_non_null(zeros);
    store_stop(&store);
    store.layer_size = 1 << 20;
    store_start(&store);
    assert_int_equal(pull_layer(&layer), ERROR_RESOURCE_EXHAUSTED);
    free(zeros);
    assert_says("layer sha256:");
    assert_says("1048576");
    assert_nothing_half_done();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 0);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM images_image"), 0);
    assert_int_equal(files_in("snapshots"), 0);
}

static void a_gzip_bomb_ends_at_the_configured_limit(void **state)
{
    (void)state;
    refuse_bomb(LAYER_GZIP);
}

static void a_zstd_bomb_ends_at_the_configured_limit(void **state)
{
    (void)state;
    refuse_bomb(LAYER_ZSTD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PULL_TEST(img_10_an_index_that_names_documents_again_and_again_is_given_up),
        PULL_TEST(img_10_indexes_do_not_fill_memory),
        PULL_TEST(img_10_an_index_that_contains_itself_is_found_out),
        PULL_TEST(a_hundred_thousand_layers_are_refused),
        PULL_TEST(img_7_a_layer_of_10_gib_that_is_declared_as_1_kib_is_refused_at_once),
        PULL_TEST(a_gzip_bomb_ends_at_the_configured_limit),
        PULL_TEST(a_zstd_bomb_ends_at_the_configured_limit),
    };

    return cmocka_run_group_tests_name("pull bombs", tests, NULL, NULL);
}
