/* test_task_replay — a client comes back and says how much it has: it gets the rest, and nothing
 * twice. */
#include "tests/actors/tasks/task_fixture.h"

static struct output output;

/* What comes from there on, and where the position said it goes on live; -1: nothing said so. */
static int64_t stands_at[2];

static void take_all(void)
{
    size_t before = 0;

    stands_at[0] = stands_at[1] = -1;
    output_allow(&output, 1 << 20);
    while (output_next(&output)) {
        const struct envelope *envelope = &output.answer.envelope;

        if (envelope->has_at)
            stands_at[strcmp(envelope->stream, "stderr") == 0] = (int64_t)envelope->at;
        if (output.size[0] + output.size[1] > before) {
            output_allow(&output, output.size[0] + output.size[1] - before);
            before = output.size[0] + output.size[1];
        }
    }
    if (output.answer.code != ERROR_NONE)
        fail_msg("%s", output.answer.message);
}

static const struct tasks_attach_reply *end(void)
{
    return output.answer.body;
}

static void wait_for_log(const char *id, const char *text)
{
    char *log = NULL;

    for (;;) {
        size_t size;
        struct error err = { 0 };

        log = fs_read(store_path(&store, "containers/default/%s/log", id), 16 << 20, &size, &err);
        if (log != NULL && strstr(log, text) != NULL)
            break;
        free(log);
        zclock_sleep(2);
    }
    free(log);
}

/* What follows on the position comes from the process itself, after it was let go. */
static void what_was_written_meanwhile_comes_from_the_log(void **state)
{
    uint64_t pid;

    (void)state;
    run_box("one",
            "echo first; echo -n half; echo wrong >&2; echo ready; " UNTIL_GO "echo last; exit 4");
    must(ask_get(tasks_get, .id = "one"));
    pid = task()->pid;
    wait_for_log("one", "ready");
    attach_to(&output, .id = "one", SET(hold, true), SET(stdout_at, 3), SET(stderr_at, 2));
    output_allow(&output, 1 << 20);
    output_until(&output, "ready\n");
    let_go(pid);
    take_all();
    assert_string_equal(output.bytes[0], "st\nhalfready\nlast\n");
    assert_string_equal(output.bytes[1], "ong\n");
    assert_int_equal(end()->exit_status, 4);
    output_close(&output);
}

static void who_has_all_gets_nothing_twice(void **state)
{
    uint64_t pid;

    (void)state;
    run_box("one", "echo ready; " UNTIL_GO "echo last");
    must(ask_get(tasks_get, .id = "one"));
    pid = task()->pid;
    wait_for_log("one", "ready");
    attach_to(&output, .id = "one", SET(stdout_at, 6), SET(stderr_at, 0));
    while (output_next(&output) && !output.answer.envelope.has_at)
        ;
    assert_int_equal(output.answer.envelope.at, 6);
    let_go(pid);
    take_all();
    assert_string_equal(output.bytes[0], "last\n");
    output_close(&output);
}

static void of_a_process_that_has_ended_the_rest_and_the_end_come(void **state)
{
    (void)state;
    run_box("one", "echo of an earlier run; exit 3");
    assert_int_equal(wait_box("one"), 3);
    start_box("one");
    assert_int_equal(wait_box("one"), 3);
    attach_to(&output, .id = "one", SET(stdout_at, 3), SET(stderr_at, 0));
    take_all();
    assert_string_equal(output.bytes[0], "an earlier run\n"); /* once: of this run alone */
    assert_true(end()->has_exit_status && end()->has_exited);
    assert_int_equal(end()->exit_status, 3);
    output_close(&output);
}

/* Over the files that the log is rotated into. */
static void the_rest_may_lie_in_several_files(void **state)
{
    char line[32];
    size_t at = 0;

    (void)state;
    store_stop(&store);
    store.log_size = 20000;
    store.log_files = 8;
    store_start(&store);
    run_box("one", "seq 1 3000; exit 0");
    assert_int_equal(wait_box("one"), 0);
    assert_true(fs_exists(store_path(&store, "containers/default/one/log.1")));
    attach_to(&output, .id = "one", SET(stdout_at, 21), SET(stderr_at, 0)); /* 1 to 9 and 10 */
    take_all();
    for (int i = 11; i <= 3000; i++) {
        int size = snprintf(line, sizeof(line), "%d\n", i);

        assert_memory_equal(output.bytes[0] + at, line, (size_t)size);
        at += (size_t)size;
    }
    assert_int_equal(output.size[0], at);
    output_close(&output);
}

/* The position tells how much: the client has 0 of it, and gets the end alone. */
static void what_the_log_does_not_have_any_more_is_seen_by_the_position(void **state)
{
    uint64_t pid;

    (void)state;
    store_stop(&store);
    store.log_size = 5000;
    store.log_files = 2;
    store_start(&store);
    run_box("one", "seq 1 3000; echo ready; " UNTIL_GO "exit 0");
    must(ask_get(tasks_get, .id = "one"));
    pid = task()->pid;
    wait_for_log("one", "ready");
    attach_to(&output, .id = "one", SET(stdout_at, 0), SET(stderr_at, 0));
    let_go(pid);
    take_all();
    assert_int_equal(stands_at[0], 9 * 2 + 90 * 3 + 900 * 4 + 2001 * 5 + 6);
    assert_true(output.size[0] > 0 && output.size[0] < (size_t)stands_at[0]);
    assert_non_null(strstr(output.bytes[0], "2999\n3000\nready\n"));
    output_close(&output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOX_TEST(what_was_written_meanwhile_comes_from_the_log),
        BOX_TEST(who_has_all_gets_nothing_twice),
        BOX_TEST(of_a_process_that_has_ended_the_rest_and_the_end_come),
        BOX_TEST(the_rest_may_lie_in_several_files),
        BOX_TEST(what_the_log_does_not_have_any_more_is_seen_by_the_position),
    };

    return cmocka_run_group_tests_name("replay", tests, find_box, drop_box);
}
