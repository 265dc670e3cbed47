/* The runtime spec: what images and users may say, and what nobody said. */
#include "tests/protocol/oci/spec_fixture.h"

/* ---- the command ----------------------------------------------------- */

static void the_images_entrypoint_and_command_are_run(void **state)
{
    struct fixture *fixture = *state;

    fixture->image.entrypoint = STRS("/entry", "-x");
    assert_string_equal(words_at(built(fixture), "process.args"), "/entry -x sh");
    fixture->options.args = STRS("a", "b");
    assert_string_equal(words_at(built(fixture), "process.args"), "/entry -x a b");
    fixture->options.entrypoint = STRS("/mine");
    assert_string_equal(words_at(built(fixture), "process.args"), "/mine a b");
    fixture->options.args = (struct strs){ 0 };
    assert_string_equal(words_at(built(fixture), "process.args"), "/mine");
    fixture->options.entrypoint = (struct strs){ 0 };
    fixture->options.no_entrypoint = true;
    fixture->options.args = STRS("c");
    assert_string_equal(words_at(built(fixture), "process.args"), "c");
}

static void a_container_without_a_command_is_refused(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.no_entrypoint = true;
    refused(fixture, ERROR_INVALID_ARGUMENT, "no command to run: the entrypoint was taken away");
    fixture->options.no_entrypoint = false;
    fixture->image.cmd = (struct strs){ 0 };
    refused(fixture, ERROR_INVALID_ARGUMENT, "the image names neither Entrypoint nor Cmd");
    fixture->input.image = NULL;
    refused(fixture, ERROR_INVALID_ARGUMENT, "no command");
    fixture->options.args = STRS("", "x");
    refused(fixture, ERROR_INVALID_ARGUMENT, "first word is empty");
}

static void text_that_json_cannot_carry_is_refused(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.args = STRS("a\xff");
    refused(fixture, ERROR_INVALID_ARGUMENT, "args: not UTF-8");
    fixture->options.args = (struct strs){ 0 };
    fixture->options.env = STRS("A=\xc3");
    refused(fixture, ERROR_INVALID_ARGUMENT, "env: not UTF-8");
    fixture->options.env = (struct strs){ 0 };
    fixture->options.mounts =
        (struct list){ 1, &(struct mount){ .type = "bind", .source = "/\xfe", .target = "/x" } };
    refused(fixture, ERROR_INVALID_ARGUMENT, "source: not UTF-8");
}

/* ---- environment ----------------------------------------------------- */

static void the_environment_is_the_images_then_defaults_then_the_users(void **state)
{
    struct fixture *fixture = *state;

    assert_string_equal(words_at(built(fixture), "process.env"),
                        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "
                        "HOME=/root HOSTNAME=c1");
    fixture->image.env = STRS("A=1", "PATH=/x", "B=2", "no equals", "=nokey", "HOME=/image", "A=3");
    fixture->options.env = STRS("B=user=2", "C=", "PATH=");
    assert_string_equal(words_at(built(fixture), "process.env"),
                        "A=3 PATH= B=user=2 HOME=/image HOSTNAME=c1 C=");
    fixture->options.tty = true;
    assert_true(has_word(at(built(fixture), "process.env"), "TERM=xterm"));
    fixture->options.env = STRS("TERM=dumb");
    assert_true(has_word(at(built(fixture), "process.env"), "TERM=dumb"));
    assert_true(json_is_true(at(fixture->spec, "process.terminal")));
}

static void a_users_environment_needs_keys_and_values(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.env = STRS("A=1", "KEY");
    refused(fixture, ERROR_INVALID_ARGUMENT, "env 'KEY': say KEY=VALUE");
    fixture->options.env = STRS("=x");
    refused(fixture, ERROR_INVALID_ARGUMENT, "env '=x'");
}

