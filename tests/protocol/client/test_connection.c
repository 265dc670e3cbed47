/* Opening, calls and interrupts of the client library, against a played daemon. */
#include <sys/eventfd.h>

#include "tests/protocol/client/peer.h"

/* ---- opening ------------------------------------------------------------ */

static void an_endpoint_that_is_not_there_fails_at_once(void **state)
{
    struct stage *stage = *state;
    int64_t before = zclock_mono();

    assert_int_equal(gantry_open(stage->endpoint, &stage->client, &stage->err), -1);
    assert_int_equal(stage->err.code, ERROR_UNAVAILABLE);
    assert_non_null(strstr(stage->err.text, stage->endpoint));
    assert_non_null(strstr(stage->err.hint, "gantryd"));
    assert_true(zclock_mono() - before < 1000);
}

static void leave_at_once(struct peer *peer)
{
    (void)peer;
}

static void a_socket_that_a_dead_daemon_left_fails_at_once(void **state)
{
    struct stage *stage = *state;
    char kept[160];
    int64_t before;

    play(stage, leave_at_once);
    /* another name for it: who ends takes the first one away */
    snprintf(kept, sizeof(kept), "ipc://%s/kept", stage->folder);
    assert_int_equal(link(stage->endpoint + 6, kept + 6), 0);
    zactor_destroy(&stage->actor);
    before = zclock_mono();
    assert_int_equal(gantry_open(kept, &stage->client, &stage->err), -1);
    assert_int_equal(stage->err.code, ERROR_UNAVAILABLE);
    assert_non_null(strstr(stage->err.text, "nobody listens"));
    assert_true(zclock_mono() - before < 1000);
    unlink(kept + 6);
}

static void a_plain_file_is_no_endpoint(void **state)
{
    struct stage *stage = *state;

    fclose(fopen(stage->endpoint + 6, "w"));
    assert_int_equal(gantry_open(stage->endpoint, &stage->client, &stage->err), -1);
    assert_non_null(strstr(stage->err.text, "not a socket"));
}

static void a_foreign_transport_is_refused_by_name(void **state)
{
    struct stage *stage = *state;

    assert_int_equal(gantry_open("tcp://127.0.0.1:1", &stage->client, &stage->err), -1);
    assert_int_equal(stage->err.code, ERROR_UNIMPLEMENTED);
    assert_int_equal(gantry_open("/run/x", &stage->client, &stage->err), -1);
    assert_int_equal(stage->err.code, ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(stage->err.text, "/run/x"));
}

static void take_and_say_nothing(struct peer *peer)
{
    take_any(peer);
}

static void a_daemon_that_accepts_but_never_answers_is_unavailable(void **state)
{
    struct stage *stage = *state;

    play(stage, take_and_say_nothing);
    client_times.connect = 100;
    client_times.ping = 30;
    assert_int_equal(gantry_open(stage->endpoint, &stage->client, &stage->err), -1);
    assert_int_equal(stage->err.code, ERROR_UNAVAILABLE);
    assert_non_null(strstr(stage->err.text, stage->endpoint));
}

static void speak_version_two(struct peer *peer)
{
    take_any(peer);
    send_envelope(peer, (struct envelope){ .version = 2, .kind = "pong" }, "\x80", 1);
}

static void another_protocol_version_is_named(void **state)
{
    struct stage *stage = *state;

    play(stage, speak_version_two);
    assert_int_equal(gantry_open(stage->endpoint, &stage->client, &stage->err), -1);
    assert_int_equal(stage->err.code, ERROR_UNIMPLEMENTED);
    assert_non_null(strstr(stage->err.text, "protocol 2"));
}

/* ---- calls -------------------------------------------------------------- */

static void answer_one(struct peer *peer)
{
    take(peer, "request");
    if (peer->envelope.version != 1 || strcmp(peer->envelope.op, "daemon.version") != 0 ||
        strcmp(peer->envelope.namespace, "here") != 0 || peer->envelope.ttl_ms != 9000 ||
        strcmp(peer->envelope.lease, "l1") != 0)
        answer_failure(peer, peer->envelope.id, "internal", "wrong envelope");
    else
        answer_version(peer, "9.9");
}

