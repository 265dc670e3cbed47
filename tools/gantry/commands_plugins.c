/* plugins ls and inspect: what there is several of, built in or behind a socket, and how it is. */
#include <stdio.h>
#include <string.h>

#include "platform/platform.h"
#include "protocol/json.h"
#include "tools/gantry/command.h"
#include "tools/gantry/text.h"

static const char *words(const struct strs *list, struct arena *arena)
{
    const char *all = "";

    for (size_t i = 0; i < list->count; i++)
        all = arena_printf(arena, "%s%s%s", all, i > 0 ? " " : "", list->items[i]);
    return all;
}

static const char *or_none(const char *text)
{
    return text != NULL ? text : "";
}

static void add_row(struct table *table, const struct plugin_info *plugin, struct arena *arena)
{
    bool is_standard = plugin->has_standard && plugin->standard;

    table_row(table, plugin->type,
              is_standard ? arena_printf(arena, "%s *", plugin->id) : plugin->id, plugin->state,
              or_none(plugin->platform), words(&plugin->capabilities, arena),
              plugin->address != NULL ? plugin->address : "built in");
}

int command_plugins_ls(struct cli *cli, const struct args *args, struct error *err)
{
    static const struct nothing nothing;
    struct table *table =
        table_new(cli->arena, "TYPE", "ID", "STATE", "PLATFORM", "CAPABILITIES", "ADDRESS", NULL);
    struct plugins_list_reply reply;
    const struct plugin_info *plugins;
    json_t *array;

    (void)args;
    if (cli_call(cli, &op_plugins_list, &nothing, &reply, err) < 0)
        return -1;
    plugins = reply.plugins.items;
    if (cli->json) {
        array = json_array();
        json_add_list(array, plugin_info_record(), &reply.plugins);
        json_print(array);
        json_decref(array);
        return 0;
    }
    for (size_t i = 0; i < reply.plugins.count; i++)
        add_row(table, &plugins[i], cli->arena);
    table_print(table, stdout);
    return 0;
}

static void say(const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0')
        printf("%-14s%s\n", name, value);
}

static void print(const struct plugin_info *plugin, struct arena *arena)
{
    char ago[40];

    say("type", plugin->type);
    say("id", plugin->id);
    say("state", plugin->state);
    say("standard", plugin->has_standard && plugin->standard ? "yes" : NULL);
    say("address", plugin->address != NULL ? plugin->address : "built in");
    say("platform", plugin->platform);
    say("capabilities", words(&plugin->capabilities, arena));
    for (size_t i = 0; i < plugin->exports.count; i++)
        say(i == 0 ? "exports" : "", arena_printf(arena, "%s=%s", plugin->exports.entries[i].key,
                                                  plugin->exports.entries[i].value));
    if (plugin->problem == NULL)
        return;
    say("last error", printable(plugin->problem, arena));
    if (plugin->has_problem_time)
        say("", ago_text(plugin->problem_time, clock_now(), ago));
}

int command_plugins_inspect(struct cli *cli, const struct args *args, struct error *err)
{
    struct plugins_inspect_request want = { .id = args->operands.items[0] };
    struct plugin_info plugin;

    if (cli_call(cli, &op_plugins_inspect, &want, &plugin, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(plugin_info_record(), &plugin);
    else
        print(&plugin, cli->arena);
    return 0;
}
