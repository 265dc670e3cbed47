/* A container's life, from the daemon's side: create, start, streams, exec, kill, delete. */
#include "tests/platform/shim_fixture.h"

/* ---- life ------------------------------------------------------------------------ */

static void a_container_runs_and_its_status_is_told(void **state UNUSED)
{
    struct container c = { .args = "[\"sh\",\"-c\",\"exit 7\"]" };
    struct shim_exit exit;

    create(&c);
    assert_true(c.pid > 1);
    assert_int_equal(ask(&c, .what = "start").pid, c.pid);
    exit = wait_exit(&c, NULL);
    assert_int_equal(exit.status, 7);
    assert_true(exit.time > clock_now() - 60000000000);
    delete(&c);
}

static void state_says_what_is_known(void **state UNUSED)
{
    struct container c = { .args = "[\"sleep\",\"1000\"]", .stdin = true };
    const struct shim_process *own;
    struct shim_tell told;

    create(&c);
    told = ask(&c, .what = "state");
    assert_int_equal(told.state->processes.count, 1);
    own = told.state->processes.items;
    assert_string_equal(own->status, "created");
    assert_int_equal(own->pid, c.pid);
    assert_false(own->has_started);
    assert_true(own->stdin);
    assert_false(own->tty);
    ask(&c, .what = "start");
    own = ask(&c, .what = "state").state->processes.items;
    assert_string_equal(own->status, "running");
    assert_true(own->has_started);
    ask(&c, .what = "kill", SET(signal, SIGKILL));
    wait_exit(&c, NULL);
    own = ask(&c, .what = "state").state->processes.items;
    assert_string_equal(own->status, "stopped");
    assert_int_equal(own->exit_status, 137);
    assert_true(own->exited >= own->started);
    delete(&c);
}

static void questions_out_of_turn_are_refused(void **state UNUSED)
{
    struct container c = { .args = "[\"sleep\",\"1000\"]" };

    create(&c);
    ask_refused(&c, "failed_precondition", .what = "delete");
    ask_refused(&c, "failed_precondition", .what = "exec", .exec = "e", .process = "task");
    ask_refused(&c, "unimplemented", .what = "dance");
    ask_refused(&c, "not_found", .what = "start", .exec = "nobody");
    ask_refused(&c, "invalid_argument", .what = "kill");
    ask_refused(&c, "invalid_argument", .what = "kill", SET(signal, 65));
    ask_refused(&c, "failed_precondition", .what = "resize",
                .window = &(struct window){ .columns = 80, .rows = 24 });
    ask_refused(&c, "failed_precondition", .what = "attach", SET(stdin, true));
    ask(&c, .what = "start");
    ask_refused(&c, "failed_precondition", .what = "start");
    ask_refused(&c, "failed_precondition", .what = "delete");
    ask_refused(&c, "invalid_argument", .what = "exec", .exec = "../x", .process = "task");
    ask_refused(&c, "invalid_argument", .what = "exec", .exec = "e", .process = "../task");
    ask_refused(&c, "invalid_argument", .what = "exec", .exec = "e", .process = "nothing");
    ask(&c, .what = "kill", SET(signal, SIGKILL));
    wait_exit(&c, NULL);
    ask_refused(&c, "failed_precondition", .what = "kill", SET(signal, SIGKILL));
    delete(&c);
}

static void a_created_container_can_be_killed(void **state UNUSED)
{
    struct container c = { .args = "[\"true\"]" };

    create(&c);
    ask(&c, .what = "kill", SET(signal, SIGKILL));
    assert_int_equal(wait_exit(&c, NULL).status, 137);
    delete(&c);
}

static void quit_ends_whatever_runs(void **state UNUSED)
{
    struct container created = { .args = "[\"true\"]" };
    struct container running = { .args = "[\"sleep\",\"1000\"]" };

    create(&created);
    quit(&created);
    create(&running);
    ask(&running, .what = "start");
    quit(&running);
}

static void a_signal_reaches_the_process(void **state UNUSED)
{
    struct container c = { .args = "[\"sh\",\"-c\",\"trap 'exit 42' USR1; echo ready; while :; do sleep 1; done\"]",
                           .hold = true };
    struct output output = { 0 };
    struct task_stream *stream;

    create(&c);
    stream = attach(&c, SET(hold, true));
    ask(&c, .what = "start");
    take_until(stream, &output, "ready");
    ask(&c, .what = "kill", SET(signal, SIGUSR1), SET(all, true));
    take_all(stream, &output);
    assert_int_equal(output.exit.status, 42);
    task_stream_close(&stream);
    output_free(&output);
    delete(&c);
}

