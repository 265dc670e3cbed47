/* cgroup_stats_v1 — the counters of version 1 (Documentation/admin-guide/cgroup-v1); see
   cgroup_stats.c for the shape. */
#include "platform/linux/runtime/cgroup_stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/oci/draft.h"

#define TICK_NS 10000000u /* USER_HZ is 100 on every architecture that matters */

/* ---- cpu ------------------------------------------------------------------------------ */

/* "1 2 3": one for each processor. */
static json_t *per_processor(const char *text)
{
    json_t *array = draft_array();
    char *end;

    for (const char *at = text;; at = end) {
        uint64_t number = strtoull(at, &end, 10);

        if (end == at)
            return array;
        draft_add(array, draft_number((json_int_t)number));
    }
}

/* cpuacct.usage_all has a heading and lines "CPU USER SYSTEM". */
static void usage_of_each(const struct group *group, json_t *usage)
{
    json_t *kernel = draft_array(), *user = draft_array();
    const char *line = strchr(stats_text(group, "cpuacct.usage_all"), '\n');
    uint64_t in_user, in_kernel;

    while (line != NULL && sscanf(line, " %*u %" SCNu64 " %" SCNu64, &in_user, &in_kernel) == 2) {
        draft_add(kernel, draft_number((json_int_t)in_kernel));
        draft_add(user, draft_number((json_int_t)in_user));
        line = strchr(line + 1, '\n');
    }
    stats_put_list(usage, "percpu_kernel", kernel);
    stats_put_list(usage, "percpu_user", user);
}

static json_t *cpu_stats(const struct cgroup *cgroup)
{
    const struct group *account = cgroup_group(cgroup, "cpuacct");
    json_t *cpu = draft_object(), *usage = draft_object(), *throttling = draft_object();
    uint64_t number;
    const char *text;

    stats_put(usage, "total", stats_number(account, "cpuacct.usage"));
    stats_put_list(usage, "percpu", per_processor(stats_text(account, "cpuacct.usage_percpu")));
    usage_of_each(account, usage);
    text = stats_text(account, "cpuacct.stat");
    control_field(text, "system", &number);
    draft_put(usage, "kernel", draft_size(number * TICK_NS));
    control_field(text, "user", &number);
    draft_put(usage, "user", draft_size(number * TICK_NS));
    text = stats_text(cgroup_group(cgroup, "cpu"), "cpu.stat");
    control_field(text, "nr_periods", &number);
    stats_put(throttling, "periods", number);
    control_field(text, "nr_throttled", &number);
    stats_put(throttling, "throttledPeriods", number);
    control_field(text, "throttled_time", &number);
    stats_put(throttling, "throttledTime", number);
    draft_put(cpu, "usage", usage);
    draft_put(cpu, "throttling", throttling);
    return cpu;
}

/* "0-2,7" as [0,1,2,7]. */
static void put_numbers(json_t *object, const char *key, const char *list)
{
    json_t *array = draft_array();
    unsigned first, last;
    int size;

    while (sscanf(list, "%u%n", &first, &size) == 1) {
        list += size;
        last = first;
        if (sscanf(list, "-%u%n", &last, &size) == 1)
            list += size;
        for (; first <= last && json_array_size(array) < 65536; first++)
            draft_add(array, draft_number(first));
        if (*list++ != ',')
            break;
    }
    stats_put_list(object, key, array);
}

static json_t *cpuset_stats(const struct group *group)
{
    static const char *const numbers[] = {
        "cpu_exclusive",      "mem_hardwall",       "mem_exclusive",   "memory_migrate",
        "memory_spread_page", "memory_spread_slab", "memory_pressure", "sched_load_balance",
    };
    json_t *cpuset = draft_object();
    char file[64];

    put_numbers(cpuset, "cpus", stats_text(group, "cpuset.cpus"));
    put_numbers(cpuset, "mems", stats_text(group, "cpuset.mems"));
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        snprintf(file, sizeof(file), "cpuset.%s", numbers[i]);
        draft_put(cpuset, numbers[i], draft_size(stats_number(group, file)));
    }
    draft_put(cpuset, "sched_relax_domain_level",
              draft_number(atoi(stats_text(group, "cpuset.sched_relax_domain_level"))));
    return cpuset;
}

