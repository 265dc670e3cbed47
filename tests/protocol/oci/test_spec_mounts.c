/* The mounts of a spec: defaults, the user's, and who gives way to whom. */
#include "tests/protocol/oci/spec_fixture.h"

static struct mount mounts[4];

/* One mount, with options given as words. */
static void wants(struct fixture *fixture, const char *type, const char *source, const char *target,
                  struct strs options)
{
    mounts[0] = (struct mount){ type, source, target, options };
    fixture->options.mounts = (struct list){ 1, mounts };
}

static void every_container_has_the_kernels_file_systems(void **state)
{
    struct fixture *fixture = *state;
    json_t *spec = built(fixture);

    assert_string_equal(text_at(mount_at(spec, "/proc"), "type"), "proc");
    assert_string_equal(words_at(mount_at(spec, "/dev"), "options"),
                        "nosuid strictatime mode=755 size=65536k");
    assert_string_equal(text_at(mount_at(spec, "/dev/pts"), "type"), "devpts");
    assert_string_equal(words_at(mount_at(spec, "/dev/shm"), "options"),
                        "nosuid noexec nodev mode=1777 size=67108864");
    assert_string_equal(text_at(mount_at(spec, "/dev/mqueue"), "type"), "mqueue");
    assert_true(has_word(at(mount_at(spec, "/sys"), "options"), "ro"));
    assert_true(has_word(at(mount_at(spec, "/sys/fs/cgroup"), "options"), "ro"));
    assert_null(mount_at(spec, "/run")); /* it would hide what images keep there */
    fixture->options.has_shm_size = true;
    fixture->options.shm_size = 4096;
    assert_true(has_word(at(mount_at(built(fixture), "/dev/shm"), "options"), "size=4096"));
    fixture->options.shm_size = UINT64_MAX;
    refused(fixture, ERROR_INVALID_ARGUMENT, "shm_size");
}

static void the_small_files_are_bound(void **state)
{
    struct fixture *fixture = *state;
    json_t *spec;

    fixture->input.hostname_file = "/run/x/hostname";
    fixture->input.hosts_file = "/run/x/hosts";
    spec = built(fixture);
    assert_string_equal(text_at(mount_at(spec, "/etc/hostname"), "source"), "/run/x/hostname");
    assert_string_equal(words_at(mount_at(spec, "/etc/hosts"), "options"), "rbind rprivate");
    assert_null(mount_at(spec, "/etc/resolv.conf"));
    fixture->input.resolv_file = "/run/x/resolv.conf";
    fixture->options.read_only = true;
    spec = built(fixture);
    assert_string_equal(words_at(mount_at(spec, "/etc/resolv.conf"), "options"),
                        "rbind rprivate ro");
}

static void a_folder_of_the_host_is_bound_with_its_options(void **state)
{
    struct fixture *fixture = *state;

    wants(fixture, "bind", "/data", "/x//y/./z/", (struct strs){ 0 });
    assert_string_equal(words_at(mount_at(built(fixture), "/x/y/z"), "options"), "rbind rprivate");
    assert_string_equal(text_at(mount_at(fixture->spec, "/x/y/z"), "source"), "/data");
    wants(fixture, "bind", "/data", "/x", STRS("ro", "bind", "z", "cached", "nosuid", "nosuid"));
    assert_string_equal(words_at(mount_at(built(fixture), "/x"), "options"),
                        "ro bind rprivate nosuid");
    assert_null(at(fixture->spec, "linux.rootfsPropagation"));
}

static void later_mounts_of_the_host_come_in_where_it_is_asked_for(void **state)
{
    struct fixture *fixture = *state;

    wants(fixture, "bind", "/data", "/x", STRS("rslave"));
    assert_string_equal(text_at(built(fixture), "linux.rootfsPropagation"), "rslave");
    mounts[1] = (struct mount){ "bind", "/y", "/y", STRS("rshared", "ro") };
    mounts[2] = (struct mount){ "bind", "/z", "/z", STRS("slave") };
    fixture->options.mounts.count = 3;
    assert_string_equal(text_at(built(fixture), "linux.rootfsPropagation"), "shared");
    assert_string_equal(words_at(mount_at(fixture->spec, "/y"), "options"), "ro rbind rshared");
}