static void the_processes_are_listed(void **state UNUSED)
{
    struct container c = { .args = "[\"sh\",\"-c\",\"sleep 1000 & echo ready; wait\"]", .hold = true };
    struct output output = { 0 };
    struct task_stream *stream;
    const struct process_info *list;
    struct shim_tell told;

    create(&c);
    stream = attach(&c, SET(hold, true));
    ask(&c, .what = "start");
    take_until(stream, &output, "ready");
    told = ask(&c, .what = "pids");
    assert_int_equal(told.pids->processes.count, 2);
    list = told.pids->processes.items;
    assert_true(list[0].pid == c.pid || list[1].pid == c.pid);
    task_stream_close(&stream);
    output_free(&output);
    quit(&c);
}

/* What a container starts with is what it was told, not what we happen to have. */
static void inherited_check(const char *args, void (*check)(const char *text))
{
    struct container c = { .args = args, .hold = true };
    struct output output = { 0 };
    struct task_stream *stream;

    create(&c);
    stream = attach(&c, SET(hold, true));
    ask(&c, .what = "start");
    take_all(stream, &output);
    check(output.out.data);
    task_stream_close(&stream);
    output_free(&output);
    delete(&c);
}

static void signals_are_default(const char *text)
{
    assert_non_null(strstr(text, "SigBlk:\t0000000000000000"));
    assert_non_null(strstr(text, "SigIgn:\t0000000000000000"));
    assert_non_null(strstr(text, "Umask:\t0022"));
}

static void only_three_descriptors(const char *text)
{
    assert_string_equal(text, "0\n1\n2\n3\n"); /* the fourth is the folder that ls reads */
}

static void only_its_own_environment(const char *text)
{
    assert_null(strstr(text, "NOTIFY_SOCKET"));
    assert_null(strstr(text, "SECRET"));
    assert_non_null(strstr(text, "TERM=xterm"));
}

static void a_container_inherits_nothing(void **state UNUSED)
{
    int leaked = open("/etc/passwd", O_RDONLY); /* not close-on-exec */
    mode_t mask = umask(077);

    setenv("NOTIFY_SOCKET", "/nowhere", 1);
    setenv("SECRET", "xyzzy", 1);
    signal(SIGPIPE, SIG_IGN);
    inherited_check("[\"grep\",\"-E\",\"^(SigIgn|SigBlk|Umask)\",\"/proc/self/status\"]",
                    signals_are_default);
    inherited_check("[\"ls\",\"/proc/self/fd\"]", only_three_descriptors);
    inherited_check("[\"env\"]", only_its_own_environment);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("SECRET");
    umask(mask);
    close(leaked);
}

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

/* ---- additional processes ---------------------------------------------------------------- */

static void process_write(struct container *c, const char *name, const char *args, bool tty)
{
    char json[1024];

    snprintf(json, sizeof(json),
             "{\"terminal\":%s,\"user\":{\"uid\":0,\"gid\":0},\"args\":%s,\"env\":[\"PATH=/bin\"],"
             "\"cwd\":\"/\"}",
             tty ? "true" : "false", args);
    assert_int_equal(task_process_write(c->starting.folder, name, json, strlen(json), &c->err), 0);
}

static void an_additional_process_has_a_status_of_its_own(void **state UNUSED)
{
    struct container c = { .args = "[\"sleep\",\"1000\"]" };
    struct output output = { 0 };
    struct task_stream *stream;
    struct shim_exit exit;

    create(&c);
    ask(&c, .what = "start");
    process_write(&c, "process.e1", "[\"sh\",\"-c\",\"echo out; echo err >&2; cat; exit 9\"]", false);
    ask(&c, .what = "exec", .exec = "e1", .process = "process.e1", SET(stdin, true), SET(hold, true));
    ask_refused(&c, "already_exists", .what = "exec", .exec = "e1", .process = "process.e1");
    stream = attach(&c, .exec = "e1", SET(stdin, true), SET(hold, true));
    assert_true(ask(&c, .what = "start", .exec = "e1").pid > 1);
    type_in(stream, "fed", true);
    take_all(stream, &output);
    assert_string_equal(output.out.data, "out\nfed");
    assert_string_equal(output.error.data, "err\n");
    assert_int_equal(output.exit.status, 9);
    assert_string_equal(output.exit.exec, "e1");
    assert_int_equal(wait_exit(&c, "e1").status, 9);
    assert_int_equal(task_exit_read(c.starting.folder, "e1", c.arena, &exit, &c.err), 0);
    assert_int_equal(exit.status, 9);
    assert_int_equal(ask(&c, .what = "state").state->processes.count, 2);
    ask(&c, .what = "delete", .exec = "e1");
    assert_int_equal(ask(&c, .what = "state").state->processes.count, 1);
    assert_int_equal(task_exit_read(c.starting.folder, "e1", c.arena, &exit, &c.err), -1);
    assert_int_equal(c.err.code, ERROR_NOT_FOUND);
    task_stream_close(&stream);
    output_free(&output);
    quit(&c);
}

