/*
 * cgroup_v1 — limits as the files of version 1 (Documentation/admin-guide/cgroup-v1).
 *
 * Each limit knows its controller, its file and its field.  What is not set is not touched; what
 * is set and has no controller here is an error that names the field.  Where two limits bound
 * each other (memory and memory+swap, quota and burst) the kernel refuses the wrong order, which
 * limits_settle() makes use of.
 */
#include "platform/linux/runtime/cgroup_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SHARES_LEAST 2 /* kernel/sched: MIN_SHARES, MAX_SHARES */
#define SHARES_MOST  262144

/* ---- memory ---------------------------------------------------------------------------- */

/* The kernel says EBUSY to a limit that is below the usage and that it cannot reclaim down to;
   callers of `update` look for these words. */
static int memory_error(const struct group *group, int64_t limit, struct error *err)
{
    uint64_t usage, peak;

    if (err->os != EBUSY || !control_number(group->folder, "memory.usage_in_bytes", &usage) ||
        !control_number(group->folder, "memory.max_usage_in_bytes", &peak))
        return -1;
    return error_set(err, ERROR_FAILED_PRECONDITION,
                     "linux.resources.memory.limit: unable to set memory limit to %" PRId64
                     " (current usage: %" PRIu64 ", peak usage: %" PRIu64 ")",
                     limit, usage, peak);
}

static int memory_limit(const struct group *group, const struct resources *resources,
                        struct error *err)
{
    struct limit limits[2];
    struct number limit = resources->memory.limit, swap = resources->memory.swap;
    size_t count = 0;

    /* no limit of memory, but still one of memory and swap: the kernel refuses that */
    if (limit.is_set && limit.value == -1 && !swap.is_set &&
        control_is_there(group->folder, "memory.memsw.limit_in_bytes"))
        swap = limit;
    if (limit.is_set)
        limit_say(&limits[count++], "memory.limit_in_bytes", "memory.limit", limit.value);
    if (swap.is_set)
        limit_say(&limits[count++], "memory.memsw.limit_in_bytes", "memory.swap", swap.value);
    if (limits_settle(group, limits, count, err) == 0)
        return 0;
    if (swap.is_set && !resources->memory.swap.is_set && err->os == ENOENT)
        return 0;
    return memory_error(group, limit.value, err);
}

static int memory_apply(const struct cgroup *cgroup, const struct resources *resources, bool fresh,
                        struct error *err)
{
    const struct group *group = cgroup_group(cgroup, "memory");
    const struct {
        struct number number;
        const char *file, *field;
    } plain[] = {
        { resources->memory.reservation, "memory.soft_limit_in_bytes", "memory.reservation" },
        { resources->memory.kernel_tcp, "memory.kmem.tcp.limit_in_bytes", "memory.kernelTCP" },
        { resources->memory.swappiness, "memory.swappiness", "memory.swappiness" },
        { resources->memory.disable_oom_killer, "memory.oom_control", "memory.disableOOMKiller" },
    };

    if (group == NULL) {
        if (resources->memory.limit.value > 0)
            return limit_refuse("memory.limit", "memory", err);
        if (resources->memory.swap.value > 0)
            return limit_refuse("memory.swap", "memory", err);
        for (size_t i = 0; i < COUNT_OF(plain); i++)
            if (plain[i].number.is_set && plain[i].number.value > 0)
                return limit_refuse(plain[i].field, "memory", err);
        return 0;
    }
    /* always so since Linux 5.11, and before only while the group has none below */
    if (resources->memory.use_hierarchy.value == 1 && fresh)
        control_put(group->folder, "memory.use_hierarchy", "1");
    if (memory_limit(group, resources, err) < 0)
        return -1;
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (plain[i].number.is_set && !(fresh && plain[i].number.value <= 0 && i != 2) &&
            limit_number(group, plain[i].file, plain[i].number.value, plain[i].field, err) < 0)
            return -1;
    return 0;
}

/* ---- cpu --------------------------------------------------------------------------------- */

static int shares_apply(const struct group *group, const struct number *shares, struct error *err)
{
    if (!shares->is_set)
        return 0;
    if (shares->value < SHARES_LEAST || shares->value > SHARES_MOST) /* it would take another */
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "linux.resources.cpu.shares: is %" PRId64
                         ": the minimum allowed cpu-shares is %d, the maximum %d",
                         shares->value, SHARES_LEAST, SHARES_MOST);
    return limit_number(group, "cpu.shares", shares->value, "cpu.shares", err);
}

struct named {
    struct number number;
    const char *file, *field;
};

