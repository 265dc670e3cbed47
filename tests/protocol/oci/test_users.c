/* Names of hostile passwd and group files turned into numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/oci/users.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "# a comment:x:7:7::/:\n"
                             "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
                             "app:x:1000:1001:App,,,:/home/app:/bin/sh\n"
                             "app:x:0:0:second of the name:/evil:/bin/sh\n"
                             "1234:x:0:0:a name of digits:/root:/bin/sh\n"
                             "short:x:5:6\n"
                             "negative:x:-1:0::/:\n"
                             "wraps:x:4294967296:0::/:\n"
                             "large:x:2147483648:0::/:\n"
                             "largest:x:2147483647:2147483647::/h:\n"
                             "badgroup:x:77:4294967296::/:\n"
                             "relative:x:9:9::home:\n"
                             "crlf:x:10:11::/crlf:/bin/sh\r\n"
                             "noend:x:12:13::/noend";
static const char group[] = "root:x:0:\n"
                            "bin:x:2:root,daemon\n"
                            "adm:x:4:daemon,root\n"
                            "staff:x:50:app,root\n"
                            "again:x:50:app\n"
                            "wheel:x:10:xapp,appx,app\n"
                            "evil:x:4294967296:app\n"
                            "minus:x:-1:app\n"
                            "app:x:1001:app\n"
                            "nogid:x\n"
                            "largegroup:x:2147483648:\n"
                            "video:x:44";

struct fixture {
    struct arena *arena;
    struct user_files files;
    struct user_ids ids;
    struct error err;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->arena = arena_new();
    fixture->files.passwd = (struct bin){ passwd, sizeof(passwd) - 1 };
    fixture->files.group = (struct bin){ group, sizeof(group) - 1 };
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

static int resolve(struct fixture *fixture, const char *text)
{
    return users_resolve(text, &fixture->files, NULL, fixture->arena, &fixture->ids, &fixture->err);
}

static void is(struct fixture *fixture, const char *text, uint32_t uid, uint32_t gid,
               const char *gids, const char *home)
{
    char found[200] = "";

    if (resolve(fixture, text) < 0)
        fail_msg("%s: %s", text, fixture->err.text);
    assert_int_equal(fixture->ids.uid, uid);
    assert_int_equal(fixture->ids.gid, gid);
    assert_string_equal(fixture->ids.home, home);
    for (size_t i = 0; i < fixture->ids.gid_count; i++)
        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%u", i ? " " : "",
                 fixture->ids.gids[i]);
    assert_string_equal(found, gids);
}

static void fails(struct fixture *fixture, const char *text, enum error_code code, const char *says)
{
    assert_int_equal(resolve(fixture, text), -1);
    assert_int_equal(fixture->err.code, code);
    if (strstr(fixture->err.text, says) == NULL)
        fail_msg("'%s' does not say '%s'", fixture->err.text, says);
}

static void every_form_leads_to_numbers(void **state)
{
    struct fixture *fixture = *state;

    is(fixture, "app", 1000, 1001, "1001 10 50", "/home/app");
    is(fixture, "1000", 1000, 1001, "1001 10 50", "/home/app");
    is(fixture, "app:staff", 1000, 50, "50", "/home/app");
    is(fixture, "app:7", 1000, 7, "7", "/home/app");
    is(fixture, "1000:video", 1000, 44, "44", "/home/app");
    is(fixture, "4711:4712", 4711, 4712, "4712", "/");
    is(fixture, "4711", 4711, 0, "0", "/");
    is(fixture, "app:", 1000, 1001, "1001 10 50", "/home/app");
    is(fixture, "", 0, 0, "0 2 4 50", "/root");
    is(fixture, NULL, 0, 0, "0 2 4 50", "/root");
    is(fixture, "root", 0, 0, "0 2 4 50", "/root");
    is(fixture, "noend", 12, 13, "13", "/noend");
}

static void groups_of_the_file_count_only_where_none_is_given(void **state)
{
    struct fixture *fixture = *state;

    is(fixture, "daemon", 1, 1, "1 2 4", "/usr/sbin");
    is(fixture, "daemon:bin", 1, 2, "2", "/usr/sbin");
    is(fixture, "1:1", 1, 1, "1", "/usr/sbin");
}

static void cve_2023_25173_the_primary_group_is_among_the_supplementary_ones(void **state)
{
    struct fixture *fixture = *state;

    is(fixture, "short", 5, 6, "6", "/");
    is(fixture, "0:0", 0, 0, "0", "/root");
}

static void digits_are_never_a_name(void **state)
{
    struct fixture *fixture = *state;

    is(fixture, "1234", 1234, 0, "0", "/");
}

static void cve_2024_40635_ids_stop_at_two_to_the_thirty_one(void **state)
{
    struct fixture *fixture = *state;

    is(fixture, "2147483647:2147483647", 2147483647, 2147483647, "2147483647", "/h");
    is(fixture, "largest", 2147483647, 2147483647, "2147483647", "/h");
    fails(fixture, "2147483648", ERROR_INVALID_ARGUMENT, "2147483648");
    fails(fixture, "4294967296", ERROR_INVALID_ARGUMENT, "0 to 2147483647");
    fails(fixture, "18446744073709551616", ERROR_INVALID_ARGUMENT, "0 to 2147483647");
    fails(fixture, "99999999999999999999999999999999", ERROR_INVALID_ARGUMENT, "0 to 2147483647");
    fails(fixture, "0:2147483648", ERROR_INVALID_ARGUMENT, "group '2147483648'");
    fails(fixture, "wraps", ERROR_INVALID_ARGUMENT, "4294967296");
    fails(fixture, "large", ERROR_INVALID_ARGUMENT, "2147483648");
    fails(fixture, "negative", ERROR_INVALID_ARGUMENT, "-1");
    fails(fixture, "badgroup", ERROR_INVALID_ARGUMENT, "4294967296");
    fails(fixture, "app:largegroup", ERROR_INVALID_ARGUMENT, "2147483648");
}

static void a_missing_name_is_named_and_the_way_out_is_said(void **state)
{
    struct fixture *fixture = *state;

    fails(fixture, "nobody", ERROR_NOT_FOUND, "'nobody': not in the image's /etc/passwd; use");
    fails(fixture, "-1", ERROR_NOT_FOUND, "'-1'");
    fails(fixture, "app:nogroup", ERROR_NOT_FOUND, "'nogroup': not in the image's /etc/group");
    fails(fixture, "app:nogid", ERROR_NOT_FOUND, "nogid");
    fails(fixture, "APP", ERROR_NOT_FOUND, "APP");
    fails(fixture, "app ", ERROR_NOT_FOUND, "app ");
    fails(fixture, "app:staff:x", ERROR_INVALID_ARGUMENT, "app:staff:x");
    fails(fixture, ":staff", ERROR_INVALID_ARGUMENT, ":staff");
    fails(fixture, ":", ERROR_INVALID_ARGUMENT, "':'");
    fails(fixture, "\033[31mred", ERROR_NOT_FOUND, "?[31mred");
}

static void an_image_without_files_has_numbers_only(void **state)
{
    struct fixture *fixture = *state;

    fixture->files = (struct user_files){ 0 };
    is(fixture, "", 0, 0, "0", "/");
    is(fixture, "7:8", 7, 8, "8", "/");
    fails(fixture, "app", ERROR_NOT_FOUND, "no /etc/passwd; use a number");
    fails(fixture, "7:staff", ERROR_NOT_FOUND, "no /etc/group; use a number");
    fixture->files.passwd = (struct bin){ "", 0 };
    fails(fixture, "app", ERROR_NOT_FOUND, "not in the image's /etc/passwd");
}

static void a_home_that_is_no_path_is_the_root(void **state)
{
    struct fixture *fixture = *state;

    is(fixture, "relative", 9, 9, "9", "/");
    is(fixture, "crlf", 10, 11, "11", "/crlf");
    fixture->files.passwd = (struct bin){ "a:x:1:1::/\xff\xfe:\n", 14 };
    is(fixture, "a", 1, 1, "1", "/");
}

static void lines_with_a_nul_are_not_there(void **state)
{
    static const char with_nul[] = "app\0x:x:0:0::/:\nx:x:1:\0:0::/:\napp:x:3:3::/three:/bin/sh\n";
    struct fixture *fixture = *state;

    fixture->files.passwd = (struct bin){ with_nul, sizeof(with_nul) - 1 };
    fixture->files.group = (struct bin){ "g:x:0\0:app\ng:x:9:app", 20 };
    is(fixture, "app", 3, 3, "3 9", "/three");
    fails(fixture, "x", ERROR_NOT_FOUND, "'x'");
    is(fixture, "3:g", 3, 9, "9", "/three");
}

static void group_add_takes_names_and_numbers(void **state)
{
    struct fixture *fixture = *state;
    const char *names[] = { "video", "4", "staff", "1001" };
    struct strs add = { 4, names };

    assert_int_equal(users_resolve("app:app", &fixture->files, &add, fixture->arena, &fixture->ids,
                                   &fixture->err),
                     0);
    assert_int_equal(fixture->ids.gid_count, 4);
    assert_int_equal(fixture->ids.gids[0], 1001);
    assert_int_equal(fixture->ids.gids[1], 4);
    assert_int_equal(fixture->ids.gids[2], 44);
    assert_int_equal(fixture->ids.gids[3], 50);
    names[1] = "nope";
    assert_int_equal(
        users_resolve("app", &fixture->files, &add, fixture->arena, &fixture->ids, &fixture->err),
        -1);
    assert_non_null(strstr(fixture->err.text, "group_add: group 'nope'"));
    names[1] = "";
    assert_int_equal(
        users_resolve("app", &fixture->files, &add, fixture->arena, &fixture->ids, &fixture->err),
        -1);
    add.count = USERS_ADD_MAX + 1; /* refused before any is read */
    assert_int_equal(
        users_resolve("app", &fixture->files, &add, fixture->arena, &fixture->ids, &fixture->err),
        -1);
    assert_int_equal(fixture->err.code, ERROR_RESOURCE_EXHAUSTED);
}

