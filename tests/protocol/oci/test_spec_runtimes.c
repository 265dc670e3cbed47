/*
 * Real runtimes take the spec: runc and crun run containers made from it, and
 * what was promised is looked at from inside.
 *
 * Needs root, a static busybox and at least one runtime; says what it skips.
 * The calls that no shell can make are made by this very program, bound into a
 * container together with the host's libraries.
 */
#include "platform/scope.h"
#include "tests/protocol/oci/spec_fixture.h"

#include <errno.h>
#include <glob.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX 65536

static char folder[] = "/tmp/gantry-spec-XXXXXX";
static char output[OUTPUT_MAX];
static bool is_hybrid;
static const char *runtimes[4]; /* those that are here; NULL behind the last */
static struct host_device full = { "/dev/full", 'c', 1, 7, 0666, 0, 0 };

/* Runs a shell command; its output, errors included, is in `output`.  Returns its status. */
static int shell(const char *fmt, ...)
{
    char command[8192];
    va_list args;
    size_t size;
    FILE *pipe;

    va_start(args, fmt);
    vsnprintf(command, sizeof(command), fmt, args);
    va_end(args);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    size = fread(output, 1, sizeof(output) - 1, pipe);
    output[size] = '\0';
    return WEXITSTATUS(pclose(pipe));
}

static bool has(const char *text)
{
    return strstr(output, text) != NULL;
}

static void must_say(const char *runtime, const char *text)
{
    if (!has(text))
        fail_msg("%s: '%s' is not in what it said: %s", runtime, text, output);
}

/* ---- the host ------------------------------------------------------------------------- */

static uint64_t own_capabilities(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    unsigned long long caps = 0;
    char line[200];

    while (fgets(line, sizeof(line), status) != NULL)
        sscanf(line, "CapBnd: %llx", &caps);
    fclose(status);
    return caps;
}

/* The hard limit of this process by its name in /proc/self/limits; UINT64_MAX: none. */
static uint64_t hard_limit(const char *name)
{
    FILE *limits = fopen("/proc/self/limits", "r");
    unsigned long long hard = UINT64_MAX;
    char line[200];

    while (fgets(line, sizeof(line), limits) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            sscanf(line + strlen(name), " %*s %llu", &hard);
    fclose(limits);
    return hard;
}

static const char *cgroups(void)
{
    if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0)
        return "v2";
    is_hybrid = access("/sys/fs/cgroup/unified", F_OK) == 0;
    return is_hybrid ? "hybrid" : "v1";
}

static void describe_host(struct fixture *fixture)
{
    static struct rlimit limit;

    limit = (struct rlimit){ "RLIMIT_NOFILE", 1024, hard_limit("Max open files") };
    fixture->host.limits = &limit;
    fixture->host.caps = own_capabilities();
    fixture->host.cgroups = cgroups();
    fixture->host.swap_limit =
        access("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", F_OK) == 0;
    fixture->host.cpus = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    fixture->host.devices = &full;
    fixture->host.device_count = 1;
#ifdef __x86_64__
    fixture->host.arch = "amd64";
#else
    fixture->host.arch = "arm64";
#endif
}

/* ---- containers ------------------------------------------------------------------------- */

static int make(void **state)
{
    fixture_make(state);
    describe_host(*state);
    return 0;
}