/* An image's config has up to 4 MiB: its entries must not cost their square. */
static void hundreds_of_thousands_of_entries_are_quick(void **state)
{
    struct fixture *fixture = *state;
    size_t count = 300000;
    const char **entries = malloc(count * sizeof(*entries));
    char *texts = malloc(count * 12);

    for (size_t i = 0; i < count; i++) {
        snprintf(texts + i * 12, 12, "K%zu=", i);
        entries[i] = texts + i * 12;
    }
    fixture->image.env = (struct strs){ count, entries };
    assert_int_equal(json_array_size(at(built(fixture), "process.env")), count + 3);
    free(entries);
    free(texts);
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

/* ---- place and person ------------------------------------------------ */

static void the_working_directory_is_absolute_and_inside(void **state)
{
    static const char *const outside[] = { "/proc/self/fd/7",        "/proc/1/fd/7/x",
                                           "//proc//self//fd//8",    "/proc/./self/fd/7",
                                           "/proc/self/task/2/fd/9", "/proc/thread-self/fd/9" };
    struct fixture *fixture = *state;

    assert_string_equal(text_at(built(fixture), "process.cwd"), "/");
    fixture->image.working_dir = "/app";
    assert_string_equal(text_at(built(fixture), "process.cwd"), "/app");
    fixture->options.cwd = "/";
    assert_string_equal(text_at(built(fixture), "process.cwd"), "/");
    fixture->options.cwd = "rel";
    refused(fixture, ERROR_INVALID_ARGUMENT, "'rel' of the options: not absolute");
    fixture->options.cwd = "/a/../b";
    refused(fixture, ERROR_INVALID_ARGUMENT, "'..'");
    for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++) {
        fixture->options.cwd = outside[i];
        refused(fixture, ERROR_INVALID_ARGUMENT, "outside of the container");
    }
    fixture->options.cwd = NULL;
    fixture->image.working_dir = "app";
    refused(fixture, ERROR_INVALID_ARGUMENT, "of the image: not absolute");
}

static void root_has_fourteen_capabilities_and_others_only_their_bound(void **state)
{
    struct fixture *fixture = *state;

    assert_string_equal(words_at(built(fixture), "process.capabilities.bounding"),
                        "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID "
                        "CAP_SETUID CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_NET_RAW CAP_SYS_CHROOT "
                        "CAP_MKNOD CAP_AUDIT_WRITE CAP_SETFCAP");
    assert_true(json_equal(at(fixture->spec, "process.capabilities.bounding"),
                           at(fixture->spec, "process.capabilities.effective")));
    assert_true(json_equal(at(fixture->spec, "process.capabilities.bounding"),
                           at(fixture->spec, "process.capabilities.permitted")));
    assert_null(at(fixture->spec, "process.capabilities.inheritable"));
    assert_null(at(fixture->spec, "process.capabilities.ambient"));
    fixture->user.uid = 1000;
    fixture->gids[0] = fixture->user.gid = 1001;
    assert_null(at(built(fixture), "process.capabilities.effective"));
    assert_null(at(fixture->spec, "process.capabilities.permitted"));
    assert_int_equal(json_integer_value(at(fixture->spec, "process.user.uid")), 1000);
    assert_int_equal(json_integer_value(at(fixture->spec, "process.user.gid")), 1001);
    assert_int_equal(json_integer_value(at(fixture->spec, "process.user.additionalGids.0")), 1001);
}

static const char *bound(struct fixture *fixture)
{
    return words_at(built(fixture), "process.capabilities.bounding");
}

static void capabilities_are_added_and_dropped_as_in_docker(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.cap_drop = STRS("all");
    assert_string_equal(bound(fixture), "");
    fixture->options.cap_add = STRS("net_admin", "CAP_CHOWN");
    assert_string_equal(bound(fixture), "CAP_CHOWN CAP_NET_ADMIN");
    fixture->options.cap_add = STRS("ALL");
    refused(fixture, ERROR_INVALID_ARGUMENT, "both say ALL");
    fixture->options.cap_drop = STRS("SYS_ADMIN");
    built(fixture);
    assert_int_equal(json_array_size(at(fixture->spec, "process.capabilities.bounding")),
                     CAPABILITY_COUNT - 1);
    fixture->options.cap_add = STRS("NET_ADMN");
    refused(fixture, ERROR_INVALID_ARGUMENT, "'NET_ADMN': not known; did you mean NET_ADMIN?");
    fixture->options.cap_add = STRS("XYZZY");
    refused(fixture, ERROR_INVALID_ARGUMENT, "not known; say ALL");
}

