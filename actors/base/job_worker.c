/*
 * Workers: the threads that jobs live on.
 *
 * A thread with its sockets costs more than what many a job does, so a loop's worker that has
 * ended one waits a while for the next: its crew.  Children of jobs have workers of their own, which
 * end with them.
 */
#include "actors/base/job_private.h"
#include "platform/platform.h"

#define IDLE_MS 2000 /* who was not needed for so long ends */

/* False: it shall end. */
static bool next_birth(struct worker *worker, struct order *order)
{
    while (!worker->gone) {
        zmsg_t *msg = zmsg_recv(worker->pipe);
        zframe_t *frame = msg ? zmsg_first(msg) : NULL;

        ORDER_AFTER_RECEIVE();
        worker->gone = frame == NULL || zframe_size(frame) != sizeof(*order); /* "$TERM" */
        if (!worker->gone)
            memcpy(order, zframe_data(frame), sizeof(*order));
        zmsg_destroy(&msg);
        if (!worker->gone && order->kind == ORDER_BIRTH)
            return true;
    }
    return false;
}

static void worker_thread(zsock_t *pipe, void *arg)
{
    struct worker worker = { .pipe = pipe };
    struct order order;

    (void)arg;
    zsock_signal(pipe, 0);
    while (next_birth(&worker, &order)) {
        char name[16];

        snprintf(name, sizeof(name), "j %s", order.birth->context.actor);
        thread_name(name);
        job_live(&worker, order.birth);
    }
    for (struct peer *peer = worker.peers; peer < worker.peers + PEERS_MAX; peer++)
        zsock_destroy(&peer->socket);
    worker_writer_close(&worker);
    ORDER_BEFORE_SEND();
}

zactor_t *worker_start(const struct birth *birth)
{
    zactor_t *thread;

    ORDER_BEFORE_SEND();
    thread = zactor_new(worker_thread, NULL);
    if (thread == NULL)
        return NULL;
    ORDER_AFTER_RECEIVE();
    zsock_set_sndhwm(zactor_sock(thread), 0);
    order_send(thread, &(struct order){ .kind = ORDER_BIRTH, .birth = birth });
    return thread;
}

/* ---- a loop's ---------------------------------------------------------------------- */

static void dismiss(struct crew *crew, size_t count)
{
    for (; count > 0; count--) {
        zactor_destroy(&crew->idle[--crew->count]);
        ORDER_AFTER_RECEIVE();
    }
}

void crew_dismiss(struct loop *loop)
{
    dismiss(&loop->crew, loop->crew.count);
}

static void look_at_crew(void *self, void *arg)
{
    struct loop *loop = arg;
    struct crew *crew = &loop->crew;

    (void)self;
    dismiss(crew, crew->spare);
    crew->spare = crew->count;
    crew->timer = crew->count > 0 ? loop_timer(loop, IDLE_MS, 1, look_at_crew, loop) : 0;
}

zactor_t *crew_call(struct loop *loop, const struct birth *birth)
{
    struct crew *crew = &loop->crew;
    zactor_t *worker;

    if (crew->count == 0)
        return worker_start(birth);
    worker = crew->idle[--crew->count];
    if (crew->spare > crew->count)
        crew->spare = crew->count;
    order_send(worker, &(struct order){ .kind = ORDER_BIRTH, .birth = birth });
    return worker;
}

void crew_release(struct loop *loop, zactor_t **worker)
{
    struct crew *crew = &loop->crew;

    if (crew->count == CREW_MAX || loop->stopping) {
        zactor_destroy(worker);
        ORDER_AFTER_RECEIVE();
        return;
    }
    order_send(*worker, &(struct order){ .kind = ORDER_DISMISS });
    crew->idle[crew->count++] = *worker;
    *worker = NULL;
    if (crew->timer == 0) {
        crew->spare = 0;
        crew->timer = loop_timer(loop, IDLE_MS, 1, look_at_crew, loop);
    }
}
