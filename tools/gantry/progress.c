/* Bars and lines for long requests; see progress.h. */
#include "tools/gantry/progress.h"

#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/terminal.h"
#include "tools/gantry/format.h"
#include "tools/gantry/text.h"

#define ITEMS_MAX  512       /* more are not shown; an image has at most 127 layers in practice */
#define REDRAW_NS  100000000 /* ten pictures a second */
#define BAR_WIDTH  30
#define SPEED_OVER 500000000 /* speeds are those of the last half second at least */

struct item {
    char name[80];
    char stage[16];
    uint64_t done, total;
    bool has_done, has_total, in_bytes;
    int64_t since; /* of `from`, for the speed */
    uint64_t from;
    double speed; /* units a second; 0: not known */
};

struct progress_view {
    FILE *out;
    enum progress_style style;
    bool color;
    unsigned columns, rows;
    struct item *items;
    size_t count;
    unsigned drawn; /* lines of the picture that is there */
    int64_t drawn_at;
};

enum progress_style progress_style(bool quiet)
{
    const char *term = getenv("TERM");

    if (quiet)
        return PROGRESS_NONE;
    if (!terminal_is(ERRORS_FD) || term == NULL || strcmp(term, "dumb") == 0)
        return PROGRESS_LINES;
    return PROGRESS_BARS;
}

struct progress_view *progress_new(FILE *out, enum progress_style style, bool color)
{
    struct progress_view *view = calloc(1, sizeof(*view));

    if (view == NULL)
        return NULL;
    view->items = calloc(ITEMS_MAX, sizeof(*view->items));
    view->out = out;
    view->style = view->items != NULL ? style : PROGRESS_NONE;
    view->color = color;
    view->columns = 80;
    view->rows = 24;
    return view;
}

void progress_size(struct progress_view *view, unsigned columns, unsigned rows)
{
    view->columns = columns;
    view->rows = rows;
}

/* ---- what is told ------------------------------------------------------- */

static struct item *item_find(struct progress_view *view, const char *name)
{
    for (size_t i = 0; i < view->count; i++)
        if (strcmp(view->items[i].name, name) == 0)
            return &view->items[i];
    if (view->count == ITEMS_MAX)
        return NULL;
    snprintf(view->items[view->count].name, sizeof(view->items[0].name), "%s", name);
    return &view->items[view->count++];
}

static void measure(struct item *item, int64_t now)
{
    if (item->since == 0 || item->done < item->from) {
        item->since = now;
        item->from = item->done;
        item->speed = 0;
        return;
    }
    if (now - item->since < SPEED_OVER)
        return;
    item->speed = (double)(item->done - item->from) * 1e9 / (double)(now - item->since);
    item->since = now;
    item->from = item->done;
}

/* True when the item is new, or in another stage than before. */
static bool update(struct item *item, const struct progress *progress, int64_t now)
{
    bool changed = strncmp(item->stage, progress->stage, sizeof(item->stage) - 1) != 0;

    if (changed)
        item->since = 0;
    snprintf(item->stage, sizeof(item->stage), "%s", progress->stage);
    item->has_done = progress->has_done;
    item->has_total = progress->has_total && progress->total > 0;
    item->done = progress->has_done ? progress->done : 0;
    item->total = item->has_total ? progress->total : 0;
    if (item->has_total && item->done > item->total)
        item->done = item->total;
    item->in_bytes = progress->unit == NULL || strcmp(progress->unit, "bytes") == 0;
    measure(item, now);
    return changed;
}

/* ---- text of one item --------------------------------------------------- */

