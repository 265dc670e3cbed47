/* Rows of snapshots, and the layers behind them. */
#include "actors/base/edge.h"
#include "actors/snapshots/store.h"
#include "platform/scope.h"

void snapshot_take(struct query *query, struct row *row, struct arena *arena)
{
    *row = (struct row){
        .info = {
            .key = query_str(query, 0, arena),
            .driver = query_str(query, 1, arena),
            .kind = query_str(query, 2, arena),
            .parent = query_str(query, 3, arena),
            .labels = query_labels(query, 4, arena),
            .created = query_int(query, 5),
            .updated = query_int(query, 6),
            SET(layer, (uint64_t)query_int(query, 7)),
        },
        .number = (uint64_t)query_int(query, 7),
        .apart = query_int(query, 8) != 0,
        .is_shared = query_int(query, 9) != 0,
        .is_remote = query_int(query, 10) != 0,
    };
}

int snapshot_read(struct db *db, const char *namespace, const char *driver, const char *key,
                  struct row *row, struct arena *arena, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(db, &query, err,
                 "SELECT " ROW_COLUMNS
                 " FROM snapshots_snapshot s JOIN snapshots_layer l ON l.id = s.layer"
                 " WHERE s.namespace = ? AND s.driver = ? AND s.key = ?",
                 "sss", namespace, driver, key) < 0)
        return -1;
    found = query_next(&query, err);
    if (found == 1)
        snapshot_take(&query, row, arena);
    return found;
}

int snapshot_find(struct db *db, const char *namespace, const char *driver, const char *key,
                  struct row *row, struct arena *arena, struct error *err)
{
    int found = snapshot_read(db, namespace, driver, key, row, arena, err);

    if (found == 0)
        return error_set(err, ERROR_NOT_FOUND, "snapshot %.200s: %s has none in namespace %s", key,
                         driver, namespace);
    return found < 0 ? -1 : 0;
}

int snapshot_edges(struct write *write, const struct snapshot_info *info, struct error *err)
{
    return edges_write(write, "snapshot", info->driver, info->key, &info->labels, err);
}

int snapshot_add(struct write *write, const struct snapshot_info *info, uint64_t number,
                 struct error *err)
{
    struct buffer packed = db_labels(&info->labels);
    int result = db_run(write_db(write), err,
                        "INSERT INTO snapshots_snapshot (namespace, driver, key, kind, layer,"
                        " parent, labels, root, created, updated)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        "ssssusbiii", write_namespace(write), info->driver, info->key, info->kind,
                        number, info->parent, packed.data, packed.size,
                        (int64_t)(map_get(&info->labels, LABEL_GC_ROOT) != NULL), info->created,
                        info->updated);

    buffer_free(&packed);
    if (result < 0 && err->code == ERROR_ALREADY_EXISTS)
        return error_set(err, ERROR_ALREADY_EXISTS, "snapshot %.200s: is there already", info->key);
    if (result < 0 || snapshot_edges(write, info, err) < 0)
        return -1;
    return hold(write, "snapshot", info->key, info->driver, err);
}

/* The layer's parent when it went; 0: it had none; the layer itself when it stays. */
static int layer_drop(struct write *write, uint64_t number, uint64_t *next, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    *next = number;
    if (db_query(write_db(write), &query, err,
                 "SELECT parent FROM snapshots_layer l WHERE id = ?"
                 " AND NOT EXISTS (SELECT 1 FROM snapshots_snapshot WHERE layer = l.id)"
                 " AND NOT EXISTS (SELECT 1 FROM snapshots_layer WHERE parent = l.id)",
                 "u", number) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 0)
        return 0;
    *next = (uint64_t)query_int(&query, 0);
    query_done(&query);
    return db_run(write_db(write), err, "DELETE FROM snapshots_layer WHERE id = ?", "u", number);
}

static void freed_add(struct freed *freed, uint64_t number, struct arena *arena)
{
    uint64_t *grown = arena_alloc(arena, (freed->count + 1) * sizeof(*grown));

    if (freed->count > 0)
        memcpy(grown, freed->numbers, freed->count * sizeof(*grown));
    grown[freed->count++] = number;
    freed->numbers = grown;
}

/* A layer below may have lost its row long ago, and stayed only for the one above it. */
static int layers_drop(struct write *write, uint64_t number, struct freed *freed, struct error *err)
{
    for (uint64_t next; number != 0; number = next) {
        if (layer_drop(write, number, &next, err) < 0)
            return -1;
        if (next == number)
            return 0;
        freed_add(freed, number, write_arena(write));
    }
    return 0;
}

int snapshot_drop(struct write *write, const struct row *row, struct freed *freed,
                  struct error *err)
{
    if (db_run(write_db(write), err,
               "DELETE FROM snapshots_snapshot WHERE namespace = ? AND driver = ? AND key = ?",
               "sss", write_namespace(write), row->info.driver, row->info.key) < 0 ||
        edges_drop(write, "snapshot", row->info.driver, row->info.key, err) < 0)
        return -1;
    return layers_drop(write, row->number, freed, err);
}

int layer_parents(struct db *db, uint64_t number, const uint64_t **parents, size_t *count,
                  struct arena *arena, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    uint64_t *list = NULL;
    size_t room = 0;
    int found;

    *count = 0;
    if (db_query(db, &query, err,
                 "WITH RECURSIVE below (id, depth) AS ("
                 "  SELECT parent, 1 FROM snapshots_layer WHERE id = ?"
                 "  UNION ALL"
                 "  SELECT l.parent, depth + 1 FROM below JOIN snapshots_layer l ON l.id = below.id"
                 "  WHERE l.parent IS NOT NULL)"
                 " SELECT id FROM below WHERE id IS NOT NULL ORDER BY depth",
                 "u", number) < 0)
        return -1;
    while ((found = query_next(&query, err)) == 1) {
        if (*count == room) {
            uint64_t *grown =
                arena_alloc(arena, (room = room > 0 ? 2 * room : 16) * sizeof(*grown));

            if (*count > 0)
                memcpy(grown, list, *count * sizeof(*grown));
            list = grown;
        }
        list[(*count)++] = (uint64_t)query_int(&query, 0);
    }
    *parents = list;
    return found < 0 ? -1 : 0;
}
