/*
 * runtime_calls — every system call of `gantry-oci run` fails once, and nothing may be left of it.
 *
 *      runtime_calls RUNTIME [plain|user PROCESS:CALL[:ERROR]]
 *
 * The runtime and all its processes are traced, up to the container's execve.  A run is told
 * which call is to fail: the k-th of the p-th process; so the same call fails whatever the
 * processes' order in time.  It is not made at all and answers EIO, in a second round ENOMEM.
 * After the run either the container has run, or the runtime has said so with its status; and in
 * both cases no process, mount, control group or state folder is left.
 *
 * In a last round the runtime is killed at its k-th call; then `delete --force` must take away
 * whatever there is.
 *
 * Not failed are calls that cannot fail (exit, sigprocmask), and those that only tell how a thing
 * ended or end it (wait, kill, close): when they fail, nobody could leave nothing.
 *
 * Two containers are tried, a plain one and one with a user namespace.  With KIND PROCESS:CALL
 * only that one is, and what the runtime says is shown.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SKIPPED     77
#define PROCESSES   32
#define RUN_SECONDS 8

static char work[64];   /* a tmpfs of our own */
static char prefix[64]; /* of control groups */
static const char *runtime;

struct traced {
    pid_t pid;
    int calls; /* entered so far */
    bool free; /* executes a program of somebody else */
};

struct run {
    int process, call; /* what is to fail; call 0: nothing */
    int error;         /* 0: the call is the runtime's last */
    struct traced traced[PROCESSES];
    int count;
    pid_t first;   /* the runtime itself */
    long failed;   /* number of the call that failed, -1: none did */
    pid_t failing; /* who is in it */
    bool reached;  /* the container's execve has succeeded */
    int status;
};

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

static const char *call_name(long number)
{
    static char text[32];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == number)
            return names[i].name;
    snprintf(text, sizeof text, "call %ld", number);
    return text;
}

static bool may_fail(long number)
{
    for (size_t i = 0; i < sizeof never_failed / sizeof *never_failed; i++)
        if (never_failed[i] == number)
            return false;
    return true;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static const char *below(const char *name)
{
    static char paths[4][PATH_MAX];
    static int next;
    char *path = paths[next++ & 3];
    snprintf(path, PATH_MAX, "%s/%s", work, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(below(name), "we");
    if (file == NULL || fputs(text, file) == EOF || fclose(file) != 0)
        die(name);
}

static char *read_file(const char *path, char *text, size_t size)
{
    text[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return text;
    ssize_t got = read(fd, text, size - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

/* ---- the bundle -------------------------------------------------------------------------- */
/* Something of everything: what a container of an engine has, and a hook. */
static const char config[] =
    "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},\"hostname\":\"box\","
    "\"process\":{\"cwd\":\"/\",\"args\":[\"/bin/busybox\",\"true\"],\"env\":[\"PATH=/bin\"],"
    "\"user\":{\"uid\":0,\"gid\":0,\"additionalGids\":[7]},\"noNewPrivileges\":true,"
    "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":100,\"hard\":200}],"
    "\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_CHOWN\"],\"effective\":[\"CAP_KILL\"],"
    "\"permitted\":[\"CAP_KILL\",\"CAP_CHOWN\"]}},"
    "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
    "{\"destination\":\"/"
    "dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"mode=755\"]},"
    "{\"destination\":\"/dev/"
    "pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[\"newinstance\"]},"
    "{\"destination\":\"/dev/"
    "shm\",\"type\":\"tmpfs\",\"source\":\"shm\",\"options\":[\"nosuid\",\"noexec\"]},"
    "{\"destination\":\"/data\",\"type\":\"bind\",\"source\":\"%s/"
    "data\",\"options\":[\"rbind\",\"ro\"]}],"
    "\"hooks\":{\"createRuntime\":[{\"path\":\"/bin/true\"}]},"
    "\"linux\":{\"cgroupsPath\":\"/%s/box\",\"maskedPaths\":[\"/proc/kcore\",\"/proc/cpuinfo\",\"/"
    "proc/irq\"],"
    "\"readonlyPaths\":[\"/proc/sys\"],\"sysctl\":{\"kernel.msgmax\":\"4096\"},"
    "\"resources\":{\"memory\":{\"limit\":67108864},\"pids\":{\"limit\":50},"
    "\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},"
    "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"getcpu\"],"
    "\"action\":\"SCMP_ACT_ERRNO\"}]},"
    "\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},"
    "{\"type\":\"cgroup\"}%s}}";

static const struct kind {
    const char *name, *more; /* what ends the list of namespaces, and the members behind */
} kinds[] = {
    { "plain", "]" },
    { "user", ",{\"type\":\"user\"},{\"type\":\"network\"}],"
              "\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":70000}],"
              "\"gidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":70000}]" },
};

static void config_write(const struct kind *kind)
{
    char text[sizeof config + sizeof work + sizeof prefix + 256];
    snprintf(text, sizeof text, config, work, prefix, kind->more);
    write_file("config.json", text);
}

static void bundle_make(void)
{
    static const char *const folders[] = { "data",        "state",      "rootfs",     "rootfs/bin",
                                           "rootfs/proc", "rootfs/dev", "rootfs/data" };
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (mkdir(below(folders[i]), 0755) < 0)
            die(folders[i]);
    char command[PATH_MAX + 64];
    snprintf(command, sizeof command, "%s/rootfs/bin/busybox", work);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "cp \"$(command -v busybox)\" \"$0\"", command, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || status != 0) {
        printf("skipped: there is no busybox\n");
        exit(SKIPPED);
    }
}

/* ---- what is left ------------------------------------------------------------------------ */
static bool group_is_left(char *text, size_t size)
{
    bool found = false;
    struct dirent *entry;
    DIR *dir = opendir("/sys/fs/cgroup");
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        snprintf(text, size, "/sys/fs/cgroup/%s/%s/box", entry->d_name, prefix);
        if (strcmp(entry->d_name, "..") != 0 && access(text, F_OK) == 0) {
            found = true;
            break;
        }
    }
    if (dir != NULL)
        closedir(dir);
    return found;
}

