/*
 * rlimits — the limits of a process, set from outside by prlimit(2).
 *
 * The parent does it: in the container the right to raise them may be gone, and what has been
 * lowered already (open files) would be in the way of what is still to do.
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
        return place_error(place, err, "wrong rlimit value: %.60s", want.type);
    if (!has_soft || !has_hard)
        return place_error(place, err, "%s has no %s", want.type, has_soft ? "hard" : "soft");
    if (want.soft > want.hard)
        return place_error(place, err, "%s: the soft limit is above the hard one", want.type);
    want.resource = (unsigned)resource;
    for (size_t i = 0; i < spec->rlimit_count; i++)
        if (spec->rlimits[i].resource == want.resource)
            return place_error(place, err, "%s is there twice", want.type);
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

int rlimits_apply(const struct process_spec *spec, pid_t pid, struct error *err)
{
    for (size_t i = 0; i < spec->rlimit_count; i++) {
        const struct rlimit_want *want = &spec->rlimits[i];
        const struct rlimit limit = { .rlim_cur = want->soft, .rlim_max = want->hard };
        struct rlimit now;

        if (prlimit(pid, (enum __rlimit_resource)want->resource, &limit, NULL) == 0)
            continue;
        if (errno == EPERM && prlimit(pid, (enum __rlimit_resource)want->resource, NULL, &now) == 0)
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
