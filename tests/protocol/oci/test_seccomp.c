/* The default seccomp profile covers the kernel's list; users' profiles are judged. */
#include "tests/protocol/oci/spec_fixture.h"

#include "protocol/oci/seccomp.h"

#define NONE    CAPABILITIES_NONE
#define DEFAULT CAPABILITIES_DEFAULT

/* What a profile answers to a call, arguments aside. */
enum answer { UNNAMED, ALLOWED, REFUSED, DEPENDS };

static enum answer answer(json_t *profile, const char *call)
{
    enum answer found = UNNAMED;
    json_t *rule;
    size_t i;

    json_array_foreach (at(profile, "syscalls"), i, rule) {
        bool allows = strcmp(text_at(rule, "action"), "SCMP_ACT_ALLOW") == 0;

        if (!has_word(at(rule, "names"), call))
            continue;
        if (at(rule, "args") != NULL) {
            found = DEPENDS;
            continue;
        }
        if (found != UNNAMED)
            fail_msg("%s: two rules without arguments", call);
        found = allows ? ALLOWED : REFUSED;
        if (!allows)
            assert_int_equal(json_integer_value(at(rule, "errnoRet")), 1);
    }
    return found;
}

static enum answer default_answer(uint64_t caps, const char *call)
{
    json_t *profile = seccomp_default("amd64", caps);
    enum answer found = answer(profile, call);

    json_decref(profile);
    return found;
}

/* Calls that are numbers only: the kernel answers ENOSYS to them. */
static bool is_not_implemented(const char *call)
{
    static const char *const calls[] = {
        "afs_syscall",
        "break",
        "create_module",
        "epoll_ctl_old",
        "epoll_wait_old",
        "ftime",
        "get_kernel_syms",
        "getpmsg",
        "gtty",
        "idle",
        "lock",
        "mpx",
        "prof",
        "profil",
        "putpmsg",
        "query_module",
        "security",
        "stty",
        "tuxcall",
        "ulimit",
        "vserver",
        "syscalls",
        "arch_specific_syscall",
        "fstatat",
        "llseek", /* names of headers, not of calls */
    };

    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
        if (strcmp(calls[i], call) == 0)
            return true;
    return false;
}

/* Every __NR_ name of a header must be decided upon; returns how many there were. */
static size_t header_is_covered(const char *path)
{
    json_t *profile = seccomp_default("amd64", DEFAULT);
    FILE *header = fopen(path, "r");
    char line[200], call[100];
    size_t count = 0;

    while (header != NULL && fgets(line, sizeof(line), header) != NULL) {
        if (sscanf(line, "#define __NR_%99s", call) != 1 &&
            sscanf(line, "#define __NR3264_%99s", call) != 1)
            continue;
        if (answer(profile, call) == UNNAMED && !is_not_implemented(call) &&
            strcmp(call, "clone3") != 0)
            fail_msg("%s of %s is neither allowed nor refused", call, path);
        count++;
    }
    if (header != NULL)
        fclose(header);
    json_decref(profile);
    return count;
}

static void every_call_of_the_kernel_is_decided_upon(void **state)
{
    (void)state;
    if (header_is_covered("/usr/include/x86_64-linux-gnu/asm/unistd_64.h") +
            header_is_covered("/usr/include/x86_64-linux-gnu/asm/unistd_32.h") +
            header_is_covered("/usr/include/asm-generic/unistd.h") ==
        0) {
        print_message("skipped: the kernel's headers are not installed\n");
        skip();
    }
}

static void the_newest_calls_are_named(void **state)
{
    static const char *const newest[] = {
        "cachestat",         "fchmodat2",         "map_shadow_stack", "futex_wake",
        "futex_wait",        "futex_requeue",     "statmount",        "listmount",
        "lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules", "mseal",
        "setxattrat",        "getxattrat",        "listxattrat",      "removexattrat",
        "file_getattr",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(newest) / sizeof(*newest); i++)
        assert_int_equal(default_answer(NONE, newest[i]), ALLOWED);
    assert_int_equal(default_answer(NONE, "open_tree_attr"), REFUSED);
}

