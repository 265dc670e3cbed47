/* When a run is due, and that one holds nobody up. */
#include "tests/actors/collector/collector_fixture.h"

static void restart(double pause, uint64_t deletions, uint64_t mutations)
{
    store_stop(&store);
    store.pause_threshold = pause;
    store.deletion_threshold = deletions;
    store.mutation_threshold = mutations;
    store_start(&store);
}

static void make_lease(const char *id)
{
    const struct leases_create_request in = { .id = id };

    must(peer_ask(&store.leases, &op_leases_create, &in, &answer));
}

static void end_lease(const char *id)
{
    const struct leases_remove_request in = { .id = id };

    must(peer_ask(&store.leases, &op_leases_remove, &in, &answer));
}

static void listen_to_events(void)
{
    const struct events_list_request in = { 0 };

    peer_credit(&store.events, peer_send(&store.events, &op_events_subscribe, &in), 100000);
}

static void wait_for_removal(const char *digest)
{
    do
        assert_true(peer_receive(&store.events, &op_events_subscribe, &answer));
    while (!streq(((struct event *)answer.body)->topic, "/content/delete"));
    assert_string_equal(((struct event *)answer.body)->id, digest);
}

/* After a run the next is not due for half a minute and more, and it is in a moment. */
static void enough_removals_do_not_wait_for_the_next_run(void **state)
{
    char digest[136];

    (void)state;
    restart(0.00001, 3, 0);
    collect();
    make_lease("a");
    make_lease("b");
    make_lease("c");
    store.content.lease = "c";
    store_blob(&store, "blob", NULL, digest);
    listen_to_events();
    end_lease("a");
    end_lease("b");
    end_lease("c");
    wait_for_removal(digest);
}

static void enough_changes_of_any_kind_make_a_run_due(void **state)
{
    char digest[136], id[20];

    (void)state;
    restart(0.5, 0, 50);
    collect();
    store_blob(&store, "nobody's", NULL, digest);
    listen_to_events();
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof(id), "lease-%d", i);
        make_lease(id);
    }
    wait_for_removal(digest);
}

#define MANY "20000"

/* As many as come between two slices are answered, however long the whole takes. */
static void others_write_and_read_while_much_is_removed(void **state)
{
    const struct nothing nothing = { 0 };
    const struct page_request page = { SET(limit, 1) };
    int answered = 0;
    uint64_t id;

    (void)state;
    restart(0.5, 0, 0);
    store_sql(&store,
              "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < " MANY
              ")"
              " INSERT INTO content_blob SELECT 'default', printf('sha256:%064d', i), 1, NULL, 0,"
              " 1, 1 FROM n");
    id = peer_send(&store.collector, &op_collector_run, &nothing);
    EVENTUALLY(&store.leases,
               store_number(&store, "SELECT count(*) FROM content_blob") < atoi(MANY));
    while (store_number(&store, "SELECT count(*) FROM content_blob") > 0) {
        char name[20];

        snprintf(name, sizeof(name), "lease-%d", answered++);
        make_lease(name);
        must(peer_ask(&store.images, &op_images_list, &page, &answer));
    }
    assert_true(answered > 20);
    must(peer_finish(&store.collector, &op_collector_run, &answer));
    assert_int_equal(answer.envelope.id, id);
    assert_int_equal(((struct collector_run_reply *)answer.body)->content, atoi(MANY));
}

static void a_sweep_is_for_the_daemon_alone(void **state)
{
    struct resource blob = { "content", "sha256:x", NULL };
    const struct sweep_request in = { .resources = { 1, &blob } };

    (void)state;
    assert_int_equal(peer_ask(&store.content, &op_content_sweep, &in, &answer),
                     ERROR_PERMISSION_DENIED);
    assert_int_equal(peer_ask(&store.snapshots, &op_snapshots_sweep, &in, &answer),
                     ERROR_PERMISSION_DENIED);
    assert_int_equal(peer_ask(&store.images, &op_images_sweep, &in, &answer),
                     ERROR_PERMISSION_DENIED);
}

/* Answered when what only it kept is gone as well. */
static void removing_a_snapshot_can_wait_for_the_collector(void **state)
{
    char digest[136];
    struct map_entry labels[] = { { "containerd.io/gc.ref.content", digest },
                                  { "containerd.io/gc.root", "yes" } };
    const struct snapshots_prepare_request prepare = { .key = "s", .labels = { 2, labels } };
    const struct snapshots_key_request remove = { .key = "s", SET(sync, true) };

    (void)state;
    make_lease("l");
    store.content.lease = "l";
    store_blob(&store, "blob", NULL, digest);
    must(peer_ask(&store.snapshots, &op_snapshots_prepare, &prepare, &answer));
    end_lease("l");
    must(peer_ask(&store.snapshots, &op_snapshots_remove, &remove, &answer));
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_blob"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(enough_removals_do_not_wait_for_the_next_run),
        T(enough_changes_of_any_kind_make_a_run_due),
        T(others_write_and_read_while_much_is_removed),
        T(a_sweep_is_for_the_daemon_alone),
        T(removing_a_snapshot_can_wait_for_the_collector),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