static void a_tmpfs_is_fenced_unless_said_otherwise(void **state)
{
    struct fixture *fixture = *state;

    wants(fixture, "tmpfs", NULL, "/t", STRS("size=64m", "mode=1770", "uid=5"));
    assert_string_equal(words_at(mount_at(built(fixture), "/t"), "options"),
                        "nosuid nodev noexec size=64m mode=1770 uid=5");
    assert_string_equal(text_at(mount_at(fixture->spec, "/t"), "source"), "tmpfs");
    wants(fixture, "tmpfs", "ignored", "/t", STRS("exec", "ro", "size=50%", "tmpcopyup"));
    assert_string_equal(words_at(mount_at(built(fixture), "/t"), "options"),
                        "ro nosuid nodev exec size=50% tmpcopyup");
}

static void options_that_are_not_known_are_refused(void **state)
{
    static const struct {
        const char *type, *option;
    } bad[] = {
        { "bind", "size=1" },
        { "bind", "rro" },
        { "bind", "" },
        { "bind", "idmap" },
        { "bind", "ro,nosuid" },
        { "bind", "upperdir=/x" },
        { "tmpfs", "rslave" },
        { "tmpfs", "size=" },
        { "tmpfs", "size=-1" },
        { "tmpfs", "size=1e9" },
        { "tmpfs", "size=1mm" },
        { "tmpfs", "size=101%" },
        { "tmpfs", "mode=999" },
        { "tmpfs", "mode=17777" },
        { "tmpfs", "uid=2147483648" },
        { "tmpfs", "uid=root" },
        { "tmpfs", "gid=" },
        { "tmpfs", "mpol=bind:0" },
        { "tmpfs", "size=1,exec" },
        { "tmpfs", "size" },
        { "tmpfs", "size=99999999999999999999" },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        wants(fixture, bad[i].type, "/s", "/t", STRS(bad[i].option));
        refused(fixture, ERROR_INVALID_ARGUMENT, "mount /t: option '");
    }
    wants(fixture, "bind", "/s", "/t", STRS("ro", "rw"));
    refused(fixture, ERROR_INVALID_ARGUMENT, "options ro and rw exclude each other");
    wants(fixture, "bind", "/s", "/t", STRS("rslave", "rshared"));
    refused(fixture, ERROR_INVALID_ARGUMENT, "exclude each other");
    wants(fixture, "tmpfs", NULL, "/t", STRS("size=1", "size=2"));
    refused(fixture, ERROR_INVALID_ARGUMENT, "option size is said twice");
}

static void targets_and_sources_are_absolute(void **state)
{
    static const char *const bad[] = { "",    "x",     "/",   "//",   "/./", "/a/../b",
                                       "/..", "/a/..", "./x", "../x", NULL };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        wants(fixture, "bind", "/s", bad[i], (struct strs){ 0 });
        refused(fixture, ERROR_INVALID_ARGUMENT, "mount target");
    }
    wants(fixture, "bind", "name", "/t", (struct strs){ 0 });
    refused(fixture, ERROR_INVALID_ARGUMENT, "'name' is not an absolute path (a volume's name");
    wants(fixture, "bind", NULL, "/t", (struct strs){ 0 });
    refused(fixture, ERROR_INVALID_ARGUMENT, "source ''");
    wants(fixture, "overlay", "/s", "/t", (struct strs){ 0 });
    refused(fixture, ERROR_INVALID_ARGUMENT, "type 'overlay': say bind, tmpfs or volume");
}

static void a_path_that_is_too_long_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char path[5000];

    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    wants(fixture, "bind", "/s", path, (struct strs){ 0 });
    refused(fixture, ERROR_INVALID_ARGUMENT, "mount target '/aaa");
    wants(fixture, "bind", path, "/t", (struct strs){ 0 });
    refused(fixture, ERROR_INVALID_ARGUMENT, "the source is too long");
}

static void two_mounts_of_one_target_are_refused(void **state)
{
    struct fixture *fixture = *state;

    wants(fixture, "bind", "/s", "/t", (struct strs){ 0 });
    mounts[1] = (struct mount){ "tmpfs", NULL, "//t/", { 0 } };
    fixture->options.mounts.count = 2;
    refused(fixture, ERROR_INVALID_ARGUMENT, "mount /t: two mounts have this target");
}

