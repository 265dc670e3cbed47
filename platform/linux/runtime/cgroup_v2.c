/*
 * cgroup_v2 — limits as the files of version 2 (Documentation/admin-guide/cgroup-v2.rst).
 *
 * linux.resources speaks the language of version 1, so most of it is converted; what cannot be
 * is an error (runtime-spec config-linux.md, "Unified").  The map `unified` comes last and as it
 * is.  A group has only those controllers that every group above it hands down.
 */
#include "platform/linux/runtime/cgroup_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTROLLERS_SIZE 512

/* ---- controllers ------------------------------------------------------------------------ */

static bool has_controller(const char *list, const char *name, size_t size)
{
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += size)
        if ((at == list || at[-1] == ' ') && strchr(" \n", at[size]) != NULL)
            return true;
    return false;
}

/* Appends " +name" for each of the list that is wanted and not in `enabled`. */
static void missing_of(const char *list, const char *enabled, const char *only, char *text,
                       size_t room)
{
    text[0] = '\0';
    for (const char *at = list; *at != '\0'; at += strspn(at, " \n")) {
        size_t size = strcspn(at, " \n"), used = strlen(text);
        char name[32];

        snprintf(name, sizeof(name), "%.*s", (int)size, at);
        at += size;
        if (!has_controller(enabled, name, size) && (only == NULL || strcmp(only, name) == 0))
            snprintf(text + used, room - used, "%s+%s", used > 0 ? " " : "", name);
    }
}

/* One group hands down what it has.  All at once; when one cannot be (a realtime process and cpu),
   then each by itself, as a missing controller matters only to who limits with it. */
static void hand_down(const char *folder, const char *only)
{
    char has[CONTROLLERS_SIZE], enabled[CONTROLLERS_SIZE], missing[CONTROLLERS_SIZE], *rest = NULL;

    if (control_get(folder, "cgroup.controllers", has, sizeof(has)) < 0 ||
        control_get(folder, "cgroup.subtree_control", enabled, sizeof(enabled)) < 0)
        return;
    missing_of(has, enabled, only, missing, sizeof(missing));
    if (missing[0] == '\0' || control_put(folder, "cgroup.subtree_control", missing) == 0)
        return;
    for (char *one = strtok_r(missing, " ", &rest); one; one = strtok_r(NULL, " ", &rest))
        control_put(folder, "cgroup.subtree_control", one);
}

/* From the root to the one above the group: all controllers, or `only` one. */
static void controllers_enable(const struct group *group, const char *only)
{
    char path[PATH_MAX];

    for (size_t at = strlen(group->mounted); group->folder[at] != '\0'; at++)
        if (group->folder[at] == '/') {
            snprintf(path, sizeof(path), "%.*s", (int)at, group->folder);
            hand_down(path, only);
        }
}

bool controller_get_v2(const struct group *group, const char *controller)
{
    char has[CONTROLLERS_SIZE];

    if (group == NULL)
        return false;
    controllers_enable(group, controller);
    return control_get(group->folder, "cgroup.controllers", has, sizeof(has)) > 0 &&
           has_controller(has, controller, strlen(controller));
}

/* What the limits below are written with. */
struct limiter {
    const struct cgroup *cgroup;
    const struct group *group; /* NULL: rootless, and we may have none */
    const struct resources *resources;
    bool fresh;
    char controllers[CONTROLLERS_SIZE]; /* of the group */
};

/* The field needs this controller. */
static int needs(const struct limiter *limiter, const char *field, const char *controller,
                 struct error *err)
{
    if (has_controller(limiter->controllers, controller, strlen(controller)))
        return 0;
    return limit_refuse(field, controller, err);
}

static int put_text(const struct limiter *limiter, const char *controller, const char *file,
                    const char *text, const char *field, struct error *err)
{
    if (needs(limiter, field, controller, err) < 0)
        return -1;
    return limit_text(limiter->group, file, text, field, err);
}

