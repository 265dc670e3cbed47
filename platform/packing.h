/*
 * packing — how a job has two file systems compared, a layer packed, and files taken out of a
 * container's root or put into it.
 *
 * The work is done by other programs, gantry-pack and, for what is put in, gantry-unpack: a
 * container's files are a stranger's, and so are their names and links.  They mount what they work
 * on in a namespace of their own and may touch nothing else.  The happy path is
 *
 *      packing_layer (or _changes, _copy, _stat, _put), packing_next until PACKING_DONE
 *
 * Possible failures: what is asked for is not there (NOT_FOUND) or cannot be in an archive
 * (INVALID_ARGUMENT), the disk is full (RESOURCE_EXHAUSTED), the program is missing (NOT_FOUND) or
 * died (INTERNAL).
 */
#ifndef PLATFORM_PACKING_H
#define PLATFORM_PACKING_H

#include "platform/platform.h"
#include "protocol/schema.h"

#define PACKING_DATA_MAX (128u << 10) /* bytes of one piece */

/* Two file systems, as the mounts (records mount) that make them. */
struct packing_trees {
    const struct list *before; /* none: an empty folder */
    const struct list *after;
    const struct strs *excluded; /* paths that are left out where they are new and empty; NULL */
};

struct packing_layer {
    struct packing_trees trees;
    const char *file;        /* that the layer goes to; it is there */
    const char *compression; /* none, gzip, zstd */
    const int64_t *latest;   /* seconds: no time in the layer is later; NULL */
    /* Folder of a task (runtime.h) that stands still meanwhile; NULL: none.  Its shim sees to it, on
       behalf of the helper: it goes on whoever is killed.  One that stood still before stays so. */
    const char *still;
    bool must_still; /* it is an error where it cannot */
};

/* A container's root: what a running process sees, or else mounts. */
struct packing_root {
    uint64_t pid; /* 0: none runs */
    const struct list *mounts;
};

/* Still sees anything: not when it has ended, whether or not somebody knows that yet. */
bool packing_is_running(uint64_t pid);

enum packing_kind { PACKING_PROGRESS, PACKING_DATA, PACKING_DONE };

struct packing_news {
    enum packing_kind kind;
    uint64_t bytes, entries; /* PACKING_PROGRESS: so far */
    const char *data;        /* PACKING_DATA: good until the next call */
    size_t size;
    /* PACKING_DONE of a layer */
    char diff_id[72], digest[72]; /* of the tar, of the file */
    uint64_t packed, unpacked;    /* bytes of both */
    bool still;                   /* what was to stand still did */
    /* PACKING_DONE of stat */
    unsigned mode; /* with its type, as stat(2) has it */
    uint64_t file_size;
    int64_t modified; /* ns since 1970 */
};

/* By value, zero is "nothing runs"; its fields are packing_client.c's business. */
struct packing {
    struct child child;
    const char *program;
    char *data;
};

/* Start a helper.  Do not wait.  The caller owes a packing_drop(). */
int packing_layer(const struct packing_layer *layer, struct packing *packing, struct error *err);
/* A letter (A, C, D), a path that begins with a slash, NUL; comes as data. */
int packing_changes(const struct packing_trees *trees, struct packing *packing, struct error *err);
/* These three say first, as progress, that they are in the root: then its process may end. */
/* A tar, as data. */
int packing_copy(const struct packing_root *root, const char *path, struct packing *packing,
                 struct error *err);
/* As data: the real path without its first slash, NUL, where a link leads, NUL. */
int packing_stat(const struct packing_root *root, const char *path, struct packing *packing,
                 struct error *err);

/* A tar, plain or packed with gzip or zstd, into a folder of the root: its bytes are handed over by
   packing_say(), and packing_say_end() says that these were all. */
int packing_put(const struct packing_root *root, const char *folder, struct packing *packing,
                struct error *err);
/* Waits until they are taken.  A helper that is gone is no error here: packing_next() knows why. */
int packing_say(struct packing *packing, const void *bytes, size_t size, struct error *err);
void packing_say_end(struct packing *packing);

/* Readable when packing_next() will not wait for long; for poll(). */
int packing_fd(const struct packing *packing);
/* One piece of news; waits for it.  -1: what the helper found wrong, or how it died. */
int packing_next(struct packing *packing, struct packing_news *news, struct error *err);
/* Kills and reaps what still runs: for CLEANUP(). */
void packing_drop(struct packing *packing);

#endif