static void a_thousand_mounts_are_the_most(void **state)
{
    struct fixture *fixture = *state;
    struct mount *many = calloc(1001, sizeof(*many));
    char targets[1001][16];

    for (int i = 0; i <= 1000; i++) {
        snprintf(targets[i], sizeof(targets[i]), "/t/%d", i);
        many[i] = (struct mount){ "bind", "/s", targets[i], { 0 } };
    }
    fixture->options.mounts = (struct list){ 1000, many };
    fixture->input.hosts_file = fixture->input.hostname_file = fixture->input.resolv_file = "/f";
    assert_int_equal(json_array_size(at(built(fixture), "mounts")), 1000 + 3 + 7);
    fixture->options.mounts.count = 1001;
    refused(fixture, ERROR_INVALID_ARGUMENT, "1001 mounts; 1000 at most");
    free(many);
}

static void the_users_mount_takes_the_place_of_a_default(void **state)
{
    struct fixture *fixture = *state;
    json_t *spec;

    fixture->input.hosts_file = "/run/x/hosts";
    wants(fixture, "bind", "/dev/shm", "/dev/shm", (struct strs){ 0 });
    mounts[1] = (struct mount){ "bind", "/h", "/etc/hosts", { 0 } };
    fixture->options.mounts.count = 2;
    spec = built(fixture);
    assert_string_equal(text_at(mount_at(spec, "/dev/shm"), "type"), "bind");
    assert_string_equal(text_at(mount_at(spec, "/etc/hosts"), "source"), "/h");
    assert_non_null(mount_at(spec, "/dev/pts"));
    wants(fixture, "bind", "/dev", "/dev", (struct strs){ 0 });
    spec = built(fixture);
    assert_string_equal(text_at(mount_at(spec, "/dev"), "type"), "bind");
    assert_null(mount_at(spec, "/dev/pts"));
    assert_null(mount_at(spec, "/dev/shm"));
    assert_non_null(mount_at(spec, "/sys/fs/cgroup"));
    wants(fixture, "bind", "/s", "/sys/fs", (struct strs){ 0 });
    assert_null(mount_at(built(fixture), "/sys/fs/cgroup"));
    assert_non_null(mount_at(fixture->spec, "/sys"));
}

static size_t place_of(json_t *spec, const char *destination)
{
    json_t *item;
    size_t i;

    json_array_foreach (at(spec, "mounts"), i, item)
        if (strcmp(text_at(item, "destination"), destination) == 0)
            return i;
    fail_msg("no mount %s", destination);
    return 0;
}

static void parents_are_mounted_before_what_lies_in_them(void **state)
{
    struct fixture *fixture = *state;
    json_t *spec;

    fixture->input.hosts_file = "/run/x/hosts";
    wants(fixture, "bind", "/1", "/etc/a/b", (struct strs){ 0 });
    mounts[1] = (struct mount){ "bind", "/2", "/etc", { 0 } };
    mounts[2] = (struct mount){ "bind", "/3", "/etc/a", { 0 } };
    mounts[3] = (struct mount){ "tmpfs", NULL, "/dev/shm/x", { 0 } };
    fixture->options.mounts.count = 4;
    spec = built(fixture);
    assert_true(place_of(spec, "/etc") < place_of(spec, "/etc/a"));
    assert_true(place_of(spec, "/etc/a") < place_of(spec, "/etc/a/b"));
    assert_true(place_of(spec, "/etc") < place_of(spec, "/etc/hosts"));
    assert_true(place_of(spec, "/dev/shm") < place_of(spec, "/dev/shm/x"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(every_container_has_the_kernels_file_systems),
        TEST(the_small_files_are_bound),
        TEST(a_folder_of_the_host_is_bound_with_its_options),
        TEST(later_mounts_of_the_host_come_in_where_it_is_asked_for),
        TEST(a_tmpfs_is_fenced_unless_said_otherwise),
        TEST(options_that_are_not_known_are_refused),
        TEST(targets_and_sources_are_absolute),
        TEST(a_path_that_is_too_long_is_refused),
        TEST(two_mounts_of_one_target_are_refused),
        TEST(a_thousand_mounts_are_the_most),
        TEST(the_users_mount_takes_the_place_of_a_default),
        TEST(parents_are_mounted_before_what_lies_in_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
