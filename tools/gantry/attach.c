/* The pump between a container's streams and this process; see attach.h. */
#include "tools/gantry/attach.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/terminal.h"
#include "tools/gantry/keys.h"

#define INPUT_SIZE 32768
#define IMPATIENT  3  /* so many interrupts that change nothing: leave */
#define AWAY_MS    100 /* between two attempts to find a daemon that went away */

struct pump {
    struct cli *cli;
    struct attach attach;
    struct gantry_stream *stream;
    int signals;
    int outputs[2];            /* for stdout and stderr */
    bool closed[2];            /* nobody reads it any more */
    struct gantry_message now; /* being written */
    const char *at;
    size_t left;
    int target; /* 0 stdout, 1 stderr */
    bool input_open;
    struct keys keys;
    int interrupts;
    bool detached, over;
    int status;
    uint64_t have[2];   /* bytes of stdout and stderr that have come */
    bool input_ended;   /* and the daemon has been told */
    bool is_back;       /* not the first connection */
    int64_t away_until; /* 0: there is one */
    struct error away;  /* why there is none */
};

/* ---- before ------------------------------------------------------------- */

bool attach_window(struct window *window)
{
    unsigned columns, rows;

    if (!terminal_size(OUTPUT_FD, &columns, &rows) && !terminal_size(INPUT_FD, &columns, &rows))
        return false;
    *window = (struct window){ .columns = columns, .rows = rows };
    return true;
}

int attach_check(bool tty, bool input, struct error *err)
{
    if (!tty || !input || terminal_is(INPUT_FD))
        return 0;
    error_set(err, ERROR_INVALID_ARGUMENT, "-t: standard input is not a terminal");
    return error_hint(err, "leave -t away when input comes from a pipe or a file");
}

static int stream_open(struct pump *pump, bool again, struct error *err)
{
    const struct attach *attach = &pump->attach;
    struct tasks_attach_request want = { .id = attach->id,
                                         .exec = attach->exec,
                                         SET(stdin, attach->input),
                                         SET(hold, attach->hold),
                                         .stdout_at = pump->have[0],
                                         .has_stdout_at = again,
                                         .stderr_at = pump->have[1],
                                         .has_stderr_at = again };

    if (attach->logs != NULL)
        return gantry_stream_open(pump->cli->client, &op_tasks_logs, attach->logs, &pump->stream,
                                  err);
    return gantry_stream_open(pump->cli->client, &op_tasks_attach, &want, &pump->stream, err);
}

