/* Host names, and the files that hold them. */
#include "tests/protocol/oci/spec_fixture.h"

#include "protocol/oci/hosts.h"

static void a_containers_name_is_what_was_wanted_or_its_ids_beginning(void **state)
{
    static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct fixture *fixture = *state;
    char name[HOSTNAME_SIZE];

    assert_int_equal(hostname_choose("web-1.example", NULL, id, name, &fixture->err), 0);
    assert_string_equal(name, "web-1.example");
    assert_int_equal(hostname_choose(NULL, NULL, id, name, &fixture->err), 0);
    assert_string_equal(name, "0123456789ab");
    assert_int_equal(hostname_choose("", "host", id, name, &fixture->err), 0);
    assert_string_equal(name, "host");
    assert_int_equal(hostname_choose(NULL, "(none)", "c1", name, &fixture->err), 0);
    assert_string_equal(name, "c1");
    assert_int_equal(hostname_choose(NULL, NULL, "0123456789a-b", name, &fixture->err), 0);
    assert_string_equal(name, "0123456789a");
}

static void what_is_no_host_name_is_refused(void **state)
{
    static const char *const bad[] = {
        "-a",       "a-",
        "a b",      "a\nb",
        ".a",       "a.",
        "a..b",     "a/b",
        "\xc3\xa4", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    };
    struct fixture *fixture = *state;
    char name[HOSTNAME_SIZE];

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(hostname_choose(bad[i], NULL, "c1", name, &fixture->err), -1);
        assert_int_equal(fixture->err.code, ERROR_INVALID_ARGUMENT);
    }
    assert_int_equal(hostname_choose(bad[9] + 1, NULL, "c1", name, &fixture->err), 0);
    assert_int_equal(strlen(name), 64);
}

static int hosts(struct fixture *fixture, const struct bin *of_host, const char *entry)
{
    const struct strs entries = { 1, &entry };
    int failed;

    fixture->text.size = 0;
    failed =
        hosts_text("web", of_host, entry == NULL ? NULL : &entries, &fixture->text, &fixture->err);
    buffer_add(&fixture->text, "", 1);
    return failed;
}

static void the_hosts_file_knows_localhost_and_the_container(void **state)
{
    struct fixture *fixture = *state;
    struct bin of_host = { "10.1.1.1 router", 15 };

    assert_int_equal(hosts(fixture, NULL, NULL), 0);
    assert_non_null(strstr(fixture->text.data, "127.0.0.1\tlocalhost\n::1\tlocalhost "));
    assert_non_null(strstr(fixture->text.data, "\n127.0.0.1\tweb\n"));
    assert_int_equal(hosts(fixture, &of_host, "db:10.0.0.2"), 0);
    assert_string_equal(fixture->text.data, "10.1.1.1 router\n127.0.0.1\tweb\n10.0.0.2\tdb\n");
    fixture->text.size = 0;
    hostname_text("web", &fixture->text);
    assert_memory_equal(fixture->text.data, "web\n", 4);
}

static void entries_have_a_name_and_an_address(void **state)
{
    static const char *const good[] = { "a:1.2.3.4",
                                        "a.b-c_d:255.255.255.255",
                                        "a:::1",
                                        "a:::",
                                        "a:[::1]",
                                        "a:fe80::1:2",
                                        "a:1:2:3:4:5:6:7:8",
                                        "a:::ffff:1.2.3.4",
                                        "a:1:2:3:4:5:6:1.2.3.4",
                                        "a:2001:DB8::" };
    static const char *const bad[] = {
        "a",
        "",
        ":1.2.3.4",
        "a:",
        "a:b",
        "a b:1.2.3.4",
        "a\nb:1.2.3.4",
        "a:1.2.3",
        "a:1.2.3.4.5",
        "a:256.1.1.1",
        "a:01.2.3.4",
        "a:1.2.3.4\n",
        "a:1.2.3.4 b",
        "a:1:2",
        "a:1:::2",
        "a:::1::",
        "a::::",
        "a:12345::",
        "a:g::",
        "a:1:2:3:4:5:6:7:8:9",
        "a:fe80::1%eth0",
        "a:[1.2.3",
        "a:host-gateway",
        "a:1:2:3:4:5:6:7::8:9",
        "a:::1:",
        "a:1.2.3.4:5",
        "-a:1.2.3.4",
        "a:::1.2.3.4.5",
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        if (hosts(fixture, NULL, good[i]) < 0)
            fail_msg("%s: %s", good[i], fixture->err.text);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (hosts(fixture, NULL, bad[i]) == 0)
            fail_msg("'%s' was not refused", bad[i]);
        assert_int_equal(fixture->err.code, ERROR_INVALID_ARGUMENT);
        assert_non_null(strstr(fixture->err.text, "add_host '"));
    }
    assert_int_equal(hosts(fixture, NULL, "a:[::1]"), 0);
    assert_non_null(strstr(fixture->text.data, "\n::1\ta\n"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_containers_name_is_what_was_wanted_or_its_ids_beginning),
        TEST(what_is_no_host_name_is_refused),
        TEST(the_hosts_file_knows_localhost_and_the_container),
        TEST(entries_have_a_name_and_an_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
