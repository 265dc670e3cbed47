/*
 * plugin — see platform/plugin.h: the table of calls.
 *
 * The happy path of a container's layer is memory -> Prepare -> mounts.  That of an image's:
 * memory -> Prepare on nothing -> unpacked into the mounts -> Commit, which says the parent
 * (direct.c). Or, where the plugin cannot do that: unpacked apart, like everybody's -> memory ->
 * Prepare on the parent -> what was unpacked is merged into the mounts -> Commit.  At any Prepare
 * with a target the plugin may say that it has the layer; then its name is found by List, and
 * nothing is unpacked or merged.
 */
#include "platform/linux/plugin/plugin_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/linux/layer_home.h"
#include "platform/scope.h"
#include "platform/unpack.h"

#define PARENTS_MAX 100000 /* how they are mounted is the plugin's business */

static _Thread_local struct {
    int (*check)(void *ctx, struct error *err);
    void *ctx;
} heeded;

void plugin_heed(int (*check)(void *ctx, struct error *err), void *ctx)
{
    heeded.check = check;
    heeded.ctx = ctx;
}

struct backend_asker plugin_asker(const struct plugin *plugin, const char *namespace)
{
    return (struct backend_asker){ plugin->backend, namespace, heeded.check, heeded.ctx };
}

/* ---- prepare ---------------------------------------------------------------------------- */

/* Those of the caller, and our own; see search_one() and strays.c. */
static struct map labels_for(const struct plugin *plugin, const struct layer_new *layer,
                             struct arena *arena)
{
    size_t count = layer->labels->count;
    struct map labels = { 0, arena_alloc(arena, (count + 2) * sizeof(*labels.entries)) };

    for (size_t i = 0; i < count; i++)
        if (strcmp(layer->labels->entries[i].key, LABEL_REF) != 0 &&
            strcmp(layer->labels->entries[i].key, MARK_LABEL) != 0)
            labels.entries[labels.count++] = layer->labels->entries[i];
    if (layer->target == NULL)
        return labels;
    labels.entries[labels.count++] = (struct map_entry){ LABEL_REF, layer->target };
    labels.entries[labels.count++] = (struct map_entry){ MARK_LABEL, plugin->mark };
    return labels;
}

static int mounts_refuse(struct plugin *plugin, const struct memory *memory, struct error *err)
{
    return error_wrap(err, "snapshot plugin %s: snapshot %.100s", backend_name(plugin->backend),
                      memory->key);
}

/* The plugin has it: from now on the layer stands for that. */
static int remote_take(struct plugin *plugin, uint64_t number, struct memory *memory,
                       const char *parent, struct arena *arena, struct error *err)
{
    if (plugin_name_find(plugin, memory, parent, &memory->name, arena, err) < 0)
        return -1;
    memory->key = "";
    memory->is_remote = true;
    return memory_write(plugin->folder, number, memory, true, err);
}

/* A plugin that is told no target has none: what it has of a layer depends on what that stands on,
   so it is asked when this is known. */
static struct map labels_told(const struct layer_new *layer, const struct map *all,
                              struct arena *arena)
{
    struct map told = { 0, arena_alloc(arena, (all->count + 1) * sizeof(*told.entries)) };
    bool is_known = !layer->apart || layer->settled;

    for (size_t i = 0; i < all->count; i++)
        if (is_known || strcmp(all->entries[i].key, LABEL_REF) != 0)
            told.entries[told.count++] = all->entries[i];
    return told;
}

/* 1: the plugin had the target all along. */
static int snapshot_make(struct plugin *plugin, const struct layer_new *layer,
                         struct memory *memory, struct list *mounts, struct arena *arena,
                         struct error *err)
{
    const struct backend_asker asker = plugin_asker(plugin, memory->namespace);
    const struct map labels = labels_told(layer, &memory->labels, arena);
    struct backend_new wanted = { .key = memory->key,
                                  .labels = &labels,
                                  .read_only = layer->read_only };
    int result;

