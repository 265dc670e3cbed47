/* db — the SQLite behind db.h: connections, statements kept by their text, migrations. */
#include "actors/base/db.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "platform/scope.h"
#include "protocol/schema.h"

#define STATEMENTS_MAX 512 /* a power of two; all of the daemon's statements fit */

struct db {
    sqlite3 *handle;
    const char *actor; /* whose write is running */
    struct {
        const char *sql;
        sqlite3_stmt *statement;
        bool busy;
    } cache[STATEMENTS_MAX];
};

static int db_fail(struct db *db, struct error *err, const char *what)
{
    int code = sqlite3_extended_errcode(db->handle);

    if (code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE)
        return error_set(err, ERROR_ALREADY_EXISTS, "%s: already exists", what);
    if ((code & 0xff) == SQLITE_FULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "state database: disk is full");
    if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB)
        return error_set(err, ERROR_DATA_LOSS, "state database is damaged: %s", sqlite3_errmsg(db->handle));
    return error_set(err, ERROR_INTERNAL, "state database: %.80s: %s", what, sqlite3_errmsg(db->handle));
}

/* Writes go only to tables of the actor whose write runs.  Exceptions are rows that are added by
   emit(), added and removed by hold() and hold_end() (writer.h), and those that labels make (edge.h). */
static int authorize(void *ctx, int action, const char *table, const char *b, const char *c, const char *d)
{
    const struct db *db = ctx;
    size_t length;

    (void)b, (void)c, (void)d;
    if (db->actor == NULL ||
        (action != SQLITE_INSERT && action != SQLITE_UPDATE && action != SQLITE_DELETE))
        return SQLITE_OK;
    length = strlen(db->actor);
    if (strncmp(table, "sqlite_", 7) == 0 || strcmp(table, "collector_edge") == 0 ||
        (action == SQLITE_INSERT && strcmp(table, "events_journal") == 0) ||
        (action != SQLITE_UPDATE &&
         (strcmp(table, "leases_resource") == 0 || strcmp(table, "leases_lease") == 0)) ||
        (strncmp(table, db->actor, length) == 0 && table[length] == '_'))
        return SQLITE_OK;
    return SQLITE_DENY;
}

int db_open(const char *path, bool read_only, struct db **db, struct error *err)
{
    struct db *self;
    int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;

    if (hook_platform_call("open database", err))
        return -1;
    self = calloc(1, sizeof(*self));
    if (self == NULL)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "out of memory");
    if (sqlite3_open_v2(path, &self->handle, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        error_set(err, ERROR_INTERNAL, "open %s: %s", path,
                  self->handle ? sqlite3_errmsg(self->handle) : "out of memory");
        sqlite3_close(self->handle);
        free(self);
        return -1;
    }
    sqlite3_extended_result_codes(self->handle, 1);
    sqlite3_busy_timeout(self->handle, 5000); /* only recovery and checkpoints ever make anybody wait */
    if (!read_only && db_script(self, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                      "PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=0;"
                                      "PRAGMA journal_size_limit=16777216;", err) < 0) {
        db_close(&self);
        return -1;
    }
    if (db_script(self, read_only ? "PRAGMA cache_size=-256; PRAGMA temp_store=MEMORY;"
                                  : "PRAGMA cache_size=-1024; PRAGMA temp_store=MEMORY;", err) < 0) {
        db_close(&self);
        return -1;
    }
    sqlite3_set_authorizer(self->handle, authorize, self);
    *db = self;
    return 0;
}

void db_close(struct db **db)
{
    if (*db == NULL)
        return;
    for (size_t i = 0; i < STATEMENTS_MAX; i++)
        sqlite3_finalize((*db)->cache[i].statement);
    sqlite3_close((*db)->handle);
    free(*db);
    *db = NULL;
}

void db_write_as(struct db *db, const char *actor)
{
    db->actor = actor;
}

int db_script(struct db *db, const char *sql, struct error *err)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        return db_fail(db, err, sql);
    return 0;
}

static size_t slot_of(const char *sql)
{
    return ((uintptr_t)sql * 0x9e3779b97f4a7c15u >> 40) % STATEMENTS_MAX;
}

