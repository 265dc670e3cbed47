/* Where namespaces are isolated, one gets a blob only by bringing its bytes. */
#include "tests/actors/content/content_fixture.h"

static void restart(bool isolated)
{
    store_stop(&store);
    store.isolated = isolated;
    store_start(&store);
}

static void bring(const char *ref)
{
    write_at(ingest(ref, HELLO)->path, "hello");
    if (commit(ref, HELLO) != ERROR_NONE)
        fail_msg("%s", answer.message);
}

static void lend(const char *namespace, const char *value)
{
    struct map_entry label = { "containerd.io/namespace.shareable", value };
    const struct namespaces_update_request in = { .name = namespace, .labels = { 1, &label } };

    if (peer_ask(&store.namespaces, &op_namespaces_update, &in, &answer) != ERROR_NONE)
        fail_msg("%s", answer.message);
}

static void by_default_what_one_namespace_has_is_there_for_others(void **state)
{
    (void)state;
    bring("a");
    store_use(&store, "other");
    assert_int_equal(stat_blob(HELLO), ERROR_NOT_FOUND); /* until it is asked for by its digest */
    assert_true(ingest("b", HELLO)->present);
    assert_int_equal(stat_blob(HELLO), ERROR_NONE);
}

static void an_isolated_namespace_brings_its_own_bytes(void **state)
{
    struct fs_info info;
    struct error err;
    char path[PATH_SIZE];

    (void)state;
    restart(true);
    bring("a");
    store_use(&store, "other");
    assert_false(ingest("b", HELLO)->present);
    assert_int_equal(((const struct content_ingest_reply *)answer.body)->offset, 0);
    snprintf(path, sizeof(path), "%s", ((const struct content_ingest_reply *)answer.body)->path);
    assert_int_equal(stat_blob(HELLO), ERROR_NOT_FOUND);
    write_at(path, "hello");
    assert_int_equal(commit("b", HELLO), ERROR_NONE);
    assert_int_equal(stat_blob(HELLO), ERROR_NONE);
    assert_int_equal(store_number(&store, "SELECT count(*) FROM content_blob"), 2);

    /* one file for both, and it stays as long as one of them has it */
    assert_int_equal(fs_stat(blob_file(HELLO), &info, &err), 0);
    assert_int_equal(remove_blob(HELLO), ERROR_NONE);
    assert_int_equal(fs_stat(blob_file(HELLO), &info, &err), 0);
    store_use(&store, NULL);
    assert_int_equal(stat_blob(HELLO), ERROR_NONE);
}

/* Neither the answer nor the error tells the two apart. */
static void wrong_bytes_prove_nothing(void **state)
{
    char with[256], without[256];
    const char *path;

    (void)state;
    restart(true);
    bring("a");
    store_use(&store, "other");
    path = ingest("b", HELLO)->path;
    write_at(path, "guess");
    assert_int_equal(commit("b", HELLO), ERROR_FAILED_PRECONDITION);
    snprintf(with, sizeof(with), "%s", answer.message);
    path = ingest("b", EMPTY)->path; /* this one nobody has */
    write_at(path, "guess");
    assert_int_equal(commit("b", EMPTY), ERROR_FAILED_PRECONDITION);
    snprintf(without, sizeof(without), "%s", answer.message);
    *strstr(with, HELLO) = *strstr(without, EMPTY) = '\0';
    assert_string_equal(with, without);
    assert_int_equal(stat_blob(HELLO), ERROR_NOT_FOUND);
    store_use(&store, NULL);
    assert_true(fs_exists(blob_file(HELLO)));
}

static void a_blob_over_the_connection_is_taken_whole(void **state)
{
    const struct content_write_request want = { .digest = HELLO, SET(size, 5) };
    uint64_t id;

    (void)state;
    restart(true);
    bring("a");
    store_use(&store, "other");
    id = peer_send(&store.content, &op_content_write, &want);
    do /* it asks for the bytes: the answer does not come without them */
        assert_true(peer_receive(&store.content, &op_content_write, &answer));
    while (!streq(answer.envelope.kind, "credit"));
    peer_data(&store.content, id, "data", "hello", true);
    assert_int_equal(peer_finish(&store.content, &op_content_write, &answer), ERROR_NONE);
    assert_int_equal(((const struct content_info *)answer.body)->size, 5);
}

static void a_shareable_namespace_lends_to_the_isolated(void **state)
{
    (void)state;
    restart(true);
    bring("a");
    lend("default", "true");
    store_use(&store, "other");
    assert_true(ingest("b", HELLO)->present);
    store_use(&store, NULL);
    lend("default", "false");
    store_use(&store, "third"); /* what `other` has it does not lend on */
    assert_false(ingest("c", HELLO)->present);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(by_default_what_one_namespace_has_is_there_for_others),
        T(an_isolated_namespace_brings_its_own_bytes),
        T(wrong_bytes_prove_nothing),
        T(a_blob_over_the_connection_is_taken_whole),
        T(a_shareable_namespace_lends_to_the_isolated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
