/* test_tasks — a container's life, and processes beside it, with the real shim and runc. */
#include "tests/actors/tasks/task_fixture.h"

static void refuse(enum error_code code, enum error_code wanted, const char *says)
{
    if (code != wanted)
        fail_msg("%s instead of %s: %s", error_code_name(code), error_code_name(wanted),
                 answer.message);
    assert_says(says);
}

/* ---- the life of one ------------------------------------------------------------------------ */

static void a_container_is_created_started_and_ends(void **state)
{
    (void)state;
    make_box("one", "exit 7");
    must(ask(tasks_create, .id = "one"));
    assert_string_equal(task()->status, "created");
    assert_true(task()->has_pid && is_alive(task()->pid));
    must(ask_get(tasks_start, .id = "one"));
    assert_string_equal(task()->status, "running");
    assert_int_equal(wait_box("one"), 7);
    assert_true(task()->has_started && task()->has_exited);
    assert_true(task()->exited >= task()->started);
    assert_string_equal(must_get("one")->status, "exited"); /* who was told can see it */
    assert_int_equal(must_get("one")->exit_status, 7);
    COMES_TRUE(files_in("state/t") == 0);
    assert_int_equal(wait_box("one"), 7);
    must(ask_get(tasks_get, .id = "one"));
    assert_int_equal(task()->exit_status, 7);
    COMES_TRUE(count_events("/tasks/delete", "one") == 1);
    assert_int_equal(count_events("/tasks/create", "one"), 1);
    assert_int_equal(count_events("/tasks/start", "one"), 1);
    assert_int_equal(count_events("/tasks/exit", "one"), 1);
    must(remove_container(.id = "one"));
    assert_int_equal(count_events("/tasks/delete", "one"), 1);
}

static void a_killed_process_has_its_signal_as_status(void **state)
{
    (void)state;
    run_box("one", "exec sleep 1000");
    must(ask(tasks_kill, .id = "one", .signal = "KILL"));
    assert_int_equal(wait_box("one"), 137);
}

static void a_container_starts_again_right_after_its_end(void **state)
{
    (void)state;
    make_box("one", "exit 3");
    for (int i = 0; i < 3; i++) {
        start_box("one"); /* the create waits for the task before it to be cleared away */
        assert_int_equal(wait_box("one"), 3);
    }
    COMES_TRUE(count_events("/tasks/delete", "one") == 3);
    assert_int_equal(count_events("/tasks/exit", "one"), 3);
}

static void a_second_task_is_refused(void **state)
{
    (void)state;
    run_box("one", "exec sleep 1000");
    refuse(ask(tasks_create, .id = "one"), ERROR_FAILED_PRECONDITION, "has a task already");
    refuse(ask_get(tasks_start, .id = "one"), ERROR_FAILED_PRECONDITION, "running already");
}

static void what_has_no_task_says_so(void **state)
{
    (void)state;
    make_box("one", "true");
    refuse(ask_get(tasks_start, .id = "one"), ERROR_FAILED_PRECONDITION, "not running");
    refuse(ask_get(tasks_wait, .id = "one"), ERROR_FAILED_PRECONDITION, "not been started");
    refuse(ask(tasks_kill, .id = "one"), ERROR_FAILED_PRECONDITION, "not running");
    refuse(ask(tasks_stop, .id = "one"), ERROR_FAILED_PRECONDITION, "not been started");
    refuse(ask(tasks_delete, .id = "one"), ERROR_NOT_FOUND, "no task");
    refuse(ask_get(tasks_wait, .id = "none"), ERROR_NOT_FOUND, "none");
    refuse(ask(tasks_create, .id = "none"), ERROR_NOT_FOUND, "none");
    refuse(ask(tasks_attach, .id = "one"), ERROR_FAILED_PRECONDITION, "not running");
}