static void a_call_brings_the_reply_and_says_what_was_set(void **state)
{
    struct stage *stage = *state;
    struct daemon_version_reply reply;

    connect_to(stage, answer_one);
    gantry_namespace(stage->client, "here");
    gantry_ttl(stage->client, 9000);
    gantry_lease(stage->client, "l1");
    assert_int_equal(ask_version(stage, &reply), 0);
    assert_string_equal(reply.version, "9.9");
}

static void fail_one(struct peer *peer)
{
    take(peer, "request");
    answer_failure(peer, peer->envelope.id, "not_found", "no such thing");
}

static void an_error_arrives_with_code_text_hint_and_origin(void **state)
{
    struct stage *stage = *state;

    connect_to(stage, fail_one);
    assert_int_equal(ask_version(stage, &(struct daemon_version_reply){ 0 }), -1);
    assert_int_equal(stage->err.code, ERROR_NOT_FOUND);
    assert_string_equal(stage->err.text, "no such thing");
    assert_string_equal(stage->err.hint, "do otherwise");
    assert_int_equal(stage->err.retry_ms, 70);
    assert_string_equal(gantry_origin(stage->client), "images");
}

static void answer_late_and_with_progress(struct peer *peer)
{
    uint64_t id;

    take(peer, "request");
    id = peer->envelope.id;
    for (uint64_t i = 1; i <= 3; i++) {
        struct progress progress = { .stage = "download", SET(done, i) };

        answer(peer, id, "progress", progress_record(), &progress);
    }
    for (int pings = 0; pings < 3; pings++) { /* late: not before three more signs of life */
        take(peer, "ping");
        send_envelope(peer, (struct envelope){ .kind = "pong" }, "\x80", 1);
    }
    peer->envelope.id = id;
    answer_version(peer, "late");
}

static void count_progress(void *ctx, const struct progress *progress)
{
    *(uint64_t *)ctx += progress->done;
}

static void a_late_answer_is_waited_for_while_pongs_come(void **state)
{
    struct stage *stage = *state;
    struct daemon_version_reply reply;
    uint64_t sum = 0;

    connect_to(stage, answer_late_and_with_progress);
    client_times.ping = 20;
    client_times.gone = 4000;
    gantry_on_progress(stage->client, count_progress, &sum);
    assert_int_equal(ask_version(stage, &reply), 0);
    assert_string_equal(reply.version, "late");
    assert_int_equal(sum, 6);
}

static void fall_silent(struct peer *peer)
{
    take(peer, "request");
    for (int i = 0; i < 3; i++)
        take_any(peer);
}

static void a_daemon_that_falls_silent_is_unavailable(void **state)
{
    struct stage *stage = *state;

    connect_to(stage, fall_silent);
    client_times.ping = 20;
    client_times.gone = 100;
    assert_int_equal(ask_version(stage, &(struct daemon_version_reply){ 0 }), -1);
    assert_int_equal(stage->err.code, ERROR_UNAVAILABLE);
    assert_non_null(strstr(stage->err.text, stage->endpoint));
}

static void vanish(struct peer *peer)
{
    take(peer, "request");
}

static void a_daemon_that_vanishes_ends_the_call_at_once(void **state)
{
    struct stage *stage = *state;
    int64_t before;

    connect_to(stage, vanish);
    before = zclock_mono();
    assert_int_equal(ask_version(stage, &(struct daemon_version_reply){ 0 }), -1);
    assert_int_equal(stage->err.code, ERROR_UNAVAILABLE);
    assert_non_null(strstr(stage->err.text, "went away"));
    assert_true(zclock_mono() - before < 2000);
}

static void answer_and_vanish(struct peer *peer)
{
    take(peer, "request");
    answer_version(peer, "last words");
}

static void an_answer_given_before_vanishing_still_counts(void **state)
{
    struct stage *stage = *state;
    struct daemon_version_reply reply;

    connect_to(stage, answer_and_vanish);
    assert_int_equal(ask_version(stage, &reply), 0);
    assert_string_equal(reply.version, "last words");
}