int attach_open(struct cli *cli, const struct attach *attach, struct pump **pump, struct error *err)
{
    struct pump *new = calloc(1, sizeof(*new));

    if (new == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    *pump = new;
    *new = (struct pump){
        .cli = cli, .attach = *attach, .outputs = { -1, -1 }, .input_open = attach->input
    };
    if (keys_set(&new->keys, attach->tty ? attach->detach_keys : "", err) < 0)
        return -1;
    new->signals = signals_open(err);
    new->outputs[0] = output_open(OUTPUT_FD, err);
    new->outputs[1] = output_open(ERRORS_FD, err);
    if (new->signals < 0 || new->outputs[0] < 0 || new->outputs[1] < 0)
        return -1;
    return stream_open(new, false, err);
}

void attach_close(struct pump **pump)
{
    if (*pump == NULL)
        return;
    gantry_stream_close(&(*pump)->stream);
    file_close(&(*pump)->outputs[0]);
    file_close(&(*pump)->outputs[1]);
    free(*pump);
    *pump = NULL;
}

/* ---- output ------------------------------------------------------------- */

static int write_pending(struct pump *pump, struct error *err)
{
    while (pump->left > 0) {
        int64_t wrote;

        if (pump->closed[pump->target]) {
            pump->left = 0;
            return 0;
        }
        wrote = output_write(pump->outputs[pump->target], pump->at, pump->left, err);
        if (wrote < 0 && pump->target == 1 && err->code == ERROR_UNAVAILABLE) {
            pump->closed[1] = true;
            continue;
        }
        if (wrote < 0)
            return -1;
        if (wrote == 0)
            return 0;
        pump->at += wrote;
        pump->left -= (size_t)wrote;
    }
    return 0;
}

static void take_end(struct pump *pump)
{
    const struct tasks_attach_reply *reply = pump->now.body;

    pump->over = true;
    if (pump->attach.logs != NULL)
        return;
    pump->detached = !reply->has_exit_status;
    pump->status = reply->has_exit_status ? (int)(reply->exit_status & 255) : 0;
    if (reply->reason != NULL && strcmp(reply->reason, "oom") == 0)
        fprintf(stderr, "%sgantry: %s ran out of memory\n", pump->attach.tty ? "\r" : "",
                pump->attach.name);
}

/* Where the stream stands: what lies between that and what has come is lost. */
static void take_position(struct pump *pump, int which)
{
    uint64_t at = pump->now.at, have = pump->have[which];

    pump->have[which] = at;
    if (pump->is_back && at > have) /* else a process that had written before we came */
        fprintf(stderr,
                "%sgantry: %" PRIu64 " bytes of %s are missing here: its log does not "
                "have them\n",
                pump->attach.tty ? "\r" : "", at - have, pump->now.stream);
}

static void take_data(struct pump *pump)
{
    pump->away_until = 0;
    pump->target = strcmp(pump->now.stream, "stderr") == 0;
    pump->at = pump->now.bytes;
    pump->left = pump->now.size;
    if (pump->now.has_at)
        take_position(pump, pump->target);
    else
        pump->have[pump->target] += pump->now.size;
}

/* Takes messages until one is not written at once or none is there. */
static int take_messages(struct pump *pump, struct error *err)
{
    while (pump->left == 0 && !pump->over) {
        int got = gantry_stream_next(pump->stream, 0, &pump->now, err);

        if (got <= 0)
            return got;
        if (pump->now.kind == GANTRY_REPLY)
            take_end(pump);
        if (pump->now.kind != GANTRY_DATA)
            continue;
        take_data(pump);
        if (write_pending(pump, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- input -------------------------------------------------------------- */

static int send_input(struct pump *pump, const char *bytes, size_t size, struct error *err)
{
    char passed[INPUT_SIZE + KEYS_MAX];
    size_t count = 0;

    if (keys_pass(&pump->keys, bytes, size, passed, &count))
        pump->detached = pump->over = true;
    return count > 0 ? gantry_stream_send(pump->stream, "stdin", passed, count, false, err) : 0;
}

static int read_input(struct pump *pump, struct error *err)
{
    char bytes[INPUT_SIZE];
    uint64_t most = gantry_stream_room(pump->stream) - KEYS_MAX; /* keys held back go with it */
    struct error ignored;
    int64_t got =
        file_read(INPUT_FD, bytes, most < sizeof(bytes) ? (size_t)most : sizeof(bytes), &ignored);

    if (got > 0)
        return send_input(pump, bytes, (size_t)got, err);
    pump->input_open = false; /* also a keyboard that went away */
    pump->input_ended = true;
    return gantry_stream_send(pump->stream, "stdin", NULL, 0, true, err);
}

/* ---- signals ------------------------------------------------------------ */

static void resize(struct pump *pump)
{
    struct window window;
    struct tasks_resize_request want = { .id = pump->attach.id,
                                         .exec = pump->attach.exec,
                                         .window = &window };
    struct error ignored = { 0 };

    if (pump->attach.tty && attach_window(&window))
        gantry_call(pump->cli->client, &op_tasks_resize, &want, NULL, pump->cli->arena, &ignored);
}

/* The process may have ended meanwhile: its end comes on the stream. */
static void pass_signal(struct pump *pump, const char *name)
{
    struct tasks_kill_request want = { .id = pump->attach.id,
                                       .exec = pump->attach.exec,
                                       .signal = name };
    struct error ignored = { 0 };

    gantry_call(pump->cli->client, &op_tasks_kill, &want, NULL, pump->cli->arena, &ignored);
}

static int take_signals(struct pump *pump, struct error *err)
{
    const char *name;

    while ((name = signals_next()) != NULL) {
        bool interrupt = strcmp(name, "INT") == 0 || strcmp(name, "TERM") == 0;

        if (pump->attach.logs != NULL && interrupt) {
            pump->over = true;
            pump->left = 0;
            pump->status = 130;
        }
        if (strcmp(name, "WINCH") == 0)
            resize(pump);
        else if (pump->attach.logs == NULL && !pump->attach.proxy && strncmp(name, "USR", 3) != 0)
            return error_set(err, ERROR_CANCELLED, "left; %s keeps running", pump->attach.name);
        else if (interrupt && ++pump->interrupts > IMPATIENT)
            return error_set(err, ERROR_CANCELLED, "%s does not end on %s; left it running",
                             pump->attach.name, name);
        else if (pump->attach.proxy)
            pass_signal(pump, name);
    }
    return 0;
}

/* ---- all of it ---------------------------------------------------------- */

static int turn(struct pump *pump, struct error *err)
{
    bool may_read = pump->input_open && gantry_stream_room(pump->stream) > KEYS_MAX;
    struct gantry_fd fds[] = {
        { .fd = pump->signals },
        { .fd = may_read ? INPUT_FD : -1 },
        { .fd = pump->left > 0 ? pump->outputs[pump->target] : -1, .for_writing = true },
    };

    gantry_wait(pump->cli->client, pump->left > 0 ? NULL : pump->stream, fds, 3, -1);
    if (fds[0].ready && take_signals(pump, err) < 0)
        return -1;
    if (fds[1].ready && read_input(pump, err) < 0)
        return -1;
    if (fds[2].ready && write_pending(pump, err) < 0)
        return -1;
    return take_messages(pump, err);
}

static int pump_all(struct pump *pump, struct error *err)
{
    if (pump->attach.tty && pump->attach.input && terminal_raw(err) < 0)
        return -1;
    resize(pump);
    while (!pump->over || pump->left > 0)
        if (turn(pump, err) < 0)
            return -1;
    return 0;
}

/* ---- a daemon that goes away -------------------------------------------- */

/* Not by our own output's failing, nor by the daemon's word about the container. */
static bool is_daemon_gone(const struct pump *pump, const struct error *err)
{
    return err->code == ERROR_UNAVAILABLE && err->os == 0 && pump->attach.logs == NULL;
}

static bool is_removed(const struct error *err)
{
    return err->code == ERROR_NOT_FOUND || err->code == ERROR_FAILED_PRECONDITION;
}

/*
 * The container goes on while one daemon ends and another starts, and the command too: it attaches
 * anew, behind what it has.  What the person types meanwhile waits.
 */
static int go_on(struct pump *pump, struct error *err)
{
    struct gantry_fd fds[] = { { .fd = pump->signals },
                               { .fd = pump->outputs[pump->target], .for_writing = true } };
    const char *name;

    gantry_wait(pump->cli->client, NULL, fds, pump->left > 0 ? 2 : 1,
                pump->left > 0 ? -1 : AWAY_MS);
    while ((name = signals_next()) != NULL)
        if (strcmp(name, "INT") == 0 || strcmp(name, "TERM") == 0)
            return error_set(err, ERROR_CANCELLED, "left; %s keeps running", pump->attach.name);
    return write_pending(pump, err);
}

static int find_again(struct pump *pump, struct error *err)
{
    if (pump->cli->wait_s == 0)
        return -1;
    if (pump->away_until == 0) {
        pump->away = *err;
        pump->away_until = clock_monotonic() + pump->cli->wait_s * INT64_C(1000000000);
        fprintf(stderr, "gantry: the daemon went away; waiting for one, %s keeps running\n",
                pump->attach.name);
    }
    for (;;) {
        if (clock_monotonic() >= pump->away_until) {
            *err = pump->away;
            return -1;
        }
        if (go_on(pump, err) < 0)
            return -1;
        if (pump->left > 0) /* it lies in the old stream */
            continue;
        gantry_stream_close(&pump->stream);
        pump->is_back = true;
        *err = (struct error){ 0 };
        if (stream_open(pump, true, err) == 0)
            break;
        if (err->code != ERROR_UNAVAILABLE)
            return -1;
    }
    return pump->input_ended ? gantry_stream_send(pump->stream, "stdin", NULL, 0, true, err) : 0;
}

/* It went, as --rm says: the journal still knows how it ended. */
static int end_from_journal(struct pump *pump, struct error *err)
{
    struct events_list_request want = { 0 };
    struct events_list_reply page;

    do {
        if (gantry_call(pump->cli->client, &op_events_list, &want, &page, pump->cli->arena, err) <
            0)
            return -1;
        for (size_t i = 0; i < page.events.count; i++) {
            const struct event *event = &((const struct event *)page.events.items)[i];
            const char *exec = map_get(&event->fields, "exec");
            const char *status = map_get(&event->fields, "exit_status");

            if (strcmp(event->topic, "/tasks/exit") != 0 || event->id == NULL || status == NULL ||
                strcmp(event->id, pump->attach.id) != 0 ||
                strcmp(exec ? exec : "", pump->attach.exec ? pump->attach.exec : "") != 0)
                continue;
            pump->status = (int)(strtoul(status, NULL, 10) & 255);
            pump->over = true;
        }
        want.since = page.last;
        want.has_since = true;
    } while (page.has_more && page.more);
    return pump->over ? 0 : -1;
}

static int pump_on(struct pump *pump, struct error *err)
{
    for (;;) {
        struct error why = { 0 };

        if (pump_all(pump, &why) == 0)
            return 0;
        if (pump->away_until != 0 && is_removed(&why) && end_from_journal(pump, err) == 0) {
            fprintf(stderr, "gantry: %s ended meanwhile; what it wrote last went with it\n",
                    pump->attach.name);
            return 0;
        }
        *err = why;
        if (!is_daemon_gone(pump, err))
            return -1;
        terminal_restore();
        if (find_again(pump, err) < 0)
            return -1;
    }
}

int attach_run(struct pump **pump, int *status, struct error *err)
{
    struct gantry *client = (*pump)->cli->client;
    int result;

    gantry_on_interrupt(client, -1, NULL, NULL); /* signals are ours now */
    fflush(stdout);
    result = pump_on(*pump, err);
    terminal_restore();
    if (result == 0 && (*pump)->detached)
        fprintf(stderr, "gantry: left %s running\n", (*pump)->attach.name);
    if (result < 0 && err->code == ERROR_UNAVAILABLE && err->os != 0) {
        error_set(err, ERROR_UNAVAILABLE, "nobody reads the output any more; left %s running",
                  (*pump)->attach.name);
        (*pump)->cli->failure = 141; /* 128 + SIGPIPE */
    }
    *status = (*pump)->status;
    attach_close(pump);
    return result;
}
