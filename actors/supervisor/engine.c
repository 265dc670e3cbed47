/*
 * The happy path: lock -> folders -> migrate -> writer -> actors in order -> gateway ->
 * ready; and back.  Possible failures leave nothing running: what was started is
 * stopped in the reverse order, and the lock goes last.
 */
#include "actors/supervisor/engine.h"

#include <czmq.h>

#include "actors/base/log.h"
#include "actors/base/thread_order.h"
#include "actors/base/writer.h"
#include "actors/collector/collector.h"
#include "actors/containers/containers.h"
#include "actors/content/content.h"
#include "actors/daemon/daemon.h"
#include "actors/events/events.h"
#include "actors/gateway/gateway.h"
#include "actors/images/images.h"
#include "actors/leases/leases.h"
#include "actors/namespaces/namespaces.h"
#include "actors/plugins/plugins.h"
#include "actors/snapshots/snapshots.h"
#include "actors/supervisor/last_stop.h"
#include "actors/tasks/tasks.h"
#include "actors/volumes/volumes.h"
#include "platform/platform.h"
#include "platform/plugin.h"
#include "platform/scope.h"
#include "protocol/schema.h"

#define LOCK_MS 2000 /* for the children of an engine that was killed */
#define LAYOUT       "1\n" /* of the folders below root */

struct engine {
    const struct config *config;
    bool embedded;
    int lock;
    zsock_t *orders; /* PULL inproc://engine */
    zactor_t *writer;
    zactor_t *actors[16];
    size_t actor_count;
    zactor_t *gateway;
    char instance[33];
    char database[PATH_SIZE];
    struct last_stop last;
    char events_socket[PATH_SIZE];
    struct setting *settings;
    size_t setting_count;
    struct runtime_path *runtimes;
    struct plugin_config *plugin_configs;
    const char *own[3]; /* folders that no plugin's mounts may come from */
    struct arena *arena;

    struct writer_config writer_config;
    struct gateway_config gateway_config;
    struct daemon_config daemon_config;
    struct containers_config containers_config;
    struct images_config images_config;
    struct tasks_config tasks_config;
    struct content_config content_config;
    struct snapshots_config snapshots_config;
    struct plugins_config plugins_config;
    struct collector_config collector_config;
    struct leases_config leases_config;
    struct namespaces_config namespaces_config;
    struct volumes_config volumes_config;
    struct events_config events_config;

    struct daemon_self daemon;
    struct containers containers;
    struct images images;
    struct tasks *tasks;
    struct content *content;
    struct snapshots *snapshots;
    struct plugins plugins;
    struct collector *collector;
    struct leases *leases;
    struct namespaces *namespaces;
    struct volumes *volumes;
    struct events *events;
};

static const struct db_schema *const schemas[] = {
    &namespaces_schema, &events_schema, &leases_schema, &content_schema, &snapshots_schema,
    &images_schema, &containers_schema, &tasks_schema, &collector_schema, &volumes_schema, NULL,
};

/* ---- what the configuration means to each ---------------------------------------------- */

static void add_setting(void *ctx, const char *key, const char *value, const char *origin)
{
    struct engine *engine = ctx;

    engine->settings[engine->setting_count++] = (struct setting){
        arena_str(engine->arena, key), arena_str(engine->arena, value), arena_str(engine->arena, origin)
    };
}

static void copy_runtimes(struct engine *engine)
{
    size_t count = 0;

    while (engine->config->runtimes[count].name != NULL)
        count++;
    engine->runtimes = arena_alloc(engine->arena, (count + 1) * sizeof(*engine->runtimes));
    for (size_t i = 0; i < count; i++)
        engine->runtimes[i] = (struct runtime_path){ engine->config->runtimes[i].name, engine->config->runtimes[i].path };
}

/* Another program that is a snapshot driver; ends up in the table of the snapshots actor. */
static struct plugin_config plugin_of(const struct engine *engine, const struct config_plugin *from)
{
    struct plugin_config plugin = { .name = from->name,
                                    .address = from->address,
                                    .timeout_ms = 1000 * (int64_t)engine->config->plugin_s,
                                    .own = engine->own };

