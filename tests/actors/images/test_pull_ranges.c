/* test_pull_ranges — REG-5: a big layer over several connections, and what may go wrong with them.
 */
#include "tests/actors/images/pull_fixture.h"

#define NOISE 1500000
#define PART  65536

/* Behind 8 KiB: slower than the disk by far, on a busy machine too. */
#define SLOW_MS 20

static void configure(unsigned ranges, uint64_t size)
{
    store_stop(&store);
    store.ranges = ranges;
    store.range_size = size;
    store_start(&store);
}

static int set_up_ranges(void **state)
{
    set_up(state);
    configure(4, PART);
    return 0;
}

#define RANGES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_ranges, tear_down)

static struct server_reply slow_reply(const struct built_blob *layer, unsigned pause_ms)
{
    return (struct server_reply){
        .body = layer->data, .size = layer->size, .ranges = true, .pause_ms = pause_ms
    };
}

#define TEST_LAYER                                                      \
    CLEANUP(image_drop) struct built_image *image = noisy_image(NOISE); \
    const struct built_blob *layer = &image->layers[0].packed;          \
    struct server_reply first = slow_reply(layer, SLOW_MS), others = slow_reply(layer, 2)

/* The reply to the first request, and the one to all others. */
static void serve(const struct built_blob *layer, const struct server_reply *first,
                  const struct server_reply *others)
{
    serve_blob(layer, first);
    server_add(server, blob_path(layer), others);
}

static const char *range_of(const struct built_blob *layer, size_t request)
{
    return server_seen(server, blob_path(layer), request, "range");
}

static uint64_t first_of_range(const struct built_blob *layer, size_t request)
{
    unsigned long long first = 0;

    if (sscanf(range_of(layer, request), "bytes=%llu-", &first) != 1)
        fail_msg("no range was asked for: \"%s\"", range_of(layer, request));
    return first;
}

