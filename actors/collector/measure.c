/*
 * What only its owner can measure, or what is looked at where it lies: what containers have
 * written, their logs, unfinished downloads, volumes.
 */
#include "actors/base/containers.h"
#include "actors/collector/usage.h"
#include "platform/platform.h"
#include "platform/scope.h"

/* ---- containers --------------------------------------------------------------------------- */

static uint64_t log_size(const char *log)
{
    uint64_t size = 0;
    struct fs_info info;
    struct error ignored;

    if (log == NULL || !fs_exists(log) || fs_stat(log, &info, &ignored) < 0)
        return 0;
    size = info.size;
    for (unsigned number = 1; number < 1000; number++) {
        char path[PATH_SIZE];

        if (path_format(path, &ignored, "%s.%u", log, number) < 0 || !fs_exists(path) ||
            fs_stat(path, &info, &ignored) < 0)
            break;
        size += info.size;
    }
    return size;
}

/* One that goes meanwhile takes nothing. */
static int measure(struct job *job, const struct container_info *info, struct usage_container *out,
                   struct error *err)
{
    const struct snapshots_key_request want = { .key = info->snapshot, .driver = info->driver };
    struct snapshots_usage_reply reply = { 0 };
    struct error failed = { 0 };

    if (job_check(job, err) < 0)
        return -1;
    if (info->snapshot != NULL && call(job, &op_snapshots_usage, &want, &reply, &failed) < 0 &&
        failed.code != ERROR_NOT_FOUND)
        return *err = failed, -1;
    *out = (struct usage_container){ .id = info->id,
                                     .name = info->name,
                                     .image = info->image,
                                     .status = info->status,
                                     .size = reply.size,
                                     .log = log_size(info->log) };
    return 0;
}

static void add_container(const struct usage_container *container, struct usage_group *containers,
                          struct usage_group *logs)
{
    bool runs = streq(container->status, "running") || streq(container->status, "paused");

    containers->count++;
    containers->active += runs;
    containers->size += container->size;
    containers->reclaimable += runs ? 0 : container->size;
    logs->count += container->log > 0;
    logs->active += container->log > 0 && runs;
    logs->size += container->log;
    logs->reclaimable += runs ? 0 : container->log;
}

static int read_containers(struct job *job, struct db *db, struct container_info **out,
                           size_t *count, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    struct arena *arena = job_arena(job);
    int found;

    *count = 0;
    if (db_query(db, &row, err, CONTAINER_SELECT " WHERE c.namespace = ? ORDER BY c.id", "is",
                 (int64_t)0, job_namespace(job)) < 0)
        return -1;
    while ((found = query_next(&row, err)) == 1) {
        if ((*count & (*count - 1)) == 0) {
            struct container_info *grown =
                arena_alloc(arena, (*count == 0 ? 1 : 2 * *count) * sizeof(*grown));

            if (*count > 0)
                memcpy(grown, *out, *count * sizeof(*grown));
            *out = grown;
        }
        if (container_read(&row, arena, &(*out)[(*count)++], err) < 0)
            return -1;
    }
    return found;
}

int measure_containers(struct job *job, struct db *db, struct usage_group *containers,
                       struct usage_group *logs, struct list *details, struct error *err)
{
    struct container_info *infos = NULL;
    struct usage_container *list;
    size_t count;

    if (read_containers(job, db, &infos, &count, err) < 0)
        return -1;
    list = arena_alloc(job_arena(job), count * sizeof(*list));
    for (size_t i = 0; i < count; i++) {
        if (measure(job, &infos[i], &list[i], err) < 0)
            return -1;
        add_container(&list[i], containers, logs);
    }
    *details = (struct list){ .items = list, .count = count };
    return 0;
}

/* ---- unfinished downloads ----------------------------------------------------------------- */

int measure_downloads(struct job *job, struct usage_group *group, struct error *err)
{
    struct page_request page = { 0 };
    struct content_ingests_reply reply;

    do {
        const struct content_ingest_info *ingests;

        if (call(job, &op_content_ingests, &page, &reply, err) < 0)
            return -1;
        ingests = reply.ingests.items;
        for (size_t i = 0; i < reply.ingests.count; i++) {
            page.after = ingests[i].ref;
            group->count++;
            group->active += ingests[i].busy;
            group->size += ingests[i].offset;
            group->reclaimable += ingests[i].busy ? 0 : ingests[i].offset;
        }
    } while (reply.has_more && reply.more);
    return 0;
}

/* ---- volumes ------------------------------------------------------------------------------ */

static int measure_volume(struct job *job, const struct volume_info *info, struct usage_volume *out,
                          struct error *err)
{
    const struct volumes_get_request want = { .name = info->name };
    struct snapshots_usage_reply reply = { 0 };
    struct error failed = { 0 };

    if (job_check(job, err) < 0)
        return -1;
    if (call(job, &op_volumes_usage, &want, &reply, &failed) < 0 && failed.code != ERROR_NOT_FOUND)
        return *err = failed, -1;
    *out = (struct usage_volume){ .name = info->name,
                                  .used = info->has_used && info->used,
                                  .size = reply.size };
    return 0;
}

static int measure_page(struct job *job, const struct list *volumes, struct usage_group *group,
                        struct list *details, struct error *err)
{
    const struct volume_info *infos = volumes->items;
    struct usage_volume *list =
        arena_alloc(job_arena(job), (details->count + volumes->count) * sizeof(*list));

    if (details->count > 0)
        memcpy(list, details->items, details->count * sizeof(*list));
    for (size_t i = 0; i < volumes->count; i++) {
        struct usage_volume *volume = &list[details->count];

        if (measure_volume(job, &infos[i], volume, err) < 0)
            return -1;
        details->count++;
        group->count++;
        group->active += volume->used;
        group->size += volume->size;
        group->reclaimable += volume->used ? 0 : volume->size;
    }
    details->items = list;
    return 0;
}

int measure_volumes(struct job *job, struct usage_group *group, struct list *details,
                    struct error *err)
{
    struct page_request page = { 0 };
    struct volumes_list_reply reply;

    do {
        if (call(job, &op_volumes_list, &page, &reply, err) < 0 ||
            measure_page(job, &reply.volumes, group, details, err) < 0)
            return -1;
        if (reply.volumes.count > 0)
            page.after =
                ((const struct volume_info *)reply.volumes.items)[reply.volumes.count - 1].name;
    } while (reply.has_more && reply.more && reply.volumes.count > 0);
    return 0;
}
