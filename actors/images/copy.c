/*
 * Copy: one registry -> the store -> another registry.
 *
 * As a pull of all variants that is neither named nor unpacked, and a push of it.  Nothing but the
 * job's lease keeps what comes here, so it goes when the copy has ended; what was here before is
 * not fetched.
 */
#include "actors/base/lease.h"
#include "actors/images/layers.h"
#include "actors/images/push.h"
#include "actors/images/registry.h"
#include "actors/images/verify.h"
#include "platform/scope.h"

static int bring_blobs(void *ctx, struct variant *variant, struct error *err)
{
    struct source *source = ctx;
    const struct images *images = job_self(source->job);

    return layers_take(source, images->config, "", true, variant, err);
}

/* What is to be sent: all, or the manifest of one platform. */
static int fetch(struct source *source, const struct images_copy_request *want,
                 const struct descriptor *found, struct descriptor *target, struct error *err)
{
    struct platform platform;
    struct variant variant;

    *target = *found;
    if (want->platform == NULL)
        return variants_each(source, found, bring_blobs, source, err);
    if (platform_wanted(want->platform, &platform, err) < 0 ||
        variant_find(source, found, &platform, &variant, err) < 0)
        return -1;
    *target = variant.manifest_blob;
    return bring_blobs(source, &variant, err);
}

static int fetch_all(struct source *source, const struct images_copy_request *want,
                     const struct reference *from, struct descriptor *target, struct error *err)
{
    const struct images *images = job_self(source->job);
    const struct registry_user user = { want->source_username, want->source_password,
                                        want->source_identity_token, want->source_registry_token };
    CLEANUP(registry_close) struct registry *registry = NULL;
    struct descriptor found;
    char name[REFERENCE_TEXT_SIZE];
    int result;

    if (registry_for(images->config, from, &user, &registry, err) < 0)
        return -1;
    source->registry = registry;
    result = target_resolve(source, from, &found, err) < 0 ||
                     image_verify(source->job, reference_text(from, name), &found, err) < 0
                 ? -1
                 : fetch(source, want, &found, target, err);
    source->registry = NULL;
    return result;
}

static int copy(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images_copy_request *want = in;
    const struct registry_user user = { want->username, want->password, want->identity_token,
                                        want->registry_token };
    struct images_push_reply *reply = out;
    CLEANUP(lease_drop) struct held_lease lease = { .job = NULL };
    struct descriptor *target = arena_alloc(job_arena(job), sizeof(*target));
    struct source source = { .job = job };
    struct reference from, to;
    char text[REFERENCE_TEXT_SIZE];

    if (reference_parse(want->source, &from, err) < 0 ||
        reference_parse(want->reference, &to, err) < 0 ||
        (job_lease(job) == NULL && lease_take(&lease, job, err) < 0))
        return -1;
    source.origin = from.host;
    source.repository = from.repository;
    if (fetch_all(&source, want, &from, target, err) < 0 ||
        image_send(job, &to, &user, target, reply, err) < 0)
        return error_wrap(err, "copy %.100s", want->source);
    reply->reference = arena_str(job_arena(job), reference_text(&to, text));
    reply->target = target;
    return 0;
}

int on_images_copy(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, copy, err);
}
