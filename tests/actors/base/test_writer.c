/* The one who writes: merged commits in which each write stands or falls alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "actors/base/job.h"
#include "actors/base/writer.h"
#include "actors/events/events.h"
#include "actors/leases/leases.h"
#include "actors/namespaces/namespaces.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "tests/actors/peer.h"

/* ---- an actor whose requests say what to write ---------------------------------------------- */

static const struct op op_do = {
    "probe.do",    "", VERB_WRITE, content_stat_request_record, content_stat_request_record,
    nothing_record
};
static const struct op op_job = {
    "probe.job",   "", VERB_WRITE, content_stat_request_record, content_stat_request_record,
    nothing_record
};

static const struct op op_relaxed = {
    "probe.relaxed", "", VERB_WRITE, content_stat_request_record, content_stat_request_record,
    nothing_record
};

static const char *const steps[] = {
    "CREATE TABLE probe_row (key TEXT PRIMARY KEY) STRICT;"
    "CREATE TABLE probe_child (key TEXT REFERENCES probe_row (key) DEFERRABLE INITIALLY DEFERRED)"
    " STRICT;",
    NULL,
};
static const struct db_schema probe_schema = { "probe", steps };
static const struct db_schema *const schemas[] = {
    &namespaces_schema, &events_schema, &leases_schema, &probe_schema, NULL,
};

static atomic_bool go, waits;
static atomic_int after_ran, after_failed;
static atomic_int waited_for_disk; /* of the last write's commit: PRAGMA synchronous */

static int64_t synchronous(struct db *db)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct error err;

    return db_query(db, &query, &err, "PRAGMA synchronous", "") == 0 && query_next(&query, &err) == 1
               ? query_int(&query, 0)
               : -1;
}

static int act(struct write *write, const char *what, struct error *err)
{
    struct db *db = write_db(write);

    atomic_store(&waited_for_disk, (int)synchronous(db));
    if (streq(what, "wait")) { /* until the test lets it go: others gather behind it */
        atomic_store(&waits, true);
        while (!atomic_load(&go))
            zclock_sleep(1);
        return 0;
    }
    if (streq(what, "foreign"))
        return db_run(db, err, "INSERT INTO namespaces_namespace (name, created) VALUES ('x', 1)",
                      "");
    if (streq(what, "orphan")) /* found out only by the commit */
        return db_run(db, err, "INSERT INTO probe_child (key) VALUES ('nobody')", "");
    if (streq(what, "hold"))
        return hold(write, "content", "sha256:x", NULL, err);
    if (streq(what, "hold end"))
        return hold_end(write, err);
    if (db_run(db, err, "INSERT INTO probe_row (key) VALUES (?)", "s", what) < 0 ||
        emit(write, "/probe/add", what, err, "who", "me", "nothing", NULL, "more", "x", NULL) < 0)
        return -1;
    if (strncmp(what, "loosen", 6) == 0)
        loosen(write);
    if (strncmp(what, "fail", 4) == 0)
        return error_set(err, ERROR_ABORTED, "%s", what);
    return 0;
}

static int body(struct write *write, const void *in, void *out, struct error *err)
{
    *(struct content_stat_request *)out = *(const struct content_stat_request *)in;
    return act(write, ((const struct content_stat_request *)in)->digest, err);
}

static int after(void *self, struct request *request, void *ctx, void *out, struct error *err)
{
    (void)self, (void)request, (void)ctx, (void)out;
    atomic_fetch_add(err != NULL ? &after_failed : &after_ran, 1);
    return 0;
}

static int on_do(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_write(request, body, after, NULL, err);
}

static int write_job(struct job *job, const void *in, void *out, struct error *err)
{
    return job_write(job, body, in, out, NULL, err);
}

static int on_job(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, write_job, err);
}

/* Asks for the write as a step of its own, which another follows. */
static int relaxed_job(struct job *job, const void *in, void *out, struct error *err)
{
    job_relax(job, true);
    return call(job, &op_do, in, out, err);
}

static int on_relaxed(void *self, struct request *request, struct error *err)
{
    (void)self;
    return request_run(request, relaxed_job, err);
}

