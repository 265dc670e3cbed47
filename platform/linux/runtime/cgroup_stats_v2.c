/* cgroup_stats_v2 — the counters of version 2 (Documentation/admin-guide/cgroup-v2.rst), told in
   the words of version 1; see cgroup_stats.c for the shape. */
#include "platform/linux/runtime/cgroup_stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/oci/draft.h"

#define USEC_NS 1000u

/* Pressure: "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", and the same for "full". */
static void pressure_put(const struct group *group, const char *file, json_t *object)
{
    const char *line = stats_text(group, file);
    json_t *pressure = draft_object();
    double avg10, avg60, avg300;
    uint64_t total;
    char word[8];

    while (sscanf(line, "%7s avg10=%lf avg60=%lf avg300=%lf total=%" SCNu64, word, &avg10, &avg60,
                  &avg300, &total) == 5) {
        json_t *entry = draft_object();

        draft_put(entry, "avg10", json_real(avg10));
        draft_put(entry, "avg60", json_real(avg60));
        draft_put(entry, "avg300", json_real(avg300));
        draft_put(entry, "total", draft_size(total));
        draft_put(pressure, word, entry);
        line = strchrnul(line, '\n');
        line += *line == '\n';
    }
    if (json_object_size(pressure) > 0)
        draft_put(object, "psi", pressure);
    else
        json_decref(pressure);
}

static json_t *cpu_stats(const struct group *group)
{
    json_t *cpu = draft_object(), *usage = draft_object(), *throttling = draft_object();
    const char *text = stats_text(group, "cpu.stat");
    uint64_t number;

    control_field(text, "usage_usec", &number);
    stats_put(usage, "total", number * USEC_NS);
    control_field(text, "system_usec", &number);
    draft_put(usage, "kernel", draft_size(number * USEC_NS));
    control_field(text, "user_usec", &number);
    draft_put(usage, "user", draft_size(number * USEC_NS));
    control_field(text, "nr_periods", &number);
    stats_put(throttling, "periods", number);
    control_field(text, "nr_throttled", &number);
    stats_put(throttling, "throttledPeriods", number);
    control_field(text, "throttled_usec", &number);
    stats_put(throttling, "throttledTime", number * USEC_NS);
    draft_put(cpu, "usage", usage);
    draft_put(cpu, "throttling", throttling);
    return cpu;
}

/* These files are of version 1; every document has the section. */
static json_t *cpuset_stats(void)
{
    static const char *const numbers[] = {
        "cpu_exclusive",   "mem_hardwall",       "mem_exclusive",
        "memory_migrate",  "memory_spread_page", "memory_spread_slab",
        "memory_pressure", "sched_load_balance", "sched_relax_domain_level",
    };
    json_t *cpuset = draft_object();

    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        draft_put(cpuset, numbers[i], draft_number(0));
    return cpuset;
}

static json_t *memory_stats(const struct group *group)
{
    json_t *memory = draft_object();
    uint64_t limit = stats_number(group, "memory.max"), cache, failed;
    uint64_t usage = stats_number(group, "memory.current");
    uint64_t swap_limit = stats_number(group, "memory.swap.max");

    /* as in version 1, memory is part of what is counted as swap */
    if (limit == UINT64_MAX || swap_limit == UINT64_MAX)
        swap_limit = UINT64_MAX;
    else
        swap_limit += limit;
    control_field(stats_text(group, "memory.stat"), "file", &cache);
    stats_put(memory, "cache", cache);
    control_field(stats_text(group, "memory.events"), "max", &failed);
    draft_put(memory, "usage",
              stats_memory_entry(limit, usage, stats_number(group, "memory.peak"), failed));
    draft_put(
        memory, "swap",
        stats_memory_entry(swap_limit, usage + stats_number(group, "memory.swap.current"), 0, 0));
    draft_put(memory, "kernel", stats_memory_entry(0, 0, 0, 0));
    draft_put(memory, "kernelTCP", stats_memory_entry(0, 0, 0, 0));
    draft_put(memory, "raw", stats_fields(stats_text(group, "memory.stat")));
    return memory;
}

/* Lines "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6". */
static json_t *io_stats(const struct group *group)
{
    json_t *io = draft_object(), *bytes = draft_array(), *counts = draft_array();

    for (const char *line = stats_text(group, "io.stat"); *line != '\0';) {
        uint64_t read, written, reads, writes, discarded, discards;
        unsigned major, minor;

        if (sscanf(line,
                   "%u:%u rbytes=%" SCNu64 " wbytes=%" SCNu64 " rios=%" SCNu64 " wios=%" SCNu64
                   " dbytes=%" SCNu64 " dios=%" SCNu64,
                   &major, &minor, &read, &written, &reads, &writes, &discarded, &discards) == 8) {
            stats_io(bytes, major, minor, "Read", read);
            stats_io(bytes, major, minor, "Write", written);
            stats_io(bytes, major, minor, "Discard", discarded);
            stats_io(counts, major, minor, "Read", reads);
            stats_io(counts, major, minor, "Write", writes);
            stats_io(counts, major, minor, "Discard", discards);
        }
        line = strchrnul(line, '\n');
        line += *line == '\n';
    }
    stats_put_list(io, "ioServiceBytesRecursive", bytes);
    stats_put_list(io, "ioServicedRecursive", counts);
    return io;
}

static json_t *huge_page_entry(const struct group *group, const char *size)
{
    json_t *entry = draft_object();
    uint64_t failed;
    char file[80];

    snprintf(file, sizeof(file), "hugetlb.%s.current", size);
    stats_put(entry, "usage", stats_number(group, file));
    snprintf(file, sizeof(file), "hugetlb.%s.events", size);
    control_field(stats_text(group, file), "max", &failed);
    draft_put(entry, "failcnt", draft_size(failed));
    return entry;
}

void stats_v2(const struct cgroup *cgroup, json_t *data)
{
    const struct group *group = cgroup_group(cgroup, "");
    json_t *cpu = cpu_stats(group), *memory = memory_stats(group), *io = io_stats(group);
    json_t *huge_pages = draft_object();

    pressure_put(group, "cpu.pressure", cpu);
    pressure_put(group, "memory.pressure", memory);
    pressure_put(group, "io.pressure", io);
    stats_huge_pages(group, "current", huge_pages, huge_page_entry);
    draft_put(data, "cpu", cpu);
    draft_put(data, "cpuset", cpuset_stats());
    draft_put(data, "memory", memory);
    draft_put(data, "pids", stats_pids(group));
    draft_put(data, "blkio", io);
    draft_put(data, "hugetlb", huge_pages);
}
