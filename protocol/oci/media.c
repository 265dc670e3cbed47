/* The table of media types, and comparing without case and parameters. */
#include "protocol/oci/media.h"

#include <stddef.h>
#include <string.h>

#define OCI_LAYER      "application/vnd.oci.image.layer.v1.tar"
#define OCI_FOREIGN    "application/vnd.oci.image.layer.nondistributable.v1.tar"
#define DOCKER_LAYER   "application/vnd.docker.image.rootfs.diff.tar"
#define DOCKER_FOREIGN "application/vnd.docker.image.rootfs.foreign.diff.tar"

static const struct {
    const char *type;
    struct media media;
} known[] = {
    { MEDIA_OCI_INDEX, { .kind = MEDIA_INDEX } },
    { MEDIA_DOCKER_INDEX, { .kind = MEDIA_INDEX, .docker = true } },
    { MEDIA_OCI_MANIFEST, { .kind = MEDIA_MANIFEST } },
    { MEDIA_DOCKER_MANIFEST, { .kind = MEDIA_MANIFEST, .docker = true } },
    { MEDIA_OCI_CONFIG, { .kind = MEDIA_CONFIG } },
    { MEDIA_DOCKER_CONFIG, { .kind = MEDIA_CONFIG, .docker = true } },
    { MEDIA_OCI_EMPTY, { .kind = MEDIA_EMPTY } },
};

static const struct {
    const char *type;
    bool foreign, docker;
} layers[] = {
    { OCI_LAYER, false, false },
    { OCI_FOREIGN, true, false },
    { DOCKER_LAYER, false, true },
    { DOCKER_FOREIGN, true, true },
};

/* OCI writes +gzip, Docker .gzip; both kinds of both are found in the wild. */
static const struct {
    const char *suffix;
    enum compression compression;
} suffixes[] = {
    { "", COMPRESSION_NONE },      { "+gzip", COMPRESSION_GZIP }, { ".gzip", COMPRESSION_GZIP },
    { "+zstd", COMPRESSION_ZSTD }, { ".zstd", COMPRESSION_ZSTD },
};

static size_t length_of(const char *type)
{
    size_t length = strcspn(type, ";");

    while (length > 0 && (type[length - 1] == ' ' || type[length - 1] == '\t'))
        length--;
    return length;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* `size` bytes of the type are `word`, which is lower-case */
static bool is_word(const char *type, size_t size, const char *word)
{
    if (strlen(word) != size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (lower(type[i]) != word[i])
            return false;
    return true;
}

static bool suffix_find(const char *suffix, size_t size, enum compression *out)
{
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
        if (is_word(suffix, size, suffixes[i].suffix))
            return *out = suffixes[i].compression, true;
    return false;
}

static struct media layer_of(const char *type, size_t length)
{
    struct media media = { 0 };

    for (size_t i = 0; i < sizeof(layers) / sizeof(*layers); i++) {
        size_t stem = strlen(layers[i].type);

        if (length < stem || !is_word(type, stem, layers[i].type) ||
            !suffix_find(type + stem, length - stem, &media.compression))
            continue;
        media.kind = MEDIA_LAYER;
        media.foreign = layers[i].foreign;
        media.docker = layers[i].docker;
        return media;
    }
    return media;
}

struct media media_of(const char *type)
{
    size_t length = type == NULL ? 0 : length_of(type);

    if (length == 0)
        return (struct media){ 0 };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (is_word(type, length, known[i].type))
            return known[i].media;
    return layer_of(type, length);
}

bool media_equal(const char *a, const char *b)
{
    size_t length = a == NULL ? 0 : length_of(a);

    if (length == 0 || b == NULL || length_of(b) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

const char *compression_name(enum compression compression)
{
    static const char *const names[] = { "none", "gzip", "zstd" };

    return names[compression];
}
