/* Containers whose creation waits for their start, and supervisors that were started ahead. */
#include "tests/platform/shim_fixture.h"

/* ---- deferred ------------------------------------------------------------------------ */

static void a_deferred_container_is_made_by_its_start(void **state UNUSED)
{
    struct container c = { .args = "[\"sh\",\"-c\",\"exit 7\"]", .defer = true };
    const struct shim_process *own;

    create(&c);
    assert_int_equal(c.pid, 0);
    own = ask(&c, .what = "state").state->processes.items;
    assert_string_equal(own->status, "created");
    assert_false(own->has_pid);
    assert_int_equal(ask(&c, .what = "pids").pids->processes.count, 0);
    ask_refused(&c, "failed_precondition", .what = "exec", .exec = "e", .process = "task");
    assert_true(ask(&c, .what = "start").pid > 1);
    assert_int_equal(wait_exit(&c, NULL).status, 7);
    ask_refused(&c, "failed_precondition", .what = "start");
    delete(&c);
}

static void who_attaches_before_the_start_gets_everything(void **state UNUSED)
{
    struct container c = { .args = "[\"sh\",\"-c\",\"cat; echo done >&2\"]",
                           .stdin = true,
                           .hold = true,
                           .defer = true };
    struct output output = { 0 };
    struct task_stream *stream;

    create(&c);
    stream = attach(&c, SET(hold, true), SET(stdin, true));
    type_in(stream, "early\n", true);
    ask(&c, .what = "start");
    take_all(stream, &output);
    assert_string_equal(output.out.data, "early\n");
    assert_string_equal(output.error.data, "done\n");
    assert_true(output.has_exit);
    task_stream_close(&stream);
    output_free(&output);
    delete(&c);
}

static void a_container_with_a_terminal_is_not_deferred(void **state UNUSED)
{
    const struct window window = { .columns = 91, .rows = 17 };
    struct container c = {
        .args = "[\"stty\",\"size\"]", .tty = true, .hold = true, .defer = true, .window = &window
    };
    struct output output = { 0 };
    struct task_stream *stream;

    create(&c); /* its terminal gets its size between creation and start */
    assert_true(c.pid > 1);
    stream = attach(&c, SET(hold, true));
    ask(&c, .what = "start");
    take_all(stream, &output);
    assert_non_null(strstr(output.out.data, "17 91"));
    task_stream_close(&stream);
    output_free(&output);
    delete(&c);
}

static void a_command_that_is_not_there_is_told_by_the_start(void **state UNUSED)
{
    struct container c = { .args = "[\"nowhere\"]", .defer = true };
    const struct shim_process *own;

    create(&c);
    ask_refused(&c, "not_found", .what = "start");
    own = ask(&c, .what = "state").state->processes.items;
    assert_string_equal(own->status, "created");
    ask_refused(&c, "not_found", .what = "start"); /* and once more */
    ask(&c, .what = "kill", SET(signal, SIGKILL));
    assert_int_equal(wait_exit(&c, NULL).status, 137);
    delete(&c);
}

static void what_was_never_started_can_be_ended(void **state UNUSED)
{
    struct container c = { .args = "[\"true\"]", .hold = true, .defer = true };
    struct container d = { .args = "[\"true\"]", .defer = true };
    struct output output = { 0 };
    struct task_stream *stream;

    create(&c);
    stream = attach(&c, SET(hold, true));
    ask(&c, .what = "kill", SET(signal, SIGWINCH)); /* would not have ended it */
    ask(&c, .what = "kill", SET(signal, SIGTERM), SET(all, true));
    assert_int_equal(wait_exit(&c, NULL).status, 143);
    take_all(stream, &output);
    assert_true(output.has_exit);
    assert_int_equal(output.out.size, 0);
    task_stream_close(&stream);
    output_free(&output);
    delete(&c);
    create(&d);
    quit(&d);
}

static void a_signal_during_the_start_is_not_lost(void **state UNUSED)
{
    struct container c = { .args = "[\"sleep\",\"1000\"]", .defer = true };
    const struct shim_ask start = { .id = 1000, .what = "start" };
    const struct shim_ask end = { .id = 1001, .what = "kill", SET(signal, SIGKILL) };

    create(&c);
    assert_int_equal(task_link_send(c.link, &start, &c.err), 0);
    assert_int_equal(task_link_send(c.link, &end, &c.err), 0);
    assert_int_equal(wait_exit(&c, NULL).status, 137);
    delete(&c);
}

/* ---- ahead ------------------------------------------------------------------------------ */

static void spare_start(struct task_spare *spare)
{
    struct error err;

    if (task_spare_start(TEST_BIN "/gantry-shim", spare, &err) < 0)
        fail_msg("%s", err.text);
}

static void a_supervisor_started_ahead_takes_the_next_container(void **state UNUSED)
{
    struct task_spare spare = { 0 };
    struct container c = { .args = "[\"sh\",\"-c\",\"exit 3\"]", .spare = &spare };

    spare_start(&spare);
    create(&c);
    assert_false(spare.is_there);
    ask(&c, .what = "start");
    assert_int_equal(wait_exit(&c, NULL).status, 3);
    delete(&c);
}

static void a_supervisor_started_ahead_ends_with_who_has_it(void **state UNUSED)
{
    struct task_spare spare = { 0 };
    int output;
    char byte;

    spare_start(&spare);
    output = dup(spare.child.output);
    task_spare_drop(&spare);
    wait_readable(output); /* its end of the pipe is closed: it is gone, and has said nothing */
    assert_int_equal(read(output, &byte, 1), 0);
    close(output);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, nothing_is_left)
    const struct CMUnitTest tests[] = {
        TEST(a_deferred_container_is_made_by_its_start),
        TEST(who_attaches_before_the_start_gets_everything),
        TEST(a_container_with_a_terminal_is_not_deferred),
        TEST(a_command_that_is_not_there_is_told_by_the_start),
        TEST(what_was_never_started_can_be_ended),
        TEST(a_signal_during_the_start_is_not_lost),
        TEST(a_supervisor_started_ahead_takes_the_next_container),
        TEST(a_supervisor_started_ahead_ends_with_who_has_it),
    };

    return run_with_every_runtime(tests);
}
