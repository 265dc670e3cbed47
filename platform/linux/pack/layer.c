/*
 * layer — see layer.h.
 *
 * A folder that has not changed is in the layer where something in it has: so its attributes are
 * right wherever the layer is unpacked.
 */
#include "platform/linux/pack/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/pack/entry.h"
#include "platform/linux/pack/links.h"
#include "platform/linux/unpack/report.h"

#define WHITEOUT ".wh."
#define OPAQUE   ".wh..wh..opq"

struct layer {
    const struct pair *trees;
    struct sink *sink;
    const int64_t *latest;
    struct links links;
};

static int put(struct layer *layer, int folder, const char *name, const char *path,
               const struct stat *st, const char *link, struct error *err)
{
    const struct entry_place place = { folder, name, path, st, link, layer->latest };

    if (strncmp(name, WHITEOUT, strlen(WHITEOUT)) == 0) {
        error_set(err, ERROR_INVALID_ARGUMENT, "/%.200s: in a layer this name means a removal",
                  path);
        return error_hint(err, "rename or remove it");
    }
    if (S_ISCHR(st->st_mode) && st->st_rdev == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "/%.200s: the character device 0:0 cannot be in a layer", path);
    layer->sink->entries++;
    report_progress(layer->sink->plain_size, layer->sink->entries);
    return entry_put(layer->sink, &place, err) < 0 ? error_wrap(err, "/%.200s", path) : 0;
}

/* The folders above, highest first; `path` is what lies in the last of them. */
static int parents_put(struct layer *layer, struct level *level, const char *path,
                       struct error *err)
{
    char above[PATH_MAX];

    if (level == NULL || level->above == NULL || level->told)
        return 0;
    if (parents_put(layer, level->above, path, err) < 0)
        return -1;
    level->told = true;
    snprintf(above, sizeof(above), "%.*s", (int)level->length, path);
    return put(layer, level->above->after, level->name, above, &level->st, NULL, err);
}

/* ---- files with several names --------------------------------------------------------------- */

/* One that waited, in a folder that need not be open any more. */
static int waiting_put(struct layer *layer, const char *path, const char *link, struct error *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    struct stat st;
    int fd, result;

    snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - path) : 0, path);
    fd = open_within(layer->trees->after, folder, O_RDONLY | O_DIRECTORY);
    if (fd < 0 || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        result = error_sys(err, errno, "/%.200s", path);
    else {
        ids_inside(&layer->trees->after_ids, &st);
        result = put(layer, fd, name, path, &st, link, err);
    }
    if (fd >= 0)
        close(fd);
    return result;
}

static int group_put(struct layer *layer, struct link_group *group, struct error *err)
{
    for (size_t i = 0; i < group->count; i++) {
        if (waiting_put(layer, group->waiting[i], group->told, err) < 0 ||
            (group->told == NULL && links_told(group, group->waiting[i], err) < 0))
            return -1;
    }
    group->count = 0;
    return 0;
}

static int linked_put(struct layer *layer, const struct spot *spot, struct error *err)
{
    struct link_group *group = links_group(&layer->links, spot->st, err);

    if (group == NULL)
        return -1;
    if (spot->change == CHANGE_NONE && group->told == NULL)
        return links_wait(group, spot->path, err);
    if (group_put(layer, group, err) < 0 || parents_put(layer, spot->in, spot->path, err) < 0 ||
        put(layer, spot->in->after, spot->name, spot->path, spot->st, group->told, err) < 0)
        return -1;
    return group->told == NULL ? links_told(group, spot->path, err) : 0;
}

static bool pair_links(void *ctx, const struct stat *was, const struct stat *st)
{
    struct layer *layer = ctx;

    return links_pair(&layer->links, was, st);
}

/* ---- what is gone -----------------------------------------------------------------------------
 */

static int whiteout_put(struct layer *layer, const char *path, struct error *err)
{
    const struct tar_entry entry = { .path = path, .mode = S_IFREG };

    layer->sink->entries++;
    return tar_header(layer->sink, &entry, err);
}

static int removed_put(struct layer *layer, const struct spot *spot, struct error *err)
{
    char path[PATH_MAX + sizeof(WHITEOUT)];

    if (strncmp(spot->name, WHITEOUT, strlen(WHITEOUT)) == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "/%.200s: a layer cannot say that this name was removed", spot->path);
    if (parents_put(layer, spot->in, spot->path, err) < 0)
        return -1;
    snprintf(path, sizeof(path), "%.*s" WHITEOUT "%s",
             (int)(strlen(spot->path) - strlen(spot->name)), spot->path, spot->name);
    return whiteout_put(layer, path, err);
}

static int emptied(void *ctx, const struct spot *folder, struct error *err)
{
    struct layer *layer = ctx;
    char path[PATH_MAX + sizeof(OPAQUE)];

    if (parents_put(layer, folder->own, folder->path, err) < 0)
        return -1;
    snprintf(path, sizeof(path), "%s%s" OPAQUE, folder->path, *folder->path != '\0' ? "/" : "");
    return whiteout_put(layer, path, err);
}

/* ---- all ---------------------------------------------------------------------------------------
 */

static int root_put(struct layer *layer, const struct spot *spot, struct error *err)
{
    return spot->change != CHANGE_NONE
               ? put(layer, layer->trees->after, ".", ".", spot->st, NULL, err)
               : 0;
}

static int one(void *ctx, const struct spot *spot, struct error *err)
{
    struct layer *layer = ctx;

    if (spot->in == NULL)
        return root_put(layer, spot, err);
    if (spot->change == CHANGE_REMOVED)
        return removed_put(layer, spot, err);
    if (!S_ISDIR(spot->st->st_mode) && spot->st->st_nlink > 1)
        return linked_put(layer, spot, err);
    if (spot->change == CHANGE_NONE)
        return 0;
    if (spot->own != NULL)
        spot->own->told = true;
    if (parents_put(layer, spot->in, spot->path, err) < 0)
        return -1;
    return put(layer, spot->in->after, spot->name, spot->path, spot->st, NULL, err);
}

int layer_write(const struct pair *trees, char *const *excluded, const int64_t *latest,
                struct sink *sink, uint64_t *entries, struct error *err)
{
    static struct layer layer;
    const struct walk walk = { .trees = *trees,
                               .excluded = excluded,
                               .one = one,
                               .emptied = emptied,
                               .links_same = pair_links,
                               .ctx = &layer };

    layer.trees = trees;
    layer.sink = sink;
    layer.latest = latest;
    if (walk_trees(&walk, err) < 0)
        return -1;
    *entries = sink->entries;
    return tar_end(sink, err);
}
