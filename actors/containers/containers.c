/*
 * Records.  The happy path of a container is create (a job: create.c) -> put -> runs,
 * which is tasks' business -> remove (a job) -> drop.  A crash between leaves a folder
 * without a row, which the next start removes, or a snapshot that nothing names, which
 * the collector takes.
 */
#include "actors/containers/containers.h"

#include "actors/base/collect.h"
#include "actors/base/containers.h"
#include "actors/base/edge.h"
#include "actors/base/job.h"
#include "actors/base/log.h"
#include "actors/base/page.h"
#include "actors/base/writer.h"
#include "actors/containers/mounts.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/name.h"
#include "protocol/oci/spec.h"

static const char *const steps[] = {
    "CREATE TABLE containers_container ("
    " namespace TEXT NOT NULL, id TEXT NOT NULL, name TEXT, image TEXT, image_id TEXT, driver TEXT, snapshot TEXT,"
    " created INTEGER NOT NULL, updated INTEGER NOT NULL, record BLOB NOT NULL, spec TEXT NOT NULL,"
    " PRIMARY KEY (namespace, id)) STRICT, WITHOUT ROWID;"
    "CREATE UNIQUE INDEX containers_name ON containers_container (namespace, name) WHERE name IS NOT NULL;"
    "CREATE INDEX containers_image ON containers_container (namespace, image);"
    "CREATE INDEX containers_snapshot ON containers_container (namespace, driver, snapshot);",
    "CREATE TABLE containers_spec ("
    " namespace TEXT NOT NULL, id TEXT NOT NULL, spec TEXT NOT NULL, PRIMARY KEY (namespace, id),"
    " FOREIGN KEY (namespace, id) REFERENCES containers_container ON DELETE CASCADE) STRICT;"
    "INSERT INTO containers_spec SELECT namespace, id, spec FROM containers_container;"
    "ALTER TABLE containers_container DROP COLUMN spec;",
    "CREATE TABLE containers_file ("
    " namespace TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, bytes BLOB NOT NULL,"
    " PRIMARY KEY (namespace, id, name),"
    " FOREIGN KEY (namespace, id) REFERENCES containers_container ON DELETE CASCADE) STRICT, WITHOUT ROWID;",
    "CREATE TABLE containers_volume ("
    " namespace TEXT NOT NULL, volume TEXT NOT NULL, container TEXT NOT NULL,"
    " PRIMARY KEY (namespace, volume, container),"
    " FOREIGN KEY (namespace, container) REFERENCES containers_container ON DELETE CASCADE) STRICT, WITHOUT ROWID;"
    "CREATE INDEX containers_volume_container ON containers_volume (namespace, container);",
    NULL,
};

const struct db_schema containers_schema = { "containers", steps };

/* ---- rows ----------------------------------------------------------------------------- */

/* What is stored: all but the spec (a table of its own) and what the task is at. */
static struct buffer pack(const struct container_info *info)
{
    struct container_info stored = *info;
    struct buffer out = { 0 };

    stored.spec = stored.status = stored.status_reason = NULL;
    stored.has_pid = stored.has_exit_status = stored.has_started = stored.has_exited = false;
    record_pack(container_info_record(), &stored, &out);
    return out;
}

static int put_spec(struct write *write, const struct container_info *info, struct error *err)
{
    return db_run(write_db(write), err,
                  "INSERT INTO containers_spec (namespace, id, spec) VALUES (?, ?, ?) "
                  "ON CONFLICT (namespace, id) DO UPDATE SET spec = excluded.spec",
                  "sss", write_namespace(write), info->id, info->spec);
}

/* Which of the two it is that somebody else has. */
static int exists_already(struct write *write, const struct container_info *info, struct error *err)
{
    struct container_info other;
    struct error none;

    if (info->name == NULL ||
        container_find(write_db(write), write_namespace(write), info->name, false, write_arena(write), &other, &none) < 0 ||
        other.name == NULL || strcmp(other.name, info->name) != 0)
        return error_set(err, ERROR_ALREADY_EXISTS, "a container with the id %s exists already", info->id);
    error_set(err, ERROR_ALREADY_EXISTS, "the name %s is taken by container %.12s", info->name, other.id);
    return error_hint(err, "remove that container, or choose another name");
}

