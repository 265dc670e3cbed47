/* Threads of helpers; the daemon's own are actors and jobs. */
#include <errno.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/yielding.h"
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

/* Both calls are about the calling thread; where they are not allowed it works like the others. */
void thread_give_way(void)
{
    struct sched_param none = { 0 };

    sched_setscheduler(0, SCHED_IDLE, &none);
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

/* Not idle: who waits for a lock of the file system that this thread holds would wait for a processor
   that nobody else wants. */
void thread_stand_back(void)
{
    yield_to_others();
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 7));
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
