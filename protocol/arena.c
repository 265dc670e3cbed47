/* Arenas and growing buffers: the memory of messages.  Out of memory ends the process. */
#include <msgpack.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/record.h"

#define ARENA_CHUNK 2048

static void *or_die(void *memory)
{
    if (memory == NULL) {
        fputs("gantry: out of memory\n", stderr);
        abort();
    }
    return memory;
}

struct arena *arena_new(void)
{
    return or_die(msgpack_zone_new(ARENA_CHUNK));
}

void arena_free(struct arena *arena)
{
    if (arena != NULL)
        msgpack_zone_free((msgpack_zone *)arena);
}

void arena_drop(struct arena **arena)
{
    arena_free(*arena);
    *arena = NULL;
}

static void *take(struct arena *arena, size_t size)
{
    return or_die(msgpack_zone_malloc((msgpack_zone *)arena, size));
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return memset(take(arena, size + 1), 0, size + 1);
}

void *arena_copy(struct arena *arena, const void *data, size_t size)
{
    char *copy = take(arena, size + 1);

    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

char *arena_str(struct arena *arena, const char *s)
{
    return s == NULL ? NULL : arena_copy(arena, s, strlen(s));
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    char brief[256], *text;
    va_list args, again;
    int length;

    va_start(args, fmt);
    va_copy(again, args);
    length = vsnprintf(brief, sizeof(brief), fmt, args);
    if ((size_t)length < sizeof(brief)) {
        text = arena_copy(arena, brief, (size_t)length);
    } else {
        text = arena_alloc(arena, (size_t)length);
        vsnprintf(text, (size_t)length + 1, fmt, again);
    }
    va_end(again);
    va_end(args);
    return text;
}

void buffer_add(struct buffer *buffer, const void *data, size_t size)
{
    if (buffer->room - buffer->size < size) {
        size_t room = buffer->room ? buffer->room : 256;

        while (room - buffer->size < size)
            room *= 2;
        buffer->data = or_die(realloc(buffer->data, room));
        buffer->room = room;
    }
    if (size > 0)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){ 0 };
}
