/*
 * The codec: field tables in, msgpack out, and back.  msgpack-c does the bytes;
 * what is here is the order of trust: record_check() bounds the input before
 * msgpack_unpack() sees it (the five bytes `dd 10 00 00 00` would make it
 * reserve 8 GiB), then every value is checked against its field.
 */
#include "protocol/record.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

/* ---- the walk ------------------------------------------------------------ */

#define VALUES_MAX (1u << 20) /* msgpack-c takes 24 bytes for each */

struct walk {
    const unsigned char *at;
    const unsigned char *end;
    unsigned values;
};

static uint64_t big_endian(const unsigned char *p, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | p[i];
    return value;
}

/* What one type byte announces: raw bytes that follow, and values inside. */
struct announced {
    size_t length_bytes; /* of the count or size that follows */
    uint64_t raw;        /* bytes to skip */
    uint64_t values;     /* nested values */
    bool is_raw;         /* length counts bytes */
    unsigned per_item;   /* values per counted item: 1 array, 2 map */
};

static bool announce(unsigned char type, struct announced *a)
{
    static const unsigned char fixed[] = { /* 0xc0 .. 0xdf: plain sizes */
        [0x00] = 0, [0x02] = 0, [0x03] = 0, [0x0a] = 4, [0x0b] = 8, [0x0c] = 1, [0x0d] = 2,
        [0x0e] = 4, [0x0f] = 8, [0x10] = 1, [0x11] = 2, [0x12] = 4, [0x13] = 8,
    };

    *a = (struct announced){ 0 };
    if (type <= 0x7f || type >= 0xe0)
        return true;
    if (type <= 0x8f)
        return a->values = 2ull * (type & 0x0f), true;
    if (type <= 0x9f)
        return a->values = type & 0x0f, true;
    if (type <= 0xbf)
        return a->raw = type & 0x1f, true;
    switch (type) {
    case 0xc1: /* never used */
    case 0xc7: case 0xc8: case 0xc9: /* ext: the protocol has none */
    case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8:
        return false;
    case 0xc4: case 0xd9:
        return a->length_bytes = 1, a->is_raw = true;
    case 0xc5: case 0xda:
        return a->length_bytes = 2, a->is_raw = true;
    case 0xc6: case 0xdb:
        return a->length_bytes = 4, a->is_raw = true;
    case 0xdc: case 0xde:
        return a->length_bytes = 2, a->per_item = type == 0xde ? 2 : 1, true;
    case 0xdd: case 0xdf:
        return a->length_bytes = 4, a->per_item = type == 0xdf ? 2 : 1, true;
    default:
        return a->raw = fixed[type - 0xc0], true;
    }
}

static int walk_value(struct walk *walk, int depth, struct error *err)
{
    struct announced a;

    if (depth > RECORD_DEPTH_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "message is nested deeper than %d",
                         RECORD_DEPTH_MAX);
    if (++walk->values > VALUES_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "message holds more than %u values",
                         VALUES_MAX);
    if (walk->at == walk->end)
        return error_set(err, ERROR_INVALID_ARGUMENT, "message is cut off");
    if (!announce(*walk->at, &a))
        return error_set(err, ERROR_INVALID_ARGUMENT, "message holds a byte that is not msgpack");
    walk->at++;
    if ((size_t)(walk->end - walk->at) < a.length_bytes)
        return error_set(err, ERROR_INVALID_ARGUMENT, "message is cut off");
    if (a.length_bytes > 0) {
        uint64_t count = big_endian(walk->at, a.length_bytes);

        walk->at += a.length_bytes;
        if (a.is_raw)
            a.raw = count;
        else
            a.values = count * a.per_item;
    }
    /* every value takes a byte at least, so a count larger than the bytes left is a lie */
    if (a.raw > (uint64_t)(walk->end - walk->at) || a.values > (uint64_t)(walk->end - walk->at))
        return error_set(err, ERROR_INVALID_ARGUMENT, "message announces more than it holds");
    walk->at += a.raw;
    for (uint64_t i = 0; i < a.values; i++)
        if (walk_value(walk, depth + 1, err) < 0)
            return -1;
    return 0;
}

