/* Mounts on folders of the user's machine: see platform/local_tree.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "platform/linux/runtime/root_mounts.h"
#include "platform/local_tree.h"

int local_mount(const char *folder, const struct list *mounts, struct error *err)
{
    struct error ignored;

    if (geteuid() != 0)
        return error_set(err, ERROR_PERMISSION_DENIED, "only root may mount");
    if (root_mounts_make(folder, mounts, err) == 0)
        return 0;
    local_umount(folder, &ignored);
    return -1;
}

/* What is mounted in it lies above it in the list of mounts, and goes first. */
static bool highest_below(const char *folder, char found[PATH_SIZE])
{
    FILE *list = fopen("/proc/self/mountinfo", "re");
    size_t length = strlen(folder);
    char line[3 * PATH_SIZE], point[PATH_SIZE];
    bool is_any = false;

    while (list != NULL && fgets(line, sizeof(line), list) != NULL)
        if (sscanf(line, "%*s %*s %*s %*s %4095s", point) == 1 &&
            strncmp(point, folder, length) == 0 &&
            (point[length] == '\0' || point[length] == '/')) {
            strcpy(found, point);
            is_any = true;
        }
    if (list != NULL)
        fclose(list);
    return is_any;
}

int local_umount(const char *folder, struct error *err)
{
    char *real = realpath(folder, NULL), point[PATH_SIZE];
    bool was_any = false;
    int result = 0;

    if (real == NULL)
        return error_sys(err, errno, "%s", folder);
    while (result == 0 && highest_below(real, point)) {
        was_any = true;
        if (umount2(point, UMOUNT_NOFOLLOW) < 0)
            result = error_sys(err, errno, "unmount %s", point);
    }
    free(real);
    if (result == 0 && !was_any)
        return error_set(err, ERROR_NOT_FOUND, "%s: nothing is mounted there", folder);
    return result;
}
