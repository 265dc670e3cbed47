/*
 * registry — the daemon's end: what registry.h promises is done by gantry-fetch, and believed
 * only as far as it can be checked here (exchange.h).  Here is what is fetched; registry_send.c has
 * what is sent.
 */
#include "actors/images/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/exchange.h"
#include "actors/images/registry_options.h"
#include "platform/scope.h"
#include "protocol/oci/shown.h"

int registry_open(struct registry **registry, const struct registry_options *options,
                  struct error *err)
{
    struct registry *self;

    if (registry_options_check(options, err) < 0)
        return -1;
    self = calloc(1, sizeof(*self));
    if (self == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for a registry");
    snprintf(self->host, sizeof(self->host), "%s", registry_host_of(options->host));
    self->askable = options->askable;
    snprintf(self->name, sizeof(self->name), "%s", options->host);
    snprintf(self->named, sizeof(self->named), "%s", registry_named(options));
    snprintf(self->repository, sizeof(self->repository), "%s/%s", registry_named(options),
             options->repository != NULL ? options->repository : "");
    if (fetcher_start(&self->fetcher, options, err) < 0) {
        free(self);
        return -1;
    }
    *registry = self;
    return 0;
}

void registry_close(struct registry **registry)
{
    struct registry *self = *registry;

    *registry = NULL;
    if (self == NULL)
        return;
    fetcher_stop(&self->fetcher);
    free(self);
}

const char *registry_host(const struct registry *registry)
{
    return registry->host;
}

/* ---- manifests ------------------------------------------------------------------------ */

/* Once more what the other end has done, in a process that has listened to no stranger. */
static int verify(const struct intake *intake, const char *name, const struct fetch_end *end,
                  struct registry_document *out, struct error *err)
{
    const char *named = end->digest != NULL ? end->digest : "";
    const char *want = digest_is_usable(name) ? name : named;
    const char *type = end->media_type != NULL ? end->media_type : "";

    if (intake->used == 0 || !digest_is_usable(want) || !registry_is_media_type(type))
        return error_set(err, ERROR_INTERNAL, "%s: gantry-fetch says nonsense about it",
                         intake->what);
    if (digest_of(want, intake->bytes, intake->used, out->digest, err) < 0)
        return error_wrap(err, "%.120s", intake->what);
    if (strcmp(out->digest, want) != 0)
        return error_set(err, ERROR_DATA_LOSS, "%s: what comes through gantry-fetch hashes to %s",
                         intake->what, out->digest);
    snprintf(out->media_type, sizeof(out->media_type), "%s", type);
    return 0;
}

static int too_large(const char *what, struct error *err)
{
    return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: the document is larger than %u MiB", what,
                     REGISTRY_DOCUMENT_MAX >> 20);
}

int registry_manifest(struct registry *registry, const struct registry_caller *caller,
                      const char *tag_or_digest, uint64_t size, struct registry_document *out,
                      struct error *err)
{
    const struct fetch_ask ask = { .what = "manifest", .name = tag_or_digest, .size = size };
    char what[WHAT_SIZE] = "";
    CLEANUP(intake_drop)
    struct intake intake = { .what = what, .most = size > 0 ? size : REGISTRY_DOCUMENT_MAX };
    CLEANUP(exchange_drop)
    struct exchange exchange = exchange_of(registry, caller, what);

    memset(out, 0, sizeof(*out));
    exchange.data = on_document;
    exchange.ctx = &intake;
    if (what_image(registry, tag_or_digest, what, err) < 0)
        return -1;
    if (size > REGISTRY_DOCUMENT_MAX)
        return too_large(what, err);
    if (converse(&exchange, &ask, err) < 0 ||
        verify(&intake, tag_or_digest, &exchange.end, out, err) < 0)
        return -1;
    if (size > 0 && intake.used != size)
        return error_set(err, ERROR_DATA_LOSS, "%s: %zu bytes came, its descriptor says %llu", what,
                         intake.used, (unsigned long long)size);
    intake_give(&intake, out);
    return 0;
}

/* ---- blobs ------------------------------------------------------------------------------ */

struct transfer {
    const char *what;
    const struct registry_blob *blob;
    uint64_t at; /* the sink has the bytes before this one */
};

static int on_bytes(void *ctx, uint64_t at, const struct bin *bytes, struct error *err)
{
    struct transfer *transfer = ctx;
    const struct registry_blob *blob = transfer->blob;
    uint64_t end = blob->part ? blob->until : blob->size;

    if ((at != transfer->at && (at != 0 || blob->part)) || bytes->size > end - at)
        return error_set(err, ERROR_INTERNAL, "%s: gantry-fetch sends bytes that are not its",
                         transfer->what);
    if (blob->sink(blob->ctx, at, bytes->data, bytes->size, err) < 0)
        return -1;
    transfer->at = at + bytes->size;
    return 0;
}

int registry_blob(struct registry *registry, const struct registry_caller *caller,
                  const struct registry_blob *blob, struct error *err)
{
    const struct fetch_ask ask = {
        .what = "blob",
        .name = blob->digest,
        .size = blob->size,
        SET(offset, blob->offset),
        .until = blob->until,
        .has_until = blob->until > 0,
        SET(part, blob->part),
    };
    uint64_t end = blob->until > 0 ? blob->until : blob->size;
    char what[WHAT_SIZE] = "";
    struct transfer transfer = { .what = what, .blob = blob, .at = blob->offset };
    CLEANUP(exchange_drop)
    struct exchange exchange = exchange_of(registry, caller, what);

    exchange.data = on_bytes;
    exchange.ctx = &transfer;
    if (registry_blob_check(blob, err) < 0)
        return -1;
    if (blob->offset >= end)
        return 0;
    snprintf(what, sizeof(what), "blob %.19s of %s", blob->digest, registry->repository);
    if (converse(&exchange, &ask, err) < 0)
        return -1;
    if (transfer.at < end)
        return error_set(err, ERROR_INTERNAL, "%s: gantry-fetch ends after %llu of %llu bytes",
                         what, (unsigned long long)transfer.at, (unsigned long long)end);
    return 0;
}

/* ---- logging in ------------------------------------------------------------------------- */

static int take_login(const struct fetch_end *end, struct registry_login *out, struct error *err)
{
    const char *token = end->identity_token;
    size_t size = token != NULL ? strlen(token) : 0;

    out->asked = end->has_asked && end->asked;
    if (size == 0)
        return 0;
    out->identity_token = calloc(1, size + 1);
    if (out->identity_token == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for a token");
    memcpy(out->identity_token, token, size);
    memory_wipe((char *)(uintptr_t)token, size);
    return 0;
}

int registry_login(struct registry *registry, const struct registry_caller *caller,
                   struct registry_login *out, struct error *err)
{
    const struct fetch_ask ask = { .what = "login", .name = registry->host };
    char what[WHAT_SIZE] = "";
    CLEANUP(exchange_drop)
    struct exchange exchange = exchange_of(registry, caller, what);

    *out = (struct registry_login){ 0 };
    snprintf(what, sizeof(what), "login to %.280s", registry->host);
    return converse(&exchange, &ask, err) < 0 ? -1 : take_login(&exchange.end, out, err);
}
