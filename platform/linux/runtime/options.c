/* See options.h. */
#include "platform/linux/runtime/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "platform/scope.h"

static bool is_called(const char *name, const char *word, size_t size)
{
    return name != NULL && strlen(name) == size && memcmp(name, word, size) == 0;
}

static const struct option_row *row_find(const struct option_row *rows, const char *word,
                                         size_t size)
{
    for (; rows->name != NULL; rows++)
        if (is_called(rows->name, word, size) || is_called(rows->alias, word, size))
            return rows;
    return NULL;
}

static int list_add(struct option_list *list, const char *value, struct error *err)
{
    if (list->items == NULL)
        list->items = calloc(OPTION_LIST_MAX, sizeof(*list->items));
    if (list->items == NULL || list->count == OPTION_LIST_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "an option is given more than %d times",
                         OPTION_LIST_MAX);
    list->items[list->count++] = value;
    return 0;
}

static int flag_set(const struct option_row *row, const char *value, bool *out, struct error *err)
{
    if (value == NULL || strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
        *out = true;
    else if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
        *out = false;
    else
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "invalid boolean value \"%s\" for -%s: parse error", value, row->name);
    return 0;
}

static int number_set(const struct option_row *row, const char *value, int64_t *out,
                      struct error *err)
{
    char *end;

    errno = 0;
    *out = strtoll(value, &end, 10);
    if (*value == '\0' || *end != '\0' || errno != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "invalid value \"%s\" for flag -%s: parse error", value, row->name);
    return 0;
}

static int value_set(const struct option_row *row, const char *value, struct options *out,
                     struct error *err)
{
    char *at = (char *)out + row->at;

    switch (row->kind) {
    case OPTION_FLAG:
        return flag_set(row, value, (bool *)at, err);
    case OPTION_NUMBER:
        return number_set(row, value, (int64_t *)(void *)at, err);
    case OPTION_LIST:
        return list_add((struct option_list *)(void *)at, value, err);
    case OPTION_TEXT:
        *(const char **)(void *)at = value;
    }
    return 0;
}

/* -abc where each is a flag of one letter, as crun's users write them (-it). */
static bool are_letters(const struct option_row *rows, const char *word, struct options *out)
{
    struct error ignored;

    if (word[0] != '-' || word[1] == '-' || word[1] == '\0' || strlen(word) > 4)
        return false;
    for (const char *at = word + 1; *at != '\0'; at++) {
        const struct option_row *row = row_find(rows, at, 1);

        if (row == NULL || row->kind != OPTION_FLAG)
            return false;
    }
    for (const char *at = word + 1; *at != '\0'; at++)
        value_set(row_find(rows, at, 1), NULL, out, &ignored);
    return true;
}

/* One option beginning at argv[*at]; moves *at behind it. */
static int option_take(const struct option_row *rows, int argc, char **argv, int *at,
                       struct options *out, struct error *err)
{
    const char *word = argv[(*at)++], *name = word + 1 + (word[1] == '-');
    const char *equals = strchr(name, '='), *value = equals != NULL ? equals + 1 : NULL;
    size_t size = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct option_row *row = row_find(rows, name, size);

    if (row == NULL && are_letters(rows, word, out))
        return 0;
    if (row == NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT, "flag provided but not defined: -%.*s",
                         (int)size, name);
    if (row->kind != OPTION_FLAG && value == NULL) {
        if (*at == argc)
            return error_set(err, ERROR_INVALID_ARGUMENT, "flag needs an argument: -%s", name);
        value = argv[(*at)++];
    }
    return value_set(row, value, out, err);
}

int options_parse(const struct option_row *rows, int argc, char **argv, bool in_order,
                  struct options *out, struct error *err)
{
    int at = 0, kept = 0;

    while (at < argc) {
        const char *word = argv[at];

        if (strcmp(word, "--") == 0) {
            at++;
            break;
        }
        if (word[0] == '-' && word[1] != '\0') {
            if (option_take(rows, argc, argv, &at, out, err) < 0)
                return -1;
            continue;
        }
        if (in_order)
            break;
        argv[kept++] = argv[at++];
    }
    while (at < argc)
        argv[kept++] = argv[at++];
    out->argc = kept;
    out->argv = argv;
    return 0;
}

void options_free(struct options *options)
{
    struct option_list *const lists[] = { &options->env, &options->caps, &options->gids,
                                          &options->cgroups, &options->empty_ns };

    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        free(lists[i]->items);
        lists[i]->items = NULL;
        lists[i]->count = 0;
    }
}
