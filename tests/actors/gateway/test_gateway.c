/* The gateway between hostile clients and two small actors, over a real ipc socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>
#include <czmq.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/base/actor.h"
#include "actors/base/thread_order.h"
#include "actors/base/wire.h"
#include "actors/gateway/gateway.h"
#include "platform/platform.h"

#define PATIENCE_MS 20000

static char folder[] = "/tmp/gantry-gateway-XXXXXX";
static char endpoint[100];
static zactor_t *daemon_thread, *tasks_thread, *gateway;
static atomic_uint waits_open, waits_cancelled;

/* ---- two actors: one answers at once, one never -------------------------------------------- */

static int on_version(void *self, struct request *request, struct error *err)
{
    (void)self, (void)err;
    return request_reply(request, &(struct daemon_version_reply){ "1", 1, "linux", request_namespace(request) });
}

static void wait_gone(void *self, struct request *request, void *arg)
{
    (void)self, (void)request, (void)arg;
    atomic_fetch_add(&waits_cancelled, 1);
}

static int on_wait(void *self, struct request *request, struct error *err)
{
    (void)self, (void)err;
    atomic_fetch_add(&waits_open, 1);
    return request_keep(request, wait_gone, NULL);
}

static int on_adopt(void *self, struct request *request, struct error *err)
{
    (void)self;
    if (!request_is_inside(request))
        return error_set(err, ERROR_PERMISSION_DENIED, "not inside");
    return request_reply(request, &(struct task_info){ .id = "x", .status = "y" });
}

static const struct route daemon_routes[] = { { &op_daemon_version, on_version }, { 0 } };
static const struct route tasks_routes[] = { { &op_tasks_wait, on_wait }, { &op_tasks_adopt, on_adopt }, { 0 } };
static const struct actor daemon_stub = { "daemon", daemon_routes, NULL, NULL };
static const struct actor tasks_stub = { "tasks", tasks_routes, NULL, NULL };

static int set_up(void **state)
{
    static const char *endpoints[] = { endpoint, NULL };
    static const char *const services[] = { "daemon", "tasks", NULL };
    static struct gateway_config config = {
        .endpoints = endpoints, .actors = services, .message_size = 65536, .requests_per_client = 4,
        .requests_total = 16, .lost_after_ms = 3000,
    };
    struct error err = { 0 };

    (void)state;
    zsys_handler_set(NULL);
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/sock", folder);
    daemon_thread = actor_start(&daemon_stub, NULL, &err);
    tasks_thread = actor_start(&tasks_stub, NULL, &err);
    gateway = gateway_start(&config, &err);
    if (gateway == NULL)
        print_error("%s\n", err.text);
    return gateway != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct error err;

    (void)state;
    gateway_stop(&gateway);
    actor_stop(&tasks_thread);
    actor_stop(&daemon_thread);
    return fs_remove_tree(folder, &err);
}

/* ---- a client -------------------------------------------------------------------------------- */

static zsock_t *client_open(int type)
{
    zsock_t *client = zsock_new(type);

    zsock_set_rcvtimeo(client, PATIENCE_MS);
    zsock_set_linger(client, 1000);
    assert_int_equal(zsock_connect(client, "%s", endpoint), 0);
    return client;
}

static void send_request(zsock_t *client, uint64_t id, const struct op *op, const void *body)
{
    struct envelope envelope = { .version = 1, .id = id, .kind = "request", .op = op->name };
    zframe_t *frame = wire_frame(op->request(), body);

    assert_int_equal(wire_send(client, NULL, &envelope, &frame), 0);
}

static void send_bytes(zsock_t *client, const void *head, size_t head_size, const void *body, size_t body_size)
{
    zmsg_t *msg = zmsg_new();

    zmsg_addmem(msg, head, head_size);
    if (body != NULL)
        zmsg_addmem(msg, body, body_size);
    assert_int_equal(zmsg_send(&msg, client), 0);
}

