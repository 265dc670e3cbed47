/* A container's life, from the daemon's side: create, start, streams, exec, kill, delete. */
#include "tests/platform/shim_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_container_runs_and_its_status_is_told, nothing_is_left),
    };

    return run_with_every_runtime(tests);
}
