/*
 * plugins — the actor that knows what there is several of: snapshot drivers, runtimes, proxies.
 *
 *      serves   protocol/schema/plugins.def
 *      asks     snapshots (how drivers are)
 *      emits    nothing
 *      owns     nothing: what is configured never changes, and how it is, is asked
 */
#ifndef ACTORS_PLUGINS_PLUGINS_H
#define ACTORS_PLUGINS_PLUGINS_H

#include "actors/base/actor.h"
#include "protocol/schema.h"

struct plugins_config {
    /* Runtimes and proxies as the configuration has them; of what can be used the state is asked.
     */
    const struct plugin_info *known;
    size_t count;
};

struct plugins {
    const struct plugins_config *config; /* outlives the actor */
};

extern const struct actor plugins_actor; /* self: struct plugins */

#endif
