/*
 * Limits of size on the file systems that keep project quotas (platform/linux/quota.h), proved by writing: overlay's
 * layers on an ext4 and on an xfs, each in a file.  Where the kernel keeps none (CONFIG_QFMT_V2, CONFIG_XFS_QUOTA)
 * there is nothing to see: ci/vm boots one that does.
 */
#include "tests/contract/snapshotter_fixture.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#define MIB (1024u * 1024)

/* What writing beyond the limit says: to xfs it is as if the file system were full. */
static const struct disk_kind {
    const char *name, *make;
    int beyond;
} kinds[] = { { "ext4", "mkfs.ext4 -q -O quota,project -E quotatype=prjquota", EDQUOT },
              { "xfs", "mkfs.xfs -q", ENOSPC } };
static const struct disk_kind *kind;

static int disk_mount(const char *at)
{
    return shell("mount -o loop,prjquota \"$0.img\" \"$0\"", at);
}

static void disk_unmount(const char *at)
{
    assert_int_equal(umount(at), 0);
}

/* ---- limits ------------------------------------------------------------------------------ */

static void prepare_limited(uint64_t number, uint64_t parent, const char *bytes)
{
    struct map_entry entry = { SNAPSHOT_MAX_SIZE, bytes };
    const struct map labels = { bytes != NULL ? 1 : 0, &entry };
    const struct layer_new layer = { .number = number, .parent = parent, .namespace = "default", .key = "a key", .labels = &labels };

    must(driver->prepare(layers, &layer, &err));
}

/* 0, or what the file system says. */
static int write_more(const char *name, size_t bytes)
{
    static const char block[64 * 1024] = { 'x' };
    CLEANUP(file_close) int fd = open(inside(name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (fd < 0)
        return errno;
    for (ssize_t got; bytes > 0; bytes -= (size_t)got)
        if ((got = write(fd, block, bytes < sizeof(block) ? bytes : sizeof(block))) < 0)
            return errno;
    return fsync(fd) < 0 ? errno : 0;
}

static uint32_t project_of(uint64_t number)
{
    struct fsxattr attributes = { 0 };
    char path[PATH_SIZE];
    int fd;

    must(path_format(path, &err, "%s/%d", folder, (int)number));
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, FS_IOC_FSGETXATTR, &attributes), 0);
    close(fd);
    return attributes.fsx_projid;
}

