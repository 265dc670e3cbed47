/* The configuration file: what operators write, and what they get told when it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "actors/supervisor/config.h"

struct fixture {
    char path[64];
    struct config *config;
    char warnings[1000];
    struct error err;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    strcpy(fixture->path, "/tmp/gantry-config.XXXXXX");
    close(mkstemp(fixture->path));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    config_free(&fixture->config);
    unlink(fixture->path);
    free(fixture);
    return 0;
}

static void warn(void *ctx, const char *text)
{
    struct fixture *f = ctx;
    size_t used = strlen(f->warnings);

    snprintf(f->warnings + used, sizeof(f->warnings) - used, "%s\n", text);
}

static void write_file(struct fixture *f, const char *text, size_t size)
{
    FILE *file = fopen(f->path, "w");

    fwrite(text, 1, size, file);
    fclose(file);
}

static int load(struct fixture *f, const char *text)
{
    write_file(f, text, strlen(text));
    config_free(&f->config);
    f->warnings[0] = '\0';
    return config_load(f->path, true, &f->config, warn, f, &f->err);
}

/* The error says file, line and `words`. */
static void fails(struct fixture *f, const char *text, int line, const char *words)
{
    char place[80];

    if (load(f, text) == 0)
        fail_msg("'%s' passes", text);
    assert_int_equal(f->err.code, ERROR_INVALID_ARGUMENT);
    snprintf(place, sizeof(place), "%s:%d: ", f->path, line);
    if (strncmp(f->err.text, place, strlen(place)) != 0 || strstr(f->err.text, words) == NULL)
        fail_msg("'%s' does not say '%s%s'", f->err.text, place, words);
}

struct wanted {
    const char *key;
    char value[200], origin[100];
    size_t told;
};

static void pick(void *ctx, const char *key, const char *value, const char *origin)
{
    struct wanted *wanted = ctx;

    wanted->told++;
    if (strcmp(key, wanted->key) != 0)
        return;
    snprintf(wanted->value, sizeof(wanted->value), "%s", value);
    snprintf(wanted->origin, sizeof(wanted->origin), "%s", origin);
}

static void is(struct fixture *f, const char *key, const char *value, const char *origin)
{
    struct wanted wanted = { .key = key };

    config_each(f->config, pick, &wanted);
    assert_string_equal(wanted.value, value);
    assert_string_equal(wanted.origin, origin);
    assert_int_equal(wanted.told, config_count(f->config));
}

static void without_a_file_the_defaults_are_in_force(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(config_load(NULL, true, &f->config, warn, f, &f->err), 0);
    assert_string_equal(f->config->root, "/var/lib/gantry");
    assert_string_equal(f->config->state, "/run/gantry");
    assert_string_equal(f->config->listen[0], "ipc:///run/gantry/gantry.sock");
    assert_null(f->config->listen[1]);
    assert_string_equal(f->config->group, "gantry");
    assert_string_equal(f->config->log_level, "info");
    assert_string_equal(f->config->log_format, "text");
    assert_string_equal(f->config->runtime, "native");
    assert_null(f->config->runtimes[0].name);
    assert_string_equal(f->config->snapshotter, "overlay");
    assert_null(f->config->plain_http[0]);
    assert_string_equal(f->config->short_names, "docker.io");
    assert_int_equal(f->config->message_size, 16 << 20);
    assert_int_equal(f->config->requests_per_client, 256);
    assert_int_equal(f->config->requests_total, 4096);
    assert_int_equal(f->config->downloads, 3);
    assert_int_equal(f->config->log_size, 16 << 20);
    assert_int_equal(f->config->log_files, 3);
    is(f, "log.level", "info", "default");
}

