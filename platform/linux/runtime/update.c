/* The commands that change what a container gets of the machine: pause, resume, update. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/runtime/cgroup.h"
#include "platform/linux/runtime/commands.h"
#include "platform/linux/runtime/files.h"
#include "platform/linux/runtime/rdt.h"
#include "platform/linux/runtime/state.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

#define RESOURCES_BYTES_MAX (1u << 20)

static struct cgroup *cgroup_of(const struct state *state, struct error *err)
{
    return cgroup_load(json_object_get(state->document, "cgroup"), err);
}

/* ---- pause, resume ----------------------------------------------------------------- */

static int freeze(const struct options *options, bool frozen, struct error *err)
{
    CLEANUP(state_close) struct state state = STATE_NONE;
    CLEANUP(cgroup_free) struct cgroup *cgroup = NULL;
    enum status status;

    if (state_open(&state, options->root, options->argv[0], err) < 0)
        return -1;
    status = state_status(&state);
    if (frozen && status != STATUS_RUNNING && status != STATUS_CREATED)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container not running or created: %s",
                         status_name(status));
    if (!frozen && status != STATUS_PAUSED)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container not paused");
    cgroup = cgroup_of(&state, err);
    return cgroup == NULL ? -1 : cgroup_freeze(cgroup, frozen, err);
}

int command_pause(const struct options *options, struct error *err)
{
    return freeze(options, true, err);
}

int command_resume(const struct options *options, struct error *err)
{
    return freeze(options, false, err);
}

/* ---- update ------------------------------------------------------------------------ */

/* Flags that each stand for one number or text of linux.resources. */
static const struct {
    size_t at;
    const char *group, *key, *flag;
    bool is_text, is_bytes;
} values[] = {
    { OPTION_AT(blkio_weight), "blockIO", "weight", "blkio-weight", false, false },
    { OPTION_AT(cpu_period), "cpu", "period", "cpu-period", false, false },
    { OPTION_AT(cpu_quota), "cpu", "quota", "cpu-quota", false, false },
    { OPTION_AT(cpu_burst), "cpu", "burst", "cpu-burst", false, false },
    { OPTION_AT(cpu_shares), "cpu", "shares", "cpu-share", false, false },
    { OPTION_AT(cpu_rt_period), "cpu", "realtimePeriod", "cpu-rt-period", false, false },
    { OPTION_AT(cpu_rt_runtime), "cpu", "realtimeRuntime", "cpu-rt-runtime", false, false },
    { OPTION_AT(cpu_idle), "cpu", "idle", "cpu-idle", false, false },
    { OPTION_AT(cpuset_cpus), "cpu", "cpus", "cpuset-cpus", true, false },
    { OPTION_AT(cpuset_mems), "cpu", "mems", "cpuset-mems", true, false },
    { OPTION_AT(memory), "memory", "limit", "memory", false, true },
    { OPTION_AT(memory_reservation), "memory", "reservation", "memory-reservation", false, true },
    { OPTION_AT(memory_swap), "memory", "swap", "memory-swap", false, true },
    { OPTION_AT(pids_limit), "pids", "limit", "pids-limit", false, false },
};

/* "64m" is 64 MiB, as people write it (docker's units). */
static int number_of(const char *flag, const char *text, bool is_bytes, json_int_t *out,
                     struct error *err)
{
    static const char units[] = "bkmgt";
    const char *unit = NULL;
    char *end;

