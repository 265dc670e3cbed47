/* A container's root file system, looked at from inside. */
#include <linux/magic.h>

#include "tests/platform/runtime/rootfs_fixture.h"

/* ---- the root --------------------------------------------------------------------- */

static void look_at_root(void)
{
    char cwd[64];

    CHECK(getcwd(cwd, sizeof(cwd)) != NULL && strcmp(cwd, "/") == 0);
    CHECK(reads("/mark", "inside"));
    CHECK(!exists("/usr") && !exists("../usr"));
    CHECK(open("/new", O_CREAT | O_WRONLY, 0600) >= 0);
}

static void the_root_is_all_there_is(void **state)
{
    struct fixture *fixture = *state;

    make_file(fixture, "rootfs/mark", "inside");
    fixture_look(fixture, "{" ROOT "}", look_at_root);
    fixture->want.no_pivot = true;
    fixture_look(fixture, "{" ROOT "}", look_at_root);
    fixture->want.no_pivot = false;
    fixture->want.new_mount = false;
    fixture_look(fixture, "{" ROOT "}", look_at_root);
    assert_int_equal(umount2(in_bundle(fixture, "rootfs"), MNT_DETACH), 0);
}

static void look_at_own_proc(void)
{
    CHECK(is_type("/proc", PROC_SUPER_MAGIC) && exists("/proc/self/stat"));
    CHECK(is_type("/sys", SYSFS_MAGIC) && reads("/mark", "inside"));
    CHECK(strstr(mountinfo_of("/"), "rootfs / ") != NULL);
}

/* Also when the path of the root is not the one that the kernel gives it. */
static void without_a_pivot_its_own_proc_is_the_only_one(void **state)
{
    struct fixture *fixture = *state;

    fixture->want.no_pivot = true;
    make_file(fixture, "rootfs/mark", "inside");
    make_link(fixture, "way", "./rootfs");
    fixture_look(fixture, "{\"root\": {\"path\": \"way/../way\"}, \"mounts\": [" PROC "," SYS "]}",
                 look_at_own_proc);
}

static void look_at_read_only_root(void)
{
    CHECK(open("/new", O_CREAT | O_WRONLY, 0600) < 0 && errno == EROFS);
    CHECK(open("/tmp/new", O_CREAT | O_WRONLY, 0600) >= 0);
}

static void a_read_only_root_cannot_be_written(void **state)
{
    fixture_look(*state,
                 "{\"root\": {\"path\": \"rootfs\", \"readonly\": true}, \"mounts\": ["
                 "{\"destination\": \"/tmp\", \"type\": \"tmpfs\"}]}",
                 look_at_read_only_root);
}

static void a_root_that_is_missing_is_named(void **state)
{
    fixture_refuses(*state, "{\"root\": {\"path\": \"/nowhere\"}}",
                    "rootfs (/nowhere) does not exist");
    fixture_refuses(*state, "{}", "root: is missing");
}

static void look_at_shared(void)
{
    CHECK(strstr(mountinfo_of("/"), " shared:") != NULL);
}

static void look_at_private(void)
{
    CHECK(strstr(mountinfo_of("/"), " shared:") == NULL);
    CHECK(strstr(mountinfo_of("/"), " master:") == NULL);
}

static void look_at_unbindable(void)
{
    CHECK(strstr(mountinfo_of("/"), " unbindable") != NULL);
}

static void the_root_spreads_as_it_is_told(void **state)
{
    fixture_look(*state,
                 "{" ROOT ", \"mounts\": [" PROC
                 "], \"linux\": {\"rootfsPropagation\": \"shared\"}}",
                 look_at_shared);
    fixture_look(*state,
                 "{" ROOT ", \"mounts\": [" PROC
                 "], \"linux\": {\"rootfsPropagation\": \"private\"}}",
                 look_at_private);
    fixture_look(*state,
                 "{" ROOT ", \"mounts\": [" PROC
                 "], \"linux\": {\"rootfsPropagation\": \"unbindable\"}}",
                 look_at_unbindable);
    fixture_refuses(*state, "{" ROOT ", \"linux\": {\"rootfsPropagation\": \"wide\"}}",
                    "linux.rootfsPropagation: is \"wide\"");
}

/* ---- mounts ----------------------------------------------------------------------- */

static void look_at_mounts(void)
{
    CHECK(is_type("/proc", PROC_SUPER_MAGIC));
    CHECK(is_type("/sys", SYSFS_MAGIC) && (flags_of("/sys") & ST_RDONLY));
    CHECK(is_type("/dev", TMPFS_MAGIC) && (flags_of("/dev") & ST_NOSUID));
    CHECK(is_type("/dev/pts", DEVPTS_SUPER_MAGIC));
    CHECK(strstr(mountinfo_of("/dev"), "size=65536k,mode=755") != NULL);
    CHECK(reads("/data/mark", "data") && reads("/deep/er/file", "file"));
    CHECK(open("/data/new", O_CREAT | O_WRONLY, 0600) < 0 && errno == EROFS);
    CHECK(flags_of("/data") & ST_NODEV);
    CHECK(open("/deep/er/file", O_WRONLY) >= 0);
}

