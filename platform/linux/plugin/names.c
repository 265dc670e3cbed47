/*
 * Names at a plugin: what ours are called there, and what is called how that it had already.
 *
 * They are as containerd's: namespace, number, name.  A number is of this root, which the mark
 * tells from others.
 */
#include "platform/linux/plugin/plugin_private.h"

#include <stdlib.h>
#include <string.h>

#include "platform/scope.h"

/* ---- ours ------------------------------------------------------------------------------------ */

/* Plugins tell what is unpacked by "extract-", and find the chain id behind the blank. */
const char *plugin_name_new(const struct plugin *plugin, const struct layer_new *layer,
                            struct arena *arena)
{
    if (layer->apart)
        return arena_printf(arena, "%s/%llu/extract-%s %s", layer->namespace,
                            (unsigned long long)layer->number, plugin->mark,
                            layer->target != NULL ? layer->target : layer->key);
    return arena_printf(arena, "%s/%llu/%s.%s", layer->namespace, (unsigned long long)layer->number,
                        plugin->mark, layer->key);
}

const char *plugin_name_committed(const struct plugin *plugin, const char *namespace,
                                  uint64_t number, const char *name, struct arena *arena)
{
    return arena_printf(arena, "%s/%llu/%s.%s", namespace, (unsigned long long)number, plugin->mark,
                        name);
}

bool plugin_name_is_ours(const struct plugin *plugin, const char *name, uint64_t *number)
{
    const char *at = strchr(name, '/'), *rest;
    size_t digits = at != NULL ? strspn(at + 1, "0123456789") : 0;

    if (digits == 0 || digits > 18 || at[1 + digits] != '/')
        return false;
    *number = strtoull(at + 1, NULL, 10);
    rest = at + 2 + digits;
    if (strncmp(rest, "extract-", 8) == 0)
        return strncmp(rest + 8, plugin->mark, MARK_DIGITS) == 0 && rest[8 + MARK_DIGITS] == ' ';
    return strncmp(rest, plugin->mark, MARK_DIGITS) == 0 && rest[MARK_DIGITS] == '.';
}

int plugin_name_of(const struct plugin *plugin, uint64_t parent, const char **name,
                   struct arena *arena, struct error *err)
{
    struct memory memory;

    *name = "";
    if (parent == 0)
        return 0;
    if (memory_read(plugin->folder, parent, &memory, arena, err) < 0)
        return error_wrap(err, "parent: layer %llu", (unsigned long long)parent);
    *name = memory.name;
    return memory.name[0] != '\0'
               ? 0
               : error_set(err, ERROR_INTERNAL, "parent: layer %llu has no name at the plugin",
                           (unsigned long long)parent);
}

/* ---- what the plugin has already -------------------------------------------------------- */

struct search {
    const char *target, *parent;
    const char *name; /* found; in the arena */
    struct arena *arena;
};

static int search_one(void *ctx, const struct backend_info *info, struct error *err)
{
    struct search *search = ctx;
    const char *target = map_get(&info->labels, LABEL_REF);

    (void)err;
    if (search->name == NULL && info->kind == BACKEND_COMMITTED && target != NULL &&
        strcmp(target, search->target) == 0 && strcmp(info->parent, search->parent) == 0)
        search->name = arena_str(search->arena, info->name);
    return 0;
}

/* A text of the filter language. */
static const char *quoted(const char *text, struct arena *arena)
{
    char *copy = arena_alloc(arena, 2 * strlen(text) + 2), *to = copy;

    *to++ = '"';
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            *to++ = '\\';
        *to++ = *text;
    }
    *to = '"';
    return copy;
}

int plugin_name_find(const struct plugin *plugin, const struct memory *memory, const char *parent,
                     const char **name, struct arena *arena, struct error *err)
{
    const struct backend_asker asker = plugin_asker(plugin, memory->namespace);
    struct search search = { .target = map_get(&memory->labels, LABEL_REF),
                             .parent = parent,
                             .arena = arena };
    const char *filter = arena_printf(arena, "labels.\"" LABEL_REF "\"==%s,parent==%s",
                                      quoted(search.target, arena), quoted(parent, arena));

    if (backend_each(&asker, filter, search_one, &search, err) < 0)
        return -1;
    *name = search.name;
    if (search.name != NULL)
        return 0;
    return error_set(err, ERROR_NOT_FOUND,
                     "snapshot plugin %s: says that it has %.120s, and does not list it",
                     backend_name(plugin->backend), search.target);
}
