/* What the daemon says of itself; nothing here waits, all of it is read where it lies. */
#include "actors/daemon/daemon.h"

#include "actors/base/job.h"
#include "platform/platform.h"
#include "platform/scope.h"

static int on_version(void *self, struct request *request, struct error *err)
{
    (void)self, (void)err;
    return request_reply(request, &(struct daemon_version_reply){
                                      .version = GANTRY_VERSION,
                                      .protocol = PROTOCOL_VERSION,
                                      .os = machine_os(),
                                      .arch = machine_arch(),
                                  });
}

static int count(struct db *db, const char *sql, uint64_t *rows, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };

    if (db_query(db, &query, err, sql, "") < 0 || query_next(&query, err) < 0)
        return -1;
    *rows = (uint64_t)query_int(&query, 0);
    return 0;
}

static int on_info(void *self, struct request *request, struct error *err)
{
    const struct daemon_self *daemon = self;
    const struct daemon_config *config = daemon->config;
    struct machine machine;
    struct daemon_info_reply reply = {
        .version = GANTRY_VERSION,
        .instance = config->instance,
        .boot = machine_boot_id(),
        .pid = (uint64_t)process_id(),
        .embedded = config->embedded,
        .started = config->started,
        .root = config->root,
        .state = config->state,
        .os = machine_os(),
        .arch = machine_arch(),
        .kernel = machine.kernel,
        .cgroups = machine.cgroups,
        .settings = { config->setting_count, (void *)(uintptr_t)config->settings },
    };

    machine_describe(&machine);
    reply.cpus = machine.cpus;
    reply.memory = machine.memory;
    reply.has_cpus = reply.has_memory = true;
    if (count(daemon->db, "SELECT count(*) FROM containers_container", &reply.containers, err) < 0 ||
        count(daemon->db, "SELECT count(*) FROM tasks_task WHERE status IN ('running', 'paused')",
              &reply.running, err) < 0 ||
        count(daemon->db, "SELECT count(*) FROM images_image", &reply.images, err) < 0)
        return -1;
    reply.has_containers = reply.has_running = reply.has_images = true;
    self_check_describe(daemon, &reply);
    reply.warnings.items = (const char **)(uintptr_t)config->warnings;
    while (config->warnings != NULL && config->warnings[reply.warnings.count] != NULL)
        reply.warnings.count++;
    return request_reply(request, &reply);
}

static struct list describe_fields(const struct record *record, struct arena *arena)
{
    struct field_info *infos = arena_alloc(arena, record->field_count * sizeof(*infos));

    for (size_t i = 0; i < record->field_count; i++) {
        const struct field *field = &record->fields[i];

        infos[i] = (struct field_info){
            .name = field->name,
            .type = kind_name(field->kind),
            .required = field->required,
            .record = field->item != NULL ? field->item()->name : NULL,
            .doc = field->doc,
        };
    }
    return (struct list){ record->field_count, infos };
}

static int on_describe(void *self, struct request *request, struct error *err)
{
    struct arena *arena = request_arena(request);
    struct op_info *ops = arena_alloc(arena, schema_op_count * sizeof(*ops));
    struct record_info *records = arena_alloc(arena, schema_record_count * sizeof(*records));

    (void)self, (void)err;
    for (size_t i = 0; i < schema_op_count; i++)
        ops[i] = (struct op_info){
            .name = schema_ops[i]->name,
            .verb = verb_name(schema_ops[i]->verb),
            .request = schema_ops[i]->request()->name,
            .reply = schema_ops[i]->reply()->name,
            .item = schema_ops[i]->item()->name,
            .doc = schema_ops[i]->doc,
        };
    for (size_t i = 0; i < schema_record_count; i++) {
        const struct record *record = schema_records[i]();

        records[i] = (struct record_info){ record->name, record->doc, describe_fields(record, arena) };
    }
    return request_reply(request, &(struct daemon_describe_reply){
                                      .ops = { schema_op_count, ops },
                                      .records = { schema_record_count, records },
                                  });
}

static struct actor_state state_of(struct stats *stats)
{
    int64_t now = clock_monotonic();
    int64_t oldest = atomic_load(&stats->oldest), since = atomic_load(&stats->handler_since);

    if (since != 0 && (oldest == 0 || since < oldest))
        oldest = since; /* the one in the handler is noted as open only when that returns */
    return (struct actor_state){
        .name = stats->name,
        .handled = atomic_load(&stats->handled),
        .open = atomic_load(&stats->open),
        .jobs = atomic_load(&stats->jobs),
        .queued = atomic_load(&stats->queued),
        .oldest_ms = oldest ? (uint64_t)(now - oldest) / 1000000 : 0,
        .slowest_us = atomic_load(&stats->slowest_us),
        .slowest_op = atomic_load(&stats->slowest_op),
        .stalled = since != 0 && now - since > 1000000000,
    };
}

static int on_actors(void *self, struct request *request, struct error *err)
{
    struct actor_state *states = arena_alloc(request_arena(request), STATS_MAX * sizeof(*states));
    unsigned actors = 0;

    (void)self, (void)err;
    for (; stats_at(actors) != NULL; actors++)
        states[actors] = state_of(stats_at(actors));
    return request_reply(request, &(struct daemon_actors_reply){ .actors = { actors, states } });
}

/* Hashing every blob takes time, so this is a job; it has a connection of its own. */
static int check_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct daemon_self *daemon = job_self(job);
    CLEANUP(db_close) struct db *db = NULL;

    if (db_open(daemon->config->database, true, &db, err) < 0)
        return -1;
    return daemon_check(job, db, daemon->config, in, out, err);
}

static int on_check(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, check_job, err);
}

static int on_shutdown(void *self, struct request *request, struct error *err)
{
    struct daemon_self *daemon = self;

    (void)err;
    zstr_send(daemon->engine, "shutdown");
    return request_reply(request, &(struct nothing){ 0 });
}

static int daemon_open(void *self, struct loop *loop, struct error *err)
{
    struct daemon_self *daemon = self;

    daemon->loop = loop;
    daemon->engine = zsock_new(ZMQ_PUSH);
    zsock_set_sndtimeo(daemon->engine, 0);
    zsock_connect(daemon->engine, "inproc://engine");
    if (db_open(daemon->config->database, true, &daemon->db, err) < 0)
        return -1;
    self_check_soon(daemon);
    return 0;
}

static void daemon_close(void *self)
{
    struct daemon_self *daemon = self;

    zsock_destroy(&daemon->engine);
    db_close(&daemon->db);
}

static const struct route routes[] = {
    { &op_daemon_version, on_version },   { &op_daemon_info, on_info },   { &op_daemon_describe, on_describe },
    { &op_daemon_actors, on_actors },     { &op_daemon_check, on_check }, { &op_daemon_shutdown, on_shutdown },
    { 0 },
};

const struct actor daemon_actor = { "daemon", routes, daemon_open, daemon_close };
