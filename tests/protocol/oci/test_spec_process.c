/* The process of a spec: command, environment, privileges, limits; and additional processes. */
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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(the_images_entrypoint_and_command_are_run),
        TEST(a_container_without_a_command_is_refused),
        TEST(text_that_json_cannot_carry_is_refused),
        TEST(the_environment_is_the_images_then_defaults_then_the_users),
        TEST(a_users_environment_needs_keys_and_values),
        TEST(hundreds_of_thousands_of_entries_are_quick),
        TEST(the_working_directory_is_absolute_and_inside),
        TEST(root_has_fourteen_capabilities_and_others_only_their_bound),
        TEST(capabilities_are_added_and_dropped_as_in_docker),
        TEST(what_the_host_lacks_is_left_out_unless_it_was_asked_for),
        TEST(programs_may_gain_privileges_unless_it_is_forbidden),
        TEST(descriptors_are_limited_as_far_as_the_host_can),
        TEST(a_limit_that_was_asked_for_is_given_or_refused),
        TEST(the_daemons_oom_score_is_not_inherited),
        TEST(an_additional_process_is_the_containers_with_changes),
        TEST(a_bad_request_for_a_process_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
