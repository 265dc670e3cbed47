/*
 * The happy path: all blobs and layers -> each image walks to its own -> what containers stand on
 * -> garbage -> sums; then containers one by one, because what they have written is measured where
 * it lies.
 */
#include "actors/collector/usage.h"

#include <czmq.h>

#include "actors/base/reach.h"
#include "actors/collector/explain.h"
#include "platform/platform.h"
#include "platform/scope.h"

struct node {
    struct node *next;
    uint64_t size;
    unsigned images; /* that lead to it */
    bool is_layer, is_used, is_garbage;
};

struct image {
    struct image *next;
    struct usage_image info;
    bool is_used;
    bool is_same; /* as the one before: another name of the same target */
    struct node **nodes;
    size_t node_count;
};

struct usage {
    struct job *job;
    struct db *db;
    const char *namespace;
    zhashx_t *index; /* kind, driver and key: node */
    struct node *nodes;
    struct image *images;
    size_t image_count;
    struct collector_usage_reply *reply;
    bool details;
};

static void usage_drop(struct usage *usage)
{
    zhashx_destroy(&usage->index);
}

/* ---- blobs and layers --------------------------------------------------------------------- */

static const char *name_of(struct query *row, struct arena *arena)
{
    return arena_printf(arena, "%s %s %s", query_text(row, 0), query_text(row, 1),
                        query_text(row, 2));
}

static int read_nodes(struct usage *usage, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    struct arena *arena = job_arena(usage->job);
    int found;

    if (db_query(usage->db, &row, err,
                 "SELECT 'content', '', digest, size FROM content_blob WHERE namespace = ?1"
                 " UNION ALL SELECT 'snapshot', s.driver, s.key, coalesce(l.size, 0)"
                 " FROM snapshots_snapshot s JOIN snapshots_layer l ON l.id = s.layer"
                 " WHERE s.namespace = ?1 AND s.kind = 'committed'",
                 "s", usage->namespace) < 0)
        return -1;
    while ((found = query_next(&row, err)) == 1) {
        struct node *node = arena_alloc(arena, sizeof(*node));

        *node = (struct node){ .next = usage->nodes,
                               .size = (uint64_t)query_int(&row, 3),
                               .is_layer = streq(query_text(&row, 0), "snapshot") };
        usage->nodes = node;
        zhashx_insert(usage->index, name_of(&row, arena), node);
    }
    return found;
}

/* Rows kind, driver, key; 0: no more, 1: a node of ours or NULL. */
static int next_node(struct usage *usage, struct query *row, struct node **node, struct error *err)
{
    int found = query_next(row, err);

    if (found == 1)
        *node = zhashx_lookup(usage->index, name_of(row, job_arena(usage->job)));
    return found;
}

static int mark_garbage(struct usage *usage, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    struct node *node;
    int found;

    if (garbage_open(usage->db, &row, usage->namespace, "", err) < 0)
        return -1;
    while ((found = next_node(usage, &row, &node, err)) == 1)
        if (node != NULL)
            node->is_garbage = true;
    return found;
}

/* ---- images ------------------------------------------------------------------------------- */

static void image_reaches(struct image *image, struct node *node, struct arena *arena)
{
    /* room is a power of two: full whenever the count is one */
    if ((image->node_count & (image->node_count - 1)) == 0) {
        size_t room = image->node_count == 0 ? 1 : image->node_count * 2;
        struct node **grown = arena_alloc(arena, room * sizeof(*grown));

        if (image->node_count > 0)
            memcpy(grown, image->nodes, image->node_count * sizeof(*grown));
        image->nodes = grown;
    }
    image->nodes[image->node_count++] = node;
}

static int walk_image(struct usage *usage, struct image *image, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    struct node *node;
    int found;

    if (db_query(usage->db, &row, err,
                 "WITH RECURSIVE reach (kind, driver, key) AS ("
                 " VALUES ('content', '', ?2)"
                 " UNION SELECT e.to_kind, e.to_driver, e.to_key FROM reach r"
                 "       JOIN collector_edge e ON e.namespace = ?1 AND e.kind = r.kind"
                 "       AND e.driver = r.driver AND e.key = r.key AND e.back = 0"
                 " UNION SELECT 'snapshot', s.driver, s.parent FROM reach r"
                 "       JOIN snapshots_snapshot s ON s.namespace = ?1 AND s.driver = r.driver"
                 "       AND s.key = r.key WHERE r.kind = 'snapshot' AND s.parent IS NOT NULL)"
                 " SELECT kind, driver, key FROM reach",
                 "ss", usage->namespace, image->info.digest) < 0)
        return -1;
    while ((found = next_node(usage, &row, &node, err)) == 1) {
        if (node == NULL)
            continue;
        image_reaches(image, node, job_arena(usage->job));
        image->info.size += node->size;
        image->info.layers += node->is_layer;
        node->images += !image->is_same;
        node->is_used |= image->is_used;
    }
    return found;
}

