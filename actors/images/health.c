/* health — states of a host are: well; failed, until a time; failed, and one request looks. */
#include "actors/images/health.h"

#include <stdio.h>

#include "actors/base/log.h"
#include "actors/images/images.h"
#include "actors/images/waiters.h"
#include "platform/platform.h"

struct health {
    struct health *next;
    char key[320];
    unsigned failures; /* in a row; 0: well */
    int64_t until;     /* monotonic ns; left out before it */
    int64_t heard;     /* the last outcome; monotonic ns, and wall clock */
    int64_t time;
    bool looking; /* one request is there to see */
    char problem[280];
    struct waiters waiters;
};

int64_t health_while_ms(unsigned failures, int64_t cost_ms, int64_t retry_ms)
{
    int64_t ms = 10 * cost_ms;

    if (ms < HEALTH_MIN_MS)
        ms = HEALTH_MIN_MS;
    while (failures-- > 1 && ms < HEALTH_MAX_MS)
        ms *= 2;
    if (ms < retry_ms)
        ms = retry_ms;
    return ms < HEALTH_MAX_MS ? ms : HEALTH_MAX_MS;
}

/* ---- the list ------------------------------------------------------------------------------- */

static struct health *find(struct images *images, const char *key)
{
    struct health *at = images->health;

    while (at != NULL && strcmp(at->key, key) != 0)
        at = at->next;
    return at;
}

/* Names of registries come from clients: only so many are remembered. */
static void make_room(struct images *images)
{
    struct health **oldest = NULL;
    size_t count = 0;

    for (struct health **at = &images->health; *at != NULL; at = &(*at)->next, count++)
        if (!(*at)->looking && (oldest == NULL || (*at)->heard < (*oldest)->heard))
            oldest = at;
    if (count >= HEALTH_HOSTS && oldest != NULL) {
        struct health *gone = *oldest;

        *oldest = gone->next;
        free(gone);
    }
}

static struct health *find_or_add(struct images *images, const char *key)
{
    struct health *health = find(images, key);

    if (health != NULL)
        return health;
    make_room(images);
    health = zmalloc(sizeof(*health));
    snprintf(health->key, sizeof(health->key), "%s", key);
    health->next = images->health;
    return images->health = health;
}

void health_free(struct images *images)
{
    while (images->health != NULL) {
        struct health *next = images->health->next;

        free(images->health);
        images->health = next;
    }
}

/* ---- entering ------------------------------------------------------------------------------- */

static uint64_t left_ms(const struct health *health)
{
    int64_t left = (health->until - clock_monotonic() + 999999) / 1000000;

    return health->failures > 0 && left > 0 ? (uint64_t)left : 0;
}

static int let_in(struct request *request, bool looks)
{
    const struct images_host_enter_reply reply = { .enter = true, SET(looks, looks) };

    return request_reply(request, &reply);
}

static int keep_out(struct request *request, const struct health *health)
{
    const struct images_host_enter_reply reply = { .problem = health->problem,
                                                   SET(left_ms, left_ms(health)) };

    return request_reply(request, &reply);
}

int on_images_host_enter(void *self, struct request *request, struct error *err)
{
    const struct images_host_enter_request *in = request_body(request);
    struct health *health;

    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED,
                         "images.host_enter is for the daemon itself");
    health = find(self, in->key);
    if (health == NULL || health->failures == 0)
        return let_in(request, false);
    if (in->needed && health->looking)
        return waiters_add(&health->waiters, request);
    if (!in->needed && (health->looking || left_ms(health) > 0))
        return keep_out(request, health);
    health->looking = true;
    return let_in(request, true);
}

/* ---- leaving -------------------------------------------------------------------------------- */

/* Who waits shares that nobody is there.  A failure that may be about one image alone is not
   shared: all see for themselves.  Where nothing was found, the next one looks. */
static void end_look(struct health *health, bool known, bool unreached)
{
    struct request *request;

    health->looking = false;
    while ((request = waiters_take(&health->waiters)) != NULL) {
        if (known && health->failures > 0 && unreached) {
            keep_out(request, health);
            continue;
        }
        health->looking = !known;
        let_in(request, !known);
        if (!known)
            return;
    }
}

static void note_well(struct health *health)
{
    if (health->failures > 0)
        log_info("images", "%s answers again", health->key);
    health->failures = 0;
    health->until = 0;
}

