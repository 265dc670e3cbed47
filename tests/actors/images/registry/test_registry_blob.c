/* test_registry_blob — blobs: whole, resumed, cut, lied about, slow, and by several threads. */
#include "tests/actors/images/registry/registry_fixture.h"

#include <pthread.h>

#define SIZE 1000000

/* What the sink has: it must come in order, or begin anew at 0. */
struct file {
    char *data;
    uint64_t at;
    unsigned restarts;
    uint64_t fail_at; /* 0: never */
    uint64_t most;    /* the sink was never given bytes beyond */
};

static char content[SIZE]; /* of the blob, the same in every test */
static char digest[136];
static char path[200];

static int make_content(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (char)(i * 7 + i / 251);
    digest_text(content, SIZE, digest);
    snprintf(path, sizeof(path), BLOBS "%s", digest);
    return 0;
}

static int on_bytes(void *ctx, uint64_t at, const void *data, size_t size, struct error *err)
{
    struct file *file = ctx;

    if (at == 0 && file->at > 0) {
        file->restarts++;
        file->at = 0;
    }
    assert_int_equal(at, file->at);
    assert_true(at + size <= SIZE);
    memcpy(file->data + at, data, size);
    file->at += size;
    if (file->at > file->most)
        file->most = file->at;
    if (file->fail_at > 0 && file->at >= file->fail_at)
        return error_set(err, ERROR_RESOURCE_EXHAUSTED, "the disk is full");
    return 0;
}

/* As if `offset` bytes had come before. */
static struct file file_at(uint64_t offset)
{
    struct file file = { .data = calloc(1, SIZE), .at = offset };

    memcpy(file.data, content, offset);
    return file;
}

static void file_drop(struct file *file)
{
    free(file->data);
}

static int fetch_from(struct registry *registry, struct file *file, struct error *err)
{
    struct registry_blob blob = {
        .digest = digest, .size = SIZE, .offset = file->at, .sink = on_bytes, .ctx = file
    };

    memset(err, 0, sizeof(*err));
    return registry_blob(registry, NULL, &blob, err);
}

