/*
 * calls — the system calls that unpacking makes; any other ends the process.
 *
 * Allowed by name.  Everything that could reach outside needs a name here and has
 * none: mount, socket, exec, new processes, ptrace, bpf, chroot, setns, keys, signals
 * to others.  Memory may not become executable.
 */
#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "platform/linux/unpack/confine.h"
#include "platform/scope.h"

static const char *const allowed[] = {
    /* bytes */
    "read", "pread64", "write", "pwrite64", "writev", "lseek", "close", "ftruncate",
    "copy_file_range", "syncfs", "poll", "ppoll",
    /* names, all of them relative to folders that are open */
    "openat", "openat2", "mkdirat", "mknodat", "symlinkat", "linkat", "unlinkat", "readlinkat",
    "renameat", "renameat2", "fchdir", "getdents64", "newfstatat", "fstat", "fstatfs", "statx",
    "fcntl", "dup",
    /* attributes */
    "fchown", "fchownat", "fchmod", "fchmodat", "utimensat", "fsetxattr", "fgetxattr",
    "flistxattr", "llistxattr", "fremovexattr", "lsetxattr", "lgetxattr",
    /* to the disk */
    "fsync", "syncfs",
    /* memory, threads that are there, time, the end */
    "brk", "munmap", "mremap", "madvise", "futex", "sched_yield", "rseq", "set_robust_list",
    "rt_sigreturn", "rt_sigprocmask", "restart_syscall", "getrandom", "clock_gettime",
    "clock_nanosleep", "gettid", "getpid", "exit", "exit_group",
    "sysinfo", /* qsort(3) of much wants to know how much memory there is */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    "sigaltstack", "rt_sigaction", "readlink", "open", "stat", "ioctl", "getrusage", "prctl",
    "sched_getaffinity", "prlimit64", "tgkill", "sysinfo", "nanosleep", "gettimeofday",
#endif
};

/* Architectures differ in what they have; what this one lacks, nobody can call. */
static int allow_names(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < COUNT_OF(allowed); i++) {
        int number = seccomp_syscall_resolve_name(allowed[i]);

        if (number < 0)
            continue;
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0) < 0)
            return -1;
    }
    return 0;
}

/* Memory, but not executable; signals, but to ourselves only (abort). */
static int allow_with_conditions(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    const struct scmp_arg_cmp self = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid());

    if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_exec) < 0 ||
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_exec) < 0)
        return -1;
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, self);
}

int confine_calls(struct error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int status;

    if (filter == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory for the call filter");
    if ((status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1)) < 0 ||
        (status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2)) < 0 ||
        (status = allow_names(filter)) < 0 || (status = allow_with_conditions(filter)) < 0 ||
        (status = seccomp_load(filter)) < 0)
        return error_sys(err, -status, "install the system call filter");
    seccomp_release(filter);
    return 0;
}
