/* rdt — linux.intelRdt: shares of the processor's cache and memory bandwidth (resctrl). */
#ifndef RUNTIME_RDT_H
#define RUNTIME_RDT_H

#include "platform/linux/runtime/place.h"

/* FAILED_PRECONDITION where the kernel or the processor has no such thing. */
int rdt_check(const struct place *linux_, struct error *err);

#endif
