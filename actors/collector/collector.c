/*
 * When to run.  One run at a time; who asks while one runs is answered by the next, because
 * the one that runs may have marked already.  What the writer tells is merged: a run is due
 * a moment later, so that the many commits of one removal cause one, and the longer a run takes
 * the longer is that moment: with many records, writing them costs the same.
 *
 * That moment is what containerd calls the pause threshold: runs take no more than that share of
 * the time.  Enough removals (the deletion threshold) do not wait for it.
 */
#include "actors/collector/collector.h"

#include "actors/base/job.h"
#include "actors/base/log.h"
#include "actors/collector/explain.h"
#include "actors/collector/run.h"
#include "actors/collector/usage.h"

#define MERGE_MS     100
#define MERGE_MS_MAX 30000
#define SHARE        0.02  /* of the time, when nothing is configured */
#define LOOK_MS_MAX  60000 /* the clock may be set meanwhile */

struct waiting {
    struct waiting *next;
    struct request *request;
    bool is_served; /* by the run that is on its way */
};

struct collector {
    struct collector_config config;
    char database[PATH_SIZE];
    struct loop *loop;
    zsock_t *due;                  /* PULL inproc://collector.due */
    int timer;                     /* of the next run; -1: none is due */
    int64_t began;                 /* monotonic ns */
    uint64_t wait_ms;              /* before the next run, unless somebody asks for it */
    uint64_t deletions, mutations; /* since the last run began */
    bool at_once;                  /* the timer is set for as soon as possible */
    int expiry_timer;              /* of the next image whose time comes; -1: there is none */
    struct run *run;               /* NULL: none is on its way */
    struct waiting *waiting;       /* who asked for a run */
};

/* Written by the owners of labels (edge.h).  The tables that went had each owner's own. */
static const char *const steps[] = {
    "CREATE TABLE collector_edge ("
    "    namespace TEXT NOT NULL, kind TEXT NOT NULL, driver TEXT NOT NULL, key TEXT NOT NULL,"
    "    to_kind TEXT NOT NULL, to_driver TEXT NOT NULL, to_key TEXT NOT NULL,"
    "    back INTEGER NOT NULL,"
    "    PRIMARY KEY (namespace, kind, driver, key, to_kind, to_driver, to_key, back)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX collector_edge_to ON collector_edge (namespace, to_kind, to_key, to_driver);"
    "INSERT INTO collector_edge"
    "    SELECT namespace, 'content', '', digest, kind, driver, key, 0 FROM content_edge;"
    "INSERT INTO collector_edge"
    "    SELECT namespace, 'snapshot', from_driver, from_key, kind, driver, key, 0"
    "    FROM snapshots_edge;"
    "DROP TABLE content_edge; DROP TABLE snapshots_edge;",
    NULL,
};
const struct db_schema collector_schema = { "collector", steps };

static void begin(struct collector *collector);

static void on_timer(void *self, void *arg)
{
    struct collector *collector = self;

    (void)arg;
    collector->timer = -1;
    begin(collector);
}