static const struct route routes[] = {
    { &op_do, on_do }, { &op_job, on_job }, { &op_relaxed, on_relaxed }, { 0 }
};
static const struct actor probe = { .name = "probe", .routes = routes };

static char folder[64], path[100];
static struct writer_config config;
static zactor_t *writer, *actor, *namespaces_thread;
static struct namespaces *namespaces;
static zsock_t *journal, *due;
static struct peer peer;
static struct answer answer;
static int self;

static void must(int result, const struct error *err)
{
    if (result < 0)
        fail_msg("%s", err->text);
}

static int set_up(void **state)
{
    struct error err = { 0 };
    struct db *db;

    (void)state;
    go = waits = false;
    after_ran = after_failed = 0;
    snprintf(folder, sizeof(folder), "/tmp/gantry-writer-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/state.db", folder);
    must(db_open(path, false, &db, &err), &err);
    must(db_migrate(db, path, schemas, &err), &err);
    db_close(&db);
    config = (struct writer_config){ path, "test" };
    writer = writer_start(&config, &err);
    assert_non_null(writer);
    actor = actor_start(&probe, &self, &err);
    namespaces = namespaces_new(&(struct namespaces_config){ path });
    namespaces_thread = actor_start(&namespaces_actor, namespaces, &err);
    journal = zsock_new(ZMQ_PULL);
    due = zsock_new(ZMQ_PULL);
    zsock_set_rcvtimeo(journal, PEER_PATIENCE_MS);
    zsock_set_rcvtimeo(due, PEER_PATIENCE_MS);
    assert_int_not_equal(zsock_bind(journal, "inproc://journal"), -1);
    assert_int_not_equal(zsock_bind(due, "inproc://collector.due"), -1);
    peer_open(&peer, "probe");
    return 0;
}

static int tear_down(void **state)
{
    struct error err = { 0 };

    (void)state;
    peer_close(&peer);
    answer_free(&answer);
    actor_stop(&actor);
    actor_stop(&namespaces_thread);
    namespaces_free(&namespaces);
    writer_stop(&writer);
    zsock_unbind(journal, "inproc://journal");
    zsock_unbind(due, "inproc://collector.due");
    zsock_destroy(&journal);
    zsock_destroy(&due);
    return fs_remove_tree(folder, &err);
}

static int64_t number(const char *sql)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct error err = { 0 };
    struct db *db;
    int64_t value;

    must(db_open(path, true, &db, &err), &err);
    must(db_query(db, &query, &err, sql, ""), &err);
    value = query_next(&query, &err) == 1 ? query_int(&query, 0) : -1;
    query_done(&query);
    db_close(&db);
    return value;
}

static enum error_code ask(const char *what)
{
    const struct content_stat_request in = { .digest = what };

    return peer_ask(&peer, &op_do, &in, &answer);
}

static void tell(const char *what)
{
    const struct content_stat_request in = { .digest = what };

    peer_send(&peer, &op_do, &in);
}

static void hear_commit(void)
{
    char *word = zstr_recv(journal);

    assert_non_null(word);
    zstr_free(&word);
}

static bool is_silent(zsock_t *socket)
{
    zmq_pollitem_t item = { .socket = zsock_resolve(socket), .events = ZMQ_POLLIN };

    return zmq_poll(&item, 1, 30) == 0;
}

/* Makes the writer wait, so that what is sent next is one transaction. */
static void gather(void)
{
    tell("wait");
    while (!atomic_load(&waits))
        assert_true(peer_hears_nothing(&peer, 1));
}

/* Once the actor has handed over what was sent: it takes its messages in order. */
static void handed_over(int count)
{
    while (atomic_load(&stats_of("probe")->handled) < (uint64_t)count)
        assert_true(peer_hears_nothing(&peer, 1));
    assert_true(peer_hears_nothing(&peer, 20));
}

static void release_and_finish(int count, int expected_failures)
{
    int failures = 0;

    atomic_store(&go, true);
    for (int i = 0; i < count; i++)
        failures += peer_finish(&peer, &op_do, &answer) != ERROR_NONE;
    assert_int_equal(failures, expected_failures);
}

