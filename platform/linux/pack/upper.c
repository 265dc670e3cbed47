/* upper — see upper.h. */
#include "platform/linux/pack/upper.h"

#include <string.h>

#define LOWER "lowerdir="
#define UPPER "upperdir="

struct stack {
    const char **layers; /* highest first, as paths */
    size_t count;
    const char *upper; /* that changes go to; NULL */
};

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const char *option(const struct mount *mount, const char *prefix)
{
    for (size_t i = 0; i < mount->options.count; i++)
        if (has_prefix(mount->options.items[i], prefix))
            return mount->options.items[i] + strlen(prefix);
    return NULL;
}

/* One path of a list: up to a colon that no backslash hides.  Says what is behind it. */
static const char *path_take(const char *text, const char **path, struct arena *arena)
{
    char *out = arena_alloc(arena, strlen(text) + 1);

    *path = out;
    for (; *text != '\0' && *text != ':'; text++) {
        if (*text == '\\' && text[1] != '\0')
            text++;
        *out++ = *text;
    }
    *out = '\0';
    return text + (*text == ':');
}

static bool is_bind(const struct mount *mount)
{
    if (strcmp(mount->type, "bind") == 0)
        return true;
    for (size_t i = 0; i < mount->options.count; i++)
        if (strcmp(mount->options.items[i], "bind") == 0 ||
            strcmp(mount->options.items[i], "rbind") == 0)
            return true;
    return false;
}

/* False: these are no layers that lie side by side. */
static bool stack_of(const struct list *mounts, struct stack *stack, struct arena *arena)
{
    const struct mount *mount = mounts->items;
    const char *lower, *text;

    *stack = (struct stack){ 0 };
    if (mounts->count != 1 || mount->target != NULL)
        return false;
    if (is_bind(mount) && mount->source != NULL) {
        stack->layers = arena_alloc(arena, sizeof(*stack->layers));
        stack->layers[stack->count++] = mount->source;
        return true;
    }
    lower = strcmp(mount->type, "overlay") == 0 ? option(mount, LOWER) : NULL;
    if (lower == NULL)
        return false;
    stack->layers = arena_alloc(arena, (strlen(lower) + 1) * sizeof(*stack->layers));
    while (*lower != '\0')
        lower = path_take(lower, &stack->layers[stack->count++], arena);
    text = option(mount, UPPER);
    if (text != NULL) /* no list, but escaped in the same way */
        path_take(text, &stack->upper, arena);
    return true;
}

static bool is_same(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
    for (size_t i = 0; i < a_count && a_count == b_count; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return a_count == b_count;
}

const char *upper_find(const struct list *before, const struct list *after, struct arena *arena)
{
    struct stack below, above;

    if (!stack_of(before, &below, arena) || !stack_of(after, &above, arena) || below.upper != NULL)
        return NULL;
    if (above.upper != NULL)
        return is_same(below.layers, below.count, above.layers, above.count) ? above.upper : NULL;
    return above.count > 1 && is_same(below.layers, below.count, above.layers + 1, above.count - 1)
               ? above.layers[0]
               : NULL;
}
