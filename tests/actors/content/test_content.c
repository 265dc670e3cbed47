/* Blobs: named by what they hold, known per namespace; ingests, labels, lists and ranges. */
#include <sys/stat.h>

#include "tests/actors/content/content_fixture.h"

/* ---- the happy path ---------------------------------------------------------------------- */

static void what_was_written_is_read_back(void **state)
{
    const struct content_read_request in = { .digest = HELLO };
    uint64_t id;

    (void)state;
    write_at(ingest("a", NULL)->path, "hello");
    assert_int_equal(commit("a", HELLO), ERROR_NONE);
    assert_int_equal(((struct content_info *)answer.body)->size, 5);
    assert_int_equal(stat_blob(HELLO), ERROR_NONE);
    assert_string_equal(((struct content_info *)answer.body)->path, blob_file(HELLO));

    id = peer_send(&store.content, &op_content_read, &in);
    peer_credit(&store.content, id, 3);
    assert_true(peer_receive(&store.content, &op_content_read, &answer));
    assert_string_equal(answer.envelope.kind, "data");
    assert_string_equal(answer.envelope.stream, "content");
    assert_int_equal(answer.size, 3);
    assert_memory_equal(answer.bytes, "hel", 3);
    assert_true(peer_hears_nothing(&store.content, 50));
    peer_credit(&store.content, id, 100);
    assert_true(peer_receive(&store.content, &op_content_read, &answer));
    assert_memory_equal(answer.bytes, "lo", 2);
    assert_int_equal(peer_finish(&store.content, &op_content_read, &answer), ERROR_NONE);
    assert_int_equal(((struct content_read_reply *)answer.body)->size, 5);
}

static void a_committed_blob_leaves_no_ingest(void **state)
{
    (void)state;
    write_at(ingest("a", NULL)->path, "hello");
    assert_int_equal(commit("a", HELLO), ERROR_NONE);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_ingest"), 0);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM events_journal"
                                          " WHERE topic = '/content/create'"),
                     1);
    assert_true(ingest("a", HELLO)->present);
}

static void a_removed_blob_takes_its_file_with_it(void **state)
{
    (void)state;
    write_at(ingest("a", NULL)->path, "hello");
    assert_int_equal(commit("a", HELLO), ERROR_NONE);
    assert_true(fs_exists(blob_file(HELLO)));
    assert_int_equal(remove_blob(HELLO), ERROR_NONE);
    assert_false(fs_exists(blob_file(HELLO)));
    assert_int_equal(stat_blob(HELLO), ERROR_NOT_FOUND);
    assert_int_equal(remove_blob(HELLO), ERROR_NOT_FOUND);
}

/* ---- ingests -------------------------------------------------------------------------------- */

static void an_interrupted_ingest_is_taken_up_where_it_ended(void **state)
{
    char path[PATH_SIZE];

    (void)state;
    snprintf(path, sizeof(path), "%s", ingest("a", HELLO)->path);
    write_at(path, "hel");
    store_stop(&store); /* whoever wrote is gone with the daemon */
    store_start(&store);
    assert_int_equal(ingest("a", HELLO)->offset, 3);
    assert_string_equal(((struct content_ingest_reply *)answer.body)->path, path);
    write_at(path, "lo");
    assert_int_equal(commit("a", HELLO), ERROR_NONE);
}

static void a_ref_has_one_writer_at_a_time(void **state)
{
    const struct content_ingest_request in = { .ref = "a", .digest = HELLO };
    const struct content_abort_request keep = { .ref = "a", SET(keep, true) };

    (void)state;
    write_at(ingest("a", HELLO)->path, "hel");
    assert_int_equal(peer_ask(&store.content, &op_content_ingest, &in, &answer), ERROR_UNAVAILABLE);
    assert_int_equal(peer_ask(&store.content, &op_content_abort, &keep, &answer), ERROR_NONE);
    assert_int_equal(ingest("a", HELLO)->offset, 3);
}

