/* test_volumes — volumes as rows and folders: made, found, removed, and after a restart. */
#include "tests/actors/volumes/volume_fixture.h"

#include <sys/stat.h>

#define NAME_255                                                                               \
    "a2345678901234567890123456789012345678901234567890123456789012345678901234567890"         \
    "12345678901234567890123456789012345678901234567890123456789012345678901234567890"         \
    "1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678" \
    "9012345"

static int set_up_store(void **state)
{
    (void)state;
    store_open(&store);
    return 0;
}

static int tear_down_store(void **state)
{
    (void)state;
    answer_free(&answer);
    store_close(&store);
    return 0;
}

static const struct volumes_prune_reply *must_prune(bool all)
{
    const struct volumes_prune_request want = { SET(all, all) };

    must(peer_ask(&store.volumes, &op_volumes_prune, &want, &answer));
    return answer.body;
}

/* ---- made ----------------------------------------------------------------------------- */

static void a_volume_is_a_folder_and_a_row(void **state)
{
    const struct volumes_create_reply *reply = must_make(.name = "data");
    struct stat st;

    (void)state;
    assert_true(reply->is_new);
    assert_string_equal(reply->volume->name, "data");
    assert_string_equal(reply->volume->driver, "local");
    assert_false(reply->volume->anonymous);
    assert_false(reply->volume->used);
    assert_string_equal(reply->volume->path, store_path(&store, "volumes/default/data/data"));
    assert_int_equal(stat(store_path(&store, "volumes/default/data/data"), &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0755);
    assert_int_equal(stat(store_path(&store, "volumes"), &st), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0700);
    assert_int_equal(count_events("/volumes/create", "data"), 1);
}

static void one_that_is_there_is_as_good_as_made(void **state)
{
    struct map_entry green[] = { { "color", "green" } }, red[] = { { "color", "red" } };

    (void)state;
    must_make(.name = "data", .labels = { 1, green });
    assert_false(must_make(.name = "data")->is_new);
    assert_false(must_make(.name = "data", .labels = { 1, green })->is_new);
    assert_int_equal(make(.name = "data", .labels = { 1, red }), ERROR_ALREADY_EXISTS);
    assert_says("other labels");
    assert_non_null(answer.hint);
    assert_string_equal(map_get(&must_find("data")->labels, "color"), "green");
    assert_int_equal(count_events("/volumes/create", "data"), 1);
}

static void without_a_name_it_is_anonymous(void **state)
{
    const struct volume_info *volume = must_make()->volume;

    (void)state;
    assert_true(volume->anonymous);
    assert_int_equal(strlen(volume->name), 64);
    assert_int_equal(strspn(volume->name, "0123456789abcdef"), 64);
}

static void names_are_names_of_folders(void **state)
{
    static const char *const bad[] = { "",   ".",   "..",   "../x", "a/b", "/a",
                                       "-a", "a b", "a\nb", "a:b",  "_a",  NAME_255 "6" };

    (void)state;
    assert_int_equal(strlen(NAME_255), 255);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(make(.name = bad[i]), ERROR_INVALID_ARGUMENT);
    must_make(.name = NAME_255);
    must_make(.name = "a");
    assert_int_equal(count_of("volumes_volume"), 2);
    assert_int_equal(files_in("volumes/default"), 2);
}

static void a_new_volume_is_whose_it_is_said_to_be(void **state)
{
    struct stat st;

    (void)state;
    must_make(.name = "theirs", SET(uid, 100000), SET(gid, 200000));
    assert_int_equal(stat(store_path(&store, "volumes/default/theirs/data"), &st), 0);
    assert_int_equal(st.st_uid, 100000);
    assert_int_equal(st.st_gid, 200000);
    must_make(.name = "theirs", SET(uid, 5)); /* it stays theirs */
    assert_int_equal(stat(store_path(&store, "volumes/default/theirs/data"), &st), 0);
    assert_int_equal(st.st_uid, 100000);
    assert_int_equal(make(.name = "x", SET(uid, UINT32_MAX)), ERROR_INVALID_ARGUMENT);
    assert_int_equal(make(.name = "x", SET(gid, 1ull << 40)), ERROR_INVALID_ARGUMENT);
}

static void what_the_driver_does_not_have_is_refused(void **state)
{
    struct map_entry option[] = { { "type", "nfs" } };

    (void)state;
    assert_int_equal(make(.name = "x", .driver = "nfs"), ERROR_INVALID_ARGUMENT);
    assert_says("local");
    assert_int_equal(make(.name = "x", .driver = "local", .options = { 1, option }),
                     ERROR_INVALID_ARGUMENT);
    assert_says("no options");
    assert_int_equal(make(.name = "x", SET(passing, true)), ERROR_PERMISSION_DENIED);
    must_make(.name = "x", .driver = "local");
}

static void of_many_who_make_the_same_one_makes_it(void **state)
{
    const struct volumes_create_request want = { .name = "same" };
    struct peer peers[8];
    size_t made = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        peer_open(&peers[i], "volumes");
        peer_send(&peers[i], &op_volumes_create, &want);
    }
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        must(peer_finish(&peers[i], &op_volumes_create, &answer));
        made += ((const struct volumes_create_reply *)answer.body)->is_new;
        peer_close(&peers[i]);
    }
    assert_int_equal(made, 1);
    assert_true(is_there("same"));
}

