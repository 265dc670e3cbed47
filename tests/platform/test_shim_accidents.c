/* What can go wrong between a daemon, a shim and a runtime, and what is left of it: nothing. */
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/platform/shim_fixture.h"

/* ---- creations that fail ------------------------------------------------------------ */

static void refused(struct container *c, enum error_code code, const char *text)
{
    assert_int_equal(create_try(c), -1);
    if (c->err.code != code || strstr(c->err.text, text) == NULL)
        fail_msg("expected %s with '%s', got %s: %s", error_code_name(code), text,
                 error_code_name(c->err.code), c->err.text);
    assert_false(fs_exists(c->starting.folder));
    arena_drop(&c->arena);
}

static void *reap_it(void *arg)
{
    struct container *c = arg;

    return task_reap_dead(c->starting.folder, &c->err) < 0 ? c : NULL;
}

/* It is cleared up after while it is being created, and then its answer gets through. */
static void who_comes_to_life_late_is_alive(void **state UNUSED)
{
    struct container c = { .args = "[\"sleep\",\"1000\"]", .runtime = in_base("late") };
    pthread_t reaper;
    void *refused;

    run_shell("cd %s; rm -f begun go; mkfifo go; printf '#!/bin/sh\n[ ! -p %%s/go ] || { >%%s/begun; read -r _ <%%s/go; rm %%s/go; }\n"
              "exec runc \"$@\"\n' $PWD $PWD $PWD $PWD >late; chmod 755 late",
              base);
    assert_int_equal(begin(&c), 0);
    run_shell("until [ -e %s/begun ]; do :; done", base);
    assert_int_equal(pthread_create(&reaper, NULL, reap_it, &c), 0);
    run_shell("until pgrep -f 'gantry-shim --reap %s' >/dev/null; do :; done; echo go >%s/go", c.starting.folder, base);
    assert_int_equal(pthread_join(reaper, &refused), 0);
    assert_ptr_equal(refused, &c);
    assert_int_equal(c.err.code, ERROR_FAILED_PRECONDITION);
    assert_int_equal(finish(&c), 0);
    reconnect(&c);
    quit(&c);
}

static void a_missing_runtime_is_named(void **state UNUSED)
{
    struct container c = { .args = "[\"true\"]", .runtime = "/nowhere/runc" };

    refused(&c, ERROR_FAILED_PRECONDITION, "/nowhere/runc cannot be started: No such file");
}

static void a_failing_runtime_has_its_say(void **state UNUSED)
{
    struct container c = { .args = "[\"true\"]", .runtime = in_base("sulky") };

    run_shell("printf '#!/bin/sh\necho today not, >&2\necho thank you >&2\nexit 3\n' > %s/sulky && "
              "chmod 755 %s/sulky",
              base, base);
    refused(&c, ERROR_INTERNAL, "sulky: today not, thank you");
}

static void a_silent_runtime_is_reported_with_its_status(void **state UNUSED)
{
    struct container c = { .args = "[\"true\"]", .runtime = "/bin/false" };

    refused(&c, ERROR_INTERNAL, "false create failed with status 1");
}

static void a_runtime_that_does_nothing_is_noticed(void **state UNUSED)
{
    struct container c = { .args = "[\"true\"]", .runtime = "/bin/true" };

    refused(&c, ERROR_INTERNAL, "left no process id");
}

static void a_command_that_is_not_in_the_image_is_not_found(void **state UNUSED)
{
    struct container named = { .args = "[\"nosuchcommand\"]" };
    struct container path = { .args = "[\"/bin/nosuchcommand\"]" };
    struct container terminal = { .args = "[\"nosuchcommand\"]", .tty = true };

    refused(&named, ERROR_NOT_FOUND, "nosuchcommand");
    refused(&path, ERROR_NOT_FOUND, "/bin/nosuchcommand");
    refused(&terminal, ERROR_NOT_FOUND, "nosuchcommand");
}

static void a_command_that_cannot_be_executed_is_permission_denied(void **state UNUSED)
{
    struct container plain = { .args = "[\"/etc/plain\"]" };
    struct container folder = { .args = "[\"/etc\"]" };

    refused(&plain, ERROR_PERMISSION_DENIED, "");
    refused(&folder, ERROR_PERMISSION_DENIED, "");
}

static void a_missing_mount_source_is_not_a_missing_command(void **state UNUSED)
{
    struct container c = {
        .args = "[\"true\"]",
        .spec_mounts = "{\"destination\":\"/mnt\",\"type\":\"bind\",\"source\":\"/nowhere/at/all\","
                       "\"options\":[\"rbind\"]},"
    };

    refused(&c, ERROR_INTERNAL, "/nowhere/at/all");
}

