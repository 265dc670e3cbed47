/* See mounts_text.h. */
#include "platform/linux/mounts_text.h"

#include <string.h>

#include "platform/scope.h"

#define UNIT   '\x1f'
#define RECORD '\x1e'
#define WORDS  3 /* before the options: type, source, target */

/* ---- writing ---------------------------------------------------------------------------- */

static int add_word(struct buffer *text, const char *word, struct error *err)
{
    if (word == NULL)
        word = "";
    if (strpbrk(word, "\x1e\x1f") != NULL)
        return error_set(err, ERROR_INVALID_ARGUMENT,
                         "mount: %.100s holds a separator (0x1e or 0x1f)", word);
    buffer_add(text, word, strlen(word));
    buffer_add(text, (char[]){ UNIT }, 1);
    return 0;
}

static int add_mount(struct buffer *text, const struct mount *mount, struct error *err)
{
    if (add_word(text, mount->type, err) < 0 || add_word(text, mount->source, err) < 0 ||
        add_word(text, mount->target, err) < 0)
        return -1;
    for (size_t i = 0; i < mount->options.count; i++)
        if (add_word(text, mount->options.items[i], err) < 0)
            return -1;
    buffer_add(text, (char[]){ RECORD }, 1);
    return 0;
}

const char *mounts_to_text(const struct list *mounts, struct arena *arena, struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = { 0 };
    const struct mount *items = mounts->items;

    for (size_t i = 0; i < mounts->count; i++)
        if (add_mount(&text, &items[i], err) < 0)
            return NULL;
    buffer_add(&text, "", 1);
    return arena_str(arena, text.data);
}

/* ---- reading ---------------------------------------------------------------------------- */

static size_t count_of(const char *text, const char *end, char c)
{
    size_t count = 0;

    while ((text = memchr(text, c, (size_t)(end - text))) != NULL) {
        count++;
        text++;
    }
    return count;
}

/* One mount: the words up to `end`, which is its record separator. */
static int take_mount(const char *text, const char *end, struct mount *mount, struct arena *arena,
                      struct error *err)
{
    size_t count = count_of(text, end, UNIT);
    const char **words = arena_alloc(arena, (count + 1) * sizeof(*words));

    if (count < WORDS || end[-1] != UNIT)
        return error_set(err, ERROR_INVALID_ARGUMENT, "mounts: a mount without its target");
    for (size_t i = 0; i < count; i++) {
        const char *unit = memchr(text, UNIT, (size_t)(end - text));

        words[i] = arena_printf(arena, "%.*s", (int)(unit - text), text);
        text = unit + 1;
    }
    *mount = (struct mount){ .type = words[0],
                             .source = *words[1] != '\0' ? words[1] : NULL,
                             .target = *words[2] != '\0' ? words[2] : NULL,
                             .options = { count - WORDS, words + WORDS } };
    return 0;
}

int mounts_from_text(const char *text, struct list *mounts, struct arena *arena, struct error *err)
{
    size_t count = count_of(text, text + strlen(text), RECORD);
    struct mount *items = arena_alloc(arena, (count + 1) * sizeof(*items));

    for (size_t i = 0; i < count; i++) {
        const char *end = strchr(text, RECORD);

        if (take_mount(text, end, &items[i], arena, err) < 0)
            return -1;
        text = end + 1;
    }
    if (*text != '\0')
        return error_set(err, ERROR_INVALID_ARGUMENT, "mounts: cut off");
    *mounts = (struct list){ count, items };
    return 0;
}
