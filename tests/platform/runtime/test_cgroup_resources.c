/* What of control groups needs none: paths, reading linux.resources, converting. */
#include "tests/platform/runtime/cgroup_fixture.h"

static const char *path_of(const char *wanted)
{
    static struct arena *arena;

    arena_drop(&arena);
    arena = arena_new();
    return cgroup_path_of(wanted, "box", arena, &err);
}

static void a_path_is_tidied(void **state UNUSED)
{
    assert_string_equal(path_of("/a/b"), "/a/b");
    assert_string_equal(path_of("//a/./b//"), "/a/b");
    assert_string_equal(path_of("a/b/"), "a/b");
    assert_string_equal(path_of(NULL), "box");
    assert_string_equal(path_of(""), "box");
    assert_string_equal(path_of("..a/b.."), "..a/b..");
}

static void a_path_that_is_not_the_containers_own_is_refused(void **state UNUSED)
{
    static const char *const bad[] = { "/", ".", "/a/../..", "..", "a/..", "a\nb", "//" };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_null(path_of(bad[i]));
        assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
        assert_non_null(strstr(err.text, "linux.cgroupsPath: "));
    }
}

static void shares_become_weights_on_a_bent_line(void **state UNUSED)
{
    assert_int_equal(weight_of_shares(2), 1);
    assert_int_equal(weight_of_shares(1), 1);
    assert_int_equal(weight_of_shares(1024), 100);
    assert_int_equal(weight_of_shares(262144), 10000);
    assert_int_equal(weight_of_shares(INT64_MAX), 10000);
    for (int64_t shares = 2; shares < 262144; shares += 7)
        assert_true(weight_of_shares(shares) <= weight_of_shares(shares + 7));
}

static void weights_of_block_devices_become_ten_times_wider(void **state UNUSED)
{
    assert_int_equal(io_weight_of(10), 1);
    assert_int_equal(io_weight_of(1000), 10000);
    assert_int_equal(io_weight_of(500), 4950);
}

static struct resources resources;
static struct arena *memory;

static int read_text(const char *text)
{
    struct place place;

    json_decref(document);
    document = draft_read(text, strlen(text), &err);
    if (document == NULL)
        fail_msg("%s", err.text);
    place = place_document(document);
    arena_drop(&memory);
    memory = arena_new();
    memset(&resources, 0, sizeof(resources));
    return resources_read(&place, &resources, memory, &err);
}

static void what_is_absent_is_not_set_and_zero_mostly_too(void **state UNUSED)
{
    assert_int_equal(read_text("{\"memory\":{\"limit\":0,\"swappiness\":0},\"cpu\":{\"shares\":0,"
                               "\"quota\":0,\"cpus\":\"\"},\"pids\":{\"limit\":0},"
                               "\"blockIO\":{\"weight\":0},\"network\":{\"classID\":0}}"),
                     0);
    assert_false(resources.memory.limit.is_set);
    assert_true(resources.memory.swappiness.is_set);
    assert_false(resources.memory.swap.is_set);
    assert_false(resources.cpu.shares.is_set);
    assert_false(resources.cpu.quota.is_set);
    assert_null(resources.cpu.cpus);
    assert_true(resources.pids.is_set);
    assert_false(resources.io.weight.is_set);
    assert_false(resources.class_id.is_set);
    assert_false(resources.devices.asked);
    assert_true(resources.devices.count > 0);
    assert_int_equal(read_text("{}"), 0);
    assert_false(resources.pids.is_set);
}

static void everything_is_read(void **state UNUSED)
{
    if (read_text(
            "{\"devices\":[{\"allow\":false}],"
            "\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":16,\"weight\":500}],"
            "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":300}]},"
            "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":209715200}],"
            "\"network\":{\"classID\":1048577,\"priorities\":[{\"name\":\"eth0\",\"priority\":5}]},"
            "\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3,\"hcaObjects\":10000}},"
            "\"unified\":{\"io.max\":\"259:0 rbps=1\\n253:0 rbps=2\"},"
            "\"unknown\":1}") < 0)
        fail_msg("%s", err.text);
    assert_true(resources.devices.asked);
    assert_int_equal(resources.io.weights[0].device.minor, 16);
    assert_int_equal(resources.io.limits[WRITE_IOPS][0].rate, 300);
    assert_string_equal(resources.huge_pages[0].size, "2MB");
    assert_int_equal(resources.priorities[0].priority, 5);
    assert_int_equal(resources.rdma[0].objects.value, 10000);
    assert_string_equal(resources.unified.entries[0].key, "io.max");
}

