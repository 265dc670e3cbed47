/*
 * draft — a JSON document put together piece by piece.
 *
 * jansson reports a lack of memory by leaving a piece out; in a document that
 * says what a process must not do, that would be a hole.  So here, as in the
 * arena, out of memory ends the process, and what was put in is in.
 *
 * The OCI runtime spec has unsigned 64-bit numbers (an unlimited rlimit is
 * 18446744073709551615), which jansson's integers cannot hold.  In a draft that
 * one number is a real; draft_write() and draft_read() turn it into digits and
 * back.  The spec has no other numbers with a fraction.
 *
 * The functions that put something in take over what is given to them.
 */
#ifndef PROTOCOL_OCI_DRAFT_H
#define PROTOCOL_OCI_DRAFT_H

#include <jansson.h>

#include "protocol/record.h"

json_t *draft_object(void);
json_t *draft_array(void);
json_t *draft_bool(bool value);
json_t *draft_number(json_int_t value);
json_t *draft_size(uint64_t value); /* up to 2^63-1, or UINT64_MAX */
/* Bytes that are not UTF-8 show as '?': callers refuse them first. */
json_t *draft_text(const char *text);
json_t *draft_textf(const char *fmt, ...) PRINTF_LIKE(1, 2); /* up to 1023 bytes */
json_t *draft_texts(const struct strs *texts);
json_t *draft_words(const char *words); /* "a b c": an array of three */
json_t *draft_copy(const json_t *value);

void draft_put(json_t *object, const char *key, json_t *value);
void draft_add(json_t *array, json_t *value);
void draft_extend(json_t *array, json_t *more); /* another array */
void draft_add_texts(json_t *array, const struct strs *texts);

/* Appends the document as one line.  RESOURCE_EXHAUSTED beyond `limit` bytes. */
int draft_write(const json_t *document, size_t limit, struct buffer *out, struct error *err);

#define DRAFT_VALUES_MAX 1000000

/* A JSON object; the caller json_decref()s it.  NULL with INVALID_ARGUMENT when it is none, with
   RESOURCE_EXHAUSTED when it has more than DRAFT_VALUES_MAX values: each takes memory. */
json_t *draft_read(const char *bytes, size_t size, struct error *err);

/* 0 when every text in the record is UTF-8; else INVALID_ARGUMENT naming the field. */
int draft_check_texts(const struct record *record, const void *in, struct error *err);

#endif
