/* Which drivers there are, and how they get rid of a layer. */
#include "actors/base/defaults.h"
#include "actors/base/job.h"
#include "actors/base/log.h"
#include "actors/snapshots/store.h"
#include "platform/scope.h"

const struct driver *driver_find(const struct snapshots *snapshots, const char *name,
                                 struct error *err)
{
    for (size_t i = 0; i < snapshots->driver_count; i++)
        if (streq(snapshots->drivers[i].name, name))
            return &snapshots->drivers[i];
    error_set(err, ERROR_INVALID_ARGUMENT, "snapshot driver '%.60s': there is none", name);
    return NULL;
}

const struct driver *driver_wanted(const struct snapshots *snapshots, struct request *request,
                                   const char *asked, struct error *err)
{
    const char *namespace = request_namespace(request);
    const char *name = default_of(snapshots->db, namespace, DEFAULT_SNAPSHOTTER, asked,
                                  snapshots->default_driver, request_arena(request));
    const struct driver *driver = driver_find(snapshots, name, err);

    if (driver == NULL && asked != NULL)
        error_hint(err, "gantry plugins ls says which there are");
    if (driver == NULL && asked == NULL)
        error_hint(err, "it is the default of namespace %s: gantry namespace label %s %s=",
                   namespace, namespace, DEFAULT_SNAPSHOTTER);
    return driver;
}

/* ---- who is waited for --------------------------------------------------------------------- */

static int heed_job(void *ctx, struct error *err)
{
    return job_check(ctx, err);
}

struct heed heed_begin(struct job *job)
{
    plugin_heed(heed_job, job);
    return (struct heed){ job };
}

void heed_end(struct heed *heed)
{
    (void)heed;
    plugin_heed(NULL, NULL);
}

/* ---- getting rid of layers --------------------------------------------------------------- */

struct discarded {
    const struct driver *driver;
    uint64_t number;
};

static int put_away(struct snapshots *snapshots, const struct driver *driver, uint64_t number,
                    struct error *err)
{
    char away[PATH_SIZE];

    if (trash_name(&snapshots->trash, away, err) < 0 ||
        driver->calls->remove(driver->state, number, away, err) < 0)
        return -1;
    trash_empty(&snapshots->trash);
    return 0;
}

/* Not by way of the trash's own job, which is the actor's. */
static int remove_all(struct snapshots *snapshots, const struct driver *driver, uint64_t number,
                      struct error *err)
{
    char away[PATH_SIZE];

    if (trash_name(&snapshots->trash, away, err) < 0 ||
        driver->calls->remove(driver->state, number, away, err) < 0)
        return -1;
    return fs_remove_tree(away, err);
}

static int discard_job(struct job *job, const void *in, void *out, struct error *err)
{
    UNUSED CLEANUP(heed_end) struct heed heed = heed_begin(job);
    const struct discarded *discarded = in;

    (void)out;
    return remove_all(job_self(job), discarded->driver, discarded->number, err);
}

static void try_later(struct snapshots *snapshots, const struct discarded *discarded,
                      const struct error *why);

static void discard_done(void *self, const void *in, const struct error *err)
{
    if (err != NULL)
        try_later(self, in, err);
    plugins_clean_soon(self);
}

static int put_away_somehow(struct snapshots *snapshots, const struct discarded *discarded,
                            struct error *err)
{
    if (discarded->driver->calls->waits)
        return loop_run(snapshots->trash.loop, NULL, discard_job, discard_done, discarded,
                        sizeof(*discarded), err);
    return put_away(snapshots, discarded->driver, discarded->number, err);
}

/* A number is never given out twice: what was to go once may go. */
static int again(void *self, const char *name, struct error *err)
{
    const char *number = strchr(name, ' ');
    char driver_name[64];
    struct discarded discarded = { .number = strtoull(number, NULL, 10) };

    snprintf(driver_name, sizeof(driver_name), "%.*s", (int)(number - name), name);
    discarded.driver = driver_find(self, driver_name, err);
    return discarded.driver != NULL ? put_away_somehow(self, &discarded, err) : -1;
}

static void try_later(struct snapshots *snapshots, const struct discarded *discarded,
                      const struct error *why)
{
    char name[100];

    log_warn("snapshots", "remove layer %llu: %s; it is tried again",
             (unsigned long long)discarded->number, why->text);
    snprintf(name, sizeof(name), "%s %llu", discarded->driver->name,
             (unsigned long long)discarded->number);
    trash_later(&snapshots->trash, name, again);
}

void layer_discard(struct snapshots *snapshots, const struct driver *driver, uint64_t number)
{
    const struct discarded discarded = { driver, number };
    struct error err = { 0 };

    if (put_away_somehow(snapshots, &discarded, &err) < 0)
        try_later(snapshots, &discarded, &err);
}

void layer_discard_here(struct snapshots *snapshots, const struct driver *driver, uint64_t number)
{
    struct error err = { 0 };

    if (remove_all(snapshots, driver, number, &err) < 0)
        log_warn("snapshots", "remove layer %llu: %s; the next start removes it",
                 (unsigned long long)number, err.text);
}