static void write_file(const char *name, const char *bytes, size_t size)
{
    char path[200];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* crun refuses hybrid hierarchies; it gets a mount namespace without the second one. */
static const char *around(const char *runtime)
{
    return is_hybrid && strcmp(runtime, "crun") == 0
               ? "unshare -m sh -c 'umount /sys/fs/cgroup/unified; exec \"$@\"' -"
               : "";
}

static void prepare(struct fixture *fixture)
{
    static char id[64], cgroup[100], hostname_file[200];
    static int count;

    snprintf(id, sizeof(id), "%s-%d", folder + 5, count++);
    snprintf(cgroup, sizeof(cgroup), "/%s/%s", folder + 5, id);
    snprintf(hostname_file, sizeof(hostname_file), "%s/hostname", folder);
    fixture->input.id = id;
    fixture->input.cgroup_path = cgroup;
    fixture->input.hostname_file = hostname_file;
    built(fixture);
    write_file("config.json", fixture->text.data, fixture->text.size);
}

/* Runs a container; its status. */
static int run(struct fixture *fixture, const char *runtime)
{
    prepare(fixture);
    return shell("cd %s && timeout 60 %s %s --root %s/run run %s 2>&1 </dev/null", folder,
                 around(runtime), runtime, folder, fixture->input.id);
}

static int run_script(struct fixture *fixture, const char *runtime, const char *script)
{
    const char *args[] = { "sh", "-c", script };

    fixture->options.args = (struct strs){ 3, args };
    return run(fixture, runtime);
}

#define FOR_EACH_RUNTIME(name) for (const char **name = runtimes; *name != NULL; name++)

static void a_container_with_defaults_runs(void **state)
{
    struct fixture *fixture = *state;

    FOR_EACH_RUNTIME(runtime)
    {
        assert_int_equal(
            run_script(fixture, *runtime,
                       "exec 2>&1; hostname; cat /etc/hostname; id -u; pwd; echo $HOME; ulimit -n; "
                       "grep -E 'CapEff|Seccomp:' /proc/self/status; echo $$; "
                       "cat /proc/keys 2>/dev/null | wc -c; echo x > /proc/sys/kernel/hostname; "
                       "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; "
                       "cd /sys/fs/cgroup; [ ! -d memory ] || cd memory; mkdir x; exit 7"),
            7);
        must_say(*runtime, "c1\nfile\n0\n/\n/root\n1024\n");
        must_say(*runtime, "CapEff:\t00000000a80425fb");
        must_say(*runtime, "Seccomp:\t2");
        must_say(*runtime, "\n1\n0\n");
        must_say(*runtime, "hostname: Read-only file system\n0\n");
        must_say(*runtime, "mkdir: can't create directory 'x': Read-only file system");
    }
}

static void a_read_only_container_cannot_write_but_in_its_tmpfs(void **state)
{
    struct fixture *fixture = *state;
    struct mount mount = { "tmpfs", NULL, "/tmp", STRS("size=1m", "mode=1777") };

    fixture->options.read_only = true;
    fixture->options.mounts = (struct list){ 1, &mount };
    FOR_EACH_RUNTIME(runtime)
    {
        assert_int_equal(run_script(fixture, *runtime,
                                    "touch /x; touch /etc/hostname; touch /tmp/x /dev/shm/x && "
                                    "ls /tmp /dev/shm; dd if=/dev/zero of=/tmp/y bs=1M count=2"),
                         1);
        must_say(*runtime, "touch: /x: Read-only");
        must_say(*runtime, "touch: /etc/hostname: Read-only");
        must_say(*runtime, "/tmp:\nx");
        must_say(*runtime, "No space left");
    }
}

static void limits_reach_the_control_group(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.has_memory = fixture->options.has_pids = fixture->options.has_cpus = true;
    fixture->options.memory = 32 << 20;
    fixture->options.pids = 20;
    fixture->options.cpus = 0.5;
    FOR_EACH_RUNTIME(runtime)
    {
        assert_int_equal(
            run_script(fixture, *runtime,
                       "cd /sys/fs/cgroup; "
                       "cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us "
                       "memory.max pids.max cpu.max 2>/dev/null; true"),
            0);
        must_say(*runtime, "33554432\n20\n50000");
    }
}

static void without_capabilities_root_is_nobody_special(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.cap_drop = STRS("ALL");
    fixture->options.has_new_privileges = true;
    FOR_EACH_RUNTIME(runtime)
    {
        assert_int_equal(
            run_script(fixture, *runtime,
                       "grep -E 'Cap|NoNewPrivs' /proc/self/status; chown 5 /etc/hostname"),
            1);
        must_say(*runtime, "CapBnd:\t0000000000000000");
        must_say(*runtime, "NoNewPrivs:\t1");
        must_say(*runtime, "Operation not permitted");
    }
}

static void another_user_has_its_ids_groups_and_home(void **state)
{
    struct fixture *fixture = *state;
    uint32_t gids[] = { 1001, 44, 50 };

    fixture->user = (struct user_ids){ 1000, 1001, 3, gids, "/home/app" };
    FOR_EACH_RUNTIME(runtime)
    {
        assert_int_equal(
            run_script(fixture, *runtime,
                       "id -u; id -g; id -G; echo $HOME; grep -E Cap /proc/self/status"),
            0);
        must_say(*runtime, "1000\n1001\n1001 44 50\n/home/app\n");
        must_say(*runtime, "CapEff:\t0000000000000000");
        must_say(*runtime, "CapBnd:\t00000000a80425fb");
    }
}

static void privileged_is_as_much_as_the_host_has(void **state)
{
    struct fixture *fixture = *state;
    char caps[64];

    fixture->options.privileged = true;
    snprintf(caps, sizeof(caps), "CapEff:\t%016llx",
             (unsigned long long)(own_capabilities() & CAPABILITIES_ALL));
    FOR_EACH_RUNTIME(runtime)
    {
        assert_int_equal(run_script(fixture, *runtime,
                                    "grep -E 'CapEff|Seccomp:' /proc/self/status; "
                                    "mount | grep ' /sys '; mount -t tmpfs x /tmp && echo mounted"),
                         0);
        must_say(*runtime, caps);
        must_say(*runtime, "Seccomp:\t0");
        must_say(*runtime, "sysfs on /sys type sysfs (rw");
        must_say(*runtime, "mounted");
    }
}

static void a_device_appears_under_its_new_name(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.devices = STRS("/dev/full:/dev/mine/full:rw");
    FOR_EACH_RUNTIME(runtime)
    {
        assert_int_equal(run_script(fixture, *runtime,
                                    "echo x > /dev/mine/full; mknod /n b 8 0; "
                                    "head -c 1 /n; rm /n"),
                         0);
        must_say(*runtime, "No space left");
        must_say(*runtime, "/n: Operation not permitted"); /* made, but not opened */
    }
}

static void unlimited_is_a_number_that_runtimes_take(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit core = { "core", 0, UINT64_MAX };

    if (hard_limit("Max core file size") != UINT64_MAX) {
        print_message("skipped: this host limits core files\n");
        skip();
    }
    fixture->options.rlimits = (struct list){ 1, &core };
    FOR_EACH_RUNTIME(runtime)
    {
        assert_int_equal(run_script(fixture, *runtime, "ulimit -Hc; ulimit -c"), 0);
        assert_string_equal(output, "unlimited\n0\n");
    }
}

static void an_image_without_a_command_file_is_told_apart(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.args = STRS("/no/such/program");
    FOR_EACH_RUNTIME(runtime)
    {
        assert_int_not_equal(run(fixture, *runtime), 0);
        must_say(*runtime, "/no/such/program");
    }
}

/* ---- mounts that come later ---------------------------------------------------------------- */

static void a_mount_of_the_host_comes_in_later_where_rslave_is_said(void **state)
{
    struct fixture *fixture = *state;
    char source[100];
    struct mount mount = { "bind", source, "/x", STRS("rslave") };

    snprintf(source, sizeof(source), "%s/x", folder);
    fixture->options.mounts = (struct list){ 1, &mount };
    fixture->options.args =
        STRS("sh", "-c", "echo ready > /x/ready; read go < /x/go; ls /x/later; echo done");
    FOR_EACH_RUNTIME(runtime)
    {
        prepare(fixture);
        shell("unshare -m --propagation shared sh -c '"
              "umount /sys/fs/cgroup/unified 2>/dev/null; cd %s && mkdir -p x/later && "
              "mkfifo x/ready x/go && mount --bind x x && mount --make-rshared x && "
              "{ timeout 60 %s --root %s/run run %s 2>&1 </dev/null & } && "
              "read line < x/ready && mount -t tmpfs none x/later && touch x/later/seen && "
              "echo go > x/go && wait'; rm -rf %s/x/ready %s/x/go",
              folder, *runtime, folder, fixture->input.id, folder, folder);
        must_say(*runtime, "seen\ndone\n");
    }
}

/* ---- additional processes ------------------------------------------------------------------- */

static void an_additional_process_runs_as_asked(void **state)
{
    struct fixture *fixture = *state;
    struct tasks_exec_request request = { .id = "x", .cwd = "/tmp", .env = STRS("A=b") };
    uint32_t gids[] = { 7 };
    struct user_ids other = { 5, 7, 1, gids, "/five" };
    struct buffer process = { 0 };

    request.args =
        STRS("sh", "-c", "id -u; pwd; echo $A $HOME; grep -E 'CapEff|Seccomp:' /proc/self/status");
    fixture->options.args = STRS("sh", "-c", "trap 'exit' TERM; mkfifo /f; read x < /f");
    FOR_EACH_RUNTIME(runtime)
    {
        prepare(fixture);
        process.size = 0;
        assert_int_equal(process_build(fixture->text.data, fixture->text.size, &request, &other,
                                       fixture->host.caps, &process, &fixture->err),
                         0);
        write_file("process.json", process.data, process.size);
        assert_int_equal(shell("cd %s && timeout 60 %s sh -c '%s --root run run -d %s </dev/null "
                               ">/dev/null 2>&1 && "
                               "%s --root run exec --process process.json %s 2>&1; "
                               "%s --root run delete -f %s; rm -f rootfs/f'",
                               folder, around(*runtime), *runtime, fixture->input.id, *runtime,
                               fixture->input.id, *runtime, fixture->input.id),
                         0);
        must_say(*runtime, "5\n/tmp\nb /five\n");
        must_say(*runtime, "CapEff:\t0000000000000000");
        must_say(*runtime, "Seccomp:\t2");
    }
    buffer_free(&process);
}

/* ---- system calls --------------------------------------------------------------------------- */

static void tell(const char *name, long result)
{
    printf("%s=%s\n", name, result >= 0 ? "ok" : strerrorname_np(errno));
}

/* A child that is made with these flags, if it may be. */
static void tell_clone(const char *name, unsigned long flags)
{
    long child = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);

    if (child == 0)
        _exit(0);
    tell(name, child);
}

