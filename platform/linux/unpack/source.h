/*
 * source — the blob, as far as it is on disk.
 *
 * The daemon downloads and verifies; this side reads the same file behind a
 * watermark that arrives as lines on standard input.  So a download may stop,
 * resume or come in pieces without this side knowing.
 */
#ifndef UNPACK_SOURCE_H
#define UNPACK_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/error.h"

struct source {
    int blob;
    int control;      /* -1: there is none, the blob is a stream and ends where it ends */
    uint64_t offset;  /* what was read */
    uint64_t allowed; /* what may be read */
    bool ended;       /* allowed is all there is, and it was verified */
    char line[64];    /* of the control pipe, as far as it has come */
    size_t have;
};

int source_open(struct source *source, const char *blob, int control, struct error *err);
/* A stream that needs nobody's word. */
void source_open_stream(struct source *source, int stream);
/* Up to `room` bytes; waits for them.  *got = 0: the end, told by the daemon.
   CANCELLED when the daemon closed the control pipe before. */
int source_read(struct source *source, void *to, size_t room, size_t *got, struct error *err);
/* Waits for the end, which has to be where reading has come to. */
int source_settle(struct source *source, struct error *err);

#endif
