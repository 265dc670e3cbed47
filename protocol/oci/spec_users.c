/*
 * The user namespace of a spec: which ids of the container are which of the host.
 *
 * Who maps only one kind of ids means both, as podman has it.
 */
#include <string.h>

#include "protocol/oci/spec_parts.h"

static int list_read(const struct strs *list, const char *what, struct id_map *map,
                     struct error *err)
{
    uint32_t root;

    for (size_t i = 0; i < list->count; i++)
        if (id_map_add(map, what, list->items[i], err) < 0)
            return -1;
    if (map->count > 0 && !id_map_find(map, 0, &root))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "%s: id 0 of the container is not mapped, and who would be root?", what);
    return 0;
}

int spec_id_maps(const struct container_options *options, struct id_map *uids, struct id_map *gids,
                 struct error *err)
{
    uids->count = gids->count = 0;
    if (options == NULL)
        return 0;
    if (list_read(&options->uidmap, "uidmap", uids, err) < 0 ||
        list_read(&options->gidmap, "gidmap", gids, err) < 0)
        return -1;
    if (uids->count == 0)
        *uids = *gids;
    else if (gids->count == 0)
        *gids = *uids;
    return 0;
}

static int users_check(const struct plan *plan, const struct id_map *uids,
                       const struct id_map *gids, struct error *err)
{
    const struct user_ids *user = plan->input->user;
    uint32_t host;

    if (plan->host_network)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "uidmap, gidmap: do not go with the host's network, whose sysfs only the "
                         "host's root may mount");
    if (user != NULL && !id_map_find(uids, user->uid, &host))
        return error_set(err, ERROR_INVALID_ARGUMENT, "uidmap: user %u of the container is not mapped",
                         user->uid);
    if (user != NULL && !id_map_find(gids, user->gid, &host))
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "gidmap: group %u of the container is not mapped", user->gid);
    return 0;
}

static json_t *map_json(const struct id_map *map)
{
    json_t *list = draft_array();

    for (size_t i = 0; i < map->count; i++) {
        json_t *range = draft_object();

        draft_put(range, "containerID", draft_number(map->ranges[i].container));
        draft_put(range, "hostID", draft_number(map->ranges[i].host));
        draft_put(range, "size", draft_number(map->ranges[i].size));
        draft_add(list, range);
    }
    return list;
}

int plan_users(const struct plan *plan, json_t *linux_part, json_t *namespaces, struct error *err)
{
    struct id_map uids, gids;
    json_t *user;

    if (spec_id_maps(plan->options, &uids, &gids, err) < 0)
        return -1;
    if (uids.count == 0)
        return 0;
    if (users_check(plan, &uids, &gids, err) < 0)
        return -1;
    user = draft_object();
    draft_put(user, "type", draft_text("user"));
    draft_add(namespaces, user);
    draft_put(linux_part, "uidMappings", map_json(&uids));
    draft_put(linux_part, "gidMappings", map_json(&gids));
    return 0;
}
