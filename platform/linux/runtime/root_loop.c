/*
 * root_loop — a file that holds a file system becomes a device: loop(4).
 *
 * The device is given up by the kernel when the last one lets go of it: first the descriptor that
 * set it up, then the mount.  So nothing is left over, whoever dies how.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "platform/linux/runtime/rootfs_parts.h"

#define TRIES_MAX 64 /* another may take the free device that we were told of */

static int device_take(int control, const struct loop_config *config, char *path, size_t room,
                       struct error *err)
{
    int number = ioctl(control, LOOP_CTL_GET_FREE), device;

    if (number < 0)
        return error_sys(err, errno, "find a free loop device");
    snprintf(path, room, "/dev/loop%d", number);
    device = open(path, O_RDWR | O_CLOEXEC);
    if (device < 0)
        return error_sys(err, errno, "open %s", path);
    if (ioctl(device, LOOP_CONFIGURE, config) == 0)
        return device;
    error_sys(err, errno, "make a device of a file");
    if (err->os == EBUSY)
        err->code = ERROR_ABORTED;
    close(device);
    return -1;
}

int loop_device_open(const char *source, bool read_only, bool direct, char path[LOOP_PATH_SIZE],
                     struct error *err)
{
    CLEANUP(fd_drop) int file = open(source, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    CLEANUP(fd_drop) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    struct loop_config config = { .info = { .lo_flags = LO_FLAGS_AUTOCLEAR } };
    int device = -1;

    if (file < 0)
        return error_sys(err, errno, "open %s", source);
    if (control < 0)
        return error_sys(err, errno, "open /dev/loop-control");
    config.fd = (unsigned)file;
    config.info.lo_flags |=
        (read_only ? LO_FLAGS_READ_ONLY : 0u) | (direct ? LO_FLAGS_DIRECT_IO : 0u);
    snprintf((char *)config.info.lo_file_name, sizeof(config.info.lo_file_name), "%s", source);
    for (int i = 0; i < TRIES_MAX; i++) {
        device = device_take(control, &config, path, LOOP_PATH_SIZE, err);
        if (device >= 0 || err->code != ERROR_ABORTED)
            return device;
    }
    return -1;
}
