/* log — one line at a time on standard error; see log.h. */
#include "actors/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "platform/platform.h"
#include "protocol/json.h"

static enum log_level log_limit = LOG_LEVEL_WARN;
static bool log_json;

void log_setup(enum log_level level, bool as_json)
{
    log_limit = level;
    log_json = as_json;
}

static void print_json(const char *level, const char *who, const char *time, const char *text)
{
    json_t *line = json_pack("{ss ss ss ss}", "time", time, "level", level, "actor", who, "message", text);
    char *dump = line ? json_dumps(line, JSON_COMPACT) : NULL;

    fprintf(stderr, "%s\n", dump ? dump : "{\"level\":\"error\",\"message\":\"unprintable line\"}");
    free(dump);
    json_decref(line);
}

void log_line(enum log_level level, const char *who, const char *fmt, ...)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };
    char text[1024], time[TIME_TEXT_SIZE];
    va_list args;

    if (level > log_limit)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    time_text(clock_now(), time);
    if (log_json)
        print_json(names[level], who, time, text);
    else
        fprintf(stderr, "%.23sZ %-5s %s: %s\n", time, names[level], who, text);
}
