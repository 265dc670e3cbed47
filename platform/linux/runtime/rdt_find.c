/* rdt_find — where resctrl is, and nothing else is taken for it. */
#include "platform/linux/runtime/rdt_parts.h"

#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "platform/scope.h"

#define USUAL         "/sys/fs/resctrl"
#define RESCTRL_MAGIC 0x7655821 /* linux/magic.h: RDTGROUP_SUPER_MAGIC */

/* Its root: a class that is bound elsewhere has no `info`. */
static bool is_resctrl(const char *at)
{
    char info[PATH_SIZE];
    struct error ignored;
    struct statfs fs;

    return statfs(at, &fs) == 0 && fs.f_type == RESCTRL_MAGIC &&
           path_format(info, &ignored, "%s/info", at) == 0 && access(info, F_OK) == 0;
}

static void table_close(FILE **table)
{
    if (*table != NULL)
        endmntent(*table);
}

int rdt_find(char root[PATH_SIZE], struct error *err)
{
    CLEANUP(table_close) FILE *table = NULL;
    struct mntent *mount;

    if (is_resctrl(USUAL))
        return path_format(root, err, "%s", USUAL);
    table = setmntent("/proc/self/mounts", "re");
    while (table != NULL && (mount = getmntent(table)) != NULL)
        if (strcmp(mount->mnt_type, "resctrl") == 0 && is_resctrl(mount->mnt_dir))
            return path_format(root, err, "%s", mount->mnt_dir);
    return error_set(err, ERROR_FAILED_PRECONDITION,
                     "linux.intelRdt: resctrl is not mounted (mount -t resctrl resctrl " USUAL
                     "; the processor or the kernel may have no Intel RDT)");
}