/* ---- memory ----------------------------------------------------------------------------- */

static json_t *memory_entry(const struct group *group, const char *kind)
{
    static const char *const numbers[] = { "limit_in_bytes", "usage_in_bytes", "max_usage_in_bytes",
                                           "failcnt" };
    uint64_t values[COUNT_OF(numbers)];
    char file[64];

    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        snprintf(file, sizeof(file), "memory.%s%s", kind, numbers[i]);
        values[i] = stats_number(group, file);
    }
    return stats_memory_entry(values[0], values[1], values[2], values[3]);
}

static json_t *memory_stats(const struct group *group)
{
    json_t *memory = draft_object();
    uint64_t cache;

    control_field(stats_text(group, "memory.stat"), "cache", &cache);
    stats_put(memory, "cache", cache);
    draft_put(memory, "usage", memory_entry(group, ""));
    draft_put(memory, "swap", memory_entry(group, "memsw."));
    draft_put(memory, "kernel", memory_entry(group, "kmem."));
    draft_put(memory, "kernelTCP", memory_entry(group, "kmem.tcp."));
    draft_put(memory, "raw", stats_fields(stats_text(group, "memory.stat")));
    return memory;
}

/* ---- the others ---------------------------------------------------------------------------- */

/* Lines "8:0 Read 4096", and a sum without a device. */
static bool io_put(const struct group *group, const char *file, json_t *io, const char *key)
{
    json_t *array = draft_array();
    unsigned major, minor;
    uint64_t value;
    char op[16];
    bool any;

    for (const char *line = stats_text(group, file); *line != '\0';) {
        if (sscanf(line, "%u:%u %15s %" SCNu64, &major, &minor, op, &value) == 4)
            stats_io(array, major, minor, op, value);
        line = strchrnul(line, '\n');
        line += *line == '\n';
    }
    any = json_array_size(array) > 0;
    stats_put_list(io, key, array);
    return any;
}

/* BFQ counts what it schedules; the throttle counts everything, but not for groups below. */
static json_t *io_stats(const struct group *group)
{
    json_t *io = draft_object();

    if (!io_put(group, "blkio.bfq.io_service_bytes_recursive", io, "ioServiceBytesRecursive"))
        io_put(group, "blkio.throttle.io_service_bytes_recursive", io, "ioServiceBytesRecursive");
    if (!io_put(group, "blkio.bfq.io_serviced_recursive", io, "ioServicedRecursive"))
        io_put(group, "blkio.throttle.io_serviced_recursive", io, "ioServicedRecursive");
    return io;
}

static json_t *huge_page_entry(const struct group *group, const char *size)
{
    json_t *entry = draft_object();
    char file[80];

    snprintf(file, sizeof(file), "hugetlb.%s.usage_in_bytes", size);
    stats_put(entry, "usage", stats_number(group, file));
    snprintf(file, sizeof(file), "hugetlb.%s.max_usage_in_bytes", size);
    stats_put(entry, "max", stats_number(group, file));
    snprintf(file, sizeof(file), "hugetlb.%s.failcnt", size);
    draft_put(entry, "failcnt", draft_size(stats_number(group, file)));
    return entry;
}

void stats_v1(const struct cgroup *cgroup, json_t *data)
{
    json_t *huge_pages = draft_object();

    draft_put(data, "cpu", cpu_stats(cgroup));
    draft_put(data, "cpuset", cpuset_stats(cgroup_group(cgroup, "cpuset")));
    draft_put(data, "memory", memory_stats(cgroup_group(cgroup, "memory")));
    draft_put(data, "pids", stats_pids(cgroup_group(cgroup, "pids")));
    draft_put(data, "blkio", io_stats(cgroup_group(cgroup, "blkio")));
    stats_huge_pages(cgroup_group(cgroup, "hugetlb"), "usage_in_bytes", huge_pages,
                     huge_page_entry);
    draft_put(data, "hugetlb", huge_pages);
}