    if (plugin_name_of(plugin, layer->parent, &wanted.parent, arena, err) < 0 ||
        memory_write(plugin->folder, layer->number, memory, false, err) < 0)
        return -1;
    pthread_rwlock_rdlock(&plugin->names);
    result = backend_prepare(&asker, &wanted, mounts, arena, err);
    if (result < 0 && err->code == ERROR_ALREADY_EXISTS && map_get(&labels, LABEL_REF) != NULL)
        result = remote_take(plugin, layer->number, memory, wanted.parent, arena, err) < 0 ? -1 : 1;
    pthread_rwlock_unlock(&plugin->names);
    if (result == 0 && mounts_check(mounts, &plugin->rules, err) < 0)
        result = mounts_refuse(plugin, memory, err);
    if (result < 0)
        atomic_store(&plugin->has_strays, true);
    return result;
}

static int home_make(const struct plugin *plugin, const struct layer_new *layer, struct error *err)
{
    char path[PATH_SIZE];

    if (layer_place(plugin->folder, layer->number, "", path, err) < 0 ||
        fs_remove_tree(path, err) < 0 || fs_folder_make(path, 0700, err) < 0)
        return -1;
    if (!layer->apart)
        return 0;
    if (layer_place(plugin->folder, layer->number, "/fs", path, err) < 0)
        return -1;
    return fs_folder_make(path, 0755, err);
}

static int staging_drop(const struct plugin *plugin, uint64_t number, struct error *err)
{
    static const char *const folders[] = { "/fs", "/" UNPACK_WHOLE_FOLDER, "/work" };
    char path[PATH_SIZE];

    for (size_t i = 0; i < COUNT_OF(folders); i++)
        if (layer_place(plugin->folder, number, folders[i], path, err) < 0 ||
            fs_remove_tree(path, err) < 0)
            return -1;
    return 0;
}

static struct memory memory_new(const struct plugin *plugin, const struct layer_new *layer,
                                struct arena *arena)
{
    return (struct memory){ .plugin = backend_name(plugin->backend),
                            .namespace = layer->namespace,
                            .key = plugin_name_new(plugin, layer, arena),
                            .name = "",
                            .labels = labels_for(plugin, layer, arena) };
}

static int plugin_prepare(void *state, const struct layer_new *layer, struct error *err);

static int prepare_on_nothing(struct plugin *plugin, const struct layer_new *layer,
                              struct error *err)
{
    struct layer_new wanted = *layer;

    wanted.parent = 0;
    wanted.settled = false;
    return plugin_prepare(plugin, &wanted, err);
}

static int plugin_prepare(void *state, const struct layer_new *layer, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct plugin *plugin = state;
    struct memory memory = memory_new(plugin, layer, arena);
    struct list mounts;
    int result;

    if (home_make(plugin, layer, err) < 0)
        return -1;
    if (layer->apart && !layer->settled && !plugin->rebases) { /* on what, rebase() says */
        memory.key = "";
        return memory_write(plugin->folder, layer->number, &memory, false, err);
    }
    result = snapshot_make(plugin, layer, &memory, &mounts, arena, err);
    if (result == 0 && layer->apart) {
        result = plugin_direct_begin(plugin, layer, &memory, &mounts, err);
        return result == 1 ? prepare_on_nothing(plugin, layer, err) : result;
    }
    if (result <= 0)
        return result;
    if (staging_drop(plugin, layer->number, err) < 0)
        return -1;
    return error_set(err, ERROR_ALREADY_EXISTS, "snapshot plugin %s: has %.120s",
                     backend_name(plugin->backend), layer->target);
}

/* ---- mounts ----------------------------------------------------------------------------- */

static int mounts_get(struct plugin *plugin, const struct memory *memory, struct list *mounts,
                      struct arena *arena, struct error *err)
{
    const struct backend_asker asker = plugin_asker(plugin, memory->namespace);

    if (backend_mounts(&asker, memory->key, mounts, arena, err) < 0)
        return -1;
    if (mounts_check(mounts, &plugin->rules, err) < 0)
        return mounts_refuse(plugin, memory, err);
    return 0;
}

/* What is unpacked apart is written to its folder here, whatever the plugin holds already; but for
   what is unpacked into the plugin's. */
static int plugin_mounts(void *state, const struct layer_stack *stack, struct list *mounts,
                         struct arena *arena, struct error *err)
{
    struct plugin *plugin = state;
    char fs[PATH_SIZE];
    struct memory memory;
    struct list found;

