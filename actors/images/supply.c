/* supply — the happy path of a request is: the next host -> may it be asked now -> ask -> done. */
#include "actors/images/supply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/base/log.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/manifest.h"
#include "protocol/oci/media.h"

#define PROGRESS_BYTES (64u << 10) /* worth asking the same host again */

struct supply {
    struct arena *arena;
    char name[REFERENCE_TEXT_SIZE]; /* for messages */
    size_t count;
    struct outlet outlets[HOSTS_COUNT_MAX];
};

/* ---- open and close --------------------------------------------------------------------- */

int supply_open(struct supply **supply, struct job *job, const struct images_config *config,
                const struct reference *reference, const struct registry_user *user,
                struct error *err)
{
    struct supply *self;
    struct host_list hosts;

    if (hosts_find(config, reference->host, job_arena(job), &hosts, err) < 0)
        return -1;
    self = calloc(1, sizeof(*self));
    if (self == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for a list of hosts");
    self->arena = job_arena(job);
    reference_text(reference, self->name);
    for (size_t i = 0; i < hosts.count && i < HOSTS_COUNT_MAX; i++)
        outlet_init(&self->outlets[self->count++], &hosts.items[i], config, reference->host,
                    reference->repository, user, self->arena);
    *supply = self;
    return 0;
}

void supply_close(struct supply **supply)
{
    struct supply *self = *supply;

    *supply = NULL;
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->count; i++)
        outlet_close(&self->outlets[i]);
    free(self);
}

/* ---- one request ---------------------------------------------------------------------------- */

struct errand {
    struct supply *supply;
    struct job *job;
    const char *what; /* for the log */
    unsigned capability;
    struct visit visit;

    /* a manifest, or a list */
    const char *name;
    uint64_t size;
    const struct registry_list *list;
    struct registry_document *document;

    /* a blob */
    const struct registry_blob *blob;
    struct supply_trip *trip;
    size_t index; /* of the host that is asked */
    uint64_t at;  /* the sink has the bytes before this one */
};

static int sink(void *ctx, uint64_t at, const void *data, size_t size, struct error *err)
{
    struct errand *errand = ctx;

    errand->trip->senders |= UINT32_C(1) << errand->index;
    visit_progress(&errand->visit);
    if (errand->blob->sink(errand->blob->ctx, at, data, size, err) < 0) {
        errand->visit.ours = true;
        return -1;
    }
    errand->at = at + size;
    return 0;
}

/* A page that asks to log in to a network is no answer when there are other hosts. */
static int check_document(struct errand *errand, bool last, struct error *err)
{
    struct registry_document *document = errand->document;
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    enum media_kind kind = media_of(document->media_type).kind;
    const char *type;

    if (last || errand->capability != HOST_RESOLVE || kind == MEDIA_INDEX ||
        kind == MEDIA_MANIFEST ||
        document_media_type(document->bytes, document->size, arena, &type, err) == 0)
        return 0;
    registry_document_free(document);
    err->code = ERROR_DATA_LOSS;
    return error_wrap(err, "%.250s", errand->what);
}

static int ask(struct errand *errand, bool last, struct error *err)
{
    struct registry *registry = errand->visit.registry;
    const struct registry_caller *caller = &errand->visit.caller;
    struct registry_blob blob;

    if (errand->list != NULL)
        return registry_list(registry, caller, errand->list, errand->document, err);
    if (errand->blob == NULL)
        return registry_manifest(registry, caller, errand->name, errand->size, errand->document,
                                 err) < 0
                   ? -1
                   : check_document(errand, last, err);
    blob = *errand->blob;
    blob.offset = errand->at;
    blob.sink = sink;
    blob.ctx = errand;
    return registry_blob(registry, caller, &blob, err);
}

static bool may_be_asked(const struct outlet *outlet, unsigned capability)
{
    return (outlet->host->capabilities & capability) != 0 && !atomic_load(&outlet->liar);
}

static bool is_last(const struct errand *errand, size_t index)
{
    for (size_t i = index + 1; i < errand->supply->count; i++)
        if (may_be_asked(&errand->supply->outlets[i], errand->capability))
            return false;
    return true;
}

static int try_once(struct errand *errand, struct outlet *outlet, bool last, struct error *err)
{
    if (visit_begin(&errand->visit, outlet, errand->job, last, err) < 0)
        return error_wrap(err, "%.200s", errand->what);
    log_debug("images", "%s: asking %s", errand->what, outlet->key);
    return visit_end(&errand->visit, ask(errand, last, err), err);
}

