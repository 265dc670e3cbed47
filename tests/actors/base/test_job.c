/* Jobs: they wait, they are told to stop, and what they send and are sent arrives. */
#include <pthread.h>

#include "tests/actors/base/job_fixture.h"

/* ---- who asks, and who is asked ------------------------------------------------------------- */

OP(ask, "asker.ask", nothing, content_info)
OP(ask_keep, "asker.keep", nothing, nothing)
OP(ask_finally, "asker.finally", nothing, nothing)
OP(report, "asker.report", nothing, nothing)
OP(stream, "asker.stream", nothing, content_read_reply)
OP(much, "asker.much", nothing, content_read_reply)
OP(quick, "asker.quick", nothing, nothing)
OP(behind, "asker.behind", nothing, content_read_reply)
OP(answer, "answerer.answer", content_stat_request, content_info)
OP(refuse, "answerer.refuse", nothing, nothing)
OP(keep, "answerer.keep", nothing, nothing)
OP(release, "answerer.release", nothing, nothing)

static atomic_int let_go, done_on_loop;
static pthread_t quick_thread; /* that the last one ran on */
static char seen_namespace[80], seen_lease[80];
static int64_t seen_deadline;

static int on_answer(void *self, struct request *request, struct error *err)
{
    const struct content_stat_request *in = request_body(request);
    const struct content_info out = { .digest = in->digest, .size = 3 };

    (void)self, (void)err;
    snprintf(seen_namespace, sizeof(seen_namespace), "%s", request_namespace(request));
    snprintf(seen_lease, sizeof(seen_lease), "%s",
             request_lease(request) ? request_lease(request) : "");
    seen_deadline = request_deadline(request);
    return request_reply(request, &out);
}

static int on_refuse(void *self, struct request *request, struct error *err)
{
    (void)self, (void)request;
    error_sys(err, 28, "write");
    return error_hint(err, "make room");
}

static void on_gone(void *self, struct request *request, void *arg)
{
    (void)self, (void)request, (void)arg;
    atomic_fetch_add(&let_go, 1);
}

static _Atomic(struct request *) kept;

static int on_keep(void *self, struct request *request, struct error *err)
{
    (void)self, (void)err;
    atomic_store(&kept, request);
    return request_keep(request, on_gone, NULL);
}

static int on_release(void *self, struct request *request, struct error *err)
{
    (void)self, (void)err;
    request_reply(atomic_exchange(&kept, NULL), &nothing);
    return request_reply(request, &nothing);
}

/* ---- jobs ----------------------------------------------------------------------------------- */

static int ask_job(struct job *job, const void *in, void *out, struct error *err)
{
    const struct content_stat_request stat = { .digest = "d" };

    (void)in;
    job_enter(job, "elsewhere");
    job_hold(job, "my lease");
    if (call(job, &op_answer, &stat, out, err) < 0)
        return -1;
    return call(job, &op_refuse, &nothing, NULL, err);
}

static int ask_keep_job(struct job *job, const void *in, void *out, struct error *err)
{
    (void)in, (void)out;
    return call(job, &op_keep, &nothing, NULL, err);
}

static int ask_finally_job(struct job *job, const void *in, void *out, struct error *err)
{
    (void)in, (void)out;
    call_finally(job, &op_keep, &nothing);
    return job_check(job, err);
}

static int report_job(struct job *job, const void *in, void *out, struct error *err)
{
    (void)in, (void)out, (void)err;
    for (uint64_t i = 0; i <= 5000; i++) {
        const struct progress progress = { "download", "a", SET(done, i), SET(total, 5000),
                                           "bytes" };

        job_report(job, &progress);
    }
    job_report(job, &(struct progress){ .stage = "commit" });
    return 0;
}

/* Gives back what it is sent, in capitals, as far as the credit goes. */
static int stream_job(struct job *job, const void *in, void *out, struct error *err)
{
    struct content_read_reply *reply = out;
    bool ended = false;

    (void)in;
    job_allow(job, 100);
    while (!ended) {
        struct chunk *chunk;
        char bytes[64];

        if (job_wait(job, -1, JOB_INPUT, -1, err) < 0)
            return -1;
        chunk = job_take(job);
        ended = chunk->end;
        for (size_t i = 0; i < chunk->size && i < sizeof(bytes); i++)
            bytes[i] = (char)(((const char *)chunk->bytes)[i] - 32);
        reply->size += chunk->size;
        if (job_send_credited(job, "stdout", bytes, chunk->size, ended, err) < 0) {
            chunk_free(&chunk);
            return -1;
        }
        chunk_free(&chunk);
    }
    return 0;
}