static void a_whole_file_is_taken_with_its_lines(void **state)
{
    static const char text[] = "root = \"/srv/g\"\n"
                               "listen = [\"ipc:///run/a.sock\",\n"
                               "          \"ipc:///run/b.sock\"]\n"
                               "runtime = \"crun\"\n"
                               "group = \"\"\n"
                               "# a comment\n"
                               "[log]\n"
                               "level = \"debug\"\n"
                               "format = 'json'\n"
                               "[runtimes]\n"
                               "crun = \"/usr/bin/crun\"\n"
                               "\"odd name\" = \"/opt/odd\"\n"
                               "[registries]\n"
                               "plain_http = [\"r.local:5000\", \"10.0.0.1\"]\n"
                               "[limits]\n"
                               "message_size = \"32m\"\n"
                               "log_size = 8192\n"
                               "downloads = 8\n";
    struct fixture *f = *state;
    char origin[80];

    if (load(f, text) < 0)
        fail_msg("%s", f->err.text);
    assert_string_equal(f->warnings, "");
    assert_string_equal(f->config->root, "/srv/g");
    assert_string_equal(f->config->state, "/run/gantry");
    assert_string_equal(f->config->listen[1], "ipc:///run/b.sock");
    assert_null(f->config->listen[2]);
    assert_string_equal(f->config->group, "");
    assert_string_equal(f->config->log_format, "json");
    assert_string_equal(f->config->runtimes[0].name, "crun");
    assert_string_equal(f->config->runtimes[0].path, "/usr/bin/crun");
    assert_string_equal(f->config->runtimes[1].name, "odd name");
    assert_null(f->config->runtimes[2].name);
    assert_string_equal(f->config->plain_http[1], "10.0.0.1");
    assert_int_equal(f->config->message_size, 32 << 20);
    assert_int_equal(f->config->log_size, 8192);
    assert_int_equal(f->config->downloads, 8);
    snprintf(origin, sizeof(origin), "%s:8", f->path);
    is(f, "log.level", "debug", origin);
    snprintf(origin, sizeof(origin), "%s:11", f->path);
    is(f, "runtimes.crun", "/usr/bin/crun", origin);
    snprintf(origin, sizeof(origin), "%s:2", f->path);
    is(f, "listen", "ipc:///run/a.sock ipc:///run/b.sock", origin);
    is(f, "state", "/run/gantry", "default");
}

static void the_collectors_thresholds_are_written_as_containerds(void **state)
{
    static const char text[] = "[gc]\npause_threshold = 0.3\ndeletion_threshold = 7\n"
                               "mutation_threshold = 0\nschedule_delay = \"1.5s\"\n"
                               "startup_delay = \"2m\"\n";
    static const char *const refused[] = {
        "pause_threshold = 0.6",     "pause_threshold = \"0.5x\"", "pause_threshold = -0.1",
        "schedule_delay = 100",      "schedule_delay = \"100\"",   "schedule_delay = \"2d\"",
        "startup_delay = \"61m\"",   "startup_delay = \"-1s\"",    "deletion_threshold = -1",
    };
    struct fixture *f = *state;

    assert_int_equal(load(f, ""), 0);
    assert_true(f->config->gc_pause > 0.0199 && f->config->gc_pause < 0.0201);
    assert_int_equal(f->config->gc_mutations, 100);
    assert_int_equal(f->config->gc_startup_ms, 100);
    if (load(f, text) < 0)
        fail_msg("%s", f->err.text);
    assert_true(f->config->gc_pause > 0.299 && f->config->gc_pause < 0.301);
    assert_int_equal(f->config->gc_deletions, 7);
    assert_int_equal(f->config->gc_mutations, 0);
    assert_int_equal(f->config->gc_schedule_ms, 1500);
    assert_int_equal(f->config->gc_startup_ms, 120000);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        char text_of[80];

        snprintf(text_of, sizeof(text_of), "[gc]\n%s\n", refused[i]);
        fails(f, text_of, 2, "expected a ");
    }
}

static void an_unknown_key_is_a_warning_with_its_line(void **state)
{
    struct fixture *f = *state;
    char expected[200];

    assert_int_equal(load(f, "rooot = \"/x\"\n\n[log]\nlevle = 3\n[nowhere]\na = 1\n"), 0);
    snprintf(expected, sizeof(expected), "%s:1: there is no setting rooot", f->path);
    assert_non_null(strstr(f->warnings, expected));
    snprintf(expected, sizeof(expected), "%s:4: there is no setting log.levle", f->path);
    assert_non_null(strstr(f->warnings, expected));
    assert_non_null(strstr(f->warnings, "nowhere.a"));
    assert_string_equal(f->config->root, "/var/lib/gantry");
    /* nobody has to listen to warnings */
    config_free(&f->config);
    assert_int_equal(config_load(f->path, true, &f->config, NULL, NULL, &f->err), 0);
}

