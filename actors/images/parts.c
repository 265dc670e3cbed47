/* parts — documents are read from the store, depth first. */
#include "actors/images/parts.h"

#include <stdio.h>
#include <string.h>

#include "platform/scope.h"

/* ---- lists that grow in an arena ------------------------------------------------------ */

static void *grown(struct job *job, void *items, size_t count, size_t *room, size_t size)
{
    void *more;

    if (count < *room)
        return items;
    *room = *room > 0 ? 2 * *room : 16;
    more = arena_alloc(job_arena(job), *room * size);
    if (count > 0)
        memcpy(more, items, count * size);
    return more;
}

static int too_many(struct error *err)
{
    return error_set(err, ERROR_RESOURCE_EXHAUSTED, "the image has more than %d parts", PARTS_MAX);
}

static int add_blob(struct job *job, struct parts *parts, const struct descriptor *blob,
                    struct error *err)
{
    if (digest_require(blob->digest, err) < 0)
        return -1;
    for (size_t i = 0; i < parts->blob_count; i++)
        if (strcmp(parts->blobs[i].digest, blob->digest) == 0)
            return 0;
    if (parts->blob_count == PARTS_MAX)
        return too_many(err);
    parts->blobs = grown(job, parts->blobs, parts->blob_count, &parts->blob_room, sizeof(*blob));
    parts->blobs[parts->blob_count++] = *blob;
    return 0;
}

static int add_document(struct job *job, struct parts *parts, const struct document_part *document,
                        struct error *err)
{
    if (parts->document_count == PARTS_MAX)
        return too_many(err);
    parts->documents = grown(job, parts->documents, parts->document_count, &parts->document_room,
                             sizeof(*document));
    parts->documents[parts->document_count++] = *document;
    return 0;
}

static bool has_document(const struct parts *parts, const char *digest)
{
    for (size_t i = 0; i < parts->document_count; i++)
        if (strcmp(parts->documents[i].blob.digest, digest) == 0)
            return true;
    return false;
}

/* ---- walking --------------------------------------------------------------------------- */

static int add_tree(struct job *job, struct parts *parts, const struct descriptor *blob,
                    unsigned depth, struct error *err);

static int add_index(struct job *job, struct parts *parts, const struct descriptor *blob,
                     const struct bin *bytes, unsigned depth, struct error *err)
{
    struct document_part self = { .blob = *blob };
    struct oci_index index;

    if (depth >= INDEX_DEPTH_MAX)
        return error_set(err, ERROR_DATA_LOSS, "indexes are nested deeper than %d",
                         INDEX_DEPTH_MAX);
    if (index_parse(bytes->data, bytes->size, blob->media_type, job_arena(job), &index, err) < 0)
        return -1;
    for (size_t i = 0; i < index.count; i++)
        if (add_tree(job, parts, &index.entries[i].blob, depth + 1, err) < 0)
            return -1;
    self.subject = index.subject;
    self.artifact_type = index.artifact_type;
    self.annotations = index.annotations;
    return add_document(job, parts, &self, err);
}

static int add_manifest(struct job *job, struct parts *parts, const struct descriptor *blob,
                        const struct bin *bytes, struct error *err)
{
    struct document_part self = { .blob = *blob };
    struct oci_manifest manifest;

    if (manifest_parse(bytes->data, bytes->size, blob->media_type, job_arena(job), &manifest, err) <
            0 ||
        add_blob(job, parts, &manifest.config.blob, err) < 0)
        return -1;
    for (size_t i = 0; i < manifest.layer_count; i++)
        if (!media_of(manifest.layers[i].blob.media_type).foreign &&
            add_blob(job, parts, &manifest.layers[i].blob, err) < 0)
            return -1;
    self.subject = manifest.subject;
    self.artifact_type =
        manifest.artifact_type != NULL ? manifest.artifact_type : manifest.config.blob.media_type;
    self.annotations = manifest.annotations;
    return add_document(job, parts, &self, err);
}

static int add_tree(struct job *job, struct parts *parts, const struct descriptor *blob,
                    unsigned depth, struct error *err)
{
    struct descriptor known;
    struct bin bytes;

    if (has_document(parts, blob->digest))
        return 0;
    if (document_get(job, blob, &known, &bytes, err) < 0)
        return -1;
    if (media_of(known.media_type).kind == MEDIA_INDEX)
        return add_index(job, parts, &known, &bytes, depth, err);
    return add_manifest(job, parts, &known, &bytes, err);
}

int parts_find(struct job *job, const struct descriptor *target, struct parts *out,
               struct error *err)
{
    *out = (struct parts){ 0 };
    return add_tree(job, out, target, 0, err);
}

/* ---- choosing ---------------------------------------------------------------------------- */

static const char *platform_of_entry(const struct oci_descriptor *entry,
                                     char out[PLATFORM_TEXT_SIZE])
{
    if (!entry->has_platform)
        return "an unnamed one";
    return platform_text(&entry->platform, out);
}

static void list_add(char list[120], const struct oci_descriptor *entry)
{
    char platform[PLATFORM_TEXT_SIZE];
    size_t used = strlen(list);

    snprintf(list + used, 120 - used, "%s%s", used > 0 ? ", " : "",
             platform_of_entry(entry, platform));
}

static int incomplete(const char here[120], const char missing[120], struct error *err)
{
    error_set(err, ERROR_FAILED_PRECONDITION,
              "not all that its index names is here (here: %s; not: %s)", *here ? here : "nothing",
              missing);
    return *here
               ? error_hint(err, "choose one of them with --platform, or pull with --all-platforms")
               : error_hint(err, "pull the image with --all-platforms");
}

int parts_choose(struct job *job, const struct descriptor *target, bool all, struct descriptor *out,
                 bool *alone, struct error *err)
{
    char here[120] = "", missing[120] = "";
    const struct oci_descriptor *found = NULL;
    struct oci_index index;
    struct bin bytes;
    size_t count = 0;

    *alone = false;
    if (document_get(job, target, out, &bytes, err) < 0)
        return -1;
    if (media_of(out->media_type).kind != MEDIA_INDEX)
        return 0;
    if (index_parse(bytes.data, bytes.size, out->media_type, job_arena(job), &index, err) < 0)
        return -1;
    for (size_t i = 0; i < index.count; i++) {
        int present = blob_is_here(job, &index.entries[i].blob, err);

        if (present < 0)
            return -1;
        if (present > 0)
            found = &index.entries[i];
        count += present > 0;
        list_add(present > 0 ? here : missing, &index.entries[i]);
    }
    *err = (struct error){ 0 };
    if (count == index.count)
        return 0;
    if (count != 1 || all)
        return incomplete(here, missing, err);
    *out = found->blob;
    *alone = true;
    return 0;
}
