/* The commands that look at what is kept: state, list. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/linux/runtime/commands.h"
#include "platform/linux/runtime/files.h"
#include "platform/linux/runtime/state.h"
#include "platform/scope.h"
#include "protocol/oci/draft.h"

static int json_print(const json_t *json, size_t flags, struct error *err)
{
    if (json_dumpf(json, stdout, flags) < 0 || fflush(stdout) != 0)
        return error_set(err, ERROR_INTERNAL, "write to standard output");
    return 0;
}

int command_state(const struct options *options, struct error *err)
{
    CLEANUP(state_close) struct state state = STATE_NONE;
    json_t *described;
    int result;

    if (state_open(&state, options->root, options->argv[0], err) < 0)
        return -1;
    described = state_describe(&state, state_status(&state), state.pid);
    result = json_print(described, JSON_INDENT(2), err);
    json_decref(described);
    return result;
}

/* ---- list ------------------------------------------------------------------------ */

/* A user's name without libc's resolver, which a static program cannot have. */
static void owner_name(unsigned owner, char name[64])
{
    struct error ignored;
    size_t size;
    char *users = file_get(-1, "/etc/passwd", 1u << 20, &size, &ignored), *save = NULL;

    snprintf(name, 64, "#%u", owner);
    for (char *line = users != NULL ? strtok_r(users, "\n", &save) : NULL; line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *colon = strchr(line, ':'), *id = colon != NULL ? strchr(colon + 1, ':') : NULL;

        if (id != NULL && strtoul(id + 1, NULL, 10) == owner) {
            snprintf(name, 64, "%.*s", (int)(colon - line), line);
            break;
        }
    }
    free(users);
}

static int take(void *ctx, struct state *state, struct error *err UNUSED)
{
    json_t *described = state_describe(state, state_status(state), state->pid);
    char name[64];

    owner_name(state_number(state, "owner"), name);
    draft_put(described, "owner", draft_text(name));
    draft_add(ctx, described);
    return 0;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

/* Columns as wide as the widest word in them, three blanks between them. */
static void table_print(const json_t *list)
{
    static const char *const keys[] = { "id", "pid", "status", "bundle", "created", "owner" };
    static const char *const titles[] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" };
    size_t widths[COUNT_OF(keys)] = { 12, 12, 12, 12, 12, 0 };
    json_t *item;
    size_t i;

    json_array_foreach (list, i, item)
        for (size_t k = 0; k < COUNT_OF(keys); k++) {
            size_t size = strlen(text_of(item, keys[k])) + 3;

            widths[k] = size > widths[k] && k + 1 < COUNT_OF(keys) ? size : widths[k];
        }
    for (size_t k = 0; k < COUNT_OF(keys); k++)
        printf("%-*s", (int)widths[k], titles[k]);
    putchar('\n');
    json_array_foreach (list, i, item) {
        for (size_t k = 0; k < COUNT_OF(keys); k++) {
            if (k == 1)
                printf("%-*lld", (int)widths[k], json_integer_value(json_object_get(item, "pid")));
            else
                printf("%-*s", (int)widths[k], text_of(item, keys[k]));
        }
        putchar('\n');
    }
}

static int list_print(const struct options *options, const json_t *list, struct error *err)
{
    const char *format = options->format != NULL ? options->format : "table";
    json_t *item;
    size_t i;

    if (options->quiet) {
        json_array_foreach (list, i, item)
            puts(text_of(item, "id"));
        return 0;
    }
    if (strcmp(format, "json") == 0) {
        if (json_array_size(list) == 0)
            return puts("null") < 0;
        return json_print(list, JSON_COMPACT, err) < 0 ? -1 : putchar('\n') < 0;
    }
    if (strcmp(format, "table") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid format option");
    table_print(list);
    return 0;
}

int command_list(const struct options *options, struct error *err)
{
    json_t *list = draft_array();
    int result = state_each(options->root, take, list, err);

    if (result == 0)
        result = list_print(options, list, err);
    json_decref(list);
    return result;
}
