/* Leases: they hold, they lapse, and dropping one can wait for the collector. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "protocol/json.h"
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

static enum error_code create(const struct leases_create_request *in)
{
    return peer_ask(&store.leases, &op_leases_create, in, &answer);
}

static enum error_code drop(const char *id)
{
    const struct leases_remove_request in = { .id = id };

    return peer_ask(&store.leases, &op_leases_remove, &in, &answer);
}

static size_t resources(const char *id)
{
    const struct leases_get_request in = { .id = id };

    if (peer_ask(&store.leases, &op_leases_resources, &in, &answer) != ERROR_NONE)
        return SIZE_MAX;
    return ((struct leases_resources_reply *)answer.body)->resources.count;
}

static size_t count_leases(void)
{
    const struct page_request in = { 0 };

    assert_int_equal(peer_ask(&store.leases, &op_leases_list, &in, &answer), ERROR_NONE);
    return ((struct leases_list_reply *)answer.body)->leases.count;
}

/* ---- time ----------------------------------------------------------------------------------- */

static void a_lease_lapses_after_a_day_when_nothing_is_said(void **state)
{
    const struct lease_info *info;

    (void)state;
    assert_int_equal(create(&(struct leases_create_request){ 0 }), ERROR_NONE);
    info = answer.body;
    assert_int_equal(strlen(info->id), 32);
    assert_int_equal((info->expires - info->created) / 1000000000, 24 * 3600);
}

static void a_lease_may_never_lapse(void **state)
{
    (void)state;
    assert_int_equal(create(&(struct leases_create_request){ .id = "a", SET(ttl_ms, 0) }),
                     ERROR_NONE);
    assert_false(((struct lease_info *)answer.body)->has_expires);
    assert_int_equal(create(&(struct leases_create_request){ .id = "b", SET(ttl_ms, UINT64_MAX) }),
                     ERROR_NONE);
    assert_false(((struct lease_info *)answer.body)->has_expires);
}

static void a_label_says_when_it_lapses(void **state)
{
    struct map_entry label = { "containerd.io/gc.expire", "2199-12-31T23:00:00Z" };
    const struct leases_create_request in = { .id = "a", .labels = { 1, &label } };
    char text[TIME_TEXT_SIZE];

    (void)state;
    assert_int_equal(create(&in), ERROR_NONE);
    assert_string_equal(time_text(((struct lease_info *)answer.body)->expires, text),
                        "2199-12-31T23:00:00.000000000Z");
    label.value = "tomorrow";
    assert_int_equal(create(&in), ERROR_INVALID_ARGUMENT);
}

static void what_has_lapsed_is_gone(void **state)
{
    (void)state;
    assert_int_equal(create(&(struct leases_create_request){ .id = "short", SET(ttl_ms, 1) }),
                     ERROR_NONE);
    assert_int_equal(create(&(struct leases_create_request){ .id = "long" }), ERROR_NONE);
    EVENTUALLY(&store.leases, store_number(&store, "SELECT count(*) FROM leases_lease") == 1);
    assert_int_equal(count_leases(), 1);
}

static void a_lease_lapses_while_the_daemon_is_away(void **state)
{
    (void)state;
    assert_int_equal(create(&(struct leases_create_request){ .id = "a" }), ERROR_NONE);
    store_stop(&store);
    store_sql(&store, "UPDATE leases_lease SET expires = 1");
    store_start(&store);
    assert_int_equal(count_leases(), 0);
    EVENTUALLY(&store.leases, store_number(&store, "SELECT count(*) FROM leases_lease") == 0);
}

/* ---- holding -------------------------------------------------------------------------------- */

static void a_lease_holds_what_is_made_with_it(void **state)
{
    const struct snapshots_prepare_request prepare = { .key = "s" };
    char digest[136];

    (void)state;
    assert_int_equal(create(&(struct leases_create_request){ .id = "a" }), ERROR_NONE);
    store.content.lease = store.snapshots.lease = "a";
    store_blob(&store, "blob", NULL, digest);
    assert_int_equal(peer_ask(&store.snapshots, &op_snapshots_prepare, &prepare, &answer),
                     ERROR_NONE);
    assert_int_equal(resources("a"), 3); /* the ingest, too */
    assert_int_equal(drop("a"), ERROR_NONE);
    assert_int_equal(resources("a"), SIZE_MAX);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM leases_resource"), 0);
}

