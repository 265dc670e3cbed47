/* [proxy_plugins] of the configuration, as containerd's users have it in every version of its file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "actors/supervisor/config.h"

static char path[64];
static struct config *config;
static char warnings[1000];
static struct error err;

static int set_up(void **state)
{
    (void)state;
    strcpy(path, "/tmp/gantry-config.XXXXXX");
    close(mkstemp(path));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    config_free(&config);
    unlink(path);
    return 0;
}

static void note(void *ctx, const char *text)
{
    size_t used = strlen(warnings);

    (void)ctx;
    snprintf(warnings + used, sizeof(warnings) - used, "%s\n", text);
}

static int load(const char *text)
{
    FILE *file = fopen(path, "w");

    fputs(text, file);
    fclose(file);
    config_free(&config);
    warnings[0] = '\0';
    return config_load(path, true, &config, note, NULL, &err);
}

static void loads(const char *text)
{
    if (load(text) < 0)
        fail_msg("%s", err.text);
}

static void fails(const char *text, int line, const char *words)
{
    char place[80];

    if (load(text) == 0)
        fail_msg("'%s' passes", text);
    snprintf(place, sizeof(place), "%s:%d: ", path, line);
    if (strncmp(err.text, place, strlen(place)) != 0 || strstr(err.text, words) == NULL)
        fail_msg("'%s' does not say '%s%s'", err.text, place, words);
}

static void told(const char *words)
{
    if (strstr(warnings, words) == NULL)
        fail_msg("'%s' does not say '%s'", warnings, words);
}

static void every_version_of_containerds_file_is_read_the_same_way(void **state)
{
    static const char *const heads[] = { "", "version = 1\n", "version = 2\n", "version = 3\n",
                                         "version = 4\n" };
    static const char *const tables[] = { "[proxy_plugins]\n  [proxy_plugins.stargz]\n",
                                          "[proxy_plugins.stargz]\n",
                                          "[proxy_plugins.\"stargz\"]\n",
                                          "['proxy_plugins'.'stargz']\n" };
    char text[600];

    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        for (size_t j = 0; j < sizeof(tables) / sizeof(tables[0]); j++) {
            snprintf(text, sizeof(text), "%s%s  type = \"snapshot\"\n  address = \"/run/s.sock\"\n",
                     heads[i], tables[j]);
            loads(text);
            assert_string_equal(warnings, "");
            assert_string_equal(config->plugins[0].name, "stargz");
            assert_string_equal(config->plugins[0].type, "snapshot");
            assert_string_equal(config->plugins[0].address, "/run/s.sock");
            assert_null(config->plugins[0].platform);
            assert_null(config->plugins[0].problem);
            assert_null(config->plugins[0].exports[0].key);
            assert_null(config->plugins[0].capabilities[0]);
            assert_null(config->plugins[1].name);
        }
}

static void all_keys_are_taken(void **state)
{
    (void)state;
    loads("version = 3\n"
          "[proxy_plugins.nydus]\n"
          "  type = \"io.containerd.snapshotter.v1\"\n"
          "  address = \"unix:///run/nydus.sock\"\n"
          "[proxy_plugins.stargz]\n"
          "  type = \"snapshot\"\n"
          "  address = \"/run/containerd-stargz-grpc/containerd-stargz-grpc.sock\"\n"
          "  platform = \"linux/arm64/v8\"\n"
          "  capabilities = [\"remap-ids\", \"rebase\"]\n"
          "  odd = 5\n"
          "  [proxy_plugins.stargz.exports]\n"
          "    root = \"/var/lib/containerd-stargz-grpc\"\n"
          "    enable_remote_snapshot_annotations = \"true\"\n");
    told("there is no setting proxy_plugins.stargz.odd");
    assert_string_equal(config->plugins[0].name, "nydus");
    assert_string_equal(config->plugins[0].type, "snapshot");
    assert_string_equal(config->plugins[0].address, "/run/nydus.sock");
    assert_string_equal(config->plugins[1].platform, "linux/arm64/v8");
    assert_string_equal(config->plugins[1].capabilities[1], "rebase");
    assert_null(config->plugins[1].capabilities[2]);
    assert_string_equal(config->plugins[1].exports[1].key, "root");
    assert_string_equal(config->plugins[1].exports[1].value, "/var/lib/containerd-stargz-grpc");
    assert_null(config->plugins[2].name);
    assert_int_equal(config->plugin_s, 120);
}

static void a_version_nobody_knows_is_a_warning(void **state)
{
    (void)state;
    loads("version = 5\n");
    told(":1: version is none from 1 to 4");
    loads("version = \"two\"\n");
    told("version is none");
}

static void what_cannot_be_used_stays_with_its_reason(void **state)
{
    (void)state;
    loads("[proxy_plugins.a]\ntype = \"content\"\naddress = \"/run/a.sock\"\n"
          "[proxy_plugins.b]\ntype = \"diff\"\naddress = \"/run/b.sock\"\n"
          "[proxy_plugins.c]\ntype = \"sandbox\"\naddress = \"/run/c.sock\"\n"
          "[proxy_plugins.d]\ntype = \"wish\"\naddress = \"/run/d.sock\"\n"
          "[proxy_plugins.e]\ntype = \"snapshot\"\naddress = \"/run/e.sock\"\nplatform = "
          "\"nowhere\"\n");
    told("proxy_plugins.a: content stores of others are not supported");
    assert_non_null(strstr(config->plugins[0].problem, "content stores"));
    assert_string_equal(config->plugins[0].type, "content");
    told("proxy_plugins.b: differs");
    told("proxy_plugins.c: sandbox controllers");
    told("there is no type 'wish'");
    told("platform 'nowhere'");
    assert_non_null(config->plugins[4].problem);
    assert_null(config->plugins[5].name);
}

static void what_is_written_wrong_is_an_error_with_its_line(void **state)
{
    (void)state;
    fails("proxy_plugins = 3\n", 1, "proxy_plugins: expected a table");
    fails("[proxy_plugins]\na = 3\n", 2, "proxy_plugins.a: expected a table");
    fails("[proxy_plugins.a]\naddress = \"/a\"\n", 1, "proxy_plugins.a.type: expected snapshot");
    fails("[proxy_plugins.a]\ntype = 3\n", 2, "proxy_plugins.a.type: expected a text");
    fails("[proxy_plugins.a]\ntype = \"snapshot\"\n", 1, "absolute path of a unix socket");
    fails("[proxy_plugins.a]\ntype = \"snapshot\"\naddress = \"a.sock\"\n", 1, "absolute path");
    fails("[proxy_plugins.a]\ntype = \"snapshot\"\naddress = \"tcp://1.2.3.4:5\"\n", 1,
          "unix socket");
    fails("[proxy_plugins.a]\ntype = \"snapshot\"\naddress = \"/a\\u0000b\"\n", 3, "a text");
    fails("[proxy_plugins.a]\ntype = \"snapshot\"\naddress = "
          "\"/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/"
          "0123456789/0123456789/0123456789/0123456789\"\n",
          1, "at most 107 bytes");
    fails("[proxy_plugins.a]\ncapabilities = \"rebase\"\n", 2, "a list of texts");
    fails("[proxy_plugins.a]\ncapabilities = [1]\n", 2, "a list of texts");
    fails("[proxy_plugins.a]\nexports = \"x\"\n", 2, "a table of texts");
    fails("[proxy_plugins.a.exports]\nroot = true\n", 2, "proxy_plugins.a.exports.root");
    fails("[proxy_plugins.\"a b\"]\n", 1, "'a b' is no name");
    fails("[proxy_plugins.\"../a\"]\n", 1, "is no name");
    fails("[proxy_plugins.\"a/b\"]\n", 1, "is no name");
    fails("[proxy_plugins.\"\"]\n", 1, "is no name");
    fails("[proxy_plugins.overlay]\n", 1, "a snapshot driver of its own");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_version_of_containerds_file_is_read_the_same_way),
        T(all_keys_are_taken),
        T(a_version_nobody_knows_is_a_warning),
        T(what_cannot_be_used_stays_with_its_reason),
        T(what_is_written_wrong_is_an_error_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