static void a_lock_falls_with_its_lease(void **state)
{
    const struct leases_create_request create = { .id = "first" };
    const struct leases_remove_request drop = { .id = "first" };
    const struct content_ingest_request in = { .ref = "a" };

    (void)state;
    assert_int_equal(peer_ask(&store.leases, &op_leases_create, &create, &answer), ERROR_NONE);
    store.content.lease = "first";
    ingest("a", NULL);
    store.content.lease = NULL;
    assert_int_equal(peer_ask(&store.content, &op_content_ingest, &in, &answer), ERROR_UNAVAILABLE);
    assert_int_equal(peer_ask(&store.leases, &op_leases_remove, &drop, &answer), ERROR_NONE);
    ingest("a", NULL);
}

static void a_lock_without_a_lease_falls_when_the_file_rests(void **state)
{
    const struct timespec long_ago[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    const struct content_ingest_request in = { .ref = "a" };
    char path[PATH_SIZE];

    (void)state;
    snprintf(path, sizeof(path), "%s", ingest("a", NULL)->path);
    assert_int_equal(peer_ask(&store.content, &op_content_ingest, &in, &answer), ERROR_UNAVAILABLE);
    assert_int_equal(utimensat(-1, path, long_ago, 0), 0);
    ingest("a", NULL);
}

static void refs_of_namespaces_do_not_meet(void **state)
{
    char path[PATH_SIZE];

    (void)state;
    snprintf(path, sizeof(path), "%s", ingest("a", NULL)->path);
    store_use(&store, "other");
    assert_string_not_equal(ingest("a", NULL)->path, path);
}

static void a_ref_cannot_leave_the_store(void **state)
{
    static const char *const refs[] = { "../../../etc/passwd", "/etc/passwd", "a/b", "." };
    char folder[PATH_SIZE];

    (void)state;
    snprintf(folder, sizeof(folder), "%s/", store_path(&store, "ingests"));
    for (size_t i = 0; i < 4; i++) {
        const char *path = ingest(refs[i], NULL)->path;

        assert_int_equal(strncmp(path, folder, strlen(folder)), 0);
        assert_null(strchr(path + strlen(folder), '/'));
    }
}

static void a_ref_keeps_to_what_it_was_begun_for(void **state)
{
    const struct content_ingest_request other_digest = { .ref = "a", .digest = EMPTY };
    const struct content_ingest_request first = { .ref = "b", SET(size, 5) },
                                        other = { .ref = "b", SET(size, 6) };
    const struct content_abort_request keep_a = { .ref = "a", SET(keep, true) },
                                       keep_b = { .ref = "b", SET(keep, true) };

    (void)state;
    ingest("a", HELLO);
    assert_int_equal(peer_ask(&store.content, &op_content_abort, &keep_a, &answer), ERROR_NONE);
    assert_int_equal(peer_ask(&store.content, &op_content_ingest, &other_digest, &answer),
                     ERROR_FAILED_PRECONDITION);
    assert_int_equal(peer_ask(&store.content, &op_content_ingest, &first, &answer), ERROR_NONE);
    assert_int_equal(peer_ask(&store.content, &op_content_abort, &keep_b, &answer), ERROR_NONE);
    assert_int_equal(peer_ask(&store.content, &op_content_ingest, &other, &answer),
                     ERROR_FAILED_PRECONDITION);
    ingest("a", HELLO); /* what was refused did not keep the lock */
}

static void a_given_up_ingest_leaves_nothing(void **state)
{
    const struct content_abort_request in = { .ref = "a" };
    char path[PATH_SIZE];

    (void)state;
    snprintf(path, sizeof(path), "%s", ingest("a", NULL)->path);
    write_at(path, "hello");
    assert_int_equal(peer_ask(&store.content, &op_content_abort, &in, &answer), ERROR_NONE);
    assert_false(fs_exists(path));
    assert_int_equal(peer_ask(&store.content, &op_content_abort, &in, &answer), ERROR_NOT_FOUND);
    assert_int_equal(ingest("a", NULL)->offset, 0);
}

static void ingests_are_listed(void **state)
{
    const struct page_request all = { 0 };
    const struct content_ingests_reply *reply;
    const struct content_ingest_info *info;

    (void)state;
    write_at(ingest("a", HELLO)->path, "hel");
    store_stop(&store);
    store_start(&store);
    ingest("b", NULL);
    assert_int_equal(peer_ask(&store.content, &op_content_ingests, &all, &answer), ERROR_NONE);
    reply = answer.body;
    info = reply->ingests.items;
    assert_int_equal(reply->ingests.count, 2);
    assert_string_equal(info[0].ref, "a");
    assert_int_equal(info[0].offset, 3);
    assert_string_equal(info[0].digest, HELLO);
    assert_false(info[0].busy);
    assert_true(info[1].busy);
}

/* ---- namespaces ----------------------------------------------------------------------------- */

static void a_second_namespace_needs_no_second_file(void **state)
{
    (void)state;
    write_at(ingest("a", NULL)->path, "hello");
    assert_int_equal(commit("a", HELLO), ERROR_NONE);
    store_use(&store, "other");
    assert_int_equal(stat_blob(HELLO), ERROR_NOT_FOUND);
    assert_true(ingest("b", HELLO)->present);
    assert_int_equal(stat_blob(HELLO), ERROR_NONE);
    assert_int_equal(((struct content_info *)answer.body)->size, 5);
    store_use(&store, NULL);
    assert_int_equal(remove_blob(HELLO), ERROR_NONE);
    assert_true(fs_exists(blob_file(HELLO))); /* the other one still has it */
    store_use(&store, "other");
    assert_int_equal(stat_blob(HELLO), ERROR_NONE);
    assert_int_equal(remove_blob(HELLO), ERROR_NONE);
    assert_false(fs_exists(blob_file(HELLO)));
}

/* ---- labels, lists, ranges ------------------------------------------------------------------ */

static void labels_are_changed_key_by_key(void **state)
{
    struct map_entry first[] = { { "a", "1" }, { "b", "2" } },
                     then[] = { { "a", "" }, { "c", "3" } };
    struct content_label_request in = { .digest = HELLO, .labels = { 2, first } };
    const struct content_info *info;

    (void)state;
    write_at(ingest("x", NULL)->path, "hello");
    assert_int_equal(commit("x", HELLO), ERROR_NONE);
    assert_int_equal(peer_ask(&store.content, &op_content_label, &in, &answer), ERROR_NONE);
    in.labels = (struct map){ 2, then };
    assert_int_equal(peer_ask(&store.content, &op_content_label, &in, &answer), ERROR_NONE);
    info = answer.body;
    assert_int_equal(info->labels.count, 2);
    assert_string_equal(map_get(&info->labels, "c"), "3");
    assert_true(info->updated >= info->created);
    in.digest = EMPTY;
    assert_int_equal(peer_ask(&store.content, &op_content_label, &in, &answer), ERROR_NOT_FOUND);
}

static void labels_that_are_edges_are_mirrored(void **state)
{
    struct map_entry labels[] = {
        { "containerd.io/gc.ref.content", EMPTY },
        { "containerd.io/gc.ref.content.l.1", EMPTY "x" },
        { "containerd.io/gc.ref.contents", "no edge" },
        { "containerd.io/gc.ref.snapshot.overlay", "s1" },
        { "containerd.io/gc.ref.snapshot.overlay/second", "s2" },
        { "containerd.io/gc.ref.snapshot", "no edge" },
    };
    struct content_label_request in = { .digest = HELLO, .labels = { 6, labels } };

    (void)state;
    write_at(ingest("x", NULL)->path, "hello");
    assert_int_equal(commit("x", HELLO), ERROR_NONE);
    assert_int_equal(peer_ask(&store.content, &op_content_label, &in, &answer), ERROR_NONE);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM collector_edge"), 4);
    assert_int_equal(store_number(&store,
                                  "SELECT count(*) FROM collector_edge WHERE to_driver = 'overlay'"
                                  " AND to_key IN ('s1', 's2')"),
                     2);
    labels[0].value = "";
    assert_int_equal(peer_ask(&store.content, &op_content_label, &in, &answer), ERROR_NONE);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM collector_edge"), 3);
    assert_int_equal(remove_blob(HELLO), ERROR_NONE);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM collector_edge"), 0);
}

static void a_label_has_at_most_4096_bytes(void **state)
{
    char value[4097];
    struct map_entry label = { "k", value };
    struct content_label_request in = { .digest = HELLO, .labels = { 1, &label } };

    (void)state;
    write_at(ingest("x", NULL)->path, "hello");
    assert_int_equal(commit("x", HELLO), ERROR_NONE);
    memset(value, 'v', 4096);
    value[4096] = '\0';
    assert_int_equal(peer_ask(&store.content, &op_content_label, &in, &answer),
                     ERROR_INVALID_ARGUMENT);
    value[4095] = '\0';
    assert_int_equal(peer_ask(&store.content, &op_content_label, &in, &answer), ERROR_NONE);
}

static void lists_come_in_pages_and_can_be_filtered(void **state)
{
    struct map_entry label = { "example.com/kind", "odd" };
    const struct map labels = { 1, &label };
    char digest[136], text[8];
    struct page_request in = { SET(limit, 2) };
    const char *filter = "labels.\"example.com/kind\"==odd";
    const struct content_list_reply *reply;
    size_t count = 0;

    (void)state;
    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof(text), "%d", i);
        store_blob(&store, text, i % 2 ? &labels : NULL, digest);
    }
    do {
        assert_int_equal(peer_ask(&store.content, &op_content_list, &in, &answer), ERROR_NONE);
        reply = answer.body;
        count += reply->blobs.count;
        snprintf(digest, sizeof(digest), "%s",
                 ((const struct content_info *)reply->blobs.items)[reply->blobs.count - 1].digest);
        in.after = digest;
    } while (reply->more);
    assert_int_equal(count, 5);
    in = (struct page_request){ .filters = { 1, &filter } };
    assert_int_equal(peer_ask(&store.content, &op_content_list, &in, &answer), ERROR_NONE);
    assert_int_equal(((struct content_list_reply *)answer.body)->blobs.count, 2);
}