/* A negative number is no limit; which needs no controller, as long as nobody has set one. */
static int put_number(const struct limiter *limiter, const char *controller, const char *file,
                      struct number number, const char *field, struct error *err)
{
    char text[24] = "max";

    if (!number.is_set || (number.value < 0 && limiter->fresh))
        return 0;
    if (number.value >= 0)
        snprintf(text, sizeof(text), "%" PRId64, number.value);
    return put_text(limiter, controller, file, text, field, err);
}

static int cannot_convert(struct number number, const char *field, struct error *err)
{
    if (!number.is_set || number.value <= 0)
        return 0;
    return error_set(err, ERROR_FAILED_PRECONDITION,
                     "linux.resources.%s: there is nothing like it in cgroup v2", field);
}

/* ---- memory ------------------------------------------------------------------------------- */

/* Version 1 counts memory and swap together, version 2 swap alone. */
static int swap_number(const struct limiter *limiter, struct number *swap, struct error *err)
{
    struct number limit = limiter->resources->memory.limit;
    uint64_t now;

    *swap = limiter->resources->memory.swap;
    if (!swap->is_set) {
        *swap = (struct number){ .value = -1, .is_set = limit.is_set && limit.value == -1 };
        return 0;
    }
    if (swap->value < 0)
        return 0;
    if (!limit.is_set && limiter->group != NULL &&
        control_number(limiter->group->folder, "memory.max", &now) && now <= INT64_MAX)
        limit = (struct number){ .value = (int64_t)now, .is_set = true };
    if (!limit.is_set || limit.value < 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "linux.resources.memory.swap: unable to set swap limit without memory "
                         "limit");
    if (swap->value < limit.value)
        return error_set(
            err, ERROR_INVALID_ARGUMENT,
            "linux.resources.memory.swap: memory+swap limit should be >= memory limit");
    swap->value -= limit.value;
    return 0;
}

/* Version 1 refuses a limit below the usage, version 2 kills to get there. */
static int memory_check(const struct limiter *limiter, struct number swap, struct error *err)
{
    struct number limit = limiter->resources->memory.limit;
    uint64_t usage = 0, swapped = 0;

    if (!limiter->resources->memory.check_before_update || limiter->group == NULL)
        return 0;
    control_number(limiter->group->folder, "memory.current", &usage);
    control_number(limiter->group->folder, "memory.swap.current", &swapped);
    if (limit.is_set && limit.value > 0 && usage > (uint64_t)limit.value)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "linux.resources.memory.limit: rejecting memory limit %" PRId64
                         " < usage %" PRIu64,
                         limit.value, usage);
    if (swap.is_set && swap.value >= 0 && swapped > (uint64_t)swap.value)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "linux.resources.memory.swap: rejecting memory+swap limit < usage");
    return 0;
}

static int swap_put(const struct limiter *limiter, struct number swap, struct error *err)
{
    if (put_number(limiter, "memory", "memory.swap.max", swap, "memory.swap", err) == 0)
        return 0;
    /* a kernel without swap: none is what there is, and any amount of nothing is the same */
    return err->os == ENOENT && swap.value <= 0 ? 0 : -1;
}

static int memory_apply(const struct limiter *limiter, struct error *err)
{
    const struct resources *resources = limiter->resources;
    struct number swap, swappiness = resources->memory.swappiness;

    if (swappiness.is_set)
        swappiness.value += 1; /* 0 is one too that cannot be had */
    if (cannot_convert(resources->memory.kernel_tcp, "memory.kernelTCP", err) < 0 ||
        cannot_convert(swappiness, "memory.swappiness", err) < 0 ||
        cannot_convert(resources->memory.disable_oom_killer, "memory.disableOOMKiller", err) < 0)
        return -1;
    if (swap_number(limiter, &swap, err) < 0 || memory_check(limiter, swap, err) < 0)
        return -1;
    if (swap_put(limiter, swap, err) < 0 ||
        put_number(limiter, "memory", "memory.max", resources->memory.limit, "memory.limit", err) <
            0)
        return -1;
    return put_number(limiter, "memory", "memory.low", resources->memory.reservation,
                      "memory.reservation", err);
}

