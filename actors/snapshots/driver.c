/* Which drivers there are. */
#include "actors/base/log.h"
#include "actors/snapshots/store.h"

const struct driver *snapshot_driver(const struct snapshots *snapshots, const char *name,
                                     struct error *err)
{
    if (name == NULL)
        name = snapshots->default_driver;
    for (size_t i = 0; i < snapshots->driver_count; i++)
        if (streq(snapshots->drivers[i].calls->name, name))
            return &snapshots->drivers[i];
    error_set(err, ERROR_INVALID_ARGUMENT, "snapshot driver '%.60s': there is none", name);
    return NULL;
}

void layer_discard(struct snapshots *snapshots, const struct driver *driver, uint64_t number)
{
    struct error err = { 0 };
    char away[PATH_SIZE];

    if (trash_name(&snapshots->trash, away, &err) < 0 ||
        driver->calls->remove(driver->state, number, away, &err) < 0)
        log_warn("snapshots", "remove layer %llu: %s; the next start removes it",
                 (unsigned long long)number, err.text);
    trash_empty(&snapshots->trash);
}