/* ---- one write ------------------------------------------------------------------------------ */

static void a_write_is_durable_with_its_event(void **state)
{
    (void)state;
    assert_int_equal(ask("a"), ERROR_NONE);
    assert_string_equal(((struct content_stat_request *)answer.body)->digest, "a");
    hear_commit();
    assert_int_equal(number("SELECT count(*) FROM probe_row WHERE key = 'a'"), 1);
    assert_int_equal(
        number("SELECT count(*) FROM events_journal WHERE topic = '/probe/add' AND id = 'a'"
               " AND namespace = 'default' AND instance = 'test'"),
        1);
    assert_int_equal(after_ran, 1);
}

static void a_write_that_fails_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(ask("fail"), ERROR_ABORTED);
    assert_int_equal(number("SELECT count(*) FROM probe_row"), 0);
    assert_int_equal(number("SELECT count(*) FROM events_journal"), 0);
    assert_int_equal(after_failed, 1);
}

static void tables_of_others_are_refused(void **state)
{
    (void)state;
    assert_int_equal(ask("foreign"), ERROR_INTERNAL);
    assert_non_null(strstr(answer.message, "not authorized"));
}

static void a_job_waits_for_its_write(void **state)
{
    const struct content_stat_request good = { .digest = "from a job" },
                                      bad = { .digest = "fail too" };

    (void)state;
    assert_int_equal(peer_ask(&peer, &op_job, &good, &answer), ERROR_NONE);
    assert_int_equal(number("SELECT count(*) FROM probe_row WHERE key = 'from a job'"), 1);
    assert_int_equal(peer_ask(&peer, &op_job, &bad, &answer), ERROR_ABORTED);
    assert_string_equal(answer.message, "fail too");
}

static void only_a_write_that_loosens_wakes_the_collector(void **state)
{
    char *word;

    (void)state;
    assert_int_equal(ask("a"), ERROR_NONE);
    assert_true(is_silent(due));
    assert_int_equal(ask("loosen"), ERROR_NONE);
    word = zstr_recv(due);
    assert_non_null(word);
    zstr_free(&word);
}

#define WAITS 2 /* PRAGMA synchronous: FULL */

static void a_relaxed_write_can_be_seen_and_does_not_wait_for_the_disk(void **state)
{
    const struct content_stat_request in = { .digest = "step" };

    (void)state;
    assert_int_equal(peer_ask(&peer, &op_relaxed, &in, &answer), ERROR_NONE);
    assert_true(waited_for_disk > 0 && waited_for_disk < WAITS);
    assert_int_equal(number("SELECT count(*) FROM probe_row WHERE key = 'step'"), 1);
    assert_int_equal(ask("last"), ERROR_NONE);
    assert_int_equal(waited_for_disk, WAITS);
    assert_int_equal(peer_ask(&peer, &op_job, &(struct content_stat_request){ .digest = "job" },
                              &answer), ERROR_NONE);
    assert_int_equal(waited_for_disk, WAITS);
}

static void one_that_waits_for_the_disk_makes_all_wait(void **state)
{
    const struct content_stat_request in = { .digest = "step" };
    int before = (int)atomic_load(&stats_of("probe")->handled);

    (void)state;
    gather();
    tell("waits");
    handed_over(before + 2);
    peer_send(&peer, &op_relaxed, &in);
    handed_over(before + 4); /* the request, and its job's */
    atomic_store(&go, true);
    for (int i = 0; i < 3; i++)
        assert_int_equal(peer_finish(&peer, &op_do, &answer), ERROR_NONE);
    assert_int_equal(waited_for_disk, WAITS);
    assert_int_equal(number("SELECT count(*) FROM probe_row"), 2);
}

