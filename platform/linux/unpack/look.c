/* look — see look.h. */
#include "platform/linux/unpack/look.h"

#include <stdio.h>

#include "platform/linux/mounts_reading.h"
#include "platform/linux/mounts_text.h"
#include "platform/linux/runtime/root_mounts.h"
#include "platform/scope.h"

int look_mount(const char *folder, const char *mounts, struct error *err)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct list asked, reading;
    char path[4096];

    if (snprintf(path, sizeof(path), "%s/lower", folder) >= (int)sizeof(path))
        return error_set(err, ERROR_INVALID_ARGUMENT, "%.60s...: path is too long", folder);
    if (mounts_from_text(mounts, &asked, arena, err) < 0)
        return -1;
    mounts_for_reading(&asked, &reading, arena);
    return root_mounts_make(path, &reading, err);
}
