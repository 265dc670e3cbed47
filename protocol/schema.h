/*
 * schema — the C view of protocol/schema/: structs, record tables, operations.
 *
 * The .def files are included several times, each time with RECORD, FIELD,
 * NEST, LIST, END and OP meaning something else.  Here they mean "declare".
 * A record `content_info` becomes `struct content_info`, and the table
 * content_info_record() that the codec works from; an operation becomes
 * `op_content_stat`.  Optional numbers and bools have a has_NAME beside them:
 *
 *      struct content_ingest_request want = { .ref = ref, SET(size, 12) };
 */
#ifndef PROTOCOL_SCHEMA_H
#define PROTOCOL_SCHEMA_H

#include "protocol/record.h"

#define PROTOCOL_VERSION 1

/* Sets an optional number or bool in an initializer. */
#define SET(field, ...) .field = (__VA_ARGS__), .has_##field = true

/* The right an operation takes. */
enum verb { VERB_READ, VERB_WRITE, VERB_RUN, VERB_ADMIN };

struct op {
    const char *name; /* actor.verb: the part before the dot is who serves it */
    const char *doc;
    enum verb verb;
    const struct record *(*request)(void);
    const struct record *(*reply)(void);
    const struct record *(*item)(void);
};

#define DECLARE_REQUIRED_STR(name)   const char *name;
#define DECLARE_REQUIRED_PATH(name)  const char *name;
#define DECLARE_REQUIRED_BIN(name)   struct bin name;
#define DECLARE_REQUIRED_I64(name)   int64_t name;
#define DECLARE_REQUIRED_U64(name)   uint64_t name;
#define DECLARE_REQUIRED_F64(name)   double name;
#define DECLARE_REQUIRED_BOOL(name)  bool name;
#define DECLARE_REQUIRED_TIME(name)  int64_t name;
#define DECLARE_REQUIRED_MAP(name)   struct map name;
#define DECLARE_REQUIRED_STRS(name)  struct strs name;
#define DECLARE_REQUIRED_PATHS(name) struct strs name;
#define DECLARE_OPTIONAL_STR(name)   const char *name;
#define DECLARE_OPTIONAL_PATH(name)  const char *name;
#define DECLARE_OPTIONAL_BIN(name)   struct bin name;
#define DECLARE_OPTIONAL_I64(name)   int64_t name; bool has_##name;
#define DECLARE_OPTIONAL_U64(name)   uint64_t name; bool has_##name;
#define DECLARE_OPTIONAL_F64(name)   double name; bool has_##name;
#define DECLARE_OPTIONAL_BOOL(name)  bool name; bool has_##name;
#define DECLARE_OPTIONAL_TIME(name)  int64_t name; bool has_##name;
#define DECLARE_OPTIONAL_MAP(name)   struct map name;
#define DECLARE_OPTIONAL_STRS(name)  struct strs name;
#define DECLARE_OPTIONAL_PATHS(name) struct strs name;

#define RECORD(name, doc)              struct name {
#define FIELD(need, kind, name, doc)       DECLARE_##need##_##kind(name)
#define NEST(need, type, name, doc)        const struct type *name;
#define LIST(item, name, doc)              struct list name;
#define END                            };
#define OP(id, name, verb, in, out, item, doc)
#include "protocol/schema/all.def"

#define RECORD(name, doc)              const struct record *name##_record(void);
#define FIELD(need, kind, name, doc)
#define NEST(need, type, name, doc)
#define LIST(item, name, doc)
#define END
#define OP(id, name, verb, in, out, item, doc) extern const struct op op_##id;
#include "protocol/schema/all.def"

/* All records and operations, in the order of the schema. */
extern const struct op *const schema_ops[];
extern const size_t schema_op_count;
typedef const struct record *schema_record(void);
extern schema_record *const schema_records[];
extern const size_t schema_record_count;

const struct op *schema_op_find(const char *name); /* NULL: there is none */
const char *kind_name(enum kind kind);             /* "str", "u64", ... as in field_info.type */
const char *verb_name(enum verb verb);             /* "read", ... */

#endif
