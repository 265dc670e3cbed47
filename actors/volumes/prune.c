/* What no container holds: counted and removed, one volume after the other, by a job. */
#include "actors/volumes/store.h"
#include "platform/scope.h"

/* ---- usage ---------------------------------------------------------------------------- */

struct measure {
    const char *path;
};

static int usage_job(struct job *job, const void *in, void *out_record, struct error *err)
{
    const struct measure *measure = in;
    struct snapshots_usage_reply *out = out_record;

    (void)job;
    return fs_usage(measure->path, NULL, &out->size, &out->inodes, err);
}

int on_volume_usage(void *self, struct request *request, struct error *err)
{
    const struct volumes *volumes = self;
    const struct volumes_get_request *in = request_body(request);
    struct measure *measure = arena_alloc(request_arena(request), sizeof(*measure));
    struct volume_info info;

    if (volume_find(volumes, volumes->db, request_namespace(request), in->name, &info,
                    request_arena(request), err) < 0)
        return -1;
    measure->path = info.path;
    return request_run_on(request, usage_job, measure, err);
}

/* ---- prune ---------------------------------------------------------------------------- */

struct pruning {
    struct job *job;
    struct volumes_prune_reply *out;
    size_t room;
};

static void removed(struct pruning *pruning, const char *name, uint64_t size)
{
    struct strs *names = &pruning->out->names;

    if (names->count == pruning->room) {
        const char **more;

        pruning->room = 2 * pruning->room + 64;
        more = arena_alloc(job_arena(pruning->job), pruning->room * sizeof(*more));
        if (names->count > 0)
            memcpy(more, names->items, names->count * sizeof(*more));
        names->items = more;
    }
    names->items[names->count++] = name;
    pruning->out->size += size;
}

/* One that somebody has taken meanwhile, or removed, is not meant any more. */
static int prune_one(struct pruning *pruning, const struct volume_info *volume, struct error *err)
{
    const struct volumes_get_request which = { .name = volume->name };
    struct snapshots_usage_reply usage = { 0 };
    struct error ignored = { 0 };

    if (call(pruning->job, &op_volumes_usage, &which, &usage, &ignored) < 0)
        usage.size = 0; /* it can go all the same */
    if (call(pruning->job, &op_volumes_remove, &which, NULL, err) == 0) {
        removed(pruning, volume->name, usage.size);
        return 0;
    }
    return err->code == ERROR_FAILED_PRECONDITION || err->code == ERROR_NOT_FOUND ? 0 : -1;
}

static int prune_page(struct pruning *pruning, const struct list *page, bool all, struct error *err)
{
    const struct volume_info *volumes = page->items;

    for (size_t i = 0; i < page->count; i++)
        if (!volumes[i].used && (all || volumes[i].anonymous) &&
            prune_one(pruning, &volumes[i], err) < 0)
            return -1;
    return 0;
}

static int prune_job(struct job *job, const void *in_record, void *out, struct error *err)
{
    const struct volumes_prune_request *in = in_record;
    struct pruning pruning = { .job = job, .out = out };
    struct page_request want = { .filters = in->filters };
    struct volumes_list_reply page;

    do {
        const struct volume_info *volumes;

        if (call(job, &op_volumes_list, &want, &page, err) < 0 ||
            prune_page(&pruning, &page.volumes, in->has_all && in->all, err) < 0)
            return -1;
        volumes = page.volumes.items;
        if (page.volumes.count > 0)
            want.after = volumes[page.volumes.count - 1].name;
    } while (page.has_more && page.more && page.volumes.count > 0);
    return 0;
}

int on_volume_prune(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, prune_job, err);
}
