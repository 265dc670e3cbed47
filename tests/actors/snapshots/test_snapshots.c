/* Snapshots: keys and kinds per namespace, layers behind them that namespaces share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

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

static enum error_code prepare(const char *key, const char *parent)
{
    const struct snapshots_prepare_request in = { .key = key, .parent = parent };

    return peer_ask(&store.snapshots, &op_snapshots_prepare, &in, &answer);
}

static enum error_code prepare_apart(const char *key, const char *target)
{
    const struct snapshots_prepare_request in = { .key = key, .target = target, SET(apart, true) };

    return peer_ask(&store.snapshots, &op_snapshots_prepare, &in, &answer);
}

static enum error_code view(const char *key, const char *parent)
{
    const struct snapshots_prepare_request in = { .key = key, .parent = parent };

    return peer_ask(&store.snapshots, &op_snapshots_view, &in, &answer);
}

static enum error_code commit(const char *key, const char *name)
{
    const struct snapshots_commit_request in = { .key = key, .name = name };

    return peer_ask(&store.snapshots, &op_snapshots_commit, &in, &answer);
}

/* As the daemon itself does it: what it has unpacked it vouches for. */
static enum error_code commit_inside(const char *key, const char *name, const char *parent)
{
    const struct snapshots_commit_request in = {
        .key = key,
        .name = name,
        .parent = parent,
        SET(size, 1),
        SET(inodes, 1),
        SET(synced, true),
    };

    enum error_code code;

    store.snapshots.inside = true;
    code = peer_ask(&store.snapshots, &op_snapshots_commit, &in, &answer);
    store.snapshots.inside = false;
    return code;
}

static enum error_code ask_key(const struct op *op, const char *key)
{
    const struct snapshots_key_request in = { .key = key };

    return peer_ask(&store.snapshots, op, &in, &answer);
}

static void must(enum error_code code)
{
    if (code != ERROR_NONE)
        fail_msg("%s: %s", error_code_name(code), answer.message);
}

static const struct mount *mount_at(size_t index)
{
    const struct snapshots_mounts_reply *reply = answer.body;

    assert_true(index < reply->mounts.count);
    return (const struct mount *)reply->mounts.items + index;
}

static bool has_option(const struct mount *mount, const char *option)
{
    for (size_t i = 0; i < mount->options.count; i++)
        if (streq(mount->options.items[i], option))
            return true;
    return false;
}

/* ---- kinds ---------------------------------------------------------------------------------- */

static void a_snapshot_is_prepared_filled_and_committed(void **state)
{
    char file[PATH_SIZE];

    (void)state;
    must(prepare("work", NULL));
    assert_string_equal(mount_at(0)->type, "bind");
    snprintf(file, sizeof(file), "%s/file", ((struct snapshots_mounts_reply *)answer.body)->path);
    write_at(file, "content");
    must(commit("work", "base"));
    assert_string_equal(((struct snapshot_info *)answer.body)->kind, "committed");
    assert_int_equal(ask_key(&op_snapshots_stat, "work"), ERROR_NOT_FOUND);
    must(ask_key(&op_snapshots_usage, "base"));
    assert_int_equal(((struct snapshots_usage_reply *)answer.body)->inodes, 1);
    assert_true(fs_exists(file)); /* it stays where it is */
}

static void an_active_snapshot_lies_over_its_parents(void **state)
{
    (void)state;
    must(prepare("1", NULL));
    must(commit("1", "one"));
    must(prepare("2", "one"));
    must(commit("2", "two"));
    must(prepare("3", "two"));
    if (!store_is_overlay()) {
        assert_string_equal(mount_at(0)->type, "bind");
        assert_string_equal(mount_at(0)->source, store_path(&store, "snapshots/3/fs"));
        return;
    }
    assert_string_equal(mount_at(0)->type, "overlay");
    assert_true(has_option(mount_at(0), arena_printf(answer.arena,
                                                     "lowerdir=%s/snapshots/2/fs:%s/snapshots/1/fs",
                                                     store.root, store.root)));
    assert_true(has_option(mount_at(0),
                           arena_printf(answer.arena, "upperdir=%s/snapshots/3/fs", store.root)));
    assert_string_equal(((struct snapshots_mounts_reply *)answer.body)->path,
                        store_path(&store, "snapshots/3/fs"));
    must(ask_key(&op_snapshots_mounts, "3"));
    assert_string_equal(mount_at(0)->type, "overlay");
}

