/*
 * A snapshot plugin for a test: tests/helpers/snapshot_plugin.py in a folder of its own, started
 * anew whenever it dies, as a service manager would.
 */
#ifndef TESTS_PLATFORM_PLUGIN_FIXTURE_H
#define TESTS_PLATFORM_PLUGIN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/linux/plugin/backend.h"
#include "platform/platform.h"
#include "platform/scope.h"

#define PYTHON "/usr/bin/python3"

struct plugin {
    char folder[64], address[100], root[100];
    struct child child;
    struct backend *backend;
    struct backend_asker asker;
    struct arena *arena;
    struct error err;
};

static inline bool plugin_can_run(void)
{
    const char *argv[] = { PYTHON, "-c", "import grpc, google.protobuf", NULL };
    struct child_options options = { .argv = argv, .errors = -1 };
    struct child child;
    struct error err;
    int status = 1;

    return child_start(&options, &child, &err) == 0 && child_wait(&child, &status, &err) == 0 &&
           status == 0;
}

static inline void plugin_must(struct plugin *plugin, int result)
{
    if (result < 0)
        fail_msg("%s", plugin->err.text);
}

/* Reads up to the line "ready". */
static inline void plugin_wait(struct plugin *plugin)
{
    char line[200];
    size_t have = 0;

    while (have + 1 < sizeof(line) && read(plugin->child.output, line + have, 1) == 1) {
        if (line[have++] != '\n')
            continue;
        line[have] = '\0';
        if (strcmp(line, "ready\n") == 0)
            return;
        have = 0;
    }
    fail_msg("the plugin does not start");
}

/* `arguments`: of the plugin, as a shell reads them; `forever`: started anew when it dies. */
static inline void plugin_start(struct plugin *plugin, const char *arguments, bool forever)
{
    char command[600];
    const char *argv[] = { "/bin/sh", "-c", command, NULL };
    struct child_options options = { .argv = argv, .output = true, .errors = 2, .leads = true };

    snprintf(command, sizeof(command),
             "%s %s " TEST_SOURCE "/tests/helpers/snapshot_plugin.py %s %s %s%s",
             forever ? "while :; do" : "exec", PYTHON, plugin->address, plugin->root, arguments,
             forever ? "; done" : "");
    plugin_must(plugin, child_start(&options, &plugin->child, &plugin->err));
    plugin_wait(plugin);
}

static inline void plugin_stop(struct plugin *plugin)
{
    child_kill(&plugin->child);
    child_drop(&plugin->child);
    unlink(plugin->address);
}

/* How it misbehaves from now on; "": not at all. */
static inline void plugin_control(struct plugin *plugin, const char *lines)
{
    char path[PATH_SIZE];

    plugin_must(plugin, path_format(path, &plugin->err, "%s/control", plugin->root));
    plugin_must(plugin, fs_write(path, lines, strlen(lines), 0644, false, &plugin->err));
}

/* Is there a line of the log with all of these words? */
static inline bool plugin_has_heard(struct plugin *plugin, const char *one, const char *other)
{
    char path[PATH_SIZE], *text, *line, *rest;
    bool found = false;

    plugin_must(plugin, path_format(path, &plugin->err, "%s/log", plugin->root));
    text = rest = fs_read(path, 64u << 20, NULL, &plugin->err);
    assert_non_null(text);
    while (!found && (line = strsep(&rest, "\n")) != NULL)
        found = strstr(line, one) != NULL && strstr(line, other) != NULL;
    free(text);
    return found;
}

static inline void plugin_backend(struct plugin *plugin, int64_t timeout_ms)
{
    const struct backend_config config = { "oracle", plugin->address, timeout_ms };

    backend_free(&plugin->backend);
    plugin->backend = backend_new(&config);
    plugin->asker.backend = plugin->backend;
}

static inline int plugin_set_up(void **state)
{
    struct plugin *plugin = calloc(1, sizeof(*plugin));

    strcpy(plugin->folder, "/tmp/gantry-plugin-XXXXXX");
    assert_non_null(mkdtemp(plugin->folder));
    snprintf(plugin->address, sizeof(plugin->address), "%s/sock", plugin->folder);
    snprintf(plugin->root, sizeof(plugin->root), "%s/root", plugin->folder);
    plugin->child = (struct child){ .input = -1, .output = -1 };
    plugin->arena = arena_new();
    plugin->asker.namespace = "here";
    plugin_backend(plugin, 20000);
    *state = plugin;
    return 0;
}

static inline int plugin_tear_down(void **state)
{
    struct plugin *plugin = *state;
    struct error ignored;

    plugin_stop(plugin);
    backend_free(&plugin->backend);
    arena_free(plugin->arena);
    fs_remove_tree(plugin->folder, &ignored);
    free(plugin);
    return 0;
}

#endif
