/* A process of a container: command, environment, working directory, user, limits. */
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/platform/runtime/process_fixture.h"

#define ALL_CAPS "\"CAP_SETUID\",\"CAP_SETGID\",\"CAP_SETPCAP\",\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\""

static void need_root(void)
{
    if (geteuid() == 0)
        return;
    printf("skipped: needs root\n");
    exit(77);
}

/* ---- command ------------------------------------------------------------------ */

static void a_process_becomes_its_program(void **state UNUSED)
{
    assert_int_equal(run_with("echo $0 hello; exit 3", "", ""), 3);
    assert_said("sh hello");
}

/* args replaced by one command. */
static int run_command(const char *command, const char *path)
{
    said[0] = '\0';
    assert_int_equal(read_process("true", "", ""), 0);
    spec->args.items[0] = command;
    spec->args.items[1] = NULL;
    spec->args.count = 1;
    spec->env.items[0] = path;
    return run_process();
}

static void what_cannot_be_run_is_told_in_the_words_of_runc(void **state UNUSED)
{
    char plain[] = "/tmp/gantry-plain-XXXXXX";
    char text[256];
    int file = mkstemp(plain);

    fchmod(file, 0644);
    close(file);
    assert_int_equal(run_command("nosuch", "PATH=/usr/bin"), 127);
    assert_string_equal(said,
                        "error not_found exec: \"nosuch\": executable file not found in $PATH");
    assert_int_equal(run_command("sh", "NOPATH=/usr/bin"), 127);
    assert_string_equal(said, "error not_found exec: \"sh\": executable file not found in $PATH");
    assert_int_equal(run_command("/nosuch", "PATH=/usr/bin"), 127);
    assert_string_equal(
        said, "error not_found exec: \"/nosuch\": stat /nosuch: no such file or directory");
    assert_int_equal(run_command("/tmp", "PATH=/usr/bin"), 126);
    assert_string_equal(said, "error permission_denied exec: \"/tmp\": is a directory");
    assert_int_equal(run_command(plain, "PATH=/usr/bin"), 126);
    snprintf(text, sizeof(text), "error permission_denied exec: \"%s\": permission denied", plain);
    assert_string_equal(said, text);
    chmod(plain, 0755);
    assert_int_equal(run_command(plain, "PATH=/usr/bin"), 126); /* empty: no format */
    snprintf(text, sizeof(text), "error permission_denied exec %s: exec format error", plain);
    assert_string_equal(said, text);
    unlink(plain);
}

static void a_command_must_be_whole(void **state UNUSED)
{
    assert_refused("\"args\":[]", "", "process.args: args must not be empty");
    assert_refused("\"args\":[\"a\",1]", "", "process.args[1]");
    assert_refused("\"cwd\":\"x\"", "", "process.cwd: Cwd must be an absolute path");
    assert_refused("\"cwd\":\"\"", "", "process.cwd: Cwd property must not be empty");
    assert_refused("\"oomScoreAdj\":1001", "", "process.oomScoreAdj");
}

/* ---- environment ----------------------------------------------------------------- */

static void of_a_name_given_twice_the_last_counts(void **state UNUSED)
{
    assert_int_equal(run_with("echo $A $AB; env | grep -c ^A=",
                              "\"env\":[\"PATH=/usr/bin:/bin\",\"A=1\",\"AB=2\",\"A=3=4\"]", ""),
                     0);
    assert_string_equal(said, "3=4 2\n1\n");
    assert_refused("\"env\":[\"A=\",\"B\"]", "",
                   "process.env[1]: invalid environment variable: \"B\"");
}

static void home_comes_from_the_passwd_of_the_container(void **state UNUSED)
{
    assert_int_equal(run_with("echo $HOME", "", ""), 0);
    assert_string_equal(said, "/root\n");
    assert_int_equal(run_with("echo $HOME", "\"env\":[\"PATH=/bin\",\"HOME=/x\"]", ""), 0);
    assert_string_equal(said, "/x\n");
    assert_int_equal(run_with("echo $HOME", "\"user\":{\"uid\":54321,\"gid\":1}", ""), 0);
    assert_string_equal(said, "/\n");
}