#define MUCH 40 /* buffers, each full of its number */

/* Never more on the way than the credit, so that few buffers are enough for all. */
static int much_job(struct job *job, const void *in, void *out, struct error *err)
{
    char *unsent;

    (void)in, (void)out;
    for (int i = 0; i < MUCH; i++) {
        char *buffer = job_buffer_take(job);

        memset(buffer, i, JOB_BUFFER_SIZE);
        while (job_credit(job) == 0)
            if (job_wait(job, -1, JOB_CREDIT, -1, err) < 0) {
                job_buffer_drop(&buffer);
                return -1;
            }
        job_send_buffer(job, "stdout", &buffer, JOB_BUFFER_SIZE - (size_t)i, i == MUCH - 1);
        assert_null(buffer);
        if (i == MUCH / 2)
            job_buffers_trim(job);
    }
    unsent = job_buffer_take(job);
    job_buffer_drop(&unsent);
    return 0;
}

static int quick_job(struct job *job, const void *in, void *out, struct error *err)
{
    (void)job, (void)in, (void)out, (void)err;
    quick_thread = pthread_self();
    return 0;
}

static int behind_job(struct job *job, const void *in, void *out, struct error *err)
{
    (void)job, (void)out;
    return error_set(err, ERROR_ABORTED, "%s", (const char *)in);
}

static struct request *waits_for_background;

static void behind_done(void *self, const void *in, const struct error *err)
{
    const struct content_read_reply out = { .size = strlen(in) };

    (void)self;
    if (err != NULL && err->code == ERROR_ABORTED && streq(err->text, in))
        atomic_fetch_add(&done_on_loop, 1);
    request_reply(waits_for_background, &out);
}

static void on_nothing(void *self, struct request *request, void *arg)
{
    (void)self, (void)request, (void)arg;
}

static int on_behind(void *self, struct request *request, struct error *err)
{
    (void)self;
    waits_for_background = request;
    if (loop_run(request_loop(request), NULL, behind_job, behind_done, "words", 6, err) < 0)
        return -1;
    return request_keep(request, on_nothing, NULL);
}

RUNS(ask)
RUNS(ask_keep)
RUNS(ask_finally)
RUNS(report)
RUNS(stream)
RUNS(much)
RUNS(quick)

static const struct route asks[] = {
    { &op_ask, on_ask },       { &op_ask_keep, on_ask_keep }, { &op_ask_finally, on_ask_finally },
    { &op_report, on_report }, { &op_stream, on_stream },     { &op_quick, on_quick },
    { &op_behind, on_behind }, { &op_much, on_much },         { 0 },
};
static const struct route answers[] = { { &op_answer, on_answer },
                                        { &op_refuse, on_refuse },
                                        { &op_keep, on_keep },
                                        { &op_release, on_release },
                                        { 0 } };
static const struct actor asker = { .name = "asker", .routes = asks };
static const struct actor answerer = { .name = "answerer", .routes = answers };

static zactor_t *answerer_thread;

static int set_up(void **state)
{
    struct error err = { 0 };

    (void)state;
    let_go = done_on_loop = 0;
    answerer_thread = actor_start(&answerer, &owner, &err);
    assert_non_null(answerer_thread);
    asker_start(&asker);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    actor_stop(&asker_thread); /* it asks the other */
    actor_stop(&answerer_thread);
    asker_stop();
    return 0;
}

/* ---- asking --------------------------------------------------------------------------------- */

static void a_failure_of_who_was_asked_keeps_its_words(void **state)
{
    (void)state;
    assert_int_equal(peer_ask(&peer, &op_ask, &nothing, &answer), ERROR_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(answer.message, "write: "));
    assert_string_equal(answer.hint, "make room");
}

static void calls_carry_namespace_lease_and_time(void **state)
{
    int64_t before = clock_monotonic();

    (void)state;
    peer.ttl_ms = 60000;
    peer_ask(&peer, &op_ask, &nothing, &answer);
    assert_string_equal(seen_namespace, "elsewhere");
    assert_string_equal(seen_lease, "my lease");
    assert_true(seen_deadline > before && seen_deadline <= before + 61 * 1000000000ll);
}

