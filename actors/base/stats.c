/* stats — counters that any thread may read; see stats.h. */
#include "actors/base/stats.h"

#include <stdio.h>
#include <string.h>

static struct stats slots[STATS_MAX];
static atomic_uint slot_count;

/* Slots are taken while the supervisor starts actors one after the other. */
struct stats *stats_of(const char *name)
{
    unsigned count = atomic_load(&slot_count);

    for (unsigned i = 0; i < count; i++)
        if (strcmp(slots[i].name, name) == 0)
            return &slots[i];
    if (count == STATS_MAX)
        return &slots[STATS_MAX - 1];
    snprintf(slots[count].name, sizeof(slots[count].name), "%s", name);
    atomic_store(&slot_count, count + 1);
    return &slots[count];
}

struct stats *stats_at(unsigned index)
{
    return index < atomic_load(&slot_count) ? &slots[index] : NULL;
}
