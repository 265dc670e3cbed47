/*
 * Push: what the image consists of -> blobs, a few at a time -> documents -> the tag.
 *
 * A registry names nothing before it has all of it, so the tag is put last, and a push that fails
 * leaves there nothing that anybody sees.  Documents go as they are stored, byte for byte.  A blob
 * that came from, or went to, another repository of the same registry is not sent at all: the label
 * containerd.io/distribution.source.HOST remembers which, and the registry is asked to take it from
 * there.
 */
#include <stdio.h>
#include <string.h>

#include "actors/images/push.h"
#include "actors/images/referrers.h"
#include "actors/images/registry_options.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define UPLOADS 3 /* blobs at once */
#define SOURCE  "containerd.io/distribution.source."
#define TAGS    100 /* further ones of one push */

struct push {
    struct destination *destination;
    struct parts parts;
};

/* One blob, for a child job. */
struct upload {
    const struct push *push;
    const struct descriptor *blob;
    struct job *job;
    enum registry_sent sent;
};

/* ---- where else the registry has it ------------------------------------------------------- */

/* The repositories of a label's value, with commas between. */
static const char *next_source(const char **at, struct arena *arena)
{
    size_t size = strcspn(*at, ",");
    const char *out = arena_printf(arena, "%.*s", (int)size, *at);

    *at += size + ((*at)[size] == ',');
    return out;
}

static const char *sources_of(const struct content_info *blob, const char *key)
{
    for (size_t i = 0; i < blob->labels.count; i++)
        if (strcmp(blob->labels.entries[i].key, key) == 0)
            return blob->labels.entries[i].value;
    return "";
}

static size_t common(const char *a, const char *b)
{
    size_t size = 0;

    while (a[size] != '\0' && a[size] == b[size])
        size++;
    return size;
}

/* The repository most like ours, which the same people likely may read; NULL when none is known. */
static const char *mount_source(const char *sources, const char *ours, struct arena *arena)
{
    const char *best = NULL;

    while (*sources != '\0') {
        const char *one = next_source(&sources, arena);

        if (!registry_is_repository(one) || strcmp(one, ours) == 0)
            continue; /* whoever sets labels may set any */
        if (best == NULL || common(one, ours) > common(best, ours))
            best = one;
    }
    return best;
}

static bool is_source(const char *sources, const char *ours, struct arena *arena)
{
    while (*sources != '\0')
        if (strcmp(next_source(&sources, arena), ours) == 0)
            return true;
    return false;
}

/* The registry has it here, too: the next push to another of its repositories need not send it. */
static int remember(struct job *job, const struct descriptor *blob, const char *key,
                    const char *sources, const char *ours, struct error *err)
{
    struct arena *arena = job_arena(job);
    struct map_entry label = { key, ours };
    const struct content_label_request want = { .digest = blob->digest, .labels = { 1, &label } };

    if (is_source(sources, ours, arena))
        return 0;
    if (*sources != '\0' && strlen(key) + strlen(ours) + 1 + strlen(sources) <= LABEL_MAX)
        label.value = arena_printf(arena, "%s,%s", ours, sources);
    return call(job, &op_content_label, &want, NULL, err);
}

/* ---- blobs ---------------------------------------------------------------------------------- */

static void report(const struct upload *upload, const char *stage, uint64_t done)
{
    const struct progress progress = { .stage = stage,
                                       .item = upload->blob->digest,
                                       SET(done, done),
                                       SET(total, upload->blob->size),
                                       .unit = "bytes" };

    job_report(upload->job, &progress);
}

static void on_progress(void *ctx, uint64_t done)
{
    report(ctx, "upload", done);
}

static int missing(const struct descriptor *blob, struct error *err)
{
    if (err->code == ERROR_NOT_FOUND) {
        error_set(err, ERROR_FAILED_PRECONDITION, "blob %.19s is not here", blob->digest);
        return error_hint(err, "pull the image again");
    }
    return error_wrap(err, "blob %.19s", blob->digest);
}

int blob_offer(struct job *job, struct destination *destination, const struct descriptor *blob,
               struct error *err)
{
    const struct registry_upload want = {
        .digest = blob->digest, .size = blob->size, .file = -1, .mount = destination->mount
    };
    enum registry_sent sent;

    if (outlet_upload(&destination->outlet, job, &want, &sent, err) < 0)
        return -1;
    return sent != SENT_WANTED;
}

/* What a copy has found to be there is not here. */
static int offer(struct job *job, struct upload *upload, struct error *err)
{
    struct error absent = *err;
    int there = absent.code == ERROR_NOT_FOUND
                    ? blob_offer(job, upload->push->destination, upload->blob, err)
                    : 0;

    if (there < 0)
        return -1;
    *err = absent;
    if (there == 0)
        return missing(upload->blob, err);
    upload->sent = SENT_NOTHING;
    report(upload, "present", upload->blob->size);
    return 0;
}

