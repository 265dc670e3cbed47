/* The runtime spec: what images and users may say, and what nobody said. */
#include "platform/scope.h"
#include "tests/protocol/oci/spec_fixture.h"

/* ---- namespaces and the kernel --------------------------------------- */

static bool has_namespace(json_t *spec, const char *type)
{
    json_t *item;
    size_t i;

    json_array_foreach (at(spec, "linux.namespaces"), i, item)
        if (strcmp(text_at(item, "type"), type) == 0)
            return true;
    return false;
}

static void everything_is_the_containers_own_by_default(void **state)
{
    struct fixture *fixture = *state;
    json_t *spec = built(fixture);

    assert_string_equal(text_at(spec, "ociVersion"), "1.0.2");
    assert_string_equal(text_at(spec, "root.path"), "rootfs");
    assert_true(json_is_false(at(spec, "root.readonly")));
    assert_string_equal(text_at(spec, "hostname"), "c1");
    assert_string_equal(text_at(spec, "linux.cgroupsPath"), "/default/c1");
    assert_true(has_namespace(spec, "pid") && has_namespace(spec, "ipc"));
    assert_true(has_namespace(spec, "uts") && has_namespace(spec, "mount"));
    assert_true(has_namespace(spec, "network") && has_namespace(spec, "cgroup"));
    assert_true(has_word(at(spec, "linux.maskedPaths"), "/sys/devices/virtual/powercap"));
    assert_true(has_word(at(spec, "linux.maskedPaths"), "/proc/kcore"));
    assert_true(has_word(at(spec, "linux.readonlyPaths"), "/proc/sys"));
    assert_true(json_is_false(at(spec, "linux.resources.devices.0.allow")));
    assert_null(at(spec, "linux.resources.devices.0.type"));
    assert_non_null(at(spec, "linux.seccomp"));
    fixture->host.cgroups = "hybrid";
    assert_false(has_namespace(built(fixture), "cgroup"));
    fixture->input.options = NULL;
    fixture->options.read_only = true;
    built(fixture);
    fixture->input.options = &fixture->options;
    assert_true(json_is_true(at(built(fixture), "root.readonly")));
}

static void the_hosts_network_is_shared_on_request(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.network = "none";
    assert_true(has_namespace(built(fixture), "network"));
    fixture->options.network = "host";
    assert_false(has_namespace(built(fixture), "network"));
    assert_int_equal(json_object_size(at(fixture->spec, "linux.sysctl")), 0);
    fixture->options.network = "bridge";
    refused(fixture, ERROR_INVALID_ARGUMENT, "network 'bridge': say none or host");
}

static void only_the_containers_own_kernel_parameters_are_set(void **state)
{
    static const char *const bad[] = { "kernel.core_pattern",
                                       "vm.swappiness",
                                       "net/ipv4/ip_forward",
                                       "net..x",
                                       ".net.x",
                                       "net.",
                                       "net.ipv4.../x",
                                       "",
                                       "net",
                                       "kernel.shm",
                                       "fs.file-max",
                                       "net.a\nb",
                                       "kernel.hostname" };
    struct fixture *fixture = *state;
    struct map_entry entry = { "net.core.somaxconn", "1024" };

    fixture->options.sysctl = (struct map){ 1, &entry };
    assert_string_equal(json_string_value(json_object_get(at(built(fixture), "linux.sysctl"),
                                                          "net.core.somaxconn")),
                        "1024");
    assert_string_equal(json_string_value(json_object_get(at(fixture->spec, "linux.sysctl"),
                                                          "net.ipv4.ip_unprivileged_port_start")),
                        "0");
    fixture->options.network = "host";
    refused(fixture, ERROR_INVALID_ARGUMENT, "whose network this container shares");
    entry.key = "kernel.shmmax";
    built(fixture);
    fixture->options.network = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        entry.key = bad[i];
        refused(fixture, ERROR_INVALID_ARGUMENT, "sysctl");
    }
}

