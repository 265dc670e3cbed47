/*
 * The happy path, in every namespace: lapsed leases -> forgotten ingests -> mark -> sweep, a slice
 * at a time.  An owner passes over what is referenced again, or gone already; what fails
 * otherwise is logged and found again by the next run.
 */
#include "actors/collector/run.h"

#include "actors/base/log.h"
#include "actors/collector/garbage.h"
#include "platform/scope.h"

/*
 * Removals in one write.  Others wait for a slice at most: a write of 32 takes about two
 * milliseconds, and what comes meanwhile is committed with the next one.
 */
#define SLICE          32
#define INGEST_KEPT_NS (24ll * 3600 * 1000000000) /* an ingest that nobody holds or writes */

/* ---- sweeping ----------------------------------------------------------------------------- */

static int ask_owner(struct job *job, const struct resource *things, size_t count,
                     struct sweep_reply *reply, struct error *err)
{
    const struct sweep_request in = { .resources = { .items = (void *)(uintptr_t)things,
                                                     .count = count } };
    const struct op *op = streq(things->kind, "image")     ? &op_images_sweep
                          : streq(things->kind, "content") ? &op_content_sweep
                                                           : &op_snapshots_sweep;

    return call(job, op, &in, reply, err);
}

static void count_removed(struct collector_run_reply *result, const char *kind,
                          const struct sweep_reply *reply)
{
    if (streq(kind, "image"))
        result->images += reply->removed;
    else if (streq(kind, "content"))
        result->content += reply->removed;
    else
        result->snapshots += reply->removed;
    result->has_images = true;
    result->bytes += reply->bytes;
}

/* One thing that will not go keeps no other: what fails together is asked for one by one. */
static int sweep_slice(struct job *job, const struct resource *things, size_t count,
                       struct collector_run_reply *result, struct error *err)
{
    struct sweep_reply reply = { 0 };
    struct error failed = { 0 };

    if (job_check(job, err) < 0)
        return -1;
    if (ask_owner(job, things, count, &reply, &failed) == 0) {
        count_removed(result, things->kind, &reply);
        return 0;
    }
    if (count == 1)
        log_warn("collector", "%s %s: %s", things->kind, things->key, failed.text);
    for (size_t i = 0; i < count && count > 1; i++)
        if (sweep_slice(job, &things[i], 1, result, err) < 0)
            return -1;
    return 0;
}

static int sweep(struct job *job, struct db *db, const char *namespace,
                 struct collector_run_reply *result, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct resource slice[SLICE];
    struct garbage garbage;
    size_t count;

    if (garbage_read(db, namespace, &garbage, arena, err) < 0)
        return -1;
    while ((count = garbage_slice(&garbage, slice, COUNT_OF(slice))) > 0)
        if (sweep_slice(job, slice, count, result, err) < 0)
            return -1;
    return 0;
}

/* ---- what lapses ---------------------------------------------------------------------------- */

static bool is_fine(enum error_code code)
{
    return code == ERROR_NOT_FOUND || code == ERROR_FAILED_PRECONDITION;
}

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

static int find_next_expiry(struct db *db, int64_t *expiry, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };

    if (db_query(db, &query, err, "SELECT min(expires) FROM images_image WHERE expires > ?", "i",
                 clock_now()) < 0 ||
        query_next(&query, err) != 1)
        return -1;
    *expiry = query_int(&query, 0);
    return 0;
}

/* Behind, and whatever comes of it: plugins take their time, or are not there. */
static void clean_plugins(struct job *job)
{
    const struct snapshots_clean_request in = { 0 };
    struct error ignored;

    call(job, &op_snapshots_clean, &in, NULL, &ignored);
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
    clean_plugins(job);
    return find_next_expiry(db, &run->next_expiry, err);
}
