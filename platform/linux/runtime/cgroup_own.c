/*
 * cgroup_own — giving a container's group of version 2 to its root (runtime-spec config-linux.md,
 * "Cgroup ownership"): the folder, and the files that the kernel names for this purpose.
 */
#include "platform/linux/runtime/cgroup_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DELEGATE  "/sys/kernel/cgroup"
#define FALL_BACK "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n" /* the spec's */

int cgroup_own(struct cgroup *cgroup, uid_t uid, struct error *err)
{
    const struct group *group = cgroup_group(cgroup, "");
    char files[4096], *rest = NULL;
    int folder, done;

    if (!cgroup->v2 || group == NULL)
        return 0;
    if (control_get(DELEGATE, "delegate", files, sizeof(files)) <= 0)
        strcpy(files, FALL_BACK);
    folder = open(group->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    done = folder < 0 ? -1 : fchown(folder, uid, (gid_t)-1);
    for (char *file = strtok_r(files, "\n", &rest); file != NULL && done == 0;
         file = strtok_r(NULL, "\n", &rest))
        if (fchownat(folder, file, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
            done = -1;
    if (done < 0)
        error_sys(err, errno, "give control group %s to user %u", group->folder, (unsigned)uid);
    if (folder >= 0)
        close(folder);
    return done;
}
