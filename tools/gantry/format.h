/*
 * format — what is printed: aligned tables, and states as people read them.
 *
 * Texts of others (names, labels, reasons) lose their control characters here: a table
 * does not steer the terminal it is shown on.
 */
#ifndef TOOLS_GANTRY_FORMAT_H
#define TOOLS_GANTRY_FORMAT_H

#include <jansson.h>
#include <stdio.h>

#include "protocol/schema.h"

struct table;

/* The headings, then NULL. */
struct table *table_new(struct arena *arena, const char *heading, ...) __attribute__((sentinel));
/* As many cells as there are headings; NULL is an empty one.  The texts are copied. */
void table_row(struct table *table, ...);
void table_print(const struct table *table, FILE *out);

/* `text` with '?' for what is not to be shown. */
const char *printable(const char *text, struct arena *arena);

/* "Up 3 seconds", "Exited (0) 2 minutes ago", "Created", "Exited (host restarted) ...". */
const char *status_text(const struct container_info *container, int64_t now, struct arena *arena);

/* In quotes, at most `most` characters of it; what is cut off is shown by dots. */
const char *command_text(const char *command, size_t most, struct arena *arena);

/* a=b,c=d in the order of the map. */
const char *labels_text(const struct map *labels, struct arena *arena);

/* On stdout, indented. */
void json_print(const json_t *json);
/* The items of a list as a JSON array, added to `array`. */
void json_add_list(json_t *array, const struct record *item, const struct list *list);

#endif