    errno = 0;
    *out = strtoll(text, &end, 10);
    if (is_bytes && *end != '\0')
        unit = strchr(units, *end | 0x20);
    if (unit != NULL) {
        unsigned shift = (unsigned)(unit - units) * 10;

        if (*out > INT64_MAX >> shift)
            errno = ERANGE;
        *out <<= shift;
        end++;
        end += *unit != 'b' && (*end | 0x20) == 'i';
        end += *unit != 'b' && (*end | 0x20) == 'b';
    }
    if (*text == '\0' || *end != '\0' || errno != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid value for %s: %s", flag, text);
    return 0;
}

static json_t *of_flags(const struct options *options, struct error *err)
{
    json_t *resources = draft_object();

    for (size_t i = 0; i < COUNT_OF(values); i++) {
        const char *text =
            *(const char *const *)(const void *)((const char *)options + values[i].at);
        json_t *group = json_object_get(resources, values[i].group);
        json_int_t number = 0;

        if (text == NULL || (*text == '\0' && values[i].is_text))
            continue;
        if (!values[i].is_text &&
            number_of(values[i].flag, text, values[i].is_bytes, &number, err) < 0) {
            json_decref(resources);
            return NULL;
        }
        if (group == NULL) {
            group = draft_object();
            draft_put(resources, values[i].group, group);
        }
        draft_put(group, values[i].key,
                  values[i].is_text ? draft_text(text) : draft_number(number));
    }
    return resources;
}

static json_t *of_file(const char *path, struct error *err)
{
    size_t size;
    char *bytes = file_get(AT_FDCWD, strcmp(path, "-") == 0 ? "/dev/stdin" : path,
                           RESOURCES_BYTES_MAX, &size, err);
    json_t *resources = bytes != NULL ? draft_read(bytes, size, err) : NULL;

    free(bytes);
    if (resources == NULL)
        error_wrap(err, "resources");
    return resources;
}

/* ---- classes of caches ----------------------------------------------------------------- */

/* linux.intelRdt of the flags; "" is as if it were not given. */
static json_t *schemas_of_flags(const struct options *options)
{
    json_t *schemas = draft_object();
    const char *cache = options->l3_cache_schema, *bandwidth = options->mem_bw_schema;

    if (cache != NULL && *cache != '\0')
        draft_put(schemas, "l3CacheSchema", draft_text(cache));
    if (bandwidth != NULL && *bandwidth != '\0')
        draft_put(schemas, "memBwSchema", draft_text(bandwidth));
    return schemas;
}

/* One that had none is given a class of its own, which goes with it. */
static int class_give(struct state *state, const struct place *linux_, const struct cgroup *cgroup,
                      struct error *err)
{
    CLEANUP(rdt_free) struct rdt *rdt = NULL;
    struct error ignored;

    if (rdt_new(linux_, state->id, NULL, &rdt, err) < 0)
        return -1;
    draft_put(state->document, "rdt", rdt_save(rdt)); /* before it is made, as all that is made */
    if (state_note(state, err) == 0 && rdt_make(rdt, err) == 0 && rdt_gather(rdt, cgroup, err) == 0)
        return 0;
    rdt_undo(rdt, &ignored);
    json_object_del(state->document, "rdt");
    state_note(state, &ignored);
    return -1;
}

/* The state is read anew under the lock: another update may have given it a class. */
static int class_update(struct state *opened, const struct place *linux_,
                        const struct cgroup *cgroup, struct error *err)
{
    CLEANUP(state_close) struct state state = STATE_NONE;
    CLEANUP(rdt_free) struct rdt *rdt = NULL;
    struct place place = place_member(linux_, "intelRdt");

    if (json_object_size(place.json) == 0)
        return 0;
    if (state_lock(opened, err) < 0 || state_open(&state, opened->root, opened->id, err) < 0 ||
        rdt_load(json_object_get(state.document, "rdt"), &rdt, err) < 0)
        return -1;
    return rdt != NULL ? rdt_update(rdt, linux_, err) : class_give(&state, linux_, cgroup, err);
}

/* ---- both ------------------------------------------------------------------------------ */

static int limits_update(struct state *state, struct cgroup *cgroup, const json_t *whole,
                         struct error *err)
{
    struct place document = place_document(whole);
    struct place linux_ = place_member(&document, "linux");
    struct place resources = place_member(&linux_, "resources");

    if (cgroup_update(cgroup, &resources, err) < 0)
        return -1;
    return class_update(state, &linux_, cgroup, err);
}

int command_update(const struct options *options, struct error *err)
{
    CLEANUP(state_close) struct state state = STATE_NONE;
    CLEANUP(cgroup_free) struct cgroup *cgroup = NULL;
    json_t *whole, *linux_json, *resources;
    int result;

    if (state_open(&state, options->root, options->argv[0], err) < 0)
        return -1;
    if (state_status(&state) == STATUS_STOPPED)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container not running");
    cgroup = cgroup_of(&state, err);
    if (cgroup == NULL)
        return -1;
    resources =
        options->resources != NULL ? of_file(options->resources, err) : of_flags(options, err);
    if (resources == NULL)
        return -1;
    /* errors name the field as it is called in config.json */
    whole = draft_object();
    linux_json = draft_object();
    draft_put(linux_json, "resources", resources);
    draft_put(linux_json, "intelRdt", schemas_of_flags(options));
    draft_put(whole, "linux", linux_json);
    result = limits_update(&state, cgroup, whole, err);
    json_decref(whole);
    return result;
}
