/*
 * run and create.
 *
 * The happy path of run is options -> image (pulled when it is not here) -> container ->
 * task on hold -> attach -> start -> pump.  A container that could not be started and was
 * to go by itself (--rm) is removed; any other stays, as created, for another start.
 */
#include <stdio.h>
#include <string.h>

#include "platform/platform.h"
#include "tools/gantry/names.h"
#include "tools/gantry/options.h"
#include "tools/gantry/pull.h"
#include "tools/gantry/task.h"
#include "tools/gantry/volumes_from.h"

#define NAME_ATTEMPTS 12

/* ---- the container ------------------------------------------------------ */

/* A name of the user's own fails when it is taken; of ours there are others. */
static int create_named(struct cli *cli, struct containers_create_request *want,
                        struct container_info *container, struct error *err)
{
    char *name = arena_alloc(cli->arena, NAME_ROOM);
    uint64_t random;

    if (want->name != NULL)
        return cli_call(cli, &op_containers_create, want, container, err);
    want->name = name;
    for (int attempt = 1; attempt <= NAME_ATTEMPTS; attempt++) {
        random_bytes(&random, sizeof(random));
        name_make(random, attempt, name);
        if (cli_call(cli, &op_containers_create, want, container, err) == 0)
            return 0;
        if (err->code != ERROR_ALREADY_EXISTS)
            return -1;
    }
    return -1;
}

static int cidfile_check(const char *path, struct error *err)
{
    if (path == NULL || !fs_exists(path))
        return 0;
    error_set(err, ERROR_ALREADY_EXISTS, "--cidfile: %s is there already", path);
    return error_hint(err, "remove it, or give another file");
}

static void remove_quietly(struct cli *cli, const char *id)
{
    struct containers_remove_request want = { .id = id, SET(force, true) };
    struct error ignored = { 0 };

    cli_call(cli, &op_containers_remove, &want, NULL, &ignored);
}

static int cidfile_write(const char *path, const char *id, struct error *err)
{
    if (path == NULL)
        return 0;
    return fs_write(path, id, strlen(id), 0644, false, err);
}

/*
 * Mostly the image is here, and the daemon says so by creating the container: whether it is, is
 * asked only when something was not found, which may also be a user in it.  Of a platform that
 * the user named, and before `--pull always`, it is asked first.
 */
static int create_pulled(struct cli *cli, const struct args *args,
                         struct containers_create_request *want, struct container_info *container,
                         struct error *err)
{
    const char *policy = args_text(args, "pull");
    bool ask_first = want->platform != NULL || (policy != NULL && strcmp(policy, "missing") != 0);
    struct images_pull_request pull = { .reference = want->image,
                                        .platform = want->platform,
                                        .driver = want->driver };
    struct error failed = { 0 };
    int pulled;

    if (!ask_first) {
        if (create_named(cli, want, container, &failed) == 0)
            return 0;
        if (failed.code != ERROR_NOT_FOUND)
            return *err = failed, -1;
    }
    pulled = pull_by_policy(cli, &pull, policy, args_flag(args, "quiet"), err);
    if (pulled < 0)
        return -1;
    if (!ask_first && pulled == 0)
        return *err = failed, -1;
    want->name = args_text(args, "name"); /* of our own there are others */
    return create_named(cli, want, container, err);
}

/* Everything before the start. */
static int make_container(struct cli *cli, const struct args *args,
                          struct container_info *container, struct error *err)
{
    struct containers_create_request want;
    struct container_options options;
    const char *cidfile = args_text(args, "cidfile");

    if (options_of_args(args, &want, &options, cli->arena, err) < 0 ||
        volumes_from(cli, args, &options.mounts, err) < 0 ||
        cidfile_check(cidfile, err) < 0)
        return -1;
    want.name = args_text(args, "name");
    if (create_pulled(cli, args, &want, container, err) < 0)
        return -1;
    if (cidfile_write(cidfile, container->id, err) == 0)
        return 0;
    remove_quietly(cli, container->id);
    return -1;
}

int command_create(struct cli *cli, const struct args *args, struct error *err)
{
    struct container_info container;

    if (make_container(cli, args, &container, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(container_info_record(), &container);
    else
        puts(container.id);
    return 0;
}

/* ---- run ---------------------------------------------------------------- */

static int run_detached(struct cli *cli, const struct container_info *container, struct error *err)
{
    if (task_start_detached(cli, container->id, err) < 0)
        return -1;
    if (cli->json)
        cli_print_json(container_info_record(), container);
    else
        puts(container->id);
    return 0;
}

static int run_attached(struct cli *cli, const struct args *args,
                        const struct container_info *container, struct error *err)
{
    struct attach attach = { .id = container->id,
                             .name = container->name ? printable(container->name, cli->arena)
                                                     : container->id,
                             .tty = args_flag(args, "tty"),
                             .input = args_flag(args, "interactive"),
                             .hold = true };

    task_attach_options(args, &attach);
    return task_run_attached(cli, &attach, err);
}

/* False when it never ran: then nobody but us removes it. */
static bool has_run(struct cli *cli, const char *id)
{
    struct containers_get_request want = { .id = id };
    struct container_info container;
    struct error ignored = { 0 };

    if (cli_call(cli, &op_containers_get, &want, &container, &ignored) < 0)
        return true; /* gone, or not to be asked */
    return container.has_started;
}

int command_run_(struct cli *cli, const struct args *args, struct error *err)
{
    bool detach = args_flag(args, "detach");
    struct container_info container;
    int status;

    if (!detach && attach_check(args_flag(args, "tty"), args_flag(args, "interactive"), err) < 0)
        return -1;
    if (make_container(cli, args, &container, err) < 0)
        return -1;
    status = detach ? run_detached(cli, &container, err) : run_attached(cli, args, &container, err);
    if (status < 0 && args_flag(args, "rm") && err->code != ERROR_UNAVAILABLE &&
        !has_run(cli, container.id))
        remove_quietly(cli, container.id);
    return status;
}
