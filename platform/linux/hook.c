/*
 * The hook of the fault and crash tests: every platform call that can fail is
 * numbered, and GANTRY_FAULT says what happens at one of them.
 */
#include "platform/platform.h"

#ifdef GANTRY_TEST_HOOKS
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long calls;
static long stop_at; /* 0: never */
static enum { NOTHING, FAIL, EXIT, TALLY } act;

static void tally(void)
{
    const char *path = getenv("GANTRY_FAULT_COUNT");
    FILE *file = path ? fopen(path, "we") : stderr;

    if (file == NULL)
        return;
    fprintf(file, "%ld\n", atomic_load(&calls));
    if (file != stderr)
        fclose(file);
}

__attribute__((constructor)) static void read_wish(void)
{
    const char *wish = getenv("GANTRY_FAULT");

    if (wish == NULL)
        return;
    if (sscanf(wish, "fail:%ld", &stop_at) == 1)
        act = FAIL;
    else if (sscanf(wish, "exit:%ld", &stop_at) == 1)
        act = EXIT;
    else if (strcmp(wish, "count") == 0)
        act = TALLY;
    if (act == TALLY)
        atexit(tally);
}

int hook_platform_call(const char *what, struct error *err)
{
    long number;

    if (act == NOTHING)
        return 0;
    number = atomic_fetch_add(&calls, 1) + 1;
    if (number != stop_at)
        return 0;
    if (act == EXIT)
        _exit(86);
    if (act == FAIL)
        return error_sys(err, EIO, "%s (fault %ld)", what, number);
    return 0;
}
#else
typedef int nothing_here;
#endif
