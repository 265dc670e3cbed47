/*
 * Removing a volume: row, then files, and those behind.
 *
 * Whether a container holds it is asked inside the write, so one that is made at the same moment
 * is either seen or finds that the volume is gone.
 */
#include "actors/volumes/store.h"
#include "platform/scope.h"

#define NAMED_MAX 3 /* containers that a refusal names; of others it says how many */

/* ---- in use --------------------------------------------------------------------------- */

/* "web (1a2b3c), db (4d5e6f) and 7 more"; NULL: no container. */
int volume_holders(struct write *write, const char *name, const char **text, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct arena *arena = write_arena(write);
    size_t count = 0;
    int more;

    *text = NULL;
    if (db_query(write_db(write), &query, err,
                 "SELECT v.container, c.name FROM containers_volume v JOIN containers_container c"
                 " ON c.namespace = v.namespace AND c.id = v.container"
                 " WHERE v.namespace = ? AND v.volume = ? ORDER BY v.container",
                 "ss", write_namespace(write), name) < 0)
        return -1;
    while ((more = query_next(&query, err)) == 1 && ++count > 0) {
        const char *id = query_text(&query, 0), *called = query_text(&query, 1);
        const char *before = *text != NULL ? arena_printf(arena, "%s, ", *text) : "";

        if (count > NAMED_MAX)
            continue;
        *text = called != NULL ? arena_printf(arena, "%s%s (%.12s)", before, called, id)
                               : arena_printf(arena, "%s%.76s", before, id);
    }
    if (count > NAMED_MAX)
        *text = arena_printf(arena, "%s and %zu more", *text, count - NAMED_MAX);
    return more;
}

/* By another lease than the request's own: who makes something may take it back. */
static int is_leased(struct write *write, const char *name, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };

    if (db_query(write_db(write), &query, err,
                 "SELECT 1 FROM leases_resource r JOIN leases_lease l"
                 " ON l.namespace = r.namespace AND l.id = r.lease"
                 " WHERE r.namespace = ? AND r.kind = 'volume' AND r.key = ?"
                 " AND (l.expires IS NULL OR l.expires > ?) AND l.id IS NOT ?",
                 "ssis", write_namespace(write), name, clock_now(), write_lease(write)) < 0)
        return -1;
    return query_next(&query, err);
}

int volume_check_free(struct write *write, const char *name, struct error *err)
{
    const char *containers;
    int leased;

    if (volume_holders(write, name, &containers, err) < 0 ||
        (leased = is_leased(write, name, err)) < 0)
        return -1;
    if (containers != NULL) {
        error_set(err, ERROR_FAILED_PRECONDITION, "volume %.80s: is in use by container %s", name,
                  containers);
        return error_hint(err, "remove what uses it first (gantry rm)");
    }
    if (leased == 0)
        return 0;
    error_set(err, ERROR_FAILED_PRECONDITION,
              "volume %.80s: a lease holds it, as while a container is made", name);
    return error_hint(err, "try again in a moment");
}

/* ---- one ------------------------------------------------------------------------------ */

int volume_delete(struct write *write, const char *name, struct error *err)
{
    if (db_run(write_db(write), err, "DELETE FROM volumes_volume WHERE namespace = ? AND name = ?",
               "ss", write_namespace(write), name) < 0)
        return -1;
    return emit(write, "/volumes/delete", name, err, NULL);
}

static int remove_write(struct write *write, const void *in_record, void *out, struct error *err)
{
    const struct volumes_get_request *in = in_record;
    const struct volumes *volumes = write_ctx(write);
    struct volume_info info;

    (void)out;
    if (volume_find(volumes, write_db(write), write_namespace(write), in->name, &info,
                    write_arena(write), err) < 0 ||
        volume_check_free(write, in->name, err) < 0)
        return -1;
    return volume_delete(write, in->name, err);
}

static int remove_after(void *self, struct request *request, void *ctx, void *out,
                        struct error *err)
{
    const struct volumes_get_request *in = request_body(request);

    (void)ctx, (void)out;
    if (err == NULL)
        volume_away(self, request_namespace(request), in->name);
    else if (err->code != ERROR_NOT_FOUND && request_is_inside(request))
        forget_soon(self);
    return 0;
}

int on_volume_remove(void *self, struct request *request, struct error *err)
{
    struct volumes *volumes = self;
    const struct volumes_get_request *in = request_body(request);
    int turn;

    if (volume_name_check(in->name, err) < 0)
        return -1;
    turn = turn_take(volumes, request, in->name, on_volume_remove);
    if (turn != 0)
        return turn < 0 ? -1 : 0;
    return request_write(request, remove_write, remove_after, volumes, err);
}

/* ---- those that go with their container ----------------------------------------------- */

static int pass_write(struct write *write, const void *in_record, void *out, struct error *err)
{
    const struct volumes_pass_request *in = in_record;

    (void)out;
    for (size_t i = 0; i < in->names.count; i++)
        if (db_run(write_db(write), err,
                   "UPDATE volumes_volume SET passing = 1 WHERE namespace = ? AND name = ?"
                   " AND anonymous = 1",
                   "ss", write_namespace(write), in->names.items[i]) < 0)
            return -1;
    return 0;
}

int on_volume_pass(void *self, struct request *request, struct error *err)
{
    (void)self;
    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED, "volumes.pass is for the daemon itself");
    return request_write(request, pass_write, NULL, NULL, err);
}