static void privileged_takes_the_fences_away(void **state)
{
    struct host_device devices[] = { { "/dev/null", 'c', 1, 3, 0666, 0, 0 },
                                     { "/dev/sda", 'b', 8, 0, 0660, 0, 6 },
                                     { "/dev/pts/3", 'c', 136, 3, 0620, 0, 5 },
                                     { "/dev/snd/timer", 'c', 116, 33, 0660, 0, 29 } };
    struct fixture *fixture = *state;
    json_t *spec;

    fixture->options.privileged = true;
    fixture->host.devices = devices;
    fixture->host.device_count = 4;
    spec = built(fixture);
    assert_null(at(spec, "linux.seccomp"));
    assert_null(at(spec, "linux.maskedPaths"));
    assert_null(at(spec, "linux.readonlyPaths"));
    assert_int_equal(json_array_size(at(spec, "linux.resources.devices")), 1);
    assert_true(json_is_true(at(spec, "linux.resources.devices.0.allow")));
    assert_int_equal(json_array_size(at(spec, "linux.devices")), 2);
    assert_string_equal(text_at(spec, "linux.devices.0.path"), "/dev/sda");
    assert_int_equal(json_integer_value(at(spec, "linux.devices.0.fileMode")), 0660);
    assert_int_equal(json_integer_value(at(spec, "linux.devices.0.gid")), 6);
    assert_false(has_word(at(mount_at(spec, "/sys"), "options"), "ro"));
    assert_false(has_word(at(mount_at(spec, "/sys/fs/cgroup"), "options"), "ro"));
    assert_int_equal(json_array_size(at(spec, "process.capabilities.effective")), CAPABILITY_COUNT);
}

static void a_device_is_given_with_the_access_that_was_asked_for(void **state)
{
    static const char *const bad[] = { "fuse",
                                       "/dev/fuse:x:y:z",
                                       "/dev/fuse:/dev/y:rwx",
                                       "/dev/fuse:/../y",
                                       "/dev/fuse:rr",
                                       "/dev/fuse:/dev/a:rwmm",
                                       "",
                                       ":",
                                       "/dev/fuse:",
                                       "/dev/fuse:/dev/fuse:" };
    struct host_device devices[] = { { "/dev/fuse", 'c', 10, 229, 0666, 0, 0 },
                                     { "/dev/snd/timer", 'c', 116, 33, 0660, 0, 29 },
                                     { "/dev/snd/seq", 'c', 116, 1, 0660, 0, 29 },
                                     { "/dev/sndx", 'c', 9, 9, 0660, 0, 29 },
                                     { "/dev/null", 'c', 1, 3, 0666, 0, 0 } };
    struct fixture *fixture = *state;
    size_t rules = json_array_size(at(built(fixture), "linux.resources.devices"));
    json_t *rule;

    assert_null(at(fixture->spec, "linux.devices"));
    fixture->host.devices = devices;
    fixture->host.device_count = 5;
    fixture->options.devices = STRS("/dev/fuse:/dev/mine:r");
    assert_string_equal(text_at(built(fixture), "linux.devices.0.path"), "/dev/mine");
    rule = json_array_get(at(fixture->spec, "linux.resources.devices"), rules);
    assert_string_equal(text_at(rule, "access"), "r");
    assert_int_equal(json_integer_value(at(rule, "minor")), 229);
    fixture->options.devices = STRS("/dev/snd", "/dev/fuse:rw", "/dev/null");
    built(fixture);
    assert_int_equal(json_array_size(at(fixture->spec, "linux.devices")), 3);
    assert_string_equal(text_at(fixture->spec, "linux.devices.1.path"), "/dev/snd/seq");
    fixture->options.devices = STRS("/dev/none");
    refused(fixture, ERROR_NOT_FOUND, "device /dev/none: this host has none");
    fixture->options.devices = STRS("/dev/fuse", "/dev/fuse");
    refused(fixture, ERROR_INVALID_ARGUMENT, "two devices");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        fixture->options.devices = STRS(bad[i]);
        refused(fixture, ERROR_INVALID_ARGUMENT, "device '");
    }
}

static void a_spec_over_the_limit_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char *large = malloc(SPEC_BYTES_MAX + 1);

    memset(large, 'a', SPEC_BYTES_MAX);
    large[SPEC_BYTES_MAX] = '\0';
    fixture->options.args = STRS(large);
    refused(fixture, ERROR_RESOURCE_EXHAUSTED, "4194304 at most");
    assert_int_equal(fixture->text.size, 0);
    free(large);
}

