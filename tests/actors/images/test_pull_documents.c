/* test_pull_documents — documents as others write them: stored as they came, refused where they
 * must be. */
#include "tests/actors/images/pull_fixture.h"

#include "protocol/oci/digest.h"
#include "protocol/oci/media.h"

#define EMPTY "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define NOBODY                                                         \
    "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"size\":7,\"digest\":" \
    "\"sha256:1111111111111111111111111111111111111111111111111111111111111111\"}"

/* The text at the registry, under its digest and, if there is one, its tag. */
static void serve_document(const char *tag, const char *type, const char *text, char digest[72])
{
    char headers[200];
    struct server_reply reply = { .headers = headers, .body = text, .size = strlen(text) };

    snprintf(headers, sizeof(headers), "Content-Type: %s\r\n", type);
    blob_digest(text, strlen(text), digest);
    server_add(server, manifest_path(digest), &reply);
    if (tag != NULL)
        server_add(server, manifest_path(tag), &reply);
}

static void serve_bytes(const char *digest, const void *bytes, size_t size)
{
    char path[300];

    snprintf(path, sizeof(path), "/v2/app/blobs/%s", digest);
    server_add(server, path, &(struct server_reply){ .body = bytes, .size = size });
}

static void assert_stored(const char *digest, const char *text)
{
    assert_true(has_blob(digest));
    assert_file(store_path(&store, "blobs/sha256/%s", strchr(digest, ':') + 1), text);
}

/* ---- unknown things ----------------------------------------------------------------------------
 */

static void img_11_documents_are_stored_byte_for_byte_with_all_that_nobody_knows(void **state)
{
    struct image_plan plan = { .layers = small_layer(),
                               .layer_count = 1,
                               .no_index = true,
                               .config = "{\"Cmd\":[\"x\"],\"Nobody\":{\"knows\":[1,null,{}]}}" };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    char manifest[2000], index[2000], manifest_digest[72], digest[72];

    (void)state;
    snprintf(manifest, sizeof(manifest),
             "\n{ \"extra\" :[1, 2.50,\"\\u0041\"], "
             "\"annotations\":null,\"subject\":null,\"urls\":null,\n"
             "\t\"layers\":[{\"size\":%zu,\"digest\":\"%s\",\"mediaType\":\"%s\",\"platform\":null,"
             "\"x\":{}}],\"config\":{\"mediaType\":\"%s\",\"data\":null,\"digest\":\"%s\","
             "\"size\":%zu},\"schemaVersion\":2 }\r\n",
             image->layers[0].packed.size, image->layers[0].packed.digest,
             "application/vnd.oci.image.layer.v1.tar+gzip", MEDIA_OCI_CONFIG, image->config.digest,
             image->config.size);
    image_serve(server, "app", "unused", image);
    serve_document(NULL, MEDIA_OCI_MANIFEST, manifest, manifest_digest);
    snprintf(index, sizeof(index),
             "{\"manifests\":[{\"mediaType\":\"application/vnd.example+json\",\"digest\":"
             "\"blake3:00\",\"size\":9}, {\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu,"
             "\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\",\"os.features\":null,"
             "\"future\":1}}],\"schemaVersion\":2,\"mediaType\":null,\"beyond\":{\"a\":[[]]}}  ",
             MEDIA_OCI_MANIFEST, manifest_digest, strlen(manifest), machine_arch());
    serve_document("latest", MEDIA_OCI_INDEX, index, digest);
    must_pull();
    assert_stored(digest, index);
    assert_stored(manifest_digest, manifest);
    assert_stored(image->config.digest, image->config.data);
    assert_nothing_half_done();
}

/* ---- artifacts ---------------------------------------------------------------------------------
 */

static void img_9_an_artifact_refers_to_what_need_not_be_here(void **state)
{
    static const char text[] =
        "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST
        "\",\"artifactType\":\"application/vnd.example.signature\",\"config\":{\"mediaType\":"
        "\"" MEDIA_OCI_EMPTY "\",\"digest\":\"" EMPTY "\",\"size\":2},\"layers\":[{\"mediaType\":"
        "\"text/plain\",\"digest\":\"" EMPTY "\",\"size\":2}],\"subject\":" NOBODY "}";
    const struct images_list_reply *list;
    const struct images_pull_reply *reply;
    char digest[72];

    (void)state;
    serve_bytes(EMPTY, "{}", 2);
    serve_document("latest", MEDIA_OCI_MANIFEST, text, digest);
    reply = must_pull();
    assert_null(reply->chain_id);
    assert_stored(digest, text);
    assert_stored(EMPTY, "{}");
    must(peer_ask(&store.images, &op_images_list, &(struct page_request){ 0 }, &answer));
    list = answer.body;
    assert_int_equal(list->images.count, 1);
    assert_nothing_half_done();
}

static void img_8_an_empty_config_without_artifact_type_is_refused(void **state)
{
    static const char text[] = "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" MEDIA_OCI_EMPTY
                               "\",\"digest\":\"" EMPTY "\",\"size\":2},\"layers\":[]}";
    char digest[72];

    (void)state;
    serve_bytes(EMPTY, "{}", 2);
    serve_document("latest", MEDIA_OCI_MANIFEST, text, digest);
    assert_int_equal(pull(), ERROR_DATA_LOSS);
    assert_says("artifactType is missing");
    assert_nothing_left(0);
}

