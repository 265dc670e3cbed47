/* volume_fixture — words for tests of volumes: made, found, seen on the disk. */
#ifndef TESTS_ACTORS_VOLUME_FIXTURE_H
#define TESTS_ACTORS_VOLUME_FIXTURE_H

#include "tests/actors/container_fixture.h"

UNUSED static enum error_code make_with(struct volumes_create_request want)
{
    return peer_ask(&store.volumes, &op_volumes_create, &want, &answer);
}

#define make(...) make_with((struct volumes_create_request){ __VA_ARGS__ })

/* Valid until the next question. */
#define must_make(...)                                    \
    ({                                                    \
        must(make(__VA_ARGS__));                          \
        (const struct volumes_create_reply *)answer.body; \
    })

UNUSED static enum error_code ask_name(const struct op *op, const char *name)
{
    return peer_ask(&store.volumes, op, &(struct volumes_get_request){ .name = name }, &answer);
}

UNUSED static const struct volume_info *must_find(const char *name)
{
    must(ask_name(&op_volumes_get, name));
    return answer.body;
}

UNUSED static bool is_there(const char *name)
{
    return fs_exists(store_path(&store, "volumes/default/%s/data", name));
}

#endif
