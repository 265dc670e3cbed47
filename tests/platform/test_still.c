/* A container stands still while a layer of its files is written, and goes on whoever is killed. */
#include "platform/linux/freezer.h"
#include "tests/platform/shim_fixture.h"

#include "platform/packing.h"

#define COUNTS "[\"sh\",\"-c\",\"i=0; while true; do i=$((i + 1)); echo $i >/tmp/count; done\"]"

static uint64_t count(void)
{
    struct error err;
    size_t size;
    char *text = fs_read(in_base("image/tmp/count"), 64, &size, &err);
    uint64_t number = text != NULL ? strtoull(text, NULL, 10) : 0;

    free(text);
    return number;
}

/* Emptied and filled again all the time: 0 is no answer. */
static uint64_t count_now(void)
{
    uint64_t number;

    while ((number = count()) == 0)
        ;
    return number;
}

static void must_go_on(void)
{
    int64_t until = clock_monotonic() + WAIT_MS * 1000000ll;
    uint64_t before = count_now();

    while (count_now() <= before)
        if (clock_monotonic() > until)
            fail_msg("it stands still for ever");
}

/* The container's own, or one that cannot be made to stand still: that is for the caller to say. */
static struct freezer freezer_of(const struct container *c)
{
    struct freezer freezer;
    struct error err;

    if (freezer_open(c->pid, strrchr(c->cgroup, '/') + 1, &freezer, &err) < 0)
        fail_msg("%s", err.text);
    return freezer;
}

static bool stands_still(const struct container *c)
{
    CLEANUP(freezer_close) struct freezer freezer = freezer_of(c);

    return freezer_is_frozen(&freezer);
}

static void freeze(struct container *c, struct freezer *freezer)
{
    if (freezer_freeze(freezer, &c->err) < 0)
        fail_msg("%s", c->err.text);
    while (!freezer_is_frozen(freezer))
        ;
}

static void start(struct container *c)
{
    struct error err;

    fs_remove_tree(in_base("image/tmp/count"), &err);
    create(c);
    ask(c, .what = "start");
    count_now();
}

/* A layer that takes a while: zeros take no room, and time all the same. */
static int layer_start(const struct container *c, bool must, const char *size, struct packing *packing,
                       struct error *err)
{
    static const char *const options[] = { "bind", "ro" };
    const struct mount tree = { .type = "bind", .source = in_base("tree"), .options = { 2, (const char **)options } };
    const struct list none = { 0 }, after = { 1, (void *)(uintptr_t)&tree };
    const struct packing_layer want = {
        .trees = { &none, &after, NULL },
        .file = in_base("layer"),
        .compression = "gzip",
        .still = c->starting.folder,
        .must_still = must,
    };

    run_shell("cd %s && mkdir -p tree && truncate -s %s tree/large && : >layer", base, size);
    return packing_layer(&want, packing, err);
}

static void layer_begun(const struct container *c, struct packing *packing)
{
    struct packing_news news;
    struct error err;

    if (layer_start(c, true, "8G", packing, &err) < 0)
        fail_msg("%s", err.text);
    do
        if (packing_next(packing, &news, &err) < 0)
            fail_msg("%s", err.text);
    while (news.kind == PACKING_PROGRESS && news.bytes == 0);
    assert_int_equal(news.kind, PACKING_PROGRESS);
}

static void link_ask(struct task_link *link, struct shim_ask ask, struct arena *arena, struct shim_tell *tell)
{
    struct error err;
    int got;

    if (task_link_send(link, &ask, &err) < 0)
        fail_msg("%s", err.text);
    while ((got = task_link_receive(link, arena, tell, &err)) == 0)
        wait_readable(task_link_fd(link));
    if (got < 0)
        fail_msg("%s", err.text);
}

/* A connection that has been told that it stands still. */
static struct task_link *still_link(struct container *c)
{
    struct task_link *link = task_link_open(c->starting.folder, &c->err);
    struct shim_tell tell;

    assert_non_null(link);
    do
        link_ask(link, (struct shim_ask){ .id = 1, .what = "still" }, c->arena, &tell);
    while (strcmp(tell.what, "error") == 0 && strcmp(tell.failure->code, "aborted") == 0);
    if (strcmp(tell.what, "ok") != 0)
        fail_msg("%s", tell.failure->message);
    return link;
}

/* ---- what holds ---------------------------------------------------------------------------- */

static void it_stands_still_until_the_writer_is_killed(void **state UNUSED)
{
    struct container c = { .args = COUNTS };
    struct packing packing = { 0 };
    uint64_t number;

    start(&c);
    layer_begun(&c, &packing);
    assert_true(stands_still(&c));
    number = count();
    ask(&c, .what = "state"); /* the shim is there all the same */
    assert_int_equal(count(), number);
    kill(packing.child.pid, SIGKILL);
    must_go_on();
    packing_drop(&packing);
    quit(&c);
}

