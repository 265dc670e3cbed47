/* Labels as edges: two prefixes, matched by hand. */
#include "actors/base/edge.h"

#include <string.h>

#define REF_CONTENT  "containerd.io/gc.ref.content"
#define REF_SNAPSHOT "containerd.io/gc.ref.snapshot."

/* Behind the prefix: nothing, or a suffix that only tells labels apart. */
static bool is_content_ref(const char *key)
{
    size_t length = strlen(REF_CONTENT);

    return strncmp(key, REF_CONTENT, length) == 0 &&
           (key[length] == '\0' || key[length] == '.' || key[length] == '/');
}

static const char *snapshot_driver(const char *key, struct arena *arena)
{
    size_t length = strlen(REF_SNAPSHOT);

    if (strncmp(key, REF_SNAPSHOT, length) != 0)
        return NULL;
    return arena_printf(arena, "%.*s", (int)strcspn(key + length, "/"), key + length);
}

size_t labels_edges(const struct map *labels, struct edge **edges, struct arena *arena)
{
    size_t count = 0;

    *edges = arena_alloc(arena, labels->count * sizeof(**edges));
    for (size_t i = 0; i < labels->count; i++) {
        const struct map_entry *label = &labels->entries[i];
        const char *driver;

        if (is_content_ref(label->key))
            (*edges)[count++] = (struct edge){ "content", "", label->value };
        else if ((driver = snapshot_driver(label->key, arena)) != NULL && *driver != '\0')
            (*edges)[count++] = (struct edge){ "snapshot", driver, label->value };
    }
    return count;
}
