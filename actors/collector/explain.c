/*
 * The collector walks from what is named to all that is kept; here one thing is asked about, and
 * the walk goes backwards from it, breadth first, to the nearest thing that keeps by itself.
 */
#include "actors/collector/explain.h"

#include "actors/base/db.h"
#include "actors/base/page.h"
#include "actors/base/reach.h"
#include "platform/scope.h"

#define THINGS_MAX 20 /* of one name */

/* ---- what would go -------------------------------------------------------------------------- */

static int add_reasons(struct db *db, const char *namespace, struct garbage_info *item,
                       struct arena *arena, struct error *err)
{
    CLEANUP(query_done) struct query lease = { 0 };
    CLEANUP(query_done) struct query pointers = { 0 };
    const char *driver = item->driver != NULL ? item->driver : "";
    int found;

    if (db_query(db, &lease, err,
                 "SELECT lease FROM leases_resource"
                 " WHERE namespace = ? AND kind = ? AND driver = ? AND key = ? LIMIT 1",
                 "ssss", namespace, item->kind, driver, item->key) < 0 ||
        (found = query_next(&lease, err)) < 0)
        return -1;
    item->lease = found == 1 ? query_str(&lease, 0, arena) : NULL;
    if (pointers_open(db, &pointers, namespace, item->kind, driver, item->key, err) < 0)
        return -1;
    while ((found = query_next(&pointers, err)) == 1)
        item->pointers++;
    return found;
}

static int list(struct job *job, struct db *db, const struct page_request *want,
                struct collector_list_reply *reply, struct error *err)
{
    CLEANUP(query_done) struct query rows = { 0 };
    struct page page;
    int found = 0;

    page_open(&page, job_arena(job), sizeof(struct garbage_info), want->limit);
    if (page_filter(&page, &want->filters, garbage_info_record(), err) < 0 ||
        garbage_open(db, &rows, job_namespace(job), want->after != NULL ? want->after : "", err) <
            0)
        return -1;
    while (!page_is_full(&page) && (found = query_next(&rows, err)) == 1) {
        const char *driver = query_str(&rows, 1, page.arena);
        struct garbage_info item = { .kind = query_str(&rows, 0, page.arena),
                                     .driver = *driver != '\0' ? driver : NULL,
                                     .key = query_str(&rows, 2, page.arena),
                                     .size = (uint64_t)query_int(&rows, 3) };

        if (job_check(job, err) < 0 ||
            add_reasons(db, job_namespace(job), &item, page.arena, err) < 0)
            return -1;
        page_add(&page, &item, NULL);
    }
    reply->garbage = page.list;
    reply->more = reply->has_more = page.more;
    return found < 0 ? -1 : 0;
}

int list_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct question *question = in;
    CLEANUP(db_close) struct db *db = NULL;

    if (db_open(question->database, true, &db, err) < 0)
        return -1;
    return list(job, db, question->body, out, err);
}

/* ---- what keeps a thing --------------------------------------------------------------------- */

struct step {
    const char *kind, *driver, *key;
    bool flat; /* what a flat lease holds here keeps the thing, too: no label is on the way */
    const struct step *toward; /* that it leads to; NULL: the thing itself */
    struct step *next;         /* that was found after it */
};

struct walk {
    struct job *job;
    struct db *db;
    struct step *last;
    zhashx_t *seen;
};

static void walk_drop(struct walk *walk)
{
    zhashx_destroy(&walk->seen);
}

static void found(struct walk *walk, const struct step *step)
{
    struct arena *arena = job_arena(walk->job);
    struct step *added = arena_alloc(arena, sizeof(*added));

    if (zhashx_insert(
            walk->seen,
            arena_printf(arena, "%s %s %d %s", step->kind, step->driver, step->flat, step->key),
            walk) < 0)
        return;
    *added = *step;
    if (walk->last != NULL)
        walk->last->next = added;
    walk->last = added;
}

/* 1: something keeps it by itself, and is in `root`. */
static int find_root(const struct walk *walk, const struct step *step, struct keeper *root,
                     struct error *err)
{
    CLEANUP(query_done) struct query rows = { 0 };
    struct arena *arena = job_arena(walk->job);
    int result;

    if (roots_open(walk->db, &rows, job_namespace(walk->job), step->kind, step->driver, step->key,
                   step->flat, err) < 0)
        return -1;
    result = query_next(&rows, err);
    if (result == 1)
        *root = (struct keeper){ .kind = query_str(&rows, 0, arena),
                                 .key = query_str(&rows, 1, arena),
                                 SET(expires, query_int(&rows, 2)) };
    root->has_expires = result == 1 && !query_is_null(&rows, 2);
    return result;
}

