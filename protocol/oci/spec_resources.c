/* Limits of a spec's control group, and kernel parameters of its namespaces. */
#include <math.h>
#include <string.h>

#include "protocol/oci/spec_parts.h"

#define MEMORY_LEAST (6ull << 20) /* less does not hold a runtime's own start */
#define CPU_PERIOD   100000       /* microseconds */
#define SHARES_LEAST 2
#define SHARES_MOST  262144

/* ---- memory ----------------------------------------------------------------------- */

static int memory_check(const struct container_options *options, struct error *err)
{
    if (options->memory < MEMORY_LEAST || options->memory > INT64_MAX / 2)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "memory %llu: say at least %llu bytes (6 MiB)",
                         (unsigned long long)options->memory, MEMORY_LEAST);
    return 0;
}

static int swap_check(const struct plan *plan, struct error *err)
{
    const struct container_options *options = plan->options;

    if (!options->has_memory)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "memory_swap: is memory and swap together; say memory as well");
    if (options->memory_swap < -1 ||
        (options->memory_swap >= 0 && (uint64_t)options->memory_swap < options->memory))
        return error_set(
            err, ERROR_INVALID_ARGUMENT,
            "memory_swap %lld: is memory and swap together, so at least memory (%llu); "
            "or -1",
            (long long)options->memory_swap, (unsigned long long)options->memory);
    if (!plan->host->swap_limit)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "memory_swap: this host does not account for swap; leave it out");
    return 0;
}

/* Without a word about swap it may be as much again as memory, as in docker. */
static int memory_put(const struct plan *plan, json_t *resources, struct error *err)
{
    const struct container_options *options = plan->options;
    json_t *memory;

    if (options->has_memory_swap && swap_check(plan, err) < 0)
        return -1;
    if (!options->has_memory)
        return 0;
    if (memory_check(options, err) < 0)
        return -1;
    memory = draft_object();
    draft_put(resources, "memory", memory);
    draft_put(memory, "limit", draft_size(options->memory));
    if (options->has_memory_swap)
        draft_put(memory, "swap", draft_number(options->memory_swap));
    else if (plan->host->swap_limit)
        draft_put(memory, "swap", draft_size(options->memory * 2));
    return 0;
}

/* ---- processors ------------------------------------------------------------------- */

static int quota_put(const struct plan *plan, json_t *cpu, struct error *err)
{
    double cpus = plan->options->cpus;

    if (!plan->options->has_cpus)
        return 0;
    if (!isfinite(cpus) || cpus < 0.01 || cpus > 100000)
        return error_set(err, ERROR_INVALID_ARGUMENT, "cpus %g: say at least 0.01", cpus);
    if (plan->host->cpus > 0 && cpus > (double)plan->host->cpus)
        return error_set(err, ERROR_INVALID_ARGUMENT, "cpus %g: this host has %llu", cpus,
                         (unsigned long long)plan->host->cpus);
    draft_put(cpu, "quota", draft_number((json_int_t)(cpus * CPU_PERIOD + 0.5)));
    draft_put(cpu, "period", draft_number(CPU_PERIOD));
    return 0;
}

static bool number_read(const char **at, unsigned long *number)
{
    size_t digits = strspn(*at, "0123456789");

    if (digits == 0 || digits > 6)
        return false;
    *number = 0;
    for (size_t i = 0; i < digits; i++)
        *number = *number * 10 + (unsigned long)((*at)[i] - '0');
    *at += digits;
    return true;
}

/* "0-2,7": ranges that do not run backwards. */
static bool is_cpuset(const char *at)
{
    unsigned long first, last;

    for (;;) {
        if (!number_read(&at, &first))
            return false;
        last = first;
        if (*at == '-' && (at++, !number_read(&at, &last)))
            return false;
        if (last < first)
            return false;
        if (*at == '\0')
            return true;
        if (*at++ != ',')
            return false;
    }
}