static void cve_2026_47262_ten_thousand_groups_are_the_most(void **state)
{
    struct fixture *fixture = *state;
    struct buffer text = { 0 };
    char line[40];

    for (int i = 0; i < USERS_GROUPS_MAX; i++) {
        snprintf(line, sizeof(line), "g%d:x:%d:app\n", i, 20000 + i);
        buffer_add(&text, line, strlen(line));
    }
    fixture->files.group = (struct bin){ text.data, text.size };
    assert_int_equal(resolve(fixture, "app"), 0);
    assert_int_equal(fixture->ids.gid_count, USERS_GROUPS_MAX + 1);
    buffer_add(&text, "more:x:7:app\n", 13);
    fixture->files.group = (struct bin){ text.data, text.size };
    fails(fixture, "app", ERROR_RESOURCE_EXHAUSTED, "10000");
    is(fixture, "app:more", 1000, 7, "7", "/home/app");
    buffer_free(&text);
}

static void cve_2026_47262_a_file_over_the_limit_is_refused(void **state)
{
    struct fixture *fixture = *state;

    fixture->files.group.size = USERS_FILE_MAX + 1; /* not read */
    fails(fixture, "0", ERROR_RESOURCE_EXHAUSTED, "/etc/group");
    fixture->files.passwd.size = USERS_FILE_MAX + 1;
    fails(fixture, "0", ERROR_RESOURCE_EXHAUSTED, "/etc/passwd");
}

