/*
 * Rows against files, and records against the journal: what must hold after every
 * crash.  No row without its file, no file without its row, and a record exists if and
 * only if the journal's last word about it says so.  Reads only, what each actor wrote.
 *
 * Others go on working meanwhile, and what is just being made or removed looks wrong for a
 * moment: a finding counts when it is still there after several looks.
 */
#include "actors/base/log.h"
#include "actors/daemon/check.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/digest.h"

#define FINDINGS_MAX 1000
#define HASH_BLOCK   (256u * 1024)
#define LOOKS        10
#define LOOK_MS      100 /* between two */

/* The ways out. */
#define AT_START   "it goes when gantryd starts the next time"
#define REFETCH    "gantry check --repair fetches it anew"
#define REBUILD    "gantry check --repair unpacks it anew"
#define RESTART    "restart gantryd; if it is still said then, remove the object and make it again"
#define BACKUP     "stop gantryd, and put a backup of the file in its place"

void check_found(struct check *check, const char *what, const char *name, const char *problem, const char *hint)
{
    struct finding *findings = check->reply->findings.items;

    if (check->reply->findings.count >= FINDINGS_MAX)
        return;
    findings[check->reply->findings.count++] = (struct finding){
        .what = arena_printf(check->arena, "%s %s", what, name),
        .problem = arena_str(check->arena, problem),
        .hint = hint,
    };
}

/* ---- rows to files ------------------------------------------------------------------------ */

static int hash_file(const char *path, const char *digest, bool *same, struct error *err)
{
    CLEANUP(digester_drop) struct digester hash = { 0 };
    CLEANUP(file_close) int file = -1;
    char text[DIGEST_TEXT_SIZE], *block;
    int64_t got = -1;

    if (digester_open(&hash, digest, err) < 0 || file_open_read(path, &file, err) < 0)
        return -1;
    block = malloc(HASH_BLOCK);
    while (block != NULL && (got = file_read(file, block, HASH_BLOCK, err)) > 0)
        digester_add(&hash, block, (size_t)got);
    free(block);
    if (got < 0 || digester_finish(&hash, text, err) < 0)
        return -1;
    *same = strcmp(text, digest) == 0;
    return 0;
}

static int blob_path(struct check *check, const char *digest, char path[PATH_SIZE], struct error *err)
{
    return path_format(path, err, "%s/blobs/%.*s/%s", check->config->root, (int)strcspn(digest, ":"), digest,
                       digest_hex(digest));
}

static int check_blob(struct check *check, const char *digest, uint64_t size, struct error *err)
{
    char path[PATH_SIZE];
    struct fs_info info;
    struct error problem = { 0 };

    if (blob_path(check, digest, path, err) < 0)
        return -1;
    if (fs_stat(path, &info, &problem) < 0)
        check_found(check, "content", digest, "its file is missing", REFETCH);
    else if (info.size != size)
        check_found(check, "content", digest, "its file has another size", REFETCH);
    return 0;
}

/* One that is gone meanwhile, or always was, is not judged here. */
static int check_bytes(struct check *check, const char *digest, uint64_t size, struct error *err)
{
    char path[PATH_SIZE];
    struct error problem = { 0 };
    bool same = true;

    (void)size;
    if (blob_path(check, digest, path, err) < 0)
        return -1;
    if (hash_file(path, digest, &same, &problem) < 0 && problem.code != ERROR_NOT_FOUND)
        check_found(check, "content", digest, problem.text, REFETCH);
    else if (!same)
        check_found(check, "content", digest, "its file has other bytes", REFETCH);
    return 0;
}

static int check_blobs(struct check *check,
                       int (*one)(struct check *check, const char *digest, uint64_t size, struct error *err),
                       struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int more;

    if (db_query(check->db, &query, err, "SELECT DISTINCT digest, size FROM content_blob", "") < 0)
        return -1;
    while ((more = query_next(&query, err)) == 1) {
        check->reply->checked++;
        if (one(check, query_text(&query, 0), (uint64_t)query_int(&query, 1), err) < 0)
            return -1;
    }
    return more;
}

