/* test_credentials — REG-10: whose credentials stand where, in the ways that programs write them.
   What is kept and forgotten: test_auth_file.c. */
#include "tests/tools/home_fixture.h"

static struct error refused(const char *host)
{
    struct credentials credentials;
    struct error err = { 0 };

    assert_int_equal(credentials_find(host, NULL, home.arena, &credentials, &err), -1);
    return err;
}

/* ---- files ------------------------------------------------------------------------------ */

static void reg_10_keys_are_read_in_all_their_ways(void **state)
{
    (void)state;
    assert_user("docker.io", "library/busybox", NULL, NULL);
    write_file(DOCKER, 0600,
               "{\"auths\": {"
               "\"https://index.docker.io/v1/\": {\"auth\": \"aHViOnNlY3JldA==\"}," /* hub:secret */
               "\"Registry.Example\": {\"auth\": \"YTpiOmM=\"},"                    /* a:b:c */
               "\"https://old.example/v2/\": {\"auth\": \"b2xkOnAA\"},"             /* old:p\0 */
               "\"http://path.example/some/where\": {\"auth\": \"cDpx\"},"          /* p:q */
               "\"localhost:5000\": {\"username\": \"plain\", \"password\": \"word\"},"
               "\"empty.example\": {},"
               "\"\": {\"auth\": \"cDpx\"},"
               "\"token.example\": {\"auth\": \"dTo=\", \"identitytoken\": \"again\"},"
               "\"bearer.example\": {\"registrytoken\": \"now\"}}}");
    assert_user("docker.io", "library/busybox", "hub", "secret");
    assert_user("registry-1.docker.io", "library/busybox", "hub", "secret");
    assert_user("registry.example", "a", "a", "b:c");
    assert_user("old.example", "a", "old", "p");
    assert_user("path.example", "other", "p", "q");
    assert_user("localhost:5000", "a", "plain", "word");
    assert_user("localhost:5001", "a", NULL, NULL);
    assert_user("localhost", "a", NULL, NULL);
    assert_user("empty.example", "a", NULL, NULL);
    assert_user("other.example", "a", NULL, NULL);
    assert_string_equal(found("token.example", "a").identity_token, "again");
    assert_string_equal(found("token.example", "a").username, "u");
    assert_string_equal(found("bearer.example", "a").registry_token, "now");
}

static void reg_10_the_longest_path_counts(void **state)
{
    (void)state;
    write_file("run/containers/auth.json", 0600,
               "{\"auths\": {\"quay.io\": {\"auth\": \"aG9zdDo=\"},"
               "\"quay.io/team\": {\"auth\": \"dGVhbTo=\"},"
               "\"docker.io/team/app\": {\"auth\": \"YXBwOg==\"},"
               "\"quay.io/team/app\": {\"auth\": \"YXBwOg==\"}}}");
    assert_user("quay.io", "other", "host", "");
    assert_user("quay.io", "team/other", "team", "");
    assert_user("quay.io", "team/app", "app", "");
    assert_user("quay.io", "team/app/below", "app", "");
    assert_user("quay.io", "team/apple", "team", "");
    assert_user("quay.io", NULL, "host", "");
    assert_user("docker.io", "team/app", "app", "");
    assert_user("docker.io", "team/other", NULL, NULL);
}

static void reg_10_files_are_read_in_their_order(void **state)
{
    static const char *const files[] = { ".config/containers/auth.json", "run/containers/auth.json",
                                         DOCKER, "elsewhere/auth.json" };
    static const char *const users[] = { "MTo=", "Mjo=", "Mzo=", "NDo=" };

    (void)state;
    setenv("REGISTRY_AUTH_FILE", at_home("elsewhere/auth.json"), 1);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char user[2] = { (char)('1' + i), '\0' };

        write_file(
            files[i], 0600,
            arena_printf(home.arena, "{\"auths\": {\"a.example\": {\"auth\": \"%s\"}}}", users[i]));
        assert_user("a.example", "x", user, "");
        assert_string_equal(found("a.example", "x").source, at_home(files[i]));
    }
    setenv("DOCKER_CONFIG", at_home("other"), 1);
    unsetenv("REGISTRY_AUTH_FILE");
    assert_user("a.example", "x", "2", "");
    write_file("other/config.json", 0600, "{\"auths\": {\"a.example\": {\"auth\": \"NTo=\"}}}");
    assert_user("a.example", "x", "5", "");
    unsetenv("DOCKER_CONFIG");
    unsetenv("HOME"); /* somebody without one */
    assert_user("a.example", "x", "2", "");
    setenv("HOME", home.path, 1);
}

