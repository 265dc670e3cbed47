/*
 * pack — files in a row, into a tar or a folder and out of one.
 *
 * Whoever writes names a file and its size, then gives its bytes; whoever reads is called for each
 * file and takes as much of it as he wants.  Nothing is held in memory, and nothing is sought: a
 * pipe will do.  A tar may be packed with gzip or zstd when it is read.
 *
 * A pipe may also be slow, and whoever has a connection open must not stand still meanwhile: so all
 * waiting is the caller's (`patience`).
 */
#ifndef TOOLS_GANTRY_ARCHIVE_PACK_H
#define TOOLS_GANTRY_ARCHIVE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/error.h"

/* Waits until `fd` can be read or written; -1: the user does not want to wait any more. */
struct patience {
    int (*wait)(void *ctx, int fd, bool for_writing, struct error *err);
    void *ctx;
};

/* ---- writing ---------------------------------------------------------------------------- */

struct pack;

/* `path`: NULL or "-" is standard output, one that ends in a slash or is a folder is a folder,
   else a file, which gets its name when it is complete. */
int pack_open(const char *path, const struct patience *patience, struct pack **pack,
              struct error *err);
int pack_begin(struct pack *pack, const char *name, uint64_t size, struct error *err);
int pack_bytes(struct pack *pack, const void *bytes, size_t size, struct error *err);
int pack_end(struct pack *pack, struct error *err); /* of the file that was begun */
int pack_file(struct pack *pack, const char *name, const void *bytes, size_t size,
              struct error *err); /* all three */
int pack_finish(struct pack *pack, struct error *err);
void pack_drop(struct pack **pack); /* for CLEANUP(): what is not finished goes */

/* ---- reading ---------------------------------------------------------------------------- */

#define PACKED_SIZE_UNKNOWN UINT64_MAX
struct packed {
    const char *name;   /* without "./"; never leads upwards */
    const char *target; /* of a link, as it stands there; NULL: a file */
    bool is_hard;       /* the link: its target is another name in the pack */
    uint64_t size;      /* or PACKED_SIZE_UNKNOWN */
    void *source;       /* the reader's own */
};
typedef int packed_one(void *ctx, const struct packed *file, struct error *err);

/* `path` as above.  DATA_LOSS: no tar, or a broken one.  What is neither a file nor a link is left
   out. */
int packed_each(const char *path, const struct patience *patience, packed_one *one, void *ctx,
                struct error *err);
/* The next bytes of the file: how many, 0 at the end, -1. */
int64_t packed_read(const struct packed *file, void *bytes, size_t room, struct error *err);

/* What is in `path` as one stream, unpacked if it is packed; the size is not known. */
int plain_each(const char *path, const struct patience *patience, packed_one *one, void *ctx,
               struct error *err);

#endif
