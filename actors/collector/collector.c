/*
 * When to run.  One run at a time; who asks while one runs is answered by the next, because
 * the one that runs may have marked already.  What the writer tells is merged: a run is due
 * a moment later, so that the many commits of one removal cause one, and the longer a run takes
 * the longer is that moment: with many records, writing them costs the same.
 */
#include "actors/collector/collector.h"

#include "actors/base/job.h"
#include "actors/base/log.h"
#include "actors/collector/explain.h"
#include "actors/collector/run.h"

#define MERGE_MS     100
#define MERGE_MS_MAX 30000
#define REST         20 /* so many times as long as a run took there is none after it */

struct waiting {
    struct waiting *next;
    struct request *request;
    bool is_served; /* by the run that is on its way */
};

struct collector {
    char database[PATH_SIZE];
    struct loop *loop;
    zsock_t *due;            /* PULL inproc://collector.due */
    int timer;               /* of the next run; -1: none is due */
    int64_t began;           /* monotonic ns */
    uint64_t wait_ms;        /* before the next run, unless somebody asks for it */
    bool again;              /* something was let go while a run is on its way */
    struct run *run;         /* NULL: none is on its way */
    struct waiting *waiting; /* who asked for a run */
};

static const char *const steps[] = { NULL };
const struct db_schema collector_schema = { "collector", steps };

static void begin(struct collector *collector);

static void on_timer(void *self, void *arg)
{
    struct collector *collector = self;

    (void)arg;
    collector->timer = -1;
    begin(collector);
}

static void run_soon(struct collector *collector)
{
    collector->again = collector->run != NULL;
    if (collector->run == NULL && collector->timer < 0 && !loop_is_stopping(collector->loop))
        collector->timer = loop_timer(collector->loop, collector->wait_ms, 1, on_timer, NULL);
}

static void on_due(void *self, void *arg)
{
    struct collector *collector = self;

    (void)arg;
    while (zsock_events(collector->due) & ZMQ_POLLIN) {
        char *word = zstr_recv(collector->due);

        zstr_free(&word);
    }
    run_soon(collector);
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
    uint64_t wait_ms = REST * took_ms;

    collector->wait_ms = wait_ms < MERGE_MS ? MERGE_MS : wait_ms > MERGE_MS_MAX ? MERGE_MS_MAX : wait_ms;
}

static void ended(void *self, const void *in, const struct error *err)
{
    struct collector *collector = self;
    const struct collector_run_reply *result = &collector->run->result;

    (void)in;
    if (err != NULL && err->code != ERROR_UNAVAILABLE)
        log_warn("collector", "run: %s", err->text);
    if (result->content + result->snapshots > 0)
        log_info("collector", "removed %llu blobs (%llu bytes) and %llu snapshots",
                 (unsigned long long)result->content, (unsigned long long)result->bytes,
                 (unsigned long long)result->snapshots);
    answer(collector, err);
    free(collector->run);
    collector->run = NULL;
    set_wait(collector);
    if (loop_is_stopping(collector->loop))
        return;
    if (collector->waiting != NULL)
        begin(collector);
    else if (collector->again)
        run_soon(collector);
}

static void begin(struct collector *collector)
{
    struct error err = { 0 };

    collector->again = false;
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

static int explain(struct collector *collector, struct request *request, job_body *body, struct error *err)
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

/* ---- life ----------------------------------------------------------------------------------- */

static int start(void *self, struct loop *loop, struct error *err)
{
    struct collector *collector = self;

    collector->loop = loop;
    collector->timer = -1;
    collector->wait_ms = MERGE_MS;
    collector->due = zsock_new(ZMQ_PULL);
    if (zsock_bind(collector->due, "inproc://collector.due") < 0)
        return error_set(err, ERROR_ALREADY_EXISTS, "collector: somebody has bound its socket");
    loop_watch_socket(loop, collector->due, on_due, NULL);
    run_soon(collector); /* what was let go just before a crash */
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

    snprintf(collector->database, sizeof(collector->database), "%s", config->database);
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
    { 0 },
};
const struct actor collector_actor = { "collector", routes, start, stop };