    for (const struct config_pair *pair = from->exports; pair->key != NULL; pair++)
        if (streq(pair->key, "root"))
            plugin.root = pair->value;
    for (const char *const *word = from->capabilities; *word != NULL; word++)
        plugin.rebases = plugin.rebases || streq(*word, "rebase");
    return plugin;
}

static size_t count_plugins(const struct config *config)
{
    size_t count = 0;

    while (config->plugins[count].name != NULL)
        count++;
    return count;
}

/* Which drivers are for a platform that the configuration names. */
static const struct driver_platform *driver_platforms(const struct engine *engine)
{
    const struct config_plugin *from = engine->config->plugins;
    size_t have = 0;
    struct driver_platform *list =
        arena_alloc(engine->arena, (count_plugins(engine->config) + 1) * sizeof(*list));

    for (; from->name != NULL; from++)
        if (from->problem == NULL && from->platform != NULL)
            list[have++] = (struct driver_platform){ from->name, from->platform };
    return list;
}

static void configure_plugins(struct engine *engine)
{
    const struct config_plugin *from = engine->config->plugins;
    size_t count = count_plugins(engine->config), have = 0;

    engine->own[0] = engine->config->root;
    engine->own[1] = engine->config->state;
    engine->plugin_configs = arena_alloc(engine->arena, (count + 1) * sizeof(*engine->plugin_configs));
    for (size_t i = 0; i < count; i++)
        if (from[i].problem == NULL)
            engine->plugin_configs[have++] = plugin_of(engine, &from[i]);
}

/* What `gantry plugins` says of a proxy: all that the configuration does. */
static struct plugin_info proxy_info(struct engine *engine, const struct config_plugin *from)
{
    struct plugin_info info = { .type = streq(from->type, "snapshot") ? "snapshotter" : from->type,
                                .id = from->name,
                                .state = from->problem != NULL ? "error" : "connecting",
                                .proxy = true,
                                .address = from->address,
                                .platform = from->platform,
                                .problem = from->problem };
    size_t pairs = 0;

    while (from->capabilities[info.capabilities.count] != NULL)
        info.capabilities.count++;
    info.capabilities.items = (const char **)(uintptr_t)from->capabilities;
    while (from->exports[pairs].key != NULL)
        pairs++;
    info.exports.entries = arena_alloc(engine->arena, (pairs + 1) * sizeof(*info.exports.entries));
    for (size_t i = 0; i < pairs; i++)
        if (!streq(from->exports[i].key, "address"))
            info.exports.entries[info.exports.count++] = (struct map_entry){ from->exports[i].key, from->exports[i].value };
    info.exports.entries[info.exports.count++] = (struct map_entry){ "address", from->address };
    return info;
}

static struct plugin_info runtime_info(const struct config *config, const char *name, const char *program)
{
    return (struct plugin_info){ .type = "runtime",
                                 .id = name,
                                 .state = "ok",
                                 .address = program,
                                 SET(standard, streq(config->runtime, name)) };
}

/* Our own engine, the two that are looked for by name, and those that the configuration names. */
static void configure_listed(struct engine *engine)
{
    static const char *const names[] = { "runc", "crun" };
    const struct config *config = engine->config;
    size_t proxies = count_plugins(config), runtimes = 0, count = 0;
    struct plugin_info *known;

    while (config->runtimes[runtimes].name != NULL)
        runtimes++;
    known = arena_alloc(engine->arena, (proxies + runtimes + 3) * sizeof(*known));
    for (size_t i = 0; i < proxies; i++)
        known[count++] = proxy_info(engine, &config->plugins[i]);
    known[count++] = runtime_info(config, "native", NULL);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        bool is_named = false;

        for (size_t j = 0; j < runtimes; j++)
            is_named = is_named || streq(config->runtimes[j].name, names[i]);
        if (!is_named)
            known[count++] = runtime_info(config, names[i], names[i]);
    }
    for (size_t i = 0; i < runtimes; i++)
        known[count++] = runtime_info(config, config->runtimes[i].name, config->runtimes[i].path);
    engine->plugins_config = (struct plugins_config){ known, count };
    engine->plugins.config = &engine->plugins_config;
}

