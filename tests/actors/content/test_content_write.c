/* Blobs that come over the connection: whole or absent, and never more than was said. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/actors/store.h"

#define HELLO "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct store store;
static struct answer answer;

static int set_up(void **state)
{
    const struct leases_create_request lease = { .id = "holds" };

    (void)state;
    store_open(&store);
    assert_int_equal(peer_ask(&store.leases, &op_leases_create, &lease, &answer), ERROR_NONE);
    store.content.lease = "holds";
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    answer_free(&answer);
    store_close(&store);
    return 0;
}

static uint64_t begin(const char *digest, uint64_t size)
{
    const struct content_write_request in = { .digest = digest,
                                              .size = size,
                                              .has_size = size != UINT64_MAX };

    return peer_send(&store.content, &op_content_write, &in);
}

static enum error_code end(void)
{
    return peer_finish(&store.content, &op_content_write, &answer);
}

static enum error_code stat_blob(const char *digest)
{
    const struct content_stat_request in = { .digest = digest };
    struct answer said = { 0 };
    enum error_code code = peer_ask(&store.content, &op_content_stat, &in, &said);

    answer_free(&said);
    return code;
}

/* Only an empty folder can be removed. */
static bool has_no_files(void)
{
    return rmdir(store_path(&store, "ingests")) == 0 || errno == ENOENT;
}

static void nothing_is_half_written(void)
{
    EVENTUALLY(&store.content, store_number(&store, "SELECT count(*) FROM content_ingest") == 0);
    EVENTUALLY(&store.content, has_no_files());
}

static void write_hello(void)
{
    uint64_t id = begin(HELLO, 5);

    peer_data(&store.content, id, "content", "hel", false);
    peer_data(&store.content, id, "content", "lo", true);
    assert_int_equal(end(), ERROR_NONE);
}

static void what_came_is_a_blob(void **state)
{
    const struct content_info *info;

    (void)state;
    write_hello();
    info = answer.body;
    assert_string_equal(info->digest, HELLO);
    assert_int_equal(info->size, 5);
    assert_int_equal(stat_blob(HELLO), ERROR_NONE);
    nothing_is_half_written();
}

static void a_digest_that_nobody_knows_yet_is_told(void **state)
{
    uint64_t id = begin(NULL, UINT64_MAX);
    const struct content_info *info;

    (void)state;
    peer_data(&store.content, id, "content", "hello", true);
    assert_int_equal(end(), ERROR_NONE);
    info = answer.body;
    assert_string_equal(info->digest, HELLO);
}

static void a_blob_that_is_here_is_not_waited_for(void **state)
{
    (void)state;
    write_hello();
    begin(HELLO, 5);
    assert_int_equal(end(), ERROR_NONE);
    nothing_is_half_written();
}

static void a_blob_that_turns_out_to_be_here_is_no_error(void **state)
{
    uint64_t id;

    (void)state;
    write_hello();
    id = begin(NULL, UINT64_MAX);
    peer_data(&store.content, id, "content", "hello", true);
    assert_int_equal(end(), ERROR_NONE);
    nothing_is_half_written();
}

static void no_bytes_are_a_blob(void **state)
{
    uint64_t id = begin(EMPTY, 0);

    (void)state;
    peer_data(&store.content, id, "content", "", true);
    assert_int_equal(end(), ERROR_NONE);
    assert_int_equal(stat_blob(EMPTY), ERROR_NONE);
}

static void other_bytes_are_refused(void **state)
{
    uint64_t id = begin(HELLO, 5);

    (void)state;
    peer_data(&store.content, id, "content", "hallo", true);
    assert_int_equal(end(), ERROR_DATA_LOSS);
    assert_int_equal(stat_blob(HELLO), ERROR_NOT_FOUND);
    nothing_is_half_written();
}

static void more_than_was_said_is_refused_before_it_is_written(void **state)
{
    uint64_t id = begin(HELLO, 4);

    (void)state;
    peer_data(&store.content, id, "content", "hello", false);
    assert_int_equal(end(), ERROR_FAILED_PRECONDITION);
    nothing_is_half_written();
}

static void more_than_a_layer_may_have_is_refused_before_it_is_written(void **state)
{
    uint64_t id;

    (void)state;
    store_stop(&store);
    store.layer_size = 4;
    store_start(&store);
    begin(HELLO, 5); /* nothing is sent */
    assert_int_equal(end(), ERROR_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(answer.message, "larger than 4 bytes"));
    id = begin(NULL, UINT64_MAX);
    peer_data(&store.content, id, "content", "hel", false);
    peer_data(&store.content, id, "content", "lo", true);
    assert_int_equal(end(), ERROR_RESOURCE_EXHAUSTED);
    nothing_is_half_written();
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_blob"), 0);
    store.layer_size = 0;
}

static void less_than_was_said_is_refused(void **state)
{
    uint64_t id = begin(HELLO, 6);

    (void)state;
    peer_data(&store.content, id, "content", "hello", true);
    assert_int_equal(end(), ERROR_FAILED_PRECONDITION);
    assert_int_equal(stat_blob(HELLO), ERROR_NOT_FOUND);
    nothing_is_half_written();
}

static void a_writer_that_gives_up_leaves_nothing(void **state)
{
    uint64_t id = begin(HELLO, 5);

    (void)state;
    peer_data(&store.content, id, "content", "hel", false);
    peer_cancel(&store.content, id);
    assert_int_equal(end(), ERROR_CANCELLED);
    nothing_is_half_written();
}

static void what_is_no_digest_is_refused(void **state)
{
    (void)state;
    begin("sha256:../../etc/passwd", 5);
    assert_int_equal(end(), ERROR_INVALID_ARGUMENT);
    begin("md5:d41d8cd98f00b204e9800998ecf8427e", 5);
    assert_int_equal(end(), ERROR_UNIMPLEMENTED);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_came_is_a_blob),
        T(a_digest_that_nobody_knows_yet_is_told),
        T(a_blob_that_is_here_is_not_waited_for),
        T(a_blob_that_turns_out_to_be_here_is_no_error),
        T(no_bytes_are_a_blob),
        T(other_bytes_are_refused),
        T(more_than_was_said_is_refused_before_it_is_written),
        T(more_than_a_layer_may_have_is_refused_before_it_is_written),
        T(less_than_was_said_is_refused),
        T(a_writer_that_gives_up_leaves_nothing),
        T(what_is_no_digest_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
