/*
 * gzip — members, one after the other, by isa-l (three times zlib's speed) or, where that is not
 * there, by zlib.  Both check the CRC and the length at the end of every member.
 *
 * Behind a member there may be another one or the end of the blob, nothing else: a byte of
 * garbage would be a byte that no digest of the layer's content covers.
 */
#include "platform/linux/unpack/decompress.h"

#include <stdbool.h>
#include <stdlib.h>

static int is_bad(struct error *err, const char *what)
{
    return error_set(err, ERROR_DATA_LOSS, "layer: %s", what);
}

#ifdef HAVE_ISAL
#include <isa-l/igzip_lib.h>

struct gzip {
    struct inflate_state state;
    bool begun; /* within a member */
    bool any;   /* there was one */
};

void *gzip_new(void)
{
    struct gzip *gzip = calloc(1, sizeof(*gzip));

    if (gzip != NULL)
        isal_inflate_init(&gzip->state);
    return gzip;
}

static int begin(struct gzip *gzip, const struct input *input, struct error *err)
{
    if (input->bytes[input->at] != 0x1f)
        return is_bad(err, gzip->any ? "garbage behind the gzip data" : "it is not gzip");
    isal_inflate_reset(&gzip->state);
    gzip->state.crc_flag = ISAL_GZIP;
    gzip->begun = gzip->any = true;
    return 0;
}

/* One call of the library; fewer bytes left to read or less room to write, or it is an error. */
static int step(struct gzip *gzip, struct input *input, struct error *err)
{
    struct inflate_state *state = &gzip->state;
    uint32_t room = state->avail_out;
    uint32_t size = (uint32_t)(input->size - input->at);
    int result;

    state->next_in = input->bytes + input->at;
    state->avail_in = size;
    result = isal_inflate(state);
    input->at += size - state->avail_in;
    if (result == ISAL_INCORRECT_CHECKSUM)
        return is_bad(err, "the gzip check sum is wrong");
    if (result != ISAL_DECOMP_OK)
        return is_bad(err, gzip->any ? "the gzip data is damaged" : "it is not gzip");
    if (state->block_state == ISAL_BLOCK_FINISH)
        gzip->begun = false;
    else if (input->ended && state->avail_in == size && state->avail_out == room)
        return is_bad(err, "the gzip data is cut off");
    return 0;
}

int gzip_next(void *self, struct input *input, uint8_t *to, size_t room, size_t *got,
              struct error *err)
{
    struct gzip *gzip = self;
    struct inflate_state *state = &gzip->state;

    state->next_out = to;
    state->avail_out = (uint32_t)room;
    while (state->avail_out > 0) {
        if (input_fill(input, err) < 0)
            return -1;
        if (!gzip->begun && input->at == input->size)
            break;
        if ((!gzip->begun && begin(gzip, input, err) < 0) || step(gzip, input, err) < 0)
            return -1;
    }
    if (!gzip->any)
        return is_bad(err, "it is empty, not gzip");
    *got = room - state->avail_out;
    return 0;
}

#else
#include <zlib.h>

struct gzip {
    z_stream state;
    bool begun, any;
};

void *gzip_new(void)
{
    struct gzip *gzip = calloc(1, sizeof(*gzip));

    if (gzip != NULL && inflateInit2(&gzip->state, 15 + 16) != Z_OK) {
        free(gzip);
        return NULL;
    }
    return gzip;
}

static int begin(struct gzip *gzip, const struct input *input, struct error *err)
{
    if (input->bytes[input->at] != 0x1f)
        return is_bad(err, gzip->any ? "garbage behind the gzip data" : "it is not gzip");
    if (inflateReset(&gzip->state) != Z_OK)
        return is_bad(err, "zlib cannot be reset");
    gzip->begun = gzip->any = true;
    return 0;
}

static int step(struct gzip *gzip, struct input *input, struct error *err)
{
    z_stream *state = &gzip->state;
    uInt room = state->avail_out;
    uInt size = (uInt)(input->size - input->at);
    int result;

    state->next_in = input->bytes + input->at;
    state->avail_in = size;
    result = inflate(state, Z_NO_FLUSH);
    input->at += size - state->avail_in;
    if (result == Z_STREAM_END)
        gzip->begun = false;
    else if (result != Z_OK && result != Z_BUF_ERROR)
        return is_bad(err, state->msg ? state->msg : "the gzip data is damaged");
    else if (input->ended && state->avail_in == size && state->avail_out == room)
        return is_bad(err, "the gzip data is cut off");
    return 0;
}

int gzip_next(void *self, struct input *input, uint8_t *to, size_t room, size_t *got,
              struct error *err)
{
    struct gzip *gzip = self;

    gzip->state.next_out = to;
    gzip->state.avail_out = (uInt)room;
    while (gzip->state.avail_out > 0) {
        if (input_fill(input, err) < 0)
            return -1;
        if (!gzip->begun && input->at == input->size)
            break;
        if ((!gzip->begun && begin(gzip, input, err) < 0) || step(gzip, input, err) < 0)
            return -1;
    }
    if (!gzip->any)
        return is_bad(err, "it is empty, not gzip");
    *got = room - gzip->state.avail_out;
    return 0;
}
#endif
