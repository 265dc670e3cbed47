/*
 * record — a struct that knows its own wire form.
 *
 * Every message body is a record: a msgpack map with string keys.  The schema
 * files declare records once; from that declaration the compiler makes both the
 * C struct and the field table below, so the two cannot drift apart.
 *
 * Packing writes only what is set: a string, nested record, list or map that is
 * NULL or empty is left out, and so is an optional number or bool whose has_NAME
 * is false (zero is a value).  What comes back from unpacking the bytes is the same
 * record; packing that gives the same bytes.
 *
 * Unpacking trusts nothing.  The bytes are walked before anything is built:
 * nesting over RECORD_DEPTH_MAX and counts larger than the bytes left are
 * refused without allocating.  A missing required field or a wrong type is
 * ERROR_INVALID_ARGUMENT and names the field.  An unknown key is an error in a
 * request (STRICT; keys that begin with "x-" are free) and ignored elsewhere; a field
 * or the key of a map given twice is an error everywhere.
 *
 * Everything unpacked lives in the arena; copy what must outlive it.
 */
#ifndef PROTOCOL_RECORD_H
#define PROTOCOL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/error.h"

#define RECORD_DEPTH_MAX  32
#define RECORD_FIELDS_MAX 64
#define RECORD_BYTES_MAX  (16u << 20) /* no message is larger */

struct bin {
    const void *data;
    size_t size;
};

struct list {
    size_t count;
    void *items; /* array of the record the schema names */
};

struct strs {
    size_t count;
    const char **items;
};

struct map_entry {
    const char *key;
    const char *value;
};

struct map {
    size_t count;
    struct map_entry *entries;
};

/*
 * STR   UTF-8 text without NUL         PATH  bytes without NUL (argv, file names)
 * BIN   any bytes                      TIME  i64 nanoseconds since 1970 UTC
 * I64 U64 F64 BOOL                     MAP   string to string
 * STRS  list of STR                    PATHS list of PATH
 * REC   nested record                  LIST  list of records
 */
enum kind {
    KIND_STR, KIND_PATH, KIND_BIN, KIND_I64, KIND_U64, KIND_F64, KIND_BOOL, KIND_TIME,
    KIND_MAP, KIND_STRS, KIND_PATHS, KIND_REC, KIND_LIST,
};

struct record;

struct field {
    const char *name;
    const char *doc;
    enum kind kind;
    bool required;
    size_t offset;
    size_t presence;                    /* offset of has_NAME; 0: the value itself tells */
    const struct record *(*item)(void); /* REC, LIST: what is inside */
};

struct record {
    const char *name;
    const char *doc;
    size_t size;
    const struct field *fields;
    size_t field_count;
};

/* An arena: allocations that are freed together. */
struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *arena);
void arena_drop(struct arena **arena);                        /* for CLEANUP() */
void *arena_alloc(struct arena *arena, size_t size);          /* zeroed; never NULL */
char *arena_str(struct arena *arena, const char *s);          /* NULL stays NULL */
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);
void *arena_copy(struct arena *arena, const void *data, size_t size);

/* Bytes that grow; free() `data`. */
struct buffer {
    char *data;
    size_t size;
    size_t room;
};
void buffer_add(struct buffer *buffer, const void *data, size_t size);
void buffer_free(struct buffer *buffer);

/* Appends the record's wire form. */
void record_pack(const struct record *record, const void *in, struct buffer *out);

enum record_mode { RECORD_STRICT, RECORD_LENIENT };

/* `out` has record->size bytes.  May it wait: no.  Errors: INVALID_ARGUMENT. */
int record_unpack(const struct record *record, enum record_mode mode, const void *bytes,
                  size_t size, void *out, struct arena *arena, struct error *err);

/* The walk alone: 0 when the bytes are exactly one msgpack map within the limits. */
int record_check(const void *bytes, size_t size, struct error *err);

/* A deep copy into another arena. */
void record_copy(const struct record *record, const void *in, void *out, struct arena *arena);

const char *map_get(const struct map *map, const char *key); /* NULL when absent */
/* `changes` over `labels`: an empty value removes.  The result lives in the arena. */
struct map labels_merge(const struct map *labels, const struct map *changes, struct arena *arena);
bool utf8_is_valid(const char *bytes, size_t size);

#endif
