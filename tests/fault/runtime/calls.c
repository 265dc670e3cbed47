/* See calls.h. */
#include "calls.h"

#include <stdio.h>
#include <sys/syscall.h>

static const struct {
    long number;
    const char *name;
} names[] = {
/* clang-format off */
#define CALL(name) {SYS_##name, #name}
    CALL(read), CALL(write), CALL(openat), CALL(openat2), CALL(mmap), CALL(mprotect), CALL(brk),
    CALL(mkdirat), CALL(mkdir), CALL(unlinkat), CALL(rmdir), CALL(clone), CALL(clone3),
    CALL(execve), CALL(fcntl), CALL(fstat), CALL(newfstatat), CALL(statx), CALL(pivot_root),
    CALL(chroot), CALL(mount), CALL(umount2), CALL(fsopen), CALL(fsconfig), CALL(fsmount),
    CALL(move_mount), CALL(open_tree), CALL(mount_setattr), CALL(mknodat), CALL(symlinkat),
    CALL(fchdir), CALL(chdir), CALL(setns), CALL(unshare), CALL(sethostname), CALL(prctl),
    CALL(seccomp), CALL(capset), CALL(capget), CALL(setgroups), CALL(setresuid), CALL(setresgid),
    CALL(setuid), CALL(setgid), CALL(socketpair), CALL(socket), CALL(sendmsg), CALL(recvmsg),
    CALL(sendto), CALL(recvfrom), CALL(pidfd_open), CALL(poll), CALL(ppoll), CALL(readlinkat),
    CALL(prlimit64), CALL(keyctl), CALL(close_range), CALL(fchown), CALL(fchownat), CALL(fchmod),
    CALL(fchmodat), CALL(flock), CALL(renameat), CALL(renameat2), CALL(rename), CALL(getdents64),
    CALL(rt_sigprocmask), CALL(rt_sigaction), CALL(ioctl), CALL(statfs), CALL(fstatfs),
    CALL(setsid), CALL(umask), CALL(dup3), CALL(dup2), CALL(getrandom), CALL(memfd_create),
    CALL(sendfile), CALL(pread64), CALL(signalfd4), CALL(epoll_create1), CALL(epoll_ctl),
    CALL(epoll_pwait), CALL(pipe2), CALL(ftruncate), CALL(access), CALL(faccessat2),
    CALL(readlink), CALL(linkat), CALL(utimensat),
#undef CALL
    /* clang-format on */
};

static const long never_failed[] = {
    SYS_exit,           SYS_exit_group,
    SYS_rt_sigreturn,   SYS_wait4,
    SYS_waitid,         SYS_kill,
    SYS_tgkill,         SYS_pidfd_send_signal,
    SYS_close,          SYS_restart_syscall,
    SYS_getpid,         SYS_gettid,
    SYS_getuid,         SYS_geteuid,
    SYS_getgid,         SYS_getegid,
    SYS_rt_sigprocmask, SYS_rt_sigaction,
    SYS_getppid,        SYS_arch_prctl,
    SYS_munmap,         SYS_set_tid_address,
    SYS_clock_gettime,  SYS_umask,
};

const char *call_name(long number)
{
    static char text[32];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == number)
            return names[i].name;
    snprintf(text, sizeof text, "call %ld", number);
    return text;
}

bool call_may_fail(long number)
{
    for (size_t i = 0; i < sizeof never_failed / sizeof *never_failed; i++)
        if (never_failed[i] == number)
            return false;
    return true;
}
