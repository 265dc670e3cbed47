/*
 * The happy path of a list: what is configured -> the drivers' own answers over it -> programs
 * looked for -> sorted.
 */
#include "actors/plugins/plugins.h"

#include <stdlib.h>
#include <string.h>

#include "actors/base/job.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define SNAPSHOTTER "snapshotter"
#define RUNTIME     "runtime"

struct found {
    struct plugin_info *items;
    size_t count;
};

static struct plugin_info *find(const struct found *found, const char *type, const char *id)
{
    for (size_t i = 0; i < found->count; i++)
        if (strcmp(found->items[i].type, type) == 0 && strcmp(found->items[i].id, id) == 0)
            return &found->items[i];
    return NULL;
}

/* ---- how they are ----------------------------------------------------------------------- */

static void take_driver(struct found *found, const struct snapshot_driver *driver,
                        const char *standard)
{
    struct plugin_info *info = find(found, SNAPSHOTTER, driver->name);

    if (info == NULL) {
        info = &found->items[found->count++];
        *info = (struct plugin_info){ .type = SNAPSHOTTER, .id = driver->name };
    }
    info->state = driver->state;
    info->problem = driver->problem;
    info->problem_time = driver->problem_time;
    info->has_problem_time = driver->has_problem_time;
    info->standard = info->has_standard = strcmp(driver->name, standard) == 0;
}

static void look_for_program(struct plugin_info *info, struct arena *arena)
{
    char path[PATH_SIZE];
    struct error missing;

    if (info->address == NULL) /* built in */
        return;
    if (program_look_up(info->address, path, &missing) == 0) {
        info->address = arena_str(arena, path);
        return;
    }
    info->state = "error";
    info->problem = arena_str(arena, missing.text);
}

static int ask(struct job *job, const char *driver, struct found *found, struct error *err)
{
    const struct plugins *plugins = job_self(job);
    const struct plugins_config *config = plugins->config;
    struct snapshots_drivers_request want = { .name = driver };
    struct snapshots_drivers_reply drivers;
    const struct snapshot_driver *items;

    if (call(job, &op_snapshots_drivers, &want, &drivers, err) < 0)
        return -1;
    found->items = arena_alloc(job_arena(job),
                               (config->count + drivers.drivers.count + 1) * sizeof(*found->items));
    for (size_t i = 0; i < config->count; i++) {
        found->items[found->count++] = config->known[i];
        if (strcmp(config->known[i].type, RUNTIME) == 0)
            look_for_program(&found->items[i], job_arena(job));
    }
    items = drivers.drivers.items;
    for (size_t i = 0; i < drivers.drivers.count; i++)
        take_driver(found, &items[i], drivers.standard);
    return 0;
}

/* ---- the handlers ----------------------------------------------------------------------- */

static int by_type_and_id(const void *a, const void *b)
{
    const struct plugin_info *one = a, *other = b;
    int order = strcmp(one->type, other->type);

    return order != 0 ? order : strcmp(one->id, other->id);
}

static int list(struct job *job, const void *in, void *out, struct error *err)
{
    struct found found = { 0 };

    (void)in;
    if (ask(job, NULL, &found, err) < 0)
        return -1;
    qsort(found.items, found.count, sizeof(*found.items), by_type_and_id);
    *(struct plugins_list_reply *)out =
        (struct plugins_list_reply){ .plugins = { found.count, found.items } };
    return 0;
}

static bool is_meant(const struct plugin_info *info, const char *text)
{
    size_t length = strlen(info->type);

    return strcmp(text, info->id) == 0 ||
           (strncmp(text, info->type, length) == 0 && text[length] == '/' &&
            strcmp(text + length + 1, info->id) == 0);
}

static int inspect(struct job *job, const void *in, void *out, struct error *err)
{
    const struct plugins_inspect_request *want = in;
    const char *slash = strchr(want->id, '/');
    struct plugin_info *meant = NULL;
    struct found found = { 0 };

    if (ask(job, slash != NULL ? slash + 1 : want->id, &found, err) < 0)
        return -1;
    for (size_t i = 0; i < found.count; i++) {
        if (!is_meant(&found.items[i], want->id))
            continue;
        if (meant != NULL)
            return error_set(err, ERROR_INVALID_ARGUMENT, "plugin %.80s: say %s/%.80s or %s/%.80s",
                             want->id, meant->type, meant->id, found.items[i].type,
                             found.items[i].id);
        meant = &found.items[i];
    }
    if (meant == NULL) {
        error_set(err, ERROR_NOT_FOUND, "plugin %.80s: there is none", want->id);
        return error_hint(err, "gantry plugins ls");
    }
    *(struct plugin_info *)out = *meant;
    return 0;
}

static int on_list(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, list, err);
}

static int on_inspect(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, inspect, err);
}

static int start(void *self, struct loop *loop, struct error *err)
{
    (void)self, (void)loop, (void)err;
    return 0;
}

static void stop(void *self)
{
    (void)self;
}

static const struct route routes[] = {
    { &op_plugins_list, on_list },
    { &op_plugins_inspect, on_inspect },
    { 0 },
};
const struct actor plugins_actor = { "plugins", routes, start, stop };