static void what_is_created_can_be_deleted_unstarted(void **state)
{
    uint64_t pid;

    (void)state;
    make_box("one", "true");
    must(ask(tasks_create, .id = "one"));
    pid = task()->pid;
    must(ask(tasks_delete, .id = "one"));
    COMES_TRUE(!is_alive(pid));
    COMES_TRUE(files_in("state/t") == 0);
    assert_int_equal(count_events("/tasks/delete", "one"), 1);
    assert_string_equal(must_get("one")->status, "created");
}

static void a_running_task_is_deleted_by_force_only(void **state)
{
    (void)state;
    run_box("one", "exec sleep 1000");
    refuse(ask(tasks_delete, .id = "one"), ERROR_FAILED_PRECONDITION, "is running");
    must(ask(tasks_delete, .id = "one", SET(force, true)));
    assert_int_equal(task()->exit_status, 137);
    COMES_TRUE(files_in("state/t") == 0);
    COMES_TRUE(count_events("/tasks/delete", "one") == 1);
    assert_int_equal(count_of("tasks_task"), 0);
}

/* ---- signals -------------------------------------------------------------------------------- */

static void a_signal_arrives(void **state)
{
    (void)state;
    run_box("one", "trap 'exit 9' USR1; echo ready; while :; do sleep 0.01; done");
    COMES_TRUE(fs_exists(store_path(&store, "containers/default/one/log")));
    {
        struct output output;

        attach_to(&output, .id = "one", SET(stdout_at, 0));
        output_allow(&output, 1000);
        output_until(&output, "ready"); /* a first process without a trap does not hear it */
        must(ask(tasks_kill, .id = "one", .signal = "SIGUSR1"));
        assert_int_equal(output_all(&output), ERROR_NONE);
        output_close(&output);
    }
    assert_int_equal(wait_box("one"), 9);
}

static void a_signal_that_is_none_is_named(void **state)
{
    (void)state;
    run_box("one", "exec sleep 1000");
    refuse(ask(tasks_kill, .id = "one", .signal = "SIGNOTHING"), ERROR_INVALID_ARGUMENT,
           "SIGNOTHING");
    refuse(ask(tasks_kill, .id = "one", .signal = "0"), ERROR_INVALID_ARGUMENT, "0");
}

static void stop_asks_first(void **state)
{
    struct output output;

    (void)state;
    make_box("one", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done");
    must(ask(tasks_create, .id = "one"));
    attach_to(&output, .id = "one");
    output_allow(&output, 1000);
    must(ask_get(tasks_start, .id = "one"));
    output_until(&output, "ready");
    must(ask(tasks_stop, .id = "one", SET(timeout, UINT64_MAX)));
    assert_int_equal(task()->exit_status, 5);
    output_close(&output);
}

static void stop_kills_who_does_not_listen(void **state)
{
    int64_t began = clock_monotonic();

    (void)state;
    run_box("one", "trap '' TERM; while :; do sleep 0.01; done");
    must(ask(tasks_stop, .id = "one", SET(timeout, 0)));
    assert_int_equal(task()->exit_status, 137);
    assert_true(clock_monotonic() - began < 8000000000ll);
    must(ask(tasks_stop, .id = "one")); /* it has: that is no error */
    assert_int_equal(task()->exit_status, 137);
}

static void what_was_created_and_never_started_can_be_stopped(void **state)
{
    (void)state;
    make_box("one", "true");
    must(ask(tasks_create, .id = "one"));
    must(ask(tasks_stop, .id = "one"));
    COMES_TRUE(files_in("state/t") == 0);
}

static void a_wait_that_is_given_up_leaves_the_container(void **state)
{
    uint64_t id;

    (void)state;
    run_box("one", "exec sleep 1000");
    id = peer_send(&store.tasks, &op_tasks_wait, &(struct tasks_get_request){ .id = "one" });
    peer_cancel(&store.tasks, id);
    assert_int_equal(peer_finish(&store.tasks, &op_tasks_wait, &answer), ERROR_CANCELLED);
    store.tasks.ttl_ms = 20;
    assert_int_equal(ask_get(tasks_wait, .id = "one"), ERROR_DEADLINE_EXCEEDED);
    assert_int_equal(ask(tasks_stop, .id = "one", SET(timeout, 600)) == ERROR_NONE, 0);
    store.tasks.ttl_ms = 0;
    must(ask(tasks_delete, .id = "one", SET(force, true)));
}

static void all_who_wait_are_told(void **state)
{
    struct peer peers[5];

    (void)state;
    run_box("one", "exec sleep 1000");
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        peer_open(&peers[i], "tasks");
        peer_send(&peers[i], &op_tasks_wait, &(struct tasks_get_request){ .id = "one" });
    }
    must(ask(tasks_kill, .id = "one", .signal = "KILL"));
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        must(peer_finish(&peers[i], &op_tasks_wait, &answer));
        assert_int_equal(task()->exit_status, 137);
        peer_close(&peers[i]);
    }
}

