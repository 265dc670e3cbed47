/* See hooks.h. */
#include "platform/linux/runtime/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

extern char **environ;

#define STATE_BYTES_MAX (1u << 20)
#define SAID_SIZE       200 /* of its output, for the error */

static const char *const names[HOOK_COUNT] = {
    "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
};

/* ---- what is wanted ---------------------------------------------------------------- */

static int one_check(const struct place *place, struct error *err)
{
    struct place way = place_member(place, "path"), time = place_member(place, "timeout");
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    const char *path;
    struct strs texts;
    int64_t timeout;
    bool has_timeout;

    if (place_needs(place, "path", err) < 0 || place_text(place, "path", &path, err) < 0 ||
        place_i64(place, "timeout", &timeout, &has_timeout, err) < 0 ||
        place_texts(place, "args", &texts, arena, err) < 0 ||
        place_texts(place, "env", &texts, arena, err) < 0)
        return -1;
    if (path[0] != '/')
        return place_failure(&way, err, "\"%s\" must be an absolute path", path);
    if (has_timeout && timeout <= 0)
        return place_failure(&time, err, "is %lld, must be greater than 0", (long long)timeout);
    return 0;
}

int hooks_check(const struct place *document, struct error *err)
{
    struct place hooks = place_member(document, "hooks");

    if (hooks.json == NULL)
        return 0;
    if (!json_is_object(hooks.json))
        return place_failure(&hooks, err, "must be an object");
    for (int kind = 0; kind < HOOK_COUNT; kind++) {
        struct place list = place_member(&hooks, names[kind]);
        size_t count;

        if (place_count(&list, &count, err) < 0)
            return -1;
        for (size_t i = 0; i < count; i++) {
            struct place one = place_element(&list, i);

            if (one_check(&one, err) < 0)
                return -1;
        }
    }
    return 0;
}

bool hooks_are_there(const struct place *document, enum hook_kind kind)
{
    return json_array_size(json_object_get(json_object_get(document->json, "hooks"), names[kind])) >
           0;
}

/* ---- one of them runs ----------------------------------------------------------------- */

struct running {
    pid_t pid;
    int process; /* pidfd */
    int input, output;
    const char *state;
    size_t state_left;
    char said[SAID_SIZE];
    size_t said_size;
};

static void running_close(struct running *running)
{
    file_close(&running->process);
    file_close(&running->input);
    file_close(&running->output);
}

static int spawn(struct running *running, const char *path, char *const *argv, char *const *env,
                 const int in[2], const int out[2])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int failure;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, in[1], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, out[1], 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    failure = posix_spawn(&running->pid, path, &actions, &attributes, argv, env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failure;
}

/* Its input is a socket, since that can be written without a SIGPIPE when it has closed it. */
static int start(struct running *running, const char *path, char *const *argv, char *const *env,
                 struct error *err)
{
    int in[2], out[2], failure;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) < 0)
        return error_sys(err, errno, "make a pair of sockets");
    running->input = in[0];
    if (pipe2(out, O_CLOEXEC) < 0) {
        close(in[1]);
        return error_sys(err, errno, "pipe");
    }
    running->output = out[0];
    failure = spawn(running, path, argv, env, in, out);
    close(in[1]);
    close(out[1]);
    if (failure != 0)
        return error_sys(err, failure, "start %s", path);
    shutdown(running->input, SHUT_RD);
    running->process = (int)syscall(SYS_pidfd_open, running->pid, 0);
    return running->process < 0 ? error_sys(err, errno, "watch %s", path) : 0;
}