static void things_are_added_by_hand(void **state)
{
    static const char digest[] = "sha256:"
                                 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    struct resource things[] = { { "content", digest, NULL }, { "snapshot", "s", "overlay" } };
    struct leases_add_request in = { .id = "a", .resources = { 2, things } };
    const struct resource *held;

    (void)state;
    assert_int_equal(peer_ask(&store.leases, &op_leases_add, &in, &answer), ERROR_NOT_FOUND);
    assert_int_equal(create(&(struct leases_create_request){ .id = "a" }), ERROR_NONE);
    assert_int_equal(peer_ask(&store.leases, &op_leases_add, &in, &answer), ERROR_NONE);
    assert_int_equal(peer_ask(&store.leases, &op_leases_add, &in, &answer), ERROR_NONE);
    assert_int_equal(resources("a"), 2);
    held = ((struct leases_resources_reply *)answer.body)->resources.items;
    assert_string_equal(held[0].key, digest);
    assert_string_equal(held[1].driver, "overlay");
    things[0].kind = "cow";
    assert_int_equal(peer_ask(&store.leases, &op_leases_add, &in, &answer), ERROR_INVALID_ARGUMENT);
    things[0] = (struct resource){ "snapshot", "whose", NULL };
    assert_int_equal(peer_ask(&store.leases, &op_leases_add, &in, &answer), ERROR_INVALID_ARGUMENT);
}

static void what_is_no_name_is_refused(void **state)
{
    char key[1026] = "";
    struct resource thing = { "content", "sha256:x", NULL };
    struct leases_add_request in = { .id = "a", .resources = { 1, &thing } };

    (void)state;
    memset(key, 'k', sizeof(key) - 1);
    assert_int_equal(create(&(struct leases_create_request){ .id = "a" }), ERROR_NONE);
    assert_int_equal(peer_ask(&store.leases, &op_leases_add, &in, &answer), ERROR_INVALID_ARGUMENT);
    thing = (struct resource){ "image", "Not A Name", NULL };
    assert_int_equal(peer_ask(&store.leases, &op_leases_add, &in, &answer), ERROR_INVALID_ARGUMENT);
    thing = (struct resource){ "snapshot", key, "overlay" };
    assert_int_equal(peer_ask(&store.leases, &op_leases_add, &in, &answer), ERROR_INVALID_ARGUMENT);
    thing.key = "";
    assert_int_equal(peer_ask(&store.leases, &op_leases_add, &in, &answer), ERROR_INVALID_ARGUMENT);
    thing = (struct resource){ "image", "busybox", NULL };
    assert_int_equal(peer_ask(&store.leases, &op_leases_add, &in, &answer), ERROR_NONE);
    assert_int_equal(resources("a"), 1);
    assert_string_equal(
        ((struct resource *)((struct leases_resources_reply *)answer.body)->resources.items)->key,
        "docker.io/library/busybox:latest");
}

static void a_lease_lets_go_of_what_it_is_told(void **state)
{
    struct resource things[] = { { "ingest", "r", NULL }, { "snapshot", "s", "overlay" } };
    struct leases_add_request add = { .id = "a", .resources = { 2, things } };
    struct leases_release_request release = { .id = "a", .resources = { 1, &things[1] } };

    (void)state;
    assert_int_equal(peer_ask(&store.leases, &op_leases_release, &release, &answer),
                     ERROR_NOT_FOUND);
    assert_int_equal(create(&(struct leases_create_request){ .id = "a" }), ERROR_NONE);
    assert_int_equal(peer_ask(&store.leases, &op_leases_add, &add, &answer), ERROR_NONE);
    assert_int_equal(peer_ask(&store.leases, &op_leases_release, &release, &answer), ERROR_NONE);
    assert_int_equal(resources("a"), 1);
    release.resources = add.resources; /* one of them is not held: nothing changes */
    assert_int_equal(peer_ask(&store.leases, &op_leases_release, &release, &answer),
                     ERROR_NOT_FOUND);
    assert_non_null(strstr(answer.message, "does not hold snapshot s"));
    assert_int_equal(resources("a"), 1);
}

static void one_that_has_lapsed_takes_nothing_more(void **state)
{
    struct resource thing = { "ingest", "r", NULL };
    struct leases_add_request in = { .id = "a", .resources = { 1, &thing } };
    const struct leases_get_request get = { .id = "a" };

    (void)state;
    assert_int_equal(create(&(struct leases_create_request){ .id = "a" }), ERROR_NONE);
    assert_int_equal(peer_ask(&store.leases, &op_leases_get, &get, &answer), ERROR_NONE);
    store_sql(&store, "UPDATE leases_lease SET expires = 1");
    assert_int_equal(peer_ask(&store.leases, &op_leases_add, &in, &answer), ERROR_NOT_FOUND);
    assert_int_equal(peer_ask(&store.leases, &op_leases_get, &get, &answer), ERROR_NOT_FOUND);
}

