/* What the options of mounts do. */
#include <linux/magic.h>
#include <sys/xattr.h>

#include "tests/platform/runtime/rootfs_fixture.h"

#define BIND_DATA(options)                                                                 \
    "{\"destination\": \"/data\", \"type\": \"bind\", \"source\": \"data\", \"options\": " \
    "[" options "]}"
#define WITH(mounts) "{" ROOT ", \"mounts\": [" mounts "]}"

/* data, with another mount at data/sub, which is read-write and noexec. */
static void make_tree(const struct fixture *fixture, unsigned long flags)
{
    make_folder(fixture, "data");
    assert_int_equal(mount("data", in_bundle(fixture, "data"), "tmpfs", flags, NULL), 0);
    make_folder(fixture, "data/sub");
    assert_int_equal(mount("sub", in_bundle(fixture, "data/sub"), "tmpfs", MS_NOEXEC, NULL), 0);
}

static void unmake_tree(const struct fixture *fixture)
{
    assert_int_equal(umount2(in_bundle(fixture, "data"), MNT_DETACH), 0);
}

/* ---- attributes ------------------------------------------------------------------- */

static void look_at_one(void)
{
    CHECK(flags_of("/data") & ST_RDONLY);
    CHECK(flags_of("/data") & ST_NOSUID);
    CHECK(!(flags_of("/data/sub") & ST_RDONLY));
    CHECK(flags_of("/data/sub") & ST_NOEXEC);
}

static void look_at_all(void)
{
    CHECK(!(flags_of("/data") & ST_RDONLY));
    CHECK((flags_of("/data/sub") & (ST_RDONLY | ST_NODEV | ST_NOATIME)) ==
          (ST_RDONLY | ST_NODEV | ST_NOATIME));
    CHECK(!(flags_of("/data/sub") & ST_NOEXEC));
}

static void look_at_top(void)
{
    CHECK(exists("/data/sub") && !(flags_of("/data/sub") & ST_NOEXEC));
}

static void attributes_are_of_one_mount_or_of_all(void **state)
{
    struct fixture *fixture = *state;

    make_tree(fixture, MS_NOSUID);
    fixture_look(fixture, WITH(BIND_DATA("\"rbind\", \"ro\"")), look_at_one);
    fixture_look(fixture,
                 WITH(BIND_DATA("\"rbind\", \"rro\", \"rnodev\", \"rexec\", \"rnoatime\", \"rw\"")),
                 look_at_all);
    fixture_look(fixture, WITH(BIND_DATA("\"bind\"")), look_at_top);
    unmake_tree(fixture);
}

static void look_at_remount(void)
{
    CHECK(flags_of("/data") & ST_RDONLY);
    CHECK(strstr(mountinfo_of("/small"), "size=8k") != NULL);
}

static void a_remount_changes_what_is_there(void **state)
{
    struct fixture *fixture = *state;

    make_folder(fixture, "data");
    fixture_look(
        fixture,
        WITH(PROC "," BIND_DATA("\"bind\"") ","
                                            "{\"destination\": \"/data\", \"options\": [\"bind\", "
                                            "\"remount\", \"ro\"]},"
                                            "{\"destination\": \"/small\", \"type\": \"tmpfs\", "
                                            "\"options\": [\"size=4k\"]},"
                                            "{\"destination\": \"/small\", \"type\": \"tmpfs\", "
                                            "\"options\": [\"remount\", \"size=8k\"]}"),
        look_at_remount);
}

static void look_at_mounted_root(void)
{
    CHECK(is_type("/", TMPFS_MAGIC) && is_type("/proc", PROC_SUPER_MAGIC) && !exists("/mark"));
}

static void a_mount_can_be_the_root(void **state)
{
    make_file(*state, "rootfs/mark", "");
    fixture_look(*state, WITH("{\"destination\": \"/\", \"type\": \"tmpfs\"}," PROC),
                 look_at_mounted_root);
}

/* ---- propagation ------------------------------------------------------------------ */

static void mount_in_volume(void)
{
    CHECK(mkdir("/data/new", 0755) == 0 || errno == EEXIST);
    CHECK(mount("new", "/data/new", "tmpfs", 0, NULL) == 0);
    CHECK(open("/data/new/mark", O_CREAT | O_WRONLY, 0600) >= 0);
}

