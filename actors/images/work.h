/*
 * work — the inside of layers: one layer on its way here.
 *
 *      layers      all of an image's, and what holds them together
 *      download    a blob into its ingest, hashed as it comes
 *      urls        a blob that is not the registry's
 *      unpack      a snapshot out of it, behind the download
 */
#ifndef ACTORS_IMAGES_WORK_H
#define ACTORS_IMAGES_WORK_H

#include "actors/images/claim.h"
#include "actors/images/layers.h"
#include "platform/platform.h"
#include "platform/unpack.h"

struct work {
    struct source *source;
    const struct images_config *config;
    const char *driver;
    const struct layer *layer;
    size_t index, count; /* of the image's layers */
    const char *below;   /* chain id of the layer under it; NULL: it is the lowest */
    struct map hints;    /* labels for a plugin that may have the layer, or get it by itself */
    const struct list *lower_mounts; /* while it is unpacked with its parents in sight: how they are mounted */
    bool unpack;     /* its snapshot is wanted and not here */
    bool prepared;   /* there is a place to unpack it */
    bool mounted;    /* ... which is what its mounts describe, not its folder */
    bool whole;      /* it has to be rebased before it is committed */
    bool remote;     /* the driver had it: nobody needs its blob */
    bool unpacked;   /* ... and it is full */
    char key[200];   /* of the snapshot it is unpacked in */
    uint64_t number; /* of the snapshot's layer; also when it was here already */
    uint64_t size, inodes, deferred;
    uint64_t downloaded;
};

void work_report(struct job *job, const char *stage, const struct work *work, uint64_t done);
/* <root>/snapshots/NUMBER and what is said to be below. */
int work_folder(const struct work *work, const char *below, char path[PATH_SIZE],
                struct error *err);

/* unpack.c.  NOT_FOUND: the snapshot is not here. */
int snapshot_know(struct job *job, struct work *work, struct error *err);
/* A place to unpack, and work->prepared; or the snapshot is here after all, made in another
   namespace or had by the driver: then it is this one's too, and work->unpack is false.  `settled`: all
   below it is here. */
int snapshot_prepare(struct job *job, struct work *work, bool settled, struct error *err);
int unpack_begin(struct job *job, struct work *work, const char *blob, const char *const *lowers, size_t lower_count,
                 struct unpack *unpack, struct error *err);
/* Where it is mounted: what it could not know before its parent, which is committed. */
int unpack_stitch_mounted(struct job *job, struct work *work, const struct list *parent, struct error *err);
/* What the helper has said so far, without waiting: -1 when it has found something wrong. */
int unpack_hear(struct job *job, struct work *work, struct unpack *unpack, struct error *err);
int unpack_finish(struct job *job, struct work *work, struct unpack *unpack, struct error *err);
/* All of it, from a blob that is here. */
int unpack_present(struct job *job, struct work *work, const char *blob, const char *const *lowers,
                   size_t lower_count, struct error *err);

/* hints.c.  Is the driver another program?  Such a one is told what it has to know to bring a layer by
   itself: the labels of containerd's CRI. */
bool driver_is_plugin(const char *driver);
void hints_take(struct work *works, size_t count, const struct variant *variant);

/* look.c.  A view of a committed snapshot of a driver whose layers cannot be seen by their folders; what was
   taken is dropped. */
struct look {
    struct job *job;
    const char *driver;
    char key[64];
    struct list mounts;
};
int look_take(struct look *look, struct job *job, const char *driver, const char *chain_id,
              struct error *err);
void look_drop(struct look *look);

/* download.c.  Fills the ingest; `unpack` (may be NULL) is told how far it is.  ABORTED: the
   registry began anew, and what the unpacker has read is void. */
int blob_download(struct job *job, struct work *work, const struct content_ingest_reply *place,
                  struct unpack *unpack, struct error *err);

/* urls.c.  For a layer that its registry has not: NOT_FOUND is in `err`, which says more when it is
   nowhere.  0: the ingest is full and right, and nothing is unpacked. */
int blob_from_urls(struct job *job, struct work *work, const struct content_ingest_reply *place,
                   struct error *err);

#endif
