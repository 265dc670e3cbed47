/* files — the task's folder, which is where we work: loading, replacing, locking; and the time. */
#include "platform/linux/shim/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_read(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t time_now(void)
{
    return clock_read(CLOCK_REALTIME);
}

int64_t time_monotonic(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

ssize_t file_load(const char *name, char *room, size_t size)
{
    int file = open(name, O_RDONLY | O_CLOEXEC);
    size_t have = 0;
    ssize_t got = 0;

    if (file < 0)
        return -1;
    while (have < size - 1 && (got = read(file, room + have, size - 1 - have)) > 0)
        have += (size_t)got;
    close(file);
    room[have] = '\0';
    return got < 0 ? -1 : (ssize_t)have;
}

/* The folder is for this boot: what matters is that nobody sees half of it. */
int file_replace(const char *name, const void *bytes, size_t size)
{
    char beside[NAME_SIZE + 8];
    int file;
    bool written;

    snprintf(beside, sizeof(beside), "%s.new", name);
    file = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return -1;
    written = write(file, bytes, size) == (ssize_t)size;
    close(file);
    return written ? rename(beside, name) : -1;
}

/* A lock of the open file: others can ask for it without taking it themselves. */
int lock_open(void)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int file = open("shim.pid", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int status = -1;

    while (file >= 0 && (status = fcntl(file, F_OFD_SETLK, &whole)) < 0 &&
           errno == EINTR)
        ;
    if (status == 0 || file < 0)
        return file;
    close(file);
    errno = EAGAIN;
    return -1;
}
