/* Diffs: two snapshots become a layer in the content store, or a list; and nothing else stays. */
#include <fcntl.h>
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
    setenv("PATH", TEST_BIN ":/usr/sbin:/usr/bin:/sbin:/bin", 1);
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

/* A snapshot with one file more than its parent; it is active.  Its root has a time of its own: the clock's may be
   the same when all is quick. */
static void make(const char *key, const char *parent, const char *file, const char *text)
{
    const struct snapshots_prepare_request in = { .key = key, .parent = parent };
    const struct snapshots_mounts_reply *place;
    struct timespec times[2] = { { .tv_sec = text[0] }, { .tv_sec = text[0] } };
    char path[PATH_SIZE];
    struct error err;

    assert_int_equal(peer_ask(&store.snapshots, &op_snapshots_prepare, &in, &answer), ERROR_NONE);
    place = answer.body;
    assert_int_equal(path_format(path, &err, "%s/%s", place->path, file), 0);
    assert_int_equal(fs_write(path, text, strlen(text), 0644, false, &err), 0);
    assert_int_equal(utimensat(AT_FDCWD, place->path, times, 0), 0);
}

static void commit(const char *key, const char *name)
{
    const struct snapshots_commit_request in = { .key = key, .name = name };

    assert_int_equal(peer_ask(&store.snapshots, &op_snapshots_commit, &in, &answer), ERROR_NONE);
}

static void three_snapshots(void)
{
    make("a", NULL, "one", "1");
    commit("a", "base");
    make("b", "base", "two", "2");
    commit("b", "top");
    make("c", "top", "three", "3");
}

static enum error_code diff(const char *key, const char *parent, const char *media_type)
{
    const struct snapshots_diff_request in = { .key = key,
                                               .parent = parent,
                                               .media_type = media_type };

    return peer_ask(&store.snapshots, &op_snapshots_diff, &in, &answer);
}

static void lease_open(void)
{
    const struct leases_create_request in = { .id = "kept" };

    assert_int_equal(peer_ask(&store.leases, &op_leases_create, &in, &answer), ERROR_NONE);
    store.snapshots.lease = "kept";
}

static void a_layer_lies_in_the_store_and_the_lease_holds_it(void **state)
{
    const struct snapshots_diff_reply *made;
    char digest[136], diff_id[136];
    struct content_stat_request in = { .digest = digest };

    (void)state;
    three_snapshots();
    lease_open();
    assert_int_equal(diff("c", NULL, NULL), ERROR_NONE);
    made = answer.body;
    assert_int_equal(made->entries, 2); /* the root, whose time has changed, and the file */
    assert_string_equal(made->blob->media_type, "application/vnd.oci.image.layer.v1.tar+gzip");
    snprintf(digest, sizeof(digest), "%s", made->blob->digest);
    snprintf(diff_id, sizeof(diff_id), "%s", made->diff_id);
    assert_string_not_equal(digest, diff_id);
    assert_int_equal(peer_ask(&store.content, &op_content_stat, &in, &answer), ERROR_NONE);
    assert_string_equal(
        map_get(&((const struct content_info *)answer.body)->labels, "containerd.io/uncompressed"),
        diff_id);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM leases_resource WHERE lease ="
                                          " 'kept' AND kind = 'content'"),
                     1);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_ingest"), 0);
}

static void the_same_once_more_is_the_same_blob(void **state)
{
    char digest[136];

    (void)state;
    three_snapshots();
    lease_open();
    assert_int_equal(diff("c", NULL, NULL), ERROR_NONE);
    snprintf(digest, sizeof(digest), "%s",
             ((const struct snapshots_diff_reply *)answer.body)->blob->digest);
    assert_int_equal(diff("c", NULL, NULL), ERROR_NONE);
    assert_string_equal(((const struct snapshots_diff_reply *)answer.body)->blob->digest, digest);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_blob"), 1);
}

static void any_two_snapshots_can_be_compared(void **state)
{
    (void)state;
    three_snapshots();
    lease_open();
    assert_int_equal(diff("c", "base", "application/vnd.oci.image.layer.v1.tar"), ERROR_NONE);
    assert_int_equal(((const struct snapshots_diff_reply *)answer.body)->entries, 3);
    assert_int_equal(diff("base", "top", "application/vnd.oci.image.layer.v1.tar+zstd"),
                     ERROR_NONE);
    assert_int_equal(((const struct snapshots_diff_reply *)answer.body)->entries, 2);
    assert_int_equal(diff("base", NULL, "application/vnd.docker.image.rootfs.diff.tar.gzip"),
                     ERROR_NONE);
    assert_int_equal(((const struct snapshots_diff_reply *)answer.body)->entries, 2);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_snapshot"), 3);
}

static void what_is_no_layer_or_not_there_is_said(void **state)
{
    (void)state;
    three_snapshots();
    assert_int_equal(diff("c", NULL, "text/plain"), ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(answer.message, "text/plain"));
    assert_int_equal(diff("nobody", NULL, NULL), ERROR_NOT_FOUND);
    assert_non_null(strstr(answer.message, "nobody"));
    assert_int_equal(diff("c", "nobody", NULL), ERROR_NOT_FOUND);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_ingest"), 0);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_snapshot"), 3);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM leases_lease"), 0);
}

static void what_a_layer_cannot_hold_leaves_nothing(void **state)
{
    (void)state;
    three_snapshots();
    make("d", "top", ".wh.file", "");
    assert_int_equal(diff("d", "base", NULL), ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(answer.message, ".wh.file"));
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_ingest"), 0);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM snapshots_snapshot"), 4);
}

static void changes_come_as_far_as_credit_goes(void **state)
{
    static const char expected[] = "A/three\0A/two";
    const struct snapshots_changes_request in = { .key = "c", .parent = "base" };
    bool was_data = false;
    uint64_t id;

    (void)state;
    three_snapshots();
    id = peer_send(&store.snapshots, &op_snapshots_changes, &in);
    assert_true(peer_hears_nothing(&store.snapshots, 300));
    peer_credit(&store.snapshots, id, 1000);
    while (peer_receive(&store.snapshots, &op_snapshots_changes, &answer) &&
           !streq(answer.envelope.kind, "reply")) {
        if (answer.size == 0)
            continue;
        assert_int_equal(answer.size, sizeof(expected));
        assert_memory_equal(answer.bytes, expected, sizeof(expected));
        was_data = true;
    }
    assert_true(was_data);
    assert_int_equal(answer.code, ERROR_NONE);
}

static void who_is_not_waited_for_leaves_nothing(void **state)
{
    const struct snapshots_changes_request in = { .key = "c", .parent = "base" };
    uint64_t id;

    (void)state;
    three_snapshots();
    id = peer_send(&store.snapshots, &op_snapshots_changes, &in);
    peer_cancel(&store.snapshots, id);
    assert_int_equal(peer_finish(&store.snapshots, &op_snapshots_changes, &answer),
                     ERROR_CANCELLED);
    EVENTUALLY(&store.snapshots,
               store_number(&store, "SELECT count(*) FROM snapshots_snapshot") == 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_layer_lies_in_the_store_and_the_lease_holds_it),
        TEST(the_same_once_more_is_the_same_blob),
        TEST(any_two_snapshots_can_be_compared),
        TEST(what_is_no_layer_or_not_there_is_said),
        TEST(what_a_layer_cannot_hold_leaves_nothing),
        TEST(changes_come_as_far_as_credit_goes),
        TEST(who_is_not_waited_for_leaves_nothing),
    };

    if (process_user() != 0) {
        printf("skipped: needs root (file systems are mounted to be compared)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
