/* Commands about the daemon itself: version, info, actors, check, events. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "protocol/json.h"
#include "tools/gantry/command.h"
#include "tools/gantry/options.h"
#include "tools/gantry/text.h"

static const struct nothing nothing;

/* ---- version ------------------------------------------------------------ */

static void print_version_json(const struct daemon_version_reply *reply)
{
    json_t *both = json_object(), *client = json_object();

    json_object_set_new(client, "version", json_string(GANTRY_VERSION));
    json_object_set_new(client, "protocol", json_integer(PROTOCOL_VERSION));
    json_object_set_new(both, "client", client);
    if (reply != NULL)
        json_object_set_new(both, "daemon", record_json(daemon_version_reply_record(), reply));
    json_print(both);
    json_decref(both);
}

int command_version(struct cli *cli, const struct args *args, struct error *err)
{
    struct daemon_version_reply reply;
    int result;

    (void)args;
    cli->never_embedded = !cli->embedded;
    result = cli_call(cli, &op_daemon_version, &nothing, &reply, err);
    if (cli->json) {
        print_version_json(result == 0 ? &reply : NULL);
        return result;
    }
    printf("gantry  %s (protocol %d)\n", GANTRY_VERSION, PROTOCOL_VERSION);
    if (result == 0)
        printf("gantryd %s (protocol %" PRIu64 ") on %s/%s\n", printable(reply.version, cli->arena),
               reply.protocol, printable(reply.os, cli->arena), printable(reply.arch, cli->arena));
    return result;
}

/* ---- info --------------------------------------------------------------- */

static void info_line(const char *key, const char *value, struct arena *arena)
{
    if (value != NULL && value[0] != '\0')
        printf("%-12s %s\n", key, printable(value, arena));
}

static const char *number(uint64_t value, struct arena *arena)
{
    return arena_printf(arena, "%" PRIu64, value);
}

/* Of the engine before this one, and what the check of what it left has said. */
static const char *last_stop_text(const struct daemon_info_reply *info, struct arena *arena)
{
    char when[TIME_TEXT_SIZE];

    if (!info->has_unclean || !info->unclean)
        return NULL;
    if (!info->has_check_ended)
        return "unclean; the check of what it left has not ended";
    return arena_printf(arena, "unclean; checked %s: %" PRIu64 " objects, %" PRIu64 " findings%s",
                        time_text(info->check_ended, when), info->check_objects, info->check_findings,
                        info->check_findings > 0 ? " (gantry check --repair)" : "");
}

static void print_info(const struct daemon_info_reply *info, struct arena *arena)
{
    const struct setting *settings = info->settings.items;
    struct table *table = table_new(arena, "SETTING", "VALUE", "FROM", NULL);
    char started[TIME_TEXT_SIZE], size[16];

    info_line("version", info->version, arena);
    info_line("engine", info->embedded ? "inside a command" : "daemon", arena);
    info_line("process", number(info->pid, arena), arena);
    info_line("started", time_text(info->started, started), arena);
    info_line("root", info->root, arena);
    info_line("state", info->state, arena);
    info_line(
        "system",
        arena_printf(arena, "%s/%s %s", info->os, info->arch, info->kernel ? info->kernel : ""),
        arena);
    if (info->has_cpus)
        info_line("cpus", number(info->cpus, arena), arena);
    if (info->has_memory)
        info_line("memory", size_text(info->memory, size), arena);
    info_line("cgroups", info->cgroups, arena);
    if (info->has_containers)
        info_line("containers",
                  arena_printf(arena, "%" PRIu64 " (%" PRIu64 " running)", info->containers,
                               info->has_running ? info->running : 0),
                  arena);
    if (info->has_images)
        info_line("images", number(info->images, arena), arena);
    info_line("last stop", last_stop_text(info, arena), arena);
    putchar('\n');
    for (size_t i = 0; i < info->settings.count; i++)
        table_row(table, settings[i].key, settings[i].value, settings[i].origin);
    table_print(table, stdout);
    for (size_t i = 0; i < info->warnings.count; i++)
        printf("\nwarning: %s\n", printable(info->warnings.items[i], arena));
}

