/* Indexes and manifests: those of real images, the ambiguous, the malformed and the enormous.
   Which entry of an index is chosen: test_index_choice.c. */
#include "protocol/oci/document.h"
#include "tests/protocol/oci/manifest_fixture.h"

#define EMPTY  "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define LAYER  "application/vnd.oci.image.layer.v1.tar+gzip"
#define CONFIG ENTRY(MEDIA_OCI_CONFIG, D1, "")
#define MANIFEST(layers)                                                               \
    "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"config\":" CONFIG \
    ",\"layers\":[" layers "]}"

static int parse_manifest(struct fixture *f, const char *text, const char *asked)
{
    f->err = (struct error){ 0 };
    return manifest_parse(text, strlen(text), asked, f->arena, &f->manifest, &f->err);
}

static void says(struct fixture *f, enum error_code code, const char *words)
{
    if (f->err.code != code || strstr(f->err.text, words) == NULL)
        fail_msg("%s: '%s' does not say '%s'", error_code_name(f->err.code), f->err.text, words);
}

static void index_fails(struct fixture *f, const char *text, const char *words)
{
    assert_int_equal(parse_index(f, text, NULL), -1);
    says(f, ERROR_DATA_LOSS, words);
}

static void manifest_fails(struct fixture *f, const char *text, const char *words)
{
    assert_int_equal(parse_manifest(f, text, NULL), -1);
    says(f, ERROR_DATA_LOSS, words);
}

/* ---- manifests ------------------------------------------------------------------ */

static void img_11_an_oci_manifest_is_read_as_it_is(void **state)
{
    static const char text[] =
        "{ \"schemaVersion\": 2, \"mediaType\": \"" MEDIA_OCI_MANIFEST "\",\n"
        "  \"config\": {\"mediaType\":\"" MEDIA_OCI_CONFIG "\",\"digest\":\"" D1 "\",\"size\":1470,"
        "  \"annotations\":null, \"urls\":null, \"unknown\":[1,2,{\"x\":null}]},\n"
        "  \"layers\": [{\"mediaType\":\"" LAYER "\",\"digest\":\"" D2
        "\",\"size\":9223372036854775807,"
        "  \"annotations\":{\"a\":\"b\",\"n\":null},\"urls\":[\"https://example.com/x\"]},\n"
        "  {\"mediaType\":\"application/x-odd\",\"digest\":\"blake3:abc\",\"size\":0}],\n"
        "  \"annotations\": {\"org.opencontainers.image.version\":\"1.0\"},\n"
        "  \"subject\": {\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":\"" D3
        "\",\"size\":5},\n"
        "  \"io.example.extra\": {\"deep\":[[[[]]]]} }\n";
    struct fixture *f = *state;
    const struct oci_manifest *m = &f->manifest;

    if (parse_manifest(f, text, MEDIA_OCI_MANIFEST) < 0)
        fail_msg("%s", f->err.text);
    assert_string_equal(m->media_type, MEDIA_OCI_MANIFEST);
    assert_string_equal(m->config.blob.digest, D1);
    assert_int_equal(m->config.blob.size, 1470);
    assert_int_equal(m->layer_count, 2);
    assert_string_equal(m->layers[0].blob.media_type, LAYER);
    assert_true(m->layers[0].blob.size == INT64_MAX);
    assert_string_equal(map_get(&m->layers[0].blob.annotations, "a"), "b");
    assert_string_equal(map_get(&m->layers[0].blob.annotations, "n"), "");
    assert_int_equal(m->layers[0].urls.count, 1);
    assert_string_equal(m->layers[0].urls.items[0], "https://example.com/x");
    assert_string_equal(m->layers[1].blob.digest, "blake3:abc");
    assert_string_equal(m->subject->blob.digest, D3);
    assert_string_equal(map_get(&m->annotations, "org.opencontainers.image.version"), "1.0");
    assert_true(manifest_is_image(m));
}