static void what_is_not_named_is_answered_enosys(void **state)
{
    json_t *profile = seccomp_default("amd64", DEFAULT);

    (void)state;
    assert_string_equal(text_at(profile, "defaultAction"), "SCMP_ACT_ERRNO");
    assert_int_equal(json_integer_value(at(profile, "defaultErrnoRet")), 38);
    assert_int_equal(answer(profile, "clone3"), UNNAMED);
    assert_int_equal(answer(profile, "a_call_of_next_year"), UNNAMED);
    json_decref(profile);
}

static void what_is_the_hosts_is_refused(void **state)
{
    static const char *const refused_calls[] = { "io_uring_setup", "io_uring_enter",   "keyctl",
                                                 "add_key",        "swapon",           "kexec_load",
                                                 "userfaultfd",    "io_uring_register" };

    (void)state;
    for (size_t i = 0; i < sizeof(refused_calls) / sizeof(*refused_calls); i++)
        assert_int_equal(default_answer(CAPABILITIES_ALL, refused_calls[i]), REFUSED);
}

static void capabilities_open_the_calls_that_they_cover(void **state)
{
    static const struct {
        uint64_t cap;
        const char *call;
    } pairs[] = {
        { CAP_SET(SYS_ADMIN), "mount" },
        { CAP_SET(SYS_ADMIN), "unshare" },
        { CAP_SET(SYS_ADMIN), "setns" },
        { CAP_SET(SYS_ADMIN), "bpf" },
        { CAP_SET(BPF), "bpf" },
        { CAP_SET(PERFMON), "perf_event_open" },
        { CAP_SET(SYS_MODULE), "init_module" },
        { CAP_SET(SYS_TIME), "settimeofday" },
        { CAP_SET(SYS_TTY_CONFIG), "vhangup" },
        { CAP_SET(SYS_CHROOT), "chroot" },
        { CAP_SET(SYS_BOOT), "reboot" },
        { CAP_SET(DAC_READ_SEARCH), "open_by_handle_at" },
        { CAP_SET(SYS_NICE), "mbind" },
        { CAP_SET(SYS_PACCT), "acct" },
        { CAP_SET(SYSLOG), "syslog" },
        { CAP_SET(SYS_PTRACE), "kcmp" },
        { CAP_SET(SYS_RAWIO), "iopl" },
        { CAP_SET(SYS_ADMIN), "fsopen" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        assert_int_equal(default_answer(NONE, pairs[i].call), REFUSED);
        assert_int_equal(default_answer(pairs[i].cap, pairs[i].call), ALLOWED);
    }
    assert_int_equal(default_answer(DEFAULT, "clone"), DEPENDS);
    assert_int_equal(default_answer(CAP_SET(SYS_ADMIN), "clone"), ALLOWED);
    assert_int_equal(default_answer(CAP_SET(SYS_ADMIN), "clone3"), ALLOWED);
    assert_int_equal(default_answer(CAPABILITIES_ALL, "socket"), DEPENDS);
    assert_int_equal(default_answer(CAPABILITIES_ALL, "personality"), DEPENDS);
}

/* Would the rules for clone, taken in any order, let these flags pass? */
static bool clone_passes(json_t *profile, json_int_t flags)
{
    int allows = 0, refuses = 0;
    json_t *rule;
    size_t i;

    json_array_foreach (at(profile, "syscalls"), i, rule) {
        json_int_t mask = json_integer_value(at(rule, "args.0.value"));

        if (!has_word(at(rule, "names"), "clone"))
            continue;
        assert_string_equal(text_at(rule, "args.0.op"), "SCMP_CMP_MASKED_EQ");
        if ((flags & mask) != json_integer_value(at(rule, "args.0.valueTwo")))
            continue;
        if (strcmp(text_at(rule, "action"), "SCMP_ACT_ALLOW") == 0)
            allows++;
        else
            refuses++;
    }
    assert_true(allows == 0 || refuses == 0); /* no rule contradicts another */
    assert_true(allows + refuses > 0);
    return allows > 0;
}

static void processes_are_made_but_no_namespaces(void **state)
{
    json_t *profile = seccomp_default("amd64", DEFAULT);

    (void)state;
    assert_true(clone_passes(profile, 17));
    assert_true(clone_passes(profile, 0x3d0f00)); /* a thread of libc */
    assert_false(clone_passes(profile, 0x10000011));
    assert_false(clone_passes(profile, 0x00020000));
    assert_false(clone_passes(profile, 0x7e020000 | 17));
    json_decref(profile);
    profile = seccomp_default("s390x", DEFAULT);
    assert_int_equal(
        json_integer_value(at(json_array_get(at(profile, "syscalls"), 2), "args.0.index")), 1);
    json_decref(profile);
}

static void each_machine_has_its_architectures(void **state)
{
    json_t *profile = seccomp_default("amd64", NONE);

    (void)state;
    assert_string_equal(words_at(profile, "architectures"), "SCMP_ARCH_X86_64 SCMP_ARCH_X86");
    json_decref(profile);
    profile = seccomp_default("arm64", NONE);
    assert_string_equal(words_at(profile, "architectures"), "SCMP_ARCH_AARCH64 SCMP_ARCH_ARM");
    json_decref(profile);
    assert_null(seccomp_default("pdp11", NONE));
}

/* ---- users' profiles ------------------------------------------------------------------------ */

static json_t *profile_of(struct fixture *fixture, const char *text)
{
    json_t *profile = seccomp_profile(text, "amd64", DEFAULT, &fixture->err);

    if (profile == NULL)
        fail_msg("%s: %s", text, fixture->err.text);
    return profile;
}

static void a_profile_of_dockers_form_is_filtered_for_the_container(void **state)
{
    struct fixture *fixture = *state;
    json_t *profile = profile_of(
        fixture,
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,\"archMap\":["
        "{\"architecture\":\"SCMP_ARCH_AARCH64\",\"subArchitectures\":[\"SCMP_ARCH_ARM\"]},"
        "{\"architecture\":\"SCMP_ARCH_X86_64\",\"subArchitectures\":[\"SCMP_ARCH_X86\"]}],"
        "\"syscalls\":["
        "{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[],\"comment\":\"\","
        "\"includes\":{},\"excludes\":{}},"
        "{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_SYS_"
        "ADMIN\"]}},"
        "{\"names\":[\"chroot\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_SYS_"
        "CHROOT\"]}},"
        "{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":"
        "2114060288,"
        "\"op\":\"SCMP_CMP_MASKED_EQ\"}],\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"],\"arches\":["
        "\"s390\"]}},"
        "{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"caps\":[\"CAP_KILL\"]}"
        "},"
        "{\"names\":[\"arm_x\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"arches\":[\"arm\"]}},"
        "{\"name\":\"write\",\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"arches\":[\"amd64\"]}}]"
        "}");

    assert_string_equal(words_at(profile, "architectures"), "SCMP_ARCH_X86_64 SCMP_ARCH_X86");
    assert_int_equal(json_array_size(at(profile, "syscalls")), 4);
    assert_int_equal(answer(profile, "read"), ALLOWED);
    assert_int_equal(answer(profile, "mount"), UNNAMED);
    assert_int_equal(answer(profile, "chroot"), ALLOWED);
    assert_int_equal(answer(profile, "clone"), DEPENDS);
    assert_int_equal(answer(profile, "kill"), UNNAMED);
    assert_int_equal(answer(profile, "write"), ALLOWED);
    assert_null(at(profile, "archMap"));
    assert_null(at(profile, "syscalls.0.includes"));
    json_decref(profile);
}