static void what_the_host_lacks_is_left_out_unless_it_was_asked_for(void **state)
{
    struct fixture *fixture = *state;

    fixture->host.caps = CAPABILITIES_ALL & ~CAP_SET(SYS_RESOURCE) & ~CAP_SET(MKNOD);
    built(fixture);
    assert_false(has_word(at(fixture->spec, "process.capabilities.bounding"), "CAP_MKNOD"));
    fixture->options.privileged = true;
    built(fixture);
    assert_int_equal(json_array_size(at(fixture->spec, "process.capabilities.bounding")),
                     CAPABILITY_COUNT - 2);
    fixture->options.cap_add = STRS("SYS_RESOURCE");
    refused(fixture, ERROR_FAILED_PRECONDITION, "cap_add CAP_SYS_RESOURCE: this host");
}

static void programs_may_gain_privileges_unless_it_is_forbidden(void **state)
{
    struct fixture *fixture = *state;

    assert_true(json_is_false(at(built(fixture), "process.noNewPrivileges")));
    fixture->options.has_new_privileges = true;
    assert_true(json_is_true(at(built(fixture), "process.noNewPrivileges")));
    fixture->options.new_privileges = true;
    assert_true(json_is_false(at(built(fixture), "process.noNewPrivileges")));
}

/* ---- limits ---------------------------------------------------------- */

static struct rlimit rlimits[3];

static void wants_limits(struct fixture *fixture, size_t count)
{
    fixture->options.rlimits = (struct list){ count, rlimits };
}

static void descriptors_are_limited_as_far_as_the_host_can(void **state)
{
    struct fixture *fixture = *state;
    json_t *limit = at(built(fixture), "process.rlimits.0");

    assert_string_equal(text_at(limit, "type"), "RLIMIT_NOFILE");
    assert_int_equal(json_integer_value(at(limit, "soft")), 1024);
    assert_int_equal(json_integer_value(at(limit, "hard")), 524288);
    fixture->host.caps &= ~CAP_SET(SYS_RESOURCE);
    limit = at(built(fixture), "process.rlimits.0");
    assert_int_equal(json_integer_value(at(limit, "hard")), 20000);
    fixture->limit.hard = 100;
    limit = at(built(fixture), "process.rlimits.0");
    assert_int_equal(json_integer_value(at(limit, "soft")), 100);
}

static void a_limit_that_was_asked_for_is_given_or_refused(void **state)
{
    struct fixture *fixture = *state;

    rlimits[0] = (struct rlimit){ "nofile", 5, 10 };
    rlimits[1] = (struct rlimit){ "RLIMIT_CORE", 0, UINT64_MAX };
    wants_limits(fixture, 2);
    built(fixture);
    assert_int_equal(json_array_size(at(fixture->spec, "process.rlimits")), 2);
    assert_int_equal(json_integer_value(at(fixture->spec, "process.rlimits.0.soft")), 5);
    assert_non_null(strstr(fixture->text.data, "\"hard\":18446744073709551615,\"soft\":0"));

    rlimits[1] = (struct rlimit){ "NOFILE", 1, 1 };
    refused(fixture, ERROR_INVALID_ARGUMENT, "RLIMIT_NOFILE: said twice");
    rlimits[1] = (struct rlimit){ "RLIMIT_NOPE", 1, 1 };
    refused(fixture, ERROR_INVALID_ARGUMENT, "'RLIMIT_NOPE': not known");
    rlimits[1] = (struct rlimit){ "CPU", 2, 1 };
    refused(fixture, ERROR_INVALID_ARGUMENT, "soft limit 2 is above the hard one 1");
    rlimits[1] = (struct rlimit){ "CPU", 2, UINT64_MAX - 1 };
    refused(fixture, ERROR_INVALID_ARGUMENT, "or unlimited");
    wants_limits(fixture, 1);
    fixture->host.caps &= ~CAP_SET(SYS_RESOURCE);
    rlimits[0] = (struct rlimit){ "nofile", 5, 20001 };
    refused(fixture, ERROR_FAILED_PRECONDITION, "at most 20000");
    rlimits[0] = (struct rlimit){ "nofile", 5, 20000 };
    built(fixture);
}