static void descriptors_are_passed_only_when_asked_for(void **state UNUSED)
{
    settings = (struct process_settings){ 0 };
    assert_int_equal(run_with("ls /proc/self/fd | wc -l", "", ""), 0);
    assert_string_equal(said, "4\n"); /* 0, 1, 2 and the folder itself */
    settings = (struct process_settings){ .listen_fds = 1, .keep_fds = 2 };
    assert_int_equal(
        run_with("ls /proc/self/fd | tr '\\\\n' ' '; echo $LISTEN_FDS $LISTEN_PID", "", ""), 0);
    assert_said("0 1 2 3 4 5 1 1\n");
}

/* ---- working directory -------------------------------------------------------------- */

static void a_missing_working_directory_is_made(void **state UNUSED)
{
    char folder[] = "/tmp/gantry-cwd-XXXXXX", more[128], text[128];

    assert_non_null(mkdtemp(folder));
    snprintf(more, sizeof(more), "\"cwd\":\"%s/a//b/c\"", folder);
    assert_int_equal(run_with("pwd -P; stat -c %a .", more, ""), 0);
    snprintf(text, sizeof(text), "%s/a/b/c\n755\n", folder);
    assert_string_equal(said, text);
    snprintf(text, sizeof(text), "rm -r %s", folder);
    assert_int_equal(run_with(text, "", ""), 0);
}

static void a_link_of_proc_makes_no_folder_elsewhere(void **state UNUSED)
{
    char folder[] = "/tmp/gantry-cwd-XXXXXX", more[128], text[128];

    assert_non_null(mkdtemp(folder));
    snprintf(text, sizeof(text), "%s/out", folder);
    assert_int_equal(symlink("/proc/self/root/tmp", text), 0);
    snprintf(more, sizeof(more), "\"cwd\":\"%s/out/gantry-made\"", folder);
    assert_int_equal(run_with("true", more, ""), 126);
    assert_said("process.cwd: mkdir");
    assert_int_equal(access("/tmp/gantry-made", F_OK), -1);
    snprintf(more, sizeof(more), "\"cwd\":\"%s/../%s/x/\"", folder, folder + 5);
    assert_int_equal(run_with("pwd -P", more, ""), 0);
    snprintf(text, sizeof(text), "%s/x\n", folder);
    assert_string_equal(said, text);
    snprintf(text, sizeof(text), "rm -r %s", folder);
    assert_int_equal(run_with(text, "", ""), 0);
}

static void a_working_directory_that_is_none_is_named(void **state UNUSED)
{
    assert_int_equal(run_with("true", "\"cwd\":\"/etc/passwd\"", ""), 126);
    assert_said("chdir to cwd (\"/etc/passwd\") set in config.json failed: not a directory");
}

static int outside = -1;

/* The host's folder stays open, and the root is another (CVE-2024-21626). */
static void leak_a_folder(void)
{
    outside = open("/", O_RDONLY | O_DIRECTORY);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("new", "/mnt", "tmpfs", 0, NULL) < 0 || mkdir("/mnt/old", 0755) < 0 ||
        mkdir("/mnt/proc", 0755) < 0 || mount("proc", "/mnt/proc", "proc", 0, NULL) < 0 ||
        syscall(SYS_pivot_root, "/mnt", "/mnt/old") < 0 || umount2("/old", MNT_DETACH) < 0)
        dprintf(1, "prepare: %s\n", strerror(errno));
    fchdir(outside);
    dup2(outside, 77);
}