static void an_additional_process_can_have_a_terminal_and_be_killed(void **state UNUSED)
{
    struct container c = { .args = "[\"sleep\",\"1000\"]" };
    struct output output = { 0 };
    struct task_stream *stream;

    create(&c);
    ask(&c, .what = "start");
    process_write(&c, "process.e1", "[\"sh\",\"-c\",\"stty size; sleep 1000\"]", true);
    ask(&c, .what = "exec", .exec = "e1", .process = "process.e1", SET(tty, true), SET(hold, true),
        .window = &(struct window){ .columns = 77, .rows = 11 });
    stream = attach(&c, .exec = "e1", SET(hold, true));
    ask(&c, .what = "start", .exec = "e1");
    take_until(stream, &output, "\n");
    ask(&c, .what = "kill", .exec = "e1", SET(signal, SIGKILL));
    take_all(stream, &output);
    assert_int_equal(output.exit.status, 137);
    assert_int_equal(wait_exit(&c, "e1").status, 137);
    assert_string_equal(((struct shim_process *)ask(&c, .what = "state").state->processes.items)->status,
                        "running");
    task_stream_close(&stream);
    output_free(&output);
    quit(&c);
}

/* Somebody in the background keeps the pipe open for ever: the end comes all the same. */
static void a_background_process_does_not_hold_up_the_end(void **state UNUSED)
{
    struct container c = { .args = "[\"sleep\",\"1000\"]" };
    struct output output = { 0 };
    struct task_stream *stream;

    create(&c);
    ask(&c, .what = "start");
    process_write(&c, "process.e1", "[\"sh\",\"-c\",\"echo before; sleep 1000 & exit 4\"]", false);
    ask(&c, .what = "exec", .exec = "e1", .process = "process.e1", SET(hold, true));
    stream = attach(&c, .exec = "e1", SET(hold, true));
    ask(&c, .what = "start", .exec = "e1");
    take_all(stream, &output);
    assert_string_equal(output.out.data, "before\n");
    assert_int_equal(output.exit.status, 4);
    task_stream_close(&stream);
    output_free(&output);
    quit(&c);
}

static void many_short_processes_are_all_told(void **state UNUSED)
{
    struct container c = { .args = "[\"sleep\",\"1000\"]" };
    char exec[16];

    create(&c);
    ask(&c, .what = "start");
    for (int i = 0; i < 12; i++) {
        snprintf(exec, sizeof(exec), "e%d", i);
        process_write(&c, "process.x", "[\"true\"]", false);
        ask(&c, .what = "exec", .exec = exec, .process = "process.x");
    }
    for (int i = 0; i < 12; i++) { /* all at once: the answers come as they come */
        struct shim_ask start = { .id = 1000, .what = "start" };

        snprintf(exec, sizeof(exec), "e%d", i);
        start.exec = exec;
        assert_int_equal(task_link_send(c.link, &start, &c.err), 0);
    }
    for (int i = 0; i < 12; i++) {
        snprintf(exec, sizeof(exec), "e%d", i);
        assert_int_equal(wait_exit(&c, exec).status, 0);
    }
    quit(&c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, nothing_is_left)
    const struct CMUnitTest tests[] = {
        TEST(a_container_runs_and_its_status_is_told),
        TEST(state_says_what_is_known),
        TEST(questions_out_of_turn_are_refused),
        TEST(a_created_container_can_be_killed),
        TEST(quit_ends_whatever_runs),
        TEST(a_signal_reaches_the_process),
        TEST(the_processes_are_listed),
        TEST(a_container_inherits_nothing),
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
        TEST(an_additional_process_has_a_status_of_its_own),
        TEST(an_additional_process_can_have_a_terminal_and_be_killed),
        TEST(a_background_process_does_not_hold_up_the_end),
        TEST(many_short_processes_are_all_told),
    };

    return run_with_every_runtime(tests);
}
