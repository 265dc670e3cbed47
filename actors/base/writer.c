/*
 * The happy path: take all that wait -> BEGIN -> each in its SAVEPOINT -> COMMIT ->
 * tell the owners.  Possible failures: one body fails (its savepoint is rolled back,
 * the others go on); the commit fails (nothing happened; all hear why).
 */
#include "actors/base/log.h"
#include "actors/base/thread_order.h"
#include "actors/base/writer_private.h"
#include "platform/platform.h"

#define MERGE_MAX       256 /* writes in one transaction */
#define CHECKPOINT_EACH 128 /* commits: all wait while their pages are copied, some 10 ms */
#define TELL_EACH       25  /* writes: the collector counts in such steps */
#define IDLE_MS         500 /* then what was relaxed goes to the disk */
#define QUIET_MS        5000 /* then the log is folded back into the database, and begun anew */
#define FOLD_EACH       64 /* commits: then that does not wait for so much quiet */

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

/* At once of what was let go of, and now and then of how much else was written. */
static void tell_collector(struct writer *writer, size_t count)
{
    writer->mutations += (unsigned)count;
    if (writer->loosened == 0 && writer->mutations < TELL_EACH)
        return;
    if (zstr_sendf(writer->collector, "%u %u", writer->loosened, writer->mutations) == 0)
        writer->mutations = 0;
}

static void commit_all(struct writer *writer, struct write **writes, size_t count)
{
    struct error err = { 0 }, ignored;
    bool relaxed = all_relaxed(writes, count);
    int64_t changes = db_changes_ever(writer->db);
    int result = db_sync_commits(writer->db, !relaxed, &err);

    if (result == 0)
        result = db_script(writer->db, "BEGIN IMMEDIATE", &err);
    writer->has_events = false;
    writer->loosened = 0;
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
    if (result == 0)
        tell_collector(writer, count);
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
