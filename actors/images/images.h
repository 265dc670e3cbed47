/*
 * images — the actor that owns names of images.
 *
 *      serves   protocol/schema/images.def
 *      asks     content, snapshots, leases; registries over the network; by jobs
 *      emits    /images/create, update, delete
 *      owns     the images_* tables
 *
 * A name points to a target, an index or a manifest, which is content like any
 * other.  Pulling is a job (pull.c); so are unpacking (layers.c), pushing
 * (push.c) and copying (copy.c).
 */
#ifndef ACTORS_IMAGES_IMAGES_H
#define ACTORS_IMAGES_IMAGES_H

#include "actors/base/actor.h"
#include "actors/base/db.h"
#include "actors/images/recent.h"

/* A snapshot driver that is for another platform than this machine's. */
struct driver_platform {
    const char *driver, *platform;
};

struct images_config {
    const char *root;
    const char *database;
    const char *default_driver;
    const char *const *plain_http; /* hosts that are spoken to without TLS; ends with NULL */
    const char *const *hosts;      /* folders that say who is asked (hosts.h); ends with NULL */
    bool full_names;               /* registries are asked for what names them alone */
    unsigned downloads;            /* layers of one pull at once */
    unsigned ranges;               /* connections for one big blob; 0, 1: always one */
    uint64_t range_size;           /* bytes of its parts; 0: as ranges.c has it */
    uint64_t unpack_max_bytes;     /* of one layer, uncompressed; 0: no limit */
    const char *verifiers; /* folder of programs that say what may come in; NULL or "": none */
    unsigned verifier_s;   /* how long one may take */
    unsigned backoff_ms, slow_s;   /* as in registry.h; 0: its defaults */
    bool isolated;     /* namespaces do not wait for each other's work: one could tell from it what another has */
    const struct driver_platform *platforms; /* ends with a NULL driver; NULL: none */
    unsigned answer_s; /* a client has to say who it is at a host; 0: 120 */
};

struct claim;
struct health;

struct images {
    const struct images_config *config;
    struct db *db; /* read-only */
    struct claim *claims;
    struct health *health; /* of hosts */
    struct recent recent;
};

/* Before a registry is asked for what a user wrote.  INVALID_ARGUMENT: a short name, where the
   operator wants none guessed (registries.short_names). */
int reference_allow(const struct images *images, const char *text, struct error *err);

/* Says in a request which snapshot driver is meant: the namespace's default or the daemon's, where the
   request names none. */
void driver_settle(const struct images *images, struct request *request, const char **driver);

/* What images are chosen for where nobody says it: NULL, this machine; else the driver's platform. */
const char *driver_platform(const struct images_config *config, const char *driver);

/* The image that `text` names: a reference, or the beginning of an id. */
int image_find(struct db *db, const char *namespace, const char *text, struct arena *arena,
               struct image_info *info, struct error *err);

/* Spoken to without TLS: loopback, and what the configuration lists. */
bool host_is_plain(const struct images_config *config, const char *host);

extern const struct actor images_actor; /* self: struct images, zeroed but for config */
extern const struct db_schema images_schema;

int on_images_pull(void *self, struct request *request, struct error *err);    /* pull.c */
int on_images_push(void *self, struct request *request, struct error *err);    /* push.c */
int on_images_copy(void *self, struct request *request, struct error *err);    /* copy.c */
int on_images_tags(void *self, struct request *request, struct error *err);    /* ask.c */
int on_images_manifest(void *self, struct request *request, struct error *err);
int on_images_forget(void *self, struct request *request, struct error *err);
int on_images_referrers(void *self, struct request *request, struct error *err); /* referrers.c */
int on_images_login(void *self, struct request *request, struct error *err);   /* login.c */
int on_images_hosts(void *self, struct request *request, struct error *err);   /* explain.c */
int on_images_inspect(void *self, struct request *request, struct error *err); /* inspect.c */
int on_images_unpack(void *self, struct request *request, struct error *err);
int on_images_adopt(void *self, struct request *request, struct error *err);
int on_images_claim(void *self, struct request *request, struct error *err);   /* claim.c */
int on_images_release(void *self, struct request *request, struct error *err);
void claims_free(struct images *images); /* at the end: jobs that stop release nothing any more */

/* refetch.c, rebuild.c: what `check --repair` asks for. */
int on_images_refetch(void *self, struct request *request, struct error *err);
int on_images_rebuild(void *self, struct request *request, struct error *err);

#endif
