/*
 * content — the actor that owns blobs.
 *
 *      serves   protocol/schema/content.def
 *      asks     nobody
 *      emits    /content/create, /content/delete
 *      owns     <root>/blobs, <root>/ingests, <root>/trash/content and the content_* tables
 *
 * A blob is a file named by its digest: whole or absent, never changed.  Writers fill an
 * ingest file by themselves (its path is in the answer) and ask for the commit.  One file
 * serves all namespaces; which of them know it is a matter of rows.
 */
#ifndef ACTORS_CONTENT_CONTENT_H
#define ACTORS_CONTENT_CONTENT_H

#include "actors/base/actor.h"
#include "actors/base/db.h"

struct content_config {
    const char *root;     /* holds blobs, ingests and trash */
    const char *database; /* path */
    uint64_t write_max;   /* bytes of what comes over a connection; 0: no limit */
    bool isolated;        /* a namespace has to bring the bytes of what another one has (share.h) */
};

extern const struct actor content_actor;
extern const struct db_schema content_schema;

struct content;
struct content *content_new(const struct content_config *config); /* copies it */
void content_free(struct content **content);

#endif
