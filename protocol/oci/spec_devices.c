/*
 * The devices of a spec: nodes to make in /dev, and what the control group
 * lets through.
 *
 * All is denied, then what every container may use is allowed: the runtimes
 * make null, zero, full, random, urandom, tty, console and ptmx by themselves.
 * Nodes may be made with mknod (CAP_MKNOD is a default) but not opened.
 */
#include <stdio.h>
#include <string.h>

#include "protocol/oci/spec_parts.h"

#define DEVICES_MAX 10000 /* nodes */
#define WISHES_MAX  1000
#define ANY         INT64_C(-1)

static const struct rule {
    char type;
    int64_t major, minor;
    const char *access;
} allowed[] = {
    { 'c', ANY, ANY, "m" },   { 'b', ANY, ANY, "m" },   /* make, not use */
    { 'c', 1, 3, "rwm" },     { 'c', 1, 5, "rwm" },     /* null, zero */
    { 'c', 1, 7, "rwm" },     { 'c', 1, 8, "rwm" },     /* full, random */
    { 'c', 1, 9, "rwm" },     { 'c', 5, 0, "rwm" },     /* urandom, tty */
    { 'c', 5, 1, "rwm" },     { 'c', 5, 2, "rwm" },     /* console, ptmx */
    { 'c', 136, ANY, "rwm" },                           /* pts */
};

/* Made by the runtime, or a file system of the container's own. */
static const char *const own[] = {
    "/dev/null",    "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
    "/dev/console", "/dev/ptmx", "/dev/pts/", "/dev/shm/",   "/dev/mqueue/",
};

/* One entry of the devices option, "/dev/x[:/dev/y][:rwm]". */
struct wish {
    char from[PATH_TEXT_MAX];
    char to[PATH_TEXT_MAX];
    char access[4];
};

/* The lists that devices are put into. */
struct lists {
    json_t *nodes, *rules, *paths; /* paths: what is in nodes already, an object */
};

static void rule_add(json_t *rules, const struct rule *rule)
{
    json_t *object = draft_object();
    const char type[2] = { rule->type, '\0' };

    draft_put(object, "allow", draft_bool(true));
    draft_put(object, "type", draft_text(type));
    if (rule->major != ANY)
        draft_put(object, "major", draft_number(rule->major));
    if (rule->minor != ANY)
        draft_put(object, "minor", draft_number(rule->minor));
    draft_put(object, "access", draft_text(rule->access));
    draft_add(rules, object);
}

static void everything_add(json_t *rules, bool allow)
{
    json_t *object = draft_object();

    draft_put(object, "allow", draft_bool(allow));
    draft_put(object, "access", draft_text("rwm"));
    draft_add(rules, object);
}

static int node_add(const struct lists *lists, const struct host_device *device, const char *path,
                    struct error *err)
{
    const char type[2] = { device->type, '\0' };
    struct shown text;
    json_t *node;

    if (json_object_get(lists->paths, path) != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "device %s: two devices have this path",
                         shown(path, &text));
    if (json_object_size(lists->paths) >= DEVICES_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "more than %d devices", DEVICES_MAX);
    draft_put(lists->paths, path, draft_bool(true));
    node = draft_object();
    draft_put(node, "path", draft_text(path));
    draft_put(node, "type", draft_text(type));
    draft_put(node, "major", draft_number(device->major));
    draft_put(node, "minor", draft_number(device->minor));
    draft_put(node, "fileMode", draft_number(device->mode & 07777));
    draft_put(node, "uid", draft_number(device->uid));
    draft_put(node, "gid", draft_number(device->gid));
    draft_add(lists->nodes, node);
    return 0;
}

/* ---- all of the host's: privileged ---------------------------------------------------- */

static bool is_own(const char *path)
{
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
        size_t length = strlen(own[i]);

        if (own[i][length - 1] == '/' ? strncmp(path, own[i], length) == 0
                                      : strcmp(path, own[i]) == 0)
            return true;
    }
    return false;
}