static void groups_remove(void)
{
    char path[PATH_MAX];
    while (group_is_left(path, sizeof path))
        if (rmdir(path) < 0)
            break;
    struct dirent *entry;
    DIR *dir = opendir("/sys/fs/cgroup");
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s", entry->d_name, prefix);
        if (strcmp(entry->d_name, "..") != 0)
            rmdir(path);
    }
    if (dir != NULL)
        closedir(dir);
}

/* Where what is mounted; not the options of file systems, which others may change (behind " - ").
 */
static void mounts_read(char *text, size_t size)
{
    char line[4096];
    size_t used = 0;
    FILE *file = fopen("/proc/self/mountinfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL && used + sizeof line < size) {
        char *end = strstr(line, " - ");
        if (end != NULL)
            *end = '\0';
        used += (size_t)snprintf(text + used, size - used, "%s\n", line);
    }
    text[used] = '\0';
    if (file != NULL)
        fclose(file);
}

/* ---- tracing ------------------------------------------------------------------------------- */
static struct traced *traced_find(struct run *run, pid_t pid)
{
    for (int i = 0; i < run->count; i++)
        if (run->traced[i].pid == pid)
            return &run->traced[i];
    if (run->count == PROCESSES)
        return NULL;
    run->traced[run->count] = (struct traced){ .pid = pid };
    return &run->traced[run->count++];
}

static pid_t runtime_start(void)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int out = open(below("output"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (out < 0 || null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(126);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    execl(runtime, runtime, "--root", below("state"), "run", "--bundle", work, "box", (char *)NULL);
    _exit(127);
}

/*
 * The program that a process has begun: the hook's and the container's are not the runtime's
 * business any more.  The runtime itself may run once more, from wherever it is safe.
 */
static void on_exec(struct run *run, struct traced *traced)
{
    char path[64], name[64];
    snprintf(path, sizeof path, "/proc/%d/comm", traced->pid);
    read_file(path, name, sizeof name);
    run->reached |= strcmp(name, "busybox\n") == 0;
    traced->free = strcmp(name, "busybox\n") == 0 || strcmp(name, "true\n") == 0;
}

static void on_call(struct run *run, struct traced *traced)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, traced->pid, (void *)sizeof info, &info) <= 0)
        return;
    struct user_regs_struct regs;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        if (run->reached || !may_fail((long)info.entry.nr))
            return;
        traced->calls++;
        if (traced - run->traced != run->process || traced->calls != run->call)
            return;
        run->failed = (long)info.entry.nr;
        if (run->error == 0) {
            kill(traced->pid, SIGKILL);
            return;
        }
        run->failing = traced->pid;
        ptrace(PTRACE_GETREGS, traced->pid, NULL, &regs);
        regs.orig_rax = (unsigned long long)-1;
        ptrace(PTRACE_SETREGS, traced->pid, NULL, &regs);
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && run->failing == traced->pid) {
        ptrace(PTRACE_GETREGS, traced->pid, NULL, &regs);
        regs.rax = (unsigned long long)-(long long)run->error;
        ptrace(PTRACE_SETREGS, traced->pid, NULL, &regs);
        run->failing = 0;
    }
}

