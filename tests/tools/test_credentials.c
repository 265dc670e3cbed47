/* test_credentials — REG-10: whose credentials stand where, in the ways that programs write them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "tools/gantry/credentials.h"

/* ---- a home of our own ------------------------------------------------------------------ */

struct home {
    char path[64];
    char before[PATH_SIZE]; /* PATH */
    struct arena *arena;
};

static struct home home;

static int home_make(void **state)
{
    char text[PATH_SIZE];

    (void)state;
    snprintf(home.path, sizeof(home.path), "/tmp/gantry-test-home-XXXXXX");
    assert_non_null(mkdtemp(home.path));
    home.arena = arena_new();
    setenv("HOME", home.path, 1);
    unsetenv("DOCKER_CONFIG");
    unsetenv("REGISTRY_AUTH_FILE");
    unsetenv("XDG_CONFIG_HOME");
    snprintf(text, sizeof(text), "%s/run", home.path);
    setenv("XDG_RUNTIME_DIR", text, 1);
    snprintf(home.before, sizeof(home.before), "%s", getenv("PATH"));
    snprintf(text, sizeof(text), "%s:%.3000s", home.path, home.before);
    setenv("PATH", text, 1);
    return 0;
}

static int home_remove(void **state)
{
    struct error err;

    (void)state;
    setenv("PATH", home.before, 1);
    arena_drop(&home.arena);
    return fs_remove_tree(home.path, &err);
}

static const char *at_home(const char *name)
{
    return arena_printf(home.arena, "%s/%s", home.path, name);
}

static void write_file(const char *name, unsigned mode, const char *text)
{
    const char *path = at_home(name);
    char *folder = arena_str(home.arena, path);
    struct error err;

    *strrchr(folder, '/') = '\0';
    if (fs_folder_make_all(folder, 0755, &err) < 0 ||
        fs_write(path, text, strlen(text), mode, false, &err) < 0)
        fail_msg("%s", err.text);
}

static const char *read_file(const char *name)
{
    struct error err;
    size_t size;
    char *text = fs_read(at_home(name), 1 << 20, &size, &err), *kept;

    if (text == NULL)
        fail_msg("%s", err.text);
    kept = arena_str(home.arena, text);
    free(text);
    return kept;
}

/* A helper that keeps what it is told, one file for a server, and writes down what it was asked. */
#define HELPER                                                                                    \
    "#!/bin/sh\n"                                                                                 \
    "cd \"${0%/*}\"\n"                                                                            \
    "input=$(cat)\n"                                                                              \
    "echo \"$# $1 $input\" >>asked\n"                                                             \
    "case $1 in\n"                                                                                \
    "get) [ -e kept ] || { echo 'credentials not found in native keychain'; exit 1; }; cat kept " \
    ";;\n"                                                                                        \
    "store) printf '%s\\n' \"$input\" >kept ;;\n"                                                 \
    "erase) rm kept ;;\n"                                                                         \
    "esac\n"

#define DOCKER ".docker/config.json"

static struct credentials found(const char *host, const char *repository)
{
    struct credentials credentials;
    struct error err = { 0 };
    int known = credentials_find(host, repository, home.arena, &credentials, &err);

    if (known < 0)
        fail_msg("%s", err.text);
    if (known == 0)
        assert_null(credentials.source);
    return credentials;
}

static void assert_user(const char *host, const char *repository, const char *user,
                        const char *password)
{
    struct credentials credentials = found(host, repository);

    if (user == NULL) {
        assert_null(credentials.username);
        return;
    }
    if (credentials.username == NULL)
        fail_msg("%s/%s: nobody", host, repository);
    assert_string_equal(credentials.username, user);
    assert_string_equal(credentials.password, password);
}

static struct error refused(const char *host)
{
    struct credentials credentials;
    struct error err = { 0 };

    assert_int_equal(credentials_find(host, NULL, home.arena, &credentials, &err), -1);
    return err;
}

