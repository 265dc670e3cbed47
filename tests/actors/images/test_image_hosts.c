/* test_image_hosts — hosts.toml and folders of certificates: what they mean, and what they cannot
 * say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actors/images/hosts.h"
#include "actors/images/hosts_file.h"
#include "platform/platform.h"
#include "platform/scope.h"

static char root[] = "/tmp/gantry-test-hosts-XXXXXX";
static struct arena *arena;
static struct host_list hosts;
static struct error err;

static int set_up(void **state)
{
    (void)state;
    strcpy(root + strlen(root) - 6, "XXXXXX");
    assert_non_null(mkdtemp(root));
    arena = arena_new();
    memset(&err, 0, sizeof(err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_drop(&arena);
    return fs_remove_tree(root, &err);
}

static void put(const char *name, const char *text)
{
    char path[PATH_SIZE], folder[PATH_SIZE];

    assert_int_equal(path_format(path, &err, "%s/%s", root, name), 0);
    strcpy(folder, path);
    *strrchr(folder, '/') = '\0';
    if (fs_folder_make_all(folder, 0755, &err) < 0 ||
        fs_write(path, text, strlen(text), 0644, false, &err) < 0)
        fail_msg("%s", err.text);
}

static int find_in(const char *folders, const char *registry)
{
    const char *list[] = { folders, NULL }, *plain[] = { "plain.test", NULL };
    const struct images_config config = { .hosts = list, .plain_http = plain };

    err = (struct error){ 0 };
    return hosts_find(&config, registry, arena, &hosts, &err);
}

static void must_find(const char *registry, size_t count)
{
    if (find_in(root, registry) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(hosts.count, count);
}

static void assert_url(size_t index, const char *url)
{
    assert_string_equal(host_url(&hosts.items[index], arena), url);
}

static int parse(const char *text, size_t size)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%s/hosts.toml", root);
    err = (struct error){ 0 };
    return hosts_file_parse(path, text, size, arena, &hosts, &err);
}

/* ---- who ---------------------------------------------------------------------------------- */

static void reg_20_without_a_word_a_registry_is_its_own_host(void **state)
{
    (void)state;
    must_find("quay.io", 1);
    assert_url(0, "https://quay.io/v2");
    assert_string_equal(hosts.items[0].origin, "default");
    assert_int_equal(hosts.items[0].capabilities, HOST_ALL);
    assert_false(hosts.items[0].mirror);
    must_find("docker.io", 1);
    assert_url(0, "https://registry-1.docker.io/v2");
    assert_false(hosts.items[0].mirror);
    must_find("localhost:5000", 1);
    assert_url(0, "http://localhost:5000/v2");
    must_find("plain.test", 1);
    assert_url(0, "http://plain.test/v2");
}

static void reg_20_the_order_of_the_file_counts_and_the_server_is_last(void **state)
{
    (void)state;
    put("quay.io/hosts.toml",
        "[host.\"https://zebra.test\"]\n[host.\"http://ant.test:5000/a//b/\"]\n"
        "[host.\"mule.test\"]\n");
    must_find("quay.io", 4);
    assert_url(0, "https://zebra.test/v2");
    assert_url(1, "http://ant.test:5000/a/b/v2");
    assert_url(2, "https://mule.test/v2");
    assert_url(3, "https://quay.io/v2");
    assert_true(hosts.items[0].mirror && hosts.items[1].mirror && hosts.items[2].mirror);
    assert_false(hosts.items[3].mirror);
}

static void reg_20_hub_under_either_name_is_hub(void **state)
{
    (void)state;
    put("docker.io/hosts.toml", "server = \"https://registry-1.docker.io\"\n"
                                "[host.\"https://Docker.IO:443\"]\n");
    must_find("docker.io", 2);
    assert_false(hosts.items[0].mirror || hosts.items[1].mirror);
    assert_url(0, "https://registry-1.docker.io/v2");
}

static void the_usual_port_makes_no_other_registry_of_it(void **state)
{
    (void)state;
    put("r.test_443_/hosts.toml",
        "[host.\"https://r.test:443\"]\n[host.\"https://r.test:4430\"]\n");
    must_find("r.test:443", 3);
    assert_false(hosts.items[0].mirror || hosts.items[2].mirror);
    assert_true(hosts.items[1].mirror);
}

static void reg_20_the_first_folder_that_speaks_of_it_counts(void **state)
{
    char both[2 * sizeof(root) + 8];

    (void)state;
    put("a/r.test:5000/hosts.toml", "server = \"https://second.test\"\n");
    put("a/_default/hosts.toml", "server = \"https://default.test\"\n");
    put("b/r.test/hosts.toml", "server = \"https://other.test\"\n");
    snprintf(both, sizeof(both), "%s/a:%s/b", root, root);
    assert_int_equal(find_in(both, "r.test:5000"), 0);
    assert_url(0, "https://second.test/v2");
    put("a/r.test_5000_/hosts.toml", "server = \"https://first.test\"\n");
    assert_int_equal(find_in(both, "r.test:5000"), 0);
    assert_url(0, "https://first.test/v2");
    assert_int_equal(find_in(both, "r.test"), 0);
    assert_url(0, "https://default.test/v2");
    assert_int_equal(find_in(both + strlen(root) + 3, "r.test"), 0);
    assert_url(0, "https://other.test/v2");
}

