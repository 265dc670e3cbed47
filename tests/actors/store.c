/* Everything that keeps state, started on a temporary root. */
#include "tests/actors/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "actors/base/writer.h"
#include "actors/collector/collector.h"
#include "actors/containers/containers.h"
#include "actors/content/content.h"
#include "actors/daemon/daemon.h"
#include "actors/events/events.h"
#include "actors/images/images.h"
#include "actors/leases/leases.h"
#include "actors/namespaces/namespaces.h"
#include "actors/snapshots/snapshots.h"
#include "actors/tasks/tasks.h"
#include "actors/volumes/volumes.h"
#include "protocol/oci/digest.h"

/* Those of actors that do not run, too: they are looked into. */
const char *store_driver(void)
{
    const char *name = getenv("GANTRY_TEST_SNAPSHOTTER");

    return name != NULL ? name : "overlay";
}

bool store_is_overlay(void)
{
    return strcmp(store_driver(), "overlay") == 0;
}

static const struct db_schema *const schemas[] = {
    &namespaces_schema, &events_schema, &leases_schema,     &content_schema,
    &snapshots_schema,  &images_schema, &containers_schema, &tasks_schema,
    &collector_schema,  &volumes_schema, NULL,
};

struct running {
    struct writer_config writer_config;
    zactor_t *writer;
    struct namespaces *namespaces;
    struct events *events;
    struct volumes *volumes;
    struct leases *leases;
    struct content *content;
    struct snapshots *snapshots;
    struct collector *collector;
    zsock_t *due; /* in the collector's place */
    struct images_config images_config;
    struct images images;
    struct containers_config containers_config;
    struct containers containers;
    struct runtime_path runtimes[1];
    struct tasks_config tasks_config;
    struct tasks *tasks;
    struct daemon_config daemon_config;
    struct daemon_self daemon;
    char state[300];
    zactor_t *threads[12];
    size_t count;
};

static void run(struct running *running, const struct actor *actor, void *self)
{
    struct error err = { 0 };

    running->threads[running->count] = actor_start(actor, self, &err);
    if (running->threads[running->count] == NULL)
        fail_msg("start %s: %s", actor->name, err.text);
    running->count++;
}

static void migrate(struct store *store)
{
    struct error err = { 0 };
    struct db *db;

    if (db_open(store->database, false, &db, &err) < 0 ||
        db_migrate(db, store->database, schemas, &err) < 0)
        fail_msg("%s", err.text);
    db_close(&db);
}

static void configure_more(struct store *store, struct running *running)
{
    const char *runtime = store->runtime != NULL ? store->runtime : "runc";

    struct error err = { 0 };

    snprintf(running->state, sizeof(running->state), "%s/state", store->root);
    if (store->with & WITH_TASKS && fs_folder_make(running->state, 0711, &err) < 0)
        fail_msg("%s", err.text);
    running->images_config = (struct images_config){
        .root = store->root,
        .database = store->database,
        .default_driver = store_driver(),
        .downloads = 3,
        .ranges = store->ranges,
        .range_size = store->range_size,
        .unpack_max_bytes = store->layer_size,
        .plain_http = store->plain_http,
        .backoff_ms = 1,
        .slow_s = 1,
        .isolated = store->isolated,
    };
    running->images.config = &running->images_config;
    running->containers_config = (struct containers_config){
        .root = store->root,
        .database = store->database,
        .default_runtime = runtime,
        .default_driver = store_driver(),
    };
    running->containers.config = &running->containers_config;
    running->tasks_config = (struct tasks_config){
        .root = store->root,
        .state = running->state,
        .database = store->database,
        .default_runtime = runtime,
        .runtimes = running->runtimes,
        .log_size = store->log_size,
        .log_files = store->log_files > 0 ? store->log_files : 2,
    };
    running->tasks = tasks_new(&running->tasks_config);
    running->daemon_config = (struct daemon_config){
        .root = store->root,
        .state = running->state,
        .database = store->database,
        .instance = "test",
    };
    running->daemon.config = &running->daemon_config;
}

/* Programs of this build come first. */
static void find_helpers(void)
{
    const char *path = getenv("PATH");
    char text[4096];

    if (path != NULL && strstr(path, TEST_BIN) != NULL)
        return;
    snprintf(text, sizeof(text), "%s:%s", TEST_BIN, path ? path : "");
    setenv("PATH", text, 1);
}