/* Many that were under way when it died count once. */
static void note_failed(struct health *health, const struct images_host_leave_request *in)
{
    int64_t now = clock_monotonic(), ms;

    if (!in->looked && left_ms(health) > 0)
        return;
    health->failures++;
    ms = health_while_ms(health->failures, (int64_t)in->cost_ms, (int64_t)in->retry_ms);
    health->until = now + ms * 1000000;
    snprintf(health->problem, sizeof(health->problem), "%s",
             in->problem != NULL ? in->problem : "");
    log_info("images", "%s fails, for %lld.%lld s others are asked where there are any: %s",
             health->key, (long long)ms / 1000, (long long)ms % 1000 / 100, health->problem);
}

int on_images_host_leave(void *self, struct request *request, struct error *err)
{
    const struct images_host_leave_request *in = request_body(request);
    bool known = strcmp(in->outcome, "unknown") != 0;
    struct health *health;

    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED,
                         "images.host_leave is for the daemon itself");
    health = find_or_add(self, in->key);
    if (strcmp(in->outcome, "well") == 0)
        note_well(health);
    else if (strcmp(in->outcome, "failed") == 0)
        note_failed(health, in);
    if (known) {
        health->heard = clock_monotonic();
        health->time = clock_now();
    }
    if (in->looked)
        end_look(health, known, in->has_unreached && in->unreached);
    return request_reply(request, &(struct nothing){ 0 });
}

/* ---- showing -------------------------------------------------------------------------------- */

static const char *word_of(const struct health *health)
{
    if (health == NULL || health->heard == 0)
        return "unknown";
    if (health->failures == 0)
        return "well";
    return health->looking ? "asked" : left_ms(health) > 0 ? "left out" : "failed";
}

int on_images_host_health(void *self, struct request *request, struct error *err)
{
    const struct images_host_health_request *in = request_body(request);
    const struct health *health = find(self, in->key);
    struct images_host_health_reply reply = { .state = word_of(health) };

    (void)err;
    if (health != NULL && health->heard != 0) {
        reply = (struct images_host_health_reply){ .state = reply.state, SET(time, health->time) };
        if (health->failures > 0) {
            reply.has_failures = reply.has_left_ms = true;
            reply.failures = health->failures;
            reply.left_ms = left_ms(health);
            reply.problem = health->problem;
        }
    }
    return request_reply(request, &reply);
}

/* ---- the side of jobs ----------------------------------------------------------------------- */

int health_enter(struct health_visit *visit, struct job *job, const char *key, bool needed,
                 struct error *err)
{
    const struct images_host_enter_request want = { .key = key, .needed = needed };
    struct images_host_enter_reply reply;

    *visit = (struct health_visit){ .job = NULL };
    if (call(job, &op_images_host_enter, &want, &reply, err) < 0)
        return -1;
    if (!reply.enter) {
        err->retry_ms = 0;
        error_set(err, ERROR_UNAVAILABLE, "%.100s fails, and is left out for %llu s: %s", key,
                  (unsigned long long)(reply.left_ms + 999) / 1000,
                  reply.problem != NULL ? reply.problem : "");
        err->retry_ms = reply.left_ms;
        return -1;
    }
    *visit = (struct health_visit){ job, key, clock_monotonic(), reply.has_looks && reply.looks };
    return 0;
}

static void tell(const struct health_visit *visit, const char *outcome, const struct error *err)
{
    struct images_host_leave_request want = { .key = visit->key,
                                              .outcome = outcome,
                                              .looked = visit->looked };

    want.cost_ms = (uint64_t)(clock_monotonic() - visit->began) / 1000000;
    if (err != NULL) {
        want.problem = err->text;
        want.unreached = want.has_unreached = err->os != 0;
        want.retry_ms = err->retry_ms;
        want.has_retry_ms = true;
    }
    call_finally(visit->job, &op_images_host_leave, &want);
}

void health_answers(struct health_visit *visit)
{
    if (visit->job == NULL || !visit->looked)
        return;
    tell(visit, "well", NULL);
    visit->looked = false;
}

static void leave(struct health_visit *visit, const char *outcome, const struct error *err)
{
    if (visit->job != NULL)
        tell(visit, outcome, err);
    visit->job = NULL;
}

/* Refusals are answers.  What is wrong with us (a file of certificates) counts as well: it cannot be
   asked, and `registry explain` shows why. */
static bool is_failure(enum error_code code)
{
    return code == ERROR_UNAVAILABLE || code == ERROR_RESOURCE_EXHAUSTED ||
           code == ERROR_FAILED_PRECONDITION || code == ERROR_INTERNAL;
}

void health_leave(struct health_visit *visit, const struct error *err)
{
    bool failed = err != NULL && is_failure(err->code);

    leave(visit, failed ? "failed" : "well", failed ? err : NULL);
}

void health_give_up(struct health_visit *visit)
{
    leave(visit, "unknown", NULL);
}