static void configure_base(struct engine *engine)
{
    const struct config *config = engine->config;

    random_hex(engine->instance, 32);
    engine->writer_config = (struct writer_config){ engine->database, engine->instance };
    engine->settings = arena_alloc(engine->arena, config_count(config) * sizeof(*engine->settings));
    config_each(config, add_setting, engine);
    engine->daemon_config = (struct daemon_config){
        .root = config->root,
        .state = config->state,
        .database = engine->database,
        .instance = engine->instance,
        .embedded = engine->embedded,
        .started = clock_now(),
        .settings = engine->settings,
        .setting_count = engine->setting_count,
        .unclean = engine->last.unclean,
        .new_boot = engine->last.new_boot,
    };
    engine->daemon.config = &engine->daemon_config;
}

/* What is packed may be a little larger than what is unpacked, and documents have bounds of their own. */
static uint64_t write_max(uint64_t layer_size)
{
    const uint64_t documents = 8u << 20;

    return layer_size == 0 ? 0 : layer_size + layer_size / 1000 + documents;
}

static void configure_services(struct engine *engine)
{
    const struct config *config = engine->config;

    copy_runtimes(engine);
    configure_plugins(engine);
    configure_listed(engine);
    engine->namespaces_config = (struct namespaces_config){ .database = engine->database };
    engine->volumes_config =
        (struct volumes_config){ .root = config->root, .database = engine->database };
    engine->events_config = (struct events_config){
        .database = engine->database, .socket = engine->events_socket, .group = config->group
    };
    engine->leases_config = (struct leases_config){ .database = engine->database };
    engine->content_config = (struct content_config){
        .root = config->root, .database = engine->database, .write_max = write_max(config->layer_size),
        .isolated = streq(config->sharing, "isolated"),
    };
    engine->snapshots_config = (struct snapshots_config){
        .root = config->root,
        .database = engine->database,
        .default_driver = config->snapshotter,
        .new_boot = engine->last.new_boot,
        .plugins = engine->plugin_configs,
        .isolated = streq(config->sharing, "isolated"),
    };
    engine->collector_config = (struct collector_config){
        .database = engine->database,
        .pause_threshold = config->gc_pause,
        .deletion_threshold = config->gc_deletions,
        .mutation_threshold = config->gc_mutations,
        .schedule_delay_ms = config->gc_schedule_ms,
        .startup_delay_ms = config->gc_startup_ms,
    };
    engine->images_config = (struct images_config){
        .root = config->root,
        .database = engine->database,
        .default_driver = config->snapshotter,
        .platforms = driver_platforms(engine),
        .plain_http = config->plain_http,
        .full_names = streq(config->short_names, "refuse"),
        .hosts = config->hosts,
        .downloads = (unsigned)config->downloads,
        .ranges = (unsigned)config->ranges,
        .unpack_max_bytes = config->layer_size,
        .answer_s = (unsigned)config->answer_s,
        .verifiers = config->verifiers,
        .verifier_s = (unsigned)config->verifier_s,
        .isolated = streq(config->sharing, "isolated"),
    };
    engine->images.config = &engine->images_config;
    engine->containers_config = (struct containers_config){
        .root = config->root,
        .database = engine->database,
        .default_runtime = config->runtime,
        .default_driver = config->snapshotter,
        .has_volatile = streq(config->volatile_, "true"),
        .new_boot = engine->last.new_boot,
    };
    engine->containers.config = &engine->containers_config;
    engine->tasks_config = (struct tasks_config){
        .root = config->root,
        .state = config->state,
        .database = engine->database,
        .default_runtime = config->runtime,
        .runtimes = engine->runtimes,
        .log_size = config->log_size,
        .log_files = config->log_files,
    };
}

