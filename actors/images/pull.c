/*
 * Pull: name -> documents -> blobs -> snapshots -> name.
 *
 * Every step leaves the store consistent, and everything made on the way hangs on one
 * lease.  So there is nothing to undo: a pull that fails, is cancelled or dies with the
 * daemon loses its lease, and the collector does the rest.  Bytes already written are
 * found again by the next try, through content.ingest; what was finished, too, if that
 * try may succeed (kept.h).
 */
#include "actors/images/images.h"
#include "actors/images/kept.h"
#include "actors/images/layers.h"
#include "actors/images/push.h"
#include "actors/images/registry.h"
#include "actors/images/supply.h"
#include "actors/images/verify.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"

int target_resolve(struct source *source, const struct reference *reference,
                   struct descriptor *target, struct error *err)
{
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    struct arena *arena = job_arena(source->job);
    const struct map none = { 0 };
    struct bin bytes;
    const struct progress progress = { .stage = "resolve" };

    job_report(source->job, &progress);
    if (supply_manifest(source->supply, source->job, reference_object(reference), 0, &document,
                        err) < 0)
        return -1;
    *target = (struct descriptor){
        .media_type = arena_str(arena, document.media_type),
        .digest = arena_str(arena, document.digest),
        .size = document.size,
    };
    bytes = (struct bin){ document.bytes, document.size };
    source->downloaded += document.size;
    if (media_of(target->media_type).kind != MEDIA_INDEX &&
        media_of(target->media_type).kind != MEDIA_MANIFEST &&
        document_media_type(document.bytes, document.size, arena, &target->media_type, err) < 0)
        return -1;
    return blob_put(source->job, target->digest, &bytes, &none, err);
}

static int point_name(struct source *source, const struct images_pull_request *want,
                      const char *name, const struct descriptor *target,
                      const struct variant *variant, struct images_pull_reply *reply,
                      struct error *err)
{
    struct images_put_request put = { .name = name,
                                      .target = target,
                                      .labels = want->labels,
                                      .id = variant->config_blob.digest,
                                      .size = variant->size,
                                      .has_size = variant->size > 0 };
    struct images_get_request get = { .name = name };
    struct image_info *image = arena_alloc(job_arena(source->job), sizeof(*image)), before;
    struct error missing;

    reply->changed = call(source->job, &op_images_get, &get, &before, &missing) < 0 ||
                     strcmp(before.target->digest, target->digest) != 0;
    if (call(source->job, &op_images_put, &put, image, err) < 0)
        return -1;
    reply->image = image;
    reply->downloaded = source->downloaded;
    if (!(want->has_no_unpack && want->no_unpack) && variant->is_image && variant->layer_count > 0)
        reply->chain_id =
            arena_str(job_arena(source->job), variant->layers[variant->layer_count - 1].chain_id);
    return 0;
}

static int bring_blobs(void *ctx, struct variant *variant, struct error *err)
{
    struct source *source = ctx;
    const struct images *images = job_self(source->job);

    return layers_take(source, images->config, "", true, variant, err);
}

/* 1: and there is none for the platform, which is no failure when all were wanted. */
static int find_variant(struct source *source, const struct images_pull_request *want,
                        const struct descriptor *target, const struct platform *platform,
                        struct variant *variant, struct error *err)
{
    bool all = want->has_all_platforms && want->all_platforms;

    if (all && variants_each(source, target, bring_blobs, source, err) < 0)
        return -1;
    if (variant_find(source, target, platform, variant, err) == 0)
        return 0;
    return all && err->code == ERROR_NOT_FOUND && want->platform == NULL ? 1 : -1;
}

/* With the lease held: everything that is made here hangs on it. */
static int bring(struct source *source, const struct images_pull_request *want,
                 const struct reference *reference, const char *name, const char *driver,
                 struct images_pull_reply *reply, struct error *err)
{
    const struct images *images = job_self(source->job);
    const struct registry_user user = REGISTRY_USER(want);
    CLEANUP(supply_close) struct supply *supply = NULL;
    const char *wanted = want->platform != NULL ? want->platform : driver_platform(images->config, driver);
    struct platform platform;
    struct descriptor target;
    struct variant variant = { 0 };
    int found;

    if (platform_wanted(wanted, &platform, err) < 0 ||
        supply_open(&supply, source->job, images->config, reference, &user, err) < 0)
        return -1;
    source->supply = supply;
    if (target_resolve(source, reference, &target, err) < 0 ||
        image_verify(source->job, name, &target, err) < 0 || /* before any layer is fetched */
        (found = find_variant(source, want, &target, &platform, &variant, err)) < 0 ||
        (found == 0 && layers_take(source, images->config, driver, source->driver == NULL, &variant, err) < 0))
        return -1;
    return point_name(source, want, name, &target, &variant, reply, err);
}

/* What is made is held by the client's lease; when that has lapsed it goes meanwhile, and what failed first then
   does not say why. */
static void blame_lease(struct job *job, struct error *err)
{
    const struct leases_get_request which = { .id = job_lease(job) };
    struct error missing = { 0 };

    if (err->code == ERROR_CANCELLED || call(job, &op_leases_get, &which, NULL, &missing) == 0 ||
        missing.code != ERROR_NOT_FOUND)
        return;
    error_set(err, ERROR_NOT_FOUND, "lease %.100s: there is none, or it has lapsed", job_lease(job));
    error_hint(err, "a lease for a pull has to last longer than the pull");
}

static int pull(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images_pull_request *want = in;
    const char *driver = want->driver;
    CLEANUP(lease_drop) struct held_lease lease = { .job = NULL };
    struct source source = { .job = job,
                             .driver = want->has_no_unpack && want->no_unpack ? NULL : driver };
    struct reference reference;
    char name[REFERENCE_TEXT_SIZE];

    if (reference_parse(want->reference, &reference, err) < 0)
        return -1;
    lease_have(&lease, job);
    reference_text(&reference, name);
    source.name = name;
    source.origin = reference.host;
    source.repository = reference.repository;
    if (bring(&source, want, &reference, name, driver, out, err) == 0) {
        kept_forget(job, name);
        return 0;
    }
    if (lease.job == NULL)
        blame_lease(job, err);
    kept_save(job, &lease, name, err);
    return error_wrap(err, "pull %.100s", want->reference);
}

int on_images_pull(void *self, struct request *request, struct error *err)
{
    struct images_pull_request *in = (void *)(uintptr_t)request_body(request);

    if (reference_allow(self, in->reference, err) < 0)
        return -1;
    driver_settle(self, request, &in->driver);
    return request_run(request, pull, err);
}
