/* See still.h. */
#include "platform/linux/pack/still.h"

#include <poll.h>
#include <string.h>
#include <time.h>

#include "platform/runtime.h"
#include "platform/scope.h"

#define PATIENCE 5000 /* ms */

/* What cannot be stopped runs on, unless it must stop. */
static int give_up(struct still *still, struct error *err)
{
    task_link_close(&still->link);
    return still->must ? error_wrap(err, "the container cannot stand still (a commit does without by --pause=false)") : 0;
}

int still_open(const char *text, struct still *still, struct error *err)
{
    const char *folder = strchr(text, ' ');

    *still = (struct still){ .must = strncmp(text, "must ", 5) == 0 };
    if (folder == NULL)
        return 0;
    still->link = task_link_open(folder + 1, err);
    if (still->link != NULL)
        return 0;
    still->stands = err->code == ERROR_NOT_FOUND; /* it has ended meanwhile */
    return still->stands ? 0 : give_up(still, err);
}

/* 1: it stands still; 0: not yet. */
static int answer_read(const struct shim_tell *tell, struct error *err)
{
    static const struct failure unknown = { .code = "internal", .message = "its shim does not say why" };
    const struct failure *why = tell->failure != NULL ? tell->failure : &unknown;

    if (strcmp(tell->what, "ok") == 0)
        return 1;
    if (strcmp(why->code, error_code_name(ERROR_ABORTED)) == 0)
        return 0;
    return error_set(err, error_code_of_name(why->code), "%s", why->message);
}

static int ask_once(struct task_link *link, uint64_t id, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const struct shim_ask ask = { .id = id, .what = "still" };
    struct pollfd readable = { .fd = task_link_fd(link), .events = POLLIN };
    struct shim_tell tell = { 0 };
    int got;

    if (task_link_send(link, &ask, err) < 0)
        return -1;
    do {
        got = task_link_receive(link, arena, &tell, err);
        if (got == 0 && poll(&readable, 1, PATIENCE) == 0)
            return error_set(err, ERROR_DEADLINE_EXCEEDED, "its shim does not answer");
    } while (got == 0 || (got == 1 && tell.id != id));
    return got < 0 ? -1 : answer_read(&tell, err);
}

int still_begin(struct still *still, struct error *err)
{
    const struct timespec moment = { .tv_nsec = 1000000 };
    int result;

    for (uint64_t ms = 0; still->link != NULL && ms < PATIENCE; ms++) {
        result = ask_once(still->link, ms + 1, err);
        still->stands = result == 1;
        if (result != 0)
            return result == 1 ? 0 : give_up(still, err);
        clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
    }
    return still->link == NULL ? 0
                               : error_set(err, ERROR_DEADLINE_EXCEEDED,
                                           "the container does not stand still within %d s",
                                           PATIENCE / 1000);
}

void still_end(struct still *still)
{
    task_link_close(&still->link);
}
