/*
 * Replacing: a damaged layer gets the files that were unpacked once more, and keeps its number, so that what stands on it
 * need not change.
 *
 * One step of the file system; the damaged files are the active snapshot's then, and go with it.  What runs on the layer
 * goes on with files that are about to be removed: that is refused.
 */
#include "actors/base/log.h"
#include "actors/snapshots/store.h"
#include "platform/scope.h"

/* Containers with a process, on the layer or on one above it. */
static const char runs_on[] =
    "WITH RECURSIVE above (id) AS (SELECT ? UNION"
    "  SELECT l.id FROM snapshots_layer l JOIN above a ON l.parent = a.id)"
    " SELECT coalesce(c.name, c.id) FROM above a JOIN snapshots_snapshot s ON s.layer = a.id"
    " JOIN containers_container c ON c.namespace = s.namespace AND c.driver = s.driver AND c.snapshot = s.key"
    " JOIN tasks_task t ON t.namespace = c.namespace AND t.id = c.id WHERE t.status <> 'stopped' LIMIT 1";

static int check_unused(struct snapshots *snapshots, uint64_t layer, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(snapshots->db, &query, err, runs_on, "u", layer) < 0 || (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 0)
        return 0;
    error_set(err, ERROR_FAILED_PRECONDITION, "container %.100s runs on layer %llu", query_text(&query, 0),
              (unsigned long long)layer);
    return error_hint(err, "gantry stop %.100s, then gantry check --repair once more", query_text(&query, 0));
}

static int check_layer(struct snapshots *snapshots, const struct driver *driver, uint64_t layer, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(snapshots->db, &query, err,
                 "SELECT 1 FROM snapshots_layer l JOIN snapshots_snapshot s ON s.layer = l.id"
                 " WHERE l.id = ? AND l.driver = ? AND s.kind = 'committed'",
                 "us", layer, driver->name) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERROR_NOT_FOUND, "layer %llu: no committed snapshot has it", (unsigned long long)layer);
    return check_unused(snapshots, layer, err);
}

static int swap(struct snapshots *snapshots, uint64_t from, uint64_t to, struct error *err)
{
    char folder[PATH_SIZE], good[PATH_SIZE], bad[PATH_SIZE], inventory[PATH_SIZE];

    if (path_format(folder, err, "%s/snapshots/%llu", snapshots->root, (unsigned long long)to) < 0 ||
        path_format(good, err, "%s/snapshots/%llu/fs", snapshots->root, (unsigned long long)from) < 0 ||
        path_format(bad, err, "%s/fs", folder) < 0 ||
        path_format(inventory, err, "%s/" INVENTORY_FILE, folder) < 0)
        return -1;
    if (fs_folder_make(folder, 0700, err) < 0 || fs_exchange(good, bad, err) < 0)
        return -1;
    return fs_remove(inventory, err); /* taken anew: it may be what was damaged */
}

int on_snapshot_replace(void *self, struct request *request, struct error *err)
{
    struct snapshots *snapshots = self;
    const struct snapshots_replace_request *in = request_body(request);
    const struct driver *driver = driver_wanted(snapshots, request, in->driver, err);
    struct row row;

    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED, "snapshots.replace is for the daemon itself");
    if (driver == NULL || snapshot_find(snapshots->db, request_namespace(request), driver->name, in->key, &row,
                                        request_arena(request), err) < 0)
        return -1;
    if (driver->calls->whole || driver->calls->waits)
        return error_set(err, ERROR_UNIMPLEMENTED, "driver %s: a layer cannot be unpacked anew in its place", driver->name);
    if (!streq(row.info.kind, "active") || !row.apart)
        return error_set(err, ERROR_FAILED_PRECONDITION, "snapshot %.200s: was not prepared apart", in->key);
    if (check_layer(snapshots, driver, in->layer, err) < 0 || swap(snapshots, row.number, in->layer, err) < 0)
        return -1;
    log_info("snapshots", "layer %llu: has the files that were unpacked anew", (unsigned long long)in->layer);
    inventories_soon(snapshots);
    return request_reply(request, &(struct nothing){ 0 });
}
