/*
 * Repair: blobs are fetched anew from where they came, then layers are unpacked anew from their blobs, the lowest first,
 * because one is unpacked with those below it in sight.  What cannot be repaired stays a finding, and its hint says why.
 */
#include "actors/base/log.h"
#include "actors/daemon/check.h"

#define CONTENT "content "
#define FOLDER  "snapshot folder "
#define LAYER   CHECK_LAYER " "

static void cannot(struct check *check, struct finding *finding, const struct error *why)
{
    log_warn("daemon", "repair %s: %s", finding->what, why->text);
    finding->hint = why->hint[0] != '\0' ? arena_printf(check->arena, "not repaired: %s; %s", why->text, why->hint)
                                         : arena_printf(check->arena, "not repaired: %s", why->text);
}

static void done(struct finding *finding, const char *what)
{
    log_info("daemon", "repair %s: %s", finding->what, what);
    finding->repaired = what;
    finding->hint = NULL;
}

static int repair_blob(struct check *check, struct finding *finding, struct error *err)
{
    struct images_refetch_request want = { .digest = finding->what + strlen(CONTENT) };
    struct images_refetch_reply reply;
    struct error why = { 0 };

    if (call(check->job, &op_images_refetch, &want, &reply, &why) == 0)
        done(finding, arena_printf(check->arena, "fetched anew from %s", reply.source));
    else
        cannot(check, finding, &why);
    return job_check(check->job, err);
}

static bool begins(const struct finding *finding, const char *with)
{
    return strncmp(finding->what, with, strlen(with)) == 0;
}

/* 0: it is about something else. */
static uint64_t layer_of(const struct finding *finding)
{
    if (begins(finding, LAYER))
        return strtoull(finding->what + strlen(LAYER), NULL, 10);
    if (begins(finding, FOLDER) && strcmp(finding->problem, "is missing") == 0)
        return strtoull(finding->what + strlen(FOLDER), NULL, 10);
    return 0;
}

/* All findings about the layer share its fate. */
static int repair_layer(struct check *check, uint64_t number, struct error *err)
{
    struct finding *findings = check->reply->findings.items;
    struct images_rebuild_request want = { .layer = number };
    struct images_rebuild_reply reply;
    struct error why = { 0 };
    int result = call(check->job, &op_images_rebuild, &want, &reply, &why);

    for (size_t i = 0; i < check->reply->findings.count; i++) {
        if (layer_of(&findings[i]) != number)
            continue;
        if (result == 0)
            done(&findings[i], arena_printf(check->arena, "unpacked anew from %.19s of %s", reply.blob, reply.image));
        else
            cannot(check, &findings[i], &why);
    }
    return job_check(check->job, err);
}

static uint64_t next_layer(const struct check *check, uint64_t after)
{
    const struct finding *findings = check->reply->findings.items;
    uint64_t next = 0;

    for (size_t i = 0; i < check->reply->findings.count; i++) {
        uint64_t number = layer_of(&findings[i]);

        if (number > after && (next == 0 || number < next))
            next = number;
    }
    return next;
}

/* Layers of one image are made in no order, so once more for those whose parents were bad themselves. */
int check_repair(struct check *check, struct error *err)
{
    struct finding *findings = check->reply->findings.items;

    for (size_t i = 0; i < check->reply->findings.count; i++)
        if (begins(&findings[i], CONTENT) && repair_blob(check, &findings[i], err) < 0)
            return -1;
    for (uint64_t layer = 0; (layer = next_layer(check, layer)) != 0;)
        if (repair_layer(check, layer, err) < 0)
            return -1;
    return 0;
}
