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

static const char *mapped = "0:100000:65536";

static int overlay_make(const char *folder, unsigned count, const char *target, bool is_mapped)
{
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const char *options[] = {
        "index=off",
        option(arena, "workdir=", folder, FIRST + count, "work"),
        option(arena, "upperdir=", folder, FIRST + count, "fs"),
        lower(arena, folder, count),
        arena_printf(arena, "uidmap=%s", mapped),
        arena_printf(arena, "gidmap=%s", mapped),
    };
    size_t option_count = COUNT_OF(options) - (is_mapped ? 0 : 2);
    struct mount one = { .type = "overlay",
                         .source = "overlay",
                         .options = { option_count, options } };
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

/* The layers' files are the mapped root's; the folder that is written to is what it is. */
static void owners_are_mapped(const char *target)
{
    char path[PATH_SIZE];
    struct stat st;

    snprintf(path, sizeof(path), "%s/f0", target);
    CHECK(stat(path, &st) == 0 && st.st_uid == 100000 && st.st_gid == 100000);
}

static unsigned mounts_on(const char *target)
{
    unsigned count = 0;

    while (umount2(target, MNT_DETACH) == 0)
        count++;
    return count;
}

struct how {
    bool by_parts, is_mapped, fails;
};

static void mount_as(const char *name, unsigned count, const struct how *how)
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
    if (!how->by_parts)
        refuse_parts();
    CHECK((overlay_make(folder, count, target, how->is_mapped) == 0) == !how->fails);
    if (how->is_mapped)
        owners_are_mapped(target);
    if (!how->fails)
        all_is_there(target, count);
    else
        CHECK(strstr(err.text, "overlay") != NULL);
    CHECK(how->fails || !how->by_parts || mounts_on(target) == 1);
    left = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(left < 10); /* no descriptor of a layer */
    CHECK(umount2(base, MNT_DETACH) == 0);
    rmdir(base);
    _exit(0);
}

#define IN_A_PROCESS(name, count, ...) in_a_process(name, count, &(struct how){ __VA_ARGS__ })

static void in_a_process(const char *name, unsigned count, const struct how *how)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        mount_as(name, count, how);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void five_hundred_layers_with_long_numbers_are_one_tree(void **state)
{
    (void)state;
    IN_A_PROCESS("snapshots", MOST, .by_parts = true);
}

static void five_hundred_layers_need_no_fsopen(void **state)
{
    (void)state;
    IN_A_PROCESS("snapshots", MOST, .by_parts = false);
    IN_A_PROCESS("a/rather/long/way/to/the/folder/of/snapshots", MOST, .by_parts = false);
}

static void hundreds_of_layers_in_a_folder_with_odd_letters_are_one_tree(void **state)
{
    (void)state;
    for (int by_parts = 0; by_parts < 2; by_parts++) {
        IN_A_PROCESS("odd:and\\backslash, too", 3, .by_parts = by_parts);
        IN_A_PROCESS("odd:and\\backslash, too", MOST, .by_parts = by_parts);
    }
}

static void one_layer_more_is_refused(void **state)
{
    (void)state;
    IN_A_PROCESS("snapshots", MOST + 1, .by_parts = true, .fails = true);
    IN_A_PROCESS("snapshots", MOST + 1, .fails = true);
}

static void lower_layers_are_mapped_to_other_users(void **state)
{
    (void)state;
    for (int by_parts = 0; by_parts < 2; by_parts++) {
        IN_A_PROCESS("snapshots", 1, .by_parts = by_parts, .is_mapped = true);
        IN_A_PROCESS("odd:and\\backslash, too", 3, .by_parts = by_parts, .is_mapped = true);
        IN_A_PROCESS("snapshots", MOST, .by_parts = by_parts, .is_mapped = true);
    }
}

static int bind_make(const char *source, const char *uids, const char *gids)
{
    const char *options[] = { "ro", uids, gids };
    struct mount one = { .type = "bind",
                         .source = source,
                         .options = { gids != NULL ? 3 : 2, options } };
    const struct list mounts = { 1, &one };

    err = (struct error){ 0 };
    return root_mounts_make("/mnt", &mounts, &err);
}

static void binds_in_a_process(void)
{
    struct stat st;

    CHECK(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    CHECK(bind_make("/etc", "uidmap=0:5:10,10:100:5", "gidmap=0:7:10") == 0);
    CHECK(stat("/mnt/passwd", &st) == 0 && st.st_uid == 5 && st.st_gid == 7);
    CHECK(open("/mnt/passwd", O_WRONLY | O_CLOEXEC) < 0 && errno == EROFS);
    CHECK(bind_make("/etc", "uidmap=0:5:10", NULL) < 0);
    CHECK(strstr(err.text, "needs both") != NULL);
    CHECK(bind_make("/etc", "uidmap=x", "gidmap=0:7:10") < 0);
    CHECK(strstr(err.text, "CONTAINER:HOST:SIZE") != NULL);
    CHECK(bind_make("/proc", "uidmap=0:5:10", "gidmap=0:7:10") < 0);
    CHECK(strstr(err.text, "not every file system can") != NULL);
    _exit(0);
}

static void binds_are_mapped_where_the_file_system_can(void **state)
{
    int status;
    pid_t pid = fork();

    (void)state;
    if (pid == 0)
        binds_in_a_process();
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_hundred_layers_with_long_numbers_are_one_tree),
        cmocka_unit_test(five_hundred_layers_need_no_fsopen),
        cmocka_unit_test(hundreds_of_layers_in_a_folder_with_odd_letters_are_one_tree),
        cmocka_unit_test(one_layer_more_is_refused),
        cmocka_unit_test(lower_layers_are_mapped_to_other_users),
        cmocka_unit_test(binds_are_mapped_where_the_file_system_can),
    };

    if (geteuid() != 0) {
        printf("skipped: needs root: file systems are mounted\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
