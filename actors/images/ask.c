/*
 * Ask: what registries are asked without anything being kept here: tags, documents, and that one be
 * removed.
 *
 * What is only read comes from any host that a pull would ask; what is changed is changed where
 * pushes go to.
 */
#include <string.h>

#include "actors/images/push.h"
#include "actors/images/supply.h"
#include "platform/scope.h"
#include "protocol/oci/document.h"

/* The hosts of a request's reference. */
static int ask_open(struct job *job, const struct images_ask_request *want,
                    struct reference *reference, struct supply **supply, struct error *err)
{
    const struct images *images = job_self(job);
    const struct registry_user user = REGISTRY_USER(want);

    if (reference_parse(want->reference, reference, err) < 0)
        return -1;
    return supply_open(supply, job, images->config, reference, &user, err);
}

static const char *full_text(struct job *job, const struct reference *reference)
{
    char text[REFERENCE_TEXT_SIZE];

    return arena_str(job_arena(job), reference_text(reference, text));
}

/* ---- tags --------------------------------------------------------------------------------- */

static void json_drop(json_t **json)
{
    json_decref(*json);
}

static int read_tags(struct job *job, const struct registry_document *document, struct strs *out,
                     struct error *err)
{
    CLEANUP(json_drop)
    json_t *json =
        document_load("tags", document->bytes, document->size, REGISTRY_DOCUMENT_MAX, err);
    const struct place place = {
        .what = "tags", .object = json, .arena = job_arena(job), .err = err
    };

    return json == NULL ? -1 : read_strs(&place, "tags", out);
}

static int tags(struct job *job, const void *in, void *out, struct error *err)
{
    struct images_tags_reply *reply = out;
    const struct images_ask_request *want = in;
    const struct registry_list list = { .after = want->after, .limit = want->limit };
    CLEANUP(supply_close) struct supply *supply = NULL;
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    char name[REFERENCE_TEXT_SIZE];
    struct reference reference;

    if (ask_open(job, in, &reference, &supply, err) < 0 ||
        supply_list(supply, job, &list, &document, err) < 0)
        return -1;
    reply->repository = arena_str(job_arena(job), reference_name(&reference, name));
    return read_tags(job, &document, &reply->tags, err);
}

int on_images_tags(void *self, struct request *request, struct error *err)
{
    const struct images_ask_request *in = request_body(request);

    if (reference_allow(self, in->reference, err) < 0)
        return -1;
    return request_run(request, tags, err);
}

/* ---- documents ------------------------------------------------------------------------------ */

static int manifest(struct job *job, const void *in, void *out, struct error *err)
{
    struct images_manifest_reply *reply = out;
    CLEANUP(supply_close) struct supply *supply = NULL;
    CLEANUP(registry_document_free) struct registry_document document = { 0 };
    struct descriptor *target = arena_alloc(job_arena(job), sizeof(*target));
    struct reference reference;

    if (ask_open(job, in, &reference, &supply, err) < 0 ||
        supply_manifest(supply, job, reference_object(&reference), 0, &document, err) < 0)
        return -1;
    if (strlen(document.bytes) != document.size)
        return error_set(err, ERROR_DATA_LOSS, "what stands there is no text");
    *target = (struct descriptor){ .media_type = arena_str(job_arena(job), document.media_type),
                                   .digest = arena_str(job_arena(job), document.digest),
                                   .size = document.size };
    reply->reference = full_text(job, &reference);
    reply->target = target;
    reply->document = arena_copy(job_arena(job), document.bytes, document.size);
    return 0;
}

int on_images_manifest(void *self, struct request *request, struct error *err)
{
    const struct images_ask_request *in = request_body(request);

    if (reference_allow(self, in->reference, err) < 0)
        return -1;
    return request_run(request, manifest, err);
}

static int check_forget(const struct images_ask_request *want, const struct reference *reference,
                        struct error *err)
{
    if (!want->blob || reference->digest[0] != '\0')
        return 0;
    error_set(err, ERROR_INVALID_ARGUMENT, "%.120s: a blob has no name but its digest",
              want->reference);
    return error_hint(err,
                      "%.100s@sha256:...; gantry manifest inspect shows what an image consists of",
                      reference->repository);
}

static int forget(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images_ask_request *want = in;
    const struct registry_user user = REGISTRY_USER(want);
    struct images_forget_reply *reply = out;
    CLEANUP(destination_close) struct destination destination = { 0 };
    struct reference reference;

    if (reference_parse(want->reference, &reference, err) < 0 ||
        check_forget(want, &reference, err) < 0 ||
        destination_open(&destination, job, &reference, &user, err) < 0)
        return -1;
    if (outlet_delete(&destination.outlet, job, reference_object(&reference), want->blob, err) <
        0) {
        if (err->code == ERROR_UNIMPLEMENTED)
            error_hint(err, reference.digest[0] == '\0'
                                ? "name it by its digest; all tags of that manifest go then"
                                : "whoever runs the registry must allow deleting");
        return -1;
    }
    reply->reference = full_text(job, &reference);
    return 0;
}

int on_images_forget(void *self, struct request *request, struct error *err)
{
    const struct images_ask_request *in = request_body(request);

    if (reference_allow(self, in->reference, err) < 0)
        return -1;
    return request_run(request, forget, err);
}
