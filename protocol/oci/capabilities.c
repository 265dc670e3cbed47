/* Capabilities by name: the table is the kernel's, in its order. */
#include "protocol/oci/capabilities.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/oci/shown.h"

#define NAME_MAX_SIZE 32
#define NEAR_ENOUGH   3 /* letters to change, at most, for a guess at what was meant */

static const char *const names[] = {
#define X(name) [CAPABILITY_##name] = "CAP_" #name,
    CAPABILITIES(X)
#undef X
};

const char *capability_name(enum capability capability)
{
    return names[capability];
}

/* Capital letters, without CAP_; false when too long to be a name. */
static bool bare_name(const char *text, char out[NAME_MAX_SIZE])
{
    size_t length = strlen(text);

    if (length == 0 || length >= NAME_MAX_SIZE)
        return false;
    for (size_t i = 0; i <= length; i++)
        out[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 'a' + 'A' : text[i]);
    if (strncmp(out, "CAP_", 4) == 0)
        memmove(out, out + 4, length - 4 + 1);
    return true;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters differ (insert, delete, change); both are shorter than NAME_MAX_SIZE. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_SIZE], width = strlen(b);

    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t above = row[j], changed = diagonal + (a[i - 1] != b[j - 1]);

            row[j] = least(changed, least(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[width];
}

static const char *nearest(const char *bare)
{
    size_t best = NEAR_ENOUGH + 1;
    const char *name = NULL;

    for (size_t i = 0; i < CAPABILITY_COUNT; i++) {
        size_t far = distance(bare, names[i] + 4);

        if (far < best && far < strlen(bare)) {
            best = far;
            name = names[i] + 4;
        }
    }
    return name;
}

int capability_parse(const char *text, uint64_t *set, struct error *err)
{
    char bare[NAME_MAX_SIZE];
    const char *near = NULL;
    struct shown name;

    if (bare_name(text, bare)) {
        if (strcmp(bare, "ALL") == 0) {
            *set = CAPABILITIES_ALL;
            return 0;
        }
        for (size_t i = 0; i < CAPABILITY_COUNT; i++)
            if (strcmp(bare, names[i] + 4) == 0) {
                *set = UINT64_C(1) << i;
                return 0;
            }
        near = nearest(bare);
    }
    if (near != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "capability '%s': not known; did you mean %s?", shown(text, &name), near);
    return error_set(err, ERROR_INVALID_ARGUMENT,
                     "capability '%s': not known; say ALL or a name such as NET_ADMIN, see "
                     "capabilities(7)",
                     shown(text, &name));
}

/* What the names stand for; `all` is set when ALL is among them. */
static int set_parse(const struct strs *list, const char *option, uint64_t *set, bool *all,
                     struct error *err)
{
    *set = 0;
    *all = false;
    for (size_t i = 0; i < list->count; i++) {
        uint64_t one;

        if (capability_parse(list->items[i], &one, err) < 0)
            return error_wrap(err, "%s", option);
        if (one == CAPABILITIES_ALL)
            *all = true;
        else
            *set |= one;
    }
    return 0;
}

static int host_check(uint64_t named, uint64_t host, struct error *err)
{
    for (size_t i = 0; i < CAPABILITY_COUNT; i++)
        if ((named & ~host) >> i & 1)
            return error_set(err, ERROR_FAILED_PRECONDITION,
                             "cap_add %s: this host does not let the daemon have it (CapBnd in "
                             "/proc/self/status), so it cannot give it",
                             names[i]);
    return 0;
}

int capabilities_choose(uint64_t base, const struct strs *add, const struct strs *drop,
                        uint64_t host, uint64_t *chosen, struct error *err)
{
    uint64_t added, dropped;
    bool add_all, drop_all;

    if (set_parse(add, "cap_add", &added, &add_all, err) < 0 ||
        set_parse(drop, "cap_drop", &dropped, &drop_all, err) < 0 ||
        host_check(added, host, err) < 0)
        return -1;
    if (add_all && drop_all)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "cap_add and cap_drop both say ALL; leave one of them out");
    if (add_all)
        *chosen = CAPABILITIES_ALL & ~dropped & host;
    else if (drop_all)
        *chosen = added;
    else
        *chosen = ((base & ~dropped) | added) & host;
    return 0;
}
