/* What is asked of snapshots and cannot be: each is refused with the name of the thing, and nothing is left of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "platform/scope.h"
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

static void must(enum error_code code)
{
    if (code != ERROR_NONE)
        fail_msg("%s: %s", error_code_name(code), answer.message);
}

static void refused(enum error_code code, enum error_code expected, const char *what)
{
    assert_int_equal(code, expected);
    if (strstr(answer.message, what) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", answer.message, what);
}

static enum error_code make(const struct op *op, const char *key, const char *parent)
{
    const struct snapshots_prepare_request in = { .key = key, .parent = parent };

    return peer_ask(&store.snapshots, op, &in, &answer);
}

static enum error_code commit(const char *key, const char *name)
{
    const struct snapshots_commit_request in = { .key = key, .name = name };

    return peer_ask(&store.snapshots, &op_snapshots_commit, &in, &answer);
}

static enum error_code drop(const char *key)
{
    const struct snapshots_key_request in = { .key = key };

    return peer_ask(&store.snapshots, &op_snapshots_remove, &in, &answer);
}

static void make_base(void)
{
    must(make(&op_snapshots_prepare, "work", NULL));
    must(commit("work", "base"));
}

static int64_t layers(void)
{
    return store_number(&store, "SELECT count(*) FROM snapshots_layer");
}

static void a_view_is_not_committed(void **state)
{
    (void)state;
    make_base();
    must(make(&op_snapshots_view, "look", "base"));
    refused(commit("look", "other"), ERROR_FAILED_PRECONDITION, "look: is view");
    refused(commit("base", "other"), ERROR_FAILED_PRECONDITION, "base: is committed");
    refused(commit("nobody", "other"), ERROR_NOT_FOUND, "nobody");
    assert_int_equal(layers(), 2);
}

static void one_with_a_view_or_an_active_on_it_stays(void **state)
{
    (void)state;
    make_base();
    must(make(&op_snapshots_view, "look", "base"));
    refused(drop("base"), ERROR_FAILED_PRECONDITION, "base: look stands on it");
    must(make(&op_snapshots_prepare, "work", "base"));
    must(drop("look"));
    refused(drop("base"), ERROR_FAILED_PRECONDITION, "base: work stands on it");
    must(commit("work", "top"));
    refused(drop("base"), ERROR_FAILED_PRECONDITION, "base: top stands on it");
    must(drop("top"));
    must(drop("base"));
    refused(drop("base"), ERROR_NOT_FOUND, "base");
    assert_int_equal(layers(), 0);
}

static void a_parent_is_committed_and_there(void **state)
{
    (void)state;
    make_base();
    must(make(&op_snapshots_prepare, "active", NULL));
    must(make(&op_snapshots_view, "look", "base"));
    refused(make(&op_snapshots_prepare, "x", "active"), ERROR_INVALID_ARGUMENT, "active: is active, not committed");
    refused(make(&op_snapshots_view, "x", "active"), ERROR_INVALID_ARGUMENT, "active: is active, not committed");
    refused(make(&op_snapshots_prepare, "x", "look"), ERROR_INVALID_ARGUMENT, "look: is view, not committed");
    refused(make(&op_snapshots_view, "x", "nobody"), ERROR_NOT_FOUND, "nobody");
    assert_int_equal(layers(), 3);
}

static void names_in_use_are_not_taken(void **state)
{
    (void)state;
    make_base();
    must(make(&op_snapshots_prepare, "active", "base"));
    refused(make(&op_snapshots_prepare, "active", NULL), ERROR_ALREADY_EXISTS, "active");
    refused(make(&op_snapshots_view, "active", "base"), ERROR_ALREADY_EXISTS, "active");
    refused(make(&op_snapshots_prepare, "base", NULL), ERROR_ALREADY_EXISTS, "base");
    refused(commit("active", "base"), ERROR_ALREADY_EXISTS, "base");
    must(commit("active", "top")); /* it was not hurt */
    must(make(&op_snapshots_prepare, "active", "top")); /* and its name is free */
    assert_int_equal(layers(), 3);
}

