/* Control groups of version 1, on this machine: made, limited, entered, killed, removed. */
#include <poll.h>
#include <sys/vfs.h>

#include "tests/platform/runtime/cgroup_fixture.h"

static bool is_here(const char *controller)
{
    return cgroup_group(cgroup, controller) != NULL;
}

static void groups_are_made_in_every_hierarchy_and_removed(void **state UNUSED)
{
    struct stat st;

    group_made("{}");
    assert_true(cgroup->count > 1);
    for (size_t i = 0; i < cgroup->count; i++)
        assert_int_equal(stat(cgroup->groups[i].folder, &st), 0);
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
    for (size_t i = 0; i < cgroup->count; i++)
        assert_int_equal(stat(cgroup->groups[i].folder, &st), -1);
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
}

static void a_child_enters_all_of_them_by_itself(void **state UNUSED)
{
    char name[40], text[8192];
    pid_t pid;

    group_made("{}");
    pid = child_start(NULL);
    snprintf(name, sizeof(name), "/proc/%d", (int)pid);
    assert_true(control_get(name, "cgroup", text, sizeof(text)) > 0);
    for (size_t i = 0; i < cgroup->count; i++) {
        char line[512];

        snprintf(line, sizeof(line), ":%s:%s\n", cgroup->groups[i].controllers,
                 cgroup->groups[i].path);
        assert_non_null(strstr(text, line));
    }
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_process_can_be_put_in_from_outside(void **state UNUSED)
{
    pid_t pid = fork(), *pids;
    size_t count;

    if (pid == 0)
        for (;;)
            pause();
    group_made("{}");
    assert_int_equal(cgroup_enter(cgroup, pid, &err), 0);
    assert_int_equal(cgroup_pids(cgroup, &pids, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(pids[0], pid);
    free(pids);
    assert_int_equal(cgroup_signal(cgroup, SIGTERM, &err), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_relative_path_and_an_id_are_below_our_own_group(void **state UNUSED)
{
    char own[8192], line[512];

    assert_non_null(group_new("{}", "some/where"));
    assert_true(control_get("/proc/self", "cgroup", own, sizeof(own)) > 0);
    for (size_t i = 0; i < cgroup->count; i++) {
        const struct group *group = &cgroup->groups[i];
        size_t size = strlen(group->path) - strlen("/some/where");

        assert_string_equal(group->path + size, "/some/where");
        snprintf(line, sizeof(line), ":%s:%.*s\n", group->controllers, (int)(size ? size : 1),
                 size ? group->path : "/");
        assert_non_null(strstr(own, line));
    }
}

static void memory_is_limited(void **state UNUSED)
{
    group_made("{\"memory\":{\"limit\":52428800,\"swap\":104857600,\"reservation\":20971520,"
               "\"swappiness\":10,\"disableOOMKiller\":true,\"kernel\":1}}");
    assert_string_equal(group_says("memory", "memory.limit_in_bytes"), "52428800");
    assert_string_equal(group_says("memory", "memory.memsw.limit_in_bytes"), "104857600");
    assert_string_equal(group_says("memory", "memory.soft_limit_in_bytes"), "20971520");
    assert_string_equal(group_says("memory", "memory.swappiness"), "10");
    assert_non_null(strstr(group_says("memory", "memory.oom_control"), "oom_kill_disable 1"));
    assert_non_null(strstr(cgroup_warning(cgroup), "memory.kernel"));
}

static void update_text(const char *text, int expected)
{
    CLEANUP(json_decrefp) json_t *json = draft_read(text, strlen(text), &err);
    struct place place = place_document(json);

    if (cgroup_update(cgroup, &place, &err) != expected)
        fail_msg("%s: %s", text, expected == 0 ? err.text : "was done");
}

static void both_memory_limits_move_in_either_direction(void **state UNUSED)
{
    group_made("{\"memory\":{\"limit\":52428800,\"swap\":52428800}}");
    update_text("{\"memory\":{\"limit\":209715200,\"swap\":209715200}}", 0);
    assert_string_equal(group_says("memory", "memory.limit_in_bytes"), "209715200");
    update_text("{\"memory\":{\"limit\":20971520,\"swap\":20971520}}", 0);
    assert_string_equal(group_says("memory", "memory.memsw.limit_in_bytes"), "20971520");
    update_text("{\"memory\":{\"limit\":209715200}}", -1); /* over what swap is limited to */
    assert_non_null(strstr(err.text, "linux.resources.memory.limit"));
    update_text("{\"memory\":{\"limit\":-1}}", 0);
    assert_true(strlen(group_says("memory", "memory.memsw.limit_in_bytes")) > 15);
    assert_true(strlen(group_says("memory", "memory.limit_in_bytes")) > 15);
}

static void cpu_is_limited_and_updates_leave_the_rest_alone(void **state UNUSED)
{
    group_made("{\"cpu\":{\"shares\":512,\"quota\":50000,\"period\":100000,\"burst\":20000}}");
    assert_string_equal(group_says("cpu", "cpu.shares"), "512");
    assert_string_equal(group_says("cpu", "cpu.cfs_quota_us"), "50000");
    assert_string_equal(group_says("cpu", "cpu.cfs_burst_us"), "20000");
    update_text("{\"cpu\":{\"quota\":10000,\"burst\":5000}}", 0);
    update_text("{\"cpu\":{\"quota\":80000,\"burst\":60000}}", 0);
    assert_string_equal(group_says("cpu", "cpu.cfs_quota_us"), "80000");
    assert_string_equal(group_says("cpu", "cpu.cfs_burst_us"), "60000");
    assert_string_equal(group_says("cpu", "cpu.cfs_period_us"), "100000");
    assert_string_equal(group_says("cpu", "cpu.shares"), "512");
    update_text("{\"cpu\":{\"shares\":1}}", -1);
    assert_non_null(strstr(err.text, "linux.resources.cpu.shares"));
    update_text("{\"cpu\":{\"idle\":1}}", 0);
    assert_string_equal(group_says("cpu", "cpu.idle"), "1");
}

static void cpusets_are_inherited_and_limited(void **state UNUSED)
{
    char above[256], path[300];

    snprintf(path, sizeof(path), "%s/deep/er", name_of_test);
    assert_non_null(group_new("{\"cpu\":{\"cpus\":\"0\"}}", path));
    if (!is_here("cpuset"))
        skip_because("cpuset is not mounted as version 1");
    assert_int_equal(cgroup_make(cgroup, &err), 0);
    assert_string_equal(group_says("cpuset", "cpuset.cpus"), "0");
    assert_string_not_equal(group_says("cpuset", "cpuset.mems"), "");
    snprintf(above, sizeof(above), "%s%s", cgroup_group(cgroup, "cpuset")->mounted, name_of_test);
    assert_true(control_get(above, "cpuset.cpus", path, sizeof(path)) > 1);
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
    snprintf(path, sizeof(path), "%s", name_of_test);
    assert_non_null(group_new("{}", path)); /* what is above it */
}

static void pids_are_limited_and_zero_is_a_limit(void **state UNUSED)
{
    group_made("{\"pids\":{\"limit\":7}}");
    assert_string_equal(group_says("pids", "pids.max"), "7");
    update_text("{\"pids\":{\"limit\":0}}", 0);
    assert_string_equal(group_says("pids", "pids.max"), "1");
    update_text("{\"pids\":{\"limit\":-1}}", 0);
    assert_string_equal(group_says("pids", "pids.max"), "max");
    update_text("{\"pids\":{}}", 0);
    assert_string_equal(group_says("pids", "pids.max"), "max");
}

static void devices_are_denied_but_for_those_that_all_need(void **state UNUSED)
{
    group_made("{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
               "{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":0,\"access\":\"r\"}]}");
    assert_non_null(strstr(group_says("devices", "devices.list"), "b 8:0 r\n"));
    assert_non_null(strstr(group_says("devices", "devices.list"), "c 1:3 rwm"));
    assert_null(strstr(group_says("devices", "devices.list"), "a *:*"));
    update_text("{\"devices\":[{\"allow\":false},"
                "{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229,\"access\":\"rw\"}]}",
                0);
    assert_null(strstr(group_says("devices", "devices.list"), "b 8:0"));
    assert_non_null(strstr(group_says("devices", "devices.list"), "c 10:229 rw"));
    update_text("{\"devices\":[{\"allow\":true}]}", 0);
    assert_string_equal(group_says("devices", "devices.list"), "a *:* rwm");
}

static void device_rules_that_version_1_cannot_express_are_refused(void **state UNUSED)
{
    assert_non_null(
        group_new("{\"devices\":[{\"allow\":true,\"type\":\"c\",\"major\":10,\"access\":\"rw\"},"
                  "{\"allow\":false,\"type\":\"c\",\"major\":10,\"minor\":229,\"access\":\"rw\"}]}",
                  NULL));
    assert_int_equal(cgroup_make(cgroup, &err), -1);
    assert_non_null(strstr(err.text, "linux.resources.devices[1]"));
}

static void a_limit_that_is_refused_leaves_no_group(void **state UNUSED)
{
    struct stat st;
    char path[300];

    snprintf(path, sizeof(path), "%s/in/side", name_of_test);
    assert_non_null(group_new("{\"cpu\":{\"cpus\":\"4000\"}}", path));
    assert_int_equal(cgroup_make(cgroup, &err), -1);
    assert_non_null(strstr(err.text, "linux.resources.cpu.cpus"));
    for (size_t i = 0; i < cgroup->count; i++) {
        snprintf(path, sizeof(path), "%s%s", cgroup->groups[i].mounted, name_of_test);
        assert_int_equal(stat(path, &st), -1);
    }
}

static void a_missing_controller_is_named(void **state UNUSED)
{
    assert_non_null(group_new("{\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3}}}", NULL));
    if (is_here("rdma"))
        skip_because("rdma is mounted");
    assert_int_equal(cgroup_make(cgroup, &err), -1);
    assert_non_null(strstr(err.text, "linux.resources.rdma: needs the cgroup controller rdma"));
}

static void huge_pages_are_limited_in_either_version(void **state UNUSED)
{
    const char *unified = "/sys/fs/cgroup/unified";
    const struct group *group;
    char before[256];

    assert_non_null(
        group_new("{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}]}", NULL));
    if (access("/sys/kernel/mm/hugepages/hugepages-2048kB", F_OK) < 0)
        skip_because("no huge pages of 2 MB");
    control_get(unified, "cgroup.subtree_control", before, sizeof(before));
    if (cgroup_make(cgroup, &err) < 0) {
        assert_non_null(strstr(err.text, "linux.resources.hugepageLimits"));
        skip_because("no controller for huge pages");
    }
    group = cgroup_group(cgroup, "hugetlb");
    assert_string_equal(group != NULL ? group_says("hugetlb", "hugetlb.2MB.limit_in_bytes")
                                      : group_says("", "hugetlb.2MB.max"),
                        "4194304");
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
    assert_non_null(group_new("{\"hugepageLimits\":[{\"pageSize\":\"3MB\",\"limit\":1}]}", NULL));
    assert_int_equal(cgroup_make(cgroup, &err), -1);
    if (strstr(before, "hugetlb") == NULL) /* as it was on this host */
        control_put(unified, "cgroup.subtree_control", "-hugetlb");
    assert_non_null(strstr(err.text, "linux.resources.hugepageLimits"));
}

static void traffic_is_classified(void **state UNUSED)
{
    assert_non_null(group_new("{\"network\":{\"classID\":1048577,"
                              "\"priorities\":[{\"name\":\"lo\",\"priority\":3}]}}",
                              NULL));
    if (!is_here("net_cls") || !is_here("net_prio")) {
        assert_int_equal(cgroup_make(cgroup, &err), -1);
        assert_non_null(strstr(err.text, "linux.resources.network."));
        return;
    }
    if (cgroup_make(cgroup, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(group_says("net_cls", "net_cls.classid"), "1048577");
    assert_non_null(strstr(group_says("net_prio", "net_prio.ifpriomap"), "lo 3"));
}

static void a_group_in_use_is_refused(void **state UNUSED)
{
    struct cgroup *first;
    pid_t pid;

    group_made("{}");
    pid = child_start(NULL);
    first = cgroup;
    cgroup = NULL;
    assert_non_null(group_new("{}", NULL));
    assert_int_equal(cgroup_make(cgroup, &err), -1);
    assert_non_null(strstr(err.text, "container's cgroup is not empty"));
    assert_int_equal(cgroup_remove(first, &err), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    cgroup_free(&first);
}

static void forks_on_and_on(void)
{
    while (fork() >= 0)
        ;
    for (;;)
        pause();
}

static void nobody_forks_away_from_being_killed(void **state UNUSED)
{
    pid_t pid, *pids;
    size_t count;

    group_made("{\"pids\":{\"limit\":40}}");
    pid = child_start(forks_on_and_on);
    assert_int_equal(cgroup_signal(cgroup, SIGKILL, &err), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
    assert_int_equal(cgroup_pids(cgroup, &pids, &count, &err), 0);
    assert_int_equal(count, 0);
    free(pids);
}

static void groups_below_are_listed_and_removed_too(void **state UNUSED)
{
    char below[PATH_MAX];
    pid_t pid, *pids;
    size_t count;

    group_made("{}");
    pid = child_start(NULL);
    for (size_t i = 0; i < cgroup->count; i++) {
        if (strcmp(cgroup->groups[i].controllers, "cpuset") == 0)
            continue;
        snprintf(below, sizeof(below), "%s/below", cgroup->groups[i].folder);
        assert_int_equal(mkdir(below, 0755), 0);
        snprintf(below + strlen(below), 8, "/it");
        assert_int_equal(mkdir(below, 0755), 0);
    }
    snprintf(below, sizeof(below), "%s/below/it", cgroup_group(cgroup, "freezer")->folder);
    snprintf(name_of_test, sizeof(name_of_test), "%d", (int)pid);
    assert_int_equal(control_put(below, "cgroup.procs", name_of_test), 0);
    assert_int_equal(cgroup_pids(cgroup, &pids, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(pids[0], pid);
    free(pids);
    if (cgroup_remove(cgroup, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void processes_are_frozen_and_thawed_and_die_frozen(void **state UNUSED)
{
    pid_t pid;

    group_made("{}");
    pid = child_start(NULL);
    assert_false(cgroup_is_frozen(cgroup));
    assert_int_equal(cgroup_freeze(cgroup, true, &err), 0);
    assert_true(cgroup_is_frozen(cgroup));
    assert_int_equal(cgroup_freeze(cgroup, false, &err), 0);
    assert_false(cgroup_is_frozen(cgroup));
    assert_int_equal(cgroup_freeze(cgroup, true, &err), 0);
    if (cgroup_remove(cgroup, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void what_is_saved_is_loaded(void **state UNUSED)
{
    CLEANUP(json_decrefp) json_t *saved = NULL;
    CLEANUP(cgroup_free) struct cgroup *loaded = NULL;

    group_made("{}");
    saved = cgroup_save(cgroup);
    loaded = cgroup_load(saved, &err);
    assert_non_null(loaded);
    assert_int_equal(loaded->count, cgroup->count);
    assert_int_equal(cgroup_open(loaded, 0, &err), 0);
    assert_string_equal(loaded->groups[0].folder, cgroup->groups[0].folder);
    assert_int_equal(cgroup_remove(loaded, &err), 0);
}

static void exec_can_go_to_a_group_below(void **state UNUSED)
{
    CLEANUP(json_decrefp) json_t *saved = NULL;
    CLEANUP(cgroup_free) struct cgroup *first = NULL;
    char below[PATH_MAX], name[40], text[8192];
    pid_t pid;

    group_made("{}");
    saved = cgroup_save(cgroup);
    first = cgroup;
    cgroup = cgroup_load(saved, &err);
    snprintf(below, sizeof(below), "%s/sub", cgroup_group(cgroup, "pids")->folder);
    assert_int_equal(mkdir(below, 0755), 0);
    assert_int_equal(cgroup_descend(cgroup, "pids:/../x", &err), -1);
    assert_int_equal(cgroup_descend(cgroup, "nothing:sub", &err), -1);
    assert_int_equal(cgroup_descend(cgroup, "pids:/sub", &err), 0);
    assert_int_equal(cgroup_open(cgroup, 0, &err), 0);
    pid = child_start(NULL);
    snprintf(name, sizeof(name), "/proc/%d", (int)pid);
    snprintf(below, sizeof(below), ":pids:%s/sub\n", first->groups[0].path);
    assert_true(control_get(name, "cgroup", text, sizeof(text)) > 0);
    assert_non_null(strstr(text, below));
    snprintf(below, sizeof(below), ":freezer:%s\n", first->groups[0].path);
    assert_non_null(strstr(text, below));
    if (cgroup_remove(first, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static json_int_t number_at(const json_t *json, const char *section, const char *part,
                            const char *key)
{
    const json_t *at = json_object_get(json, section);

    if (part != NULL)
        at = json_object_get(at, part);
    return json_integer_value(json_object_get(at, key));
}

static void what_is_used_is_told(void **state UNUSED)
{
    static const char *const sections[] = { "cpu",   "cpuset",  "memory",    "pids",
                                            "blkio", "hugetlb", "intel_rdt", "network_interfaces" };
    CLEANUP(json_decrefp) json_t *data = NULL;
    pid_t pid;

    group_made(
        "{\"memory\":{\"limit\":52428800},\"pids\":{\"limit\":20},\"cpu\":{\"cpus\":\"0\"}}");
    pid = child_start(NULL);
    data = cgroup_statistics(cgroup, &err);
    assert_non_null(data);
    for (size_t i = 0; i < COUNT_OF(sections); i++)
        assert_non_null(json_object_get(data, sections[i]));
    assert_int_equal(number_at(data, "memory", "usage", "limit"), 52428800);
    assert_true(number_at(data, "memory", "usage", "usage") >= 0);
    assert_int_equal(number_at(data, "memory", "raw", "hierarchical_memory_limit"), 52428800);
    assert_int_equal(number_at(data, "pids", NULL, "current"), 1);
    assert_int_equal(number_at(data, "pids", NULL, "limit"), 20);
    assert_true(number_at(data, "cpu", "usage", "total") > 0);
    assert_int_equal(json_array_size(json_object_get(json_object_get(data, "cpuset"), "cpus")), 1);
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_null(cgroup_statistics(cgroup, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
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
    assert_int_equal(poll(&events, 1, 20000), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    while (!cgroup_memory_ran_out(cgroup, events.fd, &kills))
        assert_int_equal(poll(&events, 1, 20000), 1);
    assert_false(cgroup_memory_ran_out(cgroup, events.fd, &kills));
    assert_int_equal(cgroup_remove(cgroup, &err), 0);
    assert_false(cgroup_memory_ran_out(cgroup, events.fd, &kills));
    close(events.fd);
}

static int is_version_1(void **state UNUSED)
{
    struct statfs found;

    if (geteuid() != 0) {
        printf("skipped: needs root\n");
        exit(77);
    }
    if (statfs("/sys/fs/cgroup", &found) < 0 || found.f_type == 0x63677270) {
        printf("skipped: this host has no control groups of version 1\n");
        exit(77);
    }
    return 0;
}

#define T(test) cmocka_unit_test_setup_teardown(test, cgroup_setup, cgroup_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(groups_are_made_in_every_hierarchy_and_removed),
        T(a_child_enters_all_of_them_by_itself),
        T(a_process_can_be_put_in_from_outside),
        T(a_relative_path_and_an_id_are_below_our_own_group),
        T(memory_is_limited),
        T(both_memory_limits_move_in_either_direction),
        T(cpu_is_limited_and_updates_leave_the_rest_alone),
        T(cpusets_are_inherited_and_limited),
        T(pids_are_limited_and_zero_is_a_limit),
        T(devices_are_denied_but_for_those_that_all_need),
        T(device_rules_that_version_1_cannot_express_are_refused),
        T(a_limit_that_is_refused_leaves_no_group),
        T(a_missing_controller_is_named),
        T(huge_pages_are_limited_in_either_version),
        T(traffic_is_classified),
        T(a_group_in_use_is_refused),
        T(nobody_forks_away_from_being_killed),
        T(groups_below_are_listed_and_removed_too),
        T(processes_are_frozen_and_thawed_and_die_frozen),
        T(what_is_saved_is_loaded),
        T(exec_can_go_to_a_group_below),
        T(what_is_used_is_told),
        T(a_lack_of_memory_is_told),
    };

    return cmocka_run_group_tests(tests, is_version_1, NULL);
}