static int host_devices_add(const struct plan *plan, const struct lists *lists, struct error *err)
{
    const struct spec_host *host = plan->host;

    for (size_t i = 0; i < host->device_count; i++) {
        const char *path = host->devices[i].path;

        if (is_own(path) || !utf8_is_valid(path, strlen(path)) ||
            json_object_get(lists->paths, path) != NULL)
            continue;
        if (node_add(lists, &host->devices[i], path, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- those that were asked for -------------------------------------------------------- */

/* A subset of "rwm", each letter once. */
static bool is_access(const char *text)
{
    size_t length = strlen(text);

    if (length == 0 || length > 3 || text[strspn(text, "rwm")] != '\0')
        return false;
    return !(length > 1 && strchr(text + 1, text[0]) != NULL) &&
           !(length > 2 && text[1] == text[2]);
}

static int wish_bad(const char *entry, struct error *err)
{
    struct shown text;

    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "device '%s': say /dev/x, /dev/x:/dev/y or /dev/x:/dev/y:rwm",
                     shown(entry, &text));
}

static int wish_parse(const char *entry, struct wish *wish, struct error *err)
{
    char room[PATH_TEXT_MAX], *part[4], *at = room;
    size_t count = 0;

    if (strlen(entry) >= sizeof(room))
        return wish_bad(entry, err);
    strcpy(room, entry);
    while (count < 4 && at != NULL) {
        part[count++] = at;
        at = strchr(at, ':');
        if (at != NULL)
            *at++ = '\0';
    }
    if (count > 3)
        return wish_bad(entry, err);
    strcpy(wish->access, "rwm");
    if (count > 1 && is_access(part[count - 1]))
        strcpy(wish->access, part[--count]);
    if (count > 2)
        return wish_bad(entry, err);
    if (path_clean(part[0], "device", wish->from, err) < 0)
        return -1;
    return path_clean(count == 2 ? part[1] : part[0], "device", wish->to, err);
}

static int device_give(const struct lists *lists, const struct host_device *device,
                       const char *path, const char *access, struct error *err)
{
    const struct rule rule = { device->type, device->major, device->minor, access };

    if (!is_own(path) && node_add(lists, device, path, err) < 0)
        return -1;
    if (lists->rules != NULL)
        rule_add(lists->rules, &rule);
    return 0;
}

/* The device of that name, or all that lie in the folder of that name. */
static int wish_grant(const struct plan *plan, const struct wish *wish, const struct lists *lists,
                      struct error *err)
{
    size_t length = strlen(wish->from), found = 0;
    char path[2 * PATH_TEXT_MAX];
    struct shown text;

    for (size_t i = 0; i < plan->host->device_count; i++) {
        const struct host_device *device = &plan->host->devices[i];

        if (strncmp(device->path, wish->from, length) != 0 ||
            (device->path[length] != '\0' && device->path[length] != '/') ||
            strlen(device->path) - length >= PATH_TEXT_MAX)
            continue;
        snprintf(path, sizeof(path), "%s%s", wish->to, device->path + length);
        if (device_give(lists, device, path, wish->access, err) < 0)
            return -1;
        found++;
    }
    if (found == 0)
        return error_set(err, ERROR_NOT_FOUND, "device %s: this host has none of that name",
                         shown(wish->from, &text));
    return 0;
}

static int wishes_grant(const struct plan *plan, const struct lists *lists, struct error *err)
{
    const struct strs *entries = &plan->options->devices;
    struct wish wish;

    if (entries->count > WISHES_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%zu devices; %d at most", entries->count,
                         WISHES_MAX);
    for (size_t i = 0; i < entries->count; i++)
        if (wish_parse(entries->items[i], &wish, err) < 0 ||
            wish_grant(plan, &wish, lists, err) < 0)
            return -1;
    return 0;
}

static int lists_fill(const struct plan *plan, const struct lists *lists, json_t *rules,
                      struct error *err)
{
    if (plan->privileged) {
        everything_add(rules, true);
        return wishes_grant(plan, lists, err) < 0 ? -1 : host_devices_add(plan, lists, err);
    }
    everything_add(rules, false);
    for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
        rule_add(rules, &allowed[i]);
    return wishes_grant(plan, lists, err);
}

int plan_devices(const struct plan *plan, json_t *linux_part, json_t *resources, struct error *err)
{
    json_t *rules = draft_array();
    struct lists lists = { draft_array(), plan->privileged ? NULL : rules, draft_object() };
    int failed;

    draft_put(resources, "devices", rules);
    failed = lists_fill(plan, &lists, rules, err);
    json_decref(lists.paths);
    if (json_array_size(lists.nodes) > 0)
        draft_put(linux_part, "devices", lists.nodes);
    else
        json_decref(lists.nodes);
    return failed;
}
