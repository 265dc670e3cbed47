/* Patterns: what they find, that they agree with another engine, and that none can hang. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <regex.h>

#include <cmocka.h>

#include "protocol/pattern.h"

static struct pattern *compiled(const char *text, struct arena *arena)
{
    struct pattern *pattern;
    struct error err = { 0 };

    if (pattern_compile(text, &pattern, arena, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return pattern;
}

static bool found(const char *text, const char *in)
{
    struct arena *arena = arena_new();
    bool result = pattern_match(compiled(text, arena), in);

    arena_free(arena);
    return result;
}

#define finds(text, in)  assert_true(found(text, in))
#define misses(text, in) assert_false(found(text, in))

static void fails(const char *text, const char *says)
{
    struct arena *arena = arena_new();
    struct pattern *pattern;
    struct error err = { 0 };

    if (pattern_compile(text, &pattern, arena, &err) == 0)
        fail_msg("'%s' passes", text);
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
    if (strstr(err.text, says) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, says);
    arena_free(arena);
}

static void plain_text_is_found_anywhere(void **state)
{
    (void)state;
    finds("", "");
    finds("", "x");
    finds("b", "abc");
    finds("abc", "abc");
    misses("abd", "abc");
    misses("a", "");
    finds("\xc3\xa4", "x\xc3\xa4x");
    finds("docker\\.io/library/redis", "docker.io/library/redis:7");
    misses("docker\\.io", "dockerxio");
}

static void anchors_tie_to_the_ends(void **state)
{
    (void)state;
    finds("^ab", "abc");
    misses("^b", "ab");
    finds("bc$", "abc");
    misses("b$", "abc");
    finds("^abc$", "abc");
    finds("^$", "");
    misses("^$", "a");
    finds("a|^b", "cba");
    misses("^(a|b)$", "ab");
    misses("a^b", "ab");
    misses("a$b", "ab");
    finds("(^|/)redis(:|$)", "library/redis:7");
    misses("(^|/)redis(:|$)", "library/redis2");
}

static void repetitions_repeat_as_often_as_they_say(void **state)
{
    (void)state;
    finds("^ab*c$", "ac");
    finds("^ab*c$", "abbbc");
    misses("^ab+c$", "ac");
    finds("^ab+c$", "abc");
    finds("^ab?c$", "abc");
    misses("^ab?c$", "abbc");
    finds("^a{3}$", "aaa");
    misses("^a{3}$", "aa");
    misses("^a{3}$", "aaaa");
    finds("^a{2,}$", "aaaaa");
    misses("^a{2,}$", "a");
    finds("^a{1,3}$", "aaa");
    misses("^a{1,3}$", "aaaa");
    misses("^a{1,3}$", "");
    finds("^a{0,2}$", "");
    finds("^a{0}$", "");
    finds("^a{0,}b$", "aab");
    finds("^(ab){2}$", "abab");
    finds("^(a|b)*c$", "ababc");
    finds("^(a*)*$", "aaa");
    finds("^(a*)+$", "");
    finds("^()*$", "");
    finds("^a*?b+?c??$", "aabc");
    finds("^\xc3\xa4+$", "\xc3\xa4\xc3\xa4");
    finds("^[0-9a-f]{64}$", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
}

static void sets_and_classes_hold_what_they_name(void **state)
{
    (void)state;
    finds("^[a-c]+$", "abc");
    misses("[a-c]", "d");
    finds("^[]a]+$", "]a");
    finds("^[a-]+$", "a-");
    finds("^[-a]+$", "a-");
    finds("^[^a]$", "b");
    misses("^[^a]$", "a");
    finds("^[^a]$", "\xc3\xa4");
    misses("^[^a][^a]$", "\xc3\xa4");
    finds("^[\\]\\\\^]+$", "]\\^");
    finds("^\\d+\\.\\d+$", "1.36");
    finds("^[\\d.]+$", "1.36");
    misses("\\d", "x");
    finds("^\\w+$", "az_AZ09");
    finds("^\\D$", "\xe2\x82\xac");
    finds("a\\sb", "a b");
    finds("a\\Sb", "a\xc3\xa4"
                   "b");
    finds("^.$", "\xe2\x82\xac");
    misses("^..$", "\xe2\x82\xac");
    finds("^.\\.$", "x.");
    finds("(?i)ReDiS", "redis");
    finds("(?i)^[a-c]+$", "ABC");
    misses("(?i)[^a]", "A");
    misses("redis", "REDIS");
}

static void alternatives_are_tried_all(void **state)
{
    char many[PATTERN_LENGTH_MAX + 1] = "a";

    (void)state;
    finds("^(redis|valkey|)$", "valkey");
    finds("^(redis|valkey|)$", "");
    misses("^(redis|valkey)$", "redisvalkey");
    finds("a|b|c|d", "d");
    finds("^(?:a|b)c$", "bc");
    while (strlen(many) < PATTERN_LENGTH_MAX - 2)
        strcat(many, "|a");
    finds(many, "xa");
    misses(many, "x");
}

static void malformed_patterns_are_refused_with_their_place(void **state)
{
    (void)state;
    fails("a(b", "byte 4: ) is missing");
    fails("a)b", "byte 2: there is a ) too many");
    fails("*a", "byte 1: there is nothing to repeat");
    fails("a**", "byte 3: there is nothing to repeat");
    fails("(+)", "nothing to repeat");
    fails("(?=a)", "nothing to repeat");
    fails("[a", "] is missing");
    fails("[", "] is missing");
    fails("[]", "] is missing");
    fails("[^]", "] is missing");
    fails("[b-a]", "wrong way round");
    fails("[a\\", "behind \\ comes");
    fails("[\\W]", "no opposite");
    fails("[\xc3\xa4]", "ASCII");
    fails("a\\", "behind \\ comes");
    fails("(a)\\1", "behind \\ comes");
    fails("\\b", "behind \\ comes");
    fails("a{", "a repetition is");
    fails("a{x}", "a repetition is");
    fails("a{2,1}", "m not over n");
    fails("a{1,2", "a repetition is");
    fails("a{256}", "up to 255");
    fails("a{99999999999}", "up to 255");
}

static void patterns_that_grow_are_refused(void **state)
{
    char text[1000] = "";

    (void)state;
    fails("((a{255}){255}){255}", "too large");
    fails("(a{1,255}){1,255}", "too large");
    fails("(((((a{0,9}){0,9}){0,9}){0,9}){0,9})", "too large");
    memset(text, '(', 100);
    fails(text, "nested too deep");
    memset(text, 'a', PATTERN_LENGTH_MAX + 1);
    fails(text, "longer than 256 bytes");
}

/* What takes a backtracking engine longer than the universe has. */
static void no_pattern_hangs(void **state)
{
    static const char *const patterns[] = {
        "^(a+)+$",    "^(a*)*$",          "^(a|a)*$",
        "^(a|aa)+$",  "(a?){150}a{100}$", "(.*)*(.*)*(.*)*x$",
        "^((a*)*)*$", "(x+x+)+y",         "^(([a-z])+.)+[A-Z]([a-z])+$",
    };
    char *text = malloc(100000);
    clock_t begin = clock();

    (void)state;
    memset(text, 'a', 99999);
    text[99999] = '\0';
    text[4000] = '!';
    for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++)
        misses(patterns[i], text);
    assert_true((clock() - begin) / CLOCKS_PER_SEC < 20);
    free(text);
}

