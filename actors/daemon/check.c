/*
 * Rows against files, and records against the journal: what must hold after every
 * crash.  No row without its file, no file without its row, and a record exists if and
 * only if the journal's last word about it says so.  Reads only, what each actor wrote.
 */
#include "actors/base/log.h"
#include "actors/daemon/daemon.h"
#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/oci/digest.h"

#define FINDINGS_MAX 1000
#define HASH_BLOCK   (256u * 1024)

struct check {
    struct db *db;
    const struct daemon_config *config;
    struct arena *arena;
    struct daemon_check_reply *reply;
    bool deep;
};

static void found(struct check *check, const char *what, const char *name, const char *problem)
{
    struct finding *findings = check->reply->findings.items;

    if (check->reply->findings.count >= FINDINGS_MAX)
        return;
    findings[check->reply->findings.count++] = (struct finding){
        .what = arena_printf(check->arena, "%s %s", what, name), .problem = arena_str(check->arena, problem)
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

static int check_blob(struct check *check, const char *digest, uint64_t size, struct error *err)
{
    char path[PATH_SIZE];
    struct fs_info info;
    struct error problem = { 0 };
    bool same = true;

    if (path_format(path, err, "%s/blobs/%.*s/%s", check->config->root, (int)strcspn(digest, ":"), digest,
                    digest_hex(digest)) < 0)
        return -1;
    if (fs_stat(path, &info, &problem) < 0)
        found(check, "content", digest, "its file is missing");
    else if (info.size != size)
        found(check, "content", digest, "its file has another size");
    else if (check->deep && hash_file(path, digest, &same, &problem) < 0)
        found(check, "content", digest, problem.text);
    else if (!same)
        found(check, "content", digest, "its file has other bytes");
    return 0;
}

static int check_blobs(struct check *check, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int more;

    if (db_query(check->db, &query, err, "SELECT DISTINCT digest, size FROM content_blob", "") < 0)
        return -1;
    while ((more = query_next(&query, err)) == 1) {
        check->reply->checked++;
        if (check_blob(check, query_text(&query, 0), (uint64_t)query_int(&query, 1), err) < 0)
            return -1;
    }
    return more;
}

static int check_layers(struct check *check, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    char path[PATH_SIZE], number[24];
    int more;

    if (db_query(check->db, &query, err, "SELECT id FROM snapshots_layer", "") < 0)
        return -1;
    while ((more = query_next(&query, err)) == 1) {
        snprintf(number, sizeof(number), "%lld", (long long)query_int(&query, 0));
        check->reply->checked++;
        if (path_format(path, err, "%s/snapshots/%s/fs", check->config->root, number) < 0)
            return -1;
        if (!fs_exists(path))
            found(check, "snapshot folder", number, "is missing");
    }
    return more;
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
    char key[300];
    int found_row;

    files->check->reply->checked++;
    snprintf(key, sizeof(key), "%s%s", files->prefix, name);
    if (db_query(files->check->db, &query, err, files->sql, "s", key) < 0 || (found_row = query_next(&query, err)) < 0)
        return -1;
    if (found_row == 0)
        found(files->check, files->what, name, "no row names it");
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


static int check_namespace_folder(void *ctx, const char *name, struct error *err)
{
    struct check *check = ctx;
    char folder[300], prefix[200];
    struct files files = { .what = "container folder", .prefix = prefix,
                           .sql = "SELECT 1 FROM containers_container WHERE namespace || '/' || id = ?" };

    snprintf(folder, sizeof(folder), "containers/%s", name);
    snprintf(prefix, sizeof(prefix), "%s/", name);
    return check_folder(check, folder, files, err);
}

static int check_files(struct check *check, struct error *err)
{
    const struct files blobs = { .what = "content file", .prefix = "sha256:", .sql = "SELECT 1 FROM content_blob WHERE digest = ?" };
    const struct files layers = { .what = "snapshot folder", .prefix = "",
                                  .sql = "SELECT 1 FROM snapshots_layer WHERE CAST(id AS TEXT) = ?" };
    char path[PATH_SIZE];

    if (check_folder(check, "blobs/sha256", blobs, err) < 0 || check_folder(check, "snapshots", layers, err) < 0 ||
        path_format(path, err, "%s/containers", check->config->root) < 0)
        return -1;
    return fs_exists(path) ? fs_folder_each(path, check_namespace_folder, check, err) : 0;
}

/* ---- records and events ---------------------------------------------------------------------- */

static int check_sql(struct check *check, const char *sql, const char *what, const char *problem, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int more;

    if (db_query(check->db, &query, err, sql, "") < 0)
        return -1;
    while ((more = query_next(&query, err)) == 1)
        found(check, what, query_text(&query, 0), problem);
    return more;
}

/* The journal is bounded: what is older than its first row cannot be judged. */
#define ROW_WITHOUT_EVENT(table, key, topic)                                                               \
    "SELECT r." key " FROM " table " r WHERE (SELECT min(sequence) FROM events_journal) <= 1 AND NOT EXISTS "  \
    "(SELECT 1 FROM events_journal j WHERE j.namespace = r.namespace AND j.id = r." key                    \
    " AND j.topic = '" topic "/create')"
#define EVENT_WITHOUT_ROW(table, key, topic)                                                               \
    "SELECT j.id FROM events_journal j WHERE j.topic = '" topic "/create' AND NOT EXISTS (SELECT 1 FROM "  \
    "events_journal d WHERE d.namespace = j.namespace AND d.id = j.id AND d.topic = '" topic               \
    "/delete' AND d.sequence > j.sequence) AND NOT EXISTS (SELECT 1 FROM " table                           \
    " r WHERE r.namespace = j.namespace AND r." key " = j.id)"

static int check_journal(struct check *check, struct error *err)
{
    static const struct {
        const char *what, *row, *event;
    } all[] = {
        { "image", ROW_WITHOUT_EVENT("images_image", "name", "/images"), EVENT_WITHOUT_ROW("images_image", "name", "/images") },
        { "container", ROW_WITHOUT_EVENT("containers_container", "id", "/containers"),
          EVENT_WITHOUT_ROW("containers_container", "id", "/containers") },
        { "content", ROW_WITHOUT_EVENT("content_blob", "digest", "/content"),
          EVENT_WITHOUT_ROW("content_blob", "digest", "/content") },
    };

    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (check_sql(check, all[i].row, all[i].what, "the journal has no event of its making", err) < 0 ||
            check_sql(check, all[i].event, all[i].what, "the journal says it exists, and it does not", err) < 0)
            return -1;
    return 0;
}

int daemon_check(struct db *db, const struct daemon_config *config, bool deep, struct arena *arena,
                 struct daemon_check_reply *reply, struct error *err)
{
    struct check check = { db, config, arena, reply, deep };
    struct error damage = { 0 };

    reply->findings.items = arena_alloc(arena, FINDINGS_MAX * sizeof(struct finding));
    if (db_check(db, &damage) < 0)
        found(&check, "database", config->database, damage.text);
    if (check_blobs(&check, err) < 0 || check_layers(&check, err) < 0 || check_files(&check, err) < 0)
        return -1;
    return check_journal(&check, err);
}
