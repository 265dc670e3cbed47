/* See exec_process.h. */
#include "platform/linux/runtime/exec_process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/runtime/files.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

#define PROCESS_BYTES_MAX (4u << 20)

/* ---- a process.json ------------------------------------------------------------------ */

static json_t *process_of_file(const char *path, struct error *err)
{
    size_t size;
    char *bytes = file_get(AT_FDCWD, path, PROCESS_BYTES_MAX, &size, err);
    json_t *process = bytes != NULL ? draft_read(bytes, size, err) : NULL;

    free(bytes);
    if (process == NULL)
        error_wrap(err, "%s", path);
    return process;
}

/* ---- the container's own, changed ------------------------------------------------------- */

static int id_read(const char *option, const char *text, char **end, json_int_t *out,
                   struct error *err)
{
    errno = 0;
    *out = strtoll(text, end, 10);
    if (*end == text || errno != 0 || *out < 0 || *out > UINT32_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%s: \"%s\" is not made of numbers", option,
                         text);
    return 0;
}

/* The groups are the asked for user's, not the container's. */
static int user_put(json_t *process, const char *text, struct error *err)
{
    json_t *user = draft_object();
    json_int_t id;
    char *end;

    draft_put(process, "user", user);
    if (id_read("--user", text, &end, &id, err) < 0)
        return -1;
    draft_put(user, "uid", draft_number(id));
    draft_put(user, "gid", draft_number(0));
    if (*end == ':') {
        if (id_read("--user", end + 1, &end, &id, err) < 0)
            return -1;
        draft_put(user, "gid", draft_number(id));
    }
    return *end == '\0' ? 0
                        : error_set(err, ERROR_INVALID_ARGUMENT,
                                    "--user: \"%s\" must be UID or UID:GID, in numbers", text);
}

static int groups_put(json_t *process, const struct option_list *list, struct error *err)
{
    json_t *user = json_object_get(process, "user"), *groups = draft_array();
    json_int_t id;
    char *end;

    if (user == NULL) {
        user = draft_object();
        draft_put(process, "user", user);
    }
    draft_put(user, "additionalGids", groups);
    for (size_t i = 0; i < list->count; i++) {
        if (id_read("--additional-gids", list->items[i], &end, &id, err) < 0)
            return -1;
        draft_add(groups, draft_number(id));
    }
    return 0;
}

static bool has_text(const json_t *array, const char *text)
{
    const json_t *item;
    size_t i;

    json_array_foreach (array, i, item)
        if (json_is_string(item) && strcmp(json_string_value(item), text) == 0)
            return true;
    return false;
}

/* runc's rule: bounding, effective and permitted get it; inheritable and ambient only what they
   have in common. */
static void capabilities_put(json_t *process, const struct option_list *list)
{
    static const char *const sets[] = { "bounding", "effective", "permitted" };
    json_t *capabilities = json_object_get(process, "capabilities");

    if (!json_is_object(capabilities)) {
        capabilities = draft_object();
        draft_put(process, "capabilities", capabilities);
    }
    for (size_t i = 0; i < COUNT_OF(sets); i++) {
        if (!json_is_array(json_object_get(capabilities, sets[i])))
            draft_put(capabilities, sets[i], draft_array());
        for (size_t j = 0; j < list->count; j++)
            if (!has_text(json_object_get(capabilities, sets[i]), list->items[j]))
                draft_add(json_object_get(capabilities, sets[i]), draft_text(list->items[j]));
    }
}

static int env_put(json_t *process, const struct option_list *list, struct error *err)
{
    if (list->count == 0)
        return 0;
    if (!json_is_array(json_object_get(process, "env")))
        draft_put(process, "env", draft_array());
    for (size_t i = 0; i < list->count; i++) {
        if (strchr(list->items[i], '=') == NULL)
            return error_set(err, ERROR_INVALID_ARGUMENT, "--env: \"%s\" must be NAME=VALUE",
                             list->items[i]);
        draft_add(json_object_get(process, "env"), draft_text(list->items[i]));
    }
    return 0;
}

static int changes_put(json_t *process, const struct options *options, struct error *err)
{
    json_t *args = draft_array();

    for (int i = 1; i < options->argc; i++)
        draft_add(args, draft_text(options->argv[i]));
    draft_put(process, "args", args);
    draft_put(process, "terminal", draft_bool(options->tty));
    json_object_del(process, "consoleSize");
    if (options->cwd != NULL)
        draft_put(process, "cwd", draft_text(options->cwd));
    if (options->apparmor != NULL)
        draft_put(process, "apparmorProfile", draft_text(options->apparmor));
    if (options->process_label != NULL)
        draft_put(process, "selinuxLabel", draft_text(options->process_label));
    if (options->no_new_privs)
        draft_put(process, "noNewPrivileges", draft_bool(true));
    if (options->caps.count > 0)
        capabilities_put(process, &options->caps);
    if (options->user != NULL && user_put(process, options->user, err) < 0)
        return -1;
    if (options->gids.count > 0 && groups_put(process, &options->gids, err) < 0)
        return -1;
    return env_put(process, &options->env, err);
}

int exec_process_put(json_t *config, const struct options *options, struct error *err)
{
    json_t *process;

    if (options->process != NULL) {
        process = process_of_file(options->process, err);
        if (process == NULL)
            return -1;
        draft_put(config, "process", process);
        if (options->tty)
            draft_put(process, "terminal", draft_bool(true));
        return 0;
    }
    if (options->argc < 2)
        return error_set(err, ERROR_INVALID_ARGUMENT, "process args cannot be empty");
    process = json_object_get(config, "process");
    return changes_put(process, options, err);
}

/* ---- a group below the container's ---------------------------------------------------------- */

struct wanted {
    const char *controllers; /* NULL: every hierarchy */
    size_t size;
    const char *path;
    pid_t pid;
    bool is_found;
};

static bool is_wanted(const struct wanted *wanted, const char *controllers)
{
    size_t size;

    if (wanted->controllers == NULL)
        return true;
    for (const char *at = controllers; *at != '\0'; at += size + (at[size] == ',')) {
        size = strcspn(at, ",");
        if (size == wanted->size && strncmp(at, wanted->controllers, size) == 0)
            return true;
    }
    return false;
}

static int one_enter(void *ctx, const char *controllers, const char *mounted, const char *path,
                     struct error *err)
{
    struct wanted *wanted = ctx;
    char file[PATH_SIZE], number[16];

    if (!is_wanted(wanted, controllers))
        return 0;
    wanted->is_found = true;
    snprintf(number, sizeof(number), "%d", (int)wanted->pid);
    if (path_format(file, err, "%s%s/%s/cgroup.procs", mounted, path, wanted->path) < 0)
        return -1;
    return file_set(file, number, err);
}

int exec_group_enter(const struct cgroup *cgroup, const char *text, pid_t pid, struct error *err)
{
    const char *colon = strchr(text, ':');
    struct wanted wanted = { .path = colon != NULL ? colon + 1 : text, .pid = pid };

    if (colon != NULL) {
        wanted.controllers = text;
        wanted.size = (size_t)(colon - text);
    }
    if (strstr(wanted.path, "..") != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "--cgroup: %s: must be below the container's group", text);
    if (cgroup_each(cgroup, one_enter, &wanted, err) < 0)
        return error_wrap(err, "--cgroup");
    return wanted.is_found
               ? 0
               : error_set(err, ERROR_NOT_FOUND, "--cgroup: no such controller: %s", text);
}
