/* What is kept of a container, and what follows from it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "document.h"
#include "platform/linux/runtime/gate.h"
#include "platform/linux/runtime/state.h"
#include "platform/platform.h"
#include "platform/scope.h"

static char root[64];
static struct state one, again;

static int setup(void **state UNUSED)
{
    snprintf(root, sizeof(root), "/tmp/gantry-test-state-XXXXXX");
    assert_non_null(mkdtemp(root));
    assert_int_equal(state_new(&one, root, "one", &err), 0);
    one.document = draft_object();
    draft_put(one.document, "bundle", draft_text("/b"));
    again = (struct state)STATE_NONE;
    return 0;
}

static int teardown(void **state UNUSED)
{
    state_close(&one);
    state_close(&again);
    return fs_remove_tree(root, &err);
}

static void names_cannot_be_paths(void **state UNUSED)
{
    static const char *const wrong[] = { "", ".", "..", "a/b", "/a", "a b", "a\nb", "\xc3\xa4" };

    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(id_check(wrong[i], &err), -1);
    assert_int_equal(id_check("a.b-c_d+E9", &err), 0);
}

static void a_name_is_taken_once(void **state UNUSED)
{
    assert_int_equal(state_new(&again, root, "one", &err), -1);
    assert_int_equal(err.code, ERROR_ALREADY_EXISTS);
    assert_int_equal(state_open(&again, root, "two", &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
}

static void what_is_saved_is_found_again(void **state UNUSED)
{
    assert_int_equal(state_save(&one, "{\"a\": 1}", 8, &err), 0);
    assert_int_equal(state_open(&again, root, "one", &err), 0);
    assert_string_equal(state_text(&again, "bundle"), "/b");
    json_t *config = state_config(&again, &err);
    assert_int_equal(json_integer_value(json_object_get(config, "a")), 1);
    json_decref(config);
}

static void it_is_being_made_as_long_as_somebody_makes_it(void **state UNUSED)
{
    assert_int_equal(state_open(&again, root, "one", &err), 0);
    assert_int_equal(state_status(&again), STATUS_CREATING);
    state_unlock(&one);
    assert_int_equal(state_status(&again), STATUS_STOPPED);
}

static void a_process_is_told_by_when_it_began(void **state UNUSED)
{
    assert_int_equal(state_pid_save(&one, getpid(), &err), 0);
    assert_int_equal(state_open(&again, root, "one", &err), 0);
    assert_int_equal(again.pid, getpid());
    assert_int_equal(state_status(&again), STATUS_RUNNING);
    again.started++;
    assert_int_equal(state_status(&again), STATUS_STOPPED);
    assert_int_equal(state_pidfd(&again, &err), -1);
}

static void a_dead_process_counts_even_unburied(void **state UNUSED)
{
    siginfo_t info;
    uint64_t began;
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(process_began(pid, &began, &err), 0);
    assert_int_equal(began, 0);
    waitpid(pid, NULL, 0);
}

/* Who took it for a container without a process would delete what runs. */
static void a_process_id_that_cannot_be_read_is_an_error(void **state UNUSED)
{
    assert_int_equal(mkdirat(one.folder, "pid", 0700), 0);
    assert_int_equal(state_open(&again, root, "one", &err), -1);
    assert_int_not_equal(err.code, ERROR_DATA_LOSS);
    assert_non_null(strstr(err.text, "pid"));
    assert_int_equal(unlinkat(one.folder, "pid", AT_REMOVEDIR), 0);
    state_close(&again);
}

/* Only the second may be deleted by force, without knowing what belongs to it. */
static void what_cannot_be_read_is_not_what_is_damaged(void **state UNUSED)
{
    assert_int_equal(mkdirat(one.folder, "state.json", 0700), 0);
    assert_int_equal(state_open(&again, root, "one", &err), -1);
    assert_int_not_equal(err.code, ERROR_DATA_LOSS);
    assert_int_equal(unlinkat(one.folder, "state.json", AT_REMOVEDIR), 0);
    state_close(&again);
    close(openat(one.folder, "state.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    assert_int_equal(state_open(&again, root, "one", &err), -1);
    assert_int_equal(err.code, ERROR_DATA_LOSS);
}

static void it_is_created_until_it_is_started(void **state UNUSED)
{
    int gate = gate_open(one.folder, &err), start;

    assert_true(gate >= 0);
    assert_int_equal(state_pid_save(&one, getpid(), &err), 0);
    state_unlock(&one);
    assert_int_equal(state_status(&one), STATUS_CREATED);
    start = gate_connect(one.folder, &err);
    assert_true(start >= 0);
    close(start);
    close(gate);
    assert_int_equal(gate_connect(one.folder, &err), -1);
    assert_int_equal(err.code, ERROR_FAILED_PRECONDITION);
    unlinkat(one.folder, "start", 0);
    assert_int_equal(state_status(&one), STATUS_RUNNING);
}

static void what_was_removed_meanwhile_is_not_there(void **state UNUSED)
{
    assert_int_equal(state_open(&again, root, "one", &err), 0);
    assert_int_equal(state_save(&one, "{}", 2, &err), 0);
    assert_int_equal(state_remove(&one, &err), 0);
    state_unlock(&one);
    assert_int_equal(state_lock(&again, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(names_cannot_be_paths),
        T(a_name_is_taken_once),
        T(what_is_saved_is_found_again),
        T(it_is_being_made_as_long_as_somebody_makes_it),
        T(a_process_is_told_by_when_it_began),
        T(a_dead_process_counts_even_unburied),
        T(a_process_id_that_cannot_be_read_is_an_error),
        T(what_cannot_be_read_is_not_what_is_damaged),
        T(it_is_created_until_it_is_started),
        T(what_was_removed_meanwhile_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
