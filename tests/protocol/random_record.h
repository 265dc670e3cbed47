/* random_record — a record of any type with everything it may hold, made up. */
#ifndef TESTS_PROTOCOL_RANDOM_RECORD_H
#define TESTS_PROTOCOL_RANDOM_RECORD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "protocol/record.h"

/* Another one each time, and told; GANTRY_TEST_SEED repeats a run. */
static unsigned random_seed(void)
{
    const char *told = getenv("GANTRY_TEST_SEED");
    unsigned seed = told ? (unsigned)strtoul(told, NULL, 10) : (unsigned)time(NULL);

    printf("seed %u\n", seed);
    return seed;
}

static void random_record(const struct record *record, void *out, unsigned *seed,
                          struct arena *arena);

static size_t random_below(size_t limit, unsigned *seed)
{
    return (size_t)rand_r(seed) % limit;
}

static uint64_t random_u64(unsigned *seed)
{
    static const uint64_t edges[] = { 0,          1,         127,        128,       255,
                                      256,        65535,     65536,      INT32_MAX, UINT32_MAX,
                                      1ull << 32, INT64_MAX, UINT64_MAX, 32,        31 };
    uint64_t bits =
        (uint64_t)rand_r(seed) << 32 ^ (uint64_t)rand_r(seed) << 13 ^ (uint64_t)rand_r(seed);

    if (random_below(2, seed))
        return edges[random_below(sizeof(edges) / sizeof(*edges), seed)];
    return bits >> random_below(64, seed);
}

static double random_f64(unsigned *seed)
{
    static const double edges[] = { 0, -0.0, 1, -1, 0.1, 1.5, 1e300, -1e-300, 4503599627370497.0 };

    return edges[random_below(sizeof(edges) / sizeof(*edges), seed)];
}

/* Characters of one to four bytes; `bytes`: any but NUL.  Lengths around the steps of msgpack. */
static char *random_text(bool bytes, unsigned *seed, struct arena *arena)
{
    static const char *const letters[] = {
        "a", "B", "0", "/", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\xb3", "\n", " ", "\""
    };
    static const size_t lengths[] = { 0, 1, 5, 31, 32, 255, 256, 65536 };
    size_t length =
        random_below(40, seed) ? random_below(12, seed) : lengths[random_below(8, seed)];
    char *text = arena_alloc(arena, length * 4);
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        const char *letter = letters[random_below(10, seed)];

        if (bytes && random_below(4, seed) == 0)
            text[used++] = (char)(1 + random_below(255, seed));
        else
            for (; *letter; letter++)
                text[used++] = *letter;
    }
    return text;
}

static struct strs random_strs(bool bytes, bool required, unsigned *seed, struct arena *arena)
{
    struct strs strs = { random_below(20, seed) ? random_below(4, seed) : 17, NULL };

    if (required && strs.count == 0)
        strs.count = 1;
    strs.items = arena_alloc(arena, strs.count * sizeof(*strs.items));
    for (size_t i = 0; i < strs.count; i++)
        strs.items[i] = random_text(bytes, seed, arena);
    return strs;
}

static struct map random_map(unsigned *seed, struct arena *arena)
{
    struct map map = { random_below(4, seed), NULL };

    map.entries = arena_alloc(arena, map.count * sizeof(*map.entries));
    for (size_t i = 0; i < map.count; i++) {
        map.entries[i].key = arena_printf(arena, "%zu%s", i, random_text(false, seed, arena));
        map.entries[i].value = random_text(false, seed, arena);
    }
    return map;
}

static struct list random_list(const struct record *item, unsigned *seed, struct arena *arena)
{
    struct list list = { random_below(3, seed), NULL };

    list.items = arena_alloc(arena, list.count * item->size);
    for (size_t i = 0; i < list.count; i++)
        random_record(item, (char *)list.items + i * item->size, seed, arena);
    return list;
}

static struct bin random_bin(unsigned *seed, struct arena *arena)
{
    size_t size = random_below(30, seed) ? random_below(9, seed) : 70000;
    char *data = arena_alloc(arena, size);

    for (size_t i = 0; i < size; i++)
        data[i] = (char)random_below(256, seed);
    return (struct bin){ data, size };
}

static void random_field(const struct field *field, void *at, unsigned *seed, struct arena *arena)
{
    switch (field->kind) {
    case KIND_STR:
    case KIND_PATH:
        *(char **)at = random_text(field->kind == KIND_PATH, seed, arena);
        break;
    case KIND_BIN:
        *(struct bin *)at = random_bin(seed, arena);
        break;
    case KIND_I64:
    case KIND_TIME:
        *(int64_t *)at = (int64_t)random_u64(seed) * (random_below(2, seed) ? 1 : -1);
        break;
    case KIND_U64:
        *(uint64_t *)at = random_u64(seed);
        break;
    case KIND_F64:
        *(double *)at = random_f64(seed);
        break;
    case KIND_BOOL:
        *(bool *)at = random_below(2, seed);
        break;
    case KIND_MAP:
        *(struct map *)at = random_map(seed, arena);
        break;
    case KIND_STRS:
    case KIND_PATHS:
        *(struct strs *)at = random_strs(field->kind == KIND_PATHS, field->required, seed, arena);
        break;
    case KIND_REC:
        *(void **)at = arena_alloc(arena, field->item()->size);
        random_record(field->item(), *(void **)at, seed, arena);
        break;
    case KIND_LIST:
        *(struct list *)at = random_list(field->item(), seed, arena);
        break;
    }
}

static void random_record(const struct record *record, void *out, unsigned *seed,
                          struct arena *arena)
{
    memset(out, 0, record->size);
    for (size_t i = 0; i < record->field_count; i++) {
        const struct field *field = &record->fields[i];

        if (!field->required && random_below(2, seed))
            continue;
        random_field(field, (char *)out + field->offset, seed, arena);
        if (field->presence != 0)
            *(bool *)((char *)out + field->presence) = true;
    }
}

#endif