/* What this program does inside of a container. */
static int make_calls(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    tell("io_uring", syscall(425, 1, 0));
    tell("keyctl", syscall(SYS_keyctl, 0, 0));
    tell("vsock", syscall(SYS_socket, 40, SOCK_STREAM, 0));
    tell("inet", syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
    tell("unshare", syscall(SYS_unshare, 0x10000000));
    tell_clone("fork", 0);
    tell_clone("newuser", 0x10000000);
    tell_clone("newnet", 0x40000000);
    tell("clone3", syscall(435, 0, 0));
    tell("randomize", syscall(SYS_personality, 0x40000));
    tell("personality", syscall(SYS_personality, 0xffffffff));
    tell("mount", syscall(SYS_mount, 0, 0, 0, 0, 0));
    tell("next_year", syscall(1000, 0));
    tell("mseal", syscall(462, 1, 1, 1));
    tell("statx", syscall(SYS_statx, -1, "", 0, 0, 0));
#ifdef __x86_64__
    {
        long result, unshare32 = 310;

        __asm__ volatile("int $0x80"
                         : "=a"(result)
                         : "a"(unshare32), "b"(0x10000000L)
                         : "memory", "r8", "r9", "r10", "r11");
        errno = (int)-(int)result;
        tell("unshare32", (int)result);
    }
#endif
    _exit(0); /* a leak checker would need calls of its own */
}

static void bind_libraries(struct fixture *fixture)
{
    static const char *read_only[] = { "ro" };
    static const struct strs options = { 1, read_only };
    static struct mount mounts[3];
    static char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

    assert_true(length > 0);
    program[length] = '\0';
    mounts[0] = (struct mount){ "bind", "/usr", "/usr", options };
    mounts[1] = (struct mount){ "bind", program, "/test", options };
    mounts[2] = (struct mount){ "bind", "/lib64", "/lib64", options };
    fixture->options.mounts = (struct list){ access("/lib64", F_OK) == 0 ? 3 : 2, mounts };
}

static void system_calls_are_answered_as_the_profile_says(void **state)
{
    static const char *const answers[] = {
        "io_uring=EPERM", "keyctl=EPERM",  "vsock=EPERM",      "inet=ok",       "unshare=EPERM",
        "fork=ok",        "newuser=EPERM", "newnet=EPERM",     "clone3=ENOSYS", "randomize=EPERM",
        "personality=ok", "mount=EPERM",   "next_year=ENOSYS", "statx=ENOENT",
    };
    struct fixture *fixture = *state;

    bind_libraries(fixture);
    fixture->options.args = STRS("/test", "--calls");
    FOR_EACH_RUNTIME(runtime)
    {
        assert_int_equal(run(fixture, *runtime), 0);
        for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
            must_say(*runtime, answers[i]);
        assert_false(has("mseal=EPERM")); /* allowed, or newer than what the runtime knows */
        if (has("unshare32"))
            must_say(*runtime, "unshare32=EPERM");
    }
}

static void a_users_profile_is_in_force(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.seccomp =
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":[{\"architecture\":"
        "\"SCMP_ARCH_X86_64\",\"subArchitectures\":[\"SCMP_ARCH_X86\"]}],"
        "\"syscalls\":[{\"names\":[\"mkdir\",\"mkdirat\"],\"action\":"
        "\"SCMP_ACT_ERRNO\",\"errnoRet\":28}]}";
    FOR_EACH_RUNTIME(runtime)
    {
        assert_int_equal(run_script(fixture, *runtime, "mkdir /made"), 1);
        must_say(*runtime, "No space left");
    }
}

/* ---- before and after ----------------------------------------------------------------------- */

static const char *busybox(void)
{
    return access("/usr/bin/busybox", X_OK) == 0 ? "/usr/bin/busybox" : "/bin/busybox";
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    return shell(
        "cd %s && mkdir -p rootfs/bin rootfs/etc rootfs/proc rootfs/sys rootfs/dev rootfs/tmp "
        "rootfs/usr rootfs/lib64 rootfs/root && ln -s usr/lib rootfs/lib && "
        "cp %s rootfs/bin/busybox && echo file > hostname && "
        "for name in $(rootfs/bin/busybox --list); do ln -s busybox rootfs/bin/$name; done "
        "2>/dev/null; test -e rootfs/bin/sh",
        folder, busybox());
}

static int tear_down(void **state)
{
    char pattern[200];
    glob_t found;

    (void)state;
    shell("rm -rf %s", folder);
    snprintf(pattern, sizeof(pattern), "/sys/fs/cgroup/*/%s", folder + 5);
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            rmdir(found.gl_pathv[i]);
        globfree(&found);
    }
    snprintf(pattern, sizeof(pattern), "/sys/fs/cgroup/%s", folder + 5);
    rmdir(pattern);
    return 0;
}

