/*
 * Subscriptions: kept requests, each a position in the journal.  Every commit, and every
 * credit that arrives, reads on from there as far as the credit goes.  One that has been
 * left behind by trimming ends: a gap must not look like silence.
 */
#include "actors/events/journal.h"

#include "platform/scope.h"

#define ROWS_AT_ONCE \
    256 /* for one subscription, before the others and the mailbox have their turn */

struct subscription {
    struct subscription *next;
    struct request *request;
    struct wish wish;
    int64_t looked_at; /* sequence */
};

static void unlink_subscription(struct events *events, struct subscription *subscription)
{
    for (struct subscription **at = &events->subscriptions; *at != NULL; at = &(*at)->next)
        if (*at == subscription) {
            *at = subscription->next;
            break;
        }
    free(subscription);
}

static void on_gone(void *self, struct request *request, void *arg)
{
    (void)request;
    unlink_subscription(self, arg);
}

static void end(struct events *events, struct subscription *subscription, const struct error *err)
{
    struct request *request = subscription->request;

    unlink_subscription(events, subscription);
    request_fail(request, err);
}

/* 1: there is more to send now, 0: there is not, or no credit for it; -1: it cannot go on. */
static int feed_rows(struct events *events, struct subscription *subscription, struct arena *arena,
                     struct error *err)
{
    CLEANUP(query_done) struct query rows = { 0 };
    struct event event;
    int found = 0;

    if (journal_open(events, &rows, subscription->looked_at, err) < 0)
        return -1;
    for (int looked = 0; looked < ROWS_AT_ONCE; looked++) {
        struct error no_credit;

        found = journal_next(&rows, &event, arena, err);
        if (found != 1)
            return found;
        if (is_wanted(&subscription->wish, &event) &&
            request_item(subscription->request, &event, &no_credit) < 0)
            return 0;
        subscription->looked_at = (int64_t)event.sequence;
    }
    return 1;
}

/* True: there is more to send now.  The subscription may be gone afterwards. */
static bool feed(struct events *events, struct subscription *subscription)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct error err = { 0 };
    int result;

    if (journal_check_gap(events, subscription->looked_at, &err) < 0 ||
        (result = feed_rows(events, subscription, arena, &err)) < 0) {
        end(events, subscription, &err);
        return false;
    }
    return result == 1;
}

bool subscriptions_feed(struct events *events)
{
    struct subscription *subscription = events->subscriptions, *next;
    bool more = false;

    for (; subscription != NULL; subscription = next) {
        next = subscription->next;
        more = feed(events, subscription) || more;
    }
    return more;
}

static void on_credit(void *self, struct request *request, void *arg)
{
    (void)request;
    if (feed(self, arg))
        events_continue(self);
}

int on_event_subscribe(void *self, struct request *request, struct error *err)
{
    struct events *events = self;
    const struct events_list_request *in = request_body(request);
    int64_t since = in->has_since ? (int64_t)(in->since % INT64_MAX) : journal_last(events);
    struct subscription *subscription;
    struct wish wish;

    if (in->has_limit)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "events.subscribe: has no limit; credit says how many");
    if (wish_of(request, &wish, err) < 0 || journal_check_gap(events, since, err) < 0)
        return -1;
    subscription = zmalloc(sizeof(*subscription));
    *subscription = (struct subscription){
        .next = events->subscriptions,
        .request = request,
        .wish = wish,
        .looked_at = since,
    };
    events->subscriptions = subscription;
    request_on_credit(request, on_credit);
    return request_keep(request, on_gone, subscription);
}