static const char *stage_text(const char *stage)
{
    static const struct {
        const char *stage, *text;
    } known[] = {
        { "resolve", "Resolving" }, { "download", "Downloading" }, { "unpack", "Unpacking" },
        { "commit", "Committing" }, { "wait", "Waiting" },         { "done", "Done" },
        { "upload", "Uploading" },  { "uploaded", "Uploaded" },    { "present", "There already" },
        { "mounted", "Mounted" },   { "rebase", "Stacking" },      { "pack", "Packing" },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (strcmp(stage, known[i].stage) == 0)
            return known[i].text;
    return stage;
}

static const char *amount_text(const struct item *item, uint64_t amount, char out[24])
{
    if (item->in_bytes)
        return size_text(amount, out);
    snprintf(out, 24, "%llu", (unsigned long long)amount);
    return out;
}

static void add(char *line, size_t room, const char *text)
{
    size_t used = strlen(line);

    if (used < room - 1)
        snprintf(line + used, room - used, "%s", text);
}

static void add_bar(const struct item *item, char *line, size_t room)
{
    char bar[BAR_WIDTH + 3];
    size_t filled = (size_t)((double)item->done / (double)item->total * BAR_WIDTH);

    memset(bar, ' ', sizeof(bar));
    bar[0] = '[';
    memset(bar + 1, '=', filled);
    if (filled < BAR_WIDTH)
        bar[filled + 1] = '>';
    bar[BAR_WIDTH + 1] = ']';
    bar[BAR_WIDTH + 2] = '\0';
    add(line, room, bar);
}

static void item_text(const struct item *item, bool with_bar, char *line, size_t room)
{
    bool over = strcmp(item->stage, "done") == 0;
    char text[64], amount[24];
    struct arena *arena = arena_new();

    snprintf(line, room, "%-14s %-12s", printable(item->name, arena),
             printable(stage_text(item->stage), arena));
    arena_free(arena);
    if (item->has_total && !over && with_bar) {
        add(line, room, " ");
        add_bar(item, line, room);
    }
    if (item->has_done && !over) {
        snprintf(text, sizeof(text), " %s", amount_text(item, item->done, amount));
        add(line, room, text);
    }
    if (item->has_total) {
        snprintf(text, sizeof(text), over ? " %s" : " / %s",
                 amount_text(item, item->total, amount));
        add(line, room, text);
    }
    if (item->speed > 0 && item->in_bytes && !over) {
        snprintf(text, sizeof(text), "  %s/s", size_text((uint64_t)item->speed, amount));
        add(line, room, text);
    }
}

/* ---- drawing ------------------------------------------------------------ */

static const char *color_of(const struct progress_view *view, const struct item *item)
{
    if (!view->color)
        return "";
    if (strcmp(item->stage, "done") == 0)
        return "\033[32m";
    return strcmp(item->stage, "download") == 0 ? "\033[36m" : "";
}

static void draw_line(struct progress_view *view, const struct item *item)
{
    char line[256];
    const char *color = color_of(view, item);
    size_t room = view->columns < sizeof(line) ? view->columns : sizeof(line);

    item_text(item, view->columns >= 80, line, room > 1 ? room : 2);
    fprintf(view->out, "%s%s%s\033[K\n", color, line, color[0] ? "\033[0m" : "");
    view->drawn++;
}

/* When the window is too low for all, what is done goes first. */
static void draw(struct progress_view *view, int64_t now)
{
    size_t room = view->rows > 2 ? view->rows - 2 : 1, hidden;
    size_t skip_done = view->count > room ? view->count - room : 0;

    if (view->drawn > 0)
        fprintf(view->out, "\033[%uA", view->drawn);
    hidden = skip_done;
    view->drawn = 0;
    for (size_t i = 0; i < view->count && view->drawn < room; i++) {
        if (hidden > 0 && strcmp(view->items[i].stage, "done") == 0)
            hidden--;
        else
            draw_line(view, &view->items[i]);
    }
    fputs("\033[J", view->out);
    fflush(view->out);
    view->drawn_at = now;
}

static void print_change(struct progress_view *view, const struct item *item)
{
    char line[256];

    item_text(item, false, line, sizeof(line));
    for (size_t end = strlen(line); end > 0 && line[end - 1] == ' '; end--)
        line[end - 1] = '\0';
    fprintf(view->out, "%s\n", line);
    fflush(view->out);
}

void progress_take(struct progress_view *view, const struct progress *progress, int64_t now)
{
    const char *name = progress->item ? progress->item : "image", *colon = strchr(name, ':');
    char digits[16];
    struct item *item;
    bool changed;

    if (view->style == PROGRESS_NONE)
        return;
    if (colon != NULL && strlen(colon + 1) == 64) { /* a digest: its first digits tell it apart */
        snprintf(digits, sizeof(digits), "%.12s", colon + 1);
        name = digits;
    }
    item = item_find(view, name);
    if (item == NULL)
        return;
    changed = update(item, progress, now);
    if (view->style == PROGRESS_LINES && changed)
        print_change(view, item);
    if (view->style == PROGRESS_BARS && (changed || now - view->drawn_at >= REDRAW_NS))
        draw(view, now);
}

void progress_end(struct progress_view **view, int64_t now)
{
    if (*view == NULL)
        return;
    if ((*view)->style == PROGRESS_BARS && (*view)->count > 0)
        draw(*view, now);
    free((*view)->items);
    free(*view);
    *view = NULL;
}

void progress_told(void *ctx, const struct progress *progress)
{
    struct progress_view *view = ctx;
    unsigned columns, rows;

    terminal_size(ERRORS_FD, &columns, &rows);
    progress_size(view, columns, rows);
    progress_take(view, progress, clock_monotonic());
}
