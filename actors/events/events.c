/*
 * The happy path: the writer tells -> new rows go out on the xpub -> subscriptions read on.
 * What is told on the xpub may be lost by who is slow or away; sequence numbers show it, and
 * events.list has the rest.
 */
#include "actors/events/events.h"

#include "actors/base/log.h"
#include "actors/base/page.h"
#include "actors/base/thread_order.h"
#include "actors/base/wire.h"
#include "actors/base/writer.h"
#include "actors/events/journal.h"
#include "platform/scope.h"

#define KEEP         100000
#define TRIM_SLICE   1000  /* rows in one write */
#define PUBLISH_ROWS 500   /* before the mailbox has its turn */
#define LOOK_MAX     20000 /* rows that one list may look at */

static const char *const steps[] = {
    "CREATE TABLE events_journal ("
    "    sequence INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, namespace TEXT,"
    "    topic TEXT NOT NULL, id TEXT, fields BLOB, boot TEXT, instance TEXT) STRICT;",
    NULL,
};
const struct db_schema events_schema = { "events", steps };

/* ---- the xpub ------------------------------------------------------------------------- */

static void publish_one(zsock_t *xpub, const struct event *event)
{
    zframe_t *body = wire_frame(event_record(), event);
    zmsg_t *msg = zmsg_new();

    zmsg_addstrf(msg, "%s%s", event->namespace ? event->namespace : "", event->topic);
    zmsg_append(msg, &body);
    zmsg_send(&msg, xpub);
    zmsg_destroy(&msg);
}

/* True: there is more. */
static bool publish(struct events *events)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    CLEANUP(query_done) struct query rows = { 0 };
    struct error err = { 0 };
    struct event event;
    int found = 0, count = 0;

    if (journal_open(events, &rows, events->published, &err) < 0) {
        log_warn("events", "publish: %s", err.text);
        return false;
    }
    for (; count < PUBLISH_ROWS && (found = journal_next(&rows, &event, arena, &err)) == 1;
         count++) {
        publish_one(events->xpub, &event);
        events->published = (int64_t)event.sequence;
    }
    if (found < 0)
        log_warn("events", "publish: %s", err.text);
    return count == PUBLISH_ROWS;
}

/* Subscribers come and go by messages to the xpub; somebody has to take them. */
static void on_xpub(void *self, void *arg)
{
    struct events *events = self;

    (void)arg;
    while (zsock_events(events->xpub) & ZMQ_POLLIN) {
        zmsg_t *msg = zmsg_recv(events->xpub);

        zmsg_destroy(&msg);
    }
}

/* ---- the journal's length ---------------------------------------------------------------- */

static int trim_write(struct write *write, const void *in, void *out, struct error *err)
{
    const int64_t *until = write_ctx(write);

    (void)in, (void)out;
    return db_run(write_db(write), err, "DELETE FROM events_journal WHERE sequence <= ?", "i",
                  *until);
}

static void trim(struct events *events);

static int trim_after(void *self, struct request *request, void *ctx, void *out, struct error *err)
{
    struct events *events = self;

    (void)request, (void)ctx, (void)out;
    events->trimming = false;
    if (err != NULL)
        log_warn("events", "trim the journal: %s", err->text);
    else if (!loop_is_stopping(events->loop))
        trim(events);
    return 0;
}

static void trim(struct events *events)
{
    int64_t first = journal_first(events), last = journal_last(events);
    int64_t until = first + TRIM_SLICE - 1;

    if (events->trimming || first == 0 || last - until < (int64_t)events->keep)
        return;
    events->trimming = true;
    loop_write(events->loop, NULL, trim_write, trim_after, &until, sizeof(until));
}

/* ---- after a commit -------------------------------------------------------------------------- */

static void go_on(void *self, void *arg)
{
    struct events *events = self;
    bool more;

    (void)arg;
    events->more_is_due = false;
    more = publish(events);
    more = subscriptions_feed(events) || more;
    if (more)
        events_continue(events);
    trim(events);
}

void events_continue(struct events *events)
{
    if (events->more_is_due || loop_is_stopping(events->loop))
        return;
    events->more_is_due = true;
    loop_timer(events->loop, 1, 1, go_on, NULL);
}

