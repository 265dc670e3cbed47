/* test_attach — clients of a process's streams: held back, stalled, gone, and more than one. */
#include "tests/actors/tasks/task_fixture.h"

#define MIB (1u << 20)

/* `seq 1 COUNT` as it has to arrive. */
static char *seq_text(unsigned count, size_t *size)
{
    char *text = malloc((size_t)count * 8 + 1);

    assert_non_null(text);
    *size = 0;
    for (unsigned i = 1; i <= count; i++)
        *size += (size_t)sprintf(text + *size, "%u\n", i);
    return text;
}

static void assert_seq(const char *bytes, size_t size, unsigned count, bool is_whole)
{
    size_t expected;
    char *text = seq_text(count, &expected);

    if (is_whole)
        assert_int_equal(size, expected);
    assert_true(size <= expected);
    if (memcmp(bytes, text, size) != 0)
        fail_msg("bytes are missing or changed");
    free(text);
}

/* Created, attached to with hold, then started: no byte is missed. */
static uint64_t start_held(struct output *output, const char *id, bool stdin_too)
{
    must(ask(tasks_create, .id = id, SET(hold, true)));
    attach_to(output, .id = id, SET(hold, true), SET(stdin, stdin_too));
    must(ask_get(tasks_start, .id = id));
    return task()->pid;
}

static bool has_file(uint64_t pid, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%llu/root/%s", (unsigned long long)pid, name);
    return access(path, F_OK) == 0;
}

/* ---- credit ---------------------------------------------------------------------------------- */

static void without_credit_the_container_waits(void **state)
{
    struct output output;
    uint64_t pid;

    (void)state;
    make_box(own_id(), "seq 1 1000000; : >/done; exit 6"); /* 6.9 MB */
    pid = start_held(&output, own_id(), false);
    assert_true(peer_hears_nothing(&output.peer, 500));
    assert_false(has_file(pid, "done"));
    must(ask_get(tasks_get, .id = own_id()));
    assert_string_equal(task()->status, "running");
    assert_int_equal(output_all(&output), ERROR_NONE);
    assert_int_equal(((const struct tasks_attach_reply *)output.answer.body)->exit_status, 6);
    assert_seq(output.bytes[0], output.size[0], 1000000, true);
    output_close(&output);
}

static void credit_is_never_overdrawn(void **state)
{
    static const uint64_t parts[] = { 1, 2, 3, 1000, 65536, 61439, 300000, 7, 1 };
    struct output output;
    uint64_t allowed = 0;

    (void)state;
    make_box(own_id(), "seq 1 100000");
    start_held(&output, own_id(), false);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        allowed += parts[i];
        output_allow(&output, parts[i]);
        while (output.size[0] < allowed)
            assert_true(output_next(&output));
        assert_int_equal(output.size[0], allowed);
        assert_true(peer_hears_nothing(&output.peer, 20));
    }
    assert_int_equal(output_all(&output), ERROR_NONE);
    assert_seq(output.bytes[0], output.size[0], 100000, true);
    output_close(&output);
}

static void much_output_comes_in_few_messages(void **state)
{
    struct output output;

    (void)state;
    make_box(own_id(), "exec dd if=/dev/zero bs=1048576 count=16 2>/dev/null");
    start_held(&output, own_id(), false);
    assert_int_equal(output_all(&output), ERROR_NONE);
    assert_int_equal(output.size[0], 16 * MIB);
    assert_in_range(output.most, 64 << 10, 256 << 10);
    output_close(&output);
}

static void both_streams_are_whole(void **state)
{
    struct output output;

    (void)state;
    make_box(own_id(), "seq 1 50000 >&2 & seq 1 50000; wait");
    start_held(&output, own_id(), false);
    assert_int_equal(output_all(&output), ERROR_NONE);
    assert_seq(output.bytes[0], output.size[0], 50000, true);
    assert_seq(output.bytes[1], output.size[1], 50000, true);
    output_close(&output);
}

static void little_output_comes_at_once(void **state)
{
    struct output output;
    uint64_t pid;

    (void)state;
    make_box(own_id(), "echo first; " UNTIL_GO "echo second");
    pid = start_held(&output, own_id(), false);
    output_allow(&output, 1000);
    output_until(&output, "first\n");
    let_go(pid);
    assert_int_equal(output_all(&output), ERROR_NONE);
    assert_string_equal(output.bytes[0], "first\nsecond\n");
    output_close(&output);
}

