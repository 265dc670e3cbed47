/* What a container writes and reads, by pipes and by a terminal. */
#include "tests/platform/shim_fixture.h"

/* ---- output ------------------------------------------------------------------------ */

static void held_output_arrives_complete(void **state UNUSED)
{
    struct container c = { .args = "[\"sh\",\"-c\",\"cat /etc/big; cat /etc/big >&2\"]", .hold = true };
    const size_t size = 6 << 20;
    struct output output = { 0 };
    struct task_stream *stream;
    char *big = malloc(size);
    struct error err;

    random_bytes(big, size);
    assert_int_equal(fs_write(in_base("image/etc/big"), big, size, 0644, false, &err), 0);
    create(&c);
    ask(&c, .what = "start"); /* before anybody is attached: nothing is read */
    stream = attach(&c, SET(hold, true));
    take_all(stream, &output);
    assert_int_equal(output.out.size, size);
    assert_memory_equal(output.out.data, big, size);
    assert_int_equal(output.error.size, size);
    assert_memory_equal(output.error.data, big, size);
    assert_true(output.has_exit);
    assert_int_equal(output.exit.status, 0);
    task_stream_close(&stream);
    output_free(&output);
    delete(&c);
    free(big);
}

/* The state of a process as the kernel says it: S is waiting. */
static char process_state(uint64_t pid)
{
    char path[64], *text, letter;
    struct error err;
    size_t size;

    snprintf(path, sizeof(path), "/proc/%llu/stat", (unsigned long long)pid);
    text = fs_read(path, 4096, &size, &err);
    assert_non_null(text);
    letter = strrchr(text, ')')[2];
    free(text);
    return letter;
}

static void a_client_that_holds_makes_the_container_wait(void **state UNUSED)
{
    struct container c = { .args = "[\"dd\",\"if=/dev/zero\",\"bs=64k\",\"count=512\"]", .hold = true };
    struct output output = { 0 };
    struct task_stream *stream;

    create(&c);
    stream = attach(&c, SET(hold, true));
    ask(&c, .what = "start");
    assert_true(take_item(stream, &output)); /* the answer */
    assert_true(take_item(stream, &output));
    /* it writes 32 MiB; pipe, socket and shim take less than two: it must come to wait */
    while (process_state(c.pid) != 'S')
        ask(&c, .what = "state");
    assert_int_equal(c.exit_count, 0);
    take_all(stream, &output);
    assert_int_equal(output.out.size, 32 << 20);
    assert_int_equal(output.exit.status, 0);
    task_stream_close(&stream);
    output_free(&output);
    delete(&c);
}

static void losing_the_client_that_holds_lets_the_container_go_on(void **state UNUSED)
{
    struct container c = { .args = "[\"dd\",\"if=/dev/zero\",\"bs=64k\",\"count=256\"]", .hold = true };
    struct output output = { 0 };
    struct task_stream *stream;

    create(&c);
    stream = attach(&c, SET(hold, true));
    ask(&c, .what = "start");
    while (output.out.size == 0)
        assert_true(take_item(stream, &output));
    task_stream_close(&stream);
    assert_int_equal(wait_exit(&c, NULL).status, 0);
    output_free(&output);
    delete(&c);
}

static void a_stalled_client_is_cut_off_and_a_live_one_gets_everything(void **state UNUSED)
{
    struct container c = { .args = "[\"dd\",\"if=/dev/zero\",\"bs=64k\",\"count=1024\"]", .hold = true };
    struct output live = { 0 }, stalled = { 0 };
    struct task_stream *live_stream, *stalled_stream;

    create(&c);
    stalled_stream = attach(&c);
    live_stream = attach(&c, SET(hold, true));
    ask(&c, .what = "start");
    take_all(live_stream, &live);
    assert_int_equal(live.out.size, 64 << 20);
    assert_int_equal(live.exit.status, 0);
    take_all(stalled_stream, &stalled);
    assert_false(stalled.has_exit);
    assert_string_equal(stalled.failure.code, "resource_exhausted");
    assert_true(stalled.out.size < 4 << 20);
    task_stream_close(&live_stream);
    task_stream_close(&stalled_stream);
    output_free(&live);
    output_free(&stalled);
    delete(&c);
}

