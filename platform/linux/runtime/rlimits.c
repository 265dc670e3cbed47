/*
 * rlimits — the limits of a process.
 *
 * What it takes rights to do, to raise a hard limit, the parent does early and from outside: in a
 * user namespace nobody may.  All the rest the process does itself, as late as it can, for the
 * making of a container takes descriptors, memory and processes, and what its own program may
 * have of them can be less.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "platform/linux/runtime/process_parts.h"
#include "platform/scope.h"

static const char *const types[] = {
    [RLIMIT_AS] = "RLIMIT_AS",
    [RLIMIT_CORE] = "RLIMIT_CORE",
    [RLIMIT_CPU] = "RLIMIT_CPU",
    [RLIMIT_DATA] = "RLIMIT_DATA",
    [RLIMIT_FSIZE] = "RLIMIT_FSIZE",
    [RLIMIT_LOCKS] = "RLIMIT_LOCKS",
    [RLIMIT_MEMLOCK] = "RLIMIT_MEMLOCK",
    [RLIMIT_MSGQUEUE] = "RLIMIT_MSGQUEUE",
    [RLIMIT_NICE] = "RLIMIT_NICE",
    [RLIMIT_NOFILE] = "RLIMIT_NOFILE",
    [RLIMIT_NPROC] = "RLIMIT_NPROC",
    [RLIMIT_RSS] = "RLIMIT_RSS",
    [RLIMIT_RTPRIO] = "RLIMIT_RTPRIO",
    [RLIMIT_RTTIME] = "RLIMIT_RTTIME",
    [RLIMIT_SIGPENDING] = "RLIMIT_SIGPENDING",
    [RLIMIT_STACK] = "RLIMIT_STACK",
};

_Static_assert(COUNT_OF(types) == PROCESS_RLIMITS_MAX, "as many limits as types");

static int read_one(struct process_spec *spec, const struct place *place, struct error *err)
{
    struct rlimit_want want;
    bool has_soft, has_hard;
    int resource;

    if (place_text(place, "type", &want.type, err) < 0 ||
        place_u64(place, "soft", &want.soft, &has_soft, err) < 0 ||
        place_u64(place, "hard", &want.hard, &has_hard, err) < 0 ||
        place_needs(place, "type", err) < 0)
        return -1;
    resource = word_find(types, COUNT_OF(types), want.type);
    if (resource < 0)
        return place_failure(place, err, "wrong rlimit value: %.60s", want.type);
    if (!has_soft || !has_hard)
        return place_failure(place, err, "%s has no %s", want.type, has_soft ? "hard" : "soft");
    if (want.soft > want.hard)
        return place_failure(place, err, "%s: the soft limit is above the hard one", want.type);
    want.resource = (unsigned)resource;
    for (size_t i = 0; i < spec->rlimit_count; i++)
        if (spec->rlimits[i].resource == want.resource)
            return place_failure(place, err, "%s is there twice", want.type);
    spec->rlimits[spec->rlimit_count++] = want; /* no type twice: it cannot be too many */
    return 0;
}

int rlimits_read(struct process_spec *spec, const struct place *process, struct error *err)
{
    struct place array = place_member(process, "rlimits");
    size_t count;

    if (place_count(&array, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct place one = place_element(&array, i);

        if (read_one(spec, &one, err) < 0)
            return -1;
    }
    return 0;
}

static int limit(pid_t pid, const struct rlimit_want *want, const struct rlimit *new,
                 struct rlimit *now)
{
    return prlimit(pid, (enum __rlimit_resource)want->resource, new, now);
}

int rlimits_raise(const struct process_spec *spec, pid_t pid, struct error *err)
{
    for (size_t i = 0; i < spec->rlimit_count; i++) {
        const struct rlimit_want *want = &spec->rlimits[i];
        struct rlimit now, raised;

        if (limit(pid, want, NULL, &now) < 0)
            return error_sys(err, errno, "process.rlimits[%zu]: prlimit", i);
        if (want->hard <= now.rlim_max)
            continue;
        raised = (struct rlimit){ .rlim_cur = now.rlim_cur, .rlim_max = want->hard };
        if (limit(pid, want, &raised, NULL) == 0)
            continue;
        if (errno == EPERM)
            return error_set(err, ERROR_PERMISSION_DENIED,
                             "process.rlimits[%zu]: error setting rlimit type %u: operation not "
                             "permitted (%s: the hard limit here is %llu, and to raise it takes "
                             "CAP_SYS_RESOURCE)",
                             i, want->resource, want->type, (unsigned long long)now.rlim_max);
        return error_sys(err, errno, "process.rlimits[%zu]: error setting rlimit type %u (%s)", i,
                         want->resource, want->type);
    }
    return 0;
}

int rlimits_apply(const struct process_spec *spec, struct error *err)
{
    for (size_t i = 0; i < spec->rlimit_count; i++) {
        const struct rlimit_want *want = &spec->rlimits[i];
        const struct rlimit new = { .rlim_cur = want->soft, .rlim_max = want->hard };

        if (limit(0, want, &new, NULL) < 0)
            return error_sys(err, errno, "process.rlimits[%zu]: error setting rlimit type %u (%s)",
                             i, want->resource, want->type);
    }
    return 0;
}
