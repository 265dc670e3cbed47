/*
 * Direct: a layer is unpacked into the plugin's snapshot, before what it will stand on is there.
 *
 * The lowest of an image stands on nothing.  Any other goes to a snapshot on nothing, too, where
 * the plugin has the capability rebase: then its parent is said with the commit.  One whose parent
 * is known is asked for on that first, since the plugin may have it.  In such a snapshot what a
 * layer removes is marked as overlay has it, as it is in the folders of our own; so it has to be
 * one folder that is bound, and empty: a mounted overlay would take the marks for its own, and what
 * lies on a device of its own is put together by the plugin in a way that we do not know.
 */
#include "platform/linux/plugin/plugin_private.h"

#include <dirent.h>
#include <string.h>

#include "platform/scope.h"

static bool is_for_writing(const struct mount *mount)
{
    for (size_t i = 0; i < mount->options.count; i++) {
        const char *option = mount->options.items[i];

        if (strcmp(option, "ro") == 0 || strncmp(option, "uidmap=", 7) == 0 ||
            strncmp(option, "gidmap=", 7) == 0)
            return false;
    }
    return true;
}

static bool is_folder(const struct list *mounts)
{
    const struct mount *mount = mounts->items;

    return mounts->count == 1 && strcmp(mount->type, "bind") == 0 &&
           (mount->target == NULL || mount->target[0] == '\0') && is_for_writing(mount);
}

static const char *source_of(const struct list *mounts)
{
    return ((const struct mount *)mounts->items)->source;
}

/* Who unpacks empties it before, so what a plugin gives by mistake must have nothing in it. */
static bool is_empty(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    size_t count = 0;

    if (folder == NULL)
        return false;
    while (count == 0 && (entry = readdir(folder)) != NULL)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return count == 0;
}

/* Another will be made. */
static int give_back(struct plugin *plugin, uint64_t number, struct memory *memory,
                     struct error *err)
{
    const struct backend_asker asker = plugin_asker(plugin, memory->namespace);
    const char *key = memory->key;

    memory->key = "";
    if (memory_write(plugin->folder, number, memory, false, err) == 0 &&
        backend_remove(&asker, key, err) == 0)
        return 0;
    atomic_store(&plugin->has_strays, true);
    return -1;
}

int plugin_direct_begin(struct plugin *plugin, const struct layer_new *layer, struct memory *memory,
                        const struct list *mounts, struct error *err)
{
    if (layer->parent == 0 && is_folder(mounts) && is_empty(source_of(mounts)))
        memory->direct = source_of(mounts);
    if (memory->direct != NULL)
        return memory_write(plugin->folder, layer->number, memory, false, err);
    if (layer->settled && (layer->parent == 0 || !plugin->rebases))
        return 0; /* what is unpacked here is merged into it */
    if (give_back(plugin, layer->number, memory, err) < 0)
        return -1;
    return layer->settled; /* the plugin has not got it: on nothing, then */
}

int plugin_direct_check(const struct plugin *plugin, const struct memory *memory,
                        const struct list *mounts, struct error *err)
{
    if (memory->direct == NULL ||
        (is_folder(mounts) && strcmp(source_of(mounts), memory->direct) == 0))
        return 0;
    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "snapshot plugin %s: snapshot %.100s: was folder %.120s, and is another now",
                     backend_name(plugin->backend), memory->key, memory->direct);
}
