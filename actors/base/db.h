/*
 * db — SQLite, in as few words as the daemon needs.
 *
 * One file in WAL mode, synchronous=FULL.  The writer thread has the only writing
 * connection (writer.h); every service has a read-only one.  Statements are
 * prepared once per connection and kept by the address of their text, so the text
 * must be a literal.
 *
 * Values are bound by a format: s text (NULL: null), i int64_t, u uint64_t,
 * b blob (pointer, then size_t; NULL: null).
 *
 *      struct query query CLEANUP(query_done) = { 0 };
 *
 *      if (db_query(db, &query, err, "SELECT size FROM content_blob WHERE digest = ?", "s", digest) < 0)
 *          return -1;
 *      if (query_next(&query, err) != 1) ...
 */
#ifndef ACTORS_BASE_DB_H
#define ACTORS_BASE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/error.h"
#include "protocol/record.h"

struct db;

#define DB_APPLICATION_ID 0x676e7472 /* "gntr" */

/* The forward migrations of one actor's tables: steps[n] leads from version n to n + 1. */
struct db_schema {
    const char *actor;
    const char *const *steps; /* ends with NULL */
};

int db_open(const char *path, bool read_only, struct db **db, struct error *err);
void db_close(struct db **db);

/* Brings every actor's tables up to date in one transaction, after an online backup when
   there was something to migrate.  A newer version than known is FAILED_PRECONDITION. */
int db_migrate(struct db *db, const char *path, const struct db_schema *const *schemas,
               struct error *err);

struct query {
    struct db *db;
    void *statement;
    size_t slot; /* of the database's statements */
};

int db_query(struct db *db, struct query *query, struct error *err, const char *sql,
             const char *format, ...);
int query_next(struct query *query, struct error *err); /* 1: a row, 0: no more, -1 */
void query_done(struct query *query);

const char *query_text(struct query *query, int column); /* until the next step; NULL: null */
int64_t query_int(struct query *query, int column);
bool query_is_null(struct query *query, int column);
struct bin query_blob(struct query *query, int column);

/* Copies into the arena; NULL stays NULL. */
const char *query_str(struct query *query, int column, struct arena *arena);
/* A column written by db_labels(). */
struct map query_labels(struct query *query, int column, struct arena *arena);

/* Runs a statement that gives no rows.  A violated UNIQUE or PRIMARY KEY is ALREADY_EXISTS. */
int db_run(struct db *db, struct error *err, const char *sql, const char *format, ...);
int db_changes(struct db *db); /* rows touched by the last db_run */
int64_t db_last_id(struct db *db);

/* SQL text without values, several statements. */
int db_script(struct db *db, const char *sql, struct error *err);

/* Labels as a blob; free with buffer_free. */
struct buffer db_labels(const struct map *labels);

/* For the writer: whose tables may be written now (NULL: all). */
void db_write_as(struct db *db, const char *actor);

/* Whether commits from now on wait for the disk.  One that does takes all before it along. */
int db_sync_commits(struct db *db, bool sync, struct error *err);
void db_sync_log(struct db *db); /* all commits so far are on disk then */
int64_t db_changes_ever(struct db *db); /* grows with every row touched */

int db_check(struct db *db, struct error *err); /* PRAGMA quick_check */
void db_checkpoint(struct db *db);

#endif
