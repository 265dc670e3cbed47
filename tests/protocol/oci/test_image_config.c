/* Image configs: what the builders of the world write, and what attackers do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/oci/manifest.h"

#define D(c)   "sha256:" c c c c c c c c c c c c c c c c
#define ROOTFS "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D("1111") "\"]}"
#define WITH(config) \
    "{\"os\":\"linux\",\"architecture\":\"amd64\"," ROOTFS ",\"config\":" config "}"

struct fixture {
    struct arena *arena;
    struct image_config config;
    struct error err;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->arena = arena_new();
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

static int parse(struct fixture *f, const char *text)
{
    f->err = (struct error){ 0 };
    return image_config_parse(text, strlen(text), f->arena, &f->config, &f->err);
}

static void fails(struct fixture *f, const char *text, enum error_code code, const char *words)
{
    assert_int_equal(parse(f, text), -1);
    if (f->err.code != code || strstr(f->err.text, words) == NULL)
        fail_msg("%s: '%s' does not say '%s'", error_code_name(f->err.code), f->err.text, words);
}

static void a_whole_config_is_read(void **state)
{
    static const char text[] =
        "{\"architecture\":\"aarch64\",\"os\":\"linux\",\"variant\":\"v8\",\"author\":\"somebody\","
        "\"created\":\"2026-01-02T03:04:05.000000006Z\",\"os.version\":\"1\",\"os.features\":["
        "\"f\"],"
        "\"config\":{\"User\":\"app:staff\",\"Env\":[\"PATH=/bin\",\"A=\"],"
        "\"Entrypoint\":[\"/entry\"],\"Cmd\":[\"a\",\"b c\"],\"WorkingDir\":\"/work\","
        "\"Labels\":{\"a\":\"b\",\"containerd.io/gc.root\":\"x\"},\"StopSignal\":\"SIGQUIT\","
        "\"Volumes\":{\"/data\":{},\"/more\":{}},\"ExposedPorts\":{\"80/tcp\":{}},"
        "\"Healthcheck\":{\"Test\":[\"CMD\",\"true\"]},\"OnBuild\":null,\"ArgsEscaped\":true,"
        "\"Hostname\":\"\",\"Image\":\"sha256:x\"},"
        "\"history\":[{\"created_by\":\"x\",\"empty_layer\":true}],\"docker_version\":\"20\","
        "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D("1111") "\",\"" D("2222") "\"]}}";
    struct fixture *f = *state;
    const struct image_config *c = &f->config;
    char platform[PLATFORM_TEXT_SIZE];

    if (parse(f, text) < 0)
        fail_msg("%s", f->err.text);
    assert_string_equal(platform_text(&c->platform, platform), "linux(1+f)/arm64");
    assert_string_equal(c->architecture, "aarch64");
    assert_string_equal(c->variant, "v8");
    assert_string_equal(c->os_version, "1");
    assert_string_equal(c->os_features.items[0], "f");
    assert_string_equal(c->author, "somebody");
    assert_string_equal(c->created, "2026-01-02T03:04:05.000000006Z");
    assert_string_equal(c->user, "app:staff");
    assert_int_equal(c->env.count, 2);
    assert_string_equal(c->env.items[1], "A=");
    assert_string_equal(c->entrypoint.items[0], "/entry");
    assert_int_equal(c->cmd.count, 2);
    assert_string_equal(c->cmd.items[1], "b c");
    assert_string_equal(c->working_dir, "/work");
    assert_string_equal(map_get(&c->labels, "a"), "b");
    assert_string_equal(c->stop_signal, "SIGQUIT");
    assert_int_equal(c->volumes.count, 2);
    assert_string_equal(c->volumes.items[0], "/data");
    assert_string_equal(c->exposed_ports.items[0], "80/tcp");
    assert_true(c->has_healthcheck);
    assert_true(c->args_escaped);
    assert_int_equal(c->diff_ids.count, 2);
    assert_string_equal(c->diff_ids.items[1], D("2222"));
}

static void img_11_what_is_absent_or_null_is_empty(void **state)
{
    static const char *const texts[] = {
        "{" ROOTFS "}",
        "{" ROOTFS ",\"config\":null,\"os\":null,\"history\":null}",
        "{" ROOTFS ",\"config\":{}}",
        "{" ROOTFS ",\"config\":{\"User\":null,\"Env\":null,\"Cmd\":null,\"Entrypoint\":null,"
        "\"Labels\":null,\"Volumes\":null,\"ExposedPorts\":null,\"Healthcheck\":null,"
        "\"ArgsEscaped\":null,\"StopSignal\":null,\"WorkingDir\":null}}",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        if (parse(f, texts[i]) < 0)
            fail_msg("%s", f->err.text);
        assert_null(f->config.user);
        assert_null(f->config.os);
        assert_null(f->config.working_dir);
        assert_null(f->config.stop_signal);
        assert_int_equal(f->config.env.count + f->config.cmd.count + f->config.entrypoint.count +
                             f->config.labels.count + f->config.volumes.count,
                         0);
        assert_false(f->config.has_healthcheck);
        assert_true(platform_is_unknown(&f->config.platform));
    }
}

static void wrong_types_are_named(void **state)
{
    struct fixture *f = *state;

    fails(f, WITH("[]"), ERROR_DATA_LOSS, "image config: config is not an object");
    fails(f, WITH("{\"User\":0}"), ERROR_DATA_LOSS, "config.User is not a string");
    fails(f, WITH("{\"Env\":\"A=B\"}"), ERROR_DATA_LOSS, "config.Env is not an array");
    fails(f, WITH("{\"Env\":[1]}"), ERROR_DATA_LOSS, "config.Env is not a list of strings");
    fails(f, WITH("{\"Cmd\":{}}"), ERROR_DATA_LOSS, "config.Cmd");
    fails(f, WITH("{\"Entrypoint\":[[]]}"), ERROR_DATA_LOSS, "config.Entrypoint");
    fails(f, WITH("{\"Labels\":{\"a\":[]}}"), ERROR_DATA_LOSS, "config.Labels");
    fails(f, WITH("{\"Labels\":[]}"), ERROR_DATA_LOSS, "config.Labels");
    fails(f, WITH("{\"Volumes\":[\"/x\"]}"), ERROR_DATA_LOSS, "config.Volumes");
    fails(f, WITH("{\"ExposedPorts\":7}"), ERROR_DATA_LOSS, "config.ExposedPorts");
    fails(f, WITH("{\"Healthcheck\":7}"), ERROR_DATA_LOSS, "config.Healthcheck");
    fails(f, WITH("{\"ArgsEscaped\":1}"), ERROR_DATA_LOSS, "config.ArgsEscaped");
    fails(f, WITH("{\"Env\":[\"a\\u0000b\"]}"), ERROR_DATA_LOSS, "not JSON");
    fails(f, "{\"os\":[]," ROOTFS "}", ERROR_DATA_LOSS, "os is not a string");
    fails(f, "{\"os\":\"a\",\"os\":\"b\"," ROOTFS "}", ERROR_DATA_LOSS, "duplicate");
}

static void img_14_a_root_file_system_is_made_of_layers(void **state)
{
    struct fixture *f = *state;

    fails(f, "{}", ERROR_DATA_LOSS, "rootfs is missing");
    fails(f, "{\"rootfs\":{}}", ERROR_DATA_LOSS, "rootfs.type is not \"layers\"");
    fails(f, "{\"rootfs\":{\"type\":\"cow\"}}", ERROR_DATA_LOSS, "rootfs.type");
    fails(f, "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"x\"]}}", ERROR_DATA_LOSS,
          "rootfs.diff_ids has no digest at 0");
    fails(f, "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D("1111") "\",\"sha256:../..\"]}}",
          ERROR_DATA_LOSS, "at 1");
    fails(f, "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[null]}}", ERROR_DATA_LOSS, "diff_ids");
    assert_int_equal(parse(f, "{\"rootfs\":{\"type\":\"layers\"}}"), 0);
    assert_int_equal(f->config.diff_ids.count, 0);
}

static void img_14_diff_ids_and_layers_must_be_as_many(void **state)
{
    struct fixture *f = *state;
    struct oci_manifest manifest = { .layer_count = 1, .config.blob.digest = "sha256:x" };

    assert_int_equal(parse(f, "{" ROOTFS "}"), 0);
    assert_int_equal(image_config_match(&f->config, &manifest, &f->err), 0);
    manifest.layer_count = 2;
    assert_int_equal(image_config_match(&f->config, &manifest, &f->err), -1);
    assert_int_equal(f->err.code, ERROR_DATA_LOSS);
    assert_non_null(strstr(f->err.text, "1 diff ids, the manifest has 2 layers"));
}

static void the_bounds_hold(void **state)
{
    struct fixture *f = *state;
    static const char before[] = "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[";
    struct buffer text = { 0 };
    char *large = malloc(IMAGE_CONFIG_BYTES_MAX + 1);

    buffer_add(&text, before, strlen(before));
    for (int i = 0; i <= DIFF_IDS_MAX; i++)
        buffer_add(&text, "\"" D("1111") "\",", 74);
    text.size--;
    buffer_add(&text, "]}}", 4);
    fails(f, text.data, ERROR_RESOURCE_EXHAUSTED, "1001 layers");
    buffer_free(&text);

    memset(large, ' ', IMAGE_CONFIG_BYTES_MAX + 1);
    memcpy(large, "{" ROOTFS "}", strlen("{" ROOTFS "}"));
    assert_int_equal(
        image_config_parse(large, IMAGE_CONFIG_BYTES_MAX, f->arena, &f->config, &f->err), 0);
    assert_int_equal(
        image_config_parse(large, IMAGE_CONFIG_BYTES_MAX + 1, f->arena, &f->config, &f->err), -1);
    assert_int_equal(f->err.code, ERROR_RESOURCE_EXHAUSTED);
    free(large);
}

static void random_damage_never_breaks_the_reader(void **state)
{
    static const char whole[] =
        WITH("{\"User\":\"a\",\"Env\":[\"A=B\"],\"Labels\":{\"a\":\"b\"},\"Volumes\":{\"/x\":{}}}");
    static const char letters[] = "{}[]\",:\\0e-n\x80\xff";
    struct fixture *f = *state;
    unsigned seed = 13;
    char text[sizeof(whole)];

    for (size_t size = 0; size < sizeof(whole) - 1; size++)
        assert_int_equal(image_config_parse(whole, size, f->arena, &f->config, &f->err), -1);
    for (int round = 0; round < 20000; round++) {
        memcpy(text, whole, sizeof(whole));
        for (int i = 0; i < 1 + round % 4; i++)
            text[(size_t)rand_r(&seed) % (sizeof(whole) - 1)] =
                letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)];
        image_config_parse(text, sizeof(whole) - 1, f->arena, &f->config, &f->err);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_whole_config_is_read),
        TEST(img_11_what_is_absent_or_null_is_empty),
        TEST(wrong_types_are_named),
        TEST(img_14_a_root_file_system_is_made_of_layers),
        TEST(img_14_diff_ids_and_layers_must_be_as_many),
        TEST(the_bounds_hold),
        TEST(random_damage_never_breaks_the_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
