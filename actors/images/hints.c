/*
 * hints — what a snapshot plugin is told of a layer, so that it can bring it by itself.
 *
 * Names and meaning are containerd's (its CRI plugin and its unpacker set them): which image, which
 * manifest, which layer, and which follow.
 */
#include <string.h>

#include "actors/images/work.h"
#include "platform/snapshotter.h"
#include "protocol/oci/name.h"

#define PREFIX    "containerd.io/snapshot/"
#define HINTS_MAX 6

bool driver_is_plugin(const char *driver)
{
    for (size_t i = 0; snapshotters[i] != NULL; i++)
        if (strcmp(snapshotters[i]->name, driver) == 0)
            return false;
    return true;
}

static void add(struct map *hints, const char *key, const char *value)
{
    if (value != NULL && strlen(key) + strlen(value) <= LABEL_MAX)
        hints->entries[hints->count++] = (struct map_entry){ key, value };
}

/* The digests of this layer and of those above it, as many as a label holds. */
static const char *layers_from(const struct work *works, size_t index, size_t count,
                               struct arena *arena)
{
    const size_t room = LABEL_MAX - strlen(PREFIX "cri.image-layers");
    char *text = arena_alloc(arena, room + 1);
    size_t have = 0;

    for (; index < count; index++) {
        const char *digest = works[index].layer->blob.digest;
        size_t length = strlen(digest);

        if (have + length + 1 > room)
            break;
        if (have > 0)
            text[have++] = ',';
        memcpy(text + have, digest, length);
        have += length;
    }
    return text;
}

void hints_take(struct work *works, size_t count, const struct variant *variant)
{
    struct arena *arena = job_arena(works->source->job);

    for (size_t i = 0; i < count; i++) {
        struct map *hints = &works[i].hints;

        hints->entries = arena_alloc(arena, HINTS_MAX * sizeof(*hints->entries));
        add(hints, PREFIX "cri.image-ref", works->source->name);
        add(hints, PREFIX "cri.manifest-digest", variant->manifest_blob.digest);
        add(hints, PREFIX "cri.layer-digest", works[i].layer->blob.digest);
        add(hints, PREFIX "cri.image-layers", layers_from(works, i, count, arena));
        add(hints, PREFIX "diff-id", works[i].layer->diff_id);
        add(hints, PREFIX "parent-chain-id", works[i].below);
    }
}
