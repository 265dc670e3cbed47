/*
 * parts — all that an image consists of, in the order in which a registry wants it.
 *
 * Blobs first, each once however many manifests share it; then documents, each behind those it
 * names; the target is the last.  Layers that registries need not have (media.h: foreign) are
 * left out: whoever pulls gets them from where their `urls` lead.
 */
#ifndef ACTORS_IMAGES_PARTS_H
#define ACTORS_IMAGES_PARTS_H

#include "actors/images/variant.h"

#define PARTS_MAX 20000 /* of either kind */

struct document_part {
    struct descriptor blob;
    struct oci_descriptor *subject; /* or NULL: see referrers.h */
    const char *artifact_type;
    struct map annotations;
};

struct parts {
    size_t blob_count, blob_room;
    struct descriptor *blobs;
    size_t document_count, document_room;
    struct document_part *documents;
};

/* What lies behind `target`, all from the store and in the job's arena.  NOT_FOUND: a document is
 * not here. */
int parts_find(struct job *job, const struct descriptor *target, struct parts *out,
               struct error *err);

/*
 * What of an index stands for it: the index itself when all its documents are here; else, unless
 * `all`, the one that is, and `alone` is true.  What is no index stands for itself.
 * FAILED_PRECONDITION: none or several are here, but not all; the error says which.
 */
int parts_choose(struct job *job, const struct descriptor *target, bool all, struct descriptor *out,
                 bool *alone, struct error *err);

#endif
