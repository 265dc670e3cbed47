/* test_task_restart — the actor goes and comes back beside living shims; shims that are killed. */
#include "tests/actors/tasks/task_fixture.h"

static uint64_t start_waiting(const char *id, const char *then, bool goes)
{
    char script[200];
    const struct container_options options = { .args = STRS("sh", "-c", script) };

    snprintf(script, sizeof(script), "echo before; " UNTIL_GO "echo after; %s", then);
    must_create(.id = id, .options = &options, SET(remove, goes));
    start_box(id);
    return task()->pid;
}

static void restart(void)
{
    store_stop(&store);
    store_start(&store);
}

/* ---- the actor ------------------------------------------------------------------------------- */

static void a_container_is_found_again_running(void **state)
{
    struct output output;
    uint64_t pid;

    (void)state;
    pid = start_waiting(own_id(), "exit 5", false);
    restart();
    must(ask_get(tasks_get, .id = own_id()));
    assert_string_equal(task()->status, "running");
    assert_int_equal(task()->pid, pid);
    assert_string_equal(must_get(own_id())->status, "running");
    must(exec_in(.id = own_id(), .exec = "e", .args = STRS("sh", "-c", "exit 3")));
    must(ask_get(tasks_wait, .id = own_id(), .exec = "e"));
    assert_int_equal(task()->exit_status, 3);
    attach_to(&output, .id = own_id(), SET(hold, true), SET(stdout_at, strlen("before\n")));
    output_allow(&output, 1000);
    let_go(pid); /* which may be quicker than the attachment */
    output_until(&output, "after\n");
    assert_int_equal(output_all(&output), ERROR_NONE);
    output_close(&output);
    assert_int_equal(wait_box(own_id()), 5);
    COMES_TRUE(count_events("/tasks/delete", own_id()) == 1);
    assert_int_equal(count_events("/tasks/create", own_id()), 1);
    assert_int_equal(count_events("/tasks/start", own_id()), 1);
    assert_int_equal(count_events("/tasks/exit", own_id()), 2); /* of the process beside it, too */
}

static void an_attached_client_hears_that_the_daemon_stops(void **state)
{
    struct output output;
    uint64_t pid;

    (void)state;
    pid = start_waiting(own_id(), "exit 5", false);
    attach_to(&output, .id = own_id(), SET(hold, true));
    COMES_TRUE(atomic_load(&stats_of("tasks")->jobs) == 1);
    store_stop(&store);
    while (output_next(&output))
        ;
    assert_int_equal(output.answer.code, ERROR_UNAVAILABLE);
    output_close(&output);
    store_start(&store);
    let_go(pid); /* nobody holds it any more */
    assert_int_equal(wait_box(own_id()), 5);
}

static void an_end_meanwhile_is_told_once(void **state)
{
    uint64_t pid;

    (void)state;
    pid = start_waiting(own_id(), "exit 5", false);
    store_stop(&store);
    let_go(pid);
    while (is_alive(pid))
        zclock_sleep(2);
    store_start(&store);
    assert_int_equal(wait_box(own_id()), 5);
    assert_string_equal(must_get(own_id())->status, "exited");
    COMES_TRUE(count_events("/tasks/delete", own_id()) == 1);
    assert_int_equal(count_events("/tasks/exit", own_id()), 1);
    restart();
    assert_int_equal(wait_box(own_id()), 5);
    assert_int_equal(count_events("/tasks/exit", own_id()), 1);
}

static void with_remove_it_goes_although_nobody_saw_its_end(void **state)
{
    uint64_t pid;

    (void)state;
    pid = start_waiting(own_id(), "exit 5", true);
    store_stop(&store);
    let_go(pid);
    while (is_alive(pid))
        zclock_sleep(2);
    store_start(&store);
    COMES_TRUE(container_get(own_id()) == ERROR_NOT_FOUND);
    assert_no_containers();
    assert_int_equal(count_events("/tasks/exit", own_id()), 1);
    assert_int_equal(count_events("/containers/delete", own_id()), 1);
}

static void with_remove_it_goes_after_a_restart_too(void **state)
{
    uint64_t pid;

    (void)state;
    pid = start_waiting(own_id(), "exit 5", true);
    restart();
    must(ask_get(tasks_get, .id = own_id()));
    let_go(pid);
    COMES_TRUE(container_get(own_id()) == ERROR_NOT_FOUND);
    assert_no_containers();
    assert_int_equal(count_events("/tasks/exit", own_id()), 1);
}

