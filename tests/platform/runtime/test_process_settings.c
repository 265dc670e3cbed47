/* What a process is beyond its user: scheduling, memory policy, domain, keyring, labels. */
#include <linux/keyctl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "platform/linux/runtime/labels.h"
#include "platform/linux/runtime/process_parts.h"
#include "tests/platform/runtime/process_fixture.h"

static void a_scheduler_is_set(void **state UNUSED)
{
    assert_int_equal(run_with("exec cut -d' ' -f19,41 /proc/self/stat",
                              "\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":7,"
                              "\"flags\":[\"SCHED_FLAG_RESET_ON_FORK\"]}",
                              ""),
                     0);
    assert_string_equal(said, "7 3\n");
    assert_int_equal(run_with("exec cut -d' ' -f19,41 /proc/self/stat",
                              "\"scheduler\":{\"policy\":\"SCHED_IDLE\"}", ""),
                     0);
    assert_string_equal(said, "0 5\n");
    assert_int_equal(run_with("exec cut -d' ' -f40,41 /proc/self/stat",
                              "\"scheduler\":{\"policy\":\"SCHED_FIFO\",\"priority\":3}", ""),
                     0);
    assert_string_equal(said, "3 1\n");
}

static void schedulers_that_make_no_sense_are_refused(void **state UNUSED)
{
    assert_refused("\"scheduler\":{}", "", "process.scheduler.policy: is missing");
    assert_refused("\"scheduler\":{\"policy\":\"SCHED_NEW\"}", "",
                   "process.scheduler.policy: \"SCHED_NEW\"");
    assert_refused("\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"flags\":[\"X\"]}", "",
                   "process.scheduler.flags[0]");
    assert_refused("\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"nice\":20}", "", "nice");
    assert_refused("\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"priority\":1}", "", "priority");
    assert_refused("\"scheduler\":{\"policy\":\"SCHED_FIFO\"}", "", "priority");
    assert_refused("\"scheduler\":{\"policy\":\"SCHED_RR\",\"priority\":100}", "", "priority");
    assert_refused("\"scheduler\":{\"policy\":\"SCHED_RR\",\"priority\":1,\"runtime\":1}", "",
                   "SCHED_DEADLINE only");
}

/* Nothing may stand in the way of the pid's own processors, so no affinity is set with it. */
static void a_deadline_is_set(void **state UNUSED)
{
    int status = run_with("exec cut -d' ' -f41 /proc/self/stat",
                          "\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":1000000,"
                          "\"deadline\":10000000,\"period\":20000000}",
                          "");

    if (status == 0)
        assert_string_equal(said, "6\n");
    else
        assert_said("process.scheduler: SCHED_DEADLINE");
}

static void an_io_priority_is_set(void **state UNUSED)
{
    assert_int_equal(
        run_with("ionice", "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":6}", ""), 0);
    assert_string_equal(said, "best-effort: prio 6\n");
    assert_int_equal(run_with("ionice", "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_IDLE\"}", ""), 0);
    assert_said("idle");
    assert_refused("\"ioPriority\":{\"class\":\"X\"}", "", "process.ioPriority.class");
    assert_refused("\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8}", "",
                   "process.ioPriority: priority");
}

/* ---- processors ---------------------------------------------------------------------- */

static void set_both(pid_t pid)
{
    assert_int_equal(process_affinity_initial(spec, pid, &err), 0);
    assert_int_equal(process_affinity_final(spec, pid, &err), 0);
}

static void the_final_processors_are_those_that_stay(void **state UNUSED)
{
    cpu_set_t own;
    unsigned cpu = 0;

    assert_int_equal(sched_getaffinity(0, sizeof(own), &own), 0);
    while (!CPU_ISSET(cpu, &own))
        cpu++;
    said[0] = '\0';
    {
        char more[128], text[64];

        snprintf(more, sizeof(more), "\"execCPUAffinity\":{\"initial\":\"0-3,9\",\"final\":\"%u\"}",
                 cpu);
        assert_int_equal(read_process("grep Cpus_allowed_list /proc/self/status", more, ""), 0);
        limited = set_both;
        assert_int_equal(run_process(), 0);
        snprintf(text, sizeof(text), "Cpus_allowed_list:\t%u\n", cpu);
        assert_string_equal(said, text);
    }
}

static void lists_that_are_none_are_refused(void **state UNUSED)
{
    static const char *const lists[] = { "a",    "1-", "3-1",
                                         "1,,2", "-1", "8192",
                                         "1 ",   "1,", "99999999999999999999" };

    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        char more[128];

        snprintf(more, sizeof(more), "\"execCPUAffinity\":{\"final\":\"%s\"}", lists[i]);
        assert_refused(more, "", "process.execCPUAffinity.final: invalid CPU affinity");
    }
}