static void memory_and_swap_are_limited_together(void **state)
{
    struct fixture *fixture = *state;

    assert_null(at(built(fixture), "linux.resources.memory"));
    fixture->options.has_memory = true;
    fixture->options.memory = 64 << 20;
    built(fixture);
    assert_int_equal(json_integer_value(at(fixture->spec, "linux.resources.memory.limit")),
                     64 << 20);
    assert_int_equal(json_integer_value(at(fixture->spec, "linux.resources.memory.swap")),
                     128 << 20);
    fixture->options.has_memory_swap = true;
    fixture->options.memory_swap = -1;
    assert_int_equal(json_integer_value(at(built(fixture), "linux.resources.memory.swap")), -1);
    fixture->options.memory_swap = 63 << 20;
    refused(fixture, ERROR_INVALID_ARGUMENT, "at least memory");
    fixture->options.memory_swap = -2;
    refused(fixture, ERROR_INVALID_ARGUMENT, "or -1");
    fixture->options.memory_swap = 64 << 20;
    fixture->host.swap_limit = false;
    refused(fixture, ERROR_FAILED_PRECONDITION, "does not account for swap");
    fixture->options.has_memory_swap = false;
    assert_null(at(built(fixture), "linux.resources.memory.swap"));
    fixture->options.memory = 1000;
    refused(fixture, ERROR_INVALID_ARGUMENT, "6 MiB");
    fixture->options.memory = UINT64_MAX;
    refused(fixture, ERROR_INVALID_ARGUMENT, "memory");
    fixture->options.has_memory = false;
    fixture->options.has_memory_swap = true;
    refused(fixture, ERROR_INVALID_ARGUMENT, "say memory as well");
}

static void processors_are_limited_by_quota_shares_and_set(void **state)
{
    static const char *const bad_sets[] = { "",     "a",  "1-",   "-1",     "2-1",
                                            "1,,2", "1,", "0-2 ", "9999999" };
    struct fixture *fixture = *state;

    assert_null(at(built(fixture), "linux.resources.cpu"));
    fixture->options.has_cpus = true;
    fixture->options.cpus = 1.5;
    fixture->options.has_cpu_shares = true;
    fixture->options.cpu_shares = 512;
    fixture->options.cpuset_cpus = "0-2,7";
    built(fixture);
    assert_int_equal(json_integer_value(at(fixture->spec, "linux.resources.cpu.quota")), 150000);
    assert_int_equal(json_integer_value(at(fixture->spec, "linux.resources.cpu.period")), 100000);
    assert_int_equal(json_integer_value(at(fixture->spec, "linux.resources.cpu.shares")), 512);
    assert_string_equal(text_at(fixture->spec, "linux.resources.cpu.cpus"), "0-2,7");
    for (size_t i = 0; i < sizeof(bad_sets) / sizeof(*bad_sets); i++) {
        fixture->options.cpuset_cpus = bad_sets[i];
        refused(fixture, ERROR_INVALID_ARGUMENT, "cpuset_cpus");
    }
    fixture->options.cpu_shares = 1;
    refused(fixture, ERROR_INVALID_ARGUMENT, "cpu_shares 1");
    fixture->options.cpus = 4.5;
    refused(fixture, ERROR_INVALID_ARGUMENT, "this host has 4");
    fixture->options.cpus = -1;
    refused(fixture, ERROR_INVALID_ARGUMENT, "cpus -1");
    fixture->options.cpus = 0.0 / 0.0 * -1;
    refused(fixture, ERROR_INVALID_ARGUMENT, "cpus");
}

static void processes_are_counted_when_a_number_is_said(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.has_pids = true;
    assert_null(at(built(fixture), "linux.resources.pids"));
    fixture->options.pids = -1;
    assert_null(at(built(fixture), "linux.resources.pids"));
    fixture->options.pids = 100;
    assert_int_equal(json_integer_value(at(built(fixture), "linux.resources.pids.limit")), 100);
    fixture->options.pids = -7;
    refused(fixture, ERROR_INVALID_ARGUMENT, "pids -7");
}

/* ---- annotations ----------------------------------------------------- */

static json_t *annotation(struct fixture *fixture, const char *key)
{
    return json_object_get(at(fixture->spec, "annotations"), key);
}

static void cve_2026_53488_labels_of_an_image_never_become_control_annotations(void **state)
{
    static struct map_entry labels[] = {
        { "maintainer", "me" },
        { "org.opencontainers.image.author", "the label" },
        { "run.oci.hooks.stdout", "/evil" },
        { "RUN.OCI.handler", "krun" },
        { "io.gantry.log", "binary:///evil" },
        { "io.katacontainers.config.hypervisor.path", "/evil" },
        { "org.systemd.property.ExecStart", "evil" },
        { "com.docker.x", "y" },
        { "containerd.io/restart.loguri", "binary:///evil" },
        { "module.wasm.image/variant", "compat" },
        { "", "empty" },
        { "large", NULL },
    };
    struct fixture *fixture = *state;
    struct map_entry wanted = { "run.oci.keep_original_groups", "1" };
    char large[5000];

    memset(large, 'x', sizeof(large));
    large[sizeof(large) - 1] = '\0';
    labels[11].value = large;
    fixture->image.labels = (struct map){ sizeof(labels) / sizeof(*labels), labels };
    fixture->image.author = "the config";
    fixture->image.os = "linux";
    fixture->image.exposed_ports = STRS("80/tcp", "53/udp");
    fixture->image.stop_signal = "SIGRTMIN+3";
    built(fixture);
    assert_int_equal(json_object_size(at(fixture->spec, "annotations")), 5);
    assert_string_equal(json_string_value(annotation(fixture, "maintainer")), "me");
    assert_string_equal(json_string_value(annotation(fixture, "org.opencontainers.image.author")),
                        "the label");
    assert_string_equal(json_string_value(annotation(fixture, "org.opencontainers.image.os")),
                        "linux");
    assert_string_equal(
        json_string_value(annotation(fixture, "org.opencontainers.image.exposedPorts")),
        "80/tcp,53/udp");
    assert_string_equal(
        json_string_value(annotation(fixture, "org.opencontainers.image.stopSignal")),
        "SIGRTMIN+3");
    fixture->options.annotations = (struct map){ 1, &wanted };
    built(fixture); /* the user's word goes as it is */
    assert_string_equal(json_string_value(annotation(fixture, wanted.key)), "1");
    wanted.key = "";
    refused(fixture, ERROR_INVALID_ARGUMENT, "annotation");
}

