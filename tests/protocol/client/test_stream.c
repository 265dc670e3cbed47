/* Streams of the client library: credit both ways, order, ends; against a played daemon. */
#include <sys/eventfd.h>

#include "tests/protocol/client/peer.h"

static void answer_and_vanish(struct peer *peer)
{
    take(peer, "request");
    answer_version(peer, "last words");
}

#define PIECE (64u << 10)

/* Sends exactly what it is allowed, five windows of it. */
static void send_within_credit(struct peer *peer)
{
    uint64_t id, allowed = 0, sent = 0, total = 5 * GANTRY_WINDOW;
    struct tasks_attach_reply reply = { SET(exit_status, 3) };

    take(peer, "request");
    id = peer->envelope.id;
    while (sent < total) {
        if (allowed < PIECE)
            allowed += take_credit_of(peer);
        if (allowed > GANTRY_WINDOW)
            abort(); /* more than a window on its way */
        send_data(peer, id, sent % (2 * PIECE) ? "stderr" : "stdout", PIECE, false);
        allowed -= PIECE;
        sent += PIECE;
    }
    send_data(peer, id, "stdout", 0, true);
    answer(peer, id, "reply", tasks_attach_reply_record(), &reply);
}

static void output_comes_in_order_within_the_window(void **state)
{
    struct stage *stage = *state;
    struct gantry_stream *stream;
    struct gantry_message message;
    uint64_t out = 0, errors = 0;
    const struct tasks_attach_reply *reply;

    connect_to(stage, send_within_credit);
    stream = open_attach(stage);
    for (;;) {
        assert_int_equal(gantry_stream_next(stream, -1, &message, &stage->err), 1);
        if (message.kind != GANTRY_DATA || message.end)
            break;
        *(strcmp(message.stream, "stdout") == 0 ? &out : &errors) += message.size;
    }
    assert_true(message.end && message.size == 0);
    assert_int_equal(out + errors, 5 * GANTRY_WINDOW);
    assert_true(errors >= 2 * GANTRY_WINDOW);
    assert_int_equal(gantry_stream_next(stream, -1, &message, &stage->err), 1);
    assert_int_equal(message.kind, GANTRY_REPLY);
    reply = message.body;
    assert_true(reply->has_exit_status && reply->exit_status == 3);
    assert_int_equal(gantry_stream_next(stream, -1, &message, &stage->err), -1);
    gantry_stream_close(&stream);
}

static void first_credit(struct peer *peer)
{
    struct nothing nothing = { 0 };
    uint64_t id;

    take_any(peer); /* ping */
    send_envelope(peer, (struct envelope){ .kind = "pong" }, "\x80", 1);
    take_any(peer);
    if (strcmp(peer->envelope.kind, "request") != 0)
        abort();
    id = peer->envelope.id;
    take_any(peer);
    if (strcmp(peer->envelope.kind, "credit") != 0 || peer->envelope.id != id ||
        credit_in(peer) != GANTRY_ITEMS)
        abort();
    answer(peer, id, "reply", nothing_record(), &nothing);
}

static void the_first_credit_follows_the_request(void **state)
{
    struct stage *stage = *state;
    struct events_list_request want = { 0 };
    struct gantry_stream *stream;
    struct gantry_message message;

    connect_to(stage, first_credit);
    assert_int_equal(
        gantry_stream_open(stage->client, &op_events_subscribe, &want, &stream, &stage->err), 0);
    assert_int_equal(gantry_stream_next(stream, -1, &message, &stage->err), 1);
    assert_int_equal(message.kind, GANTRY_REPLY);
    gantry_stream_close(&stream);
}

static void send_many_items(struct peer *peer)
{
    uint64_t id, allowed = 0;
    struct nothing nothing = { 0 };

    take(peer, "request");
    id = peer->envelope.id;
    for (uint64_t i = 1; i <= 1000; i++) {
        struct event event = { .sequence = i, .topic = "/x" };

        if (allowed == 0)
            allowed = take_credit_of(peer);
        answer(peer, id, "item", event_record(), &event);
        allowed--;
    }
    answer(peer, id, "reply", nothing_record(), &nothing);
}

static void items_are_counted_one_by_one(void **state)
{
    struct stage *stage = *state;
    struct events_list_request want = { 0 };
    struct gantry_stream *stream;
    struct gantry_message message;

    connect_to(stage, send_many_items);
    assert_int_equal(
        gantry_stream_open(stage->client, &op_events_subscribe, &want, &stream, &stage->err), 0);
    for (uint64_t i = 1; i <= 1000; i++) {
        assert_int_equal(gantry_stream_next(stream, -1, &message, &stage->err), 1);
        assert_int_equal(message.kind, GANTRY_ITEM);
        assert_int_equal(((const struct event *)message.body)->sequence, i);
    }
    assert_int_equal(gantry_stream_next(stream, -1, &message, &stage->err), 1);
    assert_int_equal(message.kind, GANTRY_REPLY);
    gantry_stream_close(&stream);
}

