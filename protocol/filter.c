/* Filters: a scanner, a parser of three rules, and a walk over field tables. */
#include "protocol/filter.h"

#include <stdio.h>
#include <string.h>

#include "protocol/json.h"
#include "protocol/oci/shown.h"
#include "protocol/pattern.h"

#define PARTS_MAX 16 /* of a path */

enum relation { IS_THERE, EQUAL, NOT_EQUAL, FOUND };

struct path {
    size_t count;
    const char **parts;
};

struct term {
    struct path path;
    enum relation relation;
    const char *value;       /* EQUAL, NOT_EQUAL */
    struct pattern *pattern; /* FOUND */
};

struct filter {
    size_t count; /* all must hold */
    struct term *terms;
};

struct filters {
    size_t count; /* one must hold */
    struct filter *items;
};

/* ---- reading -------------------------------------------------------------------- */

struct reader {
    const char *text, *at;
    struct arena *arena;
    struct error *err;
};

static int fail(const struct reader *r, const char *expected)
{
    struct shown s;

    return error_set(r->err, ERROR_INVALID_ARGUMENT, "filter '%s', byte %d: expected %s",
                     shown(r->text, &s), (int)(r->at - r->text) + 1, expected);
}

static void skip_blanks(struct reader *r)
{
    r->at += strspn(r->at, " \t\r\n");
}

/* Behind \ in "": the byte meant, 0 when it means nothing. */
static char unescaped(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case '"':
    case '\\':
        return c;
    default:
        return '\0';
    }
}

/* "..." with escapes; /.../ and |...| keep all backslashes but the one before their own sign. */
static int read_quoted(struct reader *r, const char **out)
{
    char quote = *r->at++;
    char *to = arena_alloc(r->arena, strlen(r->at));

    *out = to;
    for (; *r->at != quote; r->at++) {
        if (*r->at == '\0')
            return fail(r, "the quote's end");
        if (*r->at == '\\' && quote == '"') {
            *to = unescaped(*++r->at);
            if (*to++ == '\0')
                return fail(r, "one of \\\" \\\\ \\n \\t \\r");
            continue;
        }
        if (r->at[0] == '\\' && r->at[1] == quote)
            r->at++;
        else if (r->at[0] == '\\' && r->at[1] != '\0')
            *to++ = *r->at++;
        *to++ = *r->at;
    }
    r->at++;
    return 0;
}

static const char *read_span(struct reader *r, size_t size)
{
    const char *span = arena_copy(r->arena, r->at, size);

    r->at += size;
    return span;
}

