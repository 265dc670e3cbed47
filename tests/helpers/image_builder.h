/*
 * image_builder — an image in memory: layers, config, manifest and index that fit each other, or do
 * not in a chosen way.
 *
 *      static const struct layer_entry entries[] = { { .path = "etc/motd", .text = "hello\n" } };
 *      struct layer_plan layer = { .entries = entries, .entry_count = 1 };
 *      CLEANUP(image_drop) struct built_image *image =
 *          image_build(&(struct image_plan){ .layers = &layer, .layer_count = 1 });
 *
 *      image_serve(server, "app", "latest", image);
 */
#ifndef TESTS_HELPERS_IMAGE_BUILDER_H
#define TESTS_HELPERS_IMAGE_BUILDER_H

#include <stdbool.h>

#include "tests/helpers/layer_builder.h"
#include "tests/helpers/registry_server.h"

/* What is wrong; several may be.  Defects of the bytes of a layer: enum layer_defect. */
enum image_defect {
    IMAGE_WRONG_DIGEST = 1 << 0,       /* the first layer's bytes are others than its digest says */
    IMAGE_SIZE_TOO_SMALL = 1 << 1,     /* of the first layer: the registry has a byte more */
    IMAGE_SIZE_TOO_LARGE = 1 << 2,     /* ... a byte less */
    IMAGE_WRONG_DIFF_ID = 1 << 3,      /* of the first layer */
    IMAGE_FEWER_DIFF_IDS = 1 << 4,     /* one less than there are layers */
    IMAGE_ROOTFS_TYPE = 1 << 5,        /* rootfs.type is not "layers" */
    IMAGE_BOTH_KINDS = 1 << 6,         /* the manifest has `manifests` as well */
    IMAGE_OVER_4_MIB = 1 << 7,         /* the manifest */
    IMAGE_TYPE_LIES = 1 << 8,          /* the manifest calls itself an index */
    IMAGE_SCHEMA_1 = 1 << 9,           /* schemaVersion of the manifest */
    IMAGE_MANIFEST_NO_JSON = 1 << 10,  /* it is cut off */
    IMAGE_CONFIG_NO_JSON = 1 << 11,    /* it is cut off */
    IMAGE_NO_CONFIG_BLOB = 1 << 12,    /* the registry does not have it */
    IMAGE_NO_LAYER_BLOB = 1 << 13,     /* ... the first layer */
    IMAGE_NO_MANIFEST = 1 << 14,       /* ... the manifest, only the index */
    IMAGE_UNKNOWN_LAYER = 1 << 15,     /* a media type nobody knows */
    IMAGE_OTHER_PLATFORM = 1 << 16,    /* the only variants are plan9/mips and linux/nios2 */
    IMAGE_MANIFEST_DIGEST = 1 << 17,   /* the registry has other bytes for the manifest */
    IMAGE_HUGE_SIZE = 1 << 18,         /* the first layer is said to have 2^62 bytes */
};

struct image_plan {
    const struct layer_plan *layers;
    size_t layer_count;
    const char *config;          /* the config's "config", e.g. {"Cmd":["/bin/sh"]}; NULL: {} */
    const char *config_type;     /* another artifact's, which is no image then; NULL: an image's */
    const char *os;              /* NULL: linux */
    const char *architecture;    /* NULL: the host's */
    const char *variant;         /* NULL: none */
    bool docker;                 /* Docker's media types instead of OCI's */
    bool foreign;                /* layers that registries need not have */
    const char *urls[3];         /* of each layer: where else it is; NULL: no more */
    bool no_index;               /* the tag is the manifest's */
    bool nested;                 /* the index is inside another one */
    bool more_platforms;         /* the index names variants the registry does not have, first */
    bool no_platform;            /* the index's entry does not say what it is for */
    unsigned defects;            /* of enum image_defect */
};

struct built_image {
    struct built_layer *layers;
    size_t layer_count;
    struct built_blob config;
    struct built_blob manifest;
    struct built_blob index; /* no data when there is none */
    struct built_blob outer; /* the index around the index */
    const struct built_blob *target; /* what the tag stands for: one of the three above */
    const char *manifest_type, *index_type;
    unsigned defects;
};

struct built_image *image_build(const struct image_plan *plan);
void image_drop(struct built_image **image); /* for CLEANUP() */

/* All of it on the server, blobs with ranges; replaces what was said for these paths before.  What
   the defects take away is 404. */
void image_serve(struct registry_server *server, const char *repository, const char *tag,
                 const struct built_image *image);

/* Calls `each` for what a registry is to have: blobs, then documents by digest, then by tag. */
struct image_part {
    const char *kind; /* "blobs" or "manifests" */
    const char *name; /* digest or tag */
    const char *media_type;
    const struct built_blob *blob;
};
void image_each(const struct built_image *image, const char *tag,
                void (*each)(void *ctx, const struct image_part *part), void *ctx);

#endif
