/*
 * report — what a command says to people and to programs: errors and warnings.
 *
 * runc's habit, which callers parse: without --log a line goes to standard error; with it the
 * line goes to that file (as text or JSON), and an error also as bare words to standard error.
 */
#ifndef RUNTIME_REPORT_H
#define RUNTIME_REPORT_H

#include <stdbool.h>

#include "protocol/error.h"

/* `log` may be NULL.  Opened at once: later the file may be out of reach. */
int report_open(const char *log, const char *format, bool debug, struct error *err);
void report_error(const struct error *err);
void report_warning(const char *fmt, ...) PRINTF_LIKE(1, 2);
void report_debug(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
