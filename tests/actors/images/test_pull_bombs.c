/* test_pull_bombs — images that are small until somebody looks into them. */
#include "tests/actors/images/pull_fixture.h"

#include "actors/images/variant.h"
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

/* An index that names one index. */
static char *index_of(const char *digest, size_t size)
{
    char *text = malloc(500);

    assert_non_null(text);
    snprintf(text, 500,
             "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":"
             "%zu}]}",
             MEDIA_OCI_INDEX, digest, size);
    return text;
}

/* An index with so many bytes of annotations, all but the last the same, under its digest. */
static char *serve_index(const char *entry, int number, int padding, char digest[72], size_t *size)
{
    size_t room = strlen(entry) + (size_t)padding + 200;
    char *text = malloc(room);

    assert_non_null(text);
    *size = (size_t)snprintf(
        text, room, "{\"schemaVersion\":2,\"annotations\":{\"x\":\"%*d\"},\"manifests\":[%s]}",
        padding, number, entry);
    blob_digest(text, *size, digest);
    serve_text(digest, MEDIA_OCI_INDEX, text, *size);
    return text;
}

static size_t add_entry(char *list, size_t used, size_t room, const char *type, const char *digest,
                        size_t size)
{
    return used + (size_t)snprintf(list + used, room - used,
                                   "%s{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}",
                                   used > 0 ? "," : "", type, digest, size);
}

/* An image for another machine, named by `count` indexes, which the one under the tag names, each
   `times`. */
static void serve_tree(int count, int times, int padding)
{
    struct image_plan plan = {
        .layers = small_layer(), .layer_count = 1, .no_index = true, .defects = IMAGE_OTHER_PLATFORM
    };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    static char leaf[1 << 16], list[1 << 20];
    size_t used = 0, size;
    char digest[72], *text;

    image_serve(server, "app", "unused", image);
    for (int i = 0; i < times; i++)
        used = add_entry(leaf, used, sizeof(leaf), MEDIA_OCI_MANIFEST, image->manifest.digest,
                         image->manifest.size);
    used = 0;
    for (int k = 0; k < count; k++) {
        free(serve_index(leaf, k, padding, digest, &size));
        for (int i = 0; i < times; i++)
            used = add_entry(list, used, sizeof(list), MEDIA_OCI_INDEX, digest, size);
    }
    text = serve_index(list, count, 1, digest, &size);
    serve_text("latest", MEDIA_OCI_INDEX, text, size);
    free(text);
}

static void img_10_what_an_index_names_again_and_again_is_looked_at_once(void **state)
{
    (void)state;
    serve_tree(2, 100, 1);
    assert_int_equal(pull(), ERROR_NOT_FOUND);
    assert_says("plan9/mips");
    assert_int_equal(server_count(server, NULL), 1 + 2 * 3); /* indexes, manifests, configs */
    assert_nothing_left(0);
}

static void img_10_indexes_do_not_fill_memory(void **state)
{
    (void)state;
    serve_tree(12, 1, 3 << 20);
    assert_int_equal(pull(), ERROR_RESOURCE_EXHAUSTED);
    assert_says("leads to more than");
    assert_says("32 MiB");
    assert_in_range(server_count(server, NULL), 10, 1 + 12 * 3);
    assert_nothing_left(0);
    assert_int_equal(pull(.all_platforms = true, .has_all_platforms = true),
                     ERROR_RESOURCE_EXHAUSTED);
    assert_nothing_half_done();
}

/* However small they are, and whatever sizes they are said to have. */
static void img_10_so_many_documents_are_followed_and_no_more(void **state)
{
    struct source small = { 0 }, large = { 0 };
    struct error err;

    (void)state;
    for (int i = 0; i < DOCUMENTS_MAX; i++)
        assert_int_equal(source_count(&small, 1, &err), 0);
    assert_int_equal(source_count(&small, 1, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCE_EXHAUSTED);
    for (int i = 0; i < 4; i++)
        assert_int_equal(source_count(&large, UINT64_MAX / 2, &err), 0); /* as said; none is read */
    for (int i = 0; i < 2 * DOCUMENTS_MAX; i++)
        assert_int_equal(source_count(&large, UINT64_MAX / 2 + 1, &err), -1);
}

/* No document can hold its own digest: a registry that says so sends another one. */
static void img_10_an_index_that_contains_itself_is_found_out(void **state)
{
    char digest[72], other[72], *text, *back;

    (void)state;
    blob_digest("x", 1, digest);
    text = index_of(digest, 0);
    serve_text("latest", MEDIA_OCI_INDEX, text, strlen(text));
    serve_text(digest, MEDIA_OCI_INDEX, text, strlen(text));
    assert_int_equal(pull(), ERROR_DATA_LOSS);
    assert_says("another digest");
    assert_int_equal(pull(.all_platforms = true, .has_all_platforms = true), ERROR_DATA_LOSS);
    assert_nothing_left(0);

    blob_digest(text, strlen(text), other); /* latest -> back -> text, which would lead to back */
    back = index_of(other, strlen(text));
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
        PULL_TEST(img_10_what_an_index_names_again_and_again_is_looked_at_once),
        PULL_TEST(img_10_so_many_documents_are_followed_and_no_more),
        PULL_TEST(img_10_indexes_do_not_fill_memory),
        PULL_TEST(img_10_an_index_that_contains_itself_is_found_out),
        PULL_TEST(a_hundred_thousand_layers_are_refused),
        PULL_TEST(img_7_a_layer_of_10_gib_that_is_declared_as_1_kib_is_refused_at_once),
        PULL_TEST(a_gzip_bomb_ends_at_the_configured_limit),
        PULL_TEST(a_zstd_bomb_ends_at_the_configured_limit),
    };

    return cmocka_run_group_tests_name("pull bombs", tests, NULL, NULL);
}
