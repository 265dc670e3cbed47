/*
 * cgroup_properties — limits in the words of systemd.resource-control(5), and the properties that
 * annotations ask for.
 *
 * systemd is told the same as the files, so that it does not put other values there when it is
 * reloaded. What it has no word for is only in the files.  A property that it does not know (of a
 * newer systemd) makes the whole call fail, so nothing is sent that was not asked for.
 */
#include "platform/linux/runtime/cgroup_systemd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/linux/runtime/dbus.h"

#define ANNOTATION "org.systemd.property."
#define CPUS_MAX   8192
#define QUOTA_STEP 10000u /* systemd counts hundredths of a processor */

/* ---- numbers ------------------------------------------------------------------------------ */

static void limit_put(struct buffer *out, const char *name, struct number number)
{
    if (number.is_set)
        property_u64(out, name, number.value < 0 ? UINT64_MAX : (uint64_t)number.value);
}

static void memory_put(const struct cgroup *cgroup, const struct resources *resources,
                       struct buffer *out)
{
    struct number limit = resources->memory.limit, swap = resources->memory.swap;

    limit_put(out, cgroup->v2 ? "MemoryMax" : "MemoryLimit", limit);
    if (!cgroup->v2)
        return;
    limit_put(out, "MemoryLow", resources->memory.reservation);
    if (swap.is_set && swap.value >= 0 && limit.value > 0 && swap.value >= limit.value)
        swap.value -= limit.value;
    else if (swap.value >= 0)
        return; /* the files' code tells what is wrong */
    limit_put(out, "MemorySwapMax", swap);
}

static void quota_put(const struct resources *resources, struct buffer *out)
{
    struct number quota = resources->cpu.quota, period = resources->cpu.period;
    uint64_t each_second = UINT64_MAX;

    if (period.is_set)
        property_u64(out, "CPUQuotaPeriodUSec", (uint64_t)period.value);
    if (!quota.is_set)
        return;
    if (quota.value > 0) {
        each_second =
            (uint64_t)quota.value * 1000000u / (uint64_t)(period.is_set ? period.value : 100000);
        each_second = (each_second + QUOTA_STEP - 1) / QUOTA_STEP * QUOTA_STEP;
    }
    property_u64(out, "CPUQuotaPerSecUSec", each_second);
}

/* "0-2,7" as a field of bits, the lowest first. */
static int bits_put(struct buffer *out, const char *name, const char *list, const char *field,
                    struct error *err)
{
    uint8_t bits[CPUS_MAX / 8] = { 0 };
    size_t used = 0, array;
    unsigned first, last;
    int size;

    while (sscanf(list, "%u%n", &first, &size) == 1) {
        list += size;
        last = first;
        if (sscanf(list, "-%u%n", &last, &size) == 1)
            list += size;
        if (last >= CPUS_MAX)
            return error_set(err, ERROR_INVALID_ARGUMENT, "linux.resources.%s: has the number %u",
                             field, last);
        for (; first <= last; first++)
            bits[first / 8] |= (uint8_t)(1u << first % 8);
        used = last / 8 + 1 > used ? last / 8 + 1 : used;
        list += *list == ',';
    }
    dbus_align(out, 8);
    dbus_text(out, name);
    dbus_signature(out, "ay");
    array = dbus_array_open(out, 1);
    buffer_add(out, bits, used);
    dbus_array_close(out, array, 1);
    return 0;
}

/* ---- devices -------------------------------------------------------------------------------- */

static void device_put(struct buffer *out, const struct device_exception *item)
{
    char path[64], access[4];

    if (item->access == 0)
        return;
    if (item->major == DEVICE_ANY)
        snprintf(path, sizeof(path), "%s-*", item->type == 'b' ? "block" : "char");
    else if (item->minor == DEVICE_ANY)
        snprintf(path, sizeof(path), "%s-%" PRId64, item->type == 'b' ? "block" : "char",
                 item->major);
    else
        snprintf(path, sizeof(path), "/dev/%s/%" PRId64 ":%" PRId64,
                 item->type == 'b' ? "block" : "char", item->major, item->minor);
    device_access_text(item->access, access);
    dbus_align(out, 8);
    dbus_text(out, path);
    dbus_text(out, access);
}

/* A list that allows some; any other (all but some) systemd cannot say, and then it must not
   stand in the way of who can. */
static void devices_put(const struct device_rules *rules, struct buffer *out)
{
    CLEANUP(device_policy_free) struct device_policy policy = { 0 };
    struct error ignored;
    bool can = device_policy_of(rules, &policy, &ignored) == 0 && !policy.allow;
    size_t array;

    property_text(out, "DevicePolicy", can ? "strict" : "auto");
    dbus_align(out, 8);
    dbus_text(out, "DeviceAllow");
    dbus_signature(out, "a(ss)");
    array = dbus_array_open(out, 8);
    for (size_t i = 0; can && i < policy.count; i++)
        device_put(out, &policy.items[i]);
    dbus_array_close(out, array, 8);
}

/* ---- all limits ----------------------------------------------------------------------------- */

int resources_properties(const struct cgroup *cgroup, const struct resources *resources, bool fresh,
                         struct buffer *out, struct error *err)
{
    struct number pids = resources->pids;

