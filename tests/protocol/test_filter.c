/* Filters: containerd's language over records of the schema. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/filter.h"
#include "protocol/schema.h"

static struct map_entry label_entries[] = {
    { "com.example/tier", "db" }, { "keep", "yes" },     { "empty", "" },
    { "a,b \"c\"", "d e" },       { "a.b.c", "joined" },
};
static const struct descriptor target = { .media_type = "application/vnd.oci.image.index.v1+json",
                                          .digest = "sha256:abcd",
                                          .size = 7 };
static const struct image_info image = {
    .name = "docker.io/library/redis:7",
    .target = &target,
    .labels = { 5, label_entries },
    SET(created, 1767323045000000006),
    .id = "",
};

static struct filters *parsed(const struct strs *texts, struct arena *arena)
{
    struct filters *filters = NULL;
    struct error err = { 0 };

    if (filters_parse(texts, &filters, arena, &err) < 0)
        fail_msg("%s", err.text);
    return filters;
}

static bool matches_record(const char *text, const struct record *record, const void *instance)
{
    struct arena *arena = arena_new();
    bool result = filters_match(parsed(&(struct strs){ 1, &text }, arena), record, instance);

    arena_free(arena);
    return result;
}

static bool image_is(const char *text)
{
    return matches_record(text, image_info_record(), &image);
}

static void fails(const char *text, const char *says)
{
    struct arena *arena = arena_new();
    struct filters *filters;
    struct error err = { 0 };

    if (filters_parse(&(struct strs){ 1, &text }, &filters, arena, &err) == 0)
        fail_msg("'%s' passes", text);
    assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
    if (strstr(err.text, says) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, says);
    arena_free(arena);
}

static void a_field_is_compared_with_a_value(void **state)
{
    (void)state;
    assert_true(image_is("name==docker.io/library/redis:7"));
    assert_true(image_is("name==\"docker.io/library/redis:7\""));
    assert_true(image_is(" name == docker.io/library/redis:7 "));
    assert_false(image_is("name==redis"));
    assert_true(image_is("name!=redis"));
    assert_false(image_is("name!=docker.io/library/redis:7"));
    assert_true(image_is("name~=redis"));
    assert_true(image_is("name~=\"^docker\\\\.io/.*:7$\""));
    assert_true(image_is("name~=/^docker\\.io\\/library/"));
    assert_true(image_is("name~=|(redis\\|valkey):\\d|"));
    assert_false(image_is("name~=valkey"));
}

static void a_bare_path_asks_whether_something_is_there(void **state)
{
    (void)state;
    assert_true(image_is("name"));
    assert_true(image_is("labels"));
    assert_true(image_is("labels.keep"));
    assert_false(image_is("labels.empty"));
    assert_false(image_is("labels.nothing"));
    assert_false(image_is("id"));
    assert_true(image_is("target"));
    assert_true(image_is("created"));
    assert_false(image_is("updated"));
    assert_false(image_is("size"));
}

static void maps_go_by_key(void **state)
{
    (void)state;
    assert_true(image_is("labels.\"com.example/tier\"==db"));
    assert_true(image_is("labels.com.example/tier==db"));
    assert_true(image_is("labels.\"a,b \\\"c\\\"\"==\"d e\""));
    assert_true(image_is("labels.a.b.c==joined"));
    assert_true(image_is("labels.\"a.b\".c==joined"));
    assert_false(image_is("labels.a.b==joined"));
    assert_false(image_is("labels.a.b.c.d==joined"));
    assert_true(image_is("labels.empty==\"\""));
    assert_true(image_is("labels.nothing!=x"));
    assert_false(image_is("labels.nothing==x"));
    assert_false(image_is("labels.nothing~=.*"));
    assert_false(image_is("labels==db"));
}

static void paths_lead_into_nested_records(void **state)
{
    const struct image_info bare = { .name = "x" };

    (void)state;
    assert_true(image_is("target.digest==sha256:abcd"));
    assert_true(image_is("target.digest~=^sha256:"));
    assert_true(image_is("target.size==7"));
    assert_false(image_is("target.size==8"));
    assert_false(image_is("target.digest.x==y"));
    assert_false(image_is("target==x"));
    assert_false(matches_record("target.size==7", image_info_record(), &bare));
    assert_true(matches_record("target.size!=7", image_info_record(), &bare));
    assert_false(matches_record("labels.x", image_info_record(), &bare));
}

static void a_comma_is_and_several_filters_are_or(void **state)
{
    const char *texts[] = { "name==redis", "labels.keep,target.size==7" };
    struct arena *arena = arena_new();

    (void)state;
    assert_true(image_is("labels.keep==yes,target.size==7"));
    assert_false(image_is("labels.keep==yes,target.size==8"));
    assert_false(image_is("labels.keep==no , target.size==7"));
    assert_true(
        filters_match(parsed(&(struct strs){ 2, texts }, arena), image_info_record(), &image));
    texts[1] = "labels.keep,target.size==8";
    assert_false(
        filters_match(parsed(&(struct strs){ 2, texts }, arena), image_info_record(), &image));
    arena_free(arena);
}

static void no_filter_and_the_empty_one_match_everything(void **state)
{
    struct arena *arena = arena_new();

    (void)state;
    assert_true(image_is(""));
    assert_true(image_is("  "));
    assert_true(filters_match(NULL, image_info_record(), &image));
    assert_true(filters_match(parsed(&(struct strs){ 0 }, arena), image_info_record(), &image));
    arena_free(arena);
}

static void every_kind_of_field_has_a_text(void **state)
{
    const char *args[] = { "sh", "-c", "\xff" };
    struct mount mounts[] = { { .type = "bind", .target = "/a" }, { .type = "tmpfs" } };
    const struct container_options options = {
        .args = { 3, args },
        SET(tty, true),
        SET(stdin, false),
        SET(cpus, 1.5),
        SET(pids, -1),
        SET(memory, 18446744073709551615u),
        .mounts = { 2, mounts },
    };
    const struct shim_data data = { .stream = "stdin", .bytes = { "x", 1 } };
    const struct record *record = container_options_record();

    (void)state;
    assert_true(matches_record("args==-c", record, &options));
    assert_true(matches_record("args!=-x", record, &options));
    assert_false(matches_record("args!=sh", record, &options));
    assert_true(matches_record("args~=^s", record, &options));
    assert_false(matches_record("env", record, &options));
    assert_true(matches_record("tty", record, &options));
    assert_true(matches_record("tty==true", record, &options));
    assert_false(matches_record("stdin", record, &options));
    assert_true(matches_record("stdin==false", record, &options));
    assert_false(matches_record("read_only==false", record, &options)); /* nobody has said so */
    assert_true(matches_record("cpus==1.5", record, &options));
    assert_true(matches_record("pids==-1", record, &options));
    assert_true(matches_record("memory==18446744073709551615", record, &options));
    assert_true(matches_record("mounts.type==tmpfs", record, &options));
    assert_true(matches_record("mounts.target==/a", record, &options));
    assert_false(matches_record("mounts.type==overlay", record, &options));
    assert_false(matches_record("mounts.type!=bind", record, &options));
    assert_true(matches_record("mounts", record, &options));
    assert_false(matches_record("rlimits", record, &options));
    assert_true(matches_record("bytes", shim_data_record(), &data));
    assert_false(matches_record("bytes==x", shim_data_record(), &data));
    assert_true(image_is("created==2026-01-02T03:04:05.000000006Z"));
    assert_true(image_is("created~=^2026-01"));
}

