/* Labels as edges: two prefixes and four kinds, matched by hand. */
#include "actors/base/edge.h"

#include <string.h>

#include "platform/scope.h"
#include "protocol/json.h"

#define REF  "containerd.io/gc.ref."
#define BREF "containerd.io/gc.bref."

/* What follows the word `kind`; NULL: the text begins with another word. */
static const char *behind_kind(const char *text, const char *kind)
{
    size_t length = strlen(kind);

    if (strncmp(text, kind, length) != 0 ||
        (text[length] != '\0' && text[length] != '.' && text[length] != '/'))
        return NULL;
    return text + length;
}

/* Behind the kind stands what only tells labels apart; but first a snapshot's driver. */
static bool read_kind(const char *text, struct edge *edge, struct arena *arena)
{
    static const char *const kinds[] = { "content", "image", "container" };
    const char *rest = behind_kind(text, "snapshot");

    edge->driver = "";
    if (rest != NULL) {
        size_t length = *rest == '.' ? strcspn(rest + 1, "/") : 0;

        edge->kind = "snapshot";
        edge->driver = length > 0 ? arena_printf(arena, "%.*s", (int)length, rest + 1) : "";
        return length > 0;
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (behind_kind(text, kinds[i]) != NULL) {
            edge->kind = kinds[i];
            return edge->back || i < 2; /* nothing needs a container */
        }
    return false;
}

size_t labels_edges(const struct map *labels, struct edge **edges, struct arena *arena)
{
    size_t count = 0;

    *edges = arena_alloc(arena, (labels->count + 1) * sizeof(**edges));
    for (size_t i = 0; i < labels->count; i++) {
        const struct map_entry *label = &labels->entries[i];
        struct edge *edge = &(*edges)[count];
        bool ref = strncmp(label->key, REF, strlen(REF)) == 0;

        *edge = (struct edge){ .key = label->value,
                               .back = strncmp(label->key, BREF, strlen(BREF)) == 0 };
        if ((ref || edge->back) && *label->value != '\0' &&
            read_kind(label->key + strlen(ref ? REF : BREF), edge, arena))
            count++;
    }
    return count;
}

/* ---- in writes ---------------------------------------------------------------------------- */

int edges_drop(struct write *write, const char *kind, const char *driver, const char *key,
               struct error *err)
{
    if (db_run(write_db(write), err,
               "DELETE FROM collector_edge WHERE namespace = ? AND kind = ? AND driver = ?"
               " AND key = ? AND back = 0",
               "ssss", write_namespace(write), kind, driver, key) < 0)
        return -1;
    return db_run(write_db(write), err,
                  "DELETE FROM collector_edge WHERE namespace = ? AND to_kind = ?"
                  " AND to_key = ? AND to_driver = ? AND back = 1",
                  "ssss", write_namespace(write), kind, key, driver);
}

static int edge_add(struct write *write, const struct edge *from, const struct edge *to, bool back,
                    struct error *err)
{
    return db_run(write_db(write), err,
                  "INSERT OR IGNORE INTO collector_edge"
                  " (namespace, kind, driver, key, to_kind, to_driver, to_key, back)"
                  " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                  "sssssssi", write_namespace(write), from->kind, from->driver, from->key, to->kind,
                  to->driver, to->key, (int64_t)back);
}

int edges_write(struct write *write, const char *kind, const char *driver, const char *key,
                const struct map *labels, struct error *err)
{
    const struct edge self = { .kind = kind, .driver = driver, .key = key };
    struct edge *edges;
    size_t count = labels_edges(labels, &edges, write_arena(write));

    if (edges_drop(write, kind, driver, key, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (edge_add(write, edges[i].back ? &edges[i] : &self, edges[i].back ? &self : &edges[i],
                     edges[i].back, err) < 0)
            return -1;
    return 0;
}

int labels_expiry(const struct map *labels, int64_t *expires, struct error *err)
{
    const char *label = map_get(labels, LABEL_GC_EXPIRE);

    *expires = 0;
    if (label == NULL)
        return 0;
    if (time_parse(label, expires) == 0) {
        *expires = *expires > 0 ? *expires : 1;
        return 0;
    }
    error_set(err, ERROR_INVALID_ARGUMENT, "label %s: '%.60s' is no RFC 3339 time", LABEL_GC_EXPIRE,
              label);
    return error_hint(err, "as 2026-11-28T12:00:00Z");
}
