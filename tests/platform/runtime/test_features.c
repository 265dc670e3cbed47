/* What the runtime says it knows is what it takes. */
#include "platform/linux/runtime/features.h"
#include "tests/platform/runtime/process_fixture.h"

static json_t *features;

static int features_setup(void **state UNUSED)
{
    static const char *const options[] = { "bind", "ro" };
    const struct features_parts parts = { .mount_options = options, .mount_option_count = 2 };

    features = features_new(&parts);
    return 0;
}

static int features_teardown(void **state UNUSED)
{
    json_decref(features);
    return 0;
}

static const json_t *at(const char *one, const char *two, const char *three)
{
    const json_t *json = json_object_get(features, one);

    json = two != NULL ? json_object_get(json, two) : json;
    json = three != NULL ? json_object_get(json, three) : json;
    if (json == NULL)
        fail_msg("no %s %s %s", one, two, three);
    return json;
}

static void the_document_has_what_callers_look_for(void **state UNUSED)
{
    assert_string_equal(json_string_value(at("ociVersionMin", NULL, NULL)), "1.0.0");
    assert_string_equal(json_string_value(at("ociVersionMax", NULL, NULL)), "1.3.0");
    assert_int_equal(json_array_size(at("hooks", NULL, NULL)), 6);
    assert_int_equal(json_array_size(at("mountOptions", NULL, NULL)), 2);
    assert_int_equal(json_array_size(at("linux", "capabilities", NULL)), 41);
    assert_int_equal(json_array_size(at("linux", "namespaces", NULL)), 8);
    assert_true(json_is_true(at("linux", "cgroup", "rdma")));
    assert_true(json_is_true(at("linux", "netDevices", "enabled")));
    assert_true(json_is_true(json_object_get(at("linux", "mountExtensions", "idmap"), "enabled")));
    assert_int_equal(json_array_size(at("linux", "memoryPolicy", "modes")), 7);
    assert_true(json_is_true(at("linux", "intelRdt", "enabled")));
    assert_true(json_is_true(at("linux", "intelRdt", "schemata")));
    assert_true(json_is_true(at("linux", "intelRdt", "monitoring")));
    assert_true(json_is_string(at("annotations", "io.github.seccomp.libseccomp.version", NULL)));
    assert_int_equal(json_array_size(at("potentiallyUnsafeConfigAnnotations", NULL, NULL)), 3);
}

static void every_seccomp_word_is_taken(void **state UNUSED)
{
    const json_t *word;
    size_t i;

    json_array_foreach (at("linux", "seccomp", "actions"), i, word) {
        char more[512];

        if (strcmp(json_string_value(word), "SCMP_ACT_NOTIFY") == 0)
            continue; /* wants a listener */
        snprintf(more, sizeof(more),
                 "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":"
                 "[\"getppid\"],\"action\":\"%s\"}]}",
                 json_string_value(word));
        if (read_process("true", "", more) < 0)
            fail_msg("%s", err.text);
    }
    json_array_foreach (at("linux", "seccomp", "operators"), i, word) {
        char more[512];

        snprintf(more, sizeof(more),
                 "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":"
                 "[\"read\"],\"action\":\"SCMP_ACT_KILL\",\"args\":[{\"index\":0,\"value\":1,"
                 "\"op\":\"%s\"}]}]}",
                 json_string_value(word));
        if (read_process("true", "", more) < 0)
            fail_msg("%s", err.text);
    }
}

static void every_flag_that_is_supported_can_be_set(void **state UNUSED)
{
    const json_t *word;
    size_t i;

    if (geteuid() != 0) {
        printf("loading needs root\n");
        return;
    }
    assert_int_equal(json_array_size(at("linux", "seccomp", "knownFlags")), 4);
    json_array_foreach (at("linux", "seccomp", "supportedFlags"), i, word) {
        char more[512];

        snprintf(more, sizeof(more),
                 "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"%s\"]}",
                 json_string_value(word));
        assert_int_equal(
            run_with("grep Seccomp: /proc/self/status", "\"noNewPrivileges\":true", more), 0);
        assert_string_equal(said, "Seccomp:\t2\n");
    }
    assert_true(i >= 2);
}

static void every_capability_is_known(void **state UNUSED)
{
    char more[4096] = "\"capabilities\":{\"bounding\":[\"CAP_CHOWN\"";
    const json_t *word;
    size_t i;

    json_array_foreach (at("linux", "capabilities", NULL), i, word)
        add(more, sizeof(more), ",\"%s\"", json_string_value(word));
    add(more, sizeof(more), "]}");
    assert_int_equal(read_process("true", more, "\"namespaces\":[{\"type\":\"user\"}]"), 0);
    assert_int_equal(spec->warnings.count, 0);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(the_document_has_what_callers_look_for),
        T(every_seccomp_word_is_taken),
        T(every_flag_that_is_supported_can_be_set),
        T(every_capability_is_known),
    };

    return cmocka_run_group_tests(tests, features_setup, features_teardown);
}
