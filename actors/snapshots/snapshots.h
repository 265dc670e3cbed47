/*
 * snapshots — the actor that owns file systems made of layers.
 *
 *      serves   protocol/schema/snapshots.def
 *      asks     itself, content, leases; by jobs (diff.c)
 *      emits    /snapshot/prepare, /snapshot/commit, /snapshot/remove
 *      owns     <root>/snapshots, <root>/trash/snapshots and the snapshots_* tables
 *
 * A snapshot is a row of a namespace: a key, a kind, a parent.  Behind it is a layer, a
 * numbered place on the disk that a driver (platform/snapshotter.h) knows how to make and
 * to mount.  Rows of several namespaces may have the same layer behind them, so a second
 * namespace gets an image's layers without unpacking them.
 */
#ifndef ACTORS_SNAPSHOTS_SNAPSHOTS_H
#define ACTORS_SNAPSHOTS_SNAPSHOTS_H

#include "actors/base/actor.h"
#include "actors/base/db.h"

struct snapshots_config {
    const char *root;           /* holds snapshots and trash */
    const char *database;       /* path */
    const char *default_driver; /* NULL: the system's preferred one */
    bool new_boot; /* the machine was started since the last change: it may have lost what was not synced */
    bool isolated; /* a namespace gets no layer by its chain id that another one has (share.h) */
    const struct plugin_config *plugins; /* platform/plugin.h; ends with a NULL name; NULL: none; lives on */
};

extern const struct actor snapshots_actor;
extern const struct db_schema snapshots_schema;

struct snapshots;
struct snapshots *snapshots_new(const struct snapshots_config *config); /* copies it */
void snapshots_free(struct snapshots **snapshots);

#endif