    if (layer_place(plugin->folder, stack->number, "/fs", fs, err) < 0 ||
        memory_read(plugin->folder, stack->number, &memory, arena, err) < 0)
        return error_wrap(err, "layer %llu", (unsigned long long)stack->number);
    if (memory.direct == NULL && fs_exists(fs)) {
        layer_add_bind(mounts, fs, stack->read_only, arena);
        return 0;
    }
    if (mounts_get(plugin, &memory, &found, arena, err) < 0 ||
        plugin_direct_check(plugin, &memory, &found, err) < 0)
        return -1;
    for (size_t i = 0; i < found.count; i++)
        layer_add_mount(mounts, (const struct mount *)found.items + i, arena);
    return 0;
}

static int plugin_folder(void *state, uint64_t number, char path[PATH_SIZE], struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const struct plugin *plugin = state;
    struct memory memory;

    if (layer_place(plugin->folder, number, "/fs", path, err) < 0)
        return -1;
    if (memory_read(plugin->folder, number, &memory, arena, err) == 0 && memory.direct == NULL &&
        fs_exists(path))
        return 0;
    return error_set(err, ERROR_NOT_FOUND, "layer %llu lies with its plugin",
                     (unsigned long long)number);
}

/* ---- rebase, commit --------------------------------------------------------------------- */

static int merge(const struct plugin *plugin, uint64_t number, const struct list *mounts,
                 struct error *err)
{
    char home[PATH_SIZE];

    if (layer_place(plugin->folder, number, "", home, err) < 0 ||
        unpack_rebase_on(home, mounts, err) < 0)
        return -1;
    return staging_drop(plugin, number, err);
}

/* The snapshot on the parent, made now or, where the parent was known, already. */
static int plugin_rebase(void *state, const struct layer_new *layer, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct plugin *plugin = state;
    char fs[PATH_SIZE];
    struct memory memory;
    struct list mounts;
    int result;

    if (layer_place(plugin->folder, layer->number, "/fs", fs, err) < 0 ||
        memory_read(plugin->folder, layer->number, &memory, arena, err) < 0)
        return error_wrap(err, "layer %llu", (unsigned long long)layer->number);
    if (memory.direct != NULL) /* all that it is in is there, and the commit says on what */
        return staging_drop(plugin, layer->number, err);
    if (!fs_exists(fs)) /* it was before, and the commit after it has failed */
        return 0;
    if (memory.key[0] == '\0') {
        memory.key = plugin_name_new(plugin, layer, arena);
        result = snapshot_make(plugin, layer, &memory, &mounts, arena, err);
    } else {
        result = mounts_get(plugin, &memory, &mounts, arena, err);
    }
    if (result < 0)
        return -1;
    return result == 1 ? staging_drop(plugin, layer->number, err)
                       : merge(plugin, layer->number, &mounts, err);
}

/* One that was prepared on its parent is not told it once more. */
static int parent_told(const struct plugin *plugin, const struct memory *memory, uint64_t parent,
                       const char **name, struct arena *arena, struct error *err)
{
    *name = NULL;
    return memory->direct != NULL ? plugin_name_of(plugin, parent, name, arena, err) : 0;
}

static int cannot_rebase(const struct plugin *plugin, struct error *err)
{
    return error_hint(
        err, "take rebase out of capabilities in [proxy_plugins.%s] if the plugin cannot do that",
        backend_name(plugin->backend));
}

static int plugin_commit(void *state, uint64_t number, const char *name, uint64_t parent,
                         struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct plugin *plugin = state;
    struct backend_asker asker;
    struct backend_info there;
    struct error missing;
    struct memory memory;
    const char *below;

    if (memory_read(plugin->folder, number, &memory, arena, err) < 0)
        return error_wrap(err, "layer %llu", (unsigned long long)number);
    if (memory.is_remote)
        return 0;
    asker = plugin_asker(plugin, memory.namespace);
    memory.name = plugin_name_committed(plugin, memory.namespace, number, name, arena);
    if (parent_told(plugin, &memory, parent, &below, arena, err) < 0 ||
        memory_write(plugin->folder, number, &memory, true, err) < 0)
        return -1;
    if (backend_commit(&asker, memory.key, memory.name, below, &memory.labels, err) == 0)
        return 0;
    if ((err->code != ERROR_NOT_FOUND && err->code != ERROR_ALREADY_EXISTS) ||
        backend_stat(&asker, memory.name, &there, arena, &missing) < 0 ||
        there.kind != BACKEND_COMMITTED)
        return below != NULL && err->code == ERROR_INVALID_ARGUMENT ? cannot_rebase(plugin, err)
                                                                    : -1;
    return 0; /* it was before: a crash came between this and our row */
}

