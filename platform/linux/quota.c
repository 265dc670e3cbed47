/* See quota.h. */
#include "platform/linux/quota.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "platform/snapshotter.h"

#define PROJECTS 0x40000000u /* ours begin here: small numbers are an administrator's, /etc/projid */
#define BLOCK    1024u       /* of quotactl(2)'s limits: QIF_DQBLKSIZE */

static int folder_open(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? error_sys(err, errno, "open %s", path) : fd;
}

int quota_wanted(const struct map *labels, uint64_t *bytes, struct error *err)
{
    const char *text = map_get(labels, SNAPSHOT_MAX_SIZE);
    char *end;

    *bytes = 0;
    if (text == NULL)
        return 0;
    errno = 0;
    *bytes = strtoull(text, &end, 10);
    if (text[0] >= '1' && text[0] <= '9' && *end == '\0' && errno == 0 && *bytes <= INT64_MAX)
        return 0;
    return error_set(err, ERROR_INVALID_ARGUMENT, "label " SNAPSHOT_MAX_SIZE " '%.60s': say bytes",
                     text);
}

/* ---- projects ---------------------------------------------------------------------------- */

static int no_projects(const char *path, int os, struct error *err)
{
    error_set(err, ERROR_FAILED_PRECONDITION,
              "limit of size: the file system of %s keeps no project quotas (%s)", path,
              strerror(os));
    return error_hint(err, "xfs: mount it with prjquota; ext4: tune2fs -O quota,project -Q prjquota, "
                           "and mount it with prjquota; or use --snapshotter btrfs");
}

static long limit_set(int folder, uint32_t project, uint64_t bytes)
{
    struct if_dqblk limits = { .dqb_valid = QIF_BLIMITS };

    limits.dqb_bhardlimit = limits.dqb_bsoftlimit = bytes / BLOCK + (bytes % BLOCK != 0);
    return syscall(SYS_quotactl_fd, folder, QCMD(Q_SETQUOTA, PRJQUOTA), project, &limits);
}

int quota_limit_folder(const char *path, uint64_t number, uint64_t bytes, struct error *err)
{
    CLEANUP(file_close) int folder = folder_open(path, err);
    uint32_t project = PROJECTS | ((uint32_t)number & (PROJECTS - 1));
    struct fsxattr attributes;

    if (folder < 0)
        return -1;
    if (hook_platform_call("quota", err))
        return -1;
    if (ioctl(folder, FS_IOC_FSGETXATTR, &attributes) < 0)
        return no_projects(path, errno, err);
    attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    attributes.fsx_projid = project;
    if (ioctl(folder, FS_IOC_FSSETXATTR, &attributes) < 0)
        return no_projects(path, errno, err);
    if (limit_set(folder, project, bytes) == 0)
        return 0;
    if (errno == ENOSYS)
        return error_set(err, ERROR_FAILED_PRECONDITION, "limit of size: needs Linux 5.14");
    return no_projects(path, errno, err);
}

/* Between folders whose files inherit different projects nothing is renamed: it goes as what lies beside it. */
static void project_leave(int folder, struct fsxattr *attributes)
{
    CLEANUP(file_close) int above = openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct fsxattr others;

    if (above < 0 || ioctl(above, FS_IOC_FSGETXATTR, &others) < 0)
        return;
    attributes->fsx_projid = others.fsx_projid;
    ioctl(folder, FS_IOC_FSSETXATTR, attributes);
}

void quota_forget_folder(const char *path)
{
    CLEANUP(file_close) int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct fsxattr attributes;

    if (folder < 0 || ioctl(folder, FS_IOC_FSGETXATTR, &attributes) < 0 ||
        (attributes.fsx_projid & PROJECTS) == 0)
        return;
    limit_set(folder, attributes.fsx_projid, 0);
    project_leave(folder, &attributes);
}

/* ---- quota groups of btrfs ----------------------------------------------------------------- */

/* A subvolume's group is 0/<its id>. */
static int subvolume_id(int folder, uint64_t *id)
{
    struct btrfs_ioctl_ino_lookup_args args = { .objectid = BTRFS_FIRST_FREE_OBJECTID };

    if (ioctl(folder, BTRFS_IOC_INO_LOOKUP, &args) < 0)
        return -1;
    *id = args.treeid;
    return 0;
}

int quota_limit_subvolume(const char *path, uint64_t bytes, struct error *err)
{
    CLEANUP(file_close) int folder = folder_open(path, err);
    struct btrfs_ioctl_qgroup_limit_args args = {
        .lim = { .flags = BTRFS_QGROUP_LIMIT_MAX_EXCL, .max_excl = bytes }
    };

    if (folder < 0)
        return -1;
    if (hook_platform_call("quota", err))
        return -1;
    if (subvolume_id(folder, (uint64_t *)&args.qgroupid) == 0 &&
        ioctl(folder, BTRFS_IOC_QGROUP_LIMIT, &args) == 0)
        return 0;
    error_set(err, ERROR_FAILED_PRECONDITION,
              "limit of size: the btrfs file system of %s keeps no quotas (%s)", path,
              strerror(errno));
    return error_hint(err, "switch them on: btrfs quota enable MOUNT_POINT");
}

/* Of what was written before. */
static bool info_find(int folder, uint64_t id, struct btrfs_qgroup_info_item *info)
{
    struct {
        struct btrfs_ioctl_search_args_v2 args;
        char room[sizeof(struct btrfs_ioctl_search_header) + sizeof(*info)];
    } search = { .args = { .key = { .tree_id = BTRFS_QUOTA_TREE_OBJECTID,
                                    .min_type = BTRFS_QGROUP_INFO_KEY,
                                    .max_type = BTRFS_QGROUP_INFO_KEY,
                                    .min_offset = id,
                                    .max_offset = id,
                                    .max_transid = UINT64_MAX,
                                    .nr_items = 1 },
                           .buf_size = sizeof(search.room) } };

    if (ioctl(folder, BTRFS_IOC_SYNC, NULL) < 0 ||
        ioctl(folder, BTRFS_IOC_TREE_SEARCH_V2, &search) < 0 || search.args.key.nr_items != 1)
        return false;
    memcpy(info, (char *)search.args.buf + sizeof(struct btrfs_ioctl_search_header), sizeof(*info));
    return true;
}

bool quota_of_subvolume(const char *path, uint64_t *referenced, uint64_t *exclusive)
{
    CLEANUP(file_close) int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct btrfs_qgroup_info_item info;
    uint64_t id;

    if (folder < 0 || subvolume_id(folder, &id) < 0 || !info_find(folder, id, &info))
        return false;
    *referenced = le64toh(info.rfer);
    *exclusive = le64toh(info.excl);
    return true;
}
