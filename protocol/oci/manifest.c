/* Indexes and manifests, taken out of bounded JSON member by member. */
#include "protocol/oci/manifest.h"

#include <stdio.h>
#include <string.h>

#include <nettle/base64.h>

#include "protocol/oci/digest.h"
#include "protocol/oci/document.h"
#include "protocol/oci/shown.h"

/* ---- descriptors ------------------------------------------------------------- */

static int read_platform(const struct place *place, struct oci_descriptor *out)
{
    const char *os, *arch, *variant, *os_version;
    struct strs features;
    struct place platform;

    if (read_object(place, "platform", &platform) < 0)
        return -1;
    if (platform.object == NULL)
        return 0;
    if (read_text(&platform, "os", &os) < 0 || read_text(&platform, "architecture", &arch) < 0 ||
        read_text(&platform, "variant", &variant) < 0 ||
        read_text(&platform, "os.version", &os_version) < 0 ||
        read_strs(&platform, "os.features", &features) < 0)
        return -1;
    /* an empty object says as little as none */
    out->has_platform = os != NULL || arch != NULL;
    out->platform = platform_of(os, arch, variant, os_version);
    for (size_t i = 0; i < features.count; i++)
        platform_add_feature(&out->platform, features.items[i]);
    return 0;
}

static int base64_read(const char *text, struct arena *arena, struct bin *out)
{
    size_t length = strlen(text), size = BASE64_DECODE_LENGTH(length);
    struct base64_decode_ctx state;
    uint8_t *bytes = arena_alloc(arena, size);

    base64_decode_init(&state);
    if (base64_decode_update(&state, &size, bytes, length, text) != 1 ||
        base64_decode_final(&state) != 1)
        return -1;
    *out = (struct bin){ bytes, size };
    return 0;
}

/* Embedded content counts only when it is the blob; where that cannot be told it is not there. */
static int read_data(const struct place *place, struct oci_descriptor *out)
{
    const char *text;
    struct bin data;

    if (read_text(place, "data", &text) < 0)
        return -1;
    if (text == NULL || !digest_is_usable(out->blob.digest))
        return 0;
    if (base64_read(text, place->arena, &data) < 0)
        return place_error(place, "data", "is not base64");
    if (data.size != out->blob.size)
        return place_error(place, "data", "is of %zu bytes, the size says %llu", data.size,
                           (unsigned long long)out->blob.size);
    if (digest_verify(out->blob.digest, data.data, data.size, place->err) < 0)
        return place_error(place, "data", "does not hash to %s", out->blob.digest);
    out->data = data;
    return 0;
}

static int read_descriptor(const struct place *place, struct oci_descriptor *out)
{
    struct shown s;

    *out = (struct oci_descriptor){ 0 };
    if (read_text(place, "mediaType", &out->blob.media_type) < 0 ||
        read_text(place, "digest", &out->blob.digest) < 0 ||
        read_size(place, "size", &out->blob.size) < 0 ||
        read_map(place, "annotations", &out->blob.annotations) < 0 ||
        read_text(place, "artifactType", &out->artifact_type) < 0 ||
        read_strs(place, "urls", &out->urls) < 0 || read_platform(place, out) < 0)
        return -1;
    if (out->blob.media_type == NULL || *out->blob.media_type == '\0')
        return place_error(place, "mediaType", "is missing");
    if (out->blob.digest == NULL)
        return place_error(place, "digest", "is missing");
    if (digest_check(out->blob.digest, place->err) < 0)
        return place_error(place, "digest", "is none: '%s'", shown(out->blob.digest, &s));
    return read_data(place, out);
}

/* `max` bounds what is taken out of the arena, too. */
static int read_descriptors(const struct place *root, const char *key, size_t max, size_t *count,
                            struct oci_descriptor **out)
{
    json_t *array;
    struct place item;

    if (read_array(root, key, &array) < 0)
        return -1;
    *count = json_array_size(array);
    if (*count > max)
        return error_set(root->err, ERROR_RESOURCE_EXHAUSTED,
                         "%s: %s has %zu entries, the limit is %zu", root->what, key, *count, max);
    *out = arena_alloc(root->arena, *count * sizeof(**out));
    for (size_t i = 0; i < *count; i++)
        if (read_item(root, key, array, i, &item) < 0 || read_descriptor(&item, &(*out)[i]) < 0)
            return -1;
    return 0;
}

static int read_optional(const struct place *root, const char *key, struct oci_descriptor **out)
{
    struct place place;

    *out = NULL;
    if (read_object(root, key, &place) < 0)
        return -1;
    if (place.object == NULL)
        return 0;
    *out = arena_alloc(root->arena, sizeof(**out));
    return read_descriptor(&place, *out);
}