static void a_bad_value_names_file_line_and_what_was_expected(void **state)
{
    struct fixture *f = *state;

    fails(f, "\n[log]\nlevel = \"loud\"\n", 3,
          "log.level is 'loud', expected one of: error warn info debug");
    fails(f, "log.level = 3\n", 1, "log.level expected one of");
    fails(f, "log.level = [\"info\"]\n", 1, "log.level expected one of");
    fails(f, "root = \"relative\"\n", 1, "root is 'relative', expected an absolute path");
    fails(f, "root = \"\"\n", 1, "expected an absolute path");
    fails(f, "root = 5\n", 1, "expected an absolute path");
    fails(f, "root = \"/a\\u0000b\"\n", 1, "root is '/a?b', expected an absolute path");
    fails(f,
          "state = \"/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/"
          "0123456789/0123456789\"\n",
          1, "at most 80 bytes");
    fails(f, "listen = []\n", 1, "one endpoint or more");
    fails(f, "listen = [7]\n", 1, "one endpoint or more");
    fails(f, "listen = [\"tcp://*:5555\"]\n", 1, "listen is 'tcp://*:5555', expected");
    fails(f, "listen = [\"ipc://relative\"]\n", 1, "ipc:///PATH");
    fails(f, "listen = [\"ipc:///ok\", \"\"]\n", 1, "ipc:///PATH");
    fails(f, "group = \"a b\"\n", 1, "name of a group");
    fails(f, "runtime = \"\"\n", 1, "a text that is not empty");
    fails(f, "[runtimes]\n\nrunc = 5\n", 3, "runtimes.runc: expected the path of a program");
    fails(f, "[runtimes]\nrunc = \"\"\n", 2, "runtimes.runc");
    fails(f, "registries.plain_http = [\"http://x\"]\n", 1, "host or host:port");
    fails(f, "registries.plain_http = 1\n", 1, "host or host:port");
    fails(f, "limits.downloads = 0\n", 1,
          "limits.downloads is '0', expected a number from 1 to 32");
    fails(f, "limits.downloads = -1\n", 1, "a number from 1 to 32");
    fails(f, "limits.downloads = \"3\"\n", 1, "a number from 1 to 32");
    fails(f, "limits.downloads = 3.5\n", 1, "a number from 1 to 32");
    fails(f, "limits.downloads = true\n", 1, "a number from 1 to 32");
    fails(f, "limits.downloads = 9223372036854775807\n", 1, "a number from 1 to 32");
    fails(f, "limits.message_size = \"1g\"\n", 1, "a size from 65536 to 67108864 bytes");
    fails(f, "limits.message_size = \"16x\"\n", 1, "a size from");
    fails(f, "limits.message_size = \"16 m\"\n", 1, "a size from");
    fails(f, "limits.message_size = \"99999999999999999999t\"\n", 1, "a size from");
    fails(f, "limits.message_size = \"18446744073709551615t\"\n", 1, "a size from");
    assert_null(f->config);
}

static void what_is_not_toml_names_the_line(void **state)
{
    struct fixture *f = *state;
    char *deep = malloc(100001);

    fails(f, "root = \"/x\"\nlog = {\n", 2, "");
    fails(f, "root = \n", 1, "");
    fails(f, "root = \"/a\"\nroot = \"/b\"\n", 2, "");
    fails(f, "a = \"\xff\xfe\"\n", 1, "");
    strcpy(deep, "a = ");
    memset(deep + 4, '[', 99996);
    deep[100000] = '\0';
    assert_int_equal(load(f, deep), -1);
    free(deep);
    write_file(f, "a = 1\0b = 2\n", 12);
    assert_int_equal(config_load(f->path, true, &f->config, NULL, NULL, &f->err), -1);
}

static void a_file_that_cannot_be_read_is_no_empty_file(void **state)
{
    struct fixture *f = *state;
    char *large = malloc(2 << 20);

    assert_int_equal(config_load("/nonexistent/config.toml", true, &f->config, NULL, NULL, &f->err),
                     -1);
    assert_int_equal(f->err.code, ERROR_NOT_FOUND);
    assert_non_null(strstr(f->err.text, "/nonexistent/config.toml"));
    assert_int_equal(
        config_load("/nonexistent/config.toml", false, &f->config, NULL, NULL, &f->err), 0);
    config_free(&f->config);
    assert_int_equal(config_load("/tmp", false, &f->config, NULL, NULL, &f->err), -1);
    assert_int_equal(config_load("/tmp/x/\xff/"
                                 "\n",
                                 false, &f->config, NULL, NULL, &f->err),
                     0);
    config_free(&f->config);
    memset(large, '#', 2 << 20);
    write_file(f, large, 2 << 20);
    assert_int_equal(config_load(f->path, true, &f->config, NULL, NULL, &f->err), -1);
    assert_non_null(strstr(f->err.text, "larger than"));
    free(large);
}

