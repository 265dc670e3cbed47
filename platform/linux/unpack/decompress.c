/* decompress — choosing the format, and the plain one; see decompress.h. */
#include "platform/linux/unpack/decompress.h"

#include <stdlib.h>
#include <string.h>

#define INPUT_SIZE (256 * 1024)

typedef int decompress_fn(void *state, struct input *input, uint8_t *to, size_t room, size_t *got,
                          struct error *err);

struct decompress {
    struct input input;
    decompress_fn *next;
    void *state;
};

int input_fill(struct input *input, struct error *err)
{
    if (input->at < input->size || input->ended)
        return 0;
    input->at = 0;
    if (source_read(input->source, input->bytes, INPUT_SIZE, &input->size, err) < 0)
        return -1;
    input->ended = input->size == 0;
    return 0;
}

static int plain_next(void *state, struct input *input, uint8_t *to, size_t room, size_t *got,
                      struct error *err)
{
    (void)state;
    *got = input->size - input->at;
    if (*got == 0) /* not by way of the buffer */
        return source_read(input->source, to, room, got, err);
    *got = *got < room ? *got : room;
    memcpy(to, input->bytes + input->at, *got);
    input->at += *got;
    return 0;
}

static bool starts_with(const struct input *input, const char *magic, size_t size)
{
    return input->size >= size && memcmp(input->bytes, magic, size) == 0;
}

/* zstd reserves 0x184d2a50 .. 0x184d2a5f for frames of other content. */
static bool is_skippable_frame(const struct input *input)
{
    return input->size >= 4 && (input->bytes[0] & 0xf0) == 0x50 &&
           memcmp(input->bytes + 1, "\x2a\x4d\x18", 3) == 0;
}

static int settle(struct decompress *decompress, const char *format, struct error *err)
{
    if (strcmp(format, "gzip") == 0) {
        decompress->next = gzip_next;
        decompress->state = gzip_new();
    } else if (strcmp(format, "zstd") == 0) {
        decompress->next = zstd_next;
        decompress->state = zstd_new();
    } else {
        decompress->next = plain_next;
        decompress->state = decompress;
    }
    if (decompress->state == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for %s", format);
    return 0;
}

/* The first read decides.  It has the four bytes that matter unless the download stopped within
   them, and a layer of less than four bytes is none. */
static int guess_next(void *state, struct input *input, uint8_t *to, size_t room, size_t *got,
                      struct error *err)
{
    struct decompress *decompress = state;
    const char *format = "none";
    size_t more;

    if (input_fill(input, err) < 0)
        return -1;
    while (input->size < 4 && !input->ended) {
        if (source_read(input->source, input->bytes + input->size, INPUT_SIZE - input->size, &more,
                        err) < 0)
            return -1;
        input->size += more;
        input->ended = more == 0;
    }
    if (starts_with(input, "\x1f\x8b", 2))
        format = "gzip";
    else if (starts_with(input, "\x28\xb5\x2f\xfd", 4) || is_skippable_frame(input))
        format = "zstd";
    if (settle(decompress, format, err) < 0)
        return -1;
    return decompress->next(decompress->state, input, to, room, got, err);
}

struct decompress *decompress_new(struct source *source, const char *compression, struct error *err)
{
    static const char *const formats[] = { "none", "gzip", "zstd", "auto" };
    struct decompress *decompress = calloc(1, sizeof(*decompress));
    size_t known = 0;

    while (known < 4 && strcmp(compression, formats[known]) != 0)
        known++;
    if (decompress == NULL || (decompress->input.bytes = malloc(INPUT_SIZE)) == NULL) {
        error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
        free(decompress);
        return NULL;
    }
    decompress->input.source = source;
    if (known == 3) {
        decompress->next = guess_next;
        decompress->state = decompress;
    } else if (known > 3) {
        error_set(err, ERROR_INVALID_ARGUMENT,
                  "compression %s is not known (none, gzip, zstd, auto are)", compression);
    } else if (settle(decompress, compression, err) == 0) {
        return decompress;
    }
    if (known == 3)
        return decompress;
    free(decompress->input.bytes);
    free(decompress);
    return NULL;
}

int decompress_next(struct decompress *decompress, uint8_t *to, size_t room, size_t *got,
                    struct error *err)
{
    return decompress->next(decompress->state, &decompress->input, to, room, got, err);
}