static void after_a_loss_the_next_request_connects_anew(void **state)
{
    struct stage *stage = *state;
    struct daemon_version_reply reply;

    connect_to(stage, vanish);
    assert_int_equal(ask_version(stage, &reply), -1);
    zactor_destroy(&stage->actor);
    assert_int_equal(ask_version(stage, &reply), -1);
    assert_int_equal(stage->err.code, ERROR_UNAVAILABLE);
    play(stage, answer_and_vanish);
    assert_int_equal(ask_version(stage, &reply), 0);
    assert_string_equal(reply.version, "last words");
}

static void send_garbage(struct peer *peer)
{
    take(peer, "request");
    send_raw(peer, "\xdd\x10\x00\x00\x00", 5, "x", 1);
}

static void what_is_no_message_ends_the_call(void **state)
{
    struct stage *stage = *state;

    connect_to(stage, send_garbage);
    assert_int_equal(ask_version(stage, &(struct daemon_version_reply){ 0 }), -1);
    assert_int_equal(stage->err.code, ERROR_DATA_LOSS);
    assert_non_null(strstr(stage->err.text, stage->endpoint));
}

static void answer_with_a_bad_body(struct peer *peer)
{
    take(peer, "request");
    send_envelope(peer, (struct envelope){ .id = peer->envelope.id + 50, .kind = "reply" }, "\x80",
                  1);
    send_envelope(peer, (struct envelope){ .id = peer->envelope.id, .kind = "unheard" }, "\x80", 1);
    send_envelope(peer, (struct envelope){ .id = peer->envelope.id, .kind = "reply" }, "\x80", 1);
    take(peer, "request");
    answer_version(peer, "still here");
}

static void a_reply_without_its_fields_fails_and_others_go_on(void **state)
{
    struct stage *stage = *state;
    struct daemon_version_reply reply;

    connect_to(stage, answer_with_a_bad_body);
    assert_int_equal(ask_version(stage, &reply), -1);
    assert_int_equal(stage->err.code, ERROR_DATA_LOSS);
    assert_non_null(strstr(stage->err.text, "daemon.version"));
    assert_int_equal(ask_version(stage, &reply), 0);
}

static void never_answer(struct peer *peer)
{
    peer->stay = true;
    take(peer, "request");
    take(peer, "cancel");
}

static void a_call_does_not_outlive_its_time(void **state)
{
    struct stage *stage = *state;
    struct gantry_stream *stream;
    struct gantry_message message;

    connect_to(stage, never_answer);
    stream = open_attach(stage);
    stream->deadline = zclock_mono() + 30;
    assert_int_equal(gantry_stream_next(stream, -1, &message, &stage->err), -1);
    assert_int_equal(stage->err.code, ERROR_DEADLINE_EXCEEDED);
    gantry_stream_close(&stream);
}

/* ---- being asked ---------------------------------------------------------- */

static void ask_who(struct peer *peer, uint64_t id, const char *stream, const char *host)
{
    const struct credentials_question question = { .host = host, .registry = "docker.io" };
    struct buffer body = { 0 };

    record_pack(credentials_question_record(), &question, &body);
    send_envelope(peer, (struct envelope){ .id = id, .kind = "data", .stream = stream, SET(end, true) },
                  body.data, body.size);
    buffer_free(&body);
}

/* The version is what was answered. */
static void ask_twice(struct peer *peer)
{
    struct credentials_answer said;
    struct error err = { 0 };
    char text[200] = "";
    uint64_t id;

    take(peer, "request");
    id = peer->envelope.id;
    ask_who(peer, id, "credentials-1234567890", "a.lan");
    ask_who(peer, id, "credentials-2", "b.lan");
    for (int i = 0; i < 2; i++) {
        size_t used = strlen(text);

        take(peer, "data");
        if (peer->envelope.id != id || !peer->envelope.end ||
            record_unpack(credentials_answer_record(), RECORD_STRICT, zframe_data(peer->body),
                          zframe_size(peer->body), &said, peer->arena, &err) < 0)
            abort();
        snprintf(text + used, sizeof(text) - used, "%s %s;", peer->envelope.stream,
                 said.username != NULL ? said.username : "nobody");
    }
    answer_version(peer, text);
}