static int cpu_put(const struct plan *plan, json_t *resources, struct error *err)
{
    const struct container_options *options = plan->options;
    json_t *cpu = draft_object();
    struct shown text;

    draft_put(resources, "cpu", cpu);
    if (quota_put(plan, cpu, err) < 0)
        return -1;
    if (options->has_cpu_shares) {
        if (options->cpu_shares < SHARES_LEAST || options->cpu_shares > SHARES_MOST)
            return error_set(err, ERROR_INVALID_ARGUMENT, "cpu_shares %llu: say %d to %d",
                             (unsigned long long)options->cpu_shares, SHARES_LEAST, SHARES_MOST);
        draft_put(cpu, "shares", draft_size(options->cpu_shares));
    }
    if (options->cpuset_cpus != NULL) {
        if (!is_cpuset(options->cpuset_cpus))
            return error_set(err, ERROR_INVALID_ARGUMENT, "cpuset_cpus '%s': say e.g. 0-2,7",
                             shown(options->cpuset_cpus, &text));
        draft_put(cpu, "cpus", draft_text(options->cpuset_cpus));
    }
    if (json_object_size(cpu) == 0)
        json_object_del(resources, "cpu");
    return 0;
}

/* ---- processes -------------------------------------------------------------------- */

static int pids_put(const struct plan *plan, json_t *resources, struct error *err)
{
    int64_t most = plan->options->pids;
    json_t *pids;

    if (!plan->options->has_pids || most == 0 || most == -1)
        return 0;
    if (most < 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "pids %lld: say a number, or -1 for no limit",
                         (long long)most);
    pids = draft_object();
    draft_put(pids, "limit", draft_number(most));
    draft_put(resources, "pids", pids);
    return 0;
}

int plan_resources(const struct plan *plan, json_t *resources, struct error *err)
{
    if (memory_put(plan, resources, err) < 0 || cpu_put(plan, resources, err) < 0)
        return -1;
    return pids_put(plan, resources, err);
}

/* ---- kernel parameters ------------------------------------------------------------ */

/* Those that belong to the container's own IPC namespace. */
static const char *const ipc_parameters[] = {
    "kernel.msgmax",      "kernel.msgmnb",      "kernel.msgmni",      "kernel.sem",
    "kernel.shmall",      "kernel.shmmax",      "kernel.shmmni",      "kernel.shm_rmid_forced",
    "kernel.auto_msgmni", "kernel.msg_next_id", "kernel.sem_next_id", "kernel.shm_next_id",
};

static bool is_of_ipc(const char *key)
{
    if (strncmp(key, "fs.mqueue.", 10) == 0)
        return true;
    for (size_t i = 0; i < sizeof(ipc_parameters) / sizeof(*ipc_parameters); i++)
        if (strcmp(key, ipc_parameters[i]) == 0)
            return true;
    return false;
}

/* Words of letters, digits, '_' and '-' with single dots between: nothing that leads elsewhere. */
static bool is_parameter(const char *key)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

    return key[0] != '.' && strlen(key) < 256 && key[strspn(key, letters)] == '\0' &&
           strstr(key, "..") == NULL && key[0] != '\0' && key[strlen(key) - 1] != '.';
}

static int sysctl_check(const struct plan *plan, const char *key, struct error *err)
{
    bool is_of_network = strncmp(key, "net.", 4) == 0;
    struct shown text;

    if (!is_parameter(key))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "sysctl '%s': say a name such as net.core.somaxconn", shown(key, &text));
    if (is_of_network && plan->host_network)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "sysctl '%s': would change the host, whose network this container shares",
                         shown(key, &text));
    if (!is_of_network && !is_of_ipc(key) && strcmp(key, "kernel.domainname") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "sysctl '%s': would change the host; only net.*, fs.mqueue.*, "
                         "kernel.domainname and kernel.msg*, sem, shm* are a container's own",
                         shown(key, &text));
    return 0;
}

/*
 * In its own network, a container's user may open any port and send pings
 * without privileges: there is nobody else there to protect (as in docker).
 */
static void sysctl_defaults(const struct plan *plan, json_t *sysctl)
{
    if (plan->host_network)
        return;
    draft_put(sysctl, "net.ipv4.ip_unprivileged_port_start", draft_text("0"));
    if (plan->options->uidmap.count + plan->options->gidmap.count == 0) /* all have to be mapped */
        draft_put(sysctl, "net.ipv4.ping_group_range", draft_text("0 2147483647"));
}

int plan_sysctl(const struct plan *plan, json_t *linux_part, struct error *err)
{
    const struct map *wanted = &plan->options->sysctl;
    json_t *sysctl = draft_object();

    draft_put(linux_part, "sysctl", sysctl);
    sysctl_defaults(plan, sysctl);
    for (size_t i = 0; i < wanted->count; i++) {
        if (sysctl_check(plan, wanted->entries[i].key, err) < 0)
            return -1;
        draft_put(sysctl, wanted->entries[i].key, draft_text(wanted->entries[i].value));
    }
    return 0;
}