/* Those of them that are set. */
static int together(const struct group *group, const struct named *named, size_t count,
                    struct error *err)
{
    struct limit limits[3];
    size_t set = 0;

    for (size_t i = 0; i < count; i++)
        if (named[i].number.is_set)
            limit_say(&limits[set++], named[i].file, named[i].field, named[i].number.value);
    return limits_settle(group, limits, set, err);
}

static int cpu_apply(const struct cgroup *cgroup, const struct resources *resources, bool fresh,
                     struct error *err)
{
    const struct group *group = cgroup_group(cgroup, "cpu");
    struct named named[] = {
        { resources->cpu.period, "cpu.cfs_period_us", "cpu.period" },
        { resources->cpu.quota, "cpu.cfs_quota_us", "cpu.quota" },
        { resources->cpu.burst, "cpu.cfs_burst_us", "cpu.burst" },
        { resources->cpu.rt_period, "cpu.rt_period_us", "cpu.realtimePeriod" },
        { resources->cpu.rt_runtime, "cpu.rt_runtime_us", "cpu.realtimeRuntime" },
        { resources->cpu.idle, "cpu.idle", "cpu.idle" },
    };

    /* a new group has no burst and is not idle, and older kernels have not these files */
    named[2].number.is_set &= !fresh || named[2].number.value != 0;
    named[5].number.is_set &= !fresh || named[5].number.value != 0;
    if (group == NULL && resources->cpu.shares.is_set)
        return limit_refuse("cpu.shares", "cpu", err);
    for (size_t i = 0; group == NULL && i < COUNT_OF(named); i++)
        if (named[i].number.is_set && named[i].number.value > 0)
            return limit_refuse(named[i].field, "cpu", err);
    if (group == NULL)
        return 0;
    if (together(group, named, 3, err) < 0 || together(group, named + 3, 2, err) < 0 ||
        shares_apply(group, &resources->cpu.shares, err) < 0)
        return -1;
    return together(group, named + 5, 1, err);
}

static int cpuset_apply(const struct cgroup *cgroup, const struct resources *resources,
                        struct error *err)
{
    const struct group *group = cgroup_group(cgroup, "cpuset");

    if (group == NULL && resources->cpu.cpus != NULL)
        return limit_refuse("cpu.cpus", "cpuset", err);
    if (group == NULL && resources->cpu.mems != NULL)
        return limit_refuse("cpu.mems", "cpuset", err);
    if (resources->cpu.cpus != NULL &&
        limit_text(group, "cpuset.cpus", resources->cpu.cpus, "cpu.cpus", err) < 0)
        return -1;
    if (resources->cpu.mems == NULL)
        return 0;
    return limit_text(group, "cpuset.mems", resources->cpu.mems, "cpu.mems", err);
}

/* ---- cpusets below one another ----------------------------------------------------------- */

static bool list_is_empty(const char *folder, const char *file)
{
    char list[8];

    return control_get(folder, file, list, sizeof(list)) <= 1;
}

/* A folder that has nothing gets what the one above has; that one first, if it has nothing itself.
   `end` is where the folder's name ends in the group's; the hierarchy's root has everything. */
static int cpuset_fill(const struct group *group, size_t end, const char *file, struct error *err)
{
    char folder[PATH_MAX], above[PATH_MAX], list[4096];
    size_t up;

    snprintf(folder, sizeof(folder), "%.*s", (int)end, group->folder);
    if (end <= strlen(group->mounted))
        return 0;
    if ((group->made_from == 0 || end <= group->made_from) && !list_is_empty(folder, file))
        return 0;
    up = (size_t)(strrchr(folder, '/') - folder);
    snprintf(above, sizeof(above), "%.*s", (int)up, folder);
    if (cpuset_fill(group, up, file, err) < 0)
        return -1;
    if (control_get(above, file, list, sizeof(list)) < 0)
        return error_sys(err, errno, "read %s/%s", above, file);
    if (control_put(folder, file, list) < 0)
        return error_sys(err, errno, "write %s/%s", folder, file);
    return 0;
}

int cpuset_inherit_v1(const struct group *group, const struct resources *resources,
                      struct error *err)
{
    size_t end = strlen(group->folder);
    size_t up = (size_t)(strrchr(group->folder, '/') - group->folder);

    /* what is limited is written soon, and only those above must have it before */
    if (cpuset_fill(group, resources->cpu.cpus != NULL ? up : end, "cpuset.cpus", err) < 0)
        return -1;
    return cpuset_fill(group, resources->cpu.mems != NULL ? up : end, "cpuset.mems", err);
}