static void files_that_are_none_are_named(void **state)
{
    static const char *const texts[] = {
        "{",
        "[]",
        "{\"auths\": []}",
        "{\"auths\": {\"a.example\": 1}}",
        "{\"auths\": {\"a.example\": {\"auth\": \"!\"}}}",
        "{\"auths\": {\"a.example\": {\"auth\": \"bm90aGluZw==\"}}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct error err;

        write_file(DOCKER, 0600, texts[i]);
        err = refused("a.example");
        assert_int_equal(err.code, ERROR_DATA_LOSS);
        assert_says(err.text, at_home(DOCKER));
        assert_says(err.hint, "repair");
    }
    write_file(DOCKER, 0600, " \n");
    assert_user("a.example", "x", NULL, NULL);
}

/* ---- helpers ------------------------------------------------------------------------------ */

static void reg_10_a_helper_is_asked_as_docker_asks_it(void **state)
{
    struct credentials one;

    (void)state;
    write_file("docker-credential-box", 0755, HELPER);
    write_file(DOCKER, 0600,
               "{\"credsStore\": \"box\", \"auths\": {\"a.example\": {\"auth\": \"eDp5\"}}}");
    assert_user("a.example", "x", "x", "y"); /* the helper does not know it, the file does */
    write_file("kept", 0600, "{\"ServerURL\":\"a.example\",\"Username\":\"me\",\"Secret\":\"s\"}");
    assert_user("a.example", "x", "me", "s");
    assert_string_equal(found("a.example", "x").source, "docker-credential-box");
    found("docker.io", "library/x");
    assert_string_equal(read_file("asked"), "1 get a.example\n1 get a.example\n1 get a.example\n"
                                            "1 get https://index.docker.io/v1/\n");
    write_file("kept", 0600, "{\"Username\":\"<token>\",\"Secret\":\"again\"}");
    one = found("a.example", "x");
    assert_null(one.username);
    assert_string_equal(one.identity_token, "again");
    write_file("kept", 0600, "{\"Username\":\"\",\"Secret\":\"\"}");
    assert_user("a.example", "x", "x", "y");
}

static void reg_10_a_helper_for_one_host_comes_first(void **state)
{
    (void)state;
    write_file("docker-credential-box", 0755, HELPER);
    write_file("docker-credential-one", 0755,
               "#!/bin/sh\necho '{\"Username\":\"one\",\"Secret\":\"1\"}'\n");
    write_file("kept", 0600, "{\"Username\":\"all\",\"Secret\":\"a\"}");
    write_file(DOCKER, 0600,
               "{\"credsStore\": \"box\", \"credHelpers\": {\"https://one.example\": \"one\"}}");
    assert_user("one.example", "x", "one", "1");
    assert_user("two.example", "x", "all", "a");
}

static void reg_10_helpers_that_misbehave_are_named(void **state)
{
    static const struct {
        const char *script, *says;
        enum error_code code;
    } helpers[] = {
        { "#!/bin/sh\nprintf 'the keyring is locked\\033[31m\\n'; exit 3\n",
          "ended with status 3: the keyring is locked", ERROR_UNKNOWN },
        { "#!/bin/sh\nkill -9 $$\n", "was killed by signal 9", ERROR_UNKNOWN },
        { "#!/bin/sh\necho my-secret\n", "something else than", ERROR_DATA_LOSS },
        { "#!/bin/sh\necho '{\"Secret\": \"my-secret\"}'\n", "something else than",
          ERROR_DATA_LOSS },
        { "#!/bin/sh\necho '{\"Username\": 1, \"Secret\": \"my-secret\"}'\n", "something else than",
          ERROR_DATA_LOSS },
        { "#!/bin/sh\nexec yes my-secret\n", "more than", ERROR_RESOURCE_EXHAUSTED },
        { "#!/bin/sh\nexec <&-; echo nothing\n", "something else than", ERROR_DATA_LOSS },
    };

    (void)state;
    write_file(DOCKER, 0600, "{\"credHelpers\": {\"a.example\": \"box\"}}");
    for (size_t i = 0; i < COUNT_OF(helpers); i++) {
        struct error err;

        write_file("docker-credential-box", 0755, helpers[i].script);
        err = refused("a.example");
        assert_says(err.text, "docker-credential-box, get a.example");
        assert_says(err.text, helpers[i].says);
        assert_int_equal(err.code, helpers[i].code);
        assert_says(err.hint, at_home(DOCKER));
        assert_null(strstr(err.text, "my-secret"));
        assert_null(strchr(err.text, '\033'));
    }
}

