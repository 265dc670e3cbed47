/* Packets between the daemon and gantry-fetch. */
#include "protocol/fetch_wire.h"

#include <stdlib.h>
#include <string.h>

static const struct record *table_of(enum fetch_packet kind)
{
    switch (kind) {
    case FETCH_OPEN:
        return fetch_open_record();
    case FETCH_ASK:
        return fetch_ask_record();
    case FETCH_WANT:
        return fetch_want_record();
    case FETCH_USER:
        return fetch_user_record();
    default:
        return fetch_end_record();
    }
}

void fetch_buffer_open(struct buffer *buffer)
{
    *buffer = (struct buffer){ .data = malloc(FETCH_PACKET_MAX), .room = FETCH_PACKET_MAX };
    if (buffer->data == NULL)
        abort(); /* as buffer_add() does */
}

void fetch_buffer_free(struct buffer *buffer)
{
    if (buffer->data != NULL)
        explicit_bzero(buffer->data, buffer->size);
    buffer_free(buffer);
}

int fetch_packet_add(enum fetch_packet kind, const void *record, struct buffer *out,
                     struct error *err)
{
    const char byte = (char)kind;

    buffer_add(out, &byte, 1);
    record_pack(table_of(kind), record, out);
    if (out->size > FETCH_PACKET_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: larger than %u KiB",
                         table_of(kind)->name, FETCH_PACKET_MAX >> 10);
    return 0;
}

int fetch_packet_read(enum fetch_packet kind, const void *packet, size_t size, void *out,
                      struct arena *arena, struct error *err)
{
    const char *bytes = packet;

    if (size == 0 || bytes[0] != (char)kind)
        return error_set(err, ERROR_INVALID_ARGUMENT, "packet is no %s", table_of(kind)->name);
    return record_unpack(table_of(kind), RECORD_STRICT, bytes + 1, size - 1, out, arena, err);
}

static void head_write(enum fetch_packet kind, uint64_t number, char head[FETCH_DATA_HEAD])
{
    head[0] = (char)kind;
    for (int i = 0; i < 8; i++)
        head[1 + i] = (char)(number >> (56 - 8 * i));
}

static uint64_t head_number(const unsigned char *head)
{
    uint64_t number = 0;

    for (int i = 0; i < 8; i++)
        number = number << 8 | head[1 + i];
    return number;
}

void fetch_data_head(uint64_t at, char head[FETCH_DATA_HEAD])
{
    head_write(FETCH_DATA, at, head);
}

int fetch_data_read(const void *packet, size_t size, uint64_t *at, struct bin *bytes,
                    struct error *err)
{
    const unsigned char *head = packet;

    if (size <= FETCH_DATA_HEAD || head[0] != FETCH_DATA)
        return error_set(err, ERROR_INVALID_ARGUMENT, "packet is no data");
    *at = head_number(head);
    *bytes = (struct bin){ head + FETCH_DATA_HEAD, size - FETCH_DATA_HEAD };
    return 0;
}

void fetch_sent_head(uint64_t done, char head[FETCH_DATA_HEAD])
{
    head_write(FETCH_SENT, done, head);
}

int fetch_sent_read(const void *packet, size_t size, uint64_t *done, struct error *err)
{
    const unsigned char *head = packet;

    if (size != FETCH_DATA_HEAD || head[0] != FETCH_SENT)
        return error_set(err, ERROR_INVALID_ARGUMENT, "packet does not say what was sent");
    *done = head_number(head);
    return 0;
}
