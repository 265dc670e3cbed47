/*
 * Claims: work that one job does while the others that want the same wait.  A pull
 * claims the chain ids that are missing, from the lowest on, before it unpacks, and each blob before
 * it downloads it; who waited finds the work done and has nothing left to do.
 *
 * Chain ids name a layer with all below it, so two images that share a missing layer
 * share the lowest one too: one claim orders them, and those above it order who comes when some are
 * committed.  Claims go upwards in a chain, and who has the claim of a blob claims nothing more before it is
 * released, so no cycle can form.
 */
#include "actors/images/claim.h"

#include <stdio.h>

#include "actors/images/images.h"
#include "actors/images/waiters.h"

struct claim {
    struct claim *next;
    char key[CLAIM_KEY_SIZE];
    struct waiters waiters;
};

static struct claim **find_claim(struct images *images, const char *key)
{
    struct claim **at = &images->claims;

    while (*at != NULL && strcmp((*at)->key, key) != 0)
        at = &(*at)->next;
    return at;
}

/* Work is the whole daemon's, but not where namespaces must not tell from waiting what others have. */
static const char *key_of(const struct images *images, struct request *request)
{
    const struct images_claim_request *in = request_body(request);

    return images->config->isolated
               ? arena_printf(request_arena(request), "%s %s", request_namespace(request), in->key)
               : in->key;
}

int on_images_claim(void *self, struct request *request, struct error *err)
{
    const char *key = key_of(self, request);
    struct claim **at = find_claim(self, key);

    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED, "images.claim is for the daemon itself");
    if (*at == NULL) {
        *at = zmalloc(sizeof(**at));
        snprintf((*at)->key, sizeof((*at)->key), "%s", key);
        return request_reply(request, &(struct nothing){ 0 });
    }
    return waiters_add(&(*at)->waiters, request);
}

int on_images_release(void *self, struct request *request, struct error *err)
{
    const char *key = key_of(self, request);
    struct claim **at = find_claim(self, key), *claim = *at;
    struct request *next;

    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED, "images.release is for the daemon itself");
    if (claim == NULL)
        return error_set(err, ERROR_NOT_FOUND, "nobody has claimed %s", key);
    next = waiters_take(&claim->waiters);
    if (next != NULL) {
        request_reply(next, &(struct nothing){ 0 });
    } else {
        *at = claim->next;
        free(claim);
    }
    return request_reply(request, &(struct nothing){ 0 });
}

void claims_free(struct images *images)
{
    while (images->claims != NULL) {
        struct claim *next = images->claims->next;

        free(images->claims);
        images->claims = next;
    }
}

/* ---- the side of jobs ----------------------------------------------------------------------- */

int claim_take(struct claim_held *claim, struct job *job, struct error *err, const char *fmt, ...)
{
    struct images_claim_request want = { .key = claim->key };
    va_list args;

    claim->job = NULL;
    va_start(args, fmt);
    vsnprintf(claim->key, sizeof(claim->key), fmt, args);
    va_end(args);
    if (call(job, &op_images_claim, &want, NULL, err) < 0)
        return -1;
    claim->job = job;
    return 0;
}

void claim_drop(struct claim_held *claim)
{
    struct images_claim_request want = { .key = claim->key };

    if (claim->job != NULL)
        call_finally(claim->job, &op_images_release, &want);
    claim->job = NULL;
}
