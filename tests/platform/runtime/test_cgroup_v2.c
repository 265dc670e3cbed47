/* Control groups of version 2: limits converted, groups entered by clone, killed, frozen, owned.
   Skipped where version 1 is mounted; ci/vm runs it in a machine that has only version 2. */
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <sys/vfs.h>

#include "tests/platform/runtime/cgroup_fixture.h"

static void refused(const char *resources, const char *words)
{
    if (cgroup != NULL)
        assert_int_equal(cgroup_remove(cgroup, &err), 0);
    if (group_new(resources, NULL) != NULL)
        assert_int_equal(cgroup_make(cgroup, &err), -1);
    if (strstr(err.text, words) == NULL)
        fail_msg("%s: %s", resources, err.text);
    assert_int_equal(cgroup == NULL ? -1 : access(cgroup->groups[0].folder, F_OK), -1);
}

static int update(const char *text)
{
    CLEANUP(json_decrefp) json_t *json = draft_read(text, strlen(text), &err);
    struct place place = place_document(json);

    return cgroup_update(cgroup, &place, &err);
}

static void updated(const char *text)
{
    if (update(text) < 0)
        fail_msg("%s: %s", text, err.text);
}

static void a_child_is_cloned_into_the_group(void **state UNUSED)
{
    char name[40], text[512], line[100];
    pid_t pid;

    group_made("{}");
    assert_true(cgroup_is_v2(cgroup));
    pid = child_start(NULL);
    snprintf(name, sizeof(name), "/proc/%d", (int)pid);
    snprintf(line, sizeof(line), "0::%s\n", name_of_test);
    assert_true(control_get(name, "cgroup", text, sizeof(text)) > 0);
    assert_string_equal(text, line);
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(access(cgroup->groups[0].folder, F_OK), -1);
}

