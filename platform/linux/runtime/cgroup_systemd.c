/*
 * cgroup_systemd — the driver that asks the service manager for a scope.
 *
 * linux.cgroupsPath is "slice:prefix:name" then.  A scope cannot be made without a process, so the
 * groups begin with cgroup_enter(): systemd makes its own (that of version 2, or name=systemd), and
 * /proc/<pid>/cgroup tells where; the others are made beside it as without systemd, and all limits
 * are written to the files as well, because systemd knows some of them only.  What it does know it
 * is told, for it writes that again whenever it is reloaded.
 */
#include "platform/linux/runtime/cgroup_systemd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/runtime/dbus.h"

#define UNIT_MAX 255 /* systemd's limit for a unit's name */

/* ---- names --------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), wanted = strlen(end);

    return size > wanted && strcmp(text + size - wanted, end) == 0;
}

/* systemd.slice(5): "a-b.slice" is in "a.slice"; "-.slice" is the root. */
const char *slice_path(const char *slice, struct arena *arena, struct error *err)
{
    const char *path = "";
    size_t size = strlen(slice) - strlen(".slice");

    if (strcmp(slice, "-.slice") == 0)
        return "";
    if (!ends_with(slice, ".slice") || strchr(slice, '/') != NULL || slice[0] == '-' ||
        slice[size - 1] == '-' || strstr(slice, "--") != NULL) {
        error_set(err, ERROR_INVALID_ARGUMENT, "linux.cgroupsPath: %.100s is no name of a slice",
                  slice);
        return NULL;
    }
    for (size_t at = 1; at <= size; at++)
        if (slice[at] == '-' || at == size)
            path = arena_printf(arena, "%s/%.*s.slice", path, (int)at, slice);
    return path;
}