/* ---- exec ------------------------------------------------------------------------------------ */

static void a_process_beside_has_its_own_status(void **state)
{
    (void)state;
    run_box("one", "exec sleep 1000");
    must(exec_in(.id = "one", .exec = "beside", .args = STRS("sh", "-c", "exit 4")));
    must(ask_get(tasks_wait, .id = "one", .exec = "beside"));
    assert_int_equal(task()->exit_status, 4);
    assert_string_equal(task()->exec, "beside");
    refuse(exec_in(.id = "one", .exec = "beside", .args = STRS("true")), ERROR_ALREADY_EXISTS,
           "beside");
    must(ask(tasks_delete, .id = "one", .exec = "beside"));
    assert_int_equal(task()->exit_status, 4);
    assert_string_equal(task()->exec, "beside");
    refuse(ask_get(tasks_wait, .id = "one", .exec = "beside"), ERROR_NOT_FOUND, "beside");
    must(exec_in(.id = "one", .exec = "beside", .args = STRS("true")));
    must(ask_get(tasks_get, .id = "one"));
    assert_string_equal(task()->status, "running");
}

static void a_command_that_is_not_there_is_named(void **state)
{
    const struct container_options missing = { .args = STRS("no-such-command") };
    const struct container_options plain = { .args = STRS("/etc/plain") };

    (void)state;
    must_create(.id = "missing", .options = &missing);
    refuse(ask(tasks_create, .id = "missing"), ERROR_NOT_FOUND, "no-such-command");
    must_create(.id = "plain", .options = &plain);
    refuse(ask(tasks_create, .id = "plain"), ERROR_PERMISSION_DENIED, "/etc/plain");
    assert_int_equal(files_in("state/t"), 0);
    assert_int_equal(count_of("tasks_task"), 0);
    assert_string_equal(must_get("missing")->status, "created");

    run_box("one", "exec sleep 1000");
    refuse(exec_in(.id = "one", .exec = "e", .args = STRS("no-such-command")), ERROR_NOT_FOUND,
           "no-such-command");
    must(ask_get(tasks_wait, .id = "one", .exec = "e")); /* as a shell would say */
    assert_int_equal(task()->exit_status, 127);
    must(ask(tasks_delete, .id = "one", .exec = "e"));
    refuse(exec_in(.id = "one", .exec = "e", .args = STRS("/etc/plain")), ERROR_PERMISSION_DENIED,
           "/etc/plain");
    must(ask(tasks_delete, .id = "one", .exec = "e"));
    must(exec_in(.id = "one", .exec = "e", .args = STRS("true")));
}

static void who_detaches_is_forgotten_however_many_there_are(void **state)
{
    (void)state;
    run_box("one", "exec sleep 1000");
    for (int i = 0; i < 3; i++) {
        char exec[20];

        snprintf(exec, sizeof(exec), "e%d", i);
        must(exec_in(.id = "one", .exec = exec, .args = STRS("true"), SET(detach, true)));
        COMES_TRUE(ask_get(tasks_get, .id = "one", .exec = exec) == ERROR_NOT_FOUND);
        COMES_TRUE(!fs_exists(
            task_path(arena_printf(answer.arena, "exit.%s", exec)))); /* in the shim, too */
    }
}