static void mounts_are_made_in_order(void **state)
{
    struct fixture *fixture = *state;

    make_folder(fixture, "data");
    make_file(fixture, "data/mark", "data");
    make_file(fixture, "file", "file");
    fixture_look(
        fixture,
        "{" ROOT ", \"mounts\": [" PROC "," SYS "," DEV "," DEVPTS ","
        "{\"destination\": \"/data\", \"type\": \"bind\", \"source\": \"data\", \"options\": "
        "[\"ro\", \"nodev\"]},"
        "{\"destination\": \"deep/er/file\", \"source\": \"file\", \"options\": [\"bind\"]}]}",
        look_at_mounts);
}

static void look_at_tmpfs(void)
{
    struct stat st;

    CHECK(flags_of("/ro") & ST_RDONLY);
    CHECK(flags_of("/ro/below") & ST_NOEXEC);
    CHECK(stat("/looks", &st) == 0 && (st.st_mode & 07777) == 0710);
    CHECK(stat("/new", &st) == 0 && (st.st_mode & 07777) == 01777);
    CHECK(stat("/mode", &st) == 0 && (st.st_mode & 07777) == 0700);
}

static void a_read_only_tmpfs_can_be_mounted_into(void **state)
{
    struct fixture *fixture = *state;

    make_folder(fixture, "rootfs/looks");
    chmod(in_bundle(fixture, "rootfs/looks"), 0710);
    fixture_look(
        fixture,
        "{" ROOT
        ", \"mounts\": [{\"destination\": \"/ro\", \"type\": \"tmpfs\", \"options\": [\"ro\"]},"
        "{\"destination\": \"/ro/below\", \"type\": \"tmpfs\", \"options\": [\"noexec\"]},"
        "{\"destination\": \"/looks\", \"type\": \"tmpfs\"}, {\"destination\": \"/new\", \"type\": "
        "\"tmpfs\"},"
        "{\"destination\": \"/mode\", \"type\": \"tmpfs\", \"options\": [\"mode=0700,size=1m\"]}]}",
        look_at_tmpfs);
}

static void an_error_says_which_mount(void **state)
{
    fixture_refuses(*state,
                    "{" ROOT ", \"mounts\": [" PROC
                    ", {\"destination\": \"/a\", \"type\": \"bind\", "
                    "\"source\": \"/nowhere\"}]}",
                    "mounts[1] (/a): source /nowhere: No such file");
    fixture_refuses(*state,
                    "{" ROOT ", \"mounts\": [{\"destination\": \"/a\", \"type\": \"nofs\"}]}",
                    "mounts[0] (/a): file system nofs: No such device");
    fixture_refuses(
        *state,
        "{" ROOT
        ", \"mounts\": [{\"destination\": \"/a\", \"type\": \"tmpfs\", \"options\": [\"siz=4\"]}]}",
        "mounts[0] (/a): option siz=4: ");
    fixture_refuses(*state, "{" ROOT ", \"mounts\": [{\"type\": \"tmpfs\"}]}",
                    "mounts[0].destination: is missing");
    fixture_refuses(*state, "{" ROOT ", \"mounts\": [{\"destination\": \"/a\"}]}",
                    "mounts[0].type: is missing");
}

/* ---- devices ---------------------------------------------------------------------- */

static bool is_node(const char *path, mode_t mode, unsigned major_, unsigned minor_)
{
    struct stat st;

    return lstat(path, &st) == 0 && st.st_mode == mode && st.st_rdev == makedev(major_, minor_);
}

static bool leads_to(const char *path, const char *where)
{
    char found[64] = "";

    return readlink(path, found, sizeof(found) - 1) > 0 && strcmp(found, where) == 0;
}

static void look_at_devices(void)
{
    struct stat st;

    CHECK(is_node("/dev/null", S_IFCHR | 0666, 1, 3));
    CHECK(is_node("/dev/tty", S_IFCHR | 0666, 5, 0));
    CHECK(is_node("/dev/mine", S_IFBLK | 0640, 7, 3));
    CHECK(lstat("/dev/mine", &st) == 0 && st.st_uid == 5 && st.st_gid == 6);
    CHECK(lstat("/dev/deep/pipe", &st) == 0 && S_ISFIFO(st.st_mode));
    CHECK(leads_to("/dev/fd", "/proc/self/fd") && leads_to("/dev/ptmx", "pts/ptmx"));
    CHECK(leads_to("/dev/stderr", "/proc/self/fd/2"));
}

static void devices_are_there(void **state)
{
    fixture_look(*state,
                 "{" ROOT ", \"mounts\": [" DEV "], \"linux\": {\"devices\": ["
                 "{\"type\": \"b\", \"path\": \"/dev/mine\", \"major\": 7, \"minor\": 3, "
                 "\"fileMode\": 416, \"uid\": 5, \"gid\": 6},"
                 "{\"type\": \"p\", \"path\": \"/dev/deep/pipe\"},"
                 "{\"type\": \"u\", \"path\": \"/dev/null\", \"major\": 1, \"minor\": 3}]}}",
                 look_at_devices);
}

