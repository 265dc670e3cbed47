/* Names as people write them, and as attackers do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/oci/name.h"

#define HEX    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define DIGEST "sha256:" HEX

static void is(const char *text, const char *full)
{
    struct reference reference, again;
    char out[REFERENCE_TEXT_SIZE];
    struct error err = { 0 };

    if (reference_parse(text, &reference, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    assert_string_equal(reference_text(&reference, out), full);
    assert_int_equal(reference_parse(full, &again, &err), 0);
    assert_memory_equal(&again, &reference, sizeof(again));
}

static void fails(const char *text, const char *says)
{
    struct reference reference;
    struct error err = { 0 };

    if (reference_parse(text, &reference, &err) == 0)
        fail_msg("'%s' passes", text);
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
    if (strstr(err.text, says) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, says);
}

static void reg_1_short_names_are_made_full(void **state)
{
    (void)state;
    is("busybox", "docker.io/library/busybox:latest");
    is("redis:7", "docker.io/library/redis:7");
    is("grafana/grafana", "docker.io/grafana/grafana:latest");
    is("docker.io/busybox", "docker.io/library/busybox:latest");
    is("docker.io/library/busybox", "docker.io/library/busybox:latest");
    is("index.docker.io/busybox:1", "docker.io/library/busybox:1");
    is("Docker.IO/busybox", "docker.io/library/busybox:latest");
    is("library/busybox", "docker.io/library/busybox:latest");
    is("a/b/c", "docker.io/a/b/c:latest");
}

static void reg_1_short_names_are_told_from_full_ones(void **state)
{
    static const char *const short_names[] = { "busybox", "busybox:1", "a/b", "a/b:1", "localhost:5000",
                                               "a@" DIGEST, "" };
    static const char *const full_names[] = { "docker.io/busybox", "localhost/a", "r:5000/a",
                                              "[::1]:5000/a", "A.b/c/d@" DIGEST };

    (void)state;
    for (size_t i = 0; i < sizeof(short_names) / sizeof(*short_names); i++)
        assert_false(reference_names_registry(short_names[i]));
    for (size_t i = 0; i < sizeof(full_names) / sizeof(*full_names); i++)
        assert_true(reference_names_registry(full_names[i]));
}

static void reg_1_a_first_part_with_dot_or_colon_is_a_registry(void **state)
{
    (void)state;
    is("localhost/x", "localhost/x:latest");
    is("localhost:5000/x", "localhost:5000/x:latest");
    is("registry:5000/a/b:t", "registry:5000/a/b:t");
    is("ghcr.io/owner/app:v1.2", "ghcr.io/owner/app:v1.2");
    is("REG.example.com/app", "reg.example.com/app:latest");
    is("127.0.0.1:5000/app", "127.0.0.1:5000/app:latest");
    is("[::1]:5000/app", "[::1]:5000/app:latest");
    is("[fd00::1]/app", "[fd00::1]/app:latest");
    is("xn--n3h.example/app", "xn--n3h.example/app:latest");
    is("localhost:5000", "docker.io/library/localhost:5000"); /* as docker: a tag */
    is("registry-1.docker.io/library/x", "registry-1.docker.io/library/x:latest");
}

static void reg_1_tags_and_digests_are_kept_side_by_side(void **state)
{
    struct reference reference;
    struct error err;

    (void)state;
    is("busybox@" DIGEST, "docker.io/library/busybox@" DIGEST);
    is("busybox:1.36@" DIGEST, "docker.io/library/busybox:1.36@" DIGEST);
    is("r:5000/a/b@" DIGEST, "r:5000/a/b@" DIGEST);
    assert_int_equal(reference_parse("busybox:1.36@" DIGEST, &reference, &err), 0);
    assert_string_equal(reference.tag, "1.36");
    assert_string_equal(reference.digest, DIGEST);
    assert_string_equal(reference_object(&reference), DIGEST);
    assert_int_equal(reference_parse("busybox:1.36", &reference, &err), 0);
    assert_string_equal(reference_object(&reference), "1.36");
}

