/*
 * New snapshots, to write to (prepare) or to look at (view).
 *
 * The happy path is number -> folder -> row -> mounts; a crash leaves a folder without a
 * row, which goes at the next start.  A target that somebody has committed already is
 * not made again: the namespace gets rows for it and for what it stands on, and the
 * caller hears already_exists.
 */
#include "actors/snapshots/store.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"

#define KEY_MAX 1024

struct plan {
    const struct driver *driver;
    const char *kind;
    uint64_t number;   /* 0: no folder was made, the target is there */
    uint64_t parent;   /* number of the layer below; 0: none */
    bool was_taken;    /* the target has a row here now */
    bool has_vanished; /* the target was there when the handler looked, and is not now */
    struct row row;
};

int snapshot_key_check(const char *what, const char *key, struct error *err)
{
    size_t length = strlen(key);

    if (length == 0 || length > KEY_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "snapshot %s: has to have 1 to %d bytes",
                         what, KEY_MAX);
    return 0;
}

/* ---- the target is there ------------------------------------------------------------------ */

/* Number of the layer that was committed as `chain` from inside the daemon; 0: none.  What a
   client has committed under a chain id is its own claim, and stays in its namespace. */
static int chain_find(struct db *db, const char *driver, const char *chain, uint64_t *number,
                      struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    *number = 0;
    if (db_query(db, &query, err, "SELECT id FROM snapshots_layer WHERE driver = ? AND chain = ?",
                 "ss", driver, chain) < 0)
        return -1;
    found = query_next(&query, err);
    if (found == 1)
        *number = (uint64_t)query_int(&query, 0);
    return found < 0 ? -1 : 0;
}

/* A row for the layer, by its chain id, and for each below it that has none here yet. */
static int chain_adopt(struct write *write, const char *driver, uint64_t number, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct arena *arena = write_arena(write);
    struct snapshot_info info = { .driver = driver, .kind = "committed" };
    struct row row;
    uint64_t below;
    int found;

    if (db_query(write_db(write), &query, err,
                 "SELECT l.chain, p.id, p.chain FROM snapshots_layer l"
                 " LEFT JOIN snapshots_layer p ON p.id = l.parent WHERE l.id = ?",
                 "u", number) < 0 ||
        query_next(&query, err) < 0)
        return -1;
    info.key = query_str(&query, 0, arena);
    info.parent = query_str(&query, 2, arena);
    info.created = info.updated = clock_now();
    below = (uint64_t)query_int(&query, 1);
    query_done(&query);
    found =
        snapshot_read(write_db(write), write_namespace(write), driver, info.key, &row, arena, err);
    if (found != 0)
        return found < 0 ? -1 : hold(write, "snapshot", info.key, driver, err);
    if (below != 0 && chain_adopt(write, driver, below, err) < 0)
        return -1;
    if (snapshot_add(write, &info, number, err) < 0)
        return -1;
    return emit(write, "/snapshot/commit", info.key, err, "name", info.key, "snapshotter", driver,
                NULL);
}

static int target_take(struct write *write, const char *target, struct plan *plan,
                       struct error *err)
{
    const char *driver = plan->driver->calls->name;
    struct row row;
    uint64_t number;
    int found = snapshot_read(write_db(write), write_namespace(write), driver, target, &row,
                              write_arena(write), err);

    if (found < 0)
        return -1;
    if (found == 1 && streq(row.info.kind, "committed")) {
        plan->was_taken = true;
        return hold(write, "snapshot", target, driver, err);
    }
    if (found == 1)
        return 0;
    if (chain_find(write_db(write), driver, target, &number, err) < 0)
        return -1;
    plan->was_taken = number != 0;
    return number != 0 ? chain_adopt(write, driver, number, err) : 0;
}

/* ---- the row -------------------------------------------------------------------------------- */

static int layer_add(struct write *write, const struct plan *plan, bool apart, struct error *err)
{
    return db_run(write_db(write), err,
                  "INSERT INTO snapshots_layer (id, driver, parent, apart, created)"
                  " VALUES (?, ?, nullif(?, 0), ?, ?)",
                  "usuii", plan->number, plan->driver->calls->name, plan->parent, (int64_t)apart,
                  clock_now());
}

/* It may have gone, or another may have its name, since the handler looked. */
static int parent_check(struct write *write, const char *parent, const struct plan *plan,
                        struct error *err)
{
    struct row row;

    if (parent == NULL)
        return 0;
    if (snapshot_find(write_db(write), write_namespace(write), plan->driver->calls->name, parent,
                      &row, write_arena(write), err) < 0)
        return error_wrap(err, "parent");
    if (row.number != plan->parent)
        return error_set(err, ERROR_ABORTED, "parent %.200s: has changed meanwhile", parent);
    return 0;
}

static int prepare_write(struct write *write, const void *in_record, void *out, struct error *err)
{
    const struct snapshots_prepare_request *in = in_record;
    struct plan *plan = write_ctx(write);
    struct snapshot_info *info = &plan->row.info;

    (void)out;
    plan->was_taken = plan->has_vanished = false;
    if (in->target != NULL && target_take(write, in->target, plan, err) < 0)
        return -1;
    plan->has_vanished = !plan->was_taken && plan->number == 0;
    if (plan->was_taken || plan->has_vanished)
        return 0;
    if (parent_check(write, in->parent, plan, err) < 0 ||
        layer_add(write, plan, in->has_apart && in->apart, err) < 0 ||
        snapshot_add(write, info, plan->number, err) < 0)
        return -1;
    return emit(write, "/snapshot/prepare", in->key, err, "key", in->key, "parent", in->parent,
                "snapshotter", info->driver, NULL);
}

