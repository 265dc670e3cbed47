/*
 * The command events: what a container uses, once or again and again, and when memory ran out.
 *
 * One line of JSON each: {"type":"stats","id":...,"data":{...}}, or {"type":"oom","id":...}.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/runtime/cgroup.h"
#include "platform/linux/runtime/commands.h"
#include "platform/linux/runtime/rdt.h"
#include "platform/linux/runtime/state.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

static int event_print(const struct state *state, const char *type, json_t *data, struct error *err)
{
    json_t *event = draft_object();
    int result;

    draft_put(event, "type", draft_text(type));
    draft_put(event, "id", draft_text(state->id));
    if (data != NULL)
        draft_put(event, "data", data);
    result =
        json_dumpf(event, stdout, JSON_COMPACT) < 0 || putchar('\n') < 0 || fflush(stdout) != 0;
    json_decref(event);
    return result ? error_set(err, ERROR_INTERNAL, "write to standard output") : 0;
}

static int stats_print(const struct state *state, const struct cgroup *cgroup, struct error *err)
{
    CLEANUP(rdt_free) struct rdt *rdt = NULL;
    json_t *data;

    if (rdt_load(json_object_get(state->document, "rdt"), &rdt, err) < 0)
        return -1;
    data = cgroup_statistics(cgroup, err);
    if (data == NULL)
        return -1;
    draft_put(data, "intel_rdt", rdt != NULL ? rdt_statistics(rdt) : draft_object());
    return event_print(state, "stats", data, err);
}

/* "5s", "100ms", "1m30s", as Go's durations are written; -1 when it is none. */
static int64_t milliseconds(const char *text)
{
    int64_t sum = 0;

    while (*text != '\0') {
        char *end;
        double number = strtod(text, &end);

        if (end == text || number < 0)
            return -1;
        if (strncmp(end, "ms", 2) == 0) {
            sum += (int64_t)number;
            end += 2;
        } else if (*end == 's' || *end == 'm' || *end == 'h') {
            sum += (int64_t)(number * (*end == 's' ? 1000 : *end == 'm' ? 60000 : 3600000));
            end++;
        } else {
            return -1;
        }
        text = end;
    }
    return sum;
}

/* An eventfd counts (version 1); a changed memory.events says POLLPRI (version 2). */
static bool event_took(int memory, short events)
{
    char counter[64];

    return (events & (POLLIN | POLLPRI)) != 0 && pread(memory, counter, sizeof(counter), 0) >= 0
               ? true
               : (events & POLLIN) != 0 && read(memory, counter, sizeof(counter)) > 0;
}

static int follow(const struct state *state, const struct cgroup *cgroup, int64_t every,
                  struct error *err)
{
    struct error ignored;
    CLEANUP(file_close) int process = state_pidfd(state, err);
    CLEANUP(file_close) int memory = cgroup_memory_events(cgroup, &ignored);

    if (process < 0)
        return -1;
    for (int64_t next = 0;;) {
        struct pollfd events[2] = { { process, POLLIN, 0 }, { memory, POLLIN | POLLPRI, 0 } };
        int64_t left = next - clock_monotonic();

        if (left <= 0) {
            if (stats_print(state, cgroup, err) < 0)
                return -1;
            next = clock_monotonic() + every * 1000000;
            left = every * 1000000;
        }
        if (poll(events, 2, (int)(left / 1000000 + 1)) < 0 && errno != EINTR)
            return error_sys(err, errno, "wait for events");
        if (events[1].revents != 0 && event_took(memory, events[1].revents) &&
            event_print(state, "oom", NULL, err) < 0)
            return -1;
        if (events[0].revents != 0)
            return 0;
    }
}

int command_events(const struct options *options, struct error *err)
{
    CLEANUP(state_close) struct state state = STATE_NONE;
    CLEANUP(cgroup_free) struct cgroup *cgroup = NULL;
    int64_t every = milliseconds(options->interval != NULL ? options->interval : "5s");

    if (every <= 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "duration interval must be greater than 0");
    if (state_open(&state, options->root, options->argv[0], err) < 0)
        return -1;
    if (state_status(&state) == STATUS_STOPPED)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container with id %s is not running",
                         state.id);
    cgroup = cgroup_load(json_object_get(state.document, "cgroup"), err);
    if (cgroup == NULL)
        return -1;
    return options->stats ? stats_print(&state, cgroup, err) : follow(&state, cgroup, every, err);
}
