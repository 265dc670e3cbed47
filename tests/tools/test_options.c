/* run's and create's options as a request: environment, mounts, limits, security; and filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/gantry/command.h"
#include "tools/gantry/filters.h"
#include "tools/gantry/mounts.h"
#include "tools/gantry/options.h"

#define WORDS(...) ((char *[]){ __VA_ARGS__, NULL })

static struct arena *arena;
static struct error err;
static struct args args;
static struct containers_create_request request;
static struct container_options options;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    err = (struct error){ 0 };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static void parse(const char *name, char **words)
{
    const struct command *command = commands;
    int count = 0;

    while (words[count] != NULL)
        count++;
    while (strcmp(command->name, name) != 0)
        command++;
    if (args_parse(command, count, words, arena, &args, &err) < 0)
        fail_msg("%s", err.text);
}

static int options_of(char **words)
{
    parse("run", words);
    return options_of_args(&args, &request, &options, arena, &err);
}

static const struct mount *mount_at(size_t i)
{
    return (const struct mount *)options.mounts.items + i;
}

static void expect_options(const struct mount *mount, const char *expected)
{
    char joined[256] = "";

    for (size_t i = 0; i < mount->options.count; i++) {
        strcat(joined, i > 0 ? "," : "");
        strcat(joined, mount->options.items[i]);
    }
    assert_string_equal(joined, expected);
}

/* ---- what is left out and what is said ---------------------------------- */

static void nothing_said_is_nothing_sent(void **state)
{
    (void)state;
    assert_int_equal(options_of(WORDS("busybox")), 0);
    assert_string_equal(request.image, "busybox");
    assert_int_equal(options.args.count, 0);
    assert_false(options.has_memory || options.has_cpus || options.has_pids || options.has_tty ||
                 options.has_stdin || options.has_read_only || options.has_privileged ||
                 options.has_new_privileges || options.has_no_entrypoint || request.has_remove ||
                 options.has_memory_swap || options.has_stop_timeout || options.has_oom_score_adj);
    assert_null(options.network);
}

static void what_is_said_is_sent(void **state)
{
    (void)state;
    assert_int_equal(
        options_of(WORDS("--rm", "-it", "-m", "64m", "--memory-swap=-1", "--cpus=.5",
                         "--pids-limit=0", "--read-only", "--privileged", "-w", "/w", "-u", "1:2",
                         "-h", "box", "--network", "host", "--cap-add=ALL", "--cap-drop", "CHOWN",
                         "--cap-drop=KILL", "-l", "a=b", "-l", "c", "--annotation", "x.y=z",
                         "--sysctl", "net.a=1", "--oom-score-adj=-5", "--stop-signal", "INT",
                         "--stop-timeout=3", "--shm-size=1m", "--runtime", "crun",
                         "--platform=linux/arm64", "--add-host", "h:1.2.3.4", "--group-add=audio",
                         "--device", "/dev/null", "busybox", "ls", "-l")),
        0);
    assert_true(request.has_remove && request.remove);
    assert_true(options.tty && options.stdin && options.read_only && options.privileged);
    assert_int_equal(options.memory, 64 << 20);
    assert_int_equal(options.memory_swap, -1);
    assert_true(options.cpus == 0.5);
    assert_true(options.has_pids && options.pids == 0);
    assert_string_equal(options.cwd, "/w");
    assert_string_equal(options.user, "1:2");
    assert_string_equal(options.hostname, "box");
    assert_string_equal(options.network, "host");
    assert_int_equal(options.cap_add.count, 1);
    assert_int_equal(options.cap_drop.count, 2);
    assert_string_equal(map_get(&request.labels, "a"), "b");
    assert_string_equal(map_get(&request.labels, "c"), "");
    assert_string_equal(map_get(&options.annotations, "x.y"), "z");
    assert_string_equal(map_get(&options.sysctl, "net.a"), "1");
    assert_int_equal(options.oom_score_adj, -5);
    assert_string_equal(options.stop_signal, "INT");
    assert_int_equal(options.stop_timeout, 3);
    assert_int_equal(options.shm_size, 1 << 20);
    assert_string_equal(request.runtime, "crun");
    assert_string_equal(request.platform, "linux/arm64");
    assert_int_equal(options.args.count, 2);
    assert_string_equal(options.args.items[1], "-l");
}

