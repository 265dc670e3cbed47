/* See cgroup_resources.h. */
#include "platform/linux/runtime/cgroup_resources.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "platform/scope.h"

#define ITEMS_MAX 4096 /* rules, devices, ...: nobody has a hundred */

const char *const io_limit_fields[IO_LIMIT_KINDS] = {
    [READ_BPS] = "blockIO.throttleReadBpsDevice",
    [WRITE_BPS] = "blockIO.throttleWriteBpsDevice",
    [READ_IOPS] = "blockIO.throttleReadIOPSDevice",
    [WRITE_IOPS] = "blockIO.throttleWriteIOPSDevice",
};

/* What every container may use: nodes of any kind may be made (but not opened), and the devices
   of runtime-spec config-linux.md "Default Devices" be used; /dev/net/tun is what runc adds. */
static const struct device_rule needed_by_all[] = {
    { 'c', true, DEVICE_MAKE, DEVICE_ANY, DEVICE_ANY },
    { 'b', true, DEVICE_MAKE, DEVICE_ANY, DEVICE_ANY },
    { 'c', true, DEVICE_ALL, 1, 3 },            /* null */
    { 'c', true, DEVICE_ALL, 1, 8 },            /* random */
    { 'c', true, DEVICE_ALL, 1, 7 },            /* full */
    { 'c', true, DEVICE_ALL, 5, 0 },            /* tty */
    { 'c', true, DEVICE_ALL, 1, 5 },            /* zero */
    { 'c', true, DEVICE_ALL, 1, 9 },            /* urandom */
    { 'c', true, DEVICE_ALL, 136, DEVICE_ANY }, /* pts/N, console */
    { 'c', true, DEVICE_ALL, 5, 2 },            /* ptmx */
    { 'c', true, DEVICE_ALL, 10, 200 },         /* net/tun */
};

/* ---- numbers --------------------------------------------------------------------- */

/* Wants at least `least`; what is 0 where 0 means "not limited" is as if it were absent. */
static int read_number(const struct place *up, const char *key, int64_t least, bool zero_counts,
                       struct number *out, struct error *err)
{
    struct place place;

    if (place_i64(up, key, &out->value, &out->is_set, err) < 0)
        return -1;
    if (out->value == 0 && !zero_counts)
        out->is_set = false;
    place = place_member(up, key);
    if (out->is_set && out->value < least)
        return place_failure(&place, err, "is %lld, must be at least %lld", (long long)out->value,
                           (long long)least);
    return 0;
}

static int read_flag(const struct place *up, const char *key, struct number *out, struct error *err)
{
    bool value;

    if (place_bool(up, key, &value, &out->is_set, err) < 0)
        return -1;
    out->value = value;
    return 0;
}

static int read_range(const struct place *up, const char *key, int64_t least, int64_t most,
                      struct number *out, struct error *err)
{
    struct place place;

    if (read_number(up, key, least, true, out, err) < 0)
        return -1;
    place = place_member(up, key);
    if (out->is_set && out->value > most)
        return place_failure(&place, err, "is %lld, must be at most %lld", (long long)out->value,
                           (long long)most);
    return 0;
}

static int read_text(const struct place *up, const char *key, const char **out, struct arena *arena,
                     struct error *err)
{
    const char *text;

    if (place_text(up, key, &text, err) < 0)
        return -1;
    *out = text != NULL && text[0] != '\0' ? arena_str(arena, text) : NULL;
    return 0;
}

/* The member is an array, of zeroed items of this size. */
static int read_items(const struct place *array, size_t size, void **items, size_t *count,
                      struct arena *arena, struct error *err)
{
    if (place_count(array, count, err) < 0)
        return -1;
    if (*count > ITEMS_MAX)
        return place_failure(array, err, "has more than %d elements", ITEMS_MAX);
    *items = arena_alloc(arena, *count * size);
    return 0;
}

static int read_device(const struct place *place, struct device_number *out, struct error *err)
{
    if (place_needs(place, "major", err) < 0 || place_needs(place, "minor", err) < 0)
        return -1;
    if (place_u64(place, "major", &out->major, NULL, err) < 0)
        return -1;
    return place_u64(place, "minor", &out->minor, NULL, err);
}

/* ---- devices ------------------------------------------------------------------------- */

