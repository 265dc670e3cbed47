/* test_challenge — WWW-Authenticate in all its shapes, and bytes that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "actors/images/registry/challenge.h"
#include "platform/platform.h"

static void reg_7_a_docker_hub_challenge_is_taken_apart(void **state)
{
    struct challenges challenges;
    const struct challenge *bearer;

    (void)state;
    challenges_parse(&challenges,
                     "Bearer realm=\"https://auth.docker.io/token\","
                     "service=\"registry.docker.io\","
                     "scope=\"repository:library/a:pull,push\",error=\"invalid_token\"");
    assert_int_equal(challenges.count, 1);
    bearer = challenges_find(&challenges, "bearer");
    assert_non_null(bearer);
    assert_string_equal(bearer->realm, "https://auth.docker.io/token");
    assert_string_equal(bearer->service, "registry.docker.io");
    assert_string_equal(bearer->scope, "repository:library/a:pull,push");
    assert_string_equal(bearer->error, "invalid_token");
    assert_null(challenges_find(&challenges, "basic"));
}

static void reg_7_several_challenges_in_one_line_are_kept_apart(void **state)
{
    struct challenges challenges;

    (void)state;
    challenges_parse(&challenges, "Negotiate, NTLM TlRMTVNT==, DIGEST realm=\"a,b\",qop=\"x\" , "
                                  "basic REALM=plain, Bearer Realm = \"say \\\"hi\\\"\"\n"
                                  "Custom a=b");
    assert_int_equal(challenges.count, 6);
    assert_non_null(challenges_find(&challenges, "negotiate"));
    assert_non_null(challenges_find(&challenges, "ntlm"));
    assert_string_equal(challenges_find(&challenges, "digest")->realm, "a,b");
    assert_string_equal(challenges_find(&challenges, "basic")->realm, "plain");
    assert_string_equal(challenges_find(&challenges, "bearer")->realm, "say \"hi\"");
    assert_string_equal(challenges_find(&challenges, "custom")->realm, "");
}

static void reg_7_an_open_quote_ends_with_its_line(void **state)
{
    struct challenges challenges;

    (void)state;
    challenges_parse(&challenges, "Bearer realm=\"open, Basic\nBasic realm=\"x\"\n");
    assert_null(challenges_find(&challenges, "bearer"));
    assert_string_equal(challenges_find(&challenges, "basic")->realm, "x");
}

static void a_value_that_does_not_fit_makes_its_challenge_unusable(void **state)
{
    struct challenges challenges;
    char text[5000];

    (void)state;
    snprintf(text, sizeof(text), "Bearer realm=\"%02000d\", Basic realm=\"x\", %0100d", 1, 2);
    challenges_parse(&challenges, text);
    assert_null(challenges_find(&challenges, "bearer"));
    assert_non_null(challenges_find(&challenges, "basic"));
    assert_int_equal(challenges.count, 3);
    assert_true(challenges.items[2].unusable);
}

static void more_challenges_than_there_is_room_for_are_dropped(void **state)
{
    struct challenges challenges;

    (void)state;
    challenges_parse(&challenges, "a,b,c,d,e,f,g,h,i,j,k realm=x");
    assert_int_equal(challenges.count, CHALLENGES_MAX);
    assert_string_equal(challenges.items[7].realm, "");
}

/* What parse does with random bytes is up to it, as long as it stays inside of its room. */
static void random_bytes_do_no_harm(void **state)
{
    static const char alphabet[] = "Bearer Basic realm=\",\\\n\t =scope service\x01\xff";
    struct challenges challenges;
    unsigned char bytes[200];
    char text[201];

    (void)state;
    for (int i = 0; i < 20000; i++) {
        random_bytes(bytes, sizeof(bytes));
        for (size_t k = 0; k < sizeof(bytes); k++)
            text[k] = alphabet[bytes[k] % (sizeof(alphabet) - 1)];
        text[bytes[0] < sizeof(bytes) ? bytes[0] : 200] = '\0';
        challenges_parse(&challenges, text);
        assert_true(challenges.count <= CHALLENGES_MAX);
        for (size_t k = 0; k < challenges.count; k++)
            assert_true(memchr(challenges.items[k].realm, '\0', sizeof(challenges.items[k].realm)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reg_7_a_docker_hub_challenge_is_taken_apart),
        cmocka_unit_test(reg_7_several_challenges_in_one_line_are_kept_apart),
        cmocka_unit_test(reg_7_an_open_quote_ends_with_its_line),
        cmocka_unit_test(a_value_that_does_not_fit_makes_its_challenge_unusable),
        cmocka_unit_test(more_challenges_than_there_is_room_for_are_dropped),
        cmocka_unit_test(random_bytes_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
