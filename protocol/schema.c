/* The tables behind schema.h, made from the same declarations. */
#include "protocol/schema.h"

#include <string.h>

#define NEED_REQUIRED true
#define NEED_OPTIONAL false

/* Where has_NAME is; 0 (never a real place: it stands behind its value) for kinds that tell by
   themselves. */
#define PRESENCE_REQUIRED_STR(id)   0
#define PRESENCE_REQUIRED_PATH(id)  0
#define PRESENCE_REQUIRED_BIN(id)   0
#define PRESENCE_REQUIRED_I64(id)   0
#define PRESENCE_REQUIRED_U64(id)   0
#define PRESENCE_REQUIRED_F64(id)   0
#define PRESENCE_REQUIRED_BOOL(id)  0
#define PRESENCE_REQUIRED_TIME(id)  0
#define PRESENCE_REQUIRED_MAP(id)   0
#define PRESENCE_REQUIRED_STRS(id)  0
#define PRESENCE_REQUIRED_PATHS(id) 0
#define PRESENCE_OPTIONAL_STR(id)   0
#define PRESENCE_OPTIONAL_PATH(id)  0
#define PRESENCE_OPTIONAL_BIN(id)   0
#define PRESENCE_OPTIONAL_I64(id)   offsetof(self, has_##id)
#define PRESENCE_OPTIONAL_U64(id)   offsetof(self, has_##id)
#define PRESENCE_OPTIONAL_F64(id)   offsetof(self, has_##id)
#define PRESENCE_OPTIONAL_BOOL(id)  offsetof(self, has_##id)
#define PRESENCE_OPTIONAL_TIME(id)  offsetof(self, has_##id)
#define PRESENCE_OPTIONAL_MAP(id)   0
#define PRESENCE_OPTIONAL_STRS(id)  0
#define PRESENCE_OPTIONAL_PATHS(id) 0

#define RECORD(id, text)                              \
    const struct record *id##_record(void)            \
    {                                                 \
        typedef struct id self;                       \
        static const char name[] = #id, doc[] = text; \
        static const struct field fields[] = {
#define FIELD(need, k, id, text)                                                          \
            { .name = #id, .doc = text, .kind = KIND_##k, .required = NEED_##need,        \
              .offset = offsetof(self, id), .presence = PRESENCE_##need##_##k(id) },
#define NEST(need, type, id, text)                                                        \
            { .name = #id, .doc = text, .kind = KIND_REC, .required = NEED_##need,        \
              .offset = offsetof(self, id), .item = type##_record },
#define LIST(element, id, text)                                                           \
            { .name = #id, .doc = text, .kind = KIND_LIST, .offset = offsetof(self, id),  \
              .item = element##_record },
#define END                                                                       \
        };                                                                        \
        static const struct record record = {                                     \
            name, doc, sizeof(self), fields, sizeof(fields) / sizeof(*fields),    \
        };                                                                        \
        return &record;                                                           \
    }
#define OP(id, wire, verb, in, out, item, text) \
    const struct op op_##id = { wire, text, VERB_##verb, in##_record, out##_record, item##_record };
#include "protocol/schema/all.def"

#define RECORD(id, text)
#define FIELD(need, k, id, text)
#define NEST(need, type, id, text)
#define LIST(element, id, text)
#define END
#define OP(id, wire, verb, in, out, item, text) &op_##id,
const struct op *const schema_ops[] = {
#include "protocol/schema/all.def"
};
const size_t schema_op_count = sizeof(schema_ops) / sizeof(*schema_ops);

#define RECORD(id, text) id##_record,
#define FIELD(need, k, id, text)
#define NEST(need, type, id, text)
#define LIST(element, id, text)
#define END
#define OP(id, wire, verb, in, out, item, text)
schema_record *const schema_records[] = {
#include "protocol/schema/all.def"
};
const size_t schema_record_count = sizeof(schema_records) / sizeof(*schema_records);

const struct op *schema_op_find(const char *name)
{
    for (size_t i = 0; name != NULL && i < schema_op_count; i++)
        if (strcmp(schema_ops[i]->name, name) == 0)
            return schema_ops[i];
    return NULL;
}

const char *kind_name(enum kind kind)
{
    static const char *const names[] = {
        [KIND_STR] = "str",   [KIND_PATH] = "path", [KIND_BIN] = "bin",     [KIND_I64] = "i64",
        [KIND_U64] = "u64",   [KIND_F64] = "f64",   [KIND_BOOL] = "bool",   [KIND_TIME] = "time",
        [KIND_MAP] = "map",   [KIND_STRS] = "strs", [KIND_PATHS] = "paths", [KIND_REC] = "record",
        [KIND_LIST] = "list",
    };

    return names[kind];
}

const char *verb_name(enum verb verb)
{
    static const char *const names[] = {
        [VERB_READ] = "read", [VERB_WRITE] = "write", [VERB_RUN] = "run", [VERB_ADMIN] = "admin",
    };

    return names[verb];
}
