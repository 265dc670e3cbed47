/*
 * cgroup_devices_v1 — rules about devices, as the files devices.allow and devices.deny.
 *
 * The kernel keeps no ordered rules but a default and exceptions to it (Documentation/
 * admin-guide/cgroup-v1/devices.rst), so the rules are played through first and what comes out is
 * written: for a new group "deny all" and one line for each exception.  In a group that is in
 * use only the difference is written, so that nothing is denied for a moment that is allowed
 * before and after.
 */
#include "platform/linux/runtime/cgroup_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 64
#define LIST_MAX  65536

/* ---- playing the rules through --------------------------------------------------------- */

static bool number_covers(int64_t rule, int64_t other)
{
    return rule == DEVICE_ANY || rule == other;
}

static bool number_meets(int64_t rule, int64_t other)
{
    return number_covers(rule, other) || other == DEVICE_ANY;
}

static struct device_exception *exception_find(const struct device_policy *policy, char type,
                                               int64_t major, int64_t minor)
{
    for (size_t i = 0; i < policy->count; i++)
        if (policy->items[i].type == type && policy->items[i].major == major &&
            policy->items[i].minor == minor)
            return &policy->items[i];
    return NULL;
}

static void exception_add(struct device_policy *policy, const struct device_rule *rule, char type,
                          bool asked)
{
    struct device_exception *known = exception_find(policy, type, rule->major, rule->minor);

    if (known == NULL) {
        known = &policy->items[policy->count++];
        *known =
            (struct device_exception){ .type = type, .major = rule->major, .minor = rule->minor };
    }
    known->access |= rule->access;
    known->asked |= asked;
}

static int exceptions_cut(struct device_policy *policy, const struct device_rule *rule, char type,
                          size_t index, struct error *err)
{
    for (size_t i = 0; i < policy->count; i++) {
        struct device_exception *item = &policy->items[i];

        if (item->type != type || (item->access & rule->access) == 0 ||
            !number_meets(rule->major, item->major) || !number_meets(rule->minor, item->minor))
            continue;
        if (!number_covers(rule->major, item->major) || !number_covers(rule->minor, item->minor))
            return error_set(err, ERROR_FAILED_PRECONDITION,
                             "linux.resources.devices[%zu]: takes a part of what a rule before it "
                             "is about, which cgroup v1 cannot express",
                             index);
        item->access &= (uint8_t)~rule->access;
    }
    return 0;
}

int device_policy_of(const struct device_rules *rules, struct device_policy *policy,
                     struct error *err)
{
    policy->allow = false;
    policy->items = calloc(rules->count * 2 + 1, sizeof(*policy->items)); /* 'a' is two */
    if (policy->items == NULL)
        return error_sys(err, errno, "linux.resources.devices");
    for (size_t i = 0; i < rules->count; i++) {
        const struct device_rule *rule = &rules->items[i];

        if (rule->type == 'a' && rule->access == DEVICE_ALL && rule->major == DEVICE_ANY &&
            rule->minor == DEVICE_ANY) {
            policy->allow = rule->allow;
            policy->count = 0;
            continue;
        }
        for (const char *type = "bc"; *type != '\0'; type++) {
            if (rule->type != 'a' && rule->type != *type)
                continue;
            if (rule->allow != policy->allow)
                exception_add(policy, rule, *type, i < rules->count - rules->needed);
            else if (exceptions_cut(policy, rule, *type, i, err) < 0)
                return -1;
        }
    }
    return 0;
}

void device_policy_free(struct device_policy *policy)
{
    free(policy->items);
    policy->items = NULL;
}

void device_access_text(uint8_t access, char text[4])
{
    snprintf(text, 4, "%s%s%s", access & DEVICE_READ ? "r" : "", access & DEVICE_WRITE ? "w" : "",
             access & DEVICE_MAKE ? "m" : "");
}

/* ---- writing ----------------------------------------------------------------------------- */

static void number_text(int64_t number, char text[24])
{
    snprintf(text, 24, number == DEVICE_ANY ? "*" : "%" PRId64, number);
}

