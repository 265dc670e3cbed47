/*
 * bench-floor ROOTFS COMMAND [ARG...] - what the kernel alone takes for a container.
 *
 * A process in new pid, network, mount, ipc and uts namespaces, an overlay over ROOTFS as its root
 * with /proc and /dev in it, then the command; its exit status is ours.  No control groups, no
 * devices, no masks, no capabilities, nothing checked or kept: a runtime cannot be quicker, and
 * what it takes longer is its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "bench-floor: %s: %s\n", what, strerror(errno));
    _exit(125);
}

/* Upper and work folder of the overlay in memory, so that nothing of it is left. */
static void enter_root(const char *rootfs)
{
    char options[8192];

    must(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "propagation");
    must(mount("tmpfs", "/mnt", "tmpfs", 0, "mode=700"), "tmpfs");
    must(mkdir("/mnt/fs", 0755), "mkdir");
    must(mkdir("/mnt/work", 0700), "mkdir");
    must(mkdir("/mnt/root", 0755), "mkdir");
    snprintf(options, sizeof(options), "lowerdir=%s,upperdir=/mnt/fs,workdir=/mnt/work", rootfs);
    must(mount("overlay", "/mnt/root", "overlay", 0, options), "overlay");
    must(chdir("/mnt/root"), "chdir");
    must(mount("proc", "proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL), "proc");
    must(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755"), "dev");
    must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
    must(umount2(".", MNT_DETACH), "umount");
    must(chdir("/"), "chdir");
}

int main(int argc, char **argv)
{
    struct clone_args args = { .flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS,
                               .exit_signal = SIGCHLD };
    int status;
    pid_t pid;

    if (argc < 3) {
        fputs("usage: bench-floor ROOTFS COMMAND [ARG...]\n", stderr);
        return 2;
    }
    pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    must(pid, "clone3");
    if (pid == 0) {
        enter_root(argv[1]);
        must(sethostname("floor", 5), "hostname");
        execvp(argv[2], argv + 2);
        must(-1, argv[2]);
    }
    must(waitpid(pid, &status, 0), "wait");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