static void a_view_of_one_layer_is_a_read_only_bind(void **state)
{
    (void)state;
    must(prepare("1", NULL));
    must(commit("1", "one"));
    must(view("look", "one"));
    assert_string_equal(mount_at(0)->type, "bind");
    assert_string_equal(mount_at(0)->source, store_path(&store, "snapshots/1/fs"));
    assert_true(has_option(mount_at(0), "ro"));
    assert_int_equal(commit("look", "never"), ERROR_FAILED_PRECONDITION);
}

static void a_snapshot_with_children_stays(void **state)
{
    (void)state;
    must(prepare("1", NULL));
    must(commit("1", "one"));
    must(prepare("2", "one"));
    assert_int_equal(ask_key(&op_snapshots_remove, "one"), ERROR_FAILED_PRECONDITION);
    must(ask_key(&op_snapshots_remove, "2"));
    must(ask_key(&op_snapshots_remove, "one"));
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 0);
    assert_false(fs_exists(store_path(&store, "snapshots/1")));
}

static void only_committed_snapshots_are_parents(void **state)
{
    (void)state;
    must(prepare("1", NULL));
    assert_int_equal(prepare("2", "1"), ERROR_INVALID_ARGUMENT);
    assert_int_equal(prepare("2", "nobody"), ERROR_NOT_FOUND);
    assert_int_equal(prepare("1", NULL), ERROR_ALREADY_EXISTS);
    must(commit("1", "one"));
    assert_int_equal(ask_key(&op_snapshots_mounts, "one"), ERROR_FAILED_PRECONDITION);
}

static void what_was_refused_leaves_no_folder(void **state)
{
    (void)state;
    must(prepare("1", NULL));
    assert_int_equal(prepare("1", NULL), ERROR_ALREADY_EXISTS);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 1);
    assert_true(fs_exists(store_path(&store, "snapshots/1")));
    assert_false(fs_exists(store_path(&store, "snapshots/2")));
}

/* ---- apart ---------------------------------------------------------------------------------- */

static void a_layer_unpacked_apart_gets_its_parent_at_the_commit(void **state)
{
    (void)state;
    must(prepare_apart("x-2", "two"));
    assert_null(((struct snapshots_mounts_reply *)answer.body)->path);
    assert_int_equal(commit_inside("x-2", "two", "one"), ERROR_NOT_FOUND);
    must(prepare_apart("x-1", "one"));
    must(commit_inside("x-1", "one", NULL));
    must(commit_inside("x-2", "two", "one"));
    assert_string_equal(((struct snapshot_info *)answer.body)->parent, "one");
    must(prepare("3", "two"));
    if (!store_is_overlay())
        return;
    assert_true(has_option(mount_at(0), arena_printf(answer.arena,
                                                     "lowerdir=%s/snapshots/1/fs:%s/snapshots/2/fs",
                                                     store.root, store.root)));
}

static void the_parent_of_what_was_not_apart_stays(void **state)
{
    (void)state;
    must(prepare("1", NULL));
    must(commit("1", "one"));
    must(prepare("2", NULL));
    assert_int_equal(commit_inside("2", "two", "one"), ERROR_INVALID_ARGUMENT);
}

/* ---- sharing -------------------------------------------------------------------------------- */

static void make_chain(void)
{
    must(prepare_apart("x-1", "one"));
    must(commit_inside("x-1", "one", NULL));
    must(prepare_apart("x-2", "two"));
    must(commit_inside("x-2", "two", "one"));
}

static void a_second_namespace_gets_layers_without_unpacking(void **state)
{
    (void)state;
    make_chain();
    store_use(&store, "other");
    assert_int_equal(prepare_apart("x-2", "two"), ERROR_ALREADY_EXISTS);
    must(ask_key(&op_snapshots_stat, "two"));
    assert_string_equal(((struct snapshot_info *)answer.body)->parent, "one");
    must(ask_key(&op_snapshots_stat, "one"));
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 2);

    /* the first namespace lets go: the layers stay for the second */
    store_use(&store, NULL);
    must(ask_key(&op_snapshots_remove, "two"));
    must(ask_key(&op_snapshots_remove, "one"));
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 2);
    store_use(&store, "other");
    must(prepare("3", "two"));
    must(ask_key(&op_snapshots_remove, "3"));
    must(ask_key(&op_snapshots_remove, "two"));
    must(ask_key(&op_snapshots_remove, "one"));
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 0);
}

static void what_a_client_committed_is_not_shared(void **state)
{
    (void)state;
    must(prepare_apart("x-1", "one"));
    must(commit("x-1", "one"));
    store_use(&store, "other");
    must(prepare_apart("x-1", "one"));
    assert_int_equal(ask_key(&op_snapshots_stat, "one"), ERROR_NOT_FOUND);
}

