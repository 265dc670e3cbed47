/* The database: migrations, values, and what may not be written by whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "actors/base/db.h"
#include "platform/platform.h"
#include "platform/scope.h"

static char folder[64], path[100];
static struct db *db;
static struct error err;
static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/gantry-db-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/state.db", folder);
    err = (struct error){ 0 };
    arena = arena_new();
    return db_open(path, false, &db, &err);
}

static int tear_down(void **state)
{
    (void)state;
    db_close(&db);
    arena_free(arena);
    return fs_remove_tree(folder, &err);
}

static void must(int result)
{
    if (result < 0)
        fail_msg("%s", err.text);
}

static int64_t number(const char *sql)
{
    CLEANUP(query_done) struct query query = { 0 };

    must(db_query(db, &query, &err, sql, ""));
    return query_next(&query, &err) == 1 ? query_int(&query, 0) : -1;
}

static int migrate(const char *const *steps)
{
    const struct db_schema schema = { "probe", steps };
    const struct db_schema *const schemas[] = { &schema, NULL };

    return db_migrate(db, path, schemas, &err);
}

#define FIRST  "CREATE TABLE probe_row (key TEXT PRIMARY KEY, number INTEGER, labels BLOB) STRICT;"
#define SECOND "ALTER TABLE probe_row ADD COLUMN more TEXT;"

static const char *const one[] = { FIRST, NULL };
static const char *const two[] = { FIRST, SECOND, NULL };
static const char *const broken[] = { FIRST,
                                      "ALTER TABLE probe_row ADD COLUMN more TEXT;"
                                      "CREATE TABLE nonsense (",
                                      NULL };

/* ---- migrations ---------------------------------------------------------------------------- */

static void tables_are_brought_up_to_date(void **state)
{
    char before[120];

    (void)state;
    snprintf(before, sizeof(before), "%s.before-migration", path);
    must(migrate(one));
    assert_false(fs_exists(before)); /* there was nothing to lose */
    must(db_run(db, &err, "INSERT INTO probe_row (key, number) VALUES (?, ?)", "si", "a",
                (int64_t)5));
    must(migrate(two));
    assert_true(fs_exists(before));
    assert_int_equal(number("SELECT number FROM probe_row WHERE more IS NULL"), 5);
    assert_int_equal(number("SELECT version FROM schema WHERE actor = 'probe'"), 2);
    must(migrate(two));
}

static void a_newer_version_is_refused_and_named(void **state)
{
    (void)state;
    must(migrate(two));
    assert_int_equal(migrate(one), -1);
    assert_int_equal(err.code, ERROR_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, "version 2"));
    assert_non_null(strstr(err.text, "knows 1"));
}

static void a_migration_that_fails_changes_nothing(void **state)
{
    (void)state;
    must(migrate(one));
    assert_int_equal(migrate(broken), -1);
    assert_non_null(strstr(err.text, "migrate probe to version 2"));
    assert_int_equal(number("SELECT version FROM schema WHERE actor = 'probe'"), 1);
    assert_int_equal(
        number("SELECT count(*) FROM pragma_table_info('probe_row') WHERE name = 'more'"), 0);
    must(migrate(two));
}

static void the_database_of_another_program_is_refused(void **state)
{
    (void)state;
    must(db_script(db, "PRAGMA application_id = 7", &err));
    assert_int_equal(migrate(one), -1);
    assert_int_equal(err.code, ERROR_FAILED_PRECONDITION);
    assert_int_equal(number("SELECT count(*) FROM sqlite_schema"), 0);
}

/* ---- values ---------------------------------------------------------------------------------- */

static void labels_are_stored_and_merged(void **state)
{
    struct map_entry old[] = { { "keep", "1" }, { "change", "2" }, { "drop", "3" } };
    struct map_entry new[] = { { "change", "4" }, { "drop", "" }, { "add", "5" } };
    const struct map labels = { 3, old }, changes = { 3, new };
    struct buffer packed = db_labels(&labels);
    CLEANUP(query_done) struct query query = { 0 };
    struct map merged;

    (void)state;
    must(migrate(one));
    must(db_run(db, &err, "INSERT INTO probe_row (key, labels) VALUES (?, ?)", "sb", "a",
                packed.data, packed.size));
    buffer_free(&packed);
    must(db_query(db, &query, &err, "SELECT labels FROM probe_row", ""));
    assert_int_equal(query_next(&query, &err), 1);
    merged = query_labels(&query, 0, arena);
    assert_int_equal(merged.count, 3);
    merged = labels_merge(&merged, &changes, arena);
    assert_int_equal(merged.count, 3);
    assert_string_equal(map_get(&merged, "keep"), "1");
    assert_string_equal(map_get(&merged, "change"), "4");
    assert_string_equal(map_get(&merged, "add"), "5");
    assert_null(map_get(&merged, "drop"));
}

