/* Threads of helpers; the daemon's own are actors and jobs. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "platform/platform.h"

struct start {
    void (*run)(void *ctx);
    void *ctx;
};

static void *enter(void *ctx)
{
    struct start start = *(struct start *)ctx;

    free(ctx);
    start.run(start.ctx);
    return NULL;
}

void thread_name(const char *name)
{
    prctl(PR_SET_NAME, name);
}

int thread_detach(void (*run)(void *ctx), void *ctx, struct error *err)
{
    struct start *start = malloc(sizeof(*start));
    pthread_t thread;
    int os;

    if (start == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "no memory for a thread");
    *start = (struct start){ run, ctx };
    os = pthread_create(&thread, NULL, enter, start);
    if (os != 0) {
        free(start);
        return error_sys(err, os, "start a thread");
    }
    pthread_detach(thread);
    return 0;
}
