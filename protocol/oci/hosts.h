/*
 * hosts — a container's name, and the two small files that every container gets.
 */
#ifndef PROTOCOL_OCI_HOSTS_H
#define PROTOCOL_OCI_HOSTS_H

#include "protocol/record.h"

#define HOSTNAME_SIZE 65 /* the kernel's 64 and a NUL */

/*
 * `wanted`, or where it is NULL or "" the host's name `of_host` (given when the
 * container shares the host's network), or else the first 12 characters of the
 * id.  INVALID_ARGUMENT when `wanted` is no host name.
 */
int hostname_choose(const char *wanted, const char *of_host, const char *id,
                    char out[HOSTNAME_SIZE], struct error *err);

/* Appends what /etc/hostname holds. */
void hostname_text(const char *hostname, struct buffer *out);

/*
 * Appends what /etc/hosts holds: `of_host`, the host's own file, where the
 * container shares its network, else localhost; then the container's name; then
 * the NAME:ADDRESS entries of `add_host`.  INVALID_ARGUMENT names a bad entry.
 */
int hosts_text(const char *hostname, const struct bin *of_host, const struct strs *add_host,
               struct buffer *out, struct error *err);

#endif