static void reg_1_the_hub_is_asked_at_its_registry(void **state)
{
    struct reference reference;
    char out[REFERENCE_TEXT_SIZE];
    struct error err;

    (void)state;
    assert_int_equal(reference_parse("busybox", &reference, &err), 0);
    assert_string_equal(reference_registry(&reference), "registry-1.docker.io");
    assert_string_equal(reference.repository, "library/busybox");
    assert_string_equal(reference_name(&reference, out), "docker.io/library/busybox");
    assert_int_equal(reference_parse("quay.io/a/b", &reference, &err), 0);
    assert_string_equal(reference_registry(&reference), "quay.io");
}

static void reg_1_separators_of_repositories_are_as_the_registry_has_them(void **state)
{
    (void)state;
    is("a.b/c_d/e__f/g-h/i---j", "a.b/c_d/e__f/g-h/i---j:latest");
    is("x/0", "docker.io/x/0:latest");
    fails("x/a..b", "single . _ or -");
    fails("x/a___b", "single");
    fails("x/a._b", "single");
    fails("x/_a", "single");
    fails("x/a-", "single");
    fails("x//b", "single");
    fails("x/", "single");
    fails("/x", "single");
    fails("x/..", "single");
    fails("../x", "host or host:port");
    fails("./x", "host or host:port");
    fails("a b", "single");
    fails("a\nb", "single");
    fails("a%2fb", "single");
    fails("http://example.com/a", "host or host:port");
    fails("\xc3\xa4", "single");
}

static void reg_1_upper_case_names_are_refused_with_the_reason(void **state)
{
    (void)state;
    fails("BusyBox", "must be lower-case");
    fails("ghcr.io/Owner/app", "must be lower-case");
    fails("Foo/bar", "must be lower-case");
}

static void reg_1_bad_hosts_are_refused(void **state)
{
    (void)state;
    fails("host:/x", "host or host:port");
    fails("host:0/x", "host or host:port");
    fails("host:65536/x", "host or host:port");
    fails("host:99999999999/x", "host or host:port");
    fails("host:80a/x", "host or host:port");
    fails("host:80:90/x", "host or host:port");
    fails("-a.b/x", "host or host:port");
    fails("a-.b/x", "host or host:port");
    fails("a..b/x", "host or host:port");
    fails(".a/x", "host or host:port");
    fails("a./x", "host or host:port");
    fails("a_b.c/x", "host or host:port");
    fails("user:pass@host/x", "image reference");
    fails("[::1/x", "host or host:port");
    fails("[::1]x/x", "host or host:port");
    fails("[]:1/x", "host or host:port");
    fails("[abcd]:1/x", "host or host:port");
    is("host:65535/x", "host:65535/x:latest");
}

static void reg_1_bad_tags_are_refused(void **state)
{
    char text[200] = "x:";

    (void)state;
    fails("x:", "a tag is");
    fails("x:-a", "a tag is");
    fails("x:.a", "a tag is");
    fails("x:a:b", "a tag is");
    fails("x:a b", "a tag is");
    fails("x:a/..", "host or host:port");
    is("x:_A.b-C9", "docker.io/library/x:_A.b-C9");
    memset(text + 2, 't', 128);
    is(text, strcat(strcpy((char[300]){ 0 }, "docker.io/library/"), text));
    text[2 + 128] = 't';
    fails(text, "a tag is");
}

static void reg_1_bad_digests_are_refused(void **state)
{
    struct reference reference;
    struct error err;

    (void)state;
    fails("x@", "algorithm:hex");
    fails("x@sha256:abc", "64 digits");
    fails("x@" DIGEST "@" DIGEST, "algorithm:hex");
    fails("@" DIGEST, "names no image");
    fails(":tag", "names no image");
    fails("x:@" DIGEST, "a tag is");
    assert_int_equal(reference_parse("x@md5:00", &reference, &err), -1);
    assert_int_equal(err.code, ERROR_UNIMPLEMENTED);
    assert_non_null(strstr(err.text, "image reference 'x@md5:00'"));
}

static void image_ids_are_not_names(void **state)
{
    (void)state;
    fails(HEX, "image id");
    fails(HEX ":tag", "image id");
    is("a/" HEX, "docker.io/a/" HEX ":latest");
    is("ba7816bf", "docker.io/library/ba7816bf:latest");
}

