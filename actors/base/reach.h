/*
 * reach — what is kept, and by what: the collector's condition, written once.
 *
 * Roots are images whose time (containerd.io/gc.expire) has not come, containers, what hangs on
 * live leases, and blobs and snapshots with the label containerd.io/gc.root.  From there lead on:
 * labels (edge.h), an image to its target, a container to its snapshot, a snapshot to its parent.
 * What is not reached is garbage: blobs, snapshots, and images whose time has come.
 *
 * The collector asks for all garbage of a namespace at once; the owner of the thing asks
 * again for that one thing inside the write that removes it, so what was referenced in
 * between stays.  That second question goes backwards from the thing, to the first root.
 */
#ifndef ACTORS_BASE_REACH_H
#define ACTORS_BASE_REACH_H

#include "actors/base/db.h"

/* 1: it is kept, 0: it is garbage, -1.  `driver` is "" but for snapshots. */
int is_reachable(struct db *db, const char *namespace, const char *kind, const char *driver,
                 const char *key, struct error *err);

/* Rows kind, driver, key, size (0 but for blobs) of all garbage; of what is behind
   `after` (kind, driver and key with a blank between them; "": all) in this order. */
int garbage_open(struct db *db, struct query *rows, const char *namespace, const char *after,
                 struct error *err);

/* Rows kind, key, expires (null: never) of what keeps a thing by itself.  `flat`: leases that keep
   nothing behind what they hold count, too. */
int roots_open(struct db *db, struct query *rows, const char *namespace, const char *kind,
               const char *driver, const char *key, bool flat, struct error *err);

/* Rows kind, driver, key of what leads to a thing, be it garbage itself; and 1 where that is not
   what a flat lease holds along: the way from there begins elsewhere. */
int pointers_open(struct db *db, struct query *rows, const char *namespace, const char *kind,
                  const char *driver, const char *key, struct error *err);

#endif