static void it_stands_still_until_the_last_who_wants_that_is_gone(void **state UNUSED)
{
    struct container c = { .args = COUNTS };
    struct task_link *first, *second;

    start(&c);
    first = still_link(&c);
    second = still_link(&c);
    task_link_close(&first);
    ask(&c, .what = "state"); /* behind the end of that connection */
    assert_true(stands_still(&c));
    task_link_close(&second);
    must_go_on();
    first = still_link(&c);
    assert_true(stands_still(&c));
    task_link_close(&first);
    must_go_on();
    quit(&c);
}

static void what_somebody_else_has_stopped_stays_so(void **state UNUSED)
{
    struct container c = { .args = COUNTS };
    CLEANUP(freezer_close) struct freezer freezer = { -1, -1, false };
    struct task_link *link;

    start(&c);
    freezer = freezer_of(&c);
    freeze(&c, &freezer);
    link = still_link(&c);
    task_link_close(&link);
    ask(&c, .what = "state");
    assert_true(stands_still(&c));
    freezer_thaw(&freezer);
    must_go_on();
    quit(&c);
}

static void one_that_stands_still_can_be_killed(void **state UNUSED)
{
    struct container c = { .args = COUNTS };
    struct task_link *link;

    start(&c);
    link = still_link(&c);
    ask(&c, .what = "kill", SET(signal, SIGKILL));
    wait_exit(&c, NULL);
    task_link_close(&link);
    delete(&c);
    start(&c);
    link = still_link(&c);
    quit(&c);
    task_link_close(&link);
}

/* It is held by a process that reads a stranger's files. */
static void such_a_connection_asks_for_nothing_else(void **state UNUSED)
{
    struct container c = { .args = COUNTS };
    struct shim_tell tell;
    struct task_link *link;

    start(&c);
    link = still_link(&c);
    link_ask(link, (struct shim_ask){ .id = 2, .what = "kill", SET(signal, SIGKILL) }, c.arena, &tell);
    assert_string_equal(tell.what, "error");
    assert_string_equal(tell.failure->code, "permission_denied");
    assert_true(stands_still(&c));
    task_link_close(&link);
    must_go_on();
    quit(&c);
}

static void what_must_stand_still_and_cannot_is_an_error_and_else_it_runs_on(void **state UNUSED)
{
    struct container c = { .args = COUNTS };
    struct packing packing = { 0 };
    struct packing_news news;

    start(&c);
    task_link_close(&c.link);
    run_shell("kill -9 $(cat %s)", in_folder(&c, "shim.pid"));
    wait_shim_gone(c.starting.folder);
    assert_int_equal(layer_start(&c, true, "1M", &packing, &c.err), 0);
    assert_int_equal(packing_next(&packing, &news, &c.err), -1);
    assert_int_equal(c.err.code, ERROR_UNAVAILABLE);
    assert_non_null(strstr(c.err.text, "cannot stand still"));
    packing_drop(&packing);
    assert_int_equal(layer_start(&c, false, "1M", &packing, &c.err), 0);
    do
        if (packing_next(&packing, &news, &c.err) < 0)
            fail_msg("%s", c.err.text);
    while (news.kind != PACKING_DONE);
    assert_false(news.still);
    packing_drop(&packing);
    if (task_reap_dead(c.starting.folder, &c.err) < 0)
        fail_msg("%s", c.err.text);
    clear(&c);
}

static void one_that_has_ended_stands_still(void **state UNUSED)
{
    struct container c = { .args = "[\"true\"]" };
    struct packing packing = { 0 };
    struct packing_news news;

    create(&c);
    ask(&c, .what = "start");
    wait_exit(&c, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(layer_start(&c, true, "1M", &packing, &c.err), 0);
        do
            if (packing_next(&packing, &news, &c.err) < 0)
                fail_msg("%s", c.err.text);
        while (news.kind != PACKING_DONE);
        assert_true(news.still);
        packing_drop(&packing);
        if (i == 0)
            delete(&c); /* and its folder is gone */
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, nothing_is_left)
    const struct CMUnitTest tests[] = {
        TEST(it_stands_still_until_the_writer_is_killed),
        TEST(it_stands_still_until_the_last_who_wants_that_is_gone),
        TEST(what_somebody_else_has_stopped_stays_so),
        TEST(one_that_stands_still_can_be_killed),
        TEST(such_a_connection_asks_for_nothing_else),
        TEST(what_must_stand_still_and_cannot_is_an_error_and_else_it_runs_on),
        TEST(one_that_has_ended_stands_still),
    };

    return run_with_every_runtime(tests);
}