static void mounts_reach_the_host_only_when_it_is_said(void **state)
{
    struct fixture *fixture = *state;
    const char *mark = in_bundle(fixture, "data/new/mark");

    make_tree(fixture, 0);
    assert_int_equal(mount(NULL, in_bundle(fixture, "data"), NULL, MS_SHARED, NULL), 0);
    fixture_look(fixture, WITH(BIND_DATA("\"rbind\", \"rshared\"")), mount_in_volume);
    assert_false(exists(mark));
    fixture_look(fixture,
                 "{" ROOT ", \"mounts\": [" BIND_DATA(
                     "\"rbind\", \"rprivate\"") "],"
                                                "\"linux\": {\"rootfsPropagation\": \"rshared\"}}",
                 mount_in_volume);
    assert_false(exists(mark));
    fixture_look(fixture,
                 "{" ROOT ", \"mounts\": [" BIND_DATA(
                     "\"rbind\", \"rshared\"") "],"
                                               "\"linux\": {\"rootfsPropagation\": \"rshared\"}}",
                 mount_in_volume);
    assert_true(exists(mark));
    unmake_tree(fixture);
}

static void look_at_unbindable(void)
{
    CHECK(strstr(mountinfo_of("/data"), " unbindable ") != NULL);
    CHECK(strstr(mountinfo_of("/t"), " shared:") != NULL);
}

static void every_mount_spreads_as_it_is_told(void **state)
{
    make_folder(*state, "data");
    fixture_look(*state,
                 WITH(PROC "," BIND_DATA(
                     "\"bind\", \"unbindable\"") ","
                                                 "{\"destination\": \"/t\", \"type\": \"tmpfs\", "
                                                 "\"options\": [\"shared\"]}"),
                 look_at_unbindable);
    fixture_refuses(
        *state,
        WITH(BIND_DATA("\"bind\", \"shared\", \"slave\", \"shared\", \"slave\", \"shared\"")),
        "more than 4 propagation words");
}

/* ---- file systems ----------------------------------------------------------------- */

static void look_at_overlay(void)
{
    CHECK(is_type("/over", OVERLAYFS_SUPER_MAGIC) && (flags_of("/over") & ST_NODEV));
    CHECK(exists("/over/0") && exists("/over/11"));
}

/* More than the 255 bytes that fsconfig(2) takes. */
static void an_overlay_may_have_many_layers(void **state)
{
    struct fixture *fixture = *state;
    char lower[2048] = "", document[4096], name[64];
    int context = fsopen("overlay", FSOPEN_CLOEXEC);

    if (context < 0 && errno == ENODEV) {
        fprintf(stderr, "skipped: this kernel has no overlay\n");
        skip();
    }
    close(context);
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof(name), "layer-%d", i);
        make_folder(fixture, name);
        snprintf(lower + strlen(lower), sizeof(lower) - strlen(lower), "%s%s/layer-%d",
                 i > 0 ? ":" : "", fixture->bundle, i);
        snprintf(name, sizeof(name), "layer-%d/%d", i, i);
        make_file(fixture, name, "");
    }
    snprintf(document, sizeof(document),
             WITH("{\"destination\": \"/over\", \"type\": \"overlay\", \"source\": \"overlay\","
                  "\"options\": [\"nodev\", \"lowerdir=%s\"]}"),
             lower);
    fixture_look(fixture, document, look_at_overlay);
}

static void look_at_copy(void)
{
    char value[8], to[32] = "";
    struct stat st;

    CHECK(is_type("/full", TMPFS_MAGIC) && reads("/full/sub/file", "text"));
    CHECK(stat("/full/sub/file", &st) == 0 && st.st_mode == (S_IFREG | 04751) && st.st_uid == 7);
    CHECK(st.st_mtim.tv_sec == 1000);
    CHECK(stat("/full/sub", &st) == 0 && st.st_mode == (S_IFDIR | 0711));
    CHECK(stat("/full", &st) == 0 && st.st_mode == (S_IFDIR | 0750) && st.st_gid == 8);
    CHECK(readlink("/full/link", to, sizeof(to) - 1) > 0 && strcmp(to, "/etc/shadow") == 0);
    CHECK(getxattr("/full/sub/file", "trusted.mine", value, sizeof(value)) == 3);
    CHECK(stat("/full/pipe", &st) == 0 && S_ISFIFO(st.st_mode));
    CHECK(!exists("/empty/file"));
    CHECK(open("/full/sub/file", O_WRONLY) < 0 && errno == EROFS);
}

