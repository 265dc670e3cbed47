/* See world.h. */
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED         77
#define COMMAND_SECONDS 20

static char work[64];   /* a tmpfs of our own */
static char prefix[64]; /* of control groups */
static const char *runtime;
static char mounts_before[1 << 16];

void die(const char *what)
{
    perror(what);
    exit(1);
}

const char *below(const char *name)
{
    static char paths[8][PATH_MAX];
    static int next;
    char *path = paths[next++ & 7];
    snprintf(path, PATH_MAX, "%s/%s", work, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(below(name), "we");
    if (file == NULL || fputs(text, file) == EOF || fclose(file) != 0)
        die(name);
}

char *file_text(const char *path, char *text, size_t size)
{
    size_t used = 0;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && used + 1 < size && (got = read(fd, text + used, size - 1 - used)) > 0)
        used += (size_t)got;
    if (fd >= 0)
        close(fd);
    text[used] = '\0';
    return text;
}

/* ---- the bundle -------------------------------------------------------------------------- */
/* Something of everything: what a container of an engine has, and a hook. */
static const char config[] =
    "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},\"hostname\":\"box\","
    "\"process\":{\"cwd\":\"/\",\"args\":[\"/bin/busybox\",%s],\"env\":[\"PATH=/bin\"],"
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

/* Another user, other limits, another folder than the container's own process has. */
static const char process[] =
    "{\"cwd\":\"/data\",\"args\":[\"/bin/busybox\",\"true\"],\"env\":[\"PATH=/bin\"],"
    "\"user\":{\"uid\":1,\"gid\":1,\"additionalGids\":[7]},\"noNewPrivileges\":true,"
    "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":50,\"hard\":60}],\"oomScoreAdj\":5,"
    "\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"]}}";

static const struct {
    const char *name, *more; /* what ends the list of namespaces, and the members behind */
} kinds[] = {
    { "plain", "]" },
    { "user", ",{\"type\":\"user\"},{\"type\":\"network\"}],"
              "\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":70000}],"
              "\"gidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":70000}]" },
};

const char *kind_name(enum kind kind)
{
    return kinds[kind].name;
}

void config_write(enum kind kind, bool lasting)
{
    char text[sizeof config + sizeof work + sizeof prefix + 256];
    snprintf(text, sizeof text, config, lasting ? "\"sleep\",\"100000\"" : "\"touch\",\"/ran\"",
             work, prefix, kinds[kind].more);
    write_file("config.json", text);
}

static void bundle_make(void)
{
    static const char *const folders[] = { "data",        "state",      "rootfs",     "rootfs/bin",
                                           "rootfs/proc", "rootfs/dev", "rootfs/data" };
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (mkdir(below(folders[i]), 0755) < 0)
            die(folders[i]);
    write_file("process.json", process);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "cp \"$(command -v busybox)\" \"$0\"",
              below("rootfs/bin/busybox"), (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || status != 0) {
        printf("skipped: there is no busybox\n");
        world_remove();
        exit(SKIPPED);
    }
}

/* ---- the container ----------------------------------------------------------------------- */

bool has_run(void)
{
    return unlink(below("rootfs/ran")) == 0;
}

pid_t box_pid(void)
{
    char text[64];
    return (pid_t)strtol(file_text(below("state/box/pid"), text, sizeof text), NULL, 10);
}

/* The n-th place where it may have a group; NULL behind the last. */
static DIR *hierarchies;
static const char *group_next(void)
{
    static char path[PATH_MAX];
    if (hierarchies == NULL)
        hierarchies = opendir("/sys/fs/cgroup");
    struct dirent *entry = NULL;
    while (hierarchies != NULL && (entry = readdir(hierarchies)) != NULL) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s/box", entry->d_name, prefix);
        if (strcmp(entry->d_name, "..") != 0 && access(path, F_OK) == 0)
            return path;
    }
    if (hierarchies != NULL)
        closedir(hierarchies);
    hierarchies = NULL;
    return NULL;
}

pid_t box_stranger(void)
{
    pid_t stranger = 0, own = box_pid();
    const char *group;
    while ((group = group_next()) != NULL) {
        char path[PATH_MAX + 16], text[4096], *at = text, *end;
        snprintf(path, sizeof path, "%s/cgroup.procs", group);
        file_text(path, text, sizeof text);
        for (long pid = strtol(at, &end, 10); end != at; pid = strtol(at = end, &end, 10))
            if (pid != own)
                stranger = (pid_t)pid;
    }
    return stranger;
}

