/* Labels as containerd defines them, written by those who own the objects. */
#include "protocol/json.h"
#include "tests/actors/collector/collector_fixture.h"

static bool has_blob(const char *digest)
{
    const struct content_stat_request in = { .digest = digest };

    return peer_ask(&store.content, &op_content_stat, &in, &answer) == ERROR_NONE;
}

static void make_lease(const char *id, const char *label)
{
    struct map_entry entry = { label, "yes" };
    const struct leases_create_request in = { .id = id, .labels = { label ? 1 : 0, &entry } };

    must(peer_ask(&store.leases, &op_leases_create, &in, &answer));
    store.content.lease = store.snapshots.lease = id;
}

static void end_lease(const char *id)
{
    const struct leases_remove_request in = { .id = id, SET(sync, true) };

    store.content.lease = store.snapshots.lease = NULL;
    must(peer_ask(&store.leases, &op_leases_remove, &in, &answer));
}

static void lease_add(const char *id, struct resource resource)
{
    const struct leases_add_request in = { .id = id, .resources = { 1, &resource } };

    must(peer_ask(&store.leases, &op_leases_add, &in, &answer));
}

static enum error_code put_image(const char *name, const char *digest, struct map_entry *label)
{
    struct descriptor target = { "application/x", digest, 1, .annotations = { 0 } };
    const struct images_put_request in = { .name = name,
                                           .target = &target,
                                           .labels = { label ? 1 : 0, label } };

    return peer_ask(&store.images, &op_images_put, &in, &answer);
}

static bool has_image(const char *name)
{
    const struct images_get_request in = { .name = name };

    return peer_ask(&store.images, &op_images_get, &in, &answer) == ERROR_NONE;
}

static enum error_code label_image(const char *name, const char *key, const char *value)
{
    struct map_entry label = { key, value };
    const struct images_label_request in = { .name = name, .labels = { 1, &label } };

    return peer_ask(&store.images, &op_images_label, &in, &answer);
}

static void wait_for_event(uint64_t id, const char *topic)
{
    (void)id;
    do
        assert_true(peer_receive(&store.events, &op_events_subscribe, &answer));
    while (!streq(((struct event *)answer.body)->topic, topic));
}

static uint64_t listen_to_events(void)
{
    const struct events_list_request in = { 0 };
    uint64_t id = peer_send(&store.events, &op_events_subscribe, &in);

    peer_credit(&store.events, id, 1000);
    return id;
}

/* ---- gc.expire ------------------------------------------------------------------------------ */

static void an_image_goes_by_itself_when_its_time_comes(void **state)
{
    char digest[136], time[TIME_TEXT_SIZE];
    struct map_entry expire = { "containerd.io/gc.expire", time };
    uint64_t id = listen_to_events();

    (void)state;
    time_text(clock_now() + 300000000, time);
    make_lease("l", NULL);
    store_blob(&store, "target", NULL, digest);
    must(put_image("passing", digest, &expire));
    end_lease("l");
    wait_for_event(id, "/images/delete");
    assert_false(has_image("passing"));
    EVENTUALLY(&store.content, !has_blob(digest));
}

static void a_lease_keeps_an_image_beyond_its_time(void **state)
{
    char digest[136];
    struct map_entry expire = { "containerd.io/gc.expire", "2001-01-01T00:00:00Z" };

    (void)state;
    make_lease("l", NULL);
    lease_add("l", (struct resource){ "image", "docker.io/library/passing:latest", NULL });
    store.content.lease = NULL;
    make_lease("other", NULL);
    store_blob(&store, "target", NULL, digest);
    must(put_image("passing", digest, &expire));
    end_lease("other");
    assert_true(has_image("passing") && has_blob(digest));
    end_lease("l");
    assert_false(has_image("passing") || has_blob(digest));
}

static void a_time_that_is_none_is_refused(void **state)
{
    char digest[136];
    struct map_entry expire = { "containerd.io/gc.expire", "tomorrow" };

    (void)state;
    make_lease("l", NULL);
    store_blob(&store, "target", NULL, digest);
    assert_int_equal(put_image("passing", digest, &expire), ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(answer.message, "'tomorrow' is no RFC 3339 time"));
    assert_non_null(strstr(answer.hint, "2026-"));
}

/* ---- gc.ref --------------------------------------------------------------------------------- */

static void the_labels_of_an_image_lead_on(void **state)
{
    char digest[136], other[136];
    struct map_entry ref = { "containerd.io/gc.ref.content.signature", other };

    (void)state;
    make_lease("l", NULL);
    store_blob(&store, "target", NULL, digest);
    store_blob(&store, "signature", NULL, other);
    must(put_image("signed", digest, &ref));
    end_lease("l");
    assert_true(has_blob(other));
    must(label_image("signed", ref.key, ""));
    collect();
    assert_false(has_blob(other));
    assert_true(has_blob(digest));
}