static void a_tmpfs_takes_over_what_it_covers(void **state)
{
    struct fixture *fixture = *state;
    struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    const char *file = in_bundle(fixture, "rootfs/full/sub/file");

    make_folder(fixture, "rootfs/empty");
    make_file(fixture, "rootfs/empty/file", "");
    make_folder(fixture, "rootfs/full");
    make_folder(fixture, "rootfs/full/sub");
    make_file(fixture, "rootfs/full/sub/file", "text");
    make_link(fixture, "rootfs/full/link", "/etc/shadow");
    assert_int_equal(mkfifo(in_bundle(fixture, "rootfs/full/pipe"), 0600), 0);
    assert_int_equal(setxattr(file, "trusted.mine", "abc", 3, 0), 0);
    assert_int_equal(chown(file, 7, 7) + chmod(file, 04751), 0);
    assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
    assert_int_equal(chmod(in_bundle(fixture, "rootfs/full/sub"), 0711), 0);
    assert_int_equal(chmod(in_bundle(fixture, "rootfs/full"), 0750), 0);
    assert_int_equal(chown(in_bundle(fixture, "rootfs/full"), 0, 8), 0);
    fixture_look(fixture,
                 WITH("{\"destination\": \"/full\", \"type\": \"tmpfs\", \"options\": "
                      "[\"tmpcopyup\", \"ro\"]},"
                      "{\"destination\": \"/empty\", \"type\": \"tmpfs\"}"),
                 look_at_copy);
}

/* ---- other owners ----------------------------------------------------------------- */

static void look_at_owners(void)
{
    struct stat st;

    CHECK(stat("/data/file", &st) == 0 && st.st_uid == 100000 && st.st_gid == 200000);
    CHECK(open("/data/new", O_CREAT | O_WRONLY, 0600) < 0 && errno == EOVERFLOW);
}

static void an_idmapped_mount_has_other_owners(void **state)
{
    struct fixture *fixture = *state;
    static const char own[] =
        WITH("{\"destination\": \"/data\", \"type\": \"bind\", \"source\": \"data\", \"options\": "
             "[\"bind\", \"idmap\"],"
             "\"uidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 10}],"
             "\"gidMappings\": [{\"containerID\": 0, \"hostID\": 200000, \"size\": 10}]}");

    make_folder(fixture, "data");
    make_file(fixture, "data/file", "");
    idmap_needs_support(fixture, own);
    fixture_look(fixture, own, look_at_owners);
    fixture_look(fixture,
                 "{" ROOT ", \"mounts\": [" BIND_DATA(
                     "\"rbind\", \"ridmap\"") "], \"linux\": {"
                                              "\"uidMappings\": [{\"containerID\": 0, \"hostID\": "
                                              "100000, \"size\": 10}],"
                                              "\"gidMappings\": [{\"containerID\": 0, \"hostID\": "
                                              "200000, \"size\": 10}]}}",
                 look_at_owners);
}

static void look_at_shifted_owners(void)
{
    struct stat st;

    CHECK(stat("/data/file", &st) == 0 && st.st_uid == 3004 && st.st_gid == 0);
}

/* 3 in the container is 3004 on the host. */
static void owners_can_be_said_as_crun_takes_them(void **state)
{
    struct fixture *fixture = *state;
    static const char document[] =
        "{" ROOT ", \"mounts\": [" BIND_DATA("\"bind\", \"idmap=uids=0-1-1#1-@3-1\"") "]}";
    static const char relative[] = "{" ROOT ", \"mounts\": [" BIND_DATA(
        "\"bind\", \"idmap=uids=5-5-1#@0-3-2;gids=0-0-1\"") "],"
                                                            "\"linux\": {\"uidMappings\": "
                                                            "[{\"containerID\": 0, \"hostID\": 7, "
                                                            "\"size\": 2},"
                                                            "{\"containerID\": 2, \"hostID\": "
                                                            "3003, \"size\": 3}]}}";

    make_folder(fixture, "data");
    make_file(fixture, "data/file", "");
    idmap_needs_support(fixture, relative);
    fixture_look(fixture, relative, look_at_shifted_owners);
    fixture_refuses(fixture, document, "mounts[0]: idmap: \"1-@3-1\" is no range");
    fixture_refuses(fixture, WITH(BIND_DATA("\"bind\", \"ridmap=uids=@0-9-1\"")),
                    "mounts[0]: idmap: 9 to 10 of the container is not in one range");
    fixture_refuses(fixture, WITH(BIND_DATA("\"bind\", \"idmap=all\"")),
                    "idmap: \"all\" is neither uids= nor gids=");
}

