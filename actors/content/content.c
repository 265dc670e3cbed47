/*
 * The actor: its table of operations, its tables in the database, its life.
 *
 * At the start files are compared with rows, by name only: a file that no row names is
 * what a crash left between the two steps of a commit or a removal.
 */
#include "actors/content/content.h"

#include "actors/base/lease.h"
#include "actors/base/log.h"
#include "actors/content/store.h"
#include "platform/scope.h"

static const char *const steps[] = {
    "CREATE TABLE content_blob ("
    "    namespace TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, labels BLOB,"
    "    root INTEGER NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,"
    "    PRIMARY KEY (namespace, digest)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX content_blob_digest ON content_blob (digest);"
    "CREATE INDEX content_blob_root ON content_blob (namespace, digest) WHERE root = 1;"
    "CREATE TABLE content_edge ("
    "    namespace TEXT NOT NULL, digest TEXT NOT NULL, kind TEXT NOT NULL, driver TEXT NOT NULL,"
    "    key TEXT NOT NULL, PRIMARY KEY (namespace, digest, kind, driver, key)) STRICT, WITHOUT "
    "ROWID;"
    "CREATE INDEX content_edge_to ON content_edge (namespace, kind, key);"
    "CREATE TABLE content_ingest ("
    "    namespace TEXT NOT NULL, ref TEXT NOT NULL, file TEXT NOT NULL UNIQUE, digest TEXT, total "
    "INTEGER,"
    "    started INTEGER NOT NULL, PRIMARY KEY (namespace, ref)) STRICT, WITHOUT ROWID;",
    NULL,
};
const struct db_schema content_schema = { "content", steps };

/* ---- start: what no row names goes ------------------------------------------------- */

struct tidy {
    struct content *content;
    const char *algorithm; /* of the folder; NULL: ingests */
    struct query rows;
};

static int tidy_one(void *ctx, const char *name, struct error *err)
{
    struct tidy *tidy = ctx;
    CLEANUP(query_done) struct query query = { 0 };
    char key[512], path[PATH_SIZE];
    int found;

    snprintf(key, sizeof(key), "%s%s%s", tidy->algorithm ? tidy->algorithm : "",
             tidy->algorithm ? ":" : "", name);
    if (db_query(tidy->content->db, &query, err,
                 tidy->algorithm ? "SELECT 1 FROM content_blob WHERE digest = ?"
                                 : "SELECT 1 FROM content_ingest WHERE file = ?",
                 "s", key) < 0 ||
        (found = query_next(&query, err)) < 0)
        return -1;
    if (found == 1)
        return 0;
    log_info("content", "%s %s: no row names it, it goes", tidy->algorithm ? "blob" : "ingest",
             key);
    if (path_format(path, err, "%s/%s%s/%s", tidy->content->root,
                    tidy->algorithm ? "blobs/" : "ingests", tidy->algorithm ? tidy->algorithm : "",
                    name) < 0)
        return -1;
    if (trash_put(&tidy->content->trash, path, err) == 0)
        return 0;
    log_warn("content", "%s; it is tried again", err->text);
    trash_later(&tidy->content->trash, tidy->algorithm ? key : path,
                tidy->algorithm ? blob_away : ingest_away);
    return 0;
}

static int tidy_folder(struct content *content, const char *algorithm, struct error *err)
{
    struct tidy tidy = { .content = content, .algorithm = algorithm };
    char path[PATH_SIZE];

    if (path_format(path, err, "%s/%s%s", content->root, algorithm ? "blobs/" : "ingests",
                    algorithm ? algorithm : "") < 0 ||
        fs_folder_make_all(path, 0700, err) < 0)
        return -1;
    return fs_folder_each(path, tidy_one, &tidy, err);
}

/* Nobody will go on with it: it had become the blob, which is there (a repair's), or it was a job's,
   and no job outlives its daemon. */
struct finished {
    char file[100];
};

static int finished_write(struct write *write, const void *in, void *out, struct error *err)
{
    const struct finished *finished = write_ctx(write);

    (void)in, (void)out;
    return db_run(write_db(write), err, "DELETE FROM content_ingest WHERE file = ?", "s",
                  finished->file);
}

static void finished_forget(struct content *content, struct query *query)
{
    struct finished finished;

    snprintf(finished.file, sizeof(finished.file), "%s", query_text(query, 0));
    loop_write(content->loop, query_text(query, 1), finished_write, NULL, &finished,
               sizeof(finished));
}

/* A crash came between the row and its file: the next writer finds it empty, if there can be one. */
static int ingests_complete(struct content *content, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int more;

    if (db_query(content->db, &query, err,
                 "SELECT i.file, i.namespace, b.digest IS NOT NULL,"
                 " substr(i.ref, 1, length(?1)) = ?1 FROM content_ingest i"
                 " LEFT JOIN content_blob b ON b.namespace = i.namespace AND b.digest = i.digest",
                 "s", JOB_INGEST) < 0)
        return -1;
    while ((more = query_next(&query, err)) == 1) {
        CLEANUP(file_close) int file = -1;
        char path[PATH_SIZE];
        struct error failed = { 0 };

        if (path_format(path, err, "%s/ingests/%s", content->root, query_text(&query, 0)) < 0)
            return -1;
        if (query_int(&query, 3) != 0 && fs_remove(path, &failed) < 0)
            log_warn("content", "%s; the next start removes it", failed.text);
        if (fs_exists(path))
            continue;
        if (query_int(&query, 2) != 0 || query_int(&query, 3) != 0)
            finished_forget(content, &query);
        else if (file_open_append(path, 0, &file, &failed) < 0)
            log_warn("content", "ingest %s: %s", query_text(&query, 0), failed.text);
    }
    return more;
}

static int start(void *self, struct loop *loop, struct error *err)
{
    struct content *content = self;

    content->loop = loop;
    if (db_open(content->database, true, &content->db, err) < 0 ||
        trash_open(&content->trash, loop, content->root, err) < 0 ||
        tidy_folder(content, "sha256", err) < 0 || tidy_folder(content, "sha512", err) < 0 ||
        tidy_folder(content, NULL, err) < 0 || ingests_complete(content, err) < 0)
        return error_wrap(err, "content");
    return 0;
}

static void stop(void *self)
{
    struct content *content = self;

    while (content->locks != NULL)
        lock_drop_ref(content, content->locks);
    trash_close(&content->trash);
    db_close(&content->db);
}

struct content *content_new(const struct content_config *config)
{
    struct content *content = zmalloc(sizeof(*content));

    snprintf(content->root, sizeof(content->root), "%s", config->root);
    snprintf(content->database, sizeof(content->database), "%s", config->database);
    content->write_max = config->write_max;
    content->isolated = config->isolated;
    return content;
}

void content_free(struct content **content)
{
    free(*content);
    *content = NULL;
}

static const struct route routes[] = {
    { &op_content_stat, on_content_stat },     { &op_content_list, on_content_list },
    { &op_content_ingest, on_content_ingest }, { &op_content_commit, on_content_commit },
    { &op_content_abort, on_content_abort },   { &op_content_ingests, on_content_ingests },
    { &op_content_label, on_content_label },   { &op_content_remove, on_content_remove },
    { &op_content_read, on_content_read },     { &op_content_write, on_content_write },
    { &op_content_sweep, on_content_sweep },
    { 0 },
};
const struct actor content_actor = { "content", routes, start, stop };
