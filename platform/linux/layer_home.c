/* See layer_home.h. */
#include "platform/linux/layer_home.h"

#include <stdlib.h>
#include <string.h>

int layer_place(const char *folder, uint64_t number, const char *below, char path[PATH_SIZE],
                struct error *err)
{
    return path_format(path, err, "%s/%llu%s", folder, (unsigned long long)number, below);
}

int layer_put_away(const char *folder, uint64_t number, const char *away, struct error *err)
{
    char path[PATH_SIZE];

    if (layer_place(folder, number, "", path, err) < 0)
        return -1;
    return fs_exists(path) ? fs_rename(path, away, err) : 0;
}

/* ---- listing ---------------------------------------------------------------------------- */

struct visit {
    int (*each)(void *ctx, uint64_t number, struct error *err);
    void *ctx;
};

static int visit_one(void *ctx, const char *name, struct error *err)
{
    const struct visit *visit = ctx;
    size_t length = strlen(name);

    if (length == 0 || length > 18 || strspn(name, "0123456789") != length || name[0] == '0')
        return 0; /* not made here */
    return visit->each(visit->ctx, strtoull(name, NULL, 10), err);
}

int layer_each(const char *folder, int (*each)(void *ctx, uint64_t number, struct error *err),
               void *ctx, struct error *err)
{
    struct visit visit = { each, ctx };

    return fs_folder_each(folder, visit_one, &visit, err);
}

/* ---- mounts ----------------------------------------------------------------------------- */

void layer_add_mount(struct list *mounts, const struct mount *mount, struct arena *arena)
{
    struct mount *items = arena_alloc(arena, (mounts->count + 1) * sizeof(*items));

    if (mounts->count > 0)
        memcpy(items, mounts->items, mounts->count * sizeof(*items));
    items[mounts->count++] = *mount;
    mounts->items = items;
}

void layer_add_bind(struct list *mounts, const char *path, bool read_only, struct arena *arena)
{
    const char **options = arena_alloc(arena, 2 * sizeof(*options));
    struct mount mount = { .type = "bind",
                           .source = arena_str(arena, path),
                           .options = { 2, options } };

    options[0] = "rbind";
    options[1] = read_only ? "ro" : "rw";
    layer_add_mount(mounts, &mount, arena);
}
