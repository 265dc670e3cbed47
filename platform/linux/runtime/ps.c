/*
 * The command ps: the processes of a container, as numbers or as ps(1) shows them.
 *
 * ps(1) is asked for all processes and its lines are sifted: it has no option for "those of a
 * control group" that every version knows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/linux/runtime/cgroup.h"
#include "platform/linux/runtime/commands.h"
#include "platform/linux/runtime/processes.h"
#include "platform/linux/runtime/state.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

static bool is_one_of(const pid_t *pids, size_t count, long pid)
{
    for (size_t i = 0; i < count; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

/* The number in the column that the title line calls PID. */
static long pid_in(const char *line, int column)
{
    for (int i = 0; i < column; i++) {
        line += strspn(line, " ");
        line += strcspn(line, " ");
    }
    return strtol(line, NULL, 10);
}

static int pid_column(char *titles)
{
    char copy[1024], *save = NULL;
    int column = 0;

    snprintf(copy, sizeof(copy), "%.1000s", titles);
    for (char *word = strtok_r(copy, " \n", &save); word != NULL;
         word = strtok_r(NULL, " \n", &save)) {
        if (strcmp(word, "PID") == 0)
            return column;
        column++;
    }
    return -1;
}

/* Lines of ps(1) about these processes. */
static int table_filter(FILE *ps, const pid_t *pids, size_t count, struct error *err)
{
    char line[65536];
    int column;

    if (fgets(line, sizeof(line), ps) == NULL)
        return error_set(err, ERROR_UNAVAILABLE, "ps printed nothing");
    column = pid_column(line);
    if (column < 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "couldn't find PID field in ps output");
    fputs(line, stdout);
    while (fgets(line, sizeof(line), ps) != NULL)
        if (is_one_of(pids, count, pid_in(line, column)))
            fputs(line, stdout);
    return 0;
}

static int ps_run(const struct options *options, const pid_t *pids, size_t count, struct error *err)
{
    CLEANUP(child_drop) struct child child = { .input = -1, .output = -1 };
    struct child_options how = { .output = true, .errors = 2 };
    char path[PATH_SIZE];
    const char **argv = calloc((size_t)options->argc + 2, sizeof(*argv));
    int status, result;
    FILE *ps;

    if (argv == NULL || program_look_up("ps", path, err) < 0) {
        free(argv);
        return -1;
    }
    argv[0] = path;
    argv[1] = "-ef"; /* what else is wanted stands behind the id, in its place */
    for (int i = 1; i < options->argc; i++)
        argv[i] = options->argv[i];
    how.argv = argv;
    result = child_start(&how, &child, err);
    free(argv);
    if (result < 0)
        return -1;
    ps = fdopen(child.output, "r");
    result = ps == NULL ? error_set(err, ERROR_INTERNAL, "read from ps")
                        : table_filter(ps, pids, count, err);
    if (ps != NULL) {
        fclose(ps);
        child.output = -1;
    }
    return result < 0 ? -1 : child_wait(&child, &status, err);
}

static int pids_print(const pid_t *pids, size_t count, struct error *err)
{
    json_t *list = draft_array();
    int result;

    for (size_t i = 0; i < count; i++)
        draft_add(list, draft_number(pids[i]));
    result = json_dumpf(list, stdout, JSON_COMPACT) < 0
                 ? error_set(err, ERROR_INTERNAL, "write to standard output")
                 : 0;
    json_decref(list);
    return result < 0 ? -1 : putchar('\n') < 0;
}

int command_ps(const struct options *options, struct error *err)
{
    CLEANUP(state_close) struct state state = STATE_NONE;
    CLEANUP(cgroup_free) struct cgroup *cgroup = NULL;
    const char *format = options->format != NULL ? options->format : "table";
    pid_t *pids = NULL;
    size_t count;
    int result;

    if (state_open(&state, options->root, options->argv[0], err) < 0)
        return -1;
    if (state_status(&state) == STATUS_STOPPED)
        return error_set(err, ERROR_FAILED_PRECONDITION, "container not running");
    cgroup = cgroup_load(json_object_get(state.document, "cgroup"), err);
    if (cgroup == NULL || processes_list(&state, cgroup, &pids, &count, err) < 0)
        return -1;
    if (strcmp(format, "json") == 0)
        result = pids_print(pids, count, err);
    else if (strcmp(format, "table") == 0)
        result = ps_run(options, pids, count, err);
    else
        result = error_set(err, ERROR_INVALID_ARGUMENT, "invalid format option");
    free(pids);
    return result;
}