static void a_late_client_learns_the_end(void **state UNUSED)
{
    struct container c = { .args = "[\"sh\",\"-c\",\"exit 3\"]" };
    struct output output = { 0 };
    struct task_stream *stream;

    create(&c);
    ask(&c, .what = "start");
    wait_exit(&c, NULL);
    stream = attach(&c);
    take_all(stream, &output);
    assert_int_equal(output.exit.status, 3);
    task_stream_close(&stream);
    output_free(&output);
    delete(&c);
}

/* ---- input -------------------------------------------------------------------------- */

static void input_comes_back_and_ends(void **state UNUSED)
{
    struct container c = { .args = "[\"cat\"]", .stdin = true, .hold = true };
    struct output output = { 0 };
    struct task_stream *stream;

    create(&c);
    stream = attach(&c, SET(stdin, true), SET(hold, true));
    type_in(stream, "early ", false); /* before it runs */
    ask(&c, .what = "start");
    type_in(stream, "bird", false);
    take_until(stream, &output, "early bird");
    type_in(stream, "!", true);
    take_all(stream, &output);
    assert_string_equal(output.out.data, "early bird!");
    assert_int_equal(output.exit.status, 0);
    task_stream_close(&stream);
    output_free(&output);
    delete(&c);
}

static void much_input_waits_for_its_reader(void **state UNUSED)
{
    struct container c = { .args = "[\"sh\",\"-c\",\"echo ready; cat\"]", .stdin = true, .hold = true };
    const size_t size = 8 << 20;
    char *big = malloc(size);
    struct output output = { 0 };
    struct task_stream *stream;
    struct error err;
    size_t sent = 0;
    bool was_full = false;

    random_bytes(big, size);
    create(&c);
    stream = attach(&c, SET(stdin, true), SET(hold, true));
    ask(&c, .what = "start");
    take_until(stream, &output, "ready\n");
    output.out.size = 0;
    while (sent < size) {
        size_t piece = size - sent < TASK_DATA_MAX ? size - sent : TASK_DATA_MAX;
        int status = task_stream_send(stream, big + sent, piece, sent + piece == size, &err);

        assert_true(status >= 0);
        sent += status == 1 ? piece : 0;
        was_full |= status == 0;
        if (status == 0) /* it goes on when we read what came back */
            assert_true(take_item(stream, &output));
    }
    take_all(stream, &output);
    assert_true(was_full);
    assert_int_equal(output.out.size, size);
    assert_memory_equal(output.out.data, big, size);
    task_stream_close(&stream);
    output_free(&output);
    delete(&c);
    free(big);
}

static void input_can_be_closed_by_question(void **state UNUSED)
{
    struct container c = { .args = "[\"cat\"]", .stdin = true };

    create(&c);
    ask(&c, .what = "start");
    ask(&c, .what = "close_stdin");
    assert_int_equal(wait_exit(&c, NULL).status, 0);
    delete(&c);
}

static void without_stdin_it_is_empty(void **state UNUSED)
{
    struct container c = { .args = "[\"cat\"]" };

    create(&c);
    ask(&c, .what = "start");
    assert_int_equal(wait_exit(&c, NULL).status, 0);
    delete(&c);
}

static void input_to_who_does_not_read_is_thrown_away(void **state UNUSED)
{
    struct container c = { .args = "[\"sh\",\"-c\",\"exec <&-; echo closed; sleep 1000\"]",
                           .stdin = true, .hold = true };
    struct output output = { 0 };
    struct task_stream *stream;

    create(&c);
    stream = attach(&c, SET(stdin, true), SET(hold, true));
    ask(&c, .what = "start");
    take_until(stream, &output, "closed");
    for (int i = 0; i < 200; i++)
        type_in(stream, "nobody reads this\n", false);
    quit(&c);
    task_stream_close(&stream);
    output_free(&output);
}

