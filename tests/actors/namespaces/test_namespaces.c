/* Namespaces: made by use, removed only when nothing is in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/actors/store.h"

static struct store store;
static struct answer answer;

static int set_up(void **state)
{
    (void)state;
    store_open(&store);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    answer_free(&answer);
    store_close(&store);
    return 0;
}

static enum error_code create(const char *name)
{
    const struct namespace_info in = { .name = name };

    return peer_ask(&store.namespaces, &op_namespaces_create, &in, &answer);
}

static enum error_code get(const char *name)
{
    const struct namespaces_get_request in = { .name = name };

    return peer_ask(&store.namespaces, &op_namespaces_get, &in, &answer);
}

static enum error_code remove_namespace(const char *name)
{
    const struct namespaces_get_request in = { .name = name };

    return peer_ask(&store.namespaces, &op_namespaces_remove, &in, &answer);
}

static void the_default_namespace_is_there_and_stays(void **state)
{
    (void)state;
    assert_int_equal(get("default"), ERROR_NONE);
    assert_true(((struct namespace_info *)answer.body)->created > 0);
    assert_int_equal(remove_namespace("default"), ERROR_FAILED_PRECONDITION);
}

/* ---- what labels may say -------------------------------------------------------------------- */

static enum error_code label(const char *name, const char *key, const char *value)
{
    struct map_entry entry = { key, value };
    const struct namespaces_update_request in = { .name = name, .labels = { 1, &entry } };

    return peer_ask(&store.namespaces, &op_namespaces_update, &in, &answer);
}

static void a_default_that_is_not_there_is_refused(void **state)
{
    struct map_entry runtime = { "containerd.io/defaults/runtime", "no-such-runtime" };
    const struct namespace_info with_runtime = { .name = "new", .labels = { 1, &runtime } };

    (void)state;
    store_stop(&store);
    store.with = WITH_TASKS;
    store.collects = true;
    store_start(&store);
    assert_int_equal(label("default", "containerd.io/defaults/snapshotter", "zfs"),
                     ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(answer.message, "containerd.io/defaults/snapshotter"));
    assert_non_null(strstr(answer.message, "'zfs'"));
    assert_int_equal(peer_ask(&store.namespaces, &op_namespaces_create, &with_runtime, &answer),
                     ERROR_FAILED_PRECONDITION);
    assert_non_null(strstr(answer.message, "OCI runtime no-such-runtime"));
    assert_int_equal(get("new"), ERROR_NOT_FOUND);
    runtime.value = "native";
    assert_int_equal(peer_ask(&store.namespaces, &op_namespaces_create, &with_runtime, &answer),
                     ERROR_NONE);
    assert_int_equal(label("new", "containerd.io/defaults/snapshotter", "overlay"), ERROR_NONE);
    assert_int_equal(((struct namespace_info *)answer.body)->labels.count, 2);
    assert_int_equal(label("new", "containerd.io/defaults/runtime", ""), ERROR_NONE);
    assert_int_equal(((struct namespace_info *)answer.body)->labels.count, 1);
    assert_int_equal(label("none", "containerd.io/defaults/snapshotter", "overlay"),
                     ERROR_NOT_FOUND);
}

static void whether_a_namespace_lends_is_yes_or_no(void **state)
{
    (void)state;
    assert_int_equal(label("default", "containerd.io/namespace.shareable", "maybe"),
                     ERROR_INVALID_ARGUMENT);
    assert_int_equal(label("default", "containerd.io/namespace.shareable", "true"), ERROR_NONE);
    assert_int_equal(store_number(&store, "SELECT shareable FROM namespaces_namespace"), 1);
    assert_int_equal(label("default", "containerd.io/namespace.shareable", ""), ERROR_NONE);
    assert_int_equal(store_number(&store, "SELECT shareable FROM namespaces_namespace"), 0);
}

static void a_namespace_is_made_by_using_it(void **state)
{
    char digest[136];

    (void)state;
    assert_int_equal(get("fresh"), ERROR_NOT_FOUND);
    store_use(&store, "fresh");
    store_blob(&store, "blob", NULL, digest);
    assert_int_equal(get("fresh"), ERROR_NONE);
    assert_int_equal(create("fresh"), ERROR_ALREADY_EXISTS);
}

static void names_follow_the_grammar_of_identifiers(void **state)
{
    char name[78];

    (void)state;
    memset(name, 'a', 77);
    name[77] = '\0';
    assert_int_equal(create(name), ERROR_INVALID_ARGUMENT);
    name[76] = '\0';
    assert_int_equal(create(name), ERROR_NONE);
    assert_int_equal(create("a_b.c-d"), ERROR_NONE);
    assert_int_equal(create(""), ERROR_INVALID_ARGUMENT);
    assert_int_equal(create("-a"), ERROR_INVALID_ARGUMENT);
    assert_int_equal(create("a..b"), ERROR_INVALID_ARGUMENT);
    assert_int_equal(create("../etc"), ERROR_INVALID_ARGUMENT);
    assert_int_equal(create("a/b"), ERROR_INVALID_ARGUMENT);
}

