/* Socket files, given to whom they are for.  Apart from other files: names of groups are looked up
   by libc's own plugins, which a statically linked program cannot load. */
#include <errno.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/platform.h"

int endpoint_protect(const char *path, unsigned mode, const char *group, struct error *err)
{
    struct group *found = group != NULL ? getgrnam(group) : NULL;

    if (hook_platform_call("protect", err))
        return -1;
    if (found != NULL && chown(path, 0, found->gr_gid) < 0)
        return error_sys(err, errno, "give %s to group %s", path, group);
    if (chmod(path, (mode_t)mode) < 0)
        return error_sys(err, errno, "set mode of %s", path);
    return 0;
}
