/*
 * New snapshots, to write to (prepare) or to look at (view).
 *
 * The happy path is number -> folder -> row -> mounts; a crash leaves a folder without a
 * row, which goes at the next start.  With a driver that copies, or asks another program, a
 * job does that.  A target that somebody has committed already is not made again: the namespace
 * gets rows for it and for what it stands on, and the caller hears already_exists.
 */
#include "actors/base/job.h"
#include "actors/base/share.h"
#include "actors/snapshots/store.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"

#define KEY_MAX 1024

struct plan {
    struct seen seen;  /* what it will be */
    const struct snapshots_prepare_request *in;
    const char *namespace;
    bool isolated;
    uint64_t number;   /* of the layer that was made; 0: none, the target is there */
    bool is_inside;    /* the daemon itself wants it */
    bool is_backed;    /* the driver had the target, and `number` stands for it */
    bool was_taken;    /* the target has a row here now */
    bool has_vanished; /* the target was there when the handler looked, and is not now */
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

/* Number of the layer that was committed as `chain` from inside the daemon, and that is lent
   (share.h); 0: none.  What a client has committed under a chain id is its own claim, and stays in
   its namespace. */
static int chain_find(struct db *db, bool isolated, const char *driver, const char *chain,
                      uint64_t *number, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    *number = 0;
    if (db_query(db, &query, err,
                 "SELECT id FROM snapshots_layer l WHERE driver = ?1 AND chain = ?2"
                 " AND (?3 = 0 OR EXISTS (SELECT 1 FROM snapshots_snapshot s"
                 "      WHERE s.layer = l.id AND " IS_LENT("s.namespace", "?3") "))",
                 "ssi", driver, chain, (int64_t)isolated) < 0)
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
    const char *driver = plan->seen.driver->name;
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
    if (chain_find(write_db(write), plan->isolated, driver, target, &number, err) < 0)
        return -1;
    plan->was_taken = number != 0;
    return number != 0 ? chain_adopt(write, driver, number, err) : 0;
}

/* ---- the row -------------------------------------------------------------------------------- */

static uint64_t parent_of(const struct plan *plan)
{
    return plan->seen.parent_count > 0 ? plan->seen.parents[0] : 0;
}

static int layer_add(struct write *write, const struct plan *plan, const char *chain,
                     struct error *err)
{
    return db_run(write_db(write), err,
                  "INSERT INTO snapshots_layer (id, driver, parent, apart, created, chain, remote)"
                  " VALUES (?1, ?2, nullif(?3, 0), ?4, ?5,"
                  /* one that is there and not lent is another namespace's */
                  "  iif(EXISTS (SELECT 1 FROM snapshots_layer WHERE driver = ?2 AND chain = ?6),"
                  "      NULL, ?6), ?7)",
                  "usuiisi", plan->number, plan->seen.driver->name, parent_of(plan),
                  (int64_t)(plan->seen.row.apart && !plan->is_backed), clock_now(), chain,
                  (int64_t)plan->is_backed);
}

/* It may have gone, or another may have its name, since the handler looked. */
static int parent_check(struct write *write, const char *parent, const struct plan *plan,
                        struct error *err)
{
    struct row row;