/* The next answer that is no ping; its failure's code, or "reply". */
static const char *answer_of(zsock_t *client, uint64_t *id, char message[200])
{
    static char code[40];
    struct error err = { 0 };
    struct message *answer = NULL;
    struct failure failure;

    do {
        message_free(&answer);
        answer = message_receive(client, false, &err);
        assert_non_null(answer);
    } while (streq(answer->envelope.kind, "ping") || streq(answer->envelope.kind, "pong"));
    *id = answer->envelope.id;
    snprintf(code, sizeof(code), "%s", answer->envelope.kind);
    message[0] = '\0';
    if (streq(code, "error")) {
        assert_int_equal(wire_unframe(answer->body, failure_record(), RECORD_LENIENT, &failure, answer->arena, &err), 0);
        snprintf(code, sizeof(code), "%s", failure.code);
        snprintf(message, 200, "%s", failure.message);
    }
    message_free(&answer);
    return code;
}

static void assert_alive(void)
{
    zsock_t *client = client_open(ZMQ_DEALER);
    char message[200];
    uint64_t id;

    send_request(client, 77, &op_daemon_version, &(struct nothing){ 0 });
    assert_string_equal(answer_of(client, &id, message), "reply");
    assert_int_equal(id, 77);
    zsock_destroy(&client);
}

static void wait_until(atomic_uint *number, unsigned at_least)
{
    int64_t until = zclock_mono() + PATIENCE_MS;

    while (atomic_load(number) < at_least && zclock_mono() < until)
        zmq_poll(NULL, 0, 10);
    assert_true(atomic_load(number) >= at_least);
}

/* ---- tests ------------------------------------------------------------------------------------ */