static void must_fetch(struct registry *registry, struct file *file)
{
    struct error err;

    if (fetch_from(registry, file, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(file->at, SIZE);
    assert_memory_equal(file->data, content, SIZE);
}

#define TEST_BLOB(offset)     \
    TEST_CLIENT(SERVER_HTTP); \
    CLEANUP(file_drop) struct file file = file_at(offset)

static void a_blob_comes_whole_and_in_order(void **state)
{
    TEST_BLOB(0);

    (void)state;
    server_add(server, path, &(struct server_reply){ .body = content, .size = SIZE });
    must_fetch(registry, &file);
    assert_string_equal(server_seen(server, path, 0, "range"), "");
    assert_int_equal(server_count(server, NULL), 1);
}

static void a_blob_of_unknown_length_comes_whole(void **state)
{
    TEST_BLOB(0);

    (void)state;
    server_add(server, path,
               &(struct server_reply){ .body = content, .size = SIZE, .chunked = true });
    must_fetch(registry, &file);
}

static void reg_4_a_download_goes_on_where_it_was(void **state)
{
    TEST_BLOB(123456);

    (void)state;
    server_add(server, path,
               &(struct server_reply){ .body = content, .size = SIZE, .ranges = true });
    must_fetch(registry, &file);
    assert_string_equal(server_seen(server, path, 0, "range"), "bytes=123456-");
    assert_int_equal(file.restarts, 0);
}

static void a_download_that_is_complete_asks_nobody(void **state)
{
    TEST_BLOB(SIZE);

    (void)state;
    must_fetch(registry, &file);
    assert_int_equal(server_count(server, NULL), 0);
}

static void reg_4_a_cut_connection_is_resumed(void **state)
{
    static const struct server_reply cuts[] = {
        { .cut = true, .cut_after = 400000 },
        { .cut = true, .cut_after = 400000, .reset = true },
        { .cut = true, .cut_after = 400000, .chunked = true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cuts); i++) {
        struct server_reply reply = cuts[i];
        unsigned long long from = 0;
        TEST_BLOB(0);

        reply.body = content;
        reply.size = SIZE;
        reply.ranges = true;
        server_add(server, path, &reply);
        server_add(server, path,
                   &(struct server_reply){ .body = content, .size = SIZE, .ranges = true });
        must_fetch(registry, &file);
        assert_int_equal(server_count(server, NULL), 2);
        assert_int_equal(file.restarts, 0);
        if (!reply.reset) { /* a reset may lose what was on its way */
            assert_int_equal(sscanf(server_seen(server, path, 1, "range"), "bytes=%llu-", &from),
                             1);
            assert_int_equal(from, 400000);
        }
    }
}

static void tries_are_counted_without_progress_between_them(void **state)
{
    TEST_BLOB(0);

    (void)state;
    /* ten cuts, more than the five tries there are, but each time 100,000 bytes came */
    server_add(
        server, path,
        &(struct server_reply){
            .body = content, .size = SIZE, .ranges = true, .cut = true, .cut_after = 100000 });
    must_fetch(registry, &file);
    assert_int_equal(server_count(server, NULL), 10);
}

static void a_few_bytes_per_connection_are_no_progress(void **state)
{
    TEST_BLOB(0);
    struct error err;

    (void)state;
    server_add(server, path,
               &(struct server_reply){
                   .body = content, .size = SIZE, .ranges = true, .cut = true, .cut_after = 100 });
    assert_int_equal(fetch_from(registry, &file, &err), -1);
    assert_code(&err, ERROR_UNAVAILABLE);
    assert_says(err.text, "blob sha256:");
    assert_says(err.text, "connection broke");
    assert_int_equal(server_count(server, NULL), 5);
}

static void reg_4_an_ignored_range_costs_only_the_prefix(void **state)
{
    TEST_BLOB(123456);

    (void)state;
    server_add(server, path, &(struct server_reply){ .body = content, .size = SIZE });
    must_fetch(registry, &file);
    assert_int_equal(file.restarts, 0);
    assert_int_equal(server_count(server, NULL), 1);
}

static void reg_4_a_range_that_nobody_asked_for_is_not_believed(void **state)
{
    static const char *const ranges[] = {
        "Content-Range: bytes 0-999999/1000000\r\n",
        "Content-Range: bytes 5-9/1000000\r\n",
        "Content-Range: bytes 123457-999999/1000000\r\n",
        "Content-Range: bytes 123456-5/*\r\n",
        "Content-Range: bytes 123456-1000000/*\r\n",
        "Content-Range: pages 1-2/3\r\n",
        "Content-Range: bytes */1000000\r\n",
        "Content-Type: multipart/byteranges; boundary=x\r\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        TEST_BLOB(123456);

        server_add(server, path,
                   &(struct server_reply){
                       .status = 206, .headers = ranges[i], .body = "lies", .size = 4 });
        server_add(server, path,
                   &(struct server_reply){ .body = content, .size = SIZE, .ranges = true });
        must_fetch(registry, &file);
        assert_int_equal(file.restarts, 0);
        assert_string_equal(server_seen(server, path, 1, "range"), ""); /* the whole, now */
    }
}

static void reg_4_a_part_of_a_range_is_followed_by_the_rest(void **state)
{
    TEST_BLOB(100000);

    (void)state;
    server_add(
        server, path,
        &(struct server_reply){ .status = 206,
                                .body = content + 100000,
                                .size = 200000,
                                .headers = "Content-Range: bytes 100000-299999/1000000\r\n" });
    server_add(server, path,
               &(struct server_reply){ .body = content, .size = SIZE, .ranges = true });
    must_fetch(registry, &file);
    assert_string_equal(server_seen(server, path, 1, "range"), "bytes=300000-");
}

static void reg_4_status_416_begins_anew(void **state)
{
    TEST_BLOB(123456);

    (void)state;
    server_add(server, path, &(struct server_reply){ .status = 416 });
    server_add(server, path,
               &(struct server_reply){ .body = content, .size = SIZE, .ranges = true });
    memset(file.data, 'x', file.at); /* what was there is of another blob */
    must_fetch(registry, &file);
    assert_int_equal(file.restarts, 1);
    assert_string_equal(server_seen(server, path, 1, "range"), "");
}

static void reg_4_status_416_for_ever_ends(void **state)
{
    TEST_BLOB(123456);
    struct error err;

    (void)state;
    server_add(server, path, &(struct server_reply){ .status = 416 });
    assert_int_equal(fetch_from(registry, &file, &err), -1);
    assert_true(server_count(server, NULL) <= 5);
}

static void reg_6_more_or_fewer_bytes_than_announced_by_the_descriptor_are_refused(void **state)
{
    static const struct server_reply replies[] = {
        { .size = SIZE + 1 },
        { .size = SIZE - 1 },
        { .size = SIZE + 1, .ranges = true },
        { .size = SIZE - 1, .ranges = true },
        { .size = SIZE + 1, .chunked = true },
        { .size = SIZE - 1, .chunked = true },
        { .size = 0 },
        { .size = 0, .chunked = true },
    };
    char *longer = calloc(1, SIZE + 1);

    (void)state;
    memcpy(longer, content, SIZE);
    for (size_t i = 0; i < 2 * COUNT_OF(replies); i++) {
        struct server_reply reply = replies[i / 2];
        TEST_BLOB(i % 2 ? 1000 : 0);
        struct error err;

        reply.body = longer;
        server_add(server, path, &reply);
        assert_int_equal(fetch_from(registry, &file, &err), -1);
        assert_code(&err, ERROR_DATA_LOSS);
        assert_says(err.text, "1000000");
        assert_true(file.most <= SIZE);
        assert_true(server_count(server, NULL) <= 5);
    }
    free(longer);
}

static void img_7_an_endless_blob_is_cut_off_at_its_size(void **state)
{
    size_t size = 64 << 20;
    char *zeros = calloc(1, size);
    TEST_BLOB(0);
    struct error err;

    (void)state;
    server_add(server, path,
               &(struct server_reply){ .body = zeros, .size = size, .chunked = true });
    free(zeros);
    assert_int_equal(fetch_from(registry, &file, &err), -1);
    assert_code(&err, ERROR_DATA_LOSS);
    assert_says(err.text, "more than the 1000000 bytes");
    assert_int_equal(server_count(server, NULL), 1);
}

static void a_silent_registry_is_a_broken_connection(void **state)
{
    TEST_BLOB(0);

    (void)state;
    server_add(server, path,
               &(struct server_reply){ .body = content,
                                       .size = SIZE,
                                       .ranges = true,
                                       .cut = true,
                                       .cut_after = 500000,
                                       .hold = true });
    server_add(server, path,
               &(struct server_reply){ .body = content, .size = SIZE, .ranges = true });
    must_fetch(registry, &file);
    assert_int_equal(server_count(server, NULL), 2);
    assert_string_equal(server_seen(server, path, 1, "range"), "bytes=500000-");
}

static void an_error_of_the_sink_is_the_answer(void **state)
{
    TEST_BLOB(0);
    struct error err;

    (void)state;
    file.fail_at = 1;
    server_add(server, path, &(struct server_reply){ .body = content, .size = SIZE });
    assert_int_equal(fetch_from(registry, &file, &err), -1);
    assert_code(&err, ERROR_RESOURCE_EXHAUSTED);
    assert_string_equal(err.text, "the disk is full");
    assert_int_equal(server_count(server, NULL), 1);
}

static int on_check(void *ctx, struct error *err)
{
    const struct file *file = ctx;

    if (file->at < 300000)
        return 0;
    return error_set(err, ERROR_DEADLINE_EXCEEDED, "too late");
}

static void a_cancelled_download_keeps_what_it_has(void **state)
{
    TEST_BLOB(0);
    struct registry_blob blob = { .digest = digest, .size = SIZE, .sink = on_bytes, .ctx = &file };
    struct registry_caller caller = { .check = on_check, .ctx = &file };
    struct error err;

    (void)state;
    server_add(server, path,
               &(struct server_reply){
                   .body = content, .size = SIZE, .cut = true, .cut_after = 300000, .hold = true });
    assert_int_equal(registry_blob(registry, &caller, &blob, &err), -1);
    assert_code(&err, ERROR_DEADLINE_EXCEEDED);
    assert_int_equal(file.at, 300000);
    assert_memory_equal(file.data, content, 300000);
}

static void what_cannot_be_a_blob_is_refused_before_the_network(void **state)
{
    TEST_BLOB(0);
    struct registry_blob blob = { .digest = "latest", .size = 1, .sink = on_bytes, .ctx = &file };
    struct error err;

    (void)state;
    assert_int_equal(registry_blob(registry, NULL, &blob, &err), -1);
    assert_code(&err, ERROR_INVALID_ARGUMENT);
    blob.digest = digest;
    blob.offset = 2;
    assert_int_equal(registry_blob(registry, NULL, &blob, &err), -1);
    assert_code(&err, ERROR_OUT_OF_RANGE);
    blob.size = UINT64_MAX;
    assert_int_equal(registry_blob(registry, NULL, &blob, &err), -1);
    assert_code(&err, ERROR_INVALID_ARGUMENT);
    assert_int_equal(server_count(server, NULL), 0);
}

static void a_missing_blob_is_named(void **state)
{
    TEST_BLOB(0);
    struct error err;

    (void)state;
    assert_int_equal(fetch_from(registry, &file, &err), -1);
    assert_code(&err, ERROR_NOT_FOUND);
    assert_says(err.text, "blob sha256:");
    assert_says(err.text, "NAME_UNKNOWN");
}

/* ---- several threads ------------------------------------------------------------------ */

struct worker {
    pthread_t thread;
    struct registry *registry;
    struct file file;
    struct error err;
    int rc;
};

static void *work(void *arg)
{
    struct worker *worker = arg;

    for (int i = 0; i < 5 && worker->rc == 0; i++) {
        worker->file.at = 0;
        memset(worker->file.data, 0, SIZE);
        worker->rc = fetch_from(worker->registry, &worker->file, &worker->err);
    }
    return NULL;
}

static void threads_share_a_registry_and_its_connections(void **state)
{
    TEST_CLIENT(SERVER_HTTP);
    struct worker workers[4];

    (void)state;
    server_add(server, path, &(struct server_reply){ .body = content, .size = SIZE });
    for (size_t i = 0; i < COUNT_OF(workers); i++) {
        workers[i] = (struct worker){ .registry = registry, .file = file_at(0) };
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(workers); i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].rc, 0);
        assert_memory_equal(workers[i].file.data, content, SIZE);
        file_drop(&workers[i].file);
    }
    assert_int_equal(server_count(server, path), 20);
    assert_true(server_connections(server) <= COUNT_OF(workers));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blob_comes_whole_and_in_order),
        cmocka_unit_test(a_blob_of_unknown_length_comes_whole),
        cmocka_unit_test(reg_4_a_download_goes_on_where_it_was),
        cmocka_unit_test(a_download_that_is_complete_asks_nobody),
        cmocka_unit_test(reg_4_a_cut_connection_is_resumed),
        cmocka_unit_test(tries_are_counted_without_progress_between_them),
        cmocka_unit_test(a_few_bytes_per_connection_are_no_progress),
        cmocka_unit_test(reg_4_an_ignored_range_costs_only_the_prefix),
        cmocka_unit_test(reg_4_a_range_that_nobody_asked_for_is_not_believed),
        cmocka_unit_test(reg_4_a_part_of_a_range_is_followed_by_the_rest),
        cmocka_unit_test(reg_4_status_416_begins_anew),
        cmocka_unit_test(reg_4_status_416_for_ever_ends),
        cmocka_unit_test(reg_6_more_or_fewer_bytes_than_announced_by_the_descriptor_are_refused),
        cmocka_unit_test(img_7_an_endless_blob_is_cut_off_at_its_size),
        cmocka_unit_test(a_silent_registry_is_a_broken_connection),
        cmocka_unit_test(an_error_of_the_sink_is_the_answer),
        cmocka_unit_test(a_cancelled_download_keeps_what_it_has),
        cmocka_unit_test(what_cannot_be_a_blob_is_refused_before_the_network),
        cmocka_unit_test(a_missing_blob_is_named),
        cmocka_unit_test(threads_share_a_registry_and_its_connections),
    };

    return cmocka_run_group_tests(tests, make_content, NULL);
}
