#include "actors/base/users.h"

#include <stdlib.h>

#include "platform/platform.h"
#include "platform/scope.h"

static int read_file(const char *root, uint64_t layer, const char *name, struct arena *arena, struct bin *out,
                     struct error *err)
{
    char path[PATH_SIZE];
    struct error missing = { 0 };
    size_t size;
    char *text;

    *out = (struct bin){ 0 };
    if (layer == 0)
        return 0;
    if (path_format(path, err, "%s/snapshots/%llu/users/%s", root, (unsigned long long)layer, name) < 0)
        return -1;
    text = fs_read(path, USERS_FILE_MAX, &size, &missing);
    if (text == NULL)
        return missing.code == ERROR_NOT_FOUND ? 0 : (*err = missing, -1);
    *out = (struct bin){ arena_copy(arena, text, size), size };
    free(text);
    return 0;
}

int users_of_layer(const char *root, uint64_t layer, const char *text, const struct strs *group_add,
                   struct arena *arena, struct user_ids *ids, struct error *err)
{
    struct user_files files;

    if (read_file(root, layer, "passwd", arena, &files.passwd, err) < 0 ||
        read_file(root, layer, "group", arena, &files.group, err) < 0)
        return -1;
    return users_resolve(text, &files, group_add, arena, ids, err);
}

int users_of_container(struct db *db, const char *root, const char *namespace, const struct container_info *info,
                       const char *text, const struct strs *group_add, struct arena *arena, struct user_ids *ids,
                       struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(db, &query, err,
                 "SELECT p.layer FROM snapshots_snapshot s JOIN snapshots_snapshot p "
                 "ON p.namespace = s.namespace AND p.driver = s.driver AND p.key = s.parent "
                 "WHERE s.namespace = ? AND s.driver = ? AND s.key = ?",
                 "sss", namespace, info->driver, info->snapshot) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    return users_of_layer(root, found == 1 ? (uint64_t)query_int(&query, 0) : 0, text, group_add, arena, ids, err);
}
