/*
 * A helper that works through much data gives way to what somebody waits for: while five images are
 * pulled, `ps` is answered.
 *
 * Two things are asked of the scheduler, and what it cannot do it leaves: a smaller share of a
 * processor that others want too (nice(2)), and long slices (sched_setattr(2), sched_runtime; Linux
 * 6.12).  Who wakes up with a shorter slice takes the processor at once, instead of at the next tick.
 */
#ifndef GANTRY_PLATFORM_LINUX_YIELDING_H
#define GANTRY_PLATFORM_LINUX_YIELDING_H

#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline void yield_to_others(void)
{
    /* struct sched_attr of linux/sched/types.h, which is in glibc's way */
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } wanted = { .size = sizeof(wanted), .nice = 10, .runtime = 20u * 1000 * 1000 };

    if (syscall(SYS_sched_setattr, 0, &wanted, 0) < 0)
        setpriority(PRIO_PROCESS, 0, wanted.nice);
}

#endif
