/*
 * windows_version — "10.0.20348.2402": which builds of Windows run a container of which other.
 *
 * A container's files call the kernel by numbers that change with every build, so a host runs its
 * own build alone.  Since Windows Server 2022 (20348) they are kept stable: a host also runs what was
 * made since the long-term release before it (image-spec image-index.md leaves this to the platform;
 * the rule is Microsoft's, of process-isolated containers).
 */
#ifndef PROTOCOL_OCI_WINDOWS_VERSION_H
#define PROTOCOL_OCI_WINDOWS_VERSION_H

#include <stdbool.h>

/* Texts that are no versions fit only what is the same text. */
bool windows_version_fits(const char *host, const char *image);

/* By number, not by letter: 10.0.9 comes before 10.0.10.  False where either is no version. */
bool windows_version_is_newer(const char *a, const char *b);

#endif
