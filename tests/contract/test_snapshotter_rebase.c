/*
 * What drivers promise whose layers hold their parents' files: a layer that was unpacked apart is put on top of
 * its parent, once.
 */
#include <pthread.h>

#include "tests/contract/snapshotter_fixture.h"

/* Where it is unpacked to: its folder, or a folder of somebody else. */
static const char *apart(uint64_t number, const char *name)
{
    const struct layer_stack stack = { .number = number };
    struct list mounts = { 0 };
    char path[PATH_SIZE];

    if (driver->folder(layers, number, path, &err) == 0)
        return arena_printf(arena, "%s/%s", path, name);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    must(driver->mounts(layers, &stack, &mounts, arena, &err));
    assert_int_equal(mounts.count, 1);
    assert_string_equal(((const struct mount *)mounts.items)->type, "bind");
    return arena_printf(arena, "%s/%s", ((const struct mount *)mounts.items)->source, name);
}

static void put_apart(uint64_t number, const char *name)
{
    must(fs_write(apart(number, name), name, strlen(name), 0644, false, &err));
}

static void hide_apart(uint64_t number, const char *name)
{
    assert_int_equal(mknod(apart(number, name), S_IFCHR | 0600, makedev(0, 0)), 0);
}

static int rebase(uint64_t number, uint64_t parent)
{
    static const struct map no_labels;
    const struct layer_new layer = { .number = number,
                                     .parent = parent,
                                     .apart = true,
                                     .settled = true,
                                     .namespace = "default",
                                     .key = "a key",
                                     .target = "a name",
                                     .labels = &no_labels };

    return driver->rebase(layers, &layer, &err);
}

/* a, b, d/x and d/y, as the lowest layer. */
static void make_lowest(void)
{
    must(prepare_as(1, 0, false, true));
    put_apart(1, "a");
    put_apart(1, "b");
    assert_int_equal(mkdir(apart(1, "d"), 0755), 0);
    put_apart(1, "d/x");
    put_apart(1, "d/y");
    if (driver->whole)
        must(rebase(1, 0));
    must(commit(1));
}

static void what_was_unpacked_apart_lies_on_its_parent_after_a_rebase(void **state)
{
    (void)state;
    if (!driver->whole)
        not_promised("mounting puts its layers on top of each other");
    make_lowest();
    must(prepare_as(2, 0, false, true));
    hide_apart(2, "a");
    put_apart(2, "new");
    assert_int_equal(mkdir(apart(2, "d"), 0700), 0);
    hide_apart(2, "d/x");
    put_apart(2, "d/z");
    must(rebase(2, 1));
    must(rebase(2, 1)); /* somebody comes again: nothing happens */
    must(commit_on(2, 1));
    must(prepare(3, 2));
    mount_stack(3, false, 2, (const uint64_t[]){ 2, 1 });
    assert_false(fs_exists(inside("a")));
    assert_false(fs_exists(inside("d/x")));
    assert_string_equal(get("b"), "b");
    assert_string_equal(get("new"), "new");
    assert_string_equal(get("d/y"), "d/y");
    assert_string_equal(get("d/z"), "d/z");
    unmount();
    must(prepare_as(4, 1, true, false));
    mount_stack(4, true, 1, (const uint64_t[]){ 1 }); /* and the parent is as it was */
    assert_string_equal(get("a"), "a");
    assert_string_equal(get("d/x"), "d/x");
    assert_false(fs_exists(inside("new")));
}

static void an_opaque_folder_hides_what_the_parent_has_in_it(void **state)
{
    (void)state;
    if (!driver->whole)
        not_promised("mounting puts its layers on top of each other");
    make_lowest();
    must(prepare_as(2, 0, false, true));
    assert_int_equal(mkdir(apart(2, "d"), 0755), 0);
    assert_int_equal(setxattr(apart(2, "d"), layer_marks()->opaque, "y", 1, 0), 0);
    put_apart(2, "d/only");
    must(rebase(2, 1));
    must(commit_on(2, 1));
    must(prepare(3, 2));
    mount_stack(3, false, 2, (const uint64_t[]){ 2, 1 });
    assert_false(fs_exists(inside("d/x")) || fs_exists(inside("d/y")));
    assert_string_equal(get("d/only"), "d/only");
    assert_int_equal(getxattr(inside("d"), layer_marks()->opaque, NULL, 0), -1);
}