static int upload_blob(struct job *job, const void *in, void *out, struct error *err)
{
    static const char *const stages[] = { "present", "mounted", "uploaded", "wait" };
    struct upload *upload = (struct upload *)(uintptr_t)in;
    struct destination *destination = upload->push->destination;
    const struct content_stat_request stat = { .digest = upload->blob->digest };
    const char *key = arena_printf(job_arena(job), SOURCE "%s", destination->to->host), *sources;
    struct registry_upload want = { .digest = upload->blob->digest,
                                    .progress = on_progress,
                                    .ctx = upload };
    CLEANUP(file_close) int file = -1;
    struct content_info info;

    (void)out;
    upload->job = job;
    report(upload, "upload", 0);
    if (call(job, &op_content_stat, &stat, &info, err) < 0)
        return offer(job, upload, err);
    if (file_open_read(info.path, &file, err) < 0)
        return missing(upload->blob, err);
    sources = sources_of(&info, key);
    want.size = info.size;
    want.file = file;
    want.mount = mount_source(sources, destination->to->repository, job_arena(job));
    if (outlet_upload(&destination->outlet, job, &want, &upload->sent, err) < 0)
        return -1;
    report(upload, stages[upload->sent], info.size);
    return remember(job, upload->blob, key, sources, destination->to->repository, err);
}

static int upload_blobs(struct job *job, const struct push *push, struct images_push_reply *reply,
                        struct error *err)
{
    size_t count = push->parts.blob_count;
    struct upload *uploads = arena_alloc(job_arena(job), count * sizeof(*uploads));

    for (size_t i = 0; i < count; i++)
        uploads[i] = (struct upload){ .push = push, .blob = &push->parts.blobs[i] };
    if (job_each(job, upload_blob, uploads, count, sizeof(*uploads), UPLOADS, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        reply->sent += uploads[i].sent == SENT_BYTES ? uploads[i].blob->size : 0;
        reply->mounted += uploads[i].sent == SENT_MOUNTED;
        reply->present += uploads[i].sent == SENT_NOTHING;
    }
    return 0;
}

/* ---- documents ------------------------------------------------------------------------------ */

int document_put(struct job *job, struct outlet *outlet, const struct descriptor *blob,
                 struct registry_put *put, struct registry_kept *kept, struct error *err)
{
    const struct content_stat_request stat = { .digest = blob->digest };
    CLEANUP(file_close) int file = -1;
    struct content_info info;

    if (call(job, &op_content_stat, &stat, &info, err) < 0 ||
        file_open_read(info.path, &file, err) < 0)
        return missing(blob, err);
    put->digest = blob->digest;
    put->media_type = blob->media_type;
    put->size = blob->size;
    put->file = file;
    return outlet_put(outlet, job, put, kept, err);
}

/* By this name, and at once by these tags; whom it is about is told, if the registry does not see
   to that.  `done`: a bit for each tag that it has. */
static int put_one(struct job *job, const struct push *push, const struct document_part *document,
                   const char *name, struct strs tags, uint64_t *done, struct error *err)
{
    bool known_by_digest = strcmp(name, document->blob.digest) == 0;
    struct registry_put put = { .name = name,
                                .tags = tags,
                                .only_missing = known_by_digest && document->subject == NULL &&
                                                tags.count == 0 };
    struct registry_kept kept;

    if (document_put(job, &push->destination->outlet, &document->blob, &put, &kept, err) < 0)
        return -1;
    *done = kept.tags;
    return document->subject == NULL || kept.subject
               ? 0
               : referrers_add(job, &push->destination->outlet, document, err);
}

static int put_by(struct job *job, const struct push *push, const struct document_part *document,
                  const char *name, struct error *err)
{
    uint64_t none;

    return put_one(job, push, document, name, (struct strs){ 0 }, &none, err);
}

/* It is there, and whom it is about knows of it; only a name is wanted. */
static int put_tag(struct job *job, const struct push *push, const struct document_part *document,
                   const char *tag, struct error *err)
{
    struct registry_put put = { .name = tag };
    struct registry_kept kept;

    return document_put(job, &push->destination->outlet, &document->blob, &put, &kept, err);
}

/* All that it shall be called, each once. */
static struct strs names_of(struct job *job, const struct destination *destination)
{
    const struct strs *more = &destination->tags;
    struct strs names = { .items = arena_alloc(job_arena(job),
                                               (more->count + 1) * sizeof(*names.items)) };

