/* Events: in order, without a gap between what was and what comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/actors/store.h"

static struct store store;
static struct answer answer;

static int set_up(void **state)
{
    (void)state;
    store_open(&store);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    answer_free(&answer);
    store_close(&store);
    return 0;
}

/* One event: a namespace is made. */
static void happen(int number)
{
    char name[32];
    const struct namespace_info in = { .name = name };
    struct answer ignored = { 0 };

    snprintf(name, sizeof(name), "n%d", number);
    assert_int_equal(peer_ask(&store.namespaces, &op_namespaces_create, &in, &ignored), ERROR_NONE);
    answer_free(&ignored);
}

static const struct events_list_reply *list(const struct events_list_request *in)
{
    if (peer_ask(&store.events, &op_events_list, in, &answer) != ERROR_NONE)
        fail_msg("%s", answer.message);
    return answer.body;
}

static const struct event *next(uint64_t id)
{
    assert_true(peer_receive(&store.events, &op_events_subscribe, &answer));
    if (!streq(answer.envelope.kind, "item"))
        fail_msg("%s: %s", answer.envelope.kind, answer.message);
    assert_int_equal(answer.envelope.id, id);
    return answer.body;
}

/* ---- lists ---------------------------------------------------------------------------------- */

static void events_are_listed_in_order(void **state)
{
    const struct events_list_reply *reply;
    const struct event *events;

    (void)state;
    for (int i = 0; i < 3; i++)
        happen(i);
    reply = list(&(struct events_list_request){ SET(all, true) });
    events = reply->events.items;
    assert_int_equal(reply->events.count, 3);
    for (size_t i = 1; i < 3; i++)
        assert_true(events[i].sequence > events[i - 1].sequence &&
                    events[i].time >= events[i - 1].time);
    assert_string_equal(events[0].topic, "/namespaces/create");
    assert_string_equal(events[0].id, "n0");
    assert_string_equal(events[0].instance, "test");
    assert_int_equal(reply->last, events[2].sequence);
    assert_false(reply->more);
}

static void a_list_goes_on_where_it_ended(void **state)
{
    struct events_list_request in = { SET(all, true), SET(limit, 2) };
    const struct events_list_reply *reply;
    size_t count = 0;

    (void)state;
    for (int i = 0; i < 5; i++)
        happen(i);
    do {
        reply = list(&in);
        count += reply->events.count;
        in.since = reply->last;
        in.has_since = true;
    } while (reply->more);
    assert_int_equal(count, 5);
}

static void events_of_others_are_not_listed(void **state)
{
    char digest[136];

    (void)state;
    happen(1);
    store_blob(&store, "mine", NULL, digest);
    assert_int_equal(list(&(struct events_list_request){ 0 })->events.count, 1);
    store_use(&store, "n1");
    assert_int_equal(list(&(struct events_list_request){ 0 })->events.count,
                     1); /* its own creation */
}

static void events_are_filtered(void **state)
{
    const char *filter = "topic==/namespaces/create,id~=^n[34]$";
    const struct events_list_request in = { SET(all, true), .filters = { 1, &filter } };
    const char *bad = "nonsense==1";
    const struct events_list_request wrong = { SET(all, true), .filters = { 1, &bad } };

    (void)state;
    for (int i = 0; i < 5; i++)
        happen(i);
    assert_int_equal(list(&in)->events.count, 2);
    assert_int_equal(peer_ask(&store.events, &op_events_list, &wrong, &answer),
                     ERROR_INVALID_ARGUMENT);
}

/* ---- subscriptions -------------------------------------------------------------------------- */

static void a_subscription_begins_now(void **state)
{
    const struct events_list_request in = { SET(all, true) };
    uint64_t id;

    (void)state;
    happen(1);
    id = peer_send(&store.events, &op_events_subscribe, &in);
    peer_credit(&store.events, id, 10);
    assert_true(peer_hears_nothing(&store.events, 50));
    happen(2);
    assert_string_equal(next(id)->id, "n2");
}

