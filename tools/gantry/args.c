/* Taking the command line apart; see args.h. */
#include "tools/gantry/args.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/gantry/command.h"
#include "tools/gantry/text.h"

/* ---- the options a command knows ---------------------------------------- */

static bool is_end(const struct option *option)
{
    return option->name == NULL;
}

static const struct option *find_in(const struct option *options, const char *name, size_t length,
                                    char letter)
{
    for (const struct option *at = options; at != NULL && !is_end(at); at++) {
        if (letter != '\0' && at->letter == letter)
            return at;
        if (name != NULL && strlen(at->name) == length && memcmp(at->name, name, length) == 0)
            return at;
    }
    return NULL;
}

/* The command's own options come first: run's -h is a host name. */
static const struct option *find_option(const struct command *command, const char *name,
                                        size_t length, char letter)
{
    const struct option *found = NULL;

    if (command != NULL)
        found = find_in(command->options, name, length, letter);
    return found != NULL ? found : find_in(global_options, name, length, letter);
}

struct option_walk {
    const struct option *at;
    bool global;
};

static const char *next_option(void *ctx)
{
    struct option_walk *walk = ctx;

    if (!walk->global && (walk->at == NULL || is_end(walk->at))) {
        walk->at = global_options;
        walk->global = true;
    }
    return is_end(walk->at) ? NULL : (walk->at++)->name;
}

static int unknown_option(const struct command *command, const char *word, struct error *err)
{
    struct option_walk walk = { .at = command ? command->options : NULL };
    const char *similar = NULL;
    char name[64];

    if (strncmp(word, "--", 2) == 0) {
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
        similar = nearest(name, next_option, &walk);
    }
    error_set(err, ERROR_INVALID_ARGUMENT, "unknown option %.80s", word);
    if (similar != NULL)
        return error_hint(err, "did you mean --%s?", similar);
    return error_hint(err, "see gantry help%s%s", command ? " " : "", command ? command->name : "");
}

/* ---- parsing ------------------------------------------------------------ */

struct parse {
    const struct command *command;
    int argc, at;
    char **argv;
    struct arena *arena;
    struct args *args;
    struct error *err;
};

static int give(struct parse *parse, const struct option *option, const char *value)
{
    if (option->kind == OPTION_REFUSED)
        return error_set(parse->err, ERROR_UNIMPLEMENTED, "--%s: %s", option->name, option->doc);
    parse->args->given[parse->args->given_count++] =
        (struct given){ .option = option, .value = value };
    return 0;
}

static bool takes_value(const struct option *option)
{
    return option->value != NULL;
}

/* A value that is not in the same word is the next one. */
static int give_next(struct parse *parse, const struct option *option)
{
    if (option->kind == OPTION_REFUSED)
        return give(parse, option, NULL);
    if (parse->at == parse->argc)
        return error_set(parse->err, ERROR_INVALID_ARGUMENT, "--%s needs a value (%s)",
                         option->name, option->value);
    return give(parse, option, parse->argv[parse->at++]);
}