    if (fresh || resources->devices.asked)
        devices_put(&resources->devices, out);
    memory_put(cgroup, resources, out);
    if (resources->cpu.shares.is_set && !cgroup->v2)
        limit_put(out, "CPUShares", resources->cpu.shares);
    if (cgroup->v2 && resources->cpu.idle.value == 1)
        property_u64(out, "CPUWeight", 0); /* systemd's word for idle, since 252 */
    else if (cgroup->v2 && resources->cpu.shares.is_set)
        property_u64(out, "CPUWeight", (uint64_t)weight_of_shares(resources->cpu.shares.value));
    quota_put(resources, out);
    pids.value = PIDS_LIMIT(pids.value);
    limit_put(out, "TasksMax", pids);
    if (resources->io.weight.is_set && !cgroup->v2)
        limit_put(out, "BlockIOWeight", resources->io.weight);
    if (cgroup->v2 && resources->cpu.cpus != NULL &&
        bits_put(out, "AllowedCPUs", resources->cpu.cpus, "cpu.cpus", err) < 0)
        return -1;
    if (cgroup->v2 && resources->cpu.mems != NULL)
        return bits_put(out, "AllowedMemoryNodes", resources->cpu.mems, "cpu.mems", err);
    return 0;
}

/* ---- annotations ---------------------------------------------------------------------------- */

static void property_begin(struct buffer *out, const char *name, const char *signature)
{
    dbus_align(out, 8);
    dbus_text(out, name);
    dbus_signature(out, signature);
}

/* 'text' or "text", and nothing behind it but `end`; NULL: it is none.  No escapes: no property
   needs one. */
static char *quoted(const char *value, struct arena *arena, const char **end)
{
    char quote = value[0];
    const char *close = quote == '\'' || quote == '"' ? strchr(value + 1, quote) : NULL;

    if (close == NULL)
        return NULL;
    *end = close + 1;
    return arena_printf(arena, "%.*s", (int)(close - value - 1), value + 1);
}

static bool text_put(const char *name, const char *value, struct arena *arena, struct buffer *out)
{
    const char *end, *text = quoted(value, arena, &end);

    if (text == NULL || *end != '\0')
        return false;
    property_text(out, name, text);
    return true;
}

static bool list_put(const char *name, const char *value, struct arena *arena, struct buffer *out)
{
    size_t before = out->size, array;
    const char *at = value + 1, *text;

    if (value[0] != '[')
        return false;
    property_begin(out, name, "as");
    array = dbus_array_open(out, 4);
    while ((text = quoted(at += strspn(at, " "), arena, &at)) != NULL) {
        dbus_text(out, text);
        at += strspn(at, " ");
        if (*at != ',')
            break;
        at++;
    }
    dbus_array_close(out, array, 4);
    if (strcmp(at, "]") == 0)
        return true;
    out->size = before;
    return false;
}

/* "7", "uint64 7": a bare number is an int32, as GVariant has it.  Seconds are told to systemd as
   microseconds ("TimeoutStopSec" has no name on the bus, "TimeoutStopUSec" has). */
static bool number_put(const char *name, const char *value, struct arena *arena, struct buffer *out)
{
    static const struct {
        const char *word, *signature;
        size_t size;
    } types[] = {
        { "uint64 ", "t", 8 }, { "int64 ", "x", 8 }, { "uint32 ", "u", 4 }, { "int32 ", "i", 4 },
        { "uint16 ", "q", 2 }, { "int16 ", "n", 2 }, { "byte ", "y", 1 },   { "", "i", 4 },
    };
    size_t size = strlen(name), type = 0;
    bool seconds = size > 4 && strcmp(name + size - 3, "Sec") == 0 && name[size - 4] != 'U';
    char *end;
    int64_t number;

    while (strncmp(value, types[type].word, strlen(types[type].word)) != 0)
        type++;
    value += strlen(types[type].word);
    errno = 0;
    number = types[type].signature[0] == 't' ? (int64_t)strtoull(value, &end, 0)
                                             : strtoll(value, &end, 0);
    if (end == value || *end != '\0' || errno != 0)
        return false;
    if (seconds) {
        property_u64(out, arena_printf(arena, "%.*sUSec", (int)size - 3, name),
                     (uint64_t)number * 1000000u);
        return true;
    }
    property_begin(out, name, types[type].signature);
    dbus_align(out, types[type].size);
    if (types[type].size == 8)
        dbus_u64(out, (uint64_t)number);
    else if (types[type].size == 4)
        dbus_u32(out, (uint32_t)number);
    else
        buffer_add(out, &number, types[type].size);
    return true;
}

static int annotation_put(const struct place *place, const char *name, const char *value,
                          struct arena *arena, struct buffer *out, struct error *err)
{
    if (strlen(name) < 3 ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] != '\0')
        return place_failure(place, err, "is no name of a property");
    if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0) {
        property_bool(out, name, value[0] == 't');
        return 0;
    }
    if (text_put(name, value, arena, out) || list_put(name, value, arena, out) ||
        number_put(name, value, arena, out))
        return 0;
    return place_failure(place, err, "is %.60s, must be true, false, a number, 'text' or ['text']",
                       value);
}

int annotations_properties(const struct place *annotations, struct buffer *out, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const char *key;
    json_t *value;

    if (annotations == NULL || !json_is_object(annotations->json))
        return 0;
    json_object_foreach ((json_t *)annotations->json, key, value) {
        struct place place = place_member(annotations, key);

        if (strncmp(key, ANNOTATION, strlen(ANNOTATION)) != 0 || !json_is_string(value))
            continue;
        if (annotation_put(&place, key + strlen(ANNOTATION), json_string_value(value), arena, out,
                           err) < 0)
            return -1;
    }
    return 0;
}
