/* Commits: a blob is whole or absent, whatever was written and whenever the daemon ended. */
#include <sys/stat.h>

#include "actors/base/lease.h"
#include "tests/actors/content/content_fixture.h"

/* ---- commits -------------------------------------------------------------------------------- */

static void what_hashes_to_something_else_never_becomes_a_blob(void **state)
{
    (void)state;
    write_at(ingest("a", NULL)->path, "jello");
    assert_int_equal(commit("a", HELLO), ERROR_FAILED_PRECONDITION);
    assert_non_null(strstr(answer.message, HELLO));
    assert_false(fs_exists(blob_file(HELLO)));
    assert_int_equal(stat_blob(HELLO), ERROR_NOT_FOUND);
    assert_int_equal(ingest("a", HELLO)->offset, 0); /* its bytes were worth nothing */
}

static void a_short_ingest_can_be_finished(void **state)
{
    struct content_commit_request in = { .ref = "a", .digest = HELLO, SET(size, 5) };
    const struct content_ingest_request theirs = { .ref = JOB_INGEST "1" };
    char path[PATH_SIZE];

    (void)state;
    assert_int_equal(peer_ask(&store.content, &op_content_ingest, &theirs, &answer),
                     ERROR_INVALID_ARGUMENT);
    snprintf(path, sizeof(path), "%s", ingest("a", HELLO)->path);
    write_at(path, "hel");
    assert_int_equal(peer_ask(&store.content, &op_content_commit, &in, &answer),
                     ERROR_FAILED_PRECONDITION);
    assert_int_equal(ingest("a", HELLO)->offset, 3);
    write_at(path, "lo, and more");
    assert_int_equal(peer_ask(&store.content, &op_content_commit, &in, &answer),
                     ERROR_FAILED_PRECONDITION);
    assert_int_equal(ingest("a", HELLO)->offset, 0); /* too long is of no use */
}

static void a_commit_without_an_ingest_is_refused(void **state)
{
    (void)state;
    assert_int_equal(commit("nothing", HELLO), ERROR_NOT_FOUND);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_blob"), 0);
}

static void a_blob_that_is_there_is_not_committed_twice(void **state)
{
    (void)state;
    write_at(ingest("a", NULL)->path, "hello");
    write_at(ingest("b", NULL)->path, "hello");
    assert_int_equal(commit("a", HELLO), ERROR_NONE);
    assert_int_equal(commit("b", HELLO), ERROR_ALREADY_EXISTS);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_ingest"), 0);
    assert_int_equal(stat_blob(HELLO), ERROR_NONE);
    assert_true(fs_exists(blob_file(HELLO)));
}

static void an_empty_blob_is_a_blob(void **state)
{
    const struct content_read_request in = { .digest = EMPTY };
    uint64_t id;

    (void)state;
    ingest("a", EMPTY);
    assert_int_equal(commit("a", EMPTY), ERROR_NONE);
    id = peer_send(&store.content, &op_content_read, &in);
    peer_credit(&store.content, id, 1);
    assert_true(peer_receive(&store.content, &op_content_read, &answer));
    assert_true(answer.envelope.end);
    assert_int_equal(peer_finish(&store.content, &op_content_read, &answer), ERROR_NONE);
}

static void a_blob_cannot_be_written(void **state)
{
    struct stat st;

    (void)state;
    write_at(ingest("a", NULL)->path, "hello");
    assert_int_equal(commit("a", HELLO), ERROR_NONE);
    assert_int_equal(stat(blob_file(HELLO), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0444);
}

static void digests_that_cannot_be_verified_are_refused(void **state)
{
    static const struct {
        const char *digest;
        enum error_code code;
    } bad[] = {
        { "", ERROR_INVALID_ARGUMENT },
        { "sha256", ERROR_INVALID_ARGUMENT },
        { "sha256:", ERROR_INVALID_ARGUMENT },
        { "sha256:../../../../etc/passwd", ERROR_INVALID_ARGUMENT },
        { "sha256:2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824",
          ERROR_INVALID_ARGUMENT },
        { "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b982",
          ERROR_INVALID_ARGUMENT },
        { "md5:5d41402abc4b2a76b9719d911017c592", ERROR_UNIMPLEMENTED },
    };

    (void)state;
    write_at(ingest("a", NULL)->path, "hello");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(commit("a", bad[i].digest), bad[i].code);
        assert_int_equal(stat_blob(bad[i].digest), bad[i].code);
        assert_int_equal(remove_blob(bad[i].digest), bad[i].code);
    }
}

