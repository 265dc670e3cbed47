/*
 * The actor: its operations, its tables, its life.
 *
 * At the start the numbers on the disk are compared with those in rows.  What no row names
 * is what a crash left; a row whose layer is missing is reported, and an active one, of
 * which nothing was ever promised to be on the disk, gets an empty place again.
 */
#include "actors/snapshots/snapshots.h"

#include "actors/base/log.h"
#include "actors/snapshots/store.h"
#include "platform/scope.h"

static const char *const steps[] = {
    "CREATE TABLE snapshots_layer ("
    "    id INTEGER PRIMARY KEY AUTOINCREMENT, driver TEXT NOT NULL, parent INTEGER,"
    "    apart INTEGER NOT NULL, chain TEXT, size INTEGER, inodes INTEGER,"
    "    created INTEGER NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX snapshots_layer_chain ON snapshots_layer (driver, chain)"
    "    WHERE chain IS NOT NULL;"
    "CREATE INDEX snapshots_layer_parent ON snapshots_layer (parent) WHERE parent IS NOT NULL;"
    "CREATE TABLE snapshots_snapshot ("
    "    namespace TEXT NOT NULL, driver TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL,"
    "    layer INTEGER NOT NULL, parent TEXT, labels BLOB, root INTEGER NOT NULL,"
    "    created INTEGER NOT NULL, updated INTEGER NOT NULL,"
    "    PRIMARY KEY (namespace, driver, key)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX snapshots_snapshot_parent ON snapshots_snapshot (namespace, driver, parent);"
    "CREATE INDEX snapshots_snapshot_layer ON snapshots_snapshot (layer);"
    "CREATE INDEX snapshots_snapshot_root ON snapshots_snapshot (namespace, driver, key)"
    "    WHERE root = 1;"
    "CREATE TABLE snapshots_edge ("
    "    namespace TEXT NOT NULL, from_driver TEXT NOT NULL, from_key TEXT NOT NULL,"
    "    kind TEXT NOT NULL, driver TEXT NOT NULL, key TEXT NOT NULL,"
    "    PRIMARY KEY (namespace, from_driver, from_key, kind, driver, key))"
    "    STRICT, WITHOUT ROWID;"
    "CREATE INDEX snapshots_edge_to ON snapshots_edge (namespace, kind, key);",
    "ALTER TABLE snapshots_layer ADD COLUMN remote INTEGER NOT NULL DEFAULT 0;",
    NULL,
};
const struct db_schema snapshots_schema = { "snapshots", steps };

/* ---- start -------------------------------------------------------------------------------- */

/* Layers that have a row, by number: read at once, and compared with the folder's listing, because a
   question for each of thousands would be most of the daemon's start.  Only a machine that went down
   can have lost a folder's inside. */
struct known {
    uint64_t number;
    bool is_there;
};

struct recovery {
    struct snapshots *snapshots;
    struct known *known; /* in an arena */
    size_t count;
    size_t there;
};

static int recovery_read(struct recovery *recovery, struct arena *arena, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    size_t room = 0;
    int found;

    if (db_query(recovery->snapshots->db, &query, err, "SELECT id FROM snapshots_layer ORDER BY id",
                 "") < 0)
        return -1;
    while ((found = query_next(&query, err)) == 1) {
        if (recovery->count == room) {
            struct known *grown =
                arena_alloc(arena, (room = room > 0 ? 2 * room : 256) * sizeof(*grown));

            if (recovery->count > 0)
                memcpy(grown, recovery->known, recovery->count * sizeof(*grown));
            recovery->known = grown;
        }
        recovery->known[recovery->count++].number = (uint64_t)query_int(&query, 0);
    }
    return found;
}

static int by_number(const void *a, const void *b)
{
    const struct known *one = a, *other = b;

    return one->number < other->number ? -1 : one->number > other->number;
}

static struct known *find_known(const struct recovery *recovery, uint64_t number)
{
    const struct known wanted = { .number = number };

    return recovery->count == 0 ? NULL
                                : bsearch(&wanted, recovery->known, recovery->count,
                                          sizeof(wanted), by_number);
}

/* The layers of all drivers lie in one folder.  What nobody owns, the last one can remove: only it
   may need more than unlink(2) and rmdir(2) for it. */