static enum error_code read_range(uint64_t offset, uint64_t size, char text[16])
{
    const struct content_read_request in = { .digest = HELLO,
                                             SET(offset, offset),
                                             SET(size, size) };
    uint64_t id = peer_send(&store.content, &op_content_read, &in);

    peer_credit(&store.content, id, 1000);
    text[0] = '\0';
    while (peer_receive(&store.content, &op_content_read, &answer) &&
           streq(answer.envelope.kind, "data"))
        strncat(text, answer.bytes, answer.size);
    return answer.code;
}

static void a_part_of_a_blob_is_read(void **state)
{
    char text[16];

    (void)state;
    write_at(ingest("x", NULL)->path, "hello");
    assert_int_equal(commit("x", HELLO), ERROR_NONE);
    assert_int_equal(read_range(1, 3, text), ERROR_NONE);
    assert_string_equal(text, "ell");
    assert_int_equal(read_range(3, 100, text), ERROR_NONE);
    assert_string_equal(text, "lo");
    assert_int_equal(read_range(5, 1, text), ERROR_NONE);
    assert_string_equal(text, "");
    assert_int_equal(read_range(6, 1, text), ERROR_OUT_OF_RANGE);
    assert_int_equal(read_range(UINT64_MAX, UINT64_MAX, text), ERROR_OUT_OF_RANGE);
}

