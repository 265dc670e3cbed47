/*
 * writer — the one thread that writes to the database.
 *
 * Handlers hand it functions; it runs each in a SAVEPOINT of its own, merges all
 * that wait into one transaction with one fsync, and only after that commit are
 * the answers given.  A commit that fails turns them all into errors.  A write may
 * read any table and change its own actor's; emit() adds an event to the journal
 * inside it, so a change and its event are durable together or not at all.
 *
 * A write whose answer only leads to the next one need not wait for the disk: it is relaxed
 * (job_relax(), loop_write_relaxed()).  When all that wait are, the commit goes without
 * fsync; the next one that is not takes them along, since the log is one file and is read
 * up to where it is whole.  Nothing is ever lost out of order, and nothing at all
 * when only the daemon dies.
 *
 * A write body runs on the writer's thread: it may touch its arguments, the
 * database and nothing else of the actor.  `after` runs back on the actor's.
 */
#ifndef ACTORS_BASE_WRITER_H
#define ACTORS_BASE_WRITER_H

#include "actors/base/actor.h"
#include "actors/base/db.h"

struct write;

/* `in` is the request's body, `out` its zeroed reply; without request both are NULL. */
typedef int write_body(struct write *write, const void *in, void *out, struct error *err);

/*
 * After the commit, on the actor's thread, also when it failed (`err` is then not
 * NULL, and the request is answered with it by the loop afterwards).  With a request
 * it may answer it itself, run it as a job or keep it, and then returns 1; 0: the
 * loop replies `out`.
 */
typedef int write_after(void *self, struct request *request, void *ctx, void *out, struct error *err);

/* In a handler.  `ctx` must live as long as the request (its arena). */
int request_write(struct request *request, write_body *body, write_after *after, void *ctx, struct error *err);

/* Without a request: `ctx` is copied (size bytes) into the write's arena. */
void loop_write(struct loop *loop, const char *namespace, write_body *body, write_after *after,
                const void *ctx, size_t size);
/* The same, and `after` may hear of it before it is on disk: after seconds of quiet it is, or at
   the next write that waits. */
void loop_write_relaxed(struct loop *loop, const char *namespace, write_body *body, write_after *after,
                        const void *ctx, size_t size);

/* In a job: hands over a write and waits for its commit.  Nothing gives up in between: it is
   done, or it failed.  `in`, `out` and `ctx` are handed to the body as they are. */
struct job;
int job_write(struct job *job, write_body *body, const void *in, void *out, void *ctx, struct error *err);

/* In a write body. */
struct db *write_db(struct write *write);
struct arena *write_arena(struct write *write);
const char *write_namespace(const struct write *write);
const char *write_lease(const struct write *write); /* NULL: none */
void *write_ctx(const struct write *write);

/*
 * Lets the request's lease hold what this write has made; without a lease nothing
 * happens.  NOT_FOUND when the lease is gone: what would be made could not stay.
 * Inside the write, so that no moment exists in which the new object hangs on nothing.
 * `driver` is NULL for all but snapshots.
 */
int hold(struct write *write, const char *kind, const char *key, const char *driver, struct error *err);
/* Is there such a lease?  One of a job's own (lease.h) is from now on. */
int lease_need(struct write *write, const char *id, struct error *err);
/* This write names all that hangs on the job's own lease, so that goes with it; a client's stays. */
int hold_end(struct write *write, struct error *err);

/* Something may have lost what kept it: the collector looks after the commit. */
void loosen(struct write *write);

/* An event of this change.  `fields`: key, value, ..., NULL; values may be NULL (left out). */
int emit(struct write *write, const char *topic, const char *id, struct error *err, ...)
    __attribute__((sentinel));
/* The same, in another namespace than the write's. */
int emit_in(struct write *write, const char *namespace, const char *topic, const char *id, struct error *err, ...)
    __attribute__((sentinel));

/* The thread.  After every commit with events it tells inproc://journal; after every one that
   loosened something, and after some writes, it tells inproc://collector.due how many loosened
   something and how many there were, "1 3" (PULL, if somebody has bound them). */
struct writer_config {
    const char *path;     /* of the database */
    const char *instance; /* goes into every event */
};
zactor_t *writer_start(struct writer_config *config, struct error *err);
void writer_stop(zactor_t **writer);

/* For the loop. */
void write_finish(struct loop *loop, struct write *write);

/* Tables of other actors that a write changes: namespaces_namespace (a namespace is made by its
   first write), events_journal (emit) and leases_resource (hold). */

#endif
