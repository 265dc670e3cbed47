/*
 * Drivers that are other programs: how they are, and what they hold that nobody knows any more.
 *
 * Looking through what plugins hold takes as long as they take, so the collector does not wait for
 * it: one job does it, behind, for all of them.
 */
#include "actors/base/job.h"
#include "actors/base/log.h"
#include "actors/snapshots/store.h"
#include "platform/scope.h"

#define AT_ONCE      8
#define CLEAN_MS     UINT64_C(200)
#define CLEAN_MS_MAX UINT64_C(60000)

/* ---- how they are ----------------------------------------------------------------------- */

struct asked {
    const struct driver *driver;
    struct plugin_health health;
};

static bool is_plugin(const struct driver *driver)
{
    return driver->calls == &plugin_snapshotter;
}

static int health_job(struct job *job, const void *in, void *out, struct error *err)
{
    UNUSED CLEANUP(heed_end) struct heed heed = heed_begin(job);
    struct asked *asked = (void *)(uintptr_t)in; /* the result goes into the item */

    (void)out;
    asked->health = (struct plugin_health){ .state = "ok" };
    if (is_plugin(asked->driver))
        plugin_health(asked->driver->state, &asked->health);
    return job_check(job, err);
}

static struct snapshot_driver told(const struct asked *asked, struct arena *arena)
{
    struct snapshot_driver told = { .name = asked->driver->name,
                                    .plugin = is_plugin(asked->driver),
                                    .state = asked->health.state };

    if (asked->health.problem[0] == '\0')
        return told;
    told.problem = arena_str(arena, asked->health.problem);
    told.problem_time = asked->health.problem_time;
    told.has_problem_time = true;
    return told;
}

static int drivers_job(struct job *job, const void *in, void *out_record, struct error *err)
{
    const struct snapshots *snapshots = job_self(job); /* its drivers never change */
    const struct snapshots_drivers_request *want = in;
    struct snapshots_drivers_reply *out = out_record;
    struct asked asked[DRIVERS_MAX];
    struct snapshot_driver *items = arena_alloc(job_arena(job), DRIVERS_MAX * sizeof(*items));
    size_t count = 0;

    for (size_t i = 0; i < snapshots->driver_count; i++)
        if (want->name == NULL || streq(want->name, snapshots->drivers[i].name))
            asked[count++].driver = &snapshots->drivers[i];
    if (job_each(job, health_job, asked, count, sizeof(asked[0]), AT_ONCE, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        items[i] = told(&asked[i], job_arena(job));
    out->drivers = (struct list){ count, items };
    out->standard = snapshots->default_driver;
    return 0;
}

int on_snapshot_drivers(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, drivers_job, err);
}

/* ---- what nobody knows ------------------------------------------------------------------------- */

static int clean_job(struct job *job, const void *in, void *out, struct error *err)
{
    UNUSED CLEANUP(heed_end) struct heed heed = heed_begin(job);
    const struct snapshots_clean_request *want = in;
    const struct snapshots *snapshots = job_self(job);
    bool always = want->has_always && want->always;
    struct error failed;
    int result = 0;

    (void)out;
    for (size_t i = 0; i < snapshots->driver_count; i++) {
        const struct driver *driver = &snapshots->drivers[i];

        if (job_check(job, err) < 0)
            return -1;
        if (!is_plugin(driver) || plugin_collect(driver->state, always, &failed) == 0)
            continue;
        *err = failed; /* the others can be looked through all the same */
        result = -1;
    }
    return result;
}

static bool has_plugins(const struct snapshots *snapshots)
{
    for (size_t i = 0; i < snapshots->driver_count; i++)
        if (is_plugin(&snapshots->drivers[i]))
            return true;
    return false;
}

static void clean_done(void *self, const void *in, const struct error *err)
{
    struct snapshots *snapshots = self;
    struct cleaning *cleaning = &snapshots->cleaning;

    (void)in;
    cleaning->busy = false;
    if (err == NULL)
        cleaning->wait_ms = CLEAN_MS;
    else
        log_debug("snapshots", "look through what plugins hold: %s", err->text);
    if (err != NULL || cleaning->again)
        plugins_clean_soon(snapshots);
    if (err != NULL && 2 * cleaning->wait_ms <= CLEAN_MS_MAX)
        cleaning->wait_ms *= 2;
}

static int clean_begin(struct snapshots *snapshots, const struct snapshots_clean_request *in,
                       struct error *err)
{
    struct cleaning *cleaning = &snapshots->cleaning;

    cleaning->again = cleaning->busy;
    if (cleaning->busy)
        return 0;
    if (loop_run(snapshots->trash.loop, NULL, clean_job, clean_done, in, sizeof(*in), err) < 0)
        return -1;
    cleaning->busy = true;
    return 0;
}

static void clean_now(void *self, void *arg)
{
    static const struct snapshots_clean_request in;
    struct snapshots *snapshots = self;
    struct error err = { 0 };

    (void)arg;
    snapshots->cleaning.timer = -1;
    if (clean_begin(snapshots, &in, &err) < 0)
        log_debug("snapshots", "look through what plugins hold: %s", err.text);
}

void plugins_clean_soon(struct snapshots *snapshots)
{
    struct cleaning *cleaning = &snapshots->cleaning;
    struct loop *loop = snapshots->trash.loop;

    if (cleaning->timer < 0 && has_plugins(snapshots) && !loop_is_stopping(loop))
        cleaning->timer = loop_timer(loop, cleaning->wait_ms, 1, clean_now, NULL);
}

int on_snapshot_clean(void *self, struct request *request, struct error *err)
{
    struct snapshots *snapshots = self;
    const struct snapshots_clean_request *in = request_body(request);

    if (!has_plugins(snapshots))
        return request_reply(request, &(struct nothing){ 0 });
    if (in->has_wait && in->wait)
        return request_run(request, clean_job, err);
    if (clean_begin(snapshots, in, err) < 0)
        return -1;
    return request_reply(request, &(struct nothing){ 0 });
}