static void replay_goes_over_into_what_happens_without_a_gap(void **state)
{
    const struct events_list_request in = { SET(all, true), SET(since, 0) };
    uint64_t id, sequence = 0;
    char name[32];

    (void)state;
    for (int i = 0; i < 20; i++)
        happen(i);
    id = peer_send(&store.events, &op_events_subscribe, &in);
    peer_credit(&store.events, id, 1000);
    for (int i = 20; i < 40; i++)
        happen(i);
    for (int i = 0; i < 40; i++) {
        const struct event *event = next(id);

        snprintf(name, sizeof(name), "n%d", i);
        assert_string_equal(event->id, name);
        assert_true(event->sequence > sequence);
        sequence = event->sequence;
    }
    assert_true(peer_hears_nothing(&store.events, 50));
}

static void a_subscriber_gets_as_many_as_it_allows(void **state)
{
    const struct events_list_request in = { SET(all, true), SET(since, 0) };
    uint64_t id;
    char name[32];

    (void)state;
    for (int i = 0; i < 10; i++)
        happen(i);
    id = peer_send(&store.events, &op_events_subscribe, &in);
    assert_true(peer_hears_nothing(&store.events, 50));
    for (int i = 0; i < 10; i++) {
        peer_credit(&store.events, id, 1);
        snprintf(name, sizeof(name), "n%d", i);
        assert_string_equal(next(id)->id, name);
    }
    happen(10);
    assert_true(peer_hears_nothing(&store.events, 50));
    peer_credit(&store.events, id, 1);
    assert_string_equal(next(id)->id, "n10");
}

static void a_long_replay_lets_others_have_their_turn(void **state)
{
    const struct events_list_request in = { SET(all, true), SET(since, 0) };
    uint64_t id;

    (void)state;
    store_sql(&store,
              "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
              " INSERT INTO events_journal (time, topic, id) SELECT i, '/t', 'e' || i FROM n");
    id = peer_send(&store.events, &op_events_subscribe, &in);
    peer_credit(&store.events, id, 5000);
    for (int i = 1; i <= 3000; i++)
        assert_int_equal(next(id)->sequence, i);
}

static void a_cancelled_subscription_is_over(void **state)
{
    const struct events_list_request in = { SET(all, true) };
    uint64_t id;

    (void)state;
    id = peer_send(&store.events, &op_events_subscribe, &in);
    peer_credit(&store.events, id, 10);
    peer_cancel(&store.events, id);
    assert_int_equal(peer_finish(&store.events, &op_events_subscribe, &answer), ERROR_CANCELLED);
    happen(1);
    assert_true(peer_hears_nothing(&store.events, 50));
}

static void a_subscriber_hears_only_its_namespace(void **state)
{
    const char *filter = "topic==/content/create";
    const struct events_list_request in = { .filters = { 1, &filter } };
    char one[136], two[136];
    uint64_t id;

    (void)state;
    id = peer_send(&store.events, &op_events_subscribe, &in);
    peer_credit(&store.events, id, 10);
    assert_true(peer_hears_nothing(&store.events, 50));
    store.content.namespace = "other";
    store_blob(&store, "one", NULL, one);
    store.content.namespace = NULL;
    store_blob(&store, "two", NULL, two);
    assert_string_equal(next(id)->id, two);
}

/* ---- the journal's length ------------------------------------------------------------------- */