/* ---- clients that do not read, or go --------------------------------------------------------- */

static void a_client_that_stalls_is_cut_off_alone(void **state)
{
    struct output live, stalled;
    const char *rest;
    uint64_t pid;

    (void)state;
    make_box(own_id(), "while [ ! -e /go ]; do echo tick; sleep 0.02; done; "
                       "seq 1 2000000; exit 2"); /* 14.9 MB */
    pid = start_held(&live, own_id(), false);
    attach_to(&stalled, .id = own_id());
    output_allow(&stalled, 5);
    output_until(&stalled, "tick\n"); /* now it is attached */
    let_go(pid);
    if (output_all(&live) != ERROR_NONE)
        fail_msg("%s", live.answer.message);
    assert_int_equal(((const struct tasks_attach_reply *)live.answer.body)->exit_status, 2);
    for (rest = live.bytes[0]; strncmp(rest, "tick\n", 5) == 0; rest += 5)
        ;
    assert_seq(rest, live.size[0] - (size_t)(rest - live.bytes[0]), 2000000, true);
    assert_int_equal(output_all(&stalled), ERROR_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(stalled.answer.message, "behind"));
    assert_in_range(stalled.size[0], 5, 4 * MIB);
    output_close(&live);
    output_close(&stalled);
}

/* So much fits into the pipe alone, however it comes. */
static void after_the_end_a_slow_client_still_gets_all(void **state)
{
    struct output output;

    (void)state;
    make_box(own_id(), "seq 1 45000; exit 6"); /* 259 kB */
    start_held(&output, own_id(), false);
    COMES_TRUE(strcmp(must_get(own_id())->status, "exited") == 0);
    assert_true(peer_hears_nothing(&output.peer, 3000)); /* others are given up after two seconds */
    assert_int_equal(output_all(&output), ERROR_NONE);
    assert_int_equal(((const struct tasks_attach_reply *)output.answer.body)->exit_status, 6);
    assert_seq(output.bytes[0], output.size[0], 45000, true);
    output_close(&output);
}

static void who_leaves_lets_the_container_go_on(void **state)
{
    struct output output;

    (void)state;
    make_box(own_id(), "seq 1 1000000; exit 3");
    start_held(&output, own_id(), false);
    assert_true(peer_hears_nothing(&output.peer, 100));
    peer_cancel(&output.peer, output.id);
    while (output_next(&output))
        ;
    assert_int_equal(output.answer.code, ERROR_CANCELLED);
    output_close(&output);
    assert_int_equal(wait_box(own_id()), 3);
}

static void a_shim_that_is_killed_ends_the_attachment_with_an_error(void **state)
{
    struct output output;

    (void)state;
    make_box(own_id(), "echo ready; exec sleep 1000");
    start_held(&output, own_id(), false);
    output_allow(&output, 1000);
    output_until(&output, "ready");
    assert_int_equal(kill(shim_pid(), SIGKILL), 0);
    assert_int_equal(output_all(&output), ERROR_UNAVAILABLE);
    output_close(&output);
    must(ask_get(tasks_wait, .id = own_id())); /* the actor hears of it by another connection, later */
}

/* ---- input ----------------------------------------------------------------------------------- */

/* Sends as much as is allowed, until nothing more is for a while, or `size` is sent. */
static uint64_t send_allowed(struct output *output, uint64_t sent, uint64_t size, int patience_ms)
{
    static char zeros[64 << 10];

    memset(zeros, 'z', sizeof(zeros) - 1);
    while (sent < size) {
        uint64_t room = output->allowed_back - sent;

        if (room == 0 && peer_hears_nothing(&output->peer, patience_ms))
            break;
        if (room == 0) {
            assert_true(output_next(output));
            continue;
        }
        room = room < sizeof(zeros) - 1 ? room : sizeof(zeros) - 1;
        room = room < size - sent ? room : size - sent;
        sent += room;
        peer_data(&output->peer, output->id, "stdin", zeros + sizeof(zeros) - 1 - room,
                  sent == size);
    }
    return sent;
}