/* NULL when everything is there. */
static const char *reason_to_skip(void)
{
    static const char *const known[] = { "gantry-oci", "runc", "crun" };
    size_t count = 0;

    setenv("PATH", TEST_BIN ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);

    if (geteuid() != 0)
        return "containers need root";
    if (shell("test -x %s && ! ldd %s 2>/dev/null", busybox(), busybox()) != 0)
        return "there is no static busybox";
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (shell("command -v %s", known[i]) == 0)
            runtimes[count++] = known[i];
        else
            printf("skipped: %s is not installed\n", known[i]);
    }
    return count == 0 ? "there is no runtime" : NULL;
}

int main(int argc, char **argv)
{
#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, fixture_free)
    static const struct CMUnitTest tests[] = {
        TEST(a_container_with_defaults_runs),
        TEST(a_read_only_container_cannot_write_but_in_its_tmpfs),
        TEST(limits_reach_the_control_group),
        TEST(without_capabilities_root_is_nobody_special),
        TEST(another_user_has_its_ids_groups_and_home),
        TEST(privileged_is_as_much_as_the_host_has),
        TEST(a_device_appears_under_its_new_name),
        TEST(unlimited_is_a_number_that_runtimes_take),
        TEST(an_image_without_a_command_file_is_told_apart),
        TEST(a_mount_of_the_host_comes_in_later_where_rslave_is_said),
        TEST(an_additional_process_runs_as_asked),
        TEST(system_calls_are_answered_as_the_profile_says),
        TEST(a_users_profile_is_in_force),
    };
    const char *reason;

    if (argc == 2 && strcmp(argv[1], "--calls") == 0)
        return make_calls();
    reason = reason_to_skip();
    if (reason != NULL) {
        printf("skipped: %s\n", reason);
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