static void a_working_directory_outside_the_root_is_refused(void **state UNUSED)
{
    assert_int_equal(read_process("true", "\"cwd\":\"/proc/self/fd/77\"", ""), 0);
    prepare = leak_a_folder;
    assert_int_equal(run_process(), 126);
    assert_said(
        "outside of container mount namespace root -- possible container breakout detected");
}

/* ---- user ----------------------------------------------------------------------------- */

static void a_user_has_its_ids_and_groups_and_no_others(void **state UNUSED)
{
    assert_int_equal(
        run_with("id -u; id -g; id -G; umask",
                 "\"user\":{\"uid\":1234,\"gid\":5678,\"umask\":63,\"additionalGids\":[7,9]}", ""),
        0);
    assert_string_equal(said, "1234\n5678\n5678 7 9\n0077\n");
    assert_int_equal(run_with("id -G; umask", "\"user\":{\"uid\":0,\"gid\":0}", ""), 0);
    assert_string_equal(said, "0\n0022\n");
}

static void ids_that_would_leave_root_are_refused(void **state UNUSED)
{
    assert_refused("\"user\":{\"uid\":4294967295}", "", "process.user.uid");
    assert_refused("\"user\":{\"gid\":4294967295}", "", "process.user.gid");
    assert_refused("\"user\":{\"uid\":4294967296}", "", "process.user.uid");
    assert_refused("\"user\":{\"uid\":-1}", "", "process.user.uid");
    assert_refused("\"user\":{\"additionalGids\":[4294967295]}", "",
                   "process.user.additionalGids[0]");
    assert_refused("\"user\":{\"umask\":512}", "", "process.user.umask");
}

static void write_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY);

    if (write(file, text, strlen(text)) < 0)
        dprintf(1, "%s: %s\n", path, strerror(errno));
    close(file);
}

/* As newuidmap leaves a plain user: root of a namespace in which setgroups(2) is denied. */
static void be_root_of_a_plain_user(void)
{
    if (syscall(SYS_setresgid, 1000, 1000, 1000) < 0 ||
        syscall(SYS_setresuid, 1000, 1000, 1000) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0 ||
        unshare(CLONE_NEWUSER) < 0)
        dprintf(1, "unshare: %s\n", strerror(errno));
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", "0 1000 1");
    write_file("/proc/self/gid_map", "0 1000 1");
}

static void a_plain_users_namespace_gives_all_but_groups(void **state UNUSED)
{
    const char *more = "\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_SYS_RESOURCE\"],"
                       "\"permitted\":[\"CAP_CHOWN\"],\"effective\":[\"CAP_CHOWN\"]}";

#ifdef __SANITIZE_THREAD__
    printf("the sanitizer has a thread, and those with threads get no user namespace\n");
    skip();
#endif
    assert_int_equal(read_process("id -u; grep CapBnd /proc/self/status", more,
                                  "\"namespaces\":[{\"type\":\"user\"}]"),
                     0);
    prepare = be_root_of_a_plain_user;
    assert_int_equal(run_process(), 0);
    assert_string_equal(said, "0\nCapBnd:\t0000000001000001\n");
    assert_int_equal(read_process("true", "\"user\":{\"additionalGids\":[0]}",
                                  "\"namespaces\":[{\"type\":\"user\"}]"),
                     0);
    prepare = be_root_of_a_plain_user;
    assert_int_equal(run_process(), 126);
    assert_said("process.user.additionalGids");
    assert_int_equal(
        read_process("true", "\"user\":{\"uid\":5}", "\"namespaces\":[{\"type\":\"user\"}]"), 0);
    prepare = be_root_of_a_plain_user;
    assert_int_equal(run_process(), 126);
    assert_said("process.user.uid: setuid 5");
}

/* ---- capabilities ------------------------------------------------------------------------ */

static void without_capabilities_there_are_none(void **state UNUSED)
{
    assert_int_equal(run_with("grep Cap /proc/self/status", "", ""), 0);
    assert_said("CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
                "CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\n");
}