static void img_1_a_docker_manifest_is_read_too(void **state)
{
    static const char text[] =
        "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_DOCKER_MANIFEST "\",\"config\":"
        "{\"mediaType\":\"" MEDIA_DOCKER_CONFIG "\",\"size\":7023,\"digest\":\"" D1
        "\"},\"layers\":["
        "{\"mediaType\":\"application/"
        "vnd.docker.image.rootfs.diff.tar.gzip\",\"size\":1,\"digest\":\"" D2 "\"}]}";
    struct fixture *f = *state;

    assert_int_equal(parse_manifest(f, text, MEDIA_DOCKER_MANIFEST "; charset=utf-8"), 0);
    assert_string_equal(f->manifest.media_type, MEDIA_DOCKER_MANIFEST);
    assert_true(manifest_is_image(&f->manifest));
}

static void img_8_other_artifacts_are_no_images(void **state)
{
    static const char helm[] = "{\"schemaVersion\":2,\"config\":" ENTRY(
        "application/vnd.cncf.helm.config.v1+json", D1,
        "") ",\"layers\":[" ENTRY("application/vnd.cncf.helm.chart.content.v1.tar+gzip", D2,
                                  "") "]}";
    static const char empty[] =
        "{\"schemaVersion\":2,\"artifactType\":\"application/"
        "x\",\"config\":{\"mediaType\":\"" MEDIA_OCI_EMPTY "\",\"digest\":\"" EMPTY
        "\",\"size\":2,\"data\":\"e30=\"},\"layers\":[]}";
    static const char nameless[] =
        "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" MEDIA_OCI_EMPTY "\",\"digest\":\"" EMPTY
        "\",\"size\":2},\"layers\":[]}";
    struct fixture *f = *state;

    assert_int_equal(parse_manifest(f, helm, NULL), 0);
    assert_string_equal(f->manifest.media_type, MEDIA_OCI_MANIFEST);
    assert_false(manifest_is_image(&f->manifest));
    assert_int_equal(parse_manifest(f, empty, NULL), 0);
    assert_string_equal(f->manifest.artifact_type, "application/x");
    assert_int_equal(f->manifest.config.data.size, 2);
    assert_memory_equal(f->manifest.config.data.data, "{}", 2);
    assert_false(manifest_is_image(&f->manifest));
    manifest_fails(f, nameless, "artifactType is missing");
}

static void img_4_ghsa_5j5w_g665_5m35_a_document_that_is_both_is_rejected(void **state)
{
    struct fixture *f = *state;

    manifest_fails(f, "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[],\"manifests\":[]}",
                   "ambiguous");
    index_fails(f, "{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}", "ambiguous");
    index_fails(f, "{\"schemaVersion\":2,\"manifests\":[],\"config\":{}}", "ambiguous");
    index_fails(f, MANIFEST(""), "is a manifest, not an index");
    manifest_fails(f, INDEX(""), "is an index, not a manifest");
    manifest_fails(f, "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[],\"layers\":[]}",
                   "duplicate");
    assert_int_equal(parse_manifest(f, MANIFEST("") "{}", NULL), -1);
    assert_int_equal(
        parse_manifest(f, "{\"schemaVersion\":2,\"config\":" CONFIG ",\"manifests\":null}", NULL),
        0);
}