/* ---- cpu ------------------------------------------------------------------------------------ */

/*
 * Shares, 2 to 262144, as a weight, 1 to 10000.  A straight line between the ends, as runtimes
 * had it at first, gives the default of 1024 shares a weight of 39, where that of everybody else is
 * 100: containers got less than what runs beside them.  So the line was bent to go through
 * (1024, 100) too, on both logarithmic scales; runc 1.3.2 and crun 1.23 do the same.
 */
int64_t weight_of_shares(int64_t shares)
{
    double exponent = log2((double)shares);

    if (shares <= 2)
        return 1;
    if (shares >= 262144)
        return 10000;
    return (int64_t)ceil(pow(10, (exponent * exponent + 125 * exponent) / 612 - 7.0 / 34));
}

static void cpu_max_text(const struct limiter *limiter, char text[48])
{
    struct number quota = limiter->resources->cpu.quota, period = limiter->resources->cpu.period;
    char now[48] = "max";

    if (quota.is_set && quota.value > 0)
        snprintf(now, sizeof(now), "%" PRId64, quota.value);
    else if (!quota.is_set && !limiter->fresh)
        control_get(limiter->group->folder, "cpu.max", now, sizeof(now));
    now[strcspn(now, " \n")] = '\0';
    if (period.is_set)
        snprintf(text, 48, "%.20s %" PRId64, now, period.value);
    else
        snprintf(text, 48, "%.20s", now); /* the period stays */
}

static int cpu_apply(const struct limiter *limiter, struct error *err)
{
    const struct resources *resources = limiter->resources;
    struct number burst = resources->cpu.burst, idle = resources->cpu.idle;
    struct limit limits[4];
    size_t count = 0;

    if (cannot_convert(resources->cpu.rt_period, "cpu.realtimePeriod", err) < 0 ||
        cannot_convert(resources->cpu.rt_runtime, "cpu.realtimeRuntime", err) < 0)
        return -1;
    if (resources->cpu.shares.is_set)
        limit_say(&limits[count++], "cpu.weight", "cpu.shares",
                  weight_of_shares(resources->cpu.shares.value));
    if (idle.is_set && (!limiter->fresh || idle.value != 0))
        limit_say(&limits[count++], "cpu.idle", "cpu.idle", idle.value);
    if (burst.is_set && (!limiter->fresh || burst.value != 0))
        limit_say(&limits[count++], "cpu.max.burst", "cpu.burst", burst.value);
    if (resources->cpu.period.is_set ||
        (resources->cpu.quota.is_set && !(limiter->fresh && resources->cpu.quota.value < 0)))
        limit_say(&limits[count++], "cpu.max", "cpu.quota", 0);
    if (count == 0)
        return 0;
    if (needs(limiter, limits[0].field, "cpu", err) < 0)
        return -1;
    if (strcmp(limits[count - 1].file, "cpu.max") == 0)
        cpu_max_text(limiter, limits[count - 1].text);
    return limits_settle(limiter->group, limits, count, err);
}

static int cpuset_apply(const struct limiter *limiter, struct error *err)
{
    const char *cpus = limiter->resources->cpu.cpus, *mems = limiter->resources->cpu.mems;

    if (cpus != NULL && put_text(limiter, "cpuset", "cpuset.cpus", cpus, "cpu.cpus", err) < 0)
        return -1;
    return mems != NULL ? put_text(limiter, "cpuset", "cpuset.mems", mems, "cpu.mems", err) : 0;
}