/* All of it is here and unpacked; deeply checked. */
static void assert_whole(const struct built_blob *layer, const struct images_pull_reply *reply)
{
    struct fs_info info;
    struct error err;

    assert_true(has_blob(layer->digest));
    if (fs_stat(layer_path(reply->chain_id, "noise"), &info, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(info.size, NOISE);
    assert_nothing_half_done();
    assert_int_equal(files_in("ingests"), 0);
}

/* ---- several ----------------------------------------------------------------------------------
 */

static void reg_5_a_slow_layer_comes_over_several_connections_at_once(void **state)
{
    TEST_LAYER;

    (void)state;
    others.gate = true;
    serve(layer, &first, &others);
    begin_pull(&store.images);
    server_wait(server, blob_path(layer), 1 + 4); /* none of which was answered but the first */
    server_release(server);
    must(end_pull(&store.images));
    assert_string_equal(range_of(layer, 0), "bytes=0-65535");
    for (size_t i = 1; i <= 4; i++)
        assert_int_equal(first_of_range(layer, i) % PART, 0);
    assert_whole(layer, answer.body);
}

static void reg_5_bytes_are_counted_once(void **state)
{
    TEST_LAYER;
    const struct images_pull_reply *reply;

    (void)state;
    serve(layer, &first, &others);
    reply = must_pull();
    assert_int_equal(reply->downloaded,
                     image->index.size + image->manifest.size + image->config.size + layer->size);
    assert_whole(layer, reply);
}

static void reg_5_where_more_connections_are_no_faster_one_fetches_the_rest(void **state)
{
    TEST_LAYER;
    const struct server_reply rest = slow_reply(layer, 0);
    const struct images_pull_reply *reply;
    size_t last;

    (void)state;
    others.pause_ms = 5 * SLOW_MS; /* four of them are less than the one */
    serve_blob(layer, &first);
    for (size_t i = 0; i < 7; i++)
        server_add(server, blob_path(layer), &others);
    server_add(server, blob_path(layer), &rest);
    reply = must_pull();
    last = server_count(server, blob_path(layer)) - 1;
    assert_string_equal(range_of(layer, last) + strlen(range_of(layer, last)) - 1, "-");
    assert_whole(layer, reply);
}

/* ---- one --------------------------------------------------------------------------------------
 */

static void reg_5_a_layer_that_comes_as_fast_as_it_is_taken_is_left_to_one(void **state)
{
    TEST_LAYER;

    (void)state;
    configure(4, NOISE / 4); /* fewer parts than are worth it */
    first.pause_ms = others.pause_ms;
    serve(layer, &first, &others);
    assert_whole(layer, must_pull());
    assert_int_equal(server_count(server, blob_path(layer)), 1);
    assert_string_equal(range_of(layer, 0), "");
}

static void reg_5_one_connection_is_used_where_one_is_configured(void **state)
{
    TEST_LAYER;

    (void)state;
    configure(1, PART);
    first.pause_ms = others.pause_ms;
    serve(layer, &first, &others);
    assert_whole(layer, must_pull());
    assert_int_equal(server_count(server, blob_path(layer)), 1);
}

static void reg_5_a_registry_that_knows_no_ranges_sends_the_whole_once(void **state)
{
    TEST_LAYER;

    (void)state;
    first.ranges = others.ranges = false;
    first.pause_ms = others.pause_ms;
    serve(layer, &first, &others);
    assert_whole(layer, must_pull());
    assert_int_equal(server_count(server, blob_path(layer)), 1);
}

static void reg_5_a_registry_that_stops_sending_ranges_is_asked_by_one(void **state)
{
    TEST_LAYER;

    (void)state;
    others.ranges = false;
    serve(layer, &first, &others);
    assert_whole(layer, must_pull());
}

static void reg_5_a_registry_that_refuses_more_connections_is_asked_by_one(void **state)
{
    TEST_LAYER;

    (void)state;
    serve_blob(layer, &first);
    server_add(server, blob_path(layer), &(struct server_reply){ .status = 403 });
    server_add(server, blob_path(layer), &others);
    assert_whole(layer, must_pull());
}

/* ---- what breaks ------------------------------------------------------------------------------
 */

static void reg_5_a_part_that_is_cut_goes_on_where_it_broke(void **state)
{
    TEST_LAYER;
    struct server_reply cut = others;
    bool resumed = false;

    (void)state;
    cut.cut = true;
    cut.cut_after = 10000;
    serve(layer, &first, &cut);
    server_add(server, blob_path(layer), &others);
    assert_whole(layer, must_pull());
    for (size_t i = 1; i < server_count(server, blob_path(layer)); i++)
        resumed |= first_of_range(layer, i) % PART == 10000;
    assert_true(resumed);
}

static void reg_5_a_part_of_other_bytes_is_refused(void **state)
{
    TEST_LAYER;
    char *lies = malloc(layer->size);

    (void)state;
    assert_non_null(lies);
    memcpy(lies, layer->data, layer->size);
    lies[layer->size / 2] ^= 1;
    others.body = lies;
    serve(layer, &first, &others);
    assert_int_equal(pull(), ERROR_DATA_LOSS);
    assert_says("hashes to");
    free(lies);
    assert_nothing_left(0);
}

static void reg_5_a_part_that_is_longer_than_asked_is_refused(void **state)
{
    TEST_LAYER;
    char headers[100];

    (void)state;
    snprintf(headers, sizeof(headers), "Content-Range: bytes %u-%zu/%zu\r\n", PART, layer->size - 1,
             layer->size);
    others = (struct server_reply){ .status = 206,
                                    .headers = headers,
                                    .body = (const char *)layer->data + PART,
                                    .size = layer->size - PART };
    serve(layer, &first, &others);
    assert_whole(layer, must_pull()); /* such a reply is one that one connection takes */
}

/* What was ahead of a missing part is gone, what was before it is kept. */
static void reg_5_a_pull_that_is_given_up_goes_on_where_bytes_are_missing(void **state)
{
    TEST_LAYER;
    struct server_reply held = others;
    size_t asked;
    uint64_t id, from;

    (void)state;
    held.cut = held.hold = true;
    held.cut_after = 20000;
    serve(layer, &first, &held);
    id = begin_pull(&store.images);
    server_wait(server, blob_path(layer), 1 + 4);
    peer_cancel(&store.images, id);
    assert_int_equal(end_pull(&store.images), ERROR_CANCELLED);
    collect();
    assert_int_equal(files_in("ingests"), 1);
    assert_sound();

    asked = server_count(server, blob_path(layer));
    serve(layer, &others, &others);
    assert_whole(layer, must_pull());
    from = first_of_range(layer, asked);
    assert_true(from >= PART && from <= PART + 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RANGES_TEST(reg_5_a_slow_layer_comes_over_several_connections_at_once),
        RANGES_TEST(reg_5_bytes_are_counted_once),
        RANGES_TEST(reg_5_where_more_connections_are_no_faster_one_fetches_the_rest),
        RANGES_TEST(reg_5_a_layer_that_comes_as_fast_as_it_is_taken_is_left_to_one),
        RANGES_TEST(reg_5_one_connection_is_used_where_one_is_configured),
        RANGES_TEST(reg_5_a_registry_that_knows_no_ranges_sends_the_whole_once),
        RANGES_TEST(reg_5_a_registry_that_stops_sending_ranges_is_asked_by_one),
        RANGES_TEST(reg_5_a_registry_that_refuses_more_connections_is_asked_by_one),
        RANGES_TEST(reg_5_a_part_that_is_cut_goes_on_where_it_broke),
        RANGES_TEST(reg_5_a_part_of_other_bytes_is_refused),
        RANGES_TEST(reg_5_a_part_that_is_longer_than_asked_is_refused),
        RANGES_TEST(reg_5_a_pull_that_is_given_up_goes_on_where_bytes_are_missing),
    };

    return cmocka_run_group_tests_name("parallel ranges", tests, NULL, NULL);
}
