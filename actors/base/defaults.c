/* See defaults.h. */
#include "actors/base/defaults.h"

#include "actors/base/log.h"
#include "platform/scope.h"

static int label_read(struct db *db, const char *namespace, const char *label, const char **value,
                      struct arena *arena, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct map labels;
    int found;

    *value = NULL;
    if (db_query(db, &query, err,
                 "SELECT labels FROM namespaces_namespace WHERE name = ? AND labels IS NOT NULL",
                 "s", namespace) < 0)
        return -1;
    found = query_next(&query, err);
    if (found == 1) {
        labels = query_labels(&query, 0, arena);
        *value = map_get(&labels, label);
    }
    return found < 0 ? -1 : 0;
}

const char *default_of(struct db *db, const char *namespace, const char *label, const char *asked,
                       const char *otherwise, struct arena *arena)
{
    struct error err = { 0 };
    const char *value;

    if (asked != NULL)
        return asked;
    if (label_read(db, namespace, label, &value, arena, &err) < 0) {
        log_warn("namespaces", "labels of %s: %s", namespace, err.text);
        return otherwise;
    }
    return value != NULL ? value : otherwise;
}