/* ---- terminals ----------------------------------------------------------------------- */

static void a_terminal_has_a_size_and_it_changes(void **state UNUSED)
{
    struct container c = {
        .args = "[\"sh\",\"-c\",\"tty >/dev/null && echo is a tty; stty size; trap 'stty size; exit 5' WINCH; "
                "echo ready; while :; do sleep 0.1; done\"]",
        .tty = true, .hold = true, .window = &(struct window){ .columns = 93, .rows = 31 }
    };
    struct output output = { 0 };
    struct task_stream *stream;

    create(&c);
    stream = attach(&c, SET(hold, true));
    ask(&c, .what = "start");
    take_until(stream, &output, "ready");
    assert_non_null(memmem(output.out.data, output.out.size, "is a tty", 8));
    assert_non_null(memmem(output.out.data, output.out.size, "31 93", 5));
    ask(&c, .what = "resize", .window = &(struct window){ .columns = 120, .rows = 40 });
    take_all(stream, &output);
    assert_non_null(strstr(output.out.data, "40 120"));
    assert_int_equal(output.exit.status, 5);
    task_stream_close(&stream);
    output_free(&output);
    delete(&c);
}

static void a_terminal_echoes_and_takes_the_end_of_input(void **state UNUSED)
{
    struct container c = { .args = "[\"sh\",\"-c\",\"echo ready; cat; echo after\"]", .tty = true,
                           .stdin = true, .hold = true };
    struct output output = { 0 };
    struct task_stream *stream;

    create(&c);
    stream = attach(&c, SET(stdin, true), SET(hold, true));
    ask(&c, .what = "start");
    take_until(stream, &output, "ready");
    type_in(stream, "one\nhalf a line", true); /* the end comes after a line that was begun */
    take_all(stream, &output);
    assert_non_null(strstr(output.out.data, "one\r\nhalf a line")); /* its echo */
    assert_non_null(strstr(output.out.data, "one\r\nhalf a lineafter\r\n"));
    task_stream_close(&stream);
    output_free(&output);
    delete(&c);
}

static void all_that_a_terminal_was_written_arrives(void **state UNUSED)
{
    struct container c = { .args = "[\"sh\",\"-c\",\"stty -opost; i=0; while [ $i -lt 20000 ]; do echo line $i; "
                                   "i=$((i+1)); done; echo last\"]",
                           .tty = true, .hold = true };
    struct output output = { 0 };
    struct task_stream *stream;
    char *at, line[32];

    create(&c);
    stream = attach(&c, SET(hold, true));
    ask(&c, .what = "start");
    take_all(stream, &output);
    at = output.out.data;
    for (int i = 0; i < 20000; i++) {
        int length = snprintf(line, sizeof(line), "line %d\n", i);

        assert_memory_equal(at, line, (size_t)length);
        at += length;
    }
    assert_string_equal(at, "last\n");
    task_stream_close(&stream);
    output_free(&output);
    delete(&c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, nothing_is_left)
    const struct CMUnitTest tests[] = {
        TEST(held_output_arrives_complete),
        TEST(a_client_that_holds_makes_the_container_wait),
        TEST(losing_the_client_that_holds_lets_the_container_go_on),
        TEST(a_stalled_client_is_cut_off_and_a_live_one_gets_everything),
        TEST(a_late_client_learns_the_end),
        TEST(input_comes_back_and_ends),
        TEST(much_input_waits_for_its_reader),
        TEST(input_can_be_closed_by_question),
        TEST(without_stdin_it_is_empty),
        TEST(input_to_who_does_not_read_is_thrown_away),
        TEST(a_terminal_has_a_size_and_it_changes),
        TEST(a_terminal_echoes_and_takes_the_end_of_input),
        TEST(all_that_a_terminal_was_written_arrives),
    };

    return run_with_every_runtime(tests);
}