static void reg_1_names_stop_at_255_characters(void **state)
{
    char text[600];

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "h:1/", 4);
    text[255] = '\0';
    is(text, strcat(strcpy((char[600]){ 0 }, text), ":latest"));
    text[255] = 'a';
    text[256] = '\0';
    fails(text, "255");
    memset(text, 'a', 300);
    text[255 - strlen("docker.io/library/")] = '\0';
    is(text, strcat(strcat(strcpy((char[600]){ 0 }, "docker.io/library/"), text), ":latest"));
    text[255 - strlen("docker.io/library/")] = 'a';
    text[256 - strlen("docker.io/library/")] = '\0';
    fails(text, "255");
    memset(text, 'a', 599);
    memcpy(text + 590, ".b/x", 5);
    fails(text, "host or host:port");
}

static void the_empty_and_the_enormous_are_refused(void **state)
{
    char *text = malloc(1 << 20);
    struct reference reference;
    struct error err;

    (void)state;
    fails("", "names no image");
    for (const char *fill = "a:/@.-_[]A\xff\x1b"; *fill; fill++) {
        memset(text, *fill, 1 << 20);
        text[(1 << 20) - 1] = '\0';
        assert_int_equal(reference_parse(text, &reference, &err), -1);
        assert_true(strlen(err.text) < 300);
        assert_null(strchr(err.text, '\x1b'));
    }
    free(text);
}

/* Whatever comes in: refused, or fit for a URL, a path and a line of text. */
static void random_references_are_refused_or_clean(void **state)
{
    static const char letters[] = "aab0.:/@-_[]A sha256:\n";
    unsigned seed = 7, passed = 0;
    struct reference reference, again;
    char text[24], full[REFERENCE_TEXT_SIZE];
    struct error err;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        size_t size = (size_t)rand_r(&seed) % (sizeof(text) - 1);

        for (size_t i = 0; i < size; i++)
            text[i] = letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)];
        text[size] = '\0';
        if (reference_parse(text, &reference, &err) < 0)
            continue;
        passed++;
        reference_text(&reference, full);
        assert_int_equal(strspn(full, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789.:/@-_[]"),
                         strlen(full));
        assert_null(strstr(reference.repository, ".."));
        assert_null(strstr(reference.repository, "//"));
        assert_int_equal(reference_parse(full, &again, &err), 0);
        assert_memory_equal(&again, &reference, sizeof(again));
    }
    assert_true(passed > 1000);
}

static void only_this_machine_is_loopback(void **state)
{
    (void)state;
    assert_true(host_is_loopback("localhost"));
    assert_true(host_is_loopback("localhost:5000"));
    assert_true(host_is_loopback("127.0.0.1"));
    assert_true(host_is_loopback("127.1.2.3:80"));
    assert_true(host_is_loopback("[::1]"));
    assert_true(host_is_loopback("[::1]:5000"));
    assert_false(host_is_loopback("127.0.0.1.example.com"));
    assert_false(host_is_loopback("127.example.com"));
    assert_false(host_is_loopback("127.0.0.256"));
    assert_false(host_is_loopback("127.0.0.1000:5"));
    assert_false(host_is_loopback("127.0.0"));
    assert_false(host_is_loopback("localhost.example.com:80"));
    assert_false(host_is_loopback("1270.0.0.1"));
    assert_false(host_is_loopback("[::2]:5000"));
    assert_false(host_is_loopback("[::1"));
    assert_false(host_is_loopback("["));
    assert_false(host_is_loopback(""));
    assert_false(host_is_loopback("docker.io"));
}