static void a_key_has_bounds(void **state)
{
    char key[1026];

    (void)state;
    memset(key, 'k', sizeof(key));
    key[1025] = '\0';
    refused(make(&op_snapshots_prepare, key, NULL), ERROR_INVALID_ARGUMENT, "1 to 1024 bytes");
    refused(make(&op_snapshots_prepare, "", NULL), ERROR_INVALID_ARGUMENT, "1 to 1024 bytes");
    key[1024] = '\0';
    must(make(&op_snapshots_prepare, key, NULL));
    refused(commit(key, ""), ERROR_INVALID_ARGUMENT, "1 to 1024 bytes");
    must(commit(key, "short"));
    assert_int_equal(layers(), 1);
}

/* Key and value together, as containerd has it. */
static void a_label_has_4096_bytes_at_most(void **state)
{
    char value[4097];
    struct map_entry label = { "key", value };
    const struct snapshots_prepare_request in = { .key = "work", .labels = { 1, &label } };
    const struct snapshots_update_request update = { .key = "work", .labels = { 1, &label } };
    const struct snapshots_key_request which = { .key = "work" };
    const struct snapshot_info *info;

    (void)state;
    memset(value, 'v', sizeof(value));
    value[4094] = '\0';
    refused(peer_ask(&store.snapshots, &op_snapshots_prepare, &in, &answer), ERROR_INVALID_ARGUMENT, "4096");
    assert_int_equal(layers(), 0);
    value[4093] = '\0';
    must(peer_ask(&store.snapshots, &op_snapshots_prepare, &in, &answer));
    must(peer_ask(&store.snapshots, &op_snapshots_stat, &which, &answer));
    info = answer.body;
    assert_string_equal(map_get(&info->labels, "key"), value);
    value[4093] = 'v';
    value[4094] = '\0';
    refused(peer_ask(&store.snapshots, &op_snapshots_update, &update, &answer), ERROR_INVALID_ARGUMENT, "4096");
}

static void a_layer_is_replaced_from_inside_only_and_by_what_was_made_for_it(void **state)
{
    const struct snapshots_prepare_request apart = { .key = "apart", SET(apart, true) };
    struct snapshots_replace_request in = { .key = "active", .layer = 1 };

    (void)state;
    make_base();
    must(make(&op_snapshots_prepare, "active", NULL));
    must(peer_ask(&store.snapshots, &op_snapshots_prepare, &apart, &answer));
    refused(peer_ask(&store.snapshots, &op_snapshots_replace, &in, &answer), ERROR_PERMISSION_DENIED, "daemon itself");
    store.snapshots.inside = true;
    refused(peer_ask(&store.snapshots, &op_snapshots_replace, &in, &answer), ERROR_FAILED_PRECONDITION, "apart");
    in.key = "apart";
    in.layer = 2;
    refused(peer_ask(&store.snapshots, &op_snapshots_replace, &in, &answer), ERROR_NOT_FOUND, "layer 2");
    in.layer = 1;
    assert_int_equal(fs_folder_new(store_path(&store, "snapshots/3/fs/new"), 0755, &(struct error){ 0 }), 0);
    must(peer_ask(&store.snapshots, &op_snapshots_replace, &in, &answer));
    assert_true(fs_exists(store_path(&store, "snapshots/1/fs/new")));
    assert_false(fs_exists(store_path(&store, "snapshots/3/fs/new")));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_view_is_not_committed),
        T(one_with_a_view_or_an_active_on_it_stays),
        T(a_parent_is_committed_and_there),
        T(names_in_use_are_not_taken),
        T(a_key_has_bounds),
        T(a_label_has_4096_bytes_at_most),
        T(a_layer_is_replaced_from_inside_only_and_by_what_was_made_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