static void run_more(struct store *store)
{
    struct running *running = store->running;
    const struct {
        unsigned which;
        const struct actor *actor;
        void *self;
        struct peer *peer;
    } more[] = {
        { WITH_IMAGES, &images_actor, &running->images, &store->images },
        { WITH_CONTAINERS, &containers_actor, &running->containers, &store->containers },
        { WITH_TASKS, &tasks_actor, running->tasks, &store->tasks },
        { WITH_DAEMON, &daemon_actor, &running->daemon, &store->daemon },
    };

    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
        if (store->with & more[i].which) {
            run(running, more[i].actor, more[i].self);
            peer_open(more[i].peer, more[i].actor->name);
        }
}

void store_start(struct store *store)
{
    struct running *running = store->running = zmalloc(sizeof(*running));
    struct error err = { 0 };

    find_helpers();
    migrate(store);
    configure_more(store, running);
    running->writer_config = (struct writer_config){ store->database, "test" };
    running->writer = writer_start(&running->writer_config, &err);
    if (running->writer == NULL)
        fail_msg("%s", err.text);
    running->namespaces = namespaces_new(&(struct namespaces_config){ store->database });
    running->events =
        events_new(&(struct events_config){ .database = store->database,
                                            .socket = store_path(store, "events.sock"),
                                            .keep = store->keep_events });
    running->volumes =
        volumes_new(&(struct volumes_config){ store->root, store->database });
    running->leases = leases_new(&(struct leases_config){ store->database });
    running->content =
        content_new(&(struct content_config){ store->root, store->database, store->layer_size,
                                              store->isolated });
    running->snapshots =
        snapshots_new(&(struct snapshots_config){ .root = store->root,
                                                 .database = store->database,
                                                 .default_driver = store_driver(),
                                                 .isolated = store->isolated });
    running->collector = collector_new(&(struct collector_config){
        .database = store->database,
        .pause_threshold = store->pause_threshold,
        .deletion_threshold = store->deletion_threshold,
        .mutation_threshold = store->mutation_threshold,
    });
    run(running, &namespaces_actor, running->namespaces);
    run(running, &events_actor, running->events);
    run(running, &volumes_actor, running->volumes);
    run(running, &leases_actor, running->leases);
    run(running, &content_actor, running->content);
    run(running, &snapshots_actor, running->snapshots);
    if (store->collects) {
        run(running, &collector_actor, running->collector);
        peer_open(&store->collector, "collector");
    } else { /* somebody has to be told: a socket that nobody ever answers is never closed */
        running->due = zsock_new(ZMQ_PULL);
        assert_int_not_equal(zsock_bind(running->due, "inproc://collector.due"), -1);
    }
    peer_open(&store->namespaces, "namespaces");
    peer_open(&store->events, "events");
    peer_open(&store->volumes, "volumes");
    peer_open(&store->leases, "leases");
    peer_open(&store->content, "content");
    peer_open(&store->snapshots, "snapshots");
    run_more(store);
}

void store_stop(struct store *store)
{
    struct running *running = store->running;

    peer_close(&store->namespaces);
    peer_close(&store->events);
    peer_close(&store->volumes);
    peer_close(&store->leases);
    peer_close(&store->content);
    peer_close(&store->snapshots);
    peer_close(&store->collector);
    peer_close(&store->images);
    peer_close(&store->containers);
    peer_close(&store->tasks);
    peer_close(&store->daemon);
    while (running->count > 0)
        actor_stop(&running->threads[--running->count]);
    if (running->due != NULL)
        zsock_unbind(running->due, "inproc://collector.due");
    zsock_destroy(&running->due);
    writer_stop(&running->writer);
    namespaces_free(&running->namespaces);
    events_free(&running->events);
    leases_free(&running->leases);
    volumes_free(&running->volumes);
    content_free(&running->content);
    snapshots_free(&running->snapshots);
    collector_free(&running->collector);
    tasks_free(&running->tasks);
    free(running);
    store->running = NULL;
}

void store_open(struct store *store)
{
    store_open_with(store, 0);
}