/* Of one that nobody has heard of all is 0. */
static struct if_dqblk quota_of(uint32_t project)
{
    struct if_dqblk quota = { .dqb_valid = 0 };
    int fd = open(disk, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(syncfs(fd), 0);
    if (syscall(SYS_quotactl_fd, fd, QCMD(Q_GETQUOTA, PRJQUOTA), project, &quota) < 0)
        assert_int_equal(errno, ENOENT);
    close(fd);
    return quota;
}

/* ---- the promises ------------------------------------------------------------------------ */

static void no_more_is_written_than_the_limit(void **state)
{
    struct statvfs seen;

    (void)state;
    prepare_limited(1, 0, "4194304");
    mount_stack(1, false, 0, NULL);
    assert_int_equal(statvfs(target, &seen), 0);
    assert_int_equal(seen.f_blocks * seen.f_frsize, 4 * MIB); /* what df says inside */
    assert_int_equal(write_more("within", 2 * MIB), 0);
    assert_int_equal(write_more("beyond", 4 * MIB), kind->beyond);
    assert_int_equal(unlink(inside("beyond")), 0);
    assert_int_equal(write_more("again", MIB), 0); /* what is removed is free again */
}

static void an_overlay_is_limited_and_what_is_below_it_not_counted(void **state)
{
    const uint64_t one[] = { 1 };

    (void)state;
    prepare_limited(1, 0, NULL);
    mount_stack(1, false, 0, NULL);
    assert_int_equal(write_more("below", 6 * MIB), 0);
    assert_int_equal(mkdir(inside("folder"), 0755), 0);
    unmount();
    must(commit(1));
    prepare_limited(2, 1, "4194304");
    mount_stack(2, false, 1, one);
    assert_int_equal(write_more("folder/within", 3 * MIB), 0);
    assert_int_equal(rename(inside("folder/within"), inside("moved")), 0);
    assert_int_equal(write_more("below", 64 * 1024), kind->beyond); /* which has to be copied up */
    assert_int_equal(write_more("beyond", 2 * MIB), kind->beyond);
}

static void limits_are_of_one_layer_alone(void **state)
{
    (void)state;
    prepare_limited(1, 0, "2097152");
    prepare_limited(2, 0, "8388608");
    prepare_limited(3, 0, NULL);
    assert_int_not_equal(project_of(1), project_of(2));
    mount_stack(1, false, 0, NULL);
    assert_int_equal(write_more("file", 3 * MIB), kind->beyond);
    unmount();
    mount_stack(2, false, 0, NULL);
    assert_int_equal(write_more("file", 6 * MIB), 0);
    unmount();
    mount_stack(3, false, 0, NULL);
    assert_int_equal(write_more("file", 20 * MIB), 0);
}

static void a_limited_layer_can_be_committed_and_built_on(void **state)
{
    const uint64_t one[] = { 1 };

    (void)state;
    prepare_limited(1, 0, "2097152");
    mount_stack(1, false, 0, NULL);
    put("file", "words");
    unmount();
    must(commit(1));
    prepare_limited(2, 1, NULL);
    mount_stack(2, false, 1, one);
    assert_string_equal(get("file"), "words");
    assert_int_equal(write_more("large", 8 * MIB), 0);
}

static void a_removed_layer_leaves_neither_limit_nor_usage(void **state)
{
    char away[PATH_SIZE];
    uint32_t project;

    (void)state;
    prepare_limited(1, 0, "4194304");
    mount_stack(1, false, 0, NULL);
    assert_int_equal(write_more("file", 2 * MIB), 0);
    unmount();
    project = project_of(1);
    assert_int_equal(quota_of(project).dqb_bhardlimit, 4096);
    assert_true(quota_of(project).dqb_curspace >= 2 * MIB);
    must(path_format(away, &err, "%s/away", base));
    must(driver->remove(layers, 1, away, &err));
    assert_int_equal(quota_of(project).dqb_bhardlimit, 0);
    must(fs_remove_tree(away, &err));
    disk_unmount(disk); /* xfs counts what was removed behind */
    assert_int_equal(disk_mount(disk), 0);
    assert_int_equal(quota_of(project).dqb_curspace, 0);
    assert_int_equal(quota_of(project).dqb_curinodes, 0);
}

/* A crash between the place and its row: the number is given out once more. */
static void what_a_crash_left_takes_its_limit_along(void **state)
{
    uint32_t project;

    (void)state;
    prepare_limited(1, 0, "2097152");
    project = project_of(1);
    prepare_limited(1, 0, NULL);
    assert_int_equal(quota_of(project).dqb_bhardlimit, 0);
    mount_stack(1, false, 0, NULL);
    assert_int_equal(write_more("file", 4 * MIB), 0);
}

static void a_limit_outlives_a_mount_anew(void **state)
{
    (void)state;
    prepare_limited(1, 0, "4194304");
    mount_stack(1, false, 0, NULL);
    assert_int_equal(write_more("first", 2 * MIB), 0);
    unmount();
    disk_unmount(disk);
    assert_int_equal(disk_mount(disk), 0);
    mount_stack(1, false, 0, NULL);
    assert_int_equal(write_more("second", MIB), 0);
    assert_int_equal(write_more("third", 2 * MIB), kind->beyond);
}

/* Everything there belongs to a project of the administrator's, and so would what is moved there. */
static void a_root_in_a_project_of_its_own_works(void **state)
{
    struct fsxattr attributes = { 0 };
    char away[PATH_SIZE];
    int fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    assert_int_equal(ioctl(fd, FS_IOC_FSGETXATTR, &attributes), 0);
    attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    attributes.fsx_projid = 42;
    assert_int_equal(ioctl(fd, FS_IOC_FSSETXATTR, &attributes), 0);
    close(fd);
    driver->close(&layers);
    open_in("in-project");
    prepare_limited(1, 0, "2097152");
    mount_stack(1, false, 0, NULL);
    assert_int_equal(write_more("file", MIB), 0);
    assert_int_equal(write_more("beyond", 2 * MIB), kind->beyond);
    unmount();
    must(path_format(away, &err, "%s/away", base));
    must(driver->remove(layers, 1, away, &err));
    must(fs_remove_tree(away, &err));
}

/* ---- disks ------------------------------------------------------------------------------- */

/* Smaller than 300 MB no xfs is made. */
static bool disk_make(char at[32])
{
    char script[256];

    strcpy(at, "/tmp/gantry-quota-XXXXXX");
    assert_non_null(mkdtemp(at));
    snprintf(script, sizeof(script), "truncate -s 320M \"$0.img\" && %s \"$0.img\" >/dev/null", kind->make);
    return shell(script, at) == 0 && disk_mount(at) == 0;
}

static void disk_remove(const char *at)
{
    char image[64];

    umount2(at, 0);
    rmdir(at);
    snprintf(image, sizeof(image), "%s.img", at);
    unlink(image);
}

static int prove_on(const struct disk_kind *which, const struct CMUnitTest *tests, size_t count)
{
    char at[32];
    int failed = 77;

    kind = which;
    if (disk_make(at)) {
        printf("on %s\n", kind->name);
        failed = prove(&overlay_snapshotter, at, tests, count);
    } else {
        printf("%s: skipped: no loop device, no mkfs or a kernel without its project quotas\n", kind->name);
    }
    disk_remove(at);
    return failed;
}

/* Who has it is above the limits of ext4 (capabilities(7)), but through an overlay; a container has it not. */
static void give_up_resources(void)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct sets[2];

    assert_int_equal(syscall(SYS_capget, &header, sets), 0);
    sets[0].effective &= ~(1u << CAP_SYS_RESOURCE);
    assert_int_equal(syscall(SYS_capset, &header, sets), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(no_more_is_written_than_the_limit),
        T(an_overlay_is_limited_and_what_is_below_it_not_counted),
        T(limits_are_of_one_layer_alone),
        T(a_limited_layer_can_be_committed_and_built_on),
        T(a_removed_layer_leaves_neither_limit_nor_usage),
        T(what_a_crash_left_takes_its_limit_along),
        T(a_limit_outlives_a_mount_anew),
        T(a_root_in_a_project_of_its_own_works),
    };
    int failed = 0, skipped = 0;

    if (!mounts_are_ours())
        return 77;
    give_up_resources();
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        int result = prove_on(&kinds[i], tests, COUNT_OF(tests));

        skipped += result == 77;
        failed += result == 77 ? 0 : result;
    }
    return failed > 0 ? failed : skipped > 0 ? 77 : 0;
}