static void on_told(void *self, void *arg)
{
    struct events *events = self;

    while (zsock_events(events->told) & ZMQ_POLLIN) {
        char *word = zstr_recv(events->told);

        zstr_free(&word);
    }
    if (!events->more_is_due)
        go_on(self, arg);
}

/* ---- lists ---------------------------------------------------------------------------------- */

static int list(struct events *events, struct request *request, struct events_list_reply *out,
                struct error *err)
{
    const struct events_list_request *in = request_body(request);
    struct wish wish;
    struct arena *arena = request_arena(request);
    CLEANUP(query_done) struct query rows = { 0 };
    struct event event;
    struct page page;
    int found, looked = 0;

    page_open(&page, arena, sizeof(event), in->limit);
    out->last = in->has_since ? in->since % INT64_MAX : 0;
    if (wish_of(request, &wish, err) < 0 ||
        journal_check_gap(events, (int64_t)out->last, err) < 0 ||
        journal_open(events, &rows, (int64_t)out->last, err) < 0)
        return -1;
    while ((found = journal_next(&rows, &event, arena, err)) == 1 && looked++ < LOOK_MAX &&
           !page_is_full(&page)) {
        if (is_wanted(&wish, &event))
            page_add(&page, &event, &event.fields);
        out->last = event.sequence;
    }
    out->events = page.list;
    out->more = found == 1;
    out->has_last = out->has_more = true;
    return found < 0 ? -1 : 0;
}

static int on_list(void *self, struct request *request, struct error *err)
{
    struct events_list_reply out = { 0 };

    if (list(self, request, &out, err) < 0)
        return -1;
    return request_reply(request, &out);
}

/* ---- life ----------------------------------------------------------------------------------- */

static int open_sockets(struct events *events, struct error *err)
{
    events->told = zsock_new(ZMQ_PULL);
    events->xpub = zsock_new(ZMQ_XPUB);
    zsock_set_sndtimeo(events->xpub, 0);
    if (zsock_bind(events->told, "inproc://journal") < 0 ||
        zsock_bind(events->xpub, "inproc://events.xpub") < 0)
        return error_set(err, ERROR_ALREADY_EXISTS, "events: somebody has bound its sockets");
    loop_watch_socket(events->loop, events->told, on_told, NULL);
    loop_watch_socket(events->loop, events->xpub, on_xpub, NULL);
    if (events->socket[0] == '\0')
        return 0;
    if (fs_remove(events->socket, err) < 0)
        return -1;
    if (zsock_bind(events->xpub, "ipc://%s", events->socket) < 0)
        return error_set(err, ERROR_UNAVAILABLE, "events: cannot listen on %s: %s", events->socket,
                         zmq_strerror(zmq_errno()));
    return endpoint_protect(events->socket, 0660, events->group[0] ? events->group : NULL, err);
}

static int start(void *self, struct loop *loop, struct error *err)
{
    struct events *events = self;

    events->loop = loop;
    if (db_open(events->database, true, &events->db, err) < 0 || open_sockets(events, err) < 0)
        return -1;
    events->published = journal_last(events);
    trim(events);
    return 0;
}

static void stop(void *self)
{
    struct events *events = self;
    struct error ignored;

    if (events->told != NULL)
        zsock_unbind(events->told, "inproc://journal");
    if (events->xpub != NULL)
        zsock_unbind(events->xpub, "inproc://events.xpub");
    zsock_destroy(&events->told);
    zsock_destroy(&events->xpub);
    if (events->socket[0] != '\0')
        fs_remove(events->socket, &ignored);
    db_close(&events->db);
}

struct events *events_new(const struct events_config *config)
{
    struct events *events = zmalloc(sizeof(*events));

    snprintf(events->database, sizeof(events->database), "%s", config->database);
    snprintf(events->socket, sizeof(events->socket), "%s", config->socket ? config->socket : "");
    snprintf(events->group, sizeof(events->group), "%s", config->group ? config->group : "");
    events->keep = config->keep != 0 ? config->keep : KEEP;
    return events;
}

void events_free(struct events **events)
{
    free(*events);
    *events = NULL;
}

static const struct route routes[] = {
    { &op_events_list, on_list },
    { &op_events_subscribe, on_event_subscribe },
    { 0 },
};
const struct actor events_actor = { "events", routes, start, stop };