static void containerd_s_own_examples_work(void **state)
{
    static struct map_entry fields[] = { { "image", "x" } };
    const struct event event = { .topic = "/containers/create",
                                 .namespace = "default",
                                 .fields = { 1, fields } };
    const struct record *record = event_record();

    (void)state;
    assert_true(matches_record("topic==/containers/create", record, &event));
    assert_true(matches_record("topic~=|^/containers/|", record, &event));
    assert_true(matches_record("namespace==default,topic~=\"^/containers\"", record, &event));
    assert_true(matches_record("fields.image", record, &event));
    assert_false(matches_record("topic~=\"^/tasks\"", record, &event));
}

static void errors_name_the_byte_and_what_was_expected(void **state)
{
    (void)state;
    fails("==x", "byte 1: expected the name of a field");
    fails("a,", "byte 3: expected the name of a field");
    fails("a..b", "byte 3: expected the name of a field");
    fails("a.", "byte 3: expected the name of a field");
    fails("a=b", "byte 2: expected ==, != or ~=");
    fails("a b", "byte 3: expected ==, != or ~=");
    fails("a==", "byte 4: expected a value");
    fails("a==,b", "byte 4: expected a value");
    fails("a==b c", "byte 6: expected a comma or the end");
    fails("a==\"b", "byte 6: expected the quote's end");
    fails("a==\"b\\x\"", "byte 7: expected one of");
    fails("a==\"b\\", "expected one of");
    fails("a~=/b\\", "quote's end");
    fails("\"a", "quote's end");
    fails("a~=(b", "filter 'a~=(b', byte 4: pattern, byte 3: ) is missing");
    fails("\xff", "expected the name of a field");
    fails("\x1b[2J", "filter '?[2J'");
}