/* The last word decides, and rows and folders agree whatever it was. */
static void making_and_removing_take_turns(void **state)
{
    const struct volumes_create_request want = { .name = "same" };
    const struct volumes_get_request which = { .name = "same" };
    struct peer peers[10];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        peer_open(&peers[i], "volumes");
        if (i % 2 == 0)
            peer_send(&peers[i], &op_volumes_create, &want);
        else
            peer_send(&peers[i], &op_volumes_remove, &which);
    }
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        enum error_code code =
            peer_finish(&peers[i], i % 2 == 0 ? &op_volumes_create : &op_volumes_remove, &answer);

        if (code != ERROR_NONE && code != ERROR_NOT_FOUND)
            fail_msg("%s", answer.message);
        peer_close(&peers[i]);
    }
    assert_int_equal(is_there("same"), count_of("volumes_volume"));
}

static void namespaces_have_volumes_of_their_own(void **state)
{
    (void)state;
    must_make(.name = "data");
    store_use(&store, "other");
    assert_int_equal(ask_name(&op_volumes_get, "data"), ERROR_NOT_FOUND);
    assert_true(must_make(.name = "data")->is_new);
    must(ask_name(&op_volumes_remove, "data"));
    assert_true(is_there("data"));
}

/* ---- found ---------------------------------------------------------------------------- */

static void lists_come_in_order_and_in_pages_and_filtered(void **state)
{
    struct page_request want = { SET(limit, 2), .filters = STRS("name~=v.*") };
    const char *const names[] = { "v3", "x", "v1", "v2" };
    const struct volumes_list_reply *page;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        must_make(.name = names[i]);
    must(peer_ask(&store.volumes, &op_volumes_list, &want, &answer));
    page = answer.body;
    assert_int_equal(page->volumes.count, 2);
    assert_string_equal(((struct volume_info *)page->volumes.items)[1].name, "v2");
    assert_true(page->more);
    want.after = "v2";
    must(peer_ask(&store.volumes, &op_volumes_list, &want, &answer));
    page = answer.body;
    assert_int_equal(page->volumes.count, 1);
    assert_string_equal(((struct volume_info *)page->volumes.items)[0].name, "v3");
    want.filters = (struct strs)STRS("colour==red");
    assert_int_equal(peer_ask(&store.volumes, &op_volumes_list, &want, &answer),
                     ERROR_INVALID_ARGUMENT);
}

static void usage_counts_what_is_in_it(void **state)
{
    const struct snapshots_usage_reply *usage;

    (void)state;
    must_make(.name = "data");
    write_at(store_path(&store, "volumes/default/data/data/file"), "some text");
    must(ask_name(&op_volumes_usage, "data"));
    usage = answer.body;
    assert_true(usage->size >= 9);
    assert_int_equal(usage->inodes, 1);
    assert_int_equal(ask_name(&op_volumes_usage, "nobody"), ERROR_NOT_FOUND);
}

/* ---- removed -------------------------------------------------------------------------- */

static void a_removed_volume_takes_its_data_along(void **state)
{
    (void)state;
    must_make(.name = "data");
    write_at(store_path(&store, "volumes/default/data/data/file"), "text");
    must(ask_name(&op_volumes_remove, "data"));
    assert_false(is_there("data"));
    assert_int_equal(count_events("/volumes/delete", "data"), 1);
    COMES_TRUE(files_in("trash/volumes") == 0);
    assert_int_equal(ask_name(&op_volumes_remove, "data"), ERROR_NOT_FOUND);
    assert_int_equal(ask_name(&op_volumes_remove, "../data"), ERROR_INVALID_ARGUMENT);
    must_make(.name = "data");
    assert_false(fs_exists(store_path(&store, "volumes/default/data/data/file")));
}

