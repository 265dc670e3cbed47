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

/* A number is never given out twice: what was to go once may go. */
static int again(void *self, const char *name, struct error *err)
{
    const char *number = strchr(name, ' ');
    char driver_name[64];
    const struct driver *driver;

    snprintf(driver_name, sizeof(driver_name), "%.*s", (int)(number - name), name);
    driver = snapshot_driver(self, driver_name, err);
    return driver != NULL ? put_away(self, driver, strtoull(number, NULL, 10), err) : -1;
}

void layer_discard(struct snapshots *snapshots, const struct driver *driver, uint64_t number)
{
    struct error err = { 0 };
    char name[100];

    if (put_away(snapshots, driver, number, &err) == 0)
        return;
    log_warn("snapshots", "remove layer %llu: %s; it is tried again", (unsigned long long)number,
             err.text);
    snprintf(name, sizeof(name), "%s %llu", driver->calls->name, (unsigned long long)number);
    trash_later(&snapshots->trash, name, again);
}
