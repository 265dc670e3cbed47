/*
 * Kahn's order: a thing is ready when nothing of the rest points at it.  When nothing is, all that
 * is left hangs on rings of labels: one is broken by taking the next snapshot without children, or
 * blob, out of turn; its owner's condition looks at the whole ring.
 */
#include "actors/collector/garbage.h"

#include <czmq.h>

#include "actors/base/reach.h"
#include "platform/scope.h"

static enum garbage_kind kind_of(const struct piece *piece)
{
    if (streq(piece->what.kind, "image"))
        return GARBAGE_IMAGE;
    return streq(piece->what.kind, "content") ? GARBAGE_CONTENT : GARBAGE_SNAPSHOT;
}

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
            .what = { .kind = query_str(&rows, 0, arena),
                      .driver = query_str(&rows, 1, arena),
                      .key = query_str(&rows, 2, arena) },
            .size = (uint64_t)query_int(&rows, 3),
        };
    }
    return found;
}

/* ---- who points at whom ------------------------------------------------------------------- */

static int open_targets(struct db *db, const char *namespace, const struct piece *piece,
                        struct query *rows, struct error *err)
{
    return db_query(db, rows, err,
                    "SELECT to_kind, to_driver, to_key, 0 FROM collector_edge"
                    " WHERE namespace = ?1 AND kind = ?2 AND driver = ?3 AND key = ?4"
                    " UNION ALL SELECT 'snapshot', driver, parent, 1 FROM snapshots_snapshot"
                    " WHERE ?2 = 'snapshot' AND namespace = ?1 AND driver = ?3 AND key = ?4"
                    " AND parent IS NOT NULL"
                    " UNION ALL SELECT 'content', '', digest, 0 FROM images_image"
                    " WHERE ?2 = 'image' AND namespace = ?1 AND name = ?4",
                    "ssss", namespace, piece->what.kind, piece->what.driver, piece->what.key);
}

static void add_target(struct piece *piece, struct piece *target, bool is_parent,
                       struct arena *arena)
{
    struct target *added;

    if (target == NULL || target == piece)
        return;
    added = arena_alloc(arena, sizeof(*added));
    *added = (struct target){ piece->targets, target };
    piece->targets = added;
    target->pointers++;
    if (is_parent) {
        piece->parent = target;
        target->children++;
    }
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
            const char *name =
                name_of(query_text(&rows, 0), query_text(&rows, 1), query_text(&rows, 2), arena);

            add_target(&garbage->pieces[i], zhashx_lookup(index, name), query_int(&rows, 3) != 0,
                       arena);
        }
        if (found < 0)
            return -1;
    }
    return 0;
}

/* ---- the order ---------------------------------------------------------------------------- */

static void make_ready(struct garbage *garbage, struct piece *piece)
{
    struct piece **list = &garbage->ready[kind_of(piece)];

    piece->is_taken = true;
    piece->next = *list;
    *list = piece;
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
    for (size_t i = 0; i < garbage->count; i++) {
        const struct resource *what = &garbage->pieces[i].what;

        zhashx_insert(index, name_of(what->kind, what->driver, what->key, arena),
                      &garbage->pieces[i]);
    }
    result = read_targets(db, namespace, garbage, index, arena, err);
    zhashx_destroy(&index);
    for (size_t i = 0; i < garbage->count; i++)
        if (garbage->pieces[i].pointers == 0)
            make_ready(garbage, &garbage->pieces[i]);
    return result;
}

static void let_go(struct garbage *garbage, struct piece *piece)
{
    if (piece->parent != NULL)
        piece->parent->children--;
    for (struct target *target = piece->targets; target != NULL; target = target->next)
        if (--target->piece->pointers == 0 && !target->piece->is_taken)
            make_ready(garbage, target->piece);
}

/* False: nothing is left.  Children form no ring, so one without any can be found; looking goes on
   where it stopped, and once more from the beginning for those whose children went meanwhile. */
static bool break_ring(struct garbage *garbage)
{
    for (int round = 0; round < 2; round++, garbage->looked_at = 0)
        for (; garbage->looked_at < garbage->count; garbage->looked_at++) {
            struct piece *piece = &garbage->pieces[garbage->looked_at];

            if (!piece->is_taken && piece->children == 0) {
                make_ready(garbage, piece);
                return true;
            }
        }
    return false;
}

static struct piece **ready_list(struct garbage *garbage)
{
    for (int kind = 0; kind < GARBAGE_KINDS; kind++)
        if (garbage->ready[kind] != NULL)
            return &garbage->ready[kind];
    return NULL;
}

size_t garbage_slice(struct garbage *garbage, struct resource *slice, size_t room)
{
    struct piece **list = ready_list(garbage);
    size_t count = 0;

    if (list == NULL && !break_ring(garbage))
        return 0;
    list = ready_list(garbage);
    while (count < room && *list != NULL) {
        struct piece *piece = *list;

        *list = piece->next;
        slice[count++] = piece->what;
        let_go(garbage, piece);
    }
    return count;
}