static void a_volume_that_a_container_holds_stays(void **state)
{
    (void)state;
    must_make(.name = "data");
    for (int i = 0; i < 5; i++) {
        char sql[300];

        snprintf(sql, sizeof(sql),
                 "INSERT INTO containers_container (namespace, id, name, created, updated, record)"
                 " VALUES ('default', 'id%d', %s, 1, 1, X'80');"
                 "INSERT INTO containers_volume VALUES ('default', 'data', 'id%d')",
                 i, i == 0 ? "'web'" : "NULL", i);
        store_sql(&store, sql);
    }
    assert_int_equal(ask_name(&op_volumes_remove, "data"), ERROR_FAILED_PRECONDITION);
    assert_says("web (id0), id1, id2 and 2 more");
    assert_non_null(answer.hint);
    assert_true(must_find("data")->used);
    assert_int_equal(must_find("data")->containers.count, 5);
    assert_string_equal(must_find("data")->containers.items[4], "id4");
    assert_int_equal(must_prune(true)->names.count, 0);
    assert_true(is_there("data"));
    store_sql(&store, "PRAGMA foreign_keys = ON; DELETE FROM containers_container");
    must(ask_name(&op_volumes_remove, "data"));
}

static void a_lease_of_another_holds_a_volume(void **state)
{
    const struct leases_create_request lease = { .id = "mine" };
    const struct leases_remove_request gone = { .id = "mine" };

    (void)state;
    must(peer_ask(&store.leases, &op_leases_create, &lease, &answer));
    store.volumes.lease = "mine";
    must_make(.name = "data");
    store.volumes.lease = NULL;
    assert_int_equal(ask_name(&op_volumes_remove, "data"), ERROR_FAILED_PRECONDITION);
    assert_says("a lease holds it");
    must(peer_ask(&store.leases, &op_leases_remove, &gone, &answer));
    must(ask_name(&op_volumes_remove, "data"));
}

static void a_client_lets_its_lease_hold_a_volume(void **state)
{
    struct resource volume = { .kind = "volume", .key = "data" };
    const struct leases_create_request lease = { .id = "mine" };
    const struct leases_remove_request gone = { .id = "mine" };
    const struct leases_add_request add = { .id = "mine", .resources = { 1, &volume } };

    (void)state;
    must_make(.name = "data");
    must(peer_ask(&store.leases, &op_leases_create, &lease, &answer));
    must(peer_ask(&store.leases, &op_leases_add, &add, &answer));
    assert_int_equal(ask_name(&op_volumes_remove, "data"), ERROR_FAILED_PRECONDITION);
    assert_int_equal(must_prune(true)->names.count, 0);
    must(peer_ask(&store.leases, &op_leases_remove, &gone, &answer));
    must(ask_name(&op_volumes_remove, "data"));
    volume.key = "../data";
    assert_int_equal(peer_ask(&store.leases, &op_leases_add, &add, &answer),
                     ERROR_INVALID_ARGUMENT);
}

static void who_holds_it_by_its_own_lease_may_remove_it(void **state)
{
    const struct leases_create_request lease = { .id = "mine" };

    (void)state;
    must(peer_ask(&store.leases, &op_leases_create, &lease, &answer));
    store.volumes.lease = "mine";
    must_make(.name = "data");
    must(ask_name(&op_volumes_remove, "data"));
    store.volumes.lease = NULL;
}

static void prune_removes_anonymous_ones_and_all_if_asked(void **state)
{
    char name[65];

    (void)state;
    must_make(.name = "data");
    snprintf(name, sizeof(name), "%s", must_make()->volume->name);
    write_at(store_path(&store, "volumes/default/%s/data/file", name), "text");
    assert_int_equal(must_prune(false)->names.count, 1);
    assert_string_equal(((const struct volumes_prune_reply *)answer.body)->names.items[0], name);
    assert_true(((const struct volumes_prune_reply *)answer.body)->size >= 4);
    assert_true(is_there("data"));
    assert_int_equal(must_prune(true)->names.count, 1);
    assert_int_equal(count_of("volumes_volume"), 0);
}