/* ---- block devices --------------------------------------------------------------------------- */

/* BFQ has its own names for them, and is the only scheduler that still knows weights. */
static int weight_apply(const struct group *group, struct number weight, const char *field,
                        const char *bfq, const char *old, const char *device, struct error *err)
{
    char text[64];

    if (!weight.is_set)
        return 0;
    snprintf(text, sizeof(text), "%s%" PRId64, device, weight.value);
    if (bfq != NULL && control_put(group->folder, bfq, text) == 0)
        return 0;
    if (bfq != NULL && errno != ENOENT)
        return error_sys(err, errno, "linux.resources.%s: write %s to %s/%s", field, text,
                         group->folder, bfq);
    return limit_text(group, old, text, field, err);
}

static int weights_apply(const struct group *group, const struct resources *resources,
                         struct error *err)
{
    char device[48];

    if (weight_apply(group, resources->io.weight, "blockIO.weight", "blkio.bfq.weight",
                     "blkio.weight", "", err) < 0 ||
        weight_apply(group, resources->io.leaf, "blockIO.leafWeight", NULL, "blkio.leaf_weight", "",
                     err) < 0)
        return -1;
    for (size_t i = 0; i < resources->io.weight_count; i++) {
        const struct io_weight *item = &resources->io.weights[i];

        snprintf(device, sizeof(device), "%" PRIu64 ":%" PRIu64 " ", item->device.major,
                 item->device.minor);
        if (weight_apply(group, item->weight, "blockIO.weightDevice", "blkio.bfq.weight_device",
                         "blkio.weight_device", device, err) < 0 ||
            weight_apply(group, item->leaf, "blockIO.weightDevice", NULL,
                         "blkio.leaf_weight_device", device, err) < 0)
            return -1;
    }
    return 0;
}

static int io_apply(const struct cgroup *cgroup, const struct resources *resources,
                    struct error *err)
{
    static const char *const files[IO_LIMIT_KINDS] = {
        [READ_BPS] = "blkio.throttle.read_bps_device",
        [WRITE_BPS] = "blkio.throttle.write_bps_device",
        [READ_IOPS] = "blkio.throttle.read_iops_device",
        [WRITE_IOPS] = "blkio.throttle.write_iops_device",
    };
    const struct group *group = cgroup_group(cgroup, "blkio");
    char text[96];

    if (group == NULL && (resources->io.weight.is_set || resources->io.leaf.is_set))
        return limit_refuse("blockIO.weight", "blkio", err);
    if (group == NULL && resources->io.weight_count > 0)
        return limit_refuse("blockIO.weightDevice", "blkio", err);
    if (group != NULL && weights_apply(group, resources, err) < 0)
        return -1;
    for (int kind = 0; kind < IO_LIMIT_KINDS; kind++)
        for (size_t i = 0; i < resources->io.limit_count[kind]; i++) {
            const struct io_limit *limit = &resources->io.limits[kind][i];

            if (group == NULL)
                return limit_refuse(io_limit_fields[kind], "blkio", err);
            snprintf(text, sizeof(text), "%" PRIu64 ":%" PRIu64 " %" PRIu64, limit->device.major,
                     limit->device.minor, limit->rate);
            if (limit_text(group, files[kind], text, io_limit_fields[kind], err) < 0)
                return -1;
        }
    return 0;
}

/* ---- the small ones ------------------------------------------------------------------------- */

static int pids_apply(const struct cgroup *cgroup, const struct resources *resources, bool fresh,
                      struct error *err)
{
    const struct group *group = cgroup_group(cgroup, "pids");
    int64_t limit = resources->pids.value;

    if (!resources->pids.is_set || (limit < 0 && fresh))
        return 0;
    if (group == NULL)
        return limit >= 0 ? limit_refuse("pids.limit", "pids", err) : 0;
    if (limit < 0)
        return limit_text(group, "pids.max", "max", "pids.limit", err);
    return limit_number(group, "pids.max", PIDS_LIMIT(limit), "pids.limit", err);
}

static int huge_pages_apply(const struct cgroup *cgroup, const struct resources *resources,
                            struct error *err)
{
    const struct group *group = cgroup_group(cgroup, "hugetlb");
    const struct group *unified = cgroup_group(cgroup, "");
    char file[NAME_MAX], number[24];

