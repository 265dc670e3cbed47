/*
 * Strays: what a plugin holds with this root's mark, and no layer's memory has.
 *
 * A memory is written before the plugin is asked, and goes before what it names is removed: so what
 * is listed first and looked up afterwards is a stray for sure.  Only a name that the plugin has
 * chosen is in a memory later than at the plugin; for those the lock `names` is taken.
 */
#include "platform/linux/plugin/plugin_private.h"

#include <stdlib.h>
#include <string.h>

#include "platform/linux/layer_home.h"
#include "platform/scope.h"

#define NAMES_MAX 1000000

struct names { /* in the arena */
    const char **items;
    size_t count, room;
};

struct strays {
    struct plugin *plugin;
    struct arena *arena;
    struct names listed; /* by the plugin, with our mark; then those that nobody knows */
    struct names known;  /* to memories, sorted */
};

static int names_add(struct names *names, const char *name, struct arena *arena, struct error *err)
{
    if (names->count == names->room) {
        size_t room = 2 * names->room + 64;
        const char **items = realloc((void *)names->items, room * sizeof(*items));

        if (items == NULL || room > NAMES_MAX)
            return error_set(err, ERROR_RESOURCE_EXHAUSTED, "a plugin lists too many snapshots");
        names->items = items;
        names->room = room;
    }
    names->items[names->count++] = arena_str(arena, name);
    return 0;
}

static void strays_free(struct strays *strays)
{
    free((void *)strays->listed.items);
    free((void *)strays->known.items);
    arena_free(strays->arena);
}

/* ---- who is known -------------------------------------------------------------------------------
 */

struct lookup {
    const struct plugin *plugin;
    const char *name;
    bool is_known;
};

static int look_at(void *ctx, uint64_t number, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct lookup *lookup = ctx;
    struct memory memory;
    struct error none;

    (void)err;
    if (memory_read(lookup->plugin->folder, number, &memory, arena, &none) < 0)
        return 0; /* another driver's */
    lookup->is_known =
        lookup->is_known ||
        (strcmp(memory.plugin, backend_name(lookup->plugin->backend)) == 0 &&
         (strcmp(memory.name, lookup->name) == 0 || strcmp(memory.key, lookup->name) == 0));
    return 0;
}

static int is_known(const struct plugin *plugin, const char *name, bool *known, struct error *err)
{
    struct lookup lookup = { plugin, name, false };
    uint64_t number;
    int result = plugin_name_is_ours(plugin, name, &number)
                     ? look_at(&lookup, number, err)
                     : layer_each(plugin->folder, look_at, &lookup, err);

    *known = lookup.is_known;
    return result;
}

/* 1: it is a stray no more, or gone; 0: something stands on it. */
static int drop(struct plugin *plugin, const char *name, struct error *err)
{
    const struct backend_asker asker = plugin_asker(plugin, NULL);
    bool known;

    if (is_known(plugin, name, &known, err) < 0)
        return -1;
    if (known || backend_remove(&asker, name, err) == 0)
        return 1;
    return err->code == ERROR_FAILED_PRECONDITION ? 0 : -1;
}

int plugin_drop_remote(struct plugin *plugin, const char *name, struct error *err)
{
    int result;

    pthread_rwlock_wrlock(&plugin->names);
    result = drop(plugin, name, err);
    pthread_rwlock_unlock(&plugin->names);
    return result < 0 ? -1 : 0;
}

/* ---- all of them ------------------------------------------------------------------------ */

static int note_listed(void *ctx, const struct backend_info *info, struct error *err)
{
    struct strays *strays = ctx;
    const char *mark = map_get(&info->labels, MARK_LABEL);
    uint64_t number;

    if (!plugin_name_is_ours(strays->plugin, info->name, &number) &&
        (mark == NULL || strcmp(mark, strays->plugin->mark) != 0))
        return 0;
    return names_add(&strays->listed, info->name, strays->arena, err);
}

static int note_known(void *ctx, uint64_t number, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct strays *strays = ctx;
    struct memory memory;
    struct error none;

    if (memory_read(strays->plugin->folder, number, &memory, arena, &none) < 0)
        return 0; /* another driver's */
    return names_add(&strays->known, memory.name, strays->arena, err) < 0
               ? -1
               : names_add(&strays->known, memory.key, strays->arena, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int known_leave(struct strays *strays, struct error *err)
{
    struct names *listed = &strays->listed, *known = &strays->known;
    size_t left = 0;

    if (layer_each(strays->plugin->folder, note_known, strays, err) < 0)
        return -1;
    if (known->count == 0)
        return 0;
    qsort((void *)known->items, known->count, sizeof(*known->items), by_name);
    for (size_t i = 0; i < listed->count; i++)
        if (bsearch(&listed->items[i], (const void *)known->items, known->count,
                    sizeof(*known->items), by_name) == NULL)
            listed->items[left++] = listed->items[i];
    listed->count = left;
    return 0;
}

/* One try for each: what is on top goes, which frees what it stood on for the next time. */
static int pass(struct strays *strays, bool *has_gone, struct error *err)
{
    struct names *listed = &strays->listed;
    size_t left = 0;

    *has_gone = false;
    for (size_t i = 0; i < listed->count; i++) {
        int result;

        pthread_rwlock_wrlock(&strays->plugin->names);
        result = drop(strays->plugin, listed->items[i], err);
        pthread_rwlock_unlock(&strays->plugin->names);
        if (result < 0)
            return -1;
        *has_gone = *has_gone || result == 1;
        if (result == 0)
            listed->items[left++] = listed->items[i];
    }
    listed->count = left;
    return 0;
}

static int collect(struct plugin *plugin, struct error *err)
{
    CLEANUP(strays_free) struct strays strays = { .plugin = plugin, .arena = arena_new() };
    const struct backend_asker asker = plugin_asker(plugin, NULL);
    bool has_gone = true;

    if (backend_each(&asker, NULL, note_listed, &strays, err) < 0 || known_leave(&strays, err) < 0)
        return -1;
    while (has_gone && strays.listed.count > 0)
        if (pass(&strays, &has_gone, err) < 0)
            return -1;
    return backend_cleanup(&asker, err);
}

int plugin_collect(void *state, bool always, struct error *err)
{
    struct plugin *plugin = state;

    if (!atomic_exchange(&plugin->has_strays, false) && !always)
        return 0;
    if (collect(plugin, err) == 0)
        return 0;
    atomic_store(&plugin->has_strays, true);
    return -1;
}
