/*
 * gantryd — the daemon: reads its configuration, starts the engine, tells the service
 * manager, waits for a signal or a client's wish, and stops.  Containers stay with their
 * shims.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actors/base/log.h"
#include "actors/supervisor/engine.h"
#include "platform/platform.h"
#include "platform/terminal.h"

#define HOLDER_WAIT_MS 30000 /* for a command that is the engine to hand over */

static const char usage[] =
    "Usage: gantryd [OPTION...]\n"
    "The gantry container daemon.\n"
    "\n"
    "  -c, --config FILE      configuration (default " CONFIG_FILE ", if it is there)\n"
    "      --root DIR         state that lasts (default /var/lib/gantry)\n"
    "      --state DIR        state until the next boot (default /run/gantry)\n"
    "      --listen ENDPOINT  where clients come in (default ipc://STATE/gantry.sock)\n"
    "      --log-level LEVEL  error, warn, info or debug (default info)\n"
    "      --log-format FORM  text or json (default text)\n"
    "      --check-config     read the configuration, say what is in force, and end\n"
    "  -h, --help             this text\n"
    "  -V, --version          version\n"
    "\n"
    "Exit status: 0 after a regular stop, 1 when it cannot start, 2 for a wrong option.\n";

struct options {
    const char *config, *root, *state, *listen, *log_level, *log_format;
    bool check;
};

static void print_warning(void *ctx, const char *text)
{
    (void)ctx;
    fprintf(stderr, "gantryd: warning: %s\n", text);
}

static void print_setting(void *ctx, const char *key, const char *value, const char *origin)
{
    (void)ctx;
    printf("%-28s %-40s # %s\n", key, value, origin);
}

static int apply(struct config *config, const char *key, const char *value, const char *flag, struct error *err)
{
    return value != NULL ? config_set(config, key, value, flag, err) : 0;
}

static int apply_flags(struct config *config, const struct options *options, struct error *err)
{
    char endpoint[PATH_SIZE];

    if (apply(config, "root", options->root, "--root", err) < 0 ||
        apply(config, "state", options->state, "--state", err) < 0 ||
        apply(config, "log.level", options->log_level, "--log-level", err) < 0 ||
        apply(config, "log.format", options->log_format, "--log-format", err) < 0)
        return -1;
    if (options->listen != NULL)
        return config_set(config, "listen", options->listen, "--listen", err);
    if (options->state == NULL)
        return 0;
    if (path_format(endpoint, err, "ipc://%s/gantry.sock", options->state) < 0)
        return -1;
    return config_set(config, "listen", endpoint, "--state", err);
}

static enum log_level level_of(const char *name)
{
    return strcmp(name, "error") == 0  ? LOG_LEVEL_ERROR
           : strcmp(name, "warn") == 0 ? LOG_LEVEL_WARN
           : strcmp(name, "info") == 0 ? LOG_LEVEL_INFO
                                       : LOG_LEVEL_DEBUG;
}

static int fail(const struct error *err)
{
    fprintf(stderr, "gantryd: %s\n", err->text);
    if (err->hint[0] != '\0')
        fprintf(stderr, "hint: %s\n", err->hint);
    return 1;
}

/* The other signals that are watched mean nothing to a daemon. */
static bool is_told_to_end(void)
{
    const char *name;
    bool end = false;

    while ((name = signals_next()) != NULL)
        end = end || strcmp(name, "TERM") == 0 || strcmp(name, "INT") == 0;
    return end;
}

static int serve(const struct config *config, int signals)
{
    struct engine *engine = NULL;
    struct error err = { 0 };

    if (engine_take_over(config, HOLDER_WAIT_MS, &engine, &err) < 0)
        return fail(&err);
    log_info("gantryd", "version %s serves %s", GANTRY_VERSION, config->listen[0]);
    service_notify("READY=1");
    while (!engine_wait(engine, signals) && !is_told_to_end())
        ;
    service_notify("STOPPING=1");
    log_info("gantryd", "stops");
    engine_stop(&engine);
    return 0;
}

static int run(const struct options *options)
{
    struct config *config = NULL;
    struct error err = { 0 };
    int signals, status;

    if (config_load(options->config ? options->config : CONFIG_FILE, options->config != NULL, &config, print_warning,
                    NULL, &err) < 0 ||
        apply_flags(config, options, &err) < 0) {
        config_free(&config);
        return fail(&err);
    }
    if (options->check) {
        config_each(config, print_setting, NULL);
        config_free(&config);
        return 0;
    }
    log_setup(level_of(config->log_level), strcmp(config->log_format, "json") == 0);
    signals = signals_open(&err); /* before the first thread: all of them inherit it */
    status = signals < 0 ? fail(&err) : serve(config, signals);
    config_free(&config);
    return status;
}

int main(int argc, char **argv)
{
    enum { ROOT = 256, STATE, LISTEN, LOG_LEVEL, LOG_FORMAT, CHECK };
    static const struct option longs[] = {
        { "config", required_argument, NULL, 'c' },        { "root", required_argument, NULL, ROOT },
        { "state", required_argument, NULL, STATE },       { "listen", required_argument, NULL, LISTEN },
        { "log-level", required_argument, NULL, LOG_LEVEL }, { "log-format", required_argument, NULL, LOG_FORMAT },
        { "check-config", no_argument, NULL, CHECK },      { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },             { 0 },
    };
    struct options options = { 0 };
    int option;

    while ((option = getopt_long(argc, argv, "c:hV", longs, NULL)) != -1)
        switch (option) {
        case 'c': options.config = optarg; break;
        case ROOT: options.root = optarg; break;
        case STATE: options.state = optarg; break;
        case LISTEN: options.listen = optarg; break;
        case LOG_LEVEL: options.log_level = optarg; break;
        case LOG_FORMAT: options.log_format = optarg; break;
        case CHECK: options.check = true; break;
        case 'h': fputs(usage, stdout); return 0;
        case 'V': puts("gantryd " GANTRY_VERSION); return 0;
        default: fputs("gantryd: try --help\n", stderr); return 2;
        }
    if (optind < argc) {
        fprintf(stderr, "gantryd: '%s' is not an option; try --help\n", argv[optind]);
        return 2;
    }
    return run(&options);
}
