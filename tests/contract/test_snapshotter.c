/* What every snapshot driver promises (platform/snapshotter.h), proved by mounting. */
#include "tests/contract/snapshotter_fixture.h"

/* ---- the promises --------------------------------------------------------------------------- */

static void a_new_layer_is_empty_and_can_be_written(void **state)
{
    (void)state;
    must(prepare(1, 0));
    mount_stack(1, false, 0, NULL);
    assert_int_equal(rmdir(inside("nothing")), -1);
    put("file", "words");
    assert_string_equal(get("file"), "words");
}

static void what_a_layer_holds_is_seen_above_it(void **state)
{
    const uint64_t one[] = { 1 }, two[] = { 2, 1 };

    (void)state;
    make_layer(1, 0, NULL, "first");
    make_layer(2, 1, one, "second");
    must(prepare(3, 2));
    mount_stack(3, false, 2, two);
    assert_string_equal(get("first"), "first");
    assert_string_equal(get("second"), "second");
}

static void changes_above_do_not_reach_below(void **state)
{
    const uint64_t one[] = { 1 }, two[] = { 2, 1 };

    (void)state;
    make_layer(1, 0, NULL, "file");
    must(prepare(2, 1));
    mount_stack(2, false, 1, one);
    put("file", "changed");
    unmount();
    must(commit(2));
    must(prepare(3, 2));
    mount_stack(3, false, 2, two);
    assert_int_equal(unlink(inside("file")), 0);
    unmount();
    must(commit(3));

    must(prepare_as(4, 1, true, false));
    mount_stack(4, true, 1, one);
    assert_string_equal(get("file"), "file");
    unmount();
    must(prepare_as(5, 2, true, false));
    mount_stack(5, true, 2, two);
    assert_string_equal(get("file"), "changed");
    unmount();
    must(prepare_as(6, 3, true, false));
    mount_stack(6, true, 3, (const uint64_t[]){ 3, 2, 1 });
    assert_false(fs_exists(inside("file")));
}

static void a_view_cannot_be_written(void **state)
{
    const uint64_t parents[] = { 2, 1 };

    (void)state;
    make_layer(1, 0, NULL, "a");
    make_layer(2, 1, &parents[1], "b");
    for (size_t count = 0; count <= 2; count++) {
        must(prepare_as(3 + count, count, true, false));
        mount_stack(3 + count, true, count, parents + 2 - count);
        assert_int_equal(mkdir(inside("new"), 0700), -1);
        assert_int_equal(errno, EROFS);
        unmount();
    }
}

/* What is seen at the top is the topmost layer's own folder. */
static void the_top_folder_looks_like_the_one_below(void **state)
{
    const uint64_t one[] = { 1 };
    struct stat st;

    (void)state;
    must(prepare(1, 0));
    mount_stack(1, false, 0, NULL);
    assert_int_equal(chown(target, 1234, 5678), 0);
    assert_int_equal(chmod(target, 01751), 0);
    unmount();
    must(commit(1));
    must(prepare(2, 1));
    mount_stack(2, false, 1, one);
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_uid, 1234);
    assert_int_equal(st.st_gid, 5678);
    assert_int_equal(st.st_mode & 07777, 01751);
}

static void a_layer_that_is_made_anew_is_empty(void **state)
{
    (void)state;
    make_layer(1, 0, NULL, "old");
    must(prepare(1, 0));
    mount_stack(1, false, 0, NULL);
    assert_false(fs_exists(inside("old")));
}

static void usage_is_of_the_layer_alone(void **state)
{
    const uint64_t one[] = { 1 };
    char large[5000];
    uint64_t size, inodes;

    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    must(prepare(1, 0));
    mount_stack(1, false, 0, NULL);
    for (int i = 0; i < 10; i++) {
        char name[8];

        snprintf(name, sizeof(name), "f%d", i);
        put(name, large);
    }
    unmount();
    must(commit(1));
    make_layer(2, 1, one, "small");
    must(driver->sync(layers, 1, &err));
    must(driver->usage(layers, 1, 0, &size, &inodes, &err));
    assert_int_equal(inodes, 10);
    assert_true(size >= 10 * 5000);
    must(driver->usage(layers, 2, 1, &size, &inodes, &err));
    assert_int_equal(inodes, 1);
    assert_true(size < 10 * 5000);
}

static int add_number(void *ctx, uint64_t number, struct error *error)
{
    (void)error;
    *(uint64_t *)ctx += number;
    return 0;
}

static int stop_at_first(void *ctx, uint64_t number, struct error *error)
{
    (void)ctx, (void)number;
    return error_set(error, ERROR_ABORTED, "enough");
}