static void img_4_the_media_type_must_be_what_was_asked_for(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(parse_manifest(f, MANIFEST(""), MEDIA_DOCKER_MANIFEST), -1);
    says(f, ERROR_DATA_LOSS, "not '" MEDIA_DOCKER_MANIFEST);
    assert_int_equal(parse_manifest(f, MANIFEST(""), MEDIA_OCI_INDEX), -1);
    assert_int_equal(
        parse_manifest(f, "{\"schemaVersion\":2,\"config\":" CONFIG "}", MEDIA_OCI_INDEX), -1);
    says(f, ERROR_DATA_LOSS, "mediaType");
    assert_int_equal(parse_manifest(f, "{\"schemaVersion\":2,\"config\":" CONFIG "}", "text/plain"),
                     -1);
    assert_int_equal(parse_index(f, INDEX(""), MEDIA_DOCKER_INDEX), -1);
    manifest_fails(f, "{\"schemaVersion\":2,\"mediaType\":\"x/y\",\"config\":" CONFIG "}", "'x/y'");
    manifest_fails(f, "{\"schemaVersion\":2,\"mediaType\":7,\"config\":" CONFIG "}",
                   "mediaType is not a string");
    assert_int_equal(
        parse_manifest(f, "{\"schemaVersion\":2,\"config\":" CONFIG "}", MEDIA_DOCKER_MANIFEST), 0);
    assert_string_equal(f->manifest.media_type, MEDIA_DOCKER_MANIFEST);
}

static void img_4_other_schema_versions_are_refused(void **state)
{
    struct fixture *f = *state;

    manifest_fails(f, "{}", "schemaVersion is not 2");
    manifest_fails(f, "{\"schemaVersion\":3,\"config\":" CONFIG "}", "schemaVersion is not 2");
    manifest_fails(f, "{\"schemaVersion\":\"2\",\"config\":" CONFIG "}", "schemaVersion is not 2");
    assert_int_equal(parse_manifest(f, "{\"schemaVersion\":1,\"fsLayers\":[]}", NULL), -1);
    says(f, ERROR_UNIMPLEMENTED, "schema 1");
}

static void img_5_descriptors_say_what_is_wrong_and_where(void **state)
{
    struct fixture *f = *state;

    manifest_fails(f, MANIFEST("7"), "layers[0] is not an object");
    manifest_fails(f, MANIFEST("{}"), "layers[0].size is missing");
    manifest_fails(f, MANIFEST(ENTRY(LAYER, D1, "") ",{\"size\":1}"), "layers[1].mediaType");
    manifest_fails(f, MANIFEST("{\"size\":1,\"mediaType\":\"\"}"), "mediaType is missing");
    manifest_fails(f, MANIFEST("{\"size\":1,\"mediaType\":\"x\"}"), "digest is missing");
    manifest_fails(f, MANIFEST("{\"size\":-1,\"mediaType\":\"x\",\"digest\":\"" D1 "\"}"),
                   "size is not a size");
    manifest_fails(f, MANIFEST("{\"size\":1.5,\"mediaType\":\"x\",\"digest\":\"" D1 "\"}"),
                   "size is not a size");
    manifest_fails(f, MANIFEST("{\"size\":99999999999999999999,\"mediaType\":\"x\"}"), "not JSON");
    manifest_fails(f, MANIFEST("{\"size\":\"1\",\"mediaType\":\"x\"}"), "size is not a size");
    manifest_fails(f, MANIFEST(ENTRY(LAYER, "sha256:ABC", "")), "layers[0].digest is none");
    manifest_fails(f, MANIFEST(ENTRY(LAYER, "../../etc/passwd", "")), "layers[0].digest is none");
    manifest_fails(f, MANIFEST(ENTRY(LAYER, D1, ",\"annotations\":{\"a\":1}")),
                   "annotations has a value that is not a string");
    manifest_fails(f, MANIFEST(ENTRY(LAYER, D1, ",\"annotations\":[]")), "annotations is not");
    manifest_fails(f, MANIFEST(ENTRY(LAYER, D1, ",\"urls\":\"x\"")), "urls is not an array");
    manifest_fails(f, MANIFEST(ENTRY(LAYER, D1, ",\"urls\":[null]")), "urls is not a list");
    manifest_fails(f, "{\"schemaVersion\":2,\"config\":[]}", "config is not an object");
    manifest_fails(f, "{\"schemaVersion\":2,\"layers\":[]}", "config is missing");
    manifest_fails(f, "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":{}}",
                   "layers is not an array");
    manifest_fails(f, "{\"schemaVersion\":2,\"config\":" CONFIG ",\"subject\":{\"size\":1}}",
                   "subject.mediaType");
}