static void users_of_a_process_beside_are_those_of_the_image(void **state)
{
    struct output output;

    (void)state;
    run_box("one", "exec sleep 1000");
    must(ask(tasks_exec, .id = "one", .exec = "e", .args = STRS("id", "-u"), .user = "web",
             SET(hold, true)));
    attach_to(&output, .id = "one", .exec = "e", SET(hold, true));
    must(ask_get(tasks_start, .id = "one", .exec = "e"));
    assert_int_equal(output_all(&output), ERROR_NONE);
    assert_string_equal(output.bytes[0], "33\n");
    output_close(&output);
    refuse(exec_in(.id = "one", .args = STRS("id"), .user = "nobody"), ERROR_NOT_FOUND, "nobody");
    refuse(exec_in(.id = "one", .exec = "../x", .args = STRS("id")), ERROR_INVALID_ARGUMENT,
           "exec id");
}

static void processes_beside_end_with_the_container(void **state)
{
    (void)state;
    run_box("one", "exec sleep 1000");
    must(exec_in(.id = "one", .exec = "e", .args = STRS("sleep", "1000")));
    peer_send(&store.tasks, &op_tasks_wait,
              &(struct tasks_get_request){ .id = "one", .exec = "e" });
    {
        struct peer other;
        struct answer killed = { 0 };

        peer_open(&other, "tasks");
        assert_int_equal(peer_ask(&other, &op_tasks_kill,
                                  &(struct tasks_kill_request){ .id = "one", .signal = "9" },
                                  &killed),
                         ERROR_NONE);
        answer_free(&killed);
        peer_close(&other);
    }
    must(peer_finish(&store.tasks, &op_tasks_wait, &answer));
    assert_int_equal(task()->exit_status, 137);
}

static void processes_are_listed(void **state)
{
    const struct page_request all = { 0 };
    const struct tasks_pids_reply *pids;
    const struct tasks_list_reply *list;

    (void)state;
    run_box("one", "sleep 1000 & exec sleep 1000");
    run_box("two", "exec sleep 1000");
    COMES_TRUE(ask_get(tasks_pids, .id = "one") == ERROR_NONE &&
               ((const struct tasks_pids_reply *)answer.body)->processes.count == 2);
    pids = answer.body;
    assert_true(is_alive(((struct process_info *)pids->processes.items)[0].pid));
    must(peer_ask(&store.tasks, &op_tasks_list, &all, &answer));
    list = answer.body;
    assert_int_equal(list->tasks.count, 2);
    assert_string_equal(((struct task_info *)list->tasks.items)[0].id, "one");
    assert_string_equal(((struct task_info *)list->tasks.items)[1].id, "two");
}

/* ---- what goes wrong ------------------------------------------------------------------------ */

static void a_runtime_that_is_missing_is_named(void **state)
{
    const struct container_options options = { .args = STRS("true") };

    (void)state;
    must_create(.id = "one", .options = &options, .runtime = "no-such-runtime");
    refuse(ask(tasks_create, .id = "one"), ERROR_FAILED_PRECONDITION, "no-such-runtime");
    must_create(.id = "two", .options = &options, .runtime = "/bin/false");
    assert_int_not_equal(ask(tasks_create, .id = "two"), ERROR_NONE);
    assert_int_equal(files_in("state/t"), 0);
    must_create(.id = "three", .options = &options, .runtime = "/bin/false", SET(remove, true));
    assert_int_not_equal(ask(tasks_create, .id = "three"), ERROR_NONE);
    COMES_TRUE(container_get("three") == ERROR_NOT_FOUND); /* it was to go with its task */
}

static void a_create_that_is_given_up_leaves_nothing(void **state)
{
    (void)state;
    make_box("one", "exec sleep 1000");
    for (int i = 0; i < 8; i++) {
        uint64_t id = peer_send(&store.tasks, &op_tasks_create,
                                &(struct tasks_create_request){ .id = "one" });

        peer_hears_nothing(&store.tasks, i * 8); /* wherever it is then */
        peer_cancel(&store.tasks, id);
        if (peer_finish(&store.tasks, &op_tasks_create, &answer) == ERROR_NONE)
            must(ask(tasks_delete, .id = "one", SET(force, true)));
        COMES_TRUE(files_in("state/t") == 0);
    }
    start_box("one");
}