static void each_of_the_five_sets_is_as_it_says(void **state UNUSED)
{
    assert_int_equal(
        run_with("grep Cap /proc/self/status",
                 "\"user\":{\"uid\":1,\"gid\":1},\"capabilities\":{\"bounding\":[" ALL_CAPS "],"
                 "\"permitted\":[\"CAP_CHOWN\",\"CAP_KILL\"],\"effective\":[\"CAP_KILL\"],"
                 "\"inheritable\":[\"CAP_CHOWN\"],\"ambient\":[\"CAP_CHOWN\"]}",
                 ""),
        0);
    /* a program run by a user keeps what is ambient */
    assert_said("CapInh:\t0000000000000001\nCapPrm:\t0000000000000001\nCapEff:\t0000000000000001\n"
                "CapBnd:\t00000000000001c3\nCapAmb:\t0000000000000001\n");
}

static void root_has_what_is_bounding(void **state UNUSED)
{
    assert_int_equal(run_with("grep Cap /proc/self/status",
                              "\"capabilities\":{\"bounding\":[\"CAP_CHOWN\"],"
                              "\"permitted\":[\"CAP_CHOWN\"],\"effective\":[\"CAP_CHOWN\"]}",
                              ""),
                     0);
    assert_said(
        "CapPrm:\t0000000000000001\nCapEff:\t0000000000000001\nCapBnd:\t0000000000000001\n");
}

static void unknown_capabilities_are_told_of_and_passed_over(void **state UNUSED)
{
    assert_int_equal(read_process("true",
                                  "\"capabilities\":{\"bounding\":[\"CAP_NEW\",\"CAP_CHOWN\"],"
                                  "\"ambient\":[\"CAP_NEW\",\"CAP_KILL\"]}",
                                  ""),
                     0);
    assert_int_equal(spec->warnings.count, 1);
    assert_string_equal(spec->warnings.items[0],
                        "ignoring unknown or unavailable capabilities: [CAP_NEW]");
    assert_int_equal(spec->capabilities.ambient, 0); /* neither permitted nor inheritable */
    assert_refused("\"capabilities\":{\"effective\":[\"CAP_KILL\"]}", "", "process.capabilities");
}

static void what_the_host_does_not_give_is_told_of(void **state UNUSED)
{
    const char *more = "\"capabilities\":{\"bounding\":[\"CAP_SYS_RESOURCE\"],"
                       "\"permitted\":[\"CAP_SYS_RESOURCE\"]}";

    assert_int_equal(read_process("true", more, "\"namespaces\":[{\"type\":\"user\"}]"), 0);
    assert_int_equal(spec->warnings.count, 0);
    if (prctl(PR_CAPBSET_READ, 24, 0, 0, 0) != 0) {
        printf("this host gives CAP_SYS_RESOURCE\n");
        return;
    }
    assert_int_equal(run_with("true", more, ""), 0);
    assert_int_equal(spec->warnings.count, 1);
    assert_non_null(strstr(spec->warnings.items[0], "[CAP_SYS_RESOURCE]"));
}

static void no_new_privileges_is_set_when_asked_for(void **state UNUSED)
{
    assert_int_equal(run_with("grep NoNewPrivs /proc/self/status", "\"noNewPrivileges\":true", ""),
                     0);
    assert_said("NoNewPrivs:\t1");
    assert_int_equal(run_with("grep NoNewPrivs /proc/self/status", "", ""), 0);
    assert_said("NoNewPrivs:\t0");
}

/* ---- limits --------------------------------------------------------------------------------- */

static void limits_are_set_and_what_is_not_is_left(void **state UNUSED)
{
    assert_int_equal(run_with("ulimit -Sn; ulimit -Hn; ulimit -Sc",
                              "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":100,\"hard\":200},"
                              "{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":0}]",
                              ""),
                     0);
    assert_string_equal(said, "100\n200\n0\n");
}