static void a_flag_wins_and_is_remembered(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(load(f, "root = \"/a\"\n[log]\nlevel = \"warn\"\n"), 0);
    assert_int_equal(config_set(f->config, "root", "/b", "--root", &f->err), 0);
    assert_string_equal(f->config->root, "/b");
    is(f, "root", "/b", "--root");
    assert_int_equal(config_set(f->config, "limits.log_size", "1MiB", "--log-size", &f->err), 0);
    assert_int_equal(f->config->log_size, 1 << 20);
    is(f, "limits.log_size", "1048576", "--log-size");
    assert_int_equal(config_set(f->config, "listen", "ipc:///x,ipc:///y", "--listen", &f->err), 0);
    assert_string_equal(f->config->listen[1], "ipc:///y");
    assert_int_equal(config_set(f->config, "log.level", "loud", "--log-level", &f->err), -1);
    assert_string_equal(f->err.text,
                        "--log-level: log.level is 'loud', expected one of: error warn "
                        "info debug");
    assert_string_equal(f->config->log_level, "warn");
    assert_int_equal(config_set(f->config, "nothing", "x", "--nothing", &f->err), -1);
    assert_non_null(strstr(f->err.text, "--nothing: there is no setting nothing"));
    assert_int_equal(config_set(f->config, "listen", "", "--listen", &f->err), -1);
    assert_string_equal(f->config->listen[0], "ipc:///x");
}

static void the_endpoint_follows_the_state_unless_it_is_set(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(load(f, "state = \"/run/other\"\n"), 0);
    assert_string_equal(f->config->listen[0], "ipc:///run/other/gantry.sock");
    is(f, "listen", "ipc:///run/other/gantry.sock", "default");
    assert_int_equal(config_set(f->config, "state", "/run/third", "--state", &f->err), 0);
    assert_string_equal(f->config->listen[0], "ipc:///run/third/gantry.sock");
    assert_int_equal(config_set(f->config, "listen", "ipc:///mine", "--listen", &f->err), 0);
    assert_int_equal(config_set(f->config, "state", "/run/fourth", "--state", &f->err), 0);
    assert_string_equal(f->config->listen[0], "ipc:///mine");
}

static void look_up(void *ctx, const char *key, const char *value, const char *origin)
{
    char row[100];

    (void)value, (void)origin;
    snprintf(row, sizeof(row), "\n| `%s` | ", key);
    if (strstr(key, "runtimes.") == NULL && strstr(ctx, row) == NULL)
        fail_msg("docs/operating.md does not know the setting %s", key);
}

static void every_setting_is_in_the_operators_manual(void **state)
{
    struct fixture *fixture = *state;
    static char manual[200000];
    FILE *file = fopen(TEST_SOURCE "/docs/operating.md", "re");

    assert_non_null(file);
    assert_true(fread(manual, 1, sizeof(manual) - 1, file) > 0);
    fclose(file);
    assert_int_equal(config_load(NULL, false, &fixture->config, NULL, NULL, &fixture->err), 0);
    assert_true(config_count(fixture->config) > 10);
    config_each(fixture->config, look_up, manual);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(without_a_file_the_defaults_are_in_force),
        TEST(a_whole_file_is_taken_with_its_lines),
        TEST(the_collectors_thresholds_are_written_as_containerds),
        TEST(an_unknown_key_is_a_warning_with_its_line),
        TEST(a_bad_value_names_file_line_and_what_was_expected),
        TEST(what_is_not_toml_names_the_line),
        TEST(a_file_that_cannot_be_read_is_no_empty_file),
        TEST(a_flag_wins_and_is_remembered),
        TEST(the_endpoint_follows_the_state_unless_it_is_set),
        TEST(every_setting_is_in_the_operators_manual),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
