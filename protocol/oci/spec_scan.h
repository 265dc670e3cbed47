/*
 * spec_scan — one part of a spec found in its text, without reading the rest.
 *
 * Three quarters of a spec are its system call filter, which most who read specs do not look at;
 * who knows where it lies can leave it out, or know it again by its bytes.
 */
#ifndef PROTOCOL_OCI_SPEC_SCAN_H
#define PROTOCOL_OCI_SPEC_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * linux.seccomp, as [*begin, *end) of a JSON text that has been read once: false when there is none,
 * when it is no object, or when it cannot be found this way (a name written with escapes).
 */
bool spec_scan_seccomp(const char *text, size_t size, size_t *begin, size_t *end);

#endif