static void an_idmapped_mount_needs_both_mappings(void **state)
{
    fixture_refuses(*state, WITH(BIND_DATA("\"bind\", \"idmap\"")),
                    "mounts[0]: is to be idmapped, but neither");
    fixture_refuses(
        *state,
        WITH("{\"destination\": \"/data\", \"type\": \"bind\", \"source\": \"data\","
             "\"uidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 10}]}"),
        "mounts[0]: has one of uidMappings and gidMappings");
}

/* ---- control groups --------------------------------------------------------------- */

#define GROUPS                                                                             \
    "{\"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": \"cgroup\", " \
    "\"options\": [\"nosuid\", \"noexec\", \"nodev\", \"relatime\", \"ro\"]}"

/* The process is in the group that it sees, and cannot change it. */
static void look_at_groups(void)
{
    char text[64];
    int fd;

    if (is_type("/sys/fs/cgroup", CGROUP2_SUPER_MAGIC)) {
        CHECK(flags_of("/sys/fs/cgroup") & ST_RDONLY);
        CHECK(exists("/sys/fs/cgroup/cgroup.type") || exists("/sys/fs/cgroup/gantry-test-rootfs"));
        return;
    }
    CHECK(is_type("/sys/fs/cgroup", TMPFS_MAGIC) && (flags_of("/sys/fs/cgroup") & ST_RDONLY));
    CHECK(is_type("/sys/fs/cgroup/pids", CGROUP_SUPER_MAGIC));
    CHECK((flags_of("/sys/fs/cgroup/pids") & (ST_RDONLY | ST_NOSUID)) == (ST_RDONLY | ST_NOSUID));
    fd = open("/sys/fs/cgroup/pids/cgroup.procs", O_RDONLY);
    CHECK(fd >= 0 && read(fd, text, sizeof(text)) > 0 && atoi(text) == getpid());
    CHECK(open("/sys/fs/cgroup/pids/pids.max", O_WRONLY) < 0 && errno == EROFS);
    CHECK(is_type("/sys/fs/cgroup/systemd", CGROUP_SUPER_MAGIC) ||
          !exists("/sys/fs/cgroup/systemd"));
}

static void a_container_sees_its_own_groups(void **state)
{
    struct fixture *fixture = *state;
    static const char *const path = "/gantry-test-rootfs";
    struct place none = { 0 };
    struct cgroup_want want = { .path = path, .id = "x", .resources = &none, .annotations = &none };
    struct error err = { 0 };

    fixture->cgroup = cgroup_new(&want, &err);
    if (fixture->cgroup == NULL || cgroup_make(fixture->cgroup, &err) < 0)
        fail_msg("%s", err.text);
    fixture->want.cgroup = fixture->cgroup;
    fixture_look(fixture, WITH(SYS "," GROUPS), look_at_groups);
    fixture->want.new_cgroup = true;
    fixture_look(fixture, WITH(SYS "," GROUPS), look_at_groups);
    assert_int_equal(cgroup_remove(fixture->cgroup, &err), 0);
    cgroup_free(&fixture->cgroup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(attributes_are_of_one_mount_or_of_all),
        TEST(a_remount_changes_what_is_there),
        TEST(a_mount_can_be_the_root),
        TEST(mounts_reach_the_host_only_when_it_is_said),
        TEST(every_mount_spreads_as_it_is_told),
        TEST(an_overlay_may_have_many_layers),
        TEST(a_tmpfs_takes_over_what_it_covers),
        TEST(an_idmapped_mount_has_other_owners),
        TEST(owners_can_be_said_as_crun_takes_them),
        TEST(an_idmapped_mount_needs_both_mappings),
        TEST(a_container_sees_its_own_groups),
    };

    if (rootfs_skip() != 0)
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