static void flood(struct peer *peer)
{
    uint64_t id;

    take(peer, "request");
    id = peer->envelope.id;
    for (uint64_t sent = 0; sent < 4 * GANTRY_WINDOW; sent += PIECE)
        send_data(peer, id, "stdout", PIECE, false);
    take(peer, "cancel");
}

static void a_flood_beyond_the_credit_is_cut_off(void **state)
{
    struct stage *stage = *state;
    struct gantry_stream *stream;
    struct gantry_message message;
    uint64_t queued = 0;

    connect_to(stage, flood);
    stream = open_attach(stage);
    while (!stream->ended) /* nobody fetches */
        gantry_wait(stage->client, NULL, NULL, 0, 1000);
    for (struct incoming *at = stream->first; at != NULL; at = at->next)
        queued += zframe_size(at->body);
    assert_true(queued <= 2 * GANTRY_WINDOW);
    while (gantry_stream_next(stream, -1, &message, &stage->err) == 1)
        assert_int_equal(message.kind, GANTRY_DATA);
    assert_int_equal(stage->err.code, ERROR_DATA_LOSS);
    gantry_stream_close(&stream);
}

static void take_input(struct peer *peer)
{
    uint64_t id, got = 0, allowed = 100000;
    struct credit credit = { .count = allowed };
    struct tasks_attach_reply reply = { SET(exit_status, 0) };

    take(peer, "request");
    id = peer->envelope.id;
    take(peer, "credit");
    answer(peer, id, "credit", credit_record(), &credit);
    do {
        take(peer, "data");
        got += zframe_size(peer->body);
        if (strcmp(peer->envelope.stream, "stdin") != 0 || got > allowed)
            abort();
        if (got == allowed) {
            answer(peer, id, "credit", credit_record(), &credit);
            allowed += credit.count;
        }
    } while (!peer->envelope.end);
    reply.exit_status = got == 250000 ? 0 : 1;
    answer(peer, id, "reply", tasks_attach_reply_record(), &reply);
}

static void input_waits_for_the_daemons_credit(void **state)
{
    struct stage *stage = *state;
    char *bytes = calloc(1, 250000);
    struct gantry_stream *stream;
    struct gantry_message message;

    connect_to(stage, take_input);
    stream = open_attach(stage);
    assert_int_equal(gantry_stream_room(stream), 0);
    assert_int_equal(gantry_stream_send(stream, "stdin", bytes, 250000, false, &stage->err), 0);
    assert_int_equal(gantry_stream_send(stream, "stdin", NULL, 0, true, &stage->err), 0);
    assert_int_equal(gantry_stream_next(stream, -1, &message, &stage->err), 1);
    assert_int_equal(message.kind, GANTRY_REPLY);
    assert_int_equal(((const struct tasks_attach_reply *)message.body)->exit_status, 0);
    gantry_stream_close(&stream);
    free(bytes);
}

/* Answers a call that was made while a stream is open, then the stream. */
static void answer_crosswise(struct peer *peer)
{
    struct tasks_attach_reply reply = { SET(exit_status, 5) };
    uint64_t stream;

    take(peer, "request");
    stream = peer->envelope.id;
    take(peer, "request");
    send_data(peer, stream, "stdout", 10, false);
    answer_version(peer, "meanwhile");
    answer(peer, stream, "reply", tasks_attach_reply_record(), &reply);
}

static void a_call_beside_an_open_stream_mixes_nothing_up(void **state)
{
    struct stage *stage = *state;
    struct daemon_version_reply reply;
    struct gantry_stream *stream;
    struct gantry_message message;

    connect_to(stage, answer_crosswise);
    stream = open_attach(stage);
    assert_int_equal(ask_version(stage, &reply), 0);
    assert_string_equal(reply.version, "meanwhile");
    assert_int_equal(gantry_stream_next(stream, -1, &message, &stage->err), 1);
    assert_int_equal(message.kind, GANTRY_DATA);
    assert_int_equal(message.size, 10);
    assert_int_equal(gantry_stream_next(stream, -1, &message, &stage->err), 1);
    assert_int_equal(((const struct tasks_attach_reply *)message.body)->exit_status, 5);
    gantry_stream_close(&stream);
}

/* Two calls are there before the first is answered, which is the second one. */
static void answer_the_other_way_round(struct peer *peer)
{
    struct daemon_version_reply reply = { .version = "first", .protocol = 1, .os = "linux", .arch = "amd64" };
    uint64_t first;

    take(peer, "request");
    first = peer->envelope.id;
    take(peer, "request");
    answer_version(peer, "second");
    answer(peer, first, "reply", daemon_version_reply_record(), &reply);
}