static void an_address_of_the_sixth_protocol_is_a_name_too(void **state)
{
    (void)state;
    put("[::1]:5000/hosts.toml", "[host.\"http://[fd00::1]:5000\"]\n");
    must_find("[::1]:5000", 2);
    assert_url(0, "http://[fd00::1]:5000/v2");
    must_find("[::1]", 1);
}

static void reg_20_a_name_never_leads_out_of_the_folder(void **state)
{
    static const char *const names[] = { "..", ".", "../a", "a/b", "", "_default", ".hidden" };

    (void)state;
    put("inside/_default/hosts.toml", "");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(find_in(root, names[i]), -1);
        assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
    }
}

/* ---- certificates ------------------------------------------------------------------------- */

static void dockers_folder_means_tls_on_this_machine_too(void **state)
{
    (void)state;
    put("localhost:5000/ca.crt", "x");
    put("localhost:5000/me.cert", "x");
    put("localhost:5000/me.key", "x");
    put("localhost:5000/readme", "x");
    must_find("localhost:5000", 1);
    assert_url(0, "https://localhost:5000/v2");
    assert_int_equal(hosts.items[0].ca_files.count, 1);
    assert_int_equal(hosts.items[0].client_certs.count, 1);
    assert_non_null(strstr(hosts.items[0].client_keys.items[0], "/localhost:5000/me.key"));
    put("localhost:5000/you.cert", "x");
    assert_int_equal(find_in(root, "localhost:5000"), -1);
    assert_non_null(strstr(err.text, "you.key"));
}

static void reg_20_files_are_relative_to_the_file(void **state)
{
    struct registry_options options;
    const struct images_config config = { 0 };
    char text[600];

    (void)state;
    put("r.test/ca.pem", "x");
    put("r.test/me.pem", "x");
    snprintf(text, sizeof(text),
             "ca = [\"ca.pem\", \"%s/r.test/me.pem\"]\nclient = [[\"me.pem\", \"ca.pem\"], "
             "[\"ca.pem\", \"\"]]\n[header]\nx-b = [\"1\", \"2\"]\nx-a = \"3\"\n",
             root);
    put("r.test/hosts.toml", text);
    must_find("r.test", 1);
    host_options(&hosts.items[0], "r.test", &config, arena, &options);
    snprintf(text, sizeof(text), "%s/r.test/ca.pem\n%s/r.test/me.pem", root, root);
    assert_string_equal(options.ca_file, text);
    assert_non_null(strstr(options.client_cert, "/r.test/me.pem"));
    assert_non_null(strstr(options.client_key, "/r.test/ca.pem"));
    assert_string_equal(options.headers, "x-a: 3\nx-b: 1\nx-b: 2");
    assert_null(options.named);
}

/* ---- values -------------------------------------------------------------------------------- */

