/* A container stands still while its layer is written, and goes on whatever happens to the writer.
 */
#include <ctype.h>

#include "platform/linux/freezer.h"
#include "tests/platform/pack_fixture.h"

#define GROUP_ID "gantry-test-freezer"

static char group[PATH_SIZE];
static pid_t child;

/* A control group with a process in it; of version 1 or 2, as there is. */
static bool group_make(void)
{
    static const char *const hierarchies[] = { "/sys/fs/cgroup/freezer", "/sys/fs/cgroup",
                                               "/sys/fs/cgroup/unified" };
    char text[32], path[PATH_SIZE + 32];

    for (size_t i = 0; i < COUNT_OF(hierarchies); i++) {
        snprintf(group, sizeof(group), "%s/" GROUP_ID "-%d", hierarchies[i], getpid());
        if (mkdir(group, 0755) < 0)
            continue;
        snprintf(path, sizeof(path), "%s/freezer.state", group);
        if (!fs_exists(path))
            snprintf(path, sizeof(path), "%s/cgroup.freeze", group);
        if (fs_exists(path))
            break;
        rmdir(group);
        group[0] = '\0';
    }
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    snprintf(text, sizeof(text), "%d", child);
    snprintf(path, sizeof(path), "%s/cgroup.procs", group);
    if (group[0] != '\0')
        put_file(path, text, strlen(text));
    return group[0] != '\0';
}

static void group_end(void)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    if (group[0] != '\0')
        rmdir(group);
}

static bool is_frozen(void)
{
    CLEANUP(freezer_close) struct freezer freezer;
    struct error err;

    if (freezer_open((uint64_t)child, GROUP_ID, &freezer, &err) < 0)
        fail_msg("%s", err.text);
    return freezer_is_frozen(&freezer);
}

static int layer_start(struct place *place, struct packing *packing)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct list none = { 0 }, after;
    struct packing_layer want = { .file = in(place, "layer"),
                                  .compression = "gzip",
                                  .still_pid = (uint64_t)child,
                                  .still_id = GROUP_ID };

    mkdir(in(place, "b"), 0755);
    put_file(in(place, "b/large"), "", 0);
    assert_int_equal(truncate(in(place, "b/large"), 2l << 30), 0);
    put_file(in(place, "layer"), "", 0);
    after = bind_of(arena, in(place, "b"));
    want.trees = (struct packing_trees){ &none, &after, NULL };
    return packing_layer(&want, packing, &place->err);
}

static void what_stood_still_goes_on_after_the_helper_was_killed(void **state)
{
    struct place *place = *state;
    struct packing packing = { 0 };
    struct packing_news news;

    assert_int_equal(layer_start(place, &packing), 0);
    do
        assert_int_equal(packing_next(&packing, &news, &place->err), 0);
    while (news.kind == PACKING_PROGRESS && news.bytes == 0);
    assert_true(is_frozen());
    kill(packing.child.pid, SIGKILL);
    assert_int_equal(packing_end(&packing, &news, NULL, &place->err), -1);
    packing_drop(&packing);
    assert_false(is_frozen());
}

static void what_somebody_else_has_stopped_stays_so(void **state)
{
    CLEANUP(freezer_close) struct freezer freezer;
    struct place *place = *state;
    struct packing packing = { 0 };

    assert_int_equal(freezer_open((uint64_t)child, GROUP_ID, &freezer, &place->err), 0);
    assert_int_equal(freezer_freeze(&freezer, &place->err), 0);
    assert_int_equal(layer_start(place, &packing), 0);
    packing_drop(&packing);
    assert_true(is_frozen());
    freezer_thaw(&freezer);
}

static void a_process_outside_of_the_group_has_no_freezer(void **state)
{
    struct place *place = *state;
    struct freezer freezer;

    assert_int_equal(freezer_open((uint64_t)getpid(), GROUP_ID, &freezer, &place->err), -1);
    assert_int_equal(place->err.code, ERROR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_stood_still_goes_on_after_the_helper_was_killed),
        TEST(what_somebody_else_has_stopped_stays_so),
        TEST(a_process_outside_of_the_group_has_no_freezer),
    };
    int status = prepare();

    if (status != 0)
        return status;
    if (!group_make()) {
        printf("skipped: no control group with a freezer can be made here\n");
        status = 77;
    } else {
        status = cmocka_run_group_tests(tests, NULL, NULL);
    }
    group_end();
    return status;
}
