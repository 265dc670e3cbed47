/* What is named stays, what is not goes: by example. */
#include <time.h>

#include "tests/actors/collector/collector_fixture.h"

static bool has_blob(const char *digest)
{
    const struct content_stat_request in = { .digest = digest };

    return peer_ask(&store.content, &op_content_stat, &in, &answer) == ERROR_NONE;
}

static bool has_snapshot(const char *key)
{
    const struct snapshots_key_request in = { .key = key };

    return peer_ask(&store.snapshots, &op_snapshots_stat, &in, &answer) == ERROR_NONE;
}

static void make_snapshot(const char *name, const char *parent)
{
    const struct snapshots_prepare_request prepare = { .key = "active", .parent = parent };
    const struct snapshots_commit_request commit = { .key = "active", .name = name };

    must(peer_ask(&store.snapshots, &op_snapshots_prepare, &prepare, &answer));
    must(peer_ask(&store.snapshots, &op_snapshots_commit, &commit, &answer));
}

static void make_lease(const char *id, const char *label)
{
    struct map_entry entry = { label, "yes" };
    const struct leases_create_request in = { .id = id, .labels = { label ? 1 : 0, &entry } };

    must(peer_ask(&store.leases, &op_leases_create, &in, &answer));
    store.content.lease = store.snapshots.lease = id;
}

static void end_lease(const char *id, bool sync)
{
    const struct leases_remove_request in = { .id = id, SET(sync, sync) };

    store.content.lease = store.snapshots.lease = NULL;
    must(peer_ask(&store.leases, &op_leases_remove, &in, &answer));
}

static struct kept_thing why(const char *name)
{
    const struct collector_why_request in = { .name = name };
    const struct collector_why_reply *reply;

    must(peer_ask(&store.collector, &op_collector_why, &in, &answer));
    reply = answer.body;
    assert_int_equal(reply->things.count, 1);
    return *(const struct kept_thing *)reply->things.items;
}

static void assert_keeper(const struct kept_thing *thing, size_t step, const char *kind,
                          const char *key)
{
    const struct keeper *keeper = (const struct keeper *)thing->way.items + step;

    assert_true(step < thing->way.count);
    assert_string_equal(keeper->kind, kind);
    assert_string_equal(keeper->key, key);
}

/* ---- by example ----------------------------------------------------------------------------- */

static void an_image_keeps_all_that_it_refers_to(void **state)
{
    char layer[136], config[136], manifest[136], other[136];
    struct map_entry of_config = { "containerd.io/gc.ref.snapshot.overlay", "top" };
    struct map_entry of_manifest[] = { { "containerd.io/gc.ref.content.config", config },
                                       { "containerd.io/gc.ref.content.l.0", layer } };

    (void)state;
    make_lease("pull", NULL);
    make_snapshot("bottom", NULL);
    make_snapshot("top", "bottom");
    store_blob(&store, "layer", NULL, layer);
    store_blob(&store, "config", &(struct map){ 1, &of_config }, config);
    store_blob(&store, "manifest", &(struct map){ 2, of_manifest }, manifest);
    store_blob(&store, "other", NULL, other);
    store_image(&store, "image", manifest);
    end_lease("pull", true); /* answered after the collector */

    assert_true(has_blob(manifest) && has_blob(config) && has_blob(layer));
    assert_true(has_snapshot("top") && has_snapshot("bottom"));
    assert_false(has_blob(other));

    store_sql(&store, "DELETE FROM images_image");
    assert_int_equal(collect().content, 3);
    assert_false(has_snapshot("top") || has_snapshot("bottom"));
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_layer"), 0);
}

static void a_container_keeps_its_snapshot(void **state)
{
    (void)state;
    make_lease("l", NULL);
    make_snapshot("base", NULL);
    make_snapshot("kept", "base");
    store_container(&store, "c", "kept");
    end_lease("l", true);
    assert_true(has_snapshot("kept") && has_snapshot("base"));
}

static void a_root_label_keeps_for_good(void **state)
{
    struct map_entry root = { "containerd.io/gc.root", "2026-01-01T00:00:00Z" };
    const struct content_label_request unset = {
        .labels = { 1, &(struct map_entry){ "containerd.io/gc.root", "" } }
    };
    struct content_label_request in = unset;
    char digest[136];

    (void)state;
    store_blob(&store, "root", &(struct map){ 1, &root }, digest);
    collect();
    assert_true(has_blob(digest));
    in.digest = digest;
    must(peer_ask(&store.content, &op_content_label, &in, &answer));
    collect();
    assert_false(has_blob(digest));
}

static void a_flat_lease_keeps_only_what_it_holds(void **state)
{
    char below[136], above[136];
    struct map_entry edge = { "containerd.io/gc.ref.content", below };

    (void)state;
    store_blob(&store, "below", NULL, below);
    make_lease("flat", "containerd.io/gc.flat");
    store_blob(&store, "above", &(struct map){ 1, &edge }, above);
    store.content.lease = NULL;
    collect();
    assert_true(has_blob(above));
    assert_false(has_blob(below));
}

