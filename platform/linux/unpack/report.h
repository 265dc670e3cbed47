/*
 * report — what the helper says to the daemon: lines on standard output.
 *
 * What is said may quote a stranger's file names, so only printable ASCII goes out.
 */
#ifndef UNPACK_REPORT_H
#define UNPACK_REPORT_H

#include <stdint.h>

#include "protocol/error.h"

/* At most ten a second; dropped when the reader is slow. */
void report_progress(uint64_t uncompressed, uint64_t entries);
/* A last word; waits until it is written. */
void report_line(const char *fmt, ...) PRINTF_LIKE(1, 2);
void report_error(const struct error *err);

#endif
