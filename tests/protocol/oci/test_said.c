/* What a container was told goes into the image that is made of it, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/oci/said.h"
#include "protocol/schema.h"

#define IMAGE "{\"Cmd\":[\"c\"],\"Entrypoint\":[\"e\"],\"Env\":[\"A=1\",\"PATH=/bin\"],\"User\":\"web\"}"
#define TEXTS(...)                                                                                 \
    {                                                                                              \
        sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *), (const char *[])                 \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static struct error err;

static void expect(const char *before, const struct container_info *container, const char *expected)
{
    json_t *config = json_loads(before, 0, NULL), *wanted = json_loads(expected, 0, NULL);
    char *text;

    assert_non_null(wanted);
    if (said_apply(config, container, &err) < 0)
        fail_msg("%s", err.text);
    text = json_dumps(config, JSON_COMPACT | JSON_SORT_KEYS);
    if (!json_equal(config, wanted))
        fail_msg("expected %s, got %s", expected, text);
    free(text);
    json_decref(config);
    json_decref(wanted);
}

static void expect_said(const struct container_said *said, const char *expected)
{
    expect(IMAGE, &(struct container_info){ .image_id = "sha256:0", .said = said }, expected);
}

static void where_nothing_was_said_the_image_stays_as_it_is(void **state)
{
    (void)state;
    expect_said(NULL, IMAGE);
    expect_said(&(struct container_said){ .user = "", .cwd = "" }, IMAGE);
}

static void arguments_are_its_command(void **state)
{
    (void)state;
    expect_said(&(struct container_said){ .args = TEXTS("x", "y") },
                "{\"Cmd\":[\"x\",\"y\"],\"Entrypoint\":[\"e\"],\"Env\":[\"A=1\",\"PATH=/bin\"],"
                "\"User\":\"web\"}");
}

static void another_entrypoint_takes_the_old_command_away(void **state)
{
    (void)state;
    expect_said(&(struct container_said){ .entrypoint = TEXTS("n", "m") },
                "{\"Entrypoint\":[\"n\",\"m\"],\"Env\":[\"A=1\",\"PATH=/bin\"],\"User\":\"web\"}");
    expect_said(&(struct container_said){ .entrypoint = TEXTS("n"), .args = TEXTS("x") },
                "{\"Cmd\":[\"x\"],\"Entrypoint\":[\"n\"],\"Env\":[\"A=1\",\"PATH=/bin\"],"
                "\"User\":\"web\"}");
    expect_said(&(struct container_said){ .no_entrypoint = true, .has_no_entrypoint = true,
                                          .args = TEXTS("x") },
                "{\"Cmd\":[\"x\"],\"Env\":[\"A=1\",\"PATH=/bin\"],\"User\":\"web\"}");
}

static void the_rest_goes_over_the_image(void **state)
{
    (void)state;
    expect_said(&(struct container_said){ .env = TEXTS("A=2", "B=3=4"),
                                          .cwd = "/tmp",
                                          .user = "1:1",
                                          .stop_signal = "INT" },
                "{\"Cmd\":[\"c\"],\"Entrypoint\":[\"e\"],\"Env\":[\"A=2\",\"PATH=/bin\",\"B=3=4\"],"
                "\"User\":\"1:1\",\"WorkingDir\":\"/tmp\",\"StopSignal\":\"INT\"}");
}

static void labels_that_steer_the_daemon_and_volumes_with_a_name_stay_here(void **state)
{
    static const struct container_mount mounts[] = {
        { .type = "volume", .name = "v", .destination = "/named" },
        { .type = "bind", .source = "/", .destination = "/bound" },
        { .type = "volume", .destination = "/own", .anonymous = true, .has_anonymous = true },
    };
    static struct map_entry labels[] = { { "containerd.io/gc.root", "yes" }, { "a", "b" } };
    const struct container_info container = {
        .image_id = "sha256:0",
        .labels = { 2, labels },
        .mounts = { 3, (void *)(uintptr_t)mounts },
    };

    (void)state;
    expect("{\"Labels\":{\"a\":\"old\",\"c\":\"d\"},\"Volumes\":null}", &container,
           "{\"Labels\":{\"a\":\"b\",\"c\":\"d\"},\"Volumes\":{\"/own\":{}}}");
}

static void without_an_image_the_spec_says_it_all(void **state)
{
    const struct container_info container = {
        .spec = "{\"process\":{\"args\":[\"a\",\"b\"],\"env\":[\"A=1\"],\"cwd\":\"/w\","
                "\"user\":{\"uid\":7,\"gid\":8}}}",
    };

    (void)state;
    expect("{}", &container,
           "{\"Cmd\":[\"a\",\"b\"],\"Env\":[\"A=1\"],\"WorkingDir\":\"/w\",\"User\":\"7:8\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_nothing_was_said_the_image_stays_as_it_is),
        cmocka_unit_test(arguments_are_its_command),
        cmocka_unit_test(another_entrypoint_takes_the_old_command_away),
        cmocka_unit_test(the_rest_goes_over_the_image),
        cmocka_unit_test(labels_that_steer_the_daemon_and_volumes_with_a_name_stay_here),
        cmocka_unit_test(without_an_image_the_spec_says_it_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
