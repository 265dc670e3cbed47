/* The commands that make containers, and the one that lets them run: create, run, start. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/runtime/commands.h"
#include "platform/linux/runtime/container.h"
#include "platform/linux/runtime/ending.h"
#include "platform/linux/runtime/gate.h"
#include "platform/linux/runtime/hooks.h"
#include "platform/linux/runtime/report.h"
#include "platform/linux/runtime/talk.h"
#include "platform/linux/runtime/terminal.h"
#include "platform/platform.h"
#include "platform/scope.h"

int command_create(const struct options *options, struct error *err)
{
    CLEANUP(container_close) struct container container;

    container_init(&container, options);
    container.is_ours = container.waits = true;
    if (container_bundle(&container, err) < 0)
        return -1;
    return container_make(&container, options->argv[0], err);
}

/* ---- run ------------------------------------------------------------------------ */

/* A container of which a poststart hook failed has to end (runtime-spec 1.3, "Lifecycle"). */
static int run_failed(struct container *container, struct error *err)
{
    container_end_own(&container->state, container->config);
    return error_wrap(err, "container %s", container->state.id);
}

int container_attend(struct container *container, struct error *err)
{
    int master = container->master, status;

    container->master = -1;
    state_unlock(&container->state); /* whoever kills and deletes it must not wait for us */
    status = foreground_attend(container->pid, master, err);
    if (!container->options->keep)
        container_end_own(&container->state, container->config);
    return status;
}

int command_run_container(const struct options *options, struct error *err)
{
    CLEANUP(container_close) struct container container;

    container_init(&container, options);
    container.is_ours = true;
    if (container_bundle(&container, err) < 0 || /* may begin anew: first of all */
        (!options->detach && foreground_prepare(err) < 0))
        return -1;
    if (container_make(&container, options->argv[0], err) < 0)
        return -1;
    if (container_started(&container, err) < 0)
        return run_failed(&container, err);
    return options->detach ? 0 : container_attend(&container, err);
}

/* ---- start ------------------------------------------------------------------------ */

static int start_check(const struct state *state, struct error *err)
{
    switch (state_status(state)) {
    case STATUS_CREATED:
    case STATUS_CREATING: /* by the lock that we hold ourselves */
        return 0;
    case STATUS_STOPPED:
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "cannot start a container that has stopped");
    case STATUS_PAUSED:
        return error_set(err, ERROR_FAILED_PRECONDITION, "cannot start a container that is paused");
    case STATUS_RUNNING:
        break;
    }
    return error_set(err, ERROR_FAILED_PRECONDITION, "cannot start an already running container");
}

/* Returns when the user's program runs, or with what was in its way. */
static int gate_pass(const struct state *state, struct error *err)
{
    CLEANUP(file_close) int start = gate_connect(state->folder, err);
    enum talk_word word;

    if (start < 0)
        return -1;
    if (unlinkat(state->folder, "start", 0) < 0)
        return error_sys(err, errno, "start");
    if (talk_say(start, TALK_GO, -1, err) < 0)
        return -1;
    if (talk_hear(start, &word, NULL, err) < 0)
        return -1;
    /* a `start` before us died half way, which the container does not outlive (gate.c) */
    return word != TALK_UNHEARD ? 0
                                : error_set(err, ERROR_FAILED_PRECONDITION,
                                            "the container ended before it was started");
}

static int after_start(struct state *state, const json_t *config, struct error *err)
{
    struct place document = place_document(config);
    struct error ignored;
    json_t *described;
    int result;

    if (!hooks_are_there(&document, HOOK_POSTSTART))
        return 0;
    described = state_describe(state, STATUS_RUNNING, state->pid);
    result = hooks_run(&document, HOOK_POSTSTART, described, false, err);
    json_decref(described);
    if (result < 0 && container_kill(state, &ignored) < 0)
        report_warning("%s", ignored.text);
    return result;
}

int command_start(const struct options *options, struct error *err)
{
    CLEANUP(state_close) struct state state = STATE_NONE;
    json_t *config;
    int result;

    if (state_open(&state, options->root, options->argv[0], err) < 0 ||
        state_lock(&state, err) < 0 || start_check(&state, err) < 0)
        return -1;
    if (gate_pass(&state, err) < 0)
        return error_wrap(err, "unable to start container process");
    config = state_config(&state, err);
    if (config == NULL)
        return -1;
    result = after_start(&state, config, err);
    json_decref(config);
    return result;
}
