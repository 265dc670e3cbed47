/* misbehave — see misbehave.h. */
#include "platform/linux/unpack/misbehave.h"

#ifdef GANTRY_TEST_HOOKS
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "platform/linux/unpack/report.h"

/* What could be opened says "worked"; the filter ends the process without a word. */
static void say(const char *what, long result)
{
    if (result >= 0)
        report_line("error internal %s worked", what);
    else
        report_line("error permission_denied %s refused: %s", what, strerror(errno));
    _exit(1);
}

/* A device node may be made, it is a file of the image; opening it may not work. */
static void device(void)
{
    if (mknod("/folder/fs/null", S_IFCHR | 0666, makedev(1, 3)) < 0)
        say("making a device", -1);
    say("device", open("/folder/fs/null", O_RDWR));
}

static void escape(void)
{
    static const char *const paths[] = {
        "/etc/passwd", "../../../../etc/passwd",   "/proc/self/root",
        "/dev/null",   "/folder/../../etc/passwd", "/folder/fs/out/etc/passwd"
    };
    int fd = -1;

    symlinkat("/../../../..", AT_FDCWD, "/folder/fs/out");
    for (size_t i = 0; fd < 0 && i < sizeof(paths) / sizeof(*paths); i++)
        fd = open(paths[i], O_RDONLY);
    if (fd < 0)
        fd = open("/new", O_RDWR | O_CREAT, 0600); /* outside of the folder */
    say("escape", fd);
}

/* Calls that the filter knows nothing about: none of them returns. */
static void call(const char *how)
{
    char *nothing[] = { NULL };

    if (strcmp(how, "socket") == 0)
        say(how, socket(AF_UNIX, SOCK_STREAM, 0));
    if (strcmp(how, "exec") == 0)
        say(how, execve("/bin/true", nothing, nothing));
    if (strcmp(how, "ptrace") == 0)
        say(how, ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    if (strcmp(how, "mount") == 0)
        say(how, mount("none", "/folder", "tmpfs", 0, NULL));
    if (strcmp(how, "fork") == 0)
        say(how, syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
    if (strcmp(how, "bpf") == 0)
        say(how, syscall(SYS_bpf, 0, NULL, 0));
    if (strcmp(how, "setns") == 0)
        say(how, setns(0, 0));
    if (strcmp(how, "chroot") == 0)
        say(how, chroot("/folder"));
    if (strcmp(how, "kill") == 0)
        say(how, kill(1, 0));
    if (strcmp(how, "executable") == 0)
        say(how, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
                         MAP_FAILED
                     ? 0
                     : -1);
}

void misbehave(void)
{
    const char *how = getenv("GANTRY_UNPACK_MISBEHAVE");

    if (how == NULL)
        return;
    if (strcmp(how, "device") == 0)
        device();
    if (strcmp(how, "escape") == 0)
        escape();
    call(how);
    _exit(2);
}
#endif
