/*
 * grpc_frames — messages out of the bytes of an answer: a flag, four bytes of length, so many
 * bytes.
 *
 * Bytes come in any portions: a prefix may be split, a portion may hold many messages.  Memory
 * grows with what has come, never by what a length promises.
 */
#ifndef PLATFORM_LINUX_PLUGIN_GRPC_FRAMES_H
#define PLATFORM_LINUX_PLUGIN_GRPC_FRAMES_H

#include "protocol/record.h"

#define FRAME_PREFIX 5

struct frames {
    int (*take)(void *ctx, const void *message, size_t size, struct error *err);
    void *ctx;
    unsigned char prefix[FRAME_PREFIX];
    size_t prefix_size; /* so much of it is there */
    size_t wanted;      /* bytes of the message, known with the prefix */
    struct buffer message;
    size_t count; /* of messages taken */
};

int frames_add(struct frames *frames, const void *bytes, size_t size, struct error *err);
/* Between two messages? */
bool frames_are_whole(const struct frames *frames);
void frames_free(struct frames *frames);

/* The prefix of a message of that size. */
void frame_prefix(unsigned char prefix[FRAME_PREFIX], size_t size);

#endif
