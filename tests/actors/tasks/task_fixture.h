/* task_fixture — running the box: short words for create, start, wait, attach. */
#ifndef TESTS_ACTORS_TASKS_TASK_FIXTURE_H
#define TESTS_ACTORS_TASKS_TASK_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "tests/actors/container_fixture.h"

#define ask(op, ...) \
    peer_ask(&store.tasks, &op_##op, &(struct op##_request){ __VA_ARGS__ }, &answer)
#define ask_get(op, ...) \
    peer_ask(&store.tasks, &op_##op, &(struct tasks_get_request){ __VA_ARGS__ }, &answer)

/* The id of a test's one container.  Control groups are named by namespace and id: another
   program's container of the same id, at the same time, would be killed with ours. */
UNUSED static const char *own_id(void)
{
    static char id[32];

    snprintf(id, sizeof(id), "box-%d", (int)getpid());
    return id;
}

/* A container whose process is this shell command. */
#define make_box(name_, script, ...)                                                  \
    ({                                                                                \
        const struct container_options options_ = { .args = STRS("sh", "-c", script), \
                                                    __VA_ARGS__ };                    \
        must_create(.id = name_, .options = &options_);                               \
    })

UNUSED static const struct task_info *task(void)
{
    return answer.body;
}

UNUSED static void start_box(const char *id)
{
    must(ask(tasks_create, .id = id));
    must(ask_get(tasks_start, .id = id));
}

#define run_box(name_, script, ...)           \
    ({                                        \
        make_box(name_, script, __VA_ARGS__); \
        start_box(name_);                     \
    })

/* Its exit status, when it has ended. */
UNUSED static int64_t wait_box(const char *id)
{
    must(ask_get(tasks_wait, .id = id));
    assert_string_equal(task()->status, "stopped");
    assert_true(task()->has_exit_status);
    return (int64_t)task()->exit_status;
}

/* Where an added process has to be started. */
UNUSED static enum error_code exec_with(struct tasks_exec_request want)
{
    enum error_code code = peer_ask(&store.tasks, &op_tasks_exec, &want, &answer);
    char exec[80];

    if (code != ERROR_NONE)
        return code;
    snprintf(exec, sizeof(exec), "%s", task()->exec);
    return ask_get(tasks_start, .id = want.id, .exec = exec);
}

#define exec_in(...) exec_with((struct tasks_exec_request){ __VA_ARGS__ })

/* ---- streams --------------------------------------------------------------------------------- */

struct output {
    struct peer peer;
    uint64_t id;
    struct answer answer;
    const struct op *op;
    char *bytes[2]; /* of stdout, of stderr; a NUL behind them */
    size_t size[2];
    size_t most;           /* in one message */
    uint64_t allowed_back; /* input that the other side has taken */
};

UNUSED static void output_open(struct output *output, const struct op *op, const void *body)
{
    *output = (struct output){ .op = op, .bytes = { calloc(1, 1), calloc(1, 1) } };
    peer_open(&output->peer, "tasks");
    output->id = peer_send(&output->peer, op, body);
}

UNUSED static void output_close(struct output *output)
{
    answer_free(&output->answer);
    peer_close(&output->peer);
    free(output->bytes[0]);
    free(output->bytes[1]);
}

#define attach_to(output, ...) \
    output_open(output, &op_tasks_attach, &(struct tasks_attach_request){ __VA_ARGS__ })

UNUSED static void output_allow(struct output *output, uint64_t bytes)
{
    peer_credit(&output->peer, output->id, bytes);
}

static void output_take(struct output *output)
{
    const struct answer *got = &output->answer;
    int which = strcmp(got->envelope.stream, "stderr") == 0;

    output->bytes[which] = realloc(output->bytes[which], output->size[which] + got->size + 1);
    assert_non_null(output->bytes[which]);
    memcpy(output->bytes[which] + output->size[which], got->bytes, got->size);
    output->size[which] += got->size;
    output->bytes[which][output->size[which]] = '\0';
    if (got->size > output->most)
        output->most = got->size;
}

/* The next message; false: it was the last one. */
UNUSED static bool output_next(struct output *output)
{
    const char *kind;

    if (!peer_receive(&output->peer, output->op, &output->answer))
        fail_msg("nothing comes of %s", output->op->name);
    kind = output->answer.envelope.kind;
    if (strcmp(kind, "data") == 0)
        output_take(output);
    else if (strcmp(kind, "credit") == 0)
        output->allowed_back += ((const struct credit *)output->answer.body)->count;
    return strcmp(kind, "reply") != 0 && strcmp(kind, "error") != 0;
}

/* Everything, however much it is; ERROR_NONE or why not. */
UNUSED static enum error_code output_all(struct output *output)
{
    size_t before = 0;

    output_allow(output, 1 << 20);
    while (output_next(output))
        if (output->size[0] + output->size[1] > before) {
            output_allow(output, output->size[0] + output->size[1] - before);
            before = output->size[0] + output->size[1];
        }
    return output->answer.code;
}

UNUSED static void output_until(struct output *output, const char *text)
{
    while (strstr(output->bytes[0], text) == NULL)
        if (!output_next(output))
            fail_msg("\"%s\" did not come before the end (%s)", text, output->answer.message);
}

UNUSED static bool is_alive(uint64_t pid)
{
    return kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

/* The one task folder there is. */
static int take_name(void *ctx, const char *name, struct error *err)
{
    (void)err;
    snprintf(ctx, 40, "%s", name);
    return 0;
}

UNUSED static const char *task_path(const char *name)
{
    char folder[40] = "";
    struct error err = { 0 };

    if (fs_folder_each(store_path(&store, "state/t"), take_name, folder, &err) < 0 ||
        folder[0] == '\0')
        fail_msg("there is no task folder");
    return store_path(&store, "state/t/%s/%s", folder, name);
}

UNUSED static pid_t shim_pid(void)
{
    struct error err = { 0 };
    size_t size;
    char *text = fs_read(task_path("shim.pid"), 100, &size, &err);
    pid_t pid;

    if (text == NULL)
        fail_msg("%s", err.text);
    pid = (pid_t)atoi(text);
    free(text);
    assert_true(pid > 1);
    return pid;
}

/* Lets a box go on that waits for /go. */
#define UNTIL_GO "while [ ! -e /go ]; do sleep 0.01; done; "
UNUSED static void let_go(uint64_t pid)
{
    char path[64];
    int file;

    snprintf(path, sizeof(path), "/proc/%llu/root/go", (unsigned long long)pid);
    file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (file < 0)
        fail_msg("%s: %s", path, strerror(errno));
    close(file);
}

#endif