static void look_at_host_devices(void)
{
    CHECK(exists("/dev/mark") && !exists("/dev/null") && !exists("/dev/fd"));
}

static void a_dev_of_the_host_is_left_alone(void **state)
{
    struct fixture *fixture = *state;

    make_folder(fixture, "dev");
    make_file(fixture, "dev/mark", "");
    fixture_look(
        fixture,
        "{" ROOT
        ", \"mounts\": [{\"destination\": \"/dev/\", \"type\": \"bind\", \"source\": \"dev\"}]}",
        look_at_host_devices);
}

static void a_device_that_is_something_else_is_refused(void **state)
{
    struct fixture *fixture = *state;

    make_folder(fixture, "rootfs/dev");
    make_link(fixture, "rootfs/dev/null", "/proc/sys/kernel/core_pattern");
    fixture_refuses(fixture, "{" ROOT "}", "device /dev/null: something else is there");
    fixture_refuses(
        fixture, "{" ROOT ", \"linux\": {\"devices\": [{\"type\": \"x\", \"path\": \"/dev/a\"}]}}",
        "linux.devices[0].type: is \"x\"");
    fixture_refuses(
        fixture, "{" ROOT ", \"linux\": {\"devices\": [{\"type\": \"c\", \"path\": \"/dev/a\"}]}}",
        "linux.devices[0].major: is missing");
}

/* ---- masks ------------------------------------------------------------------------ */

static void look_at_masks(void)
{
    int fd;

    CHECK(reads("/secret", "") && reads("/other", "") && reads("/plain", "plain"));
    CHECK(is_node("/secret", S_IFCHR | 0666, 1, 3));
    CHECK(!exists("/folder/inner") && (flags_of("/folder") & ST_RDONLY));
    CHECK(!exists("/folder2/inner") && (flags_of("/folder2") & ST_RDONLY));
    CHECK(open("/sealed/new", O_CREAT | O_WRONLY, 0600) < 0 && errno == EROFS);
    CHECK((fd = open("/proc/sys/kernel/hostname", O_WRONLY)) < 0 && errno == EROFS);
}

static const char masks[] = "{" ROOT ", \"mounts\": [" PROC "," DEV
                            "], \"linux\": {\"maskedPaths\": [\"/secret\", \"/gone\", "
                            "\"/plain/below\", \"/folder\", \"/other\", \"/folder2\"], "
                            "\"readonlyPaths\": [\"/sealed\", \"/proc/sys\", \"/gone\"]}}";

static void make_secrets(struct fixture *fixture)
{
    make_file(fixture, "rootfs/secret", "secret");
    make_file(fixture, "rootfs/other", "secret");
    make_file(fixture, "rootfs/plain", "plain");
    make_folder(fixture, "rootfs/folder");
    make_folder(fixture, "rootfs/folder2");
    make_folder(fixture, "rootfs/sealed");
    make_file(fixture, "rootfs/folder/inner", "");
    make_file(fixture, "rootfs/folder2/inner", "");
}

static void paths_are_masked_and_sealed(void **state)
{
    make_secrets(*state);
    fixture_look(*state, masks, look_at_masks);
}

static void masks_need_a_mount_namespace(void **state)
{
    struct fixture *fixture = *state;

    fixture->want.new_mount = false;
    fixture_refuses(fixture, masks, "without a private MNT namespace");
}

/* ---- terminals -------------------------------------------------------------------- */

static void look_at_terminal(void)
{
    struct error err = { 0 };
    struct stat st, console;
    char byte = 0;
    int slave, master = rootfs_console(&slave, &err);

    if (master < 0)
        dprintf(2, "%s\n", err.text);
    CHECK(master >= 0 && isatty(slave));
    CHECK(fstat(slave, &st) == 0 && stat("/dev/console", &console) == 0);
    CHECK(st.st_rdev == console.st_rdev && st.st_ino == console.st_ino);
    CHECK(write(master, "x\n", 2) == 2 && read(slave, &byte, 1) == 1 && byte == 'x');
}

static void the_console_is_a_terminal_of_the_container(void **state)
{
    fixture_look(*state, "{" ROOT ", \"mounts\": [" DEV "," DEVPTS "]}", look_at_terminal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_root_is_all_there_is),
        TEST(without_a_pivot_its_own_proc_is_the_only_one),
        TEST(a_read_only_root_cannot_be_written),
        TEST(a_root_that_is_missing_is_named),
        TEST(the_root_spreads_as_it_is_told),
        TEST(mounts_are_made_in_order),
        TEST(a_read_only_tmpfs_can_be_mounted_into),
        TEST(an_error_says_which_mount),
        TEST(devices_are_there),
        TEST(a_dev_of_the_host_is_left_alone),
        TEST(a_device_that_is_something_else_is_refused),
        TEST(paths_are_masked_and_sealed),
        TEST(masks_need_a_mount_namespace),
        TEST(the_console_is_a_terminal_of_the_container),
    };

    if (rootfs_skip() != 0)
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
