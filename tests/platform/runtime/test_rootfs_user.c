/* A root file system in a user namespace: what its root may not open, make or take off. */
#include <linux/magic.h>

#include "tests/platform/runtime/rootfs_fixture.h"

static int user_setup(void **state)
{
    fixture_setup(state);
    ((struct fixture *)*state)->user = true;
    return 0;
}

#define USER_TEST(name) cmocka_unit_test_setup_teardown(name, user_setup, fixture_teardown)
#define DATA(options)                                                                      \
    "{\"destination\": \"/data\", \"type\": \"bind\", \"source\": \"data\", \"options\": " \
    "[" options "]}"
#define WITH(mounts) "{" ROOT ", \"mounts\": [" mounts "]}"

static void own_root(const struct fixture *fixture)
{
    assert_int_equal(chown(in_bundle(fixture, "rootfs"), 100000, 100000), 0);
}

/* ---- out of reach ----------------------------------------------------------------- */

static void look_at_private(void)
{
    CHECK(reads("/data/mark", "data") && (flags_of("/data") & ST_RDONLY) && !exists("/usr"));
}

static void sources_need_not_be_in_reach_of_the_container(void **state)
{
    struct fixture *fixture = *state;

    own_root(fixture);
    make_folder(fixture, "data");
    make_file(fixture, "data/mark", "data");
    fixture_look(fixture, WITH(DATA("\"ro\"")), look_at_private);
    chmod(fixture->bundle, 0700);
    fixture_look(fixture, WITH(DATA("\"ro\"")), look_at_private);
}

static void a_plain_users_runtime_leaves_it_to_the_container(void **state)
{
    struct fixture *fixture = *state;

    own_root(fixture);
    fixture->plain = true;
    make_folder(fixture, "data");
    make_file(fixture, "data/mark", "data");
    fixture_look(fixture, WITH(DATA("\"ro\"")), look_at_private);
    fixture_refuses(fixture,
                    WITH("{\"destination\": \"/x\", \"type\": \"bind\", \"source\": \"gone\"}"),
                    "gone: No such file");
    fixture_refuses(fixture,
                    WITH("{\"destination\": \"/x\", \"type\": \"bind\", \"source\": \"data\","
                         "\"uidMappings\": [{\"containerID\": 0, \"hostID\": 0, \"size\": 1}],"
                         "\"gidMappings\": [{\"containerID\": 0, \"hostID\": 0, \"size\": 1}]}"),
                    "mounts[0] (/x): ");
}

/* ---- locked ----------------------------------------------------------------------- */

static void take_off(void)
{
    struct mount_attr attr = { .attr_clr = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID };

    CHECK((flags_of("/data") & (ST_RDONLY | ST_NODEV | ST_NOSUID | ST_NOATIME)) ==
          (ST_RDONLY | ST_NODEV | ST_NOSUID | ST_NOATIME));
    CHECK(mount_setattr(AT_FDCWD, "/data", 0, &attr, sizeof(attr)) < 0 && errno == EPERM);
}

static void what_the_host_has_locked_stays(void **state)
{
    struct fixture *fixture = *state;

    own_root(fixture);
    make_folder(fixture, "data");
    assert_int_equal(mount("data", in_bundle(fixture, "data"), "tmpfs",
                           MS_NODEV | MS_NOSUID | MS_NOATIME, "mode=755"),
                     0);
    fixture_look(fixture, WITH(DATA("\"ro\", \"bind\"")), take_off);
    fixture_refuses(fixture, WITH(DATA("\"dev\", \"bind\"")),
                    "set attributes (one that is to be cleared may be locked)");
    assert_int_equal(umount2(in_bundle(fixture, "data"), MNT_DETACH), 0);
}

static void mount_in_volume(void)
{
    CHECK(mount("new", "/data", "tmpfs", 0, NULL) == 0);
    CHECK(open("/data/mark", O_CREAT | O_WRONLY, 0600) >= 0);
}

