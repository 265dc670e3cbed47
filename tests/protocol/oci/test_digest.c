/* Digests: what passes for one, what can be verified, and the chain ids of known images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/oci/digest.h"

#define EMPTY_HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC_HEX   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC_512                                                                                   \
    "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba" \
    "3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"

static void passes(const char *text)
{
    struct error err = { 0 };

    if (digest_check(text, &err) < 0)
        fail_msg("%s: %s", text, err.text);
}

static void fails(const char *text, const char *says)
{
    struct error err = { 0 };

    assert_int_equal(digest_check(text, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
    if (strstr(err.text, says) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, says);
    assert_false(digest_is_usable(text));
}

static void img_6_digests_of_known_algorithms_must_be_exact(void **state)
{
    (void)state;
    passes("sha256:" ABC_HEX);
    passes(ABC_512);
    fails("sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", "lower-case");
    fails("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a", "64 digits");
    fails("sha256:" ABC_HEX "0", "64 digits");
    fails("sha256:ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "64 digits");
    fails("sha512:" ABC_HEX, "128 digits");
    fails("sha256:" ABC_HEX "\n", "algorithm:hex");
    fails(" sha256:" ABC_HEX, "algorithm:hex");
}

static void img_6_the_grammar_knows_algorithms_of_several_words(void **state)
{
    (void)state;
    passes("sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564=");
    passes("multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8");
    passes("md5:d41d8cd98f00b204e9800998ecf8427e");
    passes("a.b_c-d+e:x");
    fails("", "algorithm:hex");
    fails(":", "algorithm:hex");
    fails("sha256", "algorithm:hex");
    fails("sha256:", "algorithm:hex");
    fails(":abc", "algorithm:hex");
    fails("Sha256:abc", "algorithm:hex");
    fails("a++b:abc", "algorithm:hex");
    fails("+a:abc", "algorithm:hex");
    fails("a-:abc", "algorithm:hex");
    fails("a:b:c", "algorithm:hex");
    fails("a:b/c", "algorithm:hex");
    fails("a:..", "algorithm:hex");
    fails("a:\xc3\xa4", "algorithm:hex");
}

static void a_digest_cannot_leave_the_store(void **state)
{
    (void)state;
    fails("../../etc:passwd", "algorithm:hex");
    fails("sha256:../../../../../../../../../../../../../../../../../../../etc/passwd", "");
    fails("sha256:/etc/passwd", "");
    assert_false(digest_is_usable("md5:d41d8cd98f00b204e9800998ecf8427e"));
    assert_false(digest_is_usable("sha256"));
    assert_false(digest_is_usable(""));
    assert_false(digest_is_usable(NULL));
    assert_true(digest_is_usable("sha256:" ABC_HEX));
    assert_true(digest_is_usable(ABC_512));
    assert_string_equal(digest_hex("sha256:" ABC_HEX), ABC_HEX);
}

static void endless_digests_are_refused_and_shown_short(void **state)
{
    char *text = malloc(1000001);
    struct error err = { 0 };

    (void)state;
    memset(text, 'a', 1000000);
    text[1000000] = '\0';
    text[3] = ':';
    assert_int_equal(digest_check(text, &err), -1);
    assert_true(strlen(err.text) < 200);
    text[DIGEST_LENGTH_MAX + 1] = '\0';
    assert_int_equal(digest_check(text, &err), -1);
    text[DIGEST_LENGTH_MAX] = '\0';
    assert_int_equal(digest_check(text, &err), 0);
    free(text);
}

static void img_6_what_cannot_be_verified_cannot_be_used(void **state)
{
    struct error err = { 0 };
    struct digester digester;

    (void)state;
    assert_int_equal(digest_require("blake3:abc", &err), -1);
    assert_int_equal(err.code, ERROR_UNIMPLEMENTED);
    assert_non_null(strstr(err.text, "sha256 and sha512 can"));
    assert_int_equal(digest_require("sha256:abc", &err), -1);
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
    assert_int_equal(digest_require("sha256:" ABC_HEX, &err), 0);
    assert_int_equal(digester_open(&digester, "md5", &err), -1);
    assert_int_equal(err.code, ERROR_UNIMPLEMENTED);
    assert_int_equal(digester_open(&digester, "", &err), -1);
    assert_int_equal(digester_open(&digester, "sha2567", &err), -1);
    digester_drop(&digester);
    assert_int_equal(digest_verify("md5:00", "", 0, &err), -1);
    assert_int_equal(err.code, ERROR_UNIMPLEMENTED);
}

static void img_6_hashing_in_pieces_gives_the_published_values(void **state)
{
    struct digester digester;
    char text[DIGEST_TEXT_SIZE];
    struct error err = { 0 };

    (void)state;
    assert_int_equal(digester_open(&digester, "sha256", &err), 0);
    assert_int_equal(digester_finish(&digester, text, &err), 0);
    assert_string_equal(text, "sha256:" EMPTY_HEX);

    assert_int_equal(digester_open(&digester, "sha256:" EMPTY_HEX, &err), 0);
    digester_add(&digester, "a", 1);
    digester_add(&digester, NULL, 0);
    digester_add(&digester, "bc", 2);
    assert_int_equal(digester_finish(&digester, text, &err), 0);
    assert_string_equal(text, "sha256:" ABC_HEX);

    assert_int_equal(digest_of("sha512", "abc", 3, text, &err), 0);
    assert_string_equal(text, ABC_512);
    assert_int_equal(strlen(text), DIGEST_TEXT_SIZE - 1);
}

static void a_finished_digester_gives_no_second_answer(void **state)
{
    struct digester digester;
    char text[DIGEST_TEXT_SIZE];
    struct error err = { 0 };

    (void)state;
    assert_int_equal(digester_open(&digester, "sha256", &err), 0);
    assert_int_equal(digester_finish(&digester, text, &err), 0);
    digester_add(&digester, "x", 1);
    assert_int_equal(digester_finish(&digester, text, &err), -1);
    assert_int_equal(err.code, ERROR_INTERNAL);
    assert_string_equal(text, "");
}

static void verifying_names_both_digests(void **state)
{
    struct error err = { 0 };

    (void)state;
    assert_int_equal(digest_verify("sha256:" ABC_HEX, "abc", 3, &err), 0);
    assert_int_equal(digest_verify(ABC_512, "abc", 3, &err), 0);
    assert_int_equal(digest_verify("sha256:" EMPTY_HEX, "abc", 3, &err), -1);
    assert_int_equal(err.code, ERROR_DATA_LOSS);
    assert_non_null(strstr(err.text, EMPTY_HEX));
    assert_non_null(strstr(err.text, ABC_HEX));
}

/* Computed with coreutils: printf 'sha256:A sha256:B' | sha256sum */
static void img_13_chain_ids_follow_the_specification(void **state)
{
    static const char *const diff_ids[] = {
        "sha256:" EMPTY_HEX,
        "sha256:" ABC_HEX,
        "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    };
    static const char *const chain_ids[] = {
        "sha256:" EMPTY_HEX,
        "sha256:a893da35bd22286079f2f3931516d3423eb9b4945f2379e0f8a501ec3d665dd6",
        "sha256:bf146a3257b5ecbb1f9da55c7c00726ffc33f031878cdf2087596d97ac5fd244",
    };
    char chain[DIGEST_TEXT_SIZE] = "";
    struct error err = { 0 };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(chain_id_next(chain, diff_ids[i], chain, &err), 0);
        assert_string_equal(chain, chain_ids[i]);
    }
    assert_int_equal(chain_id_next(NULL, ABC_512, chain, &err), 0);
    assert_string_equal(chain, ABC_512);
    assert_int_equal(chain_id_next(chain, ABC_512, chain, &err), 0);
    assert_memory_equal(chain, "sha256:", 7);
}

