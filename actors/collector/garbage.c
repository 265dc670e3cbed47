/* Reading garbage and sorting it: Kahn's algorithm, level by level. */
#include "actors/collector/garbage.h"

#include <czmq.h>

#include "actors/base/reach.h"
#include "platform/scope.h"

static char *name_of(const char *kind, const char *driver, const char *key, struct arena *arena)
{
    return arena_printf(arena, "%s\n%s\n%s", kind, driver, key);
}

static int read_pieces(struct db *db, const char *namespace, struct garbage *garbage,
                       struct arena *arena, struct error *err)
{
    CLEANUP(query_done) struct query rows = { 0 };
    size_t room = 0;
    int found;

    if (garbage_open(db, &rows, namespace, "", err) < 0)
        return -1;
    while ((found = query_next(&rows, err)) == 1) {
        if (garbage->count == room) {
            struct piece *grown =
                arena_alloc(arena, (room = room > 0 ? 2 * room : 64) * sizeof(*grown));

            if (garbage->count > 0)
                memcpy(grown, garbage->pieces, garbage->count * sizeof(*grown));
            garbage->pieces = grown;
        }
        garbage->pieces[garbage->count++] = (struct piece){
            .kind = query_str(&rows, 0, arena),
            .driver = query_str(&rows, 1, arena),
            .key = query_str(&rows, 2, arena),
            .size = (uint64_t)query_int(&rows, 3),
        };
    }
    return found;
}

static int open_targets(struct db *db, const char *namespace, const struct piece *piece,
                        struct query *rows, struct error *err)
{
    if (streq(piece->kind, "content"))
        return db_query(db, rows, err,
                        "SELECT kind, driver, key, 0 FROM content_edge"
                        " WHERE namespace = ? AND digest = ?",
                        "ss", namespace, piece->key);
    return db_query(db, rows, err,
                    "SELECT kind, driver, key, 0 FROM snapshots_edge"
                    " WHERE namespace = ?1 AND from_driver = ?2 AND from_key = ?3"
                    " UNION ALL SELECT 'snapshot', driver, parent, 1 FROM snapshots_snapshot"
                    " WHERE namespace = ?1 AND driver = ?2 AND key = ?3 AND parent IS NOT NULL",
                    "sss", namespace, piece->driver, piece->key);
}

static void add_target(struct garbage *garbage, struct piece *piece, size_t target,
                       bool is_parent, struct arena *arena)
{
    size_t *grown;

    if (&garbage->pieces[target] == piece)
        return;
    if (is_parent) {
        piece->parent = &garbage->pieces[target];
        piece->parent->children++;
    }
    grown = arena_alloc(arena, (piece->target_count + 1) * sizeof(*grown));
    if (piece->target_count > 0)
        memcpy(grown, piece->targets, piece->target_count * sizeof(*grown));
    grown[piece->target_count++] = target;
    piece->targets = grown;
    garbage->pieces[target].pointers++;
}

static int read_targets(struct db *db, const char *namespace, struct garbage *garbage,
                        zhashx_t *index, struct arena *arena, struct error *err)
{
    for (size_t i = 0; i < garbage->count; i++) {
        CLEANUP(query_done) struct query rows = { 0 };
        int found;

        if (open_targets(db, namespace, &garbage->pieces[i], &rows, err) < 0)
            return -1;
        while ((found = query_next(&rows, err)) == 1) {
            const struct piece *target =
                zhashx_lookup(index, name_of(query_text(&rows, 0), query_text(&rows, 1),
                                             query_text(&rows, 2), arena));

            if (target != NULL)
                add_target(garbage, &garbage->pieces[i], (size_t)(target - garbage->pieces),
                           query_int(&rows, 3) != 0, arena);
        }
        if (found < 0)
            return -1;
    }
    return 0;
}

int garbage_read(struct db *db, const char *namespace, struct garbage *garbage, struct arena *arena,
                 struct error *err)
{
    zhashx_t *index;
    int result;

    *garbage = (struct garbage){ 0 };
    if (read_pieces(db, namespace, garbage, arena, err) < 0)
        return -1;
    index = zhashx_new();
    for (size_t i = 0; i < garbage->count; i++)
        zhashx_insert(index,
                      name_of(garbage->pieces[i].kind, garbage->pieces[i].driver,
                              garbage->pieces[i].key, arena),
                      &garbage->pieces[i]);
    result = read_targets(db, namespace, garbage, index, arena, err);
    zhashx_destroy(&index);
    return result;
}

size_t garbage_level(struct garbage *garbage, size_t *level)
{
    size_t count = 0, left = 0;

    for (size_t i = 0; i < garbage->count; i++)
        if (!garbage->pieces[i].is_taken && garbage->pieces[i].pointers == 0)
            level[count++] = i;
    /* Cycles: the owner's condition looks at the whole walk.  But a snapshot cannot go before its
       children, and those form no cycle. */
    for (size_t i = 0; count == 0 && i < garbage->count; i++)
        if (!garbage->pieces[i].is_taken && garbage->pieces[i].children == 0)
            level[left++] = i;
    count += left;
    for (size_t i = 0; i < count; i++) {
        const struct piece *piece = &garbage->pieces[level[i]];

        garbage->pieces[level[i]].is_taken = true;
        if (piece->parent != NULL)
            piece->parent->children--;
        for (size_t t = 0; t < piece->target_count; t++)
            garbage->pieces[piece->targets[t]].pointers--;
    }
    return count;
}
