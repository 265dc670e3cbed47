/*
 * Folders of volumes that are not there any more, put out of the way; what resists is tried again,
 * as long as nobody has made another volume of that name.
 */
#include "actors/base/log.h"
#include "actors/volumes/store.h"

/* `which`: NAMESPACE/NAME. */
static int away_again(void *self, const char *which, struct error *err)
{
    struct volumes *volumes = self;
    const char *slash = strchr(which, '/');
    struct arena *arena = arena_new();
    const char *namespace = arena_printf(arena, "%.*s", (int)(slash - which), which);
    struct volume_info info;
    char folder[PATH_SIZE];
    int there;

    if (turn_is_taken(volumes, namespace, slash + 1))
        there = error_set(err, ERROR_UNAVAILABLE, "something is done with that volume");
    else
        there = volume_read(volumes, volumes->db, namespace, slash + 1, &info, arena, err);
    if (there == 0)
        there = volume_folder(volumes, namespace, slash + 1, folder, err) < 0
                    ? -1
                    : trash_put(&volumes->trash, folder, err);
    arena_free(arena);
    return there < 0 ? -1 : 0;
}

void volume_away(struct volumes *volumes, const char *namespace, const char *name)
{
    struct error err = { 0 };
    char folder[PATH_SIZE], which[PATH_SIZE];

    if (volume_folder(volumes, namespace, name, folder, &err) == 0 &&
        trash_put(&volumes->trash, folder, &err) == 0)
        return;
    log_warn("volumes", "%s of namespace %s: %s; it is tried again", name, namespace, err.text);
    if (path_format(which, &err, "%s/%s", namespace, name) == 0)
        trash_later(&volumes->trash, which, away_again);
}
