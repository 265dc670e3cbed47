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
    struct loop *loop;
    struct trash trash;
    struct turn *turns; /* under way */
    int timer;          /* then volumes that go by themselves are looked at; -1: not */
    uint64_t wait_ms;
};

/* <root>/volumes/NAMESPACE/NAME; its data are in data/ below it. */
int volume_folder(const struct volumes *volumes, const char *namespace, const char *name,
                  char path[PATH_SIZE], struct error *err);

/* ---- row.c: rows, in writes and outside of them (`db` says which) --------------------- */

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

bool turn_is_taken(const struct volumes *volumes, const char *namespace, const char *name);

/* ---- away.c --------------------------------------------------------------------------- */

/* The folder of a volume that has no row.  Whose turn it is, or at the start. */
void volume_away(struct volumes *volumes, const char *namespace, const char *name);

/* ---- remove.c, in writes -------------------------------------------------------------- */

/* The containers that hold it, in words: "web (1a2b3c), db and 7 more"; NULL: none. */
int volume_holders(struct write *write, const char *name, const char **text, struct error *err);
/* FAILED_PRECONDITION: a container holds it, or another lease than the write's. */
int volume_check_free(struct write *write, const char *name, struct error *err);
int volume_delete(struct write *write, const char *name, struct error *err);

/* ---- forget.c ------------------------------------------------------------------------- */

int forget_at_start(struct volumes *volumes, struct error *err);
/* Something that should have gone could not yet. */
void forget_soon(struct volumes *volumes);

/* ---- create.c, remove.c, prune.c, seed.c ---------------------------------------------- */

int on_volume_create(void *self, struct request *request, struct error *err);
int on_volume_remove(void *self, struct request *request, struct error *err);
int on_volume_pass(void *self, struct request *request, struct error *err);
int on_volume_prune(void *self, struct request *request, struct error *err);
int on_volume_usage(void *self, struct request *request, struct error *err);
int on_volume_seed(void *self, struct request *request, struct error *err);

#endif
