/* See whole.h. */
#include "platform/linux/whole.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "platform/linux/layer_home.h"
#include "platform/linux/quota.h"
#include "platform/scope.h"
#include "platform/unpack.h"

struct whole {
    const struct whole_kind *kind;
    char folder[PATH_SIZE];
};

int whole_open(const struct whole_kind *kind, const char *folder, void **state, struct error *err)
{
    struct whole *whole = calloc(1, sizeof(*whole));

    if (whole == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    whole->kind = kind;
    if (path_format(whole->folder, err, "%s", folder) < 0 ||
        fs_folder_make_all(folder, 0700, err) < 0) {
        free(whole);
        return -1;
    }
    *state = whole;
    return 0;
}

void whole_close(void **state)
{
    free(*state);
    *state = NULL;
}

static int place(const struct whole *whole, uint64_t number, const char *below,
                 char path[PATH_SIZE], struct error *err)
{
    return layer_place(whole->folder, number, below, path, err);
}

int whole_folder(void *state, uint64_t number, char path[PATH_SIZE], struct error *err)
{
    return place(state, number, "/fs", path, err);
}

/* ---- making and removing ---------------------------------------------------------------- */

static int drop_tree(const struct whole *whole, uint64_t number, const char *below,
                     struct error *err)
{
    char path[PATH_SIZE];

    if (place(whole, number, below, path, err) < 0)
        return -1;
    if (whole->kind->needs_drop == NULL || !whole->kind->needs_drop(path))
        return 0;
    return whole->kind->drop(path, err);
}

static int drop_trees(const struct whole *whole, uint64_t number, struct error *err)
{
    if (drop_tree(whole, number, "/fs", err) < 0)
        return -1;
    return drop_tree(whole, number, "/" UNPACK_WHOLE_FOLDER, err);
}

static int make_home(const struct whole *whole, uint64_t number, char home[PATH_SIZE],
                     struct error *err)
{
    if (place(whole, number, "", home, err) < 0)
        return -1;
    if (fs_exists(home) &&
        (drop_trees(whole, number, err) < 0 || fs_remove_tree(home, err) < 0))
        return -1;
    return fs_folder_make(home, 0700, err);
}

static int limit(const struct whole *whole, const struct layer_new *layer, const char *fs,
                 struct error *err)
{
    uint64_t most;

    if (quota_wanted(layer->labels, &most, err) < 0)
        return -1;
    if (most == 0)
        return 0;
    if (whole->kind->limit != NULL)
        return whole->kind->limit(fs, most, err);
    error_set(err, ERROR_FAILED_PRECONDITION,
              "limit of size: this driver copies all files, and cannot tell new ones from them");
    return error_hint(err, "use --snapshotter overlay, on xfs or ext4, or btrfs");
}

/* Which tree lies at a path: a damaged layer's is exchanged for another, and removed behind, whoever is just
   copying it. */
static ino_t tree_at(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 ? st.st_ino : 0;
}

/* The row is on disk soon, and half a copy that a power cut leaves looks like a whole one. */
static int copy_parent(const struct whole *whole, const char *home, const char *fs, const char *parent,
                       struct error *err)
{
    ino_t copied = tree_at(parent);
    int result = unpack_copy(home, parent, err);

    if (copied == tree_at(parent))
        return result < 0 ? -1 : fs_sync_all(fs, err);
    if (whole->kind->drop(fs, err) < 0 || whole->kind->make(fs, err) < 0)
        return -1;
    return copy_parent(whole, home, fs, parent, err);
}

int whole_prepare(void *state, const struct layer_new *layer, struct error *err)
{
    const struct whole *whole = state;
    bool has_parent = layer->parent != 0 && !layer->read_only; /* a view is its parent's tree */
    char home[PATH_SIZE], fs[PATH_SIZE], parent[PATH_SIZE];

    if (whole->kind->check(whole->folder, err) < 0 ||
        make_home(whole, layer->number, home, err) < 0 ||
        place(whole, layer->number, "/fs", fs, err) < 0 ||
        place(whole, layer->parent, "/fs", parent, err) < 0)
        return -1;
    if (has_parent && whole->kind->clone != NULL ? whole->kind->clone(parent, fs, err) < 0
                                                 : whole->kind->make(fs, err) < 0)
        return -1;
    if (limit(whole, layer, fs, err) < 0)
        return -1;
    if (!has_parent || whole->kind->clone != NULL)
        return 0;
    return copy_parent(whole, home, fs, parent, err);
}

int whole_remove(void *state, uint64_t number, const char *away, struct error *err)
{
    const struct whole *whole = state;

    if (drop_trees(whole, number, err) < 0)
        return -1;
    return layer_put_away(whole->folder, number, away, err);
}

int whole_each(void *state, int (*each)(void *ctx, uint64_t number, struct error *err), void *ctx,
               struct error *err)
{
    const struct whole *whole = state;

    return layer_each(whole->folder, each, ctx, err);
}

/* ---- on top of the parent --------------------------------------------------------------- */

struct rebase {
    const struct whole *whole;
    char home[PATH_SIZE], fs[PATH_SIZE], tree[PATH_SIZE], parent[PATH_SIZE];
    char begun[PATH_SIZE], done[PATH_SIZE]; /* marks */
};

static int rebase_places(struct rebase *rebase, const struct layer_new *layer, struct error *err)
{
    const struct whole *whole = rebase->whole;
    uint64_t number = layer->number;

    if (place(whole, number, "", rebase->home, err) < 0 ||
        place(whole, number, "/fs", rebase->fs, err) < 0 ||
        place(whole, number, "/" UNPACK_WHOLE_FOLDER, rebase->tree, err) < 0 ||
        place(whole, number, "/rebasing", rebase->begun, err) < 0 ||
        place(whole, number, "/rebased", rebase->done, err) < 0)
        return -1;
    return place(whole, layer->parent, "/fs", rebase->parent, err);
}

static int copy_and_merge(const struct rebase *rebase, struct error *err)
{
    ino_t copied = tree_at(rebase->parent);
    int result = unpack_rebase(rebase->home, rebase->parent, err);

    if (copied == tree_at(rebase->parent))
        return result;
    return error_set(err, ERROR_ABORTED, "the layer below was repaired meanwhile");
}

static int merge(const struct rebase *rebase, struct error *err)
{
    const struct whole_kind *kind = rebase->whole->kind;

    if (kind->clone == NULL)
        return copy_and_merge(rebase, err);
    if (kind->drop(rebase->tree, err) < 0 || kind->clone(rebase->parent, rebase->tree, err) < 0)
        return -1;
    return unpack_rebase(rebase->home, NULL, err);
}

/* ABORTED: it is unpacked anew. */
static int merge_once(const struct rebase *rebase, struct error *err)
{
    struct error ignored;

    if (fs_write(rebase->begun, "", 0, 0600, false, err) < 0)
        return -1;
    if (merge(rebase, err) == 0)
        return fs_write(rebase->done, "", 0, 0600, false, err);
    if (err->code == ERROR_ABORTED)
        fs_remove(rebase->begun, &ignored);
    return -1;
}

/* What is there by now is complete, and only has to take its place. */
static int take_place(const struct rebase *rebase, struct error *err)
{
    if (!fs_exists(rebase->tree))
        return 0;
    if (rebase->whole->kind->drop(rebase->fs, err) < 0)
        return -1;
    return fs_rename(rebase->tree, rebase->fs, err);
}

/* The marks are for who comes again after a failure: a layer that is used up, or is on top of its parent
   already, must not be put there once more: what it has removed would be back. */
int whole_rebase(void *state, const struct layer_new *layer, struct error *err)
{
    struct rebase rebase = { .whole = state };

    if (layer->parent == 0)
        return 0;
    if (rebase_places(&rebase, layer, err) < 0)
        return -1;
    if (fs_exists(rebase.done))
        return take_place(&rebase, err);
    if (fs_exists(rebase.begun))
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "layer %llu: an earlier commit failed in the middle; unpack it anew",
                         (unsigned long long)layer->number);
    return merge_once(&rebase, err) < 0 ? -1 : take_place(&rebase, err);
}

