/*
 * What every command works with: the connection, or an engine of our own, and how errors
 * are said.
 */
#include <stdio.h>
#include <string.h>

#include "platform/terminal.h"
#include "protocol/json.h"
#include "tools/gantry/command.h"
#include "tools/gantry/embedded.h"

/* ---- talking to the engine ---------------------------------------------- */

/* Ctrl-C and its like end what is asked, not this program. */
static bool is_interrupted(void *ctx)
{
    const char *name;
    bool told = false;

    (void)ctx;
    while ((name = signals_next()) != NULL)
        told |= strcmp(name, "INT") == 0 || strcmp(name, "TERM") == 0 || strcmp(name, "HUP") == 0 ||
                strcmp(name, "QUIT") == 0;
    return told;
}

static int connect_embedded(struct cli *cli, struct error *err)
{
    const struct embedded_options options = { .config = cli->config,
                                              .root = cli->root,
                                              .state = cli->state,
                                              .debug = cli->debug,
                                              .argv = cli->argv };
    const char *endpoint;

    if (embedded_start(&options, &endpoint, err) < 0)
        return -1;
    return gantry_open(endpoint, &cli->client, err);
}

static const char *default_endpoint(struct cli *cli)
{
    if (cli->host != NULL)
        return cli->host;
    if (cli->state != NULL)
        return arena_printf(cli->arena, "ipc://%s/gantry.sock", cli->state);
    return GANTRY_ENDPOINT;
}

static int connect_somewhere(struct cli *cli, struct error *err)
{
    if (cli->embedded && cli->host != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "--embedded and --host: one engine or the other");
    if (cli->embedded)
        return connect_embedded(cli, err);
    if (gantry_open(default_endpoint(cli), &cli->client, err) == 0)
        return 0;
    /* Whoever names an endpoint means it; else the work is done here. */
    if (cli->host != NULL || err->code != ERROR_UNAVAILABLE || cli->never_embedded)
        return -1;
    *err = (struct error){ 0 };
    return connect_embedded(cli, err);
}

int cli_connect(struct cli *cli, struct error *err)
{
    int signals;

    if (cli->client != NULL)
        return 0;
    signals = signals_open(err);
    if (signals < 0 || connect_somewhere(cli, err) < 0)
        return -1;
    gantry_namespace(cli->client, cli->namespace);
    gantry_lease(cli->client, cli->asked_lease);
    gantry_on_interrupt(cli->client, signals, is_interrupted, NULL);
    return 0;
}

int cli_call(struct cli *cli, const struct op *op, const void *in, void *out, struct error *err)
{
    if (cli_connect(cli, err) < 0)
        return -1;
    return gantry_call(cli->client, op, in, out, cli->arena, err);
}

int cli_each(struct cli *cli, const struct args *args, cli_each_do *each)
{
    int status = 0;

    for (size_t i = 0; i < args->operands.count; i++) {
        struct error err = { 0 };

        if (each(cli, args, args->operands.items[i], &err) == 0)
            continue;
        fflush(stdout);
        cli_complain(cli, &err);
        status = err.code == ERROR_CANCELLED ? STATUS_INTERRUPTED : 1;
        if (err.code == ERROR_CANCELLED || err.code == ERROR_UNAVAILABLE)
            break;
    }
    return status;
}

/* ---- saying ------------------------------------------------------------- */

void cli_complain(const struct cli *cli, const struct error *err)
{
    fprintf(stderr, "gantry: %s\n", printable(err->text, cli->arena));
    if (err->hint[0] != '\0')
        fprintf(stderr, "hint: %s\n", printable(err->hint, cli->arena));
    if (!cli->debug)
        return;
    fprintf(stderr, "debug: %s", error_code_name(err->code));
    if (cli->client != NULL && gantry_origin(cli->client)[0] != '\0')
        fprintf(stderr, ", from %s", printable(gantry_origin(cli->client), cli->arena));
    if (err->os != 0)
        fprintf(stderr, ", system error %d", err->os);
    fputc('\n', stderr);
}

void cli_print_json(const struct record *record, const void *in)
{
    json_t *json = record_json(record, in);

    json_print(json);
    json_decref(json);
}
