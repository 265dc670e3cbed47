/* What is at a path of the user's: see platform/local_tree.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "platform/local_tree.h"

int local_look(const char *path, struct local_info *info, struct error *err)
{
    struct stat st;
    char *real;

    *info = (struct local_info){ .kind = LOCAL_NONE };
    info->is_link = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
    if (stat(path, &st) < 0)
        return errno == ENOENT ? 0 : error_sys(err, errno, "%s", path);
    info->kind = S_ISDIR(st.st_mode) ? LOCAL_FOLDER : LOCAL_OTHER;
    real = realpath(path, NULL);
    if (real == NULL)
        return error_sys(err, errno, "%s", path);
    if (strlen(real) < sizeof(info->real))
        strcpy(info->real, real);
    free(real);
    return 0;
}
