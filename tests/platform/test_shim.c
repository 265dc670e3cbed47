/* A container's life, from the daemon's side: create, start, exec, kill, delete. */
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
        TEST(an_additional_process_has_a_status_of_its_own),
        TEST(an_additional_process_can_have_a_terminal_and_be_killed),
        TEST(a_background_process_does_not_hold_up_the_end),
        TEST(many_short_processes_are_all_told),
    };

    return run_with_every_runtime(tests);
}
