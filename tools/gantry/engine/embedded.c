/* The engine inside this command; see embedded.h. */
#include "tools/gantry/embedded.h"

#include <czmq.h>

#include "actors/base/log.h"
#include "actors/base/thread_order.h"
#include "actors/supervisor/engine.h"
#include "platform/platform.h"
#include "platform/terminal.h"

static struct config *config;
static zactor_t *minder; /* NULL: the engine is another's */

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

/* ---- the thread that minds the engine ------------------------------------ */

/*
 * It waits for a daemon's wish to take over, because the command itself is busy, and then
 * stops the engine under the command, whose connection breaks.  Or the command says END:
 * then the clients of others are waited for, until a second order.  READY tells that there
 * is nothing more to wait for.
 */
static void mind(zsock_t *pipe, void *arg)
{
    struct engine *engine = arg;
    int orders = (int)zsock_fd(pipe);
    bool is_wish = false;
    char *order;

    ORDER_AFTER_RECEIVE();
    zsock_signal(pipe, 0);
    while (!is_wish && !(zsock_events(pipe) & ZMQ_POLLIN))
        is_wish = engine_wait(engine, orders);
    if (is_wish) {
        engine_stop(&engine);
        zstr_send(pipe, "READY");
    }
    while ((order = zstr_recv(pipe)) != NULL && !streq(order, "$TERM")) {
        if (streq(order, "END") && engine != NULL && !(zsock_events(pipe) & ZMQ_POLLIN))
            engine_wait_clients(engine, orders, 1);
        zstr_free(&order);
        zstr_send(pipe, "READY");
    }
    zstr_free(&order);
    engine_stop(&engine);
    ORDER_BEFORE_SEND();
}

int embedded_start(const struct embedded_options *options, const char **endpoint, struct error *err)
{
    struct engine *engine;

    zsys_shutdown(); /* an attempt to connect may have left threads */
    if (configure(options, err) < 0)
        return -1;
    *endpoint = config->listen[0]; /* our own engine's, or that of who has the lock */
    if (engine_start(config, true, &engine, err) == 0) {
        fprintf(stderr, "gantry: no daemon: the engine runs inside this command\n");
        ORDER_BEFORE_SEND();
        minder = zactor_new(mind, engine);
        return 0;
    }
    if (err->code != ERROR_FAILED_PRECONDITION)
        return -1;
    *err = (struct error){ 0 };
    return 0;
}

static bool is_told_to_end(void)
{
    const char *name;
    bool told = false;

    while ((name = signals_next()) != NULL)
        told |= streq(name, "INT") || streq(name, "TERM");
    return told;
}

/* Our own session is kept up meanwhile, so that it can be told from theirs. */
static void wait_for_others(struct gantry *own)
{
    struct error err = { 0 };
    struct gantry_fd fds[] = { { .fd = signals_open(&err) },
                               { .fd = (int)zsock_fd(zactor_sock(minder)) } };

    gantry_on_interrupt(own, -1, NULL, NULL);
    zstr_send(minder, "END");
    while (!(zsock_events(minder) & ZMQ_POLLIN)) {
        gantry_wait(own, NULL, fds, 2, 500);
        if (fds[0].ready && is_told_to_end())
            zstr_send(minder, "NOW");
    }
}

int embedded_end(struct gantry **own, int status)
{
    if (minder != NULL && *own != NULL)
        wait_for_others(*own);
    gantry_close(own);
    zactor_destroy(&minder);
    ORDER_AFTER_RECEIVE();
    config_free(&config);
    return status;
}
