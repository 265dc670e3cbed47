/* json — records as JSON: what `--format json` prints and golden messages are compared as. */
#ifndef PROTOCOL_JSON_H
#define PROTOCOL_JSON_H

#include <jansson.h>

#include "protocol/record.h"

/*
 * The record as a JSON object, keys in the order of the schema.  Times are
 * RFC 3339 with nanoseconds and Z; bin is base64; bytes that are not UTF-8
 * (paths) show as U+FFFD.  The caller json_decref()s it.
 */
json_t *record_json(const struct record *record, const void *in);

/* A string; NULL never. */
json_t *json_base64(const void *bytes, size_t size);

/* "2026-01-02T03:04:05.000000006Z"; `out` has room for 31 bytes. */
#define TIME_TEXT_SIZE 32
const char *time_text(int64_t ns, char out[TIME_TEXT_SIZE]);

/* RFC 3339 (any fraction, Z or offset) or seconds since 1970 with a fraction; 0 or -1. */
int time_parse(const char *text, int64_t *ns);

#endif