static int insert(struct write *write, const void *in, void *out, struct error *err)
{
    const struct containers_put_request *want = in;
    const struct container_info *info = want->container;
    struct buffer record = pack(info);
    int result = db_run(write_db(write), err,
                        "INSERT INTO containers_container (namespace, id, name, image, image_id, driver, snapshot, created, "
                        "updated, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        "sssssssiib", write_namespace(write), info->id, info->name, info->image, info->image_id,
                        info->driver, info->snapshot, info->created, info->updated, record.data, record.size);

    buffer_free(&record);
    if (result < 0)
        return err->code == ERROR_ALREADY_EXISTS ? exists_already(write, info, err) : -1;
    if (put_spec(write, info, err) < 0 || mounts_hold(write, info, err) < 0 ||
        edges_write(write, "container", "", info->id, &info->labels, err) < 0 || files_put(write, info->id, &want->files, err) < 0 ||
        hold_end(write, err) < 0)
        return -1;
    *(struct container_info *)out = *info;
    ((struct container_info *)out)->spec = NULL;
    return emit(write, "/containers/create", info->id, err, "image", info->image, "runtime", info->runtime, "name",
                info->name, NULL);
}

static int on_put(void *self, struct request *request, struct error *err)
{
    (void)self;
    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED, "containers.put is for the daemon itself");
    return request_write(request, insert, NULL, NULL, err);
}

static int delete(struct write *write, const void *in, void *out, struct error *err)
{
    const struct containers_get_request *want = in;
    struct container_info *info = out;

    if (container_find(write_db(write), write_namespace(write), want->id, false, write_arena(write), info, err) < 0)
        return -1;
    if (strcmp(info->status, "running") == 0 || strcmp(info->status, "paused") == 0)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container %s is %s: stop it first, or force", want->id,
                         info->status);
    if (db_run(write_db(write), err, "DELETE FROM containers_container WHERE namespace = ? AND id = ?", "ss",
               write_namespace(write), info->id) < 0 ||
        edges_drop(write, "container", "", info->id, err) < 0)
        return -1;
    loosen(write);
    return emit(write, "/containers/delete", info->id, err, "name", info->name, NULL);
}

static int on_drop(void *self, struct request *request, struct error *err)
{
    (void)self;
    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED, "containers.drop is for the daemon itself");
    return request_write(request, delete, NULL, NULL, err);
}

/* ---- update --------------------------------------------------------------------------- */

static int update(struct write *write, const void *in, void *out, struct error *err)
{
    const struct containers_update_request *want = in;
    struct container_info *info = out;
    struct buffer record;
    int result;

    if (container_find(write_db(write), write_namespace(write), want->id, false, write_arena(write), info, err) < 0)
        return -1;
    if (want->spec != NULL && strcmp(info->status, "running") == 0)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container %s is running: its spec cannot change", want->id);
    if (want->name != NULL)
        info->name = want->name;
    if (want->spec != NULL) {
        info->spec = want->spec;
        info->command = write_ctx(write);
    }
    info->labels = labels_merge(&info->labels, &want->labels, write_arena(write));
    info->updated = clock_now();
    record = pack(info);
    result = db_run(write_db(write), err,
                    "UPDATE containers_container SET name = ?, updated = ?, record = ? WHERE namespace = ? AND id = ?",
                    "sibss", info->name, info->updated, record.data, record.size, write_namespace(write), info->id);
    buffer_free(&record);
    if (result < 0)
        return err->code == ERROR_ALREADY_EXISTS
                   ? exists_already(write, info, err)
                   : -1;
    if ((want->spec != NULL && put_spec(write, info, err) < 0) ||
        (want->labels.count > 0 && edges_write(write, "container", "", info->id, &info->labels, err) < 0))
        return -1;
    if (want->labels.count > 0)
        loosen(write); /* they may have kept something */
    return emit(write, "/containers/update", info->id, err, "name", info->name, NULL);
}