static int read_images(struct usage *usage, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    struct arena *arena = job_arena(usage->job);
    struct image *last = NULL;
    int found;

    if (db_query(usage->db, &row, err,
                 "SELECT name, digest, created, (SELECT count(*) FROM containers_container c"
                 "  WHERE c.namespace = i.namespace AND c.image = i.name)"
                 " FROM images_image i WHERE namespace = ? ORDER BY digest, name",
                 "s", usage->namespace) < 0)
        return -1;
    while ((found = query_next(&row, err)) == 1) {
        struct image *image = arena_alloc(arena, sizeof(*image));

        *image = (struct image){ .info = { .name = query_str(&row, 0, arena),
                                           .digest = query_str(&row, 1, arena),
                                           SET(created, query_int(&row, 2)),
                                           .containers = (uint64_t)query_int(&row, 3) } };
        image->is_used = image->info.containers > 0;
        image->is_same = last != NULL && streq(last->info.digest, image->info.digest);
        *(last != NULL ? &last->next : &usage->images) = image;
        last = image;
        usage->image_count++;
    }
    return found;
}

static int walk_images(struct usage *usage, struct error *err)
{
    for (struct image *image = usage->images; image != NULL; image = image->next)
        if (job_check(usage->job, err) < 0 || walk_image(usage, image, err) < 0)
            return -1;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct usage_image *)a)->name, ((const struct usage_image *)b)->name);
}

/* What only one target leads to is its own, whatever number of names that has. */
static void tell_images(struct usage *usage)
{
    struct usage_image *list =
        arena_alloc(job_arena(usage->job), usage->image_count * sizeof(*list));
    size_t count = 0;

    for (struct image *image = usage->images; image != NULL; image = image->next) {
        for (size_t i = 0; i < image->node_count; i++)
            image->info.own += image->nodes[i]->images == 1 ? image->nodes[i]->size : 0;
        list[count++] = image->info;
    }
    qsort(list, count, sizeof(*list), by_name);
    usage->reply->images = (struct list){ .items = list, .count = count };
}

/* ---- what containers stand on ------------------------------------------------------------- */

static int mark_used(struct usage *usage, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    struct node *node;
    int found;

    if (db_query(usage->db, &row, err,
                 "WITH RECURSIVE under (driver, key) AS ("
                 " SELECT driver, snapshot FROM containers_container"
                 " WHERE namespace = ?1 AND snapshot IS NOT NULL"
                 " UNION SELECT s.driver, s.parent FROM under u JOIN snapshots_snapshot s"
                 " ON s.namespace = ?1 AND s.driver = u.driver AND s.key = u.key"
                 " WHERE s.parent IS NOT NULL) SELECT 'snapshot', driver, key FROM under",
                 "s", usage->namespace) < 0)
        return -1;
    while ((found = next_node(usage, &row, &node, err)) == 1)
        if (node != NULL)
            node->is_used = true;
    return found;
}

static void add_node(struct usage_group *group, const struct node *node)
{
    group->count++;
    group->active += node->is_used;
    group->size += node->size;
    if (!node->is_used && (node->images > 0 || node->is_garbage))
        group->reclaimable += node->size;
}

static void sum_up(const struct usage *usage, struct usage_group *images,
                   struct usage_group *layers, struct usage_group *blobs)
{
    for (const struct node *node = usage->nodes; node != NULL; node = node->next) {
        add_node(node->is_layer ? layers : blobs, node);
        if (node->images > 0)
            add_node(images, node);
    }
    images->count = images->active = 0;
    for (const struct image *image = usage->images, *next; image != NULL; image = next) {
        bool is_used = image->is_used;

        for (next = image->next; next != NULL && next->is_same; next = next->next)
            is_used |= next->is_used;
        images->count++;
        images->active += is_used;
    }
}

/* ---- all of it ---------------------------------------------------------------------------- */

static int measure_all(struct usage *usage, struct error *err)
{
    static const char *const kinds[] = { "images", "layers",  "blobs",    "containers",
                                         "logs",   "volumes", "downloads" };
    struct list containers = { 0 }, volumes = { 0 };
    struct usage_group *groups =
        arena_alloc(job_arena(usage->job), sizeof(kinds) / sizeof(*kinds) * sizeof(*groups));

    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        groups[i] = (struct usage_group){ .kind = kinds[i] };
    if (read_nodes(usage, err) < 0 || read_images(usage, err) < 0 || walk_images(usage, err) < 0 ||
        mark_used(usage, err) < 0 || mark_garbage(usage, err) < 0 ||
        measure_containers(usage->job, usage->db, &groups[3], &groups[4], &containers, err) < 0 ||
        measure_volumes(usage->job, &groups[5], &volumes, err) < 0 ||
        measure_downloads(usage->job, &groups[6], err) < 0)
        return -1;
    sum_up(usage, &groups[0], &groups[1], &groups[2]);
    if (usage->details) {
        tell_images(usage);
        usage->reply->containers = containers;
        usage->reply->volumes = volumes;
    }
    usage->reply->groups = (struct list){ .items = groups, .count = COUNT_OF(kinds) };
    return 0;
}

int usage_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct question *question = in;
    const struct collector_usage_request *want = question->body;
    CLEANUP(db_close) struct db *db = NULL;
    CLEANUP(usage_drop)
    struct usage usage = { .job = job,
                           .namespace = job_namespace(job),
                           .index = zhashx_new(),
                           .reply = out,
                           .details = want->has_details && want->details };

    if (db_open(question->database, true, &db, err) < 0)
        return -1;
    usage.db = db;
    return measure_all(&usage, err);
}
