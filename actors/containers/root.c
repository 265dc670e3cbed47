/* See root.h. */
#include "actors/containers/root.h"

#include "platform/snapshotter.h"
#include "protocol/oci/spec.h"

#define LABELS_MAX 4

static void label_add(struct map *labels, const char *key, const char *value)
{
    labels->entries[labels->count++] = (struct map_entry){ key, value };
}

static const char *words_of(const struct id_map *map, struct arena *arena)
{
    const char *words = "";

    for (size_t i = 0; i < map->count; i++)
        words = arena_printf(arena, "%s%s%u:%u:%u", words, i > 0 ? "," : "",
                             map->ranges[i].container, map->ranges[i].host, map->ranges[i].size);
    return words;
}

/* The files of a root in a user namespace belong to that one's users. */
static int users_add(const struct container_options *options, struct map *labels,
                     struct arena *arena, struct error *err)
{
    struct id_map uids, gids;

    if (spec_id_maps(options, &uids, &gids, err) < 0)
        return -1;
    if (uids.count == 0)
        return 0;
    label_add(labels, SNAPSHOT_UIDS, words_of(&uids, arena));
    label_add(labels, SNAPSHOT_GIDS, words_of(&gids, arena));
    return 0;
}

int root_labels(const struct containers_create_request *want, bool has_volatile, struct map *labels,
                struct arena *arena, struct error *err)
{
    *labels = (struct map){ 0, arena_alloc(arena, LABELS_MAX * sizeof(struct map_entry)) };
    if (has_volatile && want->has_remove && want->remove)
        label_add(labels, SNAPSHOT_VOLATILE, "yes");
    if (want->options != NULL && want->options->has_storage_size) {
        if (want->options->storage_size == 0)
            return error_set(err, ERROR_INVALID_ARGUMENT, "storage_size: 0 bytes are too few");
        label_add(labels, SNAPSHOT_MAX_SIZE,
                  arena_printf(arena, "%llu", (unsigned long long)want->options->storage_size));
    }
    return users_add(want->options, labels, arena, err);
}