static int pids_apply(const struct limiter *limiter, struct error *err)
{
    struct number pids = limiter->resources->pids;

    pids.value = PIDS_LIMIT(pids.value);
    return put_number(limiter, "pids", "pids.max", pids, "pids.limit", err);
}

/* ---- block devices -------------------------------------------------------------------------- */

/* 10 to 1000, of which BFQ takes all, as 1 to 10000. */
int64_t io_weight_of(int64_t weight)
{
    return weight <= 10 ? 1 : 1 + (weight - 10) * 9999 / 990;
}

static int io_weight_put(const struct limiter *limiter, const char *device, struct number weight,
                         const char *field, struct error *err)
{
    char text[64];

    if (!weight.is_set)
        return 0;
    if (needs(limiter, field, "io", err) < 0)
        return -1;
    snprintf(text, sizeof(text), "%s%" PRId64, device, weight.value);
    if (control_put(limiter->group->folder, "io.bfq.weight", text) == 0)
        return 0;
    snprintf(text, sizeof(text), "%s%" PRId64, device, io_weight_of(weight.value));
    return limit_text(limiter->group, "io.weight", text, field, err);
}

static int io_weights_apply(const struct limiter *limiter, struct error *err)
{
    const struct resources *resources = limiter->resources;
    char device[48];

    if (cannot_convert(resources->io.leaf, "blockIO.leafWeight", err) < 0 ||
        io_weight_put(limiter, "", resources->io.weight, "blockIO.weight", err) < 0)
        return -1;
    for (size_t i = 0; i < resources->io.weight_count; i++) {
        const struct io_weight *item = &resources->io.weights[i];

        snprintf(device, sizeof(device), "%" PRIu64 ":%" PRIu64 " ", item->device.major,
                 item->device.minor);
        if (cannot_convert(item->leaf, "blockIO.weightDevice", err) < 0 ||
            io_weight_put(limiter, device, item->weight, "blockIO.weightDevice", err) < 0)
            return -1;
    }
    return 0;
}

static int io_apply(const struct limiter *limiter, struct error *err)
{
    static const char *const words[IO_LIMIT_KINDS] = {
        [READ_BPS] = "rbps", [WRITE_BPS] = "wbps", [READ_IOPS] = "riops", [WRITE_IOPS] = "wiops"
    };
    const struct resources *resources = limiter->resources;
    char text[96], rate[24];

    if (io_weights_apply(limiter, err) < 0)
        return -1;
    for (int kind = 0; kind < IO_LIMIT_KINDS; kind++)
        for (size_t i = 0; i < resources->io.limit_count[kind]; i++) {
            const struct io_limit *limit = &resources->io.limits[kind][i];

            /* version 1 takes a limit away by 0 */
            snprintf(rate, sizeof(rate), limit->rate > 0 ? "%" PRIu64 : "max", limit->rate);
            snprintf(text, sizeof(text), "%" PRIu64 ":%" PRIu64 " %s=%s", limit->device.major,
                     limit->device.minor, words[kind], rate);
            if (put_text(limiter, "io", "io.max", text, io_limit_fields[kind], err) < 0)
                return -1;
        }
    return 0;
}

/* ---- the small ones ------------------------------------------------------------------------- */

int huge_pages_apply_v2(const struct group *group, const struct resources *resources,
                        struct error *err)
{
    char file[NAME_MAX], number[24];

    for (size_t i = 0; i < resources->huge_page_count; i++) {
        const struct huge_page_limit *limit = &resources->huge_pages[i];

        snprintf(number, sizeof(number), "%" PRIu64, limit->limit);
        snprintf(file, sizeof(file), "hugetlb.%.40s.max", limit->size);
        if (limit_text(group, file, number, "hugepageLimits", err) < 0)
            return -1;
        snprintf(file, sizeof(file), "hugetlb.%.40s.rsvd.max", limit->size);
        if (control_put(group->folder, file, number) < 0 && errno != ENOENT)
            return error_sys(err, errno, "linux.resources.hugepageLimits: write %s to %s/%s",
                             number, group->folder, file);
    }
    return 0;
}

