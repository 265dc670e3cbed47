/*
 * rdt_schema — what a class gives: lines "L3:0=ff;1=f0", as linux.intelRdt has them, as they are
 * written, and as the kernel tells them.
 *
 * A line names a resource and a value for some of its domains (the caches, or what has a memory
 * controller).  The kernel prints masks without leading zeros and rounds bandwidth up to what it
 * can do, so lines are compared value by value.
 */
#include "platform/linux/runtime/rdt_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "platform/linux/runtime/cgroup_parts.h"

#define LINES_MAX 4095 /* with its newline a page, of which the kernel takes one in a write */

/* ---- reading ---------------------------------------------------------------------- */

static int lines_add(struct rdt *rdt, const struct place *place, const char *lines,
                     struct error *err)
{
    if (lines == NULL || lines[0] == '\0')
        return 0;
    if (strlen(lines) > LINES_MAX)
        return place_failure(place, err, "is longer than %d bytes, which the kernel does not take",
                           LINES_MAX);
    rdt->schemas[rdt->count++] = (struct schemas){ place->key, lines };
    return 0;
}

static int cache_read(struct rdt *rdt, const struct place *place, struct error *err)
{
    struct place own = place_member(place, "l3CacheSchema");
    const char *lines;

    if (place_text(place, own.key, &lines, err) < 0)
        return -1;
    return lines_add(rdt, &own, lines, err);
}

static int bandwidth_read(struct rdt *rdt, const struct place *place, struct error *err)
{
    struct place own = place_member(place, "memBwSchema");
    const char *lines;

    if (place_text(place, own.key, &lines, err) < 0)
        return -1;
    if (lines != NULL && lines[0] != '\0' &&
        (strncmp(lines, "MB:", 3) != 0 || strchr(lines, '\n') != NULL))
        return place_failure(&own, err, "must be one line that begins with MB:");
    return lines_add(rdt, &own, lines, err);
}

static int list_read(struct rdt *rdt, const struct place *place, struct error *err)
{
    struct place list = place_member(place, "schemata");
    char *lines = arena_alloc(rdt->arena, LINES_MAX + 2);
    struct strs items;
    size_t size = 0;

    if (place_texts(place, list.key, &items, rdt->arena, err) < 0)
        return -1;
    for (size_t i = 0; i < items.count && size <= LINES_MAX; i++) {
        struct place item = place_element(&list, i);
        const char *text = items.items[i];

        if (text[0] == '\0' || strchr(text, '\n') != NULL)
            return place_failure(&item, err, "must be one line");
        size +=
            (size_t)snprintf(lines + size, LINES_MAX + 2 - size, "%s%s", i > 0 ? "\n" : "", text);
    }
    return lines_add(rdt, &list, lines, err);
}

int schemas_read(struct rdt *rdt, const struct place *place, struct error *err)
{
    if (cache_read(rdt, place, err) < 0 || bandwidth_read(rdt, place, err) < 0)
        return -1;
    return list_read(rdt, place, err);
}

/* ---- writing ---------------------------------------------------------------------- */

int schemas_write(const struct rdt *rdt, struct error *err)
{
    for (size_t i = 0; i < rdt->count; i++) {
        const struct schemas *schemas = &rdt->schemas[i];
        char *text = arena_printf(rdt->arena, "%s\n", schemas->lines);

        if (control_put(rdt->folder, SCHEMATA, text) < 0)
            return rdt_error(rdt, errno, err, "linux.intelRdt.%s: write %.60s to %.80s/" SCHEMATA,
                             schemas->field, schemas->lines, rdt->folder);
    }
    return 0;
}

/* ---- comparing -------------------------------------------------------------------- */

/* A piece of a text. */
struct span {
    const char *at;
    size_t size;
};

static struct span span_trim(struct span span)
{
    while (span.size > 0 && strchr(" \t\r", span.at[0]) != NULL)
        span.at++, span.size--;
    while (span.size > 0 && strchr(" \t\r", span.at[span.size - 1]) != NULL)
        span.size--;
    return span;
}

static bool span_same(struct span a, struct span b)
{
    return a.size == b.size && strncasecmp(a.at, b.at, a.size) == 0;
}

