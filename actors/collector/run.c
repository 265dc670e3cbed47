/*
 * The happy path, in every namespace: lapsed leases -> forgotten ingests -> mark -> sweep.
 * An owner that refuses (the thing is referenced again, or gone already) is right; what
 * fails otherwise is logged and found again by the next run.
 */
#include "actors/collector/run.h"

#include "actors/base/log.h"
#include "actors/collector/garbage.h"
#include "platform/scope.h"

#define AT_ONCE        8 /* removals of one level: enough for the writer to merge */
#define INGEST_KEPT_NS (24ll * 3600 * 1000000000) /* an ingest that nobody holds or writes */

/* ---- sweeping ----------------------------------------------------------------------------- */

static int remove_piece(struct job *job, const struct piece *piece, struct error *err)
{
    const struct content_remove_request blob = { .digest = piece->key, SET(unreferenced, true) };
    const struct snapshots_key_request snapshot = { .key = piece->key,
                                                    .driver = piece->driver,
                                                    SET(unreferenced, true) };

    if (streq(piece->kind, "content"))
        return call(job, &op_content_remove, &blob, NULL, err);
    return call(job, &op_snapshots_remove, &snapshot, NULL, err);
}

static bool is_fine(enum error_code code)
{
    return code == ERROR_NOT_FOUND || code == ERROR_FAILED_PRECONDITION;
}

/* A failure stays with its piece: one thing that will not go keeps no other. */
static int sweep_job(struct job *job, const void *in, void *out, struct error *err)
{
    struct piece *piece = *(struct piece *const *)in;
    struct error failed = { 0 };

    (void)out;
    if (job_check(job, err) < 0)
        return -1;
    if (remove_piece(job, piece, &failed) == 0)
        piece->is_removed = true;
    else if (!is_fine(failed.code))
        piece->err = failed;
    return 0;
}

static void count(struct collector_run_reply *result, const struct piece *piece)
{
    if (piece->err.code != ERROR_NONE)
        log_warn("collector", "%s %s: %s", piece->kind, piece->key, piece->err.text);
    if (!piece->is_removed)
        return;
    if (streq(piece->kind, "content"))
        result->content++;
    else
        result->snapshots++;
    result->bytes += piece->size;
}

static int sweep(struct job *job, struct db *db, const char *namespace,
                 struct collector_run_reply *result, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct garbage garbage;
    struct piece **items;
    size_t *level, found;
    int outcome = 0;

    if (garbage_read(db, namespace, &garbage, arena, err) < 0)
        return -1;
    level = arena_alloc(arena, garbage.count * sizeof(*level));
    items = arena_alloc(arena, garbage.count * sizeof(*items));
    while (outcome == 0 && (found = garbage_level(&garbage, level)) > 0) {
        for (size_t i = 0; i < found; i++)
            items[i] = &garbage.pieces[level[i]];
        outcome = job_each(job, sweep_job, items, found, sizeof(*items), AT_ONCE, err);
    }
    for (size_t i = 0; i < garbage.count; i++)
        count(result, &garbage.pieces[i]);
    return outcome;
}

/* ---- what lapses ---------------------------------------------------------------------------- */

/* Texts of the first column, in the job's arena. */
static int texts(struct job *job, struct db *db, struct strs *out, struct error *err,
                 const char *sql, const char *namespace)
{
    CLEANUP(query_done) struct query query = { 0 };
    size_t room = 0;
    int found;

    *out = (struct strs){ 0 };
    if (db_query(db, &query, err, sql, namespace ? "is" : "i", clock_now(), namespace) < 0)
        return -1;
    while ((found = query_next(&query, err)) == 1) {
        if (out->count == room) {
            const char **grown =
                arena_alloc(job_arena(job), (room = room > 0 ? 2 * room : 16) * sizeof(*grown));

            if (out->count > 0)
                memcpy(grown, out->items, out->count * sizeof(*grown));
            out->items = grown;
        }
        out->items[out->count++] = query_str(&query, 0, job_arena(job));
    }
    return found;
}

static int end_leases(struct job *job, struct db *db, const char *namespace,
                      struct collector_run_reply *result, struct error *err)
{
    struct strs lapsed;

    if (texts(job, db, &lapsed, err,
              "SELECT id FROM leases_lease WHERE expires <= ? AND namespace = ?", namespace) < 0)
        return -1;
    for (size_t i = 0; i < lapsed.count; i++) {
        const struct leases_remove_request in = { .id = lapsed.items[i] };

        if (call(job, &op_leases_remove, &in, NULL, err) == 0)
            result->leases++;
        else if (!is_fine(err->code))
            return -1;
    }
    return 0;
}

/* Is it to go?  Nobody writes it, nobody has for long, and no live lease holds it. */
static int is_forgotten(struct job *job, struct db *db, const char *namespace,
                        const struct content_ingest_info *ingest, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int held;

    (void)job;
    if (ingest->busy || clock_now() - ingest->updated < INGEST_KEPT_NS)
        return 0;
    if (db_query(db, &query, err,
                 "SELECT 1 FROM leases_resource r JOIN leases_lease l"
                 " ON l.namespace = r.namespace AND l.id = r.lease"
                 " WHERE r.namespace = ? AND r.kind = 'ingest' AND r.key = ?"
                 " AND (l.expires IS NULL OR l.expires > ?)",
                 "ssi", namespace, ingest->ref, clock_now()) < 0)
        return -1;
    held = query_next(&query, err);
    return held < 0 ? -1 : !held;
}

static int end_ingests(struct job *job, struct db *db, const char *namespace, struct error *err)
{
    struct page_request page = { 0 };
    struct content_ingests_reply reply;

    do {
        const struct content_ingest_info *ingests;

        if (call(job, &op_content_ingests, &page, &reply, err) < 0)
            return -1;
        ingests = reply.ingests.items;
        for (size_t i = 0; i < reply.ingests.count; i++) {
            const struct content_abort_request in = { .ref = ingests[i].ref };
            int forgotten = is_forgotten(job, db, namespace, &ingests[i], err);

            page.after = ingests[i].ref;
            if (forgotten < 0 || (forgotten && call(job, &op_content_abort, &in, NULL, err) < 0 &&
                                  !is_fine(err->code) && err->code != ERROR_UNAVAILABLE))
                return -1;
        }
    } while (reply.has_more && reply.more);
    return 0;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int collect_namespace(struct job *job, struct db *db, const char *namespace,
                             struct collector_run_reply *result, struct error *err)
{
    job_enter(job, namespace);
    if (end_leases(job, db, namespace, result, err) < 0 || end_ingests(job, db, namespace, err) < 0)
        return -1;
    return sweep(job, db, namespace, result, err);
}

int run_job(struct job *job, const void *in, void *out, struct error *err)
{
    struct run *run = *(struct run *const *)in;
    CLEANUP(db_close) struct db *db = NULL;
    struct strs namespaces;

    (void)out;
    if (db_open(run->database, true, &db, err) < 0 ||
        texts(job, db, &namespaces, err,
              "SELECT name FROM namespaces_namespace WHERE created <= ? ORDER BY name", NULL) < 0)
        return -1;
    for (size_t i = 0; i < namespaces.count; i++)
        if (collect_namespace(job, db, namespaces.items[i], &run->result, err) < 0)
            return -1;
    return 0;
}
