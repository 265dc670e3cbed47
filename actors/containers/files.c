/*
 * The small files of a container's folder (hostname, hosts, resolv.conf), kept with its record.
 *
 * A record is on disk when it is answered, and a file only some time later: syncing three of them and their folders would
 * make every create wait for the disk several times more.  So the record has what is in them, and after a boot
 * what is missing or empty is written again.  What a container has changed in one is kept if the disk has it.
 */
#include "actors/base/log.h"
#include "actors/containers/containers.h"
#include "platform/platform.h"
#include "platform/scope.h"

int files_put(struct write *write, const char *id, const struct list *files, struct error *err)
{
    const struct container_file *items = files->items;

    for (size_t i = 0; i < files->count; i++)
        if (db_run(write_db(write), err, "INSERT INTO containers_file (namespace, id, name, bytes) VALUES (?, ?, ?, ?)",
                   "sssb", write_namespace(write), id, items[i].name,
                   items[i].bytes.size > 0 ? items[i].bytes.data : "", items[i].bytes.size) < 0)
            return -1;
    return 0;
}

static bool is_lost(const char *path, size_t size)
{
    struct fs_info info;
    struct error ignored;

    return fs_stat(path, &info, &ignored) < 0 || (info.size == 0 && size > 0);
}

/* Row: namespace, id, name, bytes. */
static int restore(const struct containers *containers, struct query *row, struct error *err)
{
    char folder[PATH_SIZE], path[PATH_SIZE];
    struct bin bytes = query_blob(row, 3);

    if (path_format(folder, err, "%s/containers/%s", containers->config->root, query_text(row, 0)) < 0 ||
        path_format(path, err, "%s/%s/%s", folder, query_text(row, 1), query_text(row, 2)) < 0)
        return -1;
    if (!is_lost(path, bytes.size))
        return 0;
    log_info("containers", "container %s: its %s was lost with the machine, it is written anew", query_text(row, 1),
             query_text(row, 2));
    if (fs_folder_make(folder, 0711, err) < 0 ||
        path_format(folder, err, "%s/containers/%s/%s", containers->config->root, query_text(row, 0),
                    query_text(row, 1)) < 0 ||
        fs_folder_make(folder, 0711, err) < 0)
        return -1;
    return fs_write(path, bytes.size > 0 ? bytes.data : "", bytes.size, 0644, false, err);
}

int files_restore(const struct containers *containers, struct error *err)
{
    CLEANUP(query_done) struct query row = { 0 };
    int more;

    if (db_query(containers->db, &row, err, "SELECT namespace, id, name, bytes FROM containers_file", "") < 0)
        return -1;
    while ((more = query_next(&row, err)) == 1)
        if (restore(containers, &row, err) < 0)
            return -1;
    return more;
}
