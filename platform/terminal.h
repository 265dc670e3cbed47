/*
 * terminal — the person at the other end: keyboard, window, signals, and output that
 * may be slow.
 *
 * The one idea: everything a command waits for is a descriptor, so that one wait covers
 * the daemon, the keyboard, a slow reader and the signals.
 */
#ifndef PLATFORM_TERMINAL_H
#define PLATFORM_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/error.h"

/* What the system gives every program. */
#define INPUT_FD  0
#define OUTPUT_FD 1
#define ERRORS_FD 2

bool terminal_is(int fd);
/* Characters; false, and 80 by 24, when the descriptor is no terminal or does not tell. */
bool terminal_size(int fd, unsigned *columns, unsigned *rows);

/*
 * Standard input's terminal hands over every key as it is pressed and shows none itself.
 * However the process ends, short of SIGKILL, the terminal is as before.
 */
int terminal_raw(struct error *err);
void terminal_restore(void);

/* Bytes of standard input, 0 at its end; waits.  CANCELLED: a signal came that ends programs, also
   one that signals_open() has taken. */
int64_t input_read(void *data, size_t room, struct error *err);

/*
 * Asks the person a question on standard error and takes a line from standard input, which must be
 * a terminal; of a secret nothing is shown.  CANCELLED: the input ends there; RESOURCE_EXHAUSTED:
 * more than `room` - 1 bytes.
 */
int terminal_ask(const char *question, bool secret, char *out, size_t room, struct error *err);

/*
 * From now on the signals INT, TERM, HUP, QUIT, USR1, USR2 and WINCH do not end the
 * process: the descriptor becomes readable and signals_next() names them, "INT" and so
 * on, NULL when there is none left.  One per process; opening again gives the same.
 */
int signals_open(struct error *err);
const char *signals_next(void);
/* As at the start of the process. */
void signals_close(void);

/*
 * A descriptor for writing to `fd` that does not wait: a reader who is slow makes
 * output_write() take less, not the process stand still.  Close with file_close().
 * Writing to a reader who has gone is an error from now on, not a signal.
 */
int output_open(int fd, struct error *err);
/* Bytes taken, 0 when it would have to wait (poll for writing); -1: UNAVAILABLE when
   nobody reads any more. */
int64_t output_write(int output, const void *data, size_t size, struct error *err);

#endif
