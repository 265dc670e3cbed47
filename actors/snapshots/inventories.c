/*
 * Inventories: what lies in every committed layer, for `check --deep` (platform/inventory.h).
 *
 * They are taken behind: when nothing was committed for some seconds, by one job with the lowest priority, from what is
 * mostly still in memory; so a pull does not wait for them, and a daemon that did not come to it does so later.  A
 * layer that goes meanwhile takes its inventory along.
 */
#include "actors/base/job.h"
#include "actors/base/log.h"
#include "actors/snapshots/store.h"
#include "platform/inventory.h"
#include "platform/scope.h"

#define QUIET_MS 3000

struct round {
    char root[PATH_SIZE], database[PATH_SIZE];
};

struct numbers {
    uint64_t *items;
    size_t count;
};

static void db_drop(struct db **db)
{
    db_close(db);
}

/* All at once: a query that is open for long keeps the database's log from beginning anew. */
static int committed_layers(const char *database, struct numbers *out, struct arena *arena, struct error *err)
{
    static const char sql[] = "SELECT DISTINCT layer FROM snapshots_snapshot WHERE kind = 'committed'";
    CLEANUP(db_drop) struct db *db = NULL;
    CLEANUP(query_done) struct query query = { 0 };
    size_t room = 0;
    int more;

    if (db_open(database, true, &db, err) < 0 || db_query(db, &query, err, sql, "") < 0)
        return -1;
    while ((more = query_next(&query, err)) == 1) {
        if (out->count == room) {
            uint64_t *grown = arena_alloc(arena, (room = room > 0 ? 2 * room : 64) * sizeof(*grown));

            if (out->count > 0)
                memcpy(grown, out->items, out->count * sizeof(*grown));
            out->items = grown;
        }
        out->items[out->count++] = (uint64_t)query_int(&query, 0);
    }
    return more;
}

static int go_on(void *ctx, struct error *err)
{
    return job_check(ctx, err);
}

static int take_one(struct job *job, const char *root, uint64_t number, struct error *err)
{
    const struct inventory_pace pace = { go_on, job };
    char folder[PATH_SIZE], file[PATH_SIZE];
    struct error failed = { 0 };

    if (path_format(folder, err, "%s/snapshots/%llu/fs", root, (unsigned long long)number) < 0 ||
        path_format(file, err, "%s/snapshots/%llu/" INVENTORY_FILE, root, (unsigned long long)number) < 0)
        return -1;
    if (fs_exists(file) || !fs_exists(folder)) /* elsewhere, or away */
        return 0;
    if (inventory_take(folder, file, &pace, &failed) == 0 || job_check(job, err) < 0)
        return job_check(job, err);
    if (failed.code != ERROR_NOT_FOUND)
        log_warn("snapshots", "inventory of layer %llu: %s", (unsigned long long)number, failed.text);
    return 0;
}

static int take_all(struct job *job, const void *in, void *out, struct error *err)
{
    const struct round *round = in;
    struct numbers layers = { 0 };

    (void)out;
    thread_give_way();
    if (committed_layers(round->database, &layers, job_arena(job), err) < 0)
        return -1;
    for (size_t i = 0; i < layers.count; i++)
        if (take_one(job, round->root, layers.items[i], err) < 0)
            return -1;
    return 0;
}

static void taken(void *self, const void *in, const struct error *err)
{
    struct snapshots *snapshots = self;

    (void)in;
    snapshots->inventories.busy = false;
    if (err != NULL && err->code != ERROR_UNAVAILABLE)
        log_warn("snapshots", "inventories: %s", err->text);
    if (snapshots->inventories.again)
        inventories_soon(snapshots);
}

static void begin(void *self, void *arg)
{
    struct snapshots *snapshots = self;
    struct round round;
    struct error err = { 0 };

    (void)arg;
    snapshots->inventories.timer = -1;
    snapshots->inventories.again = snapshots->inventories.busy;
    if (snapshots->inventories.busy)
        return;
    snprintf(round.root, sizeof(round.root), "%s", snapshots->root);
    snprintf(round.database, sizeof(round.database), "%s", snapshots->database);
    if (loop_run(snapshots->inventories.loop, NULL, take_all, taken, &round, sizeof(round), &err) < 0)
        log_debug("snapshots", "inventories: %s", err.text);
    else
        snapshots->inventories.busy = true;
}

void inventories_soon(struct snapshots *snapshots)
{
    struct inventories *self = &snapshots->inventories;

    self->again = false;
    if (loop_is_stopping(self->loop))
        return;
    if (self->timer >= 0)
        loop_timer_end(self->loop, self->timer);
    self->timer = loop_timer(self->loop, QUIET_MS, 1, begin, NULL);
}

void inventories_open(struct snapshots *snapshots, struct loop *loop)
{
    snapshots->inventories = (struct inventories){ .loop = loop, .timer = -1 };
    inventories_soon(snapshots);
}

void on_committed(void *self, struct request *request, void *arg)
{
    (void)request, (void)arg;
    inventories_soon(self);
}