int record_check(const void *bytes, size_t size, struct error *err)
{
    struct walk walk = { bytes, (const unsigned char *)bytes + size, 0 };

    if (size > RECORD_BYTES_MAX)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED,
                         "message of %zu bytes is over the limit of %u", size, RECORD_BYTES_MAX);
    if (size == 0)
        return error_set(err, ERROR_INVALID_ARGUMENT, "message is empty");
    if (walk_value(&walk, 1, err) < 0)
        return -1;
    if (walk.at != walk.end)
        return error_set(err, ERROR_INVALID_ARGUMENT, "message has %zu bytes after its end",
                         (size_t)(walk.end - walk.at));
    return 0;
}

bool utf8_is_valid(const char *bytes, size_t size)
{
    const unsigned char *p = (const unsigned char *)bytes, *end = p + size;

    while (p < end) {
        unsigned char lead = *p++;
        unsigned more = lead < 0x80                 ? 0
                      : lead >= 0xc2 && lead < 0xe0 ? 1
                      : lead >= 0xe0 && lead < 0xf0 ? 2
                      : lead >= 0xf0 && lead < 0xf5 ? 3 : 9;

        if (more == 9 || (size_t)(end - p) < more)
            return false;
        if ((lead == 0xe0 && *p < 0xa0) || (lead == 0xed && *p > 0x9f) ||
            (lead == 0xf0 && *p < 0x90) || (lead == 0xf4 && *p > 0x8f))
            return false;
        for (; more > 0; more--)
            if ((*p++ & 0xc0) != 0x80)
                return false;
    }
    return true;
}

/* ---- packing ------------------------------------------------------------- */

static int pack_write(void *buffer, const char *bytes, size_t size)
{
    buffer_add(buffer, bytes, size);
    return 0;
}

static const void *member(const void *base, size_t offset)
{
    return (const char *)base + offset;
}

static bool is_set(const struct field *field, const void *in)
{
    const void *at = member(in, field->offset);

    if (field->presence != 0)
        return *(const bool *)member(in, field->presence);
    switch (field->kind) {
    case KIND_STR: case KIND_PATH: case KIND_REC:
        return *(const void *const *)at != NULL;
    case KIND_BIN:
        return ((const struct bin *)at)->data != NULL;
    case KIND_MAP:
        return ((const struct map *)at)->count > 0;
    case KIND_STRS: case KIND_PATHS:
        return ((const struct strs *)at)->count > 0;
    case KIND_LIST:
        return ((const struct list *)at)->count > 0;
    default:
        return true;
    }
}

static void pack_bytes(const char *s, bool as_text, msgpack_packer *out)
{
    size_t length = strlen(s);

    if (as_text || utf8_is_valid(s, length)) {
        msgpack_pack_str(out, length);
        msgpack_pack_str_body(out, s, length);
    } else {
        msgpack_pack_bin(out, length);
        msgpack_pack_bin_body(out, s, length);
    }
}

static void pack_record(const struct record *record, const void *in, msgpack_packer *out);

static void pack_strs(const struct strs *strs, bool as_text, msgpack_packer *out)
{
    msgpack_pack_array(out, strs->count);
    for (size_t i = 0; i < strs->count; i++)
        pack_bytes(strs->items[i], as_text, out);
}

static void pack_map(const struct map *map, msgpack_packer *out)
{
    msgpack_pack_map(out, map->count);
    for (size_t i = 0; i < map->count; i++) {
        pack_bytes(map->entries[i].key, true, out);
        pack_bytes(map->entries[i].value, true, out);
    }
}

static void pack_list(const struct record *item, const struct list *list, msgpack_packer *out)
{
    msgpack_pack_array(out, list->count);
    for (size_t i = 0; i < list->count; i++)
        pack_record(item, (const char *)list->items + i * item->size, out);
}

static void pack_field(const struct field *field, const void *at, msgpack_packer *out)
{
    switch (field->kind) {
    case KIND_STR:
    case KIND_PATH:
        pack_bytes(*(const char *const *)at, field->kind == KIND_STR, out);
        break;
    case KIND_BIN:
        msgpack_pack_bin(out, ((const struct bin *)at)->size);
        msgpack_pack_bin_body(out, ((const struct bin *)at)->data, ((const struct bin *)at)->size);
        break;
    case KIND_I64:
    case KIND_TIME:
        msgpack_pack_int64(out, *(const int64_t *)at);
        break;
    case KIND_U64:
        msgpack_pack_uint64(out, *(const uint64_t *)at);
        break;
    case KIND_F64:
        msgpack_pack_double(out, *(const double *)at);
        break;
    case KIND_BOOL:
        if (*(const bool *)at)
            msgpack_pack_true(out);
        else
            msgpack_pack_false(out);
        break;
    case KIND_MAP:
        pack_map(at, out);
        break;
    case KIND_STRS:
    case KIND_PATHS:
        pack_strs(at, field->kind == KIND_STRS, out);
        break;
    case KIND_REC:
        pack_record(field->item(), *(const void *const *)at, out);
        break;
    case KIND_LIST:
        pack_list(field->item(), at, out);
        break;
    }
}

