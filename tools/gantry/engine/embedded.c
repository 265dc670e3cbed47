/* The engine inside this command; see embedded.h. */
#include "tools/gantry/embedded.h"

#include <czmq.h>

#include "actors/base/log.h"
#include "actors/base/thread_order.h"
#include "actors/supervisor/engine.h"
#include "platform/platform.h"
#include "platform/terminal.h"

static struct config *config;
static struct engine *engine;

static void print_warning(void *ctx, const char *text)
{
    (void)ctx;
    fprintf(stderr, "gantry: warning: %s\n", text);
}

static int apply(const char *key, const char *value, const char *flag, struct error *err)
{
    return value != NULL ? config_set(config, key, value, flag, err) : 0;
}

static int configure(const struct embedded_options *options, struct error *err)
{
    char endpoint[PATH_SIZE];

    if (config_load(options->config ? options->config : CONFIG_FILE, options->config != NULL,
                    &config, print_warning, NULL, err) < 0 ||
        apply("root", options->root, "--root", err) < 0 ||
        apply("state", options->state, "--state", err) < 0)
        return -1;
    log_setup(options->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, false);
    if (options->state == NULL)
        return 0;
    if (path_format(endpoint, err, "ipc://%s/gantry.sock", options->state) < 0)
        return -1;
    return config_set(config, "listen", endpoint, "--state", err);
}

int embedded_start(const struct embedded_options *options, const char **endpoint, struct error *err)
{
    zsys_shutdown(); /* an attempt to connect may have left threads */
    if (configure(options, err) < 0)
        return -1;
    *endpoint = "inproc://gantry";
    if (engine_start(config, true, &engine, err) == 0) {
        fprintf(stderr, "gantry: no daemon: the engine runs inside this command\n");
        return 0;
    }
    if (err->code != ERROR_FAILED_PRECONDITION)
        return -1;
    *endpoint = config->listen[0]; /* somebody else is the engine */
    *err = (struct error){ 0 };
    return 0;
}

/* While others are waited for, our own session is kept up, so that it can be told from theirs. */
static void stay_alive(zsock_t *pipe, void *arg)
{
    struct gantry_fd told = { .fd = (int)zsock_fd(pipe) };

    ORDER_AFTER_RECEIVE();
    zsock_signal(pipe, 0);
    while (!(zsock_events(pipe) & ZMQ_POLLIN))
        gantry_wait(arg, NULL, &told, 1, -1);
    ORDER_BEFORE_SEND();
}

static void wait_for_others(struct gantry *own)
{
    struct error err = { 0 };
    zactor_t *alive;

    gantry_on_interrupt(own, -1, NULL, NULL);
    ORDER_BEFORE_SEND();
    alive = zactor_new(stay_alive, own);
    engine_wait_clients(engine, signals_open(&err), 1);
    zactor_destroy(&alive);
    ORDER_AFTER_RECEIVE();
}

void embedded_end(struct gantry **own)
{
    if (engine != NULL && *own != NULL)
        wait_for_others(*own);
    gantry_close(own);
    if (engine != NULL)
        engine_stop(&engine);
    config_free(&config);
}