static void what_holds_something_stays(void **state)
{
    static const char *const fillings[] = {
        "INSERT INTO content_blob VALUES ('full', 'sha256:x', 1, NULL, 0, 1, 1)",
        "INSERT INTO content_ingest VALUES ('full', 'r', 'f', NULL, NULL, 1)",
        "INSERT INTO volumes_volume VALUES ('full', 'v', NULL, 0, 0, 1)",
        "INSERT INTO leases_lease VALUES ('full', 'l', NULL, 0, 1, NULL)",
        "INSERT INTO snapshots_snapshot VALUES ('full', 'overlay', 'k', 'active', 1, NULL, NULL, "
        "0, 1, 1)",
        "INSERT INTO images_image (namespace, name, media_type, digest, size, created, updated)"
        " VALUES ('full', 'i', 'm', 'd', 1, 1, 1)",
        "INSERT INTO containers_container (namespace, id, created, updated, record)"
        " VALUES ('full', 'c', 1, 1, X'80')",
    };
    static const char *const names[] = { "content",   "ingests", "volumes",    "leases",
                                         "snapshots", "images",  "containers" };

    (void)state;
    assert_int_equal(create("full"), ERROR_NONE);
    for (size_t i = 0; i < sizeof(fillings) / sizeof(*fillings); i++) {
        store_sql(&store, fillings[i]);
        assert_int_equal(remove_namespace("full"), ERROR_FAILED_PRECONDITION);
        assert_non_null(strstr(answer.message, names[i]));
        store_sql(&store,
                  "DELETE FROM content_blob; DELETE FROM content_ingest; DELETE FROM leases_lease;"
                  "DELETE FROM volumes_volume;"
                  "DELETE FROM snapshots_snapshot; DELETE FROM images_image;"
                  "DELETE FROM containers_container;");
    }
    assert_int_equal(remove_namespace("full"), ERROR_NONE);
    assert_int_equal(remove_namespace("full"), ERROR_NOT_FOUND);
}

static void labels_change_key_by_key(void **state)
{
    struct map_entry labels[] = { { "containerd.io/defaults/snapshotter", "overlay" },
                                  { "x", "1" } };
    struct namespaces_update_request in = { .name = "default", .labels = { 2, labels } };
    const struct namespace_info *info;

    (void)state;
    assert_int_equal(peer_ask(&store.namespaces, &op_namespaces_update, &in, &answer), ERROR_NONE);
    labels[1].value = "";
    assert_int_equal(peer_ask(&store.namespaces, &op_namespaces_update, &in, &answer), ERROR_NONE);
    info = answer.body;
    assert_int_equal(info->labels.count, 1);
    assert_int_equal(get("default"), ERROR_NONE);
    info = answer.body;
    assert_string_equal(map_get(&info->labels, "containerd.io/defaults/snapshotter"), "overlay");
    in.name = "nobody";
    assert_int_equal(peer_ask(&store.namespaces, &op_namespaces_update, &in, &answer),
                     ERROR_NOT_FOUND);
}

static void lists_come_in_pages(void **state)
{
    struct page_request in = { SET(limit, 2) };
    const struct namespaces_list_reply *reply;

    (void)state;
    assert_int_equal(create("a"), ERROR_NONE);
    assert_int_equal(create("z"), ERROR_NONE);
    assert_int_equal(peer_ask(&store.namespaces, &op_namespaces_list, &in, &answer), ERROR_NONE);
    reply = answer.body;
    assert_int_equal(reply->namespaces.count, 2);
    assert_true(reply->more);
    in.after = "default";
    assert_int_equal(peer_ask(&store.namespaces, &op_namespaces_list, &in, &answer), ERROR_NONE);
    reply = answer.body;
    assert_int_equal(reply->namespaces.count, 1);
    assert_string_equal(((struct namespace_info *)reply->namespaces.items)->name, "z");
    assert_false(reply->more);
}

static void events_of_a_namespace_are_in_it(void **state)
{
    (void)state;
    assert_int_equal(create("a"), ERROR_NONE);
    assert_int_equal(remove_namespace("a"), ERROR_NONE);
    assert_int_equal(
        store_number(&store,
                     "SELECT count(*) FROM events_journal WHERE namespace = 'a' AND id = 'a'"
                     " AND topic IN ('/namespaces/create', '/namespaces/delete')"),
        2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_default_namespace_is_there_and_stays),
        T(a_default_that_is_not_there_is_refused),
        T(whether_a_namespace_lends_is_yes_or_no),
        T(a_namespace_is_made_by_using_it),
        T(names_follow_the_grammar_of_identifiers),
        T(what_holds_something_stays),
        T(labels_change_key_by_key),
        T(lists_come_in_pages),
        T(events_of_a_namespace_are_in_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
