/* See rdt.h.  Nothing is asked of the file system unless the document has the section. */
#include "platform/linux/runtime/rdt.h"

#include <sys/vfs.h>

#define RESCTRL_MAGIC 0x7655821 /* statfs(2): RDTGROUP_SUPER_MAGIC */

int rdt_check(const struct place *linux_, struct error *err)
{
    struct place rdt = place_member(linux_, "intelRdt");
    struct statfs fs;

    if (rdt.json == NULL)
        return 0;
    if (statfs("/sys/fs/resctrl", &fs) == 0 && fs.f_type == RESCTRL_MAGIC)
        return error_set(err, ERROR_UNIMPLEMENTED,
                         "linux.intelRdt: this runtime does not set cache and bandwidth shares");
    return error_set(err, ERROR_FAILED_PRECONDITION,
                     "linux.intelRdt: resctrl is not mounted at /sys/fs/resctrl (this processor or "
                     "kernel has no Intel RDT, or nobody mounted it)");
}
