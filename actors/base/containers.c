#include "actors/base/containers.h"

#include <string.h>

#include "platform/scope.h"

/* What the task is at: the columns from `first` on. */
static void read_status(struct query *query, int first, struct arena *arena, struct container_info *info)
{
    const char *status = query_text(query, first);

    info->status = status == NULL ? "created" : strcmp(status, "stopped") == 0 ? "exited" : arena_str(arena, status);
    info->status_reason = query_str(query, first + 1, arena);
    if (!query_is_null(query, first + 2)) {
        info->pid = (uint64_t)query_int(query, first + 2);
        info->has_pid = info->pid != 0 && strcmp(info->status, "exited") != 0;
    }
    info->exit_status = (uint64_t)query_int(query, first + 3);
    info->has_exit_status = !query_is_null(query, first + 3);
    info->started = query_int(query, first + 4);
    info->has_started = !query_is_null(query, first + 4);
    info->exited = query_int(query, first + 5);
    info->has_exited = !query_is_null(query, first + 5);
}

int container_read(struct query *query, struct arena *arena, struct container_info *info, struct error *err)
{
    struct bin blob = query_blob(query, 0);

    if (record_unpack(container_info_record(), RECORD_LENIENT, blob.data, blob.size, info, arena, err) < 0)
        return error_set(err, ERROR_DATA_LOSS, "a container's record cannot be read: %.200s", err->text);
    info->spec = query_str(query, 1, arena);
    read_status(query, 2, arena, info);
    return 0;
}

static bool may_begin_an_id(const char *text)
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._-";

    return text[0] != '\0' && text[strspn(text, alphabet)] == '\0';
}

int container_find(struct db *db, const char *namespace, const char *text, bool with_spec, struct arena *arena,
                   struct container_info *info, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(db, &query, err, CONTAINER_SELECT " WHERE c.namespace = ? AND (c.id = ? OR c.name = ?) ORDER BY c.id = ? DESC",
                 "issss", with_spec, namespace, text, text, text) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 1)
        return container_read(&query, arena, info, err);
    if (!may_begin_an_id(text))
        return error_set(err, ERROR_NOT_FOUND, "there is no container '%.80s'", text);
    if (db_query(db, &query, err, CONTAINER_SELECT " WHERE c.namespace = ? AND c.id >= ? AND c.id < ? || char(1114111) LIMIT 2",
                 "isss", with_spec, namespace, text, text) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERROR_NOT_FOUND, "there is no container '%.80s'", text);
    if (container_read(&query, arena, info, err) < 0 || (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 1)
        return error_set(err, ERROR_INVALID_ARGUMENT, "several container ids begin with '%.80s': give more of it", text);
    return 0;
}
