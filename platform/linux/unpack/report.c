/* report — lines on standard output; see report.h. */
#include "platform/linux/unpack/report.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "platform/linux/unpack/protocol.h"

#define PROGRESS_STEP 100000000 /* ns */

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void report_progress(uint64_t uncompressed, uint64_t entries)
{
    static int64_t next;
    struct pollfd room = { .fd = STDOUT_FILENO, .events = POLLOUT };
    int64_t time = now();
    char line[96];
    int length;

    if (time < next)
        return;
    next = time + PROGRESS_STEP;
    length =
        snprintf(line, sizeof(line), "progress %" PRIu64 " %" PRIu64 "\n", uncompressed, entries);
    if (poll(&room, 1, 0) != 1)
        return;
    if (write(STDOUT_FILENO, line, (size_t)length) < 0)
        _exit(1); /* nobody listens any more */
}

void report_line(const char *fmt, ...)
{
    char line[UNPACK_LINE];
    va_list args;
    size_t length;

    va_start(args, fmt);
    vsnprintf(line, sizeof(line) - 1, fmt, args);
    va_end(args);
    for (length = 0; line[length] != '\0'; length++)
        if (line[length] < ' ' || line[length] > '~')
            line[length] = '?';
    line[length++] = '\n';
    if (write(STDOUT_FILENO, line, length) < 0)
        _exit(1);
}

void report_error(const struct error *err)
{
    report_line("error %s %s", error_code_name(err->code), err->text);
}