static void a_relaxed_write_does_not_wait_behind_those_of_other_actors(void **state)
{
    const struct content_stat_request in = { .digest = "step" };
    const struct namespace_info other = { .name = "other" };
    int before = (int)atomic_load(&stats_of("probe")->handled);
    uint64_t before_there = atomic_load(&stats_of("namespaces")->handled);
    struct peer there = { 0 };
    struct answer made = { 0 };

    (void)state;
    peer_open(&there, "namespaces");
    gather();
    peer_send(&there, &op_namespaces_create, &other); /* waits for the disk */
    EVENTUALLY(&there, atomic_load(&stats_of("namespaces")->handled) > before_there);
    peer_send(&peer, &op_relaxed, &in);
    handed_over(before + 3);
    atomic_store(&go, true);
    for (int i = 0; i < 2; i++)
        assert_int_equal(peer_finish(&peer, &op_do, &answer), ERROR_NONE);
    assert_int_equal(peer_finish(&there, &op_namespaces_create, &made), ERROR_NONE);
    answer_free(&made);
    peer_close(&there);
    assert_true(waited_for_disk > 0 && waited_for_disk < WAITS);
    assert_true(number("SELECT sequence FROM events_journal WHERE topic = '/probe/add'") <
                number("SELECT sequence FROM events_journal WHERE topic = '/namespaces/create' AND "
                       "id = 'other'"));
}

/* ---- many ----------------------------------------------------------------------------------- */

static void writes_that_wait_are_one_commit(void **state)
{
    char key[16];
    int before = (int)atomic_load(&stats_of("probe")->handled);

    (void)state;
    gather();
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "key %d", i);
        tell(key);
    }
    handed_over(before + 21);
    release_and_finish(21, 0);
    hear_commit();
    assert_true(is_silent(journal)); /* twenty changes, one word */
    assert_int_equal(number("SELECT count(*) FROM probe_row"), 20);
}

static void one_that_fails_does_not_touch_the_others(void **state)
{
    int before = (int)atomic_load(&stats_of("probe")->handled);

    (void)state;
    gather();
    tell("a");
    tell("fail");
    tell("b");
    tell("a"); /* taken by the first */
    handed_over(before + 5);
    release_and_finish(5, 2);
    assert_int_equal(number("SELECT count(*) FROM probe_row"), 2);
    assert_int_equal(number("SELECT count(*) FROM events_journal WHERE topic = '/probe/add'"), 2);
}

static void a_commit_that_fails_fails_them_all(void **state)
{
    int before = (int)atomic_load(&stats_of("probe")->handled);

    (void)state;
    gather();
    tell("a");
    tell("orphan");
    tell("b");
    handed_over(before + 4);
    release_and_finish(4, 3);
    assert_int_equal(after_failed, 3);
    assert_int_equal(number("SELECT count(*) FROM probe_row"), 0);
    assert_int_equal(number("SELECT count(*) FROM events_journal WHERE topic = '/probe/add'"), 0);
    assert_int_equal(ask("c"), ERROR_NONE); /* and it goes on */
}

/* ---- namespaces and leases ------------------------------------------------------------------ */

static void the_first_write_makes_its_namespace(void **state)
{
    (void)state;
    peer.namespace = "fresh";
    assert_int_equal(ask("fail"), ERROR_ABORTED);
    assert_int_equal(number("SELECT count(*) FROM namespaces_namespace WHERE name = 'fresh'"), 0);
    assert_int_equal(ask("a"), ERROR_NONE);
    assert_int_equal(ask("b"), ERROR_NONE);
    assert_int_equal(number("SELECT count(*) FROM namespaces_namespace WHERE name = 'fresh'"), 1);
    assert_int_equal(
        number("SELECT count(*) FROM events_journal WHERE topic = '/namespaces/create'"), 1);
}