static void controllers_are_handed_down_to_the_group(void **state UNUSED)
{
    char path[100];

    snprintf(path, sizeof(path), "%s/in/side", name_of_test);
    assert_non_null(group_new("{\"pids\":{\"limit\":5}}", path));
    if (cgroup_make(cgroup, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(group_says("", "pids.max"), "5");
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
    snprintf(path, sizeof(path), "%s/in", name_of_test);
    assert_non_null(group_new("{}", path));
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
}

static void memory_and_swap_are_limited_apart(void **state UNUSED)
{
    group_made("{\"memory\":{\"limit\":52428800,\"swap\":104857600,\"reservation\":20971520}}");
    assert_string_equal(group_says("", "memory.max"), "52428800");
    assert_string_equal(group_says("", "memory.swap.max"), "52428800");
    assert_string_equal(group_says("", "memory.low"), "20971520");
    updated("{\"memory\":{\"swap\":62914560}}");
    assert_string_equal(group_says("", "memory.swap.max"), "10485760");
    updated("{\"memory\":{\"limit\":-1}}");
    assert_string_equal(group_says("", "memory.max"), "max");
    assert_string_equal(group_says("", "memory.swap.max"), "max");
    assert_int_equal(update("{\"memory\":{\"swap\":62914560}}"), -1);
    assert_non_null(strstr(err.text, "unable to set swap limit without memory limit"));
}

/* Of what a child has just after its birth the kernel may have counted nothing yet. */
static void use_memory(void)
{
    static char much[1024 * 1024];

    explicit_bzero(much, sizeof(much)); /* no compiler leaves it out */
}

static void a_memory_limit_below_the_usage_is_refused_if_asked(void **state UNUSED)
{
    pid_t pid;

    group_made("{}");
    pid = child_start(use_memory);
    while (strtoull(group_says("", "memory.current"), NULL, 10) < 1024 * 1024)
        sched_yield();
    assert_int_equal(update("{\"memory\":{\"limit\":4096,\"checkBeforeUpdate\":true}}"), -1);
    assert_non_null(strstr(err.text, "rejecting memory limit 4096"));
    assert_string_equal(group_says("", "memory.max"), "max");
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void cpu_is_limited_and_updates_leave_the_rest_alone(void **state UNUSED)
{
    group_made("{\"cpu\":{\"shares\":1024,\"quota\":50000,\"period\":200000}}");
    assert_string_equal(group_says("", "cpu.weight"), "100");
    assert_string_equal(group_says("", "cpu.max"), "50000 200000");
    updated("{\"cpu\":{\"period\":100000}}");
    assert_string_equal(group_says("", "cpu.max"), "50000 100000");
    updated("{\"cpu\":{\"quota\":30000}}");
    assert_string_equal(group_says("", "cpu.max"), "30000 100000");
    updated("{\"cpu\":{\"burst\":10000}}");
    assert_string_equal(group_says("", "cpu.max.burst"), "10000");
    updated("{\"cpu\":{\"quota\":8000,\"burst\":5000}}");
    assert_string_equal(group_says("", "cpu.max"), "8000 100000");
    assert_string_equal(group_says("", "cpu.max.burst"), "5000");
    updated("{\"cpu\":{\"quota\":-1}}");
    assert_string_equal(group_says("", "cpu.max"), "max 100000");
    updated("{\"cpu\":{\"idle\":1}}");
    assert_string_equal(group_says("", "cpu.idle"), "1");
    updated("{\"cpu\":{\"idle\":0,\"shares\":262144}}");
    assert_string_equal(group_says("", "cpu.weight"), "10000");
}

static void processors_are_limited(void **state UNUSED)
{
    group_made("{\"cpu\":{\"cpus\":\"0\",\"mems\":\"0\"}}");
    assert_string_equal(group_says("", "cpuset.cpus"), "0");
    assert_string_equal(group_says("", "cpuset.mems"), "0");
    refused("{\"cpu\":{\"cpus\":\"x\"}}", "linux.resources.cpu.cpus");
}

static void pids_are_limited_and_zero_is_a_limit(void **state UNUSED)
{
    pid_t pid;

    group_made("{\"pids\":{\"limit\":0}}");
    pid = child_start(NULL);
    assert_string_equal(group_says("", "pids.max"), "1");
    updated("{\"pids\":{\"limit\":-1}}");
    assert_string_equal(group_says("", "pids.max"), "max");
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* "254:0", a device with a queue; NULL: there is none. */
static const char *block_device(unsigned *major, unsigned *minor)
{
    static char number[32];
    DIR *list = opendir("/sys/block");
    struct dirent *entry;
    bool found = false;

    while (list != NULL && !found && (entry = readdir(list)) != NULL) {
        char folder[300];

        snprintf(folder, sizeof(folder), "/sys/block/%s", entry->d_name);
        found = (entry->d_name[0] == 'v' || entry->d_name[0] == 's') &&
                control_get(folder, "dev", number, sizeof(number)) > 0;
    }
    if (list != NULL)
        closedir(list);
    return found && sscanf(number, "%u:%u", major, minor) == 2 ? number : NULL;
}

static void block_devices_are_limited(void **state UNUSED)
{
    unsigned major, minor;
    char text[512], line[128];

    if (block_device(&major, &minor) == NULL)
        skip_because("there is no block device");
    snprintf(
        text, sizeof(text),
        "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":%u,\"minor\":%u,\"rate\":1048576}],"
        "\"throttleWriteIOPSDevice\":[{\"major\":%u,\"minor\":%u,\"rate\":200}]}}",
        major, minor, major, minor);
    group_made(text);
    snprintf(line, sizeof(line), "%u:%u rbps=1048576 wbps=max riops=max wiops=200", major, minor);
    assert_string_equal(group_says("", "io.max"), line);
    snprintf(text, sizeof(text),
             "{\"unified\":{\"io.max\":\"%u:%u rbps=max\\n%u:%u wiops=100 rbps=4096\"}}", major,
             minor, major, minor);
    updated(text);
    snprintf(line, sizeof(line), "%u:%u rbps=4096 wbps=max riops=max wiops=100", major, minor);
    assert_string_equal(group_says("", "io.max"), line);
}

static void block_devices_are_weighted(void **state UNUSED)
{
    group_made("{}");
    if (control_is_there(cgroup->groups[0].folder, "io.bfq.weight")) {
        updated("{\"blockIO\":{\"weight\":500}}");
        assert_string_equal(group_says("", "io.bfq.weight"), "default 500");
    } else if (control_is_there(cgroup->groups[0].folder, "io.weight")) {
        updated("{\"blockIO\":{\"weight\":500}}");
        assert_string_equal(group_says("", "io.weight"), "default 4950");
    } else {
        assert_int_equal(update("{\"blockIO\":{\"weight\":500}}"), -1);
        assert_non_null(strstr(err.text, "linux.resources.blockIO.weight"));
    }
}

static void what_version_2_has_not_is_refused(void **state UNUSED)
{
    refused("{\"memory\":{\"swappiness\":0}}", "linux.resources.memory.swappiness");
    refused("{\"memory\":{\"disableOOMKiller\":true}}", "linux.resources.memory.disableOOMKiller");
    refused("{\"cpu\":{\"realtimeRuntime\":1000}}", "linux.resources.cpu.realtimeRuntime");
    refused("{\"network\":{\"classID\":7}}", "linux.resources.network.classID");
    refused("{\"network\":{\"priorities\":[{\"name\":\"lo\",\"priority\":1}]}}",
            "linux.resources.network.priorities");
    refused("{\"memory\":{\"limit\":2097152,\"swap\":1048576}}", "linux.resources.memory.swap");
    refused("{\"hugepageLimits\":[{\"pageSize\":\"3MB\",\"limit\":0}]}",
            "linux.resources.hugepageLimits");
    group_made(
        "{\"memory\":{\"disableOOMKiller\":false,\"useHierarchy\":true,\"kernel\":1048576}}");
}

static void unified_files_are_written_as_they_are(void **state UNUSED)
{
    group_made("{\"unified\":{\"memory.high\":\"41943040\",\"pids.max\":\"9\","
               "\"cgroup.max.depth\":\"3\"}}");
    assert_string_equal(group_says("", "memory.high"), "41943040");
    assert_string_equal(group_says("", "pids.max"), "9");
    assert_string_equal(group_says("", "cgroup.max.depth"), "3");
    refused("{\"unified\":{\"nothing.max\":\"1\"}}",
            "linux.resources.unified.nothing.max: needs the cgroup controller nothing");
    refused("{\"unified\":{\"memory.nothing\":\"1\"}}", "linux.resources.unified.memory.nothing");
    refused("{\"unified\":{\"../memory.max\":\"1\"}}", "is no name of a control file");
}

static void opens_full(void)
{
    int fd = open("/dev/full", O_RDONLY | O_CLOEXEC);

    _exit(fd < 0 ? errno : 0);
}

static void devices_are_denied_and_allowed(void **state UNUSED)
{
    int status;
    pid_t pid;

    if (access("/dev/kmsg", F_OK) < 0)
        skip_because("there is no /dev/kmsg");
    group_made("{\"devices\":[{\"allow\":false}]}");
    pid = child_start(opens_full);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
    updated("{\"devices\":[{\"allow\":true}]}");
    updated("{\"devices\":[{\"allow\":false}]}");
    updated("{\"pids\":{\"limit\":10}}");
    pid = child_start(opens_full);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void opens_messages(void)
{
    int fd = open("/dev/kmsg", O_RDONLY | O_CLOEXEC);

    _exit(fd < 0 ? errno : 0);
}

static void a_device_that_nobody_allowed_is_denied(void **state UNUSED)
{
    int status;
    pid_t pid;

    group_made("{}");
    pid = child_start(opens_messages);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), EPERM);
    updated("{\"devices\":[{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":11}]}");
    pid = child_start(opens_messages);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void forks_on_and_on(void)
{
    while (fork() >= 0)
        ;
    for (;;)
        pause();
}

static void everybody_is_killed_at_once(void **state UNUSED)
{
    pid_t pid;

    group_made("{\"pids\":{\"limit\":30}}");
    pid = child_start(forks_on_and_on);
    assert_int_equal(cgroup_signal(cgroup, SIGKILL, &err), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    if (cgroup_remove(cgroup, &err) < 0)
        fail_msg("%s", err.text);
}

static void processes_are_frozen_and_thawed_and_die_frozen(void **state UNUSED)
{
    pid_t pid;

    group_made("{}");
    pid = child_start(NULL);
    assert_int_equal(cgroup_freeze(cgroup, true, &err), 0);
    assert_true(cgroup_is_frozen(cgroup));
    assert_int_equal(cgroup_freeze(cgroup, false, &err), 0);
    assert_false(cgroup_is_frozen(cgroup));
    assert_int_equal(cgroup_freeze(cgroup, true, &err), 0);
    if (cgroup_remove(cgroup, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void who_comes_later_goes_to_where_the_first_process_is(void **state UNUSED)
{
    char below[300], text[300], name[40];
    CLEANUP(json_decrefp) json_t *saved = NULL;
    struct cgroup *first;
    pid_t pid, later, *pids;
    size_t count;

    group_made("{}");
    pid = child_start(NULL);
    snprintf(below, sizeof(below), "%s/below", cgroup->groups[0].folder);
    assert_int_equal(mkdir(below, 0755), 0);
    snprintf(name, sizeof(name), "%d", (int)pid);
    assert_int_equal(control_put(below, "cgroup.procs", name), 0);
    assert_int_equal(control_put(cgroup->groups[0].folder, "cgroup.subtree_control", "+pids"), 0);
    saved = cgroup_save(cgroup);
    first = cgroup;
    cgroup = cgroup_load(saved, &err);
    assert_int_equal(cgroup_open(cgroup, pid, &err), 0);
    later = child_start(NULL);
    snprintf(name, sizeof(name), "/proc/%d", (int)later);
    assert_true(control_get(name, "cgroup", text, sizeof(text)) > 0);
    assert_non_null(strstr(text, "/below\n"));
    assert_int_equal(cgroup_pids(first, &pids, &count, &err), 0);
    assert_int_equal(count, 2);
    free(pids);
    if (cgroup_remove(first, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(waitpid(later, NULL, 0), later);
    cgroup_free(&first);
}

static void the_group_can_be_given_away(void **state UNUSED)
{
    struct stat st;
    char path[300];

    group_made("{}");
    assert_int_equal(cgroup_own(cgroup, 1234, &err), 0);
    assert_int_equal(stat(cgroup->groups[0].folder, &st), 0);
    assert_int_equal(st.st_uid, 1234);
    snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup->groups[0].folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, 1234);
    snprintf(path, sizeof(path), "%s/memory.max", cgroup->groups[0].folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, 0);
}

static void what_is_used_is_told(void **state UNUSED)
{
    CLEANUP(json_decrefp) json_t *data = NULL;
    json_t *usage;
    pid_t pid;

    group_made("{\"memory\":{\"limit\":52428800}}");
    pid = child_start(NULL);
    data = cgroup_statistics(cgroup, &err);
    assert_non_null(data);
    usage = json_object_get(json_object_get(data, "memory"), "usage");
    assert_int_equal(json_integer_value(json_object_get(usage, "limit")), 52428800);
    assert_true(json_integer_value(json_object_get(usage, "usage")) > 0);
    usage = json_object_get(json_object_get(data, "cpu"), "usage");
    assert_true(json_integer_value(json_object_get(usage, "total")) > 0);
    usage = json_object_get(json_object_get(data, "pids"), "current");
    assert_int_equal(json_integer_value(usage), 1);
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void takes_memory(void)
{
    for (;;) {
        volatile char *page = malloc(65536);

        for (size_t i = 0; page != NULL && i < 65536; i += 4096)
            page[i] = 1;
    }
}

static void a_lack_of_memory_is_told(void **state UNUSED)
{
    struct pollfd events = { .events = POLLIN };
    uint64_t kills;
    pid_t pid;
    int status;

    group_made("{\"memory\":{\"limit\":4194304,\"swap\":4194304}}");
    events.fd = cgroup_memory_events(cgroup, &err);
    if (events.fd < 0)
        fail_msg("%s", err.text);
    assert_int_equal(poll(&events, 1, 0), 0);
    kills = cgroup_memory_kills(cgroup);
    assert_int_equal(kills, 0);
    pid = child_start(takes_memory);
    assert_int_equal(poll(&events, 1, 60000), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    while (!cgroup_memory_ran_out(cgroup, events.fd, &kills))
        assert_int_equal(poll(&events, 1, 20000), 1);
    assert_false(cgroup_memory_ran_out(cgroup, events.fd, &kills));
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
    assert_false(cgroup_memory_ran_out(cgroup, events.fd, &kills));
    close(events.fd);
}

static int is_version_2(void **state UNUSED)
{
    struct statfs found;

    if (geteuid() != 0) {
        printf("skipped: needs root\n");
        exit(77);
    }
    if (statfs("/sys/fs/cgroup", &found) < 0 || found.f_type != 0x63677270) {
        printf(
            "skipped: this host has control groups of version 1; ci/vm boots one of version 2\n");
        exit(77);
    }
    return 0;
}

#define T(test) cmocka_unit_test_setup_teardown(test, cgroup_setup, cgroup_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_child_is_cloned_into_the_group),
        T(controllers_are_handed_down_to_the_group),
        T(memory_and_swap_are_limited_apart),
        T(a_memory_limit_below_the_usage_is_refused_if_asked),
        T(cpu_is_limited_and_updates_leave_the_rest_alone),
        T(processors_are_limited),
        T(pids_are_limited_and_zero_is_a_limit),
        T(block_devices_are_limited),
        T(block_devices_are_weighted),
        T(what_version_2_has_not_is_refused),
        T(unified_files_are_written_as_they_are),
        T(devices_are_denied_and_allowed),
        T(a_device_that_nobody_allowed_is_denied),
        T(everybody_is_killed_at_once),
        T(processes_are_frozen_and_thawed_and_die_frozen),
        T(who_comes_later_goes_to_where_the_first_process_is),
        T(the_group_can_be_given_away),
        T(what_is_used_is_told),
        T(a_lack_of_memory_is_told),
    };

    return cmocka_run_group_tests(tests, is_version_2, NULL);
}
