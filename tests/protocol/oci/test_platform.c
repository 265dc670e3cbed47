/* Platforms: spellings of the world, and which variant a host likes best. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/oci/platform.h"

static struct platform parsed(const char *text)
{
    struct platform platform = { 0 };
    struct error err = { 0 };

    if (platform_parse(text, &platform, &err) < 0)
        fail_msg("%s", err.text);
    return platform;
}

static void is(const char *text, const char *normal)
{
    struct platform platform = parsed(text), again;
    char out[PLATFORM_TEXT_SIZE];

    assert_string_equal(platform_text(&platform, out), normal);
    again = parsed(normal);
    assert_memory_equal(&again, &platform, sizeof(again));
}

static void fails(const char *text)
{
    struct platform platform;
    struct error err = { 0 };

    assert_int_equal(platform_parse(text, &platform, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "for example linux/arm64"));
}

static void plt_1_spellings_are_normalised(void **state)
{
    (void)state;
    is("linux/amd64", "linux/amd64");
    is("Linux/x86_64", "linux/amd64");
    is("linux/x86-64/v1", "linux/amd64");
    is("linux/amd64/v3", "linux/amd64/v3");
    is("linux/i386", "linux/386");
    is("linux/aarch64", "linux/arm64");
    is("linux/arm64/8", "linux/arm64");
    is("linux/arm64/v8", "linux/arm64");
    is("linux/arm64/v8.0", "linux/arm64");
    is("linux/arm64/v8.2", "linux/arm64/v8.2");
    is("linux/arm64/9", "linux/arm64/v9");
    is("linux/arm64/v9.0", "linux/arm64/v9");
    is("linux/armhf", "linux/arm/v7");
    is("linux/armel", "linux/arm/v6");
    is("linux/arm", "linux/arm/v7");
    is("linux/arm/7", "linux/arm/v7");
    is("linux/ARM/V5", "linux/arm/v5");
    is("macOS/arm64", "darwin/arm64");
    is("windows(10.0.20348.1)/amd64", "windows(10.0.20348.1)/amd64");
    is("windows(10.0.20348+Win32k)/amd64", "windows(10.0.20348+win32k)/amd64");
    is("linux(+a+b)/amd64", "linux(+a+b)/amd64");
    is("linux/riscv64", "linux/riscv64");
    is("wasi/wasm", "wasi/wasm");
}

static void plt_6_malformed_platforms_are_refused_with_an_example(void **state)
{
    char text[500];

    (void)state;
    fails("");
    fails("linux");
    fails("/");
    fails("linux/");
    fails("/amd64");
    fails("linux/amd64/");
    fails("linux/amd64/v1/x");
    fails("linux amd64");
    fails("linux/amd64 ");
    fails("linux()/amd64");
    fails("linux(1/amd64");
    fails("linux(1)amd64");
    fails("linux(1+)/amd64");
    fails("linux(+a+)/amd64");
    fails("linux(+a+b/amd64");
    fails("linux/\x1b[31m");
    memset(text, 'a', sizeof(text));
    text[499] = '\0';
    fails(text);
    text[5] = '/';
    fails(text);
}

static int rank(const char *wanted, const char *candidate)
{
    struct platform w = parsed(wanted), c = parsed(candidate);

    return platform_rank(&w, &c);
}

/* `order`: blanks between; each must be liked less than the one before, and be liked */
static void prefers(const char *wanted, const char *order)
{
    char list[400], *save = NULL;
    int before = -1;

    snprintf(list, sizeof(list), "%s", order);
    for (char *next = strtok_r(list, " ", &save); next; next = strtok_r(NULL, " ", &save)) {
        int found = rank(wanted, next);

        if (found <= before)
            fail_msg("%s: %s has rank %d, the one before %d", wanted, next, found, before);
        before = found;
    }
}

static void plt_2_the_host_itself_comes_first(void **state)
{
    static const char *const hosts[] = { "linux/amd64",      "linux/amd64/v4", "linux/arm64",
                                         "linux/arm64/v9.2", "linux/arm/v6",   "linux/riscv64",
                                         "linux/386",        "linux/s390x",    "linux/arm64/odd" };

    (void)state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++)
        assert_int_equal(rank(hosts[i], hosts[i]), 0);
}

