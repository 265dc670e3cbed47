/*
 * The actor: its operations, its table, its life.
 *
 * At the start folders are compared with rows: what no row names is what a crash left, and a row
 * without its folder gets an empty one again.  It starts before leases does, which then forgets
 * the leases of jobs that died: what those held of volumes goes here.
 */
#include "actors/volumes/volumes.h"

#include "actors/base/log.h"
#include "actors/volumes/store.h"
#include "platform/scope.h"

static const char *const steps[] = {
    "CREATE TABLE volumes_volume ("
    "    namespace TEXT NOT NULL, name TEXT NOT NULL, labels BLOB, anonymous INTEGER NOT NULL,"
    "    passing INTEGER NOT NULL, created INTEGER NOT NULL,"
    "    PRIMARY KEY (namespace, name)) STRICT, WITHOUT ROWID;",
    NULL,
};
const struct db_schema volumes_schema = { "volumes", steps };

int volume_folder(const struct volumes *volumes, const char *namespace, const char *name,
                  char path[PATH_SIZE], struct error *err)
{
    return path_format(path, err, "%s/volumes/%s/%s", volumes->root, namespace, name);
}

/* ---- start ---------------------------------------------------------------------------- */

struct sweep {
    struct volumes *volumes;
    const char *namespace; /* NULL: at the level of namespaces */
    char folder[PATH_SIZE];
};

static int sweep_name(void *ctx, const char *name, struct error *err)
{
    struct sweep *sweep = ctx, inner = *sweep;
    CLEANUP(query_done) struct query query = { 0 };
    char path[PATH_SIZE];
    int found;

    if (path_format(path, err, "%s/%s", sweep->folder, name) < 0)
        return -1;
    if (sweep->namespace == NULL) {
        inner.namespace = name;
        memcpy(inner.folder, path, sizeof(path));
        return fs_folder_each(path, sweep_name, &inner, err);
    }
    if (db_query(sweep->volumes->db, &query, err,
                 "SELECT 1 FROM volumes_volume WHERE namespace = ? AND name = ?", "ss",
                 sweep->namespace, name) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 1)
        return 0;
    log_info("volumes", "%s of namespace %s: no row names it, it goes", name, sweep->namespace);
    volume_away(sweep->volumes, sweep->namespace, name);
    return 0;
}

static int make_again(struct volumes *volumes, const char *namespace, const char *name,
                      struct error *err)
{
    char folder[PATH_SIZE], data[PATH_SIZE];

    if (volume_folder(volumes, namespace, name, folder, err) < 0 ||
        path_format(data, err, "%s/data", folder) < 0)
        return -1;
    if (fs_exists(data))
        return 0;
    log_warn("volumes", "%s of namespace %s: its folder is missing, it is empty now", name,
             namespace);
    return fs_folder_make_all(folder, 0700, err) < 0 ? -1 : fs_folder_make(data, 0755, err);
}

static int recover_rows(struct volumes *volumes, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    int found;

    if (db_query(volumes->db, &row, err, "SELECT namespace, name FROM volumes_volume", "") < 0)
        return -1;
    while ((found = query_next(&row, err)) == 1)
        if (make_again(volumes, query_text(&row, 0), query_text(&row, 1), err) < 0)
            return -1;
    return found;
}

static int start(void *self, struct loop *loop, struct error *err)
{
    struct volumes *volumes = self;
    struct sweep sweep = { .volumes = volumes };

    volumes->loop = loop;
    if (db_open(volumes->database, true, &volumes->db, err) < 0 ||
        trash_open(&volumes->trash, loop, volumes->root, err) < 0 ||
        path_format(sweep.folder, err, "%s/volumes", volumes->root) < 0 ||
        fs_folder_make(sweep.folder, 0700, err) < 0 || /* what lies there is for containers alone */
        recover_rows(volumes, err) < 0 || fs_folder_each(sweep.folder, sweep_name, &sweep, err) < 0)
        return -1;
    return forget_at_start(volumes, err);
}

static void stop(void *self)
{
    struct volumes *volumes = self;

    trash_close(&volumes->trash);
    db_close(&volumes->db);
}

struct volumes *volumes_new(const struct volumes_config *config)
{
    struct volumes *volumes = zmalloc(sizeof(*volumes));

    snprintf(volumes->root, sizeof(volumes->root), "%s", config->root);
    snprintf(volumes->database, sizeof(volumes->database), "%s", config->database);
    return volumes;
}

void volumes_free(struct volumes **volumes)
{
    free(*volumes);
    *volumes = NULL;
}

static const struct route routes[] = {
    { &op_volumes_create, on_volume_create },
    { &op_volumes_get, on_volume_get },
    { &op_volumes_list, on_volume_list },
    { &op_volumes_usage, on_volume_usage },
    { &op_volumes_remove, on_volume_remove },
    { &op_volumes_prune, on_volume_prune },
    { &op_volumes_pass, on_volume_pass },
    { &op_volumes_seed, on_volume_seed },
    { 0 },
};
const struct actor volumes_actor = { "volumes", routes, start, stop };