/* ---- a spec that is brought along -------------------------------------- */

static void a_spec_that_is_brought_along_is_looked_at(void **state)
{
#define PROCESS "\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"}"
    static const char *const bad[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"ociVersion\":\"1.0.2\"}",
        "{\"ociVersion\":\"2.0.0\",\"root\":{\"path\":\"r\"}," PROCESS "}",
        "{\"ociVersion\":\"1.0.2\",\"root\":{}," PROCESS "}",
        "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"}}",
        "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"process\":{\"args\":[],\"cwd\":\"/"
        "\"}}",
        "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"process\":{\"args\":[\"\"],\"cwd\":"
        "\"/\"}}",
        "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"process\":{\"args\":[\"x\"],\"cwd\":"
        "\"x\"}}",
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(spec_check(bad[i], strlen(bad[i]), &fixture->command, &fixture->err), -1);
        assert_int_equal(fixture->command.size, 0);
        assert_non_null(strstr(fixture->err.text, "spec"));
    }
    assert_int_equal(spec_check("x", SPEC_BYTES_MAX + 1, NULL, &fixture->err), -1); /* not read */
    built(fixture);
    assert_int_equal(spec_check(fixture->text.data, fixture->text.size, NULL, &fixture->err), 0);
}

/* What people see of a spec with these arguments. */
static void command_of(const char *args, struct buffer *command)
{
    char spec[4000];
    struct error err;

    snprintf(spec, sizeof(spec), "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"/\",\"args\":[%s]}}",
                 args);
    assert_int_equal(spec_check(spec, strlen(spec), command, &err), 0);
}

/* Of a command `first` and 800 characters of two bytes each. */
static size_t command_size(const char *first)
{
    CLEANUP(buffer_free) struct buffer command = { 0 };
    char args[3000];
    size_t size = (size_t)snprintf(args, sizeof(args), "\"%s\",\"", first);

    for (int i = 0; i < 800; i++, size += 2)
        memcpy(args + size, "\xc3\xbc", 2);
    memcpy(args + size, "\"", 2);
    command_of(args, &command);
    return command.size;
}

static void a_command_is_told_in_one_line(void **state)
{
    CLEANUP(buffer_free) struct buffer said = { 0 };
    struct fixture *fixture = *state;

    built(fixture);
    assert_int_equal(fixture->command.size, 2);
    assert_memory_equal(fixture->command.data, "sh", 2);
    command_of("\"sh\",\"-c\",\"a b\"", &said);
    assert_int_equal(said.size, 9);
    assert_memory_equal(said.data, "sh -c a b", 9);
    assert_int_equal(command_size("a"), SPEC_COMMAND_MAX);
    assert_int_equal(command_size("aa"), SPEC_COMMAND_MAX - 1); /* not half a character */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(everything_is_the_containers_own_by_default),
        TEST(the_hosts_network_is_shared_on_request),
        TEST(only_the_containers_own_kernel_parameters_are_set),
        TEST(privileged_takes_the_fences_away),
        TEST(a_device_is_given_with_the_access_that_was_asked_for),
        TEST(a_spec_over_the_limit_is_refused),
        TEST(memory_and_swap_are_limited_together),
        TEST(processors_are_limited_by_quota_shares_and_set),
        TEST(processes_are_counted_when_a_number_is_said),
        TEST(cve_2026_53488_labels_of_an_image_never_become_control_annotations),
        TEST(a_spec_that_is_brought_along_is_looked_at),
        TEST(a_command_is_told_in_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