/* A host that breaks off is asked for the rest as long as something comes. */
static int try_host(struct errand *errand, struct outlet *outlet, bool last, struct error *err)
{
    uint64_t before;

    do {
        before = errand->at;
        if (try_once(errand, outlet, last, err) == 0)
            return 0;
    } while (!errand->visit.ours && err->code == ERROR_UNAVAILABLE &&
             errand->at >= before + PROGRESS_BYTES);
    return -1;
}

static const char *verb(unsigned capability)
{
    return capability == HOST_RESOLVE ? "resolve tags" : "pull";
}

static int nobody(const struct errand *errand, struct error *err)
{
    const struct supply *supply = errand->supply;

    error_set(err, ERROR_FAILED_PRECONDITION, "%s: none of its hosts may be asked to %s (%s)",
              errand->what, verb(errand->capability), supply->outlets[0].host->origin);
    return error_hint(err, "gantry registry explain %.80s", supply->name);
}

static int each_host(struct errand *errand, struct error *err)
{
    struct supply *supply = errand->supply;
    size_t asked = 0;

    for (errand->index = 0; errand->index < supply->count; errand->index++) {
        struct outlet *outlet = &supply->outlets[errand->index];
        bool last = is_last(errand, errand->index);

        if (!may_be_asked(outlet, errand->capability))
            continue;
        *err = (struct error){ 0 };
        if (try_host(errand, outlet, last, err) == 0)
            return 0;
        if (errand->visit.ours)
            return -1;
        asked++;
        log_debug("images", "%s%s", err->text, last ? "" : "; the next host is asked");
    }
    if (asked == 0)
        return nobody(errand, err);
    if (asked > 1 && err->hint[0] == '\0')
        error_hint(err, "%zu hosts were asked: gantry registry explain %.60s", asked, supply->name);
    return -1;
}

/* ---- the calls ------------------------------------------------------------------------------ */

int supply_list(struct supply *supply, struct job *job, const struct registry_list *list,
                struct registry_document *out, struct error *err)
{
    char what[REFERENCE_TEXT_SIZE + 200];
    struct errand errand = { .supply = supply,
                             .job = job,
                             .what = what,
                             .capability = HOST_RESOLVE,
                             .list = list,
                             .document = out };

    snprintf(what, sizeof(what), "%.300s: %s", supply->name,
             list->subject != NULL ? "referrers" : "tags");
    return each_host(&errand, err);
}

int supply_manifest(struct supply *supply, struct job *job, const char *tag_or_digest,
                    uint64_t size, struct registry_document *out, struct error *err)
{
    bool by_digest = digest_is_usable(tag_or_digest);
    char what[REFERENCE_TEXT_SIZE + 200];
    struct errand errand = { .supply = supply,
                             .job = job,
                             .what = what,
                             .capability = by_digest ? HOST_PULL : HOST_RESOLVE,
                             .name = tag_or_digest,
                             .size = size,
                             .document = out };

    snprintf(what, sizeof(what), "%.300s: %s %.100s", supply->name, by_digest ? "manifest" : "tag",
             tag_or_digest);
    return each_host(&errand, err);
}

int supply_blob(struct supply *supply, struct job *job, const struct registry_blob *blob,
                struct supply_trip *trip, struct error *err)
{
    char what[REFERENCE_TEXT_SIZE + 200];
    struct errand errand = { .supply = supply,
                             .job = job,
                             .what = what,
                             .capability = HOST_PULL,
                             .blob = blob,
                             .trip = trip,
                             .at = blob->offset };

    snprintf(what, sizeof(what), "%.300s: blob %.19s", supply->name, blob->digest);
    return each_host(&errand, err);
}

bool supply_distrust(struct supply *supply, const struct supply_trip *trip)
{
    struct outlet *liar = supply->outlets;

    if (trip->senders == 0)
        return false;
    while ((trip->senders >> (liar - supply->outlets) & 1) == 0)
        liar++;
    atomic_store(&liar->liar, true);
    for (size_t i = 0; i < supply->count; i++)
        if (may_be_asked(&supply->outlets[i], HOST_PULL)) {
            log_warn("images",
                     "%s: %s sends other bytes than it was asked for; it is not asked again",
                     supply->name, liar->key);
            return true;
        }
    return false;
}
