/*
 * gantry — the command line: finds the command, runs it, says what failed.
 *
 * The happy path is global options -> command -> its options -> connect -> ask -> print.
 * Every failure arrives here as one error and becomes `gantry: MESSAGE` and, where there
 * is one, `hint: WAY OUT` on stderr.
 */
#include <czmq.h>

#include "tools/gantry/command.h"
#include "tools/gantry/embedded.h"

#define WAIT_S 30

static int take_globals(struct cli *cli, const struct args *args, struct error *err)
{
    const char *format = args_text(args, "format");

    if (args_has(args, "host"))
        cli->host = args_text(args, "host");
    if (args_has(args, "namespace"))
        cli->namespace = args_text(args, "namespace");
    if (args_has(args, "lease"))
        cli->asked_lease = args_text(args, "lease");
    if (args_has(args, "config"))
        cli->config = args_text(args, "config");
    if (args_has(args, "root"))
        cli->root = args_text(args, "root");
    if (args_has(args, "state"))
        cli->state = args_text(args, "state");
    cli->embedded |= args_flag(args, "embedded");
    cli->debug |= args_flag(args, "debug");
    if (format == NULL)
        return 0;
    if (strcmp(format, "json") != 0 && strcmp(format, "table") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "--format is table or json, not '%.40s'",
                         format);
    cli->json = strcmp(format, "json") == 0;
    return 0;
}

/* "snapshot ls" is two words. */
static int run_help(struct cli *cli, const char *name, struct error *err)
{
    char *first = arena_str(cli->arena, name != NULL ? name : ""), *blank = strchr(first, ' ');
    const char *words[] = { first, blank != NULL ? blank + 1 : NULL };
    struct args args = { .operands = { .count = name == NULL ? 0 : blank == NULL ? 1 : 2, .items = words } };
    char *help = arena_str(cli->arena, "help"), **argv = &help;
    int argc = 1;

    if (blank != NULL)
        *blank = '\0';
    args.command = command_find(&argc, &argv, err);
    return command_help(cli, &args, err);
}

static int run_command(struct cli *cli, const struct command *command, int argc, char **argv,
                       struct error *err)
{
    struct args args;

    cli->failure = command->failure != 0 ? command->failure : STATUS_USAGE;
    if (args_parse(command, argc, argv, cli->arena, &args, err) < 0 ||
        take_globals(cli, &args, err) < 0)
        return -1;
    cli->failure = command->failure != 0 ? command->failure : 1;
    return args_flag(&args, "help") ? run_help(cli, command->name, err)
                                    : command->run(cli, &args, err);
}

static int run_line(struct cli *cli, int argc, char **argv, struct error *err)
{
    const struct command *command;
    struct args global;

    cli->failure = STATUS_USAGE;
    if (args_parse(NULL, argc, argv, cli->arena, &global, err) < 0 ||
        take_globals(cli, &global, err) < 0)
        return -1;
    if (args_flag(&global, "version"))
        return printf("gantry %s\n", GANTRY_VERSION) < 0;
    if (args_flag(&global, "help"))
        return run_help(cli, NULL, err);
    argc = (int)global.operands.count;
    if (argc == 0) {
        run_help(cli, NULL, err);
        return STATUS_USAGE;
    }
    argv = arena_copy(cli->arena, global.operands.items, (size_t)argc * sizeof(char *));
    command = command_find(&argc, &argv, err);
    return command != NULL ? run_command(cli, command, argc, argv, err) : -1;
}

/* Output that could not be written is a failure, except where nobody reads it any more. */
static int check_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno != EPIPE)
        fprintf(stderr, "gantry: cannot write output: %s\n", strerror(errno));
    return status != 0 ? status : 1;
}

/* As long as a gantryd waits for a command to hand over, when nothing or nonsense is said. */
static unsigned wait_of(const char *text)
{
    char *end;
    unsigned long seconds = text != NULL ? strtoul(text, &end, 10) : 0;

    return text != NULL && end != text && *end == '\0' && seconds <= 86400 ? (unsigned)seconds
                                                                           : WAIT_S;
}

int main(int argc, char **argv)
{
    const char *namespace = getenv("GANTRY_NAMESPACE"), *host = getenv("GANTRY_HOST");
    struct cli cli = { .arena = arena_new(), .argv = argv };
    struct error err = { 0 };
    int status;

    cli.wait_s = wait_of(getenv("GANTRY_WAIT"));
    zsys_handler_set(NULL);
    cli.namespace = namespace != NULL && namespace[0] != '\0' ? namespace : NULL;
    cli.host = host != NULL && host[0] != '\0' ? host : NULL;
    status = run_line(&cli, argc - 1, argv + 1, &err);
    if (status < 0) {
        fflush(stdout);
        cli_complain(&cli, &err);
        status = err.code == ERROR_CANCELLED ? STATUS_INTERRUPTED : cli.failure;
    }
    status = check_output(status);
    status = embedded_end(&cli.client, status);
    arena_free(cli.arena);
    return status;
}
