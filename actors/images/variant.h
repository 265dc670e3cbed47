/*
 * variant — one platform's image behind a name: its manifest, config and layers.
 *
 * The way to it leads through documents (index -> manifest -> config) that come from
 * here or from a registry; who reads does not care.  Documents are stored as they
 * came, byte for byte, with labels that tell the collector what they lead to.
 */
#ifndef ACTORS_IMAGES_VARIANT_H
#define ACTORS_IMAGES_VARIANT_H

#include "actors/base/job.h"
#include "protocol/oci/digest.h"
#include "protocol/oci/image_config.h"
#include "protocol/oci/manifest.h"
#include "protocol/oci/media.h"

struct supply;

/* Where documents come from. */
struct source {
    struct job *job;
    struct supply *supply;       /* NULL: only from here */
    const char *origin;          /* label containerd.io/distribution.source.<host>, its host; NULL: none */
    const char *repository;      /* its value */
    const char *name;            /* of the image, as it will be; NULL: not known */
    const char *driver;          /* the config leads to snapshots of this driver; NULL: to none */
    uint64_t downloaded;         /* bytes, counted up */
    unsigned documents;          /* read so far, with their bytes: see source_count() */
    uint64_t document_bytes;
    bool unpacked;               /* snapshots were missing and are here now */
};

struct layer {
    struct descriptor blob;
    struct strs urls;            /* of one that registries need not have: where else it is */
    enum compression compression;
    const char *diff_id;
    char chain_id[DIGEST_TEXT_SIZE];
};

struct variant {
    struct descriptor manifest_blob, config_blob;
    struct bin manifest_bytes, config_bytes;
    bool is_image; /* else another artifact: stored, never unpacked */
    struct oci_manifest manifest;
    struct image_config config;
    struct layer *layers;
    size_t layer_count;
    uint64_t size; /* of all its blobs */
};

/*
 * Before each document is read, and what it has was `size`: RESOURCE_EXHAUSTED when there are too
 * many.  A thousand indexes that each name the same thousand indexes, which again do so, are a few
 * hundred MiB, and a way of 10^9 documents.
 */
#define DOCUMENTS_MAX      4000
#define DOCUMENT_BYTES_MAX (32u << 20) /* all stay in the job's arena */
int source_count(struct source *source, uint64_t size, struct error *err);

/* What lies behind `target` for `platform`; all in the job's arena.  NOT_FOUND names the platforms there are. */
int variant_find(struct source *source, const struct descriptor *target, const struct platform *platform,
                 struct variant *out, struct error *err);

/* All that an index leads to, other artifacts as well; each is nothing to unpack (is_image false). */
typedef int variant_one(void *ctx, struct variant *variant, struct error *err);
int variants_each(struct source *source, const struct descriptor *target, variant_one *one, void *ctx, struct error *err);

/* Stores bytes whose digest has been verified; what is here already only gets the labels. */
int blob_put(struct job *job, const char *digest, const struct bin *bytes, const struct map *labels, struct error *err);
/* 1: it is here, 0: not (nor is one whose digest nobody can verify); DATA_LOSS: with another size. */
int blob_is_here(struct job *job, const struct descriptor *blob, struct error *err);
/* A document that is here, and what it is, see document_settle(). */
int document_get(struct job *job, const struct descriptor *blob, struct descriptor *known, struct bin *bytes,
                 struct error *err);
/* NOT_FOUND when it is not here. */
int blob_get(struct job *job, const struct descriptor *blob, size_t limit, struct bin *out, struct error *err);

/* The platform of a request's text; NULL: this machine's. */
int platform_wanted(const char *text, struct platform *out, struct error *err);

/* For registry calls: a cancelled job ends them. */
struct registry_caller;
struct registry_caller caller_of(struct job *job);

#endif
