/* text — sizes, times and ids, as people write and read them.  No locale, no clock of its own. */
#ifndef TOOLS_GANTRY_TEXT_H
#define TOOLS_GANTRY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/record.h"

/* 1024, 64k, 64m, 1.5g, 64MiB, 64mb; powers of 1024; 0 or -1. */
int size_parse(const char *text, uint64_t *size);
/* "0 B", "512 B", "1.21 kB", "45.6 MB": powers of 1000, three digits. */
const char *size_text(uint64_t size, char out[16]);

/* A duration: 10s, 1m30s, 2h, 3d, 1.5h, 500ms; ns; 0 or -1. */
int duration_parse(const char *text, int64_t *ns);
/* "3 seconds", "About a minute", "5 minutes", "2 weeks"; of what is below a second "Less than..."
 */
const char *duration_text(int64_t ns, char out[32]);
/* A moment: RFC 3339, seconds since 1970, or a duration before `now`; 0 or -1. */
int moment_parse(const char *text, int64_t now, int64_t *ns);

/* "5 minutes ago"; "" for 0. */
const char *ago_text(int64_t then, int64_t now, char out[40]);

/* The first 12 digits, without "sha256:". */
const char *id_short(const char *id, struct arena *arena);
/* docker.io/library/busybox:latest as people write it: busybox:latest. */
const char *reference_short(const char *reference);
/* Parts of a reference; tag and digest "" when it has none. */
struct reference_parts {
    const char *repository, *tag, *digest;
};
struct reference_parts reference_split(const char *reference, struct arena *arena);

#endif