static void reg_10_a_helper_that_is_not_there_is_named(void **state)
{
    static const char *const names[] = { "missing", "../box", "a b", "" };

    (void)state;
    write_file("docker-credential-box", 0755, HELPER);
    for (size_t i = 0; i + 1 < COUNT_OF(names); i++) {
        struct error err;

        write_file(DOCKER, 0600, arena_printf(home.arena, "{\"credsStore\": \"%s\"}", names[i]));
        err = refused("a.example");
        assert_says(err.text, names[i]);
        assert_says(err.hint, "take it out of");
    }
    write_file(DOCKER, 0600, "{\"credsStore\": \"\"}");
    assert_user("a.example", "x", NULL, NULL);
}

static void reg_10_a_helper_that_hangs_is_given_up(void **state)
{
    int64_t begin = clock_monotonic();
    struct error err;

    (void)state;
    write_file("docker-credential-box", 0755, "#!/bin/sh\nexec sleep 1000\n");
    write_file(DOCKER, 0600, "{\"credsStore\": \"box\"}");
    err = refused("a.example");
    assert_int_equal(err.code, ERROR_DEADLINE_EXCEEDED);
    assert_says(err.text, "docker-credential-box, get a.example: it does not answer within 10 s");
    assert_in_range((clock_monotonic() - begin) / 1000000000, 9, 30);
}

static void what_a_helper_leaves_behind_is_not_waited_for(void **state)
{
    int64_t begin = clock_monotonic();

    (void)state;
    write_file(
        "docker-credential-box", 0755,
        "#!/bin/sh\nsleep 9 2>/dev/null &\necho '{\"Username\":\"one\",\"Secret\":\"1\"}'\n");
    write_file(DOCKER, 0600, "{\"credsStore\": \"box\"}");
    assert_user("a.example", "x", "one", "1");
    assert_in_range((clock_monotonic() - begin) / 1000000000, 0, 5);
}

/* ---- hosts -------------------------------------------------------------------------------- */

static void a_registry_is_named_as_in_references(void **state)
{
    static const char *const names[][2] = {
        { "docker.io", "docker.io" },
        { "index.docker.io", "docker.io" },
        { "registry-1.docker.io", "docker.io" },
        { "https://index.docker.io/v1/", "docker.io" },
        { "Registry.Example:5000", "registry.example:5000" },
        { "http://localhost/", "localhost" },
        { "[::1]:5000", "[::1]:5000" },
    };
    static const char *const wrong[] = { "", "registry", "a b.c", "user@host.example", "a\n.b" };
    const char *host;
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (credentials_host(names[i][0], home.arena, &host, &err) < 0)
            fail_msg("%s", err.text);
        assert_string_equal(host, names[i][1]);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_int_equal(credentials_host(wrong[i], home.arena, &host, &err), -1);
        assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
        assert_says(err.text, "is no registry");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_TEST(reg_10_keys_are_read_in_all_their_ways),
        HOME_TEST(reg_10_the_longest_path_counts),
        HOME_TEST(reg_10_files_are_read_in_their_order),
        HOME_TEST(files_that_are_none_are_named),
        HOME_TEST(reg_10_a_helper_is_asked_as_docker_asks_it),
        HOME_TEST(reg_10_a_helper_for_one_host_comes_first),
        HOME_TEST(reg_10_helpers_that_misbehave_are_named),
        HOME_TEST(reg_10_a_helper_that_is_not_there_is_named),
        HOME_TEST(reg_10_a_helper_that_hangs_is_given_up),
        HOME_TEST(what_a_helper_leaves_behind_is_not_waited_for),
        HOME_TEST(a_registry_is_named_as_in_references),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
