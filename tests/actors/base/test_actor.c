/* The loop: every request gets one final answer, whatever its caller or its handler does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "actors/base/job.h"
#include "tests/actors/peer.h"

/* ---- an actor that does what it is told ------------------------------------------------------ */

static const struct op op_echo = { "probe.echo",        "",
                                   VERB_READ,           content_stat_request_record,
                                   content_info_record, nothing_record };
static const struct op op_fail = { "probe.fail",  "", VERB_READ, nothing_record, nothing_record,
                                   nothing_record };
static const struct op op_keep = { "probe.keep",   "",
                                   VERB_READ,      nothing_record,
                                   nothing_record, content_stat_request_record };
static const struct op op_free = { "probe.free",  "", VERB_READ, nothing_record, nothing_record,
                                   nothing_record };
static const struct op op_wait = { "probe.wait",  "", VERB_READ, nothing_record, nothing_record,
                                   nothing_record };
static const struct op op_none = { "probe.none",  "", VERB_READ, nothing_record, nothing_record,
                                   nothing_record };

struct probe {
    struct request *kept;
    bool fails_to_start;
    atomic_int gone, ended, stopped, last_error;
};

static struct probe probe;
static zactor_t *actor;
static struct peer peer;
static struct answer answer;
static const struct nothing nothing;

static int on_echo(void *self, struct request *request, struct error *err)
{
    const struct content_stat_request *in = request_body(request);
    const struct content_info out = { .digest = in->digest, .size = 7 };

    (void)self, (void)err;
    return request_reply(request, &out);
}

static int on_fail(void *self, struct request *request, struct error *err)
{
    (void)self, (void)request;
    error_set(err, ERROR_NOT_FOUND, "the thing: there is none");
    return error_hint(err, "make it first");
}

static void on_gone(void *self, struct request *request, void *arg)
{
    struct probe *p = self;

    if (p->kept == request && arg == p) /* cmocka asserts on the main thread alone */
        atomic_fetch_add(&p->gone, 1);
    p->kept = NULL;
}

static void on_ended(void *self, struct request *request, void *arg)
{
    (void)request, (void)arg;
    atomic_fetch_add(&((struct probe *)self)->ended, 1);
}

static void on_more(void *self, struct request *request, void *arg)
{
    const struct content_stat_request item = { .digest = "an item" };
    struct error err;

    (void)self, (void)arg;
    while (request_item(request, &item, &err) == 0)
        ;
    atomic_store(&probe.last_error, err.code);
}

static int on_keep(void *self, struct request *request, struct error *err)
{
    struct probe *p = self;

    (void)err;
    p->kept = request;
    request_on_credit(request, on_more);
    request_on_end(request, on_ended, NULL);
    return request_keep(request, on_gone, p);
}

static int on_free(void *self, struct request *request, struct error *err)
{
    struct probe *p = self;

    (void)err;
    if (p->kept != NULL)
        request_reply(p->kept, &nothing);
    p->kept = NULL;
    return request_reply(request, &nothing);
}

static int wait_job(struct job *job, const void *in, void *out, struct error *err)
{
    (void)in, (void)out;
    return job_wait(job, -1, JOB_INPUT, -1, err) < 0 ? -1 : 0;
}

static int on_wait(void *self, struct request *request, struct error *err)
{
    (void)self;
    request_on_end(request, on_ended, NULL);
    return request_run(request, wait_job, err);
}

static int start(void *self, struct loop *loop, struct error *err)
{
    (void)loop;
    if (((struct probe *)self)->fails_to_start)
        return error_set(err, ERROR_DATA_LOSS, "no");
    return 0;
}

static void stop(void *self)
{
    atomic_fetch_add(&((struct probe *)self)->stopped, 1);
}

static const struct route routes[] = {
    { &op_echo, on_echo }, { &op_fail, on_fail }, { &op_keep, on_keep },
    { &op_free, on_free }, { &op_wait, on_wait }, { 0 },
};
static const struct actor probe_actor = { "probe", routes, start, stop };

static int set_up(void **state)
{
    struct error err = { 0 };

    (void)state;
    memset(&probe, 0, sizeof(probe));
    actor = actor_start(&probe_actor, &probe, &err);
    assert_non_null(actor);
    peer_open(&peer, "probe");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (actor != NULL)
        actor_stop(&actor);
    answer_free(&answer);
    peer_close(&peer);
    return 0;
}

static bool echoes(void)
{
    const struct content_stat_request in = { .digest = "hello" };

    return peer_ask(&peer, &op_echo, &in, &answer) == ERROR_NONE &&
           streq(((struct content_info *)answer.body)->digest, "hello");
}

static struct stats *stats(void)
{
    return stats_of("probe");
}