static int prepare(struct db *db, const char *sql, struct query *query, struct error *err)
{
    sqlite3_stmt *statement;

    for (size_t probe = 0; probe < STATEMENTS_MAX; probe++) {
        size_t i = (slot_of(sql) + probe) % STATEMENTS_MAX;

        if (db->cache[i].sql == sql && !db->cache[i].busy) {
            db->cache[i].busy = true;
            *query = (struct query){ db, db->cache[i].statement, i };
            return 0;
        }
        if (db->cache[i].sql != NULL)
            continue;
        if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
            return db_fail(db, err, sql);
        db->cache[i].sql = sql;
        db->cache[i].statement = statement;
        db->cache[i].busy = true;
        *query = (struct query){ db, statement, i };
        return 0;
    }
    return error_set(err, ERROR_INTERNAL, "state database: too many statements");
}

static void bind_all(sqlite3_stmt *statement, const char *format, va_list args)
{
    const void *blob;

    for (int i = 1; *format != '\0'; format++, i++)
        switch (*format) {
        case 's':
            sqlite3_bind_text(statement, i, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
            break;
        case 'i':
            sqlite3_bind_int64(statement, i, va_arg(args, int64_t));
            break;
        case 'u':
            sqlite3_bind_int64(statement, i, (int64_t)va_arg(args, uint64_t));
            break;
        case 'b':
            blob = va_arg(args, const void *);
            sqlite3_bind_blob64(statement, i, blob, va_arg(args, size_t), SQLITE_TRANSIENT);
            break;
        default:
            abort(); /* a wrong format is a bug that every test finds */
        }
}

static int query_start(struct db *db, struct query *query, struct error *err, const char *sql,
                       const char *format, va_list args)
{
    query_done(query);
    if (prepare(db, sql, query, err) < 0)
        return -1;
    bind_all(query->statement, format, args);
    return 0;
}

int db_query(struct db *db, struct query *query, struct error *err, const char *sql,
             const char *format, ...)
{
    va_list args;
    int result;

    va_start(args, format);
    result = query_start(db, query, err, sql, format, args);
    va_end(args);
    return result;
}

int query_next(struct query *query, struct error *err)
{
    int code = sqlite3_step(query->statement);

    if (code == SQLITE_ROW)
        return 1;
    if (code == SQLITE_DONE)
        return 0;
    return db_fail(query->db, err, sqlite3_sql(query->statement));
}

void query_done(struct query *query)
{
    if (query->statement == NULL)
        return;
    sqlite3_reset(query->statement);
    sqlite3_clear_bindings(query->statement);
    query->db->cache[query->slot].busy = false;
    *query = (struct query){ 0 };
}

const char *query_text(struct query *query, int column)
{
    return (const char *)sqlite3_column_text(query->statement, column);
}

int64_t query_int(struct query *query, int column)
{
    return sqlite3_column_int64(query->statement, column);
}

bool query_is_null(struct query *query, int column)
{
    return sqlite3_column_type(query->statement, column) == SQLITE_NULL;
}

struct bin query_blob(struct query *query, int column)
{
    return (struct bin){ sqlite3_column_blob(query->statement, column),
                         (size_t)sqlite3_column_bytes(query->statement, column) };
}

const char *query_str(struct query *query, int column, struct arena *arena)
{
    return arena_str(arena, query_text(query, column));
}

struct map query_labels(struct query *query, int column, struct arena *arena)
{
    struct bin blob = query_blob(query, column);
    struct labels labels = { 0 };
    struct error ignored;

    if (blob.size > 0)
        record_unpack(labels_record(), RECORD_LENIENT, blob.data, blob.size, &labels, arena, &ignored);
    return labels.labels;
}

int db_run(struct db *db, struct error *err, const char *sql, const char *format, ...)
{
    CLEANUP(query_done) struct query query = { 0 };
    va_list args;
    int result;

    va_start(args, format);
    result = query_start(db, &query, err, sql, format, args);
    va_end(args);
    if (result < 0)
        return -1;
    return query_next(&query, err) < 0 ? -1 : 0;
}

int db_changes(struct db *db)
{
    return sqlite3_changes(db->handle);
}

int64_t db_last_id(struct db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

struct buffer db_labels(const struct map *labels)
{
    struct labels record = { .labels = *labels };
    struct buffer out = { 0 };

    record_pack(labels_record(), &record, &out);
    return out;
}

/* ---- migrations ------------------------------------------------------------- */

static int version_of(struct db *db, const char *actor, int64_t *version, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int found;

    if (db_query(db, &query, err, "SELECT version FROM schema WHERE actor = ?", "s", actor) < 0)
        return -1;
    found = query_next(&query, err);
    *version = found == 1 ? query_int(&query, 0) : 0;
    return found < 0 ? -1 : 0;
}

static int64_t steps_count(const struct db_schema *schema)
{
    int64_t count = 0;

    while (schema->steps[count] != NULL)
        count++;
    return count;
}

static int backup(struct db *db, const char *path, struct error *err)
{
    char copy[PATH_SIZE];
    sqlite3 *to = NULL;
    sqlite3_backup *work;
    int code;

    if (path_format(copy, err, "%s.before-migration", path) < 0 || fs_remove(copy, err) < 0)
        return -1;
    if (sqlite3_open(copy, &to) != SQLITE_OK || (work = sqlite3_backup_init(to, "main", db->handle, "main")) == NULL) {
        sqlite3_close(to);
        return error_set(err, ERROR_INTERNAL, "backup to %s failed", copy);
    }
    sqlite3_backup_step(work, -1);
    hook_platform_point("backup");
    code = sqlite3_backup_finish(work);
    sqlite3_close(to);
    return code == SQLITE_OK ? 0 : error_set(err, ERROR_INTERNAL, "backup to %s failed", copy);
}

static int migrate_one(struct db *db, const struct db_schema *schema, struct error *err)
{
    int64_t version, last = steps_count(schema);

    if (version_of(db, schema->actor, &version, err) < 0)
        return -1;
    if (version == last)
        return 0;
    for (; version < last; version++)
        if (db_script(db, schema->steps[version], err) < 0)
            return error_wrap(err, "migrate %s to version %lld", schema->actor, (long long)version + 1);
    return db_run(db, err, "INSERT OR REPLACE INTO schema (actor, version) VALUES (?, ?)", "si",
                  schema->actor, last);
}

static int look_for_newer(struct db *db, const struct db_schema *const *schemas, bool *outdated,
                          bool *fresh, struct error *err)
{
    for (; *schemas != NULL; schemas++) {
        int64_t version, last = steps_count(*schemas);

        if (version_of(db, (*schemas)->actor, &version, err) < 0)
            return -1;
        if (version > last)
            return error_set(err, ERROR_FAILED_PRECONDITION,
                             "the state database has version %lld of the %s tables, this gantryd knows %lld: "
                             "it was written by a newer gantryd",
                             (long long)version, (*schemas)->actor, (long long)last);
        if (version > 0)
            *fresh = false;
        if (version < last)
            *outdated = true;
    }
    return 0;
}

static int own_the_file(struct db *db, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };
    int64_t id;

    if (db_query(db, &query, err, "PRAGMA application_id", "") < 0 || query_next(&query, err) < 0)
        return -1;
    id = query_int(&query, 0);
    query_done(&query);
    if (id != 0 && id != DB_APPLICATION_ID)
        return error_set(err, ERROR_FAILED_PRECONDITION, "the state database belongs to another program");
    if (id == 0 && db_script(db, "PRAGMA application_id = 1735292018", err) < 0)
        return -1;
    return db_script(db, "CREATE TABLE IF NOT EXISTS schema (actor TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT", err);
}

int db_migrate(struct db *db, const char *path, const struct db_schema *const *schemas, struct error *err)
{
    bool outdated = false, fresh = true;

    if (own_the_file(db, err) < 0 || look_for_newer(db, schemas, &outdated, &fresh, err) < 0)
        return -1;
    if (!outdated)
        return 0;
    if (!fresh && backup(db, path, err) < 0)
        return -1;
    if (db_script(db, "BEGIN IMMEDIATE", err) < 0)
        return -1;
    for (; *schemas != NULL; schemas++)
        if (migrate_one(db, *schemas, err) < 0) {
            struct error ignored;

            db_script(db, "ROLLBACK", &ignored);
            return -1;
        }
    hook_platform_point("commit of migration");
    return db_script(db, "COMMIT", err);
}

int db_check(struct db *db, struct error *err)
{
    CLEANUP(query_done) struct query query = { 0 };

    if (db_query(db, &query, err, "PRAGMA quick_check", "") < 0 || query_next(&query, err) < 0)
        return -1;
    if (strcmp(query_text(&query, 0), "ok") != 0)
        return error_set(err, ERROR_DATA_LOSS, "state database: %s", query_text(&query, 0));
    return 0;
}

int db_sync_commits(struct db *db, bool sync, struct error *err)
{
    return db_script(db, sync ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", err);
}

int64_t db_changes_ever(struct db *db)
{
    return sqlite3_total_changes64(db->handle);
}

void db_sync_log(struct db *db)
{
    sqlite3_file *log = NULL;

    if (sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK &&
        log != NULL && log->pMethods != NULL)
        log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
}

void db_checkpoint(struct db *db)
{
    sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}