/* A stop of one of them: looks what it is about, and lets it go on. */
static void on_stop(struct run *run, struct traced *traced, int status)
{
    int signal = WSTOPSIG(status), event = status >> 16;
    if (signal == (SIGTRAP | 0x80)) {
        on_call(run, traced);
        signal = 0;
    } else if (event == PTRACE_EVENT_EXEC) {
        on_exec(run, traced);
        signal = 0;
    } else if (event != 0 || signal == SIGSTOP || signal == SIGTRAP) {
        signal = 0; /* events of fork, and the first stop of a new one */
    }
    if (traced->free && signal == 0)
        ptrace(PTRACE_DETACH, traced->pid, NULL, NULL);
    else
        ptrace(run->reached ? PTRACE_CONT : PTRACE_SYSCALL, traced->pid, NULL, signal);
}

static volatile sig_atomic_t too_late, told_to_stop;

static void on_stop_request(int signal)
{
    (void)signal;
    told_to_stop = 1;
}

static void on_alarm(int signal)
{
    (void)signal;
    too_late = 1;
}

/* What a caller does about a runtime that was killed. */
static void container_delete(void)
{
    pid_t pid = fork();
    if (pid != 0)
        return;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(126);
    execl(runtime, runtime, "--root", below("state"), "delete", "--force", "box", (char *)NULL);
    _exit(127);
}

static void kill_all(const struct run *run)
{
    for (int i = 0; i < run->count; i++)
        kill(run->traced[i].pid, SIGKILL);
}

/*
 * Until every process has ended, ours by birth and those that came to us as orphans.  Returns
 * what went wrong: who does not end by himself a few seconds after the runtime has.
 */
static const char *run_watch(struct run *run)
{
    const char *wrong = NULL;
    too_late = 0;
    alarm(RUN_SECONDS);
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == EINTR && too_late) {
            wrong = run->first != 0 ? "it does not end" : "a process is left";
            kill_all(run);
            too_late = 0;
            alarm(2);
            continue;
        }
        if (pid < 0)
            break;
        struct traced *traced = traced_find(run, pid);
        if (traced != NULL && WIFSTOPPED(status)) {
            on_stop(run, traced, status);
        } else if (pid == run->first) {
            run->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            run->first = 0;
            if (run->error == 0)
                container_delete();
            if (wrong == NULL)
                alarm(3);
        }
    }
    alarm(0);
    return wrong;
}

static const char *run_once(struct run *run)
{
    run->failed = -1;
    run->count = 0;
    run->reached = false;
    run->first = runtime_start();
    int status;
    if (run->first < 0 || waitpid(run->first, &status, 0) != run->first || !WIFSTOPPED(status))
        die("start");
    traced_find(run, run->first);
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                   PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, run->first, NULL, options) < 0)
        die("PTRACE_SETOPTIONS");
    /* the execve into the runtime is ours, not the runtime's */
    ptrace(PTRACE_CONT, run->first, NULL, NULL);
    if (waitpid(run->first, &status, 0) != run->first || status >> 16 != PTRACE_EVENT_EXEC)
        die("execve of the runtime");
    ptrace(PTRACE_SYSCALL, run->first, NULL, NULL);
    return run_watch(run);
}

/* ---- the rounds ---------------------------------------------------------------------------------
 */
static char mounts_before[1 << 16];

/* Tells the first mount that is new, and takes it for granted from now on. */
static void mounts_forget(const char *after, char *text, size_t size)
{
    text[0] = '\0';
    for (const char *line = after; line != NULL && *line != '\0' && text[0] == '\0';) {
        const char *end = strchr(line, '\n');
        snprintf(text, size, "%.*s", (int)(end != NULL ? end - line : 0), line);
        if (strstr(mounts_before, text) != NULL)
            text[0] = '\0';
        line = end != NULL ? end + 1 : NULL;
    }
    snprintf(mounts_before, sizeof mounts_before, "%s", after);
}

/* Looks whether a run left nothing; takes away what it left. */
static const char *left_behind(char *text, size_t size)
{
    static char mounts_after[sizeof mounts_before];
    const char *wrong = NULL;
    if (access(below("state/box"), F_OK) == 0)
        wrong = "the state folder is left";
    if (group_is_left(text, size))
        wrong = "a control group is left";
    mounts_read(mounts_after, sizeof mounts_after);
    if (strcmp(mounts_before, mounts_after) != 0) {
        wrong = "a mount is left";
        mounts_forget(mounts_after, text, size);
    }
    if (wrong != NULL) {
        char command[PATH_MAX];
        snprintf(command, sizeof command, "rm -rf %s/state/*", work);
        pid_t pid = fork();
        if (pid == 0) {
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
            _exit(127);
        }
        waitpid(pid, NULL, 0);
        groups_remove();
    }
    return wrong;
}

