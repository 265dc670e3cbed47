/* See mounts_reading.h. */
#include "platform/linux/mounts_reading.h"

#include <string.h>

#define LOWER "lowerdir="
#define UPPER "upperdir="
#define WORK  "workdir="

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const char *option(const struct mount *mount, const char *prefix)
{
    for (size_t i = 0; i < mount->options.count; i++)
        if (has_prefix(mount->options.items[i], prefix))
            return mount->options.items[i] + strlen(prefix);
    return NULL;
}

/* Both values are escaped in the same way. */
static void overlay_for_reading(struct mount *mount, struct arena *arena)
{
    const char *upper = option(mount, UPPER), *lower = option(mount, LOWER);
    const char **options = arena_alloc(arena, (mount->options.count + 1) * sizeof(*options));
    size_t count = 0;

    for (size_t i = 0; i < mount->options.count; i++) {
        const char *one = mount->options.items[i];

        if (!has_prefix(one, UPPER) && !has_prefix(one, WORK) && !has_prefix(one, LOWER) &&
            strcmp(one, "volatile") != 0 && strcmp(one, "rw") != 0)
            options[count++] = one;
    }
    options[count++] = arena_printf(arena, LOWER "%s:%s", upper, lower);
    mount->options = (struct strs){ count, options };
}

void mounts_for_reading(const struct list *mounts, struct list *out, struct arena *arena)
{
    struct mount *copies = arena_alloc(arena, (mounts->count + 1) * sizeof(*copies));

    if (mounts->count > 0)
        memcpy(copies, mounts->items, mounts->count * sizeof(*copies));
    for (size_t i = 0; i < mounts->count; i++)
        if (strcmp(copies[i].type, "overlay") == 0 && option(&copies[i], UPPER) != NULL &&
            option(&copies[i], LOWER) != NULL &&
            option(&copies[i], "uidmap=") == NULL) /* that is of the lower ones alone */
            overlay_for_reading(&copies[i], arena);
    *out = (struct list){ mounts->count, copies };
}