int command_info(struct cli *cli, const struct args *args, struct error *err)
{
    struct daemon_info_reply reply;

    (void)args;
    if (cli_call(cli, &op_daemon_info, &nothing, &reply, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(daemon_info_reply_record(), &reply);
    else
        print_info(&reply, cli->arena);
    return 0;
}

/* ---- actors ------------------------------------------------------------- */

static void actor_row(struct table *table, const struct actor_state *actor, struct arena *arena)
{
    const char *slowest =
        arena_printf(arena, "%.1f ms%s%s", (double)actor->slowest_us / 1000,
                     actor->slowest_op ? " " : "", actor->slowest_op ? actor->slowest_op : "");

    table_row(table, actor->name, actor->stalled ? "stalled" : "ok", number(actor->handled, arena),
              number(actor->open, arena), number(actor->jobs, arena), number(actor->queued, arena),
              arena_printf(arena, "%" PRIu64 " ms", actor->oldest_ms), slowest);
}

int command_actors(struct cli *cli, const struct args *args, struct error *err)
{
    struct daemon_actors_reply reply;
    const struct actor_state *actors;
    struct table *table;

    (void)args;
    if (cli_call(cli, &op_daemon_actors, &nothing, &reply, err) < 0)
        return -1;
    if (cli->json) {
        cli_print_json(daemon_actors_reply_record(), &reply);
        return 0;
    }
    table = table_new(cli->arena, "ACTOR", "STATE", "HANDLED", "OPEN", "JOBS", "QUEUED", "OLDEST",
                      "SLOWEST", NULL);
    actors = reply.actors.items;
    for (size_t i = 0; i < reply.actors.count; i++)
        actor_row(table, &actors[i], cli->arena);
    table_print(table, stdout);
    return 0;
}

/* ---- check -------------------------------------------------------------- */

static void print_finding(struct cli *cli, const struct finding *finding)
{
    printf("%s: %s", printable(finding->what, cli->arena),
           printable(finding->problem, cli->arena));
    if (finding->repaired != NULL)
        printf("; repaired: %s", printable(finding->repaired, cli->arena));
    else if (finding->hint != NULL)
        printf("; %s", printable(finding->hint, cli->arena));
    putchar('\n');
}

int command_check(struct cli *cli, const struct args *args, struct error *err)
{
    struct daemon_check_request want = { 0 };
    struct daemon_check_reply reply;
    const struct finding *findings;
    size_t repaired = 0;

    want.deep = want.has_deep = args_flag(args, "deep");
    want.repair = want.has_repair = args_flag(args, "repair");
    if (cli_call(cli, &op_daemon_check, &want, &reply, err) < 0)
        return -1;
    findings = reply.findings.items;
    if (cli->json)
        cli_print_json(daemon_check_reply_record(), &reply);
    for (size_t i = 0; i < reply.findings.count && !cli->json; i++)
        print_finding(cli, &findings[i]);
    for (size_t i = 0; i < reply.findings.count; i++)
        repaired += findings[i].repaired != NULL;
    if (!cli->json && repaired > 0)
        printf("%" PRIu64 " objects checked, %zu findings, %zu of them repaired\n", reply.checked,
               reply.findings.count, repaired);
    else if (!cli->json)
        printf("%" PRIu64 " objects checked, %zu findings\n", reply.checked, reply.findings.count);
    return reply.findings.count > repaired;
}

/* ---- events ------------------------------------------------------------- */

/* One event a line: also as JSON, so that a program can read them as they come. */
static void print_event(const struct cli *cli, const struct event *event)
{
    struct arena *arena = arena_new();
    char time[TIME_TEXT_SIZE];
    json_t *json;

    if (cli->json) {
        json = record_json(event_record(), event);
        json_dumpf(json, stdout, JSON_COMPACT);
        json_decref(json);
        putchar('\n');
    } else {
        printf("%" PRIu64 " %s %s %s %s%s%s\n", event->sequence, time_text(event->time, time),
               event->namespace ? printable(event->namespace, arena) : "-",
               printable(event->topic, arena), printable(event->id, arena),
               event->fields.count > 0 ? " " : "",
               printable(labels_text(&event->fields, arena), arena));
    }
    fflush(stdout);
    arena_free(arena);
}

static int list_events(struct cli *cli, struct events_list_request *want, struct error *err)
{
    struct events_list_reply page;

    for (;;) {
        const struct event *events;

        if (cli_call(cli, &op_events_list, want, &page, err) < 0)
            return -1;
        events = page.events.items;
        for (size_t i = 0; i < page.events.count; i++)
            print_event(cli, &events[i]);
        if (!page.more || !page.has_last)
            return 0;
        want->since = page.last;
        want->has_since = true;
    }
}

static int follow_events(struct cli *cli, const struct events_list_request *want, struct error *err)
{
    struct gantry_stream *stream;
    struct gantry_message message;
    int result;

    if (cli_connect(cli, err) < 0 ||
        gantry_stream_open(cli->client, &op_events_subscribe, want, &stream, err) < 0)
        return -1;
    while ((result = gantry_stream_next(stream, -1, &message, err)) == 1 &&
           message.kind != GANTRY_REPLY && !ferror(stdout))
        if (message.kind == GANTRY_ITEM)
            print_event(cli, message.body);
    gantry_stream_close(&stream);
    return result < 0 ? -1 : 0;
}

int command_events(struct cli *cli, const struct args *args, struct error *err)
{
    struct events_list_request want = { .filters = args_list(args, "filter", cli->arena) };
    bool follow = !args_has(args, "follow") || args_flag(args, "follow");
    int given = args_u64(args, "since", &want.since, err);

    if (given < 0)
        return -1;
    want.has_since = given > 0;
    want.all = want.has_all = args_flag(args, "all");
    return follow ? follow_events(cli, &want, err) : list_events(cli, &want, err);
}