static int read_access(const struct place *place, uint8_t *out, struct error *err)
{
    struct place member = place_member(place, "access");
    const char *text;

    if (place_text(place, "access", &text, err) < 0)
        return -1;
    *out = text == NULL || text[0] == '\0' ? DEVICE_ALL : 0;
    for (; text != NULL && *text != '\0'; text++)
        if (*text == 'r')
            *out |= DEVICE_READ;
        else if (*text == 'w')
            *out |= DEVICE_WRITE;
        else if (*text == 'm')
            *out |= DEVICE_MAKE;
        else
            return place_failure(&member, err, "has %c, must be of r, w and m", *text);
    return 0;
}

static int read_rule(const struct place *place, struct device_rule *rule, struct error *err)
{
    struct place type_place = place_member(place, "type");
    struct number major, minor;
    const char *type;

    if (place_needs(place, "allow", err) < 0 ||
        place_bool(place, "allow", &rule->allow, NULL, err) < 0 ||
        place_text(place, "type", &type, err) < 0 ||
        read_range(place, "major", -1, UINT32_MAX, &major, err) < 0 ||
        read_range(place, "minor", -1, UINT32_MAX, &minor, err) < 0 ||
        read_access(place, &rule->access, err) < 0)
        return -1;
    if (type == NULL || type[0] == '\0')
        type = "a";
    if (strlen(type) != 1 || strchr("abcu", type[0]) == NULL)
        return place_failure(&type_place, err, "is %.20s, must be a, b or c", type);
    rule->type = type[0] == 'u' ? 'c' : type[0];
    rule->major = major.is_set ? major.value : DEVICE_ANY;
    rule->minor = minor.is_set ? minor.value : DEVICE_ANY;
    return 0;
}

/* What all need comes behind what is asked for: "deny everything" is how most lists begin. */
static int read_devices(const struct place *up, struct device_rules *rules, struct arena *arena,
                        struct error *err)
{
    struct place array = place_member(up, "devices");
    size_t count;

    if (place_count(&array, &count, err) < 0)
        return -1;
    if (count > ITEMS_MAX)
        return place_failure(&array, err, "has more than %d elements", ITEMS_MAX);
    rules->asked = array.json != NULL;
    rules->items = arena_alloc(arena, (count + COUNT_OF(needed_by_all)) * sizeof(*rules->items));
    for (size_t i = 0; i < count; i++) {
        struct place place = place_element(&array, i);

        if (read_rule(&place, &rules->items[i], err) < 0)
            return -1;
    }
    memcpy(rules->items + count, needed_by_all, sizeof(needed_by_all));
    rules->needed = COUNT_OF(needed_by_all);
    rules->count = count + rules->needed;
    return 0;
}

/* ---- memory, cpu, pids ------------------------------------------------------------------ */

static int read_memory(const struct place *up, struct resources *out, struct error *err)
{
    struct place place = place_member(up, "memory");

    if (read_number(&place, "limit", -1, false, &out->memory.limit, err) < 0 ||
        read_number(&place, "reservation", -1, false, &out->memory.reservation, err) < 0 ||
        read_number(&place, "swap", -1, false, &out->memory.swap, err) < 0 ||
        read_number(&place, "kernel", -1, false, &out->memory.kernel, err) < 0 ||
        read_number(&place, "kernelTCP", -1, false, &out->memory.kernel_tcp, err) < 0 ||
        read_range(&place, "swappiness", -1, 100, &out->memory.swappiness, err) < 0 ||
        read_flag(&place, "disableOOMKiller", &out->memory.disable_oom_killer, err) < 0 ||
        read_flag(&place, "useHierarchy", &out->memory.use_hierarchy, err) < 0 ||
        place_bool(&place, "checkBeforeUpdate", &out->memory.check_before_update, NULL, err) < 0)
        return -1;
    if (out->memory.swappiness.value == -1) /* Docker's word for "not set" */
        out->memory.swappiness.is_set = false;
    return 0;
}

static int read_cpu(const struct place *up, struct resources *out, struct arena *arena,
                    struct error *err)
{
    struct place place = place_member(up, "cpu");
    struct place burst = place_member(&place, "burst");