static void a_taken_key_already_exists(void **state)
{
    (void)state;
    must(migrate(one));
    must(db_run(db, &err, "INSERT INTO probe_row (key) VALUES (?)", "s", "a"));
    assert_int_equal(db_run(db, &err, "INSERT INTO probe_row (key) VALUES (?)", "s", "a"), -1);
    assert_int_equal(err.code, ERROR_ALREADY_EXISTS);
}

static void one_statement_may_be_open_twice(void **state)
{
    static const char sql[] = "SELECT key FROM probe_row ORDER BY key";
    CLEANUP(query_done) struct query outer = { 0 };

    (void)state;
    must(migrate(one));
    must(db_script(db, "INSERT INTO probe_row (key) VALUES ('a'), ('b')", &err));
    must(db_query(db, &outer, &err, sql, ""));
    for (int i = 0; i < 2; i++) {
        CLEANUP(query_done) struct query inner = { 0 };

        assert_int_equal(query_next(&outer, &err), 1);
        must(db_query(db, &inner, &err, sql, ""));
        assert_int_equal(query_next(&inner, &err), 1);
        assert_string_equal(query_text(&inner, 0), "a");
    }
    assert_string_equal(query_text(&outer, 0), "b");
}

/* ---- who may write -------------------------------------------------------------------------- */

static void an_actor_writes_only_its_own_tables(void **state)
{
    (void)state;
    must(migrate(one));
    must(db_script(db,
                   "CREATE TABLE other_row (key TEXT) STRICT;"
                   "CREATE TABLE probably_row (key TEXT) STRICT;"
                   "CREATE TABLE events_journal (key TEXT) STRICT;",
                   &err));
    db_write_as(db, "probe");
    must(db_script(db, "INSERT INTO probe_row (key) VALUES ('a')", &err));
    assert_int_equal(db_script(db, "INSERT INTO other_row VALUES ('a')", &err), -1);
    assert_int_equal(db_script(db, "UPDATE other_row SET key = 'b'", &err), -1);
    assert_int_equal(db_script(db, "DELETE FROM other_row", &err), -1);
    assert_int_equal(db_script(db, "INSERT INTO probably_row VALUES ('a')", &err), -1);
    must(db_script(db, "SELECT * FROM other_row", &err));
    /* emit() and hold() add rows, and do nothing else */
    must(db_script(db, "INSERT INTO events_journal VALUES ('a')", &err));
    assert_int_equal(db_script(db, "DELETE FROM events_journal", &err), -1);
    assert_int_equal(db_script(db, "UPDATE events_journal SET key = 'b'", &err), -1);
    db_write_as(db, NULL);
    must(db_script(db, "DELETE FROM other_row", &err));
}

static void readers_cannot_write(void **state)
{
    struct db *reader;

    (void)state;
    must(migrate(one));
    must(db_open(path, true, &reader, &err));
    assert_int_equal(db_run(reader, &err, "INSERT INTO probe_row (key) VALUES ('a')", ""), -1);
    db_close(&reader);
}

static void a_damaged_file_is_found(void **state)
{
    FILE *file;

    (void)state;
    must(migrate(one));
    must(db_script(db,
                   "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
                   " INSERT INTO probe_row (key, number) SELECT 'key number ' || i, i FROM n",
                   &err));
    must(db_check(db, &err));
    db_close(&db); /* folds the log back */
    file = fopen(path, "r+e");
    assert_non_null(file);
    assert_int_equal(fseek(file, 4096 * 3, SEEK_SET), 0);
    for (int i = 0; i < 4096; i++)
        fputc(0x55, file);
    fclose(file);
    must(db_open(path, false, &db, &err));
    assert_int_equal(db_check(db, &err), -1);
    assert_int_equal(err.code, ERROR_DATA_LOSS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(tables_are_brought_up_to_date),
        T(a_newer_version_is_refused_and_named),
        T(a_migration_that_fails_changes_nothing),
        T(the_database_of_another_program_is_refused),
        T(labels_are_stored_and_merged),
        T(a_taken_key_already_exists),
        T(one_statement_may_be_open_twice),
        T(an_actor_writes_only_its_own_tables),
        T(readers_cannot_write),
        T(a_damaged_file_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
