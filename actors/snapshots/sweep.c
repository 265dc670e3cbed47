/*
 * A slice of the collector's sweep: one write for some snapshots, then their layers.
 *
 * The condition is asked again for each, inside the write: what is kept by now, gone, or stood on
 * by something that is kept, is passed over.
 */
#include "actors/snapshots/store.h"

struct sweep {
    const struct driver **drivers; /* of each of the resources */
    struct freed *freed;
};

static int sweep_one(struct write *write, const struct resource *resource, struct freed *freed,
                     struct sweep_reply *out, struct error *err)
{
    struct row row;
    int found = snapshot_read(write_db(write), write_namespace(write), resource->driver,
                              resource->key, &row, write_arena(write), err);
    int kept = found == 1 ? snapshot_is_kept(write, &row, err) : found;

    if (found != 1 || kept != 0)
        return found < 0 || kept < 0 ? -1 : 0;
    if (snapshot_remove(write, &row, freed, err) < 0)
        return err->code == ERROR_FAILED_PRECONDITION ? 0 : -1;
    out->removed++;
    return 0;
}

static int sweep_write(struct write *write, const void *in_record, void *out, struct error *err)
{
    const struct sweep_request *in = in_record;
    const struct resource *resources = in->resources.items;
    struct sweep *sweep = write_ctx(write);

    for (size_t i = 0; i < in->resources.count; i++)
        if (sweep->drivers[i] != NULL &&
            sweep_one(write, &resources[i], &sweep->freed[i], out, err) < 0)
            return -1;
    return 0;
}

static int sweep_after(void *self, struct request *request, void *ctx, void *out, struct error *err)
{
    const struct sweep_request *in = request_body(request);
    const struct sweep *sweep = ctx;

    (void)out;
    for (size_t i = 0; err == NULL && i < in->resources.count; i++)
        for (size_t layer = 0; layer < sweep->freed[i].count; layer++)
            layer_discard(self, sweep->drivers[i], sweep->freed[i].numbers[layer]);
    return 0;
}

int on_snapshot_sweep(void *self, struct request *request, struct error *err)
{
    const struct sweep_request *in = request_body(request);
    const struct resource *resources = in->resources.items;
    size_t count = in->resources.count;
    struct error gone; /* a plugin that the configuration has no more: its snapshots wait for it */
    struct sweep *sweep = arena_alloc(request_arena(request), sizeof(*sweep));

    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED, "snapshots.sweep is for the daemon itself");
    sweep->drivers = arena_alloc(request_arena(request), count * sizeof(*sweep->drivers));
    sweep->freed = arena_alloc(request_arena(request), count * sizeof(*sweep->freed));
    for (size_t i = 0; i < count; i++)
        sweep->drivers[i] = driver_wanted(self, request, resources[i].driver, &gone);
    return request_write(request, sweep_write, sweep_after, sweep, err);
}
