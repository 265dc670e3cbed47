/* volumes_from — see volumes_from.h.  A volume is shared by its name, also one that nobody named.
 */
#include "tools/gantry/volumes_from.h"

#include <string.h>

/* CONTAINER[:ro|rw]. */
static int container_of(const char *word, const char **id, bool *read_only, struct arena *arena,
                        struct error *err)
{
    const char *colon = strchr(word, ':');

    *id = colon != NULL ? arena_printf(arena, "%.*s", (int)(colon - word), word) : word;
    *read_only = colon != NULL && strcmp(colon, ":ro") == 0;
    if (colon == NULL || *read_only || strcmp(colon, ":rw") == 0)
        return 0;
    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "--volumes-from %.80s: behind the container goes ro or rw", word);
}

/* The same place, however many slashes it is written with. */
static bool is_same_place(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        size_t slashes = *a == '/' ? strspn(a, "/") : 1;

        b += *b == '/' ? strspn(b, "/") : 1;
        a += slashes;
    }
    return a[strspn(a, "/")] == '\0' && b[strspn(b, "/")] == '\0';
}

static bool is_taken(const struct list *mounts, const char *target)
{
    const struct mount *items = mounts->items;

    for (size_t i = 0; i < mounts->count; i++)
        if (items[i].target != NULL && is_same_place(items[i].target, target))
            return true;
    return false;
}

/* Filled it is already, by the container that it comes from. */
static struct mount mount_of(const struct container_mount *from, bool read_only,
                             struct arena *arena)
{
    bool is_volume = strcmp(from->type, "volume") == 0;
    struct mount mount = { .type = from->type,
                           .source = is_volume ? from->name : from->source,
                           .target = from->destination };
    const char **options = arena_alloc(arena, 3 * sizeof(*options));

    mount.options.items = options;
    if (is_volume) {
        options[mount.options.count++] = "nocopy";
    } else {
        options[mount.options.count++] = "rbind";
        options[mount.options.count++] = "rprivate";
    }
    if (read_only || (from->has_rw && !from->rw))
        options[mount.options.count++] = "ro";
    return mount;
}

static void add_all(const struct container_info *container, bool read_only, struct list *mounts,
                    struct arena *arena)
{
    const struct container_mount *from = container->mounts.items;
    struct mount *items =
        arena_alloc(arena, (mounts->count + container->mounts.count + 1) * sizeof(*items));

    if (mounts->count > 0)
        memcpy(items, mounts->items, mounts->count * sizeof(*items));
    mounts->items = items;
    for (size_t i = 0; i < container->mounts.count; i++)
        if (strcmp(from[i].type, "tmpfs") != 0 && !is_taken(mounts, from[i].destination))
            items[mounts->count++] = mount_of(&from[i], read_only, arena);
}

int volumes_from(struct cli *cli, const struct args *args, struct list *mounts, struct error *err)
{
    const struct strs words = args_list(args, "volumes-from", cli->arena);

    for (size_t i = 0; i < words.count; i++) {
        struct containers_get_request want = { 0 };
        struct container_info container;
        bool read_only;

        if (container_of(words.items[i], &want.id, &read_only, cli->arena, err) < 0 ||
            cli_call(cli, &op_containers_get, &want, &container, err) < 0)
            return -1;
        add_all(&container, read_only, mounts, cli->arena);
    }
    return 0;
}