static void limits_bind_the_program_and_not_its_making(void **state UNUSED)
{
    if (access("/bin/busybox", X_OK) < 0) {
        printf("no static program to run without descriptors\n");
        return;
    }
    assert_int_equal(run_with("ulimit -Hn",
                              "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":3,\"hard\":3},"
                              "{\"type\":\"RLIMIT_NPROC\",\"soft\":0,\"hard\":0},"
                              "{\"type\":\"RLIMIT_FSIZE\",\"soft\":0,\"hard\":0}],"
                              "\"args\":[\"/bin/busybox\",\"sh\",\"-c\",\"ulimit -Hn\"]",
                              ""),
                     0);
    assert_string_equal(said, "3\n");
}

static void limits_that_make_no_sense_are_refused(void **state UNUSED)
{
    assert_refused("\"rlimits\":[{\"type\":\"RLIMIT_FOO\",\"soft\":1,\"hard\":1}]", "",
                   "process.rlimits[0]: wrong rlimit value: RLIMIT_FOO");
    assert_refused("\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1},"
                   "{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1}]",
                   "", "process.rlimits[1]: RLIMIT_CPU is there twice");
    assert_refused("\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":2,\"hard\":1}]", "",
                   "process.rlimits[0]");
    assert_refused("\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":2}]", "", "has no hard");
}

static void a_limit_that_cannot_be_raised_is_named(void **state UNUSED)
{
    if (prctl(PR_CAPBSET_READ, 24, 0, 0, 0) != 0) {
        printf("this host gives CAP_SYS_RESOURCE\n");
        return;
    }
    run_with("true",
             "\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":0},"
             "{\"type\":\"RLIMIT_NOFILE\",\"soft\":1,\"hard\":99999999}]",
             "");
    assert_said("process.rlimits[1]: error setting rlimit type 7: operation not permitted");
}

static void the_oom_score_is_set_or_left_alone(void **state UNUSED)
{
    assert_int_equal(run_with("cat /proc/self/oom_score_adj", "\"oomScoreAdj\":321", ""), 0);
    assert_string_equal(said, "321\n");
    assert_int_equal(
        run_with("cat /proc/self/oom_score_adj /proc/$PPID/oom_score_adj | uniq | wc -l", "", ""),
        0);
    assert_string_equal(said, "1\n");
    if (prctl(PR_CAPBSET_READ, 24, 0, 0, 0) != 0)
        return;
    run_with("true", "\"oomScoreAdj\":-1000", "");
    assert_said("error permission_denied process.oomScoreAdj: failed to update");
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(a_process_becomes_its_program),
        T(what_cannot_be_run_is_told_in_the_words_of_runc),
        T(a_command_must_be_whole),
        T(of_a_name_given_twice_the_last_counts),
        T(home_comes_from_the_passwd_of_the_container),
        T(descriptors_are_passed_only_when_asked_for),
        T(a_missing_working_directory_is_made),
        T(a_link_of_proc_makes_no_folder_elsewhere),
        T(a_working_directory_that_is_none_is_named),
        T(a_working_directory_outside_the_root_is_refused),
        T(a_user_has_its_ids_and_groups_and_no_others),
        T(ids_that_would_leave_root_are_refused),
        T(a_plain_users_namespace_gives_all_but_groups),
        T(without_capabilities_there_are_none),
        T(each_of_the_five_sets_is_as_it_says),
        T(root_has_what_is_bounding),
        T(unknown_capabilities_are_told_of_and_passed_over),
        T(what_the_host_does_not_give_is_told_of),
        T(no_new_privileges_is_set_when_asked_for),
        T(limits_are_set_and_what_is_not_is_left),
        T(limits_bind_the_program_and_not_its_making),
        T(limits_that_make_no_sense_are_refused),
        T(a_limit_that_cannot_be_raised_is_named),
        T(the_oom_score_is_set_or_left_alone),
    };

    need_root();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
