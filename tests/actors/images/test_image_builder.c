/* test_image_builder — the images of the tests are what they claim to be, the damaged ones too. */
#include "tests/actors/images/registry/registry_fixture.h"

#include <archive.h>
#include <archive_entry.h>
#include <jansson.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/helpers/image_builder.h"

static const struct layer_entry entries[] = {
    { .path = "etc", .type = ENTRY_FOLDER, .mode = 0750, .uid = 7 },
    { .path = "etc/motd", .text = "hello\n", .xattr = "user.colour", .xattr_value = "blue" },
    { .path = "etc/link", .type = ENTRY_SYMLINK, .text = "motd" },
    { .path = "etc/same", .type = ENTRY_HARDLINK, .text = "etc/motd" },
    { .path = "dev/null", .type = ENTRY_CHARDEV, .mode = 0666, .major = 1, .minor = 3 },
    { .path = "../outside", .text = "x" },
};

static struct layer_plan plan_of(enum layer_packing packing, enum layer_defect defect)
{
    return (struct layer_plan){
        .entries = entries, .entry_count = COUNT_OF(entries), .packing = packing, .defect = defect
    };
}

static char *unpack_gzip(const struct built_blob *packed, size_t *size)
{
    z_stream stream = { .next_in = (Bytef *)packed->data, .avail_in = (uInt)packed->size };
    char *out = calloc(1, 1 << 20);
    int rc;

    assert_int_equal(inflateInit2(&stream, 31), Z_OK);
    stream.next_out = (Bytef *)out;
    stream.avail_out = 1 << 20;
    rc = inflate(&stream, Z_FINISH);
    *size = stream.total_out;
    if (rc != Z_STREAM_END || stream.avail_in > 0) {
        free(out);
        out = NULL;
    }
    inflateEnd(&stream);
    return out;
}

static char *unpack_zstd(const struct built_blob *packed, size_t *size)
{
    char *out = calloc(1, 1 << 20);

    *size = ZSTD_decompress(out, 1 << 20, packed->data, packed->size);
    if (!ZSTD_isError(*size))
        return out;
    free(out);
    return NULL;
}

static void a_sound_layer_unpacks_to_its_tar(void **state)
{
    struct layer_plan gzip = plan_of(LAYER_GZIP, LAYER_SOUND);
    struct layer_plan zstd = plan_of(LAYER_ZSTD, LAYER_SOUND);
    struct layer_plan plain = plan_of(LAYER_PLAIN, LAYER_SOUND);
    struct built_layer layers[3];
    char *unpacked[3], digest[136];
    size_t sizes[3];

    (void)state;
    layer_build(&gzip, &layers[0]);
    layer_build(&zstd, &layers[1]);
    layer_build(&plain, &layers[2]);
    unpacked[0] = unpack_gzip(&layers[0].packed, &sizes[0]);
    unpacked[1] = unpack_zstd(&layers[1].packed, &sizes[1]);
    unpacked[2] =
        memcpy(malloc(layers[2].packed.size), layers[2].packed.data, layers[2].packed.size);
    sizes[2] = layers[2].packed.size;
    for (size_t i = 0; i < 3; i++) {
        assert_non_null(unpacked[i]);
        assert_int_equal(sizes[i], layers[0].tar.size);
        assert_memory_equal(unpacked[i], layers[0].tar.data, sizes[i]);
        assert_string_equal(layers[i].tar.digest, digest_text(unpacked[i], sizes[i], digest));
        free(unpacked[i]);
    }
    for (size_t i = 0; i < 3; i++)
        layer_drop(&layers[i]);
}

static void the_entries_of_a_layer_are_as_planned(void **state)
{
    struct layer_plan plan = plan_of(LAYER_PLAIN, LAYER_SOUND);
    struct archive *tar = archive_read_new();
    struct archive_entry *entry;
    struct built_layer layer;

    (void)state;
    layer_build(&plan, &layer);
    archive_read_support_format_tar(tar);
    assert_int_equal(archive_read_open_memory(tar, layer.tar.data, layer.tar.size), ARCHIVE_OK);
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        assert_int_equal(archive_read_next_header(tar, &entry), ARCHIVE_OK);
        assert_int_equal(
            strncmp(archive_entry_pathname(entry), entries[i].path, strlen(entries[i].path)), 0);
        assert_int_equal(archive_entry_uid(entry), entries[i].uid);
        assert_int_equal(archive_entry_xattr_count(entry), entries[i].xattr != NULL);
        if (entries[i].type == ENTRY_CHARDEV)
            assert_int_equal(archive_entry_rdevminor(entry), 3);
        if (entries[i].type == ENTRY_HARDLINK)
            assert_string_equal(archive_entry_hardlink(entry), "etc/motd");
        if (entries[i].type == ENTRY_SYMLINK)
            assert_string_equal(archive_entry_symlink(entry), "motd");
    }
    assert_int_equal(archive_read_next_header(tar, &entry), ARCHIVE_EOF);
    archive_read_free(tar);
    layer_drop(&layer);
}

