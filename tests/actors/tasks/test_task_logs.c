/* test_task_logs — what a container has written, read again: parts of it, and across rotation. */
#include "tests/actors/tasks/task_fixture.h"

static int set_up_small_logs(void **state)
{
    const int result = set_up_box(state);

    store_stop(&store);
    store.log_size = 16 << 10;
    store.log_files = 4;
    store_start(&store);
    return result;
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_small_logs, tear_down_box)

/* All of it, as text; valid until the next of these. */
#define logs_of(...) read_logs(&(struct tasks_logs_request){ __VA_ARGS__ })

static struct output logs;

static const char *read_logs(const struct tasks_logs_request *want)
{
    if (logs.op != NULL)
        output_close(&logs);
    output_open(&logs, &op_tasks_logs, want);
    if (output_all(&logs) != ERROR_NONE)
        fail_msg("%s", logs.answer.message);
    return logs.bytes[0];
}

static int close_logs(void **state)
{
    if (logs.op != NULL)
        output_close(&logs);
    logs.op = NULL;
    return drop_box(state);
}

/* Lines of 100 bytes that begin with their numbers, from the first to the last. */
static void assert_lines(const char *text, unsigned first, unsigned last)
{
    unsigned next = first;

    for (const char *line = text; *line != '\0'; line += 100, next++) {
        if ((unsigned)strtoul(line, NULL, 10) != next || line[99] != '\n')
            fail_msg("line %u is \"%.20s\"", next, line);
    }
    assert_int_equal(next, last + 1);
}

/* Writes such lines, `each` at a time; before each time but the first it waits to be let go. */
#define LINES                                                                               \
    "lines() { i=$1; while [ $i -le $2 ]; do printf '%-99d\\n' $i; i=$((i + 1)); done; }; " \
    "wait_for() { while [ ! -e /go$1 ]; do sleep 0.01; done; }; "

static void let_go_on(uint64_t pid, int step)
{
    char path[64];
    int file;

    snprintf(path, sizeof(path), "/proc/%llu/root/go%d", (unsigned long long)pid, step);
    file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(file >= 0);
    close(file);
}

static void the_last_lines_are_found_across_files(void **state)
{
    char folder[64];

    snprintf(folder, sizeof(folder), "containers/default/%s", own_id());
    (void)state;
    run_box(own_id(), LINES "lines 1 300"); /* 42 KiB with their heads: three files */
    wait_box(own_id());
    assert_lines(logs_of(.id = own_id()), 1, 300);
    assert_true(files_in(folder) >= 3);
    assert_lines(logs_of(.id = own_id(), SET(tail, 1)), 300, 300);
    assert_lines(logs_of(.id = own_id(), SET(tail, 250)), 51, 300);
    assert_lines(logs_of(.id = own_id(), SET(tail, 100000)), 1, 300);
    assert_lines(logs_of(.id = own_id(), SET(tail, 0)), 301, 300);
    assert_lines(logs_of(.id = own_id(), SET(tail, 250), SET(follow, true)), 51, 300);
}

static void the_oldest_file_goes(void **state)
{
    const char *text;
    unsigned first;

    (void)state;
    run_box(own_id(), LINES "lines 1 2000");
    wait_box(own_id());
    text = logs_of(.id = own_id());
    assert_non_null(text = strchr(text, '\n')); /* a file may begin inside a line */
    first = (unsigned)strtoul(++text, NULL, 10);
    assert_in_range(first, 1500, 1800); /* 4 files of 16 KiB hold 460 lines at most, and the last may be new */
    assert_lines(text, first, 2000);
}