static void assert_says(const char *text, const char *what)
{
    if (strstr(text, what) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, what);
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

/* ---- keeping ---------------------------------------------------------------------------- */

static const char *keep(const char *host, const struct credentials *credentials, bool by_helper)
{
    struct error err = { 0 };
    const char *where;
    bool helper;

    if (credentials_keep(host, credentials, home.arena, &where, &helper, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(helper, by_helper);
    return where;
}

static int forget(const char *host)
{
    struct error err = { 0 };
    const char *where;
    int known = credentials_forget(host, home.arena, &where, &err);

    if (known < 0)
        fail_msg("%s", err.text);
    return known;
}

static void what_is_kept_is_the_users_alone_and_found_again(void **state)
{
    const struct credentials user = { .username = "me", .password = "s:e\xc3\xa4" };
    const struct credentials token = { .username = "me",
                                       .password = "x",
                                       .identity_token = "again" };
    struct stat info;

    (void)state;
    assert_int_equal(forget("a.example"), 0);
    assert_string_equal(keep("a.example", &user, false), at_home(DOCKER));
    assert_int_equal(stat(at_home(DOCKER), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(stat(at_home(".docker"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    assert_user("a.example", "x", "me", "s:e\xc3\xa4");
    keep("docker.io", &token, false);
    assert_string_equal(found("docker.io", "x").identity_token, "again");
    assert_string_equal(found("docker.io", "x").password, "");
    assert_says(read_file(DOCKER), "\"https://index.docker.io/v1/\"");
    assert_int_equal(forget("docker.io"), 1);
    assert_int_equal(forget("docker.io"), 0);
    assert_user("docker.io", "x", NULL, NULL);
    assert_user("a.example", "x", "me", "s:e\xc3\xa4");
}

static void what_else_stands_in_the_file_stays(void **state)
{
    const struct credentials user = { .username = "me", .password = "s" };
    struct stat info;

    (void)state;
    write_file("real.json", 0644,
               "{\"psFormat\": \"x\", \"auths\": {\"https://a.example/v1/\": {\"auth\": \"eDp5\"},"
               "\"a.example\": {\"auth\": \"eDp5\"}, \"b.example\": {\"auth\": \"eDp5\"}},"
               " \"proxies\": {\"default\": {\"httpProxy\": \"p\"}}}");
    write_file(".docker/other", 0600, "");
    assert_int_equal(symlink("../real.json", at_home(DOCKER)), 0);
    keep("a.example", &user, false);
    assert_int_equal(lstat(at_home(DOCKER), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(at_home("real.json"), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_says(read_file("real.json"), "\"psFormat\": \"x\"");
    assert_says(read_file("real.json"), "\"httpProxy\": \"p\"");
    assert_null(strstr(read_file("real.json"), "https://a.example"));
    assert_user("a.example", "x", "me", "s");
    assert_user("b.example", "x", "x", "y");
    assert_int_equal(forget("a.example"), 1);
    assert_user("a.example", "x", NULL, NULL);
    assert_user("b.example", "x", "x", "y");
}

static void reg_10_a_helper_keeps_and_forgets(void **state)
{
    const struct credentials user = { .username = "me", .password = "s\"\\" };
    const struct credentials token = { .username = "me", .identity_token = "again" };
    struct error err = { 0 };
    const char *where;
    bool helper;

    (void)state;
    write_file("docker-credential-box", 0755, HELPER);
    write_file(DOCKER, 0600, "{\"credHelpers\": {\"a.example\": \"box\"}}");
    assert_string_equal(keep("a.example", &user, true), "docker-credential-box");
    assert_user("a.example", "x", "me", "s\"\\");
    assert_null(strstr(read_file(DOCKER), "auth\""));
    assert_says(read_file(DOCKER), "\"a.example\": {}");
    keep("a.example", &token, true);
    assert_string_equal(found("a.example", "x").identity_token, "again");
    assert_string_equal(read_file("kept"), "{\"ServerURL\":\"a.example\",\"Username\":\"<token>\","
                                           "\"Secret\":\"again\"}\n");
    assert_int_equal(forget("a.example"), 1);
    assert_user("a.example", "x", NULL, NULL);

    write_file("docker-credential-box", 0755, "#!/bin/sh\necho full; exit 1\n");
    assert_int_equal(credentials_keep("a.example", &user, home.arena, &where, &helper, &err), -1);
    assert_says(err.text, "docker-credential-box, store a.example: it ended with status 1: full");
    assert_null(strstr(read_file(DOCKER), "a.example\": {}"));
}

static void hosts_that_are_kept_are_listed_once(void **state)
{
    static const char *const hosts[] = { "docker.io", "a.example:5000", "quay.io", "b.example" };
    struct error err = { 0 };
    struct strs list;

    (void)state;
    assert_int_equal(credentials_hosts(home.arena, &list, &err), 0);
    assert_int_equal(list.count, 0);
    write_file(DOCKER, 0600,
               "{\"auths\": {\"https://index.docker.io/v1/\": {}, \"a.example:5000\": {},"
               "\"quay.io/team\": {}, \"docker.io\": {}},"
               "\"credHelpers\": {\"Quay.io\": \"x\", \"b.example\": \"x\"}}");
    assert_int_equal(credentials_hosts(home.arena, &list, &err), 0);
    assert_int_equal(list.count, COUNT_OF(hosts));
    for (size_t i = 0; i < list.count; i++)
        assert_string_equal(list.items[i], hosts[i]);
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

/* ---- many at once ---------------------------------------------------------------------------- */

#define MANY 24

/* A process of its own: keeps one, forgets another; ends with 0. */
static pid_t change_aside(int number)
{
    const char *mine = arena_printf(home.arena, "new%d.example", number);
    const char *old = arena_printf(home.arena, "old%d.example", number), *where;
    const struct credentials user = { .username = mine, .password = "p" };
    struct error err;
    bool helper;
    pid_t child = fork();

    if (child != 0)
        return child;
    if (credentials_keep(mine, &user, home.arena, &where, &helper, &err) < 0 ||
        credentials_forget(old, home.arena, &where, &err) != 1) {
        fprintf(stderr, "%s\n", err.text);
        _exit(1);
    }
    _exit(0);
}

static void many_logins_and_logouts_at_once_lose_nothing(void **state)
{
    const char *text = "";
    pid_t children[MANY];

    (void)state;
    for (int i = 0; i < MANY; i++)
        text = arena_printf(home.arena, "%s\"old%d.example\": {\"auth\": \"eDp5\"}, ", text, i);
    write_file(DOCKER, 0600,
               arena_printf(home.arena, "{\"auths\": {%s\"stays.example\": {\"auth\": \"eDp5\"}}}",
                            text));
    for (int i = 0; i < MANY; i++)
        assert_true((children[i] = change_aside(i)) > 0);
    for (int i = 0; i < MANY; i++) {
        int status;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_user("stays.example", "x", "x", "y");
    for (int i = 0; i < MANY; i++) {
        const char *mine = arena_printf(home.arena, "new%d.example", i);

        assert_user(mine, "x", mine, "p");
        assert_user(arena_printf(home.arena, "old%d.example", i), "x", NULL, NULL);
    }
}

static void who_died_with_the_lock_holds_nobody_up(void **state)
{
    const struct credentials user = { .username = "u", .password = "p" };
    const char *where;
    struct error err;
    bool helper;

    (void)state;
    write_file(DOCKER ".lock", 0600, "1 somebody\n");
    assert_int_equal(credentials_keep("a.example", &user, home.arena, &where, &helper, &err), 0);
    assert_user("a.example", "x", "u", "p");
}

#define HOME_TEST(test) cmocka_unit_test_setup_teardown(test, home_make, home_remove)

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
        HOME_TEST(what_is_kept_is_the_users_alone_and_found_again),
        HOME_TEST(what_else_stands_in_the_file_stays),
        HOME_TEST(reg_10_a_helper_keeps_and_forgets),
        HOME_TEST(many_logins_and_logouts_at_once_lose_nothing),
        HOME_TEST(who_died_with_the_lock_holds_nobody_up),
        HOME_TEST(hosts_that_are_kept_are_listed_once),
        HOME_TEST(a_registry_is_named_as_in_references),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