/* ---- documents ------------------------------------------------------------------ */

static bool has(const struct place *root, const char *key)
{
    json_t *value = json_object_get(root->object, key);

    return value != NULL && !json_is_null(value);
}

static int check_version(const struct place *root)
{
    json_t *version = json_object_get(root->object, "schemaVersion");

    if (json_is_integer(version) && json_integer_value(version) == 2)
        return 0;
    if (json_is_integer(version) && json_integer_value(version) == 1)
        return error_set(root->err, ERROR_UNIMPLEMENTED,
                         "%s: Docker's schema 1 is not supported; push the image again with a "
                         "newer program",
                         root->what);
    return place_error(root, "schemaVersion", "is not 2");
}

/* No reader may take the document for the other kind (GHSA-5j5w-g665-5m35). */
static int check_kind(const struct place *root, enum media_kind kind)
{
    bool as_index = has(root, "manifests");
    bool as_manifest = has(root, "layers") || has(root, "config");

    if (as_index && as_manifest)
        return place_error(root, "", "has the members of an index and of a manifest: ambiguous");
    if (kind == MEDIA_INDEX && as_manifest)
        return place_error(root, "", "is a manifest, not an index");
    if (kind == MEDIA_MANIFEST && as_index)
        return place_error(root, "", "is an index, not a manifest");
    return 0;
}

static int read_media_type(const struct place *root, enum media_kind kind, const char *asked,
                           const char **out)
{
    const char *found;
    struct shown s, t;

    if (read_text(root, "mediaType", &found) < 0)
        return -1;
    if (found != NULL && asked != NULL && !media_equal(found, asked))
        return place_error(root, "mediaType", "is '%s', not '%s' as announced", shown(found, &s),
                           shown(asked, &t));
    *out = found != NULL         ? found
           : asked != NULL       ? arena_str(root->arena, asked)
           : kind == MEDIA_INDEX ? MEDIA_OCI_INDEX
                                 : MEDIA_OCI_MANIFEST;
    if (media_of(*out).kind != kind)
        return place_error(root, "mediaType", "is '%s'", shown(*out, &s));
    return 0;
}

static int check_document(const struct place *root, enum media_kind kind, const char *asked,
                          const char **media_type)
{
    if (check_version(root) < 0 || check_kind(root, kind) < 0)
        return -1;
    return read_media_type(root, kind, asked, media_type);
}

static int read_index(const struct place *root, const char *asked, struct oci_index *out)
{
    if (check_document(root, MEDIA_INDEX, asked, &out->media_type) < 0)
        return -1;
    if (!has(root, "manifests"))
        return place_error(root, "manifests", "is missing");
    if (read_descriptors(root, "manifests", INDEX_ENTRIES_MAX, &out->count, &out->entries) < 0 ||
        read_text(root, "artifactType", &out->artifact_type) < 0 ||
        read_optional(root, "subject", &out->subject) < 0)
        return -1;
    return read_map(root, "annotations", &out->annotations);
}

int index_parse(const void *bytes, size_t size, const char *asked, struct arena *arena,
                struct oci_index *out, struct error *err)
{
    json_t *json = document_load("index", bytes, size, MANIFEST_BYTES_MAX, err);
    struct place root = { .what = "index", .object = json, .arena = arena, .err = err };
    int result;

    *out = (struct oci_index){ 0 };
    if (json == NULL)
        return -1;
    result = read_index(&root, asked, out);
    json_decref(json);
    return result;
}

static int read_manifest(const struct place *root, const char *asked, struct oci_manifest *out)
{
    struct place config;

    if (check_document(root, MEDIA_MANIFEST, asked, &out->media_type) < 0 ||
        read_object(root, "config", &config) < 0)
        return -1;
    if (config.object == NULL)
        return place_error(root, "config", "is missing");
    if (read_descriptor(&config, &out->config) < 0 ||
        read_descriptors(root, "layers", LAYERS_MAX, &out->layer_count, &out->layers) < 0 ||
        read_text(root, "artifactType", &out->artifact_type) < 0 ||
        read_optional(root, "subject", &out->subject) < 0 ||
        read_map(root, "annotations", &out->annotations) < 0)
        return -1;
    if (media_of(out->config.blob.media_type).kind == MEDIA_EMPTY && out->artifact_type == NULL)
        return place_error(root, "artifactType", "is missing, and config is empty");
    return 0;
}

int manifest_parse(const void *bytes, size_t size, const char *asked, struct arena *arena,
                   struct oci_manifest *out, struct error *err)
{
    json_t *json = document_load("manifest", bytes, size, MANIFEST_BYTES_MAX, err);
    struct place root = { .what = "manifest", .object = json, .arena = arena, .err = err };
    int result;