static void a_reader_that_gives_no_credit_can_be_cancelled(void **state)
{
    const struct content_read_request in = { .digest = HELLO };
    uint64_t id;

    (void)state;
    write_at(ingest("x", NULL)->path, "hello");
    assert_int_equal(commit("x", HELLO), ERROR_NONE);
    id = peer_send(&store.content, &op_content_read, &in);
    peer_cancel(&store.content, id);
    assert_int_equal(peer_finish(&store.content, &op_content_read, &answer), ERROR_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_was_written_is_read_back),
        T(a_committed_blob_leaves_no_ingest),
        T(a_removed_blob_takes_its_file_with_it),
        T(an_interrupted_ingest_is_taken_up_where_it_ended),
        T(a_ref_has_one_writer_at_a_time),
        T(a_lock_falls_with_its_lease),
        T(a_lock_without_a_lease_falls_when_the_file_rests),
        T(refs_of_namespaces_do_not_meet),
        T(a_ref_cannot_leave_the_store),
        T(a_ref_keeps_to_what_it_was_begun_for),
        T(a_given_up_ingest_leaves_nothing),
        T(ingests_are_listed),
        T(a_second_namespace_needs_no_second_file),
        T(labels_are_changed_key_by_key),
        T(labels_that_are_edges_are_mirrored),
        T(a_label_has_at_most_4096_bytes),
        T(lists_come_in_pages_and_can_be_filtered),
        T(a_part_of_a_blob_is_read),
        T(a_reader_that_gives_no_credit_can_be_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
