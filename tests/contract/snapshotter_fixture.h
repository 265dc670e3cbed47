/*
 * snapshotter_fixture — what the tests of snapshot drivers share: a folder of layers, the mounts carried out,
 * and the same tests once for each driver.
 *
 * The mounts are carried out in a mount namespace of the test's own: nothing is left on
 * the host, whatever fails.  Without the right to do so it is skipped.
 */
#ifndef TESTS_SNAPSHOTTER_FIXTURE_H
#define TESTS_SNAPSHOTTER_FIXTURE_H

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
#include "tests/contract/snapshotter_plugin.h"

static const struct snapshotter *driver;
static void *layers;
static const char *disk; /* where the test may make folders */
static char base[64], folder[PATH_SIZE], target[PATH_SIZE];
static struct arena *arena;
static struct error err;

static UNUSED void must(int result)
{
    if (result < 0)
        fail_msg("%s", err.text);
}

static UNUSED int prepare_as(uint64_t number, uint64_t parent, bool read_only, bool apart)
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

static UNUSED int prepare(uint64_t number, uint64_t parent)
{
    return prepare_as(number, parent, false, false);
}

/* As the actor does it. */
static UNUSED int commit_on(uint64_t number, uint64_t parent)
{
    if (driver->commit != NULL && driver->commit(layers, number, "a name", parent, &err) < 0)
        return -1;
    return driver->tidy != NULL ? driver->tidy(layers, number, &err) : 0;
}

static UNUSED int commit(uint64_t number)
{
    return commit_on(number, 0);
}

static UNUSED bool is_plugin(void)
{
    return driver == &plugin_snapshotter;
}

static UNUSED void open_layers(void)
{
    must((is_plugin() ? plugin_driver_open : driver->open)(folder, &layers, &err));
}

static UNUSED void open_in(const char *name)
{
    must(path_format(folder, &err, "%s/%s/snapshots", base, name));
    must(fs_folder_make_all(folder, 0700, &err));
    open_layers();
}

/* A promise that means nothing for this driver. */
#define not_promised(why)                             \
    do {                                              \
        print_message("skipped: %s\n", why);          \
        skip();                                       \
    } while (0)

static UNUSED int set_up(void **state)
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
static UNUSED int remove_one(void *ctx, uint64_t number, struct error *error)
{
    char away[PATH_SIZE];

    (void)ctx;
    if (path_format(away, error, "%s/away-%d", base, (int)number) < 0)
        return -1;
    return driver->remove(layers, number, away, error);
}

static UNUSED int tear_down(void **state)
{
    (void)state;
    assert_int_equal(chdir("/"), 0);
    while (umount2(target, MNT_DETACH) == 0)
        ;
    must(driver->each_layer(layers, remove_one, NULL, &err));
    if (is_plugin())
        plugin_holds_nothing(layers);
    driver->close(&layers);
    arena_free(arena);
    must(fs_remove_tree(base, &err));
    return 0;
}

/* ---- carrying out mounts -------------------------------------------------------------------- */

/* From inside the folder of the layers their names are short enough for a page. */
static UNUSED void add_short(struct buffer *data, const char *option)
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

static UNUSED void mount_one(const struct mount *mount_record)
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

static UNUSED void mount_stack(uint64_t number, bool read_only, size_t parent_count,
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

static UNUSED void unmount(void)
{
    assert_int_equal(umount(target), 0);
}

static UNUSED const char *inside(const char *name)
{
    static char paths[4][PATH_SIZE];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    must(path_format(path, &err, "%s/%s", target, name));
    return path;
}

static UNUSED void put(const char *name, const char *text)
{
    must(fs_write(inside(name), text, strlen(text), 0644, false, &err));
}

static UNUSED const char *get(const char *name)
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
static UNUSED void make_layer(uint64_t number, size_t parent_count, const uint64_t *parents,
                       const char *name)
{
    must(prepare(number, parent_count > 0 ? parents[0] : 0));
    mount_stack(number, false, parent_count, parents);
    put(name, name);
    unmount();
    must(commit(number));
}

/* ---- every driver ------------------------------------------------------------------------ */

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* cmocka_run_group_tests_name() is a macro that wants the array itself. */
static UNUSED int prove(const struct snapshotter *calls, const char *where,
                 const struct CMUnitTest *tests, size_t count)
{
    driver = calls;
    disk = where;
    return _cmocka_run_group_tests(calls->name, tests, count, NULL, NULL);
}

/* ---- disks ------------------------------------------------------------------------------- */

/* What its script says with `argument` as $0 is the exit status. */
static UNUSED int shell(const char *script, const char *argument)
{
    const char *argv[] = { "/bin/sh", "-c", script, argument, NULL };
    const struct child_options options = { .argv = argv, .errors = 2 };
    struct child child;
    int status = -1;

    must(child_start(&options, &child, &err));
    must(child_wait(&child, &status, &err));
    return status;
}

/* On a file, by a loop device, which goes with the mount namespace.  NULL: not on this machine. */
static UNUSED const char *btrfs_mount(char at[32])
{
    static const char script[] = "truncate -s 256M \"$0.img\" && mkfs.btrfs -q \"$0.img\" >/dev/null &&"
                                 " mount -o loop \"$0.img\" \"$0\"; status=$?; rm -f \"$0.img\"; exit $status";

    strcpy(at, "/tmp/gantry-btrfs-XXXXXX");
    assert_non_null(mkdtemp(at));
    if (shell(script, at) == 0)
        return at;
    rmdir(at);
    return NULL;
}

static UNUSED int prove_btrfs(const struct CMUnitTest *tests, size_t count)
{
    char at[32];
    int failed;

    if (btrfs_mount(at) == NULL) {
        printf("btrfs: not proved: no loop device, no mkfs.btrfs or a kernel without it\n");
        return 0;
    }
    failed = prove(&btrfs_snapshotter, at, tests, count);
    umount2(at, 0);
    rmdir(at);
    return failed;
}

/* ---- plugins ----------------------------------------------------------------------------- */

static UNUSED int prove_plugin(const struct plugin_kind *kind, const struct CMUnitTest *tests, size_t count)
{
    int failed;

    plugin_set_up((void **)&asked_plugin);
    asked_kind = kind;
    plugin_start(asked_plugin, kind->arguments, false);
    driver = &plugin_snapshotter;
    disk = "/tmp";
    failed = _cmocka_run_group_tests(kind->name, tests, count, NULL, NULL);
    plugin_tear_down((void **)&asked_plugin);
    return failed;
}

static UNUSED int prove_plugins(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;

    if (!plugin_can_run() || in_user_namespace()) {
        printf("plugins: not proved: they want root, and python3-grpcio and python3-protobuf\n");
        return 0;
    }
    for (size_t i = 0; i < COUNT_OF(plugin_kinds); i++)
        failed += prove_plugin(&plugin_kinds[i], tests, count);
    return failed;
}

/* ---- as a test program ends -------------------------------------------------------------- */

static UNUSED bool mounts_are_ours(void)
{
    setenv("PATH", TEST_BIN ":/usr/sbin:/usr/bin:/sbin:/bin", 1);
    if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
        return true;
    printf("skipped: no right to mount (%s)\n", strerror(errno));
    return false;
}

static UNUSED int prove_all(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;

    if (!mounts_are_ours())
        return 77;
    for (size_t i = 0; snapshotters[i] != NULL; i++)
        failed += snapshotters[i] == &btrfs_snapshotter ? prove_btrfs(tests, count) : prove(snapshotters[i], "/tmp", tests, count);
    return failed + prove_plugins(tests, count);
}

#endif
