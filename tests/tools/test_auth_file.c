/* test_auth_file — REG-10: what is kept in a file of credentials or by a helper, listed and
   forgotten again, also by many at once. */
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/tools/home_fixture.h"

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
    write_file(
        DOCKER, 0600,
        arena_printf(home.arena, "{\"auths\": {%s\"stays.example\": {\"auth\": \"eDp5\"}}}", text));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOME_TEST(what_is_kept_is_the_users_alone_and_found_again),
        HOME_TEST(what_else_stands_in_the_file_stays),
        HOME_TEST(reg_10_a_helper_keeps_and_forgets),
        HOME_TEST(many_logins_and_logouts_at_once_lose_nothing),
        HOME_TEST(who_died_with_the_lock_holds_nobody_up),
        HOME_TEST(hosts_that_are_kept_are_listed_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