static void plt_2_lesser_variants_follow_in_order(void **state)
{
    (void)state;
    prefers("linux/amd64/v4", "linux/amd64/v4 linux/amd64/v3 linux/amd64/v2 linux/amd64 linux/386");
    prefers("linux/amd64", "linux/amd64 linux/386");
    prefers("linux/arm/v8", "linux/arm/v8 linux/arm/v7 linux/arm/v6 linux/arm/v5");
    prefers("linux/arm64", "linux/arm64 linux/arm/v8 linux/arm/v7 linux/arm/v6 linux/arm/v5");
    prefers("linux/arm64/v8.2", "linux/arm64/v8.2 linux/arm64/v8.1 linux/arm64 linux/arm/v8 "
                                "linux/arm linux/arm/v6 linux/arm/v5");
    prefers("linux/arm64/v9.2",
            "linux/arm64/v9.2 linux/arm64/v9.1 linux/arm64/v9 linux/arm64/v8.7 linux/arm64/v8.6 "
            "linux/arm64/v8.5 linux/arm64/v8.4 linux/arm64/v8.1 linux/arm64 linux/arm/v8");
    assert_int_equal(rank("linux/arm64/v9", "linux/arm64/v8.5"), 1);
    assert_int_equal(rank("linux/amd64/v3", "linux/386"), 3);
}

static void plt_2_what_the_host_cannot_run_is_never_chosen(void **state)
{
    (void)state;
    assert_int_equal(rank("linux/amd64", "linux/amd64/v2"), -1);
    assert_int_equal(rank("linux/amd64", "linux/arm64"), -1);
    assert_int_equal(rank("linux/amd64", "windows/amd64"), -1);
    assert_int_equal(rank("linux/386", "linux/amd64"), -1);
    assert_int_equal(rank("linux/arm/v6", "linux/arm/v7"), -1);
    assert_int_equal(rank("linux/arm/v5", "linux/arm"), -1);
    assert_int_equal(rank("linux/arm/v7", "linux/arm64"), -1);
    assert_int_equal(rank("linux/arm64/v8.1", "linux/arm64/v8.2"), -1);
    assert_int_equal(rank("linux/arm64/v9.1", "linux/arm64/v8.7"), -1);
    assert_int_equal(rank("linux/arm64", "linux/arm64/v9"), -1);
    assert_int_equal(rank("linux/riscv64", "linux/amd64"), -1);
    assert_int_equal(rank("linux/amd64", "unknown/unknown"), -1);
    assert_int_equal(rank("unknown/unknown", "unknown/unknown"), -1);
    assert_int_equal(rank("linux/unknown", "linux/unknown"), -1);
}

static void plt_5_an_os_version_counts_only_when_it_is_wanted(void **state)
{
    (void)state;
    assert_int_equal(rank("windows/amd64", "windows(10.0.17763.1)/amd64"), 0);
    assert_int_equal(rank("windows(10.0.17763.1)/amd64", "windows(10.0.17763.1)/amd64"), 0);
    assert_int_equal(rank("windows(10.0.17763.1)/amd64", "windows(10.0.20348.1)/amd64"), -1);
    assert_int_equal(rank("windows(10.0.17763.1)/amd64", "windows/amd64"), -1);
}

#define W(version) "windows(10.0." version ")/amd64"

static void plt_5_an_old_windows_runs_its_own_build_alone(void **state)
{
    (void)state;
    assert_int_equal(rank(W("17763.1"), W("17763.6893")), 0);
    assert_int_equal(rank(W("17763"), W("17763.1")), 0);
    assert_int_equal(rank(W("17763.1"), W("17134.1")), -1);
    assert_int_equal(rank(W("19041.1"), W("17763.1")), -1);
    assert_int_equal(rank(W("17763.1"), "windows(10.1.17763.1)/amd64"), -1);
    assert_int_equal(rank(W("17763.1"), "windows(6.0.17763.1)/amd64"), -1);
}

static void plt_5_a_newer_windows_goes_back_to_the_long_term_release_before_it(void **state)
{
    (void)state;
    assert_int_equal(rank(W("20348.1"), W("20348.9")), 0);
    assert_int_equal(rank(W("20348.1"), W("17763.1")), -1);
    assert_int_equal(rank(W("20348.1"), W("25398.1")), -1);
    assert_int_equal(rank(W("25398.1"), W("20348.1")), 0);
    assert_int_equal(rank(W("25398.1"), W("25398.7")), 0);
    assert_int_equal(rank(W("25398.1"), W("20347.1")), -1);
    assert_int_equal(rank(W("26100.1"), W("20348.1")), 0);
    assert_int_equal(rank(W("26100.1"), W("25398.1")), 0);
    assert_int_equal(rank(W("26100.1"), W("26101.1")), -1);
    assert_int_equal(rank(W("28000.1"), W("26100.1")), 0);
    assert_int_equal(rank(W("28000.1"), W("25398.1")), -1);
    assert_int_equal(rank(W("28000.1"), "windows(11.0.28000.1)/amd64"), -1);
}

static void plt_5_a_windows_version_is_numbers(void **state)
{
    static const char *const odd[] = { "10",      "10.0",       "10.0.x",
                                       "10.0.1.", "10.0.1.2.3", "10..1",
                                       "-10.0.1", "10.0.1a",    "10.0.99999999999999999999" };
    struct platform host = parsed(W("20348.1"));

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        struct platform p = platform_of("windows", "amd64", NULL, odd[i]);

        assert_int_equal(platform_rank(&host, &p), -1);
        assert_int_equal(platform_rank(&p, &p), 0);
        assert_false(platform_is_newer(&p, &host));
        assert_false(platform_is_newer(&host, &p));
    }
}