static void the_socket_is_for_root_and_its_group_only(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(stat(endpoint + 6, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
}

static void a_request_is_answered_under_the_callers_own_id(void **state)
{
    (void)state;
    assert_alive();
}

static void a_client_of_type_req_is_served_too(void **state)
{
    zsock_t *client = client_open(ZMQ_REQ);
    char message[200];
    uint64_t id;

    (void)state;
    send_request(client, 5, &op_daemon_version, &(struct nothing){ 0 });
    assert_string_equal(answer_of(client, &id, message), "reply");
    assert_int_equal(id, 5);
    zsock_destroy(&client);
}

static void an_unknown_operation_is_unimplemented_and_named(void **state)
{
    static const struct op odd = { "daemon.dance", "", VERB_READ, nothing_record, nothing_record, nothing_record };
    zsock_t *client = client_open(ZMQ_DEALER);
    char message[200];
    uint64_t id;

    (void)state;
    send_request(client, 1, &odd, &(struct nothing){ 0 });
    assert_string_equal(answer_of(client, &id, message), "unimplemented");
    assert_non_null(strstr(message, "daemon.dance"));
    zsock_destroy(&client);
}

static void an_envelope_cut_off_at_every_byte_is_refused_and_hurts_nobody(void **state)
{
    struct envelope envelope = { .version = 1, .id = 9, .kind = "request", .op = "daemon.version", .namespace = "n" };
    zframe_t *whole = wire_frame(envelope_record(), &envelope);
    zsock_t *client = client_open(ZMQ_DEALER);
    char message[200];
    uint64_t id;

    (void)state;
    for (size_t size = 1; size < zframe_size(whole); size++) {
        send_bytes(client, zframe_data(whole), size, "\x80", 1);
        assert_string_equal(answer_of(client, &id, message), "invalid_argument");
    }
    zframe_destroy(&whole);
    zsock_destroy(&client);
    assert_alive();
}

static void random_bytes_are_refused_and_hurt_nobody(void **state)
{
    zsock_t *client = client_open(ZMQ_DEALER);
    unsigned seed = (unsigned)zclock_usecs();
    char noise[64], message[200];
    uint64_t id;

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < 500; i++) {
        size_t size = 1 + (size_t)rand() % sizeof(noise);

        for (size_t j = 0; j < size; j++)
            noise[j] = (char)rand();
        send_bytes(client, noise, size, noise, size);
        assert_string_not_equal(answer_of(client, &id, message), "reply");
    }
    zsock_destroy(&client);
    assert_alive();
}

static void counts_that_lie_take_no_memory(void **state)
{
    zsock_t *client = client_open(ZMQ_DEALER);
    char message[200], deep[200];
    uint64_t id;

    (void)state;
    send_bytes(client, "\xdd\x10\x00\x00\x00", 5, "\x80", 1);
    assert_string_equal(answer_of(client, &id, message), "invalid_argument");
    memset(deep, '\x91', sizeof(deep));
    send_bytes(client, deep, sizeof(deep), "\x80", 1);
    assert_string_equal(answer_of(client, &id, message), "invalid_argument");
    zsock_destroy(&client);
    assert_alive();
}

static void a_message_with_one_or_three_frames_is_refused(void **state)
{
    struct envelope envelope = { .version = 1, .id = 9, .kind = "request", .op = "daemon.version" };
    zframe_t *whole = wire_frame(envelope_record(), &envelope);
    zsock_t *client = client_open(ZMQ_DEALER);
    char message[200];
    uint64_t id;
    zmsg_t *three = zmsg_new();

    (void)state;
    send_bytes(client, zframe_data(whole), zframe_size(whole), NULL, 0);
    assert_string_equal(answer_of(client, &id, message), "invalid_argument");
    zmsg_append(three, &whole);
    zmsg_addstr(three, "\x80");
    zmsg_addstr(three, "\x80");
    zmsg_send(&three, client);
    assert_string_equal(answer_of(client, &id, message), "invalid_argument");
    assert_int_equal(id, 9);
    zsock_destroy(&client);
}

static void another_protocol_version_is_refused_with_a_reason(void **state)
{
    struct envelope envelope = { .version = 2, .id = 3, .kind = "request", .op = "daemon.version" };
    zsock_t *client = client_open(ZMQ_DEALER);
    zframe_t *body = wire_frame(nothing_record(), &(struct nothing){ 0 });
    char message[200];
    uint64_t id;

    (void)state;
    wire_send(client, NULL, &envelope, &body);
    assert_string_equal(answer_of(client, &id, message), "unimplemented");
    assert_non_null(strstr(message, "version 2"));
    zsock_destroy(&client);
}

static void a_namespace_out_of_grammar_is_refused(void **state)
{
    static const char *const bad[] = { "", "-a", "a-", "a..b", "a/b", "..", "\xc3\xa4",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
    zsock_t *client = client_open(ZMQ_DEALER);
    char message[200];
    uint64_t id;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct envelope envelope = { .version = 1, .id = i, .kind = "request", .op = "daemon.version", .namespace = bad[i] };
        zframe_t *body = wire_frame(nothing_record(), &(struct nothing){ 0 });

        wire_send(client, NULL, &envelope, &body);
        assert_string_equal(answer_of(client, &id, message), "invalid_argument");
    }
    zsock_destroy(&client);
}

static void a_client_cannot_speak_as_the_daemon_itself(void **state)
{
    struct envelope envelope = { .version = 1, .id = 3, .kind = "request", .op = "tasks.adopt", SET(inside, true) };
    zsock_t *client = client_open(ZMQ_DEALER);
    zframe_t *body = wire_frame(tasks_adopt_request_record(), &(struct tasks_adopt_request){ .id = "x" });
    char message[200];
    uint64_t id;

    (void)state;
    wire_send(client, NULL, &envelope, &body);
    assert_string_equal(answer_of(client, &id, message), "permission_denied");
    zsock_destroy(&client);
}

static void more_requests_than_allowed_are_refused_at_once(void **state)
{
    zsock_t *client = client_open(ZMQ_DEALER);
    unsigned before = atomic_load(&waits_cancelled);
    char message[200];
    uint64_t id;

    (void)state;
    for (uint64_t i = 1; i <= 5; i++)
        send_request(client, i, &op_tasks_wait, &(struct tasks_get_request){ .id = "a" });
    assert_string_equal(answer_of(client, &id, message), "resource_exhausted");
    assert_int_equal(id, 5);
    send_request(client, 1, &op_tasks_wait, &(struct tasks_get_request){ .id = "a" });
    assert_string_equal(answer_of(client, &id, message), "invalid_argument"); /* the id is in use */
    zsock_destroy(&client);
    wait_until(&waits_cancelled, before + 4);
}

static void what_a_client_cancels_is_answered_as_cancelled(void **state)
{
    struct envelope cancel = { .version = 1, .id = 8, .kind = "cancel" };
    zsock_t *client = client_open(ZMQ_DEALER);
    zframe_t *body = wire_frame(nothing_record(), &(struct nothing){ 0 });
    char message[200];
    uint64_t id;

    (void)state;
    send_request(client, 8, &op_tasks_wait, &(struct tasks_get_request){ .id = "a" });
    wire_send(client, NULL, &cancel, &body);
    assert_string_equal(answer_of(client, &id, message), "cancelled");
    assert_int_equal(id, 8);
    zsock_destroy(&client);
}

static void a_request_whose_time_is_up_is_answered(void **state)
{
    struct envelope envelope = { .version = 1, .id = 4, .kind = "request", .op = "tasks.wait", SET(ttl_ms, 50) };
    zsock_t *client = client_open(ZMQ_DEALER);
    zframe_t *body = wire_frame(tasks_get_request_record(), &(struct tasks_get_request){ .id = "a" });
    char message[200];
    uint64_t id;

    (void)state;
    wire_send(client, NULL, &envelope, &body);
    assert_string_equal(answer_of(client, &id, message), "deadline_exceeded");
    zsock_destroy(&client);
}

static void the_work_of_a_client_that_vanished_is_cancelled(void **state)
{
    zsock_t *client = client_open(ZMQ_DEALER);
    unsigned open = atomic_load(&waits_open), cancelled = atomic_load(&waits_cancelled);

    (void)state;
    send_request(client, 1, &op_tasks_wait, &(struct tasks_get_request){ .id = "a" });
    wait_until(&waits_open, open + 1);
    zsock_destroy(&client);
    wait_until(&waits_cancelled, cancelled + 1);
}

static void the_work_of_a_client_that_falls_silent_is_cancelled(void **state)
{
    zsock_t *client = client_open(ZMQ_DEALER); /* it never answers a ping */
    unsigned open = atomic_load(&waits_open), cancelled = atomic_load(&waits_cancelled);

    (void)state;
    send_request(client, 1, &op_tasks_wait, &(struct tasks_get_request){ .id = "a" });
    wait_until(&waits_open, open + 1);
    wait_until(&waits_cancelled, cancelled + 1);
    zsock_destroy(&client);
}

static void a_ping_asks_whether_a_request_is_still_open(void **state)
{
    struct envelope ping = { .version = 1, .id = 6, .kind = "ping" };
    zsock_t *client = client_open(ZMQ_DEALER);
    zframe_t *body = wire_frame(nothing_record(), &(struct nothing){ 0 });
    unsigned open = atomic_load(&waits_open), cancelled = atomic_load(&waits_cancelled);
    char message[200];
    uint64_t id;

    (void)state;
    send_request(client, 6, &op_tasks_wait, &(struct tasks_get_request){ .id = "a" });
    wait_until(&waits_open, open + 1);
    wait_until(&waits_cancelled, cancelled + 1); /* silent for so long that it was given up */
    wire_send(client, NULL, &ping, &body);
    assert_string_equal(answer_of(client, &id, message), "aborted");
    assert_int_equal(id, 6);
    zsock_destroy(&client);
}

static void a_message_over_the_limit_ends_the_connection_not_the_daemon(void **state)
{
    zsock_t *client = client_open(ZMQ_DEALER);
    char *large = zmalloc(1 << 20);

    (void)state;
    send_bytes(client, large, 1 << 20, "\x80", 1);
    zsock_set_linger(client, 0);
    assert_alive();
    free(large);
    zsock_destroy(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_socket_is_for_root_and_its_group_only),
        cmocka_unit_test(a_request_is_answered_under_the_callers_own_id),
        cmocka_unit_test(a_client_of_type_req_is_served_too),
        cmocka_unit_test(an_unknown_operation_is_unimplemented_and_named),
        cmocka_unit_test(an_envelope_cut_off_at_every_byte_is_refused_and_hurts_nobody),
        cmocka_unit_test(random_bytes_are_refused_and_hurt_nobody),
        cmocka_unit_test(counts_that_lie_take_no_memory),
        cmocka_unit_test(a_message_with_one_or_three_frames_is_refused),
        cmocka_unit_test(another_protocol_version_is_refused_with_a_reason),
        cmocka_unit_test(a_namespace_out_of_grammar_is_refused),
        cmocka_unit_test(a_client_cannot_speak_as_the_daemon_itself),
        cmocka_unit_test(more_requests_than_allowed_are_refused_at_once),
        cmocka_unit_test(what_a_client_cancels_is_answered_as_cancelled),
        cmocka_unit_test(a_request_whose_time_is_up_is_answered),
        cmocka_unit_test(the_work_of_a_client_that_vanished_is_cancelled),
        cmocka_unit_test(the_work_of_a_client_that_falls_silent_is_cancelled),
        cmocka_unit_test(a_ping_asks_whether_a_request_is_still_open),
        cmocka_unit_test(a_message_over_the_limit_ends_the_connection_not_the_daemon),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