/* ---- the ground: lock, folders, database ------------------------------------------------- */

static int take_lock(struct engine *engine, struct error *err)
{
    struct holder holder;
    char path[PATH_SIZE];

    if (fs_folder_make_all(engine->config->root, 0711, err) < 0 ||
        path_format(path, err, "%s/lock", engine->config->root) < 0)
        return -1;
    if (lock_take(path, &engine->lock, &holder, err) == 0)
        return 0;
    if (err->code != ERROR_FAILED_PRECONDITION || !holder.is_gone)
        return -1;
    return lock_wait(path, LOCK_MS, &engine->lock, &holder, err);
}

static int check_layout(struct engine *engine, struct error *err)
{
    char path[PATH_SIZE], *text;
    struct error missing = { 0 };
    int result = 0;

    if (path_format(path, err, "%s/layout", engine->config->root) < 0)
        return -1;
    text = fs_read(path, 64, NULL, &missing);
    if (text == NULL && missing.code != ERROR_NOT_FOUND)
        return *err = missing, -1;
    if (text == NULL)
        return fs_write(path, LAYOUT, strlen(LAYOUT), 0644, true, err);
    if (strcmp(text, LAYOUT) != 0)
        result = error_set(err, ERROR_FAILED_PRECONDITION,
                           "%s has layout %.*s, this gantryd knows layout 1: it was written by a newer gantryd",
                           engine->config->root, (int)strcspn(text, "\n"), text);
    free(text);
    return result;
}

static int open_database(struct engine *engine, struct error *err)
{
    struct db *db;
    int result;

    if (path_format(engine->database, err, "%s/state.db", engine->config->root) < 0)
        return -1;
    last_stop_look(&engine->last, engine->database);
    if (db_open(engine->database, false, &db, err) < 0)
        return -1;
    result = db_migrate(db, engine->database, schemas, err) < 0 ? -1 : last_stop_ask(&engine->last, db, err);
    db_close(&db);
    return result;
}

static int lay_ground(struct engine *engine, struct error *err)
{
    if (take_lock(engine, err) < 0 || check_layout(engine, err) < 0 ||
        fs_folder_make_all(engine->config->state, 0711, err) < 0 ||
        path_format(engine->events_socket, err, "%s/events.sock", engine->config->state) < 0)
        return -1;
    return open_database(engine, err);
}

/* ---- actors --------------------------------------------------------------------------------- */

static int start_actors(struct engine *engine, struct error *err)
{
    const struct {
        const struct actor *actor;
        void *self;
    } order[] = {
        { &namespaces_actor, engine->namespaces }, { &events_actor, engine->events },
        { &volumes_actor, engine->volumes }, /* before leases, which forgets dead jobs */
        { &leases_actor, engine->leases },         { &content_actor, engine->content },
        { &snapshots_actor, engine->snapshots },
        { &plugins_actor, &engine->plugins },      { &images_actor, &engine->images },
        { &containers_actor, &engine->containers }, { &tasks_actor, engine->tasks },
        { &collector_actor, engine->collector },    { &daemon_actor, &engine->daemon },
    };

    for (size_t i = 0; i < COUNT_OF(order); i++) {
        zactor_t *started = actor_start(order[i].actor, order[i].self, err);

        if (started == NULL)
            return error_wrap(err, "start %s", order[i].actor->name);
        engine->actors[engine->actor_count++] = started;
    }
    return 0;
}

static int start_gateway(struct engine *engine, struct error *err)
{
    static const char *const services[] = { "namespaces", "events",     "volumes", "leases", "content", "snapshots", "plugins", "images",
                                            "containers", "tasks", "collector", "daemon", NULL };

    engine->gateway_config = (struct gateway_config){
        .endpoints = engine->config->listen,
        .group = engine->config->group,
        .actors = services,
        .message_size = engine->config->message_size,
        .requests_per_client = engine->config->requests_per_client,
        .requests_total = engine->config->requests_total,
    };
    engine->gateway = gateway_start(&engine->gateway_config, err);
    return engine->gateway != NULL ? 0 : -1;
}

