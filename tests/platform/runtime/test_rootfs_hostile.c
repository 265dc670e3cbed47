/* Root file systems whose makers want out, and what is under the runtime's feet meanwhile. */
#include <linux/magic.h>

#include "platform/linux/runtime/procfs.h"
#include "tests/platform/runtime/rootfs_fixture.h"

#define TMPFS(where) "{\"destination\": \"" where "\", \"type\": \"tmpfs\"}"
#define WITH(mounts) "{" ROOT ", \"mounts\": [" mounts "]}"

/* ---- targets ---------------------------------------------------------------------- */

static void look_at_targets(void)
{
    CHECK(is_type("/outside/a", TMPFS_MAGIC));
    CHECK(is_type("/outside/b", TMPFS_MAGIC));
    CHECK(is_type("/run/new/file", TMPFS_MAGIC));
    CHECK(is_type("/c", TMPFS_MAGIC));
}

static void a_destination_stays_inside(void **state)
{
    struct fixture *fixture = *state;

    make_folder(fixture, "outside");
    make_link(fixture, "rootfs/absolute", in_bundle(fixture, "outside"));
    make_link(fixture, "rootfs/up", "../outside");
    make_link(fixture, "rootfs/over", "/../../../outside");
    make_folder(fixture, "rootfs/etc");
    make_link(fixture, "rootfs/etc/dangling", "../run/./new/file");
    fixture_look(fixture,
                 WITH(TMPFS("/up/a") "," TMPFS("/over/b") "," TMPFS("/etc/dangling") "," TMPFS(
                     "/../../c") "," TMPFS("/absolute/d")),
                 look_at_targets);
    assert_false(exists(in_bundle(fixture, "outside/a")));
    assert_false(exists(in_bundle(fixture, "outside/b")));
    assert_false(exists(in_bundle(fixture, "outside/d")));
    assert_false(exists(in_bundle(fixture, "c")));
}

static void a_link_to_itself_is_an_error(void **state)
{
    make_link(*state, "rootfs/self", "self");
    fixture_refuses(*state, WITH(TMPFS("/self")), "mounts[0] (/self): target: Too many");
    make_link(*state, "rootfs/ring", "gone/../ring");
    fixture_refuses(*state, WITH(TMPFS("/ring")), "mounts[0] (/ring): target: Too many");
}

static void a_file_is_no_target_of_a_folder(void **state)
{
    make_file(*state, "rootfs/file", "");
    fixture_refuses(*state, WITH(TMPFS("/file")), "mounts[0] (/file): target: Not a directory");
    fixture_refuses(*state, WITH(TMPFS("/file/below")), "target: Not a directory");
}

/* ---- proc ------------------------------------------------------------------------- */

static void proc_and_sys_must_be_folders(void **state)
{
    struct fixture *fixture = *state;

    make_folder(fixture, "rootfs/evil");
    make_link(fixture, "rootfs/proc", "evil");
    make_link(fixture, "rootfs/sys", "/evil");
    fixture_refuses(fixture, WITH(PROC),
                    "filesystem \"proc\" must be mounted on ordinary directory");
    fixture_refuses(fixture, WITH(SYS),
                    "filesystem \"sysfs\" must be mounted on ordinary directory");
    fixture_refuses(fixture,
                    WITH("{\"destination\": \"/sys\", \"type\": \"bind\", \"source\": \"/sys\"}"),
                    "must be mounted on ordinary directory");
}

static void look_at_cpuinfo(void)
{
    CHECK(reads("/proc/cpuinfo", "none"));
}

static void only_known_files_of_proc_are_covered(void **state)
{
    struct fixture *fixture = *state;

    make_file(fixture, "cpuinfo", "none");
    make_link(fixture, "rootfs/way", "proc/self/attr");
    make_link(fixture, "rootfs/magic", "/proc/self/root");
    fixture_look(
        fixture,
        WITH(PROC
             ", {\"destination\": \"/proc/cpuinfo\", \"type\": \"bind\", \"source\": \"cpuinfo\"}"),
        look_at_cpuinfo);
    fixture_refuses(fixture, WITH(PROC "," TMPFS("/proc/sys")),
                    "\"/proc/sys\" cannot be mounted because it is inside /proc");
    fixture_refuses(fixture, WITH(PROC "," TMPFS("/proc/")),
                    "\"/proc\" cannot be mounted because it is not of type proc");
    fixture_refuses(fixture, WITH(PROC "," TMPFS("/etc/..//proc/sys")),
                    "cannot be mounted because it is inside /proc");
    fixture_refuses(fixture, WITH(PROC "," TMPFS("/way")),
                    "\"/way\" cannot be mounted because it is inside /proc");
    fixture_refuses(fixture, WITH(PROC "," TMPFS("/magic/etc")),
                    "mounts[1] (/magic/etc): target: Too many");
    fixture_refuses(
        fixture, WITH("{\"destination\": \"/proc\", \"type\": \"bind\", \"source\": \"rootfs\"}"),
        "\"/proc\" cannot be mounted because it is not of type proc");
}

