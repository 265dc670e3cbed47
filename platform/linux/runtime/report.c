/* See report.h.  A line is made in one piece and written at once: several commands share a file. */
#include "platform/linux/runtime/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "platform/linux/runtime/moment.h"

#define LINE_MAX_SIZE 2048

static struct {
    int file; /* 0: standard error */
    bool json, debug;
} report;

int report_open(const char *log, const char *format, bool debug, struct error *err)
{
    report.debug = debug;
    if (format != NULL && strcmp(format, "json") != 0 && strcmp(format, "text") != 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "invalid log-format: %s", format);
    report.json = format != NULL && strcmp(format, "json") == 0;
    if (log == NULL || *log == '\0')
        return 0;
    report.file = open(log, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
    if (report.file < 0) {
        report.file = 0;
        return error_sys(err, errno, "open log file %s", log);
    }
    return 0;
}

/* Quoted as JSON and as logfmt have it alike; returns where it ends. */
static char *quote(char *at, const char *end, const char *text)
{
    *at++ = '"';
    for (; *text != '\0' && at < end - 8; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\') {
            *at++ = '\\';
            *at++ = (char)c;
        } else if (c == '\n') {
            *at++ = '\\';
            *at++ = 'n';
        } else if (c < 0x20) {
            at += snprintf(at, 7, "\\u%04x", c);
        } else {
            *at++ = (char)c;
        }
    }
    *at++ = '"';
    return at;
}

static void say(const char *level, const char *text)
{
    char line[LINE_MAX_SIZE], when[MOMENT_TEXT], *at = line;
    const char *end = line + sizeof(line) - 64;

    moment_now(when, false);
    if (report.json) {
        at += sprintf(at, "{\"level\":\"%s\",\"msg\":", level);
        at = quote(at, end, text);
        at += sprintf(at, ",\"time\":\"%s\"}\n", when);
    } else {
        at += sprintf(at, "time=\"%s\" level=%s msg=", when, level);
        at = quote(at, end, text);
        *at++ = '\n';
    }
    if (write(report.file > 0 ? report.file : STDERR_FILENO, line, (size_t)(at - line)) < 0)
        return; /* there is nobody else to tell */
}

void report_error(const struct error *err)
{
    say("error", err->text);
    if (report.file > 0)
        dprintf(STDERR_FILENO, "%s\n", err->text);
}

static void say_formatted(const char *level, const char *fmt, va_list args)
{
    char text[1024];

    vsnprintf(text, sizeof(text), fmt, args);
    say(level, text);
}

void report_warning(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say_formatted("warning", fmt, args);
    va_end(args);
}

void report_debug(const char *fmt, ...)
{
    va_list args;

    if (!report.debug)
        return;
    va_start(args, fmt);
    say_formatted("debug", fmt, args);
    va_end(args);
}
