/*
 * channel — packets between two processes of ours on one machine.
 *
 * A channel has two ends; what is sent at one comes out at the other whole and in order, or
 * not at all.  A packet may carry the end of another channel with it, or an open file: so whoever has one way
 * to a process can open any number of them, and need not sort what comes back.  An end that is
 * closed, or whose process has died, is seen at the other at once.  Ends are file descriptors,
 * closed with file_close(), close-on-exec; child_options.channel makes one a child's stdin.
 */
#ifndef PLATFORM_CHANNEL_H
#define PLATFORM_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/error.h"

#define CHANNEL_PACKET_MAX (128u << 10) /* bytes in one packet */
#define CHANNEL_STDIN      0            /* a helper's first channel */

int channel_pair(int *here, int *there, struct error *err);

struct channel_packet {
    const void *head; /* goes first */
    size_t head_size;
    const void *body; /* may be NULL */
    size_t size;
    int pass; /* the end of a channel, or an open file, that goes along; 0: none */
};

/* Waits at most so long for room (-1: for ever).  UNAVAILABLE: the other end is closed, or
   there was no room. */
int channel_send(int channel, const struct channel_packet *packet, int wait_ms, struct error *err);

enum channel_news {
    CHANNEL_QUIET,  /* nothing came in that time */
    CHANNEL_PACKET, /* `size` bytes, more than none */
    CHANNEL_CLOSED  /* nothing will come any more */
};

struct channel_heard {
    enum channel_news news;
    size_t size;
    int passed; /* what came along, now ours; -1: nothing */
};

/* The next packet; waits at most so long for it (-1: for ever).  What does not fit into
   `room` is refused whole: INVALID_ARGUMENT.  Channels that come along are taken only
   where `passing` says so; else the system closes them. */
int channel_receive(int channel, void *packet, size_t room, bool passing, int wait_ms,
                    struct channel_heard *heard, struct error *err);

/* The other end is closed; may it wait: no. */
bool channel_is_closed(int channel);

#endif