static void img_5_embedded_content_must_be_the_blob(void **state)
{
#define DATA(digest, size, data)                                                                  \
    MANIFEST("{\"mediaType\":\"x\",\"digest\":\"" digest "\",\"size\":" #size ",\"data\":\"" data \
             "\"}")
    struct fixture *f = *state;

    assert_int_equal(parse_manifest(f, DATA(EMPTY, 2, "e30="), NULL), 0);
    assert_int_equal(f->manifest.layers[0].data.size, 2);
    manifest_fails(f, DATA(EMPTY, 3, "e30="), "of 2 bytes");
    manifest_fails(f, DATA(EMPTY, 2, "fX0="), "does not hash");
    manifest_fails(f, DATA(EMPTY, 2, "e30"), "not base64");
    manifest_fails(f, DATA(EMPTY, 2, "e3*="), "not base64");
    manifest_fails(f, DATA(EMPTY, 2, "===="), "data");
    manifest_fails(f, DATA(EMPTY, 2, ""), "of 0 bytes");
    /* what cannot be verified is as if it were not there */
    assert_int_equal(parse_manifest(f, DATA("blake3:00", 2, "e30="), NULL), 0);
    assert_null(f->manifest.layers[0].data.data);
}

static void img_12_annotations_are_texts_under_any_key(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        parse_manifest(f,
                       "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[],\"annotations\":"
                       "{\"\":\"empty\",\"no.such.key\":\"\",\"\u00e4 b\":\"\u2603\"}}",
                       NULL),
        0);
    assert_string_equal(map_get(&f->manifest.annotations, ""), "empty");
    assert_string_equal(map_get(&f->manifest.annotations, "no.such.key"), "");
    assert_string_equal(map_get(&f->manifest.annotations, "\xc3\xa4 b"), "\xe2\x98\x83");
    index_fails(f, "{\"schemaVersion\":2,\"manifests\":[],\"annotations\":{\"a\":{}}}",
                "annotations has a value that is not a string");
    manifest_fails(f, "{\"schemaVersion\":2,\"config\":" CONFIG ",\"annotations\":\"x\"}",
                   "annotations is not");
}

/* ---- the enormous, the broken ---------------------------------------------------------- */

static struct buffer many(const char *before, const char *item, size_t count, const char *after)
{
    struct buffer text = { 0 };

    buffer_add(&text, before, strlen(before));
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_add(&text, ",", 1);
        buffer_add(&text, item, strlen(item));
    }
    buffer_add(&text, after, strlen(after) + 1);
    return text;
}

static void a_thousand_layers_are_the_most(void **state)
{
    static const char before[] = "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[";
    struct fixture *f = *state;
    struct buffer text = many(before, ENTRY(LAYER, D1, ""), LAYERS_MAX, "]}");

    assert_int_equal(parse_manifest(f, text.data, NULL), 0);
    assert_int_equal(f->manifest.layer_count, LAYERS_MAX);
    buffer_free(&text);
    text = many(before, ENTRY(LAYER, D1, ""), LAYERS_MAX + 1, "]}");
    assert_int_equal(parse_manifest(f, text.data, NULL), -1);
    says(f, ERROR_RESOURCE_EXHAUSTED, "layers has 1001 entries, the limit is 1000");
    buffer_free(&text);
    text = many("{\"schemaVersion\":2,\"manifests\":[", ENTRY(MEDIA_OCI_MANIFEST, D1, ""),
                INDEX_ENTRIES_MAX + 1, "]}");
    assert_int_equal(parse_index(f, text.data, NULL), -1);
    says(f, ERROR_RESOURCE_EXHAUSTED, "manifests has 1001 entries");
    buffer_free(&text);
}