static void state_give(struct running *running)
{
    ssize_t sent =
        send(running->input, running->state, running->state_left, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (sent > 0) {
        running->state += sent;
        running->state_left -= (size_t)sent;
    }
    if (sent < 0 || running->state_left == 0)
        file_close(&running->input);
}

static void output_take(struct running *running)
{
    char bytes[4096];
    ssize_t got = read(running->output, bytes, sizeof(bytes));
    size_t room = SAID_SIZE - 1 - running->said_size;

    if (got <= 0) {
        file_close(&running->output);
        return;
    }
    room = (size_t)got < room ? (size_t)got : room;
    memcpy(running->said + running->said_size, bytes, room);
    running->said_size += room;
}

/* What it said last may come with its end. */
static void output_rest(struct running *running)
{
    struct pollfd output = { .fd = running->output, .events = POLLIN };

    while (running->output >= 0 && poll(&output, 1, 0) > 0)
        output_take(running);
}

/* False: its time is over. */
static bool attend(struct running *running, int64_t ends_at)
{
    for (;;) {
        struct pollfd events[3] = { { running->process, POLLIN, 0 },
                                    { running->input, POLLOUT, 0 },
                                    { running->output, POLLIN, 0 } };
        int64_t left = ends_at - clock_monotonic();

        if (ends_at != 0 && left <= 0)
            return false;
        poll(events, 3, ends_at == 0 ? -1 : (int)(left / 1000000 + 1));
        if (events[1].revents != 0)
            state_give(running);
        if (events[2].revents != 0)
            output_take(running);
        if (events[0].revents != 0)
            return true;
    }
}

static int finish(struct running *running, bool in_time, int64_t timeout, struct error *err)
{
    int status;

    if (!in_time)
        kill(running->pid, SIGKILL);
    output_rest(running);
    while (waitpid(running->pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_sys(err, errno, "wait for a hook");
    if (!in_time)
        return error_set(err, ERROR_DEADLINE_EXCEEDED, "hook ran past specified timeout of %.1fs",
                         (double)timeout);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status))
        return error_set(err, ERROR_UNKNOWN, "signal: %s, output: %.*s",
                         strsignal(WTERMSIG(status)), (int)running->said_size, running->said);
    return error_set(err, ERROR_UNKNOWN, "exit status %d, output: %.*s", WEXITSTATUS(status),
                     (int)running->said_size, running->said);
}

static int one_run(const struct place *place, const char *state, size_t size, struct error *err)
{
    CLEANUP(running_close)
    struct running running = {
        .process = -1, .input = -1, .output = -1, .state = state, .state_left = size
    };
    CLEANUP(arena_drop) struct arena *arena = arena_new();
    struct strs args, env;
    const char *path, *alone[2];
    int64_t timeout;
    bool in_time;

    if (place_text(place, "path", &path, err) < 0 ||
        place_texts(place, "args", &args, arena, err) < 0 ||
        place_texts(place, "env", &env, arena, err) < 0 ||
        place_i64(place, "timeout", &timeout, NULL, err) < 0)
        return -1;
    alone[0] = path;
    alone[1] = NULL;
    if (start(&running, path, (char *const *)(uintptr_t)(args.count > 0 ? args.items : alone),
              place_member(place, "env").json != NULL ? (char *const *)(uintptr_t)env.items
                                                      : environ,
              err) < 0)
        return -1;
    in_time = attend(&running, timeout > 0 ? clock_monotonic() + timeout * 1000000000 : 0);
    return finish(&running, in_time, timeout, err);
}

int hooks_run(const struct place *document, enum hook_kind kind, const json_t *state, bool all,
              struct error *err)
{
    struct place hooks = place_member(document, "hooks"), list = place_member(&hooks, names[kind]);
    CLEANUP(buffer_free) struct buffer text = { 0 };
    int result = 0;

    if (json_array_size(list.json) == 0)
        return 0;
    if (draft_write(state, STATE_BYTES_MAX, &text, err) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(list.json) && (all || result == 0); i++) {
        struct place one = place_element(&list, i);

        if (one_run(&one, text.data, text.size, err) < 0)
            result = error_wrap(err, "error running %s hook #%zu", names[kind], i);
    }
    return result;
}
