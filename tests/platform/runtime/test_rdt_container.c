/*
 * A container's class of caches from create to delete, with the whole runtime: this program is
 * gantry-oci, too, whose resctrl is the folder that the environment names (resctrl_fixture.h).
 */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "resctrl_fixture.h"

#include "platform/linux/runtime/oci.h"
#include "platform/linux/runtime/rdt.h"
#include "platform/linux/runtime/self.h"

#define FOLDER "GANTRY_TEST_RESCTRL" /* set: we are the runtime, and this is resctrl */
#define SLEEP  "\"/bin/busybox\",\"sleep\",\"1000\""

int __wrap_rdt_find(char root[PATH_SIZE], struct error *error);
int __wrap_rdt_find(char root[PATH_SIZE], struct error *error)
{
    return path_format(root, error, "%s", resctrl);
}

static char base[64], id[32];
static bool is_silent; /* a container with a file of the host's open cannot be saved by criu */

/* ---- the runtime -------------------------------------------------------------------- */

static const char *in_base(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", base, name);
    return path;
}

/* Its exit status; what it says is in out and err of the test's folder. */
static int oci_words(const char *const *words)
{
    char root[128], variable[128], out[256], errors[256];
    const char *argv[16] = { "oci", "--root", root };
    char usual[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *environment[] = { variable, usual, NULL };
    posix_spawn_file_actions_t files;
    int status;
    pid_t pid;

    for (size_t i = 0; words[i] != NULL && i < 12; i++)
        argv[3 + i] = words[i];
    snprintf(root, sizeof(root), "%s/state", base);
    snprintf(variable, sizeof(variable), FOLDER "=%s", resctrl);
    snprintf(out, sizeof(out), "%s", is_silent ? "/dev/null" : in_base("out"));
    snprintf(errors, sizeof(errors), "%s", is_silent ? "/dev/null" : in_base("err"));
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&files, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(
        posix_spawn(&pid, "/proc/self/exe", &files, NULL, (char **)(uintptr_t)argv, environment),
        0);
    posix_spawn_file_actions_destroy(&files);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define oci(...)      oci_words((const char *const[]){ __VA_ARGS__, NULL })
#define oci_well(...) well((const char *const[]){ __VA_ARGS__, NULL })

static void well(const char *const *words)
{
    if (oci_words(words) != 0)
        fail_msg("%s: %s", words[0], file_text(in_base("err")));
}

static void config_write(const char *args, const char *rdt)
{
    char text[2048];

    snprintf(
        text, sizeof(text),
        "{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"cwd\":\"/\","
        "\"args\":[%s],\"user\":{\"uid\":0,\"gid\":0}},\"mounts\":[{\"destination\":\"/proc\","
        "\"type\":\"proc\",\"source\":\"proc\"}],\"linux\":{\"namespaces\":[{\"type\":\"pid\"},"
        "{\"type\":\"mount\"}],\"cgroupsPath\":\"/%s\"%s%s}}",
        args, id, rdt[0] != '\0' ? ",\"intelRdt\":" : "", rdt);
    file_fill(base, "bundle/config.json", text);
}

static int create(void)
{
    char bundle[128];

    snprintf(bundle, sizeof(bundle), "%s/bundle", base);
    return oci("create", "--bundle", bundle, id);
}

static void started(const char *rdt)
{
    config_write(SLEEP, rdt);
    if (create() != 0)
        fail_msg("create: %s", file_text(in_base("err")));
    oci_well("start", id);
}

/* ---- what is there --------------------------------------------------------------------- */

static const char *of_class(const char *name)
{
    char path[96];

    snprintf(path, sizeof(path), "%s/%s", id, name);
    return in_resctrl(path);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The first process, as the state has it. */
static void first_process(char task[16])
{
    char name[96];

    snprintf(name, sizeof(name), "state/%s/pid", id);
    snprintf(task, 16, "%d", atoi(file_text(in_base(name))));
}

static void exec_sleeper(char task[16])
{
    char pid[128];

    snprintf(pid, sizeof(pid), "%s/pid", base);
    oci_well("exec", "--detach", "--pid-file", pid, id, "/bin/busybox", "sleep", "1000");
    snprintf(task, 16, "%d", atoi(file_text(pid)));
}

static void nothing_is_left(void)
{
    char name[96];

    snprintf(name, sizeof(name), "state/%s", id);
    assert_false(is_there(in_base(name)));
    assert_false(is_there(of_class("")));
}

static int setup(void **state)
{
    char rootfs[128];

    snprintf(base, sizeof(base), "/tmp/gantry-test-rdtc-XXXXXX");
    assert_non_null(mkdtemp(base));
    snprintf(id, sizeof(id), "rdt-%d", (int)getpid());
    snprintf(rootfs, sizeof(rootfs), "%s/bundle/rootfs/bin", base);
    assert_int_equal(fs_folder_make_all(rootfs, 0755, &err), 0);
    snprintf(rootfs, sizeof(rootfs), "cp /bin/busybox %s/bundle/rootfs/bin", base);
    assert_int_equal(system(rootfs), 0);
    return resctrl_setup(state);
}

static int teardown(void **state)
{
    oci("delete", "--force", id);
    fs_remove_tree(base, &err);
    return resctrl_teardown(state);
}

/* ---- the tests ---------------------------------------------------------------------------- */

static void a_class_lives_as_long_as_its_container(void **state UNUSED)
{
    char first[16], second[16];

    started("{\"l3CacheSchema\":\"L3:0=f\",\"enableMonitoring\":true}");
    first_process(first);
    assert_string_equal(file_text(of_class("schemata")), "    L3:0=f;1=7ff\n    MB:0=100;1=100\n");
    assert_true(has_task(of_class("tasks"), first));
    exec_sleeper(second);
    assert_true(has_task(of_class("tasks"), second));
    oci_well("delete", "--force", id);
    nothing_is_left();
}

static void a_create_that_fails_leaves_no_class(void **state UNUSED)
{
    config_write("\"/no/such/program\"",
                 "{\"l3CacheSchema\":\"L3:0=f\",\"enableMonitoring\":true}");
    assert_int_not_equal(create(), 0);
    nothing_is_left();
    config_write("\"/no/such/program\"", "{\"closID\":\"gold\",\"memBwSchema\":\"MB:0=50\"}");
    assert_int_not_equal(create(), 0);
    nothing_is_left();
    assert_false(is_there(in_resctrl("gold")));
    config_write(SLEEP, "{\"closID\":\"gold\"}");
    assert_int_not_equal(create(), 0);
    assert_non_null(strstr(file_text(in_base("err")), "linux.intelRdt.closID: there is no class"));
    nothing_is_left();
}

static void containers_share_a_class_by_name(void **state UNUSED)
{
    char first[16];

    assert_int_equal(mkdir(in_resctrl("gold"), 0755), 0);
    started("{\"closID\":\"gold\",\"enableMonitoring\":true}");
    first_process(first);
    assert_true(has_task(in_resctrl("gold/tasks"), first));
    oci_well("delete", "--force", id);
    nothing_is_left();
    assert_true(is_there(in_resctrl("gold/schemata")));
    assert_int_equal(rmdir(in_resctrl("gold/mon_groups")), 0); /* fails if the group were left */
}

static void a_command_enters_where_somebody_has_removed_the_class(void **state UNUSED)
{
    started("{\"l3CacheSchema\":\"L3:0=f\"}");
    assert_int_equal(rmdir(of_class("")), 0);
    oci_well("exec", id, "/bin/busybox", "true");
    oci_well("delete", "--force", id);
    nothing_is_left();
}

static void events_tell_of_the_class(void **state UNUSED)
{
    CLEANUP(json_decrefp) json_t *event = NULL;
    const json_t *stats;

    started("{\"l3CacheSchema\":\"L3:0=f\"}");
    oci_well("events", "--stats", id);
    event = json_loads(file_text(in_base("out")), 0, NULL);
    stats = json_object_get(json_object_get(event, "data"), "intel_rdt");
    assert_string_equal(json_string_value(json_object_get(stats, "l3_cache_schema")),
                        "L3:0=f;1=7ff");
    assert_int_equal(json_array_size(json_object_get(stats, "cmt_stats")), 1);
}

static void an_update_writes_into_the_class(void **state UNUSED)
{
    started("{\"l3CacheSchema\":\"L3:0=f\"}");
    oci_well("update", "--l3-cache-schema", "L3:1=3", "--mem-bw-schema=MB:0=30", id);
    assert_string_equal(file_text(of_class("schemata")), "    L3:0=f;1=3\n    MB:0=30;1=100\n");
    assert_int_not_equal(oci("update", "--mem-bw-schema", "L3:0=1", id), 0);
    assert_non_null(strstr(file_text(in_base("err")), "linux.intelRdt.memBwSchema"));
}

static void an_update_gives_a_class_to_who_had_none(void **state UNUSED)
{
    char first[16], second[16];

    started("");
    first_process(first);
    exec_sleeper(second);
    assert_false(is_there(of_class("")));
    assert_int_not_equal(oci("update", "--l3-cache-schema", "L9:0=1", id), 0);
    assert_false(is_there(of_class("")));
    oci_well("exec", id, "/bin/busybox", "true"); /* which needs no class again */
    oci_well("update", "--l3-cache-schema", "L3:0=1", id);
    assert_true(has_task(of_class("tasks"), first));
    assert_true(has_task(of_class("tasks"), second));
    oci_well("delete", "--force", id);
    nothing_is_left();
}

/* What is asked of criu is tests/contract/runtime/checkpoints.py's affair. */
static void a_restored_container_is_in_its_class(void **state UNUSED)
{
    const char *criu = getenv("GANTRY_CRIU");
    char images[128], bundle[128];

    criu = criu != NULL ? criu : TEST_SOURCE "/build/criu/criu";
    if (access(criu, X_OK) < 0) {
        printf("skipped: no criu is here; `ci/setup criu` brings one, or GANTRY_CRIU=PATH\n");
        skip();
    }
    snprintf(images, sizeof(images), "%s/images", base);
    snprintf(bundle, sizeof(bundle), "%s/bundle", base);
    is_silent = true;
    started("{\"l3CacheSchema\":\"L3:0=f\",\"enableMonitoring\":true}");
    is_silent = false;
    oci_well("--criu", criu, "checkpoint", "--image-path", images, id);
    nothing_is_left();
    file_fill(resctrl, "info/last_moved", "");
    oci_well("--criu", criu, "restore", "--detach", "--bundle", bundle, "--image-path", images, id);
    assert_string_equal(file_text(of_class("schemata")), "    L3:0=f;1=7ff\n    MB:0=100;1=100\n");
    /* criu entered, and whom it forks is where it is */
    assert_non_null(strstr(file_text(in_resctrl("info/last_moved")), "/mon_groups/"));
    oci_well("delete", "--force", id);
    nothing_is_left();
    assert_int_equal(unlink(in_base("images/pstree.img")), 0);
    assert_int_not_equal(
        oci("--criu", criu, "restore", "--detach", "--bundle", bundle, "--image-path", images, id),
        0);
    nothing_is_left();
}

static void whoever_finds_the_state_of_a_killed_create_can_remove_all(void **state UNUSED)
{
    char name[96];

    started("{\"l3CacheSchema\":\"L3:0=f\",\"enableMonitoring\":true}");
    snprintf(name, sizeof(name), "state/%s/pid", id);
    oci_well("kill", id, "KILL");
    assert_int_equal(unlink(in_base(name)), 0); /* as if it had not come so far */
    oci_well("delete", "--force", id);
    nothing_is_left();
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        T(a_class_lives_as_long_as_its_container),
        T(a_create_that_fails_leaves_no_class),
        T(containers_share_a_class_by_name),
        T(a_command_enters_where_somebody_has_removed_the_class),
        T(events_tell_of_the_class),
        T(an_update_writes_into_the_class),
        T(an_update_gives_a_class_to_who_had_none),
        T(a_restored_container_is_in_its_class),
        T(whoever_finds_the_state_of_a_killed_create_can_remove_all),
    };

    if (getenv(FOLDER) != NULL) {
        snprintf(resctrl, sizeof(resctrl), "%s", getenv(FOLDER));
        classes_left = groups_left = 10;
        return self_begin(argv, &err) < 0 ? 1 : oci_main(argc, argv);
    }
    if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0) {
        printf("skipped: needs root and /bin/busybox\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
