/* Commands about processes in containers: start, attach, exec, logs, stop, kill, wait. */
#include "tools/gantry/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "platform/platform.h"
#include "tools/gantry/options.h"
#include "tools/gantry/text.h"

/* ---- shared with run ---------------------------------------------------- */

int task_failure(const struct cli *cli, const struct error *err)
{
    if (strcmp(gantry_origin(cli->client), "tasks") != 0)
        return 125;
    if (err->code == ERROR_NOT_FOUND)
        return 127;
    return err->code == ERROR_PERMISSION_DENIED ? 126 : 125;
}

void task_attach_options(const struct args *args, struct attach *attach)
{
    attach->proxy = !args_has(args, "sig-proxy") || args_flag(args, "sig-proxy");
    attach->detach_keys = args_text(args, "detach-keys");
}

static int task_create(struct cli *cli, const char *id, bool hold, bool tty, struct error *err)
{
    struct window window;
    struct tasks_create_request want = { .id = id, SET(hold, hold), SET(defer, true) };
    struct task_info task;

    if (tty && attach_window(&window))
        want.window = &window;
    return cli_call(cli, &op_tasks_create, &want, &task, err);
}

static int task_start(struct cli *cli, const char *id, const char *exec, struct error *err)
{
    struct tasks_get_request want = { .id = id, .exec = exec };
    struct task_info task;

    return cli_call(cli, &op_tasks_start, &want, &task, err);
}

/* What was created only to be started, and could not be: the container is as it was. */
static void task_forget(struct cli *cli, const char *id)
{
    struct tasks_delete_request want = { .id = id };
    struct error ignored = { 0 };

    cli_call(cli, &op_tasks_delete, &want, NULL, &ignored);
}

int task_start_detached(struct cli *cli, const char *id, struct error *err)
{
    bool created = task_create(cli, id, false, false, err) == 0;

    if (created && task_start(cli, id, NULL, err) == 0)
        return 0;
    cli->failure = task_failure(cli, err);
    if (created)
        task_forget(cli, id);
    return -1;
}

static int not_started(struct cli *cli, const struct attach *attach, struct pump **pump)
{
    attach_close(pump);
    if (attach->exec == NULL)
        task_forget(cli, attach->id);
    return -1;
}

/* The process exists, on hold. */
static int follow(struct cli *cli, const struct attach *attach, struct error *err)
{
    struct pump *pump = NULL;
    int status;

    if (attach_open(cli, attach, &pump, err) < 0)
        return not_started(cli, attach, &pump);
    if (task_start(cli, attach->id, attach->exec, err) < 0) {
        cli->failure = task_failure(cli, err);
        return not_started(cli, attach, &pump);
    }
    return attach_run(&pump, &status, err) < 0 ? -1 : status;
}

int task_run_attached(struct cli *cli, const struct attach *attach, struct error *err)
{
    if (task_create(cli, attach->id, true, attach->tty, err) < 0) {
        cli->failure = task_failure(cli, err);
        return -1;
    }
    return follow(cli, attach, err);
}

static const char *name_of(const struct container_info *container, struct arena *arena)
{
    return container->name ? printable(container->name, arena) : id_short(container->id, arena);
}

static int get_container(struct cli *cli, const char *id, struct container_info *container,
                         struct error *err)
{
    struct containers_get_request want = { .id = id };

    return cli_call(cli, &op_containers_get, &want, container, err);
}

/* ---- start -------------------------------------------------------------- */

static int start_one(struct cli *cli, const struct args *args, const char *id, struct error *err)
{
    (void)args;
    if (task_start_detached(cli, id, err) < 0)
        return -1;
    puts(printable(id, cli->arena));
    return 0;
}

static int start_attached(struct cli *cli, const struct args *args, struct error *err)
{
    struct attach attach = { .hold = true, .proxy = true };
    struct container_info container;

    if (args->operands.count > 1)
        return error_set(err, ERROR_INVALID_ARGUMENT, "start -a and -i take one container");
    if (get_container(cli, args->operands.items[0], &container, err) < 0)
        return -1;
    attach.id = container.id;
    attach.name = name_of(&container, cli->arena);
    attach.tty = container.has_tty && container.tty;
    attach.input = args_flag(args, "interactive") && container.has_stdin && container.stdin;
    attach.detach_keys = args_text(args, "detach-keys");
    if (attach_check(attach.tty, attach.input, err) < 0)
        return -1;
    return task_run_attached(cli, &attach, err);
}

int command_start(struct cli *cli, const struct args *args, struct error *err)
{
    if (args_flag(args, "attach") || args_flag(args, "interactive"))
        return start_attached(cli, args, err);
    return cli_each(cli, args, start_one);
}

/* ---- attach, exec ------------------------------------------------------- */

int command_attach(struct cli *cli, const struct args *args, struct error *err)
{
    struct attach attach = { 0 };
    struct container_info container;
    struct pump *pump = NULL;
    int status;

    if (get_container(cli, args->operands.items[0], &container, err) < 0)
        return -1;
    task_attach_options(args, &attach);
    attach.id = container.id;
    attach.name = name_of(&container, cli->arena);
    attach.tty = container.has_tty && container.tty;
    attach.input = container.has_stdin && container.stdin && !args_flag(args, "no-stdin");
    if (attach_check(attach.tty, attach.input, err) < 0)
        return -1;
    if (attach_open(cli, &attach, &pump, err) < 0) {
        attach_close(&pump);
        return -1;
    }
    return attach_run(&pump, &status, err) < 0 ? -1 : status;
}

