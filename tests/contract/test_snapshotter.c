/*
 * What every snapshot driver promises (platform/snapshotter.h), proved by mounting.
 *
 * The mounts are carried out in a mount namespace of the test's own: nothing is left on
 * the host, whatever fails.  Without the right to do so it is skipped.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/linux/drivers.h"
#include "platform/linux/layer_marks.h"
#include "platform/scope.h"
#include "platform/snapshotter.h"

static const struct snapshotter *driver;
static void *layers;
static const char *disk; /* where the test may make folders */
static char base[64], folder[PATH_SIZE], target[PATH_SIZE];
static struct arena *arena;
static struct error err;

static void must(int result)
{
    if (result < 0)
        fail_msg("%s", err.text);
}

static int prepare_as(uint64_t number, uint64_t parent, bool read_only, bool apart)
{
    static const struct map no_labels;
    const struct layer_new layer = { .number = number,
                                     .parent = parent,
                                     .read_only = read_only,
                                     .apart = apart,
                                     .namespace = "default",
                                     .key = "a key",
                                     .labels = &no_labels };

    return driver->prepare(layers, &layer, &err);
}

static int prepare(uint64_t number, uint64_t parent)
{
    return prepare_as(number, parent, false, false);
}

/* As the actor does it. */
static int commit(uint64_t number)
{
    if (driver->commit != NULL && driver->commit(layers, number, "a name", &err) < 0)
        return -1;
    return driver->tidy != NULL ? driver->tidy(layers, number, &err) : 0;
}

static void open_in(const char *name)
{
    must(path_format(folder, &err, "%s/%s/snapshots", base, name));
    must(fs_folder_make_all(folder, 0700, &err));
    must(driver->open(folder, &layers, &err));
}

static int set_up(void **state)
{
    (void)state;
    snprintf(base, sizeof(base), "%s/gantry-snapshotter-XXXXXX", disk);
    assert_non_null(mkdtemp(base));
    snprintf(target, sizeof(target), "%s/target", base);
    assert_int_equal(mkdir(target, 0700), 0);
    arena = arena_new();
    err = (struct error){ 0 };
    open_in("root");
    return 0;
}

/* Not every file system lets a tree of layers go without its driver. */
static int remove_one(void *ctx, uint64_t number, struct error *error)
{
    char away[PATH_SIZE];

    (void)ctx;
    if (path_format(away, error, "%s/away-%d", base, (int)number) < 0)
        return -1;
    return driver->remove(layers, number, away, error);
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(chdir("/"), 0);
    while (umount2(target, MNT_DETACH) == 0)
        ;
    must(driver->each_layer(layers, remove_one, NULL, &err));
    driver->close(&layers);
    arena_free(arena);
    must(fs_remove_tree(base, &err));
    return 0;
}

/* ---- carrying out mounts -------------------------------------------------------------------- */

/* From inside the folder of the layers their names are short enough for a page. */
static void add_short(struct buffer *data, const char *option)
{
    size_t length = strlen(folder);

    if (data->size > 0)
        buffer_add(data, ",", 1);
    for (; *option != '\0'; option++) {
        if (strncmp(option, folder, length) == 0 && option[length] == '/')
            option += length + 1;
        buffer_add(data, option, 1);
    }
}

