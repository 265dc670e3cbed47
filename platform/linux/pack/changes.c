/* changes — what differs between two trees, as a list: see layer.h. */
#include <string.h>

#include "platform/linux/pack/layer.h"

static int tell(struct sink *sink, char letter, const char *path, size_t length, struct error *err)
{
    if (sink_bytes(sink, (char[]){ letter, '/' }, 2, err) < 0 ||
        sink_bytes(sink, path, length, err) < 0)
        return -1;
    return sink_bytes(sink, "", 1, err);
}

static int parents_tell(struct sink *sink, struct level *level, const char *path, struct error *err)
{
    if (level == NULL || level->above == NULL || level->told)
        return 0;
    if (parents_tell(sink, level->above, path, err) < 0)
        return -1;
    level->told = true;
    return tell(sink, 'C', path, level->length, err);
}

/* A folder whose time alone has changed is one in which something was, which is told itself. */
static int one(void *ctx, const struct spot *spot, struct error *err)
{
    static const char letters[] = {
        [CHANGE_ADDED] = 'A', [CHANGE_MODIFIED] = 'C', [CHANGE_REMOVED] = 'D'
    };

    if (spot->in == NULL || spot->change == CHANGE_NONE || spot->only_time)
        return 0;
    if (spot->own != NULL)
        spot->own->told = true;
    if (parents_tell(ctx, spot->in, spot->path, err) < 0)
        return -1;
    return tell(ctx, letters[spot->change], spot->path, strlen(spot->path), err);
}

int changes_write(const struct pair *trees, char *const *excluded, struct sink *sink,
                  struct error *err)
{
    const struct walk walk = { .trees = *trees, .excluded = excluded, .one = one, .ctx = sink };

    return walk_trees(&walk, err);
}
