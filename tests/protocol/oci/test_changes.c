/* Lines of a Dockerfile change an image's config. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/oci/changes.h"

static struct error err;

static int change(const char *before, const char *line, char after[512])
{
    json_t *config = json_loads(before, 0, NULL);
    const struct strs lines = { 1, &line };
    int result = changes_apply(config, &lines, &err);
    char *text = json_dumps(config, JSON_COMPACT | JSON_SORT_KEYS);

    snprintf(after, 512, "%s", text);
    free(text);
    json_decref(config);
    return result;
}

static void expect(const char *before, const char *line, const char *expected)
{
    char after[512];

    if (change(before, line, after) < 0)
        fail_msg("%s: %s", line, err.text);
    assert_string_equal(after, expected);
}

static void each_instruction_sets_its_member(void **state)
{
    (void)state;
    expect("{}", "CMD [\"a\", \"b\"]", "{\"Cmd\":[\"a\",\"b\"]}");
    expect("{}", "cmd a b", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"a b\"]}");
    expect("{}", "ENTRYPOINT [\"a\"]", "{\"Entrypoint\":[\"a\"]}");
    expect("{}", "EXPOSE 80 53/udp", "{\"ExposedPorts\":{\"53/udp\":{},\"80/tcp\":{}}}");
    expect("{}", "LABEL a=1 b=\"2 3\"", "{\"Labels\":{\"a\":\"1\",\"b\":\"2 3\"}}");
    expect("{}", "VOLUME [\"/a\"]", "{\"Volumes\":{\"/a\":{}}}");
    expect("{}", "USER 1:2", "{\"User\":\"1:2\"}");
    expect("{}", "STOPSIGNAL SIGINT", "{\"StopSignal\":\"SIGINT\"}");
    expect("{}", "ONBUILD RUN a b", "{\"OnBuild\":[\"RUN a b\"]}");
}

static void a_variable_takes_the_place_of_its_namesake(void **state)
{
    (void)state;
    expect("{\"Env\":[\"A=1\",\"AB=2\"]}", "ENV A=3 C=4", "{\"Env\":[\"A=3\",\"AB=2\",\"C=4\"]}");
    expect("{\"Env\":null}", "ENV A some words", "{\"Env\":[\"A=some words\"]}");
}

static void a_relative_folder_goes_on_from_the_old_one(void **state)
{
    (void)state;
    expect("{}", "WORKDIR a", "{\"WorkingDir\":\"/a\"}");
    expect("{\"WorkingDir\":\"/a\"}", "WORKDIR b", "{\"WorkingDir\":\"/a/b\"}");
    expect("{\"WorkingDir\":\"/a\"}", "WORKDIR /b", "{\"WorkingDir\":\"/b\"}");
}

static void expect_of(const struct strs *lines, const char *expected)
{
    json_t *config = json_loads("{\"Cmd\":[\"old\"],\"Entrypoint\":[\"e\"]}", 0, NULL);
    char *text;

    assert_int_equal(changes_apply(config, lines, &err), 0);
    text = json_dumps(config, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, expected);
    free(text);
    json_decref(config);
}

#define EXPECT_OF(expected, ...)                                                                   \
    do {                                                                                           \
        static const char *lines[] = { __VA_ARGS__ };                                              \
        expect_of(&(const struct strs){ sizeof(lines) / sizeof(*lines), lines }, expected);        \
    } while (0)

static void an_entrypoint_takes_the_old_command_away_unless_one_was_said_before(void **state)
{
    (void)state;
    EXPECT_OF("{\"Entrypoint\":[\"new\"]}", "ENTRYPOINT [\"new\"]");
    EXPECT_OF("{\"Cmd\":[\"c\"],\"Entrypoint\":[\"new\"]}", "CMD [\"c\"]", "ENTRYPOINT [\"new\"]");
    EXPECT_OF("{\"Cmd\":[\"c\"],\"Entrypoint\":[\"new\"]}", "ENTRYPOINT [\"new\"]", "CMD [\"c\"]");
    EXPECT_OF("{\"Cmd\":[\"old\"],\"Entrypoint\":[]}", "ENTRYPOINT []");
    EXPECT_OF("{\"Cmd\":[\"c\"],\"Entrypoint\":[\"e\"]}", "CMD [\"c\"]");
}

static void what_is_no_instruction_is_refused_by_name(void **state)
{
    static const char *const lines[] = {
        "RUN rm", "CMD [1]", "ENV", "ENV A", "LABEL a", "USER", ""
    };
    char after[512];

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        assert_int_equal(change("{}", lines[i], after), -1);
        assert_int_equal(err.code, ERROR_INVALID_ARGUMENT);
        assert_non_null(strstr(err.text, lines[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_instruction_sets_its_member),
        cmocka_unit_test(a_variable_takes_the_place_of_its_namesake),
        cmocka_unit_test(a_relative_folder_goes_on_from_the_old_one),
        cmocka_unit_test(an_entrypoint_takes_the_old_command_away_unless_one_was_said_before),
        cmocka_unit_test(what_is_no_instruction_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