static void a_cancel_reaches_who_was_asked(void **state)
{
    uint64_t id;

    (void)state;
    id = peer_send(&peer, &op_ask_keep, &nothing);
    while (atomic_load(&stats_of("answerer")->open) == 0)
        assert_true(peer_hears_nothing(&peer, 1));
    peer_cancel(&peer, id);
    assert_int_equal(peer_finish(&peer, &op_ask_keep, &answer), ERROR_CANCELLED);
    assert_int_equal(let_go, 1);
    EVENTUALLY(&peer, atomic_load(&stats_of("answerer")->open) == 0);
}

/* What is given back is given back, whenever the cancel comes; and the cancel is not lost. */
static void a_cancel_waits_for_a_final_call(void **state)
{
    struct answer released = { 0 };
    struct peer other;
    uint64_t id;

    (void)state;
    atomic_store(&kept, NULL);
    peer_open(&other, "answerer");
    for (int i = 0; i < 50; i++) {
        id = peer_send(&peer, &op_ask_finally, &nothing);
        EVENTUALLY(&peer, atomic_load(&kept) != NULL);
        peer_cancel(&peer, id);
        peer_ask(&peer, &op_quick, &nothing, &answer); /* so the cancel has passed, too */
        assert_int_equal(let_go, 0);
        assert_int_equal(peer_ask(&other, &op_release, &nothing, &released), ERROR_NONE);
        assert_int_equal(peer_finish(&peer, &op_ask_finally, &answer), ERROR_CANCELLED);
    }
    answer_free(&released);
    peer_close(&other);
}

static void the_end_of_the_time_reaches_who_was_asked(void **state)
{
    (void)state;
    peer.ttl_ms = 30;
    assert_int_equal(peer_ask(&peer, &op_ask_keep, &nothing, &answer), ERROR_DEADLINE_EXCEEDED);
    EVENTUALLY(&peer, atomic_load(&stats_of("answerer")->open) == 0);
}

/* ---- news
 * -------------------------------------------------------------------------------------------------
 */

static void progress_is_thinned_but_its_end_is_told(void **state)
{
    int heard = 0, finals = 0, commits = 0;

    (void)state;
    peer_send(&peer, &op_report, &nothing);
    while (peer_receive(&peer, &op_report, &answer) && streq(answer.envelope.kind, "progress")) {
        const struct progress *progress = answer.body;

        heard++;
        finals += progress->done == 5000;
        commits += streq(progress->stage, "commit");
    }
    assert_string_equal(answer.envelope.kind, "reply");
    assert_true(heard < 100);
    assert_int_equal(finals, 1);
    assert_int_equal(commits, 1);
}

static void streams_go_both_ways_as_far_as_credit_goes(void **state)
{
    uint64_t id;

    (void)state;
    id = peer_send(&peer, &op_stream, &nothing);
    assert_true(peer_receive(&peer, &op_stream, &answer));
    assert_string_equal(answer.envelope.kind, "credit");
    peer_data(&peer, id, "stdin", "abc", false);
    assert_true(peer_hears_nothing(&peer, 50));
    peer_credit(&peer, id, 1);
    assert_true(peer_receive(&peer, &op_stream, &answer));
    assert_string_equal(answer.envelope.stream, "stdout");
    assert_memory_equal(answer.bytes, "ABC", 3);
    peer_data(&peer, id, "stdin", "xyz", true);
    assert_true(peer_hears_nothing(&peer, 50));
    peer_credit(&peer, id, 10);
    assert_true(peer_receive(&peer, &op_stream, &answer));
    assert_true(answer.envelope.end);
    assert_int_equal(peer_finish(&peer, &op_stream, &answer), ERROR_NONE);
    assert_int_equal(((struct content_read_reply *)answer.body)->size, 6);
}

static void expect_buffer(int number)
{
    assert_true(peer_receive(&peer, &op_much, &answer));
    assert_string_equal(answer.envelope.kind, "data");
    assert_int_equal(answer.size, JOB_BUFFER_SIZE - (unsigned)number);
    assert_int_equal(((const unsigned char *)answer.bytes)[0], number);
    assert_memory_equal(answer.bytes, (const char *)answer.bytes + 1, answer.size - 1);
    assert_int_equal(answer.envelope.end, number == MUCH - 1);
}

