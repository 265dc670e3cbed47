/*
 * fetch_wire — packets between the daemon and gantry-fetch.
 *
 * Two kinds of channels (platform/channel.h).  On the first, gantry-fetch's stdin, the daemon says
 * OPEN once and then ASK for every request, each with a channel of its own; when it is closed
 * the program ends.  On a request's channel gantry-fetch speaks: DATA, SENT and NOTE, any number,
 * and END; the daemon only where something is to be sent: FILE, once, and the open file comes with
 * it, so that no byte of it passes through the daemon; and where gantry-fetch says WANT, because the
 * host wants to know who asks: USER.  To cancel is to close that channel.  So neither side sorts
 * anything, a request that nobody reads from waits alone, and what is under way ends with either
 * process.
 *
 * A packet is a byte that tells its kind, then: a record (OPEN, ASK, WANT, USER, END;
 * schema/fetch.def), a sentence (NOTE), or the place of the first byte as 8 bytes, big end first, and the bytes
 * (DATA), or how much was sent as 8 such bytes (SENT), or nothing (FILE).  The daemon takes every
 * packet for a stranger's: gantry-fetch has listened to one.
 */
#ifndef PROTOCOL_FETCH_WIRE_H
#define PROTOCOL_FETCH_WIRE_H

#include "protocol/schema.h"

enum fetch_packet {
    FETCH_OPEN = 'O',
    FETCH_ASK = 'A',
    FETCH_DATA = 'D',
    FETCH_NOTE = 'N',
    FETCH_FILE = 'F',
    FETCH_SENT = 'S',
    FETCH_WANT = 'W',
    FETCH_USER = 'U',
    FETCH_END = 'E',
};

#define FETCH_PACKET_MAX (64u << 10)
#define FETCH_DATA_HEAD  9u
#define FETCH_DATA_MAX   (FETCH_PACKET_MAX - FETCH_DATA_HEAD) /* bytes in one packet */

/* Room for a packet, taken once: packing leaves no copies of a password behind.  Freed by
   fetch_buffer_free(), which wipes it. */
void fetch_buffer_open(struct buffer *buffer);
void fetch_buffer_free(struct buffer *buffer);

/* Appends a whole packet.  INVALID_ARGUMENT: it would be larger than FETCH_PACKET_MAX. */
int fetch_packet_add(enum fetch_packet kind, const void *record, struct buffer *out,
                     struct error *err);

/* What a packet says, its kind included, in the arena.  INVALID_ARGUMENT. */
int fetch_packet_read(enum fetch_packet kind, const void *packet, size_t size, void *out,
                      struct arena *arena, struct error *err);

void fetch_data_head(uint64_t at, char head[FETCH_DATA_HEAD]);

/* Where the bytes of a DATA packet belong, and where they lie in it.  INVALID_ARGUMENT: it holds
   none. */
int fetch_data_read(const void *packet, size_t size, uint64_t *at, struct bin *bytes,
                    struct error *err);

/* The same for a SENT packet, which is a head alone. */
void fetch_sent_head(uint64_t done, char head[FETCH_DATA_HEAD]);
int fetch_sent_read(const void *packet, size_t size, uint64_t *done, struct error *err);

#endif