/* One line as large as the file may be, of separators: cost stays linear. */
static void an_overlong_line_is_read_once(void **state)
{
    struct fixture *fixture = *state;
    char *text = malloc(USERS_FILE_MAX);

    memset(text, ',', USERS_FILE_MAX);
    memcpy(text, "g:x:5:", 6);
    fixture->files.group = (struct bin){ text, USERS_FILE_MAX };
    is(fixture, "app", 1000, 1001, "1001", "/home/app");
    memset(text, ':', USERS_FILE_MAX);
    fixture->files.passwd = (struct bin){ text, USERS_FILE_MAX };
    fails(fixture, "app", ERROR_NOT_FOUND, "app");
    memset(text, '\n', USERS_FILE_MAX);
    fails(fixture, "app", ERROR_NOT_FOUND, "app");
    free(text);
}

/* Whatever bytes the files hold, the answer is numbers in range or an error. */
static void random_files_never_lead_out_of_range(void **state)
{
    static const char letters[] = "ap:,0123456789\n\n::x#\r\0-";
    struct fixture *fixture = *state;
    unsigned seed = 42;
    char text[2][200];

    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof(text); i++)
            ((char *)text)[i] = letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)];
        fixture->files.passwd = (struct bin){ text[0], sizeof(text[0]) };
        fixture->files.group = (struct bin){ text[1], sizeof(text[1]) };
        if (resolve(fixture, round % 3 ? "a" : "a:p") < 0)
            continue;
        assert_true(fixture->ids.uid <= USERS_ID_MAX && fixture->ids.gid <= USERS_ID_MAX);
        assert_int_equal(fixture->ids.home[0], '/');
        for (size_t i = 0; i < fixture->ids.gid_count; i++)
            assert_true(fixture->ids.gids[i] <= USERS_ID_MAX);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(every_form_leads_to_numbers),
        TEST(groups_of_the_file_count_only_where_none_is_given),
        TEST(cve_2023_25173_the_primary_group_is_among_the_supplementary_ones),
        TEST(digits_are_never_a_name),
        TEST(cve_2024_40635_ids_stop_at_two_to_the_thirty_one),
        TEST(a_missing_name_is_named_and_the_way_out_is_said),
        TEST(an_image_without_files_has_numbers_only),
        TEST(a_home_that_is_no_path_is_the_root),
        TEST(lines_with_a_nul_are_not_there),
        TEST(group_add_takes_names_and_numbers),
        TEST(cve_2026_47262_ten_thousand_groups_are_the_most),
        TEST(cve_2026_47262_a_file_over_the_limit_is_refused),
        TEST(an_overlong_line_is_read_once),
        TEST(random_files_never_lead_out_of_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
