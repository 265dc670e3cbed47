/*
 * id_map — which ids of a container are which of the host: user_namespaces(7), said in words as podman,
 * docker and containerd have it, CONTAINER:HOST:SIZE.
 */
#ifndef PROTOCOL_ID_MAP_H
#define PROTOCOL_ID_MAP_H

#include "protocol/record.h"

#define ID_RANGES_MAX 340 /* user_namespaces(7) */

struct id_range {
    uint32_t container, host, size;
};

struct id_map {
    struct id_range ranges[ID_RANGES_MAX];
    size_t count;
};

/* Adds the ranges of `text`, with commas between them.  INVALID_ARGUMENT names `what` for something
   else, for ranges that overlap and for more than go. */
int id_map_add(struct id_map *map, const char *what, const char *text, struct error *err);
/* False: the map has no such id of the container. */
bool id_map_find(const struct id_map *map, uint32_t container, uint32_t *host);

#endif