/* ---- removing, asking ------------------------------------------------------------------- */

/* What cannot be removed now (the plugin is away, something of others stands on it) is collected
 * later. */
static void snapshot_remove(struct plugin *plugin, const struct memory *memory)
{
    const struct backend_asker asker = plugin_asker(plugin, memory->namespace);
    struct error ignored;

    if (memory->is_remote)
        plugin_drop_remote(plugin, memory->name, &ignored);
    else if ((memory->name[0] == '\0' || backend_remove(&asker, memory->name, &ignored) == 0) &&
             memory->key[0] != '\0')
        backend_remove(&asker, memory->key, &ignored);
    atomic_store(&plugin->has_strays, true);
}

/* The memory goes first: what it named is a stray from then on. */
static int plugin_remove(void *state, uint64_t number, const char *away, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct plugin *plugin = state;
    struct memory memory;
    struct error none;
    bool is_known = memory_read(plugin->folder, number, &memory, arena, &none) == 0;

    if (layer_put_away(plugin->folder, number, away, err) < 0)
        return -1;
    if (is_known)
        snapshot_remove(plugin, &memory);
    return 0;
}

static int plugin_each(void *state, int (*each)(void *ctx, uint64_t number, struct error *err),
                       void *ctx, struct error *err)
{
    const struct plugin *plugin = state;

    return layer_each(plugin->folder, each, ctx, err);
}

/* What lies here, and what we have put into the plugin's folder; all else is its own care. */
static int plugin_sync(void *state, uint64_t number, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct plugin *plugin = state;
    struct memory memory;
    char path[PATH_SIZE];

    if (layer_place(plugin->folder, number, "", path, err) < 0 || fs_sync_all(path, err) < 0 ||
        memory_read(plugin->folder, number, &memory, arena, err) < 0)
        return -1;
    return memory.direct != NULL ? fs_sync_all(memory.direct, err) : 0;
}

static int plugin_usage(void *state, uint64_t number, uint64_t parent, uint64_t *size,
                        uint64_t *inodes, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct plugin *plugin = state;
    struct backend_asker asker;
    struct memory memory;

    (void)parent; /* a plugin counts what is a layer's own */
    if (memory_read(plugin->folder, number, &memory, arena, err) < 0)
        return error_wrap(err, "layer %llu", (unsigned long long)number);
    asker = plugin_asker(plugin, memory.namespace);
    *size = *inodes = 0;
    if (memory.name[0] != '\0' && backend_usage(&asker, memory.name, size, inodes, err) == 0)
        return 0;
    if (memory.name[0] != '\0' && err->code != ERROR_NOT_FOUND)
        return -1;
    return memory.key[0] != '\0' ? backend_usage(&asker, memory.key, size, inodes, err) : 0;
}

void plugin_health(void *state, struct plugin_health *health)
{
    static const char *const states[] = { "connecting", "ok", "error" };
    struct plugin *plugin = state;
    const struct backend_asker asker = plugin_asker(plugin, NULL);
    struct backend_health found;
    struct error ignored;

    backend_probe(&asker, &ignored);
    backend_health(plugin->backend, &found);
    health->state = states[found.state];
    snprintf(health->problem, sizeof(health->problem), "%s", found.problem);
    health->problem_time = found.problem_time;
}

const struct snapshotter plugin_snapshotter = {
    .name = "plugin",
    .parents_max = PARENTS_MAX,
    .whole = true,
    .waits = true,
    .close = plugin_close,
    .prepare = plugin_prepare,
    .mounts = plugin_mounts,
    .folder = plugin_folder,
    .commit = plugin_commit,
    .label = plugin_label,
    .remove = plugin_remove,
    .each_layer = plugin_each,
    .rebase = plugin_rebase,
    .sync = plugin_sync,
    .usage = plugin_usage,
};