static void a_root_file_system_that_cannot_be_mounted_is_named(void **state UNUSED)
{
    const struct mount missing = { .type = "bind", .source = "/nowhere/rootfs" };
    struct container c = { .args = "[\"true\"]", .mounts = &missing, .mount_count = 1 };

    refused(&c, ERROR_INTERNAL, "/nowhere/rootfs");
}

static void a_task_of_the_future_is_refused(void **state UNUSED)
{
    struct container c = { .args = "[\"true\"]", .protocol = 2 };

    refused(&c, ERROR_FAILED_PRECONDITION, "protocol 2");
}

static void an_additional_process_that_is_not_found_says_so(void **state UNUSED)
{
    static const struct {
        const char *args, *code;
        uint64_t status;
    } cases[] = { { "[\"nosuch\"]", "not_found", 127 },
                  { "[\"/etc/plain\"]", "permission_denied", 126 } };
    struct container c = { .args = "[\"sleep\",\"1000\"]" };
    struct output output = { 0 };
    struct task_stream *stream;
    char json[256];

    create(&c);
    ask(&c, .what = "start");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct shim_process *list;

        snprintf(json, sizeof(json),
                 "{\"user\":{\"uid\":0,\"gid\":0},\"args\":%s,\"env\":[\"PATH=/bin\"],\"cwd\":\"/\"}",
                 cases[i].args);
        task_process_write(c.starting.folder, "p", json, strlen(json), &c.err);
        ask(&c, .what = "exec", .exec = "e", .process = "p", SET(hold, true));
        stream = attach(&c, .exec = "e", SET(hold, true));
        ask_refused(&c, cases[i].code, .what = "start", .exec = "e");
        take_all(stream, &output);
        assert_string_equal(output.failure.code, cases[i].code);
        task_stream_close(&stream);
        output_free(&output);
        output = (struct output){ 0 };
        list = ask(&c, .what = "state").state->processes.items;
        assert_string_equal(list[1].status, "stopped");
        assert_int_equal(list[1].exit_status, cases[i].status);
        ask(&c, .what = "delete", .exec = "e");
    }
    quit(&c);
}

/* ---- daemons that go away -------------------------------------------------------------- */

/* The runtime hangs, the daemon gives up: everything is undone, and no file keeps it. */
static void a_start_that_is_given_up_is_undone(void **state UNUSED)
{
    struct container c = { .args = "[\"true\"]", .runtime = in_base("hangs") };

    run_shell("mkfifo %s/fifo && printf '#!/bin/sh\ncase \"$*\" in *create*) echo > %s/fifo; exec sleep 1000;; esac\n' "
              "> %s/hangs && chmod 755 %s/hangs",
              base, base, base, base);
    assert_int_equal(begin(&c), 0);
    run_shell("read go < %s/fifo", base); /* it is in the middle of create */
    task_starting_drop(&c.starting);
    if (task_reap_dead(c.starting.folder, &c.err) < 0)
        fail_msg("%s", c.err.text);
    assert_false(task_shim_is_alive(c.starting.folder));
    assert_int_equal(task_folder_remove(c.starting.folder, &c.err), 0);
    arena_drop(&c.arena);
    run_shell("rm %s/fifo %s/hangs", base, base);
}

static void the_shim_survives_its_daemons(void **state UNUSED)
{
    struct container c = { .args = "[\"sh\",\"-c\",\"cat; exit 11\"]", .stdin = true };
    struct output output = { 0 };
    struct task_stream *stream;
    struct shim_exit exit;
    const struct shim_process *own;

    create(&c);
    ask(&c, .what = "start");
    for (int i = 0; i < 5; i++)
        reconnect(&c);
    own = ask(&c, .what = "state").state->processes.items;
    assert_string_equal(own->status, "running");
    /* nobody is connected when it ends: who comes later learns it */
    stream = attach(&c, SET(stdin, true));
    task_link_close(&c.link);
    type_in(stream, "", true);
    take_all(stream, &output);
    assert_int_equal(output.exit.status, 11);
    task_stream_close(&stream);
    reconnect(&c);
    own = ask(&c, .what = "state").state->processes.items;
    assert_string_equal(own->status, "stopped");
    assert_int_equal(own->exit_status, 11);
    assert_int_equal(task_exit_read(c.starting.folder, NULL, c.arena, &exit, &c.err), 0);
    assert_int_equal(exit.status, 11);
    ask(&c, .what = "delete");
    clear(&c);
    output_free(&output);
}

static void the_exit_is_on_disk_before_it_is_told(void **state UNUSED)
{
    struct container c = { .args = "[\"sh\",\"-c\",\"exit 5\"]" };
    struct shim_exit exit;

    create(&c);
    assert_int_equal(task_exit_read(c.starting.folder, NULL, c.arena, &exit, &c.err), -1);
    assert_int_equal(c.err.code, ERROR_NOT_FOUND);
    ask(&c, .what = "start");
    wait_exit(&c, NULL);
    assert_int_equal(task_exit_read(c.starting.folder, NULL, c.arena, &exit, &c.err), 0);
    assert_int_equal(exit.status, 5);
    assert_true(exit.time == wait_exit(&c, NULL).time);
    delete(&c);
}