static void a_client_cannot_vouch_for_its_data(void **state)
{
    const struct snapshots_commit_request in = { .key = "x-1", .name = "one", SET(synced, true) };

    (void)state;
    must(prepare_apart("x-1", "one"));
    assert_int_equal(peer_ask(&store.snapshots, &op_snapshots_commit, &in, &answer),
                     ERROR_PERMISSION_DENIED);
}

static void a_target_of_the_same_namespace_is_found(void **state)
{
    (void)state;
    must(prepare("1", NULL));
    must(commit("1", "one"));
    assert_int_equal(prepare_apart("x", "one"), ERROR_ALREADY_EXISTS);
    assert_int_equal(ask_key(&op_snapshots_stat, "x"), ERROR_NOT_FOUND);
}

/* A layer below whose row has gone stays as long as one above it is there. */
static void a_shared_layer_keeps_the_one_it_stands_on(void **state)
{
    (void)state;
    make_chain();
    store_use(&store, "other");
    must(prepare("mine", NULL));
    must(commit("mine", "one")); /* a row of the same name, with another layer behind it */
    assert_int_equal(prepare_apart("x-2", "two"), ERROR_ALREADY_EXISTS);
    store_use(&store, NULL);
    must(ask_key(&op_snapshots_remove, "two"));
    must(ask_key(&op_snapshots_remove, "one"));
    store_use(&store, "other");
    must(prepare("3", "two"));
    assert_true(fs_exists(store_path(&store, "snapshots/1/fs")));
    must(ask_key(&op_snapshots_remove, "3"));
    must(ask_key(&op_snapshots_remove, "two"));
    assert_false(fs_exists(store_path(&store, "snapshots/1")));
    assert_false(fs_exists(store_path(&store, "snapshots/2")));
}

/* ---- life ----------------------------------------------------------------------------------- */

static void folders_that_no_row_names_go_at_the_start(void **state)
{
    (void)state;
    must(prepare("1", NULL));
    store_stop(&store);
    assert_int_equal(mkdir(store_path(&store, "snapshots/77"), 0700), 0);
    store_start(&store);
    assert_false(fs_exists(store_path(&store, "snapshots/77")));
    assert_true(fs_exists(store_path(&store, "snapshots/1/fs")));
    must(prepare("2", NULL)); /* numbers go on behind it */
    assert_true(fs_exists(store_path(&store, "snapshots/78/fs")));
}

static void a_lost_active_folder_is_made_again(void **state)
{
    struct error err = { 0 };

    (void)state;
    must(prepare("1", NULL));
    store_stop(&store);
    assert_int_equal(fs_remove_tree(store_path(&store, "snapshots/1"), &err), 0);
    store_start(&store);
    assert_true(!store_is_overlay() || fs_exists(store_path(&store, "snapshots/1/work")));
}

static void labels_change_and_lists_have_pages(void **state)
{
    struct map_entry entry = { "a", "1" };
    const struct snapshots_update_request update = { .key = "2", .labels = { 1, &entry } };
    const struct snapshots_list_request first = { SET(limit, 2) }, rest = { .after = "2" };
    const struct snapshots_list_reply *reply;

    (void)state;
    must(prepare("1", NULL));
    must(prepare("2", NULL));
    must(prepare("3", NULL));
    must(peer_ask(&store.snapshots, &op_snapshots_update, &update, &answer));
    must(peer_ask(&store.snapshots, &op_snapshots_list, &first, &answer));
    reply = answer.body;
    assert_int_equal(reply->snapshots.count, 2);
    assert_true(reply->more);
    assert_string_equal(map_get(&((struct snapshot_info *)reply->snapshots.items)[1].labels, "a"),
                        "1");
    must(peer_ask(&store.snapshots, &op_snapshots_list, &rest, &answer));
    reply = answer.body;
    assert_int_equal(reply->snapshots.count, 1);
    assert_false(reply->more);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_snapshot_is_prepared_filled_and_committed),
        T(an_active_snapshot_lies_over_its_parents),
        T(a_view_of_one_layer_is_a_read_only_bind),
        T(a_snapshot_with_children_stays),
        T(only_committed_snapshots_are_parents),
        T(what_was_refused_leaves_no_folder),
        T(a_layer_unpacked_apart_gets_its_parent_at_the_commit),
        T(the_parent_of_what_was_not_apart_stays),
        T(a_second_namespace_gets_layers_without_unpacking),
        T(what_a_client_committed_is_not_shared),
        T(a_client_cannot_vouch_for_its_data),
        T(a_target_of_the_same_namespace_is_found),
        T(a_shared_layer_keeps_the_one_it_stands_on),
        T(folders_that_no_row_names_go_at_the_start),
        T(a_lost_active_folder_is_made_again),
        T(labels_change_and_lists_have_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