static int read_part(struct reader *r, const char **out)
{
    size_t size;

    if (*r->at == '"')
        return read_quoted(r, out);
    size = strspn(r->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/");
    if (size == 0)
        return fail(r, "the name of a field");
    *out = read_span(r, size);
    return 0;
}

static int read_path(struct reader *r, struct path *out)
{
    const char *parts[PARTS_MAX];

    for (out->count = 0;; r->at++) {
        if (out->count == PARTS_MAX)
            return fail(r, "a path of at most 16 parts");
        if (read_part(r, &parts[out->count]) < 0)
            return -1;
        out->count++;
        if (*r->at != '.')
            break;
    }
    out->parts = arena_copy(r->arena, parts, out->count * sizeof(*parts));
    return 0;
}

static int read_relation(struct reader *r, enum relation *out)
{
    static const char signs[][3] = { [EQUAL] = "==", [NOT_EQUAL] = "!=", [FOUND] = "~=" };

    *out = IS_THERE;
    if (*r->at == '\0' || *r->at == ',')
        return 0;
    for (enum relation i = EQUAL; i <= FOUND; i++)
        if (strncmp(r->at, signs[i], 2) == 0)
            *out = i;
    if (*out == IS_THERE)
        return fail(r, "==, != or ~=, a comma or the end");
    r->at += 2;
    return 0;
}

static int read_value(struct reader *r, enum relation relation, const char **out)
{
    size_t size = strcspn(r->at, ", \t\r\n");

    if (*r->at == '"' || (relation == FOUND && (*r->at == '/' || *r->at == '|')))
        return read_quoted(r, out);
    if (size == 0)
        return fail(r, "a value; \"\" is the empty one");
    *out = read_span(r, size);
    return 0;
}

static int read_term(struct reader *r, struct term *out)
{
    const char *value_at;

    skip_blanks(r);
    if (read_path(r, &out->path) < 0)
        return -1;
    skip_blanks(r);
    if (read_relation(r, &out->relation) < 0)
        return -1;
    if (out->relation == IS_THERE)
        return 0;
    skip_blanks(r);
    value_at = r->at;
    if (read_value(r, out->relation, &out->value) < 0)
        return -1;
    skip_blanks(r);
    if (*r->at != '\0' && *r->at != ',')
        return fail(r, "a comma or the end");
    if (out->relation == FOUND &&
        pattern_compile(out->value, &out->pattern, r->arena, r->err) < 0) {
        struct shown s;

        return error_wrap(r->err, "filter '%s', byte %d", shown(r->text, &s),
                          (int)(value_at - r->text) + 1);
    }
    return 0;
}

static int read_filter(struct reader *r, struct filter *out)
{
    struct term terms[FILTER_TERMS_MAX];

    out->count = 0;
    skip_blanks(r);
    if (*r->at == '\0')
        return 0;
    for (;; r->at++) {
        if (out->count == FILTER_TERMS_MAX)
            return fail(r, "at most 32 terms");
        terms[out->count] = (struct term){ 0 };
        if (read_term(r, &terms[out->count]) < 0)
            return -1;
        out->count++;
        if (*r->at == '\0')
            break;
    }
    out->terms = arena_copy(r->arena, terms, out->count * sizeof(*terms));
    return 0;
}

int filters_parse(const struct strs *texts, struct filters **out, struct arena *arena,
                  struct error *err)
{
    struct filters *filters = arena_alloc(arena, sizeof(*filters));
    struct shown s;

    if (texts->count > FILTERS_MAX)
        return error_set(err, ERROR_INVALID_ARGUMENT, "%zu filters, the limit is %d", texts->count,
                         FILTERS_MAX);
    filters->items = arena_alloc(arena, texts->count * sizeof(*filters->items));
    for (; filters->count < texts->count; filters->count++) {
        const char *text = texts->items[filters->count];
        struct reader reader = { .text = text, .at = text, .arena = arena, .err = err };

        if (strlen(text) > FILTER_LENGTH_MAX)
            return error_set(err, ERROR_INVALID_ARGUMENT, "filter '%s': longer than %d bytes",
                             shown(text, &s), FILTER_LENGTH_MAX);
        if (read_filter(&reader, &filters->items[filters->count]) < 0)
            return -1;
    }
    *out = filters;
    return 0;
}

static const struct field *field_find(const struct record *record, const char *name)
{
    for (size_t i = 0; i < record->field_count; i++)
        if (strcmp(record->fields[i].name, name) == 0)
            return &record->fields[i];
    return NULL;
}

int filters_check(const struct filters *filters, const struct record *record, struct error *err)
{
    struct shown s;

    for (size_t i = 0; filters != NULL && i < filters->count; i++)
        for (size_t j = 0; j < filters->items[i].count; j++) {
            const char *name = filters->items[i].terms[j].path.parts[0];

            if (field_find(record, name) == NULL)
                return error_set(err, ERROR_INVALID_ARGUMENT, "filter: %s has no field '%s'",
                                 record->name, shown(name, &s));
        }
    return 0;
}

/* ---- matching ------------------------------------------------------------------------ */

/* NOT_EQUAL is asked as EQUAL and turned round at the end: then what is absent differs. */
static bool holds(const struct term *term, const char *text)
{
    switch (term->relation) {
    case EQUAL:
    case NOT_EQUAL:
        return strcmp(text, term->value) == 0;
    case FOUND:
        return pattern_match(term->pattern, text);
    default:
        return *text != '\0';
    }
}

static bool any_of_strs(const struct term *term, const struct strs *strs)
{
    for (size_t i = 0; i < strs->count; i++)
        if (holds(term, strs->items[i]))
            return true;
    return false;
}

/* The parts that are left, with dots between, are the key: labels.a.b is labels."a.b". */
static bool key_is(const struct path *path, size_t part, const char *key)
{
    for (;; part++) {
        size_t size = strlen(path->parts[part]);

        if (strncmp(key, path->parts[part], size) != 0)
            return false;
        key += size;
        if (part + 1 == path->count)
            return *key == '\0';
        if (*key++ != '.')
            return false;
    }
}

static bool map_holds(const struct term *term, size_t part, const struct map *map)
{
    if (part == term->path.count)
        return term->relation == IS_THERE && map->count > 0;
    for (size_t i = 0; i < map->count; i++)
        if (key_is(&term->path, part, map->entries[i].key))
            return holds(term, map->entries[i].value);
    return false;
}

static bool number_holds(const struct term *term, const struct field *field, const void *at)
{
    char text[64];

    switch (field->kind) {
    case KIND_I64:
        snprintf(text, sizeof(text), "%lld", (long long)*(const int64_t *)at);
        break;
    case KIND_U64:
        snprintf(text, sizeof(text), "%llu", (unsigned long long)*(const uint64_t *)at);
        break;
    case KIND_F64:
        snprintf(text, sizeof(text), "%.17g", *(const double *)at);
        break;
    case KIND_TIME:
        time_text(*(const int64_t *)at, text);
        break;
    default: /* BOOL: a bare path asks whether it is true */
        if (term->relation == IS_THERE)
            return *(const bool *)at;
        return holds(term, *(const bool *)at ? "true" : "false");
    }
    return holds(term, text);
}

static bool record_holds(const struct term *term, size_t part, const struct record *record,
                         const void *instance);

static bool list_holds(const struct term *term, size_t part, const struct record *item,
                       const struct list *list)
{
    if (part == term->path.count)
        return term->relation == IS_THERE && list->count > 0;
    for (size_t i = 0; i < list->count; i++)
        if (record_holds(term, part, item, (const char *)list->items + i * item->size))
            return true;
    return false;
}

static bool nested_holds(const struct term *term, size_t part, const struct record *record,
                         const void *instance)
{
    if (instance == NULL)
        return false;
    if (part == term->path.count)
        return term->relation == IS_THERE;
    return record_holds(term, part, record, instance);
}

/* What is at the path from `part` on in this record; some value of several is enough. */
static bool record_holds(const struct term *term, size_t part, const struct record *record,
                         const void *instance)
{
    const struct field *field = field_find(record, term->path.parts[part++]);
    const void *at;

    if (field == NULL)
        return false;
    if (field->presence != 0 && !*(const bool *)((const char *)instance + field->presence))
        return false;
    at = (const char *)instance + field->offset;
    if (field->kind == KIND_MAP)
        return map_holds(term, part, at);
    if (field->kind == KIND_LIST)
        return list_holds(term, part, field->item(), at);
    if (field->kind == KIND_REC)
        return nested_holds(term, part, field->item(), *(const void *const *)at);
    if (part < term->path.count)
        return false;
    if (field->kind == KIND_STR || field->kind == KIND_PATH)
        return *(const char *const *)at != NULL && holds(term, *(const char *const *)at);
    if (field->kind == KIND_STRS || field->kind == KIND_PATHS)
        return any_of_strs(term, at);
    if (field->kind == KIND_BIN)
        return term->relation == IS_THERE && ((const struct bin *)at)->size > 0;
    return number_holds(term, field, at);
}

static bool filter_holds(const struct filter *filter, const struct record *record,
                         const void *instance)
{
    for (size_t i = 0; i < filter->count; i++) {
        const struct term *term = &filter->terms[i];
        bool found = record_holds(term, 0, record, instance);

        if (found == (term->relation == NOT_EQUAL))
            return false;
    }
    return true;
}

bool filters_match(const struct filters *filters, const struct record *record, const void *instance)
{
    if (filters == NULL || filters->count == 0)
        return true;
    for (size_t i = 0; i < filters->count; i++)
        if (filter_holds(&filters->items[i], record, instance))
            return true;
    return false;
}
