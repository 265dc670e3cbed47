/*
 * probe — asks the kernel, inside a container, what no shell can ask.
 *
 *      probe WORD [ARGUMENT...]       prints one line; 0
 *
 *      call NAME [NUMBER...]   a system call: its result, or "-1 EPERM" and its like
 *      sched | ioprio | affinity | personality | mempolicy | keyring | terminal | umask
 *      eat BYTES               takes and touches memory: "ate"
 *      fork COUNT              how many children could be had at once
 *      fds                     the open descriptors, with what they are
 *      clock                   CLOCK_MONOTONIC and CLOCK_BOOTTIME, in seconds
 *      open PATH MODE          opens it (r, w, rw): "open", or the error's name
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int print_result(long result)
{
    if (result < 0) {
        const char *name = strerrorname_np(errno);
        if (name != NULL)
            printf("-1 %s\n", name);
        else
            printf("-1 %d\n", errno);
    } else {
        printf("%ld\n", result);
    }
    return 0;
}

static const struct {
    const char *name;
    long number;
} calls[] = {
    { "getpid", SYS_getpid },
    { "getppid", SYS_getppid },
    { "getuid", SYS_getuid },
    { "gettid", SYS_gettid },
    { "getpgid", SYS_getpgid },
    { "getsid", SYS_getsid },
    { "sync", SYS_sync },
    { "mkdir", SYS_mkdirat },
    { "personality", SYS_personality },
    { "unshare", SYS_unshare },
    { "setns", SYS_setns },
    { "keyctl", SYS_keyctl },
    { "bpf", SYS_bpf },
    { "ptrace", SYS_ptrace },
    { "socket", SYS_socket },
    { "getrandom", SYS_getrandom },
    { "sched_yield", SYS_sched_yield },
    { "syslog", SYS_syslog },
    { "kexec_load", SYS_kexec_load },
    { "setpriority", SYS_setpriority },
    { "getpriority", SYS_getpriority },
    { "umask", SYS_umask },
    { "dup", SYS_dup },
    { "chroot", SYS_chroot },
    { "getcpu", SYS_getcpu },
    { "iopl", SYS_iopl },
};

static int do_call(int argc, char **argv)
{
    long value[6] = { 0 };
    for (int i = 1; i < argc && i <= 6; i++)
        value[i - 1] = (long)strtoull(argv[i], NULL, 0);
    long number = strtol(argv[0], NULL, 0);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(argv[0], calls[i].name) == 0)
            number = calls[i].number;
    return print_result(
        syscall(number, value[0], value[1], value[2], value[3], value[4], value[5]));
}

static int do_sched(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attr = { .size = sizeof attr };
    if (syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0) < 0)
        return print_result(-1);
    printf("policy=%u nice=%d priority=%u flags=%llu runtime=%llu\n", attr.policy, attr.nice,
           attr.priority, (unsigned long long)attr.flags, (unsigned long long)attr.runtime);
    return 0;
}

static int do_ioprio(void)
{
    long value = syscall(SYS_ioprio_get, 1, 0);
    if (value < 0)
        return print_result(-1);
    printf("class=%ld level=%ld\n", value >> 13, value & 7);
    return 0;
}

static int do_affinity(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return print_result(-1);
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set))
            printf("%zu ", i);
    printf("\n");
    return 0;
}

static int do_mempolicy(void)
{
    int mode = -1;
    unsigned long nodes[16] = { 0 };
    if (syscall(SYS_get_mempolicy, &mode, nodes, 1024UL, NULL, 0UL) < 0)
        return print_result(-1);
    printf("mode=%d flags=%#x nodes=%lx\n", mode & 0xfff, (unsigned)mode & ~0xfffU, nodes[0]);
    return 0;
}

static int do_keyring(void)
{
    char text[256] = "";
    long id = syscall(SYS_keyctl, 0, -3, 0); /* KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING */
    if (id < 0)
        return print_result(-1);
    if (syscall(SYS_keyctl, 6, id, text, sizeof text - 1) < 0) /* KEYCTL_DESCRIBE */
        return print_result(-1);
    printf("%s\n", text);
    return 0;
}

static int do_terminal(void)
{
    struct winsize size = { 0 };
    for (int fd = 0; fd < 3; fd++)
        printf("%d=%s ", fd, isatty(fd) ? ttyname(fd) != NULL ? ttyname(fd) : "tty?" : "no");
    if (ioctl(0, TIOCGWINSZ, &size) == 0)
        printf("rows=%d columns=%d ", size.ws_row, size.ws_col);
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    printf("controlling=%s\n", fd >= 0 ? "yes" : strerrorname_np(errno));
    return 0;
}

static int do_eat(const char *text)
{
    size_t size = strtoull(text, NULL, 0);
    volatile char *at =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return print_result(-1);
    for (size_t i = 0; i < size; i += 4096)
        at[i] = 1;
    printf("ate\n");
    return 0;
}

static int do_fork(int count)
{
    int had = 0;
    pid_t child[1024];
    while (had < count && had < 1024) {
        child[had] = fork();
        if (child[had] == 0) {
            pause();
            _exit(0);
        }
        if (child[had] < 0)
            break;
        had++;
    }
    for (int i = 0; i < had; i++)
        kill(child[i], SIGKILL);
    while (wait(NULL) > 0)
        ;
    printf("%d\n", had);
    return 0;
}

static int do_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return print_result(-1);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char target[512] = "";
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == dirfd(dir))
            continue;
        if (readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1) < 0)
            strcpy(target, "?");
        printf("%d=%s ", fd, target);
    }
    printf("\n");
    closedir(dir);
    return 0;
}

static int do_clock(void)
{
    struct timespec monotonic, boot;
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    printf("%lld %lld\n", (long long)monotonic.tv_sec, (long long)boot.tv_sec);
    return 0;
}

static int do_open(const char *path, const char *mode)
{
    int flags = strcmp(mode, "rw") == 0 ? O_RDWR : strcmp(mode, "w") == 0 ? O_WRONLY : O_RDONLY;
    if (open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) < 0)
        printf("%s\n", strerrorname_np(errno));
    else
        printf("open\n");
    return 0;
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "call") == 0 && argc > 2)
        return do_call(argc - 2, argv + 2);
    if (strcmp(word, "eat") == 0 && argc > 2)
        return do_eat(argv[2]);
    if (strcmp(word, "fork") == 0 && argc > 2)
        return do_fork(atoi(argv[2]));
    if (strcmp(word, "open") == 0 && argc > 3)
        return do_open(argv[2], argv[3]);
    if (strcmp(word, "sched") == 0)
        return do_sched();
    if (strcmp(word, "ioprio") == 0)
        return do_ioprio();
    if (strcmp(word, "affinity") == 0)
        return do_affinity();
    if (strcmp(word, "mempolicy") == 0)
        return do_mempolicy();
    if (strcmp(word, "keyring") == 0)
        return do_keyring();
    if (strcmp(word, "terminal") == 0)
        return do_terminal();
    if (strcmp(word, "fds") == 0)
        return do_fds();
    if (strcmp(word, "clock") == 0)
        return do_clock();
    if (strcmp(word, "personality") == 0)
        return printf("%#x\n", (unsigned)personality(0xffffffff)) < 0;
    if (strcmp(word, "umask") == 0)
        return printf("%04o\n", (unsigned)umask(0)) < 0;
    fprintf(stderr, "probe: unknown word '%s'\n", word);
    return 2;
}