static void id_fails(const char *text, const char *says)
{
    struct error err = { 0 };

    assert_int_equal(identifier_check("namespace", text, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
    assert_memory_equal(err.text, "namespace", 9);
    assert_non_null(strstr(err.text, says));
}

static void identifiers_are_of_76_characters_at_most(void **state)
{
    char text[100] = "";
    struct error err = { 0 };

    (void)state;
    memset(text, 'x', 76);
    assert_int_equal(identifier_check("namespace", text, &err), 0);
    text[76] = 'x';
    id_fails(text, "longer than 76");
    assert_int_equal(identifier_check("namespace", "a", &err), 0);
    assert_int_equal(identifier_check("namespace", "Default-1_b.c", &err), 0);
    assert_int_equal(identifier_check("namespace", "0", &err), 0);
}

static void identifiers_out_of_grammar_are_refused(void **state)
{
    static const char *const wrong[] = { "",    ".",    "..",       "a..b", "-a",
                                         "a-",  "_a",   "a_",       "a/b",  "a b",
                                         "a\n", "a--b", "\xc3\xa4", "a:b",  "../etc" };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        id_fails(wrong[i], "letters and digits");
}

static void volume_names_are_names_of_folders(void **state)
{
    static const char *const right[] = { "a", "7", "data", "my.data_1-x", "a..b", "Zz-" };
    static const char *const wrong[] = { "",    ".",   "..",  "-a",  ".a",  "_a",  "a b",
                                         "a/b", "/a",  "a:b", "a\n", "../a", "\xc3\xa4" };
    char text[300] = "";
    struct error err = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++)
        assert_int_equal(volume_name_check(right[i], &err), 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_int_equal(volume_name_check(wrong[i], &err), -1);
    memset(text, 'x', VOLUME_NAME_MAX);
    assert_int_equal(volume_name_check(text, &err), 0);
    text[VOLUME_NAME_MAX] = 'x';
    assert_int_equal(volume_name_check(text, &err), -1);
    assert_non_null(strstr(err.text, "255"));
}

static void container_names_are_docker_s(void **state)
{
    static const char *const right[] = { "ab", "web-1", "a__b", "a..b", "0.", "Zz-" };
    static const char *const wrong[] = { "",    "a",   "-a",  ".a",  "_a",
                                         "a b", "a/b", "a:b", "a\n", "\xc3\xa4\xc3\xa4" };
    char text[200] = "";
    struct error err = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++)
        assert_int_equal(container_name_check(right[i], &err), 0);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_int_equal(container_name_check(wrong[i], &err), -1);
    memset(text, 'x', CONTAINER_NAME_MAX);
    assert_int_equal(container_name_check(text, &err), 0);
    text[CONTAINER_NAME_MAX] = 'x';
    assert_int_equal(container_name_check(text, &err), -1);
    assert_non_null(strstr(err.text, "128"));
}

static void labels_are_of_4096_bytes_together(void **state)
{
    static char value[LABEL_MAX + 1];
    struct map_entry entries[] = { { "a", "b" }, { "key", value } };
    struct map labels = { 2, entries };
    struct error err = { 0 };

    (void)state;
    memset(value, 'v', LABEL_MAX - 3);
    assert_int_equal(label_check("key", value, &err), 0);
    assert_int_equal(labels_check(&labels, &err), 0);
    value[LABEL_MAX - 3] = 'v';
    assert_int_equal(label_check("key", value, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "'key'"));
    assert_int_equal(labels_check(&labels, &err), -1);
    assert_int_equal(label_check("", "v", &err), -1);
    assert_int_equal(label_check("v", "", &err), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reg_1_short_names_are_made_full),
        cmocka_unit_test(reg_1_short_names_are_told_from_full_ones),
        cmocka_unit_test(reg_1_a_first_part_with_dot_or_colon_is_a_registry),
        cmocka_unit_test(reg_1_tags_and_digests_are_kept_side_by_side),
        cmocka_unit_test(reg_1_the_hub_is_asked_at_its_registry),
        cmocka_unit_test(reg_1_separators_of_repositories_are_as_the_registry_has_them),
        cmocka_unit_test(reg_1_upper_case_names_are_refused_with_the_reason),
        cmocka_unit_test(reg_1_bad_hosts_are_refused),
        cmocka_unit_test(reg_1_bad_tags_are_refused),
        cmocka_unit_test(reg_1_bad_digests_are_refused),
        cmocka_unit_test(image_ids_are_not_names),
        cmocka_unit_test(reg_1_names_stop_at_255_characters),
        cmocka_unit_test(the_empty_and_the_enormous_are_refused),
        cmocka_unit_test(random_references_are_refused_or_clean),
        cmocka_unit_test(only_this_machine_is_loopback),
        cmocka_unit_test(identifiers_are_of_76_characters_at_most),
        cmocka_unit_test(identifiers_out_of_grammar_are_refused),
        cmocka_unit_test(volume_names_are_names_of_folders),
        cmocka_unit_test(container_names_are_docker_s),
        cmocka_unit_test(labels_are_of_4096_bytes_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