static int recover_folder(void *ctx, uint64_t number, struct error *err)
{
    struct recovery *recovery = ctx;
    struct snapshots *snapshots = recovery->snapshots;
    struct known *known = find_known(recovery, number);

    (void)err;
    if (number > snapshots->last_number)
        snapshots->last_number = number;
    if (known != NULL) {
        recovery->there += !known->is_there;
        known->is_there = true;
        return 0;
    }
    log_info("snapshots", "layer %llu: no row names it, it goes", (unsigned long long)number);
    layer_discard(snapshots, &snapshots->drivers[snapshots->driver_count - 1], number);
    return 0;
}

static uint64_t parent_of(struct snapshots *snapshots, uint64_t number)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct error ignored;

    if (db_query(snapshots->db, &query, &ignored, "SELECT parent FROM snapshots_layer WHERE id = ?",
                 "u", number) < 0 ||
        query_next(&query, &ignored) != 1)
        return 0;
    return (uint64_t)query_int(&query, 0);
}

/* Its folder is missing. */
static void recover_row(struct snapshots *snapshots, const struct driver *driver, struct query *row)
{
    static const struct map no_labels;
    const struct layer_new layer = { .number = (uint64_t)query_int(row, 0),
                                     .parent = parent_of(snapshots, (uint64_t)query_int(row, 0)),
                                     .read_only = streq(query_text(row, 1), "view"),
                                     .namespace = query_text(row, 3),
                                     .key = query_text(row, 2),
                                     .labels = &no_labels };
    struct error err = { 0 };

    log_warn("snapshots", "layer %llu (%s %s in namespace %s): its folder is missing",
             (unsigned long long)layer.number, query_text(row, 1), layer.key, layer.namespace);
    if (!streq(query_text(row, 1), "committed") &&
        driver->calls->prepare(driver->state, &layer, &err) < 0)
        log_warn("snapshots", "layer %llu: %s", (unsigned long long)layer.number, err.text);
}

static int recover_rows(const struct recovery *recovery, const struct driver *driver,
                        struct error *err)
{
    struct snapshots *snapshots = recovery->snapshots;
    CLEANUP(query_done) struct query row = { 0 };
    int found;

    if (db_query(snapshots->db, &row, err,
                 "SELECT layer, kind, key, namespace FROM snapshots_snapshot WHERE driver = ?", "s",
                 driver->name) < 0)
        return -1;
    while ((found = query_next(&row, err)) == 1) {
        const struct known *known = find_known(recovery, (uint64_t)query_int(&row, 0));
        struct error ignored = { 0 };
        char path[PATH_SIZE];

        if (known != NULL && (!known->is_there || snapshots->new_boot) &&
            driver->calls->folder(driver->state, known->number, path, &ignored) == 0 &&
            !fs_exists(path))
            recover_row(snapshots, driver, &row);
    }
    return found;
}

static int read_last_number(struct snapshots *snapshots, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(snapshots->db, &query, err,
                 "SELECT seq FROM sqlite_sequence WHERE name = 'snapshots_layer'", "") < 0)
        return -1;
    found = query_next(&query, err);
    snapshots->last_number = found == 1 ? (uint64_t)query_int(&query, 0) : 0;
    return found < 0 ? -1 : 0;
}

static int open_driver(struct snapshots *snapshots, const struct snapshotter *calls,
                       struct error *err)
{
    struct driver *driver = &snapshots->drivers[snapshots->driver_count];
    char folder[PATH_SIZE];

    driver->calls = calls;
    driver->name = calls->name;
    if (path_format(folder, err, "%s/snapshots", snapshots->root) < 0 ||
        calls->open(folder, &driver->state, err) < 0)
        return error_wrap(err, "snapshot driver %s", calls->name);
    snapshots->driver_count++;
    return 0;
}

static int recover(struct snapshots *snapshots, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct recovery recovery = { .snapshots = snapshots };
    const struct driver *first = &snapshots->drivers[0];

    if (recovery_read(&recovery, arena, err) < 0 ||
        first->calls->each_layer(first->state, recover_folder, &recovery, err) < 0)
        return -1;
    if (recovery.there == recovery.count && !snapshots->new_boot)
        return 0;
    for (size_t i = 0; i < snapshots->driver_count; i++)
        if (recover_rows(&recovery, &snapshots->drivers[i], err) < 0)
            return -1;
    return 0;
}

