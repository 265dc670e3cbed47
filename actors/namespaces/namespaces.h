/*
 * namespaces — the actor that knows which namespaces there are.
 *
 *      serves   protocol/schema/namespaces.def
 *      asks     snapshots and tasks, whether there is what labels make the default; by jobs
 *      emits    /namespaces/create, /namespaces/update, /namespaces/delete
 *      owns     the namespaces_namespace table
 *
 * A namespace is nothing but a name that rows of others carry; the writer adds its row
 * with the first write in it.
 *
 * Labels that mean something: containerd.io/defaults/snapshotter and .../runtime (defaults.h), and
 * containerd.io/namespace.shareable, kept in a column beside: `true` lends the namespace's blobs and
 * layers to others where the configuration isolates them from each other.
 */
#ifndef ACTORS_NAMESPACES_NAMESPACES_H
#define ACTORS_NAMESPACES_NAMESPACES_H

#include "actors/base/actor.h"
#include "actors/base/db.h"

#define LABEL_SHAREABLE "containerd.io/namespace.shareable"

struct namespaces_config {
    const char *database; /* path */
};

extern const struct actor namespaces_actor;
extern const struct db_schema namespaces_schema;

struct namespaces;
struct namespaces *namespaces_new(const struct namespaces_config *config); /* copies it */
void namespaces_free(struct namespaces **namespaces);

#endif