static void mount_one(const struct mount *mount_record)
{
    struct buffer data = { 0 };
    bool read_only = false;

    for (size_t i = 0; i < mount_record->options.count; i++) {
        const char *option = mount_record->options.items[i];

        read_only = read_only || strcmp(option, "ro") == 0;
        if (strcmp(mount_record->type, "bind") != 0)
            add_short(&data, option);
    }
    buffer_add(&data, "", 1);
    assert_int_equal(chdir(folder), 0);
    if (strcmp(mount_record->type, "bind") == 0) {
        assert_int_equal(mount(mount_record->source, target, NULL, MS_BIND, NULL), 0);
        if (read_only)
            assert_int_equal(mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
    } else if (mount("overlay", target, mount_record->type, 0, data.data) < 0) {
        fail_msg("mount %s: %s", data.data, strerror(errno));
    }
    assert_int_equal(chdir("/"), 0);
    buffer_free(&data);
}

static void mount_stack(uint64_t number, bool read_only, size_t parent_count,
                        const uint64_t *parents)
{
    const struct layer_stack stack = { .number = number,
                                       .read_only = read_only,
                                       .parents = parents,
                                       .parent_count = parent_count };
    struct list mounts = { 0 };

    must(driver->mounts(layers, &stack, &mounts, arena, &err));
    assert_true(mounts.count > 0);
    for (size_t i = 0; i < mounts.count; i++)
        mount_one((const struct mount *)mounts.items + i);
}

static void unmount(void)
{
    assert_int_equal(umount(target), 0);
}

static const char *inside(const char *name)
{
    static char paths[4][PATH_SIZE];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    must(path_format(path, &err, "%s/%s", target, name));
    return path;
}

static void put(const char *name, const char *text)
{
    must(fs_write(inside(name), text, strlen(text), 0644, false, &err));
}

static const char *get(const char *name)
{
    size_t size;
    char *text = fs_read(inside(name), 1000, &size, &err), *copy;

    if (text == NULL)
        fail_msg("%s", err.text);
    copy = arena_str(arena, text);
    free(text);
    return copy;
}

/* Layer `number` on its parents, with one file more. */
static void make_layer(uint64_t number, size_t parent_count, const uint64_t *parents,
                       const char *name)
{
    must(prepare(number, parent_count > 0 ? parents[0] : 0));
    mount_stack(number, false, parent_count, parents);
    put(name, name);
    unmount();
    must(commit(number));
}

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
    mount_stack(4, true, 2, two);
    assert_string_equal(get("file"), "changed");
    unmount();
    mount_stack(4, true, 3, (const uint64_t[]){ 3, 2, 1 });
    assert_false(fs_exists(inside("file")));
}

