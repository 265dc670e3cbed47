/*
 * protobuf — the encoding that criu's requests and answers are in, as far as they need it.
 *
 * A message is a row of fields, each a number, a kind and a value (protobuf.dev, "Encoding").
 * criu's have two kinds: whole numbers, and bytes with a length, which are texts and messages
 * inside. About thirty fields are sent and a dozen read; a library would bring generated code for
 * all of criu's messages, a compiler for them and an archive to be built from, for what
 * takes a hundred lines here.
 */
#ifndef RUNTIME_PROTOBUF_H
#define RUNTIME_PROTOBUF_H

#include <stdint.h>

#include "protocol/record.h"

void proto_number(struct buffer *message, unsigned field, uint64_t value); /* bool and enum, too */
void proto_bytes(struct buffer *message, unsigned field, const void *data, size_t size);
void proto_text(struct buffer *message, unsigned field, const char *text);
void proto_message(struct buffer *message, unsigned field, const struct buffer *inner);

struct proto_field {
    unsigned number;
    uint64_t value;    /* of a number */
    const char *bytes; /* of bytes, inside the message; NULL: it is a number */
    size_t size;
};

/* The field at *at; moves it behind that.  1, or 0 at the end, or -1: this is no message. */
int proto_next(const char **at, const char *end, struct proto_field *field);

#endif
