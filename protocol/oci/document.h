/*
 * document — foreign JSON, read without trust.
 *
 * A JSON parser multiplies: `[[],[],...` takes a hundred times its bytes in
 * memory.  So the bytes are walked first, and the number of values and their
 * depth are bounded before anything is built.  Then the readers below take out
 * what is asked for: a member that is absent or null is NULL or empty, one of
 * the wrong type is an error that says where (`layers[3].size`).  Unknown
 * members are never looked at; a member given twice is an error.
 *
 * All that is read lives in the arena; the JSON tree can go at once.
 */
#ifndef PROTOCOL_OCI_DOCUMENT_H
#define PROTOCOL_OCI_DOCUMENT_H

#include <jansson.h>

#include "protocol/record.h"

#define DOCUMENT_VALUES_MAX 100000
#define DOCUMENT_DEPTH_MAX  64

/*
 * The object in the bytes; json_decref() it.  `what` opens messages: "manifest".
 * NULL with RESOURCE_EXHAUSTED beyond `limit` bytes, the values or the depth;
 * with DATA_LOSS when it is not one JSON object.
 */
json_t *document_load(const char *what, const void *bytes, size_t size, size_t limit,
                      struct error *err);

/* A place in a document; errors begin with `what` and `where`. */
struct place {
    const char *what;
    char where[48]; /* "", "config", "layers[3]" */
    json_t *object; /* borrowed */
    struct arena *arena;
    struct error *err;
};

/* All 0 or -1 with DATA_LOSS. */
int read_text(const struct place *place, const char *key, const char **out);
int read_size(const struct place *place, const char *key,
              uint64_t *out); /* 0 to INT64_MAX; must be there */
int read_strs(const struct place *place, const char *key, struct strs *out);
int read_map(const struct place *place, const char *key, struct map *out); /* null values are "" */
int read_keys(const struct place *place, const char *key, struct strs *out); /* of an object */

/* What is there, NULL when absent or null; of the wrong type is -1. */
int read_object(const struct place *place, const char *key, struct place *out);
int read_array(const struct place *place, const char *key, json_t **out);
/* The i-th of the array at `key`; must be an object. */
int read_item(const struct place *place, const char *key, json_t *array, size_t i,
              struct place *out);

/* DATA_LOSS: "manifest: layers[3].size " and the words. */
int place_error(const struct place *place, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
