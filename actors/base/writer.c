/*
 * The happy path: take all that wait -> BEGIN -> each in its SAVEPOINT -> COMMIT ->
 * tell the owners.  Possible failures: one body fails (its savepoint is rolled back,
 * the others go on); the commit fails (nothing happened; all hear why).
 */
#include "actors/base/writer.h"

#include "actors/base/job.h"
#include "actors/base/log.h"
#include "actors/base/request.h"
#include "actors/base/thread_order.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define MERGE_MAX       256 /* writes in one transaction */
#define CHECKPOINT_EACH 128 /* commits: all wait while their pages are copied, some 10 ms */
#define IDLE_MS         500 /* then what was relaxed goes to the disk */
#define QUIET_MS        5000 /* then the log is folded back into the database, and begun anew */
#define FOLD_EACH       64 /* commits: then that does not wait for so much quiet */

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
    bool has_loosened;
    unsigned commits;
    int result;
    struct error *err;
};

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

int job_write(struct job *job, write_body *body, const void *in, void *out, void *ctx, struct error *err)
{
    struct write write = {
        .body = body,
        .ctx = ctx,
        .actor = job_actor(job),
        .namespace = job_namespace(job),
        .lease = job_lease(job),
        .in = in,
        .out = out,
        .arena = job_arena(job),
    }, *self = &write;
    zframe_t *frame = zframe_new(&self, sizeof(self));
    zsock_t *writer = zsock_new(ZMQ_PUSH), *done = zsock_new(ZMQ_PULL);

    snprintf(write.reply_to, sizeof(write.reply_to), "inproc://write.%p", (void *)self);
    zsock_bind(done, "%s", write.reply_to);
    zsock_set_linger(writer, -1); /* closing must not take the write back */
    zsock_connect(writer, "inproc://writer");
    ORDER_BEFORE_SEND();
    zframe_send(&frame, writer, 0);
    while ((frame = zframe_recv(done)) == NULL)
        ; /* a signal; the writer has the write, and it is on this stack */
    ORDER_AFTER_RECEIVE();
    zframe_destroy(&frame);
    zsock_unbind(done, "%s", write.reply_to);
    zsock_destroy(&done);
    zsock_destroy(&writer);
    if (write.result < 0)
        *err = write.err;
    return write.result;
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

static int journal_add(struct writer *writer, const char *namespace, const char *topic, const char *id,
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

int hold(struct write *write, const char *kind, const char *key, const char *driver, struct error *err)
{
    CLEANUP(query_done) struct query lease = { 0 };
    struct db *db = write_db(write);
    int found;

    if (write->lease == NULL)
        return 0;
    if (db_query(db, &lease, err,
                 "SELECT 1 FROM leases_lease WHERE namespace = ? AND id = ? AND (expires IS NULL OR expires > ?)", "ssi",
                 write->namespace, write->lease, clock_now()) < 0 ||
        (found = query_next(&lease, err)) < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERROR_NOT_FOUND, "lease %s: there is none, or it has lapsed", write->lease);
    return db_run(db, err,
                  "INSERT OR IGNORE INTO leases_resource (namespace, lease, kind, driver, key) VALUES (?, ?, ?, ?, ?)",
                  "sssss", write->namespace, write->lease, kind, driver ? driver : "", key);
}

void loosen(struct write *write)
{
    write->writer->has_loosened = true;
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

/* ---- the thread -------------------------------------------------------------------- */

/* A namespace is made by the first write in it. */
static int namespace_ensure(struct writer *writer, const char *name, struct error *err)
{
    struct map none = { 0 };

    if (name == NULL || zhashx_lookup(writer->namespaces, name) != NULL)
        return 0;
    db_write_as(writer->db, "namespaces");
    if (db_run(writer->db, err, "INSERT OR IGNORE INTO namespaces_namespace (name, created) VALUES (?, ?)", "si",
               name, clock_now()) < 0)
        return -1;
    if (db_changes(writer->db) > 0)
        return journal_add(writer, name, "/namespaces/create", name, &none, err);
    return 0;
}

static int write_run(struct writer *writer, struct write *write)
{
    struct error *err = &write->err;
    struct error ignored;

    write->writer = writer;
    if (strcmp(write->actor, "namespaces") == 0) /* it may remove one: those behind it ask again */
        zhashx_purge(writer->namespaces);
    if (db_script(writer->db, "SAVEPOINT one", err) < 0)
        return -1;
    if (strcmp(write->actor, "namespaces") != 0 && namespace_ensure(writer, write->namespace, err) < 0)
        write->result = -1;
    db_write_as(writer->db, write->actor);
    if (write->result == 0)
        write->result = write->body(write, write->in, write->out, err);
    db_write_as(writer->db, NULL);
    if (write->result < 0)
        db_script(writer->db, "ROLLBACK TO one", &ignored);
    return db_script(writer->db, "RELEASE one", write->result < 0 ? &ignored : err);
}

static void tell_job(struct write *write)
{
    zframe_t *frame = zframe_new("", 0);
    zsock_t *job = zsock_new(ZMQ_PUSH);

    zsock_set_linger(job, -1);
    zsock_connect(job, "%s", write->reply_to);
    ORDER_BEFORE_SEND();
    zframe_send(&frame, job, 0); /* from here on the write may be gone */
    zsock_destroy(&job);
}

static void tell_owner(struct writer *writer, struct write *write)
{
    zsock_t *owner;
    zframe_t *frame;

    if (write->reply_to[0] != '\0') {
        tell_job(write);
        return;
    }
    owner = zhashx_lookup(writer->owners, write->actor);
    frame = zframe_new(&write, sizeof(write));
    if (owner == NULL) {
        owner = zsock_new(ZMQ_DEALER);
        zsock_set_sndhwm(owner, 0);
        zsock_connect(owner, "inproc://%s", write->actor);
        zhashx_insert(writer->owners, write->actor, owner);
    }
    ORDER_BEFORE_SEND();
    zframe_send(&frame, owner, 0);
}

static void remember_namespaces(struct writer *writer, struct write **writes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(writes[i]->actor, "namespaces") == 0)
            zhashx_purge(writer->namespaces);
        else if (writes[i]->result == 0 && writes[i]->namespace != NULL)
            zhashx_update(writer->namespaces, writes[i]->namespace, "");
    }
}

static bool all_relaxed(struct write **writes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!writes[i]->relaxed)
            return false;
    return true;
}

