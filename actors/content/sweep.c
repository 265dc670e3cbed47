/*
 * A slice of the collector's sweep: one write for some blobs, then their files.
 *
 * The condition is asked again for each, inside the write: what is kept by now, or gone, is
 * passed over.
 */
#include "actors/base/log.h"
#include "actors/content/store.h"
#include "protocol/oci/digest.h"

struct sweep {
    const char **gone; /* digests that no namespace has any more */
    size_t count;
};

static int sweep_one(struct write *write, const char *digest, struct sweep *sweep,
                     struct sweep_reply *out, struct error *err)
{
    uint64_t size = 0;
    bool was_last = false;
    int kept = blob_is_kept(write, digest, err), found;

    if (kept != 0)
        return kept < 0 ? -1 : 0;
    found = blob_find(write, write_namespace(write), digest, &size, err);
    if (found != 1)
        return found;
    if (blob_forget(write, digest, &was_last, err) < 0)
        return -1;
    out->removed++;
    out->bytes += size;
    if (was_last)
        sweep->gone[sweep->count++] = digest;
    return 0;
}

static int sweep_write(struct write *write, const void *in_record, void *out, struct error *err)
{
    const struct sweep_request *in = in_record;
    const struct resource *resources = in->resources.items;
    struct sweep *sweep = write_ctx(write);

    for (size_t i = 0; i < in->resources.count; i++)
        if (sweep_one(write, resources[i].key, sweep, out, err) < 0)
            return -1;
    return 0;
}

static int sweep_after(void *self, struct request *request, void *ctx, void *out, struct error *err)
{
    struct content *content = self;
    const struct sweep *sweep = ctx;

    (void)request, (void)out;
    for (size_t i = 0; err == NULL && i < sweep->count; i++) {
        struct error failed = { 0 };

        if (blob_away(content, sweep->gone[i], &failed) == 0)
            continue;
        log_warn("content", "remove %s: %s; it is tried again", sweep->gone[i], failed.text);
        trash_later(&content->trash, sweep->gone[i], blob_away);
    }
    return 0;
}

int on_content_sweep(void *self, struct request *request, struct error *err)
{
    const struct sweep_request *in = request_body(request);
    const struct resource *resources = in->resources.items;
    struct sweep *sweep = arena_alloc(request_arena(request), sizeof(*sweep));

    (void)self;
    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED, "content.sweep is for the daemon itself");
    for (size_t i = 0; i < in->resources.count; i++)
        if (digest_require(resources[i].key, err) < 0)
            return -1;
    *sweep = (struct sweep){
        .gone = arena_alloc(request_arena(request), in->resources.count * sizeof(*sweep->gone)),
    };
    return request_write(request, sweep_write, sweep_after, sweep, err);
}
