/* State that an earlier gantryd has left, opened by this one: what version 1 wrote is read for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <czmq.h>

#include "actors/base/containers.h"
#include "actors/base/db.h"
#include "actors/collector/collector.h"
#include "actors/containers/containers.h"
#include "actors/content/content.h"
#include "actors/events/events.h"
#include "actors/images/images.h"
#include "actors/leases/leases.h"
#include "actors/namespaces/namespaces.h"
#include "actors/snapshots/snapshots.h"
#include "actors/tasks/tasks.h"
#include "platform/platform.h"
#include "platform/scope.h"

static const struct db_schema *const schemas[] = {
    &namespaces_schema, &events_schema, &leases_schema,     &content_schema, &snapshots_schema,
    &images_schema,     &containers_schema, &tasks_schema, &collector_schema, NULL,
};

struct fixture {
    char folder[64];
    char path[100];
    struct arena *arena;
    struct db *db;
};

static int set_up(void **state)
{
    struct fixture *fixture = zmalloc(sizeof(*fixture));
    struct error err = { 0 };
    size_t size;
    char *bytes = fs_read(TEST_SOURCE "/tests/fixtures/state-v1/state.db", 1u << 20, &size, &err);

    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/gantry-state-v1-XXXXXX");
    if (bytes == NULL || mkdtemp(fixture->folder) == NULL)
        return -1;
    snprintf(fixture->path, sizeof(fixture->path), "%s/state.db", fixture->folder);
    if (fs_write(fixture->path, bytes, size, 0600, false, &err) < 0 ||
        db_open(fixture->path, false, &fixture->db, &err) < 0)
        return -1;
    free(bytes);
    fixture->arena = arena_new();
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    struct error err;

    db_close(&fixture->db);
    arena_free(fixture->arena);
    fs_remove_tree(fixture->folder, &err);
    free(fixture);
    return 0;
}

static int64_t count(struct fixture *fixture, const char *sql)
{
    CLEANUP(query_done) struct query query = { 0 };
    struct error err = { 0 };

    if (db_query(fixture->db, &query, &err, sql, "") < 0 || query_next(&query, &err) != 1)
        fail_msg("%s: %s", sql, err.text);
    return query_int(&query, 0);
}

static void a_database_of_version_1_is_brought_up_to_date(void **state)
{
    struct fixture *fixture = *state;
    struct error err = { 0 };

    if (db_migrate(fixture->db, fixture->path, schemas, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(db_check(fixture->db, &err), 0);
}

static void its_containers_are_found_with_all_they_had(void **state)
{
    struct fixture *fixture = *state;
    struct container_info info;
    struct error err = { 0 };

    assert_int_equal(db_migrate(fixture->db, fixture->path, schemas, &err), 0);
    if (container_find(fixture->db, "default", "frozen", true, fixture->arena, &info, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(map_get(&info.labels, "team"), "store");
    assert_string_equal(info.image, "docker.io/library/frozen:v1");
    assert_string_equal(info.status, "created");
    assert_non_null(strstr(info.spec, "\"ociVersion\""));
    assert_int_equal(container_find(fixture->db, "default", "ended", false, fixture->arena, &info, &err), 0);
    assert_string_equal(info.status, "exited");
    assert_int_equal(info.exit_status, 3);
}

static void its_images_content_leases_and_events_are_all_there(void **state)
{
    struct fixture *fixture = *state;
    struct error err = { 0 };

    assert_int_equal(db_migrate(fixture->db, fixture->path, schemas, &err), 0);
    assert_int_equal(count(fixture, "SELECT count(*) FROM images_image WHERE name = 'docker.io/library/frozen:v1'"), 1);
    assert_int_equal(count(fixture, "SELECT count(*) FROM content_blob"), 3);
    assert_int_equal(count(fixture, "SELECT count(*) FROM leases_lease WHERE id = 'frozen-lease'"), 1);
    assert_int_equal(count(fixture, "SELECT count(*) FROM content_ingest WHERE ref = 'frozen-ingest'"), 1);
    assert_int_equal(count(fixture, "SELECT count(*) FROM namespaces_namespace"), 2);
    assert_int_equal(count(fixture, "SELECT count(*) FROM events_journal"), 17);
}

static void a_database_of_a_newer_gantryd_is_refused_and_both_versions_named(void **state)
{
    struct fixture *fixture = *state;
    struct error err = { 0 };

    assert_int_equal(db_script(fixture->db, "UPDATE schema SET version = 99 WHERE actor = 'content'", &err), 0);
    assert_int_equal(db_migrate(fixture->db, fixture->path, schemas, &err), -1);
    assert_int_equal(err.code, ERROR_FAILED_PRECONDITION);
    assert_non_null(strstr(err.text, "99"));
    assert_non_null(strstr(err.text, "content"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_database_of_version_1_is_brought_up_to_date, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_containers_are_found_with_all_they_had, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_images_content_leases_and_events_are_all_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_database_of_a_newer_gantryd_is_refused_and_both_versions_named, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