/* ---- answers -------------------------------------------------------------------------------- */

static void a_request_gets_exactly_one_answer(void **state)
{
    (void)state;
    assert_true(echoes());
    assert_true(peer_hears_nothing(&peer, 50));
    EVENTUALLY(&peer, atomic_load(&stats()->open) == 0);
}

static void what_a_handler_refuses_is_told(void **state)
{
    (void)state;
    assert_int_equal(peer_ask(&peer, &op_fail, &nothing, &answer), ERROR_NOT_FOUND);
    assert_string_equal(answer.message, "the thing: there is none");
    assert_string_equal(answer.hint, "make it first");
}

static void an_unknown_operation_is_unimplemented(void **state)
{
    (void)state;
    assert_int_equal(peer_ask(&peer, &op_none, &nothing, &answer), ERROR_UNIMPLEMENTED);
    assert_non_null(strstr(answer.message, "probe.none"));
    assert_true(echoes());
}

static enum error_code ask_raw(const void *body, size_t size)
{
    const struct envelope envelope = {
        .version = 1, .id = ++peer.last_id, .kind = "request", .op = "probe.echo"
    };

    peer_send_raw(&peer, &envelope, body, size);
    return peer_finish(&peer, &op_echo, &answer);
}

static void a_malformed_body_is_an_invalid_argument(void **state)
{
    static const char good[] = "\x81\xa6"
                               "digest\xa5hello";

    (void)state;
    assert_int_equal(ask_raw(good, sizeof(good) - 1), ERROR_NONE);
    for (size_t size = 0; size < sizeof(good) - 1; size++)
        assert_int_equal(ask_raw(good, size), ERROR_INVALID_ARGUMENT);
    assert_int_equal(ask_raw("\x81\xa6"
                             "digest\x05",
                             9),
                     ERROR_INVALID_ARGUMENT); /* a number */
    assert_int_equal(ask_raw("\x81\xa5other\xa1x", 9), ERROR_INVALID_ARGUMENT);
    assert_int_equal(ask_raw("\xdd\x10\x00\x00\x00", 5), ERROR_INVALID_ARGUMENT);
    assert_true(echoes());
}

static void an_unreadable_envelope_is_dropped(void **state)
{
    zmsg_t *msg = zmsg_new();

    (void)state;
    zmsg_addstr(msg, "this is no envelope");
    atomic_fetch_add(&peer.stats->queued, 1);
    zmsg_send(&msg, peer.wire);
    msg = zmsg_new();
    zmsg_addmem(msg, "", 0);
    atomic_fetch_add(&peer.stats->queued, 1);
    zmsg_send(&msg, peer.wire);
    assert_true(echoes());
    EVENTUALLY(&peer, atomic_load(&stats()->queued) == 0);
}

static void an_envelope_of_an_unknown_kind_is_dropped(void **state)
{
    const struct envelope envelope = { .version = 1, .id = 99, .kind = "wish", .op = "probe.echo" };

    (void)state;
    peer_send_raw(&peer, &envelope, "\x80", 1);
    assert_true(echoes());
}

/* ---- cancelling and time -------------------------------------------------------------------- */

static void a_cancelled_request_is_let_go_of_and_answered(void **state)
{
    uint64_t id;

    (void)state;
    id = peer_send(&peer, &op_keep, &nothing);
    peer_cancel(&peer, id);
    assert_int_equal(peer_finish(&peer, &op_keep, &answer), ERROR_CANCELLED);
    assert_int_equal(probe.gone, 1);
    EVENTUALLY(&peer, probe.ended == 1);
    peer_cancel(&peer, id); /* it is over: nothing happens */
    assert_true(echoes());
    assert_true(peer_hears_nothing(&peer, 50));
}

static void a_cancelled_job_ends(void **state)
{
    uint64_t id;

    (void)state;
    id = peer_send(&peer, &op_wait, &nothing);
    peer_cancel(&peer, id);
    assert_int_equal(peer_finish(&peer, &op_wait, &answer), ERROR_CANCELLED);
    EVENTUALLY(&peer, probe.ended == 1);
}

static void nobody_cancels_for_others(void **state)
{
    struct peer other;
    uint64_t id;

    (void)state;
    peer_open(&other, "probe");
    id = peer_send(&peer, &op_keep, &nothing);
    assert_true(echoes());
    peer_cancel(&other, id);
    assert_int_equal(peer_ask(&other, &op_free, &nothing, &answer), ERROR_NONE);
    assert_int_equal(peer_finish(&peer, &op_keep, &answer), ERROR_NONE); /* freed, not cancelled */
    assert_int_equal(probe.gone, 0);
    peer_close(&other);
}