/* ---- changing ------------------------------------------------------------------------------- */

static const struct lease_info *update(const struct leases_update_request *in)
{
    if (peer_ask(&store.leases, &op_leases_update, in, &answer) != ERROR_NONE)
        fail_msg("%s", answer.message);
    return answer.body;
}

static void labels_and_time_of_a_lease_change(void **state)
{
    struct map_entry flat = { "containerd.io/gc.flat", "yes" };
    struct map_entry expire = { "containerd.io/gc.expire", "2199-12-31T23:00:00Z" };
    struct leases_update_request with_flat = { .id = "a", .labels = { 1, &flat } };
    struct leases_update_request with_expire = { .id = "a", .labels = { 1, &expire } };
    const struct leases_update_request never = { .id = "a", SET(ttl_ms, 0) };
    const struct leases_update_request hour = { .id = "a", SET(ttl_ms, 3600000) };
    const struct lease_info *info;

    (void)state;
    assert_int_equal(create(&(struct leases_create_request){ .id = "a" }), ERROR_NONE);
    assert_int_equal(update(&with_flat)->labels.count, 1);
    assert_int_equal(store_number(&store, "SELECT flat FROM leases_lease"), 1);
    flat.value = "";
    assert_true(update(&with_flat)->has_expires); /* a day from its making, as before */
    assert_int_equal(store_number(&store, "SELECT flat FROM leases_lease"), 0);
    assert_false(update(&never)->has_expires);
    info = update(&hour);
    assert_true(info->expires > info->created && info->has_expires);
    assert_int_equal(update(&with_expire)->expires / 1000000000, 7258114800);
    assert_int_equal(peer_ask(&store.leases, &op_leases_update, &hour, &answer),
                     ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(answer.hint, "remove it first"));
    expire.value = "";
    assert_false(update(&with_expire)->has_expires);
    expire.value = "soon";
    assert_int_equal(peer_ask(&store.leases, &op_leases_update, &with_expire, &answer),
                     ERROR_INVALID_ARGUMENT);
}

static void a_lease_whose_time_is_shortened_lapses_by_itself(void **state)
{
    const struct leases_update_request soon = { .id = "a", SET(ttl_ms, 1) };

    (void)state;
    assert_int_equal(create(&(struct leases_create_request){ .id = "a" }), ERROR_NONE);
    update(&soon);
    EVENTUALLY(&store.leases, store_number(&store, "SELECT count(*) FROM leases_lease") == 0);
}

/* ---- names ---------------------------------------------------------------------------------- */

static void leases_of_namespaces_do_not_meet(void **state)
{
    (void)state;
    assert_int_equal(create(&(struct leases_create_request){ .id = "a" }), ERROR_NONE);
    assert_int_equal(create(&(struct leases_create_request){ .id = "a" }), ERROR_ALREADY_EXISTS);
    store_use(&store, "other");
    assert_int_equal(drop("a"), ERROR_NOT_FOUND);
    assert_int_equal(create(&(struct leases_create_request){ .id = "a" }), ERROR_NONE);
    assert_int_equal(drop("a"), ERROR_NONE);
    assert_int_equal(drop("a"), ERROR_NOT_FOUND);
    store_use(&store, NULL);
    assert_int_equal(count_leases(), 1);
}

static void ids_are_bounded(void **state)
{
    char id[130];

    (void)state;
    memset(id, 'a', 129);
    id[129] = '\0';
    assert_int_equal(create(&(struct leases_create_request){ .id = id }), ERROR_INVALID_ARGUMENT);
    assert_int_equal(create(&(struct leases_create_request){ .id = "" }), ERROR_INVALID_ARGUMENT);
    id[128] = '\0';
    assert_int_equal(create(&(struct leases_create_request){ .id = id }), ERROR_NONE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_lease_lapses_after_a_day_when_nothing_is_said),
        T(a_lease_may_never_lapse),
        T(a_label_says_when_it_lapses),
        T(what_has_lapsed_is_gone),
        T(a_lease_lapses_while_the_daemon_is_away),
        T(a_lease_holds_what_is_made_with_it),
        T(things_are_added_by_hand),
        T(what_is_no_name_is_refused),
        T(a_lease_lets_go_of_what_it_is_told),
        T(one_that_has_lapsed_takes_nothing_more),
        T(labels_and_time_of_a_lease_change),
        T(a_lease_whose_time_is_shortened_lapses_by_itself),
        T(leases_of_namespaces_do_not_meet),
        T(ids_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
