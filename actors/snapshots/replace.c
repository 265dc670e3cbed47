/*
 * Replacing: a damaged layer gets the files that were unpacked once more, and keeps its number, so that what stands on it
 * need not change.
 *
 * The happy path is on top of the parent (where layers are whole) -> data on the disk -> one step of the file system.
 * That step is taken in a write: what has begun to run until then is seen, and what begins behind it finds
 * the new files.  The damaged ones are the active snapshot's then, and it goes in the same write; what runs on
 * them would lose them under its hands, so that is refused.
 */
#include "actors/base/job.h"
#include "actors/base/log.h"
#include "actors/snapshots/store.h"
#include "platform/scope.h"

struct replace {
    const struct driver *driver;
    const char *root, *namespace;
    const struct snapshots_replace_request *in;
    uint64_t from, to, parent; /* layers; parent 0: it has none */
    bool done;
};

/* Containers with a process, on the layer or on one above it.  Above a whole one only views show its files: all
   others have their own. */
static const char runs_on[] =
    "WITH RECURSIVE above (id) AS (SELECT ?1 UNION"
    "  SELECT l.id FROM snapshots_layer l JOIN above a ON l.parent = a.id WHERE ?2 = 0"
    "  OR EXISTS (SELECT 1 FROM snapshots_snapshot v WHERE v.layer = l.id AND v.kind = 'view'))"
    " SELECT coalesce(c.name, c.id) FROM above a JOIN snapshots_snapshot s ON s.layer = a.id"
    " JOIN containers_container c ON c.namespace = s.namespace AND c.driver = s.driver AND c.snapshot = s.key"
    " JOIN tasks_task t ON t.namespace = c.namespace AND t.id = c.id WHERE t.status <> 'stopped' LIMIT 1";

static int check_unused(struct db *db, const struct replace *replace, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(db, &query, err, runs_on, "ui", replace->to, (int64_t)replace->driver->calls->whole) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 0)
        return 0;
    error_set(err, ERROR_FAILED_PRECONDITION, "container %.100s runs on layer %llu", query_text(&query, 0),
              (unsigned long long)replace->to);
    return error_hint(err, "gantry stop %.100s, then gantry check --repair once more", query_text(&query, 0));
}

static int find_layer(struct db *db, struct replace *replace, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(db, &query, err,
                 "SELECT l.parent FROM snapshots_layer l JOIN snapshots_snapshot s ON s.layer = l.id"
                 " WHERE l.id = ? AND l.driver = ? AND s.kind = 'committed'",
                 "us", replace->to, replace->driver->name) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERROR_NOT_FOUND, "layer %llu: no committed snapshot has it",
                         (unsigned long long)replace->to);
    replace->parent = (uint64_t)query_int(&query, 0);
    return check_unused(db, replace, err);
}

static int swap(const struct replace *replace, struct error *err)
{
    char folder[PATH_SIZE], good[PATH_SIZE], bad[PATH_SIZE], inventory[PATH_SIZE];

    if (path_format(folder, err, "%s/snapshots/%llu", replace->root, (unsigned long long)replace->to) < 0 ||
        path_format(good, err, "%s/snapshots/%llu/fs", replace->root, (unsigned long long)replace->from) < 0 ||
        path_format(bad, err, "%s/fs", folder) < 0 ||
        path_format(inventory, err, "%s/" INVENTORY_FILE, folder) < 0)
        return -1;
    if (fs_folder_make(folder, 0700, err) < 0 || fs_exchange(good, bad, err) < 0)
        return -1;
    return fs_remove(inventory, err); /* taken anew: it may be what was damaged */
}

/* It may have gone meanwhile, or somebody may have begun to run there. */
static int replace_write(struct write *write, const void *in, void *out, struct error *err)
{
    struct replace *replace = write_ctx(write);
    struct freed freed = { 0 }; /* the active one's, which is known */
    struct row row;

    (void)in, (void)out;
    if (find_layer(write_db(write), replace, err) < 0 ||
        snapshot_find(write_db(write), replace->namespace, replace->driver->name, replace->in->key, &row,
                      write_arena(write), err) < 0 ||
        snapshot_remove(write, &row, &freed, err) < 0)
        return -1;
    return swap(replace, err);
}

static int put_on_parent(const struct replace *replace, struct error *err)
{
    static const struct map no_labels;
    const struct layer_new layer = { .number = replace->from,
                                     .parent = replace->parent,
                                     .apart = true,
                                     .namespace = replace->namespace,
                                     .key = replace->in->key,
                                     .labels = &no_labels };

    return replace->driver->calls->rebase(replace->driver->state, &layer, err);
}

static int replace_job(struct job *job, const void *plan, void *out, struct error *err)
{
    struct replace *replace = (void *)(uintptr_t)plan;
    const struct driver *driver = replace->driver;

    (void)out;
    if ((driver->calls->whole && put_on_parent(replace, err) < 0) ||
        driver->calls->sync(driver->state, replace->from, err) < 0 || job_check(job, err) < 0)
        return -1;
    if (job_write(job, replace_write, NULL, NULL, replace, err) < 0)
        return -1;
    replace->done = true;
    log_info("snapshots", "layer %llu: has the files that were unpacked anew", (unsigned long long)replace->to);
    return 0;
}

/* The damaged files go, and an inventory is wanted. */
static void replaced(void *self, struct request *request, void *arg)
{
    const struct replace *replace = arg;

    if (replace->done)
        layer_discard(self, replace->driver, replace->from);
    on_committed(self, request, NULL);
}

int on_snapshot_replace(void *self, struct request *request, struct error *err)
{
    struct snapshots *snapshots = self;
    const struct snapshots_replace_request *in = request_body(request);
    struct replace *replace = arena_alloc(request_arena(request), sizeof(*replace));
    struct row row;

    *replace = (struct replace){ .root = snapshots->root, .namespace = request_namespace(request), .in = in, .to = in->layer };
    replace->driver = driver_wanted(snapshots, request, in->driver, err);
    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED, "snapshots.replace is for the daemon itself");
    if (replace->driver == NULL || snapshot_find(snapshots->db, replace->namespace, replace->driver->name, in->key, &row,
                                                 request_arena(request), err) < 0)
        return -1;
    if (replace->driver->calls->waits)
        return error_set(err, ERROR_UNIMPLEMENTED, "a layer of plugin %s cannot be unpacked anew in its place", replace->driver->name);
    if (!streq(row.info.kind, "active") || !row.apart)
        return error_set(err, ERROR_FAILED_PRECONDITION, "snapshot %.200s: was not prepared apart", in->key);
    replace->from = row.number;
    if (find_layer(snapshots->db, replace, err) < 0)
        return -1;
    request_on_end(request, replaced, replace);
    return request_run_on(request, replace_job, replace, err);
}
