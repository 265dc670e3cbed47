/*
 * affinity — execCPUAffinity: on which processors an exec begins, and where it stays.
 *
 * Both are set from outside: the first before the process enters the container's control group,
 * the second behind it, when the cpuset of the group has had its say.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/runtime/process_parts.h"

static int read_list(struct process_spec *spec, const struct place *up, const char *key,
                     struct numbers **out, struct error *err)
{
    struct place place = place_member(up, key);
    const char *text;

    if (place_text(up, key, &text, err) < 0)
        return -1;
    if (text == NULL || text[0] == '\0')
        return 0;
    *out = arena_alloc(spec->arena, sizeof(**out));
    if (numbers_parse(text, *out) < 0)
        return place_failure(&place, err, "invalid CPU affinity: \"%.60s\" is no list such as 0-3,7",
                           text);
    return 0;
}

int affinity_read(struct process_spec *spec, const struct place *process, struct error *err)
{
    struct place place = place_member(process, "execCPUAffinity");

    if (read_list(spec, &place, "initial", &spec->initial, err) < 0)
        return -1;
    return read_list(spec, &place, "final", &spec->final, err);
}

static int apply(const struct numbers *numbers, pid_t pid, const char *which, struct error *err)
{
    if (numbers == NULL ||
        syscall(SYS_sched_setaffinity, pid, sizeof(numbers->words), numbers->words) == 0)
        return 0;
    return error_sys(err, errno, "process.execCPUAffinity.%s: sched_setaffinity", which);
}

int process_affinity_initial(const struct process_spec *spec, pid_t pid, struct error *err)
{
    return apply(spec->initial, pid, "initial", err);
}

int process_affinity_final(const struct process_spec *spec, pid_t pid, struct error *err)
{
    return apply(spec->final, pid, "final", err);
}