void box_describe(char *text, size_t size)
{
    char path[64];
    struct dirent **entries;
    int count = scandir(below("state/box"), &entries, NULL, alphasort);
    size_t used = (size_t)snprintf(text, size, "pid %d, files", box_pid());
    for (int i = 0; i < count; i++) {
        if (used < size)
            used += (size_t)snprintf(text + used, size - used, " %s", entries[i]->d_name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    snprintf(path, sizeof path, "/proc/%d/mountinfo", box_pid());
    if (used + 1 < size)
        file_text(path, text + used, size - used);
}

/* ---- the runtime ------------------------------------------------------------------------- */

void runtime_exec(const char *const *words, const char *output)
{
    const char *argv[16] = { runtime, "--root", below("state") };
    for (int i = 0; i < 12 && words[i] != NULL; i++)
        argv[3 + i] = words[i][0] == '@' ? below(words[i] + 1) : words[i];
    int out = open(below(output), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (out < 0 || null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(126);
    execv(runtime, (char *const *)(uintptr_t)argv);
    _exit(127);
}

pid_t runtime_spawn(const char *const *words)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    alarm(COMMAND_SECONDS); /* stays behind execve: whoever hangs is ended by it */
    runtime_exec(words, "said");
}

int runtime_run(const char *const *words)
{
    pid_t pid = runtime_spawn(words);
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            die("wait for the runtime");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- what is left ------------------------------------------------------------------------ */

static void groups_remove(void)
{
    char path[PATH_MAX];
    const char *group;
    while ((group = group_next()) != NULL)
        rmdir(group);
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

static bool group_is_left(char *text, size_t size)
{
    bool found = false;
    const char *group;
    while ((group = group_next()) != NULL) {
        snprintf(text, size, "%s", group);
        found = true;
    }
    return found;
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

/* The first mount that is new, which is taken for granted from now on; "": there is none.  Others
   may be fewer: who removes a folder on which something is mounted here takes that away as well. */
static bool mount_is_left(char *text, size_t size)
{
    static char after[sizeof mounts_before];
    mounts_read(after, sizeof after);
    text[0] = '\0';
    for (const char *line = after; line != NULL && *line != '\0' && text[0] == '\0';) {
        const char *end = strchr(line, '\n');
        snprintf(text, size, "%.*s", (int)(end != NULL ? end - line : 0), line);
        if (strstr(mounts_before, text) != NULL)
            text[0] = '\0';
        line = end != NULL ? end + 1 : NULL;
    }
    memcpy(mounts_before, after, sizeof after);
    return text[0] != '\0';
}

static void state_remove(void)
{
    pid_t pid = box_pid();
    if (pid > 0)
        kill(pid, SIGKILL);
    pid = fork();
    if (pid == 0) {
        execl("/bin/rm", "rm", "-rf", below("state/box"), (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

const char *left_behind(char *what, size_t size)
{
    char mount[4096];
    const char *wrong = NULL;
    what[0] = '\0';
    if (access(below("state/box"), F_OK) == 0)
        wrong = "the state folder is left";
    if (group_is_left(what, size))
        wrong = "a control group is left";
    if (mount_is_left(mount, sizeof mount)) {
        snprintf(what, size, "%s", mount);
        wrong = "a mount is left";
    }
    if (wrong != NULL) {
        state_remove();
        groups_remove();
    }
    return wrong;
}

void reap(void)
{
    while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
        ;
}

/* ---- the world --------------------------------------------------------------------------- */

void world_make(const char *program)
{
    runtime = realpath(program, NULL);
    if (runtime == NULL)
        die(program);
    snprintf(work, sizeof work, "/tmp/gantry-fault-%d", getpid());
    snprintf(prefix, sizeof prefix, "gantry-fault-%d", getpid());
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        die("unshare");
    if (mkdir(work, 0755) < 0 || mount("fault", work, "tmpfs", 0, "mode=755") < 0)
        die(work);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    bundle_make();
    mounts_read(mounts_before, sizeof mounts_before);
}

void world_remove(void)
{
    if (box_pid() > 0)
        RUN("delete", "--force", "box");
    umount2(work, MNT_DETACH);
    rmdir(work);
    groups_remove();
}
