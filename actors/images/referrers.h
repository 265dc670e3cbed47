/*
 * referrers — what names a document as its subject: signatures, bills of materials and the like.
 *
 * Registries keep a list of them (distribution-spec, Listing Referrers), or they do not; then
 * whoever pushes one keeps it, as an index under a tag that is the subject's digest in other
 * letters.  Two that do so at the same moment may lose one of theirs: the specification has no way
 * against that.
 */
#ifndef ACTORS_IMAGES_REFERRERS_H
#define ACTORS_IMAGES_REFERRERS_H

#include "actors/images/parts.h"

struct outlet;

/* Adds the document, which is in the registry, to the index under its subject's tag. */
int referrers_add(struct job *job, struct outlet *outlet, const struct document_part *document,
                  struct error *err);

#endif