static void sha512_is_a_digest_too(void **state)
{
#define HELLO512                                                                                   \
    "sha512:"                                                                                      \
    "9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8" \
    "c5da0c4663475c2e5c3adef46f73bcdec043"
    (void)state;
    write_at(ingest("a", NULL)->path, "hello");
    assert_int_equal(commit("a", HELLO512), ERROR_NONE);
    store_stop(&store);
    store_start(&store);
    assert_int_equal(stat_blob(HELLO512), ERROR_NONE);
    assert_true(fs_exists(((struct content_info *)answer.body)->path));
}

static void only_the_daemon_may_say_that_it_has_hashed(void **state)
{
    const struct content_commit_request in = { .ref = "a", .digest = HELLO, SET(hashed, true) };

    (void)state;
    write_at(ingest("a", NULL)->path, "hello");
    assert_int_equal(peer_ask(&store.content, &op_content_commit, &in, &answer),
                     ERROR_PERMISSION_DENIED);
    store.content.inside = true;
    assert_int_equal(peer_ask(&store.content, &op_content_commit, &in, &answer), ERROR_NONE);
    store.content.inside = false;
}

static void a_lease_that_is_gone_makes_no_blob(void **state)
{
    (void)state;
    write_at(ingest("a", NULL)->path, "hello");
    store.content.lease = "gone";
    assert_int_equal(commit("a", HELLO), ERROR_NOT_FOUND);
    store.content.lease = NULL;
    assert_int_equal(ingest("a", HELLO)->offset,
                     5); /* the file went back, right behind the answer */
    assert_false(fs_exists(blob_file(HELLO)));
    assert_int_equal(commit("a", HELLO), ERROR_NONE);
}

static void many_commits_of_one_digest_agree(void **state)
{
    struct peer peers[8];
    char ref[8];
    int made = 0, there = 0;

    (void)state;
    for (int i = 0; i < 8; i++) {
        snprintf(ref, sizeof(ref), "ref-%d", i);
        write_at(ingest(ref, NULL)->path, "hello");
        peer_open(&peers[i], "content");
    }
    for (int i = 0; i < 8; i++) {
        const struct content_commit_request in = { .ref = ref, .digest = HELLO };

        snprintf(ref, sizeof(ref), "ref-%d", i);
        peer_send(&peers[i], &op_content_commit, &in);
    }
    for (int i = 0; i < 8; i++) {
        enum error_code code = peer_finish(&peers[i], &op_content_commit, &answer);

        made += code == ERROR_NONE;
        there += code == ERROR_ALREADY_EXISTS;
        peer_close(&peers[i]);
    }
    assert_int_equal(made, 1);
    assert_int_equal(there, 7);
    assert_true(fs_exists(blob_file(HELLO)));
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_ingest"), 0);
}

/* ---- crashes -------------------------------------------------------------------------------- */

static void files_that_no_row_names_go_at_the_start(void **state)
{
    char digest[136];

    (void)state;
    store_blob(&store, "kept", NULL, digest);
    ingest("kept", NULL);
    store_stop(&store);
    write_at(blob_file(HELLO), "hello");
    write_at(store_path(&store, "ingests/%064d", 1), "left");
    store_start(&store);
    assert_false(fs_exists(blob_file(HELLO)));
    assert_false(fs_exists(store_path(&store, "ingests/%064d", 1)));
    assert_true(fs_exists(blob_file(digest)));
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_ingest"), 1);
}

/* Its ref says so; nobody could take it up again. */
static void writings_of_jobs_end_with_the_daemon(void **state)
{
    char path[PATH_SIZE];

    (void)state;
    snprintf(path, sizeof(path), "%s", ingest("other", NULL)->path);
    write_at(path, "hello");
    store_stop(&store);
    store_sql(&store, "UPDATE content_ingest SET ref = '" JOB_INGEST "1'");
    store_start(&store);
    assert_false(fs_exists(path));
    ingest("behind", NULL); /* that change comes behind those of the start */
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_ingest"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_hashes_to_something_else_never_becomes_a_blob),
        T(a_short_ingest_can_be_finished),
        T(a_commit_without_an_ingest_is_refused),
        T(a_blob_that_is_there_is_not_committed_twice),
        T(an_empty_blob_is_a_blob),
        T(a_blob_cannot_be_written),
        T(digests_that_cannot_be_verified_are_refused),
        T(sha512_is_a_digest_too),
        T(only_the_daemon_may_say_that_it_has_hashed),
        T(a_lease_that_is_gone_makes_no_blob),
        T(many_commits_of_one_digest_agree),
        T(writings_of_jobs_end_with_the_daemon),
        T(files_that_no_row_names_go_at_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