static int on_update(void *self, struct request *request, struct error *err)
{
    const struct containers_update_request *in = request_body(request);
    const char *command = NULL;

    (void)self;
    if (in->name != NULL && container_name_check(in->name, err) < 0)
        return -1;
    for (size_t i = 0; i < in->labels.count; i++)
        if (label_check(in->labels.entries[i].key, in->labels.entries[i].value, err) < 0)
            return -1;
    if (in->spec != NULL && spec_take(in->spec, &command, request_arena(request), err) < 0)
        return -1;
    return request_write(request, update, NULL, (void *)(uintptr_t)command, err);
}

/* ---- get, list ------------------------------------------------------------------------ */

static int on_get(void *self, struct request *request, struct error *err)
{
    const struct containers *containers = self;
    const struct containers_get_request *in = request_body(request);
    struct container_info info;

    if (container_find(containers->db, request_namespace(request), in->id, true, request_arena(request), &info, err) < 0)
        return -1;
    return request_reply(request, &info);
}

static int read_page(struct query *query, struct page *page, struct error *err)
{
    int more;

    while ((more = query_next(query, err)) == 1 && !page_is_full(page)) {
        struct container_info info;

        if (container_read(query, page->arena, &info, err) < 0)
            return -1;
        if (info.spec == NULL)
            info.said = NULL;
        page_add(page, &info, &info.labels);
    }
    return more < 0 ? -1 : 0;
}

static int wants_spec(const struct containers_list_request *in, bool *wanted, struct error *err)
{
    *wanted = false;
    for (size_t i = 0; i < in->fields.count; i++) {
        if (strcmp(in->fields.items[i], "spec") != 0)
            return error_set(err, ERROR_INVALID_ARGUMENT, "containers.list has no optional field '%.40s', only spec",
                             in->fields.items[i]);
        *wanted = true;
    }
    return 0;
}

static int on_list(void *self, struct request *request, struct error *err)
{
    const struct containers *containers = self;
    const struct containers_list_request *in = request_body(request);
    CLEANUP(query_done) struct query query = { 0 };
    struct containers_list_reply reply;
    struct page page;
    bool with_spec;

    page_open(&page, request_arena(request), sizeof(struct container_info), in->limit);
    if (wants_spec(in, &with_spec, err) < 0 ||
        page_filter(&page, &in->filters, container_info_record(), err) < 0 ||
        db_query(containers->db, &query, err,
                 CONTAINER_SELECT
                 " WHERE c.namespace = ? AND c.id > ? AND (? = 0 OR t.status IN ('running', 'paused')) ORDER BY c.id",
                 "issi", with_spec, request_namespace(request), in->after ? in->after : "",
                 (int64_t)(in->has_running && in->running)) < 0 ||
        read_page(&query, &page, err) < 0)
        return -1;
    reply = (struct containers_list_reply){ .containers = page.list, SET(more, page.more) };
    return request_reply(request, &reply);
}

/* ---- remove --------------------------------------------------------------------------- */

static int end_task(struct job *job, const char *id, bool force, struct error *err)
{
    struct tasks_delete_request want = { .id = id, SET(force, force) };

    if (call(job, &op_tasks_delete, &want, NULL, err) == 0 || err->code == ERROR_NOT_FOUND)
        return 0; /* or it never had one */
    return -1;
}

void container_folder_remove(struct job *job, const char *id)
{
    const struct containers *containers = job_self(job);
    struct error err = { 0 };
    char folder[PATH_SIZE];
    int64_t wait_ms = 50;

    if (path_format(folder, &err, "%s/containers/%s/%s", containers->config->root, job_namespace(job), id) < 0)
        return;
    while (fs_remove_tree(folder, &err) < 0) {
        if (wait_ms > 2000 || job_wait(job, -1, 0, wait_ms, &err) < 0) {
            log_warn("containers", "%s; the next start removes it", err.text);
            return;
        }
        wait_ms *= 4;
    }
}

bool container_is_passing(const struct container_info *info)
{
    return info->has_remove && info->remove;
}

