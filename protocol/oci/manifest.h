/*
 * manifest — indexes and manifests: the documents that lead from a name to blobs.
 *
 * They are foreign, and they are never written again: what is stored is byte for
 * byte what was received, and the structs here are a reading of it.  A reading is
 * strict where two readers could disagree (both `layers` and `manifests`, a media
 * type that is not the one that was asked for, members given twice) and lenient
 * where a document is merely richer than this reader (unknown members, media
 * types, digest algorithms): those images are listed and copied, only not unpacked.
 *
 * Happy path: index_parse() -> index_choose() -> manifest_parse() ->
 * image_config_parse() -> image_config_match().
 */
#ifndef PROTOCOL_OCI_MANIFEST_H
#define PROTOCOL_OCI_MANIFEST_H

#include "protocol/oci/image_config.h"
#include "protocol/oci/media.h"
#include "protocol/oci/platform.h"
#include "protocol/schema.h"

#define MANIFEST_BYTES_MAX (4u << 20) /* of a manifest or an index */
#define LAYERS_MAX         1000
#define INDEX_ENTRIES_MAX  1000
#define INDEX_DEPTH_MAX    4 /* for those who follow indexes in indexes */

/* A blob as a document names it.  The digest follows the grammar, no more: see digest_require(). */
struct oci_descriptor {
    struct descriptor blob;    /* media_type, digest, size, annotations: as messages carry it */
    const char *artifact_type; /* or NULL */
    struct strs urls;
    struct bin data; /* the blob itself, verified; data NULL: not embedded */
    bool has_platform;
    struct platform platform;
};

struct oci_index {
    const char *media_type; /* as the document says, else as asked, else OCI's */
    const char *artifact_type;
    size_t count;
    struct oci_descriptor *entries;
    struct oci_descriptor *subject; /* or NULL */
    struct map annotations;
};

struct oci_manifest {
    const char *media_type;
    const char *artifact_type;
    struct oci_descriptor config;
    size_t layer_count;
    struct oci_descriptor *layers; /* lowest first */
    struct oci_descriptor *subject;
    struct map annotations;
};

/*
 * `asked` is the media type that the descriptor or the registry's Content-Type
 * names; NULL: not known.  What `out` points to is in the arena.
 * Errors: DATA_LOSS (malformed, ambiguous, another type than asked),
 * RESOURCE_EXHAUSTED (the bounds above), UNIMPLEMENTED (Docker's schema 1).
 */
int index_parse(const void *bytes, size_t size, const char *asked, struct arena *arena,
                struct oci_index *out, struct error *err);
int manifest_parse(const void *bytes, size_t size, const char *asked, struct arena *arena,
                   struct oci_manifest *out, struct error *err);

/*
 * What a document is when nobody has said: its mediaType, else by its members
 * OCI's index or manifest.  The text is static or in the arena.  Errors as above.
 */
int document_media_type(const void *bytes, size_t size, struct arena *arena, const char **out,
                        struct error *err);

/* The same for one whose descriptor is known: its media type stays where it says index or manifest;
   its size becomes that of the bytes. */
int document_settle(struct descriptor *known, const struct bin *bytes, struct arena *arena,
                    struct error *err);

/* It is an image, not another artifact: its config is an image config.  Only then unpack. */
bool manifest_is_image(const struct oci_manifest *manifest);

/*
 * The entry of an index for a platform.  Either `entry` is set, the best one;
 * among equals Windows' newest version, else the first.  Or it is NULL, and the document behind each of `unsure`
 * (entries that say nothing of a platform: a manifest, whose config tells, or an
 * index) must be looked at, in this order.  Attestations (unknown/unknown) are
 * neither.  NOT_FOUND when there is nothing to look at; the message lists what
 * platforms there are.
 */
struct index_choice {
    const struct oci_descriptor *entry;
    int rank; /* of entry, see platform_rank() */
    size_t unsure_count;
    const struct oci_descriptor **unsure;
};
int index_choose(const struct oci_index *index, const struct platform *wanted, struct arena *arena,
                 struct index_choice *out, struct error *err);

/* An entry before this one says the same: who has followed that need not follow this. */
bool index_repeats(const struct oci_index *index, const struct oci_descriptor *entry);

/* DATA_LOSS unless the config has a diff id for each layer. */
int image_config_match(const struct image_config *config, const struct oci_manifest *manifest,
                       struct error *err);

#endif