static void what_is_malformed_is_named(void **state UNUSED)
{
    static const char *const bad[][2] = {
        { "{\"memory\":{\"limit\":\"1G\"}}", "memory.limit: is \"1G\"" },
        { "{\"memory\":{\"limit\":-2}}", "memory.limit: is -2" },
        { "{\"memory\":{\"swappiness\":101}}", "memory.swappiness: is 101" },
        { "{\"cpu\":{\"quota\":100,\"burst\":200}}", "cpu.burst: is 200" },
        { "{\"cpu\":{\"idle\":2}}", "cpu.idle: is 2" },
        { "{\"blockIO\":{\"weight\":1001}}", "blockIO.weight: is 1001" },
        { "{\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0}]}}",
          "blockIO.weightDevice[0]: has neither" },
        { "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0}]}}",
          "blockIO.throttleReadBpsDevice[0].rate: is missing" },
        { "{\"hugepageLimits\":[{\"pageSize\":\"../2MB\",\"limit\":1}]}",
          "hugepageLimits[0].pageSize: is ../2MB" },
        { "{\"network\":{\"priorities\":[{\"name\":\"a b\",\"priority\":1}]}}",
          "network.priorities[0].name: is a b" },
        { "{\"rdma\":{\"x\":{}}}", "rdma.x: has neither" },
        { "{\"unified\":{\"a/b.c\":\"1\"}}", "unified.a/b.c: is no name" },
        { "{\"unified\":{\"memory.max\":1}}", "unified.memory.max: is 1" },
        { "{\"unified\":[]}", "unified: must be an object" },
        { "{\"devices\":{}}", "devices: is an object" },
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(read_text(bad[i][0]), -1);
        if (strstr(err.text, bad[i][1]) == NULL)
            fail_msg("%s: %s", bad[i][0], err.text);
    }
}

static void without_rights_a_user_goes_without_groups_unless_limited(void **state UNUSED)
{
    pid_t pid;
    int status;

    if (geteuid() != 0)
        skip_because("needs root, to become somebody else");
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct cgroup_want want = { .path = "/gantry-test-rootless", .id = "x", .rootless = true };
        const char *limited = "{\"pids\":{\"limit\":5}}";
        struct place place;

        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(1);
        cgroup = cgroup_new(&want, &err);
        if (cgroup == NULL || cgroup_make(cgroup, &err) < 0 || cgroup_folder(cgroup) >= 0 ||
            cgroup_join(cgroup, &err) < 0 || cgroup_remove(cgroup, &err) < 0)
            _exit(2);
        document = draft_read(limited, strlen(limited), &err);
        place = place_document(document);
        want.resources = &place;
        cgroup = cgroup_new(&want, &err);
        if (cgroup == NULL || cgroup_make(cgroup, &err) == 0 ||
            strstr(err.text, "linux.resources.pids.limit") == NULL)
            _exit(3);
        want.rootless = false;
        cgroup = cgroup_new(&want, &err);
        _exit(cgroup == NULL || cgroup_make(cgroup, &err) == 0 ? 4 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, cgroup_setup, cgroup_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_path_is_tidied),
        T(a_path_that_is_not_the_containers_own_is_refused),
        T(shares_become_weights_on_a_bent_line),
        T(weights_of_block_devices_become_ten_times_wider),
        T(what_is_absent_is_not_set_and_zero_mostly_too),
        T(everything_is_read),
        T(what_is_malformed_is_named),
        T(without_rights_a_user_goes_without_groups_unless_limited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
