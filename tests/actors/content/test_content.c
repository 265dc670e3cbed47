/* Blobs: whole or absent, named by what they hold, known per namespace. */
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

#define HELLO "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct content_ingest_reply *ingest(const char *ref, const char *digest)
{
    const struct content_ingest_request in = { .ref = ref, .digest = digest };

    if (peer_ask(&store.content, &op_content_ingest, &in, &answer) != ERROR_NONE)
        fail_msg("ingest: %s", answer.message);
    return answer.body;
}

static enum error_code commit(const char *ref, const char *digest)
{
    const struct content_commit_request in = { .ref = ref, .digest = digest };

    return peer_ask(&store.content, &op_content_commit, &in, &answer);
}

static enum error_code stat_blob(const char *digest)
{
    const struct content_stat_request in = { .digest = digest };

    return peer_ask(&store.content, &op_content_stat, &in, &answer);
}

static enum error_code remove_blob(const char *digest)
{
    const struct content_remove_request in = { .digest = digest };

    return peer_ask(&store.content, &op_content_remove, &in, &answer);
}

static const char *blob_file(const char *digest)
{
    return store_path(&store, "blobs/sha256/%s", digest + 7);
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_committed_blob_leaves_no_ingest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_removed_blob_takes_its_file_with_it, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