static void a_blob_keeps_an_image_by_name(void **state)
{
    char digest[136], keeper[136];
    struct map_entry expire = { "containerd.io/gc.expire", "2001-01-01T00:00:00Z" };
    struct map_entry labels[] = { { "containerd.io/gc.ref.image/base", "docker.io/library/a:1" },
                                  { "containerd.io/gc.root", "yes" } };

    (void)state;
    make_lease("l", NULL);
    store_blob(&store, "keeper", &(struct map){ 2, labels }, keeper);
    store_blob(&store, "target", NULL, digest);
    must(put_image("a:1", digest, &expire));
    end_lease("l");
    assert_true(has_image("a:1") && has_blob(digest));
}

/* ---- gc.bref -------------------------------------------------------------------------------- */

static void who_cannot_change_the_others_labels_refers_backwards(void **state)
{
    char target[136], signature[136];
    struct map_entry to_blob = { "containerd.io/gc.bref.content.0", target };

    (void)state;
    make_lease("l", NULL);
    store_blob(&store, "target", NULL, target);
    store_blob(&store, "signature", &(struct map){ 1, &to_blob }, signature);
    must(put_image("signed", target, NULL));
    end_lease("l");
    assert_true(has_blob(signature));
    store_sql(&store, "DELETE FROM images_image");
    assert_int_equal(collect().content, 2);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM collector_edge"), 0);
}

static void an_image_and_a_container_keep_what_refers_back_to_them(void **state)
{
    char target[136], of_image[136], of_container[136];
    struct map_entry to_image = { "containerd.io/gc.bref.image", "docker.io/library/a:1" };
    struct map_entry to_container = { "containerd.io/gc.bref.container", "c1" };

    (void)state;
    make_lease("l", NULL);
    store_blob(&store, "target", NULL, target);
    store_blob(&store, "of image", &(struct map){ 1, &to_image }, of_image);
    store_blob(&store, "of container", &(struct map){ 1, &to_container }, of_container);
    must(put_image("a:1", target, NULL));
    store_container(&store, "c1", "s");
    end_lease("l");
    assert_true(has_blob(of_image) && has_blob(of_container));
    store_sql(&store, "DELETE FROM containers_container; DELETE FROM images_image");
    collect();
    assert_false(has_blob(of_image) || has_blob(of_container));
}

static void why_tells_of_references_backwards(void **state)
{
    char target[136], signature[136];
    struct map_entry to_blob = { "containerd.io/gc.bref.content", target };
    const struct collector_why_request in = { .name = signature };
    const struct kept_thing *thing;
    const struct keeper *way;

    (void)state;
    make_lease("l", NULL);
    store_blob(&store, "target", NULL, target);
    store_blob(&store, "signature", &(struct map){ 1, &to_blob }, signature);
    must(put_image("signed", target, NULL));
    end_lease("l");
    must(peer_ask(&store.collector, &op_collector_why, &in, &answer));
    thing = ((const struct collector_why_reply *)answer.body)->things.items;
    way = thing->way.items;
    assert_int_equal(thing->way.count, 3);
    assert_string_equal(way[0].kind, "image");
    assert_string_equal(way[1].key, target);
    assert_string_equal(way[2].key, signature);
}

/* ---- bad input ------------------------------------------------------------------------------ */

static void labels_that_are_no_references_make_none(void **state)
{
    char digest[136];
    struct map_entry labels[] = {
        { "containerd.io/gc.ref.container", "c" },
        { "containerd.io/gc.ref.contents", "d" },
        { "containerd.io/gc.bref.snapshot", "s" },
        { "containerd.io/gc.bref.", "x" },
        { "containerd.io/gc.ref.snapshot./x", "s" },
        { "containerd.io/gc.expire", "whenever" },
        { "containerd.io/gc.bref.snapshot.overlay/1", "edge" },
    };

    (void)state;
    store_blob(&store, "b", &(struct map){ COUNT_OF(labels), labels }, digest);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM collector_edge"), 1);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM collector_edge WHERE back = 1"
                                          " AND kind = 'snapshot' AND driver = 'overlay'"
                                          " AND key = 'edge' AND to_kind = 'content'"),
                     1);
}

/* A long chain of garbage goes from its head, whatever the names. */
static void a_chain_of_references_goes_in_one_run(void **state)
{
    (void)state;
    store_sql(
        &store,
        "WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 2999)"
        " INSERT INTO content_blob SELECT 'default', printf('sha256:%064x', (i * 7919) % 3000),"
        " 1, NULL, 0, 1, 1 FROM n;"
        "WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 2999)"
        " INSERT INTO collector_edge SELECT 'default', 'content', '',"
        " printf('sha256:%064x', (i * 7919) % 3000), 'content', '',"
        " printf('sha256:%064x', ((i + 1) * 7919) % 3000), 0 FROM n;");
    assert_int_equal(collect().content, 3000); /* the last one leads to the first, too */
    assert_int_equal(store_number(&store, "SELECT count(*) FROM collector_edge"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_image_goes_by_itself_when_its_time_comes),
        T(a_lease_keeps_an_image_beyond_its_time),
        T(a_time_that_is_none_is_refused),
        T(the_labels_of_an_image_lead_on),
        T(a_blob_keeps_an_image_by_name),
        T(who_cannot_change_the_others_labels_refers_backwards),
        T(an_image_and_a_container_keep_what_refers_back_to_them),
        T(why_tells_of_references_backwards),
        T(labels_that_are_no_references_make_none),
        T(a_chain_of_references_goes_in_one_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