static void a_profile_of_the_specs_form_goes_as_it_is(void **state)
{
    static const char text[] =
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86_64\"],"
        "\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"],\"syscalls\":[{\"names\":[\"mkdir\",\"mkdirat\"],"
        "\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":13}]}";
    struct fixture *fixture = *state;
    json_t *profile = profile_of(fixture, text), *same = json_loads(text, 0, NULL);

    assert_true(json_equal(profile, same));
    json_decref(profile);
    json_decref(same);
}

static void a_profile_that_is_not_understood_is_refused(void **state)
{
#define RULE(rule) "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[" rule "]}"
    static const char *const bad[] = {
        "",
        "x",
        "[]",
        "{}",
        "/etc/seccomp.json",
        "{\"defaultAction\":\"ALLOW\"}",
        "{\"defaultAction\":5}",
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":-1}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":5}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[5]}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":5}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":\"x\"}",
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultAction\":\"SCMP_ACT_LOG\"}",
        RULE("5"),
        RULE("{}"),
        RULE("{\"names\":[],\"action\":\"SCMP_ACT_ERRNO\"}"),
        RULE("{\"names\":[\"x\"]}"),
        RULE("{\"names\":[\"x\"],\"action\":\"NO\"}"),
        RULE("{\"names\":[\"\"],\"action\":\"SCMP_ACT_ERRNO\"}"),
        RULE("{\"names\":[\"x\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":\"EPERM\"}"),
        RULE("{\"names\":[\"x\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":5}"),
        RULE("{\"names\":[\"x\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":6,\"value\":1,"
             "\"op\":\"SCMP_CMP_EQ\"}]}"),
        RULE("{\"names\":[\"x\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":0,\"value\":1,"
             "\"op\":\"EQ\"}]}"),
        RULE("{\"names\":[\"x\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":0,\"op\":"
             "\"SCMP_CMP_EQ\"}]}"),
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (seccomp_profile(bad[i], "amd64", DEFAULT, &fixture->err) != NULL)
            fail_msg("'%s' was not refused", bad[i]);
        assert_int_equal(fixture->err.code, ERROR_INVALID_ARGUMENT);
        assert_non_null(strstr(fixture->err.text, "seccomp"));
    }
    assert_null(
        seccomp_profile("{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "amd64", 0, &fixture->err));
    assert_int_equal(fixture->err.code, ERROR_UNIMPLEMENTED);
    assert_null(seccomp_profile("{\"defaultAction\":\"SCMP_ACT_LOG\",\"listenerPath\":\"/x\"}",
                                "amd64", 0, &fixture->err));
    assert_int_equal(fixture->err.code, ERROR_UNIMPLEMENTED);
}

static void the_option_chooses_the_profile(void **state)
{
    struct fixture *fixture = *state;

    assert_non_null(at(built(fixture), "linux.seccomp.defaultErrnoRet"));
    fixture->options.seccomp = "unconfined";
    assert_null(at(built(fixture), "linux.seccomp"));
    fixture->options.seccomp = "{\"defaultAction\":\"SCMP_ACT_LOG\"}";
    assert_string_equal(text_at(built(fixture), "linux.seccomp.defaultAction"), "SCMP_ACT_LOG");
    fixture->options.privileged = true;
    assert_string_equal(text_at(built(fixture), "linux.seccomp.defaultAction"), "SCMP_ACT_LOG");
    fixture->options.privileged = false;
    fixture->options.seccomp = "profile.json";
    refused(fixture, ERROR_INVALID_ARGUMENT, "say unconfined, or a profile as JSON");
    fixture->options.seccomp = NULL;
    fixture->host.arch = "pdp11";
    refused(fixture, ERROR_UNIMPLEMENTED, "say seccomp unconfined");
}

static void a_deep_or_large_profile_takes_no_memory(void **state)
{
    struct fixture *fixture = *state;
    char *text = malloc(SECCOMP_PROFILE_MAX + 2);

    memset(text, '[', SECCOMP_PROFILE_MAX + 1);
    text[SECCOMP_PROFILE_MAX + 1] = '\0';
    assert_null(seccomp_profile(text, "amd64", 0, &fixture->err));
    assert_non_null(strstr(fixture->err.text, "1048576 at most"));
    text[SECCOMP_PROFILE_MAX] = '\0';
    assert_null(seccomp_profile(text, "amd64", 0, &fixture->err));
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(every_call_of_the_kernel_is_decided_upon),
        TEST(the_newest_calls_are_named),
        TEST(what_is_not_named_is_answered_enosys),
        TEST(what_is_the_hosts_is_refused),
        TEST(capabilities_open_the_calls_that_they_cover),
        TEST(processes_are_made_but_no_namespaces),
        TEST(each_machine_has_its_architectures),
        TEST(a_profile_of_dockers_form_is_filtered_for_the_container),
        TEST(a_profile_of_the_specs_form_goes_as_it_is),
        TEST(a_profile_that_is_not_understood_is_refused),
        TEST(the_option_chooses_the_profile),
        TEST(a_deep_or_large_profile_takes_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