static void know_one(void *ctx, const struct credentials_question *question,
                     struct credentials_answer *out)
{
    atomic_fetch_add((atomic_int *)ctx, 1);
    if (strcmp(question->host, "a.lan") == 0)
        out->username = "me";
}

static void a_call_answers_what_it_is_asked(void **state)
{
    struct stage *stage = *state;
    struct daemon_version_reply reply;
    atomic_int asked = 0;

    connect_to(stage, ask_twice);
    gantry_on_question(stage->client, know_one, &asked);
    assert_int_equal(ask_version(stage, &reply), 0);
    assert_string_equal(reply.version, "credentials-1234567890 me;credentials-2 nobody;");
    assert_int_equal(asked, 2);
}

static void ask_in_vain(struct peer *peer)
{
    uint64_t id;

    take(peer, "request");
    id = peer->envelope.id;
    ask_who(peer, id, "stdout", "a.lan");
    send_envelope(peer,
                  (struct envelope){ .id = id, .kind = "data", .stream = "credentials-1" }, "x", 1);
    answer_version(peer, "1");
}

static void what_is_no_question_is_passed_over(void **state)
{
    struct stage *stage = *state;
    struct daemon_version_reply reply;
    atomic_int asked = 0;

    connect_to(stage, ask_in_vain);
    gantry_on_question(stage->client, know_one, &asked);
    assert_int_equal(ask_version(stage, &reply), 0);
    assert_int_equal(asked, 0);
}

/* ---- interrupting ------------------------------------------------------- */

static void answer_after_cancel(struct peer *peer)
{
    uint64_t id;

    take(peer, "request");
    id = peer->envelope.id;
    take(peer, "cancel");
    if (peer->envelope.id != id)
        abort();
    answer_failure(peer, id, "cancelled", "pull x: cancelled");
}

static bool told_by_eventfd(void *ctx)
{
    uint64_t value;

    return read(*(int *)ctx, &value, sizeof(value)) == sizeof(value);
}

static void an_interrupt_cancels_and_waits_for_the_final_answer(void **state)
{
    struct stage *stage = *state;
    int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

    connect_to(stage, answer_after_cancel);
    gantry_on_interrupt(stage->client, fd, told_by_eventfd, &fd);
    assert_int_equal(ask_version(stage, &(struct daemon_version_reply){ 0 }), -1);
    assert_int_equal(stage->err.code, ERROR_CANCELLED);
    assert_string_equal(stage->err.text, "pull x: cancelled");
    close(fd);
}

static void a_second_interrupt_gives_up(void **state)
{
    struct stage *stage = *state;
    int fd = eventfd(2, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);

    connect_to(stage, never_answer);
    gantry_on_interrupt(stage->client, fd, told_by_eventfd, &fd);
    assert_int_equal(ask_version(stage, &(struct daemon_version_reply){ 0 }), -1);
    assert_int_equal(stage->err.code, ERROR_CANCELLED);
    assert_non_null(strstr(stage->err.text, "given up"));
    close(fd);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_endpoint_that_is_not_there_fails_at_once),
        T(a_socket_that_a_dead_daemon_left_fails_at_once),
        T(a_plain_file_is_no_endpoint),
        T(a_foreign_transport_is_refused_by_name),
        T(a_daemon_that_accepts_but_never_answers_is_unavailable),
        T(another_protocol_version_is_named),
        T(a_call_brings_the_reply_and_says_what_was_set),
        T(an_error_arrives_with_code_text_hint_and_origin),
        T(a_late_answer_is_waited_for_while_pongs_come),
        T(a_daemon_that_falls_silent_is_unavailable),
        T(a_daemon_that_vanishes_ends_the_call_at_once),
        T(an_answer_given_before_vanishing_still_counts),
        T(after_a_loss_the_next_request_connects_anew),
        T(what_is_no_message_ends_the_call),
        T(a_reply_without_its_fields_fails_and_others_go_on),
        T(a_call_does_not_outlive_its_time),
        T(a_call_answers_what_it_is_asked),
        T(what_is_no_question_is_passed_over),
        T(an_interrupt_cancels_and_waits_for_the_final_answer),
        T(a_second_interrupt_gives_up),
    };

    zsys_handler_set(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
