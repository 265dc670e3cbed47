/*
 * registry explain: who is asked for an image, in which order, who says so, as whom, and how they
 * are.
 *
 * The daemon knows the hosts; under which name the user is known there this command knows, as
 * it does when it pulls.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "platform/platform.h"
#include "protocol/json.h"
#include "tools/gantry/command.h"
#include "tools/gantry/credentials.h"
#include "tools/gantry/text.h"

static const char *words(const struct strs *list, const char *between, struct arena *arena)
{
    const char *all = "";

    for (size_t i = 0; i < list->count; i++)
        all = arena_printf(arena, "%s%s%s", all, i > 0 ? between : "", list->items[i]);
    return all;
}

/* "user (/root/.docker/config.json)" */
static int who_text(const struct image_host *host, const char *repository, const char **out,
                    struct arena *arena, struct error *err)
{
    struct credentials known = { 0 };
    int found = credentials_find(host->host, host->mirror ? NULL : repository, arena, &known, err);

    if (found < 0)
        return -1;
    *out = "nobody";
    if (found == 1)
        *out = arena_printf(arena, "%s (%s)", known.username != NULL ? known.username : "a token",
                            known.source);
    credentials_wipe(&known);
    return 0;
}

static const char *health_text(const struct images_host_health_reply *health, struct arena *arena)
{
    char ago[40];

    if (!health->has_time)
        return "not asked yet";
    ago_text(health->time, clock_now(), ago);
    if (!health->has_failures)
        return arena_printf(arena, "well, %s", ago);
    if (health->left_ms > 0)
        return arena_printf(arena, "left out for %" PRIu64 " s, failed %" PRIu64 " times, last %s",
                            (health->left_ms + 999) / 1000, health->failures, ago);
    return arena_printf(arena, "%s, failed %" PRIu64 " times, last %s",
                        strcmp(health->state, "asked") == 0 ? "asked now" : "to be asked again",
                        health->failures, ago);
}

static void line(const char *key, const char *value, struct arena *arena)
{
    if (value != NULL && *value != '\0')
        printf("   %-13s %s\n", key, printable(value, arena));
}

static int print_host(const struct image_host *host, size_t number, const char *repository,
                      struct arena *arena, struct error *err)
{
    const char *who;

    if (who_text(host, repository, &who, arena, err) < 0)
        return -1;
    printf("%zu. %s%s\n", number, printable(host->url, arena), host->mirror ? " (mirror)" : "");
    line("may", words(&host->capabilities, ", ", arena), arena);
    line("pushes", host->has_receives && host->receives ? "come here" : NULL, arena);
    line("said by", host->origin, arena);
    line("asked as", who, arena);
    line("health", health_text(host->health, arena), arena);
    line("problem", host->health->problem, arena);
    line("authorities", words(&host->ca, ", ", arena), arena);
    for (size_t i = 0; i < host->client.count; i++) {
        bool known = i < host->client_words.count;

        line("certificate",
             arena_printf(arena, "%s%s%s%s", host->client.items[i], known ? " (" : "",
                          known ? host->client_words.items[i] : "", known ? ")" : ""),
             arena);
    }
    line("verification",
         host->has_skip_verify && host->skip_verify ? "none: any certificate is believed" : NULL,
         arena);
    line("headers", words(&host->headers, ", ", arena), arena);
    line("proxy", host->proxy, arena);
    if (host->has_dial_timeout_ms)
        line("dial time-out", arena_printf(arena, "%" PRIu64 " ms", host->dial_timeout_ms), arena);
    return 0;
}

int command_registry_explain(struct cli *cli, const struct args *args, struct error *err)
{
    const struct images_hosts_request want = { .reference = args->operands.items[0] };
    struct images_hosts_reply reply;
    const struct image_host *hosts;

    if (cli_call(cli, &op_images_hosts, &want, &reply, err) < 0)
        return -1;
    hosts = reply.hosts.items;
    if (cli->json) {
        cli_print_json(images_hosts_reply_record(), &reply);
        return 0;
    }
    for (size_t i = 0; i < reply.warnings.count; i++)
        fprintf(stderr, "warning: %s\n", printable(reply.warnings.items[i], cli->arena));
    printf("Images of %s are asked for at:\n", printable(reply.registry, cli->arena));
    for (size_t i = 0; i < reply.hosts.count; i++)
        if (print_host(&hosts[i], i + 1, reply.repository, cli->arena, err) < 0)
            return -1;
    return 0;
}