/* Rows whose second column is a file or folder below the root; an empty one is none. */
static int check_places(struct check *check, const char *sql, const char *what, const char *problem, const char *hint,
                        struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    char path[PATH_SIZE];
    int more;

    if (db_query(check->db, &query, err, sql, "") < 0)
        return -1;
    while ((more = query_next(&query, err)) == 1) {
        check->reply->checked++;
        if (path_format(path, err, "%s/%s", check->config->root, query_text(&query, 1)) < 0)
            return -1;
        if (!fs_exists(path))
            check_found(check, what, query_text(&query, 0), problem, hint);
    }
    return more;
}

/* Plugins keep theirs elsewhere. */
#define LAYERS    "SELECT id, 'snapshots/' || id || '/fs' FROM snapshots_layer WHERE driver IN ('overlay', 'native', 'btrfs') "
#define COMMITTED "(SELECT 1 FROM snapshots_snapshot s WHERE s.layer = snapshots_layer.id AND s.kind = 'committed')"

static int check_rows(struct check *check, struct error *err)
{
    if (check_places(check, LAYERS "AND EXISTS " COMMITTED, "snapshot folder", "is missing", REBUILD, err) < 0 ||
        check_places(check, LAYERS "AND NOT EXISTS " COMMITTED, "snapshot folder", "is missing", RESTART, err) < 0 ||
        check_places(check, "SELECT ref, 'ingests/' || file FROM content_ingest", "ingest", "its file is missing",
                     "restart gantryd; the next pull begins it anew", err) < 0 ||
        check_places(check, "SELECT name, 'volumes/' || namespace || '/' || name || '/data' FROM volumes_volume", "volume",
                     "its folder is missing", "restart gantryd, and it is there again, empty", err) < 0)
        return -1;
    return check_places(check, "SELECT id, 'containers/' || namespace || '/' || id FROM containers_container", "container",
                        "its folder is missing", "remove it (gantry rm), and create it again", err);
}

/* ---- files to rows ------------------------------------------------------------------------- */

struct files {
    struct check *check;
    const char *what;
    const char *sql; /* one row for a name that is known */
    const char *prefix;
};

static int check_name(void *ctx, const char *name, struct error *err)
{
    struct files *files = ctx;
    CLEANUP(query_done) struct query query = { 0 };
    char key[400];
    int found_row;

    files->check->reply->checked++;
    snprintf(key, sizeof(key), "%s%s", files->prefix, name);
    if (db_query(files->check->db, &query, err, files->sql, "s", key) < 0 || (found_row = query_next(&query, err)) < 0)
        return -1;
    if (found_row == 0)
        check_found(files->check, files->what, name, "no row names it", AT_START);
    return 0;
}

static int check_folder(struct check *check, const char *folder, struct files files, struct error *err)
{
    char path[PATH_SIZE];

    files.check = check;
    if (path_format(path, err, "%s/%s", check->config->root, folder) < 0)
        return -1;
    return fs_exists(path) ? fs_folder_each(path, check_name, &files, err) : 0;
}

/* Folders that lie below one of their namespace. */
struct by_namespace {
    struct check *check;
    const char *folder, *what, *sql; /* of the row that namespace/name means */
};

static int check_namespace_folder(void *ctx, const char *name, struct error *err)
{
    const struct by_namespace *by = ctx;
    char folder[300], prefix[200];
    struct files files = { .what = by->what, .prefix = prefix, .sql = by->sql };

    snprintf(folder, sizeof(folder), "%s/%s", by->folder, name);
    snprintf(prefix, sizeof(prefix), "%s/", name);
    return check_folder(by->check, folder, files, err);
}

static int check_namespaces(struct by_namespace by, struct error *err)
{
    char path[PATH_SIZE];

    if (path_format(path, err, "%s/%s", by.check->config->root, by.folder) < 0)
        return -1;
    return fs_exists(path) ? fs_folder_each(path, check_namespace_folder, &by, err) : 0;
}

