/*
 * reach — what is kept, and by what: the collector's condition, written once.
 *
 * Roots are images, containers' snapshots, what hangs on live leases, and what carries the
 * label containerd.io/gc.root.  From there edges lead on: labels of blobs and snapshots
 * (edge.h), and each snapshot to its parent.  What is not reached is garbage.
 *
 * The collector asks for all garbage of a namespace at once; the owner of the thing asks
 * again for that one thing inside the write that removes it, so what was referenced in
 * between stays.  That second question is cheap: a thing that nothing points at directly
 * cannot be reached, and only for others the whole walk is made.
 */
#ifndef ACTORS_BASE_REACH_H
#define ACTORS_BASE_REACH_H

#include "actors/base/db.h"

/* 1: it is kept, 0: it is garbage, -1.  `driver` is "" but for snapshots. */
int is_reachable(struct db *db, const char *namespace, const char *kind, const char *driver,
                 const char *key, struct error *err);

/* Rows kind, driver, key, size (0 for snapshots) of all garbage blobs and snapshots; of those behind
   `after` (kind, driver and key with a blank between them; "": all) in this order. */
int garbage_open(struct db *db, struct query *rows, const char *namespace, const char *after,
                 struct error *err);

/* Rows kind, key, expires (null: never) of what keeps a thing by itself.  `flat`: leases that keep
   nothing behind what they hold count, too. */
int roots_open(struct db *db, struct query *rows, const char *namespace, const char *kind,
               const char *driver, const char *key, bool flat, struct error *err);

/* Rows kind, driver, key of what leads to a thing, be it garbage itself. */
int pointers_open(struct db *db, struct query *rows, const char *namespace, const char *kind,
                  const char *driver, const char *key, struct error *err);

#endif
