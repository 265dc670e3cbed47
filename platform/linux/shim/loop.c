/* epoll, one event per turn (see loop.h). */
#include "platform/linux/shim/loop.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

static int epoll = -1;

int loop_open(struct error *err)
{
    epoll = epoll_create1(EPOLL_CLOEXEC);
    return epoll < 0 ? error_sys(err, errno, "epoll") : 0;
}

int loop_watch(struct source *source, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = source };
    bool is_edge = (events & EPOLLET) != 0;

    /* an edge source is set again on purpose: that makes epoll look at it anew */
    if (source->fd < 0 || (source->is_added && source->watched == events && !is_edge))
        return 0;
    if (epoll_ctl(epoll, source->is_added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, source->fd, &event) < 0)
        return -1;
    source->is_added = true;
    source->watched = events;
    return 0;
}

void loop_unwatch(struct source *source)
{
    if (source->is_added)
        epoll_ctl(epoll, EPOLL_CTL_DEL, source->fd, NULL);
    source->is_added = false;
    source->watched = 0;
}

void loop_close(struct source *source)
{
    loop_unwatch(source);
    if (source->fd >= 0)
        close(source->fd);
    source->fd = -1;
}

void loop_turn(int timeout_ms)
{
    struct epoll_event event;

    if (epoll_wait(epoll, &event, 1, timeout_ms) == 1) {
        struct source *source = event.data.ptr;

        source->on_ready(source->owner, event.events);
    }
}
