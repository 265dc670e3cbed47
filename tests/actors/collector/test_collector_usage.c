/* What takes how much: shared things once, and only what nobody uses can be had back. */
#include "tests/actors/collector/collector_fixture.h"

static const struct collector_usage_reply *usage(void)
{
    const struct collector_usage_request in = { SET(details, true) };

    must(peer_ask(&store.collector, &op_collector_usage, &in, &answer));
    return answer.body;
}

static struct usage_group group(const char *kind)
{
    const struct collector_usage_reply *reply = usage();
    const struct usage_group *groups = reply->groups.items;

    for (size_t i = 0; i < reply->groups.count; i++)
        if (streq(groups[i].kind, kind))
            return (struct usage_group){ NULL, groups[i].count, groups[i].active, groups[i].size,
                                         groups[i].reclaimable };
    fail_msg("there is no %s", kind);
    return (struct usage_group){ 0 };
}

static struct usage_image image(size_t number)
{
    const struct collector_usage_reply *reply = usage();

    assert_true(number < reply->images.count);
    return ((const struct usage_image *)reply->images.items)[number];
}

static void assert_group(const char *kind, uint64_t count, uint64_t active, uint64_t size,
                         uint64_t reclaimable)
{
    struct usage_group is = group(kind);

    assert_int_equal(is.count, count);
    assert_int_equal(is.active, active);
    assert_int_equal(is.size, size);
    assert_int_equal(is.reclaimable, reclaimable);
}

/* Two images, 10 and 100 bytes of their own, 1000 that both lead to, 10000 below that. */
static void make_images(void)
{
    store_sql(&store,
              "INSERT INTO content_blob VALUES ('default', 'sha256:a', 10, NULL, 0, 1, 1),"
              " ('default', 'sha256:b', 100, NULL, 0, 1, 1), ('default', 'sha256:c', 1000, NULL, "
              "0, 1, 1);"
              "INSERT INTO snapshots_layer (id, driver, parent, apart, size, created)"
              " VALUES (1, 'overlay', NULL, 0, 10000, 1);"
              "INSERT INTO snapshots_snapshot VALUES ('default', 'overlay', 'base', 'committed', 1,"
              " NULL, NULL, 0, 1, 1);"
              "INSERT INTO collector_edge VALUES"
              " ('default', 'content', '', 'sha256:a', 'content', '', 'sha256:c', 0),"
              " ('default', 'content', '', 'sha256:b', 'content', '', 'sha256:c', 0),"
              " ('default', 'content', '', 'sha256:c', 'snapshot', 'overlay', 'base', 0);");
    store_image(&store, "one", "sha256:a");
    store_image(&store, "two", "sha256:b");
}

/* As the containers actor writes it. */
static void make_container(const char *id, const char *image_name, const char *snapshot)
{
    const struct container_info info = { .id = id, .driver = "overlay", .snapshot = snapshot };
    struct buffer record = { 0 }, hex = { 0 };
    char sql[2048];

    record_pack(container_info_record(), &info, &record);
    for (size_t i = 0; i < record.size; i++) {
        char digits[3];

        snprintf(digits, sizeof(digits), "%02x", ((const unsigned char *)record.data)[i]);
        buffer_add(&hex, digits, 2);
    }
    buffer_add(&hex, "", 1);
    snprintf(sql, sizeof(sql),
             "INSERT INTO containers_container (namespace, id, image, driver, snapshot, created,"
             " updated, record) VALUES ('default', '%s', '%s', 'overlay', '%s', 1, 1, X'%s')",
             id, image_name, snapshot, (const char *)hex.data);
    store_sql(&store, sql);
    buffer_free(&record);
    buffer_free(&hex);
}

static void what_images_share_is_counted_once(void **state)
{
    (void)state;
    make_images();
    assert_group("images", 2, 0, 11110, 11110);
    assert_group("layers", 1, 0, 10000, 10000);
    assert_group("blobs", 3, 0, 1110, 1110);
    assert_string_equal(image(0).name, "one");
    assert_int_equal(image(0).size, 11010);
    assert_int_equal(image(0).own, 10);
    assert_int_equal(image(0).layers, 1);
    assert_int_equal(image(1).own, 100);
    store_image(&store, "zwei", "sha256:b"); /* another name of the same */
    assert_int_equal(image(1).own, 100);
    assert_int_equal(image(2).own, 100);
    assert_group("images", 2, 0, 11110, 11110);
}

static void a_container_uses_its_image_and_what_it_stands_on(void **state)
{
    (void)state;
    make_images();
    make_container("c", "gone", "base");
    assert_group("layers", 1, 1, 10000, 0);
    assert_group("images", 2, 0, 11110, 1110);
    store_sql(&store, "UPDATE containers_container SET image = 'two'");
    assert_group("images", 2, 1, 11110, 10);
    assert_group("blobs", 3, 2, 1110, 10);
    assert_int_equal(image(1).containers, 1);
}

/* A lease keeps it, and no image leads to it: removing images would not bring it back. */
static void what_a_lease_keeps_is_not_had_back(void **state)
{
    const struct leases_create_request lease = { .id = "l" };
    char digest[136];

    (void)state;
    must(peer_ask(&store.leases, &op_leases_create, &lease, &answer));
    store.content.lease = "l";
    store_blob(&store, "12345", NULL, digest);
    assert_group("blobs", 1, 0, 5, 0);
    store_sql(&store, "UPDATE leases_lease SET expires = 1");
    assert_group("blobs", 1, 0, 5, 5);
}

static void other_namespaces_are_not_told_of(void **state)
{
    (void)state;
    make_images();
    store_use(&store, "other");
    assert_group("images", 0, 0, 0, 0);
    assert_group("blobs", 0, 0, 0, 0);
    assert_group("downloads", 0, 0, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_images_share_is_counted_once),
        T(a_container_uses_its_image_and_what_it_stands_on),
        T(what_a_lease_keeps_is_not_had_back),
        T(other_namespaces_are_not_told_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