static void its_mounts_never_reach_the_host(void **state)
{
    struct fixture *fixture = *state;

    own_root(fixture);
    make_folder(fixture, "data");
    assert_int_equal(mount("data", in_bundle(fixture, "data"), "tmpfs", 0, "mode=777"), 0);
    assert_int_equal(mount(NULL, in_bundle(fixture, "data"), NULL, MS_SHARED, NULL), 0);
    fixture_look(fixture,
                 "{" ROOT ", \"mounts\": [" DATA(
                     "\"rbind\", \"rshared\"") "],"
                                               "\"linux\": {\"rootfsPropagation\": \"rshared\"}}",
                 mount_in_volume);
    assert_false(exists(in_bundle(fixture, "data/mark")));
    assert_int_equal(umount2(in_bundle(fixture, "data"), MNT_DETACH), 0);
}

/* ---- devices, system -------------------------------------------------------------- */

static void look_at_devices(void)
{
    struct stat st;

    CHECK(lstat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
    CHECK(lstat("/dev/tty", &st) == 0 && st.st_rdev == makedev(5, 0));
    CHECK(open("/dev/zero", O_RDONLY) >= 0);
    CHECK(stat("/secret", &st) == 0 && S_ISCHR(st.st_mode));
    CHECK(open("/new", O_CREAT | O_WRONLY, 0600) < 0 && errno == EROFS);
}

static void devices_are_the_hosts(void **state)
{
    struct fixture *fixture = *state;

    own_root(fixture);
    make_file(fixture, "rootfs/secret", "secret");
    fixture_look(fixture,
                 "{\"root\": {\"path\": \"rootfs\", \"readonly\": true}, \"mounts\": [" DEV
                 "," DEVPTS "], "
                 "\"linux\": {\"maskedPaths\": [\"/secret\"], \"readonlyPaths\": [\"/dev/pts\"]}}",
                 look_at_devices);
    fixture_refuses(fixture,
                    "{" ROOT ", \"mounts\": [" DEV "], \"linux\": {\"devices\": [{\"type\": \"c\", "
                    "\"path\": \"/dev/null\", \"major\": 1, \"minor\": 5}]}}",
                    "device /dev/null: the host has another one under this name");
}

static void look_at_sys(void)
{
    CHECK(is_type("/sys", SYSFS_MAGIC) && (flags_of("/sys") & ST_RDONLY));
    CHECK(exists("/sys/fs/cgroup"));
}

static void sys_is_the_hosts_when_the_network_is(void **state)
{
    own_root(*state);
    fixture_look(*state, WITH(SYS), look_at_sys);
}

static void look_at_owners(void)
{
    struct stat st;

    CHECK(stat("/data/file", &st) == 0 && st.st_uid == 0);
    CHECK(open("/data/new", O_CREAT | O_WRONLY, 0600) >= 0);
}

static void an_idmapped_volume_belongs_to_the_container(void **state)
{
    struct fixture *fixture = *state;
    struct stat st;
    static const char document[] =
        "{" ROOT
        ", \"mounts\": [" DATA("\"bind\", \"idmap\"") "], \"linux\": {"
                                                      "\"uidMappings\": [{\"containerID\": 0, "
                                                      "\"hostID\": 100000, \"size\": 65536}],"
                                                      "\"gidMappings\": [{\"containerID\": 0, "
                                                      "\"hostID\": 100000, \"size\": 65536}]}}";

    own_root(fixture);
    make_folder(fixture, "data");
    make_file(fixture, "data/file", "");
    idmap_needs_support(fixture, document);
    fixture_look(fixture, document, look_at_owners);
    assert_int_equal(stat(in_bundle(fixture, "data/new"), &st), 0);
    assert_int_equal(st.st_uid, 0);
}

static int user_namespaces_skip(void)
{
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(unshare(CLONE_NEWUSER) < 0);
    if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
        return 0;
    fprintf(stderr, "skipped: no user namespaces here\n");
    return 77;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        USER_TEST(sources_need_not_be_in_reach_of_the_container),
        USER_TEST(a_plain_users_runtime_leaves_it_to_the_container),
        USER_TEST(what_the_host_has_locked_stays),
        USER_TEST(its_mounts_never_reach_the_host),
        USER_TEST(devices_are_the_hosts),
        USER_TEST(sys_is_the_hosts_when_the_network_is),
        USER_TEST(an_idmapped_volume_belongs_to_the_container),
    };

    if (rootfs_skip() != 0 || user_namespaces_skip() != 0)
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