    if (group == NULL && resources->huge_page_count > 0 && controller_get_v2(unified, "hugetlb"))
        return huge_pages_apply_v2(unified, resources, err);
    for (size_t i = 0; i < resources->huge_page_count; i++) {
        const struct huge_page_limit *limit = &resources->huge_pages[i];

        if (group == NULL)
            return limit_refuse("hugepageLimits", "hugetlb", err);
        snprintf(number, sizeof(number), "%" PRIu64, limit->limit);
        snprintf(file, sizeof(file), "hugetlb.%.40s.limit_in_bytes", limit->size);
        if (limit_text(group, file, number, "hugepageLimits", err) < 0)
            return -1;
        /* reservations are counted apart since Linux 5.7 */
        snprintf(file, sizeof(file), "hugetlb.%.40s.rsvd.limit_in_bytes", limit->size);
        if (control_put(group->folder, file, number) < 0 && errno != ENOENT)
            return error_sys(err, errno, "linux.resources.hugepageLimits: write %s to %s/%s",
                             number, group->folder, file);
    }
    return 0;
}

static int network_apply(const struct cgroup *cgroup, const struct resources *resources,
                         struct error *err)
{
    const struct group *class = cgroup_group(cgroup, "net_cls");
    const struct group *priority = cgroup_group(cgroup, "net_prio");
    char line[NAME_MAX];

    if (resources->class_id.is_set && class == NULL)
        return limit_refuse("network.classID", "net_cls", err);
    if (resources->class_id.is_set &&
        limit_number(class, "net_cls.classid", resources->class_id.value, "network.classID", err) <
            0)
        return -1;
    for (size_t i = 0; i < resources->priority_count; i++) {
        if (priority == NULL)
            return limit_refuse("network.priorities", "net_prio", err);
        snprintf(line, sizeof(line), "%.64s %" PRIu32, resources->priorities[i].name,
                 resources->priorities[i].priority);
        if (limit_text(priority, "net_prio.ifpriomap", line, "network.priorities", err) < 0)
            return -1;
    }
    return 0;
}

int rdma_apply(const struct group *group, const struct resources *resources, struct error *err)
{
    char line[256];

    for (size_t i = 0; i < resources->rdma_count; i++) {
        const struct rdma_limit *limit = &resources->rdma[i];
        int size = snprintf(line, sizeof(line), "%.100s", limit->device);

        if (group == NULL)
            return limit_refuse("rdma", "rdma", err);
        if (limit->handles.is_set)
            size += snprintf(line + size, sizeof(line) - (size_t)size, " hca_handle=%" PRId64,
                             limit->handles.value);
        if (limit->objects.is_set)
            snprintf(line + size, sizeof(line) - (size_t)size, " hca_object=%" PRId64,
                     limit->objects.value);
        if (limit_text(group, "rdma.max", line, "rdma", err) < 0)
            return -1;
    }
    return 0;
}

/* ---- all of them ---------------------------------------------------------------------------- */

static int devices_apply(const struct cgroup *cgroup, const struct resources *resources, bool fresh,
                         struct error *err)
{
    const struct group *group = cgroup_group(cgroup, "devices");
    const struct group *unified = cgroup_group(cgroup, "");

    if (!fresh && !resources->devices.asked)
        return 0;
    if (group != NULL && devices_apply_v1(group, &resources->devices, fresh, err) == 0)
        return 0;
    if (group != NULL) /* a group of one's own does not give CAP_SYS_ADMIN */
        return cgroup->rootless && err->os == EPERM ? 0 : -1;
    if (unified != NULL && devices_apply_bpf(unified, &resources->devices, fresh, err) == 0)
        return 0;
    if (cgroup->rootless)
        return 0;
    return limit_refuse("devices", "devices", err);
}

int limits_apply_v1(struct cgroup *cgroup, const struct resources *resources, bool fresh,
                    struct error *err)
{
    const struct group *unified = cgroup_group(cgroup, ""), *rdma = cgroup_group(cgroup, "rdma");

    if (rdma == NULL && resources->rdma_count > 0 && controller_get_v2(unified, "rdma"))
        rdma = unified;
    if (devices_apply(cgroup, resources, fresh, err) < 0 ||
        memory_apply(cgroup, resources, fresh, err) < 0 ||
        cpu_apply(cgroup, resources, fresh, err) < 0 || cpuset_apply(cgroup, resources, err) < 0 ||
        pids_apply(cgroup, resources, fresh, err) < 0 || io_apply(cgroup, resources, err) < 0 ||
        huge_pages_apply(cgroup, resources, err) < 0 || network_apply(cgroup, resources, err) < 0 ||
        rdma_apply(rdma, resources, err) < 0)
        return -1;
    return unified_apply(unified, &resources->unified, err);
}
