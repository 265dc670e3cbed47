/* See protobuf.h. */
#include "platform/linux/runtime/protobuf.h"

#include <string.h>

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

#define FIELD_MAX 0x1fffffff /* numbers of fields have 29 bits */

/* ---- writing ---------------------------------------------------------------------- */

/* Seven bits a byte, the lowest first; the eighth says that there are more. */
static void varint_add(struct buffer *message, uint64_t value)
{
    unsigned char bytes[10];
    size_t size = 0;

    do {
        bytes[size] = (unsigned char)(value & 0x7f);
        value >>= 7;
        bytes[size] |= value != 0 ? 0x80 : 0;
        size++;
    } while (value != 0);
    buffer_add(message, bytes, size);
}

static void key_add(struct buffer *message, unsigned field, enum wire wire)
{
    varint_add(message, (uint64_t)field << 3 | (uint64_t)wire);
}

void proto_number(struct buffer *message, unsigned field, uint64_t value)
{
    key_add(message, field, WIRE_VARINT);
    varint_add(message, value);
}

void proto_bytes(struct buffer *message, unsigned field, const void *data, size_t size)
{
    key_add(message, field, WIRE_BYTES);
    varint_add(message, size);
    buffer_add(message, data, size);
}

void proto_text(struct buffer *message, unsigned field, const char *text)
{
    proto_bytes(message, field, text, strlen(text));
}

void proto_message(struct buffer *message, unsigned field, const struct buffer *inner)
{
    proto_bytes(message, field, inner->data, inner->size);
}

/* ---- reading ---------------------------------------------------------------------- */

static int varint_take(const char **at, const char *end, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        unsigned char byte = (unsigned char)*(*at)++;

        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return 0;
    }
    return -1;
}

static int bytes_take(const char **at, const char *end, uint64_t size, struct proto_field *field)
{
    if (size > (uint64_t)(end - *at))
        return -1;
    field->bytes = *at;
    field->size = (size_t)size;
    *at += size;
    return 1;
}

int proto_next(const char **at, const char *end, struct proto_field *field)
{
    uint64_t key, size;

    *field = (struct proto_field){ 0 };
    if (*at >= end)
        return 0;
    if (varint_take(at, end, &key) < 0 || key >> 3 == 0 || key >> 3 > FIELD_MAX)
        return -1;
    field->number = (unsigned)(key >> 3);
    switch (key & 7) {
    case WIRE_VARINT:
        return varint_take(at, end, &field->value) < 0 ? -1 : 1;
    case WIRE_64:
        return bytes_take(at, end, 8, field);
    case WIRE_BYTES:
        return varint_take(at, end, &size) < 0 ? -1 : bytes_take(at, end, size, field);
    case WIRE_32:
        return bytes_take(at, end, 4, field);
    default:
        return -1;
    }
}