static void a_view_cannot_be_written(void **state)
{
    const uint64_t parents[] = { 2, 1 };

    (void)state;
    make_layer(1, 0, NULL, "a");
    make_layer(2, 1, &parents[1], "b");
    must(prepare_as(3, 2, true, false));
    for (size_t count = 0; count <= 2; count++) {
        mount_stack(3, true, count, parents + 2 - count);
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
    must(driver->open(folder, &layers, &err)); /* it remembers nothing but what lies there */
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
            skip(); /* a driver without folders: filling so many by mounting takes too long */
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

/* ---- on top of the parent, where layers are whole ---------------------------------------- */

static const char *apart(uint64_t number, const char *name)
{
    char path[PATH_SIZE];

    must(driver->folder(layers, number, path, &err));
    return arena_printf(arena, "%s/%s", path, name);
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
        skip(); /* mounting does it */
    make_lowest();
    must(prepare_as(2, 0, false, true));
    hide_apart(2, "a");
    put_apart(2, "new");
    assert_int_equal(mkdir(apart(2, "d"), 0700), 0);
    hide_apart(2, "d/x");
    put_apart(2, "d/z");
    must(rebase(2, 1));
    must(rebase(2, 1)); /* somebody comes again: nothing happens */
    must(commit(2));
    must(prepare(3, 2));
    mount_stack(3, false, 2, (const uint64_t[]){ 2, 1 });
    assert_false(fs_exists(inside("a")));
    assert_false(fs_exists(inside("d/x")));
    assert_string_equal(get("b"), "b");
    assert_string_equal(get("new"), "new");
    assert_string_equal(get("d/y"), "d/y");
    assert_string_equal(get("d/z"), "d/z");
    unmount();
    mount_stack(1, true, 0, NULL); /* and the parent is as it was */
    assert_string_equal(get("a"), "a");
    assert_string_equal(get("d/x"), "d/x");
    assert_false(fs_exists(inside("new")));
}

static void an_opaque_folder_hides_what_the_parent_has_in_it(void **state)
{
    (void)state;
    if (!driver->whole)
        skip(); /* mounting does it */
    make_lowest();
    must(prepare_as(2, 0, false, true));
    assert_int_equal(mkdir(apart(2, "d"), 0755), 0);
    assert_int_equal(setxattr(apart(2, "d"), layer_marks()->opaque, "y", 1, 0), 0);
    put_apart(2, "d/only");
    must(rebase(2, 1));
    mount_stack(2, true, 0, NULL);
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
    if (!driver->whole)
        skip();
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
    if (!driver->whole)
        skip();
    make_lowest();
    must(prepare_as(2, 0, false, true));
    put_apart(2, "new");
    must(fs_write(apart(2, "../rebasing"), "", 0, 0600, false, &err));
    assert_int_equal(rebase(2, 1), -1);
    assert_int_equal(err.code, ERROR_FAILED_PRECONDITION);
}

/* Those that a container has made keep the kernel from removing its own in one step. */
static void subvolumes_inside_a_layer_go_with_it(void **state)
{
    const char *argv[] = { "/bin/sh", "-c", "cd \"$0\" && btrfs -q subvolume create a &&"
                           " mkdir a/b && btrfs -q subvolume create a/b/c && touch a/b/c/file",
                           NULL, NULL };
    const struct child_options options = { .argv = argv, .errors = 2 };
    struct child child;
    char away[PATH_SIZE];
    int status;

    (void)state;
    if (driver != &btrfs_snapshotter)
        skip();
    must(prepare(1, 0));
    mount_stack(1, false, 0, NULL);
    argv[3] = target;
    must(child_start(&options, &child, &err));
    must(child_wait(&child, &status, &err));
    assert_int_equal(status, 0);
    unmount();
    must(path_format(away, &err, "%s/away", base));
    must(driver->remove(layers, 1, away, &err));
    must(fs_remove_tree(away, &err));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static int prove(const struct snapshotter *calls, const char *where)
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
        T(what_was_unpacked_apart_lies_on_its_parent_after_a_rebase),
        T(an_opaque_folder_hides_what_the_parent_has_in_it),
        T(what_a_crash_left_of_a_rebase_goes),
        T(a_rebase_that_failed_in_the_middle_is_not_tried_again),
        T(subvolumes_inside_a_layer_go_with_it),
    };

    driver = calls;
    disk = where;
    return cmocka_run_group_tests_name(calls->name, tests, NULL, NULL);
}

/* ---- where btrfs is -------------------------------------------------------------------------- */

/* On a file, by a loop device, which goes with the mount namespace.  NULL: not on this machine. */
static const char *btrfs_mount(char at[32])
{
    static const char script[] = "truncate -s 256M \"$0.img\" && mkfs.btrfs -q \"$0.img\" >/dev/null &&"
                                 " mount -o loop \"$0.img\" \"$0\"; status=$?; rm -f \"$0.img\"; exit $status";
    const char *argv[] = { "/bin/sh", "-c", script, at, NULL };
    const struct child_options options = { .argv = argv, .errors = 2 };
    struct child child;
    int status = -1;

    strcpy(at, "/tmp/gantry-btrfs-XXXXXX");
    assert_non_null(mkdtemp(at));
    must(child_start(&options, &child, &err));
    must(child_wait(&child, &status, &err));
    if (status == 0)
        return at;
    rmdir(at);
    return NULL;
}

static int prove_btrfs(void)
{
    char at[32];
    int failed;

    if (btrfs_mount(at) == NULL) {
        printf("btrfs: not proved: no loop device, no mkfs.btrfs or a kernel without it\n");
        return 0;
    }
    failed = prove(&btrfs_snapshotter, at);
    umount2(at, 0);
    rmdir(at);
    return failed;
}

int main(void)
{
    int failed = 0;

    setenv("PATH", TEST_BIN ":/usr/sbin:/usr/bin:/sbin:/bin", 1);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        printf("skipped: no right to mount (%s)\n", strerror(errno));
        return 77;
    }
    for (size_t i = 0; snapshotters[i] != NULL; i++)
        failed += snapshotters[i] == &btrfs_snapshotter ? prove_btrfs() : prove(snapshotters[i], "/tmp");
    return failed;
}
