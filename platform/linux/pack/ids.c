/* ids — see ids.h. */
#include "platform/linux/pack/ids.h"

#include <string.h>

#include "protocol/schema.h"

static int word_read(const char *word, const char *prefix, struct id_map *map, struct error *err)
{
    size_t length = strlen(prefix);

    return strncmp(word, prefix, length) == 0 ? id_map_add(map, prefix, word + length, err) : 0;
}

int ids_read(const struct list *mounts, struct ids *ids, struct error *err)
{
    const struct mount *items = mounts->items;

    *ids = (struct ids){ 0 };
    for (size_t i = 0; i < mounts->count && !ids->is_mapped; i++) {
        for (size_t j = 0; j < items[i].options.count && items[i].target == NULL; j++)
            if (word_read(items[i].options.items[j], "uidmap=", &ids->users, err) < 0 ||
                word_read(items[i].options.items[j], "gidmap=", &ids->groups, err) < 0)
                return -1;
        ids->is_mapped = ids->users.count > 0 && ids->groups.count > 0;
    }
    return 0;
}

static uint32_t inside(const struct id_map *map, uint32_t host)
{
    for (size_t i = 0; i < map->count; i++)
        if (host >= map->ranges[i].host && host - map->ranges[i].host < map->ranges[i].size)
            return map->ranges[i].container + (host - map->ranges[i].host);
    return host;
}

void ids_inside(const struct ids *ids, struct stat *st)
{
    if (!ids->is_mapped)
        return;
    st->st_uid = inside(&ids->users, st->st_uid);
    st->st_gid = inside(&ids->groups, st->st_gid);
}

bool ids_outside(const struct ids *ids, uid_t *uid, gid_t *gid)
{
    return !ids->is_mapped ||
           (id_map_find(&ids->users, *uid, uid) && id_map_find(&ids->groups, *gid, gid));
}
