/*
 * Overlays of many layers, on kernels that take their names one by one and on those that do not
 * (fsopen(2) and fsconfig(2) are refused by a filter), as platform/linux/runtime/overlay_mount.c
 * mounts them.
 *
 * Each is made by a process of its own, in a mount namespace of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/linux/runtime/root_mounts.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define MOST  500     /* OVL_MAX_STACK: Documentation/filesystems/overlayfs.rst */
#define FIRST 999000u /* number of the lowest layer */

#define CHECK(condition)                                                           \
    do {                                                                           \
        if (!(condition)) {                                                        \
            dprintf(2, "%s:%d: %s: %s %s\n", __FILE__, __LINE__, #condition,       \
                    err.text, strerror(errno));                                    \
            _exit(1);                                                              \
        }                                                                          \
    } while (0)

static struct error err;

static void refuse_parts(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    CHECK(filter != NULL);
    CHECK(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(fsopen), 0) == 0);
    CHECK(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(fsconfig), 0) == 0);
    CHECK(seccomp_load(filter) == 0);
    seccomp_release(filter);
}

/* The lowest has "first"; the others a file of their own. */
static void layers_make(const char *folder, unsigned count)
{
    char path[PATH_SIZE];

    for (unsigned i = 0; i < count + 1; i++) { /* and one to write to */
        snprintf(path, sizeof(path), "%s/%u/fs", folder, FIRST + i);
        CHECK(fs_folder_make_all(path, 0755, &err) == 0);
        if (i == count)
            continue;
        snprintf(path, sizeof(path), "%s/%u/fs/f%u", folder, FIRST + i, i);
        CHECK(fs_write(path, "x", 1, 0644, false, &err) == 0);
    }
    snprintf(path, sizeof(path), "%s/%u/work", folder, FIRST + count);
    CHECK(fs_folder_make_all(path, 0755, &err) == 0);
}

static void escaped_add(struct buffer *text, const char *path)
{
    for (; *path != '\0'; path++) {
        if (strchr(",:\\", *path) != NULL)
            buffer_add(text, "\\", 1);
        buffer_add(text, path, 1);
    }
}

static const char *option(struct arena *arena, const char *name, const char *folder, unsigned number,
                          const char *below)
{
    struct buffer text = { 0 };
    const char *copy;

    buffer_add(&text, name, strlen(name));
    escaped_add(&text, arena_printf(arena, "%s/%u/%s", folder, number, below));
    buffer_add(&text, "", 1);
    copy = arena_str(arena, text.data);
    buffer_free(&text);
    return copy;
}

static const char *lower(struct arena *arena, const char *folder, unsigned count)
{
    struct buffer text = { 0 };
    const char *copy;

    for (unsigned i = count; i-- > 0;) {
        const char *one =
            option(arena, i + 1 == count ? "lowerdir=" : ":", folder, FIRST + i, "fs");

        buffer_add(&text, one, strlen(one));
    }
    buffer_add(&text, "", 1);
    copy = arena_str(arena, text.data);
    buffer_free(&text);
    return copy;
}

static int overlay_make(const char *folder, unsigned count, const char *target)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const char *options[] = {
        "index=off",
        option(arena, "workdir=", folder, FIRST + count, "work"),
        option(arena, "upperdir=", folder, FIRST + count, "fs"),
        lower(arena, folder, count),
    };
    struct mount one = { .type = "overlay",
                         .source = "overlay",
                         .options = { COUNT_OF(options), options } };
    const struct list mounts = { 1, &one };

    return root_mounts_make(target, &mounts, &err);
}

static void all_is_there(const char *target, unsigned count)
{
    char path[PATH_SIZE];

    for (unsigned i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/f%u", target, i);
        CHECK(fs_exists(path));
    }
    snprintf(path, sizeof(path), "%s/new", target);
    CHECK(fs_write(path, "new", 3, 0644, false, &err) == 0);
    snprintf(path, sizeof(path), "%s/f0", target);
    CHECK(unlink(path) == 0);
}

static void mount_as(const char *name, unsigned count, bool by_parts, bool works)
{
    char base[] = "/tmp/gantry-layers-XXXXXX", folder[100], target[100];
    int left;

    CHECK(mkdtemp(base) != NULL);
    CHECK(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    CHECK(mount("tmpfs", base, "tmpfs", 0, NULL) == 0);
    snprintf(folder, sizeof(folder), "%s/%s", base, name);
    snprintf(target, sizeof(target), "%s/root", base);
    layers_make(folder, count);
    CHECK(mkdir(target, 0755) == 0);
    if (!by_parts)
        refuse_parts();
    CHECK((overlay_make(folder, count, target) == 0) == works);
    if (works)
        all_is_there(target, count);
    else
        CHECK(strstr(err.text, "overlay") != NULL);
    left = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(left < 10); /* no descriptor of a layer */
    CHECK(umount2(base, MNT_DETACH) == 0);
    rmdir(base);
    _exit(0);
}

static void in_a_process(const char *name, unsigned count, bool by_parts, bool works)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        mount_as(name, count, by_parts, works);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void five_hundred_layers_with_long_numbers_are_one_tree(void **state)
{
    (void)state;
    in_a_process("snapshots", MOST, true, true);
}

static void five_hundred_layers_need_no_fsopen(void **state)
{
    (void)state;
    in_a_process("snapshots", MOST, false, true);
    in_a_process("a/rather/long/way/to/the/folder/of/snapshots", MOST, false, true);
}

static void hundreds_of_layers_in_a_folder_with_odd_letters_are_one_tree(void **state)
{
    (void)state;
    for (int by_parts = 0; by_parts < 2; by_parts++) {
        in_a_process("odd:and\\backslash, too", 3, by_parts, true);
        in_a_process("odd:and\\backslash, too", MOST, by_parts, true);
    }
}

static void one_layer_more_is_refused(void **state)
{
    (void)state;
    in_a_process("snapshots", MOST + 1, true, false);
    in_a_process("snapshots", MOST + 1, false, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_hundred_layers_with_long_numbers_are_one_tree),
        cmocka_unit_test(five_hundred_layers_need_no_fsopen),
        cmocka_unit_test(hundreds_of_layers_in_a_folder_with_odd_letters_are_one_tree),
        cmocka_unit_test(one_layer_more_is_refused),
    };

    if (geteuid() != 0) {
        printf("skipped: needs root: file systems are mounted\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
