/* memory — see memory.h. */
#include "platform/linux/plugin/memory.h"

#include <stdlib.h>
#include <string.h>

#include "platform/linux/layer_home.h"
#include "platform/scope.h"

#define MEMORY_MAX (1u << 20) /* bytes; labels are at most a message's */
#define REMOTE     "remote"
#define DIRECT     "direct"

static void add(struct buffer *buffer, const char *text)
{
    buffer_add(buffer, text, strlen(text) + 1);
}

int memory_write(const char *folder, uint64_t number, const struct memory *memory, bool durable,
                 struct error *err)
{
    CLEANUP(buffer_free) struct buffer bytes = { 0 };
    char path[PATH_SIZE];

    if (layer_place(folder, number, "/plugin", path, err) < 0)
        return -1;
    add(&bytes, memory->plugin);
    add(&bytes, memory->namespace);
    add(&bytes, memory->key);
    add(&bytes, memory->name);
    add(&bytes, memory->is_remote ? REMOTE : memory->direct != NULL ? DIRECT : "");
    if (!memory->is_remote && memory->direct != NULL)
        add(&bytes, memory->direct);
    for (size_t i = 0; i < memory->labels.count; i++) {
        add(&bytes, memory->labels.entries[i].key);
        add(&bytes, memory->labels.entries[i].value);
    }
    return fs_write(path, bytes.data, bytes.size, 0600, durable, err);
}

/* The next text, NULL at the end. */
static const char *next(const char **at, const char *end)
{
    const char *text = *at;

    if (text >= end)
        return NULL;
    *at += strlen(text) + 1; /* there is a NUL behind the last byte, whatever the file holds */
    return text;
}

static struct map labels_take(const char *at, const char *end, struct arena *arena)
{
    struct map labels = { 0 };
    const char *key, *value;
    size_t count = 0;

    for (const char *c = at; c < end; c++)
        count += *c == '\0';
    labels.entries = arena_alloc(arena, (count / 2 + 1) * sizeof(*labels.entries));
    while ((key = next(&at, end)) != NULL && (value = next(&at, end)) != NULL)
        labels.entries[labels.count++] = (struct map_entry){ key, value };
    return labels;
}

static int take(const char *at, const char *end, struct memory *memory, struct arena *arena)
{
    const char *texts[5];

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if ((texts[i] = next(&at, end)) == NULL)
            return -1;
    *memory = (struct memory){ .plugin = texts[0],
                               .namespace = texts[1],
                               .key = texts[2],
                               .name = texts[3],
                               .is_remote = strcmp(texts[4], REMOTE) == 0 };
    if (strcmp(texts[4], DIRECT) == 0 && (memory->direct = next(&at, end)) == NULL)
        return -1;
    memory->labels = labels_take(at, end, arena);
    return 0;
}

int memory_read(const char *folder, uint64_t number, struct memory *memory, struct arena *arena,
                struct error *err)
{
    char path[PATH_SIZE], *bytes;
    const char *copy;
    size_t size;

    if (layer_place(folder, number, "/plugin", path, err) < 0)
        return -1;
    bytes = fs_read(path, MEMORY_MAX, &size, err);
    if (bytes == NULL)
        return -1;
    copy = arena_copy(arena, bytes, size);
    free(bytes);
    if (take(copy, copy + size, memory, arena) < 0)
        return error_set(err, ERROR_DATA_LOSS, "%s: is cut off", path);
    return 0;
}
