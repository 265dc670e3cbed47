/* store — the inside of leases, shared by its files. */
#ifndef ACTORS_LEASES_STORE_H
#define ACTORS_LEASES_STORE_H

#include "actors/leases/leases.h"
#include "platform/platform.h"

#define LEASE_ID_MAX 128

struct leases {
    char database[PATH_SIZE];
    struct db *db;
    struct loop *loop;
    int timer;              /* at the next expiry; -1: none */
    struct orphan *orphans; /* they wait for `retry` */
    int retry;              /* timer; -1: none */
    uint64_t retry_ms;
};

/* orphans.c */
void orphans_start(struct leases *leases);
void orphans_stop(struct leases *leases);
/* Its removal failed, and nobody will ask again. */
void orphan_add(struct leases *leases, const char *namespace, const char *id);

/* leases.c.  One that has lapsed is NOT_FOUND. */
int lease_find(struct db *db, const char *namespace, const char *id, struct lease_info *info,
               struct arena *arena, struct error *err);

/* resources.c */
int on_lease_add(void *self, struct request *request, struct error *err);
int on_lease_release(void *self, struct request *request, struct error *err);
int on_lease_resources(void *self, struct request *request, struct error *err);

/* Those of jobs are nobody else's: INVALID_ARGUMENT. */
int lease_is_ours(const char *id, struct request *request, struct error *err);

#endif