static int open_orders(struct engine *engine, struct error *err)
{
    engine->orders = zsock_new(ZMQ_PULL);
    if (zsock_bind(engine->orders, "inproc://engine") < 0)
        return error_set(err, ERROR_ALREADY_EXISTS, "an engine runs already in this process");
    return 0;
}

static int start_all(struct engine *engine, struct error *err)
{
    if (lay_ground(engine, err) < 0)
        return -1;
    configure_base(engine);
    configure_services(engine);
    engine->namespaces = namespaces_new(&engine->namespaces_config);
    engine->volumes = volumes_new(&engine->volumes_config);
    engine->events = events_new(&engine->events_config);
    engine->leases = leases_new(&engine->leases_config);
    engine->content = content_new(&engine->content_config);
    engine->snapshots = snapshots_new(&engine->snapshots_config);
    engine->collector = collector_new(&engine->collector_config);
    engine->tasks = tasks_new(&engine->tasks_config);
    if (open_orders(engine, err) < 0)
        return -1;
    engine->writer = writer_start(&engine->writer_config, err);
    if (engine->writer == NULL || start_actors(engine, err) < 0)
        return -1;
    return start_gateway(engine, err);
}

/* A request that waits is a thread with its pipe and a socket per service it asks.  The table is
   made and touched at once, 12 bytes a socket: so no more than can be needed. */
static size_t sockets_max(const struct config *config)
{
    size_t wanted = 1024 + 4 * (size_t)config->requests_total;

    return wanted < 65536 ? wanted : 65536;
}

int engine_start(const struct config *config, bool embedded, struct engine **out, struct error *err)
{
    struct engine *engine = zmalloc(sizeof(*engine));

    zsys_handler_set(NULL); /* signals are the caller's */
    zsys_set_max_sockets(sockets_max(config));
    process_limits_raise();
    process_memory_setup();
    engine->config = config;
    engine->embedded = embedded;
    engine->lock = -1;
    engine->arena = arena_new();
    if (start_all(engine, err) < 0) {
        engine_stop(&engine);
        return -1;
    }
    *out = engine;
    return 0;
}

void engine_stop(struct engine **out)
{
    struct engine *engine = *out;

    if (engine == NULL)
        return;
    if (engine->gateway != NULL)
        gateway_stop(&engine->gateway);
    while (engine->actor_count > 0)
        actor_stop(&engine->actors[--engine->actor_count]);
    if (engine->writer != NULL)
        writer_stop(&engine->writer);
    namespaces_free(&engine->namespaces);
    volumes_free(&engine->volumes);
    events_free(&engine->events);
    leases_free(&engine->leases);
    content_free(&engine->content);
    snapshots_free(&engine->snapshots);
    collector_free(&engine->collector);
    tasks_free(&engine->tasks);
    if (engine->orders != NULL)
        zsock_unbind(engine->orders, "inproc://engine");
    zsock_destroy(&engine->orders);
    lock_drop(&engine->lock);
    arena_free(engine->arena);
    free(engine);
    *out = NULL;
}

/* ---- waiting for the end ----------------------------------------------------------------------- */

/* 1: a client's wish; 2: the descriptor; 0: time is up. */
static int wait_for_order(struct engine *engine, int signals, long timeout_ms)
{
    zmq_pollitem_t items[2] = {
        { .socket = zsock_resolve(engine->orders), .events = ZMQ_POLLIN },
        { .fd = signals, .events = ZMQ_POLLIN },
    };

    if (zmq_poll(items, signals >= 0 ? 2 : 1, timeout_ms) <= 0)
        return 0;
    return items[0].revents ? 1 : 2;
}

bool engine_wait(struct engine *engine, int signals)
{
    int order;

    while ((order = wait_for_order(engine, signals, -1)) == 0)
        ;
    return order == 1;
}

void engine_wait_clients(struct engine *engine, int signals, unsigned own)
{
    while (gateway_clients() > own && wait_for_order(engine, signals, 100) == 0)
        ;
}