    if (parent == NULL)
        return 0;
    if (snapshot_find(write_db(write), write_namespace(write), plan->seen.driver->name, parent,
                      &row, write_arena(write), err) < 0)
        return error_wrap(err, "parent");
    if (row.number != parent_of(plan))
        return error_set(err, ERROR_ABORTED, "parent %.200s: has changed meanwhile", parent);
    return 0;
}

/* The driver has had the target all along: it is committed.  It may serve other namespaces when the daemon
   itself has asked for it: what a client says of a layer is its own claim. */
static int backed_add(struct write *write, struct plan *plan, struct error *err)
{
    struct snapshot_info info = plan->seen.row.info;

    info.key = plan->in->target;
    info.kind = "committed";
    plan->was_taken = true;
    if (layer_add(write, plan, plan->is_inside ? plan->in->target : NULL, err) < 0 ||
        snapshot_add(write, &info, plan->number, err) < 0)
        return -1;
    return emit(write, "/snapshot/commit", plan->in->key, err, "key", plan->in->key, "name",
                info.key, "snapshotter", info.driver, NULL);
}

static int prepare_write(struct write *write, const void *in_record, void *out, struct error *err)
{
    const struct snapshots_prepare_request *in = in_record;
    struct plan *plan = write_ctx(write);
    struct snapshot_info *info = &plan->seen.row.info;

    (void)out;
    plan->was_taken = plan->has_vanished = false;
    if (in->target != NULL && target_take(write, in->target, plan, err) < 0)
        return -1;
    plan->has_vanished = !plan->was_taken && plan->number == 0;
    if (plan->was_taken || plan->has_vanished)
        return 0;
    if (parent_check(write, in->parent, plan, err) < 0)
        return -1;
    if (plan->is_backed)
        return backed_add(write, plan, err);
    if (layer_add(write, plan, NULL, err) < 0 || snapshot_add(write, info, plan->number, err) < 0)
        return -1;
    return emit(write, "/snapshot/prepare", in->key, err, "key", in->key, "parent", in->parent,
                "snapshotter", info->driver, NULL);
}

/* ---- the place -------------------------------------------------------------------------------- */

/* ALREADY_EXISTS of a driver is no failure. */
static int place_make(struct plan *plan, uint64_t number, struct error *err)
{
    const struct driver *driver = plan->seen.driver;
    const struct layer_new layer = {
        .number = number,
        .parent = parent_of(plan),
        .read_only = streq(plan->seen.row.info.kind, "view"),
        .apart = plan->seen.row.apart,
        .settled = plan->in->has_settled && plan->in->settled,
        .namespace = plan->namespace,
        .key = plan->in->key,
        .target = plan->in->target,
        .labels = &plan->in->labels,
    };

    plan->number = plan->seen.row.number = number;
    if (driver->calls->prepare(driver->state, &layer, err) == 0)
        return 0;
    plan->is_backed = err->code == ERROR_ALREADY_EXISTS && layer.target != NULL;
    return plan->is_backed ? 0 : -1;
}

static bool is_of_no_use(const struct plan *plan, const struct error *err)
{
    return plan->number != 0 && (err != NULL || (plan->was_taken && !plan->is_backed));
}

/* What the caller has to know: the mounts; or that there is nothing to do. */
static int answer(const struct plan *plan, struct snapshots_mounts_reply *out, struct arena *arena,
                  struct error *err)
{
    if (plan->was_taken)
        return error_set(err, ERROR_ALREADY_EXISTS, "snapshot %.200s: is there already",
                         plan->in->target);
    return snapshot_mounts_of(&plan->seen, out, arena, err);
}

/* ---- at once ---------------------------------------------------------------------------------- */

static int make_place(struct snapshots *snapshots, struct plan *plan, struct error *err)
{
    if (place_make(plan, ++snapshots->last_number, err) == 0)
        return 0;
    layer_discard(snapshots, plan->seen.driver, plan->number); /* what there is of it */
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
    if (is_of_no_use(plan, err))
        layer_discard(snapshots, plan->seen.driver, plan->number);
    if (err != NULL || answer(plan, out, request_arena(request), &failed) == 0)
        return 0;
    request_fail(request, &failed);
    return 1;
}

/* ---- in a job: the driver takes its time ------------------------------------------------------- */

struct slow_plan {
    struct plan plan;
    uint64_t number; /* for the layer that may have to be made */
    bool is_there;   /* the target, it seems */
};

static int prepare_slowly(struct job *job, struct slow_plan *slow, struct error *err)
{
    struct plan *plan = &slow->plan;

    if ((!slow->is_there && place_make(plan, slow->number, err) < 0) || job_check(job, err) < 0 ||
        job_write(job, prepare_write, plan->in, NULL, plan, err) < 0)
        return -1;
    if (!plan->has_vanished)
        return 0;
    if (place_make(plan, slow->number, err) < 0)
        return -1;
    return job_write(job, prepare_write, plan->in, NULL, plan, err);
}

static int prepare_job(struct job *job, const void *in, void *out, struct error *err)
{
    UNUSED CLEANUP(heed_end) struct heed heed = heed_begin(job);
    struct slow_plan slow = *(const struct slow_plan *)in;
    int result = prepare_slowly(job, &slow, err);

    if (is_of_no_use(&slow.plan, result < 0 ? err : NULL))
        layer_discard_here(job_self(job), slow.plan.seen.driver, slow.plan.number);
    return result < 0 ? -1 : answer(&slow.plan, out, job_arena(job), err);
}

/* ---- the handlers --------------------------------------------------------------------------- */

/* The parent, and all below it. */
static int find_parents(struct snapshots *snapshots, struct request *request, struct plan *plan,
                        struct error *err)
{
    const struct driver *driver = plan->seen.driver;
    struct arena *arena = request_arena(request);
    const uint64_t *below;
    uint64_t *parents;
    size_t count;
    struct row row;

