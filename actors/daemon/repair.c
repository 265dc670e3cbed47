/*
 * Repair: blobs are fetched anew from where they came, then layers are unpacked anew from their blobs, the lowest first,
 * because one is unpacked with those below it in sight, and a whole one holds their files.  What cannot be repaired stays a
 * finding, and its hint says why.
 */
#include "actors/base/db.h"
#include "actors/base/log.h"
#include "actors/daemon/check.h"
#include "platform/scope.h"

#define CONTENT "content "
#define FOLDER  "snapshot folder "
#define LAYER   CHECK_LAYER " "

static void cannot(struct check *check, struct finding *finding, const struct error *why)
{
    log_warn("daemon", "repair %s: %s", finding->what, why->text);
    finding->hint = why->hint[0] != '\0' ? arena_printf(check->arena, "not repaired: %s; %s", why->text, why->hint)
                                         : arena_printf(check->arena, "not repaired: %s", why->text);
}

static void done(struct finding *finding, const char *what)
{
    log_info("daemon", "repair %s: %s", finding->what, what);
    finding->repaired = what;
    finding->hint = NULL;
}

static int repair_blob(struct check *check, struct finding *finding, struct error *err)
{
    struct images_refetch_request want = { .digest = finding->what + strlen(CONTENT) };
    struct images_refetch_reply reply;
    struct error why = { 0 };

    if (call(check->job, &op_images_refetch, &want, &reply, &why) == 0)
        done(finding, arena_printf(check->arena, "fetched anew from %s", reply.source));
    else
        cannot(check, finding, &why);
    return job_check(check->job, err);
}

static bool begins(const struct finding *finding, const char *with)
{
    return strncmp(finding->what, with, strlen(with)) == 0;
}

/* 0: it is about something else. */
static uint64_t layer_of(const struct finding *finding)
{
    if (begins(finding, LAYER))
        return strtoull(finding->what + strlen(LAYER), NULL, 10);
    if (begins(finding, FOLDER) && strcmp(finding->problem, "is missing") == 0)
        return strtoull(finding->what + strlen(FOLDER), NULL, 10);
    return 0;
}

/* ---- layers ------------------------------------------------------------------------------ */

struct bad_layer {
    uint64_t number, parent; /* 0: it has none */
    uint64_t below;          /* so many layers */
    bool repaired;
};

/* What numbers say is in which order layers came here, and those of one image come in no order. */
static int find_place(struct check *check, struct bad_layer *layer, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    static const char sql[] = "WITH RECURSIVE below (id, depth) AS (SELECT ?1, 0 UNION ALL SELECT l.parent, b.depth + 1"
                              "  FROM below b JOIN snapshots_layer l ON l.id = b.id WHERE l.parent IS NOT NULL)"
                              " SELECT max(depth), (SELECT parent FROM snapshots_layer WHERE id = ?1) FROM below";

    if (db_query(check->db, &query, err, sql, "u", layer->number) < 0 || query_next(&query, err) < 0)
        return -1;
    layer->below = (uint64_t)query_int(&query, 0);
    layer->parent = (uint64_t)query_int(&query, 1);
    return 0;
}

static const struct bad_layer *find_bad(const struct bad_layer *layers, size_t count, uint64_t number)
{
    for (size_t i = 0; i < count; i++)
        if (layers[i].number == number)
            return &layers[i];
    return NULL;
}

static int lowest_first(const void *one, const void *other)
{
    const struct bad_layer *a = one, *b = other;

    return a->below != b->below ? (a->below > b->below) - (a->below < b->below)
                                : (a->number > b->number) - (a->number < b->number);
}

/* Those that findings speak of, each once. */
static int list_bad(struct check *check, struct bad_layer **layers, size_t *count, struct error *err)
{
    const struct finding *findings = check->reply->findings.items;

    *layers = arena_alloc(check->arena, (check->reply->findings.count + 1) * sizeof(**layers));
    *count = 0;
    for (size_t i = 0; i < check->reply->findings.count; i++) {
        struct bad_layer layer = { .number = layer_of(&findings[i]) };

        if (layer.number == 0 || find_bad(*layers, *count, layer.number) != NULL)
            continue;
        if (find_place(check, &layer, err) < 0)
            return -1;
        (*layers)[(*count)++] = layer;
    }
    qsort(*layers, *count, sizeof(**layers), lowest_first);
    return 0;
}

static int rebuild(struct check *check, const struct bad_layer *layer, const struct bad_layer *parent, const char **how,
                   struct error *why)
{
    const struct images_rebuild_request want = { .layer = layer->number };
    struct images_rebuild_reply reply;

    if (parent != NULL && !parent->repaired)
        return error_set(why, ERROR_FAILED_PRECONDITION, "layer %llu, which it stands on, is not repaired",
                         (unsigned long long)parent->number);
    if (call(check->job, &op_images_rebuild, &want, &reply, why) < 0)
        return -1;
    *how = arena_printf(check->arena, "unpacked anew from %.19s of %s", reply.blob, reply.image);
    return 0;
}

/* All findings about the layer share its fate. */
static int repair_layer(struct check *check, struct bad_layer *layer, const struct bad_layer *parent, struct error *err)
{
    struct finding *findings = check->reply->findings.items;
    struct error why = { 0 };
    const char *how = NULL; /* said where it went well */

    layer->repaired = rebuild(check, layer, parent, &how, &why) == 0;
    for (size_t i = 0; i < check->reply->findings.count; i++) {
        if (layer_of(&findings[i]) != layer->number)
            continue;
        if (layer->repaired)
            done(&findings[i], how);
        else
            cannot(check, &findings[i], &why);
    }
    return job_check(check->job, err);
}

/* ---- all of it ---------------------------------------------------------------------------- */

int check_repair(struct check *check, struct error *err)
{
    struct finding *findings = check->reply->findings.items;
    struct bad_layer *layers;
    size_t count;

    for (size_t i = 0; i < check->reply->findings.count; i++)
        if (begins(&findings[i], CONTENT) && repair_blob(check, &findings[i], err) < 0)
            return -1;
    if (list_bad(check, &layers, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (repair_layer(check, &layers[i], find_bad(layers, count, layers[i].parent), err) < 0)
            return -1;
    return 0;
}