static void img_13_a_chain_of_what_is_no_digest_is_refused(void **state)
{
    char chain[DIGEST_TEXT_SIZE] = "";
    struct error err = { 0 };

    (void)state;
    assert_int_equal(chain_id_next(NULL, "sha256:short", chain, &err), -1);
    assert_int_equal(chain_id_next("x", "sha256:" ABC_HEX, chain, &err), -1);
    assert_int_equal(chain_id_next("sha256:" ABC_HEX, "md5:00", chain, &err), -1);
    assert_string_equal(chain, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(img_6_digests_of_known_algorithms_must_be_exact),
        cmocka_unit_test(img_6_the_grammar_knows_algorithms_of_several_words),
        cmocka_unit_test(a_digest_cannot_leave_the_store),
        cmocka_unit_test(endless_digests_are_refused_and_shown_short),
        cmocka_unit_test(img_6_what_cannot_be_verified_cannot_be_used),
        cmocka_unit_test(img_6_hashing_in_pieces_gives_the_published_values),
        cmocka_unit_test(a_finished_digester_gives_no_second_answer),
        cmocka_unit_test(verifying_names_both_digests),
        cmocka_unit_test(img_13_chain_ids_follow_the_specification),
        cmocka_unit_test(img_13_a_chain_of_what_is_no_digest_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
