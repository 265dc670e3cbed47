/* See last_stop.h. */
#include "actors/supervisor/last_stop.h"

#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"

void last_stop_look(struct last_stop *last, const char *database)
{
    char log[PATH_SIZE];
    struct error ignored;

    *last = (struct last_stop){ .unclean = path_format(log, &ignored, "%s-wal", database) == 0 && fs_exists(log) };
}

int last_stop_ask(struct last_stop *last, struct db *db, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(db, &query, err, "SELECT boot FROM events_journal ORDER BY sequence DESC LIMIT 1", "") < 0)
        return -1;
    found = query_next(&query, err);
    last->new_boot = found == 1 && !query_is_null(&query, 0) && strcmp(query_text(&query, 0), machine_boot_id()) != 0;
    return found < 0 ? -1 : 0;
}
