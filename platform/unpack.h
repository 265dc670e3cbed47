/*
 * unpack — how a job has a layer unpacked.
 *
 * The work is done by another program, gantry-unpack, because a layer is a
 * stranger's bytes: that program may touch nothing but the one folder it fills.
 * This side starts it, tells it how much of the blob is on disk, and reads what
 * it says.  The happy path is
 *
 *      unpack_start, unpack_allow ... unpack_allow, unpack_end,
 *      unpack_next until UNPACK_DONE, then, when all parents are complete,
 *      unpack_stitch if news.deferred > 0
 *
 * Possible failures: the layer is bad (INVALID_ARGUMENT, DATA_LOSS), a limit or
 * the disk is reached (RESOURCE_EXHAUSTED), the program is missing (NOT_FOUND)
 * or died (INTERNAL).  After any of them the layer folder is rubbish: remove it.
 *
 * A layer folder holds fs/ (becomes the overlay folder) and, as long as they are
 * needed, lock (somebody writes here: start-up waits for it) and deferred.
 */
#ifndef PLATFORM_UNPACK_H
#define PLATFORM_UNPACK_H

#include "platform/platform.h"
#include "protocol/schema.h"

struct unpack_options {
    const char *blob;          /* the file with the compressed layer; may still be growing */
    const char *folder;        /* the layer folder; fs/ is made where it is not there, emptied
                                  where it is not empty */
    const char *compression;   /* none, gzip, zstd; auto: what its first bytes say */
    bool base;                 /* it has no parents: whiteouts are dropped, nothing is deferred */
    const char *const *lowers; /* the fs folders of its parents, highest first, all complete: */
    size_t lower_count;        /* nothing is deferred either; 0 where they are not there yet */
    const struct list *lower_mounts; /* instead of them, how the parents are mounted; NULL: not so */
    const struct list *mounts; /* fs/ is what they describe (records mount); NULL: a folder */
    uint64_t max_bytes;        /* uncompressed, 0: no limit */
    uint64_t max_entries;      /* files and folders, 0: no limit */
};

enum unpack_kind { UNPACK_PROGRESS, UNPACK_DONE };

struct unpack_news {
    enum unpack_kind kind;
    uint64_t uncompressed; /* bytes of tar, so far or in all */
    uint64_t entries;      /* UNPACK_PROGRESS: of the tar, so far */
    char diff_id[72];      /* UNPACK_DONE: sha256:..., of all decompressed bytes */
    uint64_t size, inodes; /* UNPACK_DONE: what fs/ takes on disk */
    uint64_t deferred;     /* UNPACK_DONE: things that unpack_stitch() has to do */
};

/* By value, zero is "nothing runs"; its fields are unpack_client.c's business. */
struct unpack {
    struct child child;
    uint64_t allowed; /* what the helper was told last */
    bool ended;
};

/* Starts the helper.  Does not wait.  The caller owes an unpack_drop(). */
int unpack_start(const struct unpack_options *options, struct unpack *unpack, struct error *err);
/* Bytes 0 .. `bytes` - 1 of the blob are on disk.  Never waits: a helper that is busy gets
   the newest number when it asks for it the next time.  Small steps are saved up. */
int unpack_allow(struct unpack *unpack, uint64_t bytes, struct error *err);
/* The blob has `bytes` bytes and its digest was found right. */
int unpack_end(struct unpack *unpack, uint64_t bytes, struct error *err);
/* Readable when unpack_next() will not wait; for poll(). */
int unpack_fd(const struct unpack *unpack);
/* One piece of news; waits for it.  -1: what the helper found wrong, or how it died. */
int unpack_next(struct unpack *unpack, struct unpack_news *news, struct error *err);
/* Kills and reaps what still runs: for CLEANUP(). */
void unpack_drop(struct unpack *unpack);

/* start, allow, end and next in one, for a blob that is complete: waits until done. */
int unpack_whole(const struct unpack_options *options, uint64_t bytes, struct unpack_news *done,
                 struct error *err);

/* What the layer could not know before its parents were complete (in chain order: the lowers
   are stitched already).  `lowers` are their fs folders, highest first.  Waits.
   ABORTED: the layer reaches through a link of its parents (lib/x where they have lib ->
   usr/lib), so it has to be unpacked once more, with options.lowers set: unpack_whole() in the
   same folder, and no stitch after it. */
int unpack_stitch(const char *folder, const char *const *lowers, size_t count, struct error *err);
/* The same where fs/ is mounted (options.mounts), and the parents are (options.lower_mounts). */
int unpack_stitch_on(const char *folder, const struct list *mounts, const struct list *lower_mounts,
                     struct error *err);

/*
 * For drivers whose layers hold their parents' files: an unpacked fs/ becomes `whole`, which is the
 * parent's files with the layer's on top; fs/ is used up.  `lower` is the parent's fs folder,
 * which is copied; NULL: `whole` is there already, and holds what the parent has.  Waits.
 * ABORTED: as unpack_stitch(), and nothing has changed but for what was deferred.
 */
int unpack_rebase(const char *folder, const char *lower, struct error *err);
#define UNPACK_WHOLE_FOLDER "whole"
/* The same for a tree that has to be mounted (records mount): the helper does that in its own mount
   namespace, and what was put there is on the disk afterwards. */
int unpack_rebase_on(const char *folder, const struct list *mounts, struct error *err);
/* Fills the empty fs/ of a layer folder with what `lower` has.  Waits. */
int unpack_copy(const char *folder, const char *lower, struct error *err);

/* Copies /etc/passwd and /etc/group of the merged lowers to <out_folder>/passwd and group (0600);
   what the image does not have is not there afterwards.  At most 1 MiB each.  Waits. */
int unpack_users(const char *out_folder, const char *const *lowers, size_t count,
                 struct error *err);

/*
 * Fills a volume that is empty with what an image has at a path, looked up inside the image
 * (volume/data is filled, see unpack/seed.h).  One that is not empty, or a path that the image
 * does not have, is nothing to do.  INVALID_ARGUMENT: the path leads to something else than a
 * folder.  After a failure volume/UNPACK_SEED_PART is rubbish, after success
 * volume/UNPACK_SEED_DONE: remove it.
 */
#define UNPACK_SEED_PART "seed"
#define UNPACK_SEED_DONE "seeded"

struct unpack_seed {
    const char *volume;        /* its folder */
    const char *source;        /* in the image */
    const struct list *mounts; /* records mount: of a root file system of the image */
    bool sync;                 /* be on the disk afterwards */
};

/* Starts the helper; unpack_fd() is readable when unpack_seed_end() will not wait.  The caller owes
   an unpack_drop(). */
int unpack_seed_start(const struct unpack_seed *options, struct unpack *unpack, struct error *err);
int unpack_seed_end(struct unpack *unpack, struct error *err);

/* The same, of a root file system that has to be mounted. */
int unpack_users_of(const char *out_folder, const struct list *mounts, struct error *err);

#endif