static void an_empty_entrypoint_takes_the_images_away(void **state)
{
    (void)state;
    assert_int_equal(options_of(WORDS("--entrypoint", "", "i", "ls")), 0);
    assert_true(options.has_no_entrypoint && options.no_entrypoint);
    assert_int_equal(options_of(WORDS("--entrypoint", "/bin/sh", "i", "-c", "x")), 0);
    assert_false(options.has_no_entrypoint);
    assert_int_equal(options.entrypoint.count, 1);
    assert_string_equal(options.entrypoint.items[0], "/bin/sh");
    assert_int_equal(options.args.count, 2);
}

static void refused(char **words, enum error_code code, const char *part)
{
    err = (struct error){ 0 };
    assert_int_equal(options_of(words), -1);
    assert_int_equal(err.code, code);
    if (strstr(err.text, part) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, part);
}

static void what_makes_no_sense_is_refused_by_name(void **state)
{
    (void)state;
    refused(WORDS("--network", "bridge", "i"), ERROR_UNIMPLEMENTED, "bridge");
    refused(WORDS("--cpus", "0", "i"), ERROR_INVALID_ARGUMENT, "--cpus");
    refused(WORDS("--memory", "much", "i"), ERROR_INVALID_ARGUMENT, "much");
    refused(WORDS("--sysctl", "a", "i"), ERROR_INVALID_ARGUMENT, "KEY=VALUE");
    refused(WORDS("--annotation", "=a", "i"), ERROR_INVALID_ARGUMENT, "=a");
    refused(WORDS("-e", "=x", "i"), ERROR_INVALID_ARGUMENT, "=x");
    refused(WORDS("--env-file", "/nonexistent/file", "i"), ERROR_NOT_FOUND, "/nonexistent/file");
    refused(WORDS("--security-opt", "apparmor=x", "i"), ERROR_UNIMPLEMENTED, "apparmor=x");
    refused(WORDS("--security-opt", "seccomp=/nonexistent", "i"), ERROR_NOT_FOUND, "/nonexistent");
    refused(WORDS("--ulimit", "nofile", "i"), ERROR_INVALID_ARGUMENT, "nofile");
    refused(WORDS("--ulimit", "nofile=9:3", "i"), ERROR_INVALID_ARGUMENT, "above");
    refused(WORDS("--ulimit", "nofile=x", "i"), ERROR_INVALID_ARGUMENT, "nofile=x");
}

static void resource_limits_have_names_and_two_values(void **state)
{
    const struct rlimit *limits;

    (void)state;
    assert_int_equal(options_of(WORDS("--ulimit", "nofile=1024:4096", "--ulimit=core=-1", "i")), 0);
    limits = options.rlimits.items;
    assert_int_equal(options.rlimits.count, 2);
    assert_string_equal(limits[0].type, "RLIMIT_NOFILE");
    assert_int_equal(limits[0].soft, 1024);
    assert_int_equal(limits[0].hard, 4096);
    assert_string_equal(limits[1].type, "RLIMIT_CORE");
    assert_true(limits[1].soft == UINT64_MAX && limits[1].hard == UINT64_MAX);
}

static void security_options_are_understood(void **state)
{
    (void)state;
    assert_int_equal(options_of(WORDS("--security-opt", "no-new-privileges",
                                      "--security-opt=seccomp=unconfined", "i")),
                     0);
    assert_true(options.has_new_privileges && !options.new_privileges);
    assert_string_equal(options.seccomp, "unconfined");
    assert_int_equal(options_of(WORDS("--security-opt", "no-new-privileges:false", "i")), 0);
    assert_true(options.has_new_privileges && options.new_privileges);
}

/* ---- environment -------------------------------------------------------- */