static void what_is_just_being_created_cannot_be_ended(void **state)
{
    struct peer other;
    struct answer created = { 0 };
    enum error_code code;

    (void)state;
    make_box("one", "exec sleep 1000");
    peer_open(&other, "tasks");
    peer_send(&other, &op_tasks_create, &(struct tasks_create_request){ .id = "one" });
    COMES_TRUE((code = ask(tasks_delete, .id = "one", SET(force, true))) != ERROR_NOT_FOUND);
    if (code != ERROR_NONE)
        refuse(code, ERROR_UNAVAILABLE, "just being created");
    peer_finish(&other, &op_tasks_create, &created);
    answer_free(&created);
    peer_close(&other);
}

static void with_remove_the_container_goes_at_its_end(void **state)
{
    const struct container_options options = { .args = STRS("false") };

    (void)state;
    must_create(.id = "one", .options = &options, SET(remove, true));
    start_box("one");
    assert_int_equal(wait_box("one"), 1);
    COMES_TRUE(container_get("one") == ERROR_NOT_FOUND);
    assert_no_containers();
    assert_int_equal(count_events("/tasks/exit", "one"), 1);
    assert_int_equal(count_events("/tasks/delete", "one"), 1);
    assert_int_equal(count_events("/containers/delete", "one"), 1);
}

static void a_removal_by_hand_beside_that_of_the_task_is_fine(void **state)
{
    const struct container_options options = { .args = STRS("sleep", "1000") };

    (void)state;
    for (int i = 0; i < 5; i++) {
        must_create(.id = "one", .options = &options, SET(remove, true));
        start_box("one");
        must(ask(tasks_kill, .id = "one", .signal = "KILL"));
        if (remove_container(.id = "one", SET(force, true)) != ERROR_NONE &&
            answer.code != ERROR_NOT_FOUND)
            fail_msg("%s: %s", error_code_name(answer.code), answer.message);
        COMES_TRUE(container_get("one") == ERROR_NOT_FOUND &&
                   !fs_exists(store_path(&store, "containers/default/one")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOX_TEST(a_container_is_created_started_and_ends),
        BOX_TEST(a_killed_process_has_its_signal_as_status),
        BOX_TEST(a_container_starts_again_right_after_its_end),
        BOX_TEST(a_second_task_is_refused),
        BOX_TEST(what_has_no_task_says_so),
        BOX_TEST(what_is_created_can_be_deleted_unstarted),
        BOX_TEST(a_running_task_is_deleted_by_force_only),
        BOX_TEST(a_signal_arrives),
        BOX_TEST(a_signal_that_is_none_is_named),
        BOX_TEST(stop_asks_first),
        BOX_TEST(stop_kills_who_does_not_listen),
        BOX_TEST(what_was_created_and_never_started_can_be_stopped),
        BOX_TEST(a_wait_that_is_given_up_leaves_the_container),
        BOX_TEST(all_who_wait_are_told),
        BOX_TEST(a_process_beside_has_its_own_status),
        BOX_TEST(a_command_that_is_not_there_is_named),
        BOX_TEST(who_detaches_is_forgotten_however_many_there_are),
        BOX_TEST(users_of_a_process_beside_are_those_of_the_image),
        BOX_TEST(processes_beside_end_with_the_container),
        BOX_TEST(processes_are_listed),
        BOX_TEST(a_runtime_that_is_missing_is_named),
        BOX_TEST(a_create_that_is_given_up_leaves_nothing),
        BOX_TEST(what_is_just_being_created_cannot_be_ended),
        BOX_TEST(with_remove_the_container_goes_at_its_end),
        BOX_TEST(a_removal_by_hand_beside_that_of_the_task_is_fine),
    };

    return cmocka_run_group_tests_name("tasks", tests, find_box, drop_box);
}