static void the_shortest_way_to_what_keeps_a_thing_is_told(void **state)
{
    char layer[136], manifest[136], index[136];
    struct map_entry of_manifest = { "containerd.io/gc.ref.content.l.0", layer };
    struct map_entry of_index = { "containerd.io/gc.ref.content.m.0", manifest };
    struct kept_thing thing;

    (void)state;
    make_lease("pull", NULL);
    store_blob(&store, "layer", NULL, layer);
    store_blob(&store, "manifest", &(struct map){ 1, &of_manifest }, manifest);
    store_blob(&store, "index", &(struct map){ 1, &of_index }, index);
    store_image(&store, "image", index);
    thing = why(layer); /* the lease is nearer than the image */
    assert_int_equal(thing.way.count, 2);
    assert_keeper(&thing, 0, "lease", "pull");
    assert_true(((const struct keeper *)thing.way.items)->has_expires);
    end_lease("pull", true);
    thing = why(layer + strlen("sha256:"));
    assert_int_equal(thing.way.count, 4);
    assert_keeper(&thing, 0, "image", "image");
    assert_keeper(&thing, 1, "content", index);
    assert_keeper(&thing, 2, "content", manifest);
    assert_keeper(&thing, 3, "content", layer);
}

/* It goes with the next run, and nothing makes one due. */
static void what_hung_on_a_lapsed_lease_is_listed_with_it(void **state)
{
    const struct page_request all = { 0 };
    const struct collector_list_reply *reply;
    const struct garbage_info *items;
    char layer[136];

    (void)state;
    make_lease("old", NULL);
    store_blob(&store, "layer", NULL, layer);
    store.content.lease = NULL;
    store_sql(&store, "UPDATE leases_lease SET expires = 1");
    must(peer_ask(&store.collector, &op_collector_list, &all, &answer));
    reply = answer.body;
    items = reply->garbage.items;
    assert_int_equal(reply->garbage.count, 1);
    assert_string_equal(items[0].kind, "content");
    assert_string_equal(items[0].key, layer);
    assert_string_equal(items[0].lease, "old");
    assert_int_equal(items[0].pointers, 0);
    assert_int_equal(why(layer).way.count, 0);
    assert_int_equal(collect().content, 1);
    assert_false(has_blob(layer));
}

static void what_refers_to_each_other_in_a_ring_goes(void **state)
{
    char one[136], two[136];
    struct map_entry to_one = { "containerd.io/gc.ref.content", one };
    struct map_entry to_two = { "containerd.io/gc.ref.content", two };

    (void)state;
    digest_text("one", one);
    digest_text("two", two);
    store_blob(&store, "one", &(struct map){ 1, &to_two }, one);
    store_blob(&store, "two", &(struct map){ 1, &to_one }, two);
    collect();
    assert_false(has_blob(one) || has_blob(two));
}

static void namespaces_do_not_keep_for_each_other(void **state)
{
    char digest[136];

    (void)state;
    store_blob(&store, "blob", NULL, digest);
    store_use(&store, "other");
    store_blob(&store, "blob", NULL, digest); /* present: a row is all it takes */
    store_image(&store, "image", digest);
    collect();
    assert_true(has_blob(digest));
    assert_true(fs_exists(store_path(&store, "blobs/sha256/%s", digest + 7)));
    store_use(&store, NULL);
    assert_false(has_blob(digest));
}

/* The owner asks again inside its write: what was referenced since the mark stays. */
static void what_is_referenced_again_is_not_removed(void **state)
{
    char digest[136];
    const struct content_remove_request in = { .digest = digest, SET(unreferenced, true) };
    const struct snapshots_key_request snapshot = { .key = "s", SET(unreferenced, true) };

    (void)state;
    make_lease("l", NULL);
    store_blob(&store, "blob", NULL, digest);
    make_snapshot("s", NULL);
    assert_int_equal(peer_ask(&store.content, &op_content_remove, &in, &answer),
                     ERROR_FAILED_PRECONDITION);
    assert_int_equal(peer_ask(&store.snapshots, &op_snapshots_remove, &snapshot, &answer),
                     ERROR_FAILED_PRECONDITION);
    store_sql(&store, "UPDATE leases_lease SET expires = 1");
    must(peer_ask(&store.content, &op_content_remove, &in, &answer));
    must(peer_ask(&store.snapshots, &op_snapshots_remove, &snapshot, &answer));
}

static void dropping_a_lease_is_enough(void **state)
{
    const struct events_list_request in = { 0 };
    char digest[136];
    uint64_t id;

    (void)state;
    make_lease("l", NULL);
    store_blob(&store, "blob", NULL, digest);
    id = peer_send(&store.events, &op_events_subscribe, &in);
    peer_credit(&store.events, id, 10);
    end_lease("l", false);
    do
        assert_true(peer_receive(&store.events, &op_events_subscribe, &answer));
    while (!streq(((struct event *)answer.body)->topic, "/content/delete"));
    assert_string_equal(((struct event *)answer.body)->id, digest);
}

static void a_forgotten_ingest_goes_after_a_day(void **state)
{
    const struct content_ingest_request in = { .ref = "old" }, young = { .ref = "young" };
    const struct timespec long_ago[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    char path[PATH_SIZE];

    (void)state;
    must(peer_ask(&store.content, &op_content_ingest, &in, &answer));
    snprintf(path, sizeof(path), "%s", ((struct content_ingest_reply *)answer.body)->path);
    must(peer_ask(&store.content, &op_content_ingest, &young, &answer));
    assert_int_equal(utimensat(-1, path, long_ago, 0), 0);
    collect();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_ingest"), 1);
    assert_false(fs_exists(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_image_keeps_all_that_it_refers_to),
        T(a_container_keeps_its_snapshot),
        T(a_root_label_keeps_for_good),
        T(a_flat_lease_keeps_only_what_it_holds),
        T(the_shortest_way_to_what_keeps_a_thing_is_told),
        T(what_hung_on_a_lapsed_lease_is_listed_with_it),
        T(what_refers_to_each_other_in_a_ring_goes),
        T(namespaces_do_not_keep_for_each_other),
        T(what_is_referenced_again_is_not_removed),
        T(dropping_a_lease_is_enough),
        T(a_forgotten_ingest_goes_after_a_day),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