static int give_flag(struct parse *parse, const struct option *option, const char *value)
{
    if (value == NULL || strcmp(value, "true") == 0 || strcmp(value, "1") == 0)
        return give(parse, option, "true");
    if (strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
        return give(parse, option, "false");
    return error_set(parse->err, ERROR_INVALID_ARGUMENT, "--%s is true or false, not '%.80s'",
                     option->name, value);
}

static int parse_long(struct parse *parse, const char *word)
{
    const char *value = strchr(word, '=');
    size_t length = value ? (size_t)(value - word - 2) : strlen(word) - 2;
    const struct option *option = find_option(parse->command, word + 2, length, '\0');

    if (option == NULL)
        return unknown_option(parse->command, word, parse->err);
    if (!takes_value(option))
        return give_flag(parse, option, value ? value + 1 : NULL);
    return value != NULL ? give(parse, option, value + 1) : give_next(parse, option);
}

static int parse_letters(struct parse *parse, const char *word)
{
    for (const char *at = word + 1; *at != '\0'; at++) {
        const struct option *option = find_option(parse->command, NULL, 0, *at);

        if (option == NULL) {
            const char letter[] = { '-', *at, '\0' };

            return unknown_option(parse->command, letter, parse->err);
        }
        if (!takes_value(option) && at[1] == '=')
            return give_flag(parse, option, at + 2);
        if (!takes_value(option)) {
            if (give_flag(parse, option, NULL) < 0)
                return -1;
            continue;
        }
        if (at[1] == '\0')
            return give_next(parse, option);
        return give(parse, option, at[1] == '=' ? at + 2 : at + 1);
    }
    return 0;
}

static void take_operands(struct parse *parse)
{
    while (parse->at < parse->argc)
        parse->args->operands.items[parse->args->operands.count++] = parse->argv[parse->at++];
}

static int parse_words(struct parse *parse)
{
    bool stops = parse->command == NULL || parse->command->stops;

    while (parse->at < parse->argc) {
        const char *word = parse->argv[parse->at];
        int result = 0;

        if (strcmp(word, "--") == 0) {
            parse->at++;
            take_operands(parse);
            return 0;
        }
        if (word[0] != '-' || word[1] == '\0') {
            if (stops) {
                take_operands(parse);
                return 0;
            }
            parse->args->operands.items[parse->args->operands.count++] = word;
            parse->at++;
            continue;
        }
        parse->at++;
        result = word[1] == '-' ? parse_long(parse, word) : parse_letters(parse, word);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int check_count(const struct command *command, const struct args *args, struct error *err)
{
    int count = (int)args->operands.count;

    if (args_flag(args, "help") ||
        (count >= command->least && (command->most < 0 || count <= command->most)))
        return 0;
    if (count < command->least)
        error_set(err, ERROR_INVALID_ARGUMENT, "%s needs %s", command->name, command->operands);
    else
        error_set(err, ERROR_INVALID_ARGUMENT, "%s does not take '%.80s'", command->name,
                  args->operands.items[command->most]);
    return error_hint(err, "see gantry help %s", command->name);
}

int args_parse(const struct command *command, int argc, char **argv, struct arena *arena,
               struct args *args, struct error *err)
{
    struct parse parse = {
        .command = command, .argc = argc, .argv = argv, .arena = arena, .args = args, .err = err
    };
    size_t letters = 1;

    for (int i = 0; i < argc; i++)
        letters += strlen(argv[i]) + 1; /* more than options can be in them */
    *args = (struct args){ .command = command };
    args->given = arena_alloc(arena, letters * sizeof(*args->given));
    args->operands.items = arena_alloc(arena, (size_t)(argc + 1) * sizeof(char *));
    if (parse_words(&parse) < 0)
        return -1;
    return command != NULL ? check_count(command, args, err) : 0;
}

/* ---- asking ------------------------------------------------------------- */

static const struct option *known(const struct args *args, const char *name)
{
    const struct option *option = find_option(args->command, name, strlen(name), '\0');

    if (option == NULL) {
        fprintf(stderr, "gantry: bug: the table has no option --%s\n", name);
        abort();
    }
    return option;
}

static const char *last_value(const struct args *args, const char *name)
{
    const struct option *option = known(args, name);

    for (size_t i = args->given_count; i > 0; i--)
        if (args->given[i - 1].option == option)
            return args->given[i - 1].value;
    return NULL;
}

bool args_has(const struct args *args, const char *name)
{
    return last_value(args, name) != NULL;
}

bool args_flag(const struct args *args, const char *name)
{
    const char *value = last_value(args, name);

    return value != NULL && strcmp(value, "true") == 0;
}

const char *args_text(const struct args *args, const char *name)
{
    return last_value(args, name);
}

struct strs args_list(const struct args *args, const char *name, struct arena *arena)
{
    const struct option *option = known(args, name);
    struct strs list = { .items = arena_alloc(arena, (args->given_count + 1) * sizeof(char *)) };

    for (size_t i = 0; i < args->given_count; i++)
        if (args->given[i].option == option)
            list.items[list.count++] = args->given[i].value;
    return list;
}

static int malformed(const char *name, const char *value, const char *expected, struct error *err)
{
    return error_set(err, ERROR_INVALID_ARGUMENT, "--%s: '%.80s' is not %s", name, value, expected);
}

int args_size(const struct args *args, const char *name, uint64_t *out, struct error *err)
{
    const char *value = last_value(args, name);

    if (value == NULL)
        return 0;
    if (size_parse(value, out) < 0)
        return malformed(name, value, "a size such as 64m or 1g", err);
    return 1;
}

int args_u64(const struct args *args, const char *name, uint64_t *out, struct error *err)
{
    const char *value = last_value(args, name);
    char *end;

    if (value == NULL)
        return 0;
    errno = 0;
    *out = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != '\0' || errno != 0)
        return malformed(name, value, "a number", err);
    return 1;
}

int args_i64(const struct args *args, const char *name, int64_t *out, struct error *err)
{
    const char *value = last_value(args, name);
    char *end;

    if (value == NULL)
        return 0;
    errno = 0;
    *out = strtoll(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0)
        return malformed(name, value, "a number", err);
    return 1;
}

int args_f64(const struct args *args, const char *name, double *out, struct error *err)
{
    const char *value = last_value(args, name);
    char *end;

    if (value == NULL)
        return 0;
    errno = 0;
    *out = strtod(value, &end);
    if (*value < '.' || *value > '9' || *end != '\0' || errno != 0)
        return malformed(name, value, "a number such as 1.5", err);
    return 1;
}