static int check_files(struct check *check, struct error *err)
{
    const struct files blobs = { .what = "content file", .prefix = "sha256:", .sql = "SELECT 1 FROM content_blob WHERE digest = ?" };
    const struct files more_blobs = { .what = "content file", .prefix = "sha512:",
                                      .sql = "SELECT 1 FROM content_blob WHERE digest = ?" };
    const struct files layers = { .what = "snapshot folder", .prefix = "",
                                  .sql = "SELECT 1 FROM snapshots_layer WHERE id = CAST(?1 AS INTEGER)"
                                         " AND CAST(id AS TEXT) = ?1" };
    const struct files ingests = { .what = "ingest file", .prefix = "", .sql = "SELECT 1 FROM content_ingest WHERE file = ?" };
    const struct by_namespace containers = {
        check, "containers", "container folder",
        "SELECT 1 FROM containers_container WHERE namespace = substr(?1, 1, instr(?1, '/') - 1)"
        " AND id = substr(?1, instr(?1, '/') + 1)"
    };
    const struct by_namespace volumes = {
        check, "volumes", "volume folder",
        "SELECT 1 FROM volumes_volume WHERE namespace = substr(?1, 1, instr(?1, '/') - 1)"
        " AND name = substr(?1, instr(?1, '/') + 1)"
    };

    if (check_folder(check, "blobs/sha256", blobs, err) < 0 || check_folder(check, "blobs/sha512", more_blobs, err) < 0 ||
        check_folder(check, "snapshots", layers, err) < 0 || check_folder(check, "ingests", ingests, err) < 0 ||
        check_namespaces(containers, err) < 0)
        return -1;
    return check_namespaces(volumes, err);
}

/* ---- records and events ---------------------------------------------------------------------- */

static int check_sql(struct check *check, const char *sql, const char *what, const char *problem, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int more;

    if (db_query(check->db, &query, err, sql, "") < 0)
        return -1;
    while ((more = query_next(&query, err)) == 1)
        check_found(check, what, query_text(&query, 0), problem, RESTART);
    return more;
}

/* The journal's last word about each record, in a table of our own connection. */
static const char last_words[] =
    "CREATE TEMP TABLE last_word AS"
    " SELECT namespace, substr(topic, 1, instr(substr(topic, 2), '/')) AS kind, id,"
    "        substr(topic, 2 + instr(substr(topic, 2), '/')) AS word, max(sequence)"
    " FROM events_journal WHERE topic LIKE '/%/create' OR topic LIKE '/%/delete' OR topic LIKE '/snapshot/%'"
    " GROUP BY 1, 2, 3;"
    "CREATE INDEX temp.last_word_of ON last_word (kind, namespace, id)";

/* The journal is bounded: of what is older than its first row it says nothing. */
#define ROW_WITHOUT_EVENT(table, column, of, made)                                                         \
    "SELECT r." column " FROM " table " r LEFT JOIN last_word w ON w.kind = '" of "' AND w.namespace = r.namespace" \
    " AND w.id = r." column " WHERE (SELECT min(sequence) FROM events_journal) <= 1 AND w.word IS NOT '" made "'"
#define EVENT_WITHOUT_ROW(table, column, of, made)                                                         \
    "SELECT w.id FROM last_word w LEFT JOIN " table " r ON r.namespace = w.namespace AND r." column        \
    " = w.id WHERE w.kind = '" of "' AND w.word = '" made "' AND r." column " IS NULL"
#define BOTH(table, column, of, made)                                                                      \
    ROW_WITHOUT_EVENT(table, column, of, made), EVENT_WITHOUT_ROW(table, column, of, made)

/* A committed snapshot is another record, made in passing: see the owner's events. */
#define UNFINISHED "(SELECT * FROM snapshots_snapshot WHERE kind <> 'committed')"

