/* test_daemon — what the daemon says of itself: its schema, and how its actors are doing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/base/actor.h"
#include "tests/actors/store.h"

static struct store store;
static struct answer answer;
static const struct nothing nothing;

static int set_up(void **state)
{
    (void)state;
    store_open_with(&store, WITH_DAEMON);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    answer_free(&answer);
    store_close(&store);
    return 0;
}

/* ---- how they are doing --------------------------------------------------------------------- */

static const struct op op_stick = { "sticky.stick", "", VERB_READ, nothing_record, nothing_record,
                                    nothing_record };
static const struct op op_pass = { "sticky.pass", "", VERB_READ, nothing_record, nothing_record,
                                   nothing_record };
static atomic_bool is_stuck;

/* A handler must not do this: it is what the flag is for. */
static int on_stick(void *self, struct request *request, struct error *err)
{
    (void)self, (void)err;
    while (atomic_load(&is_stuck))
        zclock_sleep(1);
    return request_reply(request, &nothing);
}

static int on_pass(void *self, struct request *request, struct error *err)
{
    (void)self, (void)err;
    return request_reply(request, &nothing);
}

static int start(void *self, struct loop *loop, struct error *err)
{
    (void)self, (void)loop, (void)err;
    return 0;
}

static void stop(void *self)
{
    (void)self;
}

static const struct route routes[] = { { &op_stick, on_stick }, { &op_pass, on_pass }, { 0 } };
static const struct actor sticky = { "sticky", routes, start, stop };

static const struct actor_state *state_of(const char *name)
{
    const struct daemon_actors_reply *reply;
    const struct actor_state *states;

    if (peer_ask(&store.daemon, &op_daemon_actors, &nothing, &answer) != ERROR_NONE)
        fail_msg("%s", answer.message);
    reply = answer.body;
    states = reply->actors.items;
    for (size_t i = 0; i < reply->actors.count; i++)
        if (strcmp(states[i].name, name) == 0)
            return &states[i];
    fail_msg("there is no actor %s", name);
    return NULL;
}

static void an_actor_that_is_stuck_is_seen_from_outside(void **state)
{
    const struct actor_state *seen;
    struct answer passed = { 0 };
    struct error err = { 0 };
    struct peer peer;
    zactor_t *actor = actor_start(&sticky, NULL, &err);

    (void)state;
    assert_non_null(actor);
    peer_open(&peer, "sticky");
    assert_int_equal(peer_ask(&peer, &op_pass, &nothing, &passed), ERROR_NONE);
    assert_false(state_of("sticky")->stalled);

    atomic_store(&is_stuck, true);
    peer_send(&peer, &op_stick, &nothing);
    peer_send(&peer, &op_pass, &nothing);
    peer_send(&peer, &op_pass, &nothing);
    EVENTUALLY(&store.daemon, state_of("sticky")->stalled);
    seen = state_of("sticky");
    assert_int_equal(seen->queued, 2);
    assert_true(seen->oldest_ms >= 1000);
    assert_int_equal(seen->handled, 2); /* begun, that is */
    assert_false(state_of("daemon")->stalled); /* nobody else is */

    atomic_store(&is_stuck, false);
    EVENTUALLY(&store.daemon, state_of("sticky")->handled == 4);
    seen = state_of("sticky");
    assert_false(seen->stalled);
    assert_int_equal(seen->queued, 0);
    assert_int_equal(seen->oldest_ms, 0);
    assert_string_equal(seen->slowest_op, "sticky.stick");
    assert_true(seen->slowest_us >= 1000000);
    answer_free(&passed);
    peer_close(&peer);
    actor_stop(&actor);
}

/* ---- what it can ---------------------------------------------------------------------------- */

static void it_describes_every_operation_and_every_field(void **state)
{
    const struct daemon_describe_reply *reply;
    const struct op_info *ops;
    const struct record_info *records;

    (void)state;
    assert_int_equal(peer_ask(&store.daemon, &op_daemon_describe, &nothing, &answer), ERROR_NONE);
    reply = answer.body;
    ops = reply->ops.items;
    records = reply->records.items;
    assert_int_equal(reply->ops.count, schema_op_count);
    assert_int_equal(reply->records.count, schema_record_count);
    for (size_t i = 0; i < schema_op_count; i++) {
        assert_string_equal(ops[i].name, schema_ops[i]->name);
        assert_string_equal(ops[i].request, schema_ops[i]->request()->name);
        assert_true(strlen(ops[i].doc) > 0);
    }
    for (size_t i = 0; i < schema_record_count; i++)
        assert_int_equal(records[i].fields.count, schema_records[i]()->field_count);
}

static void it_says_its_version_and_its_settings(void **state)
{
    const struct daemon_version_reply *version;
    const struct daemon_info_reply *info;

    (void)state;
    assert_int_equal(peer_ask(&store.daemon, &op_daemon_version, &nothing, &answer), ERROR_NONE);
    version = answer.body;
    assert_string_equal(version->version, GANTRY_VERSION);
    assert_int_equal(peer_ask(&store.daemon, &op_daemon_info, &nothing, &answer), ERROR_NONE);
    info = answer.body;
    assert_string_equal(info->root, store.root);
    assert_false(info->embedded);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_actor_that_is_stuck_is_seen_from_outside),
        T(it_describes_every_operation_and_every_field),
        T(it_says_its_version_and_its_settings),
    };

    return cmocka_run_group_tests_name("daemon", tests, NULL, NULL);
}