static void what_was_created_is_started_after_a_restart(void **state)
{
    (void)state;
    make_box(own_id(), "exit 6");
    must(ask(tasks_create, .id = own_id()));
    restart();
    must(ask_get(tasks_get, .id = own_id()));
    assert_string_equal(task()->status, "created");
    must(ask_get(tasks_start, .id = own_id()));
    assert_int_equal(wait_box(own_id()), 6);
}

/* ---- the shim -------------------------------------------------------------------------------- */

static bool cgroup_is_left(const char *id)
{
    char command[300];

    snprintf(command, sizeof(command), "find /sys/fs/cgroup -type d -name '*%s*' | grep -q .", id);
    return system(command) == 0;
}

static bool mount_is_left(void)
{
    struct error err = { 0 };
    size_t size;
    char *text = fs_read("/proc/self/mountinfo", 1 << 24, &size, &err);
    bool left = text == NULL || strstr(text, store.root) != NULL;

    free(text);
    return left;
}

static void assert_nothing_runs(const char *id, uint64_t pid)
{
    COMES_TRUE(!is_alive(pid));
    COMES_TRUE(files_in("state/t") == 0);
    COMES_TRUE(files_in("state/oci") == 0);
    COMES_TRUE(!cgroup_is_left(id));
    assert_false(mount_is_left());
}

static void assert_lost(const char *id)
{
    assert_int_equal(wait_box(id), 255);
    assert_string_equal(task()->reason, "supervisor lost");
    assert_string_equal(must_get(id)->status, "exited");
    assert_int_equal(count_events("/tasks/exit", id), 1);
}

static void what_a_killed_shim_leaves_is_cleared_away(void **state)
{
    uint64_t pid;
    struct output output;

    (void)state;
    pid = start_waiting(own_id(), "exit 5", false);
    assert_true(cgroup_is_left(own_id()));
    attach_to(&output, .id = own_id(), SET(hold, true));
    output_allow(&output, 1000);
    COMES_TRUE(atomic_load(&stats_of("tasks")->jobs) == 1);
    assert_int_equal(kill(shim_pid(), SIGKILL), 0);
    assert_int_equal(output_all(&output), ERROR_UNAVAILABLE);
    assert_non_null(strstr(output.answer.message, own_id()));
    output_close(&output);
    assert_lost(own_id());
    assert_nothing_runs(own_id(), pid);
    start_box(own_id()); /* and can be started again */
    let_go(task()->pid);
    assert_int_equal(wait_box(own_id()), 5);
}

static void a_shim_killed_while_nobody_looked_is_found_out(void **state)
{
    uint64_t pid;
    pid_t shim;

    (void)state;
    pid = start_waiting(own_id(), "exit 5", false);
    shim = shim_pid();
    store_stop(&store);
    assert_int_equal(kill(shim, SIGKILL), 0);
    while (is_alive((uint64_t)shim))
        zclock_sleep(2);
    store_start(&store);
    assert_lost(own_id());
    assert_nothing_runs(own_id(), pid);
}

static void a_killed_shim_with_remove_leaves_no_container(void **state)
{
    uint64_t pid;

    (void)state;
    pid = start_waiting(own_id(), "exit 5", true);
    assert_int_equal(kill(shim_pid(), SIGKILL), 0);
    COMES_TRUE(container_get(own_id()) == ERROR_NOT_FOUND);
    assert_nothing_runs(own_id(), pid);
    assert_no_containers();
    assert_int_equal(count_events("/tasks/exit", own_id()), 1);
}

static void a_shim_killed_before_the_start_is_no_end(void **state)
{
    uint64_t pid;

    (void)state;
    make_box(own_id(), "exit 6");
    must(ask(tasks_create, .id = own_id()));
    pid = task()->pid;
    assert_int_equal(kill(shim_pid(), SIGKILL), 0);
    assert_nothing_runs(own_id(), pid);
    assert_int_not_equal(ask_get(tasks_start, .id = own_id()), ERROR_NONE);
    start_box(own_id());
    assert_int_equal(wait_box(own_id()), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOX_TEST(a_container_is_found_again_running),
        BOX_TEST(an_attached_client_hears_that_the_daemon_stops),
        BOX_TEST(an_end_meanwhile_is_told_once),
        BOX_TEST(with_remove_it_goes_although_nobody_saw_its_end),
        BOX_TEST(with_remove_it_goes_after_a_restart_too),
        BOX_TEST(what_was_created_is_started_after_a_restart),
        BOX_TEST(what_a_killed_shim_leaves_is_cleared_away),
        BOX_TEST(a_shim_killed_while_nobody_looked_is_found_out),
        BOX_TEST(a_killed_shim_with_remove_leaves_no_container),
        BOX_TEST(a_shim_killed_before_the_start_is_no_end),
    };

    return cmocka_run_group_tests_name("restarts", tests, find_box, drop_box);
}
