/*
 * registry_send — the daemon's end of what goes to registries.
 *
 * gantry-fetch gets the open file and reads it itself.  What it says of the outcome cannot be
 * checked here, and need not be: a registry that has something else has another digest for it, and
 * whoever pulls sees that.
 */
#include <stdio.h>
#include <string.h>

#include "actors/images/exchange.h"
#include "actors/images/registry_options.h"
#include "platform/scope.h"

static void on_sent(void *ctx, uint64_t done)
{
    const struct registry_upload *upload = ctx;

    if (upload->progress != NULL)
        upload->progress(upload->ctx, done < upload->size ? done : upload->size);
}

static enum registry_sent sent_of(const char *word)
{
    static const char *const words[] = { "nothing", "mounted", "bytes", "wanted" };

    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (word != NULL && strcmp(word, words[i]) == 0)
            return (enum registry_sent)i;
    return SENT_BYTES;
}

int registry_upload(struct registry *registry, const struct registry_caller *caller,
                    const struct registry_upload *upload, enum registry_sent *sent,
                    struct error *err)
{
    const struct fetch_ask ask = { .what = "upload",
                                   .name = upload->digest,
                                   .size = upload->size,
                                   .mount = upload->mount,
                                   SET(look, upload->file < 0),
                                   SET(big, upload->big),
                                   SET(chunk, upload->chunk) };
    char what[WHAT_SIZE] = "";
    CLEANUP(exchange_drop)
    struct exchange exchange = exchange_of(registry, caller, what);

    exchange.sent = on_sent;
    exchange.ctx = (void *)(uintptr_t)upload;
    exchange.file = upload->file;
    if (registry_upload_check(upload, err) < 0)
        return -1;
    snprintf(what, sizeof(what), "blob %.19s to %s", upload->digest, registry->repository);
    if (converse(&exchange, &ask, err) < 0)
        return -1;
    *sent = sent_of(exchange.end.sent);
    return 0;
}

int registry_put(struct registry *registry, const struct registry_caller *caller,
                 const struct registry_put *put, struct registry_kept *kept, struct error *err)
{
    const struct fetch_ask ask = { .what = "put",
                                   .name = put->name,
                                   .size = put->size,
                                   .digest = put->digest,
                                   .media_type = put->media_type,
                                   .tags = put->tags,
                                   SET(only_missing, put->only_missing) };
    char what[WHAT_SIZE] = "";
    CLEANUP(exchange_drop)
    struct exchange exchange = exchange_of(registry, caller, what);

    exchange.file = put->file;
    if (registry_put_check(put, err) < 0 || what_image(registry, put->name, what, err) < 0)
        return -1;
    if (converse(&exchange, &ask, err) < 0)
        return -1;
    kept->subject = exchange.end.has_subject && exchange.end.subject;
    kept->tags = exchange.end.has_tags ? exchange.end.tags : 0;
    return 0;
}