/* Only what it wrote may be what failed; and who dies of a signal can say nothing. */
static bool must_speak(const struct run *run)
{
    return !run->reached && run->failed >= 0 && run->failed != SYS_write && run->status < 127;
}

static bool run_is_well(struct run *run, bool show)
{
    char said[4096], what[PATH_MAX] = "";
    const char *wrong = run_once(run);
    const char *left = left_behind(what, sizeof what);
    read_file(below("output"), said, sizeof said);
    said[strcspn(said, "\n")] = '\0';
    wrong = wrong == NULL ? left : wrong;
    if (wrong == NULL && !run->reached && run->status == 0)
        wrong = "the container has not run, and the status is 0";
    if (wrong == NULL && must_speak(run) && said[0] == '\0')
        wrong = "nothing is said";
    if (wrong != NULL || show)
        printf("%s %d:%d %s fails with %s: %s; status %d, container %s, it says: %s (%s)\n",
               wrong != NULL ? "FAIL" : "ok", run->process, run->call,
               run->failed >= 0 ? call_name(run->failed) : "nothing",
               run->error != 0 ? strerrorname_np(run->error) : "the end",
               wrong != NULL ? wrong : "well", run->status, run->reached ? "ran" : "did not run",
               said, left != NULL ? what : "");
    return wrong == NULL;
}

/* All calls of all processes; the end of one is where nothing has failed. */
static int round_of(int error, int *tried)
{
    int failures = 0;
    struct run run = { .error = error };
    int last = error != 0 ? PROCESSES : 0; /* only the runtime itself is killed */
    for (run.process = 0; run.process <= run.count && run.process <= last; run.process++) {
        run.failed = 0;
        for (run.call = 1; run.failed >= 0 && !told_to_stop; run.call++) {
            failures += run_is_well(&run, false) ? 0 : 1;
            *tried += run.failed >= 0;
        }
    }
    return failures;
}

static int rounds(const struct kind *kind)
{
    struct run run = { .error = EIO };
    config_write(kind);
    if (!run_is_well(&run, false) || !run.reached) {
        printf("FAIL: without any fault it does not work, status %d\n", run.status);
        return 1;
    }
    int tried = 0;
    int failures = round_of(EIO, &tried) + round_of(ENOMEM, &tried) + round_of(0, &tried);
    printf("%s: %d calls failed, after %d of them something was wrong\n", kind->name, tried,
           failures);
    return failures;
}

static int only(const char *kind, const char *which)
{
    struct run run = { .error = EIO };
    config_write(strcmp(kind, "user") == 0 ? &kinds[1] : &kinds[0]);
    if (sscanf(which, "%d:%d:%d", &run.process, &run.call, &run.error) < 2)
        return 1;
    return run_is_well(&run, true) ? 0 : 1;
}

static void world_make(void)
{
    snprintf(work, sizeof work, "/tmp/gantry-fault-%d", getpid());
    snprintf(prefix, sizeof prefix, "gantry-fault-%d", getpid());
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        die("unshare");
    if (mkdir(work, 0755) < 0 || mount("fault", work, "tmpfs", 0, "mode=755") < 0)
        die(work);
    bundle_make();
    mounts_read(mounts_before, sizeof mounts_before);
}

static void world_remove(void)
{
    umount2(work, MNT_DETACH);
    rmdir(work);
    groups_remove();
}

int main(int argc, char **argv)
{
#ifndef __x86_64__
    printf("skipped: knows only the registers of x86_64\n");
    return SKIPPED;
#endif
    if (argc < 2) {
        fprintf(stderr, "runtime_calls RUNTIME [plain|user PROCESS:CALL[:ERROR]]\n");
        return 2;
    }
    if (geteuid() != 0) {
        printf("skipped: needs root\n");
        return SKIPPED;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    runtime = realpath(argv[1], NULL);
    if (runtime == NULL)
        die(argv[1]);
    signal(SIGALRM, SIG_DFL);
    struct sigaction action = { .sa_handler = on_alarm }; /* no SA_RESTART: it ends a wait */
    sigaction(SIGALRM, &action, NULL);
    struct sigaction stop = { .sa_handler = on_stop_request, .sa_flags = SA_RESTART };
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGPIPE, &stop, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    world_make();
    int failures = 0;
    if (argc > 3)
        failures = only(argv[2], argv[3]);
    for (size_t i = 0; argc < 4 && i < sizeof kinds / sizeof *kinds; i++)
        failures += rounds(&kinds[i]);
    world_remove();
    return failures == 0 ? 0 : 1;
}
