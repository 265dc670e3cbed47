/* help — the table as text for people: overview, one command, the manual page. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tools/gantry/command.h"

#define WIDTH 96

/* Words from `text` wrapped at WIDTH, behind `indent` blanks; the first line is begun already. */
static void wrap(const char *text, int column, int indent)
{
    bool first = true;

    while (*text != '\0') {
        int length = (int)strcspn(text, " ");

        if (!first && column + 1 + length > WIDTH) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (!first) {
            putchar(' ');
            column++;
        }
        printf("%.*s", length, text);
        column += length;
        text += length + (text[length] == ' ');
        first = false;
    }
    putchar('\n');
}

static void left_column(const char *text, int indent)
{
    int printed = printf("  %s", text);

    if (printed >= indent - 1) {
        putchar('\n');
        printed = 0;
    }
    printf("%*s", indent - printed, "");
}

static void option_title(const struct option *option, char title[80])
{
    char letter[8] = "    ";

    if (option->letter != '\0')
        snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    snprintf(title, 80, "%s--%s%s%s", letter, option->name, option->value ? " " : "",
             option->value ? option->value : "");
}

static void print_options(const char *heading, const struct option *options)
{
    char title[80];

    if (options == NULL || options->name == NULL)
        return;
    printf("\n%s\n", heading);
    for (const struct option *at = options; at->name != NULL; at++) {
        if (at->kind == OPTION_REFUSED)
            continue;
        option_title(at, title);
        left_column(title, 34);
        wrap(at->doc, 34, 34);
    }
}

static void help_all(void)
{
    printf("Usage: gantry [OPTION...] COMMAND [ARG...]\n\n"
           "Containers: pull images, run them, look after them.\n\nCommands:\n");
    for (const struct command *at = commands; at->name != NULL; at++) {
        if (at->hidden)
            continue;
        left_column(at->name, 22);
        wrap(at->doc, 22, 22);
    }
    print_options("Options:", global_options);
    printf("\nSee gantry help COMMAND, or gantry(1).\n");
}

static void help_one(const struct command *command)
{
    printf("Usage: gantry %s%s%s%s\n\n", command->name, command->options ? " [OPTION...]" : "",
           command->operands[0] ? " " : "", command->operands);
    wrap(command->doc, 0, 0);
    if (command->more != NULL) {
        putchar('\n');
        wrap(command->more, 0, 0);
    }
    print_options("Options:", command->options);
    print_options("Options of every command:", global_options);
}

/* ---- the manual page ---------------------------------------------------- */

/* Minus signs that are typed, and no line that roff would take for its own. */
static void roff(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text != '\0'; text++) {
        if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '\\')
            fputs("\\e", stdout);
        else
            putchar(*text);
    }
}

static void man_options(const struct option *options)
{
    for (const struct option *at = options; at != NULL && at->name != NULL; at++) {
        if (at->kind == OPTION_REFUSED)
            continue;
        printf(".TP\n");
        if (at->letter != '\0')
            printf("\\fB\\-%c\\fR, ", at->letter);
        printf("\\fB\\-\\-");
        roff(at->name);
        printf("\\fR");
        if (at->value != NULL) {
            printf(" \\fI");
            roff(at->value);
            printf("\\fR");
        }
        putchar('\n');
        roff(at->doc);
        printf(".\n");
    }
}

static void man_command(const struct command *command)
{
    printf(".SS gantry %s%s%s", command->name, command->options ? " [OPTION...]" : "",
           command->operands[0] ? " " : "");
    roff(command->operands);
    putchar('\n');
    roff(command->doc);
    printf(".\n");
    if (command->more != NULL) {
        printf(".PP\n");
        roff(command->more);
        putchar('\n');
    }
    man_options(command->options);
}

static void man_end(void)
{
    printf(
        ".SH ENVIRONMENT\n"
        ".TP\n.B GANTRY_HOST\nThe endpoint, where \\-\\-host is not given.\n"
        ".TP\n.B GANTRY_NAMESPACE\nThe namespace, where \\-\\-namespace is not given.\n"
        ".TP\n.B GANTRY_WAIT\nSeconds that run, start, attach and exec wait for a daemon that "
        "went away (30); with 0 they end at once, with status 125.\n"
        ".TP\n.B DOCKER_CONFIG\nThe folder of docker's \\fIconfig.json\\fR, where \\fBlogin\\fR keeps "
        "credentials (~/.docker).\n"
        ".TP\n.B REGISTRY_AUTH_FILE\nA file of credentials that is read before all others.\n"
        ".TP\n.B NO_COLOR\nWhen set, progress is shown without colours.\n"
        ".SH EXIT STATUS\n"
        "0 on success, 1 on failure, 2 when the command line is wrong, 130 when interrupted. "
        "\\fBrun\\fR, \\fBexec\\fR, \\fBattach\\fR and \\fBstart \\-a\\fR end with the status of "
        "the container's process, or, where the command could not be started, with 126 when it "
        "cannot be executed and 127 when it does not exist; when \\fBrun\\fR itself failed, 125.\n"
        ".SH FILES\n"
        ".TP\n.I /run/gantry/gantry.sock\nWhere the daemon listens.\n"
        ".TP\n.I /etc/gantry/config.toml\nThe daemon's configuration.\n"
        ".TP\n.I ~/.docker/config.json\nCredentials for registries, and the helpers that keep them.\n"
        ".TP\n.IR $XDG_RUNTIME_DIR/containers/auth.json ,\n.IR /run/containers/UID/auth.json ,\n"
        ".I ~/.config/containers/auth.json\nThose of podman and skopeo; only read.\n"
        ".SH SEE ALSO\n.BR gantryd (8),\n.BR gantry\\-shim (8),\n.BR gantry\\-unpack (8)\n");
}

static void help_man(void)
{
    printf(
        ".\\\" Made from the table of commands: gantry help --man\n"
        ".TH GANTRY 1 \"\" \"gantry\" \"User Commands\"\n"
        ".SH NAME\ngantry \\- pull images, run containers, look after them\n"
        ".SH SYNOPSIS\n.B gantry\n[\\fIOPTION\\fR...] \\fICOMMAND\\fR [\\fIARG\\fR...]\n"
        ".SH DESCRIPTION\n"
        "Asks the daemon \\fBgantryd\\fR(8). Where none runs, and with \\fB\\-\\-embedded\\fR, the "
        "engine runs inside the command and says so; a second command then becomes its "
        "client, and containers outlive both.\n.PP\n"
        "Options may be combined (\\-it), given with a value in the same word (\\-\\-name=a, "
        "\\-eA=B) or in the next. In front of the operands of \\fBrun\\fR, \\fBcreate\\fR and "
        "\\fBexec\\fR they are gantry's, behind the image or container they are the "
        "command's.\n"
        ".SH OPTIONS\n");
    man_options(global_options);
    printf(".SH COMMANDS\n");
    for (const struct command *at = commands; at->name != NULL; at++)
        if (!at->hidden)
            man_command(at);
    man_end();
}

int command_help(struct cli *cli, const struct args *args, struct error *err)
{
    char *words[3] = { 0 }, **at = words;
    int count = (int)args->operands.count;
    const struct command *command;

    if (args_flag(args, "man")) {
        help_man();
        return 0;
    }
    if (count == 0) {
        help_all();
        return 0;
    }
    for (int i = 0; i < count; i++)
        words[i] = arena_str(cli->arena, args->operands.items[i]);
    command = command_find(&count, &at, err);
    if (command == NULL)
        return -1;
    help_one(command);
    return 0;
}
