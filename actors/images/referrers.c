/* referrers — see referrers.h: the list of the registry, or the index under a tag. */
#include "actors/images/referrers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/base/lease.h"
#include "actors/images/push.h"
#include "actors/images/supply.h"
#include "platform/scope.h"
#include "protocol/oci/document.h"

#define TAG_SIZE 100 /* algorithm, at most 32; a hyphen; hex, at most 64 (distribution-spec) */

static void json_drop(json_t **json)
{
    json_decref(*json);
}

/* sha256-9f86d0...: what is no letter, digit or one of ._- becomes a hyphen.  The digest follows
   its grammar. */
static const char *referrers_tag(const char *digest, char out[TAG_SIZE])
{
    size_t size = strcspn(digest, ":");

    snprintf(out, TAG_SIZE, "%.*s-%.64s", (int)(size < 32 ? size : 32), digest,
             digest[size] != '\0' ? digest + size + 1 : "");
    for (char *c = out; *c != '\0'; c++)
        if (strchr("+=", *c) != NULL) /* all that digests have and tags have not */
            *c = '-';
    return out;
}

/* ---- adding ------------------------------------------------------------------------------- */

/* The index that is there, or a new one. */
static json_t *index_there(struct job *job, struct outlet *outlet, const char *tag,
                           struct error *err)
{
    CLEANUP(registry_document_free) struct registry_document document = { 0 };

    if (outlet_manifest(outlet, job, tag, &document, err) == 0)
        return document_load("referrers", document.bytes, document.size, REGISTRY_DOCUMENT_MAX,
                             err);
    if (err->code != ERROR_NOT_FOUND)
        return NULL;
    return json_pack("{s:i, s:s, s:[]}", "schemaVersion", 2, "mediaType", MEDIA_OCI_INDEX,
                     "manifests");
}

static json_t *annotations_json(const struct map *annotations)
{
    json_t *out = json_object();

    for (size_t i = 0; i < annotations->count; i++)
        json_object_set_new(out, annotations->entries[i].key,
                            json_string(annotations->entries[i].value));
    return out;
}

static json_t *descriptor_json(const struct document_part *document)
{
    json_t *out = json_pack("{s:s, s:s, s:I}", "mediaType", document->blob.media_type, "digest",
                            document->blob.digest, "size", (json_int_t)document->blob.size);

    if (document->artifact_type != NULL)
        json_object_set_new(out, "artifactType", json_string(document->artifact_type));
    if (document->annotations.count > 0)
        json_object_set_new(out, "annotations", annotations_json(&document->annotations));
    return out;
}

/* 1: added; 0: it is among them. */
static int index_add(json_t *index, const struct document_part *document, struct error *err)
{
    json_t *entries = json_object_get(index, "manifests"), *entry;
    size_t i;

    if (!json_is_array(entries))
        return error_set(err, ERROR_DATA_LOSS,
                         "referrers: what stands under their tag is no index");
    json_array_foreach (entries, i, entry) {
        const char *digest = json_string_value(json_object_get(entry, "digest"));

        if (digest != NULL && strcmp(digest, document->blob.digest) == 0)
            return 0;
    }
    return json_array_append_new(entries, descriptor_json(document)) == 0
               ? 1
               : error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for an index");
}

/* What is sent must be in the store for a moment: nothing but the lease keeps it. */
static int put_index(struct job *job, struct outlet *outlet, json_t *index, const char *tag,
                     struct error *err)
{
    CLEANUP(lease_drop) struct held_lease lease = { .job = NULL };
    struct descriptor blob = { .media_type = MEDIA_OCI_INDEX };
    char *text = json_dumps(index, JSON_COMPACT), digest[DIGEST_TEXT_SIZE];
    const struct map none = { 0 };
    struct bin bytes;
    struct registry_put put = { .name = tag };
    struct registry_kept kept;
    int result = -1;