/* ---- asking ----------------------------------------------------------------------------- */

int whole_mounts(void *state, const struct layer_stack *stack, struct list *mounts,
                 struct arena *arena, struct error *err)
{
    bool is_parent = stack->read_only && stack->parent_count > 0;
    char path[PATH_SIZE];

    if (stack->parent_count > WHOLE_PARENTS_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%zu layers, at most %d go",
                         stack->parent_count, WHOLE_PARENTS_MAX);
    if (place(state, is_parent ? stack->parents[0] : stack->number, "/fs", path, err) < 0)
        return -1;
    layer_add_bind(mounts, path, stack->read_only, arena);
    return 0;
}

int whole_sync(void *state, uint64_t number, struct error *err)
{
    char path[PATH_SIZE];

    return place(state, number, "/fs", path, err) < 0 ? -1 : fs_sync_all(path, err);
}

int whole_usage(void *state, uint64_t number, uint64_t parent, uint64_t *size, uint64_t *inodes,
                struct error *err)
{
    const struct whole *whole = state;
    char path[PATH_SIZE], below[PATH_SIZE];
    uint64_t counted;

    if (place(state, number, "/fs", path, err) < 0 || place(state, parent, "/fs", below, err) < 0)
        return -1;
    if (fs_usage(path, parent != 0 ? below : NULL, size, inodes, err) < 0)
        return -1;
    if (whole->kind->count != NULL && whole->kind->count(path, parent != 0 ? below : "", &counted))
        *size = counted;
    return 0;
}