/* A commit that waits for the disk takes what was relaxed before it along, except when it
   changes nothing: then SQLite has nothing to sync. */
static void sync_relaxed(struct writer *writer, bool relaxed, bool has_changed)
{
    if (!relaxed && !has_changed && writer->has_relaxed)
        db_sync_log(writer->db);
    writer->has_relaxed = relaxed;
}

static void commit_all(struct writer *writer, struct write **writes, size_t count)
{
    struct error err = { 0 }, ignored;
    bool relaxed = all_relaxed(writes, count);
    int64_t changes = db_changes_ever(writer->db);
    int result = db_sync_commits(writer->db, !relaxed, &err);

    if (result == 0)
        result = db_script(writer->db, "BEGIN IMMEDIATE", &err);
    writer->has_events = writer->has_loosened = false;
    for (size_t i = 0; i < count && result == 0; i++)
        result = write_run(writer, writes[i]) < 0 ? (err = writes[i]->err, -1) : 0;
    if (result == 0)
        result = hook_platform_call("commit", &err) < 0 ? -1 : db_script(writer->db, "COMMIT", &err);
    hook_platform_point("committed");
    if (result < 0) {
        log_error("writer", "commit of %zu writes: %s", count, err.text);
        db_script(writer->db, "ROLLBACK", &ignored);
        db_checkpoint(writer->db); /* on a full disk the log has room again for small things */
    } else {
        sync_relaxed(writer, relaxed, db_changes_ever(writer->db) != changes);
    }
    for (size_t i = 0; i < count; i++)
        if (result < 0 && writes[i]->result == 0) {
            writes[i]->result = -1;
            writes[i]->err = err;
        }
    remember_namespaces(writer, writes, count);
    for (size_t i = 0; i < count; i++)
        tell_owner(writer, writes[i]);
    if (result == 0 && writer->has_events)
        zstr_send(writer->journal, "committed");
    if (result == 0 && writer->has_loosened)
        zstr_send(writer->collector, "loosened");
    writer->commits++;
}

static size_t take_waiting(struct writer *writer, struct write **writes)
{
    size_t count = 0;

    while (count < MERGE_MAX && (zsock_events(writer->inbox) & ZMQ_POLLIN)) {
        zframe_t *frame = zframe_recv(writer->inbox);

        ORDER_AFTER_RECEIVE();
        if (frame == NULL)
            break;
        memcpy(&writes[count++], zframe_data(frame), sizeof(*writes));
        zframe_destroy(&frame);
    }
    return count;
}

static bool is_among(struct write **writes, size_t count, const char *actor)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(writes[i]->actor, actor) == 0)
            return true;
    return false;
}

/*
 * What need not wait for the disk, and somebody waits for, is committed before what does, instead of
 * waiting with it; but never before an earlier write of its own actor, which it may build on.  (It
 * cannot build on one of another actor that is not answered yet.)  Yields how many come first; both
 * parts keep their order.
 */
