/* store — the inside of volumes, shared by its files. */
#ifndef ACTORS_VOLUMES_STORE_H
#define ACTORS_VOLUMES_STORE_H

#include "actors/base/job.h"
#include "actors/base/trash.h"
#include "actors/base/writer.h"
#include "actors/volumes/volumes.h"
#include "protocol/oci/name.h"

#define VOLUME_DRIVER "local"

struct turn;

struct volumes {
    char root[PATH_SIZE];
    char database[PATH_SIZE];
    struct db *db; /* reads */
    struct trash trash;
    struct turn *turns; /* under way */
};

/* <root>/volumes/NAMESPACE/NAME; its data are in data/ below it. */
int volume_folder(const struct volumes *volumes, const char *namespace, const char *name,
                  char path[PATH_SIZE], struct error *err);

/* ---- row.c: rows, in writes and outside of them (`db` says which) ------------------------------
 */

/* 1: found, 0: not, -1.  What is read lives in the arena. */
int volume_read(const struct volumes *volumes, struct db *db, const char *namespace,
                const char *name, struct volume_info *info, struct arena *arena, struct error *err);
/* NOT_FOUND names it. */
int volume_find(const struct volumes *volumes, struct db *db, const char *namespace,
                const char *name, struct volume_info *info, struct arena *arena, struct error *err);
int on_volume_get(void *self, struct request *request, struct error *err);
int on_volume_list(void *self, struct request *request, struct error *err);

/* ---- turn.c: of what is done with one volume, one thing at a time --------------------- */

/*
 * 0: it is this request's turn, until the request ends.  1: somebody else has it; the request
 * is kept, and handled anew by `again` when it may be its turn.
 */
int turn_take(struct volumes *volumes, struct request *request, const char *name, handler *again);

/* ---- create.c, remove.c, prune.c, seed.c ---------------------------------------------- */

int on_volume_create(void *self, struct request *request, struct error *err);
int on_volume_remove(void *self, struct request *request, struct error *err);
int on_volume_pass(void *self, struct request *request, struct error *err);
/* At the start: those that were to go with a container, or with a job, that is not there any more.
 */
int volumes_forget(struct volumes *volumes, struct loop *loop, struct error *err);
int on_volume_prune(void *self, struct request *request, struct error *err);
int on_volume_usage(void *self, struct request *request, struct error *err);
int on_volume_seed(void *self, struct request *request, struct error *err);

#endif