static void a_namespace_removed_in_front_of_a_write_is_made_again(void **state)
{
    const struct namespaces_get_request in = { .name = "fresh" };
    struct peer other;
    struct error err = { 0 };
    struct db *db;

    (void)state;
    /* what others keep in it is looked at: they do not run here, their tables are empty */
    must(db_open(path, false, &db, &err), &err);
    must(db_script(db,
                   "CREATE TABLE containers_container (namespace TEXT);"
                   "CREATE TABLE images_image (namespace TEXT);"
                   "CREATE TABLE snapshots_snapshot (namespace TEXT);"
                   "CREATE TABLE content_blob (namespace TEXT);"
                   "CREATE TABLE content_ingest (namespace TEXT);"
                   "CREATE TABLE volumes_volume (namespace TEXT);",
                   &err),
         &err);
    db_close(&db);
    peer_open(&other, "namespaces");
    peer.namespace = "fresh";
    assert_int_equal(ask("a"), ERROR_NONE);
    gather();
    peer_send(&other, &op_namespaces_remove, &in);
    while (atomic_load(&stats_of("namespaces")->handled) == 0)
        assert_true(peer_hears_nothing(&peer, 1));
    assert_true(peer_hears_nothing(&peer, 20));
    tell("b");
    assert_true(peer_hears_nothing(&peer, 20));
    release_and_finish(2, 0);
    assert_int_equal(peer_finish(&other, &op_namespaces_remove, &answer), ERROR_NONE);
    assert_int_equal(number("SELECT count(*) FROM namespaces_namespace WHERE name = 'fresh'"), 1);
    peer_close(&other);
}

static void what_is_made_hangs_on_the_lease(void **state)
{
    struct error err = { 0 };
    struct db *db;

    (void)state;
    assert_int_equal(ask("hold"), ERROR_NONE); /* no lease: nothing happens */
    assert_int_equal(number("SELECT count(*) FROM leases_resource"), 0);
    peer.lease = "nobody's";
    assert_int_equal(ask("hold"), ERROR_NOT_FOUND);
    must(db_open(path, false, &db, &err), &err);
    must(db_script(db,
                   "INSERT INTO leases_lease VALUES ('default', 'good', NULL, 0, 1, NULL),"
                   " ('default', 'lapsed', NULL, 0, 1, 2), ('other', 'foreign', NULL, 0, 1, NULL)",
                   &err),
         &err);
    db_close(&db);
    peer.lease = "lapsed";
    assert_int_equal(ask("hold"), ERROR_NOT_FOUND);
    peer.lease = "foreign";
    assert_int_equal(ask("hold"), ERROR_NOT_FOUND);
    peer.lease = "good";
    assert_int_equal(ask("hold"), ERROR_NONE);
    assert_int_equal(ask("hold"), ERROR_NONE); /* twice is once */
    assert_int_equal(number("SELECT count(*) FROM leases_resource WHERE lease = 'good'"), 1);
}

static void a_jobs_own_lease_begins_with_what_hangs_on_it_and_ends_with_its_name(void **state)
{
    (void)state;
    peer.lease = "job-1";
    assert_int_equal(ask("hold end"), ERROR_NONE); /* before there is one */
    assert_int_equal(ask("a"), ERROR_NONE);
    assert_int_equal(number("SELECT count(*) FROM leases_lease"), 0);
    assert_int_equal(ask("hold"), ERROR_NONE);
    assert_int_equal(ask("hold"), ERROR_NONE);
    assert_int_equal(number("SELECT count(*) FROM leases_resource WHERE lease = 'job-1'"), 1);
    assert_int_equal(ask("hold end"), ERROR_NONE);
    assert_int_equal(number("SELECT count(*) FROM leases_lease"), 0);
    assert_int_equal(number("SELECT count(*) FROM leases_resource"), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_write_is_durable_with_its_event),
        T(a_write_that_fails_leaves_nothing),
        T(tables_of_others_are_refused),
        T(a_job_waits_for_its_write),
        T(a_relaxed_write_can_be_seen_and_does_not_wait_for_the_disk),
        T(one_that_waits_for_the_disk_makes_all_wait),
        T(a_relaxed_write_does_not_wait_behind_those_of_other_actors),
        T(only_a_write_that_loosens_wakes_the_collector),
        T(writes_that_wait_are_one_commit),
        T(one_that_fails_does_not_touch_the_others),
        T(a_commit_that_fails_fails_them_all),
        T(the_first_write_makes_its_namespace),
        T(a_namespace_removed_in_front_of_a_write_is_made_again),
        T(what_is_made_hangs_on_the_lease),
        T(a_jobs_own_lease_begins_with_what_hangs_on_it_and_ends_with_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