static size_t relaxed_first(struct write **writes, size_t count)
{
    struct write *rest[MERGE_MAX];
    size_t first = 0, behind = 0;

    for (size_t i = 0; i < count; i++)
        if (writes[i]->relaxed && writes[i]->request != NULL && !is_among(rest, behind, writes[i]->actor))
            writes[first++] = writes[i];
        else
            rest[behind++] = writes[i];
    memcpy(writes + first, rest, behind * sizeof(*rest));
    return first;
}

static void commit_waiting(struct writer *writer, struct write **writes, size_t count)
{
    size_t first = relaxed_first(writes, count);

    if (first > 0)
        commit_all(writer, writes, first);
    if (count > first)
        commit_all(writer, writes + first, count - first);
}

static void checkpoint(struct writer *writer)
{
    if (writer->commits > 0)
        db_checkpoint(writer->db);
    writer->has_relaxed = false;
    writer->commits = 0;
}

/* Nothing came for `waited` milliseconds.  Beginning the log anew costs the next commit an fsync
   of its own, so that has time. */
static void idle(struct writer *writer, int waited)
{
    if (waited == QUIET_MS || writer->commits >= FOLD_EACH) {
        checkpoint(writer);
        process_memory_give_back();
        return;
    }
    if (writer->has_relaxed)
        db_sync_log(writer->db);
    writer->has_relaxed = false;
    process_memory_give_back();
}

static void serve(struct writer *writer, zsock_t *pipe)
{
    struct write *writes[MERGE_MAX];
    zpoller_t *poller = zpoller_new(writer->inbox, pipe, NULL);
    int wait_ms = IDLE_MS;

    zpoller_set_nonstop(poller, true);
    for (;;) {
        void *ready = zpoller_wait(poller, writer->commits > 0 ? wait_ms : -1);
        size_t count;

        if (ready == pipe)
            break; /* whatever it is, it is the end; actors have drained before */
        if (ready == NULL) {
            idle(writer, wait_ms);
            wait_ms = QUIET_MS;
            continue;
        }
        wait_ms = IDLE_MS;
        count = take_waiting(writer, writes);
        commit_waiting(writer, writes, count);
        if (writer->commits >= CHECKPOINT_EACH)
            checkpoint(writer);
    }
    zpoller_destroy(&poller);
}

static void destroy_socket(void **item)
{
    zsock_destroy((zsock_t **)item);
}

static int writer_open(struct writer *writer)
{
    if (db_open(writer->config->path, false, &writer->db, writer->err) < 0)
        return -1;
    snprintf(writer->boot, sizeof(writer->boot), "%s", machine_boot_id());
    writer->owners = zhashx_new();
    zhashx_set_destructor(writer->owners, destroy_socket);
    writer->namespaces = zhashx_new();
    writer->inbox = zsock_new(ZMQ_PULL);
    zsock_set_rcvhwm(writer->inbox, 0);
    writer->journal = zsock_new(ZMQ_PUSH);
    zsock_set_sndtimeo(writer->journal, 0);
    zsock_connect(writer->journal, "inproc://journal");
    writer->collector = zsock_new(ZMQ_PUSH);
    zsock_set_sndtimeo(writer->collector, 0); /* full: it knows already */
    zsock_connect(writer->collector, "inproc://collector.due");
    if (zsock_bind(writer->inbox, "inproc://writer") < 0)
        return error_set(writer->err, ERROR_ALREADY_EXISTS, "a writer runs already");
    return 0;
}

static void writer_close(struct writer *writer)
{
    zhashx_destroy(&writer->owners);
    zhashx_destroy(&writer->namespaces);
    zsock_destroy(&writer->journal);
    zsock_destroy(&writer->collector);
    if (writer->inbox != NULL)
        zsock_unbind(writer->inbox, "inproc://writer");
    zsock_destroy(&writer->inbox);
    db_close(&writer->db);
}

static void writer_thread(zsock_t *pipe, void *arg)
{
    struct writer *birth = arg;
    struct writer writer;

    ORDER_AFTER_RECEIVE();
    thread_name("writer");
    writer = *birth;
    birth->result = writer_open(&writer);
    ORDER_BEFORE_SEND();
    zsock_signal(pipe, 0);
    if (writer.inbox != NULL && writer.db != NULL && zsock_endpoint(writer.inbox) != NULL)
        serve(&writer, pipe);
    writer_close(&writer);
}

zactor_t *writer_start(struct writer_config *config, struct error *err)
{
    struct writer birth = { .config = config, .err = err };
    zactor_t *thread;

    ORDER_BEFORE_SEND();
    thread = zactor_new(writer_thread, &birth);
    ORDER_AFTER_RECEIVE();
    if (birth.result < 0)
        writer_stop(&thread);
    return thread;
}

void writer_stop(zactor_t **writer)
{
    ORDER_BEFORE_SEND();
    zactor_destroy(writer);
    ORDER_AFTER_RECEIVE();
}
