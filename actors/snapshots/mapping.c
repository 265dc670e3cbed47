/*
 * Snapshots for user namespaces: containerd's labels, "CONTAINER:HOST:SIZE[,...]".
 *
 * The layers stay as they are on the disk.  Who carries out the mounts has the lower ones id-mapped
 * (uidmap=, gidmap=); what is written lies in the upper one, and belongs to the host's ids.  A
 * tree that is bound is id-mapped as a whole.
 */
#include "actors/snapshots/store.h"
#include "platform/scope.h"
#include "protocol/id_map.h"

int mapping_check(const struct map *labels, struct error *err)
{
    static const char *const names[] = { SNAPSHOT_UIDS, SNAPSHOT_GIDS };
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *text = map_get(labels, names[i]);
        struct id_map map = { .count = 0 };
        uint32_t root;

        if (text == NULL)
            continue;
        if (id_map_add(&map, names[i], text, err) < 0)
            return -1;
        if (!id_map_find(&map, 0, &root))
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s: id 0 is not mapped", names[i]);
        count++;
    }
    if (count == 1)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s and %s: say both or none", names[0],
                         names[1]);
    return 0;
}

static struct strs with_more(const struct strs *options, const char *uids, const char *gids,
                             struct arena *arena)
{
    const char **items = arena_alloc(arena, (options->count + 2) * sizeof(*items));

    for (size_t i = 0; i < options->count; i++)
        items[i] = options->items[i];
    items[options->count] = arena_printf(arena, "uidmap=%s", uids);
    items[options->count + 1] = arena_printf(arena, "gidmap=%s", gids);
    return (struct strs){ options->count + 2, items };
}

/* A driver that is another program has the labels, and says itself what is to be done. */
void mapping_add(const struct seen *seen, struct list *mounts, struct arena *arena)
{
    const struct map *labels = &seen->row.info.labels;
    const char *uids = map_get(labels, SNAPSHOT_UIDS), *gids = map_get(labels, SNAPSHOT_GIDS);
    struct mount *items = mounts->items;
    bool is_own; /* a bound folder that was empty, and has been written with the host's ids */

    if (uids == NULL || gids == NULL || seen->driver->calls->waits)
        return;
    is_own = !seen->driver->calls->whole && streq(seen->row.info.kind, "active");
    for (size_t i = 0; i < mounts->count; i++)
        if (streq(items[i].type, "overlay") || !is_own)
            items[i].options = with_more(&items[i].options, uids, gids, arena);
}