/* The parent's files were made, and then somebody pulled the plug. */
static void what_a_crash_left_of_a_rebase_goes(void **state)
{
    const char *whole;
    char left[PATH_SIZE];

    (void)state;
    if (!driver->whole || is_plugin())
        not_promised("it keeps no tree of its own while it rebases");
    make_lowest();
    must(prepare_as(2, 0, false, true));
    whole = apart(2, "../whole");
    assert_int_equal(mkdir(whole, 0755), 0);
    snprintf(left, sizeof(left), "%s/left", whole);
    must(fs_write(left, "left", 4, 0644, false, &err));
    put_apart(2, "new");
    must(rebase(2, 1));
    mount_stack(2, true, 0, NULL);
    assert_false(fs_exists(inside("left")));
    assert_string_equal(get("new"), "new");
    assert_string_equal(get("d/x"), "d/x");
    unmount();
    must(prepare(2, 0));
    mount_stack(2, false, 0, NULL);
    assert_false(fs_exists(inside("new")));
}

/* A disk that was full in the middle, say: what was moved by then is not in the layer any more. */
static void a_rebase_that_failed_in_the_middle_is_not_tried_again(void **state)
{
    (void)state;
    if (!driver->whole || is_plugin())
        not_promised("it keeps no tree of its own while it rebases");
    make_lowest();
    must(prepare_as(2, 0, false, true));
    put_apart(2, "new");
    must(fs_write(apart(2, "../rebasing"), "", 0, 0600, false, &err));
    assert_int_equal(rebase(2, 1), -1);
    assert_int_equal(err.code, ERROR_FAILED_PRECONDITION);
}

/* ---- a damaged layer is exchanged for a good one, and removed behind --------------------------- */

#define MANY 1000 /* files: copying them takes a while */

static void make_many(uint64_t number, const char *text)
{
    char name[16];

    must(prepare_as(number, 0, false, true));
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        must(fs_write(apart(number, name), text, strlen(text), 0644, false, &err));
    }
    must(rebase(number, 0));
    must(commit(number));
}

struct making {
    int result;
    struct error err;
};

static void *make_above(void *arg)
{
    static const struct map no_labels;
    const struct layer_new layer = { .number = 3, .parent = 1, .namespace = "default", .key = "a key", .labels = &no_labels };
    struct making *making = arg;

    making->result = driver->prepare(layers, &layer, &making->err);
    return NULL;
}

static int count_name(void *ctx, const char *name, struct error *error)
{
    (void)name, (void)error;
    ++*(int *)ctx;
    return 0;
}

static int files_in(const char *path)
{
    int count = 0;
    struct error gone;

    fs_folder_each(path, count_name, &count, &gone); /* which is not there at first */
    return count;
}

/* The parent goes under the hands of who copies it: all of the copy is of the one or of the other. */
static void a_layer_that_is_exchanged_while_it_is_copied_is_copied_once_more(void **state)
{
    struct making making = { .result = -1 };
    char name[16], first = '\0', *text;
    pthread_t thread;
    size_t size;

    (void)state;
    if (!driver->whole || driver->waits) /* a plugin's are not exchanged */
        skip();
    make_many(1, "bad");
    make_many(2, "good");
    assert_int_equal(pthread_create(&thread, NULL, make_above, &making), 0);
    while (files_in(apart(3, "")) == 0)
        sched_yield();
    must(fs_exchange(apart(1, ""), apart(2, ""), &err));
    must(fs_remove_tree(apart(2, ""), &err));
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (making.result < 0)
        fail_msg("%s", making.err.text);
    assert_int_equal(files_in(apart(3, "")), MANY);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        text = fs_read(apart(3, name), 100, &size, &err);
        assert_non_null(text);
        first = i == 0 ? text[0] : first;
        assert_int_equal(text[0], first);
        free(text);
    }
}

/* Those that a container has made keep the kernel from removing its own in one step. */
static void subvolumes_inside_a_layer_go_with_it(void **state)
{
    static const char script[] = "cd \"$0\" && btrfs -q subvolume create a && mkdir a/b &&"
                                 " btrfs -q subvolume create a/b/c && touch a/b/c/file";
    char away[PATH_SIZE];

    (void)state;
    if (driver != &btrfs_snapshotter)
        not_promised("it has no subvolumes");
    must(prepare(1, 0));
    mount_stack(1, false, 0, NULL);
    assert_int_equal(shell(script, target), 0);
    unmount();
    must(path_format(away, &err, "%s/away", base));
    must(driver->remove(layers, 1, away, &err));
    must(fs_remove_tree(away, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_was_unpacked_apart_lies_on_its_parent_after_a_rebase),
        T(an_opaque_folder_hides_what_the_parent_has_in_it),
        T(what_a_crash_left_of_a_rebase_goes),
        T(a_rebase_that_failed_in_the_middle_is_not_tried_again),
        T(a_layer_that_is_exchanged_while_it_is_copied_is_copied_once_more),
        T(subvolumes_inside_a_layer_go_with_it),
    };

    return prove_all(tests, COUNT_OF(tests));
}