static void calls_in_two_steps_are_under_way_together(void **state)
{
    const struct nothing nothing = { 0 };
    struct stage *stage = *state;
    struct gantry_stream *calls[2];
    struct daemon_version_reply reply;

    connect_to(stage, answer_the_other_way_round);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            gantry_call_begin(stage->client, &op_daemon_version, &nothing, &calls[i], &stage->err), 0);
    assert_int_equal(gantry_call_end(&calls[0], &reply, stage->arena, &stage->err), 0);
    assert_string_equal(reply.version, "first");
    assert_int_equal(gantry_call_end(&calls[1], &reply, stage->arena, &stage->err), 0);
    assert_string_equal(reply.version, "second");
    assert_null(calls[1]);
}

static void expect_cancel(struct peer *peer)
{
    uint64_t id;

    take(peer, "request");
    id = peer->envelope.id;
    take(peer, "cancel");
    if (peer->envelope.id != id)
        abort();
    send_data(peer, id, "stdout", 10, false); /* for nobody any more */
    take(peer, "request");
    answer_version(peer, "after");
}

static void closing_a_stream_cancels_it(void **state)
{
    struct stage *stage = *state;
    struct daemon_version_reply reply;
    struct gantry_stream *stream;

    connect_to(stage, expect_cancel);
    stream = open_attach(stage);
    gantry_stream_close(&stream);
    assert_null(stream);
    assert_int_equal(ask_version(stage, &reply), 0);
    assert_string_equal(reply.version, "after");
}

/* Answers pings as a daemon does that knows only the requests after the first. */
static void forget_the_first(struct peer *peer)
{
    uint64_t first;

    take(peer, "request");
    first = peer->envelope.id;
    do {
        if (!take_any(peer))
            return;
    } while (strcmp(peer->envelope.kind, "ping") != 0 || peer->envelope.id == 0);
    if (peer->envelope.id != first)
        abort();
    answer_failure(peer, first, "aborted", "the request is not known");
}

static void a_ping_finds_out_that_a_request_was_forgotten(void **state)
{
    struct stage *stage = *state;
    struct gantry_stream *stream;
    struct gantry_message message;

    connect_to(stage, forget_the_first);
    client_times.ping = 20;
    stream = open_attach(stage);
    assert_int_equal(gantry_stream_next(stream, -1, &message, &stage->err), -1);
    assert_int_equal(stage->err.code, ERROR_ABORTED);
    gantry_stream_close(&stream);
}

static void nobody_ends_twice(struct peer *peer)
{
    take(peer, "request");
    answer_failure(peer, peer->envelope.id, "aborted", "first");
    answer_failure(peer, peer->envelope.id, "aborted", "second");
}

static void only_the_first_final_answer_counts(void **state)
{
    struct stage *stage = *state;
    struct gantry_stream *stream;
    struct gantry_message message;

    connect_to(stage, nobody_ends_twice);
    stream = open_attach(stage);
    assert_int_equal(gantry_stream_next(stream, -1, &message, &stage->err), -1);
    assert_string_equal(stage->err.text, "first");
    assert_int_equal(gantry_stream_next(stream, 0, &message, &stage->err), -1);
    assert_int_equal(stage->err.code, ERROR_FAILED_PRECONDITION);
    gantry_stream_close(&stream);
}

static void a_wait_sees_descriptors_and_the_time(void **state)
{
    struct stage *stage = *state;
    int fd = eventfd(0, EFD_CLOEXEC);
    struct gantry_fd fds[] = { { .fd = -1 }, { .fd = fd }, { .fd = fd, .for_writing = true } };

    connect_to(stage, answer_and_vanish);
    assert_int_equal(gantry_wait(stage->client, NULL, fds, 2, 0), 0);
    assert_int_equal(gantry_wait(stage->client, NULL, fds, 3, -1), 1);
    assert_false(fds[0].ready || fds[1].ready);
    assert_true(fds[2].ready);
    assert_int_equal(eventfd_write(fd, 1), 0);
    assert_int_equal(gantry_wait(stage->client, NULL, fds, 2, -1), 1);
    assert_true(fds[1].ready);
    close(fd);
    assert_int_equal(ask_version(stage, &(struct daemon_version_reply){ 0 }), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(output_comes_in_order_within_the_window),
        T(the_first_credit_follows_the_request),
        T(items_are_counted_one_by_one),
        T(a_flood_beyond_the_credit_is_cut_off),
        T(input_waits_for_the_daemons_credit),
        T(a_call_beside_an_open_stream_mixes_nothing_up),
        T(calls_in_two_steps_are_under_way_together),
        T(closing_a_stream_cancels_it),
        T(a_ping_finds_out_that_a_request_was_forgotten),
        T(only_the_first_final_answer_counts),
        T(a_wait_sees_descriptors_and_the_time),
    };

    zsys_handler_set(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