static void it_tells_which_layers_lie_there(void **state)
{
    char away[PATH_SIZE];
    uint64_t sum = 0;

    (void)state;
    must(driver->each_layer(layers, add_number, &sum, &err));
    assert_int_equal(sum, 0);
    for (uint64_t number = 1; number <= 1000; number *= 10)
        must(prepare(number, 0));
    driver->close(&layers);
    open_layers(); /* it remembers nothing but what lies there */
    must(driver->each_layer(layers, add_number, &sum, &err));
    assert_int_equal(sum, 1111);
    assert_int_equal(driver->each_layer(layers, stop_at_first, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_ABORTED);

    must(path_format(away, &err, "%s/away", base));
    must(driver->remove(layers, 100, away, &err));
    assert_true(fs_exists(away));
    sum = 0;
    must(driver->each_layer(layers, add_number, &sum, &err));
    assert_int_equal(sum, 1011);
    must(path_format(away, &err, "%s/again", base));
    must(driver->remove(layers, 100, away, &err)); /* it is gone: no error */
}

static void hundreds_of_layers_are_one_tree(void **state)
{
    enum { MOST = 300, OF_WHOLE = 40 /* each is a copy of all below it */ };
    static uint64_t parents[MOST];
    const uint64_t count = driver->whole ? OF_WHOLE : MOST;
    char name[16];

    (void)state;
    for (uint64_t number = 1; number <= count; number++) {
        char path[PATH_SIZE];

        must(prepare(number, number - 1));
        if (driver->folder(layers, number, path, &err) < 0)
            not_promised("a driver without folders: filling so many by mounting takes too long");
        snprintf(name, sizeof(name), "/f%d", (int)number);
        strncat(path, name, sizeof(path) - strlen(path) - 1);
        must(fs_write(path, name, strlen(name), 0644, false, &err));
        must(commit(number));
        parents[count - number] = number;
    }
    must(prepare(count + 1, count));
    mount_stack(count + 1, false, count, parents);
    for (uint64_t number = 1; number <= count; number++) {
        snprintf(name, sizeof(name), "f%d", (int)number);
        assert_true(fs_exists(inside(name)));
    }
    put("new", "on top of all");
}

static void more_parents_than_it_takes_are_refused(void **state)
{
    const struct layer_stack stack = { .number = 1,
                                       .parents = arena_alloc(arena, (driver->parents_max + 1) *
                                                                         sizeof(uint64_t)),
                                       .parent_count = driver->parents_max + 1 };
    struct list mounts = { 0 };

    (void)state;
    if (is_plugin())
        not_promised("how parents are mounted, and how many, is a plugin's business");
    assert_int_equal(driver->mounts(layers, &stack, &mounts, arena, &err), -1);
    assert_int_equal(err.code, ERROR_RESOURCE_EXHAUSTED);
}

static void a_root_with_odd_letters_works(void **state)
{
    const uint64_t parents[] = { 2, 1 };

    (void)state;
    driver->close(&layers);
    open_in("odd, very:odd \\ and spaced");
    make_layer(1, 0, NULL, "first");
    make_layer(2, 1, &parents[1], "second");
    must(prepare(3, 2));
    mount_stack(3, false, 2, parents);
    assert_string_equal(get("first"), "first");
    put("third", "3");
}

/* ---- views ------------------------------------------------------------------------------ */

static void ten_views_are_of_one_layer_and_take_nothing(void **state)
{
    const uint64_t one[] = { 1 };
    uint64_t size, inodes;

    (void)state;
    make_layer(1, 0, NULL, "file");
    for (uint64_t number = 2; number < 12; number++) {
        must(prepare_as(number, 1, true, false));
        mount_stack(number, true, 1, one);
        assert_string_equal(get("file"), "file");
        unmount();
        must(driver->usage(layers, number, 0, &size, &inodes, &err));
        assert_int_equal(inodes, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_new_layer_is_empty_and_can_be_written),
        T(what_a_layer_holds_is_seen_above_it),
        T(changes_above_do_not_reach_below),
        T(a_view_cannot_be_written),
        T(ten_views_are_of_one_layer_and_take_nothing),
        T(the_top_folder_looks_like_the_one_below),
        T(a_layer_that_is_made_anew_is_empty),
        T(usage_is_of_the_layer_alone),
        T(it_tells_which_layers_lie_there),
        T(hundreds_of_layers_are_one_tree),
        T(more_parents_than_it_takes_are_refused),
        T(a_root_with_odd_letters_works),
    };

    return prove_all(tests, COUNT_OF(tests));
}