    if (read_number(&place, "shares", 0, false, &out->cpu.shares, err) < 0 ||
        read_number(&place, "quota", INT64_MIN, false, &out->cpu.quota, err) < 0 ||
        read_number(&place, "period", 0, false, &out->cpu.period, err) < 0 ||
        read_number(&place, "burst", 0, true, &out->cpu.burst, err) < 0 ||
        read_number(&place, "realtimeRuntime", INT64_MIN, false, &out->cpu.rt_runtime, err) < 0 ||
        read_number(&place, "realtimePeriod", 0, false, &out->cpu.rt_period, err) < 0 ||
        read_range(&place, "idle", 0, 1, &out->cpu.idle, err) < 0 ||
        read_text(&place, "cpus", &out->cpu.cpus, arena, err) < 0 ||
        read_text(&place, "mems", &out->cpu.mems, arena, err) < 0)
        return -1;
    if (out->cpu.quota.value > 0 && out->cpu.burst.value > out->cpu.quota.value)
        return place_failure(&burst, err, "is %lld, must not be more than the quota, %lld",
                           (long long)out->cpu.burst.value, (long long)out->cpu.quota.value);
    return 0;
}

/* runtime-spec 1.3: absent is "leave alone", -1 is "no limit", and 0 is a limit. */
static int read_pids(const struct place *up, struct resources *out, struct error *err)
{
    struct place place = place_member(up, "pids");

    return read_number(&place, "limit", INT64_MIN, true, &out->pids, err);
}

/* ---- block devices ------------------------------------------------------------------------ */

static int read_weights(const struct place *up, struct resources *out, struct arena *arena,
                        struct error *err)
{
    struct place array = place_member(up, "weightDevice");

    if (read_items(&array, sizeof(*out->io.weights), (void **)&out->io.weights,
                   &out->io.weight_count, arena, err) < 0)
        return -1;
    for (size_t i = 0; i < out->io.weight_count; i++) {
        struct place place = place_element(&array, i);
        struct io_weight *weight = &out->io.weights[i];

        if (read_device(&place, &weight->device, err) < 0 ||
            read_range(&place, "weight", 0, 1000, &weight->weight, err) < 0 ||
            read_range(&place, "leafWeight", 0, 1000, &weight->leaf, err) < 0)
            return -1;
        if (!weight->weight.is_set && !weight->leaf.is_set)
            return place_failure(&place, err, "has neither weight nor leafWeight");
    }
    return 0;
}

static int read_io_limits(const struct place *up, enum io_limit_kind kind, struct resources *out,
                          struct arena *arena, struct error *err)
{
    struct place array = place_member(up, strchr(io_limit_fields[kind], '.') + 1);
    struct io_limit **limits = &out->io.limits[kind];

    if (read_items(&array, sizeof(**limits), (void **)limits, &out->io.limit_count[kind], arena,
                   err) < 0)
        return -1;
    for (size_t i = 0; i < out->io.limit_count[kind]; i++) {
        struct place place = place_element(&array, i);

        if (read_device(&place, &(*limits)[i].device, err) < 0 ||
            place_needs(&place, "rate", err) < 0 ||
            place_u64(&place, "rate", &(*limits)[i].rate, NULL, err) < 0)
            return -1;
    }
    return 0;
}

static int read_io(const struct place *up, struct resources *out, struct arena *arena,
                   struct error *err)
{
    struct place place = place_member(up, "blockIO");

    if (read_range(&place, "weight", 0, 1000, &out->io.weight, err) < 0 ||
        read_range(&place, "leafWeight", 0, 1000, &out->io.leaf, err) < 0 ||
        read_weights(&place, out, arena, err) < 0)
        return -1;
    out->io.weight.is_set = out->io.weight.value != 0;
    out->io.leaf.is_set = out->io.leaf.value != 0;
    for (int kind = 0; kind < IO_LIMIT_KINDS; kind++)
        if (read_io_limits(&place, (enum io_limit_kind)kind, out, arena, err) < 0)
            return -1;
    return 0;
}

/* ---- huge pages, network, rdma, unified ------------------------------------------------------ */

/* A name that becomes part of a file's name or of a line. */
static int read_name(const struct place *up, const char *key, const char **out, struct arena *arena,
                     struct error *err)
{
    struct place place = place_member(up, key);

    if (place_needs(up, key, err) < 0 || read_text(up, key, out, arena, err) < 0)
        return -1;
    if (strpbrk(*out, "/ \n") != NULL)
        return place_failure(&place, err, "is %.40s, must not have slashes or blanks", *out);
    return 0;
}

static int read_huge_pages(const struct place *up, struct resources *out, struct arena *arena,
                           struct error *err)
{
    struct place array = place_member(up, "hugepageLimits");

