/* Tables and states as text; see format.h. */
#include "tools/gantry/format.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "protocol/json.h"
#include "tools/gantry/text.h"

#define COLUMNS_MAX 12
#define GAP         3

struct row {
    struct row *next;
    const char *cells[COLUMNS_MAX];
};

struct table {
    struct arena *arena;
    size_t columns;
    size_t widths[COLUMNS_MAX];
    struct row *first, *last;
};

const char *printable(const char *text, struct arena *arena)
{
    char *copy;

    if (text == NULL)
        return "";
    copy = arena_str(arena, text);
    if (!utf8_is_valid(copy, strlen(copy)))
        for (char *at = copy; *at != '\0'; at++)
            if (*at & (char)0x80)
                *at = '?';
    for (char *at = copy; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
        if ((unsigned char)*at == 0xc2 &&
            (unsigned char)at[1] < 0xa0) /* the upper control characters */
            *at = at[1] = '?';
    }
    return copy;
}

/* Characters as a terminal counts them, near enough: code points. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void add_cell(struct table *table, struct row *row, size_t column, const char *text)
{
    size_t width;

    row->cells[column] = printable(text, table->arena);
    width = width_of(row->cells[column]);
    if (width > table->widths[column])
        table->widths[column] = width;
}

static struct row *add_row(struct table *table)
{
    struct row *row = arena_alloc(table->arena, sizeof(*row));

    if (table->last != NULL)
        table->last->next = row;
    else
        table->first = row;
    table->last = row;
    return row;
}

struct table *table_new(struct arena *arena, const char *heading, ...)
{
    struct table *table = arena_alloc(arena, sizeof(*table));
    struct row *row;
    va_list headings;

    table->arena = arena;
    row = add_row(table);
    va_start(headings, heading);
    for (; heading != NULL && table->columns < COLUMNS_MAX;
         heading = va_arg(headings, const char *))
        add_cell(table, row, table->columns++, heading);
    va_end(headings);
    return table;
}

void table_row(struct table *table, ...)
{
    struct row *row = add_row(table);
    va_list cells;

    va_start(cells, table);
    for (size_t i = 0; i < table->columns; i++)
        add_cell(table, row, i, va_arg(cells, const char *));
    va_end(cells);
}

static size_t last_cell(const struct table *table, const struct row *row)
{
    size_t last = table->columns - 1;

    while (last > 0 && row->cells[last][0] == '\0')
        last--;
    return last;
}

static void blanks(size_t count, FILE *out)
{
    static const char many[] = "                                                                ";

    for (; count > sizeof(many) - 1; count -= sizeof(many) - 1)
        fwrite(many, 1, sizeof(many) - 1, out);
    fwrite(many, 1, count, out);
}

void table_print(const struct table *table, FILE *out)
{
    for (const struct row *row = table->first; row != NULL; row = row->next) {
        size_t last = last_cell(table, row);

        for (size_t i = 0; i <= last; i++) {
            fputs(row->cells[i], out);
            if (i < last)
                blanks(table->widths[i] + GAP - width_of(row->cells[i]), out);
        }
        fputc('\n', out);
    }
}

static const char *exited_text(const struct container_info *container, int64_t now,
                               struct arena *arena)
{
    char ago[40];
    const char *when = ago_text(container->has_exited ? container->exited : 0, now, ago);
    const char *gap = when[0] ? " " : "";

    if (container->status_reason != NULL && !container->has_exit_status)
        return arena_printf(arena, "Exited (%s)%s%s", container->status_reason, gap, when);
    if (container->status_reason != NULL)
        return arena_printf(arena, "Exited (%llu, %s)%s%s",
                            (unsigned long long)container->exit_status, container->status_reason,
                            gap, when);
    return arena_printf(arena, "Exited (%llu)%s%s", (unsigned long long)container->exit_status, gap,
                        when);
}

const char *status_text(const struct container_info *container, int64_t now, struct arena *arena)
{
    const char *status = container->status ? container->status : "created";
    int64_t up = now - (container->has_started ? container->started : now);
    char duration[32];

    if (strcmp(status, "running") == 0)
        return arena_printf(arena, "Up %s", duration_text(up, duration));
    if (strcmp(status, "paused") == 0)
        return arena_printf(arena, "Up %s (Paused)", duration_text(up, duration));
    if (strcmp(status, "exited") == 0 || strcmp(status, "stopped") == 0)
        return exited_text(container, now, arena);
    return strcmp(status, "created") == 0 ? "Created" : arena_str(arena, status);
}

/* Bytes of the first `characters` of it. */
static size_t length_of(const char *text, size_t characters)
{
    size_t length = 0;

    while (text[length] != '\0' &&
           (((unsigned char)text[length] & 0xc0) == 0x80 || characters-- > 0))
        length++;
    return length;
}

const char *command_text(const char *command, size_t most, struct arena *arena)
{
    if (command == NULL)
        return "";
    if (width_of(command) <= most)
        return arena_printf(arena, "\"%s\"", command);
    return arena_printf(arena, "\"%.*s...\"", (int)length_of(command, most - 3), command);
}

const char *labels_text(const struct map *labels, struct arena *arena)
{
    struct buffer text = { 0 };
    const char *result;

    for (size_t i = 0; i < labels->count; i++) {
        if (i > 0)
            buffer_add(&text, ",", 1);
        buffer_add(&text, labels->entries[i].key, strlen(labels->entries[i].key));
        buffer_add(&text, "=", 1);
        buffer_add(&text, labels->entries[i].value, strlen(labels->entries[i].value));
    }
    result = text.size > 0 ? arena_copy(arena, text.data, text.size) : "";
    buffer_free(&text);
    return result;
}

void json_print(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    putchar('\n');
}

void json_add_list(json_t *array, const struct record *item, const struct list *list)
{
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, record_json(item, (const char *)list->items + i * item->size));
}