static struct span zeros_skip(struct span span)
{
    while (span.size > 1 && span.at[0] == '0')
        span.at++, span.size--;
    return span;
}

/* One "0=ff" and the resource it is of. */
struct grant {
    struct span resource, domain, value;
};

/* Takes the next from `text`; `resource` is that of the line.  false: there is no more. */
static bool grant_next(const char **text, struct grant *grant)
{
    const char *end;

    for (; **text != '\0'; *text = end + (*end != '\0')) {
        struct span word;
        const char *sign;

        end = *text + strcspn(*text, ":;\n");
        word = (struct span){ *text, (size_t)(end - *text) };
        sign = memchr(word.at, '=', word.size);
        if (*end == ':')
            grant->resource = span_trim(word);
        if (*end == ':' || sign == NULL)
            continue;
        grant->domain = span_trim((struct span){ word.at, (size_t)(sign - word.at) });
        grant->value = span_trim((struct span){ sign + 1, (size_t)(end - sign - 1) });
        *text = end + (*end != '\0');
        return true;
    }
    return false;
}

/* What `text` says of a domain last; of size 0: nothing. */
static struct span value_of(const char *text, const struct grant *asked)
{
    struct grant grant = { 0 };
    struct span value = { "", 0 };

    while (grant_next(&text, &grant))
        if (span_same(grant.resource, asked->resource) &&
            span_same(zeros_skip(grant.domain), zeros_skip(asked->domain)))
            value = grant.value;
    return value;
}

/* The kernel rounds bandwidth up to a multiple of this; 0: not this resource. */
static unsigned long step_of(const struct rdt *rdt, struct span resource)
{
    char folder[PATH_SIZE];
    struct error ignored;
    uint64_t step = 0;

    if (path_format(folder, &ignored, "%s/info/%.*s", rdt->root, (int)resource.size, resource.at) ==
        0)
        control_number(folder, "bandwidth_gran", &step);
    return (unsigned long)step;
}

static bool is_so(const struct rdt *rdt, const struct grant *asked, struct span found)
{
    unsigned long step, number;

    if (found.size == 0)
        return false;
    if (span_same(zeros_skip(asked->value), zeros_skip(found)))
        return true;
    step = step_of(rdt, asked->resource);
    number = strtoul(asked->value.at, NULL, 10); /* ends at what ends the value */
    return step > 0 && number <= UINT32_MAX &&
           (number + step - 1) / step * step == strtoul(found.at, NULL, 10);
}

static int one_compare(const struct rdt *rdt, const struct schemas *schemas, const char *all,
                       const char *found, struct error *err)
{
    const char *text = schemas->lines;
    struct grant grant = { 0 };

    while (grant_next(&text, &grant)) {
        struct span has = value_of(found, &grant);

        grant.value = value_of(all, &grant); /* what a later field says goes over it */
        if (is_so(rdt, &grant, has))
            continue;
        return error_set(
            err, ERROR_FAILED_PRECONDITION,
            "linux.intelRdt.%s: wants %.*s:%.*s=%.*s, and the class %s, which is there "
            "already, has %.*s",
            schemas->field, (int)grant.resource.size, grant.resource.at, (int)grant.domain.size,
            grant.domain.at, (int)grant.value.size, grant.value.at,
            rdt->name[0] != '\0' ? rdt->name : "/", has.size > 0 ? (int)has.size : 4,
            has.size > 0 ? has.at : "none");
    }
    return 0;
}

int schemas_compare(const struct rdt *rdt, struct error *err)
{
    const char *all = "";
    char *found;
    int result = 0;

    if (rdt->count == 0)
        return 0;
    for (size_t i = 0; i < rdt->count; i++)
        all = arena_printf(rdt->arena, "%s%s\n", all, rdt->schemas[i].lines);
    found = rdt_file(rdt->folder, SCHEMATA, err);
    if (found == NULL)
        return error_wrap(err, "linux.intelRdt");
    for (size_t i = 0; i < rdt->count && result == 0; i++)
        result = one_compare(rdt, &rdt->schemas[i], all, found, err);
    free(found);
    return result;
}