    if (destination->to->tag[0] != '\0')
        names.items[names.count++] = destination->to->tag;
    for (size_t i = 0; i < more->count; i++) {
        bool twice = false;

        for (size_t k = 0; k < names.count; k++)
            twice = twice || strcmp(names.items[k], more->items[i]) == 0;
        if (!twice)
            names.items[names.count++] = more->items[i];
    }
    return names;
}

/* A tag makes the registry keep it under its digest as well, if it is of the algorithm that
   registries choose.  Several tags go along with the digest; a registry that does not confirm them
   may not know of that, and gets them one by one. */
static int put_target(struct job *job, const struct push *push,
                      const struct document_part *document, struct error *err)
{
    const struct strs names = names_of(job, push->destination);
    const char *digest = document->blob.digest;
    const struct strs at_once = names.count > 1 ? names : (struct strs){ 0 };
    uint64_t done;

    if (names.count == 1 && strncmp(digest, "sha256:", 7) == 0)
        return put_by(job, push, document, names.items[0], err);
    if (put_one(job, push, document, digest, at_once, &done, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (!(i < REGISTRY_TAGS && (done >> i & 1) != 0) &&
            put_tag(job, push, document, names.items[i], err) < 0)
            return -1;
    return 0;
}

/* The last is the target. */
static int put_documents(struct job *job, const struct push *push, struct error *err)
{
    const struct parts *parts = &push->parts;

    for (size_t i = 0; i + 1 < parts->document_count; i++)
        if (put_by(job, push, &parts->documents[i], parts->documents[i].blob.digest, err) < 0)
            return -1;
    return put_target(job, push, &parts->documents[parts->document_count - 1], err);
}

/* ---- the image ------------------------------------------------------------------------------ */

int destination_open(struct destination *destination, struct job *job, const struct reference *to,
                     const struct registry_user *user, struct error *err)
{
    const struct images *images = job_self(job);

    destination->to = to;
    return outlet_for_push(&destination->outlet, job, images->config, to, user, err);
}

void destination_close(struct destination *destination)
{
    outlet_close(&destination->outlet);
}

void destination_tell(struct job *job, const struct destination *destination,
                      const struct descriptor *target, struct images_push_reply *reply)
{
    char text[REFERENCE_TEXT_SIZE];

    reply->reference = arena_str(job_arena(job), reference_text(destination->to, text));
    reply->target = target;
    if (destination->outlet.host->mirror)
        reply->host = destination->outlet.key;
}

/* Which document is to be sent. */
static int choose(struct job *job, const struct images_push_request *want,
                  const struct image_info *image, struct descriptor *target, bool *alone,
                  struct error *err)
{
    struct source source = { .job = job };
    struct platform platform;
    struct variant variant;

    *alone = false;
    if (want->platform == NULL)
        return parts_choose(job, image->target, want->has_all_platforms && want->all_platforms,
                            target, alone, err);
    if (want->has_all_platforms && want->all_platforms)
        return error_set(err, ERROR_INVALID_ARGUMENT, "either one platform or all of them");
    if (platform_wanted(want->platform, &platform, err) < 0 ||
        variant_find(&source, image->target, &platform, &variant, err) < 0)
        return -1;
    *target = variant.manifest_blob;
    return 0;
}

int image_send(struct job *job, struct destination *destination, const struct descriptor *target,
               struct images_push_reply *reply, struct error *err)
{
    struct push push = { .destination = destination };

    if (parts_find(job, target, &push.parts, err) < 0 || upload_blobs(job, &push, reply, err) < 0)
        return -1;
    return put_documents(job, &push, err);
}

static int check_tags(const struct strs *tags, struct error *err)
{
    if (tags->count > TAGS)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%zu tags: one push gives %d at most",
                         tags->count, TAGS);
    for (size_t i = 0; i < tags->count; i++)
        if (!registry_is_tag(tags->items[i]))
            return error_set(err, ERROR_INVALID_ARGUMENT, "\"%.140s\" is no tag", tags->items[i]);
    return 0;
}

/* A name with a digest is one for that document alone. */
int destination_check(const struct reference *to, const struct descriptor *target,
                      struct error *err)
{
    if (to->digest[0] == '\0' || strcmp(to->digest, target->digest) == 0)
        return 0;
    return error_set(err, ERROR_INVALID_ARGUMENT, "what is to be sent has the digest %s",
                     target->digest);
}

static int push(struct job *job, const void *in, void *out, struct error *err)
{
    const struct images_push_request *want = in;
    const struct images_get_request get = { .name = want->name };
    const struct registry_user user = REGISTRY_USER(want);
    struct images_push_reply *reply = out;
    struct descriptor *target = arena_alloc(job_arena(job), sizeof(*target));
    struct image_info image;
    struct reference to;
    CLEANUP(destination_close) struct destination destination = { .tags = want->tags };
    bool alone;

    if (call(job, &op_images_get, &get, &image, err) < 0 ||
        reference_parse(want->reference != NULL ? want->reference : image.name, &to, err) < 0)
        return -1;
    if (check_tags(&want->tags, err) < 0 || choose(job, want, &image, target, &alone, err) < 0 ||
        destination_check(&to, target, err) < 0 ||
        destination_open(&destination, job, &to, &user, err) < 0 ||
        image_send(job, &destination, target, reply, err) < 0)
        return error_wrap(err, "push %.100s", want->name);
    destination_tell(job, &destination, target, reply);
    reply->alone = reply->has_alone = alone;
    return 0;
}

int on_images_push(void *self, struct request *request, struct error *err)
{
    const struct images_push_request *in = request_body(request);

    if (in->reference != NULL && reference_allow(self, in->reference, err) < 0)
        return -1;
    return request_run(request, push, err);
}
