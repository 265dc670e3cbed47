/*
 * quota — how much may be written below a folder, kept by the file system itself.
 *
 * On xfs and ext4 a folder belongs to a project, whose number its files and folders inherit, and
 * the project has a limit (quotactl(2), PRJQUOTA; FS_IOC_FSSETXATTR).  On btrfs a subvolume is a quota group
 * of its own (btrfs-quota(5)).
 */
#ifndef PLATFORM_LINUX_QUOTA_H
#define PLATFORM_LINUX_QUOTA_H

#include "protocol/record.h"

/* What the label SNAPSHOT_MAX_SIZE says; 0: nothing.  INVALID_ARGUMENT for what is no size. */
int quota_wanted(const struct map *labels, uint64_t *bytes, struct error *err);

/* An empty folder, before anything is made in it; `number` is the layer's.  FAILED_PRECONDITION, with the
   way out: the file system has no such quotas, or they are not switched on. */
int quota_limit_folder(const char *path, uint64_t number, uint64_t bytes, struct error *err);
/* The folder goes: its project's limit, too, where it has one; and it can be renamed as if it never had one. */
void quota_forget_folder(const char *path);

/* What a btrfs subvolume may hold that no other has. */
int quota_limit_subvolume(const char *path, uint64_t bytes, struct error *err);
/* What its quota group says; false: there is none to be asked. */
bool quota_of_subvolume(const char *path, uint64_t *referenced, uint64_t *exclusive);

#endif