static int find_pointers(struct walk *walk, const struct step *step, struct error *err)
{
    CLEANUP(query_done) struct query rows = { 0 };
    struct arena *arena = job_arena(walk->job);
    int result;

    if (pointers_open(walk->db, &rows, job_namespace(walk->job), step->kind, step->driver,
                      step->key, err) < 0)
        return -1;
    while ((result = query_next(&rows, err)) == 1)
        found(walk, &(struct step){ .kind = query_str(&rows, 0, arena),
                                    .driver = query_str(&rows, 1, arena),
                                    .key = query_str(&rows, 2, arena),
                                    .flat = step->flat && query_int(&rows, 3) == 0,
                                    .toward = step });
    return result;
}

static void tell_way(const struct walk *walk, const struct keeper *root, const struct step *step,
                     struct kept_thing *thing)
{
    struct keeper *way;
    size_t count = 1;

    if (streq(root->kind, step->kind) && step->toward != NULL)
        step = step->toward; /* an image or a container keeps by itself: it is the root */
    for (const struct step *at = step; at != NULL; at = at->toward)
        count++;
    way = arena_alloc(job_arena(walk->job), count * sizeof(*way));
    thing->way = (struct list){ .items = way, .count = count };
    *way++ = *root;
    for (; step != NULL; step = step->toward)
        *way++ = (struct keeper){ .kind = step->kind,
                                  .key = step->key,
                                  .driver = *step->driver != '\0' ? step->driver : NULL };
}

static int explain_thing(struct job *job, struct db *db, struct kept_thing *thing,
                         struct error *err)
{
    CLEANUP(walk_drop) struct walk walk = { .job = job, .db = db, .seen = zhashx_new() };
    struct keeper root = { 0 };
    int result = 0;

    found(&walk, &(struct step){ .kind = thing->kind,
                                 .driver = thing->driver != NULL ? thing->driver : "",
                                 .key = thing->key,
                                 .flat = true });
    for (const struct step *step = walk.last; step != NULL; step = step->next) {
        if (job_check(job, err) < 0 || (result = find_root(&walk, step, &root, err)) < 0)
            return -1;
        if (result == 1) {
            tell_way(&walk, &root, step, thing);
            return 0;
        }
        if (find_pointers(&walk, step, err) < 0)
            return -1;
    }
    return 0;
}

/* All that begins so; sha256: may be left out. */
static int find_things(struct job *job, struct db *db, const char *name, struct kept_thing *things,
                       size_t *count, struct error *err)
{
    CLEANUP(query_done) struct query rows = { 0 };
    struct arena *arena = job_arena(job);
    int result;

    if (*name == '\0')
        return error_set(err, ERROR_INVALID_ARGUMENT, "nothing has an empty name");
    if (db_query(
            db, &rows, err,
            "SELECT 'content', NULL, digest FROM content_blob"
            " WHERE namespace = ?1 AND (substr(digest, 1, length(?2)) = ?2"
            "                           OR substr(digest, 8, length(?2)) = ?2)"
            " UNION ALL SELECT 'snapshot', driver, key FROM snapshots_snapshot"
            " WHERE namespace = ?1 AND (substr(key, 1, length(?2)) = ?2"
            "                           OR key LIKE 'sha256:%' AND substr(key, 8, length(?2)) = ?2)"
            " ORDER BY 1, 3, 2",
            "ss", job_namespace(job), name) < 0)
        return -1;
    while ((result = query_next(&rows, err)) == 1) {
        if (*count == THINGS_MAX)
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "more than %d things have a name that begins with '%.80s'", THINGS_MAX,
                             name);
        things[(*count)++] = (struct kept_thing){ .kind = query_str(&rows, 0, arena),
                                                  .driver = query_str(&rows, 1, arena),
                                                  .key = query_str(&rows, 2, arena) };
    }
    if (result == 0 && *count == 0)
        return error_set(err, ERROR_NOT_FOUND,
                         "no blob and no snapshot has a name that begins with '%.80s'", name);
    return result;
}

int why_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct question *question = in;
    const struct collector_why_request *want = question->body;
    struct collector_why_reply *reply = out;
    CLEANUP(db_close) struct db *db = NULL;
    struct kept_thing *things = arena_alloc(job_arena(job), THINGS_MAX * sizeof(*things));
    size_t count = 0;

    if (db_open(question->database, true, &db, err) < 0 ||
        find_things(job, db, want->name, things, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (explain_thing(job, db, &things[i], err) < 0)
            return -1;
    reply->things = (struct list){ .items = things, .count = count };
    return 0;
}