static void pack_record(const struct record *record, const void *in, msgpack_packer *out)
{
    size_t present = 0;

    for (size_t i = 0; i < record->field_count; i++)
        present += is_set(&record->fields[i], in);
    msgpack_pack_map(out, present);
    for (size_t i = 0; i < record->field_count; i++) {
        const struct field *field = &record->fields[i];

        if (!is_set(field, in))
            continue;
        pack_bytes(field->name, true, out);
        pack_field(field, member(in, field->offset), out);
    }
}

void record_pack(const struct record *record, const void *in, struct buffer *out)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, out, pack_write);
    pack_record(record, in, &packer);
}

/* ---- unpacking ----------------------------------------------------------- */

/* What an unpacking needs at every depth. */
struct unpacking {
    enum record_mode mode;
    struct arena *arena;
    struct error *err;
};

static char *text_of(const msgpack_object *in, bool as_text, struct arena *arena)
{
    const char *bytes;
    size_t size;

    if (in->type == MSGPACK_OBJECT_STR) {
        bytes = in->via.str.ptr;
        size = in->via.str.size;
    } else if (in->type == MSGPACK_OBJECT_BIN && !as_text) {
        bytes = in->via.bin.ptr;
        size = in->via.bin.size;
    } else {
        return NULL;
    }
    if (memchr(bytes, '\0', size) != NULL || (as_text && !utf8_is_valid(bytes, size)))
        return NULL;
    return arena_copy(arena, bytes, size);
}

