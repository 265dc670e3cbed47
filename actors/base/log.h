/*
 * log — lines for the operator: actor, act, object, reason.
 *
 *      log_warn("content", "commit %s: %s", digest, err.text);
 *
 * One line per call on stderr, as text or JSON; never secrets, never bytes that
 * could end the line or steer a terminal.
 */
#ifndef ACTORS_BASE_LOG_H
#define ACTORS_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Before the first thread. */
void log_setup(enum log_level level, bool as_json);

void log_line(enum log_level level, const char *who, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(who, ...) log_line(LOG_LEVEL_ERROR, who, __VA_ARGS__)
#define log_warn(who, ...)  log_line(LOG_LEVEL_WARN, who, __VA_ARGS__)
#define log_info(who, ...)  log_line(LOG_LEVEL_INFO, who, __VA_ARGS__)
#define log_debug(who, ...) log_line(LOG_LEVEL_DEBUG, who, __VA_ARGS__)

#endif