static bool has_own_snapshot(const struct container_info *info, bool keep_snapshot)
{
    return info->snapshot != NULL && !keep_snapshot;
}

static int nothing(struct write *write, const void *in, void *out, struct error *err)
{
    (void)write, (void)in, (void)out, (void)err;
    return 0;
}

/* The snapshot before the folder: as long as the folder is there nobody makes another
   container of this id, so it cannot be another's. */
static void remove_files(struct job *job, const struct container_info *info, bool keep_snapshot)
{
    struct snapshots_key_request snapshot = { .key = info->snapshot, .driver = info->driver };
    struct error why = { 0 };

    if (has_own_snapshot(info, keep_snapshot) && call(job, &op_snapshots_remove, &snapshot, NULL, &why) < 0) {
        if (why.code != ERROR_NOT_FOUND)
            log_warn("containers", "snapshot %s of removed container: %s", info->snapshot, why.text);
        if (!container_is_passing(info) && job_write(job, nothing, NULL, NULL, NULL, &why) < 0) /* takes the row's end along */
            log_warn("containers", "removal of container %s: %s", info->id, why.text);
    }
    container_folder_remove(job, info->id);
}

/*
 * One removal of a container at a time: who comes second, by hand or because its task has
 * ended, waits and then finds nothing, or another container of that id, which is not meant.
 */
struct removal {
    struct removal *next;
    struct containers *containers;
    char namespace[80], id[80];
    struct removal_waiter {
        struct removal_waiter *next;
        struct removal *removal;
        struct request *request;
    } *waiters;
};

struct removal_order {
    const struct containers_remove_request *want;
    struct container_info info;
};

static int remove_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct removal_order *order = in;
    const struct containers_remove_request *want = order->want;
    struct containers_get_request which = { .id = order->info.id };
    bool keep_snapshot = want->has_keep_snapshot && want->keep_snapshot;
    bool passing = container_is_passing(&order->info);
    bool volumes = passing || (want->has_volumes && want->volumes);

    (void)out;
    job_relax(job, true); /* the last write of the removal takes the others along */
    if (end_task(job, order->info.id, want->has_force && want->force, err) < 0)
        return -1;
    job_finish(job, 30000);
    if (volumes && !passing && mounts_pass(job, &order->info, err) < 0)
        return -1;
    job_relax(job, passing || has_own_snapshot(&order->info, keep_snapshot));
    if (call(job, &op_containers_drop, &which, NULL, err) < 0)
        return -1;
    job_relax(job, true); /* a volume whose row comes back goes at the next start */
    if (volumes)
        mounts_remove(job, &order->info);
    job_relax(job, passing);
    remove_files(job, &order->info, keep_snapshot);
    return want->has_sync && want->sync ? collect_job(job, NULL, NULL, err) : 0;
}

static void removal_waiter_drop(struct removal_waiter *waiter)
{
    struct removal_waiter **at = &waiter->removal->waiters;

    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
    free(waiter);
}

static void removal_waiter_gone(void *self, struct request *request, void *arg)
{
    (void)self, (void)request;
    removal_waiter_drop(arg);
}

static int on_remove(void *self, struct request *request, struct error *err);

static void removal_ended(void *self, struct request *request, void *arg)
{
    struct removal *removal = arg, **at = &removal->containers->removals;

    (void)request;
    while (*at != removal)
        at = &(*at)->next;
    *at = removal->next;
    while (removal->waiters != NULL) {
        struct request *next = removal->waiters->request;
        struct error err = { 0 };

        removal_waiter_drop(removal->waiters);
        if (on_remove(self, next, &err) < 0)
            request_fail(next, &err);
    }
    free(removal);
}

static struct removal *removal_find(struct containers *containers, const char *namespace, const char *id)
{
    struct removal *removal = containers->removals;

    while (removal != NULL && (strcmp(removal->id, id) != 0 || strcmp(removal->namespace, namespace) != 0))
        removal = removal->next;
    return removal;
}

static int removal_wait(struct removal *removal, struct request *request)
{
    struct removal_waiter *waiter = zmalloc(sizeof(*waiter));

    *waiter = (struct removal_waiter){ removal->waiters, removal, request };
    removal->waiters = waiter;
    return request_keep(request, removal_waiter_gone, waiter);
}