static void the_daemons_oom_score_is_not_inherited(void **state)
{
    struct fixture *fixture = *state;

    assert_null(at(built(fixture), "process.oomScoreAdj"));
    fixture->host.oom_score_adj = -500;
    assert_int_equal(json_integer_value(at(built(fixture), "process.oomScoreAdj")), 0);
    assert_non_null(at(fixture->spec, "process.oomScoreAdj"));
    fixture->options.has_oom_score_adj = true;
    fixture->options.oom_score_adj = -999;
    assert_int_equal(json_integer_value(at(built(fixture), "process.oomScoreAdj")), -999);
    fixture->host.caps &= ~CAP_SET(SYS_RESOURCE);
    refused(fixture, ERROR_FAILED_PRECONDITION, "does not let the daemon go below");
    fixture->options.oom_score_adj = 1001;
    refused(fixture, ERROR_INVALID_ARGUMENT, "-1000 to 1000");
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

/* ---- annotations ----------------------------------------------------- */

static json_t *annotation(struct fixture *fixture, const char *key)
{
    return json_object_get(at(fixture->spec, "annotations"), key);
}

static void labels_of_an_image_never_become_control_annotations(void **state)
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

/* ---- additional processes -------------------------------------------- */

static json_t *executed(struct fixture *fixture, const struct tasks_exec_request *request,
                        const struct user_ids *user)
{
    struct buffer process = { 0 };
    json_t *found;

    built(fixture);
    if (process_build(fixture->text.data, fixture->text.size, request, user, CAPABILITIES_ALL,
                      &process, &fixture->err) < 0)
        fail_msg("process_build: %s", fixture->err.text);
    json_decref(fixture->spec);
    found = fixture->spec = draft_read(process.data, process.size, &fixture->err);
    assert_non_null(found);
    buffer_free(&process);
    return found;
}

static void an_additional_process_is_the_containers_with_changes(void **state)
{
    struct fixture *fixture = *state;
    struct tasks_exec_request request = { .id = "c1", .args = STRS("ls", "-l") };
    uint32_t gids[] = { 7 };
    struct user_ids other = { 5, 7, 1, gids, "/five" };
    struct window window = { 80, 24 };
    json_t *process;

    rlimits[0] = (struct rlimit){ "memlock", UINT64_MAX, UINT64_MAX };
    wants_limits(fixture, 1);
    fixture->image.env = STRS("A=1");
    fixture->image.working_dir = "/app";
    fixture->options.tty = true;
    process = executed(fixture, &request, NULL);
    assert_string_equal(words_at(process, "args"), "ls -l");
    assert_string_equal(text_at(process, "cwd"), "/app");
    assert_true(json_is_false(at(process, "terminal")));
    assert_int_equal(json_array_size(at(process, "rlimits")), 2);
    assert_int_equal(json_array_size(at(process, "capabilities.effective")), 14);

    request.env = STRS("A=2", "B=3");
    request.cwd = "/tmp";
    request.tty = true;
    request.window = &window;
    process = executed(fixture, &request, &other);
    assert_true(has_word(at(process, "env"), "A=2") && has_word(at(process, "env"), "HOME=/five"));
    assert_string_equal(text_at(process, "cwd"), "/tmp");
    assert_int_equal(json_integer_value(at(process, "user.uid")), 5);
    assert_int_equal(json_integer_value(at(process, "consoleSize.width")), 80);
    assert_null(at(process, "capabilities.effective"));
    assert_int_equal(json_array_size(at(process, "capabilities.bounding")), 14);
    request.privileged = true;
    process = executed(fixture, &request, NULL);
    assert_int_equal(json_array_size(at(process, "capabilities.effective")), CAPABILITY_COUNT);
}

static void a_bad_request_for_a_process_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct tasks_exec_request request = { .id = "c1" };
    struct buffer out = { 0 };
    struct error *err = &fixture->err;

    built(fixture);
#define TRY() process_build(fixture->text.data, fixture->text.size, &request, NULL, 0, &out, err)
    assert_int_equal(TRY(), -1);
    assert_non_null(strstr(err->text, "no command"));
    request.args = STRS("x");
    request.cwd = "rel";
    assert_int_equal(TRY(), -1);
    request.cwd = "/proc/self/fd/7";
    assert_int_equal(TRY(), -1);
    request.cwd = NULL;
    request.env = STRS("NOVALUE");
    assert_int_equal(TRY(), -1);
    request.env = STRS("X=\xff");
    assert_int_equal(TRY(), -1);
    request.env = (struct strs){ 0 };
    assert_int_equal(TRY(), 0);
    buffer_free(&out);
    assert_int_equal(process_build("{}", 2, &request, NULL, 0, &out, err), -1);
    assert_int_equal(err->code, ERROR_DATA_LOSS);
    assert_int_equal(process_build("{", 1, &request, NULL, 0, &out, err), -1);
    assert_int_equal(process_build("", 0, &request, NULL, 0, &out, err), -1);
    assert_int_equal(process_build("{\"process\":{\"env\":[1,null,\"A\"],\"user\":5}}", 41,
                                   &request, NULL, 0, &out, err),
                     0); /* odd, but ours to pass on */
    buffer_free(&out);
}