    if (read_items(&array, sizeof(*out->huge_pages), (void **)&out->huge_pages,
                   &out->huge_page_count, arena, err) < 0)
        return -1;
    for (size_t i = 0; i < out->huge_page_count; i++) {
        struct place place = place_element(&array, i);

        if (read_name(&place, "pageSize", &out->huge_pages[i].size, arena, err) < 0 ||
            place_needs(&place, "limit", err) < 0 ||
            place_u64(&place, "limit", &out->huge_pages[i].limit, NULL, err) < 0)
            return -1;
    }
    return 0;
}

static int read_network(const struct place *up, struct resources *out, struct arena *arena,
                        struct error *err)
{
    struct place place = place_member(up, "network");
    struct place array = place_member(&place, "priorities");

    if (read_range(&place, "classID", 0, UINT32_MAX, &out->class_id, err) < 0 ||
        read_items(&array, sizeof(*out->priorities), (void **)&out->priorities,
                   &out->priority_count, arena, err) < 0)
        return -1;
    out->class_id.is_set = out->class_id.value != 0;
    for (size_t i = 0; i < out->priority_count; i++) {
        struct place item = place_element(&array, i);

        if (read_name(&item, "name", &out->priorities[i].name, arena, err) < 0 ||
            place_needs(&item, "priority", err) < 0 ||
            place_u32(&item, "priority", &out->priorities[i].priority, NULL, err) < 0)
            return -1;
    }
    return 0;
}

static int must_be_object(const struct place *place, struct error *err)
{
    if (place->json != NULL && !json_is_object(place->json))
        return place_failure(place, err, "must be an object");
    return 0;
}

static int read_rdma(const struct place *up, struct resources *out, struct arena *arena,
                     struct error *err)
{
    struct place object = place_member(up, "rdma");
    const char *device;
    json_t *value;

    if (must_be_object(&object, err) < 0)
        return -1;
    out->rdma = arena_alloc(arena, json_object_size(object.json) * sizeof(*out->rdma));
    json_object_foreach ((json_t *)object.json, device, value) {
        struct place place = place_member(&object, device);
        struct rdma_limit *limit = &out->rdma[out->rdma_count++];

        limit->device = arena_str(arena, device);
        if (strpbrk(device, "/ \n") != NULL)
            return place_failure(&place, err, "is no name of a device");
        if (read_range(&place, "hcaHandles", 0, UINT32_MAX, &limit->handles, err) < 0 ||
            read_range(&place, "hcaObjects", 0, UINT32_MAX, &limit->objects, err) < 0)
            return -1;
        if (!limit->handles.is_set && !limit->objects.is_set)
            return place_failure(&place, err, "has neither hcaHandles nor hcaObjects");
    }
    return 0;
}

static int read_unified(const struct place *up, struct resources *out, struct arena *arena,
                        struct error *err)
{
    struct place object = place_member(up, "unified");
    const char *file;
    json_t *value;

    if (must_be_object(&object, err) < 0)
        return -1;
    out->unified.entries =
        arena_alloc(arena, json_object_size(object.json) * sizeof(*out->unified.entries));
    json_object_foreach ((json_t *)object.json, file, value) {
        struct place place = place_member(&object, file);
        const char *text;

        if (place_text(&object, file, &text, err) < 0)
            return -1;
        if (file[0] == '\0' || strchr(file, '/') != NULL || file[0] == '.' ||
            strchr(file, '.') == NULL)
            return place_failure(&place, err, "is no name of a control file");
        if (text != NULL)
            out->unified.entries[out->unified.count++] =
                (struct map_entry){ arena_str(arena, file), arena_str(arena, text) };
    }
    return 0;
}

int resources_read(const struct place *place, struct resources *resources, struct arena *arena,
                   struct error *err)
{
    if (must_be_object(place, err) < 0)
        return -1;
    if (read_devices(place, &resources->devices, arena, err) < 0 ||
        read_memory(place, resources, err) < 0 || read_cpu(place, resources, arena, err) < 0 ||
        read_pids(place, resources, err) < 0 || read_io(place, resources, arena, err) < 0 ||
        read_huge_pages(place, resources, arena, err) < 0 ||
        read_network(place, resources, arena, err) < 0 ||
        read_rdma(place, resources, arena, err) < 0)
        return -1;
    return read_unified(place, resources, arena, err);
}
