/*
 * A write, as those see it who want one: handed over by handlers, loops and jobs, finished on
 * the actor's thread, and in between what its body may ask (writer.h).
 */
#include "actors/base/lease.h"
#include "actors/base/log.h"
#include "actors/base/thread_order.h"
#include "actors/base/writer_private.h"
#include "platform/platform.h"
#include "platform/scope.h"

/* ---- on the actor's thread ------------------------------------------------------ */

static void write_send(struct loop *loop, struct write *write)
{
    zframe_t *frame = zframe_new(&write, sizeof(write));

    if (loop->writer == NULL) {
        loop->writer = zsock_new(ZMQ_PUSH);
        zsock_set_sndhwm(loop->writer, 0);
        zsock_connect(loop->writer, "inproc://writer");
    }
    loop->writes++;
    ORDER_BEFORE_SEND();
    zframe_send(&frame, loop->writer, 0);
}

int request_write(struct request *request, write_body *body, write_after *after, void *ctx, struct error *err)
{
    struct arena *arena = request_arena(request);
    struct write *write = arena_alloc(arena, sizeof(*write));

    (void)err;
    *write = (struct write){
        .body = body,
        .after = after,
        .ctx = ctx,
        .loop = request->loop,
        .actor = request->loop->actor->name,
        .namespace = request_namespace(request),
        .lease = request_lease(request),
        .relaxed = request_is_relaxed(request),
        .request = request,
        .in = request->body,
        .out = arena_alloc(arena, request->route->op->reply()->size),
        .arena = arena,
    };
    request->write = write;
    write_send(request->loop, write);
    return 0;
}

static void write_alone(struct loop *loop, const char *namespace, write_body *body, write_after *after,
                        const void *ctx, size_t size, bool relaxed)
{
    struct arena *arena = arena_new();
    struct write *write = arena_alloc(arena, sizeof(*write));

    *write = (struct write){
        .body = body,
        .after = after,
        .ctx = size > 0 ? arena_copy(arena, ctx, size) : NULL,
        .loop = loop,
        .actor = loop->actor->name,
        .namespace = arena_str(arena, namespace),
        .arena = arena,
        .arena_is_own = true,
        .relaxed = relaxed,
    };
    write_send(loop, write);
}

void loop_write(struct loop *loop, const char *namespace, write_body *body, write_after *after,
                const void *ctx, size_t size)
{
    write_alone(loop, namespace, body, after, ctx, size, false);
}

void loop_write_relaxed(struct loop *loop, const char *namespace, write_body *body, write_after *after,
                        const void *ctx, size_t size)
{
    write_alone(loop, namespace, body, after, ctx, size, true);
}

void write_finish(struct loop *loop, struct write *write)
{
    struct request *request = write->request;
    struct error *err = write->result < 0 ? &write->err : NULL;
    int answered = 0;

    loop->writes--;
    if (request != NULL)
        request->write = NULL;
    if (write->after != NULL)
        answered = write->after(loop->self, request, write->ctx, write->out, err);
    if (request == NULL) {
        if (err != NULL && write->after == NULL)
            log_warn(write->actor, "write failed: %s", err->text);
        arena_free(write->arena); /* the write itself is in it */
        return;
    }
    if (answered == 1)
        return;
    if (err != NULL)
        request_fail(request, err);
    else
        request_reply(request, write->out);
}

/* ---- in a write body -------------------------------------------------------------- */

struct db *write_db(struct write *write)
{
    return write->writer->db;
}

struct arena *write_arena(struct write *write)
{
    return write->arena;
}

const char *write_namespace(const struct write *write)
{
    return write->namespace;
}

const char *write_lease(const struct write *write)
{
    return write->lease;
}

void *write_ctx(const struct write *write)
{
    return write->ctx;
}

int journal_add(struct writer *writer, const char *namespace, const char *topic, const char *id,
                const struct map *fields, struct error *err)
{
    struct buffer packed = db_labels(fields);
    int result = db_run(writer->db, err,
                        "INSERT INTO events_journal (time, namespace, topic, id, fields, boot, instance) "
                        "VALUES (?, ?, ?, ?, ?, ?, ?)",
                        "isssbss", clock_now(), namespace, topic, id, packed.data, packed.size, writer->boot,
                        writer->config->instance);

    buffer_free(&packed);
    writer->has_events = true;
    return result;
}

#define JOB_LEASE_NS (24ll * 60 * 60 * 1000000000) /* should all else fail */

int lease_need(struct write *write, const char *id, struct error *err)
{
    CLEANUP(query_done) struct query lease = { 0 };
    struct db *db = write_db(write);
    int found;

    if (db_query(db, &lease, err,
                 "SELECT 1 FROM leases_lease WHERE namespace = ? AND id = ? AND (expires IS NULL OR expires > ?)", "ssi",
                 write->namespace, id, clock_now()) < 0 ||
        (found = query_next(&lease, err)) < 0)
        return -1;
    if (found == 1)
        return 0;
    if (!lease_is_of_job(id))
        return error_set(err, ERROR_NOT_FOUND, "lease %s: there is none, or it has lapsed", id);
    return db_run(db, err, "INSERT INTO leases_lease (namespace, id, flat, created, expires) VALUES (?, ?, 0, ?, ?)",
                  "ssii", write->namespace, id, clock_now(), clock_now() + JOB_LEASE_NS);
}

int hold(struct write *write, const char *kind, const char *key, const char *driver, struct error *err)
{
    if (write->lease == NULL)
        return 0;
    if (lease_need(write, write->lease, err) < 0)
        return -1;
    return db_run(write_db(write), err,
                  "INSERT OR IGNORE INTO leases_resource (namespace, lease, kind, driver, key) VALUES (?, ?, ?, ?, ?)",
                  "sssss", write->namespace, write->lease, kind, driver ? driver : "", key);
}

int hold_end(struct write *write, struct error *err)
{
    if (write->lease == NULL || !lease_is_of_job(write->lease))
        return 0;
    return db_run(write_db(write), err, "DELETE FROM leases_lease WHERE namespace = ? AND id = ?", "ss",
                  write->namespace, write->lease);
}

void loosen(struct write *write)
{
    write->writer->loosened++;
}

#define FIELDS_MAX 16

static struct map fields_of(struct map_entry entries[FIELDS_MAX], va_list args)
{
    struct map fields = { 0, entries };
    const char *key;

    while ((key = va_arg(args, const char *)) != NULL && fields.count < FIELDS_MAX) {
        const char *value = va_arg(args, const char *);

        if (value != NULL)
            entries[fields.count++] = (struct map_entry){ key, value };
    }
    return fields;
}

int emit(struct write *write, const char *topic, const char *id, struct error *err, ...)
{
    struct map_entry entries[FIELDS_MAX];
    struct map fields;
    va_list args;

    va_start(args, err);
    fields = fields_of(entries, args);
    va_end(args);
    return journal_add(write->writer, write->namespace, topic, id, &fields, err);
}

int emit_in(struct write *write, const char *namespace, const char *topic, const char *id, struct error *err, ...)
{
    struct map_entry entries[FIELDS_MAX];
    struct map fields;
    va_list args;

    va_start(args, err);
    fields = fields_of(entries, args);
    va_end(args);
    return journal_add(write->writer, namespace, topic, id, &fields, err);
}