static void lines_are_chosen_by_their_time(void **state)
{
    struct output follower;
    int64_t between;
    uint64_t pid;

    (void)state;
    make_box(own_id(), LINES "lines 1 150; wait_for 1; lines 151 300");
    must(ask(tasks_create, .id = own_id()));
    must(ask_get(tasks_start, .id = own_id()));
    pid = task()->pid;
    output_open(&follower, &op_tasks_logs,
                &(struct tasks_logs_request){ .id = own_id(), SET(follow, true) });
    output_allow(&follower, 1 << 20);
    output_until(&follower, "\n150 ");
    between = clock_now();
    let_go_on(pid, 1);
    assert_int_equal(output_all(&follower), ERROR_NONE);
    assert_lines(follower.bytes[0], 1, 300);
    output_close(&follower);
    wait_box(own_id());
    assert_lines(logs_of(.id = own_id(), SET(since, between)), 151, 300);
    assert_lines(logs_of(.id = own_id(), SET(until, between)), 1, 150);
    assert_lines(logs_of(.id = own_id(), SET(since, between), SET(tail, 200)), 151, 300);
    assert_lines(logs_of(.id = own_id(), SET(since, between), SET(tail, 3)), 298, 300);
    assert_lines(logs_of(.id = own_id(), SET(since, between), SET(until, between)), 1, 0);
}

static void following_goes_on_across_files(void **state)
{
    struct output follower;
    uint64_t pid;

    (void)state;
    make_box(own_id(), LINES "lines 1 100; for n in 1 2 3 4 5 6 7 8 9; do wait_for $n; "
                             "lines $((n * 100 + 1)) $((n * 100 + 100)); done; exit 3");
    must(ask(tasks_create, .id = own_id()));
    must(ask_get(tasks_start, .id = own_id()));
    pid = task()->pid;
    output_open(&follower, &op_tasks_logs,
                &(struct tasks_logs_request){ .id = own_id(), SET(follow, true) });
    output_allow(&follower, 1 << 20);
    for (int step = 1; step <= 9; step++) {
        char last[20];

        snprintf(last, sizeof(last), "\n%d00 ", step);
        output_until(&follower, last);
        let_go_on(pid, step);
    }
    assert_int_equal(output_all(&follower), ERROR_NONE);
    assert_lines(follower.bytes[0], 1, 1000);
    output_close(&follower);
}

static void a_follower_without_credit_goes_on_where_it_was(void **state)
{
    struct output follower;

    (void)state;
    make_box(own_id(), LINES "lines 1 400; exit 3");
    must(ask(tasks_create, .id = own_id()));
    output_open(&follower, &op_tasks_logs,
                &(struct tasks_logs_request){ .id = own_id(), SET(follow, true) });
    must(ask_get(tasks_start, .id = own_id()));
    assert_int_equal(wait_box(own_id()), 3);
    assert_true(peer_hears_nothing(&follower.peer, 50));
    assert_int_equal(output_all(&follower), ERROR_NONE);
    assert_lines(follower.bytes[0], 1, 400);
    output_close(&follower);
}

static void long_lines_and_bytes_come_back_as_they_were(void **state)
{
    const char *text;

    (void)state;
    /* longer than a line of the log may be, no newline at the end, and a NUL */
    run_box(own_id(), "printf 'a\\000b\\n'; dd if=/dev/zero bs=40000 count=1 2>/dev/null | "
                      "tr '\\000' x; echo; printf end");
    wait_box(own_id());
    text = logs_of(.id = own_id());
    assert_int_equal(logs.size[0], 4 + 40001 + 3);
    assert_memory_equal(text, "a\0b\nxxx", 7);
    assert_memory_equal(text + 40002, "xx\nend", 6);
}

static void times_stand_before_lines(void **state)
{
    const char *text;

    (void)state;
    run_box(own_id(),
            "dd if=/dev/zero bs=40000 count=1 2>/dev/null | tr '\\000' x; echo; echo end");
    wait_box(own_id());
    text = logs_of(.id = own_id(), SET(timestamps, true));
    assert_int_equal(logs.size[0], 31 + 40001 + 31 + 4); /* one per line, not one per part of it */
    assert_memory_equal(text + 31, "xxx", 3);
    assert_memory_equal(text + 31 + 40001 + 30, " end\n", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(the_last_lines_are_found_across_files),
        LOG_TEST(the_oldest_file_goes),
        LOG_TEST(lines_are_chosen_by_their_time),
        LOG_TEST(following_goes_on_across_files),
        LOG_TEST(a_follower_without_credit_goes_on_where_it_was),
        LOG_TEST(long_lines_and_bytes_come_back_as_they_were),
        LOG_TEST(times_stand_before_lines),
    };

    return cmocka_run_group_tests_name("logs", tests, find_box, close_logs);
}