/* ---- memory, domain -------------------------------------------------------------------- */

static void a_memory_policy_is_set_or_the_field_named(void **state UNUSED)
{
    int status = run_with("grep -m1 -o 'interleave:0' /proc/self/numa_maps", "",
                          "\"memoryPolicy\":{\"mode\":\"MPOL_INTERLEAVE\",\"nodes\":\"0\"}");

    if (access("/proc/self/numa_maps", R_OK) == 0 || status == 126)
        assert_true(status == 0 || strstr(said, "linux.memoryPolicy: set_mempolicy") != NULL);
    assert_refused("", "\"memoryPolicy\":{\"mode\":\"X\"}", "linux.memoryPolicy.mode");
    assert_refused("", "\"memoryPolicy\":{\"nodes\":\"0\"}", "linux.memoryPolicy.mode: is missing");
    assert_refused("", "\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"x\"}",
                   "linux.memoryPolicy.nodes");
    assert_refused("", "\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"flags\":[\"x\"]}",
                   "linux.memoryPolicy.flags[0]");
}

static void a_personality_is_set(void **state UNUSED)
{
    assert_int_equal(run_with("uname -m", "", "\"personality\":{\"domain\":\"LINUX32\"}"), 0);
#ifdef __x86_64__
    assert_string_equal(said, "i686\n");
#endif
    assert_int_equal(
        run_with("cat /proc/self/personality", "", "\"personality\":{\"domain\":\"LINUX\"}"), 0);
    assert_string_equal(said, "00000000\n");
    assert_refused("", "\"personality\":{\"domain\":\"BSD\"}", "linux.personality.domain");
    assert_refused("", "\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"X\"]}",
                   "linux.personality.flags");
}

/* ---- keyring ------------------------------------------------------------------------------ */

static void the_session_keyring_is_the_containers(void **state UNUSED)
{
    if (syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0) < 0 &&
        errno == ENOSYS) {
        printf("this kernel has no keys\n");
        return;
    }
    assert_int_equal(read_process("cat /proc/keys", "", ""), 0);
    settings.keyring = "box1";
    assert_int_equal(run_process(), 0);
    assert_said("3f1b0000");
    assert_said("_ses.box1");
}

/* ---- labels --------------------------------------------------------------------------------- */

static void labels_that_the_kernel_lacks_are_refused(void **state UNUSED)
{
    if (apparmor_is_enabled() || selinux_is_enabled()) {
        printf("this kernel has labels\n");
        return;
    }
    assert_refused("\"apparmorProfile\":\"x\"", "", "process.apparmorProfile: apparmor");
    assert_refused("\"selinuxLabel\":\"x\"", "",
                   "process.selinuxLabel: selinux label is specified in config, but selinux is "
                   "disabled or not supported");
    assert_int_equal(read_process("true", "\"apparmorProfile\":\"\",\"selinuxLabel\":\"\"", ""), 0);
}

/* In a mount namespace of its own: 0 when the file could be opened, else the text in `said`. */
static int open_behind(const char *source, const char *target, const char *type,
                       unsigned long flags)
{
    int ends[2], status;
    ssize_t size;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            (target != NULL && mount(source, target, type, flags, NULL) < 0))
            _exit(99);
        if (proc_thread_open("comm", O_WRONLY, &err) >= 0)
            _exit(0);
        dprintf(ends[1], "%s", err.text);
        _exit(1);
    }
    close(ends[1]);
    size = read(ends[0], said, sizeof(said) - 1);
    said[size > 0 ? size : 0] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void a_label_is_written_to_the_kernel_and_nowhere_else(void **state UNUSED)
{
    assert_int_equal(open_behind(NULL, NULL, NULL, 0), 0);
    assert_int_equal(open_behind("fake", "/proc", "tmpfs", 0), 1);
    assert_said("/proc is not a procfs");
    assert_int_equal(open_behind("/proc/sys", "/proc", NULL, MS_BIND), 1);
    assert_said("/proc is not a procfs");
    assert_int_equal(open_behind("/proc/uptime", "/proc/thread-self/comm", NULL, MS_BIND), 1);
    assert_said("something is mounted over");
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(a_scheduler_is_set),
        T(schedulers_that_make_no_sense_are_refused),
        T(a_deadline_is_set),
        T(an_io_priority_is_set),
        T(the_final_processors_are_those_that_stay),
        T(lists_that_are_none_are_refused),
        T(a_memory_policy_is_set_or_the_field_named),
        T(a_personality_is_set),
        T(the_session_keyring_is_the_containers),
        T(labels_that_the_kernel_lacks_are_refused),
        T(a_label_is_written_to_the_kernel_and_nowhere_else),
    };

    if (geteuid() != 0) {
        printf("skipped: needs root\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