static void the_journal_is_bounded_and_a_gap_is_told(void **state)
{
    const struct events_list_request old = { SET(all, true), SET(since, 5) };
    const struct events_list_request beginning = { SET(all, true), SET(since, 0), SET(limit, 1) };

    (void)state;
    store_stop(&store);
    store.keep_events = 100;
    store_start(&store);
    store_sql(&store,
              "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
              " INSERT INTO events_journal (time, topic, id) SELECT i, '/t', 'e' || i FROM n");
    happen(1);
    /* in slices: what is kept is at least what was asked for, and not a slice more */
    EVENTUALLY(&store.events, store_number(&store, "SELECT count(*) FROM events_journal") <= 1100);
    assert_true(store_number(&store, "SELECT count(*) FROM events_journal") >= 100);
    assert_int_equal(store_number(&store, "SELECT max(sequence) FROM events_journal"), 5001);
    assert_int_equal(peer_ask(&store.events, &op_events_list, &old, &answer), ERROR_OUT_OF_RANGE);
    assert_int_equal(peer_ask(&store.events, &op_events_subscribe, &old, &answer),
                     ERROR_OUT_OF_RANGE);
    assert_int_equal(list(&beginning)->events.count, 1); /* 0: from the oldest there is */
}

static void sequences_rise_across_restarts(void **state)
{
    uint64_t last;

    (void)state;
    happen(1);
    last = list(&(struct events_list_request){ SET(all, true) })->last;
    store_stop(&store);
    store_sql(&store, "DELETE FROM events_journal");
    store_start(&store);
    happen(2);
    assert_true(list(&(struct events_list_request){ SET(all, true) })->last > last);
}

/* ---- the published stream ------------------------------------------------------------------- */

static void publish_to(const char *endpoint)
{
    zsock_t *sub = zsock_new(ZMQ_SUB);
    struct arena *arena = arena_new();
    struct event event = { 0 };
    struct error err = { 0 };
    zmsg_t *msg = NULL;

    zsock_set_rcvtimeo(sub, 20);
    zsock_set_subscribe(sub, "n7/namespaces/");
    zsock_connect(sub, "%s", endpoint);
    /* whoever connects hears what happens once the subscription has arrived */
    for (int i = 0; i < 500 && msg == NULL; i++) {
        const struct namespaces_get_request gone = { .name = "n7" };
        struct answer ignored = { 0 };

        happen(7);
        happen(8 + i);
        msg = zmsg_recv(sub);
        peer_ask(&store.namespaces, &op_namespaces_remove, &gone, &ignored);
        answer_free(&ignored);
    }
    assert_non_null(msg);
    assert_true(zframe_streq(zmsg_first(msg), "n7/namespaces/create") ||
                zframe_streq(zmsg_first(msg), "n7/namespaces/delete"));
    assert_int_equal(record_unpack(event_record(), RECORD_STRICT, zframe_data(zmsg_last(msg)),
                                   zframe_size(zmsg_last(msg)), &event, arena, &err),
                     0);
    assert_string_equal(event.id, "n7");
    zmsg_destroy(&msg);
    zsock_destroy(&sub);
    arena_free(arena);
}

static void events_are_published_by_namespace_and_topic(void **state)
{
    (void)state;
    publish_to("inproc://events.xpub");
}

static void the_published_stream_has_a_socket(void **state)
{
    char endpoint[PATH_SIZE];
    struct stat st;

    (void)state;
    assert_int_equal(stat(store_path(&store, "events.sock"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    snprintf(endpoint, sizeof(endpoint), "ipc://%s", store_path(&store, "events.sock"));
    publish_to(endpoint);
    store_stop(&store);
    assert_false(fs_exists(store_path(&store, "events.sock")));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(events_are_listed_in_order),
        T(a_list_goes_on_where_it_ended),
        T(events_of_others_are_not_listed),
        T(events_are_filtered),
        T(a_subscription_begins_now),
        T(replay_goes_over_into_what_happens_without_a_gap),
        T(a_subscriber_gets_as_many_as_it_allows),
        T(a_long_replay_lets_others_have_their_turn),
        T(a_cancelled_subscription_is_over),
        T(a_subscriber_hears_only_its_namespace),
        T(the_journal_is_bounded_and_a_gap_is_told),
        T(sequences_rise_across_restarts),
        T(events_are_published_by_namespace_and_topic),
        T(the_published_stream_has_a_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
