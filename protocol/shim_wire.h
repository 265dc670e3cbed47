/*
 * shim_wire — packets between the daemon and gantry-shim, and the short way for
 * the bytes of streams.
 *
 * A packet is one byte that tells which record follows, then the record.  Data
 * packets are most of the traffic, so their sender writes the bytes from where
 * they lie behind a small head, and their receiver finds them where they came
 * in: nothing is copied or allocated.  What is on the wire is an ordinary record
 * `shim_data`; any other way of writing it is understood too, more slowly.
 */
#ifndef PROTOCOL_SHIM_WIRE_H
#define PROTOCOL_SHIM_WIRE_H

#include "protocol/schema.h"

enum shim_packet {
    SHIM_HELLO = 'H',
    SHIM_ASK = 'A',
    SHIM_TELL = 'T',
    SHIM_DATA = 'D',
};

#define SHIM_PACKET_MAX 65536u
#define SHIM_DATA_MAX   (60u * 1024) /* bytes in one data packet */
#define SHIM_HEAD_MAX   48           /* of a data packet, in front of its bytes */

/* Appends a whole packet. */
void shim_packet_add(enum shim_packet kind, const void *record, struct buffer *out);

/* All of a data packet but its bytes, which follow; yields the size.  `stream` is one of
   stdin, stdout, stderr; with size 0 the packet is complete as it is. */
size_t shim_data_head(const char *stream, size_t size, bool is_last, char head[SHIM_HEAD_MAX]);

/* Reads a data packet (kind byte included).  The bytes stay where they are when it was
   written as above, else they are in the arena.  Errors: INVALID_ARGUMENT. */
int shim_data_read(const void *packet, size_t size, struct shim_data *data, struct arena *arena,
                   struct error *err);

#endif