static bool is_newer(const char *a, const char *b)
{
    struct platform x = parsed(a), y = parsed(b);

    return platform_is_newer(&x, &y);
}

static void plt_5_the_newest_windows_is_liked_most(void **state)
{
    (void)state;
    assert_true(is_newer(W("20348.10"), W("20348.9")));
    assert_false(is_newer(W("20348.9"), W("20348.10")));
    assert_false(is_newer(W("20348.9"), W("20348.9")));
    assert_true(is_newer(W("20348"), W("9999.5")));
    assert_false(is_newer("linux(10.0.2)/amd64", "linux(10.0.1)/amd64"));
}

static void plt_5_features_that_are_not_there_rule_an_image_out(void **state)
{
    struct platform long_one = parsed("linux/amd64");
    char endless[100];

    (void)state;
    assert_int_equal(rank("windows/amd64", "windows(+win32k)/amd64"), -1);
    assert_int_equal(rank("windows(+win32k)/amd64", "windows(+win32k)/amd64"), 0);
    assert_int_equal(rank("windows(+win32k)/amd64", "windows/amd64"), 0);
    assert_int_equal(rank("windows(+a+win32k)/amd64", "windows(+win32k+a)/amd64"), 0);
    assert_int_equal(rank("windows(+a)/amd64", "windows(+a+b)/amd64"), -1);
    assert_int_equal(rank("windows(+ab)/amd64", "windows(+a)/amd64"), -1);
    assert_int_equal(rank("linux/amd64", "linux(+x)/amd64"), -1);
    memset(endless, 'x', sizeof(endless));
    endless[99] = '\0';
    platform_add_feature(&long_one, endless);
    assert_int_equal(platform_rank(&long_one, &long_one), -1);
    long_one = parsed("linux/amd64");
    platform_add_feature(&long_one, "a+b");
    assert_int_equal(platform_rank(&long_one, &long_one), -1);
}

static void parts_from_documents_may_be_anything(void **state)
{
    char endless[1000], out[PLATFORM_TEXT_SIZE];
    struct platform empty = platform_of(NULL, NULL, NULL, NULL), hostile;
    struct platform wanted = parsed("linux/amd64");

    (void)state;
    assert_true(platform_is_unknown(&empty));
    assert_string_equal(platform_text(&empty, out), "unknown/unknown");
    memset(endless, 'x', sizeof(endless));
    endless[999] = '\0';
    hostile = platform_of(endless, endless, endless, endless);
    assert_true(platform_is_unknown(&hostile));
    assert_int_equal(platform_rank(&wanted, &hostile), -1);
    hostile = platform_of("linux", endless, "", NULL);
    assert_int_equal(platform_rank(&wanted, &hostile), -1);
    hostile = platform_of("linux", "amd64", endless, NULL);
    assert_int_equal(platform_rank(&wanted, &hostile), -1);
    hostile = platform_of("linux", "arm64", "0123456789012345678901234567890", NULL);
    assert_int_equal(platform_rank(&wanted, &hostile), -1);
}

static void absurd_variants_end_soon(void **state)
{
    static const char *const wanted[] = { "linux/amd64/v99",   "linux/amd64/v1.5",
                                          "linux/arm64/v9.99", "linux/arm64/v99",
                                          "linux/arm64/v-1",   "linux/arm/v99",
                                          "linux/arm/v7.1",    "linux/amd64/v999999999" };

    (void)state;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
        assert_int_equal(rank(wanted[i], "linux/s390x"), -1);
        assert_int_equal(rank(wanted[i], wanted[i]), 0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(plt_1_spellings_are_normalised),
        cmocka_unit_test(plt_6_malformed_platforms_are_refused_with_an_example),
        cmocka_unit_test(plt_2_the_host_itself_comes_first),
        cmocka_unit_test(plt_2_lesser_variants_follow_in_order),
        cmocka_unit_test(plt_2_what_the_host_cannot_run_is_never_chosen),
        cmocka_unit_test(plt_5_an_os_version_counts_only_when_it_is_wanted),
        cmocka_unit_test(plt_5_an_old_windows_runs_its_own_build_alone),
        cmocka_unit_test(plt_5_a_newer_windows_goes_back_to_the_long_term_release_before_it),
        cmocka_unit_test(plt_5_a_windows_version_is_numbers),
        cmocka_unit_test(plt_5_the_newest_windows_is_liked_most),
        cmocka_unit_test(plt_5_features_that_are_not_there_rule_an_image_out),
        cmocka_unit_test(parts_from_documents_may_be_anything),
        cmocka_unit_test(absurd_variants_end_soon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