static void the_one_large_number_survives_reading_and_writing(void **state)
{
    static const char text[] = "{\"a\":18446744073709551615,\"b\":[18446744073709551615,1],"
                               "\"c\":\"18446744073709551615\",\"d\":\"\\\"1.8446744073709552e19\","
                               "\"1.8446744073709552e19\":-1}";
    struct fixture *fixture = *state;
    struct buffer out = { 0 };
    json_t *document = draft_read(text, sizeof(text) - 1, &fixture->err);

    assert_non_null(document);
    assert_true(json_is_real(at(document, "a")));
    assert_int_equal(draft_write(document, 1000, &out, &fixture->err), 0);
    assert_int_equal(out.size, sizeof(text) - 1);
    assert_memory_equal(out.data, text, out.size);
    buffer_free(&out);
    json_decref(document);
    assert_null(draft_read("{\"a\":99999999999999999999}", 26, &fixture->err));
    assert_null(draft_read("[1]", 3, &fixture->err));
    assert_null(draft_read("{\"a", 3, &fixture->err));
    assert_null(draft_read("{\"a\\", 4, &fixture->err));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SPEC_TEST(the_images_entrypoint_and_command_are_run),
        SPEC_TEST(a_container_without_a_command_is_refused),
        SPEC_TEST(text_that_json_cannot_carry_is_refused),
        SPEC_TEST(the_environment_is_the_images_then_defaults_then_the_users),
        SPEC_TEST(a_users_environment_needs_keys_and_values),
        SPEC_TEST(hundreds_of_thousands_of_entries_are_quick),
        SPEC_TEST(a_spec_over_the_limit_is_refused),
        SPEC_TEST(the_working_directory_is_absolute_and_inside),
        SPEC_TEST(root_has_fourteen_capabilities_and_others_only_their_bound),
        SPEC_TEST(capabilities_are_added_and_dropped_as_in_docker),
        SPEC_TEST(what_the_host_lacks_is_left_out_unless_it_was_asked_for),
        SPEC_TEST(programs_may_gain_privileges_unless_it_is_forbidden),
        SPEC_TEST(descriptors_are_limited_as_far_as_the_host_can),
        SPEC_TEST(a_limit_that_was_asked_for_is_given_or_refused),
        SPEC_TEST(the_daemons_oom_score_is_not_inherited),
        SPEC_TEST(memory_and_swap_are_limited_together),
        SPEC_TEST(processors_are_limited_by_quota_shares_and_set),
        SPEC_TEST(processes_are_counted_when_a_number_is_said),
        SPEC_TEST(everything_is_the_containers_own_by_default),
        SPEC_TEST(the_hosts_network_is_shared_on_request),
        SPEC_TEST(only_the_containers_own_kernel_parameters_are_set),
        SPEC_TEST(privileged_takes_the_fences_away),
        SPEC_TEST(a_device_is_given_with_the_access_that_was_asked_for),
        SPEC_TEST(labels_of_an_image_never_become_control_annotations),
        SPEC_TEST(an_additional_process_is_the_containers_with_changes),
        SPEC_TEST(a_bad_request_for_a_process_is_refused),
        SPEC_TEST(the_one_large_number_survives_reading_and_writing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
