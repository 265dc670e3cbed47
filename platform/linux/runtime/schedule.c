/*
 * schedule — how the kernel shares processors (sched_setattr(2)) and disks (ioprio_set(2))
 * with this process.  Which values go with which policy is checked while reading, so that what
 * is left for the kernel to refuse is a matter of rights.
 */
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/runtime/process_parts.h"
#include "platform/scope.h"

/* linux/sched.h and linux/ioprio.h, which do not go together with libc's headers everywhere. */
enum {
    POLICY_OTHER,
    POLICY_FIFO,
    POLICY_RR,
    POLICY_BATCH,
    POLICY_ISO,
    POLICY_IDLE,
    POLICY_DEADLINE
};
enum { IOPRIO_OF_PROCESS = 1, IOPRIO_CLASS_SHIFT_BITS = 13, IOPRIO_LEVELS = 8 };

static const char *const policies[] = {
    [POLICY_OTHER] = "SCHED_OTHER",
    [POLICY_FIFO] = "SCHED_FIFO",
    [POLICY_RR] = "SCHED_RR",
    [POLICY_BATCH] = "SCHED_BATCH",
    [POLICY_ISO] = "SCHED_ISO",
    [POLICY_IDLE] = "SCHED_IDLE",
    [POLICY_DEADLINE] = "SCHED_DEADLINE",
};

/* The index is the bit. */
static const char *const flags[] = {
    "SCHED_FLAG_RESET_ON_FORK",  "SCHED_FLAG_RECLAIM",     "SCHED_FLAG_DL_OVERRUN",
    "SCHED_FLAG_KEEP_POLICY",    "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN",
    "SCHED_FLAG_UTIL_CLAMP_MAX",
};

/* The index is the class. */
static const char *const classes[] = { NULL, "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE",
                                       "IOPRIO_CLASS_IDLE" };

static int read_policy(const struct place *place, uint32_t *policy, struct error *err)
{
    struct place where = place_member(place, "policy");
    const char *word;
    int number;

    if (place_needs(place, "policy", err) < 0 || place_text(place, "policy", &word, err) < 0)
        return -1;
    number = word_find(policies, COUNT_OF(policies), word);
    if (number < 0)
        return place_failure(&where, err, "\"%.60s\" is not known", word);
    *policy = (uint32_t)number;
    return 0;
}

static int check(const struct schedule *schedule, const struct place *place, struct error *err)
{
    bool real_time = schedule->policy == POLICY_FIFO || schedule->policy == POLICY_RR;

    if (schedule->nice < -20 || schedule->nice > 19)
        return place_failure(place, err, "nice must be from -20 to 19");
    if (schedule->priority != 0 && !real_time)
        return place_failure(place, err, "priority goes with SCHED_FIFO and SCHED_RR only");
    if (real_time && (schedule->priority < 1 || schedule->priority > 99))
        return place_failure(place, err, "priority must be from 1 to 99");
    if ((schedule->runtime != 0 || schedule->deadline != 0 || schedule->period != 0) &&
        schedule->policy != POLICY_DEADLINE)
        return place_failure(place, err, "runtime, deadline and period go with SCHED_DEADLINE only");
    return 0;
}

static int read_scheduler(struct process_spec *spec, const struct place *process, struct error *err)
{
    struct place place = place_member(process, "scheduler");
    struct schedule *schedule;
    int64_t nice_, priority;

    if (place.json == NULL)
        return 0;
    schedule = spec->schedule = arena_alloc(spec->arena, sizeof(*schedule));
    schedule->size = sizeof(*schedule);
    if (read_policy(&place, &schedule->policy, err) < 0 ||
        words_find(&place, "flags", flags, COUNT_OF(flags), &schedule->flags, spec->arena, err) <
            0 ||
        place_i64(&place, "nice", &nice_, NULL, err) < 0 ||
        place_i64(&place, "priority", &priority, NULL, err) < 0 ||
        place_u64(&place, "runtime", &schedule->runtime, NULL, err) < 0 ||
        place_u64(&place, "deadline", &schedule->deadline, NULL, err) < 0 ||
        place_u64(&place, "period", &schedule->period, NULL, err) < 0)
        return -1;
    if (nice_ < -20 || nice_ > 19 || priority < 0 || priority > 99)
        return place_failure(&place, err, "nice must be from -20 to 19, priority from 0 to 99");
    schedule->nice = (int32_t)nice_;
    schedule->priority = (uint32_t)priority;
    return check(schedule, &place, err);
}

static int read_io_priority(struct process_spec *spec, const struct place *process,
                            struct error *err)
{
    struct place place = place_member(process, "ioPriority"), class = place_member(&place, "class");
    int64_t level;
    const char *word;
    int number;

    if (place.json == NULL)
        return 0;
    if (place_needs(&place, "class", err) < 0 || place_text(&place, "class", &word, err) < 0 ||
        place_i64(&place, "priority", &level, NULL, err) < 0)
        return -1;
    number = word_find(classes, COUNT_OF(classes), word);
    if (number < 0)
        return place_failure(&class, err, "\"%.60s\" is not known", word);
    if (level < 0 || level >= IOPRIO_LEVELS)
        return place_failure(&place, err, "priority must be from 0 to %d", IOPRIO_LEVELS - 1);
    spec->io_priority = number << IOPRIO_CLASS_SHIFT_BITS | (int)level;
    return 0;
}

int schedule_read(struct process_spec *spec, const struct place *process, struct error *err)
{
    if (read_scheduler(spec, process, err) < 0)
        return -1;
    return read_io_priority(spec, process, err);
}

int schedule_apply(const struct process_spec *spec, struct error *err)
{
    if (spec->schedule != NULL && syscall(SYS_sched_setattr, 0, spec->schedule, 0) < 0)
        return error_sys(err, errno, "process.scheduler: %s", policies[spec->schedule->policy]);
    if (spec->io_priority >= 0 &&
        syscall(SYS_ioprio_set, IOPRIO_OF_PROCESS, 0, spec->io_priority) < 0)
        return error_sys(err, errno, "process.ioPriority: ioprio_set");
    return 0;
}