static void the_bounds_hold(void **state)
{
    struct arena *arena = arena_new();
    const char *texts[FILTERS_MAX + 1];
    char *text = calloc(1, 20000);
    struct filters *filters;
    struct error err;

    (void)state;
    for (size_t i = 0; i <= FILTERS_MAX; i++)
        texts[i] = "name";
    assert_int_equal(filters_parse(&(struct strs){ FILTERS_MAX, texts }, &filters, arena, &err), 0);
    assert_int_equal(filters_parse(&(struct strs){ FILTERS_MAX + 1, texts }, &filters, arena, &err),
                     -1);
    assert_non_null(strstr(err.text, "65 filters, the limit is 64"));
    memset(text, 'a', FILTER_LENGTH_MAX + 1);
    fails(text, "longer than 4096 bytes");
    text[FILTER_LENGTH_MAX] = '\0';
    assert_false(image_is(text));
    *text = '\0';
    for (int i = 0; i < FILTER_TERMS_MAX; i++)
        strcat(text, ",a" + (i == 0));
    assert_false(image_is(text));
    strcat(text, ",a");
    fails(text, "at most 32 terms");
    fails("a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a", "at most 16 parts");
    for (int i = 0; i < FILTER_LENGTH_MAX; i += 2)
        memcpy(text + i, "\"\"", 3);
    fails(text, "byte 3");
    free(text);
    arena_free(arena);
}

static void a_field_that_no_record_has_can_be_told(void **state)
{
    const char *texts[] = { "name", "target.digest==x,lables.x==y" };
    struct arena *arena = arena_new();
    struct filters *filters = parsed(&(struct strs){ 2, texts }, arena);
    struct error err = { 0 };

    (void)state;
    assert_int_equal(filters_check(filters, image_info_record(), &err), -1);
    assert_string_equal(err.text, "filter: image_info has no field 'lables'");
    filters = parsed(&(struct strs){ 1, texts }, arena);
    assert_int_equal(filters_check(filters, image_info_record(), &err), 0);
    assert_int_equal(filters_check(NULL, image_info_record(), &err), 0);
    assert_false(image_is("lables.x==y"));
    arena_free(arena);
}

static void random_filters_are_refused_or_answer(void **state)
{
    static const char *const pieces[] = { "name", "labels", "target", ".",  "==", "!=", "~=",
                                          ",",    "\"",     "/",      "|",  " ",  "a",  "keep",
                                          "\\",   "(",      "*",      "id", "[",  "]",  "\xc3" };
    unsigned seed = 5, answered = 0;
    char text[200];

    (void)state;
    for (int round = 0; round < 100000; round++) {
        const char *pointer = text;
        struct arena *arena = arena_new();
        struct filters *filters;
        struct error err;

        text[0] = '\0';
        for (int i = rand_r(&seed) % 12; i > 0; i--)
            strcat(text, pieces[(size_t)rand_r(&seed) % (sizeof(pieces) / sizeof(*pieces))]);
        if (filters_parse(&(struct strs){ 1, &pointer }, &filters, arena, &err) == 0) {
            filters_match(filters, image_info_record(), &image);
            answered++;
        }
        arena_free(arena);
    }
    assert_true(answered > 1000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_is_compared_with_a_value),
        cmocka_unit_test(a_bare_path_asks_whether_something_is_there),
        cmocka_unit_test(maps_go_by_key),
        cmocka_unit_test(paths_lead_into_nested_records),
        cmocka_unit_test(a_comma_is_and_several_filters_are_or),
        cmocka_unit_test(no_filter_and_the_empty_one_match_everything),
        cmocka_unit_test(every_kind_of_field_has_a_text),
        cmocka_unit_test(containerd_s_own_examples_work),
        cmocka_unit_test(errors_name_the_byte_and_what_was_expected),
        cmocka_unit_test(the_bounds_hold),
        cmocka_unit_test(a_field_that_no_record_has_can_be_told),
        cmocka_unit_test(random_filters_are_refused_or_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