/* One line to a file that stays open: a list has a dozen of them. */
static int exception_put(const struct group *group, struct control *control,
                         const struct device_exception *item, uint8_t access, struct error *err)
{
    char line[LINE_SIZE], major[24], minor[24], text[4];

    if (access == 0)
        return 0;
    number_text(item->major, major);
    number_text(item->minor, minor);
    device_access_text(access, text);
    snprintf(line, sizeof(line), "%c %s:%s %s", item->type, major, minor, text);
    if (control_say(group->folder, control, line) == 0)
        return 0;
    if (errno == EPERM && !item->asked)
        return 0;
    return error_sys(err, errno, "linux.resources.devices: write %s to %s/%s", line, group->folder,
                     control->file);
}

/* From the beginning: the default, which forgets all exceptions, then these. */
static int policy_put(const struct group *group, const struct device_policy *policy,
                      struct error *err)
{
    CLEANUP(control_close)
    struct control exceptions = {
        .file = policy->allow ? "devices.deny" : "devices.allow",
    };

    if (limit_text(group, policy->allow ? "devices.allow" : "devices.deny", "a", "devices", err) <
        0)
        return -1;
    for (size_t i = 0; i < policy->count; i++)
        if (exception_put(group, &exceptions, &policy->items[i], policy->items[i].access, err) < 0)
            return -1;
    return 0;
}

/* ---- the difference ------------------------------------------------------------------------ */

/* The kernel tells the exceptions of groups that deny ("c 1:3 rwm", a line each), but not of those
   that allow; false: not known. */
static bool policy_read(const struct group *group, struct device_policy *policy)
{
    char text[LIST_MAX], type, major[24], minor[24], access[8];
    ssize_t size = control_get(group->folder, "devices.list", text, sizeof(text));

    if (size < 0 || size == (ssize_t)sizeof(text) - 1 || text[0] == 'a')
        return false;
    policy->items = calloc((size_t)size / 4 + 1, sizeof(*policy->items));
    if (policy->items == NULL)
        return false;
    for (const char *line = text; *line != '\0'; line = strchrnul(line, '\n') + 1) {
        if (sscanf(line, "%c %20[^:]:%20s %7s", &type, major, minor, access) == 4)
            policy->items[policy->count++] = (struct device_exception){
                .type = type,
                .access = (uint8_t)((strchr(access, 'r') ? DEVICE_READ : 0) |
                                    (strchr(access, 'w') ? DEVICE_WRITE : 0) |
                                    (strchr(access, 'm') ? DEVICE_MAKE : 0)),
                .major = major[0] == '*' ? DEVICE_ANY : strtoll(major, NULL, 10),
                .minor = minor[0] == '*' ? DEVICE_ANY : strtoll(minor, NULL, 10),
            };
        if (*strchrnul(line, '\n') == '\0')
            break;
    }
    return true;
}

/* For each of `items` what `others` do not have of it. */
static int difference_put(const struct group *group, const char *file,
                          const struct device_policy *items, const struct device_policy *others,
                          struct error *err)
{
    CLEANUP(control_close) struct control control = { .file = file };

    for (size_t i = 0; i < items->count; i++) {
        const struct device_exception *item = &items->items[i];
        const struct device_exception *other =
            exception_find(others, item->type, item->major, item->minor);
        uint8_t access = item->access & (uint8_t) ~(other != NULL ? other->access : 0);

        if (exception_put(group, &control, item, access, err) < 0)
            return -1;
    }
    return 0;
}

static int policy_change(const struct group *group, const struct device_policy *policy,
                         struct error *err)
{
    CLEANUP(device_policy_free) struct device_policy now = { 0 };

    if (policy->allow || !policy_read(group, &now))
        return policy_put(group, policy, err);
    if (difference_put(group, "devices.allow", policy, &now, err) < 0)
        return -1;
    return difference_put(group, "devices.deny", &now, policy, err);
}

int devices_apply_v1(const struct group *group, const struct device_rules *rules, bool fresh,
                     struct error *err)
{
    CLEANUP(device_policy_free) struct device_policy policy = { 0 };

    if (device_policy_of(rules, &policy, err) < 0)
        return -1;
    return fresh ? policy_put(group, &policy, err) : policy_change(group, &policy, err);
}