static void variables_come_from_files_words_and_ourselves(void **state)
{
    char path[] = "/tmp/gantry-env-XXXXXX", file[64];
    static const char text[] = "# a comment\n\nA=1\nB=2 3\r\nOURS\n  C=x=y\nMISSING_HERE";
    int fd = mkstemp(path);

    (void)state;
    assert_int_equal(write(fd, text, strlen(text)), (int)strlen(text));
    close(fd);
    setenv("OURS", "yes", 1);
    unsetenv("MISSING_HERE");
    snprintf(file, sizeof(file), "--env-file=%s", path);
    assert_int_equal(options_of(WORDS("-e", "A=9", "-e", "OURS", "-e", "MISSING_HERE", file, "i")),
                     0);
    assert_int_equal(options.env.count, 6);
    assert_string_equal(options.env.items[0], "A=1");
    assert_string_equal(options.env.items[1], "B=2 3");
    assert_string_equal(options.env.items[2], "OURS=yes");
    assert_string_equal(options.env.items[3], "C=x=y");
    assert_string_equal(options.env.items[4], "A=9"); /* later wins: words over files */
    assert_string_equal(options.env.items[5], "OURS=yes");
    unlink(path);
}

/* ---- mounts ------------------------------------------------------------- */

static void a_path_before_the_colon_is_a_bind(void **state)
{
    (void)state;
    assert_int_equal(
        options_of(WORDS("-v", "/a:/b", "-v/c:/d:ro", "--volume=/e:/f:rslave,ro,z", "i")), 0);
    assert_int_equal(options.mounts.count, 3);
    assert_string_equal(mount_at(0)->type, "bind");
    assert_string_equal(mount_at(0)->source, "/a");
    assert_string_equal(mount_at(0)->target, "/b");
    expect_options(mount_at(0), "rbind,rprivate");
    expect_options(mount_at(1), "rbind,ro,rprivate");
    expect_options(mount_at(2), "rbind,rslave,ro,z");
}

static void a_name_before_the_colon_is_a_volume(void **state)
{
    (void)state;
    assert_int_equal(
        options_of(WORDS("-v", "data:/data", "-v", "D.1_x-y:/b:ro,nocopy", "-v", "x:/c:rw,Z", "i")),
        0);
    assert_int_equal(options.mounts.count, 3);
    assert_string_equal(mount_at(0)->type, "volume");
    assert_string_equal(mount_at(0)->source, "data");
    assert_string_equal(mount_at(0)->target, "/data");
    expect_options(mount_at(0), "");
    assert_string_equal(mount_at(1)->source, "D.1_x-y");
    expect_options(mount_at(1), "ro,nocopy");
    expect_options(mount_at(2), "Z");
}

static void a_path_alone_is_an_anonymous_volume(void **state)
{
    (void)state;
    assert_int_equal(options_of(WORDS("-v", "/data", "i")), 0);
    assert_string_equal(mount_at(0)->type, "volume");
    assert_null(mount_at(0)->source);
    assert_string_equal(mount_at(0)->target, "/data");
}

static void wrong_volumes_are_refused(void **state)
{
    (void)state;
    refused(WORDS("-v", "/a:b", "i"), ERROR_INVALID_ARGUMENT, "absolute");
    refused(WORDS("-v", "/a:/", "i"), ERROR_INVALID_ARGUMENT, "cannot be /");
    refused(WORDS("-v", "/a:///", "i"), ERROR_INVALID_ARGUMENT, "cannot be /");
    refused(WORDS("-v", "/a:/b:rw:x", "i"), ERROR_INVALID_ARGUMENT, "more than");
    refused(WORDS("-v", "/a:/b:suid", "i"), ERROR_INVALID_ARGUMENT, "suid");
    refused(WORDS("-v", "/a:/b:nocopy", "i"), ERROR_INVALID_ARGUMENT, "for volumes");
    refused(WORDS("-v", "/a:", "i"), ERROR_INVALID_ARGUMENT, "absolute");
    refused(WORDS("-v", "data", "i"), ERROR_INVALID_ARGUMENT, "absolute");
    refused(WORDS("-v", "", "i"), ERROR_INVALID_ARGUMENT, "absolute");
    refused(WORDS("-v", "/", "i"), ERROR_INVALID_ARGUMENT, "cannot be /");
    refused(WORDS("-v", ":/data", "i"), ERROR_INVALID_ARGUMENT, "volume name");
    refused(WORDS("-v", "data:/", "i"), ERROR_INVALID_ARGUMENT, "cannot be /");
    refused(WORDS("-v", "data:data", "i"), ERROR_INVALID_ARGUMENT, "absolute");
    refused(WORDS("-v", "./x:/data", "i"), ERROR_INVALID_ARGUMENT, "relative");
    refused(WORDS("-v", "~/x:/data", "i"), ERROR_INVALID_ARGUMENT, "relative");
    refused(WORDS("-v", "a/b:/data", "i"), ERROR_INVALID_ARGUMENT, "volume name 'a/b'");
    refused(WORDS("-v", "-a:/data", "i"), ERROR_INVALID_ARGUMENT, "volume name");
    refused(WORDS("-v", "data:/data:rslave", "i"), ERROR_INVALID_ARGUMENT, "for binds");
    refused(WORDS("-v", "data:/data:suid", "i"), ERROR_INVALID_ARGUMENT, "suid");
}