static void a_kept_request_ends_with_its_time(void **state)
{
    (void)state;
    peer.ttl_ms = 1;
    assert_int_equal(peer_ask(&peer, &op_keep, &nothing, &answer), ERROR_DEADLINE_EXCEEDED);
    assert_int_equal(probe.gone, 1);
}

static void a_job_ends_with_its_time(void **state)
{
    (void)state;
    peer.ttl_ms = 1;
    assert_int_equal(peer_ask(&peer, &op_wait, &nothing, &answer), ERROR_DEADLINE_EXCEEDED);
}

static void an_endless_time_is_no_limit(void **state)
{
    (void)state;
    peer.ttl_ms = UINT64_MAX;
    peer_send(&peer, &op_keep, &nothing);
    assert_true(peer_hears_nothing(&peer, 50));
    peer.ttl_ms = 0;
    peer_send(&peer, &op_free, &nothing);
    assert_int_equal(peer_finish(&peer, &op_keep, &answer), ERROR_NONE);
    assert_int_equal(peer_finish(&peer, &op_free, &answer), ERROR_NONE);
}

/* ---- streams -------------------------------------------------------------------------------- */

static void items_stop_where_the_credit_ends(void **state)
{
    uint64_t id;

    (void)state;
    id = peer_send(&peer, &op_keep, &nothing);
    assert_true(peer_hears_nothing(&peer, 50));
    for (int round = 0; round < 2; round++) {
        peer_credit(&peer, id, 3);
        for (int i = 0; i < 3; i++) {
            assert_true(peer_receive(&peer, &op_keep, &answer));
            assert_string_equal(answer.envelope.kind, "item");
            assert_int_equal(answer.envelope.id, id);
        }
        assert_true(peer_hears_nothing(&peer, 50));
        EVENTUALLY(&peer, probe.last_error == ERROR_RESOURCE_EXHAUSTED);
    }
}

/* ---- life
 * ------------------------------------------------------------------------------------------------
 */

static void open_requests_hear_that_the_daemon_stops(void **state)
{
    uint64_t kept, job;

    (void)state;
    kept = peer_send(&peer, &op_keep, &nothing);
    job = peer_send(&peer, &op_wait, &nothing);
    assert_true(echoes());
    actor_stop(&actor);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(peer_finish(&peer, &op_keep, &answer), ERROR_UNAVAILABLE);
        assert_true(answer.envelope.id == kept || answer.envelope.id == job);
    }
    assert_int_equal(probe.gone, 1);
    assert_int_equal(probe.ended, 2);
    assert_int_equal(probe.stopped, 1);
}

static void a_caller_that_vanished_does_no_harm(void **state)
{
    struct peer other;

    (void)state;
    peer_open(&other, "probe");
    peer_send(&other, &op_keep, &nothing);
    assert_int_equal(peer_ask(&other, &op_fail, &nothing, &answer), ERROR_NOT_FOUND);
    peer_close(&other);
    assert_int_equal(peer_ask(&peer, &op_free, &nothing, &answer), ERROR_NONE);
    assert_true(echoes());
}

static void a_start_that_fails_is_told(void **state)
{
    static struct probe other = { .fails_to_start = true };
    static const struct actor other_actor = { "probe2", routes, start, stop };
    struct error err = { 0 };

    (void)state;
    assert_null(actor_start(&other_actor, &other, &err));
    assert_int_equal(err.code, ERROR_DATA_LOSS);
    other.fails_to_start = false;
    actor_stop(&actor);
    actor = actor_start(&other_actor, &other, &err); /* its name is free again */
    assert_non_null(actor);
}

static void a_name_is_given_once(void **state)
{
    struct probe other = { 0 };
    struct error err = { 0 };

    (void)state;
    assert_null(actor_start(&probe_actor, &other, &err));
    assert_int_equal(err.code, ERROR_ALREADY_EXISTS);
    assert_true(echoes());
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_request_gets_exactly_one_answer),
        T(what_a_handler_refuses_is_told),
        T(an_unknown_operation_is_unimplemented),
        T(a_malformed_body_is_an_invalid_argument),
        T(an_unreadable_envelope_is_dropped),
        T(an_envelope_of_an_unknown_kind_is_dropped),
        T(a_cancelled_request_is_let_go_of_and_answered),
        T(a_cancelled_job_ends),
        T(nobody_cancels_for_others),
        T(a_kept_request_ends_with_its_time),
        T(a_job_ends_with_its_time),
        T(an_endless_time_is_no_limit),
        T(items_stop_where_the_credit_ends),
        T(open_requests_hear_that_the_daemon_stops),
        T(a_caller_that_vanished_does_no_harm),
        T(a_start_that_fails_is_told),
        T(a_name_is_given_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
