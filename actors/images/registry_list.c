/* registry_list — the daemon's end of lists and of removing; what comes is read as any stranger's
 * document. */
#include <stdio.h>
#include <string.h>

#include "actors/images/exchange.h"
#include "actors/images/registry_options.h"
#include "platform/scope.h"

static int check_list(const struct registry_list *list, struct error *err)
{
    if (list->subject != NULL && !digest_is_usable(list->subject))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "\"%.140s\" is no digest that can be verified", list->subject);
    return 0;
}

int registry_list(struct registry *registry, const struct registry_caller *caller,
                  const struct registry_list *list, struct registry_document *out,
                  struct error *err)
{
    const struct fetch_ask ask = { .what = "list",
                                   .name = list->subject != NULL ? list->subject : "tags",
                                   .artifact_type = list->artifact_type };
    char what[700];
    CLEANUP(intake_drop) struct intake intake = { .what = what, .most = REGISTRY_DOCUMENT_MAX };
    CLEANUP(exchange_drop)
    struct exchange exchange = { .registry = registry,
                                 .caller = caller,
                                 .what = what,
                                 .channel = -1,
                                 .data = on_document,
                                 .ctx = &intake };

    memset(out, 0, sizeof(*out));
    if (check_list(list, err) < 0)
        return -1;
    snprintf(what, sizeof(what), "%s of %s", list->subject != NULL ? "referrers" : "tags",
             registry->repository);
    if (converse(&exchange, &ask, err) < 0)
        return -1;
    if (intake.used == 0)
        return error_set(err, ERROR_INTERNAL, "%s: gantry-fetch says nothing", what);
    out->bytes = intake.bytes;
    out->size = intake.used;
    out->bytes[out->size] = '\0';
    intake.bytes = NULL;
    return 0;
}

int registry_delete(struct registry *registry, const struct registry_caller *caller,
                    const char *tag_or_digest, struct error *err)
{
    const struct fetch_ask ask = { .what = "delete", .name = tag_or_digest };
    bool by_digest = digest_is_usable(tag_or_digest);
    char what[700];
    CLEANUP(exchange_drop)
    struct exchange exchange = { .registry = registry,
                                 .caller = caller,
                                 .what = what,
                                 .channel = -1,
                                 .data = on_nothing,
                                 .ctx = what };

    if (!by_digest && !registry_is_tag(tag_or_digest))
        return error_set(err, ERROR_INVALID_ARGUMENT, "\"%.140s\" is neither tag nor digest",
                         tag_or_digest);
    snprintf(what, sizeof(what), "image %s%s%s", registry->repository, by_digest ? "@" : ":",
             tag_or_digest);
    return converse(&exchange, &ask, err);
}
