/* The processes of a control group stand still and go on: of version 1 and of version 2, as there are. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/linux/freezer.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define GROUP_ID "gantry-test-freezer"

static char group[256];
static pid_t child;
static struct error err;

static bool has_file(const char *name)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/%s", group, name);
    return fs_exists(path);
}

static bool group_make(const char *hierarchy, const char *file)
{
    snprintf(group, sizeof(group), "%s/" GROUP_ID "-%d", hierarchy, getpid());
    if (mkdir(group, 0755) == 0 && has_file(file))
        return true;
    rmdir(group);
    return false;
}

static void member_start(void)
{
    char path[300], text[32];
    FILE *procs;

    child = fork();
    if (child == 0)
        for (;;)
            pause();
    snprintf(path, sizeof(path), "%s/cgroup.procs", group);
    snprintf(text, sizeof(text), "%d", child);
    procs = fopen(path, "we");
    assert_non_null(procs);
    fputs(text, procs);
    assert_int_equal(fclose(procs), 0);
}

static void member_end(void)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    rmdir(group);
}

static void freezes_and_thaws(const char *hierarchy, const char *file)
{
    CLEANUP(freezer_close) struct freezer freezer = { -1, -1, false };

    member_start();
    if (freezer_open((uint64_t)child, GROUP_ID, &freezer, &err) < 0)
        fail_msg("%s: %s", hierarchy, err.text);
    assert_int_equal(freezer.is_old, strcmp(file, "freezer.state") == 0);
    for (int i = 0; i < 3; i++) {
        assert_false(freezer_is_set(&freezer));
        assert_int_equal(freezer_freeze(&freezer, &err), 0);
        assert_true(freezer_is_set(&freezer));
        while (!freezer_is_frozen(&freezer))
            assert_int_equal(freezer_freeze(&freezer, &err), 0);
        freezer_thaw(&freezer);
        assert_false(freezer_is_set(&freezer));
        while (freezer_is_frozen(&freezer))
            ;
    }
    member_end();
}

static void a_group_stands_still_and_goes_on(void **state)
{
    static const char *const places[][2] = {
        { "/sys/fs/cgroup/freezer", "freezer.state" },
        { "/sys/fs/cgroup", "cgroup.freeze" },
        { "/sys/fs/cgroup/unified", "cgroup.freeze" },
    };
    int tried = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (group_make(places[i][0], places[i][1])) {
            freezes_and_thaws(places[i][0], places[i][1]);
            tried++;
        }
    if (tried == 0) {
        printf("skipped: no control group with a freezer can be made here\n");
        exit(77);
    }
    printf("%d kinds of control groups\n", tried);
}

static void a_process_outside_of_the_group_has_no_freezer(void **state)
{
    struct freezer freezer;

    (void)state;
    assert_int_equal(freezer_open((uint64_t)getpid(), GROUP_ID, &freezer, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_stands_still_and_goes_on),
        cmocka_unit_test(a_process_outside_of_the_group_has_no_freezer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
