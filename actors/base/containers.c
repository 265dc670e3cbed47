#include "actors/base/containers.h"

#include <string.h>

#include "platform/scope.h"

#define COLUMNS "SELECT c.record, c.spec, " CONTAINER_STATUS_COLUMNS " FROM containers_container c " CONTAINER_STATUS_JOIN

int container_read(struct query *query, int record, int spec, struct arena *arena, struct container_info *info,
                   struct error *err)
{
    struct bin blob = query_blob(query, record);

    if (record_unpack(container_info_record(), RECORD_LENIENT, blob.data, blob.size, info, arena, err) < 0)
        return error_set(err, ERROR_DATA_LOSS, "a container's record cannot be read: %.200s", err->text);
    info->spec = spec >= 0 ? query_str(query, spec, arena) : NULL;
    return 0;
}

void container_read_status(struct query *query, int first, struct arena *arena, struct container_info *info)
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

static int take_row(struct query *query, bool with_spec, struct arena *arena, struct container_info *info,
                    struct error *err)
{
    if (container_read(query, 0, with_spec ? 1 : -1, arena, info, err) < 0)
        return -1;
    container_read_status(query, 2, arena, info);
    return 0;
}

static bool is_hex_start(const char *text)
{
    return strlen(text) >= 1 && strspn(text, "0123456789abcdefABCDEFghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ._-") == strlen(text);
}

int container_find(struct db *db, const char *namespace, const char *text, bool with_spec, struct arena *arena,
                   struct container_info *info, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(db, &query, err, COLUMNS " WHERE c.namespace = ? AND (c.id = ? OR c.name = ?) ORDER BY c.id = ? DESC",
                 "ssss", namespace, text, text, text) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 1)
        return take_row(&query, with_spec, arena, info, err);
    if (!is_hex_start(text))
        return error_set(err, ERROR_NOT_FOUND, "there is no container '%.80s'", text);
    if (db_query(db, &query, err, COLUMNS " WHERE c.namespace = ? AND c.id >= ? AND c.id < ? || char(1114111) LIMIT 2",
                 "sss", namespace, text, text) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 0)
        return error_set(err, ERROR_NOT_FOUND, "there is no container '%.80s'", text);
    if (take_row(&query, with_spec, arena, info, err) < 0 || (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 1)
        return error_set(err, ERROR_INVALID_ARGUMENT, "several container ids begin with '%.80s': give more of it", text);
    return 0;
}
