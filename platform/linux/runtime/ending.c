/* See ending.h; and the commands kill and delete. */
#include "platform/linux/runtime/ending.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/linux/runtime/cgroup.h"
#include "platform/linux/runtime/commands.h"
#include "platform/linux/runtime/hooks.h"
#include "platform/linux/runtime/processes.h"
#include "platform/linux/runtime/rdt.h"
#include "platform/linux/runtime/report.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/signal.h"

/* A process ends when it is killed, but for what the kernel does for it: then we wait no longer. */
#define END_WAIT_MS 10000

static int process_signal(int process, int number)
{
    return (int)syscall(SYS_pidfd_send_signal, process, number, NULL, 0);
}

/* Who shares its pid namespace with others does not take its processes along. */
static bool has_own_pids(const struct state *state)
{
    return (state_number(state, "namespaces") & CLONE_NEWPID) != 0;
}

static struct cgroup *cgroup_of(const struct state *state, struct error *err)
{
    return cgroup_load(json_object_get(state->document, "cgroup"), err);
}

int container_kill(const struct state *state, struct error *err)
{
    CLEANUP(file_close) int process = state_pidfd(state, err);
    struct pollfd end = { .fd = process, .events = POLLIN };

    if (process < 0)
        return err->code == ERROR_FAILED_PRECONDITION ? 0 : -1;
    if (process_signal(process, SIGKILL) < 0 && errno != ESRCH)
        return error_sys(err, errno, "kill container %s", state->id);
    while (poll(&end, 1, END_WAIT_MS) < 0 && errno == EINTR)
        ;
    return end.revents != 0 ? 0
                            : error_set(err, ERROR_DEADLINE_EXCEEDED,
                                        "container %s was killed and does not end", state->id);
}

static void poststop(const struct state *state, const json_t *config)
{
    struct place document = place_document(config);
    struct error failure;
    json_t *described;

    if (!hooks_are_there(&document, HOOK_POSTSTOP))
        return;
    described = state_describe(state, STATUS_STOPPED, 0);
    if (hooks_run(&document, HOOK_POSTSTOP, described, true, &failure) < 0)
        report_warning("%s", failure.text);
    json_decref(described);
}

/* That it cannot be read just now is no reason to go without its hooks: they are for what others
   made for the container, and who deletes it again finds them still. */
static int poststop_of_file(const struct state *state, struct error *err)
{
    json_t *config = state_config(state, err);

    if (config != NULL)
        poststop(state, config);
    else if (err->code == ERROR_DATA_LOSS)
        report_warning("%s", err->text);
    else if (err->code != ERROR_NOT_FOUND)
        return -1;
    json_decref(config);
    return 0;
}

static int class_remove(const struct state *state, struct error *err)
{
    CLEANUP(rdt_free) struct rdt *rdt = NULL;

    if (rdt_load(json_object_get(state->document, "rdt"), &rdt, err) < 0)
        return -1;
    return rdt != NULL ? rdt_remove(rdt, err) : 0;
}

static int leftovers_remove(struct state *state, const json_t *config, struct error *err)
{
    struct error unknown;
    CLEANUP(cgroup_free) struct cgroup *cgroup = cgroup_of(state, &unknown);

    if (cgroup == NULL) /* damaged: nothing says any more which groups it had */
        report_warning("%s", unknown.text);
    else if (cgroup_remove(cgroup, err) < 0)
        return -1;
    if (class_remove(state, err) < 0)
        return -1;
    if (config != NULL)
        poststop(state, config);
    else if (state->pid > 0 && poststop_of_file(state, err) < 0)
        return -1;
    return state_remove(state, err);
}

int container_end(struct state *state, const json_t *config, struct error *err)
{
    if (container_kill(state, err) < 0 || state_lock(state, err) < 0)
        return -1;
    return leftovers_remove(state, config, err);
}

void container_end_own(struct state *state, const json_t *config)
{
    struct error failure;

    if (container_end(state, config, &failure) < 0 && failure.code != ERROR_NOT_FOUND &&
        container_end(state, config, &failure) < 0 && failure.code != ERROR_NOT_FOUND)
        report_warning("%s", failure.text);
}

/* ---- kill ------------------------------------------------------------------------ */

static int kill_check(const struct state *state, bool all, struct error *err)
{
    enum status status = state_status(state);

    if (status != STATUS_STOPPED || all)
        return 0;
    return error_set(err, ERROR_FAILED_PRECONDITION, "container not running");
}

int command_kill(const struct options *options, struct error *err)
{
    CLEANUP(state_close) struct state state = STATE_NONE;
    CLEANUP(file_close) int process = -1;
    CLEANUP(cgroup_free) struct cgroup *cgroup = NULL;
    int number = SIGTERM;

    if (options->argc > 1 && strcmp(options->argv[1], "0") == 0)
        number = 0;
    else if (options->argc > 1 && signal_parse(options->argv[1], &number, err) < 0)
        return -1;
    if (state_open(&state, options->root, options->argv[0], err) < 0 ||
        kill_check(&state, options->all, err) < 0)
        return -1;
    if (options->all || !has_own_pids(&state)) {
        cgroup = cgroup_of(&state, err);
        if (cgroup == NULL)
            return -1;
        /* without groups, the first process is all that there is to be killed */
        if (options->all || (number == SIGKILL && !cgroup_is_none(cgroup)))
            return processes_signal(&state, cgroup, number, err);
    }
    process = state_pidfd(&state, err);
    if (process < 0)
        return -1;
    if (process_signal(process, number) < 0)
        return error_sys(err, errno, "send signal %d to container %s", number, state.id);
    /* a frozen process is not killed before it is let go */
    if (number != SIGKILL)
        return 0;
    if (cgroup == NULL)
        cgroup = cgroup_of(&state, err);
    if (cgroup != NULL && cgroup_is_frozen(cgroup))
        return cgroup_freeze(cgroup, false, err);
    return 0;
}

/* ---- delete ------------------------------------------------------------------------ */

/* The group of a container that is killed while it is frozen has to be let go. */
static void thaw(const struct state *state)
{
    struct error ignored;
    CLEANUP(cgroup_free) struct cgroup *cgroup = cgroup_of(state, &ignored);

    if (cgroup != NULL && cgroup_is_frozen(cgroup))
        cgroup_freeze(cgroup, false, &ignored);
}

int command_delete(const struct options *options, struct error *err)
{
    CLEANUP(state_close) struct state state = STATE_NONE;
    enum status status;

    if (state_open(&state, options->root, options->argv[0], err) < 0) {
        if (options->force && err->code == ERROR_NOT_FOUND)
            return 0;
        if (!options->force || err->code != ERROR_DATA_LOSS)
            return -1;
        report_warning("%s", err->text);
    }
    status = state_status(&state);
    if (status == STATUS_CREATED && !options->force) {
        /* runc's: what was never started is deleted without asking */
        return container_end(&state, NULL, err);
    }
    if (status != STATUS_STOPPED && !options->force)
        return error_set(err, ERROR_FAILED_PRECONDITION,
                         "cannot delete container %s that is not stopped: %s", state.id,
                         status_name(status));
    if (status == STATUS_PAUSED)
        thaw(&state);
    return container_end(&state, NULL, err) < 0 && !(options->force && err->code == ERROR_NOT_FOUND)
               ? -1
               : 0;
}