/* The process has ended, or could not be started; nobody else would remove what is left. */
static void exec_forget(struct cli *cli, const struct task_info *task)
{
    struct tasks_delete_request want = { .id = task->id, .exec = task->exec, SET(force, true) };
    struct error ignored = { 0 };

    cli_call(cli, &op_tasks_delete, &want, NULL, &ignored);
}

static int exec_attached(struct cli *cli, const struct args *args, const struct task_info *task,
                         struct error *err)
{
    struct attach attach = { .id = task->id,
                             .exec = task->exec,
                             .name = args->operands.items[1],
                             .tty = args_flag(args, "tty"),
                             .input = args_flag(args, "interactive"),
                             .hold = true,
                             .proxy = true,
                             .detach_keys = args_text(args, "detach-keys") };
    int status = follow(cli, &attach, err);

    if (status >= 0 || cli->failure > 125)
        exec_forget(cli, task);
    return status;
}

int command_exec(struct cli *cli, const struct args *args, struct error *err)
{
    bool detach = args_flag(args, "detach"), tty = args_flag(args, "tty");
    bool input = args_flag(args, "interactive") && !detach;
    struct tasks_exec_request want = { .id = args->operands.items[0],
                                       .args = { .count = args->operands.count - 1,
                                                 .items = args->operands.items + 1 },
                                       .cwd = args_text(args, "workdir"),
                                       .user = args_text(args, "user"),
                                       SET(tty, tty),
                                       SET(stdin, input),
                                       SET(hold, !detach),
                                       SET(detach, detach) };
    struct window window;
    struct task_info task;

    want.privileged = want.has_privileged = args_flag(args, "privileged");
    if (tty && !detach && attach_window(&window))
        want.window = &window;
    if (options_env(args, &want.env, cli->arena, err) < 0 || attach_check(tty, input, err) < 0)
        return -1;
    if (cli_call(cli, &op_tasks_exec, &want, &task, err) < 0) {
        /* not_found may be the container: only what is said of starting is about the command */
        return -1;
    }
    if (!detach)
        return exec_attached(cli, args, &task, err);
    if (task_start(cli, task.id, task.exec, err) == 0)
        return 0;
    cli->failure = task_failure(cli, err);
    return -1;
}

/* ---- logs --------------------------------------------------------------- */

static int moment_of(const struct args *args, const char *name, int64_t *moment, bool *has,
                     struct error *err)
{
    const char *text = args_text(args, name);

    *has = text != NULL;
    if (text == NULL || moment_parse(text, clock_now(), moment) == 0)
        return 0;
    error_set(err, ERROR_INVALID_ARGUMENT, "--%s: '%.60s' is not a time", name, text);
    return error_hint(err, "e.g. 10m, 2024-01-02T15:04:05Z or 1700000000");
}

int command_logs(struct cli *cli, const struct args *args, struct error *err)
{
    struct tasks_logs_request want = { .id = args->operands.items[0] };
    struct attach attach = { .id = want.id, .name = want.id, .logs = &want };
    const char *tail = args_text(args, "tail");
    struct pump *pump = NULL;
    int status;

    want.follow = want.has_follow = args_flag(args, "follow");
    want.timestamps = want.has_timestamps = args_flag(args, "timestamps");
    if (moment_of(args, "since", &want.since, &want.has_since, err) < 0 ||
        moment_of(args, "until", &want.until, &want.has_until, err) < 0)
        return -1;
    want.has_tail = tail != NULL && strcmp(tail, "all") != 0;
    if (want.has_tail && args_u64(args, "tail", &want.tail, err) < 0)
        return -1;
    if (cli_connect(cli, err) < 0 || attach_open(cli, &attach, &pump, err) < 0) {
        attach_close(&pump);
        return -1;
    }
    return attach_run(&pump, &status, err) < 0 ? -1 : status;
}

/* ---- stop, kill, wait --------------------------------------------------- */

static int stop_one(struct cli *cli, const struct args *args, const char *id, struct error *err)
{
    struct tasks_stop_request want = { .id = id, .signal = args_text(args, "signal") };
    struct task_info task;
    int given = args_u64(args, "time", &want.timeout, err);

    if (given < 0)
        return -1;
    want.has_timeout = given > 0;
    if (cli_call(cli, &op_tasks_stop, &want, &task, err) < 0)
        return -1;
    puts(printable(id, cli->arena));
    return 0;
}

int command_stop(struct cli *cli, const struct args *args, struct error *err)
{
    (void)err;
    return cli_each(cli, args, stop_one);
}

static int kill_one(struct cli *cli, const struct args *args, const char *id, struct error *err)
{
    const char *signal = args_text(args, "signal");
    struct tasks_kill_request want = { .id = id, .signal = signal ? signal : "KILL" };

    if (cli_call(cli, &op_tasks_kill, &want, NULL, err) < 0)
        return -1;
    puts(printable(id, cli->arena));
    return 0;
}

int command_kill(struct cli *cli, const struct args *args, struct error *err)
{
    (void)err;
    return cli_each(cli, args, kill_one);
}

static int wait_one(struct cli *cli, const struct args *args, const char *id, struct error *err)
{
    struct tasks_get_request want = { .id = id };
    struct task_info task;

    (void)args;
    if (cli_call(cli, &op_tasks_wait, &want, &task, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(task_info_record(), &task);
    else if (task.has_exit_status)
        printf("%" PRIu64 "\n", task.exit_status);
    else
        printf("%s\n", printable(task.reason ? task.reason : task.status, cli->arena));
    fflush(stdout);
    return 0;
}

int command_wait(struct cli *cli, const struct args *args, struct error *err)
{
    (void)err;
    return cli_each(cli, args, wait_one);
}
