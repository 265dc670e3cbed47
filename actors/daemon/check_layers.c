/*
 * Committed layers against what was in them when they were committed (platform/inventory.h): what is missing, what
 * was not there, what is another.  A layer whose inventory is not taken yet is as new as its blob.
 *
 * What lies with a plugin is its own to look after, and its protocol has no word for giving a committed snapshot other
 * files.  It is asked for a view, which tells whether it has the snapshot and all below it.
 */
#include "actors/base/job.h"
#include "actors/daemon/check.h"
#include "platform/inventory.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "platform/snapshotter.h"

#define NAMED_MAX 10 /* of a layer; of more their number is said */
#define REBUILD   "gantry check --deep --repair unpacks it anew"
#define PULL      "a plugin's layers are not unpacked anew in their place: remove what stands on it (gantry rm, gantry rmi), and pull it again"

struct layer {
    struct check *check;
    uint64_t number;
    const char *name; /* number and key */
    const char *namespace, *driver, *key; /* of one of its snapshots */
    uint64_t differences;
};

static int go_on(void *ctx, struct error *err)
{
    return job_check(ctx, err);
}

static int differs(void *ctx, const char *path, const char *problem, struct error *err)
{
    struct layer *layer = ctx;
    char text[512];

    (void)err;
    if (++layer->differences > NAMED_MAX)
        return 0;
    snprintf(text, sizeof(text), "/%s %s", strcmp(path, ".") == 0 ? "" : path, problem);
    check_found(layer->check, CHECK_LAYER, layer->name, text, REBUILD);
    return 0;
}

/* ---- of plugins ------------------------------------------------------------------------- */

static bool is_of_plugin(const struct layer *layer)
{
    for (size_t i = 0; snapshotters[i] != NULL; i++)
        if (strcmp(snapshotters[i]->name, layer->driver) == 0)
            return false;
    return true;
}

/* One that is away or hangs says nothing about its layers: that is for `gantry plugins ls`. */
static bool is_about_layer(const struct layer *layer, const struct error *problem)
{
    const struct snapshots_key_request which = { .key = layer->key, .driver = layer->driver };
    struct snapshot_info info;
    struct error gone;

    return problem->code != ERROR_UNAVAILABLE && problem->code != ERROR_DEADLINE_EXCEEDED &&
           call(layer->check->job, &op_snapshots_stat, &which, &info, &gone) == 0;
}

static void view(struct layer *layer)
{
    struct job *job = layer->check->job;
    char id[33], key[60];
    const struct snapshots_prepare_request want = { .key = key, .driver = layer->driver, .parent = layer->key };
    const struct snapshots_key_request drop = { .key = key, .driver = layer->driver };
    struct snapshots_mounts_reply mounts;
    struct error problem = { 0 };

    job_new_id(id);
    snprintf(key, sizeof(key), "check-%s", id);
    if (call(job, &op_snapshots_view, &want, &mounts, &problem) == 0)
        call_finally(job, &op_snapshots_remove, &drop);
    else if (is_about_layer(layer, &problem))
        check_found(layer->check, CHECK_LAYER, layer->name, arena_str(layer->check->arena, problem.text), PULL);
}

static int check_plugin(struct layer *layer, struct error *err)
{
    struct check *check = layer->check;
    const char *namespace = arena_str(check->arena, job_namespace(check->job));

    check->reply->checked++;
    job_enter(check->job, layer->namespace);
    view(layer);
    job_enter(check->job, namespace);
    return job_check(check->job, err);
}

/* ---- of our own ------------------------------------------------------------------------- */

static int check_layer(struct layer *layer, struct error *err)
{
    struct check *check = layer->check;
    const struct inventory_pace pace = { go_on, check->job };
    char folder[PATH_SIZE], file[PATH_SIZE], text[100];
    struct error problem = { 0 };

    if (path_format(folder, err, "%s/snapshots/%llu/fs", check->config->root, (unsigned long long)layer->number) < 0 ||
        path_format(file, err, "%s/snapshots/%llu/inventory", check->config->root, (unsigned long long)layer->number) < 0)
        return -1;
    check->reply->checked++;
    if (!fs_exists(folder) || !fs_exists(file) ||
        inventory_compare(folder, file, &pace, differs, layer, &problem) == 0) {
        snprintf(text, sizeof(text), "%llu more are not as they were", (unsigned long long)layer->differences - NAMED_MAX);
        if (layer->differences > NAMED_MAX)
            check_found(check, CHECK_LAYER, layer->name, text, REBUILD);
        return 0;
    }
    if (job_check(check->job, err) < 0)
        return -1;
    if (problem.code == ERROR_DATA_LOSS) /* no word about the layer: another is taken */
        return fs_remove(file, err);
    if (problem.code != ERROR_NOT_FOUND) /* it went meanwhile */
        check_found(check, CHECK_LAYER, layer->name, problem.text, REBUILD);
    return 0;
}

/* ---- all ----------------------------------------------------------------------------------- */

/* Numbers first: comparing takes long, and a query that is open keeps the database's log. */
static int list_layers(struct check *check, struct layer **layers, size_t *count, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    size_t room = 0;
    int more;

    *count = 0;
    if (db_query(check->db, &query, err,
                 "SELECT layer, min(key), namespace, driver FROM snapshots_snapshot WHERE kind = 'committed'"
                 " GROUP BY layer ORDER BY layer",
                 "") < 0)
        return -1;
    while ((more = query_next(&query, err)) == 1) {
        if (*count == room) {
            struct layer *grown = arena_alloc(check->arena, (room = 2 * room + 64) * sizeof(*grown));

            if (*count > 0)
                memcpy(grown, *layers, *count * sizeof(*grown));
            *layers = grown;
        }
        (*layers)[(*count)++] = (struct layer){
            .check = check,
            .number = (uint64_t)query_int(&query, 0),
            .name = arena_printf(check->arena, "%lld (%.80s)", (long long)query_int(&query, 0), query_text(&query, 1)),
            .key = query_str(&query, 1, check->arena),
            .namespace = query_str(&query, 2, check->arena),
            .driver = query_str(&query, 3, check->arena),
        };
    }
    return more;
}

int check_layers(struct check *check, struct error *err)
{
    struct layer *layers = NULL;
    size_t count;

    if (list_layers(check, &layers, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if ((is_of_plugin(&layers[i]) ? check_plugin(&layers[i], err) : check_layer(&layers[i], err)) < 0)
            return -1;
    return 0;
}
