/*
 * place — a place in an OCI document: the JSON there, and the way to it.
 *
 * Who reads a document steps from place to place and asks for values; a value that is not
 * what it must be is an error that names the way, so no reader writes messages of its own:
 *
 *      struct place memory = place_member(&resources, "memory");
 *      if (place_i64(&memory, "limit", &limit, &has_limit, err) < 0)
 *          return -1;                   "linux.resources.memory.limit: is \"1G\", must be ..."
 *
 * Places live on the stack, below those they came from, and allocate nothing.  What is not
 * there, or null, is absent: not an error, and everything below it is absent as well.
 * Properties that nobody asks for are ignored (runtime-spec, "Extensibility").
 */
#ifndef RUNTIME_PLACE_H
#define RUNTIME_PLACE_H

#include <jansson.h>

#include "protocol/record.h"

struct place {
    const json_t *json;      /* NULL: absent */
    const struct place *up;  /* NULL: the document */
    const char *key;         /* member of `up` */
    size_t index;            /* element of `up`, when key is NULL */
};

#define PLACE_TEXT 256 /* room for a way; what does not fit is cut off in front */

struct place place_document(const json_t *document);
struct place place_member(const struct place *up, const char *key);
struct place place_element(const struct place *up, size_t index);
/* "linux.namespaces[2].path"; returns `text`. */
const char *place_name(const struct place *place, char text[PLACE_TEXT]);

/* "WAY: " and the rest, INVALID_ARGUMENT; -1. */
int place_failure(const struct place *place, struct error *err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/*
 * The member `key` of an object.  Absent: *out is NULL, 0, false or empty, and *has (which may
 * be NULL) is false.  INVALID_ARGUMENT when it is of another type, out of range, or when `up` is
 * there and is no object.  Texts belong to the document, and have no NUL in them: draft_read()
 * refuses that.
 */
int place_text(const struct place *up, const char *key, const char **out, struct error *err);
int place_bool(const struct place *up, const char *key, bool *out, bool *has, struct error *err);
int place_i64(const struct place *up, const char *key, int64_t *out, bool *has, struct error *err);
/* Up to 2^63-1, or 2^64-1 itself, as documents have it for "unlimited". */
int place_u64(const struct place *up, const char *key, uint64_t *out, bool *has, struct error *err);
int place_u32(const struct place *up, const char *key, uint32_t *out, bool *has, struct error *err);
/* The array's texts, in an arena, with a NULL behind the last. */
int place_texts(const struct place *up, const char *key, struct strs *out, struct arena *arena,
                struct error *err);

/* How many elements; -1 when it is there and no array. */
int place_count(const struct place *array, size_t *count, struct error *err);
/* The member must be there (and not ""). */
int place_needs(const struct place *up, const char *key, struct error *err);

#endif
