/* See layer_marks.h. */
#include "platform/linux/layer_marks.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "platform/scope.h"

static const struct layer_marks of_host = {
    .opaque = "trusted.overlay.opaque",
    .implied = "trusted.gantry.implied",
    .link = "trusted.gantry.link",
};

static const struct layer_marks of_user = {
    .option = "userxattr",
    .opaque = "user.overlay.opaque",
    .implied = "user.gantry.implied",
    .link = "user.gantry.link",
};

/* The initial one maps all ids to themselves.  Where nothing can be read we are in none. */
static bool maps_some(void)
{
    char text[64];
    unsigned inside, outside, count;
    int file = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, text, sizeof(text) - 1);

    if (file >= 0)
        close(file);
    if (size <= 0)
        return file >= 0 && size == 0; /* nothing is mapped */
    text[size] = '\0';
    return sscanf(text, "%u %u %u", &inside, &outside, &count) == 3 &&
           (inside != 0 || outside != 0 || count != ~0u);
}

bool in_user_namespace(void)
{
    static atomic_int known; /* 0: not yet */
    int found = atomic_load(&known);

    if (found == 0) {
        found = maps_some() ? 2 : 1;
        atomic_store(&known, found);
    }
    return found == 2;
}

const struct layer_marks *layer_marks(void)
{
    return in_user_namespace() ? &of_user : &of_host;
}

bool layer_marks_have(const char *attribute)
{
    static const char *const prefixes[] = { "trusted.overlay.", "user.overlay.", "trusted.gantry.",
                                            "user.gantry." };

    for (size_t i = 0; i < COUNT_OF(prefixes); i++)
        if (strncmp(attribute, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}
