/* See id_map.h. */
#include "protocol/id_map.h"

#include <stdlib.h>
#include <string.h>

static bool number_read(const char **at, char end, uint32_t *number)
{
    unsigned long long value = 0;
    size_t digits = 0;

    for (; **at >= '0' && **at <= '9' && digits < 11; ++*at, digits++)
        value = value * 10 + (unsigned long long)(**at - '0');
    if (digits == 0 || value > UINT32_MAX || (**at != end && (end != '\0' || **at != ',')))
        return false;
    *at += **at != '\0';
    *number = (uint32_t)value;
    return true;
}

/* The highest id is none: (uid_t)-1. */
static bool range_fits(uint32_t first, uint32_t size)
{
    return size > 0 && size <= UINT32_MAX - first;
}

static bool overlaps(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size)
{
    return a < b ? b - a < a_size : a - b < b_size;
}

static int range_add(struct id_map *map, const struct id_range *range, const char *what,
                     struct error *err)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct id_range *other = &map->ranges[i];

        if (overlaps(range->container, range->size, other->container, other->size) ||
            overlaps(range->host, range->size, other->host, other->size))
            return error_set(err, ERROR_INVALID_ARGUMENT, "%s: %u:%u:%u and %u:%u:%u overlap", what,
                             other->container, other->host, other->size, range->container,
                             range->host, range->size);
    }
    if (map->count == ID_RANGES_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: more than %d ranges", what,
                         ID_RANGES_MAX);
    map->ranges[map->count++] = *range;
    return 0;
}

int id_map_add(struct id_map *map, const char *what, const char *text, struct error *err)
{
    const char *at = text;

    do {
        struct id_range range;

        if (!number_read(&at, ':', &range.container) || !number_read(&at, ':', &range.host) ||
            !number_read(&at, '\0', &range.size) || !range_fits(range.container, range.size) ||
            !range_fits(range.host, range.size) ||
            (*at == '\0' && at[-1] == ','))
            return error_set(err, ERROR_INVALID_ARGUMENT,
                             "%s '%.60s': say CONTAINER:HOST:SIZE, e.g. 0:100000:65536", what, text);
        if (range_add(map, &range, what, err) < 0)
            return -1;
    } while (*at != '\0');
    return 0;
}

bool id_map_find(const struct id_map *map, uint32_t container, uint32_t *host)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct id_range *range = &map->ranges[i];

        if (container < range->container || container - range->container >= range->size)
            continue;
        *host = range->host + (container - range->container);
        return true;
    }
    return false;
}