static void large_messages_go_from_buffers_that_are_used_again(void **state)
{
    uint64_t id;

    (void)state;
    id = peer_send(&peer, &op_much, &nothing);
    for (int i = 0; i < MUCH; i++) {
        peer_credit(&peer, id, 1); /* one at a time: the one before is back by then, or almost */
        expect_buffer(i);
    }
    assert_int_equal(peer_finish(&peer, &op_much, &answer), ERROR_NONE);
}

static void buffers_outlive_their_job(void **state)
{
    struct stats *stats = stats_of("asker");
    uint64_t id, before = atomic_load(&stats->handled);

    (void)state;
    id = peer_send(&peer, &op_much, &nothing);
    peer_credit(&peer, id, UINT32_MAX);
    while (atomic_load(&stats->handled) == before || atomic_load(&stats->open) > 0)
        zclock_sleep(1); /* all of it lies in our queue, and the job is gone */
    for (int i = 0; i < MUCH; i++)
        expect_buffer(i);
    assert_int_equal(peer_finish(&peer, &op_much, &answer), ERROR_NONE);
}

/* What is on its way to a job that ends must not be lost memory (AddressSanitizer looks). */
static void what_comes_too_late_is_dropped(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        uint64_t id = peer_send(&peer, &op_quick, &nothing);

        for (int k = 0; k < 20; k++)
            peer_data(&peer, id, "stdin", "late", false);
        assert_int_equal(peer_finish(&peer, &op_quick, &answer), ERROR_NONE);
    }
}

static void jobs_live_one_after_the_other_on_a_thread(void **state)
{
    pthread_t first;

    (void)state;
    peer_ask(&peer, &op_quick, &nothing, &answer);
    first = quick_thread;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(peer_ask(&peer, &op_quick, &nothing, &answer), ERROR_NONE);
        assert_true(pthread_equal(first, quick_thread));
    }
}

static void a_cancel_is_not_for_the_threads_next_job(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        peer_cancel(&peer, peer_send(&peer, &op_ask_keep, &nothing));
        assert_int_equal(peer_finish(&peer, &op_ask_keep, &answer), ERROR_CANCELLED);
        assert_int_equal(peer_ask(&peer, &op_quick, &nothing, &answer), ERROR_NONE);
        assert_int_equal(peer_ask(&peer, &op_ask, &nothing, &answer), ERROR_RESOURCE_EXHAUSTED);
    }
}

static void an_actor_that_was_started_anew_is_found_by_a_thread_that_knew_the_old_one(void **state)
{
    struct error err = { 0 };

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(peer_ask(&peer, &op_ask, &nothing, &answer), ERROR_RESOURCE_EXHAUSTED);
        assert_non_null(strstr(answer.message, "write: "));
        actor_stop(&answerer_thread);
        answerer_thread = actor_start(&answerer, &owner, &err);
        assert_non_null(answerer_thread);
    }
}

static void a_background_job_is_heard_of_on_the_loop(void **state)
{
    (void)state;
    assert_int_equal(peer_ask(&peer, &op_behind, &nothing, &answer), ERROR_NONE);
    assert_int_equal(((struct content_read_reply *)answer.body)->size, 5);
    assert_int_equal(done_on_loop, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_failure_of_who_was_asked_keeps_its_words),
        T(calls_carry_namespace_lease_and_time),
        T(a_cancel_reaches_who_was_asked),
        T(a_cancel_waits_for_a_final_call),
        T(the_end_of_the_time_reaches_who_was_asked),
        T(progress_is_thinned_but_its_end_is_told),
        T(streams_go_both_ways_as_far_as_credit_goes),
        T(large_messages_go_from_buffers_that_are_used_again),
        T(buffers_outlive_their_job),
        T(what_comes_too_late_is_dropped),
        T(jobs_live_one_after_the_other_on_a_thread),
        T(a_cancel_is_not_for_the_threads_next_job),
        T(an_actor_that_was_started_anew_is_found_by_a_thread_that_knew_the_old_one),
        T(a_background_job_is_heard_of_on_the_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
