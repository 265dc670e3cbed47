/* supply — the happy path of a request is: the next host -> may it be asked now -> ask -> done. */
#include "actors/images/supply.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/base/log.h"
#include "actors/images/health.h"
#include "actors/images/hosts.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/manifest.h"
#include "protocol/oci/media.h"

#define PROGRESS_BYTES (64u << 10) /* worth asking the same host again */

struct outlet {
    const struct host *host;
    const char *key; /* of its health */
    struct registry_options options;
    _Atomic(struct registry *) registry; /* NULL: not needed yet */
    atomic_bool liar;                    /* sent something else than was asked for */
};

struct supply {
    struct arena *arena;
    char name[REFERENCE_TEXT_SIZE]; /* for messages */
    size_t count;
    struct outlet outlets[HOSTS_COUNT_MAX];
};

/* ---- open and close --------------------------------------------------------------------- */

/* Each host its own, and no other's. */
static void add_credentials(const struct images_pull_request *want, const struct host *host,
                            struct registry_options *options)
{
    const struct host_credentials *mirrors = want->mirrors.items;

    if (!host->mirror) {
        options->username = want->username;
        options->password = want->password;
        options->identity_token = want->identity_token;
        options->registry_token = want->registry_token;
        return;
    }
    for (size_t i = 0; i < want->mirrors.count; i++)
        if (strcmp(mirrors[i].host, host->name) == 0) {
            options->username = mirrors[i].username;
            options->password = mirrors[i].password;
            options->identity_token = mirrors[i].identity_token;
            options->registry_token = mirrors[i].registry_token;
        }
}

static void add_outlet(struct supply *supply, const struct host *host,
                       const struct images_config *config, const struct reference *reference,
                       const struct images_pull_request *want)
{
    struct outlet *outlet = &supply->outlets[supply->count++];

    outlet->host = host;
    outlet->key = host_key(host, supply->arena);
    host_options(host, reference->host, config, supply->arena, &outlet->options);
    outlet->options.repository = reference->repository;
    add_credentials(want, host, &outlet->options);
}

int supply_open(struct supply **supply, struct job *job, const struct images_config *config,
                const struct reference *reference, const struct images_pull_request *want,
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
        add_outlet(self, &hosts.items[i], config, reference, want);
    *supply = self;
    return 0;
}

void supply_close(struct supply **supply)
{
    struct supply *self = *supply;

    *supply = NULL;
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->count; i++) {
        struct registry *registry = atomic_load(&self->outlets[i].registry);

        registry_close(&registry);
    }
    free(self);
}

/* Of two threads that open it at the same time one is too late. */
static struct registry *outlet_open(struct outlet *outlet, bool last, struct error *err)
{
    struct registry *registry = atomic_load(&outlet->registry), *none = NULL;
    struct registry_options options = outlet->options;

    if (registry != NULL)
        return registry;
    options.tries = last ? 0 : 1; /* what may pass is tried again elsewhere first */
    if (registry_open(&registry, &options, err) < 0)
        return NULL;
    if (atomic_compare_exchange_strong(&outlet->registry, &none, registry))
        return registry;
    registry_close(&registry);
    return none;
}

/* ---- one request ---------------------------------------------------------------------------- */

struct errand {
    struct supply *supply;
    struct job *job;
    const char *what; /* for the log */
    unsigned capability;
    bool ours; /* the error is ours, no host's */
    struct health_visit visit;

    /* a manifest */
    const char *name;
    uint64_t size;
    struct registry_document *document;

    /* a blob */
    const struct registry_blob *blob;
    struct supply_trip *trip;
    size_t index; /* of the host that is asked */
    uint64_t at;  /* the sink has the bytes before this one */
};

static int check(void *ctx, struct error *err)
{
    struct errand *errand = ctx;

    if (job_check(errand->job, err) == 0)
        return 0;
    errand->ours = true;
    return -1;
}

static void note(void *ctx, const char *text)
{
    const struct errand *errand = ctx;

    log_debug("images", "%s: %s", errand->supply->outlets[errand->index].key, text);
}

static int sink(void *ctx, uint64_t at, const void *data, size_t size, struct error *err)
{
    struct errand *errand = ctx;

    errand->trip->senders |= UINT32_C(1) << errand->index;
    health_answers(&errand->visit);
    errand->visit.began = clock_monotonic();
    if (errand->blob->sink(errand->blob->ctx, at, data, size, err) < 0) {
        errand->ours = true;
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

static int ask(struct errand *errand, struct registry *registry, bool last, struct error *err)
{
    const struct registry_caller caller = { .check = check, .note = note, .ctx = errand };
    struct registry_blob blob;

    if (errand->blob == NULL)
        return registry_manifest(registry, &caller, errand->name, errand->size, errand->document,
                                 err) < 0
                   ? -1
                   : check_document(errand, last, err);
    blob = *errand->blob;
    blob.offset = errand->at;
    blob.sink = sink;
    blob.ctx = errand;
    return registry_blob(registry, &caller, &blob, err);
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
    struct registry *registry = outlet_open(outlet, last, err);
    int result;

    if (registry == NULL) {
        errand->ours = true;
        return -1;
    }
    if (health_enter(&errand->visit, errand->job, outlet->key, last, err) < 0) {
        errand->ours = job_check(errand->job, &(struct error){ 0 }) < 0;
        return error_wrap(err, "%.200s", errand->what);
    }
    log_debug("images", "%s: asking %s", errand->what, outlet->key);
    result = ask(errand, registry, last, err);
    if (errand->ours)
        health_give_up(&errand->visit);
    else
        health_leave(&errand->visit, result < 0 ? err : NULL);
    return result;
}

/* A host that breaks off is asked for the rest as long as something comes. */
static int try_host(struct errand *errand, struct outlet *outlet, bool last, struct error *err)
{
    uint64_t before;

    do {
        before = errand->at;
        if (try_once(errand, outlet, last, err) == 0)
            return 0;
    } while (!errand->ours && err->code == ERROR_UNAVAILABLE &&
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
        if (errand->ours)
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