static bool is_unit_name(const char *name)
{
    return strlen(name) <= UNIT_MAX && strchr(name, '/') == NULL && name[0] != '\0' &&
           name[strspn(name,
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@")] ==
               '\0';
}

/* "slice:prefix:name"; each may be empty but the last. */
static int names_read(struct cgroup *cgroup, const char *wanted, const char *id, struct error *err)
{
    const char *prefix = wanted != NULL ? strchr(wanted, ':') : NULL;
    const char *name = prefix != NULL ? strchr(prefix + 1, ':') : NULL;
    const char *slice = cgroup->rootless ? "user.slice" : "system.slice";

    if (wanted == NULL || wanted[0] == '\0') {
        cgroup->slice = slice;
        cgroup->unit = arena_printf(cgroup->arena, "gantry-%s.scope", id);
        return 0;
    }
    if (name == NULL || strchr(name + 1, ':') != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "linux.cgroupsPath: expected cgroupsPath to be of format "
                         "\"slice:prefix:name\" for systemd cgroups, got \"%.200s\" instead",
                         wanted);
    cgroup->slice = prefix > wanted
                        ? arena_printf(cgroup->arena, "%.*s", (int)(prefix - wanted), wanted)
                        : slice;
    if (ends_with(name + 1, ".slice"))
        cgroup->unit = arena_str(cgroup->arena, name + 1);
    else if (name > prefix + 1)
        cgroup->unit = arena_printf(cgroup->arena, "%.*s-%s.scope", (int)(name - prefix - 1),
                                    prefix + 1, name + 1);
    else
        cgroup->unit = arena_printf(cgroup->arena, "%s.scope", name + 1);
    return 0;
}

const char *scope_path_of(struct cgroup *cgroup, const char *wanted, const char *id,
                          struct error *err)
{
    const char *above;

    if (names_read(cgroup, wanted, id, err) < 0)
        return NULL;
    if (!is_unit_name(cgroup->unit)) {
        error_set(err, ERROR_INVALID_ARGUMENT, "linux.cgroupsPath: %.200s is no name of a unit",
                  cgroup->unit);
        return NULL;
    }
    above = slice_path(cgroup->slice, cgroup->arena, err);
    return above != NULL ? arena_printf(cgroup->arena, "%s/%s", above, cgroup->unit) : NULL;
}

/* ---- properties ------------------------------------------------------------------------ */

void property_bool(struct buffer *out, const char *name, bool value)
{
    dbus_align(out, 8);
    dbus_text(out, name);
    dbus_signature(out, "b");
    dbus_u32(out, value);
}

void property_u64(struct buffer *out, const char *name, uint64_t value)
{
    dbus_align(out, 8);
    dbus_text(out, name);
    dbus_signature(out, "t");
    dbus_u64(out, value);
}

void property_text(struct buffer *out, const char *name, const char *value)
{
    dbus_align(out, 8);
    dbus_text(out, name);
    dbus_signature(out, "s");
    dbus_text(out, value);
}

static void property_pid(struct buffer *out, pid_t pid)
{
    size_t array;

    dbus_align(out, 8);
    dbus_text(out, "PIDs");
    dbus_signature(out, "au");
    array = dbus_array_open(out, 4);
    dbus_u32(out, (uint32_t)pid);
    dbus_array_close(out, array, 4);
}

/* ---- the manager -------------------------------------------------------------------------- */

/* The jobs of units end with a signal; the answer to the call only names the job. */
static int job_wait(struct dbus *dbus, const char *job, struct error *err)
{
    struct dbus_message message;

    for (;;) {
        const char *path, *result;
        uint32_t number;
        size_t at = 0;

        if (dbus_next(dbus, &message, err) < 0)
            return -1;
        if (message.type != DBUS_SIGNAL || strcmp(message.member, "JobRemoved") != 0 ||
            !dbus_read_u32(&message, &at, &number) ||
            (path = dbus_read_text(&message, &at)) == NULL || strcmp(path, job) != 0)
            continue;
        dbus_read_text(&message, &at); /* the unit */
        result = dbus_read_text(&message, &at);
        if (result != NULL && strcmp(result, "done") == 0)
            return 0;
        return error_set(err, ERROR_FAILED_PRECONDITION, "the job ended with \"%.40s\"",
                         result != NULL ? result : "");
    }
}

static int job_run(struct dbus *dbus, const char *method, const char *signature,
                   const struct buffer *arguments, struct error *err)
{
    struct dbus_message answer;
    char job[256];
    const char *path;
    size_t at = 0;

    if (dbus_call(dbus, method, signature, arguments, &answer, err) < 0)
        return -1;
    path = dbus_read_text(&answer, &at);
    snprintf(job, sizeof(job), "%s", path != NULL ? path : "");
    return job_wait(dbus, job, err);
}

static void unit_properties(const struct cgroup *cgroup, pid_t pid, struct buffer *out)
{
    bool is_slice = ends_with(cgroup->unit, ".slice");
    char description[300];

    snprintf(description, sizeof(description), "container %.255s", cgroup->unit);
    property_text(out, "Description", description);
    property_text(out, is_slice ? "Wants" : "Slice", cgroup->slice);
    if (!is_slice) {
        property_bool(out, "Delegate", true);
        property_pid(out, pid);
        /* a scope whose processes were killed has failed, and is forgotten all the same */
        property_text(out, "CollectMode", "inactive-or-failed");
    }
    property_bool(out, "DefaultDependencies", false);
    property_bool(out, "CPUAccounting", true);
    property_bool(out, "MemoryAccounting", true);
    property_bool(out, "TasksAccounting", true);
    property_bool(out, cgroup->v2 ? "IOAccounting" : "BlockIOAccounting", true);
}

static int start_unit(struct dbus *dbus, const struct cgroup *cgroup, pid_t pid, struct error *err)
{
    struct buffer arguments = { 0 };
    size_t array;
    int done = -1;

    dbus_text(&arguments, cgroup->unit);
    dbus_text(&arguments, "replace");
    array = dbus_array_open(&arguments, 8);
    unit_properties(cgroup, pid, &arguments);
    if (resources_properties(cgroup, &cgroup->resources, true, &arguments, err) == 0 &&
        annotations_properties(cgroup->annotations, &arguments, err) == 0) {
        dbus_array_close(&arguments, array, 8);
        array = dbus_array_open(&arguments, 8); /* of other units: none */
        dbus_array_close(&arguments, array, 8);
        done = job_run(dbus, "StartTransientUnit", "ssa(sv)a(sa(sv))", &arguments, err);
    }
    buffer_free(&arguments);
    return done;
}

static int reset_unit(struct dbus *dbus, const char *unit, struct error *err)
{
    struct buffer arguments = { 0 };
    struct dbus_message answer;
    int done;

    dbus_text(&arguments, unit);
    done = dbus_call(dbus, "ResetFailedUnit", "s", &arguments, &answer, err);
    buffer_free(&arguments);
    return done;
}

/* Where systemd has put the process. */
static int groups_find(struct cgroup *cgroup, pid_t pid, struct error *err)
{
    const char *mark = cgroup->v2 ? "0::/" : ":name=systemd:/";
    char folder[40], table[4096], *path;

    snprintf(folder, sizeof(folder), "/proc/%d", (int)pid);
    if (control_get(folder, "cgroup", table, sizeof(table)) < 0)
        return error_sys(err, errno, "read %s/cgroup", folder);
    path = strstr(table, mark);
    if (path == NULL)
        return 0;
    path += strlen(mark) - 1;
    path[strcspn(path, "\n")] = '\0';
    if (!ends_with(path, cgroup->unit))
        return error_set(err, ERROR_INTERNAL, "systemd has put process %d into %.200s", (int)pid,
                         path);
    cgroup->count = 0;
    return cgroup_find(cgroup, arena_str(cgroup->arena, path), err);
}

int scope_start(struct cgroup *cgroup, pid_t pid, struct error *err)
{
    CLEANUP(dbus_close) struct dbus dbus = { .socket = -1 };
    int done;

    if (dbus_open(&dbus, cgroup->rootless, err) < 0)
        return -1;
    done = start_unit(&dbus, cgroup, pid, err);
    /* one of this name has failed and was not forgotten */
    if (done < 0 && strstr(err->hint, "UnitExists") != NULL &&
        reset_unit(&dbus, cgroup->unit, err) == 0)
        done = start_unit(&dbus, cgroup, pid, err);
    if (done < 0)
        return error_wrap(err, "systemd: start %.200s", cgroup->unit);
    return groups_find(cgroup, pid, err);
}

int scope_set(struct cgroup *cgroup, const struct resources *resources, struct error *err)
{
    CLEANUP(dbus_close) struct dbus dbus = { .socket = -1 };
    struct buffer arguments = { 0 };
    struct dbus_message answer;
    size_t array;
    int done;

    if (dbus_open(&dbus, cgroup->rootless, err) < 0)
        return -1;
    dbus_text(&arguments, cgroup->unit);
    dbus_u32(&arguments, true); /* until the next boot, at most */
    array = dbus_array_open(&arguments, 8);
    done = resources_properties(cgroup, resources, false, &arguments, err);
    dbus_array_close(&arguments, array, 8);
    if (done == 0)
        done = dbus_call(&dbus, "SetUnitProperties", "sba(sv)", &arguments, &answer, err);
    buffer_free(&arguments);
    return done < 0 ? error_wrap(err, "systemd: limit %.200s", cgroup->unit) : 0;
}

int scope_stop(struct cgroup *cgroup, struct error *err)
{
    CLEANUP(dbus_close) struct dbus dbus = { .socket = -1 };
    struct buffer arguments = { 0 };
    int done;

    if (dbus_open(&dbus, cgroup->rootless, err) < 0)
        return -1;
    dbus_text(&arguments, cgroup->unit);
    dbus_text(&arguments, "replace");
    done = job_run(&dbus, "StopUnit", "ss", &arguments, err);
    buffer_free(&arguments);
    if (done < 0 && strstr(err->hint, "NoSuchUnit") != NULL) /* it went with its last process */
        return 0;
    return done < 0 ? error_wrap(err, "systemd: stop %.200s", cgroup->unit) : 0;
}