void store_open_with(struct store *store, unsigned with)
{
    *store = (struct store){ .with = with, .collects = with != 0 };
    snprintf(store->root, sizeof(store->root), "%s/gantry-store-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(store->root));
    snprintf(store->database, sizeof(store->database), "%s/state.db", store->root);
    store_start(store);
}

void store_close(struct store *store)
{
    struct error err = { 0 };

    if (store->running != NULL)
        store_stop(store);
    if (fs_remove_tree(store->root, &err) < 0)
        fail_msg("%s", err.text);
}

void store_use(struct store *store, const char *namespace)
{
    store->namespaces.namespace = store->volumes.namespace = store->leases.namespace = store->content.namespace =
        store->snapshots.namespace = store->events.namespace = store->collector.namespace =
            store->images.namespace = store->containers.namespace = store->tasks.namespace =
                namespace;
}

int64_t store_number(struct store *store, const char *sql)
{
    struct query query = { 0 };
    struct error err = { 0 };
    struct db *db;
    int64_t number = -1;

    if (db_open(store->database, true, &db, &err) < 0 || db_query(db, &query, &err, sql, "") < 0)
        fail_msg("%s", err.text);
    if (query_next(&query, &err) == 1 && !query_is_null(&query, 0))
        number = query_int(&query, 0);
    query_done(&query);
    db_close(&db);
    return number;
}

void store_sql(struct store *store, const char *sql)
{
    struct error err = { 0 };
    struct db *db;

    if (db_open(store->database, false, &db, &err) < 0 || db_script(db, sql, &err) < 0)
        fail_msg("%s: %s", sql, err.text);
    db_close(&db);
}

const char *store_path(struct store *store, const char *fmt, ...)
{
    static char paths[4][PATH_SIZE];
    static unsigned turn;
    char *path = paths[turn++ % 4], name[512];
    struct error err = { 0 };
    va_list args;

    va_start(args, fmt);
    vsnprintf(name, sizeof(name), fmt, args);
    va_end(args);
    if (path_format(path, &err, "%s/%s", store->root, name) < 0)
        fail_msg("%s", err.text);
    return path;
}

const char *digest_text(const char *text, char digest[136])
{
    struct digester digester;
    struct error err = { 0 };

    if (digester_open(&digester, "sha256", &err) < 0)
        fail_msg("%s", err.text);
    digester_add(&digester, text, strlen(text));
    if (digester_finish(&digester, digest, &err) < 0)
        fail_msg("%s", err.text);
    return digest;
}

void write_at(const char *path, const char *text)
{
    FILE *file = fopen(path, "ae");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    fclose(file);
}

const char *store_blob(struct store *store, const char *text, const struct map *labels,
                       char digest[136])
{
    struct content_ingest_request ingest = { .ref = digest_text(text, digest) };
    struct content_commit_request commit = { .ref = digest, .digest = digest };
    const struct content_ingest_reply *where;
    struct answer answer = { 0 };

    if (labels != NULL)
        commit.labels = *labels;
    assert_int_equal(peer_ask(&store->content, &op_content_ingest, &ingest, &answer), ERROR_NONE);
    where = answer.body;
    write_at(where->path, text);
    if (peer_ask(&store->content, &op_content_commit, &commit, &answer) != ERROR_NONE)
        fail_msg("commit: %s", answer.message);
    answer_free(&answer);
    return digest;
}

void store_image(struct store *store, const char *name, const char *digest)
{
    char sql[1024];

    snprintf(
        sql, sizeof(sql),
        "INSERT OR REPLACE INTO images_image (namespace, name, media_type, digest, size, created,"
        " updated) VALUES ('%s', '%s', 'application/vnd.oci.image.manifest.v1+json', '%s', 1, 1, "
        "1)",
        store->content.namespace ? store->content.namespace : "default", name, digest);
    store_sql(store, sql);
}

void store_container(struct store *store, const char *id, const char *snapshot)
{
    char sql[1024];

    snprintf(
        sql, sizeof(sql),
        "INSERT OR REPLACE INTO containers_container (namespace, id, driver, snapshot, created,"
        " updated, record) VALUES ('%s', '%s', 'overlay', '%s', 1, 1, X'80')",
        store->content.namespace ? store->content.namespace : "default", id, snapshot);
    store_sql(store, sql);
}