static void reg_20_times_are_gos(void **state)
{
    static const struct {
        const char *text;
        unsigned ms; /* 0: none */
    } times[] = {
        { "5s", 5000 },   { "1m30s", 90000 }, { "500ms", 500 }, { "1.5s", 1500 }, { "1h", 3600000 },
        { "2000us", 2 },  { "", 0 },          { "5", 0 },       { "s", 0 },       { "-5s", 0 },
        { "5 s", 0 },     { "5sec", 0 },      { "1h1s", 0 },    { "0s", 0 },      { "1.2.3s", 0 },
        { "999999h", 0 }, { "5s5", 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        char text[100];

        snprintf(text, sizeof(text), "dial_timeout = \"%s\"\n", times[i].text);
        if (parse(text, strlen(text)) != (times[i].ms > 0 ? 0 : -1))
            fail_msg("%s", times[i].text);
        if (times[i].ms > 0)
            assert_int_equal(hosts.items[0].connect_ms, times[i].ms);
    }
}

static void reg_20_the_path_is_the_api_only_when_that_is_said(void **state)
{
    static const char text[] = "server = \"https://a.test/x/v2/\"\noverride_path = false\n"
                               "[host.\"https://b.test/x\"]\noverride_path = true\n"
                               "[host.\"https://c.test\"]\noverride_path = true\n";

    (void)state;
    assert_int_equal(parse(text, strlen(text)), 0);
    assert_string_equal(hosts.items[0].path, "/x");
    assert_string_equal(hosts.items[1].path, "");
    assert_string_equal(hosts.items[2].path, "/x/v2");
}

static void reg_20_what_is_wrong_is_named_with_its_line(void **state)
{
    static const char *const texts[] = {
        "\nserver = \"https://u:p@a.test\"",
        "\nserver = \"https://a.test?x=1\"",
        "\nserver = \"https://a.test/a b\"",
        "\nserver = \"https://\"",
        "\nserver = [\"https://a.test\"]",
        "\ncapabilities = \"fly\"",
        "\ncapabilities = [1]",
        "\nca = [[\"a\"]]",
        "\nclient = [[\"a\", \"b\", \"c\"]]",
        "\nclient = 1",
        "\nskip_verify = 1",
        "\nheader = \"a: b\"",
        "\nheader = { \"a b\" = \"c\" }",
        "\nheader = { a = \"b\\r\\nc\" }",
        "\nproxy = \"ftp://a\"",
        "\nproxy = \"http://\"",
        "\nhost = { \"https://a\" = 1 }",
        "\noverride_path = \"x\"",
        "\n[host.\"https://a\"",
        "\nserver = \"https://a\\u0000b\"",
        "\nca = \"\"",
        "\ncapabilities = { a = 1 }",
    };
    char where[100];

    (void)state;
    snprintf(where, sizeof(where), "%s/hosts.toml:2: ", root);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (parse(texts[i], strlen(texts[i])) == 0)
            fail_msg("%s is taken", texts[i]);
        assert_int_equal(err.code, ERROR_FAILED_PRECONDITION);
        if (strncmp(err.text, where, strlen(where)) != 0)
            fail_msg("%s: %s", texts[i], err.text);
    }
}

/* Mistakes that the library itself does not expect. */
static void a_mistake_that_the_library_misreads_ends_nothing(void **state)
{
    static const char *const texts[] = {
        "[=a]",         "[[=a]]", "[ #", "a.=1", "[a.=]", "\xc2\xb5 = 1", "a\xe2\x80\x90 = 1",
        "[\xc2\xb5]\n="
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(parse(texts[i], strlen(texts[i])), -1);
        assert_int_equal(err.code, ERROR_FAILED_PRECONDITION);
    }
}

/* A secret in a wrong place is not told. */
static void values_of_headers_are_not_told(void **state)
{
    static const char text[] = "header = { authorization = \"Bearer s3same\\u0001\" }";

    (void)state;
    assert_int_equal(parse(text, strlen(text)), -1);
    assert_null(strstr(err.text, "s3same"));
}

static void whatever_the_bytes_are_it_ends_well(void **state)
{
    static const char good[] =
        "server = \"https://a.test\"\ncapabilities = [\"pull\"]\n[header]\nx-a = [\"b\"]\n"
        "[host.\"https://b.test/x\"]\ncapabilities = [\"resolve\"]\ndial_timeout = \"5s\"\n"
        "client = [[\"a\", \"b\"]]\n[host.\"https://b.test/x\".header]\nx-c = \"d\"\n";
    char text[sizeof(good)];
    unsigned char chance[3];

    (void)state;
    for (size_t size = 0; size < sizeof(good); size++)
        parse(good, size);
    for (int i = 0; i < 20000; i++) {
        memcpy(text, good, sizeof(good));
        for (int changes = 0; changes < 3; changes++) {
            random_bytes(chance, sizeof(chance));
            text[(chance[0] * 256u + chance[1]) % (sizeof(good) - 1)] = (char)chance[2];
        }
        parse(text, sizeof(good) - 1);
        if (i % 100 == 0) {
            arena_drop(&arena);
            arena = arena_new();
        }
    }
}

static void a_file_of_many_hosts_is_refused(void **state)
{
    char text[8000] = "";

    (void)state;
    for (int i = 0; i < HOSTS_COUNT_MAX; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "[host.\"https://h%d.test\"]\n",
                 i);
    assert_int_equal(parse(text, strlen(text)), -1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(reg_20_without_a_word_a_registry_is_its_own_host),
        T(reg_20_the_order_of_the_file_counts_and_the_server_is_last),
        T(reg_20_hub_under_either_name_is_hub),
        T(the_usual_port_makes_no_other_registry_of_it),
        T(reg_20_the_first_folder_that_speaks_of_it_counts),
        T(an_address_of_the_sixth_protocol_is_a_name_too),
        T(reg_20_a_name_never_leads_out_of_the_folder),
        T(dockers_folder_means_tls_on_this_machine_too),
        T(reg_20_files_are_relative_to_the_file),
        T(reg_20_times_are_gos),
        T(reg_20_the_path_is_the_api_only_when_that_is_said),
        T(reg_20_what_is_wrong_is_named_with_its_line),
        T(a_mistake_that_the_library_misreads_ends_nothing),
        T(values_of_headers_are_not_told),
        T(whatever_the_bytes_are_it_ends_well),
        T(a_file_of_many_hosts_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
