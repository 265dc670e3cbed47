/* Opening a plugin as a driver: whose it is (the mark of this root), and where its mounts may come
 * from. */
#include "platform/linux/plugin/plugin_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/scope.h"

/* Tells this root from others that the plugin may have served: numbers begin anew with a root. */
static int mark_take(struct plugin *plugin, struct error *err)
{
    char path[PATH_SIZE], *text;
    struct error missing;

    if (path_format(path, err, "%s.mark", plugin->folder) < 0)
        return -1;
    text = fs_read(path, MARK_DIGITS, NULL, &missing);
    if (text == NULL && missing.code != ERROR_NOT_FOUND)
        return *err = missing, -1;
    if (text != NULL) {
        snprintf(plugin->mark, sizeof(plugin->mark), "%s", text);
        free(text);
        return 0;
    }
    random_hex(plugin->mark, MARK_DIGITS);
    return fs_write(path, plugin->mark, MARK_DIGITS, 0600, true, err);
}

/* As they are written, and where they lead. */
static int rules_take(struct plugin *plugin, const struct plugin_config *config, struct error *err)
{
    const char **own;
    char real[PATH_SIZE];
    size_t count = 0, have = 0;

    while (config->own != NULL && config->own[count] != NULL)
        count++;
    own = arena_alloc(plugin->arena, (2 * count + 1) * sizeof(*own));
    for (size_t i = 0; i < count; i++) {
        if (fs_follow(config->own[i], real, err) < 0)
            return -1;
        own[have++] = arena_str(plugin->arena, config->own[i]);
        own[have++] = arena_str(plugin->arena, real);
    }
    plugin->rules = (struct mount_rules){ arena_str(plugin->arena, config->root), own };
    return 0;
}

void plugin_close(void **state)
{
    struct plugin *plugin = *state;

    if (plugin == NULL)
        return;
    backend_free(&plugin->backend);
    pthread_rwlock_destroy(&plugin->names);
    arena_free(plugin->arena);
    free(plugin);
    *state = NULL;
}

int plugin_open(const struct plugin_config *config, const char *folder, void **state,
                struct error *err)
{
    const struct backend_config asked = { config->name, config->address, config->timeout_ms };
    struct plugin *plugin = calloc(1, sizeof(*plugin));

    if (plugin == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    plugin->arena = arena_new();
    plugin->backend = backend_new(&asked);
    plugin->rebases = config->rebases;
    pthread_rwlock_init(&plugin->names, NULL);
    atomic_init(&plugin->has_strays, true); /* nobody knows what happened before */
    *state = plugin;
    if (path_format(plugin->folder, err, "%s", folder) == 0 &&
        fs_folder_make_all(folder, 0700, err) == 0 && mark_take(plugin, err) == 0 &&
        rules_take(plugin, config, err) == 0)
        return 0;
    plugin_close(state);
    return -1;
}