static bool procfs_says(const char *path, const char *message)
{
    struct error err = { 0 };
    int fd = procfs_open(path, O_RDONLY, &err);

    if (fd < 0 && strstr(err.text, message) == NULL)
        dprintf(2, "%s\n", err.text);
    return fd < 0 && strstr(err.text, message) != NULL;
}

static void look_at_covered_proc(void)
{
    struct error err = { 0 };

    CHECK(procfs_open("sys/kernel/hostname", O_RDONLY, &err) >= 0);
    CHECK(procfs_open("self/attr", O_RDONLY, &err) >= 0);
    CHECK(procfs_says("cpuinfo", "/proc/cpuinfo: something is mounted over it"));
    CHECK(procfs_says("self/root/etc", "/proc/self/root/etc: "));
    CHECK(procfs_says("../etc", "/proc/../etc: "));
}

static void look_at_false_proc(void)
{
    CHECK(procfs_says("sys/kernel/hostname", "/proc is not a procfs"));
}

static void what_is_written_to_proc_reaches_the_kernel(void **state)
{
    struct fixture *fixture = *state;

    make_file(fixture, "cpuinfo", "none");
    fixture_look(
        fixture,
        WITH(PROC
             ", {\"destination\": \"/proc/cpuinfo\", \"type\": \"bind\", \"source\": \"cpuinfo\"}"),
        look_at_covered_proc);
    if (mkdir(in_bundle(fixture, "rootfs/proc"), 0755) < 0)
        assert_int_equal(errno, EEXIST);
    fixture_look(fixture, WITH(TMPFS("/tmp")), look_at_false_proc);
}

/* ---- masks ------------------------------------------------------------------------ */

static const char *bundle;

/* Another container with the same /dev, between our mounts and our masks (CVE-2025-31133). */
static void replace_null(void)
{
    char null[128];

    snprintf(null, sizeof(null), "%s/rootfs/dev/null", bundle);
    CHECK(unlink(null) == 0 && symlink("/proc/sys/kernel/core_pattern", null) == 0);
}

static void look_at_masks(void)
{
    struct stat st;

    CHECK(exists("/dev/null"));
    CHECK(stat("/secret", &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
    CHECK(open("/proc/sys/kernel/core_pattern", O_WRONLY) < 0);
}

static void a_mask_is_the_real_null(void **state)
{
    struct fixture *fixture = *state;

    bundle = fixture->bundle;
    make_file(fixture, "rootfs/secret", "secret");
    assert_int_equal(fixture_run(fixture,
                                 "{" ROOT ", \"mounts\": [" PROC "," DEV
                                 "], \"linux\": {\"maskedPaths\": "
                                 "[\"/secret\"], \"readonlyPaths\": [\"/proc/sys\"]}}",
                                 replace_null, look_at_masks),
                     0);
}

/* ---- devices ---------------------------------------------------------------------- */

static void look_at_moved_dev(void)
{
    struct stat st;

    CHECK(lstat("/etc/null", &st) == 0 && S_ISCHR(st.st_mode));
}

static void dev_stays_inside(void **state)
{
    struct fixture *fixture = *state;

    make_folder(fixture, "etc");
    make_link(fixture, "rootfs/dev", "../etc");
    fixture_look(fixture, "{" ROOT "}", look_at_moved_dev);
    assert_false(exists(in_bundle(fixture, "etc/null")));
    fixture_refuses(fixture,
                    "{" ROOT ", \"linux\": {\"devices\": [{\"type\": \"c\", \"path\": \"/dev/..\", "
                    "\"major\": 1, \"minor\": 3}]}}",
                    "linux.devices[0].path: is \"/dev/..\", must name a file");
}

static void look_at_console(void)
{
    struct error err = { 0 };
    int slave;

    CHECK(unlink("/dev/console") == 0 || errno == ENOENT);
    CHECK(symlink("/etc/passwd", "/dev/console") == 0);
    CHECK(rootfs_console(&slave, &err) < 0 && slave < 0);
    CHECK(strcmp(err.text, "/dev/console is a link") == 0);
    CHECK(umount2("/dev/pts", MNT_DETACH) == 0);
    CHECK(mknod("/dev/pts/ptmx", S_IFCHR | 0666, makedev(1, 5)) == 0);
    CHECK(rootfs_console(&slave, &err) < 0);
    CHECK(strstr(err.text, "is something else") != NULL);
}

static void a_console_is_a_terminal_and_at_its_place(void **state)
{
    fixture_look(*state, WITH(DEV "," DEVPTS), look_at_console);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_destination_stays_inside),
        TEST(a_link_to_itself_is_an_error),
        TEST(a_file_is_no_target_of_a_folder),
        TEST(proc_and_sys_must_be_folders),
        TEST(only_known_files_of_proc_are_covered),
        TEST(what_is_written_to_proc_reaches_the_kernel),
        TEST(a_mask_is_the_real_null),
        TEST(dev_stays_inside),
        TEST(a_console_is_a_terminal_and_at_its_place),
    };

    if (rootfs_skip() != 0)
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
