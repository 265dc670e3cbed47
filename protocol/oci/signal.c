/* Signals by name: one table, indexed by Linux's numbers. */
#include "protocol/oci/signal.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_SIZE 24

static const char *const names[] = {
    [1] = "SIGHUP",   [2] = "SIGINT",     [3] = "SIGQUIT",  [4] = "SIGILL",   [5] = "SIGTRAP",
    [6] = "SIGABRT",  [7] = "SIGBUS",     [8] = "SIGFPE",   [9] = "SIGKILL",  [10] = "SIGUSR1",
    [11] = "SIGSEGV", [12] = "SIGUSR2",   [13] = "SIGPIPE", [14] = "SIGALRM", [15] = "SIGTERM",
    [16] = "SIGSTKFLT", [17] = "SIGCHLD", [18] = "SIGCONT", [19] = "SIGSTOP", [20] = "SIGTSTP",
    [21] = "SIGTTIN", [22] = "SIGTTOU",   [23] = "SIGURG",  [24] = "SIGXCPU", [25] = "SIGXFSZ",
    [26] = "SIGVTALRM", [27] = "SIGPROF", [28] = "SIGWINCH", [29] = "SIGIO",  [30] = "SIGPWR",
    [31] = "SIGSYS",
    [34] = "SIGRTMIN", "SIGRTMIN+1", "SIGRTMIN+2", "SIGRTMIN+3", "SIGRTMIN+4", "SIGRTMIN+5",
    "SIGRTMIN+6", "SIGRTMIN+7", "SIGRTMIN+8", "SIGRTMIN+9", "SIGRTMIN+10", "SIGRTMIN+11",
    "SIGRTMIN+12", "SIGRTMIN+13", "SIGRTMIN+14", "SIGRTMIN+15", "SIGRTMAX-14", "SIGRTMAX-13",
    "SIGRTMAX-12", "SIGRTMAX-11", "SIGRTMAX-10", "SIGRTMAX-9", "SIGRTMAX-8", "SIGRTMAX-7",
    "SIGRTMAX-6", "SIGRTMAX-5", "SIGRTMAX-4", "SIGRTMAX-3", "SIGRTMAX-2", "SIGRTMAX-1",
    "SIGRTMAX",
};

static const struct {
    const char *name;
    int number;
} other_names[] = {
    { "SIGIOT", 6 }, { "SIGCLD", 17 }, { "SIGPOLL", 29 }, { "SIGUNUSED", 31 },
};

const char *signal_name(int number)
{
    if (number < 1 || number > SIGNAL_RTMAX)
        return NULL;
    return names[number];
}

/* Digits alone; -1 for anything else and for more than three of them. */
static int number_of(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 3 || text[digits] != '\0')
        return -1;
    return atoi(text);
}

static bool capitals(const char *text, char out[NAME_MAX_SIZE])
{
    size_t length = strlen(text);

    if (length == 0 || length >= NAME_MAX_SIZE)
        return false;
    for (size_t i = 0; i <= length; i++)
        out[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 'a' + 'A' : text[i]);
    return true;
}

/* `name` is without SIG: "RTMIN+3", "RTMAX-1", "RTMIN". */
static int number_of_real_time(const char *name)
{
    bool up = strncmp(name, "RTMIN", 5) == 0;
    int base = up ? SIGNAL_RTMIN : SIGNAL_RTMAX, offset;

    if (!up && strncmp(name, "RTMAX", 5) != 0)
        return -1;
    if (name[5] == '\0')
        return base;
    if (name[5] != (up ? '+' : '-'))
        return -1;
    offset = number_of(name + 6);
    if (offset < 0 || offset > SIGNAL_RTMAX - SIGNAL_RTMIN)
        return -1;
    return up ? base + offset : base - offset;
}

static int number_of_name(const char *text)
{
    char name[NAME_MAX_SIZE];
    const char *bare;

    if (!capitals(text, name))
        return -1;
    bare = strncmp(name, "SIG", 3) == 0 ? name + 3 : name;
    for (int i = 1; i <= SIGNAL_RTMAX; i++)
        if (names[i] != NULL && strcmp(names[i] + 3, bare) == 0)
            return i;
    for (size_t i = 0; i < sizeof(other_names) / sizeof(*other_names); i++)
        if (strcmp(other_names[i].name + 3, bare) == 0)
            return other_names[i].number;
    return number_of_real_time(bare);
}

int signal_parse(const char *text, int *number, struct error *err)
{
    int found = number_of(text);

    if (found < 0)
        found = number_of_name(text);
    if (found < 1 || found > SIGNAL_RTMAX)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "signal '%.40s': not known; say a name such as TERM, SIGINT or RTMIN+3, "
                         "or a number from 1 to 64",
                         text);
    *number = found;
    return 0;
}