static void cve_2023_25153_a_manifest_over_4_mib_is_refused_unread(void **state)
{
    struct fixture *f = *state;
    char *text = malloc(MANIFEST_BYTES_MAX + 1);

    memset(text, ' ', MANIFEST_BYTES_MAX + 1);
    memcpy(text, MANIFEST(""), strlen(MANIFEST("")));
    assert_int_equal(
        manifest_parse(text, MANIFEST_BYTES_MAX, NULL, f->arena, &f->manifest, &f->err), 0);
    assert_int_equal(
        manifest_parse(text, MANIFEST_BYTES_MAX + 1, NULL, f->arena, &f->manifest, &f->err), -1);
    says(f, ERROR_RESOURCE_EXHAUSTED, "of 4194305 bytes, the limit is 4194304");
    assert_int_equal(index_parse(text, MANIFEST_BYTES_MAX + 1, NULL, f->arena, &f->index, &f->err),
                     -1);
    free(text);
}

/* 4 MiB of "[]," would take some 200 MiB as a tree. */
static void brackets_do_not_become_memory(void **state)
{
    struct fixture *f = *state;
    struct buffer text = many("{\"schemaVersion\":2,\"x\":[", "{}", 1300000, "]}");

    assert_int_equal(parse_manifest(f, text.data, NULL), -1);
    says(f, ERROR_RESOURCE_EXHAUSTED, "more than 100000 values");
    buffer_free(&text);
    text = many("{\"schemaVersion\":2,\"x\":\"\\\"[[[[[[,,,,\",\"y\":[", "0", 90000, "]}");
    assert_int_equal(parse_manifest(f, text.data, NULL), -1);
    says(f, ERROR_DATA_LOSS, "config is missing");
    buffer_free(&text);
}

static void deep_documents_are_refused(void **state)
{
    struct fixture *f = *state;
    char text[5000] = "{\"schemaVersion\":2,\"config\":" CONFIG ",\"x\":";
    size_t used = strlen(text);

    memset(text + used, '[', DOCUMENT_DEPTH_MAX - 1);
    memset(text + used + DOCUMENT_DEPTH_MAX - 1, ']', DOCUMENT_DEPTH_MAX - 1);
    strcpy(text + used + 2 * (DOCUMENT_DEPTH_MAX - 1), "}");
    assert_int_equal(parse_manifest(f, text, NULL), 0);
    memset(text + used, '[', DOCUMENT_DEPTH_MAX);
    memset(text + used + DOCUMENT_DEPTH_MAX, ']', DOCUMENT_DEPTH_MAX);
    strcpy(text + used + 2 * (DOCUMENT_DEPTH_MAX), "}");
    assert_int_equal(parse_manifest(f, text, NULL), -1);
    says(f, ERROR_RESOURCE_EXHAUSTED, "nested deeper than 64");
    memset(text + used, '[', sizeof(text) - used - 1);
    assert_int_equal(parse_manifest(f, text, NULL), -1);
    says(f, ERROR_RESOURCE_EXHAUSTED, "nested deeper than 64");
}

static void what_is_not_json_is_said_to_be_so(void **state)
{
    struct fixture *f = *state;

    manifest_fails(f, "", "is empty");
    manifest_fails(f, "<html>", "not JSON");
    manifest_fails(f, "[]", "not a JSON object");
    manifest_fails(f, "7", "not JSON");
    manifest_fails(f, "\"", "not JSON");
    manifest_fails(f, "{\"a\":\"\xff\"}", "not JSON");
    manifest_fails(f, "{\"a\":\"\\u0000\"}", "not JSON");
    manifest_fails(f, MANIFEST("") "x", "not JSON");
    manifest_fails(f, "{\"a\":\"\x1b[31m", "not JSON");
    assert_null(strchr(f->err.text, '\x1b'));
    assert_int_equal(manifest_parse(MANIFEST("") "\0", sizeof(MANIFEST("")) + 1, NULL, f->arena,
                                    &f->manifest, &f->err),
                     -1);
}

