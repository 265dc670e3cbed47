/*
 * progress — how far a pull is, on stderr: bars on a terminal, plain lines elsewhere.
 *
 * The one idea: one line per item (a layer), redrawn in place; what the daemon tells
 * replaces what it told before of the same item, so lost messages do no harm.
 */
#ifndef TOOLS_GANTRY_PROGRESS_H
#define TOOLS_GANTRY_PROGRESS_H

#include <stdbool.h>
#include <stdio.h>

#include "protocol/schema.h"

struct progress_view;

enum progress_style { PROGRESS_NONE, PROGRESS_LINES, PROGRESS_BARS };

/* As fits the terminal on stderr; NO_COLOR and TERM=dumb are respected. */
enum progress_style progress_style(bool quiet);

/* `columns` and `rows` of the terminal; `now` is monotonic ns and used for speeds. */
struct progress_view *progress_new(FILE *out, enum progress_style style, bool color);
void progress_size(struct progress_view *view, unsigned columns, unsigned rows);
void progress_take(struct progress_view *view, const struct progress *progress, int64_t now);
/* The last picture; frees. */
void progress_end(struct progress_view **view, int64_t now);

/* For gantry_on_progress(); ctx is the view. */
void progress_told(void *ctx, const struct progress *progress);

#endif
