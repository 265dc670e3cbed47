/*
 * blobs — the daemon's content as files of an archive, over the connection.
 *
 * Client and daemon need not share a file system.  What is sent hangs on the lease that the client
 * has taken (gantry_lease()).
 */
#ifndef TOOLS_GANTRY_ARCHIVE_BLOBS_H
#define TOOLS_GANTRY_ARCHIVE_BLOBS_H

#include "protocol/oci/digest.h"
#include "protocol/oci/media.h"
#include "tools/gantry/archive/pack.h"
#include "tools/gantry/command.h"

/* 1: it is here, with *size; 0: not; -1. */
int remote_blob_size(struct cli *cli, const char *digest, uint64_t *size, struct error *err);
/* A document, verified; in the cli's arena.  RESOURCE_EXHAUSTED beyond `limit` bytes. */
int remote_blob_fetch(struct cli *cli, const char *digest, size_t limit, struct bin *out,
                      struct error *err);
/* Its first bytes; of a shorter one, what there is. */
int remote_blob_head(struct cli *cli, const struct content_read_request *want, void *head,
                     size_t room, struct error *err);
/* Its bytes into the file that was begun. */
int remote_blob_pack(struct cli *cli, const char *digest, struct pack *pack, struct error *err);

struct sent {
    char digest[DIGEST_TEXT_SIZE];
    uint64_t size;
    enum compression compression; /* by its first bytes, if they were looked at */
    bool is_looked_at;            /* not when the daemon had it */
};
enum compression compression_by(const void *bytes, size_t size);
/* `digest`: NULL when it is not known.  What the daemon has already is not sent. */
int remote_blob_send(struct cli *cli, const char *digest, const struct packed *file,
                     struct sent *sent, struct error *err);
int remote_blob_put(struct cli *cli, const void *bytes, size_t size, struct sent *sent,
                    struct error *err);

/* For pack.h: the daemon is heard meanwhile, and Ctrl-C ends it.  Connects. */
int remote_patience(struct cli *cli, struct patience *patience, struct error *err);

/* A lease for as long as the command runs (and an hour, should it die); then remote_release(). */
int remote_hold(struct cli *cli, struct error *err);
/* This one, and what it leads to, stays meanwhile. */
int remote_keep(struct cli *cli, const char *digest, struct error *err);
void remote_release(struct cli *cli);

#endif