static void cut_off_anywhere_it_is_refused(void **state)
{
    static const char text[] = MANIFEST(ENTRY(LAYER, D1, ",\"annotations\":{\"a\":\"b\"}"));
    struct fixture *f = *state;

    for (size_t size = 0; size < sizeof(text) - 1; size++) {
        char *copy = malloc(size + 1); /* exact, so that a sanitizer sees one byte too many */

        memcpy(copy, text, size);
        assert_int_equal(manifest_parse(copy, size, NULL, f->arena, &f->manifest, &f->err), -1);
        free(copy);
    }
    assert_int_equal(parse_manifest(f, text, NULL), 0);
}

static void random_damage_never_breaks_the_reader(void **state)
{
    static const char whole[] =
        INDEX(ENTRY(MEDIA_OCI_MANIFEST, D1, PLATFORM("linux", "amd64")) "," ENTRY(
            MEDIA_OCI_MANIFEST, D2, ",\"data\":\"e30=\",\"urls\":[\"a\"]"));
    static const char letters[] = "{}[]\",:\\0e-n\x80\xff";
    struct fixture *f = *state;
    unsigned seed = 11;
    char text[sizeof(whole)];

    for (int round = 0; round < 20000; round++) {
        memcpy(text, whole, sizeof(whole));
        for (int i = 0; i < 1 + round % 4; i++)
            text[(size_t)rand_r(&seed) % (sizeof(whole) - 1)] =
                letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)];
        if (index_parse(text, sizeof(whole) - 1, NULL, f->arena, &f->index, &f->err) == 0)
            choose(f, "linux/arm64/v9.2");
        manifest_parse(text, sizeof(whole) - 1, NULL, f->arena, &f->manifest, &f->err);
        if (round % 1000 == 0) {
            arena_free(f->arena);
            f->arena = arena_new();
        }
    }
}

static void a_document_nobody_named_says_what_it_is(void **state)
{
    struct fixture *f = *state;
    const char *type;

#define GUESS(text) document_media_type(text, strlen(text), f->arena, &type, &f->err)
    assert_int_equal(GUESS("{\"schemaVersion\":2,\"manifests\":[]}"), 0);
    assert_string_equal(type, MEDIA_OCI_INDEX);
    assert_int_equal(GUESS("{\"schemaVersion\":2,\"config\":{},\"layers\":[]}"), 0);
    assert_string_equal(type, MEDIA_OCI_MANIFEST);
    assert_int_equal(GUESS("{\"schemaVersion\":2,\"mediaType\":\"x/y\"}"), 0);
    assert_string_equal(type, "x/y");
    assert_int_equal(GUESS("{\"schemaVersion\":2}"), -1);
    assert_int_equal(GUESS("{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}"), -1);
    assert_int_equal(GUESS("{\"schemaVersion\":1,\"fsLayers\":[]}"), -1);
    assert_int_equal(f->err.code, ERROR_UNIMPLEMENTED);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(img_11_an_oci_manifest_is_read_as_it_is),
        TEST(img_1_a_docker_manifest_is_read_too),
        TEST(img_8_other_artifacts_are_no_images),
        TEST(img_4_ghsa_5j5w_g665_5m35_a_document_that_is_both_is_rejected),
        TEST(img_4_the_media_type_must_be_what_was_asked_for),
        TEST(img_4_other_schema_versions_are_refused),
        TEST(img_5_descriptors_say_what_is_wrong_and_where),
        TEST(img_5_embedded_content_must_be_the_blob),
        TEST(img_12_annotations_are_texts_under_any_key),
        TEST(a_thousand_layers_are_the_most),
        TEST(cve_2023_25153_a_manifest_over_4_mib_is_refused_unread),
        TEST(brackets_do_not_become_memory),
        TEST(deep_documents_are_refused),
        TEST(what_is_not_json_is_said_to_be_so),
        TEST(cut_off_anywhere_it_is_refused),
        TEST(random_damage_never_breaks_the_reader),
        TEST(a_document_nobody_named_says_what_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
