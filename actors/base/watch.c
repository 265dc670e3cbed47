/* What a loop watches besides its mailbox: descriptors, sockets and timers. */
#include "actors/base/actor.h"

#include "actors/base/request.h"

struct watch {
    struct watch *next;
    struct loop *loop;
    loop_ready *ready;
    void *arg;
    int fd; /* -1: a socket or a timer */
    zsock_t *socket;
    int timer;
    bool once;
};

static struct watch *watch_new(struct loop *loop, loop_ready *ready, void *arg)
{
    struct watch *watch = zmalloc(sizeof(*watch));

    *watch = (struct watch){ .next = loop->watches, .loop = loop, .ready = ready, .arg = arg, .fd = -1, .timer = -1 };
    loop->watches = watch;
    return watch;
}

static void watch_free(struct watch *watch)
{
    for (struct watch **at = &watch->loop->watches; *at != NULL; at = &(*at)->next)
        if (*at == watch) {
            *at = watch->next;
            break;
        }
    free(watch);
}

static int on_fd(zloop_t *zloop, zmq_pollitem_t *item, void *arg)
{
    struct watch *watch = arg;

    (void)zloop, (void)item;
    watch->ready(watch->loop->self, watch->arg);
    return 0;
}

static int on_socket(zloop_t *zloop, zsock_t *socket, void *arg)
{
    struct watch *watch = arg;

    (void)zloop, (void)socket;
    watch->ready(watch->loop->self, watch->arg);
    return 0;
}

static int on_timer(zloop_t *zloop, int timer, void *arg)
{
    struct watch *watch = arg;
    loop_ready *ready = watch->ready;
    void *inner = watch->arg, *self = watch->loop->self;

    (void)zloop, (void)timer;
    if (watch->once)
        watch_free(watch);
    ready(self, inner);
    return 0;
}

int loop_watch(struct loop *loop, int fd, loop_ready *ready, void *arg)
{
    struct watch *watch = watch_new(loop, ready, arg);
    zmq_pollitem_t item = { .fd = fd, .events = ZMQ_POLLIN };

    watch->fd = fd;
    zloop_poller(loop->zloop, &item, on_fd, watch);
    zloop_poller_set_tolerant(loop->zloop, &item);
    return 0;
}

void loop_unwatch(struct loop *loop, int fd)
{
    zmq_pollitem_t item = { .fd = fd, .events = ZMQ_POLLIN };

    zloop_poller_end(loop->zloop, &item);
    for (struct watch *watch = loop->watches; watch != NULL; watch = watch->next)
        if (watch->fd == fd) {
            watch_free(watch);
            return;
        }
}

int loop_watch_socket(struct loop *loop, zsock_t *socket, loop_ready *ready, void *arg)
{
    struct watch *watch = watch_new(loop, ready, arg);

    watch->socket = socket;
    zloop_reader(loop->zloop, socket, on_socket, watch);
    zloop_reader_set_tolerant(loop->zloop, socket);
    return 0;
}

void loop_unwatch_socket(struct loop *loop, zsock_t *socket)
{
    zloop_reader_end(loop->zloop, socket);
    for (struct watch *watch = loop->watches; watch != NULL; watch = watch->next)
        if (watch->socket == socket) {
            watch_free(watch);
            return;
        }
}

int loop_timer(struct loop *loop, uint64_t ms, unsigned times, loop_ready *ready, void *arg)
{
    struct watch *watch = watch_new(loop, ready, arg);

    watch->once = times == 1;
    watch->timer = zloop_timer(loop->zloop, (size_t)(ms > 0 ? ms : 1), times, on_timer, watch);
    return watch->timer;
}

void loop_timer_end(struct loop *loop, int timer)
{
    zloop_timer_end(loop->zloop, timer);
    for (struct watch *watch = loop->watches; watch != NULL; watch = watch->next)
        if (watch->timer == timer) {
            watch_free(watch);
            return;
        }
}

void watches_free(struct loop *loop)
{
    while (loop->watches != NULL)
        watch_free(loop->watches);
}