/* It is not asked for anything now: it may not be there yet. */
static int open_plugin(struct snapshots *snapshots, const struct plugin_config *config,
                       struct error *err)
{
    struct driver *driver = &snapshots->drivers[snapshots->driver_count];
    char folder[PATH_SIZE];

    if (snapshots->driver_count == DRIVERS_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "more than %d snapshot drivers",
                         DRIVERS_MAX);
    *driver = (struct driver){ .name = config->name, .calls = &plugin_snapshotter };
    if (path_format(folder, err, "%s/snapshots", snapshots->root) < 0 ||
        plugin_open(config, folder, &driver->state, err) < 0)
        return error_wrap(err, "snapshot plugin %s", config->name);
    snapshots->driver_count++;
    return 0;
}

static int open_drivers(struct snapshots *snapshots, struct error *err)
{
    const struct plugin_config *plugin = snapshots->plugins;

    for (size_t i = 0; snapshotters[i] != NULL && i < DRIVERS_MAX; i++)
        if (open_driver(snapshots, snapshotters[i], err) < 0)
            return -1;
    for (; plugin != NULL && plugin->name != NULL; plugin++)
        if (open_plugin(snapshots, plugin, err) < 0)
            return -1;
    return 0;
}

static int start(void *self, struct loop *loop, struct error *err)
{
    struct snapshots *snapshots = self;

    if (db_open(snapshots->database, true, &snapshots->db, err) < 0 ||
        trash_open(&snapshots->trash, loop, snapshots->root, err) < 0 ||
        read_last_number(snapshots, err) < 0)
        return error_wrap(err, "snapshots");
    inventories_open(snapshots, loop);
    if (open_drivers(snapshots, err) < 0 || recover(snapshots, err) < 0)
        return -1;
    plugins_clean_soon(snapshots);
    if (snapshots->default_driver[0] == '\0')
        snprintf(snapshots->default_driver, sizeof(snapshots->default_driver), "%s",
                 snapshotters[0]->name);
    if (driver_find(snapshots, snapshots->default_driver, err) != NULL)
        return 0;
    return error_wrap(err, "the default snapshotter of the configuration");
}

static void stop(void *self)
{
    struct snapshots *snapshots = self;

    while (snapshots->driver_count > 0) {
        struct driver *driver = &snapshots->drivers[--snapshots->driver_count];

        driver->calls->close(&driver->state);
    }
    trash_close(&snapshots->trash);
    db_close(&snapshots->db);
}

struct snapshots *snapshots_new(const struct snapshots_config *config)
{
    struct snapshots *snapshots = zmalloc(sizeof(*snapshots));

    snprintf(snapshots->root, sizeof(snapshots->root), "%s", config->root);
    snprintf(snapshots->database, sizeof(snapshots->database), "%s", config->database);
    snapshots->isolated = config->isolated;
    snapshots->new_boot = config->new_boot;
    if (config->default_driver != NULL)
        snprintf(snapshots->default_driver, sizeof(snapshots->default_driver), "%s",
                 config->default_driver);
    snapshots->plugins = config->plugins;
    snapshots->cleaning.timer = -1;
    snapshots->cleaning.wait_ms = 200;
    return snapshots;
}

void snapshots_free(struct snapshots **snapshots)
{
    free(*snapshots);
    *snapshots = NULL;
}

static const struct route routes[] = {
    { &op_snapshots_prepare, on_snapshot_prepare }, { &op_snapshots_view, on_snapshot_view },
    { &op_snapshots_commit, on_snapshot_commit },   { &op_snapshots_mounts, on_snapshot_mounts },
    { &op_snapshots_stat, on_snapshot_stat },       { &op_snapshots_usage, on_snapshot_usage },
    { &op_snapshots_list, on_snapshot_list },       { &op_snapshots_update, on_snapshot_update },
    { &op_snapshots_remove, on_snapshot_remove },   { &op_snapshots_replace, on_snapshot_replace },
    { &op_snapshots_sweep, on_snapshot_sweep },     { &op_snapshots_diff, on_snapshot_diff },
    { &op_snapshots_changes, on_snapshot_changes }, { &op_snapshots_drivers, on_snapshot_drivers },
    { &op_snapshots_clean, on_snapshot_clean },     { 0 },
};
const struct actor snapshots_actor = { "snapshots", routes, start, stop };