    if (plan->in->parent == NULL)
        return 0;
    if (snapshot_find(snapshots->db, plan->namespace, driver->name, plan->in->parent, &row, arena,
                      err) < 0)
        return error_wrap(err, "parent");
    if (!streq(row.info.kind, "committed"))
        return error_set(err, ERROR_INVALID_ARGUMENT, "parent %.200s: is %s, not committed",
                         plan->in->parent, row.info.kind);
    if (layer_parents(snapshots->db, row.number, &below, &count, arena, err) < 0)
        return -1;
    if (count + 1 > driver->calls->parents_max)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "parent %.200s: %zu layers, %s takes %zu",
                         plan->in->parent, count + 1, driver->name, driver->calls->parents_max);
    parents = arena_alloc(arena, (count + 1) * sizeof(*parents));
    parents[0] = row.number;
    if (count > 0)
        memcpy(parents + 1, below, count * sizeof(*parents));
    plan->seen.parents = parents;
    plan->seen.parent_count = count + 1;
    return 0;
}

/* True: no folder has to be made. */
static bool target_is_there(struct snapshots *snapshots, struct request *request,
                            const struct plan *plan)
{
    const struct snapshots_prepare_request *in = plan->in;
    const char *driver = plan->seen.driver->name;
    struct error ignored;
    struct row row;
    uint64_t number;

    if (in->target == NULL)
        return false;
    if (snapshot_read(snapshots->db, request_namespace(request), driver, in->target, &row,
                      request_arena(request), &ignored) == 1)
        return streq(row.info.kind, "committed");
    return chain_find(snapshots->db, plan->isolated, driver, in->target, &number, &ignored) == 0 &&
           number != 0;
}

static int check(const struct snapshots_prepare_request *in, struct error *err)
{
    if (snapshot_key_check("key", in->key, err) < 0 || labels_check(&in->labels, err) < 0 ||
        mapping_check(&in->labels, err) < 0 ||
        (in->target != NULL && snapshot_key_check("target", in->target, err) < 0))
        return -1;
    if (in->has_apart && in->apart && in->parent != NULL && !(in->has_settled && in->settled))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "snapshot %.200s: what is prepared apart gets its parent at the commit",
                         in->key);
    return 0;
}

/* Who unpacks layers apart says how many there will be: no layer is fetched in vain. */
static int height_check(const struct plan *plan, struct error *err)
{
    const struct snapshotter *calls = plan->seen.driver->calls;

    if (!plan->in->has_layers || plan->in->layers <= calls->parents_max)
        return 0;
    error_set(err, ERROR_RESOURCE_EXHAUSTED, "%llu layers are more than the %zu that %s takes",
              (unsigned long long)plan->in->layers, calls->parents_max, calls->name);
    return error_hint(err, "--snapshotter native takes any number of them");
}

/* Where a layer can stand on its parent only when it is unpacked, the parent is told then. */
static int settle(struct request *request, const struct driver *driver, struct error *err)
{
    struct snapshots_prepare_request *in = (void *)(uintptr_t)request_body(request);

    if (!in->has_settled || !in->settled)
        return 0;
    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED,
                         "snapshots.prepare: settled is said inside the daemon only");
    if (!driver->calls->waits) {
        in->parent = NULL;
        in->settled = false;
    }
    return 0;
}

static struct row row_wanted(const struct plan *plan, const char *kind)
{
    int64_t now = clock_now();

    return (struct row){
        .info = {
            .key = plan->in->key,
            .driver = plan->seen.driver->name,
            .kind = kind,
            .parent = plan->in->parent,
            .labels = plan->in->labels,
            .created = now,
            .updated = now,
        },
        .apart = plan->in->has_apart && plan->in->apart,
    };
}

static int begin(struct snapshots *snapshots, struct request *request, const char *kind,
                 struct error *err)
{
    struct slow_plan *slow = arena_alloc(request_arena(request), sizeof(*slow));
    struct plan *plan = &slow->plan;

    *plan = (struct plan){ .in = request_body(request),
                           .namespace = request_namespace(request),
                           .isolated = snapshots->isolated,
                           .is_inside = request_is_inside(request) };
    plan->seen.driver = driver_wanted(snapshots, request, plan->in->driver, err);
    if (plan->seen.driver == NULL || settle(request, plan->seen.driver, err) < 0 ||
        check(plan->in, err) < 0 || height_check(plan, err) < 0 ||
        find_parents(snapshots, request, plan, err) < 0)
        return -1;
    plan->seen.row = row_wanted(plan, kind);
    slow->is_there = target_is_there(snapshots, request, plan);
    if (driver_is_slow(plan->seen.driver)) {
        slow->number = ++snapshots->last_number;
        return request_run_on(request, prepare_job, slow, err);
    }
    if (!slow->is_there && make_place(snapshots, plan, err) < 0)
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
