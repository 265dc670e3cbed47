/*
 * registry_manifest — documents: small, fetched whole, verified before they are handed out.
 *
 * The happy path is one GET.  A document is refused by its announced size before memory is
 * taken, and where no size is announced, as soon as it passes the limit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/images/registry/fetch.h"
#include "actors/images/registry_options.h"
#include "platform/scope.h"
#include "protocol/oci/digest.h"
#include "protocol/oci/media.h"

/* All that is known, and the rest: artifacts are stored as they are. */
#define ACCEPT                                                                                 \
    MEDIA_OCI_INDEX ", " MEDIA_OCI_MANIFEST ", " MEDIA_DOCKER_INDEX ", " MEDIA_DOCKER_MANIFEST \
                    ", " MEDIA_OCI_CONFIG ", " MEDIA_DOCKER_CONFIG ", */*;q=0.5"

struct intake {
    const char *what;
    uint64_t size; /* what the descriptor says; 0: nothing */
    char *bytes;
    size_t used, room;
};

static int too_large(const struct intake *intake, struct error *err)
{
    return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: the document is larger than %u MiB",
                     intake->what, REGISTRY_DOCUMENT_MAX >> 20);
}

static int wrong_size(const struct intake *intake, struct error *err)
{
    return error_set(err, ERROR_DATA_LOSS,
                     "%s: the registry's document is not the %llu bytes "
                     "its descriptor says",
                     intake->what, (unsigned long long)intake->size);
}

static int reserve(struct intake *intake, size_t room, struct error *err)
{
    char *bytes = realloc(intake->bytes, room + 1);

    if (bytes == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "%s: no memory for it", intake->what);
    intake->bytes = bytes;
    intake->room = room;
    return 0;
}

static int on_begin(void *ctx, const struct http_answer *answer, struct error *err)
{
    struct intake *intake = ctx;
    uint64_t length = answer->length > 0 ? (uint64_t)answer->length : 0;

    intake->used = 0;
    if (answer->status != 200)
        return error_set(err, ERROR_UNKNOWN, "%s: the registry answers with status %d",
                         intake->what, answer->status);
    if (length > REGISTRY_DOCUMENT_MAX)
        return too_large(intake, err);
    if (answer->length >= 0 && intake->size > 0 && length != intake->size)
        return wrong_size(intake, err);
    return reserve(intake, length > 0 ? (size_t)length : 4096, err);
}

static int on_data(void *ctx, const void *data, size_t size, struct error *err)
{
    struct intake *intake = ctx;
    size_t room = intake->room;

    if (size > REGISTRY_DOCUMENT_MAX - intake->used)
        return too_large(intake, err);
    if (intake->size > 0 && intake->used + size > intake->size)
        return wrong_size(intake, err);
    while (room < intake->used + size)
        room *= 2;
    if (room > intake->room && reserve(intake, room, err) < 0)
        return -1;
    memcpy(intake->bytes + intake->used, data, size);
    intake->used += size;
    return 0;
}

/* ---- verifying ---------------------------------------------------------------------- */

/* By the digest asked for, else by the one the registry named, else by sha256. */
static int verify(const struct intake *intake, const char *name, const struct http_answer *answer,
                  char out[DIGEST_TEXT_SIZE], struct error *err)
{
    const char *want = digest_is_usable(name) ? name : answer->digest;
    char named[DIGEST_TEXT_SIZE];

    if (*want == '\0')
        return digest_of("sha256", intake->bytes, intake->used, out, err);
    if (!digest_is_usable(want))
        return error_set(err, ERROR_DATA_LOSS,
                         "%s: the registry names a digest that cannot be verified: %s",
                         intake->what, plain_text(want, strlen(want), named, sizeof(named)));
    if (digest_of(want, intake->bytes, intake->used, out, err) < 0)
        return error_wrap(err, "%.120s", intake->what);
    if (strcmp(out, want) != 0)
        return error_set(err, ERROR_DATA_LOSS, "%s: what the registry sends has another digest: %s",
                         intake->what, out);
    return 0;
}

static int finish(struct intake *intake, const char *name, const struct http_answer *answer,
                  struct registry_document *out, struct error *err)
{
    if (intake->used == 0)
        return error_set(err, ERROR_DATA_LOSS, "%s: the registry's document is empty",
                         intake->what);
    if (intake->size > 0 && intake->used != intake->size)
        return wrong_size(intake, err);
    if (verify(intake, name, answer, out->digest, err) < 0)
        return -1;
    snprintf(out->media_type, sizeof(out->media_type), "%s", answer->type);
    out->bytes = intake->bytes;
    out->size = intake->used;
    out->bytes[out->size] = '\0';
    intake->bytes = NULL;
    return 0;
}

/* ---- the call ------------------------------------------------------------------------- */

static void intake_drop(struct intake *intake)
{
    free(intake->bytes);
}

int registry_manifest(struct registry *registry, const struct registry_caller *caller,
                      const char *tag_or_digest, uint64_t size, struct registry_document *out,
                      struct error *err)
{
    bool by_digest = digest_is_usable(tag_or_digest), may_pass;
    struct retry retry = { .options = &registry->options };
    CLEANUP(line_drop) struct line line = { 0 };
    CLEANUP(intake_drop) struct intake intake = { .size = size };
    char what[700];
    struct fetch fetch = { .what = what,
                           .kind = "manifests",
                           .name = tag_or_digest,
                           .accept = ACCEPT,
                           .begin = on_begin,
                           .data = on_data,
                           .ctx = &intake };

    memset(out, 0, sizeof(*out));
    if (!by_digest && !registry_is_tag(tag_or_digest))
        return error_set(err, ERROR_INVALID_ARGUMENT, "\"%.140s\" is neither tag nor digest",
                         tag_or_digest);
    snprintf(what, sizeof(what), "image %s/%s%s%s", registry_named(&registry->options),
             registry->options.repository, by_digest ? "@" : ":", tag_or_digest);
    intake.what = what;
    if (size > REGISTRY_DOCUMENT_MAX)
        return too_large(&intake, err);
    if (line_take(registry, &line, err) < 0)
        return -1;
    while (fetch_try(&line, &fetch, caller, &may_pass, err) < 0)
        if (!may_pass || retry_wait(&retry, line.http, caller, err) < 0)
            return -1;
    return finish(&intake, tag_or_digest, http_answer(line.http), out, err);
}