static int on_remove(void *self, struct request *request, struct error *err)
{
    struct containers *containers = self;
    const char *namespace = request_namespace(request);
    struct removal_order *order = arena_alloc(request_arena(request), sizeof(*order));
    struct removal *removal;

    order->want = request_body(request);
    if (container_find(containers->db, namespace, order->want->id, false, request_arena(request), &order->info, err) < 0)
        return -1;
    if (order->want->has_created && order->want->created != order->info.created)
        return error_set(err, ERROR_NOT_FOUND, "container %s is another one by now", order->want->id);
    removal = removal_find(containers, namespace, order->info.id);
    if (removal != NULL)
        return removal_wait(removal, request);
    if (request_run_on(request, remove_job, order, err) < 0)
        return -1;
    removal = zmalloc(sizeof(*removal));
    removal->containers = containers;
    snprintf(removal->namespace, sizeof(removal->namespace), "%s", namespace);
    snprintf(removal->id, sizeof(removal->id), "%s", order->info.id);
    removal->next = containers->removals;
    containers->removals = removal;
    request_on_end(request, removal_ended, removal);
    return 0;
}

/* ---- life ----------------------------------------------------------------------------- */

struct sweep {
    struct containers *containers;
    zhashx_t *ids; /* that have a row in this namespace; NULL: at the level of namespaces */
    char folder[PATH_SIZE];
};

/* All at once: a question for each of thousands would be most of the daemon's start. */
static int read_ids(struct containers *containers, const char *namespace, zhashx_t *ids, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(containers->db, &query, err, "SELECT id FROM containers_container WHERE namespace = ?", "s",
                 namespace) < 0)
        return -1;
    while ((found = query_next(&query, err)) == 1)
        zhashx_insert(ids, query_text(&query, 0), ids);
    return found;
}

/* Folders without a row are what a crash during a create or remove has left. */
static int sweep_name(void *ctx, const char *name, struct error *err)
{
    const struct sweep *sweep = ctx;
    struct sweep inner = { .containers = sweep->containers };
    char path[PATH_SIZE];
    int result;

    if (sweep->ids != NULL && zhashx_lookup(sweep->ids, name) != NULL)
        return 0;
    if (path_format(path, err, "%s/%s", sweep->folder, name) < 0)
        return -1;
    if (sweep->ids != NULL)
        return fs_remove_tree(path, err);
    inner.ids = zhashx_new();
    memcpy(inner.folder, path, sizeof(path));
    result = read_ids(sweep->containers, name, inner.ids, err);
    if (result == 0)
        result = fs_folder_each(path, sweep_name, &inner, err);
    zhashx_destroy(&inner.ids);
    return result;
}

static int containers_open(void *self, struct loop *loop, struct error *err)
{
    struct containers *containers = self;
    struct sweep sweep = { .containers = containers };

    (void)loop;
    if (db_open(containers->config->database, true, &containers->db, err) < 0 ||
        path_format(sweep.folder, err, "%s/containers", containers->config->root) < 0 ||
        fs_folder_make(sweep.folder, 0711, err) < 0 || fs_folder_each(sweep.folder, sweep_name, &sweep, err) < 0)
        return -1;
    return containers->config->new_boot ? files_restore(containers, err) : 0;
}

static void containers_close(void *self)
{
    struct containers *containers = self;

    db_close(&containers->db);
}

static const struct route routes[] = {
    { &op_containers_create, on_containers_create }, { &op_containers_put, on_put }, { &op_containers_drop, on_drop },
    { &op_containers_get, on_get }, { &op_containers_list, on_list }, { &op_containers_update, on_update },
    { &op_containers_remove, on_remove }, { &op_containers_commit, on_containers_commit },
    { &op_containers_look, on_containers_look }, { &op_containers_take, on_containers_take },
    { &op_containers_put_files, on_containers_put_files }, { 0 },
};

const struct actor containers_actor = { "containers", routes, containers_open, containers_close };