/* ---- digests -----------------------------------------------------------------------------------
 */

#define IMAGE_OF(layer_digest)                                                                \
    "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" MEDIA_OCI_CONFIG                      \
    "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":"                          \
    "\"application/vnd.oci.image.layer.v1.tar+gzip\",\"size\":%zu,\"digest\":\"" layer_digest \
    "\"}]}"

static void img_6_sha512_names_layers_too(void **state)
{
    struct image_plan plan = { .layers = small_layer(), .layer_count = 1, .no_index = true };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    const struct built_blob *layer = &image->layers[0].packed;
    char text[1000], long_digest[DIGEST_TEXT_SIZE], digest[72];
    const struct images_pull_reply *reply;
    struct error err;

    (void)state;
    assert_int_equal(digest_of("sha512", layer->data, layer->size, long_digest, &err), 0);
    image_serve(server, "app", "unused", image);
    serve_bytes(long_digest, layer->data, layer->size);
    snprintf(text, sizeof(text), IMAGE_OF("%s"), image->config.digest, image->config.size,
             layer->size, long_digest);
    serve_document("latest", MEDIA_OCI_MANIFEST, text, digest);
    reply = must_pull();
    assert_file(layer_path(reply->chain_id, "etc/motd"), "hello\n");
    assert_true(has_blob(long_digest));
    assert_true(fs_exists(store_path(&store, "blobs/sha512/%s", strchr(long_digest, ':') + 1)));
    assert_nothing_half_done();

    long_digest[strlen(long_digest) - 1] ^= 1;
    serve_bytes(long_digest, layer->data, layer->size);
    snprintf(text, sizeof(text), IMAGE_OF("%s"), image->config.digest, image->config.size,
             layer->size, long_digest);
    server_forget(server, manifest_path("latest"));
    serve_document("latest", MEDIA_OCI_MANIFEST, text, digest);
    store_use(&store, "other");
    assert_int_equal(pull(.no_unpack = true, .has_no_unpack = true), ERROR_DATA_LOSS);
    assert_says("layer sha512:");
}

static void img_6_what_cannot_be_verified_is_not_asked_for(void **state)
{
    static const char *const digests[] = { "md5:d41d8cd98f00b204e9800998ecf8427e", "blake3:00",
                                           "sha256+b64:abc" };
    struct image_plan plan = { .layers = small_layer(), .layer_count = 1, .no_index = true };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    char text[1000], digest[72], path[200];

    (void)state;
    image_serve(server, "app", "unused", image);
    for (size_t i = 0; i < COUNT_OF(digests); i++) {
        snprintf(text, sizeof(text), IMAGE_OF("%s"), image->config.digest, image->config.size,
                 (size_t)5, digests[i]);
        server_forget(server, manifest_path("latest"));
        serve_document("latest", MEDIA_OCI_MANIFEST, text, digest);
        assert_int_equal(pull(), ERROR_UNIMPLEMENTED);
        assert_says("cannot be verified");
        assert_says(digests[i]);
        snprintf(path, sizeof(path), "/v2/app/blobs/%s", digests[i]);
        assert_int_equal(server_count(server, path), 0);
        assert_nothing_left(0);
    }
}

/* Names of blobs become paths here and addresses at the registry. */
static void img_6_names_with_dots_never_become_paths(void **state)
{
    static const char *const digests[] = { "sha256:../../../../etc/passwd", "../../etc/passwd",
                                           "sha256:..", "sha256:%2e%2e%2f", "sha512:../x" };
    struct image_plan plan = { .layers = small_layer(), .layer_count = 1, .no_index = true };
    CLEANUP(image_drop) struct built_image *image = image_build(&plan);
    char text[1000], digest[72];
    size_t requests;

    (void)state;
    image_serve(server, "app", "unused", image);
    for (size_t i = 0; i < COUNT_OF(digests); i++) {
        snprintf(text, sizeof(text), IMAGE_OF("%s"), image->config.digest, image->config.size,
                 (size_t)5, digests[i]);
        server_forget(server, manifest_path("latest"));
        serve_document("latest", MEDIA_OCI_MANIFEST, text, digest);
        requests = server_count(server, NULL);
        assert_int_equal(pull(), ERROR_DATA_LOSS);
        assert_says("layers[0].digest is none");
        assert_int_equal(server_count(server, NULL), requests + 1); /* the manifest */
        assert_nothing_left(0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PULL_TEST(img_11_documents_are_stored_byte_for_byte_with_all_that_nobody_knows),
        PULL_TEST(img_9_an_artifact_refers_to_what_need_not_be_here),
        PULL_TEST(img_8_an_empty_config_without_artifact_type_is_refused),
        PULL_TEST(img_6_sha512_names_layers_too),
        PULL_TEST(img_6_what_cannot_be_verified_is_not_asked_for),
        PULL_TEST(img_6_names_with_dots_never_become_paths),
    };

    return cmocka_run_group_tests_name("pull documents", tests, NULL, NULL);
}