static int make_place(struct snapshots *snapshots, struct plan *plan, struct error *err)
{
    const struct driver *driver = plan->driver;

    plan->number = plan->row.number = ++snapshots->last_number;
    if (driver->calls->prepare(driver->state, plan->number, plan->parent, err) == 0)
        return 0;
    layer_discard(snapshots, driver, plan->number); /* what there is of it */
    return -1;
}

static int prepare_after(void *self, struct request *request, void *ctx, void *out,
                         struct error *err);

static int begin_again(struct snapshots *snapshots, struct request *request, struct plan *plan,
                       struct error *err)
{
    if (make_place(snapshots, plan, err) < 0)
        return -1;
    return request_write(request, prepare_write, prepare_after, plan, err);
}

/* What the caller has to know: the mounts; or that there is nothing to do. */
static int answer(struct snapshots *snapshots, struct request *request, struct plan *plan,
                  struct snapshots_mounts_reply *out, struct error *err)
{
    const struct snapshots_prepare_request *in = request_body(request);

    if (plan->was_taken)
        return error_set(err, ERROR_ALREADY_EXISTS, "snapshot %.200s: is there already",
                         in->target);
    return snapshot_mounts_of(plan->driver, snapshots->db, &plan->row, out, request_arena(request),
                              err);
}

static int prepare_after(void *self, struct request *request, void *ctx, void *out,
                         struct error *err)
{
    struct snapshots *snapshots = self;
    struct plan *plan = ctx;
    struct error failed = { 0 };

    if (err == NULL && plan->has_vanished) {
        if (begin_again(snapshots, request, plan, &failed) == 0)
            return 1;
        request_fail(request, &failed);
        return 1;
    }
    if ((err != NULL || plan->was_taken) && plan->number != 0)
        layer_discard(snapshots, plan->driver, plan->number);
    if (err != NULL || answer(snapshots, request, plan, out, &failed) == 0)
        return 0;
    request_fail(request, &failed);
    return 1;
}

/* ---- the handlers --------------------------------------------------------------------------- */

static int find_parent(struct snapshots *snapshots, struct request *request, struct plan *plan,
                       struct error *err)
{
    const struct snapshots_prepare_request *in = request_body(request);
    const uint64_t *parents;
    size_t count;
    struct row row;

    if (in->parent == NULL)
        return 0;
    if (snapshot_find(snapshots->db, request_namespace(request), plan->driver->calls->name,
                      in->parent, &row, request_arena(request), err) < 0)
        return error_wrap(err, "parent");
    if (!streq(row.info.kind, "committed"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "parent %.200s: is %s, not committed",
                         in->parent, row.info.kind);
    plan->parent = row.number;
    if (layer_parents(snapshots->db, row.number, &parents, &count, request_arena(request), err) < 0)
        return -1;
    if (count + 1 > plan->driver->calls->parents_max)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "parent %.200s: %zu layers, %s takes %zu",
                         in->parent, count + 1, plan->driver->calls->name,
                         plan->driver->calls->parents_max);
    return 0;
}

/* True: no folder has to be made. */
static bool target_is_there(struct snapshots *snapshots, struct request *request,
                            const struct plan *plan)
{
    const struct snapshots_prepare_request *in = request_body(request);
    const char *driver = plan->driver->calls->name;
    struct error ignored;
    struct row row;
    uint64_t number;

    if (in->target == NULL)
        return false;
    if (snapshot_read(snapshots->db, request_namespace(request), driver, in->target, &row,
                      request_arena(request), &ignored) == 1)
        return streq(row.info.kind, "committed");
    return chain_find(snapshots->db, driver, in->target, &number, &ignored) == 0 && number != 0;
}

static int check(const struct snapshots_prepare_request *in, struct error *err)
{
    if (snapshot_key_check("key", in->key, err) < 0 || labels_check(&in->labels, err) < 0 ||
        (in->target != NULL && snapshot_key_check("target", in->target, err) < 0))
        return -1;
    if (in->has_apart && in->apart && in->parent != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "snapshot %.200s: what is prepared apart gets its parent at the commit",
                         in->key);
    return 0;
}

static int begin(struct snapshots *snapshots, struct request *request, const char *kind,
                 struct error *err)
{
    const struct snapshots_prepare_request *in = request_body(request);
    struct plan *plan = arena_alloc(request_arena(request), sizeof(*plan));

    plan->kind = kind;
    plan->driver = snapshot_driver(snapshots, in->driver, err);
    if (plan->driver == NULL || check(in, err) < 0 ||
        find_parent(snapshots, request, plan, err) < 0)
        return -1;
    plan->row = (struct row){
        .info = {
            .key = in->key,
            .driver = plan->driver->calls->name,
            .kind = kind,
            .parent = in->parent,
            .labels = in->labels,
            .created = clock_now(),
        },
        .apart = in->has_apart && in->apart,
    };
    plan->row.info.updated = plan->row.info.created;
    if (!target_is_there(snapshots, request, plan) && make_place(snapshots, plan, err) < 0)
        return -1;
    return request_write(request, prepare_write, prepare_after, plan, err);
}

int on_snapshot_prepare(void *self, struct request *request, struct error *err)
{
    return begin(self, request, "active", err);
}

int on_snapshot_view(void *self, struct request *request, struct error *err)
{
    const struct snapshots_prepare_request *in = request_body(request);

    if (in->target != NULL || (in->has_apart && in->apart))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "snapshot %.200s: a view is never committed, so it has no target",
                         in->key);
    return begin(self, request, "view", err);
}
