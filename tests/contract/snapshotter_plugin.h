/*
 * snapshotter_plugin — snapshot plugins among the drivers that are proved:
 * tests/helpers/snapshot_plugin.py, which is another implementation of gRPC, with overlays or
 * copies behind it.  One runs for all tests of a kind.
 */
#ifndef TESTS_CONTRACT_SNAPSHOTTER_PLUGIN_H
#define TESTS_CONTRACT_SNAPSHOTTER_PLUGIN_H

#include "platform/plugin.h"
#include "tests/platform/plugin_fixture.h"

static const struct plugin_kind {
    const char *name, *arguments;
    bool rebases;
} plugin_kinds[] = {
    { "a plugin with overlays", "", false },
    { "a plugin with overlays that rebases", "--rebase", true },
    { "a plugin that copies", "--kind copy", false },
};

static struct plugin *asked_plugin; /* of the kind that is proved */
static const struct plugin_kind *asked_kind;

static int plugin_driver_open(const char *folder, void **state, struct error *err)
{
    static const char *const nothing[] = { NULL };
    const struct plugin_config config = { .name = "oracle",
                                          .address = asked_plugin->address,
                                          .root = asked_plugin->root,
                                          .rebases = asked_kind->rebases,
                                          .timeout_ms = 20000,
                                          .own = nothing };

    return plugin_open(&config, folder, state, err);
}

/* All layers were removed: is nothing of them left with the plugin? */
static void plugin_holds_nothing(void *state)
{
    char path[PATH_SIZE], *text;

    plugin_must(asked_plugin, plugin_collect(state, true, &asked_plugin->err));
    plugin_must(asked_plugin,
                path_format(path, &asked_plugin->err, "%s/snapshots.json", asked_plugin->root));
    text = fs_read(path, 1 << 20, NULL, &asked_plugin->err);
    if (text != NULL && strstr(text, "\"kind\"") != NULL)
        fail_msg("the plugin still holds %s", text);
    free(text);
}

#endif