static void input_waits_for_its_reader_and_all_of_it_arrives(void **state)
{
    const uint64_t size = 16 * MIB;
    const struct container_options options = { .args = STRS("sh", "-c", UNTIL_GO "exec wc -c"),
                                               SET(stdin, true) };
    struct output output;
    uint64_t pid, sent;

    (void)state;
    must_create(.id = own_id(), .options = &options);
    pid = start_held(&output, own_id(), true);
    output_allow(&output, 1000);
    sent = send_allowed(&output, 0, size, 300);
    assert_in_range(sent, 64 << 10, 1 * MIB); /* a window and what pipe and socket take */
    let_go(pid);
    assert_int_equal(send_allowed(&output, sent, size, PEER_PATIENCE_MS), size);
    assert_int_equal(output_all(&output), ERROR_NONE);
    assert_string_equal(output.bytes[0], "16777216\n");
    output_close(&output);
}

static void a_process_that_ends_does_not_wait_for_its_input(void **state)
{
    const struct container_options options = { .args = STRS("sh", "-c", "head -c 5; exit 4"),
                                               SET(stdin, true) };
    struct output output;

    (void)state;
    must_create(.id = own_id(), .options = &options);
    start_held(&output, own_id(), true);
    output_allow(&output, 1000);
    while (output.allowed_back == 0)
        assert_true(output_next(&output));
    peer_data(&output.peer, output.id, "stdin", "hello and more", false);
    assert_int_equal(output_all(&output), ERROR_NONE);
    assert_string_equal(output.bytes[0], "hello");
    assert_int_equal(((const struct tasks_attach_reply *)output.answer.body)->exit_status, 4);
    output_close(&output);
}

/* ---- terminals ------------------------------------------------------------------------------- */

static void a_terminal_has_the_size_it_is_given(void **state)
{
    const struct container_options options = {
        .args = STRS("sh", "-c",
                     "trap 'stty size; exit 3' WINCH; stty size; while :; do sleep 0.01; done"),
        SET(tty, true),
    };
    struct window first = { .columns = 101, .rows = 31 }, second = { .columns = 77, .rows = 22 };
    struct output output;

    (void)state;
    must_create(.id = own_id(), .options = &options);
    must(ask(tasks_create, .id = own_id(), .window = &first, SET(hold, true)));
    attach_to(&output, .id = own_id(), SET(hold, true));
    must(ask_get(tasks_start, .id = own_id()));
    output_allow(&output, 1000);
    output_until(&output, "31 101");
    must(ask(tasks_resize, .id = own_id(), .window = &second));
    output_until(&output, "22 77");
    assert_int_equal(output_all(&output), ERROR_NONE);
    output_close(&output);
    assert_int_equal(wait_box(own_id()), 3);
}

static void what_has_no_terminal_cannot_be_resized(void **state)
{
    struct window window = { .columns = 80, .rows = 25 };

    (void)state;
    run_box(own_id(), "exec sleep 1000");
    assert_int_equal(ask(tasks_resize, .id = own_id(), .window = &window),
                     ERROR_FAILED_PRECONDITION);
    assert_says("no terminal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOX_TEST(without_credit_the_container_waits),
        BOX_TEST(credit_is_never_overdrawn),
        BOX_TEST(much_output_comes_in_few_messages),
        BOX_TEST(both_streams_are_whole),
        BOX_TEST(little_output_comes_at_once),
        BOX_TEST(a_client_that_stalls_is_cut_off_alone),
        BOX_TEST(after_the_end_a_slow_client_still_gets_all),
        BOX_TEST(who_leaves_lets_the_container_go_on),
        BOX_TEST(a_shim_that_is_killed_ends_the_attachment_with_an_error),
        BOX_TEST(input_waits_for_its_reader_and_all_of_it_arrives),
        BOX_TEST(a_process_that_ends_does_not_wait_for_its_input),
        BOX_TEST(a_terminal_has_the_size_it_is_given),
        BOX_TEST(what_has_no_terminal_cannot_be_resized),
    };

    return cmocka_run_group_tests_name("attach", tests, find_box, drop_box);
}
