/* calls — system calls by name, and which of them a fault test may let fail. */
#ifndef FAULT_CALLS_H
#define FAULT_CALLS_H

#include <stdbool.h>

const char *call_name(long number);
/*
 * Not those that cannot fail (exit, sigprocmask), and those that only tell how a thing ended or
 * end it (wait, kill, close): when they fail, nobody could leave nothing.
 */
bool call_may_fail(long number);

#endif