static void what_is_for_the_daemon_is_refused_to_others(void **state)
{
    const struct volumes_pass_request pass = { .names = STRS("x") };
    const struct volumes_seed_request fill = { .name = "x", .source = "/etc" };

    (void)state;
    assert_int_equal(peer_ask(&store.volumes, &op_volumes_pass, &pass, &answer),
                     ERROR_PERMISSION_DENIED);
    assert_int_equal(peer_ask(&store.volumes, &op_volumes_seed, &fill, &answer),
                     ERROR_PERMISSION_DENIED);
}

/* ---- the next start ------------------------------------------------------------------- */

static void folders_and_rows_agree_after_a_start(void **state)
{
    struct error err = { 0 };

    (void)state;
    must_make(.name = "lost");
    must_make(.name = "kept");
    write_at(store_path(&store, "volumes/default/kept/data/file"), "text");
    store_stop(&store);
    assert_int_equal(fs_remove_tree(store_path(&store, "volumes/default/lost"), &err), 0);
    assert_int_equal(
        fs_folder_make_all(store_path(&store, "volumes/default/stray/data"), 0700, &err), 0);
    assert_int_equal(fs_folder_make_all(store_path(&store, "volumes/other/x"), 0700, &err), 0);
    store_start(&store);
    assert_false(is_there("stray"));
    assert_int_equal(files_in("volumes/other"), 0);
    assert_true(is_there("lost"));
    assert_true(fs_exists(store_path(&store, "volumes/default/kept/data/file")));
    assert_int_equal(count_of("volumes_volume"), 2);
}

/* What a job made that died with the daemon; what was to go with a container that is gone; but not
   what somebody has made by hand, or a container holds. */
static void what_was_to_go_goes_at_the_start(void **state)
{
    (void)state;
    store_sql(&store,
              "INSERT INTO volumes_volume VALUES ('default', 'passing', NULL, 1, 1, 1),"
              " ('default', 'held', NULL, 1, 1, 1), ('default', 'job', NULL, 1, 0, 1),"
              " ('default', 'own', NULL, 1, 0, 1), ('default', 'named', NULL, 0, 0, 1);"
              "INSERT INTO containers_container (namespace, id, created, updated, record)"
              " VALUES ('default', 'c', 1, 1, X'80');"
              "INSERT INTO containers_volume VALUES ('default', 'held', 'c');"
              "INSERT INTO leases_lease VALUES ('default', 'job-1', NULL, 0, 1, NULL);"
              "INSERT INTO leases_resource VALUES ('default', 'job-1', 'volume', '', 'job'),"
              " ('default', 'job-1', 'volume', '', 'named')");
    store_stop(&store);
    store_start(&store);
    EVENTUALLY(&store.volumes, count_of("volumes_volume") == 3);
    assert_int_equal(count_of("volumes_volume WHERE name IN ('held', 'own', 'named')"), 3);
    EVENTUALLY(&store.volumes, files_in("volumes/default") == 3);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_store, tear_down_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_volume_is_a_folder_and_a_row),
        STORE_TEST(one_that_is_there_is_as_good_as_made),
        STORE_TEST(without_a_name_it_is_anonymous),
        STORE_TEST(names_are_names_of_folders),
        STORE_TEST(a_new_volume_is_whose_it_is_said_to_be),
        STORE_TEST(what_the_driver_does_not_have_is_refused),
        STORE_TEST(of_many_who_make_the_same_one_makes_it),
        STORE_TEST(making_and_removing_take_turns),
        STORE_TEST(namespaces_have_volumes_of_their_own),
        STORE_TEST(lists_come_in_order_and_in_pages_and_filtered),
        STORE_TEST(usage_counts_what_is_in_it),
        STORE_TEST(a_removed_volume_takes_its_data_along),
        STORE_TEST(a_volume_that_a_container_holds_stays),
        STORE_TEST(a_lease_of_another_holds_a_volume),
        STORE_TEST(a_client_lets_its_lease_hold_a_volume),
        STORE_TEST(who_holds_it_by_its_own_lease_may_remove_it),
        STORE_TEST(prune_removes_anonymous_ones_and_all_if_asked),
        STORE_TEST(what_is_for_the_daemon_is_refused_to_others),
        STORE_TEST(folders_and_rows_agree_after_a_start),
        STORE_TEST(what_was_to_go_goes_at_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
