/*
 * registry_blob — large things: streamed, resumed where they broke off, never longer than told.
 *
 * The happy path is one GET, of all or of a part, whose bytes go to the sink as they come. Possible
 * failures are: the connection breaks (go on from there), the range is ignored (drop the part that
 * is here already), the answer begins elsewhere (ask for the whole from now on), the registry knows
 * fewer bytes than are here (begin anew), it has more or fewer than the descriptor says (that is
 * another blob: the end).  Tries are counted without progress between them, and a few bytes
 * are no progress: a registry that sends one per connection would keep us for ever.
 */
#include <stdio.h>

#include "actors/images/registry/fetch.h"
#include "actors/images/registry_options.h"
#include "platform/scope.h"
#include "protocol/oci/digest.h"

#define PROGRESS_BYTES (64u << 10)

struct transfer {
    const char *what;
    const struct registry_blob *blob;
    uint64_t at;   /* the sink has the bytes before this one */
    uint64_t end;  /* and wants those before this one */
    uint64_t best; /* where counting of tries last began anew */
    uint64_t skip; /* bytes of this answer that are here already */
    bool whole;    /* ranges do not work here: all is asked for */
    bool again;    /* the answer was of no use, another request may be */
};

static unsigned long long u(uint64_t value)
{
    return value;
}

static int wrong_size(const struct transfer *transfer, uint64_t has, struct error *err)
{
    return error_set(err, ERROR_DATA_LOSS,
                     "%s: the registry has %llu bytes, its descriptor says "
                     "%llu",
                     transfer->what, u(has), u(transfer->blob->size));
}

static int no_parts(const struct transfer *transfer, struct error *err)
{
    return error_set(err, ERROR_UNIMPLEMENTED, "%s: the registry does not send a part of it",
                     transfer->what);
}

static bool is_asked_for_part(const struct transfer *transfer)
{
    return !transfer->whole && (transfer->at > 0 || transfer->end < transfer->blob->size);
}

static int begin_part(struct transfer *transfer, const struct http_answer *answer,
                      struct error *err)
{
    uint64_t size = transfer->blob->size;

    if (answer->has_range && answer->range_total >= 0 && (uint64_t)answer->range_total != size)
        return wrong_size(transfer, (uint64_t)answer->range_total, err);
    if (is_asked_for_part(transfer) && answer->has_range && answer->range_first == transfer->at &&
        answer->range_last < (transfer->blob->part ? transfer->end : size)) {
        if (answer->range_last >= transfer->end)
            transfer->end = answer->range_last + 1;
        return 0;
    }
    if (transfer->blob->part)
        return no_parts(transfer, err);
    transfer->whole = transfer->again = true;
    return error_set(err, ERROR_UNKNOWN, "%s: the registry sends another range than was asked for",
                     transfer->what);
}

static int begin_whole(struct transfer *transfer, const struct http_answer *answer,
                       struct error *err)
{
    if (transfer->blob->part)
        return no_parts(transfer, err);
    transfer->end = transfer->blob->size;
    if (answer->length >= 0 && (uint64_t)answer->length != transfer->blob->size)
        return wrong_size(transfer, (uint64_t)answer->length, err);
    transfer->skip = transfer->at;
    return 0;
}

static int on_begin(void *ctx, const struct http_answer *answer, struct error *err)
{
    struct transfer *transfer = ctx;

    if (answer->status == 206)
        return begin_part(transfer, answer, err);
    if (answer->status == 200)
        return begin_whole(transfer, answer, err);
    return error_set(err, ERROR_UNKNOWN, "%s: the registry answers with status %d", transfer->what,
                     answer->status);
}

static int on_data(void *ctx, const void *data, size_t size, struct error *err)
{
    struct transfer *transfer = ctx;
    const struct registry_blob *blob = transfer->blob;
    size_t known = size < transfer->skip ? size : (size_t)transfer->skip;

    transfer->skip -= known;
    size -= known;
    if (size == 0)
        return 0;
    if (size > transfer->end - transfer->at)
        return error_set(err, ERROR_DATA_LOSS,
                         "%s: the registry sends more than the %llu bytes "
                         "%s",
                         transfer->what, u(transfer->end),
                         transfer->end == blob->size ? "its descriptor says" : "of its range");
    if (blob->sink(blob->ctx, transfer->at, (const char *)data + known, size, err) < 0)
        return -1;
    transfer->at += size;
    return 0;
}

/* One try; 0 when all bytes are here. */
static int try_once(struct transfer *transfer, struct line *line,
                    const struct registry_caller *caller, bool *may_pass, struct error *err)
{
    struct fetch fetch = { .what = transfer->what,
                           .kind = "blobs",
                           .name = transfer->blob->digest,
                           .from = transfer->whole ? 0 : transfer->at,
                           .until = transfer->whole || transfer->end == transfer->blob->size
                                        ? 0
                                        : transfer->end,
                           .begin = on_begin,
                           .data = on_data,
                           .ctx = transfer };
    int rc;

    transfer->skip = 0;
    transfer->again = false;
    rc = fetch_try(line, &fetch, caller, may_pass, err);
    if (transfer->at == transfer->end && (rc == 0 || *may_pass))
        return 0;
    if (rc == 0) {
        *may_pass = true;
        return error_set(err, ERROR_DATA_LOSS, "%s: the registry ends after %llu of %llu bytes",
                         transfer->what, u(transfer->at), u(transfer->end));
    }
    if (http_answer(line->http)->status == 416 && transfer->blob->part)
        return no_parts(transfer, err);
    if (http_answer(line->http)->status == 416 && transfer->at > 0) {
        transfer->at = 0;
        *may_pass = true;
    }
    if (transfer->again)
        *may_pass = true;
    return -1;
}

static void count_progress(struct transfer *transfer, struct retry *retry)
{
    if (transfer->at < transfer->best + PROGRESS_BYTES)
        return;
    transfer->best = transfer->at;
    retry_progress(retry);
}

int registry_blob(struct registry *registry, const struct registry_caller *caller,
                  const struct registry_blob *blob, struct error *err)
{
    struct retry retry = { .options = &registry->options };
    CLEANUP(line_drop) struct line line = { 0 };
    char what[700];
    struct transfer transfer = {
        .what = what,
        .blob = blob,
        .at = blob->offset,
        .best = blob->offset,
        .end = blob->until > 0 ? blob->until : blob->size,
    };
    bool may_pass;

    if (registry_blob_check(blob, err) < 0)
        return -1;
    if (blob->offset >= transfer.end)
        return 0;
    snprintf(what, sizeof(what), "blob %.19s of %s/%s", blob->digest,
             registry_named(&registry->options), registry->options.repository);
    if (line_take(registry, &line, err) < 0)
        return -1;
    while (try_once(&transfer, &line, caller, &may_pass, err) < 0) {
        count_progress(&transfer, &retry);
        if (!may_pass || retry_wait(&retry, line.http, caller, err) < 0)
            return -1;
    }
    return 0;
}