static void damaged_layers_do_not_unpack(void **state)
{
    static const enum layer_defect defects[] = { LAYER_CUT_SHORT, LAYER_TRAILING_GARBAGE,
                                                 LAYER_BAD_CHECKSUM };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(defects); i++) {
        struct layer_plan gzip = plan_of(LAYER_GZIP, defects[i]);
        struct layer_plan zstd = plan_of(LAYER_ZSTD, defects[i]);
        struct built_layer layer;
        size_t size;

        layer_build(&gzip, &layer);
        assert_null(unpack_gzip(&layer.packed, &size));
        layer_drop(&layer);
        layer_build(&zstd, &layer);
        assert_null(unpack_zstd(&layer.packed, &size));
        layer_drop(&layer);
    }
}

static size_t manifest_layer_size(const struct built_image *image)
{
    json_t *manifest = json_loadb(image->manifest.data, image->manifest.size, 0, NULL);
    json_t *layer = json_array_get(json_object_get(manifest, "layers"), 0);
    size_t size = (size_t)json_integer_value(json_object_get(layer, "size"));

    json_decref(manifest);
    return size;
}

static struct built_image *image_with(unsigned defects)
{
    struct layer_plan layer = plan_of(LAYER_GZIP, LAYER_SOUND);

    return image_build(
        &(struct image_plan){ .layers = &layer, .layer_count = 1, .defects = defects });
}

static void the_defects_of_an_image_are_there(void **state)
{
    struct built_image *sound = image_with(0), *image;
    size_t size = sound->layers[0].packed.size;
    char digest[136];

    (void)state;
    assert_int_equal(manifest_layer_size(sound), size);
    image = image_with(IMAGE_SIZE_TOO_LARGE);
    assert_int_equal(manifest_layer_size(image), size + 1);
    image_drop(&image);
    image = image_with(IMAGE_SIZE_TOO_SMALL);
    assert_int_equal(manifest_layer_size(image), size - 1);
    image_drop(&image);
    image = image_with(IMAGE_WRONG_DIGEST);
    assert_string_not_equal(image->layers[0].packed.digest,
                            digest_text(image->layers[0].packed.data, size, digest));
    image_drop(&image);
    image = image_with(IMAGE_WRONG_DIFF_ID);
    assert_string_equal(image->layers[0].tar.digest, sound->layers[0].tar.digest);
    assert_null(strstr(image->config.data, image->layers[0].tar.digest));
    image_drop(&image);
    image = image_with(IMAGE_OVER_4_MIB);
    assert_true(image->manifest.size > 4 << 20);
    image_drop(&image);
    image = image_with(IMAGE_BOTH_KINDS);
    assert_says(image->manifest.data, "\"manifests\"");
    assert_says(image->manifest.data, "\"layers\"");
    image_drop(&image);
    image = image_with(IMAGE_OTHER_PLATFORM);
    assert_says(image->index.data, "\"nios2\"");
    assert_does_not_say(image->index.data, machine_arch());
    image_drop(&image);
    image_drop(&sound);
}

static void a_served_image_is_found_by_tag_and_by_digest(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct layer_plan layer = plan_of(LAYER_GZIP, LAYER_SOUND);
    CLEANUP(image_drop)
    struct built_image *image = image_build(&(struct image_plan){
        .layers = &layer, .layer_count = 1, .nested = true, .more_platforms = true });
    const struct built_blob *documents[] = { &image->outer, &image->index, &image->manifest };
    struct registry_document document;
    struct error err;

    (void)state;
    image_serve(server, "app", "latest", image);
    assert_int_equal(get_document(registry, "latest", &document, &err), 0);
    assert_string_equal(document.digest, image->outer.digest);
    registry_document_free(&document);
    for (size_t i = 0; i < COUNT_OF(documents); i++) {
        if (get_document(registry, documents[i]->digest, &document, &err) < 0)
            fail_msg("%s", err.text);
        assert_memory_equal(document.bytes, documents[i]->data, documents[i]->size);
        registry_document_free(&document);
    }
}

struct opener {
    struct registry_server *server;
    unsigned checks;
};

static int open_late(void *ctx, struct error *err)
{
    struct opener *opener = ctx;

    (void)err;
    if (++opener->checks == 3)
        server_release(opener->server);
    return 0;
}

static void a_gate_holds_the_answer_back(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct opener opener = { .server = server };
    struct registry_caller caller = { .check = open_late, .ctx = &opener };
    struct registry_document document;
    struct error err;

    (void)state;
    server_add(server, MANIFESTS "latest", &(struct server_reply){ DOCUMENT_REPLY, .gate = true });
    assert_int_equal(registry_manifest(registry, &caller, "latest", 0, &document, &err), 0);
    assert_true(opener.checks >= 3);
    registry_document_free(&document);
    assert_int_equal(get_document(registry, "latest", &document, &err), 0); /* open from now on */
    registry_document_free(&document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_layer_unpacks_to_its_tar),
        cmocka_unit_test(the_entries_of_a_layer_are_as_planned),
        cmocka_unit_test(damaged_layers_do_not_unpack),
        cmocka_unit_test(the_defects_of_an_image_are_there),
        cmocka_unit_test(a_gate_holds_the_answer_back),
        cmocka_unit_test(a_served_image_is_found_by_tag_and_by_digest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
