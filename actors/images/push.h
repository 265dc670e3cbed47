/* push — what copying has in common with pushing; see push.c. */
#ifndef ACTORS_IMAGES_PUSH_H
#define ACTORS_IMAGES_PUSH_H

#include "actors/images/outlet.h"
#include "actors/images/parts.h"

/* pull.c: the document that a reference names at the source's registry.  It becomes content at
   once: what follows reads it from there. */
int target_resolve(struct source *source, const struct reference *reference,
                   struct descriptor *target, struct error *err);

/* Where an image goes to. */
struct destination {
    const struct reference *to;
    struct outlet outlet;
    const char *mount; /* a repository of the same registry that has all of it; NULL: none */
    struct strs tags;  /* what else it shall be called */
};

/* The host that takes what is sent to `to`; CLEANUP(destination_close) on a zeroed one. */
int destination_open(struct destination *destination, struct job *job, const struct reference *to,
                     const struct registry_user *user, struct error *err);
void destination_close(struct destination *destination);

/* Sends what lies behind `target`, and counts it in `reply`.  Documents must be here, and blobs
   that the registry has not. */
int image_send(struct job *job, struct destination *destination, const struct descriptor *target,
               struct images_push_reply *reply, struct error *err);

/* What is the same in the answers of both. */
void destination_tell(struct job *job, const struct destination *destination,
                      const struct descriptor *target, struct images_push_reply *reply);

/* INVALID_ARGUMENT: `to` has the digest of another document. */
int destination_check(const struct reference *to, const struct descriptor *target,
                      struct error *err);

/* 1: the registry has it now, without its bytes; 0: it must be sent. */
int blob_offer(struct job *job, struct destination *destination, const struct descriptor *blob,
               struct error *err);

/* A document of the store, to be kept under put->name there; what else is in `put` but its tags and
   only_missing is filled in. */
int document_put(struct job *job, struct outlet *outlet, const struct descriptor *blob,
                 struct registry_put *put, struct registry_kept *kept, struct error *err);

#endif
