/*
 * Labels of a snapshot change: at the plugin, and in our memory of what its commit has to say.
 *
 * A commit does not keep the labels of what is committed, so the memory has to be as the plugin is.
 * The plugin comes first: when it fails, nothing has changed here.
 */
#include "platform/linux/plugin/plugin_private.h"

#include <string.h>

#include "platform/scope.h"

/* Those that a plugin is told at all, but for our mark: whose a snapshot is nobody else says. */
static struct map changes_for(const struct map *labels, struct arena *arena)
{
    struct map changes = { 0, arena_alloc(arena, (labels->count + 1) * sizeof(*changes.entries)) };

    for (size_t i = 0; i < labels->count; i++)
        if (backend_is_told(labels->entries[i].key) &&
            strcmp(labels->entries[i].key, MARK_LABEL) != 0)
            changes.entries[changes.count++] = labels->entries[i];
    return changes;
}

/* Its name is in the memory before it is committed. */
static int tell(struct plugin *plugin, const struct memory *memory, const struct map *changes,
                struct error *err)
{
    const struct backend_asker asker = plugin_asker(plugin, memory->namespace);

    if (memory->name[0] != '\0' && backend_label(&asker, memory->name, changes, err) == 0)
        return 0;
    if (memory->name[0] != '\0' && (err->code != ERROR_NOT_FOUND || memory->key[0] == '\0'))
        return -1;
    return memory->key[0] != '\0' ? backend_label(&asker, memory->key, changes, err) : 0;
}

int plugin_label(void *state, uint64_t number, const struct map *labels, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct map changes = changes_for(labels, arena);
    struct plugin *plugin = state;
    struct memory memory;

    if (changes.count == 0)
        return 0;
    if (memory_read(plugin->folder, number, &memory, arena, err) < 0)
        return error_wrap(err, "layer %llu", (unsigned long long)number);
    if (tell(plugin, &memory, &changes, err) < 0)
        return -1;
    memory.labels = labels_merge(&memory.labels, &changes, arena);
    return memory_write(plugin->folder, number, &memory, true, err);
}
