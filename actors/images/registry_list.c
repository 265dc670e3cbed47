/* registry_list — the daemon's end of lists and of removing; what comes is read as any stranger's
 * document. */
#include <stdio.h>
#include <string.h>

#include "actors/images/exchange.h"
#include "actors/images/registry_options.h"
#include "platform/scope.h"

/* All that comes is one document, and there is something of it. */
static int take_document(struct registry *registry, const struct registry_caller *caller,
                         const char *what, const struct fetch_ask *ask,
                         struct registry_document *out, struct error *err)
{
    CLEANUP(intake_drop) struct intake intake = { .what = what, .most = REGISTRY_DOCUMENT_MAX };
    CLEANUP(exchange_drop)
    struct exchange exchange = exchange_of(registry, caller, what);

    exchange.data = on_document;
    exchange.ctx = &intake;
    if (converse(&exchange, ask, err) < 0)
        return -1;
    if (intake.used == 0)
        return error_set(err, ERROR_INTERNAL, "%s: gantry-fetch says nothing", what);
    intake_give(&intake, out);
    return 0;
}

int registry_list(struct registry *registry, const struct registry_caller *caller,
                  const struct registry_list *list, struct registry_document *out,
                  struct error *err)
{
    const struct fetch_ask ask = { .what = "list",
                                   .name = list->subject != NULL ? list->subject : "tags",
                                   .artifact_type = list->artifact_type,
                                   .after = list->after,
                                   SET(limit, list->limit) };
    char what[WHAT_SIZE];

    memset(out, 0, sizeof(*out));
    if (registry_list_check(list, err) < 0)
        return -1;
    snprintf(what, sizeof(what), "%s of %s", list->subject != NULL ? "referrers" : "tags",
             registry->repository);
    return take_document(registry, caller, what, &ask, out, err);
}

int registry_certificates(struct registry *registry, const struct registry_caller *caller,
                          struct registry_document *out, struct error *err)
{
    const struct fetch_ask ask = { .what = "certificates", .name = registry->host };
    char what[WHAT_SIZE];

    memset(out, 0, sizeof(*out));
    snprintf(what, sizeof(what), "certificates for %.280s", registry->host);
    return take_document(registry, caller, what, &ask, out, err);
}

int registry_delete(struct registry *registry, const struct registry_caller *caller,
                    const char *tag_or_digest, bool blob, struct error *err)
{
    const struct fetch_ask ask = { .what = "delete", .name = tag_or_digest, SET(blob, blob) };
    char what[WHAT_SIZE] = "";
    CLEANUP(exchange_drop)
    struct exchange exchange = exchange_of(registry, caller, what);

    if (registry_delete_check(tag_or_digest, blob, err) < 0)
        return -1;
    snprintf(what, sizeof(what), "%s %s%s%s", blob ? "blob" : "image", registry->repository,
             digest_is_usable(tag_or_digest) ? "@" : ":", tag_or_digest);
    return converse(&exchange, &ask, err);
}