static int count_folder(void *ctx, const char *folder, const char *name, struct error *err)
{
    struct shim_task task;
    struct arena *arena = arena_new();

    assert_int_equal(strlen(name), 16);
    assert_int_equal(task_record_read(folder, arena, &task, err), 0);
    assert_string_equal(task.namespace, "test");
    assert_string_equal(task.runtime_id, name);
    arena_free(arena);
    ++*(int *)ctx;
    return 0;
}

static void a_new_daemon_finds_all_tasks_by_their_folders(void **state UNUSED)
{
    struct container one = { .args = "[\"true\"]" }, two = { .args = "[\"true\"]" };
    int count = 0;
    struct stat found;

    create(&one);
    create(&two);
    assert_int_equal(task_folders_each(in_base("state"), count_folder, &count, &one.err), 0);
    assert_int_equal(count, 2);
    assert_int_equal(stat(one.starting.folder, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0700);
    assert_int_equal(stat(in_base("state/t"), &found), 0);
    assert_int_equal(found.st_mode & 07777, 0711);
    quit(&one);
    quit(&two);
}

/* ---- shims that die ------------------------------------------------------------------------ */

static pid_t shim_pid(struct container *c)
{
    size_t size;
    char *text = fs_read(in_folder(c, "shim.pid"), 100, &size, &c->err);
    pid_t pid;

    assert_non_null(text);
    pid = atoi(text);
    assert_true(pid > 1);
    free(text);
    return pid;
}

static void a_living_shim_is_not_reaped(void **state UNUSED)
{
    struct container c = { .args = "[\"true\"]" };

    create(&c);
    assert_true(task_shim_is_alive(c.starting.folder));
    assert_int_equal(task_reap_dead(c.starting.folder, &c.err), -1);
    assert_int_equal(c.err.code, ERROR_FAILED_PRECONDITION);
    quit(&c);
}

static void killed_and_reaped(struct container *c, bool started)
{
    struct shim_tell tell;
    pid_t shim;

    create(c);
    if (started)
        ask(c, .what = "start");
    shim = shim_pid(c);
    kill(shim, SIGKILL);
    while (next_tell(c, &tell))
        ;
    assert_int_equal(c->err.code, ERROR_UNAVAILABLE);
    wait_shim_gone(c->starting.folder);
    assert_int_equal(kill((pid_t)c->pid, 0), 0); /* the container does not care */
    if (task_reap_dead(c->starting.folder, &c->err) < 0)
        fail_msg("%s", c->err.text);
    /* both are ours to wait for: their parents are gone */
    waitpid(shim, NULL, 0);
    waitpid((pid_t)c->pid, NULL, 0);
    assert_int_equal(kill((pid_t)c->pid, 0), -1);
    clear(c);
}

static void after_a_killed_shim_nothing_is_left(void **state UNUSED)
{
    struct container running = { .args = "[\"sleep\",\"1000\"]" };
    struct container created = { .args = "[\"sleep\",\"1000\"]" };

    prctl(PR_SET_CHILD_SUBREAPER, 1); /* not every pid 1 waits for children that are not its own */
    killed_and_reaped(&running, true);
    killed_and_reaped(&created, false);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
}

/* Shim and runtime are both in the middle of it. */
static void a_shim_killed_while_it_creates_leaves_nothing(void **state UNUSED)
{
    struct container c = { .args = "[\"true\"]", .runtime = in_base("waits") };
    pid_t shim;

    run_shell("mkfifo %s/fifo && printf '#!/bin/sh\ncase \"$*\" in *create*) echo > %s/fifo; read x < %s/fifo;; esac\n' "
              "> %s/waits && chmod 755 %s/waits",
              base, base, base, base, base);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    assert_int_equal(begin(&c), 0);
    run_shell("read go < %s/fifo", base);
    shim = shim_pid(&c);
    kill(shim, SIGKILL);
    assert_int_equal(finish(&c), -1);
    assert_int_equal(c.err.code, ERROR_INTERNAL);
    assert_non_null(strstr(c.err.text, "ended without an answer"));
    assert_false(fs_exists(c.starting.folder));
    while (waitpid(-1, NULL, 0) > 0)
        ; /* shim and runtime: both have ended */
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    arena_drop(&c.arena);
    run_shell("rm %s/fifo %s/waits", base, base);
}

static void reaping_twice_is_no_error(void **state UNUSED)
{
    struct container c = { .args = "[\"sleep\",\"1000\"]" };

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    create(&c);
    kill(shim_pid(&c), SIGKILL);
    wait_shim_gone(c.starting.folder);
    assert_int_equal(task_reap_dead(c.starting.folder, &c.err), 0);
    assert_int_equal(task_reap_dead(c.starting.folder, &c.err), 0);
    waitpid((pid_t)c.pid, NULL, 0);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    unlink(in_folder(&c, "task")); /* and a folder whose shim died before it had one is as good as reaped */
    assert_int_equal(task_reap_dead(c.starting.folder, &c.err), 0);
    clear(&c);
}

/* ---- clients that misbehave -------------------------------------------------------------------- */

static int raw_connect(struct container *c)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    char hello[256];

    strcpy(address.sun_path, in_folder(c, "sock"));
    assert_int_equal(connect(connection, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_true(recv(connection, hello, sizeof(hello), 0) > 0);
    assert_int_equal(hello[0], 'H');
    return connection;
}

/* Sends it; the connection is closed, and the shim lives. */
static void offends(struct container *c, const void *bytes, size_t size)
{
    int connection = raw_connect(c);
    char answer[1024];

    assert_int_equal(send(connection, bytes, size, MSG_NOSIGNAL), size);
    while (recv(connection, answer, sizeof(answer), 0) > 0)
        assert_true(answer[0] == 'T');
    close(connection);
    ask(c, .what = "state");
}

static void garbage_costs_only_the_connection_it_came_on(void **state UNUSED)
{
    struct container c = { .args = "[\"true\"]" };
    const struct shim_ask state_ask = { .id = 1, .what = "state" };
    struct buffer packet = { 0 };
    char *big = calloc(1, 70000);

    create(&c);
    offends(&c, "x", 1);
    offends(&c, "A", 1);
    offends(&c, "A\xdd\x10\x00\x00\x00", 6);
    offends(&c, "A\x80", 2);
    offends(&c, "D\x80", 2);
    offends(&c, "D\x81\xa6stream\xa5stdin", 15);
    offends(&c, big, 70000);
    shim_packet_add(SHIM_ASK, &state_ask, &packet);
    for (size_t cut = 2; cut < packet.size; cut++)
        offends(&c, packet.data, cut);
    buffer_free(&packet);
    free(big);
    quit(&c);
}

static void a_crowd_of_clients_is_bounded(void **state UNUSED)
{
    struct container c = { .args = "[\"true\"]" };
    struct task_link *links[100];
    struct shim_tell tell;
    struct error err;
    int refusals = 0;

    create(&c);
    for (size_t i = 0; i < COUNT_OF(links); i++)
        links[i] = task_link_open(c.starting.folder, &err);
    for (size_t i = 0; i < COUNT_OF(links); i++) {
        if (links[i] != NULL)
            wait_readable(task_link_fd(links[i])); /* a hello, or the end */
        refusals += links[i] == NULL || task_link_receive(links[i], c.arena, &tell, &err) < 0;
    }
    assert_int_equal(refusals, 100 - 63);
    ask(&c, .what = "state");
    for (size_t i = 0; i < COUNT_OF(links); i++)
        task_link_close(&links[i]);
    quit(&c);
}

static void a_folder_without_a_shim_is_told_from_a_dead_one(void **state UNUSED)
{
    struct error err;

    assert_null(task_link_open(in_base("nowhere"), &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_null(task_link_open(in_base("image"), &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, nothing_is_left)
    const struct CMUnitTest tests[] = {
        TEST(who_comes_to_life_late_is_alive),
        TEST(a_missing_runtime_is_named),
        TEST(a_failing_runtime_has_its_say),
        TEST(a_silent_runtime_is_reported_with_its_status),
        TEST(a_runtime_that_does_nothing_is_noticed),
        TEST(a_command_that_is_not_in_the_image_is_not_found),
        TEST(a_command_that_cannot_be_executed_is_permission_denied),
        TEST(a_missing_mount_source_is_not_a_missing_command),
        TEST(a_root_file_system_that_cannot_be_mounted_is_named),
        TEST(a_task_of_the_future_is_refused),
        TEST(an_additional_process_that_is_not_found_says_so),
        TEST(a_start_that_is_given_up_is_undone),
        TEST(the_shim_survives_its_daemons),
        TEST(the_exit_is_on_disk_before_it_is_told),
        TEST(a_new_daemon_finds_all_tasks_by_their_folders),
        TEST(a_living_shim_is_not_reaped),
        TEST(after_a_killed_shim_nothing_is_left),
        TEST(a_shim_killed_while_it_creates_leaves_nothing),
        TEST(reaping_twice_is_no_error),
        TEST(garbage_costs_only_the_connection_it_came_on),
        TEST(a_crowd_of_clients_is_bounded),
        TEST(a_folder_without_a_shim_is_told_from_a_dead_one),
    };

    return run_with_every_runtime(tests);
}
