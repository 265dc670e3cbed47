/* writer_private — what the two sides of the writer share: a write on its way, and the thread that runs it. */
#ifndef ACTORS_BASE_WRITER_PRIVATE_H
#define ACTORS_BASE_WRITER_PRIVATE_H

#include "actors/base/job.h"
#include "actors/base/request.h"
#include "actors/base/writer.h"

struct write {
    write_body *body;
    write_after *after;
    void *ctx;
    struct loop *loop;
    const char *actor;
    const char *namespace;
    const char *lease;
    struct request *request; /* NULL: none */
    const void *in;
    void *out;
    struct arena *arena;
    bool arena_is_own;
    bool relaxed; /* need not be on disk when it is told */
    char reply_to[48]; /* of a job that waits: where; else "" and the loop hears it */
    struct writer *writer; /* while it runs */
    int result;
    struct error err;
};

struct writer {
    const struct writer_config *config;
    struct db *db;
    zsock_t *inbox;   /* PULL inproc://writer */
    zsock_t *journal; /* PUSH inproc://journal */
    zsock_t *collector; /* PUSH inproc://collector.due */
    zhashx_t *owners; /* actor name -> DEALER inproc://NAME */
    zhashx_t *namespaces; /* known to have a row */
    char boot[64];
    bool has_events;
    bool has_relaxed; /* commits that are not on disk, for all we know */
    unsigned loosened; /* by the writes of this commit */
    unsigned mutations; /* writes that the collector has not been told of */
    unsigned commits;
    int result;
    struct error *err;
};

/* On the writer's thread: an event, in the transaction that runs. */
int journal_add(struct writer *writer, const char *namespace, const char *topic, const char *id,
                const struct map *fields, struct error *err);

#endif