static void volumes_are_written_in_fields(void **state)
{
    (void)state;
    assert_int_equal(options_of(WORDS("--mount", "type=volume,source=a,target=/b,readonly",
                                      "--mount", "src=c,dst=/d,volume-nocopy", "--mount",
                                      "type=volume,target=/e,volume-driver=local", "i")),
                     0);
    assert_string_equal(mount_at(0)->type, "volume");
    assert_string_equal(mount_at(0)->source, "a");
    expect_options(mount_at(0), "ro");
    assert_string_equal(mount_at(1)->type, "volume");
    expect_options(mount_at(1), "nocopy");
    assert_null(mount_at(2)->source);
    refused(WORDS("--mount", "source=/a,target=/b", "i"), ERROR_INVALID_ARGUMENT, "volume name");
    refused(WORDS("--mount", "source=a", "i"), ERROR_INVALID_ARGUMENT, "target");
    refused(WORDS("--mount", "source=a,target=/b,tmpfs-size=1", "i"), ERROR_INVALID_ARGUMENT,
            "type=tmpfs");
    refused(WORDS("--mount", "source=a,target=/b,bind-propagation=rslave", "i"),
            ERROR_INVALID_ARGUMENT, "type=bind");
    refused(WORDS("--mount", "source=a,target=/b,volume-driver=nfs", "i"), ERROR_INVALID_ARGUMENT,
            "local");
    refused(WORDS("--mount", "source=a,target=/b,volume-opt=x=y", "i"), ERROR_INVALID_ARGUMENT,
            "volume-opt");
    refused(WORDS("--mount", "type=bind,source=a,target=/b", "i"), ERROR_INVALID_ARGUMENT,
            "absolute path");
    refused(WORDS("--mount", "type=bind,source=/a,target=/b,volume-nocopy", "i"),
            ERROR_INVALID_ARGUMENT, "type=volume");
    refused(WORDS("--mount", "type=tmpfs,target=/b,volume-nocopy", "i"), ERROR_INVALID_ARGUMENT,
            "type=volume");
}

static void mounts_are_written_in_fields(void **state)
{
    (void)state;
    assert_int_equal(
        options_of(
            WORDS("--mount", "type=bind,source=/a,target=/b,readonly,bind-propagation=rshared",
                  "--mount=type=bind,src=/a,dst=/c,ro=false,bind-nonrecursive=true", "--mount",
                  "type=tmpfs,destination=/t,tmpfs-size=64m,tmpfs-mode=1777", "i")),
        0);
    expect_options(mount_at(0), "rbind,ro,rshared");
    expect_options(mount_at(1), "bind,rprivate");
    assert_string_equal(mount_at(2)->type, "tmpfs");
    assert_string_equal(mount_at(2)->target, "/t");
    expect_options(mount_at(2), "noexec,nosuid,nodev,size=67108864,mode=1777");
    refused(WORDS("--mount", "type=bind,source=/a", "i"), ERROR_INVALID_ARGUMENT, "target");
    refused(WORDS("--mount", "type=bind,source=/a,target=/b,bind-propagation=all", "i"),
            ERROR_INVALID_ARGUMENT, "all");
    refused(WORDS("--mount", "type=bind,source=/a,target=/b,colour=red", "i"),
            ERROR_INVALID_ARGUMENT, "colour");
    refused(WORDS("--mount", "type=tmpfs,source=/a,target=/b", "i"), ERROR_INVALID_ARGUMENT,
            "source");
    refused(WORDS("--mount", "type=tmpfs,target=/b,tmpfs-mode=9", "i"), ERROR_INVALID_ARGUMENT,
            "octal");
    refused(WORDS("--mount", "type=npipe,source=/a,target=/b", "i"), ERROR_INVALID_ARGUMENT,
            "type");
}