/* Records that name others. */
static int check_names(struct check *check, struct error *err)
{
    static const struct {
        const char *what, *sql, *problem;
    } all[] = {
        { "container", "SELECT c.id FROM containers_container c WHERE c.snapshot IS NOT NULL AND NOT EXISTS"
                       " (SELECT 1 FROM snapshots_snapshot s WHERE s.namespace = c.namespace AND s.driver = c.driver"
                       " AND s.key = c.snapshot)", "its snapshot is not there" },
        { "container", "SELECT c.container FROM containers_volume c WHERE NOT EXISTS"
                       " (SELECT 1 FROM volumes_volume v WHERE v.namespace = c.namespace AND v.name = c.volume)",
          "one of its volumes is not there" },
        { "snapshot", "SELECT s.key FROM snapshots_snapshot s WHERE NOT EXISTS"
                      " (SELECT 1 FROM snapshots_layer l WHERE l.id = s.layer)", "it has no layer" },
        { "snapshot layer", "SELECT l.id FROM snapshots_layer l WHERE l.parent IS NOT NULL AND NOT EXISTS"
                            " (SELECT 1 FROM snapshots_layer p WHERE p.id = l.parent)", "what it stands on is not there" },
    };

    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (check_sql(check, all[i].sql, all[i].what, all[i].problem, err) < 0)
            return -1;
    return 0;
}

static int check_journal(struct check *check, struct error *err)
{
    static const struct {
        const char *what, *row, *event;
    } all[] = {
        { "image", BOTH("images_image", "name", "/images", "create") },
        { "container", BOTH("containers_container", "id", "/containers", "create") },
        { "volume", BOTH("volumes_volume", "name", "/volumes", "create") },
        { "content", BOTH("content_blob", "digest", "/content", "create") },
        { "snapshot", BOTH(UNFINISHED, "key", "/snapshot", "prepare") },
    };
    int result = 0;

    if (db_script(check->db, "BEGIN", err) < 0) /* one moment for all of it */
        return -1;
    if (db_script(check->db, last_words, err) < 0)
        result = -1;
    else if (check_sql(check, "SELECT t.id FROM tasks_task t LEFT JOIN containers_container c USING (namespace, id)"
                              " WHERE c.id IS NULL", "task", "there is no such container", err) < 0)
        result = -1;
    if (result == 0)
        result = check_names(check, err);
    for (size_t i = 0; i < COUNT_OF(all) && result == 0; i++)
        if (check_sql(check, all[i].row, all[i].what, "the journal has no event of its making", err) < 0 ||
            check_sql(check, all[i].event, all[i].what, "the journal says it exists, and it does not", err) < 0)
            result = -1;
    return db_script(check->db, "ROLLBACK", result < 0 ? &(struct error){ 0 } : err) < 0 ? -1 : result;
}

/* ---- all of it ---------------------------------------------------------------------------------- */

static int look(struct check *check, struct error *err)
{
    struct error damage = { 0 };

    check->reply->checked = 0;
    check->reply->findings = (struct list){ 0, arena_alloc(check->arena, FINDINGS_MAX * sizeof(struct finding)) };
    if (db_check(check->db, &damage) < 0)
        check_found(check, "database", check->config->database, damage.text, BACKUP);
    if (check_blobs(check, check_blob, err) < 0 || check_rows(check, err) < 0 || check_files(check, err) < 0)
        return -1;
    return check_journal(check, err);
}

static bool has_finding(const struct list *list, const struct finding *wanted)
{
    const struct finding *findings = list->items;

    for (size_t i = 0; i < list->count; i++)
        if (strcmp(findings[i].what, wanted->what) == 0 && strcmp(findings[i].problem, wanted->problem) == 0)
            return true;
    return false;
}

/* Of the findings, those that were there before. */
static void keep_old(struct list *list, const struct list *before)
{
    struct finding *findings = list->items;
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++)
        if (has_finding(before, &findings[i]))
            findings[kept++] = findings[i];
    list->count = kept;
}

int daemon_check(struct job *job, struct db *db, const struct daemon_config *config,
                 const struct daemon_check_request *want, struct daemon_check_reply *reply, struct error *err)
{
    struct check check = { job, db, config, job_arena(job), reply };

    if (look(&check, err) < 0)
        return -1;
    for (int looks = 1; reply->findings.count > 0 && looks < LOOKS; looks++) {
        const struct list before = reply->findings;

        if (job_wait(job, -1, 0, LOOK_MS, err) < 0 || look(&check, err) < 0)
            return -1;
        keep_old(&reply->findings, &before);
    }
    if (want->has_deep && want->deep &&
        (check_blobs(&check, check_bytes, err) < 0 || check_layers(&check, err) < 0))
        return -1;
    return want->has_repair && want->repair ? check_repair(&check, err) : 0;
}
