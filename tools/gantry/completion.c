/*
 * completion — a script for bash, made from the table.
 *
 * Names of containers and images are asked for when the key is pressed, by the hidden
 * command `gantry names`, which never starts an engine.
 */
#include <stdio.h>
#include <string.h>

#include "tools/gantry/command.h"

static void print_words(const struct option *options)
{
    for (const struct option *at = options; at != NULL && at->name != NULL; at++) {
        if (at->kind == OPTION_REFUSED)
            continue;
        printf(" --%s", at->name);
        if (at->letter != '\0')
            printf(" -%c", at->letter);
    }
}

/* What a value may be, where the table says it in words with bars. */
static void print_values(const struct option *options)
{
    for (const struct option *at = options; at != NULL && at->name != NULL; at++) {
        if (at->value == NULL || at->kind == OPTION_REFUSED)
            continue;
        printf("        --%s", at->name);
        if (at->letter != '\0')
            printf("|-%c", at->letter);
        if (strchr(at->value, '|') != NULL && strchr(at->value, '[') == NULL) {
            printf(") words=\"");
            for (const char *c = at->value; *c != '\0'; c++)
                putchar(*c == '|' ? ' ' : *c);
            printf("\" ;;\n");
        } else {
            printf(") _gantry_files; return ;;\n");
        }
    }
}

static const char *operand_words(enum complete complete)
{
    switch (complete) {
    case COMPLETE_CONTAINERS:
        return "$(_gantry_names containers)";
    case COMPLETE_RUNNING:
        return "$(_gantry_names running)";
    case COMPLETE_IMAGES:
        return "$(_gantry_names images)";
    case COMPLETE_NAMESPACES:
        return "$(_gantry_names namespaces)";
    case COMPLETE_SNAPSHOTS:
        return "$(_gantry_names snapshots)";
    case COMPLETE_LEASES:
        return "$(_gantry_names leases)";
    case COMPLETE_VOLUMES:
        return "$(_gantry_names volumes)";
    case COMPLETE_PLUGINS:
        return "$(_gantry_names plugins)";
    case COMPLETE_REGISTRIES:
        return "$(_gantry_names registries)";
    case COMPLETE_OBJECTS:
        return "$(_gantry_names containers; _gantry_names images; _gantry_names volumes)";
    case COMPLETE_COMMANDS:
        return "$commands";
    case COMPLETE_SHELLS:
        return "bash";
    case COMPLETE_NOTHING:
        break;
    }
    return "";
}

/* One branch of the script: after this command. */
static void print_command(const struct command *command)
{
    printf("    '%s')\n        case $previous in\n", command->name);
    print_values(command->options);
    print_values(global_options);
    printf("        *)\n            if [[ $word == -* ]]; then\n                words=\"");
    print_words(command->options);
    print_words(global_options);
    printf("\"\n            else\n                words=\"%s\"\n            fi ;;\n"
           "        esac ;;\n",
           operand_words(command->complete));
}

/* "ls create rm" of "namespace". */
static void print_groups(void)
{
    const char *last = "";
    size_t last_length = 0;

    for (const struct command *at = commands; at->name != NULL; at++) {
        const char *blank = strchr(at->name, ' ');

        if (blank == NULL || at->hidden)
            continue;
        if (last_length == (size_t)(blank - at->name) && memcmp(last, at->name, last_length) == 0) {
            printf(" %s", blank + 1);
            continue;
        }
        if (last_length > 0)
            printf("\" ;;\n");
        last = at->name;
        last_length = (size_t)(blank - at->name);
        printf("    '%.*s') words=\"%s", (int)last_length, last, blank + 1);
    }
    if (last_length > 0)
        printf("\" ;;\n");
}

static void print_first_words(void)
{
    const char *last = "";

    for (const struct command *at = commands; at->name != NULL; at++) {
        size_t length = strcspn(at->name, " ");

        if (at->hidden || (strlen(last) >= length && memcmp(last, at->name, length) == 0 &&
                           (last[length] == ' ' || last[length] == '\0')))
            continue;
        printf("%s%.*s", at == commands ? "" : " ", (int)length, at->name);
        last = at->name;
    }
}

/* The first words that another follows, with blanks around each. */
static void print_group_names(void)
{
    const char *last = "";

    putchar(' ');
    for (const struct command *at = commands; at->name != NULL; at++) {
        size_t length = strcspn(at->name, " ");

        if (at->name[length] == '\0' || at->hidden || strncmp(last, at->name, length + 1) == 0)
            continue;
        printf("%.*s ", (int)length, at->name);
        last = at->name;
    }
}

static void print_options_with_value(void)
{
    printf("        ");
    for (const struct option *at = global_options; at->name != NULL; at++) {
        if (at->value == NULL)
            continue;
        printf("%s--%s", at == global_options ? "" : "|", at->name);
        if (at->letter != '\0')
            printf("|-%c", at->letter);
    }
    printf(") ((i++)); continue ;;\n");
}

static void print_script(void)
{
    printf("# bash completion for gantry, made from its table of commands\n"
           "_gantry_names() {\n"
           "    \"${COMP_WORDS[0]}\" \"${globals[@]}\" names \"$1\" 2>/dev/null\n"
           "}\n\n"
           "_gantry_files() {\n"
           "    compopt -o filenames 2>/dev/null\n"
           "    COMPREPLY=($(compgen -f -- \"$word\"))\n"
           "}\n\n"
           "_gantry() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local words='' command='' globals=() i\n"
           "    local commands='");
    print_first_words();
    printf("'\n\n"
           "    COMPREPLY=()\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        case ${COMP_WORDS[i]} in\n"
           "        -H|--host|-n|--namespace)\n"
           "            [ -n \"$command\" ] || globals+=(\"${COMP_WORDS[i]}\" "
           "\"${COMP_WORDS[i+1]}\") ;;&\n");
    print_options_with_value();
    printf("        -*) [ -z \"$command\" ] || break ;;\n"
           "        *)\n"
           "            if [ -z \"$command\" ]; then\n"
           "                command=${COMP_WORDS[i]}\n"
           "            elif [[ '");
    print_group_names();
    printf("' == *\" $command \"* ]]; then\n"
           "                command=\"$command ${COMP_WORDS[i]}\"\n"
           "            else\n"
           "                break\n"
           "            fi ;;\n"
           "        esac\n"
           "    done\n\n"
           "    case $command in\n"
           "    '')\n        case $previous in\n");
    print_values(global_options);
    printf("        *)\n            words=$commands\n            [[ $word != -* ]] || words=\"");
    print_words(global_options);
    printf("\" ;;\n        esac ;;\n");
    print_groups();
    for (const struct command *at = commands; at->name != NULL; at++)
        if (!at->hidden)
            print_command(at);
    printf("    esac\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "    __ltrim_colon_completions \"$word\" 2>/dev/null\n"
           "}\n\n"
           "complete -F _gantry gantry\n");
}

int command_completion(struct cli *cli, const struct args *args, struct error *err)
{
    (void)cli;
    if (strcmp(args->operands.items[0], "bash") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "there is completion for bash, not for '%.40s'", args->operands.items[0]);
    print_script();
    return 0;
}
