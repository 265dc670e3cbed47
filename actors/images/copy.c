/*
 * Copy: one registry -> the store -> another registry.
 *
 * As a pull of all variants that is neither named nor unpacked, and a push of it.  Nothing but the
 * job's lease keeps what comes here, so it goes when the copy has ended; what was here before is
 * not fetched.
 */
#include <string.h>

#include "actors/base/lease.h"
#include "actors/images/layers.h"
#include "actors/images/push.h"
#include "actors/images/supply.h"
#include "actors/images/verify.h"
#include "platform/scope.h"

/* On its way through here. */
struct passage {
    struct source source;
    struct destination destination;
};

static void passage_close(struct passage *passage)
{
    destination_close(&passage->destination);
}

/* Only what the destination has not, nor can take from elsewhere, comes here. */
static int bring_blobs(void *ctx, struct variant *variant, struct error *err)
{
    struct passage *passage = ctx;
    struct source *source = &passage->source;
    const struct images *images = job_self(source->job);
    struct variant wanted = *variant;

    wanted.layers =
        arena_alloc(job_arena(source->job), (variant->layer_count + 1) * sizeof(*wanted.layers));
    wanted.layer_count = 0;
    for (size_t i = 0; i < variant->layer_count; i++) {
        int there =
            media_of(variant->layers[i].blob.media_type).foreign
                ? 1
                : blob_offer(source->job, &passage->destination, &variant->layers[i].blob, err);

        if (there < 0)
            return -1;
        if (there == 0)
            wanted.layers[wanted.layer_count++] = variant->layers[i];
    }
    return layers_take(source, images->config, "", true, &wanted, err);
}

/* What is to be sent: all, or the manifest of one platform. */
static int fetch(struct passage *passage, const struct images_copy_request *want,
                 const struct descriptor *found, struct descriptor *target, struct error *err)
{
    struct source *source = &passage->source;
    struct platform platform;
    struct variant variant;

    *target = *found;
    if (want->platform == NULL)
        return variants_each(source, found, bring_blobs, passage, err);
    if (platform_wanted(want->platform, &platform, err) < 0 ||
        variant_find(source, found, &platform, &variant, err) < 0)
        return -1;
    *target = variant.manifest_blob;
    return bring_blobs(passage, &variant, err);
}

static int fetch_all(struct passage *passage, const struct images_copy_request *want,
                     const struct reference *from, struct descriptor *target, struct error *err)
{
    struct source *source = &passage->source;
    const struct images *images = job_self(source->job);
    const struct registry_user user = { want->source_username, want->source_password,
                                        want->source_identity_token, want->source_registry_token,
                                        want->source_mirrors, want->askable };
    CLEANUP(supply_close) struct supply *supply = NULL;
    struct descriptor found;
    char name[REFERENCE_TEXT_SIZE];
    int result;

    if (supply_open(&supply, source->job, images->config, from, &user, err) < 0)
        return -1;
    source->supply = supply;
    result = target_resolve(source, from, &found, err) < 0 ||
                     image_verify(source->job, reference_text(from, name), &found, err) < 0
                 ? -1
                 : fetch(passage, want, &found, target, err);
    source->supply = NULL;
    return result;
}

static int copy(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images_copy_request *want = in;
    const struct registry_user user = REGISTRY_USER(want);
    struct images_push_reply *reply = out;
    CLEANUP(lease_drop) struct held_lease lease = { .job = NULL };
    struct descriptor *target = arena_alloc(job_arena(job), sizeof(*target));
    struct reference from, to;
    CLEANUP(passage_close) struct passage passage = { .source = { .job = job } };
    struct destination *destination = &passage.destination;

    if (reference_parse(want->source, &from, err) < 0 ||
        reference_parse(want->reference, &to, err) < 0 ||
        destination_open(destination, job, &to, &user, err) < 0)
        return -1;
    lease_have(&lease, job);
    passage.source.origin = from.host;
    passage.source.repository = from.repository;
    if (strcmp(from.host, to.host) == 0 && strcmp(from.repository, to.repository) != 0)
        destination->mount = from.repository;
    if (fetch_all(&passage, want, &from, target, err) < 0 ||
        destination_check(&to, target, err) < 0 ||
        image_send(job, destination, target, reply, err) < 0)
        return error_wrap(err, "copy %.100s", want->source);
    destination_tell(job, destination, target, reply);
    return 0;
}

int on_images_copy(void *self, struct request *request, struct error *err)
{
    const struct images_copy_request *in = request_body(request);

    if (reference_allow(self, in->source, err) < 0 || reference_allow(self, in->reference, err) < 0)
        return -1;
    return request_run(request, copy, err);
}