static bool unpack_strs(const msgpack_object *in, bool as_text, struct strs *strs,
                        struct arena *arena)
{
    if (in->type != MSGPACK_OBJECT_ARRAY)
        return false;
    strs->count = in->via.array.size;
    strs->items = arena_alloc(arena, strs->count * sizeof(*strs->items));
    for (size_t i = 0; i < strs->count; i++)
        if ((strs->items[i] = text_of(&in->via.array.ptr[i], as_text, arena)) == NULL)
            return false;
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Two readers would disagree about which of two values counts. */
static bool keys_are_unique(const struct map *map)
{
    const char **keys = malloc((map->count + 1) * sizeof(*keys));
    bool unique = keys != NULL;

    for (size_t i = 0; unique && i < map->count; i++)
        keys[i] = map->entries[i].key;
    if (unique)
        qsort(keys, map->count, sizeof(*keys), compare_keys);
    for (size_t i = 1; unique && i < map->count; i++)
        unique = strcmp(keys[i - 1], keys[i]) != 0;
    free(keys);
    return unique;
}

static bool unpack_map(const msgpack_object *in, struct map *map, struct arena *arena)
{
    if (in->type != MSGPACK_OBJECT_MAP)
        return false;
    map->count = in->via.map.size;
    map->entries = arena_alloc(arena, map->count * sizeof(*map->entries));
    for (size_t i = 0; i < map->count; i++) {
        map->entries[i].key = text_of(&in->via.map.ptr[i].key, true, arena);
        map->entries[i].value = text_of(&in->via.map.ptr[i].val, true, arena);
        if (map->entries[i].key == NULL || map->entries[i].value == NULL)
            return false;
    }
    return keys_are_unique(map);
}

static int unpack_record(const struct record *record, const msgpack_object *in, void *out,
                         const struct unpacking *with);

static bool unpack_list(const struct record *item, const msgpack_object *in, struct list *list,
                        const struct unpacking *with)
{
    if (in->type != MSGPACK_OBJECT_ARRAY)
        return false;
    /* The walk bounded the count by the message, but an item can be far larger than its
       byte on the wire: an array of 16 million nils must not become gigabytes. */
    for (size_t i = 0; i < in->via.array.size; i++)
        if (in->via.array.ptr[i].type != MSGPACK_OBJECT_MAP)
            return false;
    if (in->via.array.size > 4 * (size_t)RECORD_BYTES_MAX / item->size)
        return false;
    list->count = in->via.array.size;
    list->items = arena_alloc(with->arena, list->count * item->size);
    for (size_t i = 0; i < list->count; i++)
        if (unpack_record(item, &in->via.array.ptr[i], (char *)list->items + i * item->size,
                          with) < 0)
            return false;
    return true;
}

static bool unpack_nested(const struct record *item, const msgpack_object *in, void **at,
                          const struct unpacking *with)
{
    *at = arena_alloc(with->arena, item->size);
    return unpack_record(item, in, *at, with) == 0;
}

static bool unpack_i64(const msgpack_object *in, int64_t *at)
{
    if (in->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ||
        (in->type == MSGPACK_OBJECT_POSITIVE_INTEGER && in->via.u64 <= INT64_MAX))
        return *at = in->via.i64, true;
    return false;
}

static bool unpack_f64(const msgpack_object *in, double *at)
{
    if (in->type == MSGPACK_OBJECT_FLOAT64 || in->type == MSGPACK_OBJECT_FLOAT32)
        return *at = in->via.f64, true;
    if (in->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        return *at = (double)in->via.u64, true;
    if (in->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return *at = (double)in->via.i64, true;
    return false;
}

static bool unpack_field(const struct field *field, const msgpack_object *in, void *at,
                         const struct unpacking *with)
{
    switch (field->kind) {
    case KIND_STR:
    case KIND_PATH:
        return (*(char **)at = text_of(in, field->kind == KIND_STR, with->arena)) != NULL;
    case KIND_BIN:
        if (in->type != MSGPACK_OBJECT_BIN)
            return false;
        *(struct bin *)at =
            (struct bin){ arena_copy(with->arena, in->via.bin.ptr, in->via.bin.size),
                          in->via.bin.size };
        return true;
    case KIND_I64:
    case KIND_TIME:
        return unpack_i64(in, at);
    case KIND_U64:
        return in->type == MSGPACK_OBJECT_POSITIVE_INTEGER && (*(uint64_t *)at = in->via.u64, true);
    case KIND_F64:
        return unpack_f64(in, at);
    case KIND_BOOL:
        return in->type == MSGPACK_OBJECT_BOOLEAN && (*(bool *)at = in->via.boolean, true);
    case KIND_MAP:
        return unpack_map(in, at, with->arena);
    case KIND_STRS:
    case KIND_PATHS:
        return unpack_strs(in, field->kind == KIND_STRS, at, with->arena);
    case KIND_REC:
        return unpack_nested(field->item(), in, at, with);
    case KIND_LIST:
        return unpack_list(field->item(), in, at, with);
    }
    return false;
}

static bool is_key(const struct field *field, const msgpack_object_str *key)
{
    return strlen(field->name) == key->size && memcmp(field->name, key->ptr, key->size) == 0;
}

/* Keys mostly come in the record's order: it is looked for from `*next` on, and then from the start. */
static const struct field *find_field(const struct record *record, const msgpack_object_str *key,
                                      size_t *next)
{
    size_t at = *next;

    for (size_t i = 0; i < record->field_count; i++, at++) {
        if (at >= record->field_count)
            at = 0;
        if (is_key(&record->fields[at], key)) {
            *next = at + 1;
            return &record->fields[at];
        }
    }
    return NULL;
}

static bool is_free_key(const msgpack_object_str *key)
{
    return key->size >= 2 && memcmp(key->ptr, "x-", 2) == 0;
}

/* A foreign key for a message: what is not plain ASCII is '?'. */
static const char *shown_key(const msgpack_object_str *key, char out[48])
{
    size_t size = key->size < 47 ? key->size : 47;

    for (size_t i = 0; i < size; i++)
        out[i] = key->ptr[i] > ' ' && key->ptr[i] < 0x7f ? key->ptr[i] : '?';
    out[size] = '\0';
    return out;
}

static int unpack_entry(const struct record *record, const msgpack_object_kv *kv, void *out,
                        bool *seen, size_t *next, const struct unpacking *with)
{
    const struct field *field;
    char name[48];

    if (kv->key.type != MSGPACK_OBJECT_STR)
        return error_set(with->err, ERROR_INVALID_ARGUMENT, "%s has a key that is not a string",
                         record->name);
    field = find_field(record, &kv->key.via.str, next);
    if (field == NULL) {
        if (with->mode == RECORD_LENIENT || is_free_key(&kv->key.via.str))
            return 0;
        return error_set(with->err, ERROR_INVALID_ARGUMENT, "%s has no field '%s'", record->name,
                         shown_key(&kv->key.via.str, name));
    }
    if (seen[field - record->fields])
        return error_set(with->err, ERROR_INVALID_ARGUMENT, "%s.%s is given twice", record->name,
                         field->name);
    seen[field - record->fields] = true;
    if (kv->val.type == MSGPACK_OBJECT_NIL && !field->required)
        return 0; /* nil is what absent looks like in some languages */
    with->err->code = ERROR_NONE;
    if (!unpack_field(field, &kv->val, (char *)out + field->offset, with)) {
        if (with->err->code != ERROR_NONE)
            return -1; /* a nested record has said it more precisely */
        return error_set(with->err, ERROR_INVALID_ARGUMENT, "%s.%s is malformed", record->name,
                         field->name);
    }
    if (field->presence != 0)
        *(bool *)((char *)out + field->presence) = true;
    return 0;
}

static int unpack_record(const struct record *record, const msgpack_object *in, void *out,
                         const struct unpacking *with)
{
    bool seen[RECORD_FIELDS_MAX] = { false };
    size_t next = 0; /* the field that is expected */

    memset(out, 0, record->size);
    if (record->field_count > RECORD_FIELDS_MAX)
        return error_set(with->err, ERROR_INTERNAL, "%s has more than %d fields", record->name,
                         RECORD_FIELDS_MAX);
    if (in->type != MSGPACK_OBJECT_MAP)
        return error_set(with->err, ERROR_INVALID_ARGUMENT, "%s is not a map", record->name);
    for (uint32_t i = 0; i < in->via.map.size; i++)
        if (unpack_entry(record, &in->via.map.ptr[i], out, seen, &next, with) < 0)
            return -1;
    for (size_t i = 0; i < record->field_count; i++)
        if (record->fields[i].required && !seen[i])
            return error_set(with->err, ERROR_INVALID_ARGUMENT, "%s.%s is missing", record->name,
                             record->fields[i].name);
    return 0;
}

int record_unpack(const struct record *record, enum record_mode mode, const void *bytes,
                  size_t size, void *out, struct arena *arena, struct error *err)
{
    const struct unpacking with = { mode, arena, err };
    msgpack_object object;
    msgpack_zone *zone;
    size_t offset = 0;
    int result = -1;

    if (record_check(bytes, size, err) < 0)
        return error_wrap(err, "%s", record->name);
    zone = msgpack_zone_new(2048);
    if (zone == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    if (msgpack_unpack(bytes, size, &offset, zone, &object) == MSGPACK_UNPACK_SUCCESS)
        result = unpack_record(record, &object, out, &with);
    else
        error_set(err, ERROR_INVALID_ARGUMENT, "%s: not msgpack", record->name);
    msgpack_zone_free(zone);
    return result;
}

void record_copy(const struct record *record, const void *in, void *out, struct arena *arena)
{
    struct buffer wire = { 0 };
    struct error err = { 0 };

    /* By way of the wire: one mechanism, and copies are rare. */
    record_pack(record, in, &wire);
    record_unpack(record, RECORD_LENIENT, wire.data, wire.size, out, arena, &err);
    buffer_free(&wire);
}

const char *map_get(const struct map *map, const char *key)
{
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->entries[i].key, key) == 0)
            return map->entries[i].value;
    return NULL;
}

struct map labels_merge(const struct map *labels, const struct map *changes, struct arena *arena)
{
    struct map merged = { 0 };

    merged.entries = arena_alloc(arena, (labels->count + changes->count) * sizeof(*merged.entries));
    for (size_t i = 0; i < labels->count; i++)
        if (map_get(changes, labels->entries[i].key) == NULL)
            merged.entries[merged.count++] = labels->entries[i];
    for (size_t i = 0; i < changes->count; i++)
        if (changes->entries[i].value[0] != '\0')
            merged.entries[merged.count++] = changes->entries[i];
    return merged;
}