    if (text == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for an index");
    bytes = (struct bin){ text, strlen(text) };
    blob.digest = digest;
    blob.size = bytes.size;
    lease_have(&lease, job);
    if (digest_of("sha256", bytes.data, bytes.size, digest, err) == 0 &&
        blob_put(job, digest, &bytes, &none, err) == 0)
        result = document_put(job, outlet, &blob, &put, &kept, err);
    free(text);
    return result;
}

int referrers_add(struct job *job, struct outlet *outlet, const struct document_part *document,
                  struct error *err)
{
    char tag[TAG_SIZE];
    CLEANUP(json_drop)
    json_t *index =
        index_there(job, outlet, referrers_tag(document->subject->blob.digest, tag), err);
    int added;

    if (index == NULL)
        return error_wrap(err, "referrers of %.19s", document->subject->blob.digest);
    *err = (struct error){ 0 };
    added = index_add(index, document, err);
    if (added > 0)
        added = put_index(job, outlet, index, tag, err);
    return added < 0 ? error_wrap(err, "referrers of %.19s", document->subject->blob.digest) : 0;
}

/* ---- listing ------------------------------------------------------------------------------- */

/* The list of the registry, else the index under the tag; neither is an empty list. */
static int find_index(struct job *job, struct supply *supply, const char *digest,
                      const char *artifact_type, bool *by_tag, struct registry_document *out,
                      struct error *err)
{
    const struct registry_list list = { .subject = digest, .artifact_type = artifact_type };
    char tag[TAG_SIZE];

    *by_tag = false;
    if (supply_list(supply, job, &list, out, err) == 0)
        return 1;
    if (err->code != ERROR_NOT_FOUND)
        return -1;
    *by_tag = true;
    if (supply_manifest(supply, job, referrers_tag(digest, tag), 0, out, err) == 0)
        return 1;
    return err->code == ERROR_NOT_FOUND ? 0 : -1;
}

static int fill(struct job *job, const struct registry_document *document,
                const char *artifact_type, struct images_referrers_reply *reply, struct error *err)
{
    struct arena *arena = job_arena(job);
    char *bytes = arena_copy(arena, document->bytes, document->size);
    struct image_referrer *items;
    struct oci_index index;
    size_t count = 0;

    if (index_parse(bytes, document->size, MEDIA_OCI_INDEX, arena, &index, err) < 0)
        return -1;
    items = arena_alloc(arena, (index.count + 1) * sizeof(*items));
    for (size_t i = 0; i < index.count; i++) {
        const char *type = index.entries[i].artifact_type;

        if (artifact_type != NULL && (type == NULL || strcmp(type, artifact_type) != 0))
            continue;
        items[count++] =
            (struct image_referrer){ .blob = &index.entries[i].blob, .artifact_type = type };
    }
    reply->referrers = (struct list){ count, items };
    return 0;
}

static int referrers(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images *images = job_self(job);
    const struct images_ask_request *want = in;
    const struct registry_user user = REGISTRY_USER(want);
    struct images_referrers_reply *reply = out;
    CLEANUP(supply_close) struct supply *supply = NULL;
    CLEANUP(registry_document_free) struct registry_document subject = { 0 }, list = { 0 };
    struct descriptor *about = arena_alloc(job_arena(job), sizeof(*about));
    struct reference reference;
    bool by_tag;
    int found;

    if (reference_parse(want->reference, &reference, err) < 0 ||
        supply_open(&supply, job, images->config, &reference, &user, err) < 0 ||
        supply_manifest(supply, job, reference_object(&reference), 0, &subject, err) < 0)
        return -1;
    *about = (struct descriptor){ .media_type = arena_str(job_arena(job), subject.media_type),
                                  .digest = arena_str(job_arena(job), subject.digest),
                                  .size = subject.size };
    reply->subject = about;
    found = find_index(job, supply, about->digest, want->artifact_type, &by_tag, &list, err);
    if (found <= 0)
        return found;
    reply->by_tag = reply->has_by_tag = by_tag;
    return fill(job, &list, want->artifact_type, reply, err);
}

int on_images_referrers(void *self, struct request *request, struct error *err)
{
    const struct images_ask_request *in = request_body(request);

    if (reference_allow(self, in->reference, err) < 0)
        return -1;
    return request_run(request, referrers, err);
}