    *out = (struct oci_manifest){ 0 };
    if (json == NULL)
        return -1;
    result = read_manifest(&root, asked, out);
    json_decref(json);
    return result;
}

static int guess_media_type(const struct place *root, const char **out)
{
    if (check_version(root) < 0 || check_kind(root, MEDIA_UNKNOWN) < 0 ||
        read_text(root, "mediaType", out) < 0)
        return -1;
    if (*out != NULL)
        return 0;
    if (!has(root, "manifests") && !has(root, "config"))
        return place_error(root, "", "is neither an index nor a manifest");
    *out = has(root, "manifests") ? MEDIA_OCI_INDEX : MEDIA_OCI_MANIFEST;
    return 0;
}

int document_media_type(const void *bytes, size_t size, struct arena *arena, const char **out,
                        struct error *err)
{
    json_t *json = document_load("document", bytes, size, MANIFEST_BYTES_MAX, err);
    struct place root = { .what = "document", .object = json, .arena = arena, .err = err };
    int result;

    *out = NULL;
    if (json == NULL)
        return -1;
    result = guess_media_type(&root, out);
    json_decref(json);
    return result;
}

bool manifest_is_image(const struct oci_manifest *manifest)
{
    return media_of(manifest->config.blob.media_type).kind == MEDIA_CONFIG;
}

int image_config_match(const struct image_config *config, const struct oci_manifest *manifest,
                       struct error *err)
{
    if (config->diff_ids.count == manifest->layer_count)
        return 0;
    return error_set(err, ERROR_DATA_LOSS,
                     "image config %s: has %zu diff ids, the manifest has %zu layers",
                     manifest->config.blob.digest, config->diff_ids.count, manifest->layer_count);
}

/* ---- choosing --------------------------------------------------------------------- */

static bool leads_to_images(const struct oci_descriptor *entry)
{
    enum media_kind kind = media_of(entry->blob.media_type).kind;

    return kind == MEDIA_INDEX || kind == MEDIA_MANIFEST;
}

/* "linux/amd64, linux/arm64", each once, as far as there is room */
static void list_platforms(const struct oci_index *index, char *out, size_t room)
{
    char text[PLATFORM_TEXT_SIZE], between[PLATFORM_TEXT_SIZE + 4];
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < index->count; i++) {
        const struct oci_descriptor *entry = &index->entries[i];
        struct shown s;

        if (!entry->has_platform || platform_is_unknown(&entry->platform))
            continue;
        snprintf(between, sizeof(between), "%s, ",
                 shown(platform_text(&entry->platform, text), &s));
        if (strstr(out, between) != NULL)
            continue;
        if (used + strlen(between) + sizeof("...") > room) {
            strcpy(out + used, "...");
            return;
        }
        strcpy(out + used, between);
        used += strlen(between);
    }
    if (used > 0)
        out[used - 2] = '\0';
}

int index_choose(const struct oci_index *index, const struct platform *wanted, struct arena *arena,
                 struct index_choice *out, struct error *err)
{
    char text[PLATFORM_TEXT_SIZE], list[200];

    *out = (struct index_choice){ .rank = -1 };
    out->unsure = arena_alloc(arena, index->count * sizeof(struct oci_descriptor *));
    for (size_t i = 0; i < index->count; i++) {
        const struct oci_descriptor *entry = &index->entries[i];
        int rank = entry->has_platform ? platform_rank(wanted, &entry->platform) : -1;

        if (!leads_to_images(entry))
            continue;
        if (!entry->has_platform)
            out->unsure[out->unsure_count++] = entry;
        if (rank >= 0 &&
            (out->entry == NULL || rank < out->rank ||
             (rank == out->rank && platform_is_newer(&entry->platform, &out->entry->platform)))) {
            out->entry = entry;
            out->rank = rank;
        }
    }
    if (out->entry != NULL || out->unsure_count > 0)
        return 0;
    list_platforms(index, list, sizeof(list));
    return error_set(err, ERROR_NOT_FOUND, "no variant for %s (has: %s)",
                     platform_text(wanted, text), *list ? list : "none");
}

bool index_repeats(const struct oci_index *index, const struct oci_descriptor *entry)
{
    for (const struct oci_descriptor *other = index->entries; other < entry; other++)
        if (other->has_platform == entry->has_platform &&
            strcmp(other->blob.digest, entry->blob.digest) == 0)
            return true;
    return false;
}

int document_settle(struct descriptor *known, const struct bin *bytes, struct arena *arena,
                    struct error *err)
{
    enum media_kind kind = media_of(known->media_type).kind;

    known->size = bytes->size;
    if (kind == MEDIA_INDEX || kind == MEDIA_MANIFEST)
        return 0;
    return document_media_type(bytes->data, bytes->size, arena, &known->media_type, err);
}
