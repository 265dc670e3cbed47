/*
 * outlet — one host of a registry, as one job speaks to it: opened when it is needed, and as long
 * as it is well (health.h).
 *
 * All that goes to a registry and comes from there is a visit: may it be asked now -> ask -> tell
 * how it was.  A pull has several outlets, one of which stands in for the other (supply.h).  Where
 * nothing stands in, the last part of this file does it all in one call: who needs a host that is
 * left out looks whether it is back, and the others that need it wait for what that one finds.
 *
 * Each outlet has a gantry-fetch of its own, which is told the credentials for this host: no other
 * process has them to send (CVE-2020-15157).
 */
#ifndef ACTORS_IMAGES_OUTLET_H
#define ACTORS_IMAGES_OUTLET_H

#include <stdatomic.h>

#include "actors/images/health.h"
#include "actors/images/hosts.h"
#include "protocol/oci/name.h"

/* Who asks, as a request says it: at the registry itself, and at other hosts in its place. */
struct registry_user {
    const char *username, *password, *identity_token, *registry_token;
    struct list mirrors; /* of host_credentials */
    bool askable;        /* its client can be asked for more (who.h) */
};

/* Of a request that has these fields. */
#define REGISTRY_USER(want)                                                                 \
    {                                                                                       \
        (want)->username, (want)->password, (want)->identity_token, (want)->registry_token, \
            (want)->mirrors, (want)->askable                                                \
    }

struct outlet {
    const struct host *host;
    const char *key; /* of its health */
    struct registry_options options;
    _Atomic(struct registry *) registry; /* NULL: not needed yet */
    atomic_bool liar;                    /* sent something else than was asked for (supply.h) */
};

/* Contacts nobody.  What it points to lives as long as it, in the arena or elsewhere.  `repository`
   NULL: to log in alone. */
void outlet_init(struct outlet *outlet, const struct host *host, const struct images_config *config,
                 const char *registry, const char *repository, const struct registry_user *user,
                 struct arena *arena);
/* After the last visit; for CLEANUP().  A zeroed one is fine. */
void outlet_close(struct outlet *outlet);

/* ---- one request ---------------------------------------------------------------------------- */

struct visit {
    struct outlet *outlet;
    struct job *job;
    struct registry *registry;     /* to be asked ... */
    struct registry_caller caller; /* ... on behalf of this one */
    struct health_visit health;
    bool ours; /* the error is ours, no host's */
    bool told; /* the error is what is known of the host (registry_caller) */
};

/* 0: ask, then visit_end().  `last`: no other host stands in for it. */
int visit_begin(struct visit *visit, struct outlet *outlet, struct job *job, bool last,
                struct error *err);
/* It answers, and something gets on. */
void visit_progress(struct visit *visit);
/* `result` is what came of it, and is returned. */
int visit_end(struct visit *visit, int result, const struct error *err);

/* ---- where nothing stands in ------------------------------------------------------------------
 */

/* The first host that is trusted with what is sent there, as containerd chooses; NULL: none is. */
const struct host *host_for_push(const struct host_list *hosts);

/* That host of the registry of `to`.  FAILED_PRECONDITION: there is none. */
int outlet_for_push(struct outlet *outlet, struct job *job, const struct images_config *config,
                    const struct reference *to, const struct registry_user *user,
                    struct error *err);

/* As the functions of registry.h; UNAVAILABLE at once: others have just found that nobody is there.
 */
int outlet_manifest(struct outlet *outlet, struct job *job, const char *tag_or_digest,
                    struct registry_document *out, struct error *err);
int outlet_upload(struct outlet *outlet, struct job *job, const struct registry_upload *upload,
                  enum registry_sent *sent, struct error *err);
int outlet_put(struct outlet *outlet, struct job *job, const struct registry_put *put,
               struct registry_kept *kept, struct error *err);
int outlet_delete(struct outlet *outlet, struct job *job, const char *tag_or_digest, bool blob,
                  struct error *err);
int outlet_login(struct outlet *outlet, struct job *job, struct registry_login *out,
                 struct error *err);

#endif