static void tmpfs_mounts_are_safe_unless_said(void **state)
{
    (void)state;
    assert_int_equal(options_of(WORDS("--tmpfs", "/run", "--tmpfs=/x:exec,size=1k,uid=5", "i")), 0);
    expect_options(mount_at(0), "noexec,nosuid,nodev");
    assert_string_equal(mount_at(1)->target, "/x");
    expect_options(mount_at(1), "nodev,nosuid,size=1024,uid=5");
    refused(WORDS("--tmpfs", "run", "i"), ERROR_INVALID_ARGUMENT, "absolute");
    refused(WORDS("--tmpfs", "/a:bind", "i"), ERROR_INVALID_ARGUMENT, "bind");
}

/* ---- filters ------------------------------------------------------------ */

static void expect_filters(char **words, const char *const *expected, size_t count)
{
    struct strs filters;

    parse("ps", words);
    assert_int_equal(filters_of_args(&args, filter_container_keys, &filters, arena, &err), 0);
    assert_int_equal(filters.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(filters.items[i], expected[i]);
}

#define FILTERS(words, ...)                                \
    expect_filters(words, (const char *[]){ __VA_ARGS__ }, \
                   sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *))

static void filters_speak_the_protocols_language(void **state)
{
    (void)state;
    expect_filters(WORDS("-a"), NULL, 0);
    FILTERS(WORDS("-f", "name=web"), "name~=\"web\"");
    FILTERS(WORDS("-f", "name=a.b"), "name~=\"a\\\\.b\"");
    FILTERS(WORDS("-f", "label=a"), "labels.\"a\"~=\".*\"");
    FILTERS(WORDS("-f", "label=a=b c"), "labels.\"a\"==\"b c\"");
    FILTERS(WORDS("-f", "id~=^ab,name==x"), "id~=^ab,name==x");
    FILTERS(WORDS("-f", "status=a\"b"), "status==\"a\\\"b\"");
}

static void filters_of_one_key_are_alternatives(void **state)
{
    (void)state;
    FILTERS(WORDS("-f", "status=exited", "-f", "status=created", "-f", "name=x"),
            "status==\"exited\",name~=\"x\"", "status==\"created\",name~=\"x\"");
    FILTERS(WORDS("-f", "label=a", "-f", "label=b"), "labels.\"a\"~=\".*\",labels.\"b\"~=\".*\"");
}

static void unknown_filters_are_refused(void **state)
{
    struct strs filters;

    (void)state;
    parse("ps", WORDS("-f", "colour=red"));
    assert_int_equal(filters_of_args(&args, filter_container_keys, &filters, arena, &err), -1);
    assert_non_null(strstr(err.text, "colour=red"));
    assert_non_null(strstr(err.text, "status"));
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(nothing_said_is_nothing_sent),
        T(what_is_said_is_sent),
        T(an_empty_entrypoint_takes_the_images_away),
        T(what_makes_no_sense_is_refused_by_name),
        T(resource_limits_have_names_and_two_values),
        T(security_options_are_understood),
        T(variables_come_from_files_words_and_ourselves),
        T(a_path_before_the_colon_is_a_bind),
        T(a_name_before_the_colon_is_a_volume),
        T(a_path_alone_is_an_anonymous_volume),
        T(volumes_are_written_in_fields),
        T(wrong_volumes_are_refused),
        T(mounts_are_written_in_fields),
        T(tmpfs_mounts_are_safe_unless_said),
        T(filters_speak_the_protocols_language),
        T(filters_of_one_key_are_alternatives),
        T(unknown_filters_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