static void what_is_behind_the_limit_is_not_looked_at(void **state)
{
    char text[PATTERN_TEXT_MAX + 2];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[PATTERN_TEXT_MAX] = 'b';
    text[PATTERN_TEXT_MAX + 1] = '\0';
    misses("b", text);
    text[PATTERN_TEXT_MAX - 1] = 'b';
    finds("b", text);
}

/* A repeated anchor, and ? behind another repetition, mean different things to different engines.
 */
static bool is_disputed(const char *text)
{
    for (; *text; text++) {
        if ((*text == '^' || *text == '$') && text[1] && strchr("*+?{", text[1]))
            return true;
        if (strchr("*+?}", *text) && text[1] == '?')
            return true;
    }
    return strstr(text, "()") != NULL;
}

/* Random patterns over a few letters: the C library's engine is of the same opinion. */
static void the_c_library_finds_the_same(void **state)
{
    static const char *const pieces[] = { "a", "b",  "c",  "(",  ")",    "|",     "*",    "+",
                                          "?", ".",  "^",  "$",  "[ab]", "[^a]",  "(a",   "b)",
                                          "*", "a*", "b|", "ab", "{2}",  "{1,2}", "{0,}", "(b|" };
    unsigned seed = 1, compared = 0;
    char text[64], in[12];

    (void)state;
    for (int round = 0; round < 60000; round++) {
        struct arena *arena = arena_new();
        struct pattern *pattern;
        struct error err;
        regex_t other;

        text[0] = in[0] = '\0';
        for (int i = rand_r(&seed) % 8 + 1; i > 0; i--)
            strcat(text, pieces[(size_t)rand_r(&seed) % (sizeof(pieces) / sizeof(*pieces))]);
        for (int i = rand_r(&seed) % 8; i > 0; i--)
            strcat(in, (const char *[]){ "a", "b", "c" }[rand_r(&seed) % 3]);
        if (!is_disputed(text) && pattern_compile(text, &pattern, arena, &err) == 0 &&
            regcomp(&other, text, REG_EXTENDED | REG_NOSUB) == 0) {
            bool theirs = regexec(&other, in, 0, NULL, 0) == 0;

            compared++;
            if (pattern_match(pattern, in) != theirs)
                fail_msg("'%s' in '%s': the C library says %d", text, in, theirs);
            regfree(&other);
        }
        arena_free(arena);
    }
    assert_true(compared > 10000);
}

static void random_bytes_are_refused_or_end(void **state)
{
    static const char letters[] = "ab()|*+?{},0129[]^$.\\-dwsW:i\xc3\xa4\xff";
    unsigned seed = 3;
    char text[40];

    (void)state;
    for (int round = 0; round < 30000; round++) {
        struct arena *arena = arena_new();
        size_t size = (size_t)rand_r(&seed) % (sizeof(text) - 1);
        struct pattern *pattern;
        struct error err;

        for (size_t i = 0; i < size; i++)
            text[i] = letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)];
        text[size] = '\0';
        if (pattern_compile(text, &pattern, arena, &err) == 0)
            pattern_match(pattern, "aab\xc3\xa4 012-w\xff");
        arena_free(arena);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_is_found_anywhere),
        cmocka_unit_test(anchors_tie_to_the_ends),
        cmocka_unit_test(repetitions_repeat_as_often_as_they_say),
        cmocka_unit_test(sets_and_classes_hold_what_they_name),
        cmocka_unit_test(alternatives_are_tried_all),
        cmocka_unit_test(malformed_patterns_are_refused_with_their_place),
        cmocka_unit_test(patterns_that_grow_are_refused),
        cmocka_unit_test(no_pattern_hangs),
        cmocka_unit_test(what_is_behind_the_limit_is_not_looked_at),
        cmocka_unit_test(the_c_library_finds_the_same),
        cmocka_unit_test(random_bytes_are_refused_or_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