static uint64_t longer(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void set_timer(struct collector *collector, uint64_t ms)
{
    if (collector->timer >= 0)
        loop_timer_end(collector->loop, collector->timer);
    collector->timer = loop_timer(collector->loop, ms, 1, on_timer, NULL);
}

/* Is a run due?  The one that is on its way asks again at its end. */
static void schedule(struct collector *collector)
{
    const struct collector_config *config = &collector->config;
    bool at_once =
        config->deletion_threshold > 0 && collector->deletions >= config->deletion_threshold;
    bool is_due = collector->deletions > 0 || (config->mutation_threshold > 0 &&
                                               collector->mutations >= config->mutation_threshold);

    if (!is_due || collector->run != NULL || loop_is_stopping(collector->loop) ||
        (collector->timer >= 0 && (!at_once || collector->at_once)))
        return;
    collector->at_once = at_once;
    set_timer(collector, at_once ? config->schedule_delay_ms
                                 : longer(config->schedule_delay_ms, collector->wait_ms));
}

static void on_due(void *self, void *arg)
{
    struct collector *collector = self;

    (void)arg;
    while (zsock_events(collector->due) & ZMQ_POLLIN) {
        char *word = zstr_recv(collector->due), *rest;

        if (word == NULL)
            break;
        collector->deletions += strtoul(word, &rest, 10);
        collector->mutations += strtoul(rest, NULL, 10);
        zstr_free(&word);
    }
    schedule(collector);
}

/* ---- images whose time comes -------------------------------------------------------------- */

static void on_expiry(void *self, void *arg);

static void look_at_clock(struct collector *collector, int64_t expiry)
{
    int64_t left_ms = (expiry - clock_now()) / 1000000 + 1;

    if (collector->expiry_timer >= 0)
        loop_timer_end(collector->loop, collector->expiry_timer);
    collector->expiry_timer = -1;
    if (expiry == 0 || loop_is_stopping(collector->loop))
        return;
    left_ms = left_ms < 1 ? 1 : left_ms > LOOK_MS_MAX ? LOOK_MS_MAX : left_ms;
    collector->expiry_timer = loop_timer(collector->loop, (uint64_t)left_ms, 1, on_expiry, NULL);
}

/* The run finds the next one. */
static void on_expiry(void *self, void *arg)
{
    struct collector *collector = self;

    (void)arg;
    collector->expiry_timer = -1;
    collector->deletions++;
    schedule(collector);
}

/* ---- a run ---------------------------------------------------------------------------------- */

static struct request *take_served(struct collector *collector)
{
    for (struct waiting **at = &collector->waiting; *at != NULL; at = &(*at)->next)
        if ((*at)->is_served) {
            struct waiting *waiting = *at;
            struct request *request = waiting->request;

            *at = waiting->next;
            free(waiting);
            return request;
        }
    return NULL;
}

static void answer(struct collector *collector, const struct error *err)
{
    const struct collector_run_reply result = collector->run->result;
    struct request *request;

    while ((request = take_served(collector)) != NULL) {
        if (err != NULL)
            request_fail(request, err);
        else
            request_reply(request, &result);
    }
}

static void set_wait(struct collector *collector)
{
    uint64_t took_ms = (uint64_t)(clock_monotonic() - collector->began) / 1000000;
    double share =
        collector->config.pause_threshold > 0 ? collector->config.pause_threshold : SHARE;
    uint64_t wait_ms = (uint64_t)((double)took_ms / share) - took_ms;

    collector->wait_ms = wait_ms < MERGE_MS       ? MERGE_MS
                         : wait_ms > MERGE_MS_MAX ? MERGE_MS_MAX
                                                  : wait_ms;
}

static void ended(void *self, const void *in, const struct error *err)
{
    struct collector *collector = self;
    const struct collector_run_reply *result = &collector->run->result;
    int64_t expiry = collector->run->next_expiry;

    (void)in;
    if (err != NULL && err->code != ERROR_UNAVAILABLE)
        log_warn("collector", "run: %s", err->text);
    if (result->content + result->snapshots + result->images > 0)
        log_info("collector", "removed %llu blobs (%llu bytes) and %llu snapshots",
                 (unsigned long long)result->content, (unsigned long long)result->bytes,
                 (unsigned long long)result->snapshots);
    answer(collector, err);
    free(collector->run);
    collector->run = NULL;
    set_wait(collector);
    if (loop_is_stopping(collector->loop))
        return;
    look_at_clock(collector, expiry);
    collector->mutations = 0; /* its own, most of them */
    if (collector->waiting != NULL)
        begin(collector);
    else
        schedule(collector);
}

static void begin(struct collector *collector)
{
    struct error err = { 0 };

    collector->deletions = collector->mutations = 0;
    collector->at_once = false;
    collector->began = clock_monotonic();
    if (collector->timer >= 0)
        loop_timer_end(collector->loop, collector->timer);
    collector->timer = -1;
    collector->run = zmalloc(sizeof(*collector->run));
    snprintf(collector->run->database, sizeof(collector->run->database), "%s", collector->database);
    for (struct waiting *waiting = collector->waiting; waiting != NULL; waiting = waiting->next)
        waiting->is_served = true;
    if (loop_run(collector->loop, NULL, run_job, ended, &collector->run, sizeof(collector->run),
                 &err) == 0)
        return;
    log_warn("collector", "run: %s", err.text);
    answer(collector, &err);
    free(collector->run);
    collector->run = NULL;
}

/* ---- asked for ------------------------------------------------------------------------------ */

static void on_gone(void *self, struct request *request, void *arg)
{
    struct collector *collector = self;

    (void)request;
    for (struct waiting **at = &collector->waiting; *at != NULL; at = &(*at)->next)
        if (*at == arg) {
            *at = (*at)->next;
            break;
        }
    free(arg);
}

static int on_run(void *self, struct request *request, struct error *err)
{
    struct collector *collector = self;
    struct waiting *waiting = zmalloc(sizeof(*waiting));

    (void)err;
    *waiting = (struct waiting){ .next = collector->waiting, .request = request };
    collector->waiting = waiting;
    request_keep(request, on_gone, waiting);
    if (collector->run == NULL)
        begin(collector);
    return 0;
}

/* ---- explaining ----------------------------------------------------------------------------- */

static int explain(struct collector *collector, struct request *request, job_body *body,
                   struct error *err)
{
    struct question *question = arena_alloc(request_arena(request), sizeof(*question));

    *question = (struct question){ collector->database, request_body(request) };
    return request_run_on(request, body, question, err);
}

static int on_list(void *self, struct request *request, struct error *err)
{
    return explain(self, request, list_job, err);
}

static int on_why(void *self, struct request *request, struct error *err)
{
    return explain(self, request, why_job, err);
}

static int on_usage(void *self, struct request *request, struct error *err)
{
    return explain(self, request, usage_job, err);
}

/* ---- life ----------------------------------------------------------------------------------- */

static int start(void *self, struct loop *loop, struct error *err)
{
    struct collector *collector = self;

    collector->loop = loop;
    collector->timer = collector->expiry_timer = -1;
    collector->wait_ms = MERGE_MS;
    collector->due = zsock_new(ZMQ_PULL);
    if (zsock_bind(collector->due, "inproc://collector.due") < 0)
        return error_set(err, ERROR_ALREADY_EXISTS, "collector: somebody has bound its socket");
    loop_watch_socket(loop, collector->due, on_due, NULL);
    /* what was let go just before a crash */
    set_timer(collector, longer(collector->config.startup_delay_ms, 1));
    return 0;
}

static void stop(void *self)
{
    struct collector *collector = self;

    if (collector->due != NULL)
        zsock_unbind(collector->due, "inproc://collector.due");
    zsock_destroy(&collector->due);
}

struct collector *collector_new(const struct collector_config *config)
{
    struct collector *collector = zmalloc(sizeof(*collector));

    collector->config = *config;
    snprintf(collector->database, sizeof(collector->database), "%s", config->database);
    collector->config.database = collector->database;
    return collector;
}

void collector_free(struct collector **collector)
{
    free(*collector);
    *collector = NULL;
}

static const struct route routes[] = {
    { &op_collector_list, on_list },
    { &op_collector_run, on_run },
    { &op_collector_why, on_why },
    { &op_collector_usage, on_usage },
    { 0 },
};
const struct actor collector_actor = { "collector", routes, start, stop };