static int huge_pages_apply(const struct limiter *limiter, struct error *err)
{
    if (limiter->resources->huge_page_count == 0)
        return 0;
    if (needs(limiter, "hugepageLimits", "hugetlb", err) < 0)
        return -1;
    return huge_pages_apply_v2(limiter->group, limiter->resources, err);
}

static int network_refuse(const struct limiter *limiter, struct error *err)
{
    const struct number priorities = { (int64_t)limiter->resources->priority_count, true };

    if (cannot_convert(limiter->resources->class_id, "network.classID", err) < 0)
        return -1;
    return cannot_convert(priorities, "network.priorities", err);
}

static int devices_apply(const struct limiter *limiter, struct error *err)
{
    const struct device_rules *rules = &limiter->resources->devices;

    if (!limiter->fresh && !rules->asked)
        return 0;
    if (limiter->group != NULL &&
        devices_apply_bpf(limiter->group, rules, limiter->fresh, err) == 0)
        return 0;
    return limiter->cgroup->rootless ? 0 : -1;
}

/* ---- unified -------------------------------------------------------------------------------- */

/* The kernel takes one line at a time (io.max has one for each device). */
static int lines_put(const struct group *group, const struct map_entry *entry, struct error *err)
{
    char field[160], line[4096];

    snprintf(field, sizeof(field), "unified.%.120s", entry->key);
    for (const char *at = entry->value; *at != '\0'; at += strspn(at, "\n")) {
        size_t size = strcspn(at, "\n");

        if (size >= sizeof(line))
            return error_set(err, ERROR_INVALID_ARGUMENT, "linux.resources.%s: is too long", field);
        memcpy(line, at, size);
        line[size] = '\0';
        at += size;
        if (limit_text(group, entry->key, line, field, err) < 0)
            return -1;
    }
    return 0;
}

int unified_apply(const struct group *group, const struct map *unified, struct error *err)
{
    char name[64], field[160];

    for (size_t i = 0; i < unified->count; i++) {
        const struct map_entry *entry = &unified->entries[i];

        snprintf(name, sizeof(name), "%.*s", (int)strcspn(entry->key, "."), entry->key);
        snprintf(field, sizeof(field), "unified.%.120s", entry->key);
        if (group == NULL)
            return limit_refuse(field, name, err);
        if (strcmp(name, "cgroup") != 0 && !controller_get_v2(group, name) &&
            !control_is_there(group->folder, entry->key))
            return limit_refuse(field, name, err);
        if (lines_put(group, entry, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- all of them ---------------------------------------------------------------------------- */

int limits_apply_v2(struct cgroup *cgroup, const struct resources *resources, bool fresh,
                    struct error *err)
{
    struct limiter limiter = {
        .cgroup = cgroup,
        .group = cgroup_group(cgroup, ""),
        .resources = resources,
        .fresh = fresh,
    };

    if (limiter.group != NULL) {
        controllers_enable(limiter.group, NULL); /* by whomever the group was made */
        control_get(limiter.group->folder, "cgroup.controllers", limiter.controllers,
                    sizeof(limiter.controllers));
    }
    if (devices_apply(&limiter, err) < 0 || memory_apply(&limiter, err) < 0 ||
        cpu_apply(&limiter, err) < 0 || cpuset_apply(&limiter, err) < 0 ||
        pids_apply(&limiter, err) < 0 || io_apply(&limiter, err) < 0 ||
        huge_pages_apply(&limiter, err) < 0 || network_refuse(&limiter, err) < 0)
        return -1;
    if (resources->rdma_count > 0 && needs(&limiter, "rdma", "rdma", err) < 0)
        return -1;
    if (rdma_apply(limiter.group, resources, err) < 0)
        return -1;
    return unified_apply(limiter.group, &resources->unified, err);
}
