/*
 * supply — where an image's bytes come from: the hosts of its registry (hosts.h), one after the
 * other.
 *
 * Each that may be asked for a thing is asked in its turn: one that does not have it, refuses,
 * fails or is left out (health.h) is passed over, and the last one's answer is the answer.  What
 * two hosts say need not come from one: a blob may come from another host than its manifest, its
 * end from another than its beginning.  That is safe because everything but a tag is asked for by
 * digest, and what came is verified whoever sent it; who sent something else is not asked again in
 * this pull.
 */
#ifndef ACTORS_IMAGES_SUPPLY_H
#define ACTORS_IMAGES_SUPPLY_H

#include "actors/images/outlet.h"

struct supply;

/* Asks nobody yet.  Errors are those of hosts_find(). */
int supply_open(struct supply **supply, struct job *job, const struct images_config *config,
                const struct reference *reference, const struct registry_user *user,
                struct error *err);
void supply_close(struct supply **supply); /* for CLEANUP(); after the last call has returned */

/* As registry_manifest(), registry_list() and registry_blob() for the first host that can; any job
   of the pull may.  FAILED_PRECONDITION: none is trusted with it. */
int supply_manifest(struct supply *supply, struct job *job, const char *tag_or_digest,
                    uint64_t size, struct registry_document *out, struct error *err);

int supply_list(struct supply *supply, struct job *job, const struct registry_list *list,
                struct registry_document *out, struct error *err);

/* Whom a blob came from: a bit for each host.  Calls for its parts add to one. */
struct supply_trip {
    uint32_t senders;
};
int supply_blob(struct supply *supply, struct job *job, const struct registry_blob *blob,
                struct supply_trip *trip, struct error *err);
/* What came is not what was asked for.  true: who sent it is not asked any more, and there are
   others.  Of several that sent some of it, it is said of the first. */
bool supply_distrust(struct supply *supply, const struct supply_trip *trip);

#endif
