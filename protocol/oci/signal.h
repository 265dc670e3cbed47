/*
 * signal — the words people and images use for signals, and Linux's numbers.
 *
 * Numbers are those of Linux on x86, arm and riscv, whatever system this is
 * compiled on: the signal is delivered inside a Linux container.
 */
#ifndef PROTOCOL_OCI_SIGNAL_H
#define PROTOCOL_OCI_SIGNAL_H

#include "protocol/error.h"

#define SIGNAL_RTMIN 34 /* as libc counts; it keeps 32 and 33 to itself */
#define SIGNAL_RTMAX 64

/*
 * "SIGTERM", "term", "15", "SIGRTMIN+3", "RTMAX-1": any case, with or without
 * SIG.  INVALID_ARGUMENT for everything else, 0 and numbers above 64 included.
 */
int signal_parse(const char *text, int *number, struct error *err);

/* "SIGTERM"; real-time ones "SIGRTMIN+n" and "SIGRTMAX-n"; NULL when there is no such signal. */
const char *signal_name(int number);

#endif
