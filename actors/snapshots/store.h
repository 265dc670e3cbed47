/* store — the inside of snapshots, shared by its files. */
#ifndef ACTORS_SNAPSHOTS_STORE_H
#define ACTORS_SNAPSHOTS_STORE_H

#include "actors/base/trash.h"
#include "actors/base/writer.h"
#include "actors/snapshots/snapshots.h"
#include "platform/plugin.h"
#include "platform/snapshotter.h"

#define DRIVERS_MAX 40

struct driver {
    const char *name;
    const struct snapshotter *calls;
    void *state;
};

/* For CLEANUP(), in a job: calls of drivers that wait are for this job from here on, and end with it. */
struct heed {
    struct job *job;
};
struct heed heed_begin(struct job *job);
void heed_end(struct heed *heed);

/* Preparing takes time: it is a job's. */
static inline bool driver_is_slow(const struct driver *driver)
{
    return driver->calls->whole || driver->calls->waits;
}

/* inventories.c */
#define INVENTORY_FILE "inventory" /* beside a layer's fs */
struct inventories {
    struct loop *loop;
    int timer; /* -1: none */
    bool busy, again;
};

struct snapshots {
    char root[PATH_SIZE];
    char database[PATH_SIZE];
    char default_driver[64];
    bool isolated; /* layers of others only where they lend them (share.h) */
    bool new_boot; /* since the last change */
    struct db *db; /* reads */
    struct trash trash;
    struct driver drivers[DRIVERS_MAX];
    size_t driver_count;
    const struct plugin_config *plugins; /* in the configuration's memory; ends with a NULL name */
    struct cleaning { /* of what plugins hold */
        bool busy, again; /* a job does it; something went meanwhile */
        int timer;        /* then it begins; -1: not */
        uint64_t wait_ms;
    } cleaning;
    uint64_t last_number; /* of a layer; never given out twice */
    struct inventories inventories;
};

/* driver.c.  NULL: INVALID_ARGUMENT, there is no such driver. */
const struct driver *driver_find(const struct snapshots *snapshots, const char *name,
                                 struct error *err);
/* The one that is asked for; with NULL the namespace's default, or the daemon's. */
const struct driver *driver_wanted(const struct snapshots *snapshots, struct request *request,
                                   const char *asked, struct error *err);
/* Out of the way and removed behind; a failure is logged, the next start tries again. */
void layer_discard(struct snapshots *snapshots, const struct driver *driver, uint64_t number);
/* The same, in a job of a slow driver. */
void layer_discard_here(struct snapshots *snapshots, const struct driver *driver, uint64_t number);

/* row.c: rows, in writes and outside of them (`db` says which). */
struct row {
    struct snapshot_info info; /* strings in the arena */
    uint64_t number;           /* of the layer */
    bool apart;
    bool is_shared; /* the layer may get rows in other namespaces */
    bool is_remote; /* the driver had it */
};

/* 1: found, 0: not, -1.  What is read lives in the arena. */
int snapshot_read(struct db *db, const char *namespace, const char *driver, const char *key,
                  struct row *row, struct arena *arena, struct error *err);
/* NOT_FOUND says what is missing. */
int snapshot_find(struct db *db, const char *namespace, const char *driver, const char *key,
                  struct row *row, struct arena *arena, struct error *err);
#define ROW_COLUMNS                                                                        \
    "s.key, s.driver, s.kind, s.parent, s.labels, s.created, s.updated, s.layer, l.apart," \
    " l.chain IS NOT NULL, l.remote"
void snapshot_take(struct query *query, struct row *row, struct arena *arena);

/* In a write: a new row (info, number), its edges, its lease. */
int snapshot_add(struct write *write, const struct snapshot_info *info, uint64_t number,
                 struct error *err);
int snapshot_edges(struct write *write, const struct snapshot_info *info, struct error *err);
/* In a write: the row and its edges go, and the layers that nothing needs without it. */
struct freed {
    uint64_t *numbers; /* of layers, in the write's arena */
    size_t count;
};
int snapshot_drop(struct write *write, const struct row *row, struct freed *freed,
                  struct error *err);

/* The layers under `number`, nearest first. */
int layer_parents(struct db *db, uint64_t number, const uint64_t **parents, size_t *count,
                  struct arena *arena, struct error *err);

/* read.c */
struct seen { /* a snapshot, and what it stands on */
    const struct driver *driver;
    struct row row;
    const uint64_t *parents; /* nearest first */
    size_t parent_count;
};
int snapshot_mounts_of(const struct seen *seen, struct snapshots_mounts_reply *out,
                       struct arena *arena, struct error *err);
int on_snapshot_mounts(void *self, struct request *request, struct error *err);
int on_snapshot_stat(void *self, struct request *request, struct error *err);
int on_snapshot_usage(void *self, struct request *request, struct error *err);
int on_snapshot_list(void *self, struct request *request, struct error *err);

/* mapping.c */
int mapping_check(const struct map *labels, struct error *err);
void mapping_add(const struct seen *seen, struct list *mounts, struct arena *arena);

/* prepare.c, commit.c, change.c */
int on_snapshot_prepare(void *self, struct request *request, struct error *err);
int on_snapshot_view(void *self, struct request *request, struct error *err);
int on_snapshot_commit(void *self, struct request *request, struct error *err);
int on_snapshot_update(void *self, struct request *request, struct error *err);
int on_snapshot_remove(void *self, struct request *request, struct error *err);
int on_snapshot_replace(void *self, struct request *request, struct error *err); /* replace.c */
/* diff.c */
int on_snapshot_diff(void *self, struct request *request, struct error *err);
int on_snapshot_changes(void *self, struct request *request, struct error *err);
int snapshot_key_check(const char *what, const char *key, struct error *err);
/* In a write.  1: something keeps it, 0, -1. */
int snapshot_is_kept(struct write *write, const struct row *row, struct error *err);
/* In a write: row and event, unless it has children. */
int snapshot_remove(struct write *write, const struct row *row, struct freed *freed,
                    struct error *err);

/* plugins.c */
int on_snapshot_drivers(void *self, struct request *request, struct error *err);
int on_snapshot_clean(void *self, struct request *request, struct error *err);
/* At the start, and when a layer of a plugin went: it is looked through for what is left over, a moment
   from now, and again less and less often while that fails. */
void plugins_clean_soon(struct snapshots *snapshots);

/* sweep.c */
int on_snapshot_sweep(void *self, struct request *request, struct error *err);

/* inventories.c: they are taken when nothing was committed for a while. */
void inventories_open(struct snapshots *snapshots, struct loop *loop);
void inventories_soon(struct snapshots *snapshots);
void on_committed(void *self, struct request *request, void *arg); /* for request_on_end() */

#endif
